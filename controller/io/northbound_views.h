/* What the core knows, as JSON: the shapes of docs/openapi.yaml.  Each function returns an object
 * that the caller puts (or hands on). */
#pragma once

#include "controller/core.h"
#include "controller/io/config.h"

struct json_object;

struct json_object *view_status(const struct core *core, int64_t started_ms);
struct json_object *view_elements(const struct core *core);
struct json_object *view_element(const struct element_view *e);
struct json_object *view_ports(const struct core *core, const struct element_view *e);
/* northbound_prefixes.c */
struct json_object *view_prefixes(const struct core *core);
struct json_object *view_exits(const struct core *core);
/* northbound_links.c */
struct json_object *view_links(const struct core *core);
struct json_object *view_paths(const struct core *core, uint32_t from, uint32_t to);
/* A piece of a long list; all of it, sorted, where 'limit' is 0. */
struct page {
	unsigned limit;
	size_t at; /* where it begins, then where the next one does: core_nodes_page */
	bool more;
};
struct json_object *view_nodes(const struct core *core, const struct config *config,
			       struct page *page);
struct json_object *view_node(const struct core *core, const struct config *config,
			      const struct node *n);
struct json_object *view_attachments(const struct core *core, struct page *page);
struct json_object *view_attachment(const struct core *core, const struct attachment *a);
/* northbound_admission.c */
struct json_object *view_words(const char *words);                 /* words.h */
void view_add_allow(struct json_object *to, const struct node *n); /* "labels" and "allow" */
struct json_object *view_refusals(const struct core *core);
struct json_object *view_trace(const struct trace_step *steps, unsigned count);
struct json_object *view_rules(const struct core *core, const struct element_view *e,
			       const struct ofp_flow_stats *list, const struct rule *rules,
			       size_t count);
struct json_object *view_counters(const struct core *core, const struct element_view *e,
				  const struct counter *list, size_t count,
				  const struct drop_count *drops, size_t drop_count);
/* Touches no core: for any thread. */
struct json_object *view_event(const struct event *e);
