/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* IPv6 neighbour discovery on an access port (RFC 4861): handed to the agent, its body guarded, and
 * solicitations for the gateway and for nodes elsewhere answered without controller and agent, as
 * access.h does with ARP.  And the gateway answers pings.
 *
 * Everything is read and written by copy (bpf_skb_load_bytes, bpf_skb_store_bytes): these are the
 * rare packets, and so the program stays small. */
#pragma once

#include "bpf/guard.h"
#include "bpf/segment.h"
#include "bpf/tc.h"

#define ND_ROUTER_SOLICITATION 133
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_OPTION_SOURCE 1
#define ND_OPTION_TARGET 2
#define ND_OPTIONS_READ 4
#define ND_ROUTER 0x80000000u
#define ND_SOLICITED_OVERRIDE 0x60000000u
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

struct nd_message {
	__u8 type, code;
	__sum16 checksum;
	__be32 flags;
	__u8 target[16];
};
struct nd_option {
	__u8 type, length; /* in 8 bytes */
	__u8 mac[6];
};
/* As a frame has it, behind the Ethernet header; a router solicitation ends before the target. */
struct nd_packet {
	struct ipv6hdr ip;
	struct nd_message message;
};
struct nd_answer {
	__u8 pad[2];
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct nd_message message;
	struct nd_option option;
};
#define ND_ANSWER_SIZE (sizeof(struct nd_answer) - 2)
#define ND_MESSAGE_AT (sizeof(struct ethhdr) + sizeof(struct ipv6hdr))

static __always_inline int address_is_link_local(const __u8 a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/* The message's type if it is one of the three that nodes send, else 0. */
static __always_inline __u8 nd_type(struct __sk_buff *skb)
{
	struct cursor c = tc_cursor(skb, ND_MESSAGE_AT + 1);
	struct ipv6hdr *ip = c.data + sizeof(struct ethhdr);
	__u8 *type = (void *)(ip + 1);

	if ((void *)(type + 1) > c.end || ip->version != 6 || ip->nexthdr != IPPROTO_ICMPV6)
		return 0;
	if (*type != ND_ROUTER_SOLICITATION && *type != ND_SOLICITATION &&
	    *type != ND_ADVERTISEMENT)
		return 0;
	return *type;
}

/* Whether a link-layer address in the body is another than the frame's: whoever believes such a
 * body would send to a MAC that the source guard knows nothing of. */
static __always_inline int nd_names_another(struct __sk_buff *skb, const struct packet *p,
					    __u8 type)
{
	__u32 at = ND_MESSAGE_AT + (type == ND_ROUTER_SOLICITATION ? 8 : 24);
	struct nd_option option;

#pragma unroll
	for (int i = 0; i < ND_OPTIONS_READ; i++) {
		if (bpf_skb_load_bytes(skb, at, &option, sizeof(option)))
			return 0;
		if ((option.type == ND_OPTION_SOURCE || option.type == ND_OPTION_TARGET) &&
		    !mac_same(option.mac, p->mac_source))
			return 1;
		if (!option.length)
			return 1;
		at += option.length * 8;
	}
	/* Nobody needs more; behind these something might hide. */
	return !bpf_skb_load_bytes(skb, at, &option, sizeof(option));
}

/* Whether ARP or ND says something of the gateway's ('of'), or by its MAC: only the elements do. */
static __always_inline int access_speaks_for_gateway(const struct map_port *in,
						     const struct packet *p,
						     const struct map_address_key *of)
{
	const struct map_prefix *answer;

	if (in->flags & MAP_PORT_SHARED)
		return 0;
	answer = lookup_prefix(PREFIX_ANSWER, of);
	return answer &&
	       (answer->flags & MAP_PREFIX_HOST || mac_same_gateway(answer->mac, p->mac_source));
}

/* What was said of an address, by ARP or ND, goes on to whoever else listens; not if somebody has
 * the address elsewhere (the controller heard it, and decides). */
static __always_inline int access_claimed(struct __sk_buff *skb, const struct map_port *in,
					  const struct map_binding *of,
					  const struct map_binding *guarded)
{
	if (!of || guarded || in->flags & MAP_PORT_SHARED)
		return VERDICT_PASS;
	return guard_drop(skb, VERDICT_guard_claim);
}

/* The solicitation turned into the advertisement that 'mac' would send (RFC 4861, section 7.2.4),
 * in answer to p->source, about p->destination. */
static __noinline int nd_answer(struct __sk_buff *skb, const struct packet *p, const __u8 *mac,
				__u32 flags)
{
	struct nd_answer a = {};
	__s64 sum;

	__builtin_memcpy(a.eth.h_dest, p->mac_source, 6);
	__builtin_memcpy(a.eth.h_source, mac, 6);
	a.eth.h_proto = bpf_htons(ETH_P_IPV6);
	a.ip.version = 6;
	a.ip.payload_len = bpf_htons(sizeof(a.message) + sizeof(a.option));
	a.ip.nexthdr = IPPROTO_ICMPV6;
	a.ip.hop_limit = 255;
	__builtin_memcpy(&a.ip.saddr, p->destination.address, 16);
	__builtin_memcpy(&a.ip.daddr, p->source.address, 16);
	a.message.type = ND_ADVERTISEMENT;
	a.message.flags = bpf_htonl(flags);
	__builtin_memcpy(a.message.target, p->destination.address, 16);
	a.option.type = ND_OPTION_TARGET;
	a.option.length = 1;
	__builtin_memcpy(a.option.mac, mac, 6);
	/* The two addresses and the message are one piece; of the pseudo header's rest only length
	 * and protocol are not zero. */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&a.ip.saddr,
			    32 + sizeof(a.message) + sizeof(a.option),
			    bpf_htons(sizeof(a.message) + sizeof(a.option) + IPPROTO_ICMPV6));
	if (sum < 0)
		return -1;
	a.message.checksum = ~sum_fold((__u32)sum);
	if (bpf_skb_change_tail(skb, ND_ANSWER_SIZE, 0) ||
	    bpf_skb_store_bytes(skb, 0, &a.eth, ND_ANSWER_SIZE, 0))
		return -1;
	verdict_count(VERDICT_answered_nd);
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* Whether somebody else than the node itself shall answer; not in duplicate address detection (a
 * node that moved does that too), nor for a neighbour beside it. */
static __always_inline struct map_prefix *nd_answers(const struct map_port *in,
						     const struct packet *p)
{
	const __u8 *a = p->source.address;
	__u8 any = 0;

#pragma unroll
	for (int i = 0; i < 16; i++)
		any |= a[i];
	if (!any || binding_is_beside(lookup_binding(&p->destination), in, p))
		return NULL;
	return lookup_prefix(PREFIX_ANSWER, &p->destination);
}

static __noinline int access_nd(struct __sk_buff *skb, const struct map_port *in, struct packet *p,
				__u32 type)
{
	struct nd_packet nd = {};
	const struct map_binding *guarded = NULL;
	struct map_prefix *by;
	struct map_binding *from;
	const __u8 *mac;
	__u32 listen = type == ND_SOLICITATION          ? MAP_LISTEN_NS
		       : type == ND_ROUTER_SOLICITATION ? MAP_LISTEN_RS
							: MAP_LISTEN_NA;
	__u32 size = type == ND_ROUTER_SOLICITATION ? sizeof(nd) - 16 : sizeof(nd);

	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &nd, sizeof(nd) - 16) ||
	    (size == sizeof(nd) &&
	     bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &nd, sizeof(nd))) ||
	    nd.ip.hop_limit != 255 || nd.message.code || address_is_mapped(&nd.ip.saddr))
		return guard_drop(skb, VERDICT_bad_packet);
	if (nd_names_another(skb, p, type))
		return guard_drop(skb, VERDICT_guard_neighbor);
	__builtin_memcpy(p->source.address, &nd.ip.saddr, 16);
	__builtin_memcpy(p->destination.address, nd.message.target, 16);
	if (access_speaks_for_gateway(in, p,
				      type == ND_ADVERTISEMENT ? &p->destination : &p->source))
		return guard_drop(skb, VERDICT_guard_gateway);
	if (in->listen & listen)
		upcall_limited(skb, in, p, UPCALL_KIND_NEIGHBOR);
	from = lookup_binding(type == ND_ADVERTISEMENT ? &p->destination : &p->source);
	if (binding_guards(from, in, p)) {
		binding_saw(from);
		guarded = from;
	}
	by = type == ND_SOLICITATION && in->listen & listen ? nd_answers(in, p) : NULL;
	mac = by ? segment_answer(in, guarded, by) : NULL;
	if (!mac)
		return access_claimed(skb, in, from, guarded);
	return nd_answer(skb, p, mac,
			 ND_SOLICITED_OVERRIDE | (by->flags & MAP_PREFIX_HOST ? ND_ROUTER : 0));
}

/* An echo request to the gateway into its reply, whose hop limit is a new one; -1: it is none. */
static __noinline int access_echo6(struct __sk_buff *skb, const struct packet *p)
{
	struct map_prefix *answer;
	struct in6_addr source, destination;
	__u8 was[4], macs[12], hops = 64;
	__u16 type, reply, check;

	if (p->protocol != IPPROTO_ICMPV6 || bpf_skb_load_bytes(skb, ND_MESSAGE_AT, was, 4) ||
	    was[0] != ICMPV6_ECHO_REQUEST || was[1])
		return -1;
	answer = lookup_prefix(PREFIX_ANSWER, &p->destination);
	if (!answer || !(answer->flags & MAP_PREFIX_HOST) ||
	    !mac_same_gateway(answer->mac, p->mac_destination))
		return -1;
	__builtin_memcpy(&type, was, 2);
	__builtin_memcpy(&check, was + 2, 2);
	was[0] = ICMPV6_ECHO_REPLY;
	__builtin_memcpy(&reply, was, 2);
	check = sum_replace(check, type, reply);
	__builtin_memcpy(was + 2, &check, 2);
	__builtin_memcpy(&source, p->destination.address, 16);
	__builtin_memcpy(&destination, p->source.address, 16);
	__builtin_memcpy(macs, p->mac_source, 6);
	__builtin_memcpy(macs + 6, p->mac_destination, 6);
	/* Addresses that change places, and a checksum that follows its type, keep the packet's
	 * sum; the hop limit does not. */
	if (bpf_skb_store_bytes(skb, 0, macs, 12, 0) ||
	    bpf_skb_store_bytes(skb, 21, &hops, 1, BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(skb, 22, &source, 16, 0) ||
	    bpf_skb_store_bytes(skb, 38, &destination, 16, 0) ||
	    bpf_skb_store_bytes(skb, ND_MESSAGE_AT, was, 4, 0))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_answered_echo);
	return (int)bpf_redirect(skb->ifindex, 0);
}
