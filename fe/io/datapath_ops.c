/* struct datapath_ops in BPF maps: bindings, peers, prefixes, the durable list, and the counters
 * read back.  An update is one replacement of one map element, which the packet path sees whole. */
#include "fe/io/datapath_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LOG_MODULE("datapath");

int map_result(int result)
{
	return result == -E2BIG ? -ENOSPC : result;
}

struct map_address_key map_address_key_make(uint32_t vrf, const struct address *address)
{
	struct map_address_key key = {.vrf = vrf};

	memcpy(key.address, address->bytes, sizeof(key.address));
	return key;
}

/* ---- prefixes ---- */

static struct map_prefix_key prefix_key_make(uint8_t kind, uint32_t vrf, const struct prefix *p)
{
	struct map_prefix_key key = {
		.length = MAP_PREFIX_BASE + p->length, .kind = kind, .vrf = vrf};

	memcpy(key.address, p->address.bytes, sizeof(key.address));
	return key;
}

static int prefix_set(void *context, const struct datapath_prefix *p)
{
	struct datapath *dp = datapath_of(context);
	struct map_prefix_key key = prefix_key_make(p->kind, p->vrf, &p->prefix);
	struct map_prefix value = {.fe = p->fe};

	if (p->kind > DATAPATH_REGISTER || p->prefix.length > 128)
		return -EINVAL;
	memcpy(value.mac, p->mac.bytes, sizeof(value.mac));
	memcpy(value.gateway, p->gateway.bytes, sizeof(value.gateway));
	if (p->kind == DATAPATH_ANSWER && p->prefix.length == 128)
		value.flags = MAP_PREFIX_HOST;
	if (p->kind == DATAPATH_COVERED && p->unreachable)
		value.flags = MAP_PREFIX_UNREACHABLE;
	if (p->kind == DATAPATH_EXIT && p->unreachable)
		value.flags = MAP_PREFIX_NO_EXIT;
	table_remove(&dp->stale[STALE_PREFIX], &key);
	return map_result(
		bpf_map_update_elem(map_fd(dp->skeleton->maps.prefixes), &key, &value, 0));
}

static int prefix_key_remove(struct datapath *dp, const struct map_prefix_key *key)
{
	table_remove(&dp->stale[STALE_PREFIX], key);
	return bpf_map_delete_elem(map_fd(dp->skeleton->maps.prefixes), key);
}

static int prefix_remove(void *context, uint8_t kind, uint32_t vrf, const struct prefix *prefix)
{
	struct map_prefix_key key = prefix_key_make(kind, vrf, prefix);

	return prefix_key_remove(datapath_of(context), &key);
}

/* ---- adoption: all that is there is stale until it is set again ---- */

static void stale_collect(struct table *stale, int fd, size_t key_size)
{
	void *key = memory_alloc(key_size);
	void *previous = NULL;

	while (!bpf_map_get_next_key(fd, previous, key)) {
		table_put(stale, key, NULL);
		previous = key;
	}
	free(key);
}

void datapath_adopt_entries(struct datapath *dp)
{
	int fd = map_fd(dp->skeleton->maps.prefixes);

	stale_collect(&dp->stale[STALE_PEER], map_fd(dp->skeleton->maps.peers), sizeof(uint32_t));
	stale_collect(&dp->stale[STALE_LINK], map_fd(dp->skeleton->maps.links), sizeof(uint32_t));
	stale_collect(&dp->stale[STALE_SOURCE], map_fd(dp->skeleton->maps.peer_prefixes),
		      sizeof(struct map_source_key));
	stale_collect(&dp->stale[STALE_PREFIX], fd, sizeof(struct map_prefix_key));
}

void datapath_sweep_entries(struct datapath *dp)
{
	struct datapath_context context = {dp};
	const void *key;
	void *unused;
	size_t at = 0;
	unsigned bindings = binding_table_sweep(&dp->bindings);

	log_debug("adopted; removed %u bindings, removing %zu peers, %zu prefixes that no rule has",
		  bindings, dp->stale[STALE_PEER].count, dp->stale[STALE_PREFIX].count);
	for (at = 0; table_next(&dp->stale[STALE_PEER], &at, &key, &unused);)
		datapath_peer_remove(&context, *(const uint32_t *)key);
	for (at = 0; table_next(&dp->stale[STALE_SOURCE], &at, &key, &unused);)
		bpf_map_delete_elem(map_fd(dp->skeleton->maps.peer_prefixes), key);
	for (at = 0; table_next(&dp->stale[STALE_PREFIX], &at, &key, &unused);) {
		struct map_prefix_key copy = *(const struct map_prefix_key *)key;

		prefix_key_remove(dp, &copy);
	}
	for (at = 0; table_next(&dp->stale[STALE_LINK], &at, &key, &unused);)
		datapath_link_remove(&context, *(const uint32_t *)key);
}

/* ---- the durable list ---- */

static int rule_keep(void *context, const struct rule *rule)
{
	struct datapath *dp = datapath_of(context);

	return map_result(
		bpf_map_update_elem(map_fd(dp->skeleton->maps.rules), &rule->key, rule, 0));
}

static int rule_forget(void *context, const struct rule_key *key)
{
	return bpf_map_delete_elem(map_fd(datapath_of(context)->skeleton->maps.rules), key);
}

static int group_keep(void *context, const struct rule_group *group)
{
	struct datapath *dp = datapath_of(context);

	return map_result(
		bpf_map_update_elem(map_fd(dp->skeleton->maps.rule_groups), &group->fe, group, 0));
}

static int group_forget(void *context, uint32_t fe)
{
	return bpf_map_delete_elem(map_fd(datapath_of(context)->skeleton->maps.rule_groups), &fe);
}

static int kept_set(void *context, const struct kept_key *key, const struct kept_frame *frame)
{
	return map_result(bpf_map_update_elem(map_fd(datapath_of(context)->skeleton->maps.kept),
					      key, frame, 0));
}

static int kept_remove(void *context, const struct kept_key *key)
{
	return bpf_map_delete_elem(map_fd(datapath_of(context)->skeleton->maps.kept), key);
}

void datapath_adopt_kept(struct datapath *dp,
			 void (*each)(void *to, const struct kept_key *key,
				      const struct kept_frame *frame),
			 void *to)
{
	int fd = map_fd(dp->skeleton->maps.kept);
	struct table keys;
	const void *key;
	void *unused;
	size_t at = 0;

	/* 'each' may remove what it is given: the walk is over by then. */
	table_init(&keys, sizeof(struct kept_key), 1, 0);
	stale_collect(&keys, fd, sizeof(struct kept_key));
	while (table_next(&keys, &at, &key, &unused)) {
		struct kept_frame frame;

		if (!bpf_map_lookup_elem(fd, key, &frame))
			each(to, key, &frame);
	}
	table_finish(&keys);
}

/* ---- counters ---- */

struct map_counter datapath_counter_read(const struct datapath *dp,
					 const struct map_counter_key *key,
					 struct map_counter *each)
{
	struct map_counter sum = {};

	if (bpf_map_lookup_elem(map_fd(dp->skeleton->maps.counters), key, each))
		return sum;
	for (unsigned i = 0; i < dp->cpus; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
	}
	return sum;
}

static void counters(void *context, void (*add)(void *to, const struct counter *), void *to)
{
	struct datapath *dp = datapath_of(context);
	struct map_counter *each = memory_alloc_array(dp->cpus, sizeof(*each));
	struct map_counter_key key, *previous = NULL;
	int fd = map_fd(dp->skeleton->maps.counters);
	/* A key that goes meanwhile starts the walk anew: bounded, so that it ends. */
	uint64_t left = 2ull * bpf_map__max_entries(dp->skeleton->maps.counters);

	while (left-- && !bpf_map_get_next_key(fd, previous, &key)) {
		struct map_counter sum = datapath_counter_read(dp, &key, each);
		struct counter c = {.ingress_fe = key.ingress_fe,
				    .vrf = key.vrf,
				    .packets = sum.packets,
				    .bytes = sum.bytes};

		memcpy(c.address.bytes, key.address, sizeof(key.address));
		/* The element's own are in the bindings, but for what an older release counted. */
		if (sum.packets && key.ingress_fe != dp->config.fe)
			add(to, &c);
		previous = &key;
	}
	free(each);
	datapath_binding_counters(dp, add, to);
}

static void binding_count(void *context, uint32_t vrf, const struct address *address,
			  uint64_t *ret_packets, uint64_t *ret_bytes)
{
	struct datapath *dp = datapath_of(context);
	struct map_counter *each = memory_alloc_array(dp->cpus, sizeof(*each));
	const struct map_address_key own = map_address_key_make(vrf, address);
	struct map_counter sum = datapath_binding_counter(dp, &own);
	struct map_counter_key key = {.vrf = vrf};
	uint32_t fe, *previous = NULL;

	memcpy(key.address, address->bytes, sizeof(key.address));
	while (!bpf_map_get_next_key(map_fd(dp->skeleton->maps.peers), previous, &fe)) {
		struct map_counter one;

		key.ingress_fe = fe;
		one = datapath_counter_read(dp, &key, each);
		sum.packets += one.packets;
		sum.bytes += one.bytes;
		previous = &fe;
	}
	*ret_packets = sum.packets;
	*ret_bytes = sum.bytes;
	free(each);
}

void datapath_verdicts(struct datapath *dp, void (*add)(void *to, const struct drop_count *),
		       void *to)
{
	uint64_t *each = memory_alloc_array(dp->cpus, sizeof(*each));

	for (uint32_t i = 0; i < VERDICT_COUNT; i++) {
		struct drop_count d = datapath_drop_count(i);

		if (bpf_map_lookup_elem(map_fd(dp->skeleton->maps.verdicts), &i, each))
			continue;
		for (unsigned cpu = 0; cpu < dp->cpus; cpu++)
			d.packets += each[cpu];
		add(to, &d);
	}
	free(each);
}

static void drops(void *context, void (*add)(void *to, const struct drop_count *), void *to)
{
	datapath_verdicts(datapath_of(context), add, to);
}

const struct datapath_ops *datapath_operations(void)
{
	static const struct datapath_ops operations = {.port_set = datapath_port_set,
						       .port_remove = datapath_port_remove,
						       .binding_set = datapath_binding_set,
						       .binding_remove = datapath_binding_remove,
						       .binding_expect = datapath_binding_expect,
						       .bare_get = datapath_bare_get,
						       .bare_next = datapath_bare_next,
						       .peer_set = datapath_peer_set,
						       .peer_remove = datapath_peer_remove,
						       .source_set = datapath_source_set,
						       .source_remove = datapath_source_remove,
						       .prefix_set = prefix_set,
						       .prefix_remove = prefix_remove,
						       .rule_keep = rule_keep,
						       .rule_forget = rule_forget,
						       .group_keep = group_keep,
						       .group_forget = group_forget,
						       .kept_set = kept_set,
						       .kept_remove = kept_remove,
						       .link_set = datapath_link_set,
						       .link_remove = datapath_link_remove,
						       .link_transmit = datapath_link_transmit,
						       .link_count = datapath_link_count,
						       .binding_idle_ms = datapath_binding_idle_ms,
						       .counters = counters,
						       .drops = drops,
						       .port_drops = datapath_port_drops,
						       .binding_count = binding_count,
						       .port_stats = datapath_port_stats,
						       .transmit = datapath_transmit,
						       .port_hold = datapath_port_hold,
						       .resume = datapath_resume,
						       .drain_upcalls = datapath_drain_upcalls};

	return &operations;
}
