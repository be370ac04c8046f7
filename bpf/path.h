/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Which way a packet goes on from here: found before anything is changed, so that its MTU can be
 * checked first. */
#pragma once

#include "bpf/route.h"

#define LINK_UDP_PORT_ 6080 /* both ends', so that a NAT's mapping serves both ways */
#define LINK_LABEL_SIZE 4

/* The way of outer packets to a peer. */
struct path {
	struct route way;
	__u32 mtu;           /* of outer packets, the carrier not counted; 0: any */
	__u32 carrier_size;  /* what path_send writes in front of the outer header; 0: nothing */
	__u64 carrier_flags; /* BPF_F_ADJ_ROOM_ENCAP_* of what comes first then */
	__u32 link;          /* its number; 0: straight, by the kernel's routes */
	__u32 from;          /* in: the link it came in by, not to be sent back by; 0: none */
	__u8 kind;           /* enum map_link_kind */
	__u8 tos;
	__u8 is_ipv6;
	__u8 is_transit; /* in: the outer source is another FE's */
	__u8 is_vxlan;
	__u8 pad;
	__be16 carrier_port; /* where the carrier's UDP goes; 0: it has none */
};

/* ---- which of a peer's paths ---- */

/* Each bit of both in all bits of the result (the end of MurmurHash3): likings are compared. */
static __always_inline __u32 path_mix(__u32 hash, __u32 value)
{
	hash ^= value * 0x9e3779b1u;
	hash = (hash ^ hash >> 16) * 0x85ebca6bu;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
	return hash ^ hash >> 16;
}

/* A hash of the flow whose packet begins 'at': addresses, protocol and ports; the same for all of
 * its packets, and for all of its fragments. */
__noinline __u32 path_flow(struct __sk_buff *skb, __u32 at)
{
	struct ipv6hdr head;
	const struct iphdr *ip = (void *)&head;
	__u32 words[8] = {}, ports = 0, hash = 0, behind;
	__u8 protocol;

	if (bpf_skb_load_bytes(skb, at, &head, sizeof(struct iphdr)))
		return 0;
	if (ip->version == 4) {
		words[0] = ip->saddr;
		words[1] = ip->daddr;
		protocol = ip->protocol;
		behind = ip->ihl * 4;
		if (ip->frag_off & bpf_htons(IP_FRAGMENT))
			behind = 0;
	} else {
		if (bpf_skb_load_bytes(skb, at, &head, sizeof(head)))
			return 0;
		__builtin_memcpy(words, &head.saddr, sizeof(words));
		protocol = head.nexthdr;
		behind = sizeof(head);
	}
	if (behind && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
	    bpf_skb_load_bytes(skb, at + behind, &ports, sizeof(ports)))
		ports = 0;
#pragma unroll
	for (int i = 0; i < 8; i++)
		hash = path_mix(hash, words[i]);
	return path_mix(path_mix(hash, protocol), ports);
}

static __always_inline int path_lives(__u32 number)
{
	struct map_link *link = lookup_link(number);

	return link && link->alive;
}

/* The number of the link: the first that lives; or of a select group's the one that the flow likes
 * best (rendezvous hashing: when one dies only its own flows move).  Not the one it came by while
 * another lives; the first where none does. */
__noinline __u32 path_choose(const struct map_peer *peer, __u32 flow, __u32 from)
{
	__u32 best = 0, most = 0, way_back = 0;

	if (!peer)
		return 0;
	for (int i = 0; i < DATAPLANE_PATHS; i++) {
		__u32 number = peer->paths[i], liking;

		if (i >= peer->path_count)
			break;
		if (!path_lives(number))
			continue;
		if (number == from) {
			way_back = number;
			continue;
		}
		if (!peer->select)
			return number;
		liking = path_mix(flow, number) | 1;
		if (liking > most) {
			most = liking;
			best = number;
		}
	}
	if (best)
		return best;
	return way_back ? way_back : peer->paths[0];
}

/* ---- the kernel's routes ---- */

static __always_inline void path_limit(struct path *path, __u32 mtu)
{
	if (mtu && (!path->mtu || mtu < path->mtu))
		path->mtu = mtu;
}

static __always_inline int path_is_past(__u32 until_s)
{
	return bpf_ktime_get_ns() / 1000000000 >= until_s;
}

/* What the underlay said of the link's carriers (pmtu.h); 0: nothing. */
static __always_inline __u32 path_learnt(__u32 number)
{
	struct map_link_mtu *learnt = number ? bpf_map_lookup_elem(&link_mtus, &number) : NULL;

	return learnt && !path_is_past(learnt->until_s) ? learnt->mtu : 0;
}

/* The underlay's route, and what it says of the MTU.  0, or -1: there is none. */
static __always_inline int path_straight(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct outer *o, __u32 size, struct path *ret)
{
	if (!cfg->backplane_ifindex)
		return -1;
	route_find(skb, cfg, o, size, &ret->way);
	path_limit(ret, cfg->backplane_mtu);
	path_limit(ret, path_learnt(ret->link));
	switch (ret->way.result) {
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		path_limit(ret, ret->way.mtu);
		return 0;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		/* Without forwarding on, the kernel looked nothing up. */
		path_limit(ret, cfg->device_mtu);
		return 0;
	default:
		return ret->way.result == BPF_FIB_LKUP_RET_SUCCESS ? 0 : -1;
	}
}

/* In front of the outer header: IP, or IP and UDP, to the next FE.  (The kernel cuts IP in IP and
 * whatever is in UDP, but not UDP in IP: an IP link has VXLAN in UDP.) */
static __noinline int path_carry(struct __sk_buff *skb, const struct map_config *cfg,
				 const struct map_link *link, __u32 size, struct path *ret)
{
	struct outer c = {.is_ipv6 = ret->is_ipv6, .tos = ret->tos, .ethertype = ETH_P_IP};
	const struct map_underlay *own =
		ret->is_ipv6 ? &cfg->underlay[UNDERLAY_IPV6] : &cfg->underlay[UNDERLAY_IPV4];

	if (address_is_ipv4(link->carrier) == ret->is_ipv6 || address_is_zero(own->address))
		return -1;
	ret->carrier_size = ret->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	ret->carrier_flags =
		ret->is_ipv6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	ret->carrier_port = link->carrier_port;
	if (link->kind != MAP_LINK_UDP)
		ret->carrier_port = ret->is_vxlan ? bpf_htons(LINK_UDP_PORT_) : 0;
	else if (!ret->carrier_port)
		return -1;
	if (ret->carrier_port) {
		ret->carrier_size += 8;
		ret->carrier_flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	}
	__builtin_memcpy(c.source, own->address, 16);
	__builtin_memcpy(c.destination, link->carrier, 16);
	if (path_straight(skb, cfg, &c, size + ret->carrier_size, ret))
		return -1;
	if (ret->mtu)
		ret->mtu -= ret->carrier_size;
	return 0;
}

/* By that link. */
__noinline int path_by_link(struct __sk_buff *skb, const struct map_config *cfg,
			    const struct outer *o, __u32 size, struct path *ret)
{
	struct map_link *link;
	int result;

	if (!cfg || !o || !ret)
		return -1;
	link = lookup_link(ret->link);
	if (!link)
		return -1;
	ret->kind = link->kind;
	ret->tos = o->tos;
	ret->is_ipv6 = o->is_ipv6;
	ret->is_vxlan = o->is_vxlan;
	if (link->kind == MAP_LINK_IP && link->fe == o->to_fe && !ret->is_transit) {
		/* Nothing in front.  (With another FE's source it would look forged to the
		 * underlay, RFC 2827, and a NAT would rewrite it.) */
		ret->kind = 0;
		result = path_straight(skb, cfg, o, size, ret);
	} else if (link->kind == MAP_LINK_IP || link->kind == MAP_LINK_UDP) {
		result = path_carry(skb, cfg, link, size, ret);
	} else {
		ret->way.ifindex = link->ifindex;
		result = link->ifindex ? 0 : -1;
	}
	path_limit(ret, link->mtu);
	return result;
}

/* What fits further on, as the underlay or a transit FE said (pmtu.h), for a time; 0: nobody did.
 */
static __always_inline __u32 path_told(const struct map_peer *peer)
{
	return peer->mtu && !path_is_past(peer->mtu_until_s) ? peer->mtu : 0;
}

/* The way to 'peer' for outer packets of 'size' bytes, ret->from set.  0, or -1: there is none. */
static __always_inline int path_find(struct __sk_buff *skb, const struct map_config *cfg,
				     const struct map_peer *peer, const struct outer *o, __u32 size,
				     struct path *ret)
{
	ret->carrier_size = 0;
	ret->carrier_flags = 0;
	ret->carrier_port = 0;
	ret->kind = 0;
	ret->link = 0;
	ret->mtu = 0;
	if (peer->path_count) {
		ret->link = path_choose(peer, o->flow, ret->from);
		if (path_by_link(skb, cfg, o, size, ret))
			return -1;
		path_limit(ret, path_told(peer));
		return 0;
	}
	ret->mtu = path_told(peer);
	return path_straight(skb, cfg, o, size, ret);
}

static __always_inline int path_exceeds(const struct path *path, __u32 size)
{
	return path->mtu && size > path->mtu;
}

/* ---- out ---- */

static __always_inline void path_count(struct __sk_buff *skb, __u32 number)
{
	struct map_counter *c = bpf_map_lookup_elem(&link_counts, &number);
	__u32 segments = skb->gso_segs;

	if (!c)
		return;
	c->packets += segments ? segments : 1;
	c->bytes += skb->wire_len > skb->len ? skb->wire_len : skb->len;
}

/* Ethernet's header, and in front of the outer one the labels.  They are part of what the kernel
 * takes for the header of the link (it goes on by skb->protocol, IP): so it, or a card, cuts a
 * packet of many segments behind them, and copies them to each. */
static __noinline int path_dress(struct __sk_buff *skb, const struct map_link *link)
{
	struct {
		struct ethhdr eth;
		__be32 labels[DATAPLANE_LABELS];
	} __attribute__((packed)) head;
	__u32 size = link->label_count * LINK_LABEL_SIZE;

	if (bpf_skb_load_bytes(skb, 0, &head.eth, sizeof(head.eth)))
		return -1;
	__builtin_memcpy(head.eth.h_dest, link->neighbor, 6);
	__builtin_memcpy(head.eth.h_source, link->mac, 6);
	if (!size)
		return (int)bpf_skb_store_bytes(skb, 0, &head.eth, sizeof(head.eth), 0);
	if (size > sizeof(head.labels) || bpf_skb_change_head(skb, size, 0))
		return -1;
	head.eth.h_proto = bpf_htons(ETH_P_MPLS_UC);
	__builtin_memcpy(head.labels, link->labels, sizeof(head.labels));
	if (bpf_skb_store_bytes(skb, 0, &head.eth, sizeof(head.eth), 0))
		return -1;
	for (int i = 0; i < DATAPLANE_LABELS; i++)
		if (i < link->label_count &&
		    bpf_skb_store_bytes(skb, sizeof(head.eth) + i * LINK_LABEL_SIZE,
					&head.labels[i], LINK_LABEL_SIZE, 0))
			return -1;
	return 0;
}

/* A carrier in the room behind Ethernet's header; its sum, where it has one, in a CHECKSUM_COMPLETE
 * too. */
static __noinline int path_write_carrier(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct map_link *link, const struct path *path)
{
	const __u32 at = sizeof(struct ethhdr);
	__u32 size = skb->len - at, ip_size;
	struct {
		__be16 source, destination, size, check;
	} udp = {};
	__u8 protocol = path->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	if (path->carrier_port)
		protocol = IPPROTO_UDP;
	if (path->is_ipv6) {
		__be32 first = bpf_htonl(6u << 28 | (__u32)path->tos << 20);
		struct ipv6hdr ip = {};

		ip_size = sizeof(ip);
		__builtin_memcpy(&ip, &first, sizeof(first));
		ip.payload_len = outer_length(size - ip_size);
		ip.nexthdr = protocol;
		ip.hop_limit = 64;
		__builtin_memcpy(&ip.saddr, cfg->underlay[UNDERLAY_IPV6].address, 16);
		__builtin_memcpy(&ip.daddr, link->carrier, 16);
		if (bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM))
			return -1;
	} else {
		struct iphdr ip = {};

		ip_size = sizeof(ip);
		ip.version = 4;
		ip.ihl = 5;
		ip.tos = path->tos;
		ip.tot_len = outer_length(size);
		ip.frag_off = bpf_htons(IP_DF);
		ip.ttl = 64;
		ip.protocol = protocol;
		ip.saddr = address_get_ipv4(cfg->underlay[UNDERLAY_IPV4].address);
		ip.daddr = address_get_ipv4(link->carrier);
		ip.check = ~sum_fold(sum_words(&ip, sizeof(ip), 0));
		if (bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0))
			return -1;
	}
	if (protocol != IPPROTO_UDP)
		return 0;
	udp.source = bpf_htons(LINK_UDP_PORT_);
	udp.destination = path->carrier_port;
	udp.size = outer_length(size - ip_size);
	return (int)bpf_skb_store_bytes(skb, at + ip_size, &udp, sizeof(udp), BPF_F_RECOMPUTE_CSUM);
}

/* Out by that way; the outer header is 'carrier_size' bytes behind Ethernet's.  Where the kernel's
 * routes lead its neighbour table writes the Ethernet header, and so keeps its entry fresh,
 * resolves it where needed, and sees a peer's new MAC. */
__noinline int path_send(struct __sk_buff *skb, const struct map_config *cfg, struct path *path)
{
	struct map_link *link;

	if (!cfg || !path)
		return verdict_drop(VERDICT_no_path);
	link = path->link ? lookup_link(path->link) : NULL;
	if (path->link && !link)
		return verdict_drop(VERDICT_no_path);
	if (link)
		path_count(skb, path->link);
	if (link && (path->kind == MAP_LINK_ETHERNET || path->kind == MAP_LINK_MPLS)) {
		if (path_dress(skb, link))
			return verdict_drop(VERDICT_rewrite_failed);
		return (int)bpf_redirect(path->way.ifindex, 0);
	}
	if (path->kind == MAP_LINK_RAW)
		return (int)bpf_redirect(path->way.ifindex, 0);
	if (link && path->carrier_size && path_write_carrier(skb, cfg, link, path))
		return verdict_drop(VERDICT_rewrite_failed);
	if (path->way.result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return (int)bpf_redirect_neigh(cfg->backplane_ifindex, NULL, 0, 0);
	return (int)bpf_redirect_neigh(path->way.ifindex, &path->way.hop, sizeof(path->way.hop), 0);
}
