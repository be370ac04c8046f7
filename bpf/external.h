/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* An external port: what clients and routers send. */
#pragma once

#include "bpf/deliver.h"
#include "bpf/fast.h"
#include "bpf/tunnel.h"

/* ---- external ports ---- */

static __always_inline int external_ip(struct __sk_buff *skb, const struct map_config *cfg,
				       const struct packet *p)
{
	struct map_binding *to = lookup_binding_inline(&p->destination);
	struct map_prefix *covered = to ? NULL : lookup_prefix(PREFIX_COVERED, &p->destination);

	if (!to && !covered)
		return VERDICT_PASS;
	/* What nodes send comes by access ports and the backplane. */
	if (lookup_prefix(PREFIX_COVERED, &p->source))
		return guard_drop(skb, VERDICT_guard_outside);
	if (binding_is_local(to))
		return tc_deliver(skb, p, to, cfg->fe);
	if (binding_is_foreign(to))
		return tc_encapsulate(skb, cfg, p, to->fe, VERDICT_forwarded_foreign);
	if (!covered)
		covered = lookup_prefix(PREFIX_COVERED, &p->destination);
	return covered ? drop_unbound(p, covered) : VERDICT_PASS;
}

/* What a sender outside is told comes from a gateway, whose prefix may only leave by other FEs. */
static __always_inline int external_bounce(struct __sk_buff *skb, const struct map_config *cfg,
					   struct packet *p, int result)
{
	const struct map_prefix *exit;

	if (!verdict_tells(result))
		return result;
	if (icmp_answer(skb, p, result))
		return TC_ACT_SHOT;
	exit = lookup_prefix(PREFIX_EXIT, &p->source);
	if (exit && exit->flags & MAP_PREFIX_NO_EXIT)
		return TC_ACT_SHOT;
	if (exit && exit->fe) {
		result = tc_encapsulate(skb, cfg, p, exit->fe, VERDICT_forwarded_external);
		return verdict_tells(result) ? TC_ACT_SHOT : result;
	}
	if (rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), p->mac_source, p->mac_destination))
		return TC_ACT_SHOT;
	return (int)bpf_redirect(skb->ifindex, 0);
}

SEC("tc")
int victor_external(struct __sk_buff *skb)
{
	__u32 out = skb->pkt_type == PACKET_HOST ? fast_tc(skb) : 0;
	struct packet p = {.decrement = 1};
	struct map_config *cfg;
	struct map_port *in;
	struct cursor c;

	if (out)
		return (int)bpf_redirect(out, 0);
	in = lookup_port(skb->ifindex);
	cfg = lookup_config();
	c = tc_headers(skb);
	if (!in || !cfg || skb->pkt_type != PACKET_HOST || !parse_ethernet(c, &p) ||
	    !port_admits(in, &p) || (p.ethertype != ETH_P_IP && p.ethertype != ETH_P_IPV6))
		return VERDICT_PASS;
	if (tc_vlan(skb) && !(in->flags & MAP_PORT_TRUNK))
		return VERDICT_PASS;
	if (parse_ip(c, &p, sizeof(struct ethhdr), skb->len - sizeof(struct ethhdr),
		     skb->gso_size) ||
	    address_is_group(&p))
		return VERDICT_PASS;
	p.destination.vrf = in->vrf;
	p.source.vrf = in->vrf;
	return external_bounce(skb, cfg, &p, external_ip(skb, cfg, &p));
}
