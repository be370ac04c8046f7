/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What the underlay says of our outer packets: too large for a link on the way (RFC 1191, 8201).
 * It is believed for ten minutes (RFC 1191, 6.3), if it quotes what we may have sent to a peer, and
 * only downwards: anybody may forge such a message who knows both addresses, and can do no more
 * with it than to a host of the underlay. */
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

/* Source and destination of the outer packet that is quoted, and its protocol. */
static __always_inline int pmtu_quote(struct __sk_buff *skb, int is_ipv6, __u8 from[16],
				      __u8 to[16])
{
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (is_ipv6) {
		if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ICMP_HEADERS6, &ip6,
				       sizeof(ip6)) ||
		    ip6.version != 6)
			return -1;
		__builtin_memcpy(from, &ip6.saddr, 16);
		__builtin_memcpy(to, &ip6.daddr, 16);
		return ip6.nexthdr;
	}
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ICMP_HEADERS4, &ip, sizeof(ip)) ||
	    ip.version != 4 || ip.ihl != 5)
		return -1;
	address_set_ipv4(from, ip.saddr);
	address_set_ipv4(to, ip.daddr);
	return ip.protocol;
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

/* The peer that such a packet of ours goes to. */
static __always_inline struct map_peer *pmtu_peer(struct __sk_buff *skb,
						  const struct map_config *cfg, int is_ipv6)
{
	struct map_peer_source *known;
	__u8 from[16], to[16];
	int protocol = pmtu_quote(skb, is_ipv6, from, to);
	struct map_peer *peer;

	if (protocol < 0 || !pmtu_is_own(tunnel_underlay(cfg, is_ipv6), from))
		return NULL;
	known = lookup_peer_source(to);
	peer = known ? lookup_peer(known->fe) : NULL;
	if (!peer || !address_same(peer->address, to))
		return NULL;
	if (peer->vxlan)
		return protocol == IPPROTO_UDP ? peer : NULL;
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 ? peer : NULL;
}

/* A packet to this FE that is no tunnel's; the kernel sees it as well. */
static __noinline int pmtu_listen(struct __sk_buff *skb, const struct map_config *cfg,
				  const struct tunnel *t)
{
	long mtu = pmtu_read(skb, t);
	__u32 now = (__u32)(bpf_ktime_get_ns() / 1000000000);
	struct map_peer *peer;

	if (mtu == PMTU_NO_MESSAGE)
		return 0;
	peer = pmtu_peer(skb, cfg, t->is_ipv6);
	if (!peer || mtu < (t->is_ipv6 ? PMTU_LEAST6 : PMTU_LEAST4) || mtu > 0xffff) {
		verdict_count(VERDICT_path_mtu_refused);
		return 0;
	}
	if (peer->mtu && peer->mtu < mtu && now < peer->mtu_until_s)
		return 0;
	peer->mtu_until_s = now + PMTU_SECONDS;
	peer->mtu = (__u32)mtu;
	verdict_count(VERDICT_path_mtu_lowered);
	return 0;
}
