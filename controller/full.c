/* An element whose table is full refuses a rule and keeps what it has (docs/southbound.md).  What
 * it refused is remembered, shown, and tried again: by comparing, soon after rules of it were
 * deleted, and now and then in any case. */
#include "controller/full.h"

#include "controller/element.h"

#include <string.h>

#define RETRY_MS 30000     /* nothing that we know of was deleted */
#define RETRY_ROOM_MS 1000 /* something was */
#define MISSING_MAX 65536

static void remember(struct element *e, const uint8_t *flow_mod, size_t size)
{
	struct reader rd = reader_make(flow_mod, size);
	struct ofp_flow_mod mod;
	struct ofp_header header;
	struct rule rule;

	if (ofp_header_decode(&rd, &header) < 0 || header.type != OFPT_FLOW_MOD ||
	    ofp_flow_mod_decode(&rd, &mod) < 0 || rule_from_flow_mod(&mod, &rule) < 0)
		return;
	if (e->missing.count < MISSING_MAX)
		*(bool *)table_put(&e->missing, &rule.key, NULL) = true;
}

void full_refused(struct element *e, const uint8_t *flow_mod, size_t size)
{
	remember(e, flow_mod, size);
	e->table_full++;
	if (e->rule_count)
		e->rule_count--;
	if (!e->full)
		report(e->core, EVENT_TABLE_FULL, NULL, e, 0,
		       "%s: its table is full (it holds %u addresses): it cannot reach every node",
		       e->name, e->info.binding_limit);
	e->full = true;
	e->refused_again = true;
	e->tried_ms = e->core->now_ms;
	e->freed = 0;
}

void full_forget(struct element *e)
{
	table_clear(&e->missing);
	e->refused_again = false;
	e->tried_ms = e->core->now_ms;
}

void full_settled(struct element *e)
{
	if (!e->full || e->refused_again)
		return;
	e->full = false;
	report(e->core, EVENT_TABLE_FULL, NULL, e, 0, "%s: its table has room again", e->name);
}

void full_tick(struct element *e)
{
	struct core *c = e->core;

	if (!e->full || !e->synced || e->session->stage != STAGE_READY ||
	    c->now_ms - e->tried_ms < (e->freed ? RETRY_ROOM_MS : RETRY_MS))
		return;
	e->freed = 0;
	session_synchronize(e->session);
	c->shell.flush(c->shell.context, e->session);
}

bool core_is_missing(const struct core *c, const struct attachment *a)
{
	const struct element *e = element_find(c, a->place.fe);
	const struct node *n = inventory_node(&c->inventory, a->node);

	if (!e || !e->full || !n)
		return false;
	for (unsigned i = 0; i < n->address_count; i++) {
		struct rule_key key = {
			.kind = RULE_LOCAL, .vrf = n->vrf, .address = n->addresses[i]};

		if (table_get(&e->missing, &key))
			return true;
	}
	return false;
}
