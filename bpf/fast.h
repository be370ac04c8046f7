/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The short way of most packets: a plain one from a guarded node, or from outside, to a node here.
 * At tc and at XDP, before anything else.  It decides nothing by itself: whatever is not all plain
 * (options, fragments, a VLAN, shared LANs, what is to be punted, refused, answered or told) is
 * left untouched to the long way at tc, and what goes the short way comes out as the long way would
 * have it, counted alike (tests/bpf/fast.c compares). */
#pragma once

#include "bpf/lookup.h"
#include "bpf/registration.h"
#include "bpf/rewrite.h"

/* A key as records have it, in words of eight bytes. */
struct fast_key {
	__u64 high, low;
	__u32 last; /* word of the address */
	__u32 hash;
};

struct fast {
	const struct map_fast_port *in;
	struct map_binding *from; /* who sent it, if that is a node */
	struct map_binding *to;
	__u32 ifindex; /* where it goes out */
	__u32 size;    /* of the IP packet */
};

/* CLOCK_MONOTONIC of this tick.  Of two CPUs that ask at once each writes the same, but for what
 * they are apart. */
static __always_inline __u64 clock_coarse(void)
{
	__u32 zero = 0;
	struct map_clock *last = bpf_map_lookup_elem(&ticks, &zero);
	__u64 tick = bpf_jiffies64(), now;

	if (last && *(volatile __u64 *)&last->tick == tick)
		return *(volatile __u64 *)&last->now_ns;
	now = bpf_ktime_get_coarse_ns();
	if (last) {
		*(volatile __u64 *)&last->now_ns = now;
		*(volatile __u64 *)&last->tick = tick;
	}
	return now;
}

static __always_inline const struct map_fast_port *fast_port(__u32 ifindex)
{
	__u32 at = ifindex & (DATAPLANE_FAST_PORTS - 1);
	const struct map_fast_port *port = bpf_map_lookup_elem(&fast_ports, &at);

	return port && port->ifindex == ifindex ? port : NULL;
}

/* Headers as they are read here: no options, no extension headers, and the ports. */
struct fast_head4 {
	struct iphdr ip;
	__be16 ports[2];
};
struct fast_head6 {
	struct ipv6hdr ip;
	__be16 ports[2];
};

/* Ports that the guard or a registration may look at. */
static __always_inline int fast_udp_is_plain(const __be16 ports[2])
{
	return ports[0] != bpf_htons(GUARD_DHCP_SERVER) &&
	       ports[0] != bpf_htons(GUARD_DHCP6_SERVER) &&
	       ports[1] != bpf_htons(REGISTRATION_PORT);
}

static __always_inline __u64 fast_words(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

/* The hash is binding_hash's; 'sum' is what VRF and constants are of it. */
static __always_inline void fast_key4(const struct map_shape *shape, __u64 sum, __be32 ip,
				      struct fast_key *ret)
{
	ret->high = 0;
	ret->low = fast_words(bpf_htonl(0xffff), ip);
	ret->last = ip;
	ret->hash = binding_mix(sum + shape->keys[3] * bpf_htonl(0xffff) + shape->keys[4] * ip);
}

static __always_inline void fast_key6(const struct map_shape *shape, __u64 sum,
				      const struct in6_addr *ip, struct fast_key *ret)
{
	const __u32 *word = ip->s6_addr32;

	ret->high = fast_words(word[0], word[1]);
	ret->low = fast_words(word[2], word[3]);
	ret->last = word[3];
	ret->hash = binding_mix(sum + shape->keys[1] * word[0] + shape->keys[2] * word[1] +
				shape->keys[3] * word[2] + shape->keys[4] * word[3]);
}

/* Whether the headers are plain. */
static __always_inline int fast_read4(const struct fast_head4 *h, __u32 size, __u32 *ret_size)
{
	const struct iphdr *ip = &h->ip;
	__u32 whole = bpf_ntohs(ip->tot_len);
	const __u8 *to = (const __u8 *)&ip->daddr;

	if (ip->version != 4 || ip->ihl != 5 || ip->frag_off & bpf_htons(IP_FRAGMENT) ||
	    ip->ttl <= 1 || whole > size || whole < sizeof(*ip) + 4 ||
	    (ip->protocol == IPPROTO_UDP && !fast_udp_is_plain(h->ports)))
		return -1;
	*ret_size = whole;
	/* Multicast, broadcast: nobody's binding, but the long way knows. */
	return to[0] >= 224 || !to[0] ? -1 : 0;
}

static __always_inline int fast_read6(const struct fast_head6 *h, __u32 size, __u32 *ret_size)
{
	const struct ipv6hdr *ip = &h->ip;
	__u32 whole = bpf_ntohs(ip->payload_len) + sizeof(*ip);

	if (ip->version != 6 || ip->hop_limit <= 1 || whole > size || whole < sizeof(*ip) + 4 ||
	    address_is_mapped(&ip->saddr) || address_is_mapped(&ip->daddr) ||
	    ip->daddr.s6_addr[0] == 0xff)
		return -1;
	if (ip->nexthdr != IPPROTO_TCP &&
	    (ip->nexthdr != IPPROTO_UDP || !fast_udp_is_plain(h->ports)))
		return -1;
	*ret_size = whole;
	return 0;
}

static __always_inline void fast_key_whole(const struct fast_key *key, __u32 vrf,
					   struct map_address_key *ret)
{
	__u32 *word = (__u32 *)ret->address;

	ret->vrf = vrf;
	__builtin_memcpy(word, &key->high, 8);
	__builtin_memcpy(word + 2, &key->low, 8);
}

/* The key's binding: the guess is it, mostly. */
static __always_inline struct map_binding *fast_binding(const struct binding_aim *aim,
							const struct fast_key *key, __u32 vrf)
{
	/* First, so that what is read behind it is what the writer wrote before it said so. */
	__u32 kind = *(volatile __u8 *)&aim->guess->kind, unit;
	const __u64 *is = (const __u64 *)aim->guess;
	struct map_address_key whole;

	asm volatile("" ::: "memory");
	if (kind & MAP_BINDING_NEAR &&
	    !((is[0] ^ key->high) | (is[1] ^ key->low) | (aim->guess->vrf ^ vrf)))
		return aim->guess;
	fast_key_whole(key, vrf, &whole);
	unit = binding_find_aimed(aim, &whole);
	return unit ? binding_at(unit) : NULL;
}

/* MACs as numbers, of words as they lie at even places in frames and records.  Gateways' MACs
 * differ in the last byte only. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FAST_MAC_GATEWAY 0x00ffffffffffull
#define FAST_MAC(first, first_bits, second, second_bits) ((first) | (__u64)(second) << (first_bits))
#else
#define FAST_MAC_GATEWAY 0xffffffffff00ull
#define FAST_MAC(first, first_bits, second, second_bits) \
	((__u64)(first) << (second_bits) | (second))
#endif
static __always_inline __u64 fast_mac_42(const __u8 *mac)
{
	return FAST_MAC(*(const __u32 *)mac, 32, *(const __u16 *)(mac + 4), 16);
}

static __always_inline __u64 fast_mac_24(const __u8 *mac)
{
	return FAST_MAC(*(const __u16 *)mac, 16, *(const __u32 *)(mac + 2), 32);
}

/* Who sent it: a node that is guarded here, to its gateway; or, where no binding was aimed at,
 * somebody outside, to this device. */
static __always_inline int fast_from(const struct ethhdr *eth, struct fast *f,
				     const struct fast_key *from, const struct binding_aim *aim)
{
	struct map_binding *b;
	__u64 gateway;

	if (!aim) {
		struct map_address_key whole;

		fast_key_whole(from, f->in->vrf, &whole);
		return !mac_same(eth->h_dest, f->in->mac) || lookup_prefix(PREFIX_COVERED, &whole);
	}
	b = fast_binding(aim, from, f->in->vrf);
	if (!b || !(b->flags & MAP_BINDING_GUARD) || b->port != f->in->number || b->vlan ||
	    fast_mac_42(b->mac) != fast_mac_24(eth->h_source))
		return -1;
	gateway = fast_mac_24(b->gateway_mac);
	if (!gateway || (gateway ^ fast_mac_42(eth->h_dest)) & FAST_MAC_GATEWAY)
		return -1;
	f->from = b;
	return 0;
}

static __always_inline int fast_to(struct fast *f, const struct fast_key *to,
				   const struct binding_aim *aim)
{
	struct map_binding *b = fast_binding(aim, to, f->in->vrf);
	struct map_output *out;

	if (!binding_is_local(b) || b->vlan)
		return -1;
	out = lookup_output(b->port);
	if (!out || (out->mtu && f->size > out->mtu))
		return -1;
	f->to = b;
	f->ifindex = out->ifindex;
	return 0;
}

/* Whether the frame, of 'size' bytes, goes the short way, and where to.  Nothing is changed. */
static __always_inline int fast_find(struct cursor c, __u32 size, __u32 ifindex, struct fast *f)
{
	struct ethhdr *eth = c.data;
	struct fast_head4 *h = (void *)(eth + 1);
	struct fast_head6 *h6 = (void *)(eth + 1);
	const struct map_shape *shape;
	struct fast_key from, to;
	struct binding_aim from_aim = {}, to_aim;
	__u32 zero = 0;
	__u8 admits;
	__u64 sum;

	f->in = fast_port(ifindex);
	shape = bpf_map_lookup_elem(&binding_shape, &zero);
	if (!f->in || !shape || (void *)(h + 1) > c.end)
		return -1;
	sum = shape->keys[0] * f->in->vrf + shape->keys[BINDING_WORDS];
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		admits = MAP_PORT_ADMITTED;
		if (fast_read4(h, size - sizeof(*eth), &f->size))
			return -1;
		fast_key4(shape, sum, h->ip.daddr, &to);
		fast_key4(shape, sum, h->ip.saddr, &from);
	} else {
		admits = MAP_PORT_ADMITTED6;
		if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(h6 + 1) > c.end ||
		    fast_read6(h6, size - sizeof(*eth), &f->size))
			return -1;
		fast_key6(shape, sum, &h6->ip.daddr, &to);
		fast_key6(shape, sum, &h6->ip.saddr, &from);
	}
	if (!binding_aim_at(shape, to.hash, &to_aim))
		return -1;
	if (f->in->role == MAP_ROLE_ACCESS) {
		if (!binding_aim_at(shape, from.hash, &from_aim))
			return -1;
	} else if (f->in->role != MAP_ROLE_EXTERNAL) {
		return -1;
	}
	if (!(f->in->flags & admits) || f->in->flags & MAP_PORT_SHARED ||
	    (eth->h_dest[0] | eth->h_source[0]) & 1)
		return -1;
	return fast_from(eth, f, &from, from_aim.guess ? &from_aim : NULL) ||
			       fast_to(f, &to, &to_aim)
		       ? -1
		       : 0;
}

/* A hop less, the node's MACs; counted.  *ret_sum: what that changes of the packet's sum. */
static __always_inline int fast_rewrite(struct cursor c, const struct fast *f, __u32 *ret_sum)
{
	struct ethhdr *eth = c.data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);

	if ((void *)(ip + 1) > c.end)
		return -1;
	*(__u32 *)eth->h_dest = *(const __u32 *)f->to->mac;
	*(__u16 *)(eth->h_dest + 4) = *(const __u16 *)(f->to->mac + 4);
	*(__u16 *)eth->h_source = *(const __u16 *)f->to->gateway_mac;
	*(__u32 *)(eth->h_source + 2) = *(const __u32 *)(f->to->gateway_mac + 2);
	*ret_sum = 0;
	/* What is written is not read again at once, in another size: that waits for memory. */
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		ip->check = sum_replace(ip->check, bpf_htons(0x0100), 0);
		ip->ttl--;
	} else {
		if ((void *)(ip6 + 1) > c.end)
			return -1;
		ip6->hop_limit--;
		*ret_sum = (__u16)~bpf_htons(1);
	}
	if (f->from)
		binding_saw_at(f->from, clock_coarse());
	__sync_fetch_and_add(&f->to->packets, 1);
	__sync_fetch_and_add(&f->to->bytes, f->size + sizeof(struct ethhdr));
	verdict_count(VERDICT_forwarded_local);
	return 0;
}

/* The device that a frame at tc is to be redirected to; 0: it goes the long way.  A function of its
 * own, whose stack the long way does not have on top of its own. */
__noinline __u32 fast_tc(struct __sk_buff *skb)
{
	struct cursor c = {(void *)(long)skb->data, (void *)(long)skb->data_end};
	struct fast f = {};
	__u32 sum;

	if (skb->vlan_present || skb->gso_size || fast_find(c, skb->len, skb->ifindex, &f) ||
	    fast_rewrite(c, &f, &sum))
		return 0;
	if (sum)
		bpf_csum_update(skb, sum);
	return f.ifindex;
}

/* ---- XDP ---- */

/* In and out by ports for which that was said to be right (fe/io/datapath_xdp.c). */
SEC("xdp")
int victor_xdp(struct xdp_md *xdp)
{
	struct cursor c = {(void *)(long)xdp->data, (void *)(long)xdp->data_end};
	const struct map_fast_port *out;
	struct fast f = {};
	__u32 sum;

	if (fast_find(c, (__u32)(c.end - c.data), xdp->ingress_ifindex, &f))
		return XDP_PASS;
	out = fast_port(f.ifindex);
	if (!out || !out->xdp || fast_rewrite(c, &f, &sum))
		return XDP_PASS;
	return (int)bpf_redirect(f.ifindex, 0);
}
