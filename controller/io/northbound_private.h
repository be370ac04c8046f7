/* What northbound.c shares with northbound_changes.c and northbound_events.c. */
#pragma once

#include "controller/io/audit.h"
#include "controller/io/events.h"
#include "controller/io/http.h"
#include "controller/io/northbound.h"
#include "controller/io/northbound_metrics.h"
#include "controller/io/tokens.h"

struct json_object;
struct call;

struct northbound {
	const struct config *config;
	struct core *core;
	struct store *store;
	struct http_server *http;
	struct event_ring *events;
	struct metrics metrics;
	struct http_ops ops;
	struct tokens *tokens;
	struct audit *audit;
	enum role local, anonymous; /* of the configuration */
};

/* A row of northbound.c's table. */
struct route {
	const char *method, *pattern;
	enum role role; /* who may; ROLE_NONE: nobody */
	bool at_once;   /* answered before the audit log has it: the hot path */
	void (*handle)(struct call *c);
};

/* One request that an answer is owed to. */
struct call {
	struct northbound *nb;
	struct http_request *request;
	const struct route *route; /* NULL: there is none */
	char argument[NAME_SIZE];  /* what stood for {} */
	struct element_view element;
	int64_t now_ms;
	/* A node change under way: what to say, and how to undo it. */
	bool created;
	struct node_spec before, after;
	/* Devices: those that there were, or NULL. */
	struct device *devices;
	unsigned device_count;
};

/* Each answers the call and frees it.  'object' is put; NULL: no body. */
void call_answer(struct call *c, int status, struct json_object *object);
/* The core's error in HTTP's words. */
void call_refuse(struct call *c, int result, const struct reason *why);
void call_refuse_with(struct call *c, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* Names are people's: FE2 is fe2, unless there is an FE2 too. */
bool northbound_find_element(const struct core *core, const char *name, struct element_view *ret);

/* northbound_changes.c: the handlers that change something. */
void call_put_node(struct call *c);
void call_delete_node(struct call *c);
void call_post_move(struct call *c);
void call_confirm_move(struct call *c);
void call_revert_move(struct call *c);
void call_delete_attachment(struct call *c);
/* Takes the bytes of 'body'; 'type' and 'allow' as http_answer has them. */
void call_answer_bytes(struct call *c, int status, const char *type, const char *allow,
		       struct buffer *body);
/* northbound_devices.c */
void call_get_all_devices(struct call *c);
void call_get_secrets(struct call *c);
void call_get_devices(struct call *c);
void call_put_devices(struct call *c);
void call_get_registrations(struct call *c);
/* The node is removed: its devices, too. */
void devices_forget(struct call *c, const char *node);
/* northbound_pages.c */
void call_get_nodes(struct call *c);
void call_get_attachments(struct call *c);
/* northbound_backup.c */
void call_get_backup(struct call *c);
/* northbound_admission.c */
void call_get_sites(struct call *c);
void call_get_alarms(struct call *c);
void call_delete_claim(struct call *c);
/* northbound_drain.c */
void call_get_drain(struct call *c);
void call_post_drain(struct call *c);
void call_delete_drain(struct call *c);

/* northbound_tokens.c */
void call_get_user(struct call *c);
void call_get_tokens(struct call *c);
void call_post_token(struct call *c);
void call_delete_token(struct call *c);
void call_get_audit(struct call *c);

/* The row that a request fits, and what stood for {}; NULL.  From any thread. */
const struct route *northbound_route(const char *method, const char *path,
				     char argument[NAME_SIZE]);
/* northbound_access.c, on the HTTP thread: see http_ops.allow. */
int northbound_allow(void *northbound, const struct http_peer *peer, const char *authorization,
		     const char *method, const char *path, struct user *ret, struct reason *why);
/* Answers what http_answer would; where the request is one that changes something, once it is in
 * the audit log. */
void northbound_audited_answer(struct call *c, int status, const char *type, const char *allow,
			       struct buffer *body);

/* northbound_events.c, on the HTTP thread: see http_ops.stream. */
void northbound_stream(void *northbound, uint64_t *after, struct buffer *out);
