/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Packets for a node whose port has just lost its carrier: they go up whole, and the agent
 * (fe/hold.c) sends them on as soon as it is told where the node is now, so that a handoff loses
 * none of them.  The agent says when a port begins and ends to hold. */
#pragma once

#include "bpf/tc.h"

#define HOLD_QUIET (DATAPLANE_UPCALL_RING / 8)

/* The agent is not woken by the first ones: it looks when its tables have changed, which is when it
 * can do something with them. */
static __always_inline int hold_upcall(struct __sk_buff *skb, __u32 number)
{
	__u64 waiting = bpf_ringbuf_query(&upcalls, BPF_RB_AVAIL_DATA);

	return upcall_whole(skb, number, UPCALL_KIND_HELD, skb->len,
			    waiting > HOLD_QUIET ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* For a port that cannot send.  Packets of many segments are dropped as ever.  Verified by itself,
 * so not static. */
__noinline int tc_hold(struct __sk_buff *skb, const struct packet *p, __u32 number)
{
	struct map_output *out = bpf_map_lookup_elem(&outputs, &number);
	int result;

	if (!p || !out || !(out->ifindex & MAP_OUTPUT_HOLD))
		return verdict_drop(VERDICT_port_gone);
	/* Nobody reads them: the port is as it would be without. */
	if (upcalls_are_crowded()) {
		out->ifindex &= ~MAP_OUTPUT_HOLD;
		return verdict_drop(VERDICT_port_gone);
	}
	if (skb->gso_size || skb->len > DATAPLANE_HELD_DATA)
		return verdict_drop(VERDICT_port_gone);
	result = tc_decrement(skb, p);
	if (result)
		return tc_drop_decrement(result);
	return hold_upcall(skb, number) ? verdict_drop(VERDICT_port_gone)
					: verdict_drop(VERDICT_held);
}
