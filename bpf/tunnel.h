/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The outer header: put on towards another FE, taken off, readdressed. */
#pragma once

#include "bpf/icmp.h"
#include "bpf/path.h"

#define TUNNEL_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)
/* Of an outer header of IPv4, behind the largest carrier. */
#define OUTER_IPV4_END (HEADERS_IPV4_SIZE + (int)sizeof(struct iphdr) + 8)
#define PROTOCOL_GROWTH ((int)(sizeof(struct ipv6hdr) - sizeof(struct iphdr)))

/* What a packet that came by a tunnel had around it. */
struct tunnel {
	struct packet ip; /* the outer IP header's facts */
	__u32 size;       /* of all headers that are around it, Ethernet's not counted */
	__u32 vrf;
	__u32 fe; /* whose it is */
	__u8 is_ipv6, is_vxlan, marked;
	__u8 tos; /* that the packet inside goes on with */
	/* To a node here. */
	__u8 mac[6], gateway_mac[6];
	__u16 vlan;
	__u32 out; /* the device */
};

/* ---- class of service ---- */

/* Going in: ECN is copied (RFC 6040, normal mode), DSCP as configured (RFC 2983). */
static __always_inline __u8 tunnel_tos_in(const struct map_config *cfg, __u8 inner)
{
	if (cfg->diffserv != DIFFSERV_FIXED)
		return inner;
	return (__u8)(cfg->dscp << 2 | (inner & ECN_MASK));
}

/* Coming out: RFC 6040, figure 4.  -1: congestion that the packet cannot carry on. */
static __always_inline int tunnel_tos_out(const struct map_config *cfg, __u8 inner, __u8 outer)
{
	__u8 ecn = inner & ECN_MASK;

	if ((outer & ECN_MASK) == ECN_CE) {
		if (!ecn)
			return -1;
		ecn = ECN_CE;
	} else if ((outer & ECN_MASK) == ECN_ECT1 && ecn == ECN_ECT0) {
		ecn = ECN_ECT1;
	}
	return ((cfg->diffserv == DIFFSERV_UNIFORM ? outer : inner) & ~ECN_MASK) | ecn;
}

/* ---- putting it on ---- */

static __always_inline const struct map_underlay *tunnel_underlay(const struct map_config *cfg,
								  int is_ipv6)
{
	return is_ipv6 ? &cfg->underlay[UNDERLAY_IPV6] : &cfg->underlay[UNDERLAY_IPV4];
}

/* From where: of the addresses that this FE spreads its flows over, the flow's. */
static __always_inline void tunnel_source(const struct map_underlay *own, struct outer *o)
{
	__be32 last;

	if (!own->spread_mask) {
		__builtin_memcpy(o->source, own->address, 16);
		return;
	}
	__builtin_memcpy(o->source, own->spread, 16);
	last = address_get_ipv4(own->spread) | (bpf_htonl(o->flow) & own->spread_mask);
	__builtin_memcpy(o->source + 12, &last, 4);
}

/* A hash of the flow whose packet begins 'at', where anything is chosen by it: a NIC's, or the
 * kernel's, costs it reading all headers. */
static __always_inline __u32 tunnel_flow(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct map_peer *peer, __u32 at)
{
	if (peer->select)
		return path_flow(skb, at);
	if (!peer->vxlan && address_is_ipv4(peer->address) &&
	    !cfg->underlay[UNDERLAY_IPV4].spread_mask)
		return 0;
	return bpf_get_hash_recalc(skb);
}

/* All of the outer header but what the packet says.  -1: the peer cannot be told the mark. */
static __always_inline int tunnel_aim(const struct map_config *cfg, const struct map_peer *peer,
				      __u32 fe, int marked, struct outer *o)
{
	const __u8 *to = marked && !peer->vxlan ? peer->redirect : peer->address;

	o->is_ipv6 = !address_is_ipv4(peer->address);
	o->is_vxlan = peer->vxlan;
	o->from_fe = cfg->fe;
	o->to_fe = fe;
	if (marked)
		o->vni |= VXLAN_MARK;
	__builtin_memcpy(o->destination, to, 16);
	tunnel_source(tunnel_underlay(cfg, o->is_ipv6), o);
	return address_is_zero(o->destination) || address_is_zero(o->source) ? -1 : 0;
}

/* Room of 'size' bytes behind Ethernet for headers that begin with IPv6 or IPv4; without the marks
 * of a tunnel. */
static __always_inline int tc_make_plain_room(struct __sk_buff *skb, int size, int is_ipv6)
{
	if (skb->protocol == (is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP)))
		return (int)bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS);
	if (is_ipv6)
		return bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0) ||
				       bpf_skb_adjust_room(skb, size - PROTOCOL_GROWTH,
							   BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS)
			       ? -1
			       : 0;
	return bpf_skb_adjust_room(skb, size + PROTOCOL_GROWTH, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS) ||
			       bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0)
		       ? -1
		       : 0;
}

/* Room for carrier and outer header at once (the kernel takes no second tunnel on a packet of many
 * segments).  The gso_size stays what it is, here and at decapsulation: the segments that a wire
 * sees are what 'segment' and the headers say.  A frame that is a tunnel's already (a node's own,
 * with its offload pending) gets plain room, if it is one segment. */
static __always_inline int tc_make_room(struct __sk_buff *skb, const struct outer *o,
					const struct path *path)
{
	int size = (int)(outer_size(o) + path->carrier_size);
	__u64 flags = o->is_ipv6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;

	if (o->is_vxlan)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
			 BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)) |
			 BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	if (path->carrier_size)
		flags = path->carrier_flags;
	if (!bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS | flags))
		return 0;
	if (skb->gso_size)
		return -1;
	return tc_make_plain_room(skb, size, !!(flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6));
}

/* Written by the kernel where the bytes' sum is not zero: a CHECKSUM_COMPLETE stays right. */
static __noinline int tc_write_outer(struct __sk_buff *skb, const struct outer *o, __u32 at)
{
	struct vxlan_head vxlan;
	struct ipv6hdr ip;

	if (rewrite_ethertype(tc_cursor(skb, sizeof(struct ethhdr)),
			      o->is_ipv6 ? ETH_P_IPV6 : ETH_P_IP))
		return -1;
	if (!o->is_ipv6) {
		if (rewrite_outer_ipv4(tc_cursor(skb, OUTER_IPV4_END), at, o))
			return -1;
	} else {
		outer_fill_ipv6(&ip, o);
		if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + at, &ip, sizeof(ip),
					BPF_F_RECOMPUTE_CSUM))
			return -1;
	}
	if (!o->is_vxlan)
		return 0;
	outer_fill_vxlan(&vxlan, o);
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + at + outer_ip_size(o), &vxlan,
					sizeof(vxlan), BPF_F_RECOMPUTE_CSUM);
}

/* To another FE in the pair's encapsulation, with the mark if that is the verdict. */
__noinline int tc_encapsulate(struct __sk_buff *skb, const struct map_config *cfg,
			      const struct packet *p, __u32 fe, enum dataplane_verdict verdict)
{
	struct map_peer *peer = lookup_peer(fe);
	struct outer o = {};
	struct path path = {};
	__u32 size;
	int result;

	if (!cfg || !p)
		return TC_ACT_SHOT;
	o.size = p->size;
	o.ethertype = p->ethertype;
	if (!peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	o.tos = tunnel_tos_in(cfg, p->tos);
	o.vni = p->destination.vrf & ~VXLAN_MARK;
	o.flow = tunnel_flow(skb, cfg, peer, sizeof(struct ethhdr));
	if (tunnel_aim(cfg, peer, fe, verdict == VERDICT_redirected, &o))
		return verdict_drop(VERDICT_no_underlay);
	size = outer_size(&o);
	if (path_find(skb, cfg, peer, &o, p->segment + size, &path))
		return verdict_drop(path.link ? VERDICT_no_path : VERDICT_no_underlay);
	if (path_exceeds(&path, p->segment + size))
		return tc_too_big(skb, p, path.mtu - size);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, 0) || tc_make_room(skb, &o, &path) ||
	    tc_write_outer(skb, &o, path.carrier_size))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(verdict);
	return path_send(skb, cfg, &path);
}

/* ---- taking it off ---- */

/* 6.1 has no word for "what is inside is of the other IP now": there bpf_skb_change_proto says it,
 * at the price of twenty bytes more or less. */
static __always_inline int tc_take_off(struct __sk_buff *skb, const struct tunnel *t, int to_ipv6)
{
	int size = (int)t->size;

	if (t->is_ipv6 == to_ipv6)
		return (int)bpf_skb_adjust_room(skb, -size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS);
	if (!bpf_skb_adjust_room(skb, -size, BPF_ADJ_ROOM_MAC,
				 TUNNEL_FLAGS | (to_ipv6 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV6
							 : BPF_F_ADJ_ROOM_DECAP_L3_IPV4)))
		return 0;
	if (bpf_skb_change_proto(skb, to_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP), 0))
		return -1;
	size += to_ipv6 ? PROTOCOL_GROWTH : -PROTOCOL_GROWTH;
	return (int)bpf_skb_adjust_room(skb, -size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS);
}

/* Leaves Ethernet and the packet inside, with this DSCP and ECN. */
static __always_inline int tc_decapsulate(struct __sk_buff *skb, const struct tunnel *t,
					  const struct packet *p)
{
	if (tc_take_off(skb, t, p->ethertype == ETH_P_IPV6) ||
	    rewrite_ethertype(tc_cursor(skb, sizeof(struct ethhdr)), p->ethertype))
		return -1;
	return tc_set_tos(skb, p, t->tos);
}

/* ---- sent on ---- */

/* Whether the tunnel header that is there serves for the next FE too. */
static __always_inline int tunnel_serves(const struct tunnel *t, const struct map_peer *peer)
{
	return peer->vxlan == t->is_vxlan && address_is_ipv4(peer->address) != t->is_ipv6;
}

/* After a node that moved on: the outer header that is there is addressed to the other FE, marked.
 * (Decapsulating and encapsulating again would be refused by the kernel while the tunnel offload of
 * the first is pending, and cost twice.) */
__noinline int tc_redirect_on(struct __sk_buff *skb, const struct map_config *cfg,
			      const struct packet *p, const struct tunnel *t, __u32 fe)
{
	struct map_peer *peer = lookup_peer(fe);
	struct outer o = {};
	struct path path = {};

	if (!cfg || !p || !t)
		return TC_ACT_SHOT;
	o.size = p->size;
	o.ethertype = p->ethertype;
	o.tos = t->ip.tos;
	o.vni = p->destination.vrf & ~VXLAN_MARK;
	if (!peer)
		return verdict_drop(VERDICT_no_underlay);
	o.flow = tunnel_flow(skb, cfg, peer, sizeof(struct ethhdr) + t->size);
	if (tunnel_aim(cfg, peer, fe, 1, &o) ||
	    path_find(skb, cfg, peer, &o, p->segment + t->size, &path))
		return verdict_drop(VERDICT_no_underlay);
	if (path_exceeds(&path, p->segment + t->size))
		return tc_too_big(skb, p, path.mtu - t->size);
	if (tc_set_vlan(skb, 0) ||
	    (path.carrier_size &&
	     bpf_skb_adjust_room(skb, (int)path.carrier_size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS)) ||
	    tc_write_outer(skb, &o, path.carrier_size))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_redirected);
	return path_send(skb, cfg, &path);
}
