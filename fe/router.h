/* Router advertisements with the anycast gateway (RFC 4861, section 6.2): the FE is the first
 * router of its IPv6 nodes, and all FEs are the same one, by MAC and link-local address
 * (nd_link_local).
 *
 * All that is said follows from rules, so it outlives the controller and a restart: the router is
 * the MAC of the ANSWER rules, its prefixes those that their cookies mark (ANSWER_ADVERTISED,
 * ANSWER_AUTONOMOUS), the MTU what fits into the tunnel to any other FE, carriers included. */
#pragma once

#include "fe/pipeline.h"
#include "packet/nd.h"

#define ROUTER_SEGMENTS_MAX 65536
#define ROUTER_LIFETIME_S 1800
#define ROUTER_SPACING_MS 3000 /* least time between two to all (MIN_DELAY_BETWEEN_RAS) */
#define ROUTER_INITIAL_INTERVAL_MS 16000
#define ROUTER_INITIAL_COUNT 3
#define ROUTER_INTERVAL_MS 200000 /* from this to three times this */

struct links;

struct router {
	struct pipeline *pipeline;
	const struct links *links;
	uint16_t backplane_mtu; /* 0: not known */
	int64_t now_ms, tick_ms;
	uint64_t random;
	struct table segments; /* a port and a VLAN -> when it is told */
	struct buffer frame;   /* scratch */
	uint64_t sent;         /* advertisements */
};

/* 'links' may be NULL: there are none. */
void router_init(struct router *r, struct pipeline *pipeline, const struct links *links,
		 uint16_t backplane_mtu, uint64_t seed, int64_t now_ms);
void router_finish(struct router *r);

/* A frame that was sent up: a router solicitation is answered at once, the one who asks alone if it
 * has an address, else all on its segment; anything else is passed over. */
void router_heard(struct router *r, const struct upcall *u);
/* A node is here now: an IPv6 node's segment is told soon. */
void router_local_set(struct router *r, const struct rule *rule);
void router_tick(struct router *r);

/* The MTU for nodes behind a device of that one (0: unknown); 0: nothing is known. */
uint32_t router_mtu(const struct router *r, uint32_t device);

/* What is said on this port; false: nothing, no prefix is advertised. */
bool router_describe(const struct router *r, const struct agent_port *port, struct mac *ret_mac,
		     struct nd_router *ret);
