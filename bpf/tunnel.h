/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The outer header: put on towards another FE, taken off, readdressed. */
#pragma once

#include "bpf/icmp.h"
#include "bpf/path.h"

/* Room for the outer header.  The gso_size stays what it is, here and at decapsulation: the
 * segments that a wire sees are what 'segment' + OUTER_SIZE says.  A frame that is a tunnel's
 * already (a node's own, with its offload pending) gets plain room, if it is one segment. */
static __always_inline int tc_make_room(struct __sk_buff *skb)
{
	const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;

	if (!bpf_skb_adjust_room(skb, OUTER_SIZE, BPF_ADJ_ROOM_MAC,
				 flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
		return 0;
	if (skb->gso_size || skb->protocol != bpf_htons(ETH_P_IP))
		return -1;
	return (int)bpf_skb_adjust_room(skb, OUTER_SIZE, BPF_ADJ_ROOM_MAC, flags);
}

/* To another FE, IP-in-IP; to its redirect address if that is the verdict. */
static __always_inline int tc_encapsulate(struct __sk_buff *skb, const struct map_config *cfg,
					  const struct packet *p, __u32 fe,
					  enum dataplane_verdict verdict)
{
	struct map_peer *peer = lookup_peer(fe);
	struct outer outer = {.size = p->size, .tos = p->tos};
	struct route route;
	__u32 mtu;
	int result;

	if (!peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	if (!cfg->backplane_ifindex)
		return verdict_drop(VERDICT_no_underlay);
	outer.source = cfg->backplane;
	outer.destination = verdict == VERDICT_redirected ? peer->redirect : peer->address;
	outer.protocol = p->ethertype == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6;
	tc_route_underlay(skb, cfg, outer.destination, p->segment + OUTER_SIZE, p->tos, &route);
	mtu = tc_exceeds_underlay(cfg, &route, p->segment + OUTER_SIZE);
	if (mtu)
		return tc_too_big(skb, p, mtu);
	if (!tc_has_underlay(&route))
		return verdict_drop(VERDICT_no_underlay);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, 0) || tc_make_room(skb) ||
	    rewrite_outer(tc_cursor(skb, HEADERS_TUNNEL_SIZE), &outer))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(verdict);
	return tc_send_underlay(cfg, &route);
}

/* Takes the outer header off.  6.1 has no word for "what is inside is IPv6 now": there
 * bpf_skb_change_proto says it, at the price of twenty bytes that go with the outer header. */
static __always_inline int tc_decapsulate(struct __sk_buff *skb, const struct packet *p, __u8 tos)
{
	const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	struct cursor c;
	struct ethhdr *eth;

	if (p->ethertype == ETH_P_IP) {
		if (bpf_skb_adjust_room(skb, -OUTER_SIZE, BPF_ADJ_ROOM_MAC, flags))
			return -1;
		return (tos & ECN_MASK) == ECN_CE ? rewrite_ce_ipv4(tc_cursor(skb, HEADERS_SIZE))
						  : 0;
	}
	if (bpf_skb_adjust_room(skb, -OUTER_SIZE, BPF_ADJ_ROOM_MAC,
				flags | BPF_F_ADJ_ROOM_DECAP_L3_IPV6) &&
	    (bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0) ||
	     bpf_skb_adjust_room(skb, -2 * OUTER_SIZE, BPF_ADJ_ROOM_MAC, flags)))
		return -1;
	c = tc_cursor(skb, HEADERS_SIZE);
	eth = c.data;
	if ((void *)(eth + 1) > c.end)
		return -1;
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	return 0;
}

/* After a node that moved on: the outer header that is there is addressed to the peer's redirect
 * address.  (Decapsulating and encapsulating again would be refused by the kernel while the tunnel
 * offload of the first is pending, and cost twice.) */
static __always_inline int tc_redirect_on(struct __sk_buff *skb, const struct map_config *cfg,
					  const struct packet *p, const struct packet *tunnel,
					  __u32 fe)
{
	struct map_peer *peer = lookup_peer(fe);
	struct outer outer = {.size = p->size, .tos = tunnel->tos, .protocol = tunnel->protocol};
	struct route route;

	if (!peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	outer.source = cfg->backplane;
	outer.destination = peer->redirect;
	tc_route_underlay(skb, cfg, outer.destination, p->segment + OUTER_SIZE, outer.tos, &route);
	if (tc_exceeds_underlay(cfg, &route, p->segment + OUTER_SIZE))
		return tc_too_big(skb, p, 0);
	if (!tc_has_underlay(&route))
		return verdict_drop(VERDICT_no_underlay);
	if (tc_set_vlan(skb, 0) || rewrite_outer(tc_cursor(skb, HEADERS_TUNNEL_SIZE), &outer))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_redirected);
	return tc_send_underlay(cfg, &route);
}
