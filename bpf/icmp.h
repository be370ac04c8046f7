/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What a sender is told about a packet that cannot go on. */
#pragma once

#include "bpf/tc.h"

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
static __noinline int tc_too_big(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
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
