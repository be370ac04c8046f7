/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The maps, all pinned by fe/io/datapath.c.  Sizes here are defaults: the loader sets those that
 * the config knows. */
#pragma once

#include "include/victor/dataplane.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_header);
} header SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PORT_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DATAPLANE_PORT_LIMIT);
	__type(key, __u32);
	__type(value, struct map_output);
} outputs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DATAPLANE_FAST_PORTS);
	__type(key, __u32);
	__type(value, struct map_fast_port);
} fast_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PORT_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_limits);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_guard);
} guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PORT_VERDICTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct map_port_verdict);
	__type(value, __u64);
} port_verdicts SEC(".maps");

/* The time of the last tick: asking for it costs two calls. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_clock);
} ticks SEC(".maps");

/* What nodes may not reach: this FE's backplane addresses, controllers, what the operator adds.
 * Other FEs are in 'labels' and 'peer_prefixes'. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DATAPLANE_SHIELD_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct map_source_key);
	__type(value, __u32);
} shields SEC(".maps");

/* The table of bindings (include/victor/bindings.h); the loader sets the sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_shape);
} binding_shape SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_bucket);
} binding_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_chunk);
} binding_records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PEER_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_peer);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PEER_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u8[16]);
	__type(value, struct map_peer_source);
} peer_sources SEC(".maps");

/* Those of peers that spread their sources, asked where peer_sources says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DATAPLANE_PEER_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct map_source_key);
	__type(value, struct map_peer_source);
} peer_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DATAPLANE_PREFIX_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct map_prefix_key);
	__type(value, struct map_prefix);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, DATAPLANE_COUNTER_LIMIT);
	__type(key, struct map_counter_key);
	__type(value, struct map_counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICT_COUNT + DATAPLANE_TRIAL);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

/* When a packet between two addresses (a hash of them) last took the long way, in ns. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DATAPLANE_TRAILS);
	__type(key, __u32);
	__type(value, __u64);
} trails SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct map_inner_health);
} inner_health SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, DATAPLANE_UPCALL_RING);
} upcalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_link);
} links SEC(".maps");

/* What each link was given to carry; its element is made with the link. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_counter);
} link_counts SEC(".maps");

/* Learnt on the way, by the numbers of IP and UDP links. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct map_link_mtu);
} link_mtus SEC(".maps");

/* The other ends of IP and UDP links: backplane address to the link's number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u8[16]);
	__type(value, __u32);
} link_ends SEC(".maps");

/* Where carriers come from: to the UDP link's number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct map_carrier_key);
	__type(value, __u32);
} carriers SEC(".maps");

/* Labels: the addresses and redirect addresses of all other FEs, to their ids. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * DATAPLANE_PEER_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u8[16]);
	__type(value, __u32);
} labels SEC(".maps");

/* Not for packets: the agent's durable list (struct rule_key -> struct rule, FE -> rule_group).
 * The loader sets the sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_RULE_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, 4);
	__uint(value_size, 4);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_PEER_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, 4);
	__uint(value_size, 4);
} rule_groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_LINK_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, 4);
	__uint(value_size, 4);
} rule_links SEC(".maps");

/* Announcements that are kept for a controller (struct kept_key -> struct kept_frame). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DATAPLANE_KEPT_LIMIT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, 4);
	__uint(value_size, 4);
} kept SEC(".maps");
