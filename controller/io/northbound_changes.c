/* Requests that change nodes (answered when the store has them) or attachments (the hot path:
 * answered at once).  Bodies are read by northbound_body.c. */
#include "base/log.h"
#include "controller/io/clock.h"
#include "controller/io/northbound_body.h"
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"

#include <errno.h>
#include <string.h>

LOG_MODULE("northbound");

/* ---- changing nodes: answered when the store has it ---- */

static bool is_from_config(struct call *c)
{
	if (!config_node(c->nb->config, c->argument))
		return false;
	call_refuse_with(
		c, 409,
		"node '%s' stands in %s; change it there, then reload the controller (SIGHUP)",
		c->argument, c->nb->config->path);
	return true;
}

/* Back to what it was; only unless somebody changed it again meanwhile. */
static void undo_node(struct call *c)
{
	const struct node *now = inventory_node(core_inventory(c->nb->core), c->after.id);
	bool removed = !c->after.address_count;
	struct node_spec spec = {.vrf = 0};
	struct reason why;
	int result = 0;

	if (now)
		node_describe(now, &spec);
	if (removed ? now != NULL : !now || memcmp(&spec, &c->after, sizeof(spec)) != 0)
		return;
	if (removed || !c->created)
		result = core_put_node(c->nb->core, &c->before, clock_now_ms(), &why);
	else
		result = core_remove_node(c->nb->core, c->after.id, clock_now_ms(), &why);
	if (result < 0)
		log_error("node %s: the change could not be undone: %s", c->after.id, why.text);
}

static void on_node_kept(void *to, int result, const char *error)
{
	struct call *c = to;

	if (result < 0) {
		undo_node(c);
		call_refuse_with(c, 500, "the change was undone, the store did not take it: %s",
				 error);
		return;
	}
	const struct node *n = inventory_node(core_inventory(c->nb->core), c->after.id);

	if (!c->after.address_count)
		devices_forget(c, c->after.id);
	if (!c->after.address_count || !n)
		call_answer(c, 204, NULL);
	else
		call_answer(c, c->created ? 201 : 200, view_node(c->nb->core, c->nb->config, n));
}

void call_put_node(struct call *c)
{
	const struct node *before = inventory_node(core_inventory(c->nb->core), c->argument);
	struct reason why = {""};

	if (is_from_config(c))
		return;
	c->created = !before;
	if (before)
		node_describe(before, &c->before);
	int result = node_from_json(c->argument, c->request->body, c->request->body_size, &c->after,
				    &why);

	if (result == 0)
		result = core_put_node(c->nb->core, &c->after, c->now_ms, &why);
	if (result < 0)
		call_refuse(c, result, &why);
	else if (c->nb->store)
		store_put_node(c->nb->store, &c->after, on_node_kept, c);
	else
		on_node_kept(c, 0, NULL);
}

void call_delete_node(struct call *c)
{
	const struct node *before = inventory_node(core_inventory(c->nb->core), c->argument);
	struct reason why = {""};

	if (is_from_config(c))
		return;
	if (before)
		node_describe(before, &c->before);
	strcpy(c->after.id, c->argument);
	int result = core_remove_node(c->nb->core, c->argument, c->now_ms, &why);

	if (result < 0)
		call_refuse(c, result, &why);
	else if (c->nb->store)
		store_remove_node(c->nb->store, c->argument, on_node_kept, c);
	else
		on_node_kept(c, 0, NULL);
}

/* ---- changing attachments: the hot path, answered at once ---- */

static void answer_attachment(struct call *c, int status, int result, const struct reason *why)
{
	if (result < 0) {
		call_refuse(c, result, why);
		return;
	}
	const struct attachment *a = core_attachment(c->nb->core, c->argument);

	if (a)
		call_answer(c, status, view_attachment(c->nb->core, a));
	else
		call_answer(c, 204, NULL);
}

void call_post_move(struct call *c)
{
	struct move_request move;
	struct reason why = {""};
	int result = move_from_json(c->request->body, c->request->body_size, &move, &why);

	if (result == 0 && !northbound_find_element(c->nb->core, move.element, &c->element))
		result = reason_set(&why, -ENOENT, "no element '%s'; see /v1/elements",
				    move.element);
	if (result == 0)
		result = core_prepare_move(c->nb->core, c->argument, c->element.name, move.port,
					   move.vlan, c->now_ms, &why);
	answer_attachment(c, 202, result, &why);
}

void call_confirm_move(struct call *c)
{
	struct reason why = {""};
	int result = core_confirm_move(c->nb->core, c->argument, c->now_ms, &why);

	answer_attachment(c, 200, result, &why);
}

void call_revert_move(struct call *c)
{
	struct reason why = {""};
	int result = core_revert_move(c->nb->core, c->argument, c->now_ms, &why);

	answer_attachment(c, 200, result, &why);
}

void call_delete_attachment(struct call *c)
{
	struct reason why = {""};
	int result = core_detach_node(c->nb->core, c->argument, c->now_ms, &why);

	if (result < 0)
		call_refuse(c, result, &why);
	else
		call_answer(c, 204, NULL);
}
