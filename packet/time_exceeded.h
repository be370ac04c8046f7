/* ICMP time exceeded (RFC 792), as a router's answer to a packet whose TTL ran out. No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

/* Appends the whole frame that answers 'frame': back to its Ethernet source, from 'mac'; from
 * 'router' to its IP source, quoting as much as RFC 1812, section 4.3.2.3, says.  0; -EBADMSG for a
 * frame that is not answered (RFC 1122, section 3.2.2): no whole IPv4 header, a later fragment, an
 * ICMP error, from or to a group, from nobody. */
MUST_USE int time_exceeded_build(struct buffer *b, const void *frame, size_t size,
				 const struct mac *mac, const struct address *router);
/* The IPv4 source of a frame (no 802.1Q tag), for finding the router that answers it. */
MUST_USE int time_exceeded_source(const void *frame, size_t size, struct address *ret);
