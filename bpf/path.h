/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Which way a packet goes on from here: found before anything is changed, so that its MTU can be
 * checked first. */
#pragma once

#include "bpf/tc.h"

/* Where the kernel's routes lead. */
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

/* The way of outer packets to a peer. */
struct path {
	struct route way;
	__u32 mtu;           /* of outer packets, the carrier not counted; 0: any */
	__u32 carrier_size;  /* what path_send writes in front of the outer header; 0: nothing */
	__u64 carrier_flags; /* BPF_F_ADJ_ROOM_ENCAP_* of what comes first then */
};

/* The underlay's route for outer packets of 'size' bytes. */
static __noinline void path_route(struct __sk_buff *skb, const struct map_config *cfg,
				  const struct outer *o, __u32 size, struct route *ret)
{
	struct bpf_fib_lookup fib = {};

	fib.l4_protocol = outer_protocol(o);
	if (o->is_vxlan) {
		fib.sport = outer_source_port(o);
		fib.dport = bpf_htons(VXLAN_PORT);
	}
	fib.tot_len = (__u16)size;
	fib.ifindex = cfg->backplane_ifindex;
	if (o->is_ipv6) {
		fib.family = AF_INET6;
		fib.flowinfo = bpf_htonl(o->flow & 0xfffff);
		__builtin_memcpy(fib.ipv6_src, o->source, 16);
		__builtin_memcpy(fib.ipv6_dst, o->destination, 16);
	} else {
		fib.family = AF_INET;
		fib.tos = o->tos & ~ECN_MASK;
		fib.ipv4_src = address_get_ipv4(o->source);
		fib.ipv4_dst = address_get_ipv4(o->destination);
	}
	tc_route_result(ret, &fib, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
}

static __always_inline void path_limit(struct path *path, __u32 mtu)
{
	if (mtu && (!path->mtu || mtu < path->mtu))
		path->mtu = mtu;
}

/* The way to 'peer' for outer packets of 'size' bytes.  0, or -1: there is none. */
static __always_inline int path_find(struct __sk_buff *skb, const struct map_config *cfg,
				     const struct map_peer *peer, const struct outer *o, __u32 size,
				     struct path *ret)
{
	if (!cfg->backplane_ifindex)
		return -1;
	/* Learnt of the underlay (pmtu.h), for a time. */
	ret->mtu = 0;
	if (peer->mtu && bpf_ktime_get_ns() / 1000000000 < peer->mtu_until_s)
		ret->mtu = peer->mtu;
	ret->carrier_size = 0;
	ret->carrier_flags = 0;
	path_route(skb, cfg, o, size, &ret->way);
	path_limit(ret, cfg->backplane_mtu);
	switch (ret->way.result) {
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		path_limit(ret, ret->way.mtu);
		return 0;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		/* Without forwarding on, the kernel looked nothing up. */
		path_limit(ret, cfg->device_mtu);
		return 0;
	default:
		return ret->way.result == BPF_FIB_LKUP_RET_SUCCESS ? 0 : -1;
	}
}

static __always_inline int path_exceeds(const struct path *path, __u32 size)
{
	return path->mtu && size > path->mtu;
}

/* Out by that way; the outer header is 'carrier_size' bytes behind Ethernet's.  The kernel's
 * neighbour table writes the Ethernet header, and so keeps its entry fresh, resolves it where
 * needed, and sees a peer's new MAC. */
static __always_inline int path_send(struct __sk_buff *skb, const struct map_config *cfg,
				     struct path *path)
{
	if (path->way.result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return (int)bpf_redirect_neigh(cfg->backplane_ifindex, NULL, 0, 0);
	return (int)bpf_redirect_neigh(path->way.ifindex, &path->way.hop, sizeof(path->way.hop), 0);
}
