/* The air between a station and two access points: the ports of a bridge without learning
 * (lab/dock.py sets it up and says how it works).  A handoff is one write to netlink. */
#pragma once

#include "base/compiler.h"
#include "lab/netns.h"

struct air {
	int fd;
	unsigned port[2]; /* device indexes of the two access points' ports */
	uint32_t sequence;
};

/* Ports by name.  0 or -errno (-ENODEV: no such port). */
MUST_USE int air_open(struct air *a, struct netns *n, const char *const names[2]);
void air_close(struct air *a);

/* The old port goes down, then the new one opens, in this order, within this call.  0 or -errno. */
MUST_USE int air_move(struct air *a, unsigned from, unsigned to);
/* The port that was left gets its carrier back, locked.  0 or -errno. */
MUST_USE int air_settle(struct air *a, unsigned left);
