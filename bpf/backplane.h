/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The backplane: what other FEs send. */
#pragma once

#include "bpf/deliver.h"
#include "bpf/inner.h"
#include "bpf/tunnel.h"

/* ---- the backplane ---- */

/* Inside the tunnel, from 'peer': where to?  A marked packet uses a local binding or nothing, so
 * that two FEs that point at each other cannot loop (design P4). */
static __always_inline int backplane_inner(struct __sk_buff *skb, const struct map_config *cfg,
					   const struct packet *tunnel, struct packet *p,
					   const struct map_peer_source *peer, int marked)
{
	struct map_binding *to = lookup_binding(&p->destination);
	int local = marked ? to && to->flags & MAP_BINDING_LOCAL : binding_is_local(to);
	struct map_prefix *external = NULL;

	if (!local) {
		if (marked)
			return verdict_drop(VERDICT_redirected_miss);
		if (binding_is_foreign(to))
			return tc_redirect_on(skb, cfg, p, tunnel, to->fe);
		if (lookup_prefix(PREFIX_COVERED, &p->destination))
			return verdict_drop(VERDICT_no_binding);
		external = lookup_prefix(PREFIX_EXTERNAL, &p->destination);
		if (!external || external->fe)
			return verdict_drop(external ? VERDICT_external_loop : VERDICT_no_route);
	}
	if ((tunnel->tos & ECN_MASK) == ECN_CE && !(p->tos & ECN_MASK))
		return verdict_drop(VERDICT_ecn_mismatch);
	if (inner_is_wanted(skb, cfg, p) && !inner_send(skb, cfg, tunnel, p, marked))
		return (int)bpf_redirect(cfg->inner_ifindex, BPF_F_INGRESS);
	if (tc_decapsulate(skb, p, tunnel->tos))
		return verdict_drop(VERDICT_rewrite_failed);
	return local ? tc_deliver(skb, p, to, peer->fe) : tc_leave(skb, p, skb->ifindex);
}

SEC("tc")
int victor_backplane(struct __sk_buff *skb)
{
	const __u32 inner_at = sizeof(struct ethhdr) + OUTER_SIZE;
	struct map_config *cfg = lookup_config();
	struct packet tunnel = {}, p = {};
	struct map_peer_source *peer;
	struct cursor c = tc_cursor(skb, HEADERS_TUNNEL_SIZE);
	__be32 to;

	if (!cfg || !cfg->backplane || !parse_ethernet(c, &tunnel) ||
	    tunnel.ethertype != ETH_P_IP || skb->pkt_type != PACKET_HOST)
		return VERDICT_PASS;
	if (parse_ipv4(c, &tunnel, sizeof(struct ethhdr), skb->len - sizeof(struct ethhdr),
		       skb->gso_size))
		return VERDICT_PASS;
	to = address_get_ipv4(tunnel.destination.address);
	if ((tunnel.protocol != IPPROTO_IPIP && tunnel.protocol != IPPROTO_IPV6) ||
	    (to != cfg->backplane && to != cfg->redirect))
		return VERDICT_PASS;
	peer = lookup_peer_source(address_get_ipv4(tunnel.source.address));
	if (!peer)
		return verdict_drop(VERDICT_unknown_peer);
	p.ethertype = tunnel.protocol == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6;
	if (tunnel.is_fragment || tunnel.header_size != OUTER_SIZE ||
	    parse_ip(c, &p, inner_at, tunnel.size - OUTER_SIZE, skb->gso_size))
		return verdict_drop(VERDICT_bad_packet);
	p.source.vrf = peer->vrf;
	p.destination.vrf = peer->vrf;
	return backplane_inner(skb, cfg, &tunnel, &p, peer, to == cfg->redirect);
}

/* ---- from the backplane, the long way (inner.h) ---- */

/* Up this machine's stack, by the backplane's device again. */
static __always_inline int inner_pass_up(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct inner_header *head)
{
	if (rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), head->mac, head->mac))
		return verdict_drop(VERDICT_rewrite_failed);
	return (int)bpf_redirect(cfg->backplane_ifindex, BPF_F_INGRESS);
}

/* What victor_backplane found is found again: a table may have changed between. */
static __always_inline int inner_forward(struct __sk_buff *skb, const struct map_config *cfg,
					 const struct inner_header *head, struct packet *p,
					 const struct map_peer_source *peer)
{
	struct map_binding *to = lookup_binding(&p->destination);
	int result;

	if (head->marked ? to && to->flags & MAP_BINDING_LOCAL : binding_is_local(to))
		return tc_deliver(skb, p, to, peer->fe);
	if (head->marked)
		return verdict_drop(VERDICT_redirected_miss);
	if (binding_is_foreign(to))
		return tc_encapsulate(skb, cfg, p, to->fe, VERDICT_redirected);
	if (lookup_prefix(PREFIX_COVERED, &p->destination))
		return verdict_drop(VERDICT_no_binding);
	result = tc_leave(skb, p, cfg->backplane_ifindex);
	return result == VERDICT_PASS ? inner_pass_up(skb, cfg, head) : result;
}

SEC("tc")
int victor_inner(struct __sk_buff *skb)
{
	struct map_config *cfg = lookup_config();
	struct inner_header head;
	struct map_peer_source *peer;
	struct packet p = {};
	struct cursor c;

	if (!cfg || inner_read(tc_cursor(skb, sizeof(head)), cfg, &head))
		return verdict_drop(VERDICT_inner_refused);
	inner_heard();
	if (inner_strip(skb, &head))
		return verdict_drop(VERDICT_rewrite_failed);
	c = tc_cursor(skb, HEADERS_SIZE);
	p.ethertype = bpf_ntohs(head.eth.h_proto);
	if (parse_ip(c, &p, sizeof(struct ethhdr), skb->len - sizeof(struct ethhdr), skb->gso_size))
		return verdict_drop(VERDICT_bad_packet);
	if (p.ethertype == ETH_P_IP && (head.tos & ECN_MASK) == ECN_CE && rewrite_ce_ipv4(c))
		return verdict_drop(VERDICT_rewrite_failed);
	peer = lookup_peer_source(head.peer);
	if (!peer)
		return verdict_drop(VERDICT_unknown_peer);
	p.source.vrf = peer->vrf;
	p.destination.vrf = peer->vrf;
	return inner_forward(skb, cfg, &head, &p, peer);
}
