/* A ring of events under a lock.  Revisions grow by one, so the place of the event after a given
 * one is computed, not searched; a jump (which a core should not make) is stepped over. */
#include "controller/io/events.h"

#include "base/memory.h"

#include <stdlib.h>

struct event_ring *event_ring_create(uint64_t revision)
{
	struct event_ring *ring = memory_alloc(sizeof(*ring));

	ring->before = revision;
	pthread_mutex_init(&ring->lock, NULL);
	return ring;
}

void event_ring_destroy(struct event_ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

void event_ring_add(struct event_ring *ring, const struct event *e)
{
	pthread_mutex_lock(&ring->lock);
	ring->items[ring->added++ % EVENTS_KEPT] = *e;
	pthread_mutex_unlock(&ring->lock);
}

static const struct event *newest(const struct event_ring *ring)
{
	return ring->added ? &ring->items[(ring->added - 1) % EVENTS_KEPT] : NULL;
}

uint64_t event_ring_newest(struct event_ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	uint64_t revision = newest(ring) ? newest(ring)->revision : ring->before;

	pthread_mutex_unlock(&ring->lock);
	return revision;
}

/* The number (of all ever added) of the first event after 'revision'. */
static uint64_t find_after(const struct event_ring *ring, uint64_t revision)
{
	uint64_t oldest = ring->added > EVENTS_KEPT ? ring->added - EVENTS_KEPT : 0;
	uint64_t behind = newest(ring)->revision - revision;
	uint64_t at = behind < ring->added - oldest ? ring->added - behind : oldest;

	while (at > oldest && ring->items[(at - 1) % EVENTS_KEPT].revision > revision)
		at--;
	return at;
}

unsigned event_ring_read(struct event_ring *ring, uint64_t *after, struct event *ret, unsigned room,
			 bool *ret_lost)
{
	unsigned count = 0;

	*ret_lost = false;
	pthread_mutex_lock(&ring->lock);
	if (newest(ring) && newest(ring)->revision > *after) {
		uint64_t at = find_after(ring, *after);

		*ret_lost = ring->items[at % EVENTS_KEPT].revision > *after + 1;
		for (; at < ring->added && count < room; at++)
			ret[count++] = ring->items[at % EVENTS_KEPT];
		if (count)
			*after = ret[count - 1].revision;
	}
	pthread_mutex_unlock(&ring->lock);
	return count;
}
