/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What only the tc hook can do: room in an skb, VLAN tags beside the frame, redirection.  An XDP
 * variant has another file like this one. */
#pragma once

#include "bpf/lookup.h"
#include "bpf/rewrite.h"
#include "bpf/verdict.h"

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif
#define PACKET_HOST 0
#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV6
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7) /* since Linux 6.3 */
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif

/* The frame, with its first 'need' bytes (or all, if it is shorter) where they can be read. */
static __always_inline struct cursor tc_cursor(struct __sk_buff *skb, __u32 need)
{
	if ((void *)(long)skb->data + need > (void *)(long)skb->data_end &&
	    skb->data_end - skb->data < skb->len)
		bpf_skb_pull_data(skb, need < skb->len ? need : skb->len);
	return (struct cursor){(void *)(long)skb->data, (void *)(long)skb->data_end};
}

/* Headers of an Ethernet, IP and TCP packet, and of one more IP packet around it. */
#define HEADERS_SIZE 74
#define HEADERS_TUNNEL_SIZE (HEADERS_SIZE + OUTER_SIZE)

static __always_inline __u16 tc_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
}

static __always_inline int tc_set_vlan(struct __sk_buff *skb, __u16 vlan)
{
	if (skb->vlan_present) {
		if (vlan && (skb->vlan_tci & 0xfff) == vlan)
			return 0;
		if (bpf_skb_vlan_pop(skb))
			return -1;
	}
	return vlan ? (int)bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan) : 0;
}

/* TTL falls once, where the packet enters VICTOR.  1: it ran out, nothing is changed. */
static __always_inline int tc_decrement(struct __sk_buff *skb, const struct packet *p)
{
	__u8 hops = p->ttl - 1;

	if (!p->decrement)
		return 0;
	if (p->ttl <= 1)
		return 1;
	if (p->ethertype == ETH_P_IP)
		return rewrite_ttl_ipv4(tc_cursor(skb, HEADERS_SIZE));
	return bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + 7, &hops, 1, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int tc_drop_decrement(int result)
{
	return verdict_drop(result > 0 ? VERDICT_ttl_expired : VERDICT_rewrite_failed);
}

/* The frame and its message: Ethernet, IP, ICMP, then of the packet that was too large its header
 * and eight bytes, or twenty where the kernel still has to fill in a TCP checksum. */
struct too_big {
	struct iphdr ip;
	struct icmphdr icmp;
} __attribute__((packed));
#define QUOTE_SIZE 28
#define QUOTE_TCP_SIZE 40

static __always_inline __be32 tc_gateway(const struct packet *p)
{
	struct map_prefix *answer = lookup_prefix(PREFIX_ANSWER, &p->source);
	__be32 gateway = 0;

	if (!answer)
		answer = lookup_prefix(PREFIX_ANSWER, &p->destination);
	if (answer)
		gateway = address_get_ipv4(answer->gateway);
	/* No gateway: the packet's own destination tells its sender as well. */
	return gateway ? gateway : address_get_ipv4(p->destination.address);
}

/* Cuts the frame behind the quote and makes room for the message before it; 'quote' becomes the
 * sum of the quote as it will be on the wire.  A frame whose transport checksum is left to the
 * device cannot be cut before that field (the kernel refuses, and so tells us); the device will
 * write the complement of all from there to the end, which leaves the region's sum as the
 * complement of what the field has now. */
static __always_inline int tc_quote(struct __sk_buff *skb, const struct packet *p, __u32 *sum)
{
	const __u32 ip_at = sizeof(struct ethhdr), l4_at = ip_at + sizeof(struct iphdr);
	__u16 words[QUOTE_SIZE / 2], check = 0;
	int is_tcp = p->protocol == IPPROTO_TCP;

	if (bpf_skb_load_bytes(skb, ip_at, words, QUOTE_SIZE))
		return -1;
	if (!bpf_skb_change_tail(skb, ip_at + QUOTE_SIZE - 2, 0)) {
		if (bpf_skb_change_tail(skb, ip_at + QUOTE_SIZE, 0) ||
		    bpf_skb_store_bytes(skb, ip_at, words, QUOTE_SIZE, 0))
			return -1;
		*sum = sum_words(words, QUOTE_SIZE, 0);
		return 0;
	}
	if (!is_tcp && p->protocol != IPPROTO_UDP)
		return -1;
	if (bpf_skb_change_tail(skb, ip_at + (is_tcp ? QUOTE_TCP_SIZE : QUOTE_SIZE), 0) ||
	    bpf_skb_load_bytes(skb, l4_at + (is_tcp ? 16 : 6), &check, 2))
		return -1;
	*sum = sum_words(words, sizeof(struct iphdr), (__u16)~check);
	return 0;
}

static __always_inline int tc_send_too_big(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	struct too_big message = {};
	__be32 gateway = tc_gateway(p);
	__u32 sum = 0;

	if (tc_quote(skb, p, &sum) || bpf_skb_adjust_room(skb, sizeof(message), BPF_ADJ_ROOM_MAC,
							  BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return -1;
	message.ip.version = 4;
	message.ip.ihl = 5;
	message.ip.tot_len = bpf_htons(skb->len - sizeof(struct ethhdr));
	message.ip.ttl = 64;
	message.ip.protocol = IPPROTO_ICMP;
	message.ip.saddr = gateway;
	message.ip.daddr = address_get_ipv4(p->source.address);
	message.ip.check = ~sum_fold(sum_words(&message.ip, sizeof(message.ip), 0));
	message.icmp.type = ICMP_DEST_UNREACH;
	message.icmp.code = ICMP_FRAG_NEEDED;
	message.icmp.mtu = bpf_htons(mtu);
	message.icmp.checksum = ~sum_fold(sum_words(&message.icmp, sizeof(message.icmp), sum));
	if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &message, sizeof(message), 0))
		return -1;
	return rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), p->mac_source,
			    p->mac_destination);
}

/* Dropped; and where it came from a node or a client, DF was set and no ICMP error is answered with
 * another, its sender is told what the MTU is (RFC 1191). */
static __always_inline int tc_too_big(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	verdict_count(VERDICT_mtu_exceeded);
	if (!p->decrement || p->ethertype != ETH_P_IP || p->may_fragment || p->is_fragment ||
	    p->header_size != sizeof(struct iphdr))
		return TC_ACT_SHOT;
	if (p->protocol == IPPROTO_ICMP && p->icmp_type != ICMP_ECHO &&
	    p->icmp_type != ICMP_ECHOREPLY)
		return TC_ACT_SHOT;
	if (!limit_take(skb->ifindex, LIMIT_ICMP, LIMIT_ICMP_RATE, LIMIT_ICMP_BURST) ||
	    tc_send_too_big(skb, p, mtu))
		return TC_ACT_SHOT;
	verdict_count(VERDICT_sent_too_big);
	return bpf_redirect(skb->ifindex, 0);
}

/* To a node on one of our ports, the one it came in by included. */
static __always_inline int tc_deliver(struct __sk_buff *skb, const struct packet *p,
				      const struct map_binding *to, __u32 ingress_fe)
{
	struct map_output *out = lookup_output(to->port);
	int result;

	if (!out)
		return verdict_drop(VERDICT_port_gone);
	if (out->mtu && p->segment > out->mtu)
		return tc_too_big(skb, p, out->mtu);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, to->vlan) ||
	    rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), to->mac, to->gateway_mac))
		return verdict_drop(VERDICT_rewrite_failed);
	counter_add(ingress_fe, p);
	verdict_count(VERDICT_forwarded_local);
	return bpf_redirect(out->ifindex, 0);
}

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

/* Up this machine's own stack, whatever MAC it was sent to; the kernel takes its hop itself. */
static __always_inline int tc_pass_up(struct __sk_buff *skb)
{
	bpf_skb_change_type(skb, PACKET_HOST);
	verdict_count(VERDICT_passed_up);
	return VERDICT_PASS;
}

/* Out of VICTOR, by the kernel's FIB; it came in by the device 'ifindex'. */
static __always_inline int tc_leave(struct __sk_buff *skb, const struct packet *p, __u32 ifindex)
{
	struct bpf_fib_lookup fib = {};
	struct route route;
	int result;

	fib.tot_len = (__u16)p->segment;
	fib.ifindex = ifindex;
	if (p->ethertype == ETH_P_IP) {
		fib.family = AF_INET;
		fib.tos = p->tos & ~ECN_MASK;
		fib.ipv4_src = address_get_ipv4(p->source.address);
		fib.ipv4_dst = address_get_ipv4(p->destination.address);
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, p->source.address, 16);
		__builtin_memcpy(fib.ipv6_dst, p->destination.address, 16);
	}
	tc_route_result(&route, &fib, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
	if (route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return tc_too_big(skb, p, route.mtu);
	if (route.result == BPF_FIB_LKUP_RET_BLACKHOLE ||
	    route.result == BPF_FIB_LKUP_RET_UNREACHABLE ||
	    route.result == BPF_FIB_LKUP_RET_PROHIBIT)
		return verdict_drop(VERDICT_no_route);
	if (route.result != BPF_FIB_LKUP_RET_SUCCESS)
		return tc_pass_up(skb);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, 0))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_forwarded_external);
	return (int)bpf_redirect_neigh(route.ifindex, &route.hop, sizeof(route.hop), 0);
}
