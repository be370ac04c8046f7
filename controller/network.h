/* The networks (autonomous systems) that FEs are in, and what the policies between them allow: a
 * path that goes up from customers to providers, over at most one peering, and down again from
 * providers to customers.  Any other one has a valley, where somebody carries for others at his own
 * cost.  Plain facts with arithmetic; topology.c and tunnel.c ask. */
#pragma once

#include "base/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define NAME_SIZE 64 /* of all that has a name, its end included */
#define NETWORKS_MAX 64
#define NETWORK_ELEMENTS_MAX 64
#define NETWORK_NEIGHBORS_MAX 16

struct network {
	char name[NAME_SIZE];
	uint32_t as; /* its number, for people; 0: not said */
	unsigned element_count, upstream_count, peer_count;
	char elements[NETWORK_ELEMENTS_MAX][NAME_SIZE];
	char upstreams[NETWORK_NEIGHBORS_MAX][NAME_SIZE]; /* it is their customer */
	char peers[NETWORK_NEIGHBORS_MAX][NAME_SIZE];     /* said at one end or at both */
};

/* What one network is to another.  An FE in no network is outside of all policy: SAME. */
enum network_relation {
	NETWORK_SAME,  /* or one of them is in none */
	NETWORK_ABOVE, /* its provider, or its provider's ... */
	NETWORK_BELOW, /* its customer, or its customer's ... */
	NETWORK_LEVEL, /* neither: by a peering, or up to a provider of both and down */
	NETWORK_NONE,  /* no path that policies allow leads from one to the other */
};

struct networks {
	struct network list[NETWORKS_MAX];
	unsigned count;
	/* Of each to each, by their places in the list: networks_settle. */
	uint8_t relations[NETWORKS_MAX][NETWORKS_MAX];
};

/* Refuses a bad or known name, a neighbour named twice, an element that is in another one. */
MUST_USE int networks_add(struct networks *n, const struct network *one, struct reason *why);
/* When all are in: refuses neighbours that are unknown or contradict each other (a circle of
 * providers, a peer that is a provider), naming the network by '*ret_at' in the list. */
MUST_USE int networks_settle(struct networks *n, unsigned *ret_at, struct reason *why);

/* The network's place in the list; -1: there is none of that name; the element is in none. */
int networks_find(const struct networks *n, const char *name);
int networks_of(const struct networks *n, const char *element);
/* What a's network is to b's. */
enum network_relation networks_relation(const struct networks *n, const char *element_a,
					const char *element_b);
