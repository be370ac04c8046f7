/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What an access port refuses whatever the tables say: frames that are no node's to send, words of
 * routers, gateways and DHCP servers, headers that hide what is behind them, and what would reach
 * the underlay.  docs/guard.md lists it all.  That source address, MAC, VLAN and port belong
 * together is access.h's and nd.h's business.
 *
 * A port that other FEs share (segment.h) hears their gateway too: there nothing that it may have
 * said is refused. */
#pragma once

#include "bpf/tc.h"

#define GUARD_DHCP_SERVER 67
#define GUARD_DHCP_CLIENT 68
#define GUARD_DHCP6_SERVER 547
#define GUARD_DHCP6_CLIENT 546
#define GUARD_OPTIONS_END 0
#define GUARD_OPTIONS_NOP 1
#define GUARD_OPTION_LSRR 131
#define GUARD_OPTION_SSRR 137
#define GUARD_OPTIONS_MAX 40   /* bytes of them */
#define GUARD_EXTENSIONS_MAX 8 /* headers that are looked behind */
#define GUARD_AH 51
#define GUARD_ND_FIRST 133 /* router solicitation ... */
#define GUARD_ND_LAST 137  /* ... redirect */
#define GUARD_ROUTER_ADVERTISEMENT 134
#define GUARD_REDIRECT 137
#define GUARD_EAPOL 0x888e

/* Dropped, and counted for the port too. */
__noinline int guard_drop(struct __sk_buff *skb, __u32 why)
{
	struct map_port *in = lookup_port(skb->ifindex);

	if (in && in->role == MAP_ROLE_ACCESS)
		verdict_count_port(in->number, why);
	else
		verdict_count(why);
	return TC_ACT_SHOT;
}

/* ---- frames ---- */

/* 01:80:c2:00:00:00 to 0f: what bridges say to each other, and ports to their switch (IEEE 802.1Q,
 * 8.6.3).  Access control (802.1X) is a node's own business. */
static __always_inline int guard_is_bridges(const struct packet *p)
{
	const __u8 *to = p->mac_destination;

	return to[0] == 0x01 && to[1] == 0x80 && to[2] == 0xc2 && !(to[3] | to[4]) &&
	       to[5] < 0x10 && p->ethertype != GUARD_EAPOL;
}

/* 0, or why the frame is refused. */
static __always_inline __u32 guard_frame(const struct map_port *in, const struct packet *p)
{
	if (p->vlan && !(in->flags & MAP_PORT_TRUNK))
		return VERDICT_guard_tag;
	switch (p->ethertype) {
	case ETH_P_8021Q:
	case ETH_P_8021AD:
	case ETH_P_QINQ1:
		return VERDICT_guard_tag;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
	case ETH_P_LLDP:
		return VERDICT_guard_kind;
	default:
		break;
	}
	return guard_is_bridges(p) || p->mac_source[0] & 1 ? VERDICT_guard_kind : 0;
}

/* ---- headers ---- */

/* Source routing among 'size' bytes of IPv4 options (RFC 791, 3.1), or what cannot be read. */
__noinline int guard_options(struct __sk_buff *skb, __u32 size)
{
	const __u32 begin = sizeof(struct ethhdr) + sizeof(struct iphdr);
	__u32 at = 0;
	__u8 option[2];

	for (int i = 0; i < GUARD_OPTIONS_MAX; i++) {
		/* For the verifier each round is like the one before: else it tries all sums. */
		asm volatile("" : "+r"(at));
		at &= 0x1ff;
		if (at >= size || at >= GUARD_OPTIONS_MAX)
			return 0;
		if (bpf_skb_load_bytes(skb, begin + at, option, sizeof(option)))
			return 1;
		if (option[0] == GUARD_OPTIONS_END)
			return 0;
		if (option[0] == GUARD_OPTION_LSRR || option[0] == GUARD_OPTION_SSRR)
			return 1;
		if (option[0] == GUARD_OPTIONS_NOP)
			at++;
		else if (option[1] < 2)
			return 1;
		else
			at += option[1];
	}
	return 0;
}

static __always_inline int guard_is_nd(__u8 type)
{
	return type >= GUARD_ND_FIRST && type <= GUARD_ND_LAST;
}

/* What is at the end of an IPv6 packet's headers, 'at', where 'protocol' says it is; 'behind'
 * others, which neighbour discovery must not be (RFC 6980, and RFC 7113 on hidden ones). */
static __always_inline __u32 guard_upper6(struct __sk_buff *skb, __u32 at, __u8 protocol,
					  int behind)
{
	__be16 ports[2];
	__u8 type;

	if (protocol == IPPROTO_ICMPV6) {
		if (bpf_skb_load_bytes(skb, at, &type, 1))
			return behind ? VERDICT_guard_header : VERDICT_bad_packet;
		if (type == GUARD_ROUTER_ADVERTISEMENT || type == GUARD_REDIRECT)
			return VERDICT_guard_router;
		return behind && guard_is_nd(type) ? VERDICT_guard_header : 0;
	}
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)
		return 0;
	/* A first fragment that ends before its ports hides them (RFC 7112). */
	if (bpf_skb_load_bytes(skb, at, ports, sizeof(ports)))
		return behind ? VERDICT_guard_header : 0;
	return protocol == IPPROTO_UDP && ports[0] == bpf_htons(GUARD_DHCP6_SERVER) &&
			       ports[1] == bpf_htons(GUARD_DHCP6_CLIENT)
		       ? VERDICT_guard_dhcp
		       : 0;
}

static __always_inline int guard_is_extension(__u32 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT || protocol == GUARD_AH;
}

/* Why an IPv6 packet's headers are refused, from the first extension on; 0: they are not. */
__noinline int guard_extensions(struct __sk_buff *skb, __u32 protocol)
{
	__u32 at = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);
	__u8 h[4];

	for (int i = 0; i < GUARD_EXTENSIONS_MAX; i++) {
		if (!guard_is_extension(protocol))
			return (int)guard_upper6(skb, at, (__u8)protocol, i > 0);
		if (bpf_skb_load_bytes(skb, at, h, sizeof(h)))
			return VERDICT_guard_header;
		if (protocol == IPPROTO_ROUTING && h[3])
			return VERDICT_guard_header; /* RFC 5095, and SRv6 (RFC 8754) */
		if (protocol == IPPROTO_FRAGMENT) {
			if (h[2] || h[3] & 0xf8)
				return 0; /* a later one has no headers */
			at += 8;
		} else if (protocol == GUARD_AH) {
			at += (h[1] + 2) * 4;
		} else {
			at += (h[1] + 1) * 8;
		}
		protocol = h[0];
	}
	return VERDICT_guard_header;
}

/* A UDP datagram by a DHCP server to a client; in a later fragment these are other bytes. */
static __always_inline int guard_is_dhcp_server(struct __sk_buff *skb, const struct packet *p)
{
	__be16 ports[2], offset;

	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + p->header_size, ports, sizeof(ports)) ||
	    ports[0] != bpf_htons(GUARD_DHCP_SERVER) || ports[1] != bpf_htons(GUARD_DHCP_CLIENT))
		return 0;
	return !p->is_fragment ||
	       (!bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + 6, &offset, sizeof(offset)) &&
		!(offset & bpf_htons(IP_OFFSET)));
}

/* Why a packet's headers are refused, whatever its addresses are; 0: they are not. */
__noinline int guard_headers(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return VERDICT_bad_packet;
	if (p->ethertype == ETH_P_IPV6)
		return guard_extensions(skb, p->protocol);
	if (p->header_size > sizeof(struct iphdr) &&
	    guard_options(skb, p->header_size - sizeof(struct iphdr)))
		return VERDICT_guard_header;
	return p->protocol == IPPROTO_UDP && guard_is_dhcp_server(skb, p) ? VERDICT_guard_dhcp : 0;
}

/* Most packets have nothing to look for. */
static __always_inline int guard_is_plain(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP &&
	       p->header_size ==
		       (p->ethertype == ETH_P_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

/* ---- where to ---- */

/* Whether it is an address of the underlay's, a controller's, or another that the operator keeps
 * nodes away from. */
__noinline int guard_shields(const struct packet *p)
{
	struct map_source_key key = {.length = 128};

	if (!p)
		return 1;
	__builtin_memcpy(key.address, p->destination.address, 16);
	return lookup_label(key.address) || bpf_map_lookup_elem(&shields, &key) ||
	       bpf_map_lookup_elem(&peer_prefixes, &key);
}

/* Whether packets that leave by this device enter the backplane. */
static __always_inline int guard_is_backplane(__u32 ifindex)
{
	struct map_port *out = lookup_port(ifindex);

	return out && out->role == MAP_ROLE_BACKPLANE;
}

static __always_inline int guard_is_closed(void)
{
	__u32 zero = 0;
	struct map_guard *g = bpf_map_lookup_elem(&guard, &zero);

	return g && g->closed;
}

/* A DHCP client's request to a server: a closed machine may serve it. */
static __always_inline int guard_asks_dhcp(struct __sk_buff *skb, const struct packet *p)
{
	__be16 ports[2];

	if (p->protocol != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + p->header_size, ports, sizeof(ports)))
		return 0;
	return ports[1] ==
	       bpf_htons(p->ethertype == ETH_P_IP ? GUARD_DHCP_SERVER : GUARD_DHCP6_SERVER);
}

/* What is left to this machine's stack, or to a neighbour: VERDICT_PASS, unless it is for the
 * underlay, or for this machine where that is closed, or where the kernel would forward it into
 * the underlay. */
__noinline int guard_pass(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_fib_lookup fib = {};

	if (!p || guard_shields(p))
		return guard_drop(skb, VERDICT_guard_underlay);
	if (skb->pkt_type != PACKET_HOST)
		return VERDICT_PASS;
	if (guard_is_closed())
		return guard_asks_dhcp(skb, p) ? VERDICT_PASS : guard_drop(skb, VERDICT_guard_host);
	fib.ifindex = skb->ifindex;
	if (p->ethertype == ETH_P_IP) {
		fib.family = AF_INET;
		fib.ipv4_src = address_get_ipv4(p->source.address);
		fib.ipv4_dst = address_get_ipv4(p->destination.address);
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, p->source.address, 16);
		__builtin_memcpy(fib.ipv6_dst, p->destination.address, 16);
	}
	bpf_fib_lookup(skb, &fib, sizeof(fib), 0); /* its device stays where there is no way */
	if (guard_is_backplane(fib.ifindex))
		return guard_drop(skb, VERDICT_guard_underlay);
	return VERDICT_PASS;
}
