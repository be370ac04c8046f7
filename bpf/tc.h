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

/* What victor_backplane's first steps leave to its last ones in skb->cb. */
enum tc_cb {
	CB_LINK,    /* by which link it came in; 0: none */
	CB_CARRIED, /* whether in UDP */
};
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

/* Headers of an Ethernet, IP and TCP packet; and with what is at most around it in a tunnel. */
#define HEADERS_SIZE 74
#define OUTER_SIZE_MAX ((int)(sizeof(struct ipv6hdr) + sizeof(struct vxlan_head)))
#define HEADERS_TUNNEL_SIZE (HEADERS_SIZE + OUTER_SIZE_MAX)
#define HEADERS_IPV4_SIZE ((int)(sizeof(struct ethhdr) + sizeof(struct iphdr)))

/* The frame, with its headers where they can be read.  A packet of many segments has little more
 * there, and each byte of payload that is asked for is copied: IPv4's are less. */
static __always_inline struct cursor tc_headers(struct __sk_buff *skb)
{
	if (skb->gso_size && skb->protocol == bpf_htons(ETH_P_IP))
		return tc_cursor(skb, HEADERS_SIZE - 20);
	return tc_cursor(skb, HEADERS_SIZE);
}

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
		return rewrite_ttl_ipv4(tc_cursor(skb, HEADERS_IPV4_SIZE));
	return bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + 7, &hops, 1, BPF_F_RECOMPUTE_CSUM);
}

/* Another DSCP and ECN for the packet. */
static __always_inline int tc_change_tos(struct __sk_buff *skb, __u16 ethertype, __u8 was, __u8 tos)
{
	__u8 first[2];

	if (tos == was)
		return 0;
	if (ethertype == ETH_P_IP)
		return rewrite_tos_ipv4(tc_cursor(skb, HEADERS_IPV4_SIZE), tos);
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), first, 2))
		return -1;
	first[0] = (__u8)(0x60 | tos >> 4);
	first[1] = (__u8)(tos << 4 | (first[1] & 0x0f));
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), first, 2, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int tc_set_tos(struct __sk_buff *skb, const struct packet *p, __u8 tos)
{
	return tc_change_tos(skb, p->ethertype, p->tos, tos);
}

static __always_inline int tc_drop_decrement(int result)
{
	return result > 0 ? verdict_tell(VERDICT_ttl_expired, TELL_TTL, 0)
			  : verdict_drop(VERDICT_rewrite_failed);
}
