/* Builds ICMP time exceeded.  What arrives is hostile: every length is checked against what is
 * there, and what must not be answered is not (an answer to an answer would go on for ever). */
#include "packet/time_exceeded.h"

#include <errno.h>
#include <string.h>

#define ETHERNET_SIZE 14
#define ETHERTYPE_IPV4 0x0800
#define HEADER_SIZE 20
#define PROTOCOL_ICMP 1
#define TIME_EXCEEDED 11
#define ANSWER_MAX 576 /* of the IP packet: RFC 1812 */
#define TTL 64
#define PRECEDENCE_CONTROL 0xc0 /* RFC 1812, section 4.3.2.5: internetwork control */

/* The Internet checksum (RFC 1071), of an even or odd number of bytes. */
static uint16_t checksum(const uint8_t *at, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	if (size & 1)
		sum += (uint32_t)at[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t header_size(const uint8_t *ip)
{
	return (size_t)(ip[0] & 15) * 4;
}

/* The IP packet inside, without what pads the frame; NULL: not one. */
static const uint8_t *find_packet(const uint8_t *frame, size_t size, size_t *ret_size)
{
	const uint8_t *ip = frame + ETHERNET_SIZE;
	size_t length;

	if (size < ETHERNET_SIZE + HEADER_SIZE || frame[12] != ETHERTYPE_IPV4 >> 8 ||
	    frame[13] != (ETHERTYPE_IPV4 & 0xff) || ip[0] >> 4 != 4)
		return NULL;
	length = (size_t)ip[2] << 8 | ip[3];
	if (header_size(ip) < HEADER_SIZE || length < header_size(ip) ||
	    length > size - ETHERNET_SIZE)
		return NULL;
	*ret_size = length;
	return ip;
}

static bool is_group(const uint8_t address[4])
{
	return address[0] >= 224;
}

/* ICMP that asks may be answered; ICMP that tells of an error may not. */
static bool is_icmp_error(const uint8_t *ip, size_t size)
{
	size_t header = header_size(ip);
	uint8_t type = size > header ? ip[header] : 3;

	return ip[9] == PROTOCOL_ICMP &&
	       (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

int time_exceeded_source(const void *frame, size_t size, struct address *ret)
{
	size_t length;
	const uint8_t *ip = find_packet(frame, size, &length);

	if (!ip)
		return -EBADMSG;
	*ret = address_from_ipv4(ip + 12);
	return 0;
}

int time_exceeded_build(struct buffer *b, const void *frame, size_t size, const struct mac *mac,
			const struct address *router)
{
	const uint8_t *ethernet = frame;
	size_t length, quoted;
	const uint8_t *ip = find_packet(frame, size, &length);
	uint8_t *out, *icmp;

	if (!ip || !address_is_ipv4(router) || ((ip[6] & 0x1f) | ip[7]) != 0 ||
	    is_icmp_error(ip, length) || is_group(ip + 12) || is_group(ip + 16) || !ip[12] ||
	    ip[12] == 127 || ethernet[0] & 1 || ethernet[6] & 1)
		return -EBADMSG;
	quoted = length < ANSWER_MAX - HEADER_SIZE - 8 ? length : ANSWER_MAX - HEADER_SIZE - 8;
	out = buffer_add(b, ETHERNET_SIZE + HEADER_SIZE + 8 + quoted);
	memset(out, 0, ETHERNET_SIZE + HEADER_SIZE + 8);
	memcpy(out, ethernet + 6, 6);
	memcpy(out + 6, mac->bytes, 6);
	put_u16(out + 12, ETHERTYPE_IPV4);
	out += ETHERNET_SIZE;
	out[0] = 0x45;
	out[1] = PRECEDENCE_CONTROL;
	put_u16(out + 2, (uint16_t)(HEADER_SIZE + 8 + quoted));
	out[8] = TTL;
	out[9] = PROTOCOL_ICMP;
	memcpy(out + 12, address_ipv4(router), 4);
	memcpy(out + 16, ip + 12, 4);
	put_u16(out + 10, checksum(out, HEADER_SIZE));
	icmp = out + HEADER_SIZE;
	icmp[0] = TIME_EXCEEDED;
	memcpy(icmp + 8, ip, quoted);
	put_u16(icmp + 2, checksum(icmp, 8 + quoted));
	return 0;
}
