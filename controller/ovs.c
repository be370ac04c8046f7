/* Open vSwitch as a forwarding element.  The switch says its datapath id, its ports' names and
 * nothing more, so the rest is declared in the configuration. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "controller/planner.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define VXLAN_HEADERS 30 /* UDP, VXLAN, Ethernet */
#define BACKPLANE_MTU_LEAST 576
#define ETHERNET_MTU 1500 /* of a backplane whose MTU nobody declared */
/* Longer than the revalidator of Open vSwitch 3.1 needs behind its barrier reply (21 to 34 ms with
 * 15,000 megaflows, measured). */
#define SETTLE_MS 50

/* --- what is declared ---------------------------------------------------------------------- */

static int check_ways(const struct declared_element *d, const struct declared_port *p,
		      struct reason *why)
{
	const struct declared_way *v4 = &p->ways[FAMILY_IPV4], *v6 = &p->ways[FAMILY_IPV6];
	bool routing = p->routing.device[0]; /* it finds the next hops */

	if (!address_is_ipv4(&v4->address) ||
	    !(address_is_ipv4(&v4->next_hop) || (routing && address_is_zero(&v4->next_hop))))
		return reason_set(why, -EINVAL,
				  "element %s, port %s: an external port of a switch needs "
				  "'address' and 'next_hop', both IPv4, or 'address' and 'routing'",
				  d->name, p->match);
	if (address_is_ipv4(&v6->address) || address_is_ipv4(&v6->next_hop) ||
	    (!routing && address_is_zero(&v6->address) != address_is_zero(&v6->next_hop)))
		return reason_set(why, -EINVAL,
				  "element %s, port %s: 'address6' and 'next_hop6' are both there, "
				  "and IPv6, or neither is",
				  d->name, p->match);
	return 0;
}

static int check_ports(const struct declared_element *d, struct reason *why)
{
	for (unsigned i = 0; i < d->port_count; i++) {
		const struct declared_port *p = &d->ports[i];
		if (p->role != PORT_ACCESS && p->role != PORT_EXTERNAL)
			return reason_set(why, -EINVAL,
					  "element %s, port %s: role access or "
					  "external",
					  d->name, p->match);
		if (p->segment)
			return reason_set(why, -EINVAL,
					  "element %s, port %s: a switch joins no segment", d->name,
					  p->match);
		if (p->role == PORT_EXTERNAL && check_ways(d, p, why) < 0)
			return -EINVAL;
		for (unsigned other = 0; other < i; other++)
			if (strcmp(d->ports[other].match, p->match) == 0)
				return reason_set(why, -EEXIST,
						  "element %s: port %s is there twice", d->name,
						  p->match);
	}
	return 0;
}

static int check(const struct core *c, const struct declared_element *d, struct reason *why)
{
	const struct element *e = element_find(c, d->id);

	if (!inventory_name_is_valid(d->name))
		return reason_set(why, -EINVAL,
				  "element '%s': a name is of letters, digits, '-', "
				  "'_' and '.'",
				  d->name);
	if (d->id == 0 || d->id > ELEMENT_ID_MAX)
		return reason_set(why, -EINVAL, "element %s: its id must be 1 to %u", d->name,
				  ELEMENT_ID_MAX);
	if ((e && e->ovs) || element_by_name(c, d->name))
		return reason_set(why, -EEXIST, "element %s: its id or name is another's", d->name);
	if (!address_is_ipv4(&d->backplane))
		return reason_set(why, -EINVAL, "element %s: its backplane needs an IPv4 address",
				  d->name);
	if (d->backplane_mtu && d->backplane_mtu < BACKPLANE_MTU_LEAST)
		return reason_set(why, -EINVAL, "element %s: a backplane MTU of %u, not %u or more",
				  d->name, d->backplane_mtu, BACKPLANE_MTU_LEAST);
	for (unsigned i = 0; i < c->element_count; i++)
		if (address_equal(&c->elements[i]->backplane.pair[FAMILY_IPV4].address,
				  &d->backplane))
			return reason_set(why, -EEXIST, "element %s: its backplane address is %s's",
					  d->name, c->elements[i]->name);
	return check_ports(d, why);
}

static void ovs_init(struct ovs *o, uint64_t seed)
{
	for (unsigned family = 0; family < FAMILY_COUNT; family++)
		o->way_out[family] = -1;
	o->random = seed | 1;
	table_init(&o->exits, sizeof(struct rule_key), sizeof(struct rule), seed + 1);
	table_init(&o->adopted, sizeof(struct rule_key), sizeof(struct rule), seed + 3);
	table_init(&o->routers, sizeof(uint32_t), sizeof(struct ovs_routed), seed + 2);
}

int ovs_declare(struct core *c, const struct declared_element *d, struct reason *why)
{
	int r = check(c, d, why);
	struct element *e;

	if (r < 0)
		return r;
	e = element_obtain(c, d->id);
	e->ovs = memory_alloc(sizeof(*e->ovs));
	e->ovs->declared = *d;
	ovs_init(e->ovs, c->seed + d->id);
	e->backplane.pair[FAMILY_IPV4].address = d->backplane;
	element_rename(e, d->name);
	ovs_describe(e, &e->info);
	c->has_switches = true;
	return 0;
}

void ovs_destroy(struct ovs *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < DECLARED_PORTS_MAX; i++)
		free(o->outside[i].routes);
	table_finish(&o->adopted);
	table_finish(&o->exits);
	table_finish(&o->routers);
	free(o);
}

void ovs_describe(const struct element *e, struct element_info *ret)
{
	const struct declared_element *d = &e->ovs->declared;

	*ret = (struct element_info){.backplane_mtu = d->backplane_mtu,
				     .encapsulations = ENCAPSULATION_VXLAN};
	ret->backplane.pair[FAMILY_IPV4].address = d->backplane;
	memcpy(ret->name, d->name, sizeof(ret->name));
	strcpy(ret->software, "Open vSwitch");
}

uint32_t ovs_tunnel_mtu(const struct element *e)
{
	uint32_t mtu = e->ovs->declared.backplane_mtu;
	uint32_t headers = (address_is_ipv4(&e->ovs->declared.backplane) ? 20 : 40) + VXLAN_HEADERS;

	return (mtu ? mtu : ETHERNET_MTU) - headers;
}

const char *const *ovs_cannot(void)
{
	static const char *const list[] = {
		"IP-in-IP",
		"IPv6 backplane",
		"VLAN trunks",
		"links and paths",
		"shared segments",
		"ICMP unreachable",
		"ICMP without a controller",
		"tentative bindings",
		"announcements without a controller",
		NULL,
	};

	return list;
}

const struct declared_port *ovs_declared_port(const struct element *e, const struct port *p)
{
	const struct declared_element *d = &e->ovs->declared;

	for (unsigned i = 0; i < d->port_count; i++)
		if (fnmatch(d->ports[i].match, p->name, 0) == 0)
			return &d->ports[i];
	return NULL;
}

void ovs_describe_port(struct element *e, struct port *p)
{
	const struct declared_port *d = ovs_declared_port(e, p);

	p->info = (struct port_info){.number = p->number};
	if (!d)
		return;
	p->info.role = d->role;
	memcpy(p->info.identity, d->identity, sizeof(p->info.identity));
}

/* --- what it hears ------------------------------------------------------------------------- */

bool ovs_heard(struct element *e, const struct sighting *s)
{
	const struct port *p = element_find_port(e, s->port);
	const struct declared_port *d = p ? ovs_declared_port(e, p) : NULL;

	if (s->ttl_over || s->too_big) {
		ovs_goes_no_further(e, s);
		return true;
	}
	if (d && d->role == PORT_EXTERNAL) {
		ovs_exit_heard(e, d, s);
		ovs_outside_heard(e, d, s);
		return true;
	}
	ovs_router_heard(e, s);
	return false;
}

/* OFPT_SET_ASYNC (OpenFlow 1.3.5, section 7.3.10): for a master and for a slave, the reasons of
 * packet-ins, port-status and flow-removed. */
void ovs_subscribe(struct buffer *b, uint32_t xid)
{
	static const uint32_t masks[] = {
		1u << OFPR_NO_MATCH | 1u << OFPR_ACTION | 1u << OFPR_INVALID_TTL, 0, 7, 7, 0, 0};
	size_t start = ofp_message_begin(b, OFPT_SET_ASYNC, xid);

	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++)
		write_u32(b, masks[i]);
	ofp_message_end(b, start);
}

/* --- time ---------------------------------------------------------------------------------- */

void ovs_barrier(struct element *e, uint64_t change)
{
	struct ovs *o = e->ovs;

	o->last = change;
	if (o->waiting > e->settled)
		return;
	o->waiting = change;
	o->waiting_ms = e->core->now_ms;
}

bool ovs_has_replied(const struct element *e, uint64_t change)
{
	return e->synced && e->ovs->last >= (change < e->sent ? change : e->sent);
}

static void settle(struct element *e)
{
	struct ovs *o = e->ovs;

	if (o->waiting <= e->settled || e->core->now_ms - o->waiting_ms < SETTLE_MS)
		return;
	e->settled = o->waiting;
	o->waiting = o->last;
	o->waiting_ms = e->core->now_ms;
}

void ovs_tick(struct element *e)
{
	if (!e->synced)
		return;
	settle(e);
	ovs_exit_tick(e);
	ovs_outside_tick(e);
	ovs_router_tick(e);
	ovs_idle_tick(e);
	ovs_speak(e);
}
