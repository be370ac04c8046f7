/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The tables behind one function each: what a packet's fate is decided by. */
#pragma once

#include "bpf/bindings.h"
#include "bpf/parse.h"

static __always_inline struct map_config *lookup_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct map_port *lookup_port(__u32 ifindex)
{
	return bpf_map_lookup_elem(&ports, &ifindex);
}

/* Where a port number's packets go out; NULL if that device is gone, or holds (bpf/hold.h). */
static __always_inline struct map_output *lookup_output(__u32 number)
{
	struct map_output *out = bpf_map_lookup_elem(&outputs, &number);

	return out && (__s32)out->ifindex > 0 ? out : NULL;
}

/* The one place that knows how bindings are kept. */
static __always_inline struct map_binding *lookup_binding(const struct map_address_key *key)
{
	__u32 found = binding_find(key);

	return found ? binding_at(found) : NULL;
}

/* Likewise, where every packet passes. */
static __always_inline struct map_binding *lookup_binding_inline(const struct map_address_key *key)
{
	__u32 found = binding_find_inline(key, 0);

	return found ? binding_at(found) : NULL;
}

static __always_inline struct map_peer *lookup_peer(__u32 fe)
{
	return bpf_map_lookup_elem(&peers, &fe);
}

static __always_inline struct map_link *lookup_link(__u32 number)
{
	return bpf_map_lookup_elem(&links, &number);
}

/* Another FE's address or redirect address; NULL: it is none. */
static __always_inline __u32 *lookup_label(const __u8 address[16])
{
	return bpf_map_lookup_elem(&labels, address);
}

/* Whose outer source that is. */
static __noinline struct map_peer_source *lookup_peer_source(const __u8 address[16])
{
	struct map_peer_source *peer = bpf_map_lookup_elem(&peer_sources, address);
	struct map_source_key key = {.length = 128};

	if (peer)
		return peer;
	__builtin_memcpy(key.address, address, 16);
	return bpf_map_lookup_elem(&peer_prefixes, &key);
}

enum prefix_kind {
	PREFIX_COVERED,
	PREFIX_EXTERNAL,
	PREFIX_STRANGER,
	PREFIX_ANSWER,
	PREFIX_EXIT,
	PREFIX_REGISTER
};

static __noinline struct map_prefix *lookup_prefix(enum prefix_kind kind,
						   const struct map_address_key *of)
{
	struct map_prefix_key key = {MAP_PREFIX_BASE + 128, kind, of->vrf, {}};

	__builtin_memcpy(key.address, of->address, 16);
	return bpf_map_lookup_elem(&prefixes, &key);
}

/* The way out of VICTOR: the FEs that may emit its source's prefix come first. */
static __noinline struct map_prefix *lookup_way_out(const struct packet *p)
{
	struct map_prefix *exit = lookup_prefix(PREFIX_EXIT, &p->source);

	return exit ? exit : lookup_prefix(PREFIX_EXTERNAL, &p->destination);
}

/* Whether the port carries packets of this family. */
static __always_inline int port_admits(const struct map_port *in, const struct packet *p)
{
	return in->flags & (p->ethertype == ETH_P_IPV6 ? MAP_PORT_ADMITTED6 : MAP_PORT_ADMITTED);
}

/* Whether the binding has a local part that an unmarked packet may use. */
static __always_inline int binding_is_local(const struct map_binding *b)
{
	return b && (b->flags & (MAP_BINDING_LOCAL | MAP_BINDING_MARKED_ONLY)) == MAP_BINDING_LOCAL;
}

static __always_inline int binding_is_foreign(const struct map_binding *b)
{
	return b && b->flags & MAP_BINDING_FOREIGN;
}

/* Whether the node is on the segment that the packet came from: it hears it without us. */
static __always_inline int binding_is_beside(const struct map_binding *b, const struct map_port *in,
					     const struct packet *p)
{
	return b && b->flags & MAP_BINDING_LOCAL && b->port == in->number && b->vlan == p->vlan;
}

/* Source guard: this address may come in by this port, VLAN and MAC. */
static __always_inline int binding_guards(const struct map_binding *b, const struct map_port *in,
					  const struct packet *p)
{
	return b && b->flags & MAP_BINDING_GUARD && b->port == in->number && b->vlan == p->vlan &&
	       mac_same(b->mac, p->mac_source);
}

/* Last-seen is written at most once a second, to leave the cache line alone. */
static __always_inline void binding_saw_at(struct map_binding *b, __u64 now)
{
	if (now - b->seen_ns >= 1000000000ull)
		b->seen_ns = now;
}

static __always_inline void binding_saw(struct map_binding *b)
{
	binding_saw_at(b, bpf_ktime_get_coarse_ns());
}

/* Packets as a wire has them; each further segment repeats the headers. */
static __always_inline struct map_counter counter_of(const struct packet *p)
{
	return (struct map_counter){p->segments,
				    p->size + (__u64)p->segments * sizeof(struct ethhdr) +
					    (__u64)(p->segments - 1) * p->headers};
}

/* The counter of (ingress FE, VRF, address): another FE's. */
static __noinline int counter_add(__u32 ingress_fe, const struct packet *p)
{
	struct map_counter_key key = {ingress_fe, p->destination.vrf, {}};
	struct map_counter first = counter_of(p), *c;

	__builtin_memcpy(key.address, p->destination.address, 16);
	c = bpf_map_lookup_elem(&counters, &key);
	if (!c) {
		bpf_map_update_elem(&counters, &key, &first, BPF_ANY);
		return 0;
	}
	c->packets += first.packets;
	c->bytes += first.bytes;
	return 0;
}

/* And this one's, which is in the binding. */
static __always_inline void binding_count(struct map_binding *b, const struct packet *p)
{
	struct map_counter one = counter_of(p);

	__sync_fetch_and_add(&b->packets, one.packets);
	__sync_fetch_and_add(&b->bytes, one.bytes);
}
