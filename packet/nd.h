/* IPv6 neighbour discovery (RFC 4861) and duplicate address detection (RFC 4862): parse and build.
 * packet/neighbor.h says what such a frame claims; here is what it says.  No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

enum nd_type {
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
};

#define ND_PREFIXES_MAX 16
#define ND_MTU_LEAST 1280 /* an IPv6 link's (RFC 8200, section 5) */

/* A prefix information option (RFC 4861, section 4.6.2). */
struct nd_prefix {
	struct prefix prefix;
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s; /* 0xffffffff: for ever */
};

/* What a router says of itself and its link (section 4.2). */
struct nd_router {
	uint8_t hop_limit; /* 0: not said */
	bool managed, other;
	uint16_t lifetime_s; /* 0: it is no default router */
	uint32_t mtu;        /* 0: not said */
	bool shares_load; /* it has several MACs, and names none (section 4.2): who wants one asks
			   */
	uint8_t prefix_count;
	struct nd_prefix prefixes[ND_PREFIXES_MAX];
};

struct nd {
	uint8_t type;  /* enum nd_type */
	uint16_t vlan; /* 0: untagged */
	struct mac ethernet_source, ethernet_destination;
	struct address source, destination;  /* of the IPv6 packet; source ::  in DAD */
	struct address target;               /* solicitation, advertisement */
	bool is_router, solicited, override; /* advertisement: the flags R, S, O */
	bool has_link_layer;
	struct mac link_layer;   /* the target's in an advertisement, else the source's */
	struct nd_router router; /* router advertisement */
};

/* Parses a whole Ethernet frame (one 802.1Q tag allowed; no extension headers, RFC 6980).  0;
 * -EBADMSG for what is none of the four messages or must be discarded (sections 6.1 and 7.1): hop
 * limit other than 255, wrong checksum, a code, an option of length 0 or beyond the end, a
 * multicast target or source, a tentative sender that names its MAC, a solicited multicast
 * advertisement.  Of several link-layer addresses or MTUs the first counts; prefixes beyond
 * ND_PREFIXES_MAX and unknown options are passed over. */
MUST_USE int nd_parse(const void *frame, size_t size, struct nd *ret);
/* Whether the frame is an ICMPv6 message of one of these types, well formed or not. */
bool nd_is(const void *frame, size_t size);

bool nd_is_link_local(const struct address *a); /* fe80::/10 */
/* The link-local address that a MAC makes (RFC 4291, appendix A).  The anycast gateway's, by its
 * MAC, is the same at every FE: what router advertisements and probes come from. */
struct address nd_link_local(const struct mac *mac);

/* Builders append one frame. */
/* "address is at mac", to all nodes, overriding what they know (section 7.2.6); it comes from the
 * MAC's link-local address. */
void nd_build_announcement(struct buffer *b, uint16_t vlan, const struct mac *mac,
			   const struct address *address);
/* Unsolicited, from the router that all FEs are ('first': the MAC that makes its link-local
 * address), sent by this MAC: to one node, "the gateway is at mac"; to all (NULL) it names no MAC,
 * and no neighbour's cache changes (section 7.2.5), but switches learn the port. */
void nd_build_gateway(struct buffer *b, uint16_t vlan, const struct mac *mac,
		      const struct mac *first, const struct address *gateway, const struct mac *to);
/* Unicast "are you there?" from the gateway to a node (section 7.3.3). */
void nd_build_probe(struct buffer *b, uint16_t vlan, const struct mac *gateway_mac,
		    const struct mac *node_mac, const struct address *node);
/* "Who is target?", from an address of ours; to the one MAC that it had, or (NULL) to whom it may
 * concern (section 7.2.2). */
void nd_build_question(struct buffer *b, const struct mac *mac, const struct address *from,
		       const struct mac *to, const struct address *target);
/* From the router with that MAC, to one node or (NULL) to all. */
struct nd_host {
	struct mac mac;
	struct address address;
};
void nd_build_router_advertisement(struct buffer *b, uint16_t vlan, const struct mac *router_mac,
				   const struct nd_router *router, const struct nd_host *to);
