/* Neighbour discovery on the wire.  packet/neighbor.c makes claims of it, fe/router.c says what a
 * router advertisement says; the packet path answers most solicitations itself (bpf/nd.h). */
#include "packet/nd.h"

#include "packet/checksum.h"
#include "packet/ethernet.h"

#include <errno.h>
#include <string.h>

#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_ICMPV6 58
#define HOP_LIMIT 255
#define IPV6_SIZE 40
#define LENGTH_AT 4    /* in the IPv6 header */
#define ADDRESSES_AT 8 /* likewise: source and destination */
#define CHECKSUM_AT 2  /* in the message */

enum option { OPTION_SOURCE = 1, OPTION_TARGET = 2, OPTION_PREFIX = 3, OPTION_MTU = 5 };
#define FLAG_ROUTER 0x80000000u
#define FLAG_SOLICITED 0x40000000u
#define FLAG_OVERRIDE 0x20000000u
#define FLAG_MANAGED 0x80
#define FLAG_OTHER 0x40
#define FLAG_ON_LINK 0x80
#define FLAG_AUTONOMOUS 0x40

static bool is_multicast(const struct address *a)
{
	return a->bytes[0] == 0xff;
}

bool nd_is_link_local(const struct address *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

struct address nd_link_local(const struct mac *mac)
{
	const uint8_t *m = mac->bytes;

	return (struct address){
		{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

/* ---- checksum (RFC 8200, section 8.1) ---- */

/* Of the message and the pseudo header; 0 if the message has the right one in it.  A message is
 * shorter than 64 KiB, so nothing overflows. */
static uint16_t checksum(const uint8_t *addresses, const uint8_t *message, size_t size)
{
	uint32_t total = checksum_add(addresses, 32, (uint32_t)size + PROTOCOL_ICMPV6);

	return (uint16_t)~checksum_fold(checksum_add(message, size, total));
}

/* ---- parsing ---- */

/* The message behind the Ethernet and IPv6 headers; NULL if there is none. */
static const uint8_t *read_headers(struct reader *rd, struct nd *n, size_t *ret_size,
				   uint8_t *ret_hop_limit)
{
	uint16_t type = ethernet_read(rd, &n->ethernet_destination, &n->ethernet_source, &n->vlan);
	const uint8_t *ip = read_borrow(rd, IPV6_SIZE);

	if (!ip || type != ETHERTYPE_IPV6 || ip[0] >> 4 != 6 || ip[6] != PROTOCOL_ICMPV6)
		return NULL;
	*ret_size = (size_t)ip[LENGTH_AT] << 8 | ip[LENGTH_AT + 1];
	*ret_hop_limit = ip[7];
	n->source = address_from_ipv6(ip + ADDRESSES_AT);
	n->destination = address_from_ipv6(ip + ADDRESSES_AT + 16);
	return ip + IPV6_SIZE;
}

bool nd_is(const void *frame, size_t size)
{
	struct reader rd = reader_make(frame, size);
	struct nd n = {0};
	uint8_t hop_limit, type;
	size_t length;

	if (!read_headers(&rd, &n, &length, &hop_limit))
		return false;
	type = read_u8(&rd);
	return !rd.failed && type >= ND_ROUTER_SOLICITATION && type <= ND_ADVERTISEMENT;
}

static int read_prefix(struct reader *rd, struct nd_router *r)
{
	struct nd_prefix p = {.prefix.length = read_u8(rd)};
	uint8_t flags = read_u8(rd), bytes[16];

	p.valid_s = read_u32(rd);
	p.preferred_s = read_u32(rd);
	read_skip(rd, 4);
	read_bytes(rd, bytes, 16);
	if (rd->failed || p.prefix.length > 128)
		return -EBADMSG;
	/* Bits beyond the length are to be ignored. */
	for (unsigned bit = p.prefix.length; bit < 128; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	p.prefix.address = address_from_ipv6(bytes);
	p.on_link = flags & FLAG_ON_LINK;
	p.autonomous = flags & FLAG_AUTONOMOUS;
	if (r->prefix_count < ND_PREFIXES_MAX)
		r->prefixes[r->prefix_count++] = p;
	return 0;
}

static int read_option(uint8_t option, struct reader *rd, struct nd *n)
{
	uint8_t wanted = n->type == ND_ADVERTISEMENT ? OPTION_TARGET : OPTION_SOURCE;

	if (option == wanted && !n->has_link_layer) {
		n->has_link_layer = true;
		read_bytes(rd, n->link_layer.bytes, 6);
	} else if (n->type == ND_ROUTER_ADVERTISEMENT && option == OPTION_PREFIX) {
		return read_prefix(rd, &n->router);
	} else if (n->type == ND_ROUTER_ADVERTISEMENT && option == OPTION_MTU && !n->router.mtu) {
		read_skip(rd, 2);
		n->router.mtu = read_u32(rd);
	}
	return rd->failed ? -EBADMSG : 0;
}

static int read_options(struct reader *rd, struct nd *n)
{
	while (reader_left(rd)) {
		uint8_t option = read_u8(rd), length = read_u8(rd);
		struct reader body;
		int r;

		if (!length)
			return -EBADMSG;
		body = read_sub(rd, (size_t)length * 8 - 2);
		if (body.failed)
			return -EBADMSG;
		r = read_option(option, &body, n);
		if (r < 0)
			return r;
	}
	return rd->failed ? -EBADMSG : 0;
}

static void read_body(struct reader *rd, struct nd *n)
{
	uint32_t flags;
	uint8_t bytes[16];

	if (n->type == ND_ROUTER_ADVERTISEMENT) {
		n->router.hop_limit = read_u8(rd);
		flags = read_u8(rd);
		n->router.managed = flags & FLAG_MANAGED;
		n->router.other = flags & FLAG_OTHER;
		n->router.lifetime_s = read_u16(rd);
		read_skip(rd, 8);
		return;
	}
	flags = read_u32(rd);
	if (n->type == ND_ROUTER_SOLICITATION)
		return;
	read_bytes(rd, bytes, 16);
	n->target = address_from_ipv6(bytes);
	if (n->type == ND_ADVERTISEMENT) {
		n->is_router = flags & FLAG_ROUTER;
		n->solicited = flags & FLAG_SOLICITED;
		n->override = flags & FLAG_OVERRIDE;
	}
}

/* Whether what the message says may be said together. */
static bool is_valid(const struct nd *n)
{
	bool tentative = address_is_zero(&n->source);

	/* ::ffff:a.b.c.d on a wire is a forgery: it is how we spell IPv4. */
	if (is_multicast(&n->source) || address_is_ipv4(&n->source) ||
	    address_is_ipv4(&n->target) || mac_is_multicast(&n->ethernet_source) ||
	    mac_is_zero(&n->ethernet_source) ||
	    (n->has_link_layer &&
	     (mac_is_multicast(&n->link_layer) || mac_is_zero(&n->link_layer))))
		return false;
	switch (n->type) {
	case ND_ROUTER_SOLICITATION:
		return !tentative || !n->has_link_layer;
	case ND_ROUTER_ADVERTISEMENT:
		return nd_is_link_local(&n->source);
	case ND_SOLICITATION:
		return !is_multicast(&n->target) && !address_is_zero(&n->target) &&
		       (!tentative || (!n->has_link_layer && is_multicast(&n->destination)));
	default:
		return !is_multicast(&n->target) && !address_is_zero(&n->target) && !tentative &&
		       !(n->solicited && is_multicast(&n->destination));
	}
}

int nd_parse(const void *frame, size_t size, struct nd *ret)
{
	struct reader rd = reader_make(frame, size), message;
	struct nd n = {0};
	uint8_t hop_limit = 0, code;
	size_t length = 0;
	const uint8_t *at = read_headers(&rd, &n, &length, &hop_limit);

	if (!at || hop_limit != HOP_LIMIT)
		return -EBADMSG;
	message = read_sub(&rd, length);
	if (message.failed || checksum(at - 32, at, length) != 0)
		return -EBADMSG;
	n.type = read_u8(&message);
	code = read_u8(&message);
	read_skip(&message, 2);
	if (message.failed || code || n.type < ND_ROUTER_SOLICITATION || n.type > ND_ADVERTISEMENT)
		return -EBADMSG;
	read_body(&message, &n);
	if (message.failed || read_options(&message, &n) < 0 || !is_valid(&n))
		return -EBADMSG;
	*ret = n;
	return 0;
}

/* ---- building ---- */

static const struct address all_nodes = {{0xff, 2, [15] = 1}};

/* Headers and the message's first four bytes; returns where the IPv6 header is. */
static size_t begin(struct buffer *b, uint16_t vlan, const struct mac *source,
		    const struct address *from, const struct mac *destination,
		    const struct address *to, enum nd_type type)
{
	const struct mac group = {
		{0x33, 0x33, to->bytes[12], to->bytes[13], to->bytes[14], to->bytes[15]}};
	size_t ip;

	ethernet_write(b, destination ? destination : &group, source, vlan, ETHERTYPE_IPV6);
	ip = b->size;
	write_u32(b, 6u << 28);
	write_u16(b, 0);
	write_u8(b, PROTOCOL_ICMPV6);
	write_u8(b, HOP_LIMIT);
	buffer_add_bytes(b, from->bytes, 16);
	buffer_add_bytes(b, to->bytes, 16);
	write_u8(b, (uint8_t)type);
	write_zeros(b, 3);
	return ip;
}

static void end(struct buffer *b, size_t ip)
{
	size_t message = ip + IPV6_SIZE, size = b->size - message;

	write_u16_at(b, ip + LENGTH_AT, (uint16_t)size);
	write_u16_at(b, message + CHECKSUM_AT,
		     checksum(b->data + ip + ADDRESSES_AT, b->data + message, size));
}

static void add_link_layer(struct buffer *b, enum option option, const struct mac *mac)
{
	write_u8(b, (uint8_t)option);
	write_u8(b, 1);
	buffer_add_bytes(b, mac->bytes, 6);
}

void nd_build_announcement(struct buffer *b, uint16_t vlan, const struct mac *mac,
			   const struct address *address)
{
	struct address from = nd_link_local(mac);
	size_t ip = begin(b, vlan, mac, &from, NULL, &all_nodes, ND_ADVERTISEMENT);

	write_u32(b, FLAG_OVERRIDE);
	buffer_add_bytes(b, address->bytes, 16);
	add_link_layer(b, OPTION_TARGET, mac);
	end(b, ip);
}

void nd_build_gateway(struct buffer *b, uint16_t vlan, const struct mac *mac,
		      const struct mac *first, const struct address *gateway, const struct mac *to)
{
	struct address from = nd_link_local(first);
	size_t ip = begin(b, vlan, mac, &from, to, &all_nodes, ND_ADVERTISEMENT);

	write_u32(b, FLAG_ROUTER | (to ? FLAG_OVERRIDE : 0));
	buffer_add_bytes(b, gateway->bytes, 16);
	if (to)
		add_link_layer(b, OPTION_TARGET, mac);
	end(b, ip);
}

void nd_build_probe(struct buffer *b, uint16_t vlan, const struct mac *gateway_mac,
		    const struct mac *node_mac, const struct address *node)
{
	struct address from = nd_link_local(gateway_mac);
	size_t ip = begin(b, vlan, gateway_mac, &from, node_mac, node, ND_SOLICITATION);

	write_u32(b, 0);
	buffer_add_bytes(b, node->bytes, 16);
	add_link_layer(b, OPTION_SOURCE, gateway_mac);
	end(b, ip);
}

void nd_build_question(struct buffer *b, const struct mac *mac, const struct address *from,
		       const struct mac *to, const struct address *target)
{
	const uint8_t *t = target->bytes;
	const struct address group = {{0xff, 2, [11] = 1, 0xff, t[13], t[14], t[15]}};
	size_t ip = begin(b, 0, mac, from, to, to ? target : &group, ND_SOLICITATION);

	write_u32(b, 0);
	buffer_add_bytes(b, t, 16);
	add_link_layer(b, OPTION_SOURCE, mac);
	end(b, ip);
}

static void add_prefix(struct buffer *b, const struct nd_prefix *p)
{
	write_u8(b, OPTION_PREFIX);
	write_u8(b, 4);
	write_u8(b, p->prefix.length);
	write_u8(b, (uint8_t)((p->on_link ? FLAG_ON_LINK : 0) |
			      (p->autonomous ? FLAG_AUTONOMOUS : 0)));
	write_u32(b, p->valid_s);
	write_u32(b, p->preferred_s);
	write_u32(b, 0);
	buffer_add_bytes(b, p->prefix.address.bytes, 16);
}

void nd_build_router_advertisement(struct buffer *b, uint16_t vlan, const struct mac *router_mac,
				   const struct nd_router *router, const struct nd_host *to)
{
	struct address from = nd_link_local(router_mac);
	size_t ip = begin(b, vlan, router_mac, &from, to ? &to->mac : NULL,
			  to ? &to->address : &all_nodes, ND_ROUTER_ADVERTISEMENT);

	write_u8(b, router->hop_limit);
	write_u8(b, (uint8_t)((router->managed ? FLAG_MANAGED : 0) |
			      (router->other ? FLAG_OTHER : 0)));
	write_u16(b, router->lifetime_s);
	write_zeros(b, 8); /* reachable time, retransmission timer: the hosts' own */
	if (!router->shares_load)
		add_link_layer(b, OPTION_SOURCE, router_mac);
	if (router->mtu) {
		write_u8(b, OPTION_MTU);
		write_u8(b, 1);
		write_u16(b, 0);
		write_u32(b, router->mtu);
	}
	for (unsigned i = 0; i < router->prefix_count; i++)
		add_prefix(b, &router->prefixes[i]);
	end(b, ip);
}
