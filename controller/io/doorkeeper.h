/* Strangers at the southbound: connections that have not shown a good certificate yet.  They are
 * bounded in number and in time, and where there are too many the one that waited longest of the
 * busiest sender goes: who opens a thousand connections turns away himself.  So are handshakes in
 * what they take of the thread, which belongs to elements.  No I/O and no clock. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define STRANGERS_MAX 1024
#define STRANGER_MS 5000 /* for the handshake, from the first packet to the last */
#define HANDSHAKE_WINDOW_MS 10
#define HANDSHAKE_SHARE_US 3000 /* in each window */

struct stranger {
	struct stranger *next, *previous; /* next: came later */
	uint64_t source;                  /* an IPv4 address or an IPv6 /64 */
	int64_t since_ms;
	bool is_here;
};

struct doorkeeper {
	struct stranger *first, *last;
	unsigned count;
	int64_t window_ms, spent_us;
};

/* Lets one in; returns who has to go instead (never the newcomer alone of his kind), or NULL. */
struct stranger *doorkeeper_admit(struct doorkeeper *d, struct stranger *s,
				  const struct sockaddr *from, int64_t now_ms);
/* He is known now, or gone.  Nothing for one that is not here. */
void doorkeeper_release(struct doorkeeper *d, struct stranger *s);
/* One whose time is over, or NULL. */
struct stranger *doorkeeper_overdue(const struct doorkeeper *d, int64_t now_ms);

/* Whether a stranger may be heard now, or only when the window is over. */
bool doorkeeper_has_time(struct doorkeeper *d, int64_t now_ms);
void doorkeeper_spend(struct doorkeeper *d, int64_t us);
