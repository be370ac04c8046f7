/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The long way of packets of many segments out of the tunnel.
 *
 * Behind bpf_skb_adjust_room such an skb is still marked as a tunnel's (SKB_GSO_IPXIP4,
 * skb->encapsulation), no helper takes that off, and a device without tunnel offloads, every tap,
 * gets it cut to segments.  The kernel's own decapsulation does take it off.  One that every kernel
 * has and that fits any packet is SRv6's End.DX2 ("what is inside is Ethernet: out of that
 * device"), so the packet is dressed up for it:
 *
 *	backplane: Ethernet | outer headers | the packet  (victor_backplane: inner_send)
 *	own device, in: Ethernet | IPv6 | inner_header | the packet       (the kernel: End.DX2)
 *	own device, out: inner_header | the packet        (victor_inner: inner_read, inner_strip)
 *
 * A packet on its way to another FE takes the same way, and keeps its outer header, where it came
 * and goes on by links of which only one puts UDP in front: the marks are other ones.
 *
 * The device is the element's own (fe/io/datapath_inner.c); nothing else goes there, and what does
 * not carry the token is refused.  Packets that follow a long one take the same way for a while, so
 * that none overtakes another.  Where nothing comes out of the device (somebody took it down or
 * turned its IPv6 off), the long way is left alone but for one packet a second. */
#pragma once

#include "bpf/tunnel.h"

#define INNER_TRAIL_NS 20000000ll /* some ticks of the coarse clock, by which all this is */
#define INNER_PATIENCE_NS 100000000ll
#define INNER_RETRY_NS 1000000000ll
#define INNER_PROTOCOL 143 /* Ethernet (RFC 8986) */

struct inner_frame {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct inner_header head;
} __attribute__((packed));

#define INNER_ADDED_MAX (sizeof(struct inner_header) + OUTER_SIZE_MAX)
#define INNER_SIZE ((int)(sizeof(struct inner_frame) - sizeof(struct ethhdr)))
#define INNER_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

static __always_inline __u32 inner_trail_of(const struct packet *p)
{
	__u32 from, to, hash;

	__builtin_memcpy(&from, p->source.address + 12, 4);
	__builtin_memcpy(&to, p->destination.address + 12, 4);
	hash = from * 0x9e3779b1u ^ to * 0x85ebca6bu;
	return (hash ^ hash >> 16) % DATAPLANE_TRAILS;
}

/* Asked before each packet is sent. */
static __always_inline int inner_is_alive(__u64 now)
{
	__u32 zero = 0;
	struct map_inner_health *h = bpf_map_lookup_elem(&inner_health, &zero);
	__u64 since = h ? h->waiting_ns : 0;

	if (!h)
		return 0;
	if (!since) {
		h->waiting_ns = now;
		return 1;
	}
	if ((__s64)(now - since) < INNER_PATIENCE_NS)
		return 1;
	if ((__s64)(now - h->tried_ns) < INNER_RETRY_NS) {
		verdict_count(VERDICT_inner_bypassed);
		return 0;
	}
	h->tried_ns = now;
	return 1;
}

static __always_inline void inner_heard(void)
{
	__u32 zero = 0;
	struct map_inner_health *h = bpf_map_lookup_elem(&inner_health, &zero);

	if (h && h->waiting_ns)
		h->waiting_ns = 0;
}

/* Many segments, or close behind such a packet. */
static __always_inline int inner_is_wanted(const struct __sk_buff *skb,
					   const struct map_config *cfg, const struct packet *p)
{
	__u32 key = inner_trail_of(p);
	__u64 *last, now;

	if (!cfg->inner_ifindex || p->size + INNER_ADDED_MAX > 0xffff)
		return 0;
	last = bpf_map_lookup_elem(&trails, &key);
	if (!last)
		return 0;
	if (!skb->gso_size && !*last)
		return 0;
	now = bpf_ktime_get_coarse_ns();
	if (skb->gso_size)
		*last = now;
	return (__s64)(now - *last) < INNER_TRAIL_NS && inner_is_alive(now);
}

/* The tunnel packet in the other clothes; the packet is as it was where this fails. */
static __noinline int inner_send(struct __sk_buff *skb, const struct map_config *cfg,
				 const struct tunnel *t, const struct packet *p,
				 enum inner_what what)
{
	__u32 kept = what == INNER_NODE || what == INNER_READY ? 0 : t->size;
	struct inner_frame frame __attribute__((aligned(8))) = {}, *at;
	struct cursor c;

	copy_mac(frame.eth.h_dest, cfg->inner_mac);
	copy_mac(frame.eth.h_source, cfg->inner_mac);
	frame.eth.h_proto = bpf_htons(ETH_P_IPV6);
	frame.ip.version = 6;
	frame.ip.payload_len = bpf_htons(sizeof(frame.head) + kept + p->size);
	frame.ip.nexthdr = INNER_PROTOCOL;
	frame.ip.hop_limit = 64;
	/* From where it goes to: a route back is what reverse path filters ask for. */
	copy_even(&frame.ip.saddr, cfg->inner_address, 16);
	copy_even(&frame.ip.daddr, cfg->inner_address, 16);
	frame.head.eth.h_proto = bpf_htons(what == INNER_TOO_BIG ? t->ip.ethertype : p->ethertype);
	frame.head.token[0] = cfg->inner_token[0];
	frame.head.token[1] = cfg->inner_token[1];
	frame.head.fe = t->fe;
	frame.head.detail = t->vrf;
	frame.head.what = what == INNER_NODE && t->marked ? INNER_MARKED : what;
	frame.head.tos = t->tos;
	copy_mac(frame.head.mac, t->ip.mac_destination);
	frame.head.ifindex = skb->ifindex;
	if (what == INNER_READY) {
		copy_mac(frame.head.eth.h_dest, t->mac);
		copy_mac(frame.head.eth.h_source, t->gateway_mac);
		frame.head.fe = t->vlan;
		frame.head.detail = t->out;
		frame.head.mac[0] = p->tos;
	}
	if (tc_set_vlan(skb, 0) || bpf_skb_adjust_room(skb, INNER_SIZE - (int)(t->size - kept),
						       BPF_ADJ_ROOM_MAC, INNER_FLAGS))
		return -1;
	c = tc_cursor(skb, sizeof(frame));
	at = c.data;
	if ((void *)(at + 1) > c.end)
		return -1;
	copy_even(at, &frame, sizeof(frame));
	return 0;
}

/* The same of what the agent sent: it has one Ethernet header, which inner_header begins with. */
static __always_inline int inner_uncover(struct __sk_buff *skb)
{
	return (int)bpf_skb_adjust_room(skb,
					-(int)(sizeof(struct inner_header) - sizeof(struct ethhdr)),
					BPF_ADJ_ROOM_MAC, 0);
}

/* 0 if it is ours. */
static __always_inline int inner_read(struct cursor c, const struct map_config *cfg,
				      struct inner_header *ret)
{
	struct inner_header *head = c.data;

	if ((void *)(head + 1) > c.end || !(cfg->inner_token[0] | cfg->inner_token[1]))
		return -1;
	copy_even(ret, head, sizeof(*ret));
	return ret->token[0] == cfg->inner_token[0] && ret->token[1] == cfg->inner_token[1] ? 0
											    : -1;
}

/* Leaves Ethernet and, without the 'more' bytes behind inner_header, the packet.  The kernel thinks
 * that the network header is where inner_header begins: room for Ethernet is made before it, then
 * it is taken out. */
static __always_inline int inner_strip(struct __sk_buff *skb, const struct inner_header *head,
				       __u32 more)
{
	struct cursor c;
	struct ethhdr *eth;

	if (bpf_skb_change_head(skb, sizeof(struct ethhdr), 0) ||
	    bpf_skb_adjust_room(skb, -(int)(sizeof(*head) + more), BPF_ADJ_ROOM_MAC, INNER_FLAGS))
		return -1;
	c = tc_cursor(skb, sizeof(struct ethhdr));
	eth = c.data;
	if ((void *)(eth + 1) > c.end)
		return -1;
	copy_even(eth, &head->eth, sizeof(*eth));
	return 0;
}
