/* See memory_plane.h. */
#include "sim/memory_plane.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct prefix_key {
	uint32_t kind, vrf, length;
	struct address address;
};

/* Structs have padding, so they are compared by their fields. */
static bool same_port(const void *x, const void *y)
{
	const struct datapath_port *a = x, *b = y;

	return a->ifindex == b->ifindex && a->role == b->role && a->trunk == b->trunk &&
	       a->admitted == b->admitted && a->admitted6 == b->admitted6 &&
	       a->listen == b->listen && a->mtu == b->mtu && a->vrf == b->vrf &&
	       a->shared == b->shared && a->silent == b->silent;
}

static bool same_binding(const void *x, const void *y)
{
	const struct datapath_binding *a = x, *b = y;

	return a->flags == b->flags && a->vlan == b->vlan && a->port == b->port &&
	       mac_equal(&a->mac, &b->mac) && mac_equal(&a->gateway_mac, &b->gateway_mac) &&
	       a->fe == b->fe && a->bare == b->bare && a->version == b->version;
}

static bool same_peer(const void *x, const void *y)
{
	const struct datapath_peer *a = x, *b = y;

	return a->send == b->send && a->receive == b->receive && a->vrf == b->vrf &&
	       a->select == b->select && a->path_count == b->path_count &&
	       memcmp(a->paths, b->paths, sizeof(a->paths)) == 0 &&
	       address_equal(&a->address, &b->address) && address_equal(&a->redirect, &b->redirect);
}

static bool same_source(const void *x, const void *y)
{
	const struct datapath_source *a = x, *b = y;

	return a->fe == b->fe && a->vrf == b->vrf && a->receive == b->receive;
}

static bool same_prefix(const void *x, const void *y)
{
	const struct datapath_prefix *a = x, *b = y;

	return a->fe == b->fe && mac_equal(&a->mac, &b->mac);
}

static bool same_rule(const void *x, const void *y)
{
	return rule_equal(x, y);
}

static bool same_group(const void *x, const void *y)
{
	return rule_group_equal(x, y);
}

/* Upserts; counts only what was not there like this. */
static bool put(struct memory_plane *p, struct table *t, const void *key, const void *value,
		bool (*same)(const void *, const void *))
{
	bool created;
	void *at = table_put(t, key, &created);

	if (!created && same(at, value))
		return false;
	memcpy(at, value, t->value_size);
	p->writes++;
	return true;
}

static int take(struct memory_plane *p, struct table *t, const void *key)
{
	if (!table_remove(t, key))
		return -ENOENT;
	p->writes++;
	return 0;
}

static int port_set(void *context, const struct datapath_port *port)
{
	struct memory_plane *p = context;

	put(p, &p->ports, &port->number, port, same_port);
	return 0;
}

static int port_remove(void *context, uint32_t number)
{
	struct memory_plane *p = context;

	return take(p, &p->ports, &number);
}

static int binding_set(void *context, const struct datapath_binding *binding)
{
	struct memory_plane *p = context;
	struct memory_plane_key key = {binding->vrf, binding->address};

	if (p->binding_error) {
		int r = p->binding_error;

		p->binding_error = 0;
		return r;
	}
	if (!table_get(&p->bindings, &key) && p->bindings.count >= p->binding_limit)
		return -ENOSPC;
	if (binding->flags & BINDING_LOCAL)
		assert(table_get(&p->ports, &binding->port));
	p->binding_writes += put(p, &p->bindings, &key, binding, same_binding);
	return 0;
}

static int binding_remove(void *context, uint32_t vrf, const struct address *address)
{
	struct memory_plane *p = context;
	struct memory_plane_key key = {vrf, *address};

	return take(p, &p->bindings, &key);
}

/* Here it gains nothing; what asks for it is run all the same. */
static void binding_expect(void *context, uint32_t vrf, const struct address *address)
{
}

static int peer_set(void *context, const struct datapath_peer *peer)
{
	struct memory_plane *p = context;

	p->peer_writes += put(p, &p->peers, &peer->fe, peer, same_peer);
	return 0;
}

static int source_set(void *context, const struct datapath_source *source)
{
	struct memory_plane *p = context;

	put(p, &p->sources, &source->prefix, source, same_source);
	return 0;
}

static int source_remove(void *context, const struct prefix *prefix)
{
	struct memory_plane *p = context;

	return take(p, &p->sources, prefix);
}

static int peer_remove(void *context, uint32_t fe)
{
	struct memory_plane *p = context;

	return take(p, &p->peers, &fe);
}

static int prefix_set(void *context, const struct datapath_prefix *prefix)
{
	struct memory_plane *p = context;
	struct prefix_key key = {prefix->kind, prefix->vrf, prefix->prefix.length,
				 prefix->prefix.address};

	put(p, &p->prefixes, &key, prefix, same_prefix);
	return 0;
}

static int prefix_remove(void *context, uint8_t kind, uint32_t vrf, const struct prefix *prefix)
{
	struct memory_plane *p = context;
	struct prefix_key key = {kind, vrf, prefix->length, prefix->address};

	return take(p, &p->prefixes, &key);
}

static int rule_keep(void *context, const struct rule *rule)
{
	struct memory_plane *p = context;

	if (!table_get(&p->rules, &rule->key) && p->rules.count >= p->rule_limit)
		return -ENOSPC;
	put(p, &p->rules, &rule->key, rule, same_rule);
	return 0;
}

static int rule_forget(void *context, const struct rule_key *key)
{
	struct memory_plane *p = context;

	return take(p, &p->rules, key);
}

static int group_keep(void *context, const struct rule_group *group)
{
	struct memory_plane *p = context;

	put(p, &p->groups, &group->fe, group, same_group);
	return 0;
}

static int group_forget(void *context, uint32_t fe)
{
	struct memory_plane *p = context;

	return take(p, &p->groups, &fe);
}

static int link_set(void *context, const struct datapath_link *link)
{
	struct memory_plane *p = context;

	if (link->info.number < PIPELINE_LINK_PORT(0) && !table_get(&p->ports, &link->info.number))
		return -ENOENT;
	*(struct datapath_link *)table_put(&p->links, &link->info.number, NULL) = *link;
	p->link_writes++;
	return 0;
}

static int link_remove(void *context, uint32_t number)
{
	struct memory_plane *p = context;

	return table_remove(&p->links, &number) ? 0 : -ENOENT;
}

static int kept_set(void *context, const struct kept_key *key, const struct kept_frame *frame)
{
	struct memory_plane *p = context;

	*(struct kept_frame *)table_put(&p->kept, key, NULL) = *frame;
	return 0;
}

static int kept_remove(void *context, const struct kept_key *key)
{
	struct memory_plane *p = context;

	return table_remove(&p->kept, key) ? 0 : -ENOENT;
}

static int64_t binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	return -1;
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

static void link_count(void *context, uint32_t number, uint64_t *ret_packets, uint64_t *ret_bytes)
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
	return 0;
}

static void drain_upcalls(void *context)
{
}

const struct datapath_ops memory_plane_ops = {
	.port_set = port_set,
	.port_remove = port_remove,
	.binding_set = binding_set,
	.binding_remove = binding_remove,
	.binding_expect = binding_expect,
	.peer_set = peer_set,
	.peer_remove = peer_remove,
	.source_set = source_set,
	.source_remove = source_remove,
	.prefix_set = prefix_set,
	.prefix_remove = prefix_remove,
	.rule_keep = rule_keep,
	.rule_forget = rule_forget,
	.group_keep = group_keep,
	.group_forget = group_forget,
	.kept_set = kept_set,
	.kept_remove = kept_remove,
	.link_set = link_set,
	.link_remove = link_remove,
	.link_transmit = transmit,
	.link_count = link_count,
	.binding_idle_ms = binding_idle_ms,
	.counters = counters,
	.drops = drops,
	.binding_count = binding_count,
	.port_stats = port_stats,
	.transmit = transmit,
	.drain_upcalls = drain_upcalls,
};

void memory_plane_init(struct memory_plane *p, uint64_t seed)
{
	*p = (struct memory_plane){.binding_limit = SIZE_MAX, .rule_limit = SIZE_MAX};
	table_init(&p->ports, sizeof(uint32_t), sizeof(struct datapath_port), seed);
	table_init(&p->bindings, sizeof(struct memory_plane_key), sizeof(struct datapath_binding),
		   seed);
	table_init(&p->peers, sizeof(uint32_t), sizeof(struct datapath_peer), seed);
	table_init(&p->sources, sizeof(struct prefix), sizeof(struct datapath_source), seed);
	table_init(&p->prefixes, sizeof(struct prefix_key), sizeof(struct datapath_prefix), seed);
	table_init(&p->rules, sizeof(struct rule_key), sizeof(struct rule), seed);
	table_init(&p->groups, sizeof(uint32_t), sizeof(struct rule_group), seed);
	table_init(&p->kept, sizeof(struct kept_key), sizeof(struct kept_frame), seed);
	table_init(&p->links, sizeof(uint32_t), sizeof(struct datapath_link), seed);
}

void memory_plane_finish(struct memory_plane *p)
{
	table_finish(&p->ports);
	table_finish(&p->bindings);
	table_finish(&p->peers);
	table_finish(&p->sources);
	table_finish(&p->prefixes);
	table_finish(&p->rules);
	table_finish(&p->groups);
	table_finish(&p->links);
	table_finish(&p->kept);
}

const struct datapath_binding *memory_plane_binding(const struct memory_plane *p, uint32_t vrf,
						    const struct address *address)
{
	struct memory_plane_key key = {vrf, *address};

	return table_get(&p->bindings, &key);
}

void memory_plane_adopt(const struct memory_plane *p, struct agent *agent)
{
	size_t at = 0, count = 0;
	void *value;
	struct rule *rules = memory_alloc_array(p->rules.count + 1, sizeof(*rules));
	struct rule_group *groups = memory_alloc_array(p->groups.count + 1, sizeof(*groups));
	struct datapath_link *links = memory_alloc_array(p->links.count + 1, sizeof(*links));

	/* The agent writes to the tables while it adopts. */
	while (table_next(&p->rules, &at, NULL, &value))
		memcpy(&rules[count++], value, sizeof(*rules));
	for (size_t i = 0; i < count; i++)
		agent_adopt_rule(agent, &rules[i]);
	at = count = 0;
	while (table_next(&p->groups, &at, NULL, &value))
		memcpy(&groups[count++], value, sizeof(*groups));
	for (size_t i = 0; i < count; i++)
		agent_adopt_group(agent, &groups[i]);
	at = count = 0;
	while (table_next(&p->links, &at, NULL, &value))
		memcpy(&links[count++], value, sizeof(*links));
	for (size_t i = 0; i < count; i++)
		agent_adopt_link(agent, &links[i]);
	free(rules);
	free(groups);
	free(links);
}

void memory_plane_adopt_kept(const struct memory_plane *p, struct agent *agent)
{
	struct kept_key *keys = memory_alloc_array(p->kept.count + 1, sizeof(*keys));
	struct kept_frame *frames = memory_alloc_array(p->kept.count + 1, sizeof(*frames));
	size_t at = 0, count = 0;
	const void *key;
	void *value;

	while (table_next(&p->kept, &at, &key, &value)) {
		memcpy(&keys[count], key, sizeof(*keys));
		memcpy(&frames[count++], value, sizeof(*frames));
	}
	for (size_t i = 0; i < count; i++)
		agent_adopt_kept(agent, &keys[i], &frames[i]);
	free(keys);
	free(frames);
}
