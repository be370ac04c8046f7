/* Whether what leaves VICTOR may leave here: a state machine of its own, without I/O or clock.
 *
 * A way out is lost the moment its routes are gone or a routing daemon has died, so that others are
 * used at once; it is back only when the routes have been there for a while, and for longer after
 * each loss that follows soon upon the last, so that a daemon that keeps failing makes no traffic
 * go to and fro.
 *
 * An FE whose outside is only what is directly connected has no routes by a next hop, and needs
 * none: they are missed where there were some, or where a default route that refuses packets says
 * that there should be.  A default route is missed where there was one: the other routes may be
 * few. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WAY_OUT_FAMILIES 2 /* IPv4, IPv6 */
#define WAY_OUT_HOLD_MS 1000
#define WAY_OUT_HOLD_MAX_MS 60000
#define WAY_OUT_FORGET_MS 60000 /* a loss so long after the last return is the first one again */

/* What leads out by an external port, the least first. */
enum way_out_routes {
	WAY_OUT_NONE,
	WAY_OUT_REFUSED, /* none, and there is a default route that refuses packets */
	WAY_OUT_SOME,    /* routes by a next hop */
	WAY_OUT_DEFAULT, /* a default route */
};

/* What is to be known at one moment. */
struct way_out_signs {
	enum way_out_routes routes[WAY_OUT_FAMILIES];
	bool daemon_gone; /* a routing daemon that should be there is not */
};

struct way_out {
	bool usable;
	enum way_out_routes most[WAY_OUT_FAMILIES]; /* that there has been; not REFUSED */
	int64_t good_ms;                            /* lost, but well again: since when; else 0 */
	int64_t back_ms;                            /* when it was last regained */
	int64_t hold_ms;                            /* it must have been well for so long */
};

void way_out_init(struct way_out *w);
/* Whether to use it from now on.  To be called often, and whenever a sign changes. */
bool way_out_update(struct way_out *w, const struct way_out_signs *signs, int64_t now_ms);
