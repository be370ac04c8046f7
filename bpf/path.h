/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Which way a packet goes on from here, by the kernel's routes: found before anything is changed,
 * so that its MTU can be checked first. */
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

/* The route to a peer for outer packets of 'size' bytes. */
static __always_inline void tc_route_underlay(struct __sk_buff *skb, const struct map_config *cfg,
					      __be32 peer, __u32 size, __u8 tos, struct route *ret)
{
	struct bpf_fib_lookup fib = {.family = AF_INET};

	fib.l4_protocol = IPPROTO_IPIP;
	fib.tot_len = (__u16)size;
	fib.ifindex = cfg->backplane_ifindex;
	fib.tos = tos & ~ECN_MASK;
	fib.ipv4_src = cfg->backplane;
	fib.ipv4_dst = peer;
	tc_route_result(ret, &fib, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
}

/* Out by the underlay.  The kernel's neighbour table writes the Ethernet header, and so keeps its
 * entry fresh, resolves it where needed, and sees a peer's new MAC. */
static __always_inline int tc_send_underlay(const struct map_config *cfg, struct route *r)
{
	if (r->result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return (int)bpf_redirect_neigh(cfg->backplane_ifindex, NULL, 0, 0);
	return (int)bpf_redirect_neigh(r->ifindex, &r->hop, sizeof(r->hop), 0);
}

/* Whether outer packets of that size go; else the MTU that the packet inside may have. */
static __always_inline __u32 tc_exceeds_underlay(const struct map_config *cfg,
						 const struct route *r, __u32 size)
{
	if (r->result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return r->mtu - OUTER_SIZE;
	if (cfg->backplane_mtu && size > cfg->backplane_mtu)
		return cfg->backplane_mtu - OUTER_SIZE;
	/* Without forwarding on, the kernel looked nothing up. */
	if (r->result == BPF_FIB_LKUP_RET_FWD_DISABLED && cfg->device_mtu && size > cfg->device_mtu)
		return cfg->device_mtu - OUTER_SIZE;
	return 0;
}

static __always_inline int tc_has_underlay(const struct route *r)
{
	return r->result == BPF_FIB_LKUP_RET_SUCCESS || r->result == BPF_FIB_LKUP_RET_FWD_DISABLED;
}
