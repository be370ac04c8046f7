/* See controller/aside.h.  They are in a pool of the core's, which is gone over bit by bit: a tick
 * looks at ASIDES_EACH_TICK of them, so that many do not delay a move. */
#include "controller/aside.h"

#include "controller/element.h"

#define ASIDES_EACH_TICK 10000

const struct aside *aside_of(const struct core *c, const struct attachment_record *r)
{
	static const struct aside none;
	const struct aside *a = aside_find(c, r);

	return a ? a : &none;
}

struct aside *aside_find(const struct core *c, const struct attachment_record *r)
{
	return r->aside ? pool_at(&c->asides, r->aside - 1) : NULL;
}

struct aside *aside_obtain(struct core *c, struct attachment_record *r)
{
	struct aside *a = aside_find(c, r);

	if (a)
		return a;
	r->aside = pool_take(&c->asides) + 1;
	a = aside_find(c, r);
	a->of = r;
	return a;
}

void aside_drop(struct core *c, struct attachment_record *r)
{
	if (r->aside)
		pool_give(&c->asides, r->aside - 1);
	r->aside = 0;
}

static bool is_needed(const struct core *c, const struct aside *a)
{
	const struct attachment_record *r = a->of;
	const struct element *e = element_find(c, r->a.place.fe);

	if (!r->detached && (r->a.state == ATTACHMENT_PROBING ||
			     r->a.state == ATTACHMENT_PREPARED || (e && e->ovs)))
		return true;
	return c->now_ms < a->damped_until_ms ||
	       (a->ambiguous_count &&
		c->now_ms - a->ambiguous_since_ms <= c->config.flapping_window_ms);
}

void aside_tick(struct core *c)
{
	struct aside *a;

	for (unsigned i = 0; i < ASIDES_EACH_TICK; i++) {
		if (!pool_next(&c->asides, &c->asides_at, (void **)&a)) {
			c->asides_at = 0;
			return;
		}
		if (!is_needed(c, a))
			aside_drop(c, a->of);
	}
}
