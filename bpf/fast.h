/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The short way of most packets: a plain one from a guarded node, or from outside, to a node here.
 * At tc and at XDP, before anything else.  It decides nothing by itself: whatever is not all plain
 * (options, fragments, a VLAN, shared LANs, what is to be punted, refused, answered or told) is
 * left untouched to the long way at tc, and what goes the short way comes out as the long way would
 * have it, counted alike (tests/bpf/fast.c compares). */
#pragma once

#include "bpf/lookup.h"
#include "bpf/registration.h"
#include "bpf/rewrite.h"

struct fast {
	const struct map_fast_port *in;
	struct map_binding *from; /* who sent it, if that is a node */
	struct map_binding *to;
	__u32 ifindex; /* where it goes out */
	__u32 size;    /* of the IP packet */
};

static __always_inline const struct map_fast_port *fast_port(__u32 ifindex)
{
	__u32 at = ifindex & (DATAPLANE_FAST_PORTS - 1);
	const struct map_fast_port *port = bpf_map_lookup_elem(&fast_ports, &at);

	return port && port->ifindex == ifindex ? port : NULL;
}

/* Headers as they are read here: no options, no extension headers, and the ports. */
struct fast_head4 {
	struct iphdr ip;
	__be16 ports[2];
};
struct fast_head6 {
	struct ipv6hdr ip;
	__be16 ports[2];
};

/* Ports that the guard or a registration may look at. */
static __always_inline int fast_udp_is_plain(const __be16 ports[2])
{
	return ports[0] != bpf_htons(GUARD_DHCP_SERVER) &&
	       ports[0] != bpf_htons(GUARD_DHCP6_SERVER) &&
	       ports[1] != bpf_htons(REGISTRATION_PORT);
}

/* The keys, if the headers are plain. */
static __always_inline int fast_read4(const struct fast_head4 *h, __u32 size, __u32 *ret_size,
				      struct map_address_key *from, struct map_address_key *to)
{
	const struct iphdr *ip = &h->ip;
	__u32 whole = bpf_ntohs(ip->tot_len);

	if (ip->version != 4 || ip->ihl != 5 || ip->frag_off & bpf_htons(IP_FRAGMENT) ||
	    ip->ttl <= 1 || whole > size || whole < sizeof(*ip) + 4 ||
	    (ip->protocol == IPPROTO_UDP && !fast_udp_is_plain(h->ports)))
		return -1;
	address_set_ipv4(from->address, ip->saddr);
	address_set_ipv4(to->address, ip->daddr);
	*ret_size = whole;
	/* Multicast, broadcast: nobody's binding, but the long way knows. */
	return to->address[12] >= 224 || !to->address[12] ? -1 : 0;
}

static __always_inline int fast_read6(const struct fast_head6 *h, __u32 size, __u32 *ret_size,
				      struct map_address_key *from, struct map_address_key *to)
{
	const struct ipv6hdr *ip = &h->ip;
	__u32 whole = bpf_ntohs(ip->payload_len) + sizeof(*ip);

	if (ip->version != 6 || ip->hop_limit <= 1 || whole > size || whole < sizeof(*ip) + 4 ||
	    address_is_mapped(&ip->saddr) || address_is_mapped(&ip->daddr) ||
	    ip->daddr.s6_addr[0] == 0xff)
		return -1;
	if (ip->nexthdr != IPPROTO_TCP &&
	    (ip->nexthdr != IPPROTO_UDP || !fast_udp_is_plain(h->ports)))
		return -1;
	__builtin_memcpy(from->address, &ip->saddr, 16);
	__builtin_memcpy(to->address, &ip->daddr, 16);
	*ret_size = whole;
	return 0;
}

/* Who sent it: a node that is guarded here, to its gateway; or somebody outside, to this device. */
static __always_inline int fast_from(const struct ethhdr *eth, struct fast *f,
				     const struct map_address_key *from,
				     const struct binding_aim *aim)
{
	struct map_binding *b;
	__u32 unit;

	if (f->in->role == MAP_ROLE_EXTERNAL)
		return !mac_same(eth->h_dest, f->in->mac) || lookup_prefix(PREFIX_COVERED, from);
	unit = binding_find_aimed(aim, from);
	b = unit ? binding_at(unit) : NULL;
	if (!b || !(b->flags & MAP_BINDING_GUARD) || b->port != f->in->number || b->vlan ||
	    !mac_same(b->mac, eth->h_source) || !mac_is_set(b->gateway_mac) ||
	    !mac_same_gateway(b->gateway_mac, eth->h_dest))
		return -1;
	f->from = b;
	return 0;
}

static __always_inline int fast_to(struct fast *f, const struct map_address_key *to,
				   const struct binding_aim *aim)
{
	__u32 unit = binding_find_aimed(aim, to);
	struct map_binding *b = unit ? binding_at(unit) : NULL;
	struct map_output *out;

	if (!binding_is_local(b) || b->vlan)
		return -1;
	out = lookup_output(b->port);
	if (!out || (out->mtu && f->size > out->mtu))
		return -1;
	f->to = b;
	f->ifindex = out->ifindex;
	return 0;
}

/* Whether the frame, of 'size' bytes, goes the short way, and where to.  Nothing is changed. */
static __always_inline int fast_find(struct cursor c, __u32 size, __u32 ifindex, struct fast *f)
{
	struct ethhdr *eth = c.data;
	struct fast_head4 *h = (void *)(eth + 1);
	struct fast_head6 *h6 = (void *)(eth + 1);
	struct map_address_key from, to;
	struct binding_aim from_aim = {}, to_aim;
	__u8 admits;

	f->in = fast_port(ifindex);
	if (!f->in || (void *)(h + 1) > c.end)
		return -1;
	from.vrf = to.vrf = f->in->vrf;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		admits = MAP_PORT_ADMITTED;
		if (fast_read4(h, size - sizeof(*eth), &f->size, &from, &to))
			return -1;
	} else {
		admits = MAP_PORT_ADMITTED6;
		if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(h6 + 1) > c.end ||
		    fast_read6(h6, size - sizeof(*eth), &f->size, &from, &to))
			return -1;
	}
	to_aim = binding_aim_at(&to);
	if (f->in->role == MAP_ROLE_ACCESS)
		from_aim = binding_aim_at(&from);
	else if (f->in->role != MAP_ROLE_EXTERNAL)
		return -1;
	if (!(f->in->flags & admits) || f->in->flags & MAP_PORT_SHARED ||
	    (eth->h_dest[0] | eth->h_source[0]) & 1)
		return -1;
	return fast_from(eth, f, &from, &from_aim) || fast_to(f, &to, &to_aim) ? -1 : 0;
}

/* A hop less, the node's MACs; counted.  *ret_sum: what that changes of the packet's sum. */
static __always_inline int fast_rewrite(struct cursor c, const struct fast *f, __u32 *ret_sum)
{
	struct ethhdr *eth = c.data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	__u16 was, is;

	if ((void *)(ip + 1) > c.end)
		return -1;
	__builtin_memcpy(eth->h_dest, f->to->mac, 6);
	__builtin_memcpy(eth->h_source, f->to->gateway_mac, 6);
	*ret_sum = 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		__builtin_memcpy(&was, &ip->ttl, 2);
		ip->ttl--;
		__builtin_memcpy(&is, &ip->ttl, 2);
		ip->check = sum_replace(ip->check, was, is);
	} else {
		if ((void *)(ip6 + 1) > c.end)
			return -1;
		__builtin_memcpy(&was, &ip6->nexthdr, 2);
		ip6->hop_limit--;
		__builtin_memcpy(&is, &ip6->nexthdr, 2);
		*ret_sum = (__u32)(__u16)~was + is;
	}
	if (f->from)
		binding_saw(f->from);
	__sync_fetch_and_add(&f->to->packets, 1);
	__sync_fetch_and_add(&f->to->bytes, f->size + sizeof(struct ethhdr));
	verdict_count(VERDICT_forwarded_local);
	return 0;
}

/* The device that a frame at tc is to be redirected to; 0: it goes the long way.  A function of its
 * own, whose stack the long way does not have on top of its own. */
__noinline __u32 fast_tc(struct __sk_buff *skb)
{
	struct cursor c = {(void *)(long)skb->data, (void *)(long)skb->data_end};
	struct fast f = {};
	__u32 sum;

	if (skb->vlan_present || skb->gso_size || fast_find(c, skb->len, skb->ifindex, &f) ||
	    fast_rewrite(c, &f, &sum))
		return 0;
	if (sum)
		bpf_csum_update(skb, sum);
	return f.ifindex;
}

/* ---- XDP ---- */

/* In and out by ports for which that was said to be right (fe/io/datapath_xdp.c). */
SEC("xdp")
int victor_xdp(struct xdp_md *xdp)
{
	struct cursor c = {(void *)(long)xdp->data, (void *)(long)xdp->data_end};
	const struct map_fast_port *out;
	struct fast f = {};
	__u32 sum;

	if (fast_find(c, (__u32)(c.end - c.data), xdp->ingress_ifindex, &f))
		return XDP_PASS;
	out = fast_port(f.ifindex);
	if (!out || !out->xdp || fast_rewrite(c, &f, &sum))
		return XDP_PASS;
	return (int)bpf_redirect(f.ifindex, 0);
}
