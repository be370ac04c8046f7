/* Open vSwitch as a forwarding element.  The switch says its datapath id, its ports' names and
 * nothing more, so the rest is declared in the configuration; and it has no kernel behind it that
 * knows the way out, so the controller finds the next hop's MAC by ARP (packet-outs and packet-ins)
 * and writes it into the external rules.
 *
 * A restarted controller takes the MAC from the rules that are there.  A next hop that stops
 * answering stays: the switch without a controller would go on just so. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "controller/planner.h"
#include "packet/neighbor.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ASK_UNKNOWN_MS 1000
#define ASK_AGAIN_MS 30000
/* Longer than the revalidator of Open vSwitch 3.1 needs behind its barrier reply (21 to 34 ms with
 * 15,000 megaflows, measured). */
#define SETTLE_MS 50

/* --- what is declared ---------------------------------------------------------------------- */

static int check_ports(const struct declared_element *d, struct reason *why)
{
	for (unsigned i = 0; i < d->port_count; i++) {
		const struct declared_port *p = &d->ports[i];
		bool way_out = address_is_ipv4(&p->address) && address_is_ipv4(&p->next_hop);

		if (p->role != PORT_ACCESS && p->role != PORT_EXTERNAL)
			return reason_set(why, -EINVAL,
					  "element %s, port %s: role access or "
					  "external",
					  d->name, p->match);
		if (p->segment)
			return reason_set(why, -EINVAL,
					  "element %s, port %s: a switch joins no segment", d->name,
					  p->match);
		if (p->role == PORT_EXTERNAL && !way_out)
			return reason_set(why, -EINVAL,
					  "element %s, port %s: an external port of a switch needs "
					  "'address' and 'next_hop', both IPv4",
					  d->name, p->match);
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
	for (unsigned i = 0; i < c->element_count; i++)
		if (address_equal(&c->elements[i]->backplane.pair[FAMILY_IPV4].address,
				  &d->backplane))
			return reason_set(why, -EEXIST, "element %s: its backplane address is %s's",
					  d->name, c->elements[i]->name);
	return check_ports(d, why);
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
	e->ovs->way_out = -1;
	e->backplane.pair[FAMILY_IPV4].address = d->backplane;
	element_rename(e, d->name);
	ovs_describe(e, &e->info);
	c->has_switches = true;
	return 0;
}

void ovs_destroy(struct ovs *o)
{
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

const char *const *ovs_cannot(void)
{
	static const char *const list[] = {
		"IP-in-IP",
		"IPv6 backplane",
		"VLAN trunks",
		"IPv6 nodes",
		"links and paths",
		"shared segments",
		"ICMP too big or unreachable",
		"tentative bindings",
		"announcements without a controller",
		"kernel routes",
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

/* --- the next hop -------------------------------------------------------------------------- */

static struct port *port_of(const struct element *e, unsigned declared)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && ovs_declared_port(e, p) == &e->ovs->declared.ports[declared])
			return p;
	return NULL;
}

bool ovs_way_out(const struct element *e, struct rule *rule)
{
	const struct ovs *o = e->ovs;
	const struct port *p = o->way_out < 0 ? NULL : port_of(e, (unsigned)o->way_out);

	if (o->way_out < 0)
		return false;
	rule->fe = 0;
	rule->mac = o->next_hops[o->way_out].mac;
	rule->port = p ? p->number : 0; /* it vanished: only the rule's key is wanted any more */
	if (p)
		rule->gateway_mac = p->mac;
	return true;
}

/* The first external port, as declared, that is up and has a known next hop; else what it was. */
static int best_way_out(const struct element *e)
{
	const struct ovs *o = e->ovs;

	for (unsigned i = 0; i < o->declared.port_count; i++) {
		const struct port *p =
			o->declared.ports[i].role == PORT_EXTERNAL ? port_of(e, i) : NULL;

		if (p && p->up && !mac_is_zero(&o->next_hops[i].mac))
			return (int)i;
	}
	return o->way_out;
}

static void refresh_way_out(struct element *e, bool renewed)
{
	struct ovs *o = e->ovs;
	bool had = o->way_out >= 0;
	int best = best_way_out(e);

	if (best == o->way_out && !renewed)
		return;
	o->way_out = best;
	if (best >= 0)
		planner_refresh_way_out(e, had);
}

void ovs_adopt_way_out(struct element *e, const struct rule *rule)
{
	struct ovs *o = e->ovs;
	const struct port *p = rule->port ? element_find_port(e, rule->port) : NULL;
	const struct declared_port *d = p ? ovs_declared_port(e, p) : NULL;
	unsigned at;

	if (!d || d->role != PORT_EXTERNAL || o->way_out >= 0)
		return;
	at = (unsigned)(d - o->declared.ports);
	o->next_hops[at].mac = rule->mac;
	o->way_out = (int)at;
}

static void ask(struct element *e, unsigned at, const struct port *p)
{
	static const struct mac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct declared_port *d = &e->ovs->declared.ports[at];
	struct ovs_next_hop *hop = &e->ovs->next_hops[at];
	const struct mac *to = mac_is_zero(&hop->mac) ? &everybody : &hop->mac;
	struct buffer frame = {0};

	hop->asked_ms = e->core->now_ms;
	neighbor_build_probe(&frame, 0, &p->mac, &d->address, to, &d->next_hop);
	element_transmit(e, p->number, &frame);
	buffer_finish(&frame);
}

static void ask_next_hops(struct element *e)
{
	struct ovs *o = e->ovs;

	for (unsigned i = 0; i < o->declared.port_count; i++) {
		struct ovs_next_hop *hop = &o->next_hops[i];
		int64_t wait = mac_is_zero(&hop->mac) ? ASK_UNKNOWN_MS : ASK_AGAIN_MS;
		const struct port *p;

		if (o->declared.ports[i].role != PORT_EXTERNAL ||
		    (hop->asked_ms && e->core->now_ms - hop->asked_ms < wait))
			continue;
		p = port_of(e, i);
		if (p && p->up)
			ask(e, i, p);
	}
}

bool ovs_heard(struct element *e, const struct sighting *s)
{
	const struct port *p = element_find_port(e, s->port);
	const struct declared_port *d = p ? ovs_declared_port(e, p) : NULL;
	struct neighbor n;
	struct ovs_next_hop *hop;

	if (s->ttl_over) {
		ovs_time_exceeded(e, s);
		return true;
	}
	if (!d || d->role != PORT_EXTERNAL)
		return false;
	hop = &e->ovs->next_hops[d - e->ovs->declared.ports];
	if (!e->synced || neighbor_parse(s->data, s->size, &n) < 0 || n.kind == NEIGHBOR_RARP ||
	    !address_equal(&n.sender, &d->next_hop))
		return true;
	if (!mac_equal(&hop->mac, &n.sender_mac)) {
		hop->mac = n.sender_mac;
		refresh_way_out(e, true);
	}
	return true;
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
	ask_next_hops(e);
	refresh_way_out(e, false);
	ovs_idle_tick(e);
	ovs_speak(e);
}
