/* UDP datagrams with their IP header, IPv4 (RFC 791) or IPv6 (RFC 8200), as a backplane link
 * carries an FE's own words (packet/bfd.h, packet/stamp.h): no options, no fragments.  No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#include <stddef.h>

struct datagram {
	struct address source, destination; /* both of one family */
	uint16_t source_port, destination_port;
	uint8_t ttl;
	uint8_t traffic_class;
	const uint8_t *data; /* borrowed */
	size_t data_size;
};

/* Appends the packet, checksums included.  IPv4 gets DF. */
void datagram_build(struct buffer *b, const struct datagram *d);
/* Reads the IP packet at rd's place, and no further (an Ethernet frame may have padding behind it).
 * 0; -EBADMSG for what is cut short, has a wrong checksum, is a fragment, or is no UDP. */
MUST_USE int datagram_parse(struct reader *rd, struct datagram *ret);

/* The same of what a machine of ours just sent: its kernel may have left the checksum to a device
 * that there was not (the sum of the pseudo-header alone stands in its place). */
MUST_USE int datagram_parse_unfinished(struct reader *rd, struct datagram *ret);

/* How a datagram came: the frame's source, and what carried it (a link over UDP, port 'carried_to'
 * here), if anything did. */
struct datagram_arrival {
	struct mac mac;
	bool is_carried;
	struct address carrier; /* who sent the carrier; a NAT on the way may be it */
	uint16_t carrier_port;
	struct datagram datagram;
};

/* Reads an Ethernet frame: IP, or MPLS labels (RFC 3032) and IP, or IP and UDP to the port
 * 'carried_to' and IP (GUE, variant 1).  -EBADMSG for anything else. */
MUST_USE int datagram_parse_frame(const void *frame, size_t size, uint16_t carried_to,
				  struct datagram_arrival *ret);
