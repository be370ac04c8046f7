/* Parsing and printing of addresses, prefixes and MACs, with the C library's own inet_pton and
 * inet_ntop: no leading zeros, no short forms, nothing after the end. */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct address address_from_ipv4(const uint8_t bytes[4])
{
	struct address a;

	memcpy(a.bytes, mapped, sizeof(mapped));
	memcpy(a.bytes + 12, bytes, 4);
	return a;
}

struct address address_from_ipv6(const uint8_t bytes[16])
{
	struct address a;

	memcpy(a.bytes, bytes, 16);
	return a;
}

bool address_is_ipv4(const struct address *a)
{
	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

const uint8_t *address_ipv4(const struct address *a)
{
	return a->bytes + 12;
}

bool address_is_zero(const struct address *a)
{
	static const uint8_t zeros[16];
	unsigned skip = address_is_ipv4(a) ? 12 : 0;

	return memcmp(a->bytes + skip, zeros, 16 - skip) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, 16) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, 16);
}

int address_parse(const char *text, struct address *ret)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*ret = address_from_ipv4(bytes);
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		*ret = address_from_ipv6(bytes);
		return 0;
	}
	return -EINVAL;
}

const char *address_format(const struct address *a, char text[ADDRESS_TEXT_SIZE])
{
	if (address_is_ipv4(a))
		inet_ntop(AF_INET, address_ipv4(a), text, ADDRESS_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, a->bytes, text, ADDRESS_TEXT_SIZE);
	return text;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned length)
{
	unsigned whole = length / 8, rest = length % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return !rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static void mask_bits(struct address *a, unsigned length)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = length > i * 8 ? length - i * 8 : 0;

		if (keep < 8)
			a->bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
}

int prefix_parse(const char *text, struct prefix *ret)
{
	char host[ADDRESS_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	size_t host_size = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix p;

	if (host_size >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, host_size);
	host[host_size] = '\0';
	if (address_parse(host, &p.address) < 0)
		return -EINVAL;

	unsigned base = address_is_ipv4(&p.address) ? IPV4_PREFIX_BASE : 0;
	unsigned long length = 128 - base;

	if (slash) {
		char *end;

		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		length = strtoul(slash + 1, &end, 10);
		if (*end || length > 128 - base)
			return -EINVAL;
	}
	p.length = (uint8_t)(length + base);

	struct address masked = p.address;

	mask_bits(&masked, p.length);
	if (!address_equal(&masked, &p.address))
		return -ERANGE;
	*ret = p;
	return 0;
}

const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE])
{
	char host[ADDRESS_TEXT_SIZE];
	int base = address_is_ipv4(&p->address) ? IPV4_PREFIX_BASE : 0;

	snprintf(text, PREFIX_TEXT_SIZE, "%s/%d", address_format(&p->address, host),
		 p->length - base);
	return text;
}

bool prefix_contains(const struct prefix *p, const struct address *a)
{
	return bits_equal(p->address.bytes, a->bytes, p->length);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return bits_equal(a->address.bytes, b->address.bytes,
			  a->length < b->length ? a->length : b->length);
}

int mac_parse(const char *text, struct mac *ret)
{
	struct mac m;
	int used = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m.bytes[0], &m.bytes[1],
		   &m.bytes[2], &m.bytes[3], &m.bytes[4], &m.bytes[5], &used) != 6 ||
	    used != 17 || text[used])
		return -EINVAL;
	*ret = m;
	return 0;
}

const char *mac_format(const struct mac *m, char text[MAC_TEXT_SIZE])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", m->bytes[0], m->bytes[1],
		 m->bytes[2], m->bytes[3], m->bytes[4], m->bytes[5]);
	return text;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a->bytes, b->bytes, 6) == 0;
}

bool mac_is_zero(const struct mac *m)
{
	static const struct mac zero;

	return mac_equal(m, &zero);
}

bool mac_is_multicast(const struct mac *m)
{
	return m->bytes[0] & 1;
}
