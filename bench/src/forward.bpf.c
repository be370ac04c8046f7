// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The way into a program that is measured (bench/src/forward.c): makes the packet what it was
 * before the last run changed it, gives it the next destination, and goes on to the program by a
 * tail call. */
#include "bench/src/forward.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

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
	void *data, *end;
	__u32 next, at = shape.address & 127, size = shape.head_size;

	if (skb->len != shape.size &&
	    bpf_skb_adjust_room(skb, (__s32)shape.size - (__s32)skb->len, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	/* In the sizes that there are: an IPv4 header, one in another, with an IPv6 header. */
	if (data + 34 > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(data, shape.head, 34);
	if (size > 34) {
		if (data + 54 > end)
			return TC_ACT_SHOT;
		__builtin_memcpy(data + 34, shape.head + 34, 20);
	}
	if (size > 54) {
		if (data + 74 > end)
			return TC_ACT_SHOT;
		__builtin_memcpy(data + 54, shape.head + 54, 20);
	}
	shape.state ^= shape.state << 13;
	shape.state ^= shape.state >> 17;
	shape.state ^= shape.state << 5;
	next = bpf_htonl(shape.base + (__u32)(((__u64)shape.state * shape.count) >> 32));
	if (data + at + 4 > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(data + at, &next, 4);
	bpf_tail_call(skb, &target, 0);
	return TC_ACT_SHOT;
}

SEC("tc")
int forward_nothing(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
