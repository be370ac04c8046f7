// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* What measures programs and paths (bench/src/forward.c, forward_lockstep.c).
 *
 * The way into a program that is measured (bench/src/forward.c): makes the packet what it was
 * before the last run changed it, gives it the next destination, and goes on to the program by a
 * tail call. */
#include "bench/src/forward.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
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

/* The head and the next destination, in the sizes that there are: an IPv4 header, one in another,
 * with an IPv6 header. */
static __always_inline int packet_write(void *data, void *end)
{
	__u32 next, at = shape.address & 127, size = shape.head_size;

	if (data + 34 > end)
		return -1;
	__builtin_memcpy(data, shape.head, 34);
	if (size > 34) {
		if (data + 54 > end)
			return -1;
		__builtin_memcpy(data + 34, shape.head + 34, 20);
	}
	if (size > 54) {
		if (data + 74 > end)
			return -1;
		__builtin_memcpy(data + 54, shape.head + 54, 20);
	}
	shape.state ^= shape.state << 13;
	shape.state ^= shape.state >> 17;
	shape.state ^= shape.state << 5;
	next = bpf_htonl(shape.base + (__u32)(((__u64)shape.state * shape.count) >> 32));
	if (data + at + 4 > end)
		return -1;
	__builtin_memcpy(data + at, &next, 4);
	if (shape.sum) {
		__u32 sum = shape.sum + (next & 0xffff) + (next >> 16);

		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		*(__u16 *)(data + 24) = (__u16)~sum;
	}
	return 0;
}

SEC("tc")
int forward_entry(struct __sk_buff *skb)
{

	if (skb->len != shape.size &&
	    bpf_skb_adjust_room(skb, (__s32)shape.size - (__s32)skb->len, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	if (packet_write((void *)(long)skb->data, (void *)(long)skb->data_end))
		return TC_ACT_SHOT;
	bpf_tail_call(skb, &target, 0);
	return TC_ACT_SHOT;
}

SEC("tc")
int forward_nothing(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

/* ---- lockstep: a generator, paths to compare with, and a sink ---- */

__u64 received = 0;

SEC("xdp")
int forward_generate(struct xdp_md *ctx)
{
	if (packet_write((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_ABORTED;
	return (int)bpf_redirect(shape.out_ifindex, 0);
}

SEC("xdp")
int forward_sink(struct xdp_md *ctx)
{
	received++;
	return XDP_DROP;
}

/* The least that a path can do: the hop alone. */
SEC("xdp")
int forward_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect(shape.through_ifindex, 0);
}

/* The kernel's routes by XDP, as its own sample does it: TTL, MACs, redirect. */
SEC("xdp")
int forward_fib(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct bpf_fib_lookup fib = {.ifindex = ctx->ingress_ifindex};
	struct ethhdr *eth = data;

	if (data + sizeof(*eth) + sizeof(struct ipv6hdr) > end)
		return XDP_ABORTED;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(*eth);

		fib.family = 2; /* AF_INET */
		fib.tot_len = bpf_ntohs(ip->tot_len);
		fib.ipv4_src = ip->saddr;
		fib.ipv4_dst = ip->daddr;
		if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0))
			return XDP_ABORTED;
		ip->check = (__u16)(ip->check + 1 + (ip->check >= 0xfffe));
		ip->ttl--;
	} else {
		struct ipv6hdr *ip = data + sizeof(*eth);

		fib.family = 10; /* AF_INET6 */
		fib.tot_len = bpf_ntohs(ip->payload_len);
		__builtin_memcpy(fib.ipv6_src, &ip->saddr, 16);
		__builtin_memcpy(fib.ipv6_dst, &ip->daddr, 16);
		if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0))
			return XDP_ABORTED;
		ip->hop_limit--;
	}
	__builtin_memcpy(eth->h_dest, fib.dmac, 6);
	__builtin_memcpy(eth->h_source, fib.smac, 6);
	return (int)bpf_redirect(fib.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
