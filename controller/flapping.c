/* Damping.  Only claims that had to be asked about count, and of these not those that were answered
 * clearly (the node answers where it claims to be, and no more where it was): a node may move as
 * often as it likes.  What is left are two machines with one address, and forgers; after some of
 * that the node stays where it is for as long as the window is, whatever is claimed without a
 * proof, and people are told.  It is over by itself. */
#include "controller/flapping.h"

#include "controller/alarm.h"

#include <string.h>

bool flapping_is_damped(const struct core *c, const struct attachment_record *r)
{
	return c->now_ms < aside_of(c, r)->damped_until_ms;
}

bool flapping_count(struct core *c, struct attachment_record *r)
{
	struct aside *a = aside_obtain(c, r);

	if (!a->ambiguous_count ||
	    c->now_ms - a->ambiguous_since_ms > c->config.flapping_window_ms) {
		a->ambiguous_since_ms = c->now_ms;
		a->ambiguous_count = a->counted = 0;
	}
	a->ambiguous_count++;
	a->counted++;
	if (a->ambiguous_count < c->config.flapping_claims)
		return false;
	a->damped_until_ms = c->now_ms + c->config.flapping_window_ms;
	a->ambiguous_count = 0; /* then it begins anew */
	report(c, EVENT_AMBIGUOUS, &r->a, NULL, 0,
	       "%s: flapping: %u ambiguous claims within %u s; the next are not heard", r->a.node,
	       c->config.flapping_claims, c->config.flapping_window_ms / 1000);
	alarm_raise(c, "flapping", r->a.node, NULL, 0,
		    "%s: flapping: claimed from two places %u times within %u s; it stays where it "
		    "is for as long, unless a claim proves more",
		    r->a.node, c->config.flapping_claims, c->config.flapping_window_ms / 1000);
	return true;
}

void flapping_forgive(struct core *c, struct attachment_record *r)
{
	struct aside *a = aside_find(c, r);

	if (!a)
		return;
	a->ambiguous_count -= a->counted < a->ambiguous_count ? a->counted : a->ambiguous_count;
	a->counted = 0;
}

void flapping_tick(struct core *c)
{
	size_t at = 0;
	struct alarm *alarm;

	while (table_next(&c->alarms, &at, NULL, (void **)&alarm)) {
		const struct attachment_record *r = NULL;
		char node[NAME_SIZE];

		if (strcmp(alarm->kind, "flapping") != 0)
			continue;
		name_copy(node, alarm->who);
		r = attachment_find(c, node);
		if (!r || !flapping_is_damped(c, r))
			alarm_clear(c, "flapping", node, NULL);
	}
}
