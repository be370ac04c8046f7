/* Probes between a moving host and a third machine, both ways at once, through their real stacks:
 * UDP at a fine interval for the outage, ICMP echo at a coarse one for what the paper counted.  A
 * thread sends and receives; the caller asks what came after a moment.  Times are nanoseconds of
 * CLOCK_MONOTONIC; arrivals are stamped by the kernel. */
#pragma once

#include "base/compiler.h"
#include "lab/netns.h"
#include "lab/tally.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UP: sent by the moving host.  DOWN: received by it. */
enum probe_way { PROBE_UP, PROBE_DOWN };

struct probe_config {
	struct in_addr host, peer;
	int64_t probe_interval_ns, ping_interval_ns;
};

struct ping {
	int64_t sent_ns;
	bool answered;
};

struct probe;

int64_t probe_now_ns(void);

/* Opens the sockets, in the host's and the peer's namespaces.  0 or -errno. */
MUST_USE int probe_create(const struct probe_config *config, struct netns *host, struct netns *peer,
			  struct probe **ret);
void probe_destroy(struct probe *p);

/* Starts the thread; stops it (what is still on its way is waited for first). */
MUST_USE int probe_start(struct probe *p);
void probe_stop(struct probe *p);

/* Waits until a probe sent after 'after_ns' (UP), or any that arrived after it (DOWN), has come.
 * Returns the first one's arrival, or 0 if none came within the time. */
MUST_USE int64_t probe_first_after(struct probe *p, enum probe_way way, int64_t after_ns,
				   int64_t timeout_ns);

/* After probe_stop(): every ping of a way, in order of sending; borrowed. */
const struct ping *probe_pings(const struct probe *p, enum probe_way way, size_t *ret_count);
/* After probe_stop(): what became of each probe of a way; borrowed. */
const struct tally *probe_tally(const struct probe *p, enum probe_way way);
/* Probes sent and received, both ways together. */
void probe_count(const struct probe *p, uint64_t *ret_sent, uint64_t *ret_received);
