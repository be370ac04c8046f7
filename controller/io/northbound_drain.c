/* /v1/elements/NAME/drain: an element is taken out of service, or put into it again; answered when
 * the store has it.  GET says how far it is. */
#include "controller/io/clock.h"
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"

#include <json-c/json.h>
#include <string.h>

static void add_node(void *list, const struct attachment *a)
{
	json_object_array_add(list, json_object_new_string(a->node));
}

static void answer(struct call *c, int status)
{
	struct json_object *o = json_object_new_object(), *stays = json_object_new_array();
	struct drain_view view = {0};

	(void)!core_drain_view(c->nb->core, c->element.name, &view, add_node, stays);
	json_object_object_add(o, "element", json_object_new_string(c->element.name));
	json_object_object_add(o, "draining", json_object_new_boolean(view.draining));
	json_object_object_add(o, "border", json_object_new_boolean(view.border));
	json_object_object_add(o, "empty", json_object_new_boolean(view.is_empty));
	json_object_object_add(o, "exits", json_object_new_int64(view.exits));
	json_object_object_add(o, "nodes", stays);
	call_answer(c, status, o);
}

static bool take_element(struct call *c)
{
	if (northbound_find_element(c->nb->core, c->argument, &c->element))
		return true;
	call_refuse_with(c, 404, "no element '%s'; see /v1/elements", c->argument);
	return false;
}

void call_get_drain(struct call *c)
{
	if (take_element(c))
		answer(c, 200);
}

static void on_kept(void *to, int result, const char *error)
{
	struct call *c = to;
	struct reason why;

	if (result == 0) {
		answer(c, c->created ? 202 : 200);
		return;
	}
	/* 'created': it drains. */
	(void)!core_drain(c->nb->core, c->element.name, !c->created, clock_now_ms(), &why);
	call_refuse_with(c, 500, "the change was undone, the store did not take it: %s", error);
}

static void change(struct call *c, bool drains)
{
	struct reason why = {""};
	int result;

	if (!take_element(c))
		return;
	c->created = drains;
	result = core_drain(c->nb->core, c->element.name, drains, c->now_ms, &why);
	if (result < 0)
		call_refuse(c, result, &why);
	else if (c->nb->store)
		store_drain(c->nb->store, c->element.name, drains, on_kept, c);
	else
		on_kept(c, 0, NULL);
}

void call_post_drain(struct call *c)
{
	change(c, true);
}

void call_delete_drain(struct call *c)
{
	change(c, false);
}
