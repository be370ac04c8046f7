/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Signed registrations (docs/registration.md): UDP to a gateway's address.  They go to the agent
 * before the source guard is asked, because a node that has no binding yet sends them, and under
 * a ration of their own.  What they say is the controller's to judge; here it is
 * seen that they are whole. */
#pragma once

#include "bpf/guard.h"

#define REGISTRATION_PORT 6654
#define REGISTRATION_SIZE_LEAST 72
#define REGISTRATION_SIZE_MAX 1024

struct registration_udp {
	__be16 source, destination, size;
	__sum16 checksum;
};

static __always_inline enum dataplane_verdict upcall_registration(struct __sk_buff *skb,
								  const struct map_port *in,
								  const struct packet *p,
								  __u32 size)
{
	struct map_upcall_long *u = bpf_ringbuf_reserve(&upcalls, sizeof(*u), 0);

	if (!u)
		return VERDICT_punt_lost;
	/* 'data' and 'more' are one room. */
	if (size < sizeof(struct ethhdr) || size > DATAPLANE_LONG_DATA ||
	    bpf_skb_load_bytes(skb, 0, (__u8 *)u + offsetof(struct map_upcall, data), size)) {
		bpf_ringbuf_discard(u, 0);
		return VERDICT_registration_bad;
	}
	u->head.port = in->number;
	u->head.vlan = p->vlan;
	u->head.reason = UPCALL_KIND_REGISTRATION;
	u->head.pad = 0;
	u->head.size = size;
	u->head.wire_size = size;
	u->head.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(u, upcall_wakeup(sizeof(*u)));
	return VERDICT_registration_taken;
}

/* Whether it may be one: what every packet is asked.  (Not with IPv4 options: nobody needs them.)
 */
static __always_inline int is_registration(struct cursor c, const struct packet *p)
{
	__u32 at = sizeof(struct ethhdr) +
		   (p->ethertype == ETH_P_IP ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct registration_udp *udp = cursor_at(c, at);

	return p->protocol == IPPROTO_UDP && !p->is_fragment && (void *)(udp + 1) <= c.end &&
	       udp->destination == bpf_htons(REGISTRATION_PORT);
}

/* The verdict; -1: it is for another than the gateway. */
__noinline int access_registration(struct __sk_buff *skb, const struct map_port *in,
				   const struct packet *p)
{
	struct map_prefix *gateway;
	struct registration_udp udp;
	__u32 size;

	if (!in || !p || !lookup_prefix(PREFIX_REGISTER, &p->destination))
		return -1;
	gateway = lookup_prefix(PREFIX_ANSWER, &p->destination);
	if (!gateway || !mac_same_gateway(gateway->mac, p->mac_destination))
		return -1;
	if ((p->header_size != sizeof(struct iphdr) && p->header_size != sizeof(struct ipv6hdr)) ||
	    bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + (p->header_size & 0x3c), &udp,
			       sizeof(udp)))
		return guard_drop(skb, VERDICT_registration_bad);
	size = bpf_ntohs(udp.size);
	if (size != p->size - p->header_size || size < sizeof(udp) + REGISTRATION_SIZE_LEAST ||
	    size > sizeof(udp) + REGISTRATION_SIZE_MAX)
		return guard_drop(skb, VERDICT_registration_bad);
	if (upcall_allowed(skb, in, LIMIT_REGISTRATION))
		verdict_count_port(
			in->number,
			upcall_registration(skb, in, p, sizeof(struct ethhdr) + p->size));
	return TC_ACT_SHOT;
}
