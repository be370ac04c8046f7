/* Which tunnel two FEs have: chosen for each pair from what both can do and what the config wishes,
 * alike at both ends.  IPv4 first and IP-in-IP first, unless configured otherwise; VXLAN where an
 * end has nothing else.  An FE that has not connected in this run is known by the groups of others
 * (sync.c). */
#include "controller/tunnel.h"

#include "base/memory.h"
#include "controller/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENCAPSULATIONS_ANY (ENCAPSULATION_IPIP | ENCAPSULATION_VXLAN)

static bool has_family(const struct element *e, unsigned family)
{
	return !address_is_zero(&e->backplane.pair[family].address);
}

bool element_has_backplane(const struct element *e)
{
	return has_family(e, FAMILY_IPV4) || has_family(e, FAMILY_IPV6);
}

bool backplane_is_shared(const struct backplane *a, const struct backplane *b)
{
	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		if (!address_is_zero(&a->pair[i].address) &&
		    address_equal(&a->pair[i].address, &b->pair[i].address))
			return true;
	return false;
}

/* Names are zero-filled. */
static bool is_between(const struct tunnel_wish *w, const struct element *a,
		       const struct element *b)
{
	bool forth = memcmp(w->ends[0], a->name, NAME_SIZE) == 0 &&
		     memcmp(w->ends[1], b->name, NAME_SIZE) == 0;
	bool back = memcmp(w->ends[0], b->name, NAME_SIZE) == 0 &&
		    memcmp(w->ends[1], a->name, NAME_SIZE) == 0;

	return forth || back;
}

/* What the config says for this pair. */
static struct tunnel_wish wish_for(const struct core *c, const struct element *a,
				   const struct element *b)
{
	struct tunnel_wish wish = c->config.tunnel;

	for (unsigned i = 0; i < c->wish_count; i++) {
		if (!is_between(&c->wishes[i], a, b))
			continue;
		if (c->wishes[i].encapsulation)
			wish.encapsulation = c->wishes[i].encapsulation;
		if (c->wishes[i].underlay)
			wish.underlay = c->wishes[i].underlay;
	}
	return wish;
}

/* 0 says that nothing is known: an FE of an earlier release, or one not met. */
static uint8_t encapsulations_of(const struct element *e)
{
	return e->info.encapsulations ? e->info.encapsulations : ENCAPSULATIONS_ANY;
}

static bool choose_vxlan(const struct tunnel_wish *wish, const struct element *a,
			 const struct element *b)
{
	uint8_t both = encapsulations_of(a) & encapsulations_of(b);

	if (!(both & ENCAPSULATION_IPIP))
		return true;
	return wish->encapsulation == ENCAPSULATION_VXLAN && both & ENCAPSULATION_VXLAN;
}

bool tunnel_between(const struct core *c, const struct element *e, const struct element *peer,
		    struct tunnel *ret)
{
	const struct tunnel_wish wish = wish_for(c, e, peer);
	unsigned family = wish.underlay == UNDERLAY_WISH_IPV6 ? FAMILY_IPV6 : FAMILY_IPV4;

	if (e == peer || !element_has_backplane(peer) || !topology_allows(c, e, peer))
		return false;
	/* Without a family in common the peer's own: rules need the group, and the FE says why it
	 * drops what it is to send there. */
	if (!(has_family(peer, family) && has_family(e, family)) && has_family(peer, !family) &&
	    (has_family(e, !family) || !has_family(peer, family)))
		family = !family;
	ret->address = peer->backplane.pair[family].address;
	ret->redirect = peer->backplane.pair[family].redirect;
	ret->spread = peer->backplane.pair[family].spread;
	ret->vxlan = choose_vxlan(&wish, e, peer);
	return true;
}

struct address tunnel_address(const struct element *e, const struct element *peer)
{
	struct tunnel tunnel = {0};

	(void)tunnel_between(e->core, e, peer, &tunnel);
	return tunnel.address;
}

bool tunnel_equal(const struct tunnel *a, const struct tunnel *b)
{
	return address_equal(&a->address, &b->address) &&
	       address_equal(&a->redirect, &b->redirect) && prefix_equal(&a->spread, &b->spread) &&
	       a->vxlan == b->vxlan;
}

unsigned tunnel_rules(uint32_t fe, const struct tunnel *t, struct rule rules[TUNNEL_RULES_MAX])
{
	const struct prefix sources[] = {{t->address, 128}, t->spread};
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		if (!sources[i].length || (i && sources[i].length == 128))
			continue;
		for (unsigned marked = 0; marked < 2; marked++)
			rules[count++] =
				(struct rule){.key = {.kind = marked ? RULE_PEER_MARKED : RULE_PEER,
						      .length = sources[i].length,
						      .port = t->vxlan ? PIPELINE_VXLAN_PORT
								       : PIPELINE_TUNNEL_PORT,
						      .address = sources[i].address},
					      .vrf = DEFAULT_VRF,
					      .fe = fe};
	}
	return count;
}

void tunnel_learn(struct element *peer, const struct rule_group *group)
{
	struct backplane_pair *pair =
		&peer->backplane.pair[address_is_ipv4(&group->address) ? FAMILY_IPV4 : FAMILY_IPV6];

	pair->address = group->address;
	pair->redirect = group->redirect;
	peer->info.encapsulations |= group->vxlan ? ENCAPSULATION_VXLAN : ENCAPSULATION_IPIP;
}

int core_add_tunnel(struct core *c, const struct tunnel_wish *w, struct reason *why)
{
	for (unsigned end = 0; end < 2; end++)
		if (!inventory_name_is_valid(w->ends[end]))
			return reason_set(why, -EINVAL, "tunnel: '%s' is no element's name",
					  w->ends[end]);
	if (strcmp(w->ends[0], w->ends[1]) == 0)
		return reason_set(why, -EINVAL, "tunnel %s - %s: both ends are the same element",
				  w->ends[0], w->ends[1]);
	if (c->wish_count == LINKS_MAX)
		return reason_set(why, -EINVAL, "tunnel %s - %s: there are %d already", w->ends[0],
				  w->ends[1], LINKS_MAX);
	c->wishes = memory_resize(c->wishes, (c->wish_count + 1) * sizeof(*c->wishes));
	c->wishes[c->wish_count++] = *w;
	return 0;
}
