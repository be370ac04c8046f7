/* Router advertisements at an Open vSwitch (RFC 4861, section 6.2), by packet-out: a switch has
 * nobody who would say them.  What they say is what a victor-fe's say (fe/router.h): the anycast
 * gateway by its link-local address, the prefixes that the element serves, and the MTU that fits
 * into the tunnel to any other FE. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "controller/planner.h"
#include "packet/nd.h"

#define TICK_MS 250
#define HOP_LIMIT 64
#define LIFETIME_S 1800
#define SPACING_MS 3000 /* least time between two to all (MIN_DELAY_BETWEEN_RAS) */
#define INITIAL_INTERVAL_MS 16000
#define INITIAL_COUNT 3
#define INTERVAL_MS 200000 /* from this to three times this */
#define VALID_S 2592000    /* RFC 4861, section 6.2.1: 30 and 7 days */
#define PREFERRED_S 604800
#define ETHERNET_MTU 1500

/* False: there is nothing to be said. */
static bool describe(const struct element *e, struct nd_router *ret)
{
	const struct inventory *inventory = &e->core->inventory;
	uint32_t mtu = ovs_tunnel_mtu(e);

	*ret = (struct nd_router){.hop_limit = HOP_LIMIT, .lifetime_s = LIFETIME_S};
	ret->mtu = mtu < ND_MTU_LEAST ? ND_MTU_LEAST : mtu;
	if (ret->mtu > ETHERNET_MTU)
		ret->mtu = ETHERNET_MTU;
	for (unsigned i = 0; i < inventory->prefix_count; i++) {
		const struct covered_prefix *p = &inventory->prefixes[i];

		if (address_is_ipv4(&p->prefix.address) || p->prefix.length == 128 ||
		    !planner_serves(e, p) || ret->prefix_count == ND_PREFIXES_MAX)
			continue;
		ret->prefixes[ret->prefix_count++] = (struct nd_prefix){.prefix = p->prefix,
									.on_link = true,
									.autonomous = p->autoconf,
									.valid_s = VALID_S,
									.preferred_s = PREFERRED_S};
	}
	return ret->prefix_count > 0;
}

/* To one node, or (NULL) to all on the port. */
static bool tell(struct element *e, uint32_t port, const struct nd_host *to)
{
	const struct port *p = element_find_port(e, port);
	struct buffer frame = {0};
	struct nd_router said;

	if (!e->synced || !p || !p->present || !p->up || p->info.role != PORT_ACCESS ||
	    !describe(e, &said))
		return false;
	nd_build_router_advertisement(&frame, 0, &e->core->config.gateway_mac, &said, to);
	element_transmit(e, port, &frame);
	buffer_finish(&frame);
	return true;
}

static int64_t next_interval(struct ovs *o, const struct ovs_routed *r)
{
	if (r->told < INITIAL_COUNT)
		return INITIAL_INTERVAL_MS;
	o->random ^= o->random << 13;
	o->random ^= o->random >> 7;
	o->random ^= o->random << 17;
	return INTERVAL_MS + (int64_t)(o->random % (UINT64_C(2) * INTERVAL_MS));
}

static void tell_all(struct element *e, uint32_t port, struct ovs_routed *r)
{
	int64_t now = e->core->now_ms;

	if (!tell(e, port, NULL)) {
		r->next_ms = now + SPACING_MS;
		return;
	}
	r->told_ms = now;
	if (r->told < INITIAL_COUNT)
		r->told++;
	r->next_ms = now + next_interval(e->ovs, r);
}

/* At once, or as soon as the last time is long enough ago. */
static void tell_soon(struct element *e, uint32_t port)
{
	struct ovs_routed *r = table_get(&e->ovs->routers, &port);
	int64_t now = e->core->now_ms, soonest;

	if (!r)
		return; /* its first is due at the next tick anyway */
	soonest = r->told ? r->told_ms + SPACING_MS : now;
	if (now >= soonest)
		tell_all(e, port, r);
	else if (r->next_ms > soonest)
		r->next_ms = soonest;
}

void ovs_router_heard(struct element *e, const struct sighting *s)
{
	struct nd asked;

	if (nd_parse(s->data, s->size, &asked) < 0 || asked.type != ND_ROUTER_SOLICITATION ||
	    asked.vlan)
		return;
	if (address_is_zero(&asked.source))
		tell_soon(e, s->port);
	else
		(void)tell(e, s->port, &(struct nd_host){asked.ethernet_source, asked.source});
}

void ovs_router_arrived(struct element *e, uint32_t port)
{
	tell_soon(e, port);
}

static void forget_gone(struct element *e)
{
	size_t at = 0;
	const void *key;

	while (table_next(&e->ovs->routers, &at, &key, NULL)) {
		uint32_t number = *(const uint32_t *)key;
		const struct port *p = element_find_port(e, number);

		if (!p || !p->present)
			(void)table_remove(&e->ovs->routers, &number);
	}
}

void ovs_router_tick(struct element *e)
{
	size_t at = 0;
	struct port *p;

	if (e->core->now_ms - e->ovs->routers_ms < TICK_MS)
		return;
	e->ovs->routers_ms = e->core->now_ms;
	forget_gone(e);
	while (table_next(&e->ports, &at, NULL, (void **)&p)) {
		struct ovs_routed *r;

		if (!p->present || p->info.role != PORT_ACCESS)
			continue;
		r = table_put(&e->ovs->routers, &p->number, NULL);
		if (e->core->now_ms >= r->next_ms)
			tell_all(e, p->number, r);
	}
}
