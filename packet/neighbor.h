/* What nodes say of themselves: ARP (RFC 826, RFC 5227), RARP (RFC 903) and IPv6 neighbour
 * discovery (packet/nd.h) as one thing, "this address is at this MAC".  Parse and build; no I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#define NEIGHBOR_FRAME_SIZE 60 /* an Ethernet frame's least size without FCS */

enum neighbor_kind {
	NEIGHBOR_ARP_REQUEST,
	NEIGHBOR_ARP_REPLY,
	NEIGHBOR_ARP_PROBE,           /* sender address 0.0.0.0: claims nothing (RFC 5227, 2.1.1) */
	NEIGHBOR_ARP_ANNOUNCEMENT,    /* sender address = target address, request or reply */
	NEIGHBOR_RARP,                /* a hypervisor's announce-self: only a MAC */
	NEIGHBOR_SOLICITATION,        /* NS: who has the target?  The sender may be link-local */
	NEIGHBOR_DETECTION,           /* DAD's NS: it takes the target, which is the sender too */
	NEIGHBOR_ADVERTISEMENT,       /* NA, asked for or not: sender and target are its target */
	NEIGHBOR_ROUTER_SOLICITATION, /* RS: the sender may be link-local, or :: for none yet */
};

struct neighbor {
	enum neighbor_kind kind;
	uint16_t vlan; /* 0: untagged */
	struct mac ethernet_source, ethernet_destination;
	struct mac sender_mac, target_mac;
	struct address sender, target; /* RARP: zero */
	bool elicited; /* an answer: ARP reply that is no announcement, solicited NA */
};

/* Parses a whole Ethernet frame (one 802.1Q tag allowed).  0; -EBADMSG for a frame that is short,
 * not ARP/RARP/RS/NS/NA, not Ethernet+IP, has a multicast or zero sender MAC, or whose Ethernet
 * source differs from its sender MAC; of neighbour discovery also what nd_parse refuses. */
MUST_USE int neighbor_parse(const void *frame, size_t size, struct neighbor *ret);

/* Whether the sender's address is one that the node can be found by: not none, not link-local. */
bool neighbor_claims_address(const struct neighbor *n);

/* Builders append one frame of at least NEIGHBOR_FRAME_SIZE bytes, ARP or ND as the address says.
 */
/* "address is at mac", to all (RFC 5227, section 2.3; RFC 4861, section 7.2.6). */
void neighbor_build_announcement(struct buffer *b, uint16_t vlan, const struct mac *mac,
				 const struct address *address);
/* Unicast request "are you there?" from the gateway to a node (RFC 1122, 2.3.2.1 (2); RFC 4861,
 * 7.3.3).  For an IPv6 node the gateway is the link-local address of its MAC, and 'gateway' unused.
 */
void neighbor_build_probe(struct buffer *b, uint16_t vlan, const struct mac *gateway_mac,
			  const struct address *gateway, const struct mac *node_mac,
			  const struct address *node);
