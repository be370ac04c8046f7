/* REST requests, on the loop: http.c brings them from its thread, a route leads to a handler, the
 * handler asks the core and answers (northbound_views.c makes the JSON).  What changes something is
 * in northbound_changes.c.  Rules and counters are answered later, when the FE has sent them. */
#include "controller/io/northbound.h"

#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"
#include "controller/io/routes.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON "application/json"
#define EVENTS "/v1/events"

/* ---- answers ---- */

static void call_finish(struct call *c)
{
	http_request_free(c->request);
	free(c);
}

void call_answer_bytes(struct call *c, int status, const char *type, const char *allow,
		       struct buffer *body)
{
	northbound_audited_answer(c, status, type, allow, body);
	call_finish(c);
}

/* Puts 'object'; NULL: no body. */
void call_answer(struct call *c, int status, struct json_object *object)
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
	call_answer_bytes(c, status, object ? JSON : NULL, NULL, &body);
}

static struct json_object *error_object(const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error", json_object_new_string(text));
	return o;
}

void call_refuse_with(struct call *c, int status, const char *format, ...)
{
	char text[REASON_SIZE + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call_answer(c, status, error_object(text));
}

void call_refuse(struct call *c, int result, const struct reason *why)
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
	call_refuse_with(c, status, "%s", why->text[0] ? why->text : strerror(-result));
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

bool northbound_find_element(const struct core *core, const char *name, struct element_view *ret)
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
	if (northbound_find_element(c->nb->core, c->argument, &c->element))
		return true;
	call_refuse_with(c, 404, "no element '%s'; see /v1/elements", c->argument);
	return false;
}

static const struct node *take_node(struct call *c)
{
	const struct node *n = inventory_node(core_inventory(c->nb->core), c->argument);

	if (!n)
		call_refuse_with(c, 404, "no node '%s'; see /v1/nodes", c->argument);
	return n;
}

/* ---- reading ---- */

static void get_status(struct call *c)
{
	call_answer(c, 200, view_status(c->nb->core, c->nb->metrics.started_ms));
}

static void get_elements(struct call *c)
{
	call_answer(c, 200, view_elements(c->nb->core));
}

static void get_element(struct call *c)
{
	if (take_element(c))
		call_answer(c, 200, view_element(&c->element));
}

static void get_ports(struct call *c)
{
	if (take_element(c))
		call_answer(c, 200, view_ports(c->nb->core, &c->element));
}

static void get_paths(struct call *c)
{
	char name[NAME_SIZE];
	struct element_view to = {0};

	if (!take_element(c))
		return;
	int named = query_get(c->request->query, "to", name, sizeof(name));

	if (named < 0 || (named && !northbound_find_element(c->nb->core, name, &to)))
		call_refuse_with(c, 404, "no such element as 'to' names; see /v1/elements");
	else
		call_answer(c, 200, view_paths(c->nb->core, c->element.id, to.id));
}

static void on_rules(void *to, int result, const struct ofp_flow_stats *list,
		     const struct rule *rules, size_t count)
{
	struct call *c = to;

	if (result < 0) {
		call_refuse_with(c, result == -ETIMEDOUT ? 504 : 502,
				 "element '%s' did not give its rules: %s", c->element.name,
				 ofp_error_string(result));
		return;
	}
	call_answer(c, 200, view_rules(c->nb->core, &c->element, list, rules, count));
}

static void get_forwarding(struct call *c)
{
	struct reason why = {""};

	if (!take_element(c))
		return;
	int result = core_read_rules(c->nb->core, c->element.name, c->now_ms, on_rules, c, &why);

	if (result < 0)
		call_refuse(c, result, &why);
}

static void on_counters(void *to, int result, const struct counter *list, size_t count,
			const struct drop_count *drops, size_t drop_count)
{
	struct call *c = to;

	if (result < 0) {
		call_refuse_with(c, result == -ETIMEDOUT ? 504 : 502,
				 "element '%s' did not give its counters: %s", c->element.name,
				 ofp_error_string(result));
		return;
	}
	call_answer(c, 200,
		    view_counters(c->nb->core, &c->element, list, count, drops, drop_count));
}

static void get_counters(struct call *c)
{
	struct reason why = {""};

	if (!take_element(c))
		return;
	int result =
		core_read_counters(c->nb->core, c->element.name, c->now_ms, on_counters, c, &why);

	if (result < 0)
		call_refuse(c, result, &why);
}

static void get_prefixes(struct call *c)
{
	call_answer(c, 200, view_prefixes(c->nb->core));
}

static void get_exits(struct call *c)
{
	call_answer(c, 200, view_exits(c->nb->core));
}

static void get_links(struct call *c)
{
	call_answer(c, 200, view_links(c->nb->core));
}

static void get_node(struct call *c)
{
	const struct node *n = take_node(c);

	if (n)
		call_answer(c, 200, view_node(c->nb->core, c->nb->config, n));
}

static void get_refusals(struct call *c)
{
	call_answer(c, 200, view_refusals(c->nb->core));
}

static void get_metrics(struct call *c)
{
	struct buffer body = {0};
	struct metrics *m = &c->nb->metrics;

	for (unsigned i = 0; i < HTTP_CAUSE_COUNT; i++)
		m->refused[i] = http_refused(c->nb->http, (enum http_cause)i);
	m->audit_lost = audit_lost(c->nb->audit);
	metrics_write(&body, c->nb->core, &c->nb->metrics, c->now_ms);
	call_answer_bytes(c, 200, "text/plain; version=0.0.4", NULL, &body);
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
		if (named < 0 || !northbound_find_element(c->nb->core, c->argument, &c->element))
			result = reason_set(&why, -ENOENT, "no element '%s'; see /v1/elements",
					    c->argument);
	}
	memset(steps, 0, sizeof(steps));
	if (result == 0)
		result = core_trace(c->nb->core, vrf, &source, &destination,
				    named ? c->element.name : NULL, steps, &why);
	if (result < 0)
		call_refuse(c, result, &why);
	else
		call_answer(c, 200, view_trace(steps, (unsigned)result));
}

/* ---- routes ---- */

static void refuse_unrouted(struct call *c);

/* Who may do what, in one place.  The first row that fits counts. */
static const struct route routes[] = {
	{"POST", "/v1/nodes/{}/move", ROLE_OPERATE, true, call_post_move},
	{"DELETE", "/v1/nodes/{}/move", ROLE_OPERATE, true, call_revert_move},
	{"POST", "/v1/nodes/{}/move/confirm", ROLE_OPERATE, true, call_confirm_move},
	{"GET", "/v1/status", ROLE_READ, false, get_status},
	{"GET", "/v1/elements", ROLE_READ, false, get_elements},
	{"GET", "/v1/elements/{}", ROLE_READ, false, get_element},
	{"GET", "/v1/elements/{}/ports", ROLE_READ, false, get_ports},
	{"GET", "/v1/elements/{}/drain", ROLE_READ, false, call_get_drain},
	{"POST", "/v1/elements/{}/drain", ROLE_OPERATE, false, call_post_drain},
	{"DELETE", "/v1/elements/{}/drain", ROLE_OPERATE, false, call_delete_drain},
	{"GET", "/v1/elements/{}/paths", ROLE_READ, false, get_paths},
	{"GET", "/v1/elements/{}/forwarding", ROLE_READ, false, get_forwarding},
	{"GET", "/v1/elements/{}/counters", ROLE_READ, false, get_counters},
	{"GET", "/v1/prefixes", ROLE_READ, false, get_prefixes},
	{"GET", "/v1/exits", ROLE_READ, false, get_exits},
	{"GET", "/v1/links", ROLE_READ, false, get_links},
	{"GET", "/v1/nodes", ROLE_READ, false, call_get_nodes},
	{"GET", "/v1/nodes/{}", ROLE_READ, false, get_node},
	{"PUT", "/v1/nodes/{}", ROLE_OPERATE, false, call_put_node},
	{"DELETE", "/v1/nodes/{}", ROLE_OPERATE, false, call_delete_node},
	{"DELETE", "/v1/nodes/{}/attachment", ROLE_OPERATE, true, call_delete_attachment},
	{"GET", "/v1/nodes/{}/devices", ROLE_READ, false, call_get_devices},
	{"PUT", "/v1/nodes/{}/devices", ROLE_OPERATE, false, call_put_devices},
	{"GET", "/v1/devices", ROLE_READ, false, call_get_all_devices},
	{"GET", "/v1/devices/secrets", ROLE_ADMIN, false, call_get_secrets},
	{"GET", "/v1/registrations", ROLE_READ, false, call_get_registrations},
	{"GET", "/v1/attachments", ROLE_READ, false, call_get_attachments},
	{"GET", "/v1/trace", ROLE_READ, false, get_trace},
	{"GET", "/v1/backup", ROLE_ADMIN, false, call_get_backup},
	{"GET", "/v1/refusals", ROLE_READ, false, get_refusals},
	{"GET", "/v1/alarms", ROLE_READ, false, call_get_alarms},
	{"GET", "/v1/sites", ROLE_READ, false, call_get_sites},
	{"DELETE", "/v1/claims/{}", ROLE_OPERATE, false, call_delete_claim},
	{"GET", "/metrics", ROLE_READ, false, get_metrics},
	{"GET", EVENTS, ROLE_READ, false, refuse_unrouted}, /* the HTTP thread serves it */
	{"GET", "/v1/user", ROLE_READ, false, call_get_user},
	{"GET", "/v1/tokens", ROLE_ADMIN, false, call_get_tokens},
	{"POST", "/v1/tokens", ROLE_ADMIN, false, call_post_token},
	{"DELETE", "/v1/tokens/{}", ROLE_ADMIN, false, call_delete_token},
	{"GET", "/v1/audit", ROLE_ADMIN, false, call_get_audit},
};

/* The Allow header's text for a path that has other methods; the routes have these alone. */
static const char *allowed_methods(const char *path)
{
	static const char *const names[] = {
		NULL,
		"GET",
		"PUT",
		"GET, PUT",
		"POST",
		"GET, POST",
		"PUT, POST",
		"GET, PUT, POST",
		"DELETE",
		"GET, DELETE",
		"PUT, DELETE",
		"GET, PUT, DELETE",
		"POST, DELETE",
		"GET, POST, DELETE",
		"PUT, POST, DELETE",
		"GET, PUT, POST, DELETE",
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
		call_refuse_with(c, 404, "there is no such path; docs/openapi.yaml has them all");
		return;
	}
	char *text = memory_format("{\"error\":\"use %s here\"}\n", allow);

	buffer_add_bytes(&body, text, strlen(text));
	free(text);
	call_answer_bytes(c, 405, JSON, allow, &body);
}

const struct route *northbound_route(const char *method, const char *path, char argument[NAME_SIZE])
{
	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].method, method) == 0 &&
		    route_match(routes[i].pattern, path, argument, NAME_SIZE))
			return &routes[i];
	}
	return NULL;
}

static void on_request(void *context, struct http_request *r)
{
	struct call *c = memory_alloc(sizeof(*c));

	c->nb = context;
	c->request = r;
	c->now_ms = clock_now_ms();
	c->nb->metrics.requests++;
	c->route = northbound_route(r->method, r->path, c->argument);
	if (c->route)
		c->route->handle(c);
	else
		refuse_unrouted(c);
}

void northbound_event(struct northbound *nb, const struct event *e)
{
	nb->metrics.events[e->kind]++;
	event_ring_add(nb->events, e);
	http_wake_streams(nb->http);
}

static void free_northbound(struct northbound *nb)
{
	audit_close(nb->audit); /* it answers, so before the server goes */
	if (nb->http)
		http_stop(nb->http);
	tokens_close(nb->tokens);
	event_ring_destroy(nb->events);
	free(nb);
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
	nb->ops = (struct http_ops){.request = on_request,
				    .allow = northbound_allow,
				    .stream = northbound_stream,
				    .context = nb};
	nb->local = config->local_role;
	nb->anonymous = config->anonymous_role;
	int result = tokens_open(config->state, &nb->tokens, why);

	if (result == 0)
		result = audit_open(config->state, &nb->audit, why);
	if (result == 0)
		result = http_start(loop, config->northbound, config->northbound_count,
				    &config->tls, EVENTS, &nb->ops, &nb->http, why);
	if (result < 0) {
		free_northbound(nb);
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
	free_northbound(nb);
}
