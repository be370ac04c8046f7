/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The backplane: what other FEs send. */
#pragma once

#include "bpf/deliver.h"
#include "bpf/inner.h"
#include "bpf/pmtu.h"
#include "bpf/transit.h"
#include "bpf/tunnel.h"

/* What is known of the packet at hand, off the stack, which is small.  No hook interrupts
 * another on its CPU. */
struct backplane_scratch {
	struct tunnel tunnel;
	struct packet packet;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct backplane_scratch);
} scratch SEC(".maps");

static __always_inline struct backplane_scratch *scratch_take(void)
{
	__u32 zero = 0;
	struct backplane_scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	if (s)
		__builtin_memset(s, 0, sizeof(*s));
	return s;
}

/* ---- the backplane ---- */

/* The outer IP header.  0 if it is addressed to this FE; 1 to somebody else. */
static __always_inline int backplane_parse(struct cursor c, struct __sk_buff *skb,
					   const struct map_config *cfg, struct tunnel *t)
{
	const __u32 at = sizeof(struct ethhdr), size = skb->len - at;
	const struct map_underlay *own;

	if (!parse_ethernet(c, &t->ip))
		return -1;
	if (t->ip.ethertype == ETH_P_IPV6) {
		t->is_ipv6 = 1;
		if (parse_ipv6(c, &t->ip, at, size, skb->gso_size))
			return -1;
	} else if (t->ip.ethertype != ETH_P_IP || parse_ipv4(c, &t->ip, at, size, skb->gso_size)) {
		return -1;
	}
	own = tunnel_underlay(cfg, t->is_ipv6);
	if (address_is_zero(own->address))
		return -1;
	t->marked = address_same(t->ip.destination.address, own->redirect);
	return t->marked || address_same(t->ip.destination.address, own->address) ? 0 : 1;
}

/* Behind it: which tunnel that is, and what is inside.  1: none; -1: it contradicts itself. */
static __always_inline int backplane_open(struct cursor c, struct tunnel *t, struct packet *p)
{
	const __u32 ip_size = t->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct vxlan_head *vxlan;

	t->size = ip_size;
	if (t->ip.protocol == IPPROTO_IPIP || t->ip.protocol == IPPROTO_IPV6) {
		p->ethertype = t->ip.protocol == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6;
		return t->ip.is_fragment || t->ip.header_size != ip_size ? -1 : 0;
	}
	if (t->ip.protocol != IPPROTO_UDP || t->ip.is_fragment || t->ip.header_size != ip_size)
		return 1;
	vxlan = cursor_at(c, sizeof(struct ethhdr) + ip_size);
	if ((void *)(vxlan + 1) > c.end || vxlan->destination != bpf_htons(VXLAN_PORT))
		return 1;
	t->size += sizeof(*vxlan);
	t->is_vxlan = 1;
	t->vrf = bpf_ntohl(vxlan->vni) >> 8;
	t->marked = !!(t->vrf & VXLAN_MARK);
	t->vrf &= ~VXLAN_MARK;
	p->ethertype = bpf_ntohs(vxlan->eth.h_proto);
	return vxlan->flags & VXLAN_FLAG_VNI &&
			       (p->ethertype == ETH_P_IP || p->ethertype == ETH_P_IPV6) &&
			       t->ip.size >= t->size
		       ? 0
		       : -1;
}

/* What tc_deliver would do, for victor_inner to do without looking anything up; 0: there is more to
 * it. */
static __always_inline int backplane_finish(struct tunnel *t, const struct packet *p,
					    const struct map_binding *to)
{
	const struct map_output *out = lookup_output(to->port);

	if (!out || (out->mtu && p->segment > out->mtu))
		return 0;
	copy_mac(t->mac, to->mac);
	copy_mac(t->gateway_mac, to->gateway_mac);
	t->vlan = to->vlan;
	t->out = out->ifindex;
	return 1;
}

static __always_inline void backplane_delivered(const struct tunnel *t, const struct packet *p)
{
	counter_add(t->fe, p);
	verdict_count(VERDICT_forwarded_local);
}

/* Inside the tunnel, from 'peer': where to?  A marked packet uses a local binding or nothing, so
 * that two FEs that point at each other cannot loop (design P4). */
static __always_inline int backplane_inner(struct __sk_buff *skb, const struct map_config *cfg,
					   struct tunnel *t, struct packet *p)
{
	struct map_binding *to = lookup_binding(&p->destination);
	int local = t->marked ? to && to->flags & MAP_BINDING_LOCAL : binding_is_local(to);
	struct map_prefix *prefix;
	struct map_peer *next = NULL;
	int tos, serves = 0, refused;

	if (!local) {
		if (t->marked)
			return verdict_drop(VERDICT_redirected_miss);
		if (binding_is_foreign(to)) {
			next = lookup_peer(to->fe);
			if (!next || !(next->flags & MAP_PEER_SEND))
				return verdict_drop(VERDICT_no_peer);
			serves = tunnel_serves(t, next);
			if (serves && !next->path_count && !skb->cb[CB_CARRIED])
				return tc_redirect_on(skb, cfg, p, t, to->fe);
		} else {
			prefix = lookup_prefix(PREFIX_COVERED, &p->destination);
			if (prefix)
				return drop_unbound(p, prefix);
			refused = exit_refuses(skb, p);
			if (refused)
				return refused;
		}
	}
	tos = tunnel_tos_out(cfg, p->tos, t->ip.tos);
	if (tos < 0)
		return verdict_drop(VERDICT_ecn_mismatch);
	t->tos = (__u8)tos;
	if (inner_is_wanted(skb, cfg, p)) {
		int ready = local && backplane_finish(t, p, to);

		if (!inner_send(skb, cfg, t, p, ready ? INNER_READY : INNER_NODE)) {
			if (ready)
				backplane_delivered(t, p);
			return (int)bpf_redirect(cfg->inner_ifindex, BPF_F_INGRESS);
		}
	}
	if (serves)
		return tc_redirect_on(skb, cfg, p, t, to->fe);
	if (tc_decapsulate(skb, t, p))
		return verdict_drop(VERDICT_rewrite_failed);
	t->size = 0;
	p->tos = t->tos;
	if (local)
		return tc_deliver(skb, p, to, t->fe);
	return next ? tc_encapsulate(skb, cfg, p, to->fe, VERDICT_redirected)
		    : tc_leave(skb, p, skb->ifindex);
}

/* A message to the sender cannot be made of this frame: the kernel changes no tail of what it takes
 * for a tunnel's.  So it goes the long way, where it is found again that it cannot go on. */
static __always_inline int backplane_tell(struct __sk_buff *skb, const struct map_config *cfg,
					  struct tunnel *t, const struct packet *p, int result)
{
	t->tos = p->tos;
	if (!cfg->inner_ifindex || p->size + INNER_ADDED_MAX > 0xffff ||
	    icmp_limited(skb, result >> 16) || !inner_is_alive(bpf_ktime_get_coarse_ns()) ||
	    inner_send(skb, cfg, t, p, INNER_NODE))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(cfg->inner_ifindex, BPF_F_INGRESS);
}

/* What the controller has an Open vSwitch send, so that it learns its underlay's next hop. */
static __always_inline int backplane_greets(const struct tunnel *t, const struct packet *p)
{
	return t->is_vxlan && p->ethertype == ETH_P_802_EX1;
}

/* Around 'p': from whom, in which tunnel.  0, or why not. */
static __always_inline int backplane_check(const struct map_peer_source *peer,
					   const struct tunnel *t)
{
	if (!peer)
		return verdict_drop(VERDICT_unknown_peer);
	if (!(peer->takes & (t->is_vxlan ? MAP_TAKES_VXLAN : MAP_TAKES_IPIP)))
		return verdict_drop(VERDICT_wrong_encapsulation);
	return 0;
}

/* No tunnel's, and to another FE: what a transit FE tells it of its outer packets. */
static __always_inline int backplane_pass_on(struct __sk_buff *skb, const struct map_config *cfg,
					     struct tunnel *t, struct packet *p, __u32 fe)
{
	if (pmtu_read(skb, t) == PMTU_NO_MESSAGE || !lookup_peer_source(t->ip.source.address))
		return VERDICT_PASS;
	t->fe = fe;
	p->segment = t->ip.size - t->size;
	p->ethertype = 0;
	return transit_forward(skb, cfg, t, p);
}

/* An outer packet, with Ethernet and nothing else in front; its headers can all be read, or not
 * yet. */
static __noinline int backplane_outer(struct __sk_buff *skb, const struct map_config *cfg,
				      int is_readable)
{
	struct backplane_scratch *known = scratch_take();
	struct cursor c = tc_cursor(skb, is_readable ? 0 : HEADERS_TUNNEL_SIZE), inside;
	struct map_peer_source *peer;
	struct tunnel *t;
	struct packet *p;
	int result, elsewhere;
	__u32 *label = NULL;

	if (!known)
		return VERDICT_PASS;
	elsewhere = backplane_parse(c, skb, cfg, &known->tunnel);
	t = &known->tunnel;
	p = &known->packet;
	if (elsewhere < 0)
		return VERDICT_PASS;
	if (elsewhere) {
		label = lookup_label(t->ip.destination.address);
		if ((!label &&
		     !pmtu_is_own(tunnel_underlay(cfg, t->is_ipv6), t->ip.destination.address)) ||
		    skb->pkt_type != PACKET_HOST)
			return VERDICT_PASS;
	}
	result = backplane_open(c, t, p);
	if (result > 0) {
		if (label)
			return backplane_pass_on(skb, cfg, t, p, *label);
		pmtu_listen(skb, cfg, t);
		return VERDICT_PASS;
	}
	if (elsewhere && !label)
		return VERDICT_PASS; /* to one of the sources that we spread flows over */
	if (backplane_greets(t, p)) {
		if (label)
			return VERDICT_PASS;
		verdict_count(VERDICT_greeted);
		return TC_ACT_SHOT;
	}
	peer = lookup_peer_source(t->ip.source.address);
	if (label && !peer)
		return VERDICT_PASS; /* routed through here, and none of ours */
	if (!label && backplane_check(peer, t))
		return TC_ACT_SHOT;
	if (!peer)
		return TC_ACT_SHOT;
	inside = (struct cursor){cursor_at(c, sizeof(struct ethhdr) + t->size), c.end};
	if (result < 0 || parse_ip(inside, p, 0, t->ip.size - t->size, skb->gso_size))
		return verdict_drop(VERDICT_bad_packet);
	if (label) {
		t->fe = *label;
		return transit_forward(skb, cfg, t, p);
	}
	t->fe = peer->fe;
	if (!t->is_vxlan)
		t->vrf = peer->vrf;
	p->source.vrf = t->vrf;
	p->destination.vrf = t->vrf;
	result = backplane_inner(skb, cfg, t, p);
	return verdict_tells(result) ? backplane_tell(skb, cfg, t, p, result) : result;
}

SEC("tc")
int victor_backplane(struct __sk_buff *skb)
{
	struct map_config *cfg = lookup_config();
	struct map_port *in = lookup_port(skb->ifindex);
	int result = 0, is_bare;

	if (!cfg || !in)
		return VERDICT_PASS;
	/* A carrier says it for the underlay. */
	skb->cb[CB_LINK] = in->kind ? in->number : 0;
	skb->cb[CB_CARRIED] = 0;
	if (in->kind)
		result = link_arrive(skb, cfg, in);
	else if (skb->pkt_type != PACKET_HOST)
		return VERDICT_PASS;
	if (result)
		return result;
	is_bare = link_is_bare(tc_cursor(skb, 0));
	result = is_bare ? 0 : link_uncarry(skb, cfg, in);
	if (result == 1)
		return link_punt(skb, in);
	return result ? result : backplane_outer(skb, cfg, is_bare);
}

/* ---- from the backplane, the long way (inner.h) ---- */

/* Up this machine's stack, by the device that it came in by again. */
static __always_inline int inner_pass_up(struct __sk_buff *skb, const struct inner_header *head)
{
	if (rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), head->mac, head->mac))
		return verdict_drop(VERDICT_rewrite_failed);
	return (int)bpf_redirect(head->ifindex, BPF_F_INGRESS);
}

/* What victor_backplane found is found again: a table may have changed between. */
static __always_inline int inner_forward(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct inner_header *head, struct packet *p)
{
	struct map_binding *to = lookup_binding(&p->destination);
	struct map_prefix *covered;
	int result;

	if (head->what == INNER_MARKED ? to && to->flags & MAP_BINDING_LOCAL : binding_is_local(to))
		return tc_deliver(skb, p, to, head->fe);
	if (head->what == INNER_MARKED)
		return verdict_drop(VERDICT_redirected_miss);
	if (binding_is_foreign(to))
		return tc_encapsulate(skb, cfg, p, to->fe, VERDICT_redirected);
	covered = lookup_prefix(PREFIX_COVERED, &p->destination);
	if (covered)
		return drop_unbound(p, covered);
	result = exit_refuses(skb, p);
	if (result)
		return result;
	result = tc_leave(skb, p, head->ifindex);
	return result == VERDICT_PASS ? inner_pass_up(skb, head) : result;
}

/* A message to the sender of what came through the tunnel, as a node's packet would go. */
static __always_inline int inner_tell(struct __sk_buff *skb, const struct map_config *cfg,
				      const struct inner_header *head, struct packet *p, int result)
{
	struct map_binding *to;
	struct map_prefix *external;
	__u32 fe;

	if (icmp_answer(skb, p, result))
		return TC_ACT_SHOT;
	to = lookup_binding(&p->destination);
	if (binding_is_local(to))
		return tc_deliver(skb, p, to, cfg->fe);
	external = lookup_way_out(p);
	fe = binding_is_foreign(to) ? to->fe : external ? external->fe : 0;
	if (fe)
		return tc_encapsulate(skb, cfg, p, fe, VERDICT_forwarded_foreign);
	if (!external || external->flags & MAP_PREFIX_NO_EXIT ||
	    lookup_prefix(PREFIX_COVERED, &p->destination))
		return TC_ACT_SHOT;
	result = tc_leave(skb, p, head->ifindex);
	return result == VERDICT_PASS ? inner_pass_up(skb, head) : result;
}

/* To the node, as victor_backplane found. */
static __always_inline int inner_deliver(struct __sk_buff *skb, const struct inner_header *head)
{
	__u8 tos = head->mac[0];

	if (inner_strip(skb, head, 0) ||
	    tc_change_tos(skb, bpf_ntohs(head->eth.h_proto), tos, head->tos) ||
	    tc_set_vlan(skb, (__u16)head->fe))
		return verdict_drop(VERDICT_rewrite_failed);
	return (int)bpf_redirect(head->detail, 0);
}

/* As if the node had sent it now. */
static __always_inline int inner_again(struct __sk_buff *skb, const struct inner_header *head)
{
	if (inner_uncover(skb) || tc_set_vlan(skb, (__u16)head->detail))
		return verdict_drop(VERDICT_rewrite_failed);
	return (int)bpf_redirect(head->ifindex, BPF_F_INGRESS);
}

SEC("tc")
int victor_inner(struct __sk_buff *skb)
{
	struct map_config *cfg = lookup_config();
	struct inner_header head __attribute__((aligned(8)));
	struct backplane_scratch *known;
	struct packet *p;
	struct cursor c;
	int result;

	if (!cfg || inner_read(tc_cursor(skb, sizeof(head)), cfg, &head))
		return verdict_drop(VERDICT_inner_refused);
	inner_heard();
	if (head.what == INNER_READY)
		return inner_deliver(skb, &head);
	known = scratch_take();
	if (!known)
		return verdict_drop(VERDICT_inner_refused);
	if (head.what == INNER_TRANSIT)
		return transit_again(skb, cfg, &head);
	if (head.what == INNER_TOO_BIG)
		return transit_refuse(skb, cfg, &head);
	if (head.what == INNER_AGAIN)
		return inner_again(skb, &head);
	if (head.what == INNER_HELD ? inner_uncover(skb) : inner_strip(skb, &head, 0))
		return verdict_drop(VERDICT_rewrite_failed);
	c = tc_headers(skb);
	p = &known->packet;
	p->ethertype = bpf_ntohs(head.eth.h_proto);
	if (parse_ip(c, p, sizeof(struct ethhdr), skb->len - sizeof(struct ethhdr), skb->gso_size))
		return verdict_drop(VERDICT_bad_packet);
	/* What was kept is as it shall leave. */
	if (head.what != INNER_HELD) {
		if (tc_set_tos(skb, p, head.tos))
			return verdict_drop(VERDICT_rewrite_failed);
		p->tos = head.tos;
	}
	p->source.vrf = head.detail;
	p->destination.vrf = head.detail;
	result = inner_forward(skb, cfg, &head, p);
	if (verdict_tells(result))
		result = inner_tell(skb, cfg, &head, p, result);
	return verdict_tells(result) ? TC_ACT_SHOT : result;
}
