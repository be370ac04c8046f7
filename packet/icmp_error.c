/* Builds ICMP errors.  What arrives is hostile: every length is checked against what is there, and
 * what must not be answered is not (an answer to an answer would go on for ever).  IPv6 extension
 * headers are not walked: a packet with some is answered as if it were no ICMP error, which a rate
 * limit bounds. */
#include "packet/icmp_error.h"

#include "packet/checksum.h"
#include "packet/ethernet.h"

#include <errno.h>
#include <string.h>

#define ETHERNET_SIZE 14
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define ICMP_SIZE 8
#define PROTOCOL_ICMP 1
#define PROTOCOL_ICMPV6 58
#define ANSWER_MAX 576   /* of the IPv4 packet: RFC 1812 */
#define ANSWER6_MAX 1280 /* of the IPv6 packet: RFC 4443 */
#define TTL 64
#define PRECEDENCE_CONTROL 0xc0 /* RFC 1812, section 4.3.2.5: internetwork control */

/* The packet that is answered. */
struct packet {
	const uint8_t *ethernet, *ip;
	size_t size; /* of the IP packet, without what pads the frame */
	bool v4;
};

/* Of an even or odd number of bytes, upon what there is already. */
static uint16_t checksum(const uint8_t *at, size_t size, uint32_t sum)
{
	return (uint16_t)~checksum_fold(checksum_add(at, size, sum));
}

static size_t header_size(const uint8_t *ip)
{
	return (size_t)(ip[0] & 15) * 4;
}

static bool find_ipv4(struct packet *p, size_t room)
{
	size_t length;

	if (room < IPV4_SIZE || p->ip[0] >> 4 != 4)
		return false;
	length = (size_t)p->ip[2] << 8 | p->ip[3];
	if (header_size(p->ip) < IPV4_SIZE || length < header_size(p->ip) || length > room)
		return false;
	p->size = length;
	p->v4 = true;
	return true;
}

static bool find_ipv6(struct packet *p, size_t room)
{
	size_t length;

	if (room < IPV6_SIZE || p->ip[0] >> 4 != 6)
		return false;
	length = IPV6_SIZE + ((size_t)p->ip[4] << 8 | p->ip[5]);
	if (length > room)
		return false;
	p->size = length;
	return true;
}

static bool find_packet(const uint8_t *frame, size_t size, struct packet *ret)
{
	unsigned type;

	if (size < ETHERNET_SIZE)
		return false;
	*ret = (struct packet){.ethernet = frame, .ip = frame + ETHERNET_SIZE};
	type = (unsigned)frame[12] << 8 | frame[13];
	if (type == ETHERTYPE_IPV4)
		return find_ipv4(ret, size - ETHERNET_SIZE);
	return type == ETHERTYPE_IPV6 && find_ipv6(ret, size - ETHERNET_SIZE);
}

static struct address source_of(const struct packet *p)
{
	return p->v4 ? address_from_ipv4(p->ip + 12) : address_from_ipv6(p->ip + 8);
}

/* ICMP that asks may be answered; ICMP that tells of an error, or redirects, may not. */
static bool is_icmp_error(const struct packet *p)
{
	size_t header = p->v4 ? header_size(p->ip) : IPV6_SIZE;
	uint8_t type;

	if (p->ip[p->v4 ? 9 : 6] != (p->v4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return false;
	if (p->size <= header)
		return true;
	type = p->ip[header];
	if (!p->v4)
		return type < 128 || type == 137;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static bool is_answered(const struct packet *p)
{
	const uint8_t *ip = p->ip;

	if (is_icmp_error(p) || p->ethernet[0] & 1 || p->ethernet[6] & 1)
		return false;
	if (p->v4)
		return !((ip[6] & 0x1f) | ip[7]) && ip[12] && ip[12] != 127 && ip[12] < 224 &&
		       ip[16] < 224;
	/* ::/96 and ::ffff:0:0/96: nobody, oneself, and forgeries. */
	return (ip[8] | ip[9]) && ip[8] != 0xff && ip[24] != 0xff;
}

static void write_ipv4(struct buffer *b, const struct packet *p, const struct address *router,
		       size_t size)
{
	size_t at = b->size;

	write_u8(b, 0x45);
	write_u8(b, PRECEDENCE_CONTROL);
	write_u16(b, (uint16_t)size);
	write_zeros(b, 4);
	write_u8(b, TTL);
	write_u8(b, PROTOCOL_ICMP);
	write_u16(b, 0);
	buffer_add_bytes(b, address_ipv4(router), 4);
	buffer_add_bytes(b, p->ip + 12, 4);
	write_u16_at(b, at + 10, checksum(b->data + at, IPV4_SIZE, 0));
}

static void write_ipv6(struct buffer *b, const struct packet *p, const struct address *router,
		       size_t size)
{
	write_u32(b, 6u << 28);
	write_u16(b, (uint16_t)(size - IPV6_SIZE));
	write_u8(b, PROTOCOL_ICMPV6);
	write_u8(b, TTL);
	buffer_add_bytes(b, router->bytes, 16);
	buffer_add_bytes(b, p->ip + 8, 16);
}

static void write_type(struct buffer *b, bool v4, enum icmp_error kind)
{
	static const uint8_t types[][2][2] = {
		[ICMP_TIME_EXCEEDED] = {{3, 0}, {11, 0}},
		[ICMP_TOO_BIG] = {{2, 0}, {3, 4}},
	};

	buffer_add_bytes(b, types[kind][v4], 2);
}

int icmp_error_source(const void *frame, size_t size, struct address *ret)
{
	struct packet p;

	if (!find_packet(frame, size, &p))
		return -EBADMSG;
	*ret = source_of(&p);
	return 0;
}

int icmp_error_build(struct buffer *b, const void *frame, size_t size, enum icmp_error kind,
		     uint16_t mtu, const struct mac *mac, const struct address *router)
{
	size_t header, most, quoted, icmp;
	struct packet p;
	struct mac to;

	if (!find_packet(frame, size, &p) || address_is_ipv4(router) != p.v4 || !is_answered(&p))
		return -EBADMSG;
	header = p.v4 ? IPV4_SIZE : IPV6_SIZE;
	most = (p.v4 ? ANSWER_MAX : ANSWER6_MAX) - header - ICMP_SIZE;
	quoted = p.size < most ? p.size : most;
	memcpy(to.bytes, p.ethernet + 6, sizeof(to.bytes));
	ethernet_write(b, &to, mac, 0, p.v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (p.v4)
		write_ipv4(b, &p, router, header + ICMP_SIZE + quoted);
	else
		write_ipv6(b, &p, router, header + ICMP_SIZE + quoted);
	icmp = b->size;
	write_type(b, p.v4, kind);
	write_u16(b, 0);
	write_u32(b, kind == ICMP_TOO_BIG ? mtu : 0);
	buffer_add_bytes(b, p.ip, quoted);
	/* IPv6's is over the two addresses before it, the length and the protocol as well. */
	write_u16_at(
		b, icmp + 2,
		checksum(b->data + icmp, ICMP_SIZE + quoted,
			 p.v4 ? 0
			      : checksum_add(b->data + icmp - 32, 32,
					     (uint32_t)(ICMP_SIZE + quoted) + PROTOCOL_ICMPV6)));
	return 0;
}
