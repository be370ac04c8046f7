/* See sim/plane.h.  What packets do not need for their fate (prefixes, MTUs, counters) is accepted
 * and not kept. */
#include "sim/plane.h"

#include "sim/world.h"

#include <errno.h>

struct plane_key {
	uint32_t vrf;
	struct address address;
};

void plane_init(struct plane *p, struct world *w, uint32_t element, uint64_t seed)
{
	*p = (struct plane){.world = w, .element = element, .rule_limit = UINT32_MAX};
	table_init(&p->bindings, sizeof(struct plane_key), sizeof(struct datapath_binding), seed);
	table_init(&p->peers, sizeof(uint32_t), sizeof(struct datapath_peer), seed);
	table_init(&p->ports, sizeof(uint32_t), sizeof(struct datapath_port), seed);
	table_init(&p->rules, sizeof(struct rule_key), sizeof(struct rule), seed);
	table_init(&p->groups, sizeof(uint32_t), sizeof(struct rule_group), seed);
	table_init(&p->versions, sizeof(struct plane_key), sizeof(uint64_t), seed);
}

void plane_finish(struct plane *p)
{
	table_finish(&p->bindings);
	table_finish(&p->peers);
	table_finish(&p->ports);
	table_finish(&p->rules);
	table_finish(&p->groups);
	table_finish(&p->versions);
}

/* ---- what the agent writes ---- */

static int port_set(void *context, const struct datapath_port *port)
{
	struct plane *p = context;

	*(struct datapath_port *)table_put(&p->ports, &port->number, NULL) = *port;
	return 0;
}

static int port_remove(void *context, uint32_t number)
{
	struct plane *p = context;

	return table_remove(&p->ports, &number) ? 0 : -ENOENT;
}

static int binding_set(void *context, const struct datapath_binding *binding)
{
	struct plane *p = context;
	struct plane_key key = {binding->vrf, binding->address};

	*(struct datapath_binding *)table_put(&p->bindings, &key, NULL) = *binding;
	check_binding(p->world, p->element, &binding->address);
	return 0;
}

static int binding_remove(void *context, uint32_t vrf, const struct address *address)
{
	struct plane *p = context;
	struct plane_key key = {vrf, *address};

	return table_remove(&p->bindings, &key) ? 0 : -ENOENT;
}

static int peer_set(void *context, const struct datapath_peer *peer)
{
	struct plane *p = context;

	*(struct datapath_peer *)table_put(&p->peers, &peer->fe, NULL) = *peer;
	return 0;
}

static int peer_remove(void *context, uint32_t fe)
{
	struct plane *p = context;

	return table_remove(&p->peers, &fe) ? 0 : -ENOENT;
}

static int prefix_set(void *context, const struct datapath_prefix *prefix)
{
	return 0;
}

static int prefix_remove(void *context, uint8_t kind, uint32_t vrf, const struct prefix *prefix)
{
	return 0;
}

static int rule_keep(void *context, const struct rule *rule)
{
	struct plane *p = context;

	if (!table_get(&p->rules, &rule->key) && p->rules.count >= p->rule_limit)
		return -ENOSPC;
	*(struct rule *)table_put(&p->rules, &rule->key, NULL) = *rule;
	check_version(p->world, p->element, rule);
	return 0;
}

static int rule_forget(void *context, const struct rule_key *key)
{
	struct plane *p = context;

	return table_remove(&p->rules, key) ? 0 : -ENOENT;
}

static int group_keep(void *context, const struct rule_group *group)
{
	struct plane *p = context;

	*(struct rule_group *)table_put(&p->groups, &group->fe, NULL) = *group;
	return 0;
}

static int group_forget(void *context, uint32_t fe)
{
	struct plane *p = context;

	return table_remove(&p->groups, &fe) ? 0 : -ENOENT;
}

/* Hosts talk all the time, unless they are gone: then their FE probes them. */
static int64_t binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	struct plane *p = context;

	for (uint32_t i = 0; i < p->world->options.hosts; i++) {
		const struct host *h = &p->world->hosts[i];

		if (address_equal(&h->address, address) && place_element(h->place) == p->element)
			return 0;
	}
	return 60000;
}

static void counters(void *context, void (*add)(void *to, const struct counter *), void *to)
{
}

static void drops(void *context, void (*add)(void *to, const struct drop_count *), void *to)
{
}

static void binding_count(void *context, uint32_t vrf, const struct address *address,
			  uint64_t *ret_packets, uint64_t *ret_bytes)
{
	*ret_packets = *ret_bytes = 0;
}

static int port_stats(void *context, uint32_t number, struct ofp_port_stats *ret)
{
	*ret = (struct ofp_port_stats){.port = number};
	return 0;
}

static int transmit(void *context, uint32_t port, const void *frame, size_t size)
{
	struct plane *p = context;

	host_hear(p->world, p->element, port, frame, size);
	return 0;
}

/* No links yet: every FE reaches each by the underlay. */
static int link_set(void *context, const struct datapath_link *link)
{
	return -EOPNOTSUPP;
}

static int link_remove(void *context, uint32_t number)
{
	return -ENOENT;
}

static int link_transmit(void *context, uint32_t number, const void *packet, size_t size)
{
	return -ENOENT;
}

static void link_count(void *context, uint32_t number, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	*ret_packets = *ret_bytes = 0;
}

/* Upcalls here reach the agent at once; none waits. */
static void drain_upcalls(void *context)
{
}

const struct datapath_ops plane_ops = {
	.port_set = port_set,
	.port_remove = port_remove,
	.binding_set = binding_set,
	.binding_remove = binding_remove,
	.peer_set = peer_set,
	.peer_remove = peer_remove,
	.prefix_set = prefix_set,
	.prefix_remove = prefix_remove,
	.rule_keep = rule_keep,
	.rule_forget = rule_forget,
	.group_keep = group_keep,
	.group_forget = group_forget,
	.link_set = link_set,
	.link_remove = link_remove,
	.link_transmit = link_transmit,
	.link_count = link_count,
	.binding_idle_ms = binding_idle_ms,
	.counters = counters,
	.drops = drops,
	.binding_count = binding_count,
	.port_stats = port_stats,
	.transmit = transmit,
	.drain_upcalls = drain_upcalls,
};

/* ---- what becomes of a packet (bpf/access.h, bpf/backplane.h) ---- */

const struct datapath_binding *plane_binding(const struct plane *p, const struct address *address)
{
	struct plane_key key = {0, *address};

	return table_get(&p->bindings, &key);
}

enum plane_fate plane_look_up(const struct plane *p, const struct address *address, bool marked,
			      uint32_t *ret_port, uint32_t *ret_fe)
{
	const struct datapath_binding *b = plane_binding(p, address);
	const struct datapath_peer *peer;

	if (!b)
		return FATE_NOWHERE;
	if (b->flags & BINDING_LOCAL && (marked || !(b->flags & BINDING_MARKED_ONLY))) {
		*ret_port = b->port;
		return FATE_LOCAL;
	}
	if (marked || !(b->flags & BINDING_FOREIGN))
		return FATE_NOWHERE;
	peer = table_get(&p->peers, &b->fe);
	if (!peer || !peer->send)
		return FATE_NOWHERE;
	*ret_fe = b->fe;
	return FATE_FOREIGN;
}

void plane_forget_versions(struct plane *p)
{
	size_t at = 0;
	const void *key;

	while (table_next(&p->versions, &at, &key, NULL)) {
		const struct plane_key *k = key;
		struct rule_key rule = {.kind = RULE_FOREIGN, .vrf = k->vrf, .address = k->address};
		bool known = table_get(&p->rules, &rule) != NULL;

		rule.kind = RULE_LOCAL;
		if (!known && !table_get(&p->rules, &rule))
			table_remove(&p->versions, key);
	}
}

bool plane_guards(const struct plane *p, const struct address *address, uint32_t port,
		  const struct mac *mac)
{
	const struct datapath_binding *b = plane_binding(p, address);

	return b && b->flags & BINDING_GUARD && b->port == port && !b->vlan &&
	       mac_equal(&b->mac, mac);
}
