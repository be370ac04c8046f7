/* JSON of the covered prefixes, and of the elements by which their nodes' packets leave VICTOR.
 * Field names are those of docs/openapi.yaml. */
#include "controller/io/northbound_views.h"

#include <json-c/json.h>

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add_ex(to, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static void add_flag(struct json_object *to, const char *key, bool flag)
{
	add(to, key, json_object_new_boolean(flag));
}

static void add_names(struct json_object *to, const char *key, const char (*names)[NAME_SIZE],
		      unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	add(to, key, list);
}

static void add_prefix(struct json_object *to, const struct covered_prefix *p)
{
	char text[PREFIX_TEXT_SIZE];

	add(to, "prefix", json_object_new_string(prefix_format(&p->prefix, text)));
	add(to, "vrf", json_object_new_int64(p->vrf));
}

static struct json_object *wrap(const char *key, struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	add(o, key, list);
	return o;
}

struct json_object *view_prefixes(const struct core *core)
{
	const struct inventory *inventory = core_inventory(core);
	struct json_object *list = json_object_new_array();
	char text[ADDRESS_TEXT_SIZE];

	for (unsigned i = 0; i < inventory->prefix_count; i++) {
		const struct covered_prefix *p = &inventory->prefixes[i];
		struct json_object *o = json_object_new_object();

		add_prefix(o, p);
		add_flag(o, "mobile", p->mobile);
		add(o, "mode",
		    json_object_new_string(
			    admission_mode_name(p->mode ? (enum admission_mode)(p->mode - 1)
							: core_get_config(core)->admission)));
		add_flag(o, "announce", !p->internal);
		add_flag(o, "unreachable", p->unreachable);
		add_flag(o, "autoconf", p->autoconf);
		add(o, "registration", json_object_new_string(p->signed_only ? "signed" : "any"));
		add(o, "gateway",
		    address_is_zero(&p->gateway)
			    ? NULL
			    : json_object_new_string(address_format(&p->gateway, text)));
		add_names(o, "elements", p->elements, p->element_count);
		add_names(o, "exits", p->exits, p->exit_count);
		add_names(o, "announce_at", p->announcers, p->announcer_count);
		json_object_array_add(list, o);
	}
	return wrap("prefixes", list);
}

static void collect_exit(void *list, const struct exit_view *v)
{
	struct json_object *o = json_object_new_object();

	add_prefix(o, v->prefix);
	add(o, "element", json_object_new_string(v->element));
	add(o, "exit", v->exit ? json_object_new_string(v->exit) : NULL);
	add_flag(o, "announced", v->announced);
	json_object_array_add(list, o);
}

struct json_object *view_exits(const struct core *core)
{
	struct json_object *list = json_object_new_array();

	core_exits(core, collect_exit, list);
	return wrap("exits", list);
}
