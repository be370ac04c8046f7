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

/* Also for its port, where that is an access port's frame and there is room. */
static __noinline void verdict_count_port(__u32 number, __u32 verdict)
{
	struct map_port_verdict key = {number, verdict};
	__u64 *count = bpf_map_lookup_elem(&port_verdicts, &key), one = 1;

	verdict_count(verdict);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (bpf_map_update_elem(&port_verdicts, &key, &one, BPF_ANY))
		verdict_count(VERDICT_port_uncounted);
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
#define LIMIT_REGISTRATION_RATE 200
#define LIMIT_REGISTRATION_BURST 50
#define LIMIT_ICMP_RATE 100
#define LIMIT_ICMP_BURST 20
/* Too big has a ration of its own: a scan for addresses must not make TCP stall. */

/* Whether there may be one more (GCRA); where the agent is behind ('crowded') only who owes nothing
 * may.  Two CPUs that race for one take turns; whoever loses thrice goes without. */
static __always_inline int limit_take_at(__u64 *at, __u64 interval, __u64 window, int crowded)
{
	__u64 now = bpf_ktime_get_ns(), due, start;

	if (crowded)
		window = 0;
#pragma unroll
	for (int attempt = 0; attempt < 3; attempt++) {
		due = *(volatile __u64 *)at;
		start = due > now ? due : now;
		if (start - now > window)
			return 0;
		if (__sync_val_compare_and_swap(at, due, start + interval) == due)
			return 1;
	}
	return 0;
}

static __always_inline int limit_take(__u32 ifindex, enum map_limit which, __u32 rate, __u32 burst)
{
	__u64 interval = 1000000000ull / rate;
	struct map_limits *l = bpf_map_lookup_elem(&limits, &ifindex);

	return l && limit_take_at(&l->due_ns[which], interval, interval * (burst - 1), 0);
}

enum upcall_kind {
	UPCALL_KIND_NEIGHBOR = 1,
	UPCALL_KIND_STRANGER = 2,
	UPCALL_KIND_CONTROL = 8,
	UPCALL_KIND_REGISTRATION = 16,
	UPCALL_KIND_HELD = 32
};

/* For a record of so many bytes that is reserved: the kernel wakes nobody who has not read all that
 * is before it, of which some may have woken nobody either (bpf/hold.h). */
static __always_inline __u64 upcall_wakeup(__u32 size)
{
	__u64 own = (size + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;

	return bpf_ringbuf_query(&upcalls, BPF_RB_AVAIL_DATA) > own ? BPF_RB_FORCE_WAKEUP : 0;
}

/* The frame's first 'limit' bytes to the agent; the caller counts what became of it. */
static __always_inline enum dataplane_verdict upcall(struct __sk_buff *skb,
						     const struct map_port *in,
						     const struct packet *p, enum upcall_kind kind,
						     __u32 limit)
{
	__u32 size = skb->len;
	struct map_upcall *u = bpf_ringbuf_reserve(&upcalls, sizeof(*u), 0);

	if (!u)
		return VERDICT_punt_lost;
	if (size > limit)
		size = limit;
	if (size < sizeof(struct ethhdr) || size > DATAPLANE_UPCALL_DATA ||
	    bpf_skb_load_bytes(skb, 0, u->data, size)) {
		bpf_ringbuf_discard(u, 0);
		return VERDICT_bad_packet;
	}
	u->port = in->number;
	u->vlan = p->vlan;
	u->reason = kind;
	u->pad = 0;
	u->size = size;
	u->wire_size = skb->len;
	u->time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(u, upcall_wakeup(sizeof(*u)));
	return VERDICT_punted;
}

/* Up to DATAPLANE_HELD_DATA bytes; 0, or -1 where there is no room. */
__noinline int upcall_whole(struct __sk_buff *skb, __u32 port, __u32 kind, __u32 size, __u64 flags)
{
	struct map_upcall_held *u = bpf_ringbuf_reserve(&upcalls, sizeof(*u), 0);

	if (!u)
		return -1;
	/* One bound after the other, else the verifier of 6.1 forgets one. */
	if (size > DATAPLANE_HELD_DATA)
		size = DATAPLANE_HELD_DATA;
	asm volatile("" : "+r"(size));
	if (size < sizeof(struct ethhdr) || bpf_skb_load_bytes(skb, 0, u->head.data, size)) {
		bpf_ringbuf_discard(u, BPF_RB_NO_WAKEUP);
		return -1;
	}
	u->head.port = port;
	u->head.vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
	u->head.reason = (__u8)kind;
	u->head.pad = 0;
	u->head.size = size;
	u->head.wire_size = skb->len;
	u->head.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(u, flags ? flags : upcall_wakeup(sizeof(*u)));
	return 0;
}

/* A stranger's, whole where that can be: the agent may have it go on when its sender is known
 * (fe/hold.c). */
static __always_inline enum dataplane_verdict upcall_stranger(struct __sk_buff *skb, __u32 port)
{
	__u32 size = skb->len;

	if ((skb->gso_size || size > DATAPLANE_HELD_DATA) && size > DATAPLANE_STRANGER_DATA)
		size = DATAPLANE_STRANGER_DATA;
	return upcall_whole(skb, port, UPCALL_KIND_STRANGER, size, 0) ? VERDICT_punt_lost
								      : VERDICT_punted;
}

/* The share of an access port: the operator's, or the standard. */
static __always_inline void limit_share(enum map_limit which, __u64 *interval, __u64 *window)
{
	__u32 zero = 0;
	struct map_guard *g = bpf_map_lookup_elem(&guard, &zero);
	__u32 rate = which == LIMIT_NEIGHBOR   ? LIMIT_NEIGHBOR_RATE
		     : which == LIMIT_STRANGER ? LIMIT_STRANGER_RATE
					       : LIMIT_REGISTRATION_RATE;
	__u32 burst = which == LIMIT_NEIGHBOR   ? LIMIT_NEIGHBOR_BURST
		      : which == LIMIT_STRANGER ? LIMIT_STRANGER_BURST
						: LIMIT_REGISTRATION_BURST;

	if (g && g->share[which].interval_ns) {
		*interval = g->share[which].interval_ns;
		*window = g->share[which].window_ns;
		return;
	}
	*interval = 1000000000ull / rate;
	*window = *interval * (burst - 1);
}

/* Whether the agent is so far behind that ports which send much would take the room of those that
 * send little. */
static __always_inline int upcalls_are_crowded(void)
{
	return bpf_ringbuf_query(&upcalls, BPF_RB_AVAIL_DATA) > DATAPLANE_UPCALL_RING / 2;
}

/* The port's share of upcalls: none of its frames costs another port's.  Whether it may; counted if
 * it may not. */
static __noinline int upcall_allowed(struct __sk_buff *skb, const struct map_port *in,
				     enum map_limit which)
{
	__u32 ifindex = skb->ifindex;
	struct map_limits *l = bpf_map_lookup_elem(&limits, &ifindex);
	int crowded = upcalls_are_crowded();
	__u64 interval, window;

	limit_share(which, &interval, &window);
	if (l && which < LIMIT_COUNT && limit_take_at(&l->due_ns[which], interval, window, crowded))
		return 1;
	verdict_count_port(in->number, crowded ? VERDICT_punt_crowded : VERDICT_punt_limited);
	return 0;
}

static __noinline void upcall_limited(struct __sk_buff *skb, const struct map_port *in,
				      const struct packet *p, enum upcall_kind kind)
{
	int neighbor = kind == UPCALL_KIND_NEIGHBOR;

	if (upcall_allowed(skb, in, neighbor ? LIMIT_NEIGHBOR : LIMIT_STRANGER))
		verdict_count_port(in->number,
				   neighbor ? upcall(skb, in, p, kind, DATAPLANE_UPCALL_DATA)
					    : upcall_stranger(skb, in->number));
}
