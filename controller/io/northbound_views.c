/* JSON of elements, nodes, attachments and so on, for northbound.c.  Field names are those of
 * docs/openapi.yaml; what is not known is null, never left out.  Numbers of 64 bits that a program
 * would round (cookies, versions) are text. */
#include "controller/io/northbound_views.h"

#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/names.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add_ex(to, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

/* Empty text is null: not known, none. */
static void add_text(struct json_object *to, const char *key, const char *text)
{
	add(to, key, text && text[0] ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *to, const char *key, int64_t number)
{
	add(to, key, json_object_new_int64(number));
}

static void add_count(struct json_object *to, const char *key, uint64_t number)
{
	add(to, key, json_object_new_uint64(number));
}

static void add_flag(struct json_object *to, const char *key, bool flag)
{
	add(to, key, json_object_new_boolean(flag));
}

static void add_address(struct json_object *to, const char *key, const struct address *a)
{
	char text[ADDRESS_TEXT_SIZE];
	static const uint8_t none[16];

	add_text(to, key, memcmp(a->bytes, none, 16) ? address_format(a, text) : NULL);
}

static void add_mac(struct json_object *to, const char *key, const struct mac *m)
{
	char text[MAC_TEXT_SIZE];

	add_text(to, key, mac_is_zero(m) ? NULL : mac_format(m, text));
}

static void add_time(struct json_object *to, const char *key, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];

	add_text(to, key, at_ms ? clock_format(at_ms, text) : NULL);
}

/* "term.sequence", or null where there is none. */
static void add_version(struct json_object *to, const char *key, struct version v)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%" PRIu64, (unsigned)v.term, (uint64_t)v.sequence);
	add_text(to, key, version_is_set(v) ? text : NULL);
}

static void add_names(struct json_object *to, const char *key, const char (*names)[NAME_SIZE],
		      unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	add(to, key, list);
}

/* A list under its name in an object of its own. */
static struct json_object *wrap(const char *key, struct json_object *list)
{
	struct json_object *object = json_object_new_object();

	add(object, key, list);
	return object;
}

/* ---- elements ---- */

struct json_object *view_element(const struct element_view *e)
{
	struct json_object *o = json_object_new_object();
	struct json_object *cannot = json_object_new_array();

	add_text(o, "name", e->name);
	add_number(o, "id", e->id);
	add_text(o, "kind", e->kind);
	add_text(o, "state", element_state_name(e->state));
	add_text(o, "software", e->software);
	add_text(o, "peer", e->peer);
	add_address(o, "backplane", &e->backplane.pair[FAMILY_IPV4].address);
	add_address(o, "backplane6", &e->backplane.pair[FAMILY_IPV6].address);
	add_number(o, "backplane_mtu", e->backplane_mtu);
	add_names(o, "encapsulations", e->encapsulations, e->encapsulation_count);
	add_flag(o, "border", e->border);
	add_flag(o, "way_out", e->way_out);
	add_time(o, "since", e->since_ms);
	add_number(o, "ports", e->port_count);
	add_number(o, "rules", e->rule_count);
	add_count(o, "flow_mods", e->flow_mods_sent);
	add_count(o, "packet_ins", e->packet_ins);
	add_count(o, "errors", e->errors);
	add_flag(o, "draining", e->draining);
	add_flag(o, "full", e->full);
	add_number(o, "binding_limit", e->binding_limit);
	add_number(o, "missing", e->missing);
	add_count(o, "table_full", e->table_full);
	for (unsigned i = 0; e->cannot[i]; i++)
		json_object_array_add(cannot, json_object_new_string(e->cannot[i]));
	add(o, "cannot", cannot);
	return o;
}

static void collect_element(void *list, const struct element_view *e)
{
	json_object_array_add(list, view_element(e));
}

struct json_object *view_elements(const struct core *core)
{
	struct json_object *list = json_object_new_array();

	core_elements(core, collect_element, list);
	return wrap("elements", list);
}

static const char *port_role_name(uint8_t role)
{
	switch (role) {
	case PORT_ACCESS:
		return "access";
	case PORT_BACKPLANE:
		return "backplane";
	case PORT_EXTERNAL:
		return "external";
	default:
		return NULL;
	}
}

static void collect_port(void *list, const struct port_view *p)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "number", p->number);
	add_text(o, "name", p->name);
	add_text(o, "role", port_role_name(p->info.role));
	add_flag(o, "up", p->up);
	add_number(o, "mtu", p->info.mtu);
	add_flag(o, "trunk", p->info.trunk);
	add_number(o, "segment", p->info.segment);
	add_text(o, "identity", p->info.identity);
	json_object_array_add(list, o);
}

struct json_object *view_ports(const struct core *core, const struct element_view *e)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	core_ports(core, e->id, collect_port, list);
	add_text(o, "element", e->name);
	add(o, "ports", list);
	return o;
}

/* ---- attachments ---- */

static struct json_object *view_place(const struct names *names, const struct place *p)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "element", names_element(names, p->fe));
	add_number(o, "element_id", p->fe);
	add_number(o, "port", p->port);
	add_text(o, "port_name", names_port(names, p->fe, p->port));
	add_number(o, "vlan", p->vlan);
	add_mac(o, "mac", &p->mac);
	return o;
}

static void add_addresses(struct json_object *to, const struct node *n)
{
	struct json_object *list = json_object_new_array();
	char text[ADDRESS_TEXT_SIZE];

	for (unsigned i = 0; n && i < n->address_count; i++)
		json_object_array_add(
			list, json_object_new_string(address_format(&n->addresses[i], text)));
	add(to, "addresses", list);
}

static struct json_object *make_attachment(const struct core *core, const struct names *names,
					   const struct attachment *a)
{
	struct json_object *o = view_place(names, &a->place);

	add_text(o, "node", a->node);
	add_text(o, "state", attachment_state_name(a->state));
	add_addresses(o, inventory_node(core_inventory(core), a->node));
	add(o, "previous", a->previous.fe ? view_place(names, &a->previous) : NULL);
	add_version(o, "version", a->version);
	add_version(o, "element_version", a->element_version);
	add_time(o, "since", a->since_ms);
	add_time(o, "heard", a->heard_ms);
	add_number(o, "moves", a->moves);
	add_text(o, "problem", core_is_missing(core, a) ? "table-full" : "");
	return o;
}

struct json_object *view_attachment(const struct core *core, const struct attachment *a)
{
	struct names names;

	names_init(&names, core);
	struct json_object *o = make_attachment(core, &names, a);

	names_finish(&names);
	return o;
}

struct collecting {
	const struct core *core;
	const struct config *config;
	const struct names *names;
	struct json_object *list;
};

static void collect_attachment(void *to, const struct attachment *a)
{
	struct collecting *c = to;

	json_object_array_add(c->list, make_attachment(c->core, c->names, a));
}

struct json_object *view_attachments(const struct core *core, struct page *page)
{
	struct names names;
	struct collecting c = {.core = core, .names = &names, .list = json_object_new_array()};

	names_init(&names, core);
	if (page->limit)
		page->more =
			core_attachments_page(core, &page->at, page->limit, collect_attachment, &c);
	else
		core_attachments(core, collect_attachment, &c);
	names_finish(&names);
	return wrap("attachments", c.list);
}

/* ---- nodes ---- */

static struct json_object *make_node(const struct collecting *c, const struct node *n)
{
	struct json_object *o = json_object_new_object();
	const struct attachment *a = core_attachment(c->core, n->id);

	add_text(o, "id", n->id);
	add_number(o, "vrf", n->vrf);
	add_mac(o, "mac", &n->mac);
	add_addresses(o, n);
	add_flag(o, "mobile", n->mobile);
	add(o, "elements", view_words(node_list(n, NODE_ELEMENTS)));
	view_add_allow(o, n);
	add_text(o, "source",
		 core_is_claimed(c->core, n)     ? "claimed"
		 : n->learned                    ? "learned"
		 : config_node(c->config, n->id) ? "config"
						 : "api");
	add(o, "attachment", a ? make_attachment(c->core, c->names, a) : NULL);
	return o;
}

static void collect_node(void *to, const struct node *n)
{
	struct collecting *c = to;

	json_object_array_add(c->list, make_node(c, n));
}

struct json_object *view_nodes(const struct core *core, const struct config *config,
			       struct page *page)
{
	struct names names;
	struct collecting c = {
		.core = core, .config = config, .names = &names, .list = json_object_new_array()};

	names_init(&names, core);
	if (page->limit)
		page->more = core_nodes_page(core, &page->at, page->limit, collect_node, &c);
	else
		core_nodes(core, collect_node, &c);
	names_finish(&names);
	return wrap("nodes", c.list);
}

struct json_object *view_node(const struct core *core, const struct config *config,
			      const struct node *n)
{
	struct names names;
	struct collecting c = {.core = core, .config = config, .names = &names};

	names_init(&names, core);
	struct json_object *o = make_node(&c, n);

	names_finish(&names);
	return o;
}

/* ---- refusals, trace, events ---- */

static void collect_refusal(void *to, const struct refusal *r)
{
	struct collecting *c = to;
	struct json_object *o = json_object_new_object();

	add_text(o, "why", r->why);
	add_text(o, "who", r->who);
	add_text(o, "element", names_element(c->names, r->fe));
	add_number(o, "element_id", r->fe);
	add_number(o, "port", r->port);
	add_text(o, "port_name", names_port(c->names, r->fe, r->port));
	add_count(o, "count", r->count);
	add_time(o, "first", r->first_ms);
	add_time(o, "last", r->last_ms);
	add_text(o, "text", r->text);
	json_object_array_add(c->list, o);
}

struct json_object *view_refusals(const struct core *core)
{
	struct names names;
	struct collecting c = {.core = core, .names = &names, .list = json_object_new_array()};

	names_init(&names, core);
	core_refusals(core, collect_refusal, &c);
	names_finish(&names);
	return wrap("refusals", c.list);
}

static const char *table_name(uint8_t table)
{
	static const char *const table_names[TABLE_COUNT] = {
		"port", "guard", "policy", "binding", "external", "neighbor",
	};

	return table < TABLE_COUNT ? table_names[table] : NULL;
}

struct json_object *view_trace(const struct trace_step *steps, unsigned count)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++) {
		struct json_object *step = json_object_new_object();

		add_text(step, "element", steps[i].element);
		add_number(step, "table", steps[i].table);
		add_text(step, "table_name", table_name(steps[i].table));
		add_text(step, "flow", steps[i].flow);
		add_text(step, "action", steps[i].action);
		add_text(step, "reason", steps[i].reason);
		json_object_array_add(list, step);
	}
	add(o, "steps", list);
	add_text(o, "verdict", count ? steps[count - 1].reason : NULL);
	return o;
}

struct json_object *view_event(const struct event *e)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "revision", e->revision);
	add_text(o, "kind", event_kind_name(e->kind));
	add_time(o, "at", e->at_ms);
	add_text(o, "node", e->node);
	add_text(o, "element", e->element);
	add_number(o, "port", e->port);
	add_version(o, "version", version_from_cookie(e->version));
	add_text(o, "text", e->text);
	return o;
}

/* ---- from the live FE ---- */

static bool rule_has_version(enum rule_kind kind)
{
	return kind == RULE_GUARD || kind == RULE_LOCAL || kind == RULE_TENTATIVE ||
	       kind == RULE_FOREIGN;
}

/* The fields of a binding that programs want without reading the flow's text. */
static void add_binding(struct json_object *o, const struct core *core, const struct names *names,
			const struct element_view *e, const struct rule *r)
{
	enum rule_kind kind = (enum rule_kind)r->key.kind;
	bool is_local = kind == RULE_LOCAL || kind == RULE_TENTATIVE;
	bool is_binding = is_local || kind == RULE_FOREIGN;
	const struct node *n = NULL;
	uint32_t fe = is_local ? 0 : r->fe;

	if (is_binding)
		n = inventory_node_by_address(core_inventory(core), r->key.vrf, &r->key.address);
	add_text(o, "node", n ? n->id : NULL);
	if (is_binding)
		add_address(o, "address", &r->key.address);
	else
		add(o, "address", NULL);
	add(o, "port", is_local ? json_object_new_int64(r->port) : NULL);
	add_text(o, "port_name", is_local ? names_port(names, e->id, r->port) : NULL);
	add(o, "vlan", is_local ? json_object_new_int64(r->vlan) : NULL);
	add_text(o, "mac", NULL);
	if (is_local)
		add_mac(o, "mac", &r->mac);
	bool has_towards = kind == RULE_FOREIGN || (rule_is_way_out(kind) && fe);

	add_text(o, "towards", has_towards ? names_element(names, fe) : NULL);
	add(o, "towards_id", has_towards ? json_object_new_int64(fe) : NULL);
}

static struct json_object *make_rule(const struct core *core, const struct names *names,
				     const struct element_view *e, const struct ofp_flow_stats *f,
				     const struct rule *r)
{
	struct json_object *o = json_object_new_object();
	char flow[256], action[256], cookie[24];
	struct version none = {0};

	rule_format(r, flow, sizeof(flow), action, sizeof(action));
	snprintf(cookie, sizeof(cookie), "0x%016" PRIx64, r->cookie);
	add_number(o, "table", f->table);
	add_text(o, "table_name", table_name(f->table));
	add_number(o, "priority", f->priority);
	add_text(o, "kind", rule_kind_name((enum rule_kind)r->key.kind));
	add_text(o, "flow", flow);
	add_text(o, "action", action);
	add_text(o, "cookie", cookie);
	add_version(o, "version",
		    rule_has_version((enum rule_kind)r->key.kind) ? version_from_cookie(r->cookie)
								  : none);
	add_count(o, "packets", f->packet_count);
	add_count(o, "bytes", f->byte_count);
	add_number(o, "duration_ms", f->duration_s * 1000ll + f->duration_ns / 1000000);
	add_number(o, "vrf", r->key.vrf);
	add_binding(o, core, names, e, r);
	return o;
}

/* As a packet meets them: by table, then the highest priority first, then as the match reads. */
static int compare_flows(const void *a, const void *b, void *list)
{
	const struct ofp_flow_stats *flows = *(const struct ofp_flow_stats **)list;
	const struct ofp_flow_stats *x = &flows[*(const size_t *)a],
				    *y = &flows[*(const size_t *)b];

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return memcmp(x->match.fields, y->match.fields,
		      (x->match.count < y->match.count ? x->match.count : y->match.count) *
			      sizeof(x->match.fields[0]));
}

struct json_object *view_rules(const struct core *core, const struct element_view *e,
			       const struct ofp_flow_stats *list, const struct rule *rules,
			       size_t count)
{
	struct json_object *o = json_object_new_object();
	struct json_object *array = json_object_new_array();
	size_t *order = memory_alloc_array(count, sizeof(*order));
	struct names names;

	for (size_t i = 0; i < count; i++)
		order[i] = i;
	qsort_r(order, count, sizeof(*order), compare_flows, &list);
	names_init(&names, core);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(
			array, make_rule(core, &names, e, &list[order[i]], &rules[order[i]]));
	names_finish(&names);
	free(order);
	add_text(o, "element", e->name);
	add(o, "rules", array);
	return o;
}

static struct json_object *make_counter(const struct core *core, const struct names *names,
					const struct counter *c)
{
	struct json_object *o = json_object_new_object();
	const struct node *n = inventory_node_by_address(core_inventory(core), c->vrf, &c->address);

	add_text(o, "ingress", names_element(names, c->ingress_fe));
	add_number(o, "ingress_id", c->ingress_fe);
	add_text(o, "node", n ? n->id : NULL);
	add_number(o, "vrf", c->vrf);
	add_address(o, "address", &c->address);
	add_count(o, "packets", c->packets);
	add_count(o, "bytes", c->bytes);
	return o;
}

static struct json_object *make_port_drop(const struct names *names, uint32_t fe,
					  const struct drop_count *d)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "port", d->port);
	add_text(o, "port_name", names_port(names, fe, d->port));
	add_text(o, "what", d->name);
	add(o, "dropped", json_object_new_boolean(!d->is_other));
	add_count(o, "packets", d->packets);
	return o;
}

struct json_object *view_counters(const struct core *core, const struct element_view *e,
				  const struct counter *list, size_t count,
				  const struct drop_count *drops, size_t drop_count)
{
	struct json_object *o = json_object_new_object();
	struct json_object *counters = json_object_new_array();
	struct json_object *dropped = json_object_new_array();
	struct json_object *others = json_object_new_array();
	struct json_object *ports = json_object_new_array();
	struct names names;

	names_init(&names, core);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(counters, make_counter(core, &names, &list[i]));
	for (size_t i = 0; i < drop_count; i++)
		if (drops[i].port)
			json_object_array_add(ports, make_port_drop(&names, e->id, &drops[i]));
	names_finish(&names);
	for (size_t i = 0; i < drop_count; i++) {
		struct json_object *drop;

		if (drops[i].port)
			continue;
		drop = json_object_new_object();
		add_text(drop, drops[i].is_other ? "what" : "reason", drops[i].name);
		add_count(drop, "packets", drops[i].packets);
		json_object_array_add(drops[i].is_other ? others : dropped, drop);
	}
	add_text(o, "element", e->name);
	add(o, "counters", counters);
	add(o, "drops", dropped);
	add(o, "others", others);
	add(o, "ports", ports);
	return o;
}

/* ---- status ---- */

static void count_element(void *to, const struct element_view *e)
{
	unsigned *counts = to;

	counts[0]++;
	counts[1] += e->state == ELEMENT_ONLINE;
}

static void count_attachment(void *to, const struct attachment *a)
{
	unsigned *count = to;

	++*count;
}

struct json_object *view_status(const struct core *core, int64_t started_ms)
{
	const struct core_config *config = core_get_config(core);
	struct json_object *o = json_object_new_object();
	unsigned elements[2] = {0, 0}, attachments = 0;
	size_t at = 0;

	core_elements(core, count_element, elements);
	(void)core_attachments_page(core, &at, UINT_MAX, count_attachment, &attachments);
	add_text(o, "name", config->name);
	add_text(o, "software", "victor-controller " VICTOR_VERSION);
	add_number(o, "term", core_term(core));
	add_count(o, "revision", core_revision(core));
	add_time(o, "started", started_ms);
	add_text(o, "admission", admission_mode_name(config->admission));
	add_text(o, "shared_ports", config->shared_ports == SHARED_PORTS_ASK ? "ask" : "trust");
	add_mac(o, "gateway_mac", &config->gateway_mac);
	add_number(o, "elements", elements[0]);
	add_number(o, "elements_online", elements[1]);
	add_number(o, "nodes", (int64_t)core_inventory(core)->nodes.count);
	add_number(o, "attachments", attachments);
	return o;
}
