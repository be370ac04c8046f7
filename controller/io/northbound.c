/* REST requests, on the loop: http.c brings them from its thread, a route leads to a handler, the
 * handler asks the core and answers (northbound_views.c makes the JSON, northbound_body.c reads
 * it).  Three kinds of answer come later: a node's, when the store has it; rules and counters, when
 * the FE has sent them. */
#include "controller/io/northbound.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/events.h"
#include "controller/io/http.h"
#include "controller/io/northbound_body.h"
#include "controller/io/northbound_metrics.h"
#include "controller/io/northbound_views.h"
#include "controller/io/routes.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("northbound");

#define JSON "application/json"
#define EVENTS_PER_PIECE 32

struct northbound {
	const struct config *config;
	struct core *core;
	struct store *store;
	struct http_server *http;
	struct event_ring *events;
	struct metrics metrics;
	struct http_ops ops;
};

/* One request that an answer is owed to. */
struct call {
	struct northbound *nb;
	struct http_request *request;
	char argument[NAME_SIZE]; /* what stood for {} */
	struct element_view element;
	int64_t now_ms;
	/* A node change under way: what to say, and how to undo it. */
	bool created;
	struct node before, after;
};

/* ---- answers ---- */

static void call_finish(struct call *c)
{
	http_request_free(c->request);
	free(c);
}

static void answer_bytes(struct call *c, int status, const char *type, const char *allow,
			 struct buffer *body)
{
	http_answer(c->nb->http, c->request->id, status, type, allow, body);
	call_finish(c);
}

/* Puts 'object'; NULL: no body. */
static void answer(struct call *c, int status, struct json_object *object)
{
	struct buffer body = {0};
	size_t size;

	if (object) {
		const char *text = json_object_to_json_string_length(
			object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

		buffer_add_bytes(&body, text, size);
		write_u8(&body, '\n');
		json_object_put(object);
	}
	answer_bytes(c, status, object ? JSON : NULL, NULL, &body);
}

static struct json_object *error_object(const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error", json_object_new_string(text));
	return o;
}

static void refuse_with(struct call *c, int status, const char *format, ...) PRINTF_LIKE(3, 4);

static void refuse_with(struct call *c, int status, const char *format, ...)
{
	char text[REASON_SIZE + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	answer(c, status, error_object(text));
}

/* The core's errors in HTTP's words. */
static void refuse(struct call *c, int result, const struct reason *why)
{
	int status = 500;

	switch (-result) {
	case EINVAL:
	case ERANGE:
		status = 400;
		break;
	case ENOENT:
		status = 404;
		break;
	case EEXIST:
	case EBUSY:
	case EPERM:
		status = 409;
		break;
	case ENOTCONN:
	case EHOSTUNREACH:
	case ECONNRESET:
	case EAGAIN:
		status = 503;
		break;
	case ETIMEDOUT:
		status = 504;
		break;
	}
	refuse_with(c, status, "%s", why->text[0] ? why->text : strerror(-result));
}

/* ---- names ---- */

struct search {
	const char *name;
	struct element_view *ret;
	bool found;
};

static void compare_name(void *to, const struct element_view *e)
{
	struct search *s = to;

	if (!s->found && strcasecmp(e->name, s->name) == 0) {
		*s->ret = *e;
		s->found = true;
	}
}

/* Names are people's: FE2 is fe2, unless there is an FE2 too. */
static bool find_element(const struct core *core, const char *name, struct element_view *ret)
{
	struct search s = {.name = name, .ret = ret};

	if (core_element_by_name(core, name, ret) == 0)
		return true;
	core_elements(core, compare_name, &s);
	return s.found;
}

/* The element of the path into c->element; else the call is refused and false returned. */
static bool take_element(struct call *c)
{
	if (find_element(c->nb->core, c->argument, &c->element))
		return true;
	refuse_with(c, 404, "no element '%s'; see /v1/elements", c->argument);
	return false;
}

static const struct node *take_node(struct call *c)
{
	const struct node *n = inventory_node(core_inventory(c->nb->core), c->argument);

	if (!n)
		refuse_with(c, 404, "no node '%s'; see /v1/nodes", c->argument);
	return n;
}

/* ---- reading ---- */

static void get_status(struct call *c)
{
	answer(c, 200, view_status(c->nb->core, c->nb->metrics.started_ms));
}

static void get_elements(struct call *c)
{
	answer(c, 200, view_elements(c->nb->core));
}

static void get_element(struct call *c)
{
	if (take_element(c))
		answer(c, 200, view_element(&c->element));
}

static void get_ports(struct call *c)
{
	if (take_element(c))
		answer(c, 200, view_ports(c->nb->core, &c->element));
}

static void on_rules(void *to, int result, const struct ofp_flow_stats *list,
		     const struct rule *rules, size_t count)
{
	struct call *c = to;

	if (result < 0) {
		refuse_with(c, result == -ETIMEDOUT ? 504 : 502,
			    "element '%s' did not give its rules: %s", c->element.name,
			    ofp_error_string(result));
		return;
	}
	answer(c, 200, view_rules(c->nb->core, &c->element, list, rules, count));
}

static void get_forwarding(struct call *c)
{
	struct reason why = {""};

	if (!take_element(c))
		return;
	int result = core_read_rules(c->nb->core, c->element.name, c->now_ms, on_rules, c, &why);

	if (result < 0)
		refuse(c, result, &why);
}

static void on_counters(void *to, int result, const struct counter *list, size_t count,
			const struct drop_count *drops, size_t drop_count)
{
	struct call *c = to;

	if (result < 0) {
		refuse_with(c, result == -ETIMEDOUT ? 504 : 502,
			    "element '%s' did not give its counters: %s", c->element.name,
			    ofp_error_string(result));
		return;
	}
	answer(c, 200, view_counters(c->nb->core, &c->element, list, count, drops, drop_count));
}

static void get_counters(struct call *c)
{
	struct reason why = {""};

	if (!take_element(c))
		return;
	int result =
		core_read_counters(c->nb->core, c->element.name, c->now_ms, on_counters, c, &why);

	if (result < 0)
		refuse(c, result, &why);
}

static void get_prefixes(struct call *c)
{
	answer(c, 200, view_prefixes(c->nb->core));
}

static void get_links(struct call *c)
{
	answer(c, 200, view_links(c->nb->core));
}

static void get_nodes(struct call *c)
{
	answer(c, 200, view_nodes(c->nb->core, c->nb->config));
}

static void get_node(struct call *c)
{
	const struct node *n = take_node(c);

	if (n)
		answer(c, 200, view_node(c->nb->core, c->nb->config, n));
}

static void get_attachments(struct call *c)
{
	answer(c, 200, view_attachments(c->nb->core));
}

static void get_refusals(struct call *c)
{
	answer(c, 200, view_refusals(c->nb->core));
}

static void get_metrics(struct call *c)
{
	struct buffer body = {0};

	metrics_write(&body, c->nb->core, &c->nb->metrics, c->now_ms);
	answer_bytes(c, 200, "text/plain; version=0.0.4", NULL, &body);
}

static int query_address(struct call *c, const char *name, struct address *ret, struct reason *why)
{
	char text[ADDRESS_TEXT_SIZE];
	int found = query_get(c->request->query, name, text, sizeof(text));

	if (found == 0)
		return reason_set(why, -EINVAL, "'%s' is missing: ?source=A&destination=B", name);
	if (found < 0 || address_parse(text, ret) < 0)
		return reason_set(why, -EINVAL, "%s '%s' is no address", name, text);
	return 0;
}

static int query_vrf(struct call *c, uint32_t *ret, struct reason *why)
{
	char text[16], *end;
	int found = query_get(c->request->query, "vrf", text, sizeof(text));

	*ret = 0;
	if (found == 0)
		return 0;
	unsigned long number = strtoul(text, &end, 10);

	if (found < 0 || end == text || *end || text[0] == '-' || number > 0x7fffff)
		return reason_set(why, -EINVAL, "vrf '%s' is no VRF number", text);
	*ret = (uint32_t)number;
	return 0;
}

static void get_trace(struct call *c)
{
	struct trace_step steps[TRACE_STEPS_MAX];
	struct address source, destination;
	struct reason why = {""};
	uint32_t vrf;
	int result = query_address(c, "source", &source, &why);

	if (result == 0)
		result = query_address(c, "destination", &destination, &why);
	if (result == 0)
		result = query_vrf(c, &vrf, &why);
	int named = query_get(c->request->query, "element", c->argument, sizeof(c->argument));

	if (result == 0 && named) {
		if (named < 0 || !find_element(c->nb->core, c->argument, &c->element))
			result = reason_set(&why, -ENOENT, "no element '%s'; see /v1/elements",
					    c->argument);
	}
	memset(steps, 0, sizeof(steps));
	if (result == 0)
		result = core_trace(c->nb->core, vrf, &source, &destination,
				    named ? c->element.name : NULL, steps, &why);
	if (result < 0)
		refuse(c, result, &why);
	else
		answer(c, 200, view_trace(steps, (unsigned)result));
}

/* ---- changing nodes: answered when the store has it ---- */

static bool is_from_config(struct call *c)
{
	if (!config_node(c->nb->config, c->argument))
		return false;
	refuse_with(c, 409,
		    "node '%s' stands in %s; change it there, then reload the controller (SIGHUP)",
		    c->argument, c->nb->config->path);
	return true;
}

/* Back to what it was; only unless somebody changed it again meanwhile. */
static void undo_node(struct call *c)
{
	const struct node *now = inventory_node(core_inventory(c->nb->core), c->after.id);
	bool removed = !c->after.address_count;
	struct reason why;
	int result = 0;

	if (removed ? now != NULL : !now || memcmp(now, &c->after, sizeof(*now)) != 0)
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
		refuse_with(c, 500, "the change was undone, the store did not take it: %s", error);
		return;
	}
	const struct node *n = inventory_node(core_inventory(c->nb->core), c->after.id);

	if (!c->after.address_count || !n)
		answer(c, 204, NULL);
	else
		answer(c, c->created ? 201 : 200, view_node(c->nb->core, c->nb->config, n));
}

static void put_node(struct call *c)
{
	const struct node *before = inventory_node(core_inventory(c->nb->core), c->argument);
	struct reason why = {""};

	if (is_from_config(c))
		return;
	c->created = !before;
	if (before)
		c->before = *before;
	int result = node_from_json(c->argument, c->request->body, c->request->body_size, &c->after,
				    &why);

	if (result == 0)
		result = core_put_node(c->nb->core, &c->after, c->now_ms, &why);
	if (result < 0)
		refuse(c, result, &why);
	else if (c->nb->store)
		store_put_node(c->nb->store, &c->after, on_node_kept, c);
	else
		on_node_kept(c, 0, NULL);
}

static void delete_node(struct call *c)
{
	const struct node *before = inventory_node(core_inventory(c->nb->core), c->argument);
	struct reason why = {""};

	if (is_from_config(c))
		return;
	if (before)
		c->before = *before;
	strcpy(c->after.id, c->argument);
	int result = core_remove_node(c->nb->core, c->argument, c->now_ms, &why);

	if (result < 0)
		refuse(c, result, &why);
	else if (c->nb->store)
		store_remove_node(c->nb->store, c->argument, on_node_kept, c);
	else
		on_node_kept(c, 0, NULL);
}

/* ---- changing attachments: the hot path, answered at once ---- */

static void answer_attachment(struct call *c, int status, int result, const struct reason *why)
{
	if (result < 0) {
		refuse(c, result, why);
		return;
	}
	const struct attachment *a = core_attachment(c->nb->core, c->argument);

	if (a)
		answer(c, status, view_attachment(c->nb->core, a));
	else
		answer(c, 204, NULL);
}

static void post_move(struct call *c)
{
	struct move_request move;
	struct reason why = {""};
	int result = move_from_json(c->request->body, c->request->body_size, &move, &why);

	if (result == 0 && !find_element(c->nb->core, move.element, &c->element))
		result = reason_set(&why, -ENOENT, "no element '%s'; see /v1/elements",
				    move.element);
	if (result == 0)
		result = core_prepare_move(c->nb->core, c->argument, c->element.name, move.port,
					   move.vlan, c->now_ms, &why);
	answer_attachment(c, 202, result, &why);
}

static void confirm_move(struct call *c)
{
	struct reason why = {""};
	int result = core_confirm_move(c->nb->core, c->argument, c->now_ms, &why);

	answer_attachment(c, 200, result, &why);
}

static void revert_move(struct call *c)
{
	struct reason why = {""};
	int result = core_revert_move(c->nb->core, c->argument, c->now_ms, &why);

	answer_attachment(c, 200, result, &why);
}

static void delete_attachment(struct call *c)
{
	struct reason why = {""};
	int result = core_detach_node(c->nb->core, c->argument, c->now_ms, &why);

	if (result < 0)
		refuse(c, result, &why);
	else
		answer(c, 204, NULL);
}

/* ---- routes ---- */

static const struct route {
	const char *method, *pattern;
	void (*handle)(struct call *c);
} routes[] = {
	{"POST", "/v1/nodes/{}/move", post_move},
	{"DELETE", "/v1/nodes/{}/move", revert_move},
	{"POST", "/v1/nodes/{}/move/confirm", confirm_move},
	{"GET", "/v1/status", get_status},
	{"GET", "/v1/elements", get_elements},
	{"GET", "/v1/elements/{}", get_element},
	{"GET", "/v1/elements/{}/ports", get_ports},
	{"GET", "/v1/elements/{}/forwarding", get_forwarding},
	{"GET", "/v1/elements/{}/counters", get_counters},
	{"GET", "/v1/prefixes", get_prefixes},
	{"GET", "/v1/links", get_links},
	{"GET", "/v1/nodes", get_nodes},
	{"GET", "/v1/nodes/{}", get_node},
	{"PUT", "/v1/nodes/{}", put_node},
	{"DELETE", "/v1/nodes/{}", delete_node},
	{"DELETE", "/v1/nodes/{}/attachment", delete_attachment},
	{"GET", "/v1/attachments", get_attachments},
	{"GET", "/v1/trace", get_trace},
	{"GET", "/v1/refusals", get_refusals},
	{"GET", "/metrics", get_metrics},
};

/* The Allow header's text for a path that has other methods; the routes have these alone. */
static const char *allowed_methods(const char *path)
{
	static const char *const names[] = {
		NULL,	"GET",	     "PUT",	    "GET, PUT",
		"POST", "GET, POST", "PUT, POST",   "GET, PUT, POST",
		"DELETE", "GET, DELETE", "PUT, DELETE", "GET, PUT, DELETE",
		"POST, DELETE", "GET, POST, DELETE", "PUT, POST, DELETE", "GET, PUT, POST, DELETE",
	};
	static const char *const methods[] = {"GET", "PUT", "POST", "DELETE"};
	char argument[NAME_SIZE];
	unsigned mask = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!route_match(routes[i].pattern, path, argument, sizeof(argument)))
			continue;
		for (unsigned m = 0; m < ARRAY_SIZE(methods); m++)
			mask |= (unsigned)(strcmp(methods[m], routes[i].method) == 0) << m;
	}
	return names[mask];
}

static void refuse_unrouted(struct call *c)
{
	const char *allow = allowed_methods(c->request->path);
	struct buffer body = {0};

	if (!allow) {
		refuse_with(c, 404, "there is no such path; docs/openapi.yaml has them all");
		return;
	}
	char *text = memory_format("{\"error\":\"use %s here\"}\n", allow);

	buffer_add_bytes(&body, text, strlen(text));
	free(text);
	answer_bytes(c, 405, JSON, allow, &body);
}

static void on_request(void *context, struct http_request *r)
{
	struct call *c = memory_alloc(sizeof(*c));

	c->nb = context;
	c->request = r;
	c->now_ms = clock_now_ms();
	c->nb->metrics.requests++;
	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].method, r->method) == 0 &&
		    route_match(routes[i].pattern, r->path, c->argument, sizeof(c->argument))) {
			routes[i].handle(c);
			return;
		}
	}
	refuse_unrouted(c);
}

/* ---- events, on the HTTP thread ---- */

static void write_event(struct buffer *out, const struct event *e)
{
	struct json_object *o = view_event(e);
	char *text = memory_format("id: %llu\nevent: %s\ndata: %s\n\n",
				   (unsigned long long)e->revision, event_kind_name(e->kind),
				   json_object_to_json_string_ext(
					   o, JSON_C_TO_STRING_PLAIN |
						      JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	buffer_add_bytes(out, text, strlen(text));
	free(text);
}

static void write_lost(struct buffer *out, uint64_t after)
{
	char *text = memory_format("event: lost\ndata: {\"after\":%llu}\n\n",
				   (unsigned long long)after);

	buffer_add_bytes(out, text, strlen(text));
	free(text);
}

static void on_stream(void *context, uint64_t *after, struct buffer *out)
{
	struct northbound *nb = context;
	uint64_t newest = event_ring_newest(nb->events), asked = *after;
	struct event *list = memory_alloc_array(EVENTS_PER_PIECE, sizeof(*list));
	bool lost, restarted = asked != UINT64_MAX && asked > newest;

	if (asked == UINT64_MAX) {
		static const char hello[] = ": from now on\n\n";

		*after = newest;
		buffer_add_bytes(out, hello, sizeof(hello) - 1);
	} else if (restarted) { /* it watched before our start: it gets all since then */
		*after = 0;
	}
	unsigned count = event_ring_read(nb->events, after, list, EVENTS_PER_PIECE, &lost);

	if (restarted && !count)
		*after = newest;
	if (lost || restarted)
		write_lost(out, asked);
	for (unsigned i = 0; i < count; i++)
		write_event(out, &list[i]);
	free(list);
}

void northbound_event(struct northbound *nb, const struct event *e)
{
	nb->metrics.events[e->kind]++;
	event_ring_add(nb->events, e);
	http_wake_streams(nb->http);
}

int northbound_open(uv_loop_t *loop, const struct config *config, struct core *core,
		    struct store *store, struct northbound **ret, struct reason *why)
{
	struct northbound *nb = memory_alloc(sizeof(*nb));

	nb->config = config;
	nb->core = core;
	nb->store = store;
	nb->events = event_ring_create(core_revision(core));
	nb->metrics.started_ms = clock_now_ms();
	nb->ops = (struct http_ops){.request = on_request, .stream = on_stream, .context = nb};
	int result = http_start(loop, config->northbound, config->northbound_count, "/v1/events",
				&nb->ops, &nb->http, why);

	if (result < 0) {
		event_ring_destroy(nb->events);
		free(nb);
		return result;
	}
	*ret = nb;
	return 0;
}

void northbound_set_config(struct northbound *nb, const struct config *config)
{
	nb->config = config;
}

void northbound_close(struct northbound *nb)
{
	http_stop(nb->http);
	event_ring_destroy(nb->events);
	free(nb);
}
