// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/* The ends of a lane (bench/src/lanes.c): a generator and a sink; and the ways between them that
 * are programs, to compare with. */
#include "bench/src/lanes.h"
#include "bench/src/forward_packet.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

struct forward_shape shape = {};
struct lane_core core[LANE_CORES] = {};

static __always_inline struct lane_core *this_core(void)
{
	return &core[bpf_get_smp_processor_id() & (LANE_CORES - 1)];
}

SEC("xdp")
int lane_generate(struct xdp_md *ctx)
{
	struct lane_core *here = this_core();

	here->sent++;
	if (packet_write(&shape, &here->state, (void *)(long)ctx->data,
			 (void *)(long)ctx->data_end))
		return XDP_ABORTED;
	return (int)bpf_redirect(shape.out_ifindex, 0);
}

SEC("xdp")
int lane_sink(struct xdp_md *ctx)
{
	this_core()->received++;
	return XDP_DROP;
}

/* The least that a path can do: the hop alone. */
SEC("xdp")
int lane_redirect(struct xdp_md *ctx)
{
	return (int)bpf_redirect(shape.through_ifindex, 0);
}

/* The kernel's routes by XDP, as its own sample does it: TTL, MACs, redirect. */
SEC("xdp")
int lane_fib(struct xdp_md *ctx)
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
