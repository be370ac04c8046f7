/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* An access port: what nodes send. */
#pragma once

#include "bpf/deliver.h"
#include "bpf/fast.h"
#include "bpf/nd.h"
#include "bpf/registration.h"
#include "bpf/segment.h"
#include "bpf/tunnel.h"

/* ---- ARP (design section 6: answered without controller and agent) ---- */

/* Whether somebody else than the node itself shall answer: a request by one node for another that
 * is not beside it. */
static __always_inline struct map_prefix *
arp_answer(const struct map_port *in, const struct packet *p, const struct arp_ipv4 *arp)
{
	if (arp->operation != bpf_htons(ARP_REQUEST) || !arp->sender || arp->sender == arp->target)
		return NULL;
	if (binding_is_beside(lookup_binding(&p->destination), in, p))
		return NULL;
	return lookup_prefix(PREFIX_ANSWER, &p->destination);
}

/* A hypervisor's, for a MAC alone: its own. */
static __noinline int access_rarp(struct __sk_buff *skb, const struct map_port *in,
				  const struct packet *p)
{
	struct arp_ipv4 *rarp =
		parse_arp(tc_cursor(skb, sizeof(struct ethhdr) + sizeof(struct arp_ipv4)));

	if (!rarp)
		return guard_drop(skb, VERDICT_bad_packet);
	if (!mac_same(rarp->sender_mac, p->mac_source))
		return guard_drop(skb, VERDICT_guard_neighbor);
	if (in->listen & 2)
		upcall_limited(skb, in, p, UPCALL_KIND_NEIGHBOR);
	return VERDICT_PASS;
}

static __noinline int access_arp(struct __sk_buff *skb, const struct map_port *in, struct packet *p)
{
	struct cursor c = tc_cursor(skb, sizeof(struct ethhdr) + sizeof(struct arp_ipv4));
	struct arp_ipv4 *arp = parse_arp(c);
	const struct map_binding *guarded = NULL;
	struct map_prefix *answer;
	struct map_binding *from;
	const __u8 *mac;

	if (!arp)
		return guard_drop(skb, VERDICT_bad_packet);
	if (!mac_same(arp->sender_mac, p->mac_source))
		return guard_drop(skb, VERDICT_guard_neighbor);
	address_set_ipv4(p->source.address, arp->sender);
	address_set_ipv4(p->destination.address, arp->target);
	if (access_speaks_for_gateway(in, p, &p->source))
		return guard_drop(skb, VERDICT_guard_gateway);
	if (in->listen & 1)
		upcall_limited(skb, in, p, UPCALL_KIND_NEIGHBOR);
	from = lookup_binding(&p->source);
	if (binding_guards(from, in, p)) {
		binding_saw(from);
		guarded = from;
	}
	answer = in->listen & 1 ? arp_answer(in, p, arp) : NULL;
	mac = answer ? segment_answer(in, guarded, answer) : NULL;
	if (!mac || rewrite_arp_answer(c, mac))
		return access_claimed(skb, in, from, guarded);
	verdict_count(VERDICT_answered_arp);
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* ---- access ports ---- */

/* Whether the frame was sent to the gateway, for the guarded and for the rest. */
static __always_inline int sent_to_gateway(const struct packet *p)
{
	struct map_prefix *answer = lookup_prefix(PREFIX_ANSWER, &p->source);

	if (answer && mac_same_gateway(answer->mac, p->mac_destination))
		return 1;
	answer = lookup_prefix(PREFIX_ANSWER, &p->destination);
	return answer && mac_same_gateway(answer->mac, p->mac_destination);
}

/* The source has no binding for this port, VLAN and MAC. */
static __always_inline int access_unguarded(struct __sk_buff *skb, const struct map_port *in,
					    const struct packet *p)
{
	struct map_binding *to = lookup_binding(&p->destination);
	int to_gateway = sent_to_gateway(p);
	int beside = !to_gateway && binding_is_beside(to, in, p);

	if (lookup_prefix(PREFIX_STRANGER, &p->source)) {
		upcall_limited(skb, in, p, UPCALL_KIND_STRANGER);
		if (beside)
			return VERDICT_PASS;
		return !to_gateway && !to ? guard_pass(skb, p)
					  : guard_drop(skb, VERDICT_guard_stranger);
	}
	if (beside)
		return VERDICT_PASS;
	/* A node that has no other address yet. */
	if (p->ethertype == ETH_P_IPV6 && address_is_link_local(p->source.address)) {
		int result = access_echo6(skb, p);

		if (result >= 0)
			return result;
	}
	if (to || lookup_prefix(PREFIX_COVERED, &p->destination))
		return guard_drop(skb, VERDICT_guard_source);
	return guard_pass(skb, p);
}

static __always_inline int access_echo(struct __sk_buff *skb, const struct packet *p,
				       const struct map_prefix *answer)
{
	if (!(answer->flags & MAP_PREFIX_HOST) || p->icmp_type != ICMP_ECHO || p->is_fragment ||
	    rewrite_echo_answer(tc_cursor(skb, HEADERS_SIZE)))
		return -1;
	verdict_count(VERDICT_answered_echo);
	return (int)bpf_redirect(skb->ifindex, 0);
}

/* Sent to the gateway, for an address that nobody has: the gateway's own, one that is covered, or
 * the rest of the world. */
static __always_inline int access_unbound(struct __sk_buff *skb, const struct map_config *cfg,
					  const struct packet *p)
{
	struct map_prefix *prefix;
	int result;

	if (p->protocol == IPPROTO_ICMP && p->ethertype == ETH_P_IP) {
		prefix = lookup_prefix(PREFIX_ANSWER, &p->destination);
		result = prefix ? access_echo(skb, p, prefix) : -1;
		if (result >= 0)
			return result;
	}
	if (p->ethertype == ETH_P_IPV6) {
		result = access_echo6(skb, p);
		if (result >= 0)
			return result;
	}
	prefix = lookup_prefix(PREFIX_COVERED, &p->destination);
	if (prefix)
		return drop_unbound(p, prefix);
	if (guard_shields(p))
		return guard_drop(skb, VERDICT_guard_underlay);
	prefix = lookup_way_out(p);
	if (prefix && prefix->flags & MAP_PREFIX_NO_EXIT)
		return drop_no_exit();
	if (prefix && prefix->fe)
		return tc_encapsulate(skb, cfg, p, prefix->fe, VERDICT_forwarded_external);
	return tc_leave(skb, p, skb->ifindex);
}

/* To many: not carried to other ports, but neighbours and this machine hear it. */
static __always_inline int access_group(struct __sk_buff *skb, const struct map_port *in,
					const struct packet *p, const struct map_binding *from)
{
	if (in->flags & MAP_PORT_SHARED)
		return VERDICT_PASS;
	if (from && !binding_guards(from, in, p))
		return guard_drop(skb, VERDICT_guard_stranger);
	/* One address in a frame to all: this machine would take it for itself. */
	return address_is_group(p) || !guard_shields(p) ? VERDICT_PASS
							: guard_drop(skb, VERDICT_guard_underlay);
}

static __noinline int access_ip(struct __sk_buff *skb, const struct map_config *cfg,
				const struct map_port *in, struct packet *p)
{
	struct map_binding *from, *to;
	int to_gateway, refused;

	if (!port_admits(in, p))
		return guard_drop(skb, VERDICT_not_admitted);
	if (parse_ip(tc_headers(skb), p, sizeof(struct ethhdr), skb->len - sizeof(struct ethhdr),
		     skb->gso_size))
		return guard_drop(skb, VERDICT_bad_packet);
	if (is_registration(tc_headers(skb), p)) {
		int result = access_registration(skb, in, p);

		if (result >= 0)
			return result;
	}
	refused = guard_is_plain(p) ? 0 : guard_headers(skb, p);
	if (refused)
		return guard_drop(skb, refused);
	from = lookup_binding_inline(&p->source);
	if (p->mac_destination[0] & 1 || address_is_group(p))
		return access_group(skb, in, p, from);
	p->decrement = 1;
	if (!binding_guards(from, in, p))
		return access_unguarded(skb, in, p);
	binding_saw(from);
	if (!segment_takes(in, from, p))
		return guard_pass(skb, p);
	/* A guard alone (its node has no local part here) does not know the gateway. */
	if (mac_is_set(from->gateway_mac) && !(in->flags & MAP_PORT_SHARED))
		to_gateway = mac_same_gateway(from->gateway_mac, p->mac_destination);
	else
		to_gateway = mac_same(from->gateway_mac, p->mac_destination) || sent_to_gateway(p);
	to = lookup_binding_inline(&p->destination);
	if (binding_is_local(to)) {
		if (!to_gateway && binding_is_beside(to, in, p))
			return VERDICT_PASS;
		return tc_deliver(skb, p, to, cfg->fe);
	}
	if (binding_is_foreign(to))
		return tc_encapsulate(skb, cfg, p, to->fe, VERDICT_forwarded_foreign);
	return to_gateway ? access_unbound(skb, cfg, p) : guard_pass(skb, p);
}

SEC("tc")
int victor_access(struct __sk_buff *skb)
{
	__u32 out = fast_tc(skb), refused;
	struct map_port *in;
	struct map_config *cfg;
	struct packet p = {};
	__u8 type;

	if (out)
		return (int)bpf_redirect(out, 0);
	in = lookup_port(skb->ifindex);
	cfg = lookup_config();
	if (!in || !cfg || !parse_ethernet(tc_cursor(skb, sizeof(struct ethhdr)), &p))
		return VERDICT_PASS;
	p.vlan = tc_vlan(skb);
	refused = guard_frame(in, &p);
	if (refused)
		return guard_drop(skb, refused);
	p.source.vrf = in->vrf;
	p.destination.vrf = in->vrf;
	switch (p.ethertype) {
	case ETH_P_ARP:
		return access_arp(skb, in, &p);
	case ETH_P_RARP:
		return access_rarp(skb, in, &p);
	case ETH_P_IPV6:
		type = nd_type(skb);
		if (type)
			return access_nd(skb, in, &p, type);
		break;
	case ETH_P_IP:
		break;
	default:
		return VERDICT_PASS;
	}
	return icmp_bounce(skb, &p, access_ip(skb, cfg, in, &p));
}
