/* An element that drains gets nothing new, and gives away what another can do: it is designated for
 * no node of a segment that has another FE (segment.c), and as a border FE it is the last choice
 * (topology.c) and announces nothing to routers outside (intent.c).  It goes on forwarding what
 * still comes, so nothing is lost.  What only it can do stays, and is listed: its nodes on LANs of
 * its own.
 *
 * Who drains is kept by name, because that is known before the element connects. */
#include "controller/drain.h"

#include "controller/element.h"
#include "controller/exit.h"
#include "controller/planner.h"
#include "controller/segment.h"
#include "controller/topology.h"

#include <errno.h>
#include <string.h>

static bool is_drained(const struct core *c, const char *name)
{
	char key[NAME_SIZE];

	name_copy(key, name);
	return table_get(&c->drained, key) != NULL;
}

static void apply(struct element *e, bool drains)
{
	struct core *c = e->core;

	if (e->draining == drains)
		return;
	e->draining = drains;
	/* Nobody is sent here any more before the rest goes, and not before it is back. */
	if (drains)
		planner_refresh_covered(e);
	topology_refresh(c);
	segment_refresh_element(c, e);
	if (!drains)
		planner_refresh_covered(e);
	report(c, EVENT_DRAINING, NULL, e, 0, "%s: %s", e->name,
	       drains ? "drains: others take over what they can" : "is in service again");
}

void drain_meet(struct element *e)
{
	apply(e, is_drained(e->core, e->name));
}

void core_restore_drain(struct core *c, const char *element)
{
	char key[NAME_SIZE];

	name_copy(key, element);
	*(bool *)table_put(&c->drained, key, NULL) = true;
}

int core_drain(struct core *c, const char *element, bool drains, int64_t now_ms, struct reason *why)
{
	struct element *e = element_by_name(c, element);
	char key[NAME_SIZE];

	core_set_now(c, now_ms);
	if (!e)
		return reason_set(why, -ENOENT, "there is no element %.*s", NAME_SIZE - 1, element);
	name_copy(key, e->name);
	if (drains)
		*(bool *)table_put(&c->drained, key, NULL) = true;
	else
		(void)table_remove(&c->drained, key);
	apply(e, drains);
	return 0;
}

static bool all_acknowledged(const struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		const struct element *e = c->elements[i];

		if (e->synced && !element_is_settled(e, e->sent))
			return false;
	}
	return true;
}

int core_drain_view(const struct core *c, const char *element, struct drain_view *ret,
		    void (*each)(void *to, const struct attachment *stays), void *to)
{
	const struct element *e = element_by_name(c, element);
	size_t at = 0;
	struct port *p;

	if (!e)
		return -ENOENT;
	*ret = (struct drain_view){.draining = e->draining, .border = e->border};
	while (table_next(&e->ports, &at, NULL, (void **)&p))
		for (const struct attachment_record *r = record_at(c, p->first); r;
		     r = record_at(c, r->port_next)) {
			ret->nodes++;
			if (each)
				each(to, &r->a);
		}
	for (unsigned i = 0; i < c->element_count; i++)
		ret->exits += c->elements[i]->exit == (int64_t)e->id ||
			      exit_leads_to(c->elements[i], e->id);
	ret->is_empty = e->draining && !ret->nodes && !ret->exits && all_acknowledged(c);
	return 0;
}
