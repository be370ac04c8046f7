/* ARP (RFC 826, RFC 5227) and RARP (RFC 903) frames: parse and build.  No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#define NEIGHBOR_FRAME_SIZE 60 /* an Ethernet frame's least size without FCS */

enum neighbor_kind {
	NEIGHBOR_ARP_REQUEST,
	NEIGHBOR_ARP_REPLY,
	NEIGHBOR_ARP_PROBE,        /* sender address 0.0.0.0: claims nothing (RFC 5227, 2.1.1) */
	NEIGHBOR_ARP_ANNOUNCEMENT, /* sender address = target address, request or reply */
	NEIGHBOR_RARP,             /* a hypervisor's announce-self: only a MAC */
};

struct neighbor {
	enum neighbor_kind kind;
	uint16_t vlan; /* 0: untagged */
	struct mac ethernet_source, ethernet_destination;
	struct mac sender_mac, target_mac;
	struct address sender, target; /* RARP: zero */
};

/* Parses a whole Ethernet frame (one 802.1Q tag allowed).  0; -EBADMSG for a frame that is short,
 * not ARP/RARP, not Ethernet+IPv4, has a multicast or zero sender MAC, or whose Ethernet source
 * differs from its sender MAC. */
MUST_USE int neighbor_parse(const void *frame, size_t size, struct neighbor *ret);

/* Builders append one frame of at least NEIGHBOR_FRAME_SIZE bytes. */
/* "address is at mac", broadcast (RFC 5227, section 2.3). */
void neighbor_build_announcement(struct buffer *b, uint16_t vlan, const struct mac *mac,
				 const struct address *address);
/* Unicast request "are you there?" from the gateway to a node (RFC 1122, 2.3.2.1 (2)). */
void neighbor_build_probe(struct buffer *b, uint16_t vlan, const struct mac *gateway_mac,
			  const struct address *gateway, const struct mac *node_mac,
			  const struct address *node);
