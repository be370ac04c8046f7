/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What becomes of a packet, counted by name; and upcalls, which are rationed for each port so that
 * no node can drown the agent. */
#pragma once

#include "bpf/maps.h"
#include "bpf/parse.h"

#include <linux/pkt_cls.h>

/* Left to whoever comes next on this hook, then to the kernel: the frame is as it was (P6). */
#define VERDICT_PASS TC_ACT_UNSPEC

static __always_inline void verdict_count(enum dataplane_verdict verdict)
{
	__u32 key = verdict;
	__u64 *count = bpf_map_lookup_elem(&verdicts, &key);

	if (count)
		(*count)++;
}

static __always_inline int verdict_drop(enum dataplane_verdict why)
{
	verdict_count(why);
	return TC_ACT_SHOT;
}

/* What the sender of a packet that is dropped shall be told, if it may be told anything: a step's
 * result then is one of these with, for TELL_TOO_BIG, the MTU below it; icmp.h makes the message of
 * it at the end of the hook. */
enum tell {
	TELL_TOO_BIG = 1,
	TELL_TTL,
	TELL_ADDRESS,    /* nobody has it */
	TELL_ROUTE,      /* there is none */
	TELL_PROHIBITED, /* by a route */
	TELL_PORT,       /* the gateway itself has no such service */
	TELL_ELEMENT,    /* another FE: its outer packet is too big (transit.h) */
};

static __always_inline int verdict_tell(enum dataplane_verdict why, enum tell tell, __u32 mtu)
{
	verdict_count(why);
	return (int)(tell << 16 | (mtu < 0xffff ? mtu : 0xffff));
}

static __always_inline int verdict_tells(int result)
{
	return result > 0xffff;
}

/* Rations: so many a second, so many at once. */
#define LIMIT_NEIGHBOR_RATE 1000
#define LIMIT_NEIGHBOR_BURST 200
#define LIMIT_STRANGER_RATE 100
#define LIMIT_STRANGER_BURST 20
#define LIMIT_CONTROL_RATE 20000 /* what FEs that we know say of links */
#define LIMIT_CONTROL_BURST 2000
#define LIMIT_ICMP_RATE 100
#define LIMIT_ICMP_BURST 20
/* Too big has a ration of its own: a scan for addresses must not make TCP stall. */

/* Whether the port may have one more (GCRA).  Two CPUs that race for one take turns; whoever loses
 * thrice goes without. */
static __always_inline int limit_take(__u32 ifindex, enum map_limit which, __u32 rate, __u32 burst)
{
	__u64 interval = 1000000000ull / rate, now = bpf_ktime_get_ns(), due, start;
	struct map_limits *l = bpf_map_lookup_elem(&limits, &ifindex);

	if (!l)
		return 0;
#pragma unroll
	for (int attempt = 0; attempt < 3; attempt++) {
		due = *(volatile __u64 *)&l->due_ns[which];
		start = due > now ? due : now;
		if (start - now > interval * (burst - 1))
			return 0;
		if (__sync_val_compare_and_swap(&l->due_ns[which], due, start + interval) == due)
			return 1;
	}
	return 0;
}

enum upcall_kind {
	UPCALL_KIND_NEIGHBOR = 1,
	UPCALL_KIND_STRANGER = 2,
	UPCALL_KIND_CONTROL = 8,
	UPCALL_KIND_REGISTRATION = 16
};

/* The frame's first 'limit' bytes to the agent. */
static __always_inline void upcall(struct __sk_buff *skb, const struct map_port *in,
				   const struct packet *p, enum upcall_kind kind, __u32 limit)
{
	__u32 size = skb->len;
	struct map_upcall *u = bpf_ringbuf_reserve(&upcalls, sizeof(*u), 0);

	if (!u) {
		verdict_count(VERDICT_punt_lost);
		return;
	}
	if (size > limit)
		size = limit;
	if (size < sizeof(struct ethhdr) || size > DATAPLANE_UPCALL_DATA ||
	    bpf_skb_load_bytes(skb, 0, u->data, size)) {
		bpf_ringbuf_discard(u, 0);
		return;
	}
	u->port = in->number;
	u->vlan = p->vlan;
	u->reason = kind;
	u->pad = 0;
	u->size = size;
	u->wire_size = skb->len;
	u->time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(u, 0);
	verdict_count(VERDICT_punted);
}

static __noinline int upcall_limited(struct __sk_buff *skb, const struct map_port *in,
				     const struct packet *p, enum upcall_kind kind)
{
	int neighbor = kind == UPCALL_KIND_NEIGHBOR;

	if (!limit_take(skb->ifindex, neighbor ? LIMIT_NEIGHBOR : LIMIT_STRANGER,
			neighbor ? LIMIT_NEIGHBOR_RATE : LIMIT_STRANGER_RATE,
			neighbor ? LIMIT_NEIGHBOR_BURST : LIMIT_STRANGER_BURST)) {
		verdict_count(VERDICT_punt_limited);
		return 0;
	}
	upcall(skb, in, p, kind, neighbor ? DATAPLANE_UPCALL_DATA : DATAPLANE_STRANGER_DATA);
	return 1;
}
