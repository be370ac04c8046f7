/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Transit: an outer packet for another FE goes on towards it, by its label, the outer destination.
 * What is inside is nobody's business here, but for how large its segments are. */
#pragma once

#include "bpf/link.h"
#include "bpf/tunnel.h"

static __always_inline int transit_decrement(struct __sk_buff *skb, const struct tunnel *t)
{
	__u8 hops = t->ip.ttl - 1;

	if (!t->is_ipv6)
		return rewrite_ttl_ipv4(tc_cursor(skb, HEADERS_TUNNEL_SIZE));
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + 7, &hops, 1,
					BPF_F_RECOMPUTE_CSUM);
}

/* 'segment' is the size of the outer packet as a wire has it. */
__noinline int transit_forward(struct __sk_buff *skb, const struct map_config *cfg,
			       const struct tunnel *t, __u32 fe, __u32 segment)
{
	struct map_peer *peer = lookup_peer(fe);
	struct outer o = {};
	struct path path = {};

	if (!cfg || !t || !peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	if (t->ip.ttl <= 1)
		return verdict_drop(VERDICT_transit_ttl_expired);
	__builtin_memcpy(o.source, t->ip.source.address, 16);
	__builtin_memcpy(o.destination, t->ip.destination.address, 16);
	o.to_fe = fe;
	o.is_ipv6 = t->is_ipv6;
	o.is_vxlan = t->is_vxlan;
	o.tos = t->ip.tos;
	o.ethertype = t->ip.protocol == IPPROTO_IPV6 ? ETH_P_IPV6 : ETH_P_IP;
	if (peer->select)
		o.flow = path_flow(skb, sizeof(struct ethhdr) + t->size);
	path.from = skb->cb[0];
	path.is_transit = 1;
	if (path_find(skb, cfg, peer, &o, segment, &path))
		return verdict_drop(VERDICT_no_path);
	if (path_exceeds(&path, segment))
		return verdict_drop(VERDICT_mtu_exceeded);
	if (transit_decrement(skb, t) ||
	    (path.carrier_size &&
	     bpf_skb_adjust_room(skb, (int)path.carrier_size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS)))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_forwarded_transit);
	return path_send(skb, cfg, &path);
}
