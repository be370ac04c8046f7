/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Where the kernel's routes lead. */
#pragma once

#include "bpf/tc.h"

struct route {
	struct bpf_redir_neigh hop;
	__u32 ifindex;
	__u32 mtu;  /* where it is too large for that route */
	int result; /* BPF_FIB_LKUP_RET_*; NO_NEIGH counts as success */
};

static __always_inline void tc_route_result(struct route *r, struct bpf_fib_lookup *fib,
					    long result)
{
	if (result == BPF_FIB_LKUP_RET_NO_NEIGH)
		result = BPF_FIB_LKUP_RET_SUCCESS;
	r->result = (int)result;
	r->ifindex = fib->ifindex;
	r->mtu = fib->mtu_result;
	r->hop.nh_family = fib->family;
	__builtin_memcpy(r->hop.ipv6_nh, fib->ipv6_dst, 16);
}

/* ---- of outer packets ---- */

/* The way that such packets had at this tick of the clock.  Asking the kernel costs more than all
 * else that is decided about a packet, and an answer is good for a tick (4 ms where HZ is 250),
 * which is less than it takes anybody to hear that a route changed.  Which neighbour that is, and
 * whether the device is up, is asked anew for each packet (bpf_redirect_neigh). */
struct route_memory {
	__u8 source[16], destination[16];
	__u64 tick;
	__u32 size; /* that was no problem */
	__u32 flow; /* what else the kernel chooses by */
	__u8 tos, protocol, is_ipv6;
	__u8 pad[5];
	struct route route;
	struct bpf_fib_lookup question; /* here, since the stack is small */
};

#define ROUTE_MEMORIES 64

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROUTE_MEMORIES);
	__type(key, __u32);
	__type(value, struct route_memory);
} route_memories SEC(".maps");

static __always_inline __u32 route_flow(const struct outer *o)
{
	if (o->is_vxlan)
		return outer_source_port(o);
	return o->is_ipv6 ? o->flow & 0xfffff : 0;
}

static __always_inline struct route_memory *route_memory_of(const struct outer *o)
{
	__u32 from, to, at;

	__builtin_memcpy(&from, o->source + 12, 4);
	__builtin_memcpy(&to, o->destination + 12, 4);
	at = (from ^ to ^ route_flow(o)) * 0x9e3779b1u >> 26;
	return bpf_map_lookup_elem(&route_memories, &at);
}

static __always_inline int route_is_of(const struct route_memory *m, const struct outer *o,
				       __u32 size, __u64 tick)
{
	return m->tick == tick && size <= m->size && m->flow == route_flow(o) && m->tos == o->tos &&
	       m->protocol == outer_protocol(o) && m->is_ipv6 == o->is_ipv6 &&
	       address_same(m->destination, o->destination) && address_same(m->source, o->source);
}

static __always_inline void route_remember(struct route_memory *m, const struct outer *o,
					   __u32 size, __u64 tick, const struct route *r)
{
	m->tick = tick;
	m->size = size;
	m->flow = route_flow(o);
	m->tos = o->tos;
	m->protocol = outer_protocol(o);
	m->is_ipv6 = o->is_ipv6;
	__builtin_memcpy(m->source, o->source, 16);
	__builtin_memcpy(m->destination, o->destination, 16);
	m->route = *r;
}

static __always_inline void route_ask(struct __sk_buff *skb, const struct map_config *cfg,
				      const struct outer *o, __u32 size, struct bpf_fib_lookup *fib,
				      struct route *ret)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->l4_protocol = outer_protocol(o);
	if (o->is_vxlan) {
		fib->sport = outer_source_port(o);
		fib->dport = bpf_htons(VXLAN_PORT);
	}
	fib->tot_len = (__u16)size;
	fib->ifindex = cfg->backplane_ifindex;
	if (o->is_ipv6) {
		fib->family = AF_INET6;
		fib->flowinfo = bpf_htonl(o->flow & 0xfffff);
		__builtin_memcpy(fib->ipv6_src, o->source, 16);
		__builtin_memcpy(fib->ipv6_dst, o->destination, 16);
	} else {
		fib->family = AF_INET;
		fib->tos = o->tos & ~ECN_MASK;
		fib->ipv4_src = address_get_ipv4(o->source);
		fib->ipv4_dst = address_get_ipv4(o->destination);
	}
	tc_route_result(ret, fib, bpf_fib_lookup(skb, fib, sizeof(*fib), 0));
}

/* The underlay's route for outer packets of 'size' bytes. */
static __noinline void route_find(struct __sk_buff *skb, const struct map_config *cfg,
				  const struct outer *o, __u32 size, struct route *ret)
{
	__u64 tick = bpf_jiffies64();
	struct route_memory *m = route_memory_of(o);

	if (!m) {
		ret->result = BPF_FIB_LKUP_RET_NOT_FWDED;
	} else if (route_is_of(m, o, size, tick)) {
		*ret = m->route;
	} else {
		route_ask(skb, cfg, o, size, &m->question, ret);
		if (ret->result == BPF_FIB_LKUP_RET_SUCCESS)
			route_remember(m, o, size, tick, ret);
	}
}
