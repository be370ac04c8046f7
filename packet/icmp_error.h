/* ICMP errors as a router sends them: time exceeded, fragmentation needed (RFC 792, RFC 1191), and
 * their like in IPv6 (RFC 4443).  No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

enum icmp_error { ICMP_TIME_EXCEEDED, ICMP_TOO_BIG, ICMP_ERROR_COUNT };

/* Appends the whole frame that answers 'frame': back to its Ethernet source, from 'mac'; from
 * 'router' (of the packet's family) to its IP source, quoting as much as RFC 1812, section 4.3.2.3,
 * and RFC 4443, section 2.4 (c), say.  'mtu' is what fits, in bytes of IP; only for TOO_BIG.  0;
 * -EBADMSG for a frame that is not answered (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)):
 * no whole IP header, a later fragment, an ICMP error, from or to a group, from nobody. */
MUST_USE int icmp_error_build(struct buffer *b, const void *frame, size_t size,
			      enum icmp_error kind, uint16_t mtu, const struct mac *mac,
			      const struct address *router);
/* The IP source of a frame (no 802.1Q tag), for finding the router that answers it. */
MUST_USE int icmp_error_source(const void *frame, size_t size, struct address *ret);
