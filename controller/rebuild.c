/* See controller/rebuild.h.  What is kept is not told to other FEs and not believed: it only goes
 * on until the inventory says whose it is, and is adopted then as after any restart (learn.c). */
#include "controller/rebuild.h"

#include "controller/attachment.h"
#include "controller/record.h"
#include "controller/sync.h"

#include "base/log.h"

LOG_MODULE("core");

#define LOOK_MS 100

void rebuild_begin(struct core *c)
{
	c->rebuilding = c->config.rebuild_timeout_ms && c->term == 1;
}

bool rebuild_keeps(const struct core *c, const struct rule *rule)
{
	const struct node *n =
		inventory_node_by_address(&c->inventory, rule->key.vrf, &rule->key.address);

	return c->rebuilding && !(n && attachment_find(c, n->id));
}

void rebuild_node_added(struct core *c)
{
	if (c->rebuilding && !c->learning && !c->rebuild_look_ms)
		c->rebuild_look_ms = c->now_ms + LOOK_MS;
}

static unsigned look_again(struct core *c)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (e->synced && e->session->stage == STAGE_COMPARE)
			e->session->sync->again = true;
		if (!e->synced || !e->unexplained || e->session->stage != STAGE_READY)
			continue;
		session_synchronize(e->session);
		c->shell.flush(c->shell.context, e->session);
		count++;
	}
	return count;
}

void rebuild_report(const struct core *c)
{
	unsigned attached = 0, spoken = 0, unexplained = 0;
	size_t at = 0;
	struct attachment_record *r;

	while (pool_next(&c->records, &at, (void **)&r)) {
		attached += !r->detached;
		spoken += !r->detached && r->live;
	}
	for (unsigned i = 0; i < c->element_count; i++)
		unexplained += c->elements[i]->unexplained;
	if (c->rebuilt_count)
		log_warn("the store had %u attachments: rebuilt %u more from the elements' flows; "
			 "term %u is above all of theirs; %u of %u nodes have spoken since",
			 c->restored_count, c->rebuilt_count, c->term, spoken, attached);
	else
		log_info("%u nodes are attached, %u of them have spoken; the store had %u, term %u",
			 attached, spoken, c->restored_count, c->term);
	if (c->rebuilding && unexplained)
		log_warn("%u elements forward for nodes that the inventory does not have: kept for "
			 "%u s; put them again (victorctl import) before",
			 unexplained, c->config.rebuild_timeout_ms / 1000);
}

void rebuild_tick(struct core *c)
{
	if (!c->rebuilding || c->learning)
		return;
	if (c->now_ms - c->started_ms >= c->config.rebuild_timeout_ms) {
		c->rebuilding = false;
		if (look_again(c))
			log_warn("flows that no node of the inventory explains are removed now");
	} else if (c->rebuild_look_ms && c->now_ms >= c->rebuild_look_ms) {
		c->rebuild_look_ms = 0;
		(void)look_again(c);
	}
}
