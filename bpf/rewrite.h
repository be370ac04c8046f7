/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Bytes changed in place, through a bounded cursor; nothing here depends on the hook.  Every change
 * of an IPv4 header keeps its sum: a CHECKSUM_COMPLETE of the kernel's stays right. */
#pragma once

#include "bpf/parse.h"

static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

static __always_inline __u32 sum_words(const void *bytes, int size, __u32 sum)
{
	const __u16 *word = bytes;

#pragma unroll
	for (int i = 0; i < size / 2; i++)
		sum += word[i];
	return sum;
}

/* RFC 1624: the checksum after one 16-bit word changed. */
static __always_inline __u16 sum_replace(__u16 check, __u16 was, __u16 is)
{
	return ~sum_fold((__u16)~check + (__u16)~was + is);
}

static __always_inline int rewrite_macs(struct cursor c, const __u8 destination[6],
					const __u8 source[6])
{
	struct ethhdr *eth = c.data;

	if ((void *)(eth + 1) > c.end)
		return -1;
	__builtin_memcpy(eth->h_dest, destination, 6);
	__builtin_memcpy(eth->h_source, source, 6);
	return 0;
}

/* One hop less.  IPv6 is the hook's: its hop limit is in no header checksum. */
static __always_inline int rewrite_ttl_ipv4(struct cursor c)
{
	struct iphdr *ip = c.data + sizeof(struct ethhdr);
	__u16 was, is;

	if ((void *)(ip + 1) > c.end)
		return -1;
	__builtin_memcpy(&was, &ip->ttl, 2);
	ip->ttl--;
	__builtin_memcpy(&is, &ip->ttl, 2);
	ip->check = sum_replace(ip->check, was, is);
	return 0;
}

/* RFC 6040: the tunnel's congestion mark goes on. */
static __always_inline int rewrite_ce_ipv4(struct cursor c)
{
	struct iphdr *ip = c.data + sizeof(struct ethhdr);
	__u16 was, is;

	if ((void *)(ip + 1) > c.end)
		return -1;
	__builtin_memcpy(&was, ip, 2);
	ip->tos |= ECN_CE;
	__builtin_memcpy(&is, ip, 2);
	ip->check = sum_replace(ip->check, was, is);
	return 0;
}

struct outer {
	__be32 source, destination;
	__u32 size; /* of the packet inside */
	__u8 protocol, tos;
};

/* The outer header (RFC 2003) in the room made for it, or over the one that is there. */
static __always_inline int rewrite_outer(struct cursor c, const struct outer *o)
{
	struct ethhdr *eth = c.data;
	struct iphdr *ip = (void *)(eth + 1), header = {};
	__u32 size = o->size + OUTER_SIZE;

	if ((void *)(ip + 1) > c.end)
		return -1;
	eth->h_proto = bpf_htons(ETH_P_IP);
	header.version = 4;
	header.ihl = 5;
	header.tos = o->tos;
	/* Only a packet of many segments is ever longer; each gets its own length. */
	header.tot_len = bpf_htons(size > 0xffff ? 0 : size);
	header.frag_off = bpf_htons(IP_DF);
	header.ttl = 64;
	header.protocol = o->protocol;
	header.saddr = o->source;
	header.daddr = o->destination;
	header.check = ~sum_fold(sum_words(&header, sizeof(header), 0));
	__builtin_memcpy(ip, &header, sizeof(header));
	return 0;
}

/* An ARP request into the reply that 'mac' would give (RFC 826). */
static __always_inline int rewrite_arp_answer(struct cursor c, const __u8 mac[6])
{
	struct arp_ipv4 *arp = parse_arp(c);
	__be32 target;

	if (!arp)
		return -1;
	target = arp->target;
	arp->operation = bpf_htons(ARP_REPLY);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, 6);
	arp->target = arp->sender;
	__builtin_memcpy(arp->sender_mac, mac, 6);
	arp->sender = target;
	return rewrite_macs(c, arp->target_mac, mac);
}

/* An ICMP echo request (no IP options) into its reply. */
static __always_inline int rewrite_echo_answer(struct cursor c)
{
	struct ethhdr *eth = c.data;
	struct iphdr *ip = (void *)(eth + 1);
	struct icmphdr *icmp = (void *)(ip + 1);
	__u8 to[6], from[6];
	__u16 was, is;
	__be32 source;

	if ((void *)(icmp + 1) > c.end)
		return -1;
	source = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = source;
	__builtin_memcpy(&was, &ip->ttl, 2);
	ip->ttl = 64;
	__builtin_memcpy(&is, &ip->ttl, 2);
	ip->check = sum_replace(ip->check, was, is);
	__builtin_memcpy(&was, icmp, 2);
	icmp->type = ICMP_ECHOREPLY;
	__builtin_memcpy(&is, icmp, 2);
	icmp->checksum = sum_replace(icmp->checksum, was, is);
	__builtin_memcpy(to, eth->h_source, 6);
	__builtin_memcpy(from, eth->h_dest, 6);
	return rewrite_macs(c, to, from);
}
