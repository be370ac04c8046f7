/* REST's part of admission: sites, alarms, addresses that belong to whoever came first.  Field
 * names are those of docs/openapi.yaml. */
#include "controller/io/clock.h"
#include "controller/io/names.h"
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"
#include "controller/io/store.h"

#include <json-c/json.h>

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add_ex(to, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	add(to, key, text && text[0] ? json_object_new_string(text) : NULL);
}

static struct json_object *wrap(const char *key, struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	add(o, key, list);
	return o;
}

struct json_object *view_words(const char *words)
{
	struct json_object *list = json_object_new_array();
	char word[WORD_SIZE];
	unsigned at = 0;

	while (words_next(words, &at, word))
		json_object_array_add(list, json_object_new_string(word));
	return list;
}

void view_add_allow(struct json_object *to, const struct node *n)
{
	struct json_object *allow = json_object_new_object();

	add(to, "labels", view_words(node_list(n, NODE_LABELS)));
	add(allow, "ports", view_words(node_list(n, NODE_ALLOW_PORTS)));
	add(allow, "sites", view_words(node_list(n, NODE_ALLOW_SITES)));
	add(allow, "labels", view_words(node_list(n, NODE_ALLOW_LABELS)));
	add(to, "allow", allow);
}

static struct json_object *view_network(const struct site_network *n)
{
	struct json_object *o = json_object_new_object();
	char text[PREFIX_TEXT_SIZE];

	add(o, "prefix", json_object_new_string(prefix_format(&n->prefix, text)));
	add(o, "vrf", json_object_new_int64(n->vrf));
	return o;
}

static struct json_object *view_site(const struct site *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *elements = json_object_new_array();
	struct json_object *networks = json_object_new_array(), *imports = json_object_new_array();

	for (unsigned i = 0; i < s->element_count; i++)
		json_object_array_add(elements, json_object_new_string(s->elements[i]));
	for (unsigned i = 0; i < s->network_count; i++)
		json_object_array_add(s->networks[i].imported ? imports : networks,
				      view_network(&s->networks[i]));
	add(o, "name", json_object_new_string(s->name));
	add(o, "elements", elements);
	add(o, "labels", view_words(s->labels.text));
	add(o, "networks", networks);
	add(o, "imports", imports);
	return o;
}

void call_get_sites(struct call *c)
{
	const struct sites *sites = &core_inventory(c->nb->core)->sites;
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < sites->count; i++)
		json_object_array_add(list, view_site(&sites->list[i]));
	call_answer(c, 200, wrap("sites", list));
}

struct collecting {
	const struct names *names;
	struct json_object *list;
};

static void collect_alarm(void *to, const struct alarm *a)
{
	struct collecting *c = to;
	struct json_object *o = json_object_new_object();
	char text[CLOCK_TEXT_SIZE];

	add_text(o, "kind", a->kind);
	add_text(o, "who", a->who);
	add_text(o, "element", names_element(c->names, a->fe));
	add(o, "port", json_object_new_int64(a->port));
	add_text(o, "port_name", names_port(c->names, a->fe, a->port));
	add_text(o, "text", a->text);
	add_text(o, "since", clock_format(a->since_ms, text));
	json_object_array_add(c->list, o);
}

void call_get_alarms(struct call *c)
{
	struct names names;
	struct collecting collecting = {.names = &names, .list = json_object_new_array()};

	names_init(&names, c->nb->core);
	core_alarms(c->nb->core, collect_alarm, &collecting);
	names_finish(&names);
	call_answer(c, 200, wrap("alarms", collecting.list));
}

static void on_released(void *to, int result, const char *error)
{
	struct call *c = to;

	if (result < 0)
		call_refuse_with(c, 500, "it is released, but the store did not take that: %s",
				 error);
	else
		call_answer(c, 204, NULL);
}

void call_delete_claim(struct call *c)
{
	struct reason why = {""};
	char id[NAME_SIZE];
	int result = core_release(c->nb->core, c->argument, c->now_ms, id, &why);

	if (result < 0)
		call_refuse(c, result, &why);
	else if (c->nb->store)
		store_remove_node(c->nb->store, id, on_released, c);
	else
		on_released(c, 0, NULL);
}
