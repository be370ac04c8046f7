/* Routes of this machine that are in the way of covered prefixes: whether one is, and what
 * controllers are told of them. */
#pragma once

#include "fe/internal.h"

/* What kind of route of the kernel it is. */
enum overlap_route {
	OVERLAP_OWN,       /* an address of this machine */
	OVERLAP_CONNECTED, /* a network at one of its interfaces */
	OVERLAP_ROUTED,    /* by a next hop */
};
/* A covered prefix itself may be routed here, since others announce it; but no part of it may be,
 * and nobody else may be connected to it. */
bool overlap_is(const struct prefix *covered, const struct prefix *route, enum overlap_route kind);

/* agent.c: a controller that is new here. */
void overlap_introduce(struct agent_connection *c);
