/* IP and UDP headers around the words of fe/link.c: written and read in one place. */
#include "packet/datagram.h"

#include "packet/checksum.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PROTOCOL_UDP 17
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define UDP_SIZE 8
#define IPV4_DF 0x4000
#define IPV4_FRAGMENT 0xbfff /* all but DF */

/* Of the pseudo-header (RFC 768; RFC 8200, section 8.1). */
static uint32_t sum_pseudo(const struct datagram *d, size_t size)
{
	uint32_t sum = PROTOCOL_UDP + (uint32_t)size;

	if (address_is_ipv4(&d->source)) {
		sum = checksum_add(address_ipv4(&d->source), 4, sum);
		sum = checksum_add(address_ipv4(&d->destination), 4, sum);
	} else {
		sum = checksum_add(d->source.bytes, 16, sum);
		sum = checksum_add(d->destination.bytes, 16, sum);
	}
	return sum;
}

/* With the segment; 0 of a right one is 0xffff before the complement. */
static uint16_t sum_udp(const struct datagram *d, const uint8_t *udp, size_t size)
{
	return checksum_fold(checksum_add(udp, size, sum_pseudo(d, size)));
}

static void build_ipv4(struct buffer *b, const struct datagram *d, size_t size)
{
	size_t start = b->size;

	write_u8(b, 0x45);
	write_u8(b, d->traffic_class);
	write_u16(b, (uint16_t)(IPV4_SIZE + size));
	write_u16(b, 0);
	write_u16(b, IPV4_DF);
	write_u8(b, d->ttl);
	write_u8(b, PROTOCOL_UDP);
	write_u16(b, 0);
	buffer_add_bytes(b, address_ipv4(&d->source), 4);
	buffer_add_bytes(b, address_ipv4(&d->destination), 4);
	write_u16_at(b, start + 10,
		     (uint16_t)~checksum_fold(checksum_add(b->data + start, IPV4_SIZE, 0)));
}

static void build_ipv6(struct buffer *b, const struct datagram *d, size_t size)
{
	write_u32(b, 6u << 28 | (uint32_t)d->traffic_class << 20);
	write_u16(b, (uint16_t)size);
	write_u8(b, PROTOCOL_UDP);
	write_u8(b, d->ttl);
	buffer_add_bytes(b, d->source.bytes, 16);
	buffer_add_bytes(b, d->destination.bytes, 16);
}

void datagram_build(struct buffer *b, const struct datagram *d)
{
	size_t size = UDP_SIZE + d->data_size, start;
	uint16_t check;

	assert(address_is_ipv4(&d->source) == address_is_ipv4(&d->destination));
	assert(size <= UINT16_MAX - IPV6_SIZE);
	if (address_is_ipv4(&d->source))
		build_ipv4(b, d, size);
	else
		build_ipv6(b, d, size);
	start = b->size;
	write_u16(b, d->source_port);
	write_u16(b, d->destination_port);
	write_u16(b, (uint16_t)size);
	write_u16(b, 0);
	buffer_add_bytes(b, d->data, d->data_size);
	check = (uint16_t)~sum_udp(d, b->data + start, size);
	write_u16_at(b, start + 6, check ? check : 0xffff);
}

static int parse_ipv4(struct reader *rd, struct datagram *ret, size_t *ret_size)
{
	const uint8_t *at = read_borrow(rd, IPV4_SIZE);
	uint16_t size;

	if (!at || at[0] != 0x45 || at[9] != PROTOCOL_UDP ||
	    checksum_fold(checksum_add(at, IPV4_SIZE, 0)) != 0xffff)
		return -EBADMSG;
	size = (uint16_t)(at[2] << 8 | at[3]);
	if (size < IPV4_SIZE || ((at[6] << 8 | at[7]) & IPV4_FRAGMENT))
		return -EBADMSG;
	ret->traffic_class = at[1];
	ret->ttl = at[8];
	ret->source = address_from_ipv4(at + 12);
	ret->destination = address_from_ipv4(at + 16);
	*ret_size = size - IPV4_SIZE;
	return 0;
}

static int parse_ipv6(struct reader *rd, struct datagram *ret, size_t *ret_size)
{
	const uint8_t *at = read_borrow(rd, IPV6_SIZE);

	if (!at || at[6] != PROTOCOL_UDP)
		return -EBADMSG;
	ret->traffic_class = (uint8_t)(at[0] << 4 | at[1] >> 4);
	ret->ttl = at[7];
	ret->source = address_from_ipv6(at + 8);
	ret->destination = address_from_ipv6(at + 24);
	if (address_is_ipv4(&ret->source) || address_is_ipv4(&ret->destination))
		return -EBADMSG; /* how we spell IPv4: on a wire it is a forgery */
	*ret_size = (size_t)(at[4] << 8 | at[5]);
	return 0;
}

/* The checksum may be left out where a tunnel's outer header has it so (RFC 6935); ours never is,
 * but an IPv4 sender may. */
static int parse_udp(struct reader *rd, struct datagram *ret, size_t size, bool unfinished)
{
	const uint8_t *at = read_borrow(rd, size);
	size_t length;
	bool is_left;

	if (!at || size < UDP_SIZE)
		return -EBADMSG;
	length = (size_t)(at[4] << 8 | at[5]);
	if (length < UDP_SIZE || length > size)
		return -EBADMSG;
	is_left = unfinished && (at[6] << 8 | at[7]) == checksum_fold(sum_pseudo(ret, length));
	if (!is_left &&
	    (at[6] | at[7] ? sum_udp(ret, at, length) != 0xffff : !address_is_ipv4(&ret->source)))
		return -EBADMSG;
	ret->source_port = (uint16_t)(at[0] << 8 | at[1]);
	ret->destination_port = (uint16_t)(at[2] << 8 | at[3]);
	ret->data = at + UDP_SIZE;
	ret->data_size = length - UDP_SIZE;
	return 0;
}

static int parse(struct reader *rd, struct datagram *ret, bool unfinished)
{
	size_t size;
	int r;

	if (!reader_left(rd))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	r = rd->at[0] >> 4 == 4   ? parse_ipv4(rd, ret, &size)
	    : rd->at[0] >> 4 == 6 ? parse_ipv6(rd, ret, &size)
				  : -EBADMSG;
	return r < 0 ? r : parse_udp(rd, ret, size, unfinished);
}

int datagram_parse(struct reader *rd, struct datagram *ret)
{
	return parse(rd, ret, false);
}

int datagram_parse_unfinished(struct reader *rd, struct datagram *ret)
{
	return parse(rd, ret, true);
}

/* ---- frames ---- */

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_MPLS 0x8847
#define MPLS_BOTTOM 0x100
#define LABELS_MAX 8

/* Whether the stack ended within reason. */
static bool skip_labels(struct reader *rd)
{
	for (unsigned i = 0; i < LABELS_MAX && !rd->failed; i++)
		if (read_u32(rd) & MPLS_BOTTOM)
			return !rd->failed;
	return false;
}

int datagram_parse_frame(const void *frame, size_t size, uint16_t carried_to,
			 struct datagram_arrival *ret)
{
	struct reader rd = reader_make(frame, size), inside;
	uint16_t type;
	int r;

	memset(ret, 0, sizeof(*ret));
	read_skip(&rd, 6);
	read_bytes(&rd, ret->mac.bytes, sizeof(ret->mac.bytes));
	type = read_u16(&rd);
	if (type == ETHERTYPE_MPLS ? !skip_labels(&rd)
				   : type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
		return -EBADMSG;
	r = datagram_parse(&rd, &ret->datagram);
	if (r < 0 || ret->datagram.destination_port != carried_to)
		return r;
	ret->is_carried = true;
	ret->carrier = ret->datagram.source;
	ret->carrier_port = ret->datagram.source_port;
	inside = reader_make(ret->datagram.data, ret->datagram.data_size);
	return datagram_parse(&inside, &ret->datagram);
}
