/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Transit: an outer packet for another FE goes on towards it, by its label, the outer destination.
 * What is inside is nobody's business here, but for how large its segments are. */
#pragma once

#include "bpf/inner.h"
#include "bpf/link.h"
#include "bpf/tunnel.h"

/* Off the stack, which is small. */
struct transit_scratch {
	struct outer outer;
	struct path path;
	struct packet packet;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct transit_scratch);
} transits SEC(".maps");

static __always_inline struct transit_scratch *transit_take(void)
{
	__u32 zero = 0;
	struct transit_scratch *s = bpf_map_lookup_elem(&transits, &zero);

	if (s)
		__builtin_memset(s, 0, sizeof(*s));
	return s;
}

static __always_inline int transit_decrement(struct __sk_buff *skb, const struct tunnel *t)
{
	__u8 hops = t->ip.ttl - 1;

	if (!t->is_ipv6)
		return rewrite_ttl_ipv4(tc_cursor(skb, HEADERS_TUNNEL_SIZE));
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + 7, &hops, 1,
					BPF_F_RECOMPUTE_CSUM);
}

/* A packet of many segments is marked as what was in front of its outer header, which by way of UDP
 * and by any other way is not the same; marked as the one and sent as the other, nobody can cut it.
 * (VXLAN is UDP itself.)  So it gets new marks, the long way. */
static __always_inline int transit_crosses(struct __sk_buff *skb, const struct packet *p,
					   const struct outer *o, const struct path *path)
{
	return p->ethertype && !o->is_vxlan && !skb->cb[CB_CARRIED] != !path->carrier_port;
}

/* Too large for its way from here: the FE that made the outer header is told, so that the next
 * one's sender can be.  It takes the long way for that (see backplane_tell). */
static __always_inline int transit_tell(struct __sk_buff *skb, const struct map_config *cfg,
					struct tunnel *t, const struct packet *p, __u32 mtu)
{
	verdict_count(VERDICT_mtu_exceeded);
	if (!p->ethertype || !cfg->inner_ifindex || p->size + INNER_ADDED_MAX > 0xffff ||
	    icmp_limited(skb, TELL_ELEMENT) || !inner_is_alive(bpf_ktime_get_coarse_ns()))
		return TC_ACT_SHOT;
	t->vrf = mtu;
	if (inner_send(skb, cfg, t, p, INNER_TOO_BIG))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(cfg->inner_ifindex, BPF_F_INGRESS);
}

/* 'p' is inside 't', whose 'fe' is where it goes; without ethertype it is a message to that FE. */
__noinline int transit_forward(struct __sk_buff *skb, const struct map_config *cfg,
			       struct tunnel *t, const struct packet *p)
{
	struct transit_scratch *s = transit_take();
	struct map_peer *peer;
	struct path *path;
	struct outer *o;
	__u32 segment;

	if (!cfg || !t || !p || !s)
		return TC_ACT_SHOT;
	o = &s->outer;
	path = &s->path;
	peer = lookup_peer(t->fe);
	segment = p->segment + t->size;
	if (!peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	if (t->ip.ttl <= 1)
		return verdict_drop(VERDICT_transit_ttl_expired);
	__builtin_memcpy(o->source, t->ip.source.address, 16);
	__builtin_memcpy(o->destination, t->ip.destination.address, 16);
	o->to_fe = t->fe;
	o->is_ipv6 = t->is_ipv6;
	o->is_vxlan = t->is_vxlan;
	o->tos = t->ip.tos;
	o->ethertype = t->ip.protocol == IPPROTO_IPV6 ? ETH_P_IPV6 : ETH_P_IP;
	if (peer->select)
		o->flow = path_flow(skb, sizeof(struct ethhdr) + t->size);
	path->from = skb->cb[CB_LINK];
	path->is_transit = 1;
	if (path_find(skb, cfg, peer, o, segment, path))
		return verdict_drop(VERDICT_no_path);
	if (path_exceeds(path, segment))
		return transit_tell(skb, cfg, t, p, path->mtu);
	if (transit_crosses(skb, p, o, path) && inner_is_wanted(skb, cfg, p)) {
		t->vrf = path->from;
		if (inner_send(skb, cfg, t, p, INNER_TRANSIT))
			return verdict_drop(VERDICT_rewrite_failed);
		return (int)bpf_redirect(cfg->inner_ifindex, BPF_F_INGRESS);
	}
	if (transit_decrement(skb, t) ||
	    (path->carrier_size &&
	     bpf_skb_adjust_room(skb, (int)path->carrier_size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS)))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_forwarded_transit);
	return path_send(skb, cfg, path);
}

/* ---- the long way (inner.h) ---- */

/* The IP-in-IP header behind inner_header; its size, or 0: there is none. */
static __always_inline __u32 transit_read(struct __sk_buff *skb, const struct inner_header *head,
					  struct outer *ret)
{
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, sizeof(*head), &ip, sizeof(ip)))
		return 0;
	ret->to_fe = head->fe;
	ret->ethertype = bpf_ntohs(head->eth.h_proto);
	if (ip.version == 4) {
		ret->tos = ip.tos;
		ret->ttl = ip.ttl - 1;
		address_set_ipv4(ret->source, ip.saddr);
		address_set_ipv4(ret->destination, ip.daddr);
		return sizeof(ip);
	}
	if (bpf_skb_load_bytes(skb, sizeof(*head), &ip6, sizeof(ip6)))
		return 0;
	ret->is_ipv6 = 1;
	ret->tos = (__u8)(ip6.priority << 4 | ip6.flow_lbl[0] >> 4);
	ret->ttl = ip6.hop_limit - 1;
	ret->flow = (ip6.flow_lbl[0] & 0xf) << 16 | ip6.flow_lbl[1] << 8 | ip6.flow_lbl[2];
	__builtin_memcpy(ret->source, &ip6.saddr, 16);
	__builtin_memcpy(ret->destination, &ip6.daddr, 16);
	return sizeof(ip6);
}

/* What transit_forward found is found again: a table may have changed between. */
__noinline int transit_again(struct __sk_buff *skb, const struct map_config *cfg,
			     const struct inner_header *head)
{
	struct transit_scratch *s = transit_take();
	__u32 size, label;
	struct map_peer *peer;
	struct packet *p;

	if (!cfg || !head || !s)
		return TC_ACT_SHOT;
	p = &s->packet;
	size = transit_read(skb, head, &s->outer);
	peer = lookup_peer(head->fe);
	if (!peer || !(peer->flags & MAP_PEER_SEND))
		return verdict_drop(VERDICT_no_peer);
	if (!size || inner_strip(skb, head, size))
		return verdict_drop(VERDICT_rewrite_failed);
	p->ethertype = s->outer.ethertype;
	if (parse_ip(tc_cursor(skb, HEADERS_SIZE), p, sizeof(struct ethhdr),
		     skb->len - sizeof(struct ethhdr), skb->gso_size))
		return verdict_drop(VERDICT_bad_packet);
	s->outer.size = p->size;
	label = s->outer.flow;
	if (peer->select)
		s->outer.flow = path_flow(skb, sizeof(struct ethhdr));
	s->path.from = head->detail;
	s->path.is_transit = 1;
	if (path_find(skb, cfg, peer, &s->outer, p->segment + size, &s->path))
		return verdict_drop(VERDICT_no_path);
	s->outer.flow = label;
	if (path_exceeds(&s->path, p->segment + size))
		return verdict_drop(VERDICT_mtu_exceeded);
	if (tc_make_room(skb, &s->outer, &s->path) ||
	    tc_write_outer(skb, &s->outer, s->path.carrier_size))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_forwarded_transit);
	return path_send(skb, cfg, &s->path);
}

/* The outer packet becomes the message to the FE that made it, and goes there by that FE's paths.
 */
__noinline int transit_refuse(struct __sk_buff *skb, const struct map_config *cfg,
			      const struct inner_header *head)
{
	struct transit_scratch *s = transit_take();
	struct map_peer_source *known;
	struct map_peer *peer;
	struct packet *p;
	struct outer *o;

	if (!cfg || !head || !s)
		return TC_ACT_SHOT;
	p = &s->packet;
	o = &s->outer;
	p->ethertype = bpf_ntohs(head->eth.h_proto);
	if (inner_strip(skb, head, 0) ||
	    parse_ip(tc_cursor(skb, HEADERS_TUNNEL_SIZE), p, sizeof(struct ethhdr),
		     skb->len - sizeof(struct ethhdr), skb->gso_size))
		return TC_ACT_SHOT;
	o->is_ipv6 = p->ethertype == ETH_P_IPV6;
	known = lookup_peer_source(p->source.address);
	peer = known ? lookup_peer(known->fe) : NULL;
	if (!peer || address_is_ipv4(peer->address) == o->is_ipv6)
		return verdict_drop(VERDICT_no_peer);
	__builtin_memcpy(o->source, tunnel_underlay(cfg, o->is_ipv6)->address, 16);
	__builtin_memcpy(o->destination, peer->address, 16);
	__builtin_memcpy(p->source.address, o->destination, 16);
	__builtin_memcpy(p->destination.address, o->source, 16);
	o->to_fe = known->fe;
	o->tos = ICMP_TOS;
	o->ethertype = p->ethertype;
	if (icmp_answer(skb, p, (int)(TELL_ELEMENT << 16 | (head->detail & 0xffff))))
		return TC_ACT_SHOT;
	if (path_find(skb, cfg, peer, o, p->size, &s->path))
		return verdict_drop(VERDICT_no_path);
	if (s->path.carrier_size &&
	    bpf_skb_adjust_room(skb, (int)s->path.carrier_size, BPF_ADJ_ROOM_MAC, TUNNEL_FLAGS))
		return verdict_drop(VERDICT_rewrite_failed);
	return path_send(skb, cfg, &s->path);
}
