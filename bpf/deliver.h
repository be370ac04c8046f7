/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The end of a packet's way through VICTOR: to a node here, or out by the kernel's routes. */
#pragma once

#include "bpf/guard.h"
#include "bpf/hold.h"
#include "bpf/icmp.h"
#include "bpf/path.h"

/* Nobody has the address; its prefix says whether that is told.  The gateway's own answers as a
 * router does where it has no such service. */
static __always_inline int drop_unbound(const struct packet *p, const struct map_prefix *covered)
{
	if (address_same(covered->gateway, p->destination.address))
		return p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_TCP
			       ? verdict_tell(VERDICT_no_binding, TELL_PORT, 0)
			       : verdict_drop(VERDICT_no_binding);
	return covered->flags & MAP_PREFIX_UNREACHABLE
		       ? verdict_tell(VERDICT_no_binding, TELL_ADDRESS, 0)
		       : verdict_drop(VERDICT_no_binding);
}

/* To a node on one of our ports, the one it came in by included. */
static __noinline int tc_deliver(struct __sk_buff *skb, const struct packet *p,
				 struct map_binding *to, __u32 ingress_fe)
{
	struct map_output *out = lookup_output(to->port);
	const struct map_config *cfg = lookup_config();
	int result;

	if (!out)
		return tc_hold(skb, p, to->port);
	if (out->mtu && p->segment > out->mtu)
		return tc_too_big(skb, p, out->mtu);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, to->vlan) ||
	    rewrite_macs(tc_cursor(skb, sizeof(struct ethhdr)), to->mac, to->gateway_mac))
		return verdict_drop(VERDICT_rewrite_failed);
	if (cfg && cfg->fe == ingress_fe)
		binding_count(to, p);
	else
		counter_add(ingress_fe, p);
	verdict_count(VERDICT_forwarded_local);
	return bpf_redirect(out->ifindex, 0);
}

/* Up this machine's own stack, whatever MAC it was sent to; the kernel takes its hop itself. */
static __always_inline int tc_pass_up(struct __sk_buff *skb, const struct packet *p)
{
	if (guard_is_closed() && !guard_asks_dhcp(skb, p))
		return guard_drop(skb, VERDICT_guard_host);
	bpf_skb_change_type(skb, PACKET_HOST);
	verdict_count(VERDICT_passed_up);
	return VERDICT_PASS;
}

/* No FE that may emit it is there: it does not leave by another one. */
static __always_inline int drop_no_exit(void)
{
	return verdict_tell(VERDICT_no_exit, TELL_PROHIBITED, 0);
}

/* Whether what another FE sent may leave VICTOR here; else why not.  It is not sent on to a third
 * one. */
static __noinline int exit_refuses(struct __sk_buff *skb, const struct packet *p)
{
	const struct map_prefix *out = lookup_way_out(p);

	if (guard_shields(p))
		return guard_drop(skb, VERDICT_guard_underlay);
	if (!out)
		return verdict_drop(VERDICT_no_route);
	if (out->flags & MAP_PREFIX_NO_EXIT)
		return drop_no_exit();
	return out->fe ? verdict_drop(VERDICT_external_loop) : 0;
}

/* Out of VICTOR, by the kernel's FIB; it came in by the device 'ifindex'. */
static __noinline int tc_leave(struct __sk_buff *skb, const struct packet *p, __u32 ifindex)
{
	struct bpf_fib_lookup fib = {};
	struct route route;
	int result;

	fib.tot_len = (__u16)p->segment;
	fib.ifindex = ifindex;
	if (p->ethertype == ETH_P_IP) {
		fib.family = AF_INET;
		fib.tos = p->tos & ~ECN_MASK;
		fib.ipv4_src = address_get_ipv4(p->source.address);
		fib.ipv4_dst = address_get_ipv4(p->destination.address);
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, p->source.address, 16);
		__builtin_memcpy(fib.ipv6_dst, p->destination.address, 16);
	}
	tc_route_result(&route, &fib, bpf_fib_lookup(skb, &fib, sizeof(fib), 0));
	if ((route.result == BPF_FIB_LKUP_RET_SUCCESS ||
	     route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED) &&
	    guard_is_backplane(route.ifindex))
		return guard_drop(skb, VERDICT_guard_underlay);
	if (route.result == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return tc_too_big(skb, p, route.mtu);
	if (route.result == BPF_FIB_LKUP_RET_BLACKHOLE)
		return verdict_drop(VERDICT_no_route);
	if (route.result == BPF_FIB_LKUP_RET_UNREACHABLE)
		return verdict_tell(VERDICT_no_route, TELL_ROUTE, 0);
	if (route.result == BPF_FIB_LKUP_RET_PROHIBIT)
		return verdict_tell(VERDICT_no_route, TELL_PROHIBITED, 0);
	if (route.result != BPF_FIB_LKUP_RET_SUCCESS)
		return tc_pass_up(skb, p);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	if (tc_set_vlan(skb, 0))
		return verdict_drop(VERDICT_rewrite_failed);
	verdict_count(VERDICT_forwarded_external);
	return (int)bpf_redirect_neigh(route.ifindex, &route.hop, sizeof(route.hop), 0);
}
