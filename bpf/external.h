/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* An external port: what clients and routers send. */
#pragma once

#include "bpf/deliver.h"
#include "bpf/tunnel.h"

/* ---- external ports ---- */

static __always_inline int external_ip(struct __sk_buff *skb, const struct map_config *cfg,
				       const struct packet *p)
{
	struct map_binding *to = lookup_binding(&p->destination);
	struct map_prefix *covered;

	if (binding_is_local(to))
		return tc_deliver(skb, p, to, cfg->fe);
	if (binding_is_foreign(to))
		return tc_encapsulate(skb, cfg, p, to->fe, VERDICT_forwarded_foreign);
	covered = lookup_prefix(PREFIX_COVERED, &p->destination);
	return covered ? drop_unbound(p, covered) : VERDICT_PASS;
}

SEC("tc")
int victor_external(struct __sk_buff *skb)
{
	struct map_port *in = lookup_port(skb->ifindex);
	struct map_config *cfg = lookup_config();
	struct cursor c = tc_cursor(skb, HEADERS_SIZE);
	struct packet p = {.decrement = 1};

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
	return icmp_bounce(skb, &p, external_ip(skb, cfg, &p));
}
