/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What a sender is told about a packet that cannot go on, as one router would tell it: an ICMP
 * (RFC 792, 1191, 1812) or ICMPv6 error (RFC 4443) from the gateway address of its prefix, or of
 * the destination's where the sender is outside.
 *
 * A step decides (verdict_tell); the hook ends with icmp_bounce where the packet came from its
 * sender, with inner_forward's second round where it came through a tunnel (backplane.h). */
#pragma once

#include "bpf/tc.h"

#define ICMP_TIMESTAMP 13
#define ICMP_TIMESTAMPREPLY 14
#define ICMP6_ECHO 128
#define ICMP6_REDIRECT 137

/* An error quotes what fits: 576 bytes in all (RFC 1812, 4.3.2.3), 1280 (RFC 4443, 2.4 c). */
#define ICMP_HEADERS4 ((int)(sizeof(struct iphdr) + sizeof(struct icmphdr)))
#define ICMP_HEADERS6 ((int)(sizeof(struct ipv6hdr) + sizeof(struct icmphdr)))
#define ICMP_QUOTE4 (576 - ICMP_HEADERS4)
#define ICMP_QUOTE6 (1280 - ICMP_HEADERS6)
#define ICMP_SUM_STEP 512 /* what bpf_csum_diff takes at once */
#define ICMP_TOS 0xc0     /* internetwork control (RFC 1812, 4.3.2.5) */
#define ICMP_EXTENSIONS 6 /* that many IPv6 extension headers are looked behind */
#define ICMP_NOT_FOUND 0xff

struct icmp_quote {
	__u32 size;
	__u32 transport; /* where the transport header is in it; 0: not found */
	__u8 protocol;   /* of that */
	__u8 pad[3];
	__u8 bytes[2048]; /* a power of two: an index is masked for the verifier */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_quote);
} icmp_quotes SEC(".maps");

/* ---- who is answered (RFC 1122, 3.2.2; RFC 4443, 2.4 e) ---- */

static __always_inline __u8 icmp_byte(const struct icmp_quote *q, __u32 at)
{
	asm volatile("" : "+r"(at));
	return q->bytes[at & (sizeof(q->bytes) - 1)];
}

/* Behind the extension headers of the IPv6 packet in 'q': the transport header; not found for a
 * later fragment, or behind more of them than are looked at. */
static __always_inline void icmp_find_transport(struct icmp_quote *q)
{
	__u32 at = sizeof(struct ipv6hdr);
	__u8 next = q->bytes[6];

	for (int i = 0; i < ICMP_EXTENSIONS; i++) {
		__u32 size;

		if (at > ICMP_QUOTE6 - 8)
			return;
		if (next == IPPROTO_FRAGMENT) {
			if (icmp_byte(q, at + 2) || icmp_byte(q, at + 3) & 0xf8)
				return;
			size = 8;
		} else if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
			   next == IPPROTO_DSTOPTS) {
			size = (icmp_byte(q, at + 1) + 1) * 8;
		} else {
			q->protocol = next;
			q->transport = at;
			return;
		}
		next = icmp_byte(q, at);
		at += size;
	}
}

/* From the packet, or to it. */
static __always_inline long icmp_quote_bytes(struct __sk_buff *skb, struct icmp_quote *q,
					     __u64 size, int store)
{
	__u64 last = size - 1;

	/* One comparison, hidden from the compiler: so the verifier of 6.1 sees that the size is
	 * between 1 and the limit. */
	asm volatile("" : "+r"(last));
	if (last >= ICMP_QUOTE6)
		return -1;
	return store ? bpf_skb_store_bytes(skb, sizeof(struct ethhdr), q->bytes, last + 1, 0)
		     : bpf_skb_load_bytes(skb, sizeof(struct ethhdr), q->bytes, last + 1);
}

/* The packet's beginning; what of it decides whether it is answered. */
static __always_inline int icmp_read(struct __sk_buff *skb, const struct packet *p,
				     struct icmp_quote *q)
{
	__u32 limit = p->ethertype == ETH_P_IP ? ICMP_QUOTE4 : ICMP_QUOTE6;
	__u32 size = p->size < limit ? p->size : limit;

	if (icmp_quote_bytes(skb, q, size, 0) || size < sizeof(struct iphdr) || size > ICMP_QUOTE6)
		return -1;
	/* What the last packet left here is none of this one's. */
	for (int i = 0; i < 4; i++) {
		__u32 at = size + i;

		asm volatile("" : "+r"(at));
		q->bytes[at & (sizeof(q->bytes) - 1)] = 0;
	}
	q->size = size;
	q->transport = 0;
	q->protocol = 0;
	if (p->ethertype == ETH_P_IPV6) {
		icmp_find_transport(q);
	} else if (!(q->bytes[6] & 0x1f) && !q->bytes[7]) {
		q->transport = p->header_size;
		q->protocol = p->protocol;
	}
	return q->transport && q->transport + 1 <= size ? 0 : -1;
}

/* No error about an error, nor about what may be one. */
static __always_inline int icmp_may_answer(const struct packet *p, const struct icmp_quote *q)
{
	const __u8 *source = p->source.address;
	__u8 type = icmp_byte(q, q->transport);

	if (p->ethertype == ETH_P_IP)
		return source[12] && source[12] != 127 && source[12] < 224 &&
		       (q->protocol != IPPROTO_ICMP || type == ICMP_ECHO ||
			type == ICMP_ECHOREPLY || type == ICMP_TIMESTAMP ||
			type == ICMP_TIMESTAMPREPLY);
	if (source[0] == 0xff || (!source[0] && !source[1] && !(source[2] | source[3])))
		return 0; /* multicast; unspecified, loopback and the rest of ::/32 */
	return q->protocol != IPPROTO_ICMPV6 || (type >= ICMP6_ECHO && type != ICMP6_REDIRECT);
}

/* ---- the message ---- */

static __always_inline int icmp_has_gateway(const struct map_prefix *covered)
{
	const __u8 *a = covered->gateway;

	return a[12] | a[13] | a[14] | a[15];
}

/* The transport header that a device may have to sum is the one in the tunnel. */
static __always_inline void icmp_look_inside(const struct packet *p, struct icmp_quote *q)
{
	__u32 at = p->header_size + (q->protocol == IPPROTO_UDP ? sizeof(struct vxlan_head) : 0);

	if (icmp_byte(q, at) >> 4 == 4) {
		q->protocol = icmp_byte(q, at + 9);
		q->transport = at + (icmp_byte(q, at) & 0xf) * 4;
	} else {
		q->protocol = icmp_byte(q, at + 6);
		q->transport = at + sizeof(struct ipv6hdr);
	}
}

/* The gateway of the sender's prefix, or of the destination's.  Where there is none, the packet's
 * own destination tells its sender as well. */
static __always_inline void icmp_set_source(const struct packet *p, __u8 ret[16])
{
	const struct map_prefix *covered = lookup_prefix(PREFIX_COVERED, &p->source);

	if (!covered || !icmp_has_gateway(covered))
		covered = lookup_prefix(PREFIX_COVERED, &p->destination);
	if (covered && icmp_has_gateway(covered))
		__builtin_memcpy(ret, covered->gateway, 16);
	else
		__builtin_memcpy(ret, p->destination.address, 16);
}

static __always_inline __u32 icmp_sum_bytes(const struct icmp_quote *q, __u32 size)
{
	__u32 sum = 0;

	/* Whole words, the last one padded with zeros. */
#pragma unroll
	for (__u32 at = 0; at < 3 * ICMP_SUM_STEP; at += ICMP_SUM_STEP) {
		__u32 left = at < size ? (size - at + 3) & ~3u : 0;

		asm volatile("" : "+r"(left));
		if (left > ICMP_SUM_STEP)
			left = ICMP_SUM_STEP;
		if (!left)
			break;
		sum = (__u32)bpf_csum_diff(NULL, 0, (__be32 *)(q->bytes + at), left, sum);
	}
	return sum;
}

/* Cuts the frame behind the quote; 'sum' becomes that of the quote as it will be on the wire.  A
 * frame whose transport checksum is left to the device cannot be cut before that field (the kernel
 * refuses, and so tells us); the device will write the complement of all from the transport header
 * to the end, which leaves that region's sum as the complement of what the field has now. */
static __always_inline int icmp_cut(struct __sk_buff *skb, struct icmp_quote *q, __u32 *sum)
{
	const __u32 ip_at = sizeof(struct ethhdr);
	__u32 size = q->size, field = q->transport + (q->protocol == IPPROTO_TCP ? 16 : 6);

	if (!bpf_skb_change_tail(skb, ip_at + q->transport + 1, 0)) {
		*sum = icmp_sum_bytes(q, size);
		return bpf_skb_change_tail(skb, ip_at + size, 0) ||
		       icmp_quote_bytes(skb, q, size, 1);
	}
	if ((q->protocol != IPPROTO_TCP && q->protocol != IPPROTO_UDP) || field + 2 > size ||
	    bpf_skb_change_tail(skb, ip_at + size, 0))
		return -1;
	field = icmp_byte(q, field) << 8 | icmp_byte(q, field + 1);
	*sum = (__u16)~bpf_htons(field) + icmp_sum_bytes(q, q->transport);
	return 0;
}

static __always_inline void icmp_describe(struct packet *p, __u32 size, __u8 header_size)
{
	p->size = size;
	p->segment = size;
	p->segments = 1;
	p->headers = 0;
	p->protocol = p->ethertype == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	p->ttl = 64;
	p->tos = ICMP_TOS;
	p->header_size = header_size;
	p->may_fragment = 1;
	p->is_fragment = 0;
	p->icmp_type = ICMP_NOT_FOUND;
	p->decrement = 0;
}

/* In front of the quote: the headers of a message to 'p', which says whence and whereto. */
static __always_inline int icmp_write4(struct __sk_buff *skb, const struct packet *p, __u8 type,
				       __u8 code, __u32 mtu, __u32 sum)
{
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
	} __attribute__((packed)) m = {};

	m.ip.version = 4;
	m.ip.ihl = 5;
	m.ip.tos = ICMP_TOS;
	m.ip.tot_len = bpf_htons(p->size);
	m.ip.ttl = 64;
	m.ip.protocol = IPPROTO_ICMP;
	m.ip.saddr = address_get_ipv4(p->source.address);
	m.ip.daddr = address_get_ipv4(p->destination.address);
	m.ip.check = ~sum_fold(sum_words(&m.ip, sizeof(m.ip), 0));
	m.icmp.type = type;
	m.icmp.code = code;
	m.icmp.mtu = bpf_htons(mtu);
	m.icmp.checksum = ~sum_fold(sum_words(&m.icmp, sizeof(m.icmp), sum));
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &m, sizeof(m), 0);
}

static __always_inline int icmp_write6(struct __sk_buff *skb, const struct packet *p, __u8 type,
				       __u8 code, __u32 mtu, __u32 sum)
{
	__u32 size = p->size - sizeof(struct ipv6hdr);
	struct {
		struct ipv6hdr ip;
		struct icmphdr icmp;
	} __attribute__((packed)) m = {};

	m.ip.version = 6;
	m.ip.priority = ICMP_TOS >> 4;
	m.ip.payload_len = bpf_htons(size);
	m.ip.nexthdr = IPPROTO_ICMPV6;
	m.ip.hop_limit = 64;
	__builtin_memcpy(&m.ip.saddr, p->source.address, 16);
	__builtin_memcpy(&m.ip.daddr, p->destination.address, 16);
	m.icmp.type = type;
	m.icmp.code = code;
	m.icmp.mtu = bpf_htons(mtu);
	sum += bpf_htons(size) + bpf_htons(IPPROTO_ICMPV6);
	sum = sum_words(&m.ip.saddr, 32, sum);
	m.icmp.checksum = ~sum_fold(sum_words(&m.icmp, sizeof(m.icmp), sum));
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &m, sizeof(m), 0);
}

/* tell -> type << 8 | code */
static __always_inline __u32 icmp_type4(enum tell tell)
{
	switch (tell) {
	case TELL_TOO_BIG:
	case TELL_ELEMENT:
		return 3 << 8 | 4;
	case TELL_TTL:
		return 11 << 8;
	case TELL_ROUTE:
		return 3 << 8 | 0;
	case TELL_PROHIBITED:
		return 3 << 8 | 13;
	case TELL_PORT:
		return 3 << 8 | 3;
	case TELL_ADDRESS:
		break;
	}
	return 3 << 8 | 1;
}

static __always_inline __u32 icmp_type6(enum tell tell)
{
	switch (tell) {
	case TELL_TOO_BIG:
	case TELL_ELEMENT:
		return 2 << 8;
	case TELL_TTL:
		return 3 << 8;
	case TELL_ROUTE:
		return 1 << 8 | 0;
	case TELL_PROHIBITED:
		return 1 << 8 | 1;
	case TELL_PORT:
		return 1 << 8 | 4;
	case TELL_ADDRESS:
		break;
	}
	return 1 << 8 | 3;
}

static __always_inline int icmp_is_too_big(enum tell tell)
{
	return tell == TELL_TOO_BIG || tell == TELL_ELEMENT;
}

static __always_inline int icmp_limited(struct __sk_buff *skb, enum tell tell)
{
	return !limit_take(skb->ifindex, icmp_is_too_big(tell) ? LIMIT_TOO_BIG : LIMIT_ICMP,
			   LIMIT_ICMP_RATE, LIMIT_ICMP_BURST);
}

static __always_inline void icmp_count(enum tell tell)
{
	verdict_count(icmp_is_too_big(tell) ? VERDICT_sent_too_big
		      : tell == TELL_TTL    ? VERDICT_sent_time_exceeded
					    : VERDICT_sent_unreachable);
}

/* The frame (Ethernet, then the packet of 'p') becomes the message that 'result', a verdict_tell,
 * asks for, and 'p' its description.  (TELL_ELEMENT: from p's destination to its source, whatever
 * addresses the packet has.)  -1: no message; the frame may be spoilt.  A function of its
 * own: the verifier reads it once. */
__noinline int icmp_answer(struct __sk_buff *skb, struct packet *p, int result)
{
	enum tell tell = result >> 16;
	__u32 zero = 0, sum = 0, type, mtu = result & 0xffff;
	__u8 gateway[16], header_size;
	struct icmp_quote *q = bpf_map_lookup_elem(&icmp_quotes, &zero);
	int is_ipv4, failed;

	if (!p || !q || icmp_read(skb, p, q) || icmp_limited(skb, tell) ||
	    (tell != TELL_ELEMENT && !icmp_may_answer(p, q)))
		return -1;
	if (tell == TELL_ELEMENT)
		icmp_look_inside(p, q);
	is_ipv4 = p->ethertype == ETH_P_IP;
	header_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (icmp_cut(skb, q, &sum) ||
	    bpf_skb_adjust_room(skb, is_ipv4 ? ICMP_HEADERS4 : ICMP_HEADERS6, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return -1;
	if (tell == TELL_ELEMENT)
		__builtin_memcpy(gateway, p->destination.address, 16);
	else
		icmp_set_source(p, gateway);
	__builtin_memcpy(p->destination.address, p->source.address, 16);
	__builtin_memcpy(p->source.address, gateway, 16);
	icmp_describe(p, q->size + header_size + sizeof(struct icmphdr), header_size);
	type = is_ipv4 ? icmp_type4(tell) : icmp_type6(tell);
	failed = is_ipv4 ? icmp_write4(skb, p, type >> 8, type & 0xff, mtu, sum)
			 : icmp_write6(skb, p, type >> 8, type & 0xff, mtu, sum);
	if (failed)
		return -1;
	icmp_count(tell);
	return 0;
}

/* The end of a hook that senders' frames come in by: the message goes back the way they came. */
static __always_inline int icmp_bounce(struct __sk_buff *skb, struct packet *p, int result)
{
	if (!verdict_tells(result))
		return result;
	if (icmp_answer(skb, p, result) ||
	    rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), p->mac_source, p->mac_destination))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* 'mtu' is what would have gone on. */
static __always_inline int tc_too_big(struct __sk_buff *skb, const struct packet *p, __u32 mtu)
{
	return verdict_tell(VERDICT_mtu_exceeded, TELL_TOO_BIG, mtu);
}
