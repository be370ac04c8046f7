/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Headers to facts: reads a frame once and copies out what later steps decide by, so that those
 * need no packet pointers.  Nothing here depends on the hook. */
#pragma once

#include "include/victor/dataplane.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_DF 0x4000
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define IP_OFFSET 0x1fff
#define ECN_MASK 3
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

/* A frame as the hook sees it. */
struct cursor {
	void *data, *end;
};

/* 'at' bytes (at most 127) further on, where that is no constant: in one register and with a bound
 * that the verifier sees, so that it knows that what was checked is what is read. */
static __always_inline void *cursor_at(struct cursor c, __u32 at)
{
	void *there;

	asm volatile("" : "+r"(at));
	there = c.data + (at & 0x7f);
	asm volatile("" : "+r"(there));
	return there;
}

/* linux/icmp.h and linux/if_arp.h want the C library of the build machine. */
#define ICMP_ECHOREPLY 0
#define ICMP_ECHO 8
struct icmphdr {
	__u8 type, code;
	__sum16 checksum;
	__be16 unused, mtu;
};

#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2
struct arp_ipv4 {
	__be16 hardware, protocol;
	__u8 hardware_size, protocol_size;
	__be16 operation;
	__u8 sender_mac[6];
	__be32 sender;
	__u8 target_mac[6];
	__be32 target;
} __attribute__((packed));

struct packet {
	struct map_address_key source, destination; /* vrf: the hook's */
	__u8 mac_source[6], mac_destination[6];
	__u16 ethertype; /* host order */
	__u16 vlan;
	__u32 size;     /* of the IP packet */
	__u32 segment;  /* of the largest IP packet that it will be on a wire */
	__u32 segments; /* how many those are */
	__u32 headers;  /* IP and transport: what each of several repeats */
	__u8 protocol, ttl, tos;
	__u8 header_size;  /* of the IP header */
	__u8 may_fragment; /* IPv4 without DF */
	__u8 is_fragment;
	__u8 icmp_type; /* where protocol is ICMP and it is no later fragment */
	__u8 decrement; /* TTL falls here: the port is where the packet enters VICTOR */
};

/* As __builtin_memcpy of an even number of bytes from and to even places, which for bytes whose
 * place is not known is a byte at a time. */
static __always_inline void copy_even(void *to, const void *from, __u32 size)
{
	typedef __u32 __attribute__((may_alias)) word;
	typedef __u16 __attribute__((may_alias)) half;
	__u32 i = 0;

#pragma unroll
	for (; i + sizeof(word) <= size; i += sizeof(word))
		*(word *)(to + i) = *(const word *)(from + i);
	if (size & 2)
		*(half *)(to + i) = *(const half *)(from + i);
}

static __always_inline void copy_mac(__u8 to[6], const __u8 from[6])
{
	copy_even(to, from, 2);
	copy_even(to + 2, from + 2, 2);
	copy_even(to + 4, from + 4, 2);
}

static __always_inline void address_set_ipv4(__u8 address[16], __be32 ip)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, &ip, 4);
}

static __always_inline __be32 address_get_ipv4(const __u8 address[16])
{
	__be32 ip;

	__builtin_memcpy(&ip, address + 12, 4);
	return ip;
}

static __always_inline int address_is_zero(const __u8 address[16])
{
	const __u32 *a = (const void *)address;

	return !(a[0] | a[1] | a[2] | a[3]);
}

static __always_inline int address_is_ipv4(const __u8 address[16])
{
	const __u32 *a = (const void *)address;

	return !(a[0] | a[1]) && a[2] == bpf_htonl(0xffff);
}

static __always_inline int address_same(const __u8 x[16], const __u8 y[16])
{
	const __u32 *a = (const void *)x, *b = (const void *)y;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

static __always_inline int mac_same(const __u8 a[6], const __u8 b[6])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

/* The gateway's MACs differ in the last byte only (pipeline/rule.h). */
static __always_inline int mac_same_gateway(const __u8 a[6], const __u8 b[6])
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4];
}

static __always_inline int mac_is_set(const __u8 a[6])
{
	return a[0] | a[1] | a[2] | a[3] | a[4] | a[5];
}

/* The Ethernet header, its facts in 'p'; NULL if it is cut short. */
static __always_inline struct ethhdr *parse_ethernet(struct cursor c, struct packet *p)
{
	struct ethhdr *eth = c.data;

	if ((void *)(eth + 1) > c.end)
		return NULL;
	copy_mac(p->mac_source, eth->h_source);
	copy_mac(p->mac_destination, eth->h_dest);
	p->ethertype = bpf_ntohs(eth->h_proto);
	return eth;
}

/* An Ethernet/IPv4 ARP packet, or NULL. */
static __always_inline struct arp_ipv4 *parse_arp(struct cursor c)
{
	struct arp_ipv4 *arp = c.data + sizeof(struct ethhdr);

	if ((void *)(arp + 1) > c.end)
		return NULL;
	if (arp->hardware != bpf_htons(ARP_HARDWARE_ETHERNET) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_size != 6 ||
	    arp->protocol_size != 4)
		return NULL;
	return arp;
}

/* How the packet will be cut on the wire: gso_size is the payload of each piece, 0 if it will not
 * be cut.  The transport header is at 'at'. */
static __always_inline void parse_segments(struct cursor c, struct packet *p, __u32 at,
					   int has_options, __u32 gso_size)
{
	__u32 headers = p->header_size + 8;
	struct tcphdr *tcp = c.data + at;

	p->segment = p->size;
	p->segments = 1;
	p->headers = 0;
	if (!gso_size)
		return;
	if (p->protocol == IPPROTO_TCP) {
		headers = p->header_size + sizeof(*tcp);
		if ((void *)(tcp + 1) <= c.end && !has_options)
			headers = p->header_size + tcp->doff * 4;
	}
	if (p->size <= headers + gso_size)
		return;
	p->headers = headers;
	p->segment = headers + gso_size;
	p->segments = (p->size - headers + gso_size - 1) / gso_size;
}

/* Each returns 0, or -1 for a packet that is cut short or contradicts itself.  'at' is where the IP
 * header begins, 'size' what the frame has from there on. */
static __always_inline int parse_ipv4(struct cursor c, struct packet *p, __u32 at, __u32 size,
				      __u32 gso_size)
{
	struct iphdr *ip = c.data + at;
	struct icmphdr *icmp;

	if ((void *)(ip + 1) > c.end || ip->version != 4 || ip->ihl < 5)
		return -1;
	p->header_size = ip->ihl * 4;
	/* A packet of many segments may be too large for its length field. */
	p->size = gso_size ? size : bpf_ntohs(ip->tot_len);
	if (p->size > size || p->size < p->header_size)
		return -1;
	p->protocol = ip->protocol;
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	p->may_fragment = !(ip->frag_off & bpf_htons(IP_DF));
	p->is_fragment = !!(ip->frag_off & bpf_htons(IP_FRAGMENT));
	address_set_ipv4(p->source.address, ip->saddr);
	address_set_ipv4(p->destination.address, ip->daddr);
	p->icmp_type = 0xff;
	icmp = c.data + at + sizeof(*ip);
	if (ip->protocol == IPPROTO_ICMP && ip->ihl == 5 && (void *)(icmp + 1) <= c.end &&
	    !(ip->frag_off & bpf_htons(IP_OFFSET)))
		p->icmp_type = icmp->type;
	parse_segments(c, p, at + sizeof(*ip), ip->ihl > 5, gso_size);
	return 0;
}

/* ::ffff:a.b.c.d is how keys spell IPv4; on a wire it is a forgery (RFC 4291, 2.5.5.2). */
static __always_inline int address_is_mapped(const struct in6_addr *a)
{
	return !a->s6_addr32[0] && !a->s6_addr32[1] && a->s6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline int parse_ipv6(struct cursor c, struct packet *p, __u32 at, __u32 size,
				      __u32 gso_size)
{
	struct ipv6hdr *ip = c.data + at;

	if ((void *)(ip + 1) > c.end || ip->version != 6 || address_is_mapped(&ip->saddr) ||
	    address_is_mapped(&ip->daddr))
		return -1;
	p->header_size = sizeof(*ip);
	p->size = gso_size ? size : bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (p->size > size)
		return -1;
	p->protocol = ip->nexthdr;
	p->ttl = ip->hop_limit;
	p->tos = (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
	p->may_fragment = 0;
	p->is_fragment = 0;
	p->icmp_type = 0xff;
	__builtin_memcpy(p->source.address, &ip->saddr, 16);
	__builtin_memcpy(p->destination.address, &ip->daddr, 16);
	parse_segments(c, p, at + sizeof(*ip), 0, gso_size);
	return 0;
}

static __always_inline int parse_ip(struct cursor c, struct packet *p, __u32 at, __u32 size,
				    __u32 gso_size)
{
	return p->ethertype == ETH_P_IP ? parse_ipv4(c, p, at, size, gso_size)
					: parse_ipv6(c, p, at, size, gso_size);
}

/* Multicast, or the limited broadcast address: not VICTOR's (design section 6). */
static __always_inline int address_is_group(const struct packet *p)
{
	const __u8 *a = p->destination.address;

	return p->ethertype == ETH_P_IP ? a[12] >= 224 || !a[12] : a[0] == 0xff;
}
