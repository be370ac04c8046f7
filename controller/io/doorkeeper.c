/* Who waits at the door, oldest first, and who has to leave it. */
#include "controller/io/doorkeeper.h"

#include <netinet/in.h>
#include <string.h>

#define TALLY 4096 /* senders are told apart by so many: two in one make one busier */

static uint64_t source_of(const struct sockaddr *from)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
	uint64_t source = 0;

	if (from->sa_family == AF_INET)
		source = v4->sin_addr.s_addr;
	else if (from->sa_family == AF_INET6)
		memcpy(&source, &v6->sin6_addr, sizeof(source));
	return source;
}

static unsigned tally_of(uint64_t source)
{
	return (unsigned)(source * 0x9e3779b97f4a7c15u >> 52) % TALLY;
}

static struct stranger *oldest_of_the_busiest(const struct doorkeeper *d)
{
	uint16_t tally[TALLY] = {0};
	unsigned most = 0;

	for (const struct stranger *s = d->first; s; s = s->next) {
		unsigned at = tally_of(s->source);

		if (++tally[at] > tally[most])
			most = at;
	}
	for (struct stranger *s = d->first; s; s = s->next)
		if (tally_of(s->source) == most)
			return s;
	return NULL;
}

struct stranger *doorkeeper_admit(struct doorkeeper *d, struct stranger *s,
				  const struct sockaddr *from, int64_t now_ms)
{
	s->source = source_of(from);
	s->since_ms = now_ms;
	s->is_here = true;
	s->next = NULL;
	s->previous = d->last;
	*(d->last ? &d->last->next : &d->first) = s;
	d->last = s;
	return ++d->count > STRANGERS_MAX ? oldest_of_the_busiest(d) : NULL;
}

void doorkeeper_release(struct doorkeeper *d, struct stranger *s)
{
	if (!s->is_here)
		return;
	*(s->previous ? &s->previous->next : &d->first) = s->next;
	*(s->next ? &s->next->previous : &d->last) = s->previous;
	s->is_here = false;
	d->count--;
}

struct stranger *doorkeeper_overdue(const struct doorkeeper *d, int64_t now_ms)
{
	return d->first && now_ms - d->first->since_ms > STRANGER_MS ? d->first : NULL;
}

bool doorkeeper_has_time(struct doorkeeper *d, int64_t now_ms)
{
	if (now_ms - d->window_ms >= HANDSHAKE_WINDOW_MS) {
		d->window_ms = now_ms;
		d->spent_us = 0;
	}
	return d->spent_us < HANDSHAKE_SHARE_US;
}

void doorkeeper_spend(struct doorkeeper *d, int64_t us)
{
	d->spent_us += us;
}
