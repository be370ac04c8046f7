/* The way out of a switch.  It has no kernel behind it that knows one, so the routers outside are
 * declared, the controller finds their MACs by ARP and neighbour discovery (packet-outs and
 * packet-ins), and writes them into the external rules.
 *
 * A restarted controller takes a MAC from the rules that are there.  A next hop that stops
 * answering stays: the switch without a controller would go on just so. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "controller/exit.h"
#include "controller/planner.h"
#include "packet/nd.h"
#include "packet/neighbor.h"

#include <string.h>

#define ASK_UNKNOWN_MS 1000
#define ASK_AGAIN_MS 30000
#define ADOPTED_MS 30000 /* what a routing daemon needs to find its neighbours, and more */

static const struct prefix *everything(unsigned family)
{
	static const struct prefix all[FAMILY_COUNT] = {
		[FAMILY_IPV4] = {{{[10] = 0xff, [11] = 0xff}}, IPV4_PREFIX_BASE},
		[FAMILY_IPV6] = {{{0}}, 0},
	};

	return &all[family];
}

static struct port *port_of(const struct element *e, unsigned declared)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && ovs_declared_port(e, p) == &e->ovs->declared.ports[declared])
			return p;
	return NULL;
}

/* --- which rules there should be ----------------------------------------------------------- */

static void want(struct table *to, const struct element *e, const struct prefix *prefix,
		 const struct port *p, const struct mac *mac)
{
	uint32_t vrfs[PLANNER_VRFS_MAX];
	unsigned count = planner_vrfs(e->core, vrfs);
	struct rule rule = {.key = {.kind = RULE_EXTERNAL,
				    .length = prefix->length,
				    .address = prefix->address},
			    .port = p->number,
			    .mac = *mac,
			    .gateway_mac = p->mac};

	for (unsigned i = 0; i < count; i++) {
		rule.key.vrf = vrfs[i];
		*(struct rule *)table_put(to, &rule.key, NULL) = rule;
	}
}

/* What the last run's controller told it, while a routing daemon finds its neighbours again. */
static void collect_adopted(const struct element *e, struct table *to)
{
	size_t at = 0;
	const void *key;
	void *rule;

	while (table_next(&e->ovs->adopted, &at, &key, &rule))
		*(struct rule *)table_put(to, key, NULL) = *(const struct rule *)rule;
}

/* What routing daemons know.  Of two ports the one that is declared first counts. */
static void collect_routes(const struct element *e, struct table *to)
{
	const struct ovs *o = e->ovs;

	for (unsigned i = o->declared.port_count; i--;) {
		const struct port *p = o->outside[i].count ? port_of(e, i) : NULL;

		for (unsigned k = 0; p && p->up && k < o->outside[i].count; k++) {
			const struct outside_route *r = &o->outside[i].routes[k];

			if (!mac_is_zero(&r->mac))
				want(to, e, &r->prefix, p, &r->mac);
		}
	}
}

static void collect(const struct element *e, struct table *to)
{
	const struct ovs *o = e->ovs;

	collect_adopted(e, to);

	for (unsigned family = 0; family < FAMILY_COUNT; family++) {
		int at = o->way_out[family];
		const struct port *p = at < 0 ? NULL : port_of(e, (unsigned)at);

		if (p)
			want(to, e, everything(family), p, &o->next_hops[at][family].mac);
	}
	collect_routes(e, to);
}

void ovs_exit_rules(const struct element *e, void (*emit)(void *to, const struct rule *), void *to)
{
	struct table *exits = &e->ovs->exits;
	size_t at = 0;
	void *rule;

	table_clear(exits);
	collect(e, exits);
	while (table_next(exits, &at, NULL, &rule))
		emit(to, rule);
}

void ovs_exit_withdraw(struct element *e)
{
	size_t at = 0;
	void *rule;

	while (table_next(&e->ovs->exits, &at, NULL, &rule))
		element_delete_rule(e, rule);
	table_clear(&e->ovs->exits);
}

void ovs_exit_refresh(struct element *e)
{
	struct table *before = &e->ovs->exits, after;
	size_t at = 0;
	const void *key;
	void *value;

	if (!e->synced || e->exit != 0)
		return;
	table_init(&after, sizeof(struct rule_key), sizeof(struct rule), e->core->seed);
	collect(e, &after);
	e->core->change++;
	while (table_next(&after, &at, &key, &value)) {
		const struct rule *old = table_get(before, key);

		if (!old || !rule_equal(old, value))
			element_put_rule(e, value, !old);
	}
	at = 0;
	while (table_next(before, &at, &key, &value))
		if (!table_get(&after, key))
			element_delete_rule(e, value);
	table_finish(before);
	*before = after;
	element_commit(e, false);
	exit_refresh(e->core);
}

/* The first external port, as declared, that is up and has a known next hop; else what it was. */
static int best_way_out(const struct element *e, unsigned family)
{
	const struct ovs *o = e->ovs;

	for (unsigned i = 0; i < o->declared.port_count; i++) {
		const struct port *p =
			o->declared.ports[i].role == PORT_EXTERNAL ? port_of(e, i) : NULL;

		if (p && p->up && !mac_is_zero(&o->next_hops[i][family].mac))
			return (int)i;
	}
	return o->way_out[family];
}

static bool choose(struct element *e)
{
	bool changed = false;

	for (unsigned family = 0; family < FAMILY_COUNT; family++) {
		int best = best_way_out(e, family);

		changed |= best != e->ovs->way_out[family];
		e->ovs->way_out[family] = best;
	}
	return changed;
}

/* Rules that a routing daemon's routes made.  The routes are known, or will be soon: the daemon
 * went on without us, or begins anew as we do. */
static void adopt_route(struct ovs *o, const struct rule *rule)
{
	*(struct rule *)table_put(&o->adopted, &rule->key, NULL) = *rule;
}

void ovs_exit_adopt(struct element *e, const struct rule *rule)
{
	unsigned family = address_is_ipv4(&rule->key.address) ? FAMILY_IPV4 : FAMILY_IPV6;
	struct ovs *o = e->ovs;
	const struct port *p = rule->port ? element_find_port(e, rule->port) : NULL;
	const struct declared_port *d = p ? ovs_declared_port(e, p) : NULL;
	unsigned at;

	if (!d || d->role != PORT_EXTERNAL)
		return;
	if (d->routing.device[0] && !o->has_adopted) {
		adopt_route(o, rule);
		return;
	}
	if (o->way_out[family] >= 0 || rule->key.length != everything(family)->length ||
	    address_is_zero(&d->ways[family].next_hop))
		return;
	at = (unsigned)(d - o->declared.ports);
	o->next_hops[at][family].mac = rule->mac;
	o->way_out[family] = (int)at;
}

bool ovs_exit_leads_out(const struct element *e, unsigned family)
{
	const struct ovs *o = e->ovs;

	if (o->way_out[family] >= 0)
		return true;
	for (unsigned i = 0; i < o->declared.port_count; i++)
		for (unsigned k = 0; k < o->outside[i].count; k++) {
			const struct outside_route *r = &o->outside[i].routes[k];

			if (!r->is_neighbor && !mac_is_zero(&r->mac) &&
			    address_is_ipv4(&r->prefix.address) == (family == FAMILY_IPV4))
				return true;
		}
	return false;
}

/* --- the next hops' MACs ------------------------------------------------------------------- */

static void ask(struct element *e, unsigned at, unsigned family, const struct port *p)
{
	static const struct mac everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct declared_way *way = &e->ovs->declared.ports[at].ways[family];
	struct ovs_next_hop *hop = &e->ovs->next_hops[at][family];
	const struct mac *to = mac_is_zero(&hop->mac) ? NULL : &hop->mac;
	struct buffer frame = {0};

	hop->asked_ms = e->core->now_ms;
	if (family == FAMILY_IPV4)
		neighbor_build_probe(&frame, 0, &p->mac, &way->address, to ? to : &everybody,
				     &way->next_hop);
	else
		nd_build_question(&frame, &p->mac, &way->address, to, &way->next_hop);
	element_transmit(e, p->number, &frame);
	buffer_finish(&frame);
}

static void ask_where_due(struct element *e, unsigned at, unsigned family)
{
	const struct declared_port *d = &e->ovs->declared.ports[at];
	const struct ovs_next_hop *hop = &e->ovs->next_hops[at][family];
	int64_t wait = mac_is_zero(&hop->mac) ? ASK_UNKNOWN_MS : ASK_AGAIN_MS;
	const struct port *p;

	if (d->role != PORT_EXTERNAL || address_is_zero(&d->ways[family].next_hop) ||
	    (hop->asked_ms && e->core->now_ms - hop->asked_ms < wait))
		return;
	p = port_of(e, at);
	if (p && p->up)
		ask(e, at, family, p);
}

void ovs_exit_heard(struct element *e, const struct declared_port *d, const struct sighting *s)
{
	struct neighbor n;

	if (!e->synced || neighbor_parse(s->data, s->size, &n) < 0 || n.kind == NEIGHBOR_RARP)
		return;
	for (unsigned family = 0; family < FAMILY_COUNT; family++) {
		struct ovs_next_hop *hop = &e->ovs->next_hops[d - e->ovs->declared.ports][family];

		if (address_is_zero(&n.sender) ||
		    !address_equal(&n.sender, &d->ways[family].next_hop) ||
		    mac_equal(&hop->mac, &n.sender_mac))
			continue;
		hop->mac = n.sender_mac;
		(void)choose(e);
		ovs_exit_refresh(e);
	}
}

/* The first time that the switch is met is over when its rules were compared; what was adopted then
 * is good for a while. */
static bool forget_adopted(struct ovs *o, int64_t now_ms)
{
	if (!o->has_adopted) {
		o->has_adopted = true;
		o->adopted_until_ms = now_ms + ADOPTED_MS;
	}
	if (!o->adopted.count || now_ms < o->adopted_until_ms)
		return false;
	table_clear(&o->adopted);
	return true;
}

void ovs_exit_tick(struct element *e)
{
	for (unsigned i = 0; i < e->ovs->declared.port_count; i++)
		for (unsigned family = 0; family < FAMILY_COUNT; family++)
			ask_where_due(e, i, family);
	bool forgot = forget_adopted(e->ovs, e->core->now_ms);

	if (choose(e) || forgot)
		ovs_exit_refresh(e);
}
