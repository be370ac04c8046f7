/* The air between a station and two access points: the ports of a bridge without learning
 * (lab/dock.py sets it up and says how it works).  A handoff is one write to netlink. */
#pragma once

#include "base/compiler.h"
#include "lab/netns.h"

#include <stdbool.h>

struct air {
	int fd;
	unsigned port[2]; /* device indexes of the two access points' ports */
	uint32_t sequence;
};

/* Ports by name.  0 or -errno (-ENODEV: no such port). */
MUST_USE int air_open(struct air *a, struct netns *n, const char *const names[2]);
void air_close(struct air *a);

/* In one call: no frame passes the old port any more, then the new one opens.  0 or -errno. */
MUST_USE int air_move(struct air *a, unsigned from, unsigned to);
/* Takes a port's carrier away, or gives it back.  Losing it takes the kernel a tenth of a
 * millisecond in all, some 30 us until the other end sees it.  0 or -errno. */
MUST_USE int air_set_carrier(struct air *a, unsigned which, bool up);
