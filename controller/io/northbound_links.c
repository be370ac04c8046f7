/* JSON of the backplane: its links, and the paths over them.  Field names are those of
 * docs/openapi.yaml; what is not known is null. */
#include "controller/io/names.h"
#include "controller/io/northbound_views.h"

#include <json-c/json.h>

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add_ex(to, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static struct json_object *text_or_null(const char *text)
{
	return text && text[0] ? json_object_new_string(text) : NULL;
}

static struct json_object *number_or_null(uint64_t number)
{
	return number ? json_object_new_uint64(number) : NULL;
}

/* What one end says of the link. */
static struct json_object *view_end(const struct link_view *l, unsigned end)
{
	struct json_object *o = json_object_new_object();
	const char *state = !l->reported[end] ? NULL : l->end_up[end] ? "up" : "down";

	add(o, "element", json_object_new_string(l->names[end]));
	add(o, "port", text_or_null(l->ports[end]));
	add(o, "state", text_or_null(state));
	add(o, "reason", text_or_null(l->why_down[end]));
	add(o, "sent_bits_per_second", json_object_new_uint64(l->bits_per_second[end]));
	add(o, "sent_packets", json_object_new_uint64(l->packets[end]));
	add(o, "sent_bytes", json_object_new_uint64(l->bytes[end]));
	return o;
}

static void collect_link(void *list, const struct link_view *l)
{
	struct json_object *o = json_object_new_object(), *names = json_object_new_array();
	struct json_object *ends = json_object_new_array();

	for (unsigned i = 0; i < 2; i++) {
		json_object_array_add(names, json_object_new_string(l->names[i]));
		json_object_array_add(ends, view_end(l, i));
	}
	add(o, "between", names);
	add(o, "cost", json_object_new_int64(l->cost));
	add(o, "up", json_object_new_boolean(l->up));
	add(o, "kind", text_or_null(link_kind_name(l->kind)));
	add(o, "source", json_object_new_string(l->discovered ? "discovered" : "configured"));
	add(o, "cost_by_delay", json_object_new_boolean(l->by_delay));
	add(o, "delay_us", number_or_null(l->delay_us));
	add(o, "bandwidth_mbps", number_or_null(l->bandwidth_mbps));
	add(o, "encapsulation", text_or_null(!l->tunnelled ? NULL : l->vxlan ? "vxlan" : "ipip"));
	add(o, "underlay", text_or_null(!l->tunnelled ? NULL : l->ipv6 ? "ipv6" : "ipv4"));
	add(o, "ends", l->kind ? ends : NULL);
	if (!l->kind)
		json_object_put(ends);
	json_object_array_add(list, o);
}

struct json_object *view_links(const struct core *core)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	core_links(core, collect_link, list);
	add(o, "links", list);
	return o;
}

struct path_list {
	const struct core *core;
	struct names *names;
	struct json_object *list;
};

static void collect_path(void *to, const struct path_view *p)
{
	struct path_list *paths = to;
	struct json_object *o = json_object_new_object(), *way = json_object_new_array();

	for (unsigned i = 0; i < p->count; i++)
		json_object_array_add(way, text_or_null(names_element(paths->names, p->fe[i])));
	add(o, "from", text_or_null(names_element(paths->names, p->fe[0])));
	add(o, "to", text_or_null(names_element(paths->names, p->fe[p->count - 1])));
	add(o, "kind", json_object_new_string(path_kind_name(p->kind)));
	add(o, "cost", number_or_null(p->cost));
	add(o, "elements", way);
	json_object_array_add(paths->list, o);
}

struct path_ends {
	struct path_list *paths;
	uint32_t from;
};

static void collect_paths_to(void *to, const struct element_view *e)
{
	const struct path_ends *ends = to;

	core_paths(ends->paths->core, ends->from, e->id, collect_path, ends->paths);
}

struct json_object *view_paths(const struct core *core, uint32_t from, uint32_t to)
{
	struct json_object *o = json_object_new_object();
	struct names names;
	struct path_list paths = {core, &names, json_object_new_array()};
	struct path_ends ends = {&paths, from};

	names_init(&names, core);
	if (to)
		core_paths(core, from, to, collect_path, &paths);
	else
		core_elements(core, collect_paths_to, &ends);
	names_finish(&names);
	add(o, "paths", paths.list);
	return o;
}
