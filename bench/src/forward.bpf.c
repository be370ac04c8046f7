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

/* What waiting for memory takes by itself: one cache line, by the destination, is read, or read and
 * added to.  Nothing else is done. */
struct forward_lines {
	__u64 words[FORWARD_LINES][8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct forward_lines);
} lines SEC(".maps");

static __always_inline __u64 *line_of(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 at = shape.address & 127, line, chunk;
	struct forward_lines *found;

	if (data + at + 4 > end)
		return NULL;
	line = (__u32)(((__u64)((*(__u32 *)(data + at)) * 0x9e3779b1u) * shape.lines) >> 32);
	chunk = line / FORWARD_LINES;
	asm volatile("" : "+r"(line));
	found = bpf_map_lookup_elem(&lines, &chunk);
	return found ? found->words[line % FORWARD_LINES] : NULL;
}

SEC("tc")
int forward_read(struct __sk_buff *skb)
{
	const __u64 *line = line_of(skb);

	return line && !*(const volatile __u64 *)line ? TC_ACT_OK : TC_ACT_SHOT;
}

/* Likewise, and the next destination depends on what was read: no two reads are under way at once.
 */
SEC("tc")
int forward_wait(struct __sk_buff *skb)
{
	const __u64 *line = line_of(skb);

	if (!line)
		return TC_ACT_SHOT;
	shape.state += (__u32) * (const volatile __u64 *)line; /* which is 0 */
	return TC_ACT_OK;
}

SEC("tc")
int forward_add(struct __sk_buff *skb)
{
	__u64 *line = line_of(skb);

	if (!line || *(volatile __u64 *)line)
		return TC_ACT_SHOT;
	__sync_fetch_and_add(&line[4], 1);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
