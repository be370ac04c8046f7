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
	copy_mac(eth->h_dest, destination);
	copy_mac(eth->h_source, source);
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

/* IPv6 is the hook's, as above. */
static __always_inline int rewrite_tos_ipv4(struct cursor c, __u8 tos)
{
	struct iphdr *ip = c.data + sizeof(struct ethhdr);
	__u16 was, is;

	if ((void *)(ip + 1) > c.end)
		return -1;
	__builtin_memcpy(&was, ip, 2);
	ip->tos = tos;
	__builtin_memcpy(&is, ip, 2);
	ip->check = sum_replace(ip->check, was, is);
	return 0;
}

/* ---- the outer header ---- */

#define VXLAN_PORT 4789
#define VXLAN_FLAG_VNI 0x08
#define VXLAN_MARK 0x800000u /* REDIRECTED; the VNI's other bits are the VRF */
#define FLOW_PORT_BASE 49152

/* What is between the outer IP header and the packet inside (RFC 7348). */
struct vxlan_head {
	__be16 source, destination, size;
	__sum16 check; /* zero: none, in IPv6 too (RFC 6935) */
	__u8 flags, reserved[3];
	__be32 vni; /* in the upper 24 bits */
	struct ethhdr eth;
} __attribute__((packed));

struct outer {
	__u8 source[16], destination[16];
	__u32 size; /* of the packet inside */
	__u32 flow; /* a hash that all packets of its flow have in common */
	__u32 vni;  /* VXLAN */
	__u32 from_fe, to_fe;
	__u16 ethertype; /* of the packet inside, host order */
	__u8 is_ipv6, is_vxlan;
	__u8 tos;
	__u8 ttl; /* 0: a new one's */
	__u8 pad[2];
};

static __always_inline __u8 outer_ttl(const struct outer *o)
{
	return o->ttl ? o->ttl : 64;
}

static __always_inline __u32 outer_ip_size(const struct outer *o)
{
	return o->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* All that is in front of the packet inside, Ethernet (and a carrier) not counted. */
static __always_inline __u32 outer_size(const struct outer *o)
{
	return outer_ip_size(o) + (o->is_vxlan ? sizeof(struct vxlan_head) : 0);
}

static __always_inline __u8 outer_protocol(const struct outer *o)
{
	if (o->is_vxlan)
		return IPPROTO_UDP;
	return o->ethertype == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static __always_inline __be16 outer_source_port(const struct outer *o)
{
	return bpf_htons(FLOW_PORT_BASE | (o->flow & 0x3fff));
}

/* Only a packet of many segments is ever longer than the field; each gets its own length. */
static __always_inline __be16 outer_length(__u32 size)
{
	return bpf_htons(size > 0xffff ? 0 : size);
}

/* RFC 2003. */
static __always_inline void outer_fill_ipv4(struct iphdr *ip, const struct outer *o)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = o->tos;
	ip->tot_len = outer_length(o->size + outer_size(o));
	ip->frag_off = bpf_htons(IP_DF);
	ip->ttl = outer_ttl(o);
	ip->protocol = outer_protocol(o);
	ip->saddr = address_get_ipv4(o->source);
	ip->daddr = address_get_ipv4(o->destination);
	ip->check = ~sum_fold(sum_words(ip, sizeof(*ip), 0));
}

/* RFC 2473; the flow label is for the underlay's ECMP (RFC 6438). */
static __always_inline void outer_fill_ipv6(struct ipv6hdr *ip, const struct outer *o)
{
	__be32 first = bpf_htonl(6u << 28 | (__u32)o->tos << 20 | (o->flow & 0xfffff));

	__builtin_memcpy(ip, &first, sizeof(first));
	ip->payload_len = outer_length(o->size + outer_size(o) - sizeof(*ip));
	ip->nexthdr = outer_protocol(o);
	ip->hop_limit = outer_ttl(o);
	__builtin_memcpy(&ip->saddr, o->source, 16);
	__builtin_memcpy(&ip->daddr, o->destination, 16);
}

/* The inner MACs say which FEs it goes between: 02:56:43:00 and the id. */
static __always_inline void outer_fill_mac(__u8 mac[6], __u32 fe)
{
	mac[0] = 0x02;
	mac[1] = 0x56;
	mac[2] = 0x43;
	mac[3] = 0;
	mac[4] = (__u8)(fe >> 8);
	mac[5] = (__u8)fe;
}

static __always_inline void outer_fill_vxlan(struct vxlan_head *v, const struct outer *o)
{
	v->source = outer_source_port(o);
	v->destination = bpf_htons(VXLAN_PORT);
	v->size = outer_length(o->size + sizeof(*v));
	v->check = 0;
	v->flags = VXLAN_FLAG_VNI;
	__builtin_memset(v->reserved, 0, sizeof(v->reserved));
	v->vni = bpf_htonl(o->vni << 8);
	outer_fill_mac(v->eth.h_dest, o->to_fe);
	outer_fill_mac(v->eth.h_source, o->from_fe);
	v->eth.h_proto = bpf_htons(o->ethertype);
}

/* The IPv4 header in the room made for it, or over the one that is there; it is 'at' bytes behind
 * Ethernet's. */
static __always_inline int rewrite_outer_ipv4(struct cursor c, __u32 at, const struct outer *o)
{
	struct iphdr *ip = cursor_at(c, sizeof(struct ethhdr) + at), header;

	if ((void *)(ip + 1) > c.end)
		return -1;
	outer_fill_ipv4(&header, o);
	__builtin_memcpy(ip, &header, sizeof(header));
	return 0;
}

static __always_inline int rewrite_ethertype(struct cursor c, __u16 ethertype)
{
	struct ethhdr *eth = c.data;

	if ((void *)(eth + 1) > c.end)
		return -1;
	eth->h_proto = bpf_htons(ethertype);
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
