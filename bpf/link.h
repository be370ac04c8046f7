/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* How an outer packet arrives by a backplane link: what is around it is taken off, so that what
 * follows sees Ethernet and the outer header, whatever the link is made of (docs/backplane.md); and
 * the link's own words (BFD, STAMP, LLDP) go to the agent. */
#pragma once

#include "bpf/path.h"

#define CONTROL_BFD 3784
#define CONTROL_BFD_MULTIHOP 4784
#define CONTROL_STAMP 862
#define ETH_P_LLDP_ 0x88cc
#define LISTEN_LLDP 4

struct udp_head {
	__be16 source, destination, size;
	__sum16 check;
};

static __always_inline const struct map_underlay *link_own(const struct map_config *cfg,
							   int is_ipv6)
{
	return is_ipv6 ? &cfg->underlay[UNDERLAY_IPV6] : &cfg->underlay[UNDERLAY_IPV4];
}

/* ---- an IP header somewhere in the frame ---- */

struct link_head {
	__u8 source[16], destination[16];
	__u32 size;   /* of the header */
	__u32 length; /* of the packet, as it says */
	__u8 protocol, is_ipv6;
	__u8 pad[2];
	struct udp_head udp; /* what is behind it */
};

/* 0; or -1 for what is no IP, has options, or is a fragment. */
static __noinline int link_read(struct __sk_buff *skb, __u32 at, struct link_head *ret)
{
	struct iphdr ip;
	struct ipv6hdr ip6;

	__builtin_memset(ret, 0, sizeof(*ret));
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
		return -1;
	if (ip.version == 4) {
		if (ip.ihl != 5 || ip.frag_off & bpf_htons(IP_FRAGMENT))
			return -1;
		ret->size = sizeof(ip);
		ret->length = bpf_ntohs(ip.tot_len);
		ret->protocol = ip.protocol;
		address_set_ipv4(ret->source, ip.saddr);
		address_set_ipv4(ret->destination, ip.daddr);
	} else {
		if (ip.version != 6 || bpf_skb_load_bytes(skb, at, &ip6, sizeof(ip6)))
			return -1;
		ret->is_ipv6 = 1;
		ret->size = sizeof(ip6);
		ret->length = bpf_ntohs(ip6.payload_len) + sizeof(ip6);
		ret->protocol = ip6.nexthdr;
		__builtin_memcpy(ret->source, &ip6.saddr, 16);
		__builtin_memcpy(ret->destination, &ip6.daddr, 16);
	}
	if (ret->protocol == IPPROTO_UDP &&
	    bpf_skb_load_bytes(skb, at + ret->size, &ret->udp, sizeof(ret->udp)))
		return -1;
	return 0;
}

static __always_inline int link_is_ours(const struct map_config *cfg, const struct link_head *h)
{
	const struct map_underlay *own = link_own(cfg, h->is_ipv6);

	return !address_is_zero(own->address) && (address_same(h->destination, own->address) ||
						  address_same(h->destination, own->redirect));
}

/* An outer header: between two FEs that we know, one of which may be this one.  Most of what is
 * asked about is a node's TCP, which needs no table. */
static __always_inline int link_is_outer(const struct map_config *cfg, const struct link_head *h)
{
	return h->protocol != IPPROTO_TCP && lookup_peer_source(h->source) &&
	       (link_is_ours(cfg, h) || lookup_label(h->destination));
}

/* ---- the link's own words ---- */

/* Whether the packet is one that a link's other end says to this one. */
static __always_inline int link_is_control(const struct map_config *cfg, const struct map_port *in,
					   const struct link_head *h)
{
	struct map_link *link;

	if (h->protocol != IPPROTO_UDP || !link_is_ours(cfg, h))
		return 0;
	if (h->udp.destination != bpf_htons(CONTROL_BFD) &&
	    h->udp.destination != bpf_htons(CONTROL_BFD_MULTIHOP) &&
	    h->udp.destination != bpf_htons(CONTROL_STAMP) &&
	    h->udp.source != bpf_htons(CONTROL_STAMP))
		return 0;
	if (bpf_map_lookup_elem(&link_ends, h->source))
		return 1;
	link = lookup_link(in->number);
	return link && address_same(link->remote, h->source);
}

__noinline int link_punt(struct __sk_buff *skb, const struct map_port *in)
{
	struct packet p = {};

	if (!in)
		return TC_ACT_SHOT;
	if (limit_take(skb->ifindex, LIMIT_CONTROL, LIMIT_CONTROL_RATE, LIMIT_CONTROL_BURST))
		verdict_count(upcall(skb, in, &p, UPCALL_KIND_CONTROL, DATAPLANE_UPCALL_DATA));
	else
		verdict_count(VERDICT_punt_limited);
	return TC_ACT_SHOT;
}

/* ---- devices ---- */

/* A frame without Ethernet header gets one; but only ours, since it cannot be taken off again. */
static __noinline int link_dress(struct __sk_buff *skb, const struct map_config *cfg,
				 const struct map_port *in)
{
	struct link_head h;
	struct ethhdr eth = {};

	if (link_read(skb, 0, &h) || (!link_is_outer(cfg, &h) && !link_is_control(cfg, in, &h)))
		return -1;
	eth.h_proto = h.is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (bpf_skb_change_head(skb, sizeof(eth), 0))
		return -1;
	return (int)bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

#define LINK_MPLS_BOTTOM 0x100u

/* The label stack comes off.  bpf_skb_adjust_room takes only what the kernel thinks is IP; what it
 * thinks is read anew from the frame when a VLAN tag is taken out of it, so two are put on, and
 * taken off again over a changed ethertype. */
static __noinline int link_pop(struct __sk_buff *skb, __u32 label_in)
{
	__be32 label = 0;
	__be16 type;
	__u32 count = 0;
	__u8 first = 0;

	for (int i = 0; i < DATAPLANE_LABELS; i++) {
		if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + i * 4, &label, 4))
			return -1;
		if (!i && label_in && bpf_ntohl(label) >> 12 != label_in)
			return -1;
		count++;
		if (label & bpf_htonl(LINK_MPLS_BOTTOM))
			break;
	}
	if (!(label & bpf_htonl(LINK_MPLS_BOTTOM)) ||
	    bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + count * 4, &first, 1))
		return -1;
	type = first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 1) ||
	    bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 1) ||
	    bpf_skb_store_bytes(skb, 16, &type, 2, 0) || bpf_skb_vlan_pop(skb) ||
	    bpf_skb_vlan_pop(skb))
		return -1;
	return (int)bpf_skb_adjust_room(skb, -(int)(count * 4), BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET);
}

/* From a provisioned device: to Ethernet and IP.  0; else what becomes of the frame. */
__noinline int link_arrive(struct __sk_buff *skb, const struct map_config *cfg,
			   const struct map_port *in)
{
	struct packet p = {};
	struct map_link *link;

	if (!cfg || !in)
		return TC_ACT_SHOT;
	link = lookup_link(in->number);
	if (in->kind == MAP_LINK_RAW)
		return link_dress(skb, cfg, in) ? VERDICT_PASS : 0;
	if (skb->vlan_present)
		return VERDICT_PASS;
	if (skb->protocol == bpf_htons(ETH_P_LLDP_) && in->listen & LISTEN_LLDP) {
		upcall_limited(skb, in, &p, UPCALL_KIND_NEIGHBOR);
		return TC_ACT_SHOT;
	}
	if (skb->protocol != bpf_htons(ETH_P_MPLS_UC))
		return 0;
	if (!link || link->kind != MAP_LINK_MPLS)
		return VERDICT_PASS;
	return link_pop(skb, link->label_in) ? verdict_drop(VERDICT_bad_packet) : 0;
}

/* ---- carriers ---- */

/* Where a card cut a packet of many segments, it copied the outer header as it was for the whole:
 * the carrier's length is right, the outer one's is made so. */
static __noinline int link_mend(struct __sk_buff *skb, const struct link_head *h, __u32 length)
{
	__be16 is;
	struct iphdr ip;

	if (skb->gso_size || h->length == length || length < h->size)
		return 0;
	if (h->protocol == IPPROTO_UDP && h->udp.destination == bpf_htons(VXLAN_PORT)) {
		is = bpf_htons(length - h->size);
		if (bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + h->size + 4, &is, 2,
					BPF_F_RECOMPUTE_CSUM))
			return -1;
	}
	if (h->is_ipv6) {
		is = bpf_htons(length - h->size);
		return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + 4, &is, 2,
						BPF_F_RECOMPUTE_CSUM);
	}
	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip)))
		return -1;
	is = bpf_htons(length);
	ip.check = sum_replace(ip.check, ip.tot_len, is);
	ip.tot_len = is;
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip), 0);
}

/* The number of the link whose other end sent the carrier; NULL: none did. */
static __always_inline __u32 *link_of_carrier(const struct link_head *carrier)
{
	struct map_carrier_key key = {};
	struct map_link *link;
	__u32 *number;

	if (carrier->protocol != IPPROTO_UDP)
		return bpf_map_lookup_elem(&link_ends, carrier->source);
	__builtin_memcpy(key.address, carrier->source, 16);
	key.port = carrier->udp.source;
	number = bpf_map_lookup_elem(&carriers, &key);
	if (number || key.port != bpf_htons(LINK_UDP_PORT_))
		return number;
	number = bpf_map_lookup_elem(&link_ends, carrier->source);
	link = number ? lookup_link(*number) : NULL;
	return link && link->kind == MAP_LINK_IP ? number : NULL;
}

/* A tunnel's packet with TCP in it, all of whose headers can be read: nothing is in front, and it
 * is no word of a link's.  What link_uncarry would find, for less, since most of what arrives is
 * that. */
static __always_inline int link_is_bare(struct cursor c)
{
	const struct ethhdr *eth = c.data;
	const struct ipv6hdr *ip6 = (void *)(eth + 1);
	const struct iphdr *ip = (void *)(eth + 1);
	__u32 at = sizeof(*eth) + sizeof(*ip);
	const struct vxlan_head *vxlan;
	__u8 protocol;

	if ((void *)(ip6 + 1) > c.end)
		return 0;
	protocol = ip->protocol;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		at = sizeof(*eth) + sizeof(*ip6);
		protocol = ip6->nexthdr;
	} else if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->version != 4 || ip->ihl != 5) {
		return 0;
	}
	if (protocol == IPPROTO_UDP) {
		vxlan = cursor_at(c, at);
		if ((void *)(vxlan + 1) > c.end || vxlan->destination != bpf_htons(VXLAN_PORT) ||
		    vxlan->source == bpf_htons(CONTROL_STAMP))
			return 0;
		at += sizeof(*vxlan);
		protocol = vxlan->eth.h_proto == bpf_htons(ETH_P_IP) ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	if (protocol == IPPROTO_IPIP) {
		ip = cursor_at(c, at);
		return (void *)(ip + 1) + sizeof(struct tcphdr) <= c.end && ip->version == 4 &&
		       ip->ihl == 5 && ip->protocol == IPPROTO_TCP;
	}
	ip6 = cursor_at(c, at);
	return protocol == IPPROTO_IPV6 && (void *)(ip6 + 1) + sizeof(struct tcphdr) <= c.end &&
	       ip6->version == 6 && ip6->nexthdr == IPPROTO_TCP;
}

/* What is in front of an outer header comes off.  0: there is nothing, or not any more; 1: it is
 * the agent's; else what becomes of the frame. */
__noinline int link_uncarry(struct __sk_buff *skb, const struct map_config *cfg,
			    const struct map_port *in)
{
	struct link_head carrier, h;
	__u32 size, *number;
	int is_udp;

	if (!cfg || !in)
		return TC_ACT_SHOT;
	if (link_read(skb, sizeof(struct ethhdr), &carrier))
		return 0;
	if (link_is_control(cfg, in, &carrier))
		return 1;
	is_udp = carrier.protocol == IPPROTO_UDP &&
		 carrier.udp.destination == bpf_htons(LINK_UDP_PORT_);
	if (!link_is_ours(cfg, &carrier) ||
	    (!is_udp && carrier.protocol != IPPROTO_IPIP && carrier.protocol != IPPROTO_IPV6))
		return 0;
	size = carrier.size + (is_udp ? sizeof(carrier.udp) : 0);
	if (link_read(skb, sizeof(struct ethhdr) + size, &h))
		return is_udp ? verdict_drop(VERDICT_bad_packet) : 0;
	if (is_udp && link_is_control(cfg, in, &h))
		return 1;
	if (!link_is_outer(cfg, &h))
		return is_udp ? verdict_drop(VERDICT_unknown_peer) : 0;
	number = link_of_carrier(&carrier);
	if (!number)
		return verdict_drop(VERDICT_unknown_carrier);
	skb->cb[CB_LINK] = *number;
	skb->cb[CB_CARRIED] = is_udp;
	if (h.is_ipv6 != carrier.is_ipv6 || carrier.length < size)
		return verdict_drop(VERDICT_bad_packet);
	if (bpf_skb_adjust_room(skb, -(int)size, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
	    link_mend(skb, &h, carrier.length - size))
		return verdict_drop(VERDICT_rewrite_failed);
	return 0;
}
