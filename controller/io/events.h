/* The last events, for watchers: the core's loop adds, the HTTP thread reads.  The only state that
 * both threads touch, under its own lock. */
#pragma once

#include "controller/core.h"

#include <pthread.h>

#define EVENTS_KEPT 4096

struct event_ring {
	pthread_mutex_t lock;
	uint64_t before; /* the revision before the first that was added */
	uint64_t added;  /* how many ever; item n is at n % EVENTS_KEPT */
	struct event items[EVENTS_KEPT];
};

/* 'revision': of the last event that is not to be kept here any more. */
struct event_ring *event_ring_create(uint64_t revision);
void event_ring_destroy(struct event_ring *ring);
void event_ring_add(struct event_ring *ring, const struct event *e);
/* The revision of the newest event. */
uint64_t event_ring_newest(struct event_ring *ring);
/* Copies up to 'room' events with a revision after '*after', oldest first, and sets '*after' to the
 * last one's.  '*ret_lost': events after '*after' are not kept any more.  Returns the count. */
unsigned event_ring_read(struct event_ring *ring, uint64_t *after, struct event *ret, unsigned room,
			 bool *ret_lost);
