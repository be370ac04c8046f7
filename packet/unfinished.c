/* TCP (RFC 9293) and UDP (RFC 768) over IPv4 and IPv6, without extension headers. */
#include "packet/unfinished.h"

#include "packet/checksum.h"

#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define TCP_CHECK_AT 16
#define UDP_CHECK_AT 6
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

/* Where in the frame the transport's segment is; zero: there is none that is whole. */
struct segment {
	uint8_t *bytes;
	size_t size;
	size_t check_at;
	uint32_t pseudo; /* the pseudo-header's sum */
};

static struct segment segment_make(uint8_t *bytes, size_t size, uint8_t protocol,
				   const uint8_t *addresses, size_t addresses_size)
{
	size_t check_at = protocol == PROTOCOL_TCP ? TCP_CHECK_AT : UDP_CHECK_AT;

	if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || size < check_at + 2)
		return (struct segment){0};
	return (struct segment){bytes, size, check_at,
				checksum_add(addresses, addresses_size, protocol + (uint32_t)size)};
}

static struct segment find_ipv4(uint8_t *ip, size_t size)
{
	size_t header = (size_t)(ip[0] & 15) * 4, whole = (size_t)(ip[2] << 8 | ip[3]);

	if (header < IPV4_SIZE || whole < header || whole > size || (ip[6] & 0x3f) | ip[7])
		return (struct segment){0};
	return segment_make(ip + header, whole - header, ip[9], ip + 12, 8);
}

static struct segment find_ipv6(uint8_t *ip, size_t size)
{
	size_t whole = IPV6_SIZE + (size_t)(ip[4] << 8 | ip[5]);

	if (whole > size)
		return (struct segment){0};
	return segment_make(ip + IPV6_SIZE, whole - IPV6_SIZE, ip[6], ip + 8, 32);
}

void unfinished_complete(uint8_t *frame, size_t size)
{
	uint8_t *ip = frame + ETHERNET_SIZE, *check;
	struct segment s = {0};
	uint16_t sum;

	if (size < ETHERNET_SIZE + IPV4_SIZE)
		return;
	if (ip[0] >> 4 == 4)
		s = find_ipv4(ip, size - ETHERNET_SIZE);
	else if (ip[0] >> 4 == 6)
		s = find_ipv6(ip, size - ETHERNET_SIZE);
	if (!s.bytes)
		return;
	check = s.bytes + s.check_at;
	if ((check[0] << 8 | check[1]) != checksum_fold(s.pseudo))
		return;
	/* With the pseudo-header's sum in its place already. */
	sum = (uint16_t)~checksum_fold(checksum_add(s.bytes, s.size, 0));
	if (!sum && s.check_at == UDP_CHECK_AT)
		sum = 0xffff; /* 0 would say that there is none */
	check[0] = (uint8_t)(sum >> 8);
	check[1] = (uint8_t)sum;
}
