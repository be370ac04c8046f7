// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The way into a program that is measured (bench/src/forward.c): makes the packet what it was
 * before the last run changed it, gives it the next destination, and goes on to the program by a
 * tail call. */
#include "bench/src/forward_packet.h"

#include <linux/pkt_cls.h>

struct forward_shape shape = {};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

SEC("tc")
int forward_entry(struct __sk_buff *skb)
{
	if (skb->len != shape.size &&
	    bpf_skb_adjust_room(skb, (__s32)shape.size - (__s32)skb->len, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	if (packet_write(&shape, &shape.state, (void *)(long)skb->data,
			 (void *)(long)skb->data_end))
		return TC_ACT_SHOT;
	bpf_tail_call(skb, &target, 0);
	return TC_ACT_SHOT;
}

SEC("tc")
int forward_nothing(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
