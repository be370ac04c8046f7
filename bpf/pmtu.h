/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What the underlay says of our outer packets and carriers, and transit FEs of outer packets: too
 * large for a link on the way (RFC 1191, 8201).  It is believed for ten minutes (RFC 1191, 6.3), if
 * it quotes what we may have sent to a peer, and only downwards: anybody may forge such a message
 * who knows both addresses, and can do no more with it than to a host of the underlay. */
#pragma once

#include "bpf/tunnel.h"

#define PMTU_SECONDS 600
#define PMTU_LEAST4 576 /* less than what every link should carry is no news, but an attack */
#define PMTU_LEAST6 1280
#define PMTU_NO_MESSAGE (-1)

/* The MTU that the message says; PMTU_NO_MESSAGE: it is another. */
static __always_inline long pmtu_read(struct __sk_buff *skb, const struct tunnel *t)
{
	__u32 at = sizeof(struct ethhdr) +
		   (t->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct icmphdr icmp;

	if (t->ip.is_fragment || t->ip.protocol != (t->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    bpf_skb_load_bytes(skb, at, &icmp, sizeof(icmp)))
		return PMTU_NO_MESSAGE;
	if (t->is_ipv6)
		return icmp.type == 2 ? (long)bpf_ntohs(icmp.unused) << 16 | bpf_ntohs(icmp.mtu)
				      : PMTU_NO_MESSAGE;
	return t->ip.header_size == sizeof(struct iphdr) && icmp.type == 3 && icmp.code == 4
		       ? (long)bpf_ntohs(icmp.mtu)
		       : PMTU_NO_MESSAGE;
}

/* The packet that is quoted: an outer one, or a carrier. */
struct pmtu_quote {
	__u8 from[16], to[16];
	__be16 port; /* UDP: it went to */
	__u8 protocol;
	__u8 pad;
};

static __always_inline int pmtu_quote(struct __sk_buff *skb, int is_ipv6, struct pmtu_quote *ret)
{
	const __u32 at = sizeof(struct ethhdr) + (is_ipv6 ? ICMP_HEADERS6 : ICMP_HEADERS4);
	const __u32 size = is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (is_ipv6) {
		if (bpf_skb_load_bytes(skb, at, &ip6, sizeof(ip6)) || ip6.version != 6)
			return -1;
		__builtin_memcpy(ret->from, &ip6.saddr, 16);
		__builtin_memcpy(ret->to, &ip6.daddr, 16);
		ret->protocol = ip6.nexthdr;
	} else {
		if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl != 5)
			return -1;
		address_set_ipv4(ret->from, ip.saddr);
		address_set_ipv4(ret->to, ip.daddr);
		ret->protocol = ip.protocol;
	}
	return ret->protocol == IPPROTO_UDP
		       ? (int)bpf_skb_load_bytes(skb, at + size + 2, &ret->port, 2)
		       : 0;
}

/* One of our addresses, those included that flows are spread over. */
static __always_inline int pmtu_is_own(const struct map_underlay *own, const __u8 from[16])
{
	__u8 spread[16];
	__be32 last;

	if (address_same(own->address, from))
		return 1;
	if (!own->spread_mask)
		return 0;
	__builtin_memcpy(spread, from, 16);
	last = address_get_ipv4(from) & ~own->spread_mask;
	__builtin_memcpy(spread + 12, &last, 4);
	return address_same(own->spread, spread);
}

/* The peer that an outer packet of ours goes to. */
static __always_inline struct map_peer *pmtu_peer(const struct pmtu_quote *q)
{
	struct map_peer_source *known = lookup_peer_source(q->to);
	__u32 *label = known ? NULL : lookup_label(q->to);
	struct map_peer *peer = known ? lookup_peer(known->fe) : label ? lookup_peer(*label) : NULL;

	if (!peer || (!address_same(peer->address, q->to) && !address_same(peer->redirect, q->to)))
		return NULL;
	if (peer->vxlan)
		return q->protocol == IPPROTO_UDP && q->port == bpf_htons(VXLAN_PORT) ? peer : NULL;
	return q->protocol == IPPROTO_IPIP || q->protocol == IPPROTO_IPV6 ? peer : NULL;
}

/* The number of the link whose carrier the packet is, or that it took without one; NULL: none. */
static __always_inline __u32 *pmtu_link(const struct pmtu_quote *q)
{
	struct map_carrier_key key = {.port = q->port};
	struct map_link *link;
	__u32 *number;

	if (q->protocol != IPPROTO_UDP && q->protocol != IPPROTO_IPIP &&
	    q->protocol != IPPROTO_IPV6)
		return NULL;
	__builtin_memcpy(key.address, q->to, 16);
	number = q->protocol == IPPROTO_UDP ? bpf_map_lookup_elem(&carriers, &key) : NULL;
	if (number)
		return number;
	number = bpf_map_lookup_elem(&link_ends, key.address);
	link = number ? lookup_link(*number) : NULL;
	return link && link->kind == MAP_LINK_IP ? number : NULL;
}

static __always_inline int pmtu_learn_link(__u32 number, __u32 mtu, __u32 now)
{
	struct map_link_mtu *is = bpf_map_lookup_elem(&link_mtus, &number);
	struct map_link_mtu new = {mtu, now + PMTU_SECONDS};

	if (is && is->mtu < mtu && now < is->until_s)
		return 0;
	return bpf_map_update_elem(&link_mtus, &number, &new, BPF_ANY) ? 0 : 1;
}

static __always_inline int pmtu_learn_peer(struct map_peer *peer, __u32 mtu, __u32 now)
{
	if (peer->mtu && peer->mtu < mtu && now < peer->mtu_until_s)
		return 0;
	peer->mtu_until_s = now + PMTU_SECONDS;
	peer->mtu = mtu;
	return 1;
}

/* A packet to this FE that is no tunnel's; the kernel sees it as well.  An FE speaks of what goes
 * to an FE, by whatever links; the underlay of what goes by itself, which may be a link. */
static __noinline int pmtu_listen(struct __sk_buff *skb, const struct map_config *cfg,
				  const struct tunnel *t)
{
	__u32 now = (__u32)(bpf_ktime_get_ns() / 1000000000), *number = NULL;
	long mtu = pmtu_read(skb, t);
	struct map_peer *peer = NULL;
	struct pmtu_quote q = {};

	if (mtu == PMTU_NO_MESSAGE)
		return 0;
	if (!pmtu_quote(skb, t->is_ipv6, &q) &&
	    pmtu_is_own(tunnel_underlay(cfg, t->is_ipv6), q.from)) {
		if (!lookup_peer_source(t->ip.source.address))
			number = pmtu_link(&q);
		if (!number)
			peer = pmtu_peer(&q);
	}
	if ((!peer && !number) || mtu < (t->is_ipv6 ? PMTU_LEAST6 : PMTU_LEAST4) || mtu > 0xffff)
		verdict_count(VERDICT_path_mtu_refused);
	else if (number ? pmtu_learn_link(*number, (__u32)mtu, now)
			: pmtu_learn_peer(peer, (__u32)mtu, now))
		verdict_count(VERDICT_path_mtu_lowered);
	return 0;
}
