/* Addresses as VICTOR keeps them everywhere: sixteen bytes in network order, IPv4 as
 * ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), so that one key serves both families. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct address {
	uint8_t bytes[16];
};

/* 'length' counts from the front of the sixteen bytes: an IPv4 /24 has length 120.  Bits beyond
 * the length are zero. */
struct prefix {
	struct address address;
	uint8_t length;
};

struct mac {
	uint8_t bytes[6];
};

#define ADDRESS_TEXT_SIZE 48
#define PREFIX_TEXT_SIZE 52
#define MAC_TEXT_SIZE 18
#define IPV4_PREFIX_BASE 96 /* what an IPv4 prefix length has less than ours */

struct address address_from_ipv4(const uint8_t bytes[4]);
struct address address_from_ipv6(const uint8_t bytes[16]);
bool address_is_ipv4(const struct address *a);
/* The four bytes of an IPv4 address (borrowed from 'a'). */
const uint8_t *address_ipv4(const struct address *a);
bool address_is_zero(const struct address *a); /* 0.0.0.0 or :: */
bool address_equal(const struct address *a, const struct address *b);
int address_compare(const struct address *a, const struct address *b);
/* Returns 0, or -EINVAL for what is not an IPv4 or IPv6 address. */
MUST_USE int address_parse(const char *text, struct address *ret);
/* Writes at most ADDRESS_TEXT_SIZE bytes into 'text' and returns it. */
const char *address_format(const struct address *a, char text[ADDRESS_TEXT_SIZE]);

/* "10.10.0.0/16", "2001:db8::/32", or an address alone (a host prefix).  -EINVAL for what is not a
 * prefix, -ERANGE where bits beyond the length are set. */
MUST_USE int prefix_parse(const char *text, struct prefix *ret);
const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_SIZE]);
bool prefix_contains(const struct prefix *p, const struct address *a);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

MUST_USE int mac_parse(const char *text, struct mac *ret);
const char *mac_format(const struct mac *m, char text[MAC_TEXT_SIZE]);
bool mac_equal(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *m);
bool mac_is_multicast(const struct mac *m);
