/* Who asks, whether they may, and the record of it (access.h has the rules, northbound.c the table
 * of routes).  northbound_allow runs on the HTTP thread and touches nothing of the loop's; an
 * answer to a change waits for the audit log's thread, except on the hot path. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/northbound_private.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LOG_MODULE("northbound");

#define BODY_KEPT 1024

static int64_t calendar_s(void)
{
	return clock_to_calendar_ms(clock_now_ms()) / 1000;
}

/* ---- who ---- */

static int know_token(struct northbound *nb, const char *authorization, struct user *ret,
		      struct reason *why)
{
	const char *token = bearer_token(authorization);
	char name[TOKEN_NAME_SIZE] = "";

	if (!token)
		return reason_set(why, -401, "Authorization must be 'Bearer TOKEN'");
	ret->role = tokens_find(nb->tokens, token, calendar_s(), name);
	if (ret->role == ROLE_NONE)
		return reason_set(why, -401,
				  "the token is not known here, was revoked or has expired; an "
				  "administrator makes one with 'victorctl token create'");
	snprintf(ret->name, sizeof(ret->name), "token %s", name);
	return 0;
}

static int identify(struct northbound *nb, const struct http_peer *peer, const char *authorization,
		    struct user *ret, struct reason *why)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->from, sizeof(ret->from), "%s", peer->text);
	if (authorization[0])
		return know_token(nb, authorization, ret, why);
	if (peer->certificate && peer->certificate->kind == TLS_USER) {
		static const enum role roles[TLS_ROLE_COUNT] = {
			[TLS_ROLE_READ] = ROLE_READ,
			[TLS_ROLE_OPERATE] = ROLE_OPERATE,
			[TLS_ROLE_ADMIN] = ROLE_ADMIN,
		};

		ret->role = roles[peer->certificate->role];
		snprintf(ret->name, sizeof(ret->name), "certificate %.48s",
			 peer->certificate->name);
	} else if (peer->endpoint->is_unix) {
		bool is_own = peer->uid == 0 || peer->uid == geteuid();

		ret->role = is_own ? ROLE_ADMIN : nb->local;
		snprintf(ret->name, sizeof(ret->name), "uid %u", (unsigned)peer->uid);
	} else {
		ret->role = nb->anonymous;
		strcpy(ret->name, "anonymous");
	}
	if (ret->role == ROLE_NONE)
		return reason_set(why, -401,
				  "who are you? Show a token (victorctl --token-file FILE) or a "
				  "certificate");
	return 0;
}

/* ---- whether ---- */

static void record_refusal(struct northbound *nb, const struct user *u, const char *method,
			   const char *path);

int northbound_allow(void *northbound, const struct http_peer *peer, const char *authorization,
		     const char *method, const char *path, struct user *ret, struct reason *why)
{
	struct northbound *nb = northbound;
	char argument[NAME_SIZE];
	int result = identify(nb, peer, authorization, ret, why);

	if (result < 0)
		return result;
	const struct route *r = northbound_route(method, path, argument);

	if (!r) /* what there is not is no secret to who may read */
		return 0;
	if (r->role != ROLE_NONE && ret->role >= r->role)
		return 0;
	record_refusal(nb, ret, method, path);
	return reason_set(why, -403, "%s has the role %s, and this needs %s", ret->name,
			  role_name(ret->role),
			  r->role == ROLE_NONE ? "one that nobody has" : role_name(r->role));
}

/* ---- the record ---- */

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static struct json_object *begin_record(const struct user *u, const char *method, const char *path)
{
	struct json_object *o = json_object_new_object();
	char at[CLOCK_TEXT_SIZE];

	add_text(o, "at", clock_format(clock_now_ms(), at));
	add_text(o, "who", u->name);
	add_text(o, "role", role_name(u->role));
	add_text(o, "from", u->from);
	add_text(o, "method", method);
	add_text(o, "path", path);
	return o;
}

static const char *record_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* Who may not is written too, but cannot fill the log: the first of a burst, one a second after. */
static void record_refusal(struct northbound *nb, const struct user *u, const char *method,
			   const char *path)
{
	static struct log_limit limit; /* only the HTTP thread comes here */
	struct json_object *o;

	if (!log_limit_pass(&limit))
		return;
	o = begin_record(u, method, path);
	json_object_object_add(o, "body", NULL);
	json_object_object_add(o, "status", json_object_new_int(403));
	add_text(o, "error", "the role may not");
	audit_add(nb->audit, record_text(o), NULL, NULL);
	json_object_put(o);
}

static bool is_secret(const char *key)
{
	return strstr(key, "key") || strstr(key, "secret") || strstr(key, "password");
}

/* A copy, at whatever depth they are. */
static struct json_object *without_secrets(struct json_object *from)
{
	struct json_object *to;

	if (json_object_is_type(from, json_type_array)) {
		to = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(from); i++)
			json_object_array_add(to,
					      without_secrets(json_object_array_get_idx(from, i)));
		return to;
	}
	if (!json_object_is_type(from, json_type_object))
		return json_object_get(from);
	to = json_object_new_object();
	json_object_object_foreach(from, key, value)
	{
		json_object_object_add(to, key,
				       is_secret(key) ? json_object_new_string("(not kept)")
						      : without_secrets(value));
	}
	return to;
}

/* What was asked, without what is nobody's business; NULL: no JSON object, or too large. */
static struct json_object *keep_body(const struct http_request *r)
{
	struct json_object *o =
		r->body_size && r->body_size <= BODY_KEPT ? json_tokener_parse(r->body) : NULL;

	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return NULL;
	}
	struct json_object *kept = without_secrets(o);

	json_object_put(o);
	return kept;
}

static struct json_object *keep_error(int status, const struct buffer *body)
{
	struct json_object *o, *error = NULL;
	char text[BODY_KEPT];

	if (status < 400 || !body->size || body->size >= sizeof(text))
		return NULL;
	memcpy(text, body->data, body->size);
	text[body->size] = '\0';
	o = json_tokener_parse(text);
	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "error", &error))
		json_object_get(error);
	json_object_put(o);
	return error;
}

/* An answer that waits for the log. */
struct waiting {
	struct http_server *http;
	uint64_t id;
	int status;
	const char *type, *allow;
	struct buffer body;
};

static void on_recorded(void *to, int result)
{
	struct waiting *w = to;

	/* Not recorded: the log says so, and so does the counter; the change is made. */
	http_answer(w->http, w->id, w->status, w->type, w->allow, &w->body);
	free(w);
}

static bool is_recorded(const struct call *c)
{
	return c->route && (strcmp(c->route->method, "GET") != 0 || c->route->role == ROLE_ADMIN);
}

void northbound_audited_answer(struct call *c, int status, const char *type, const char *allow,
			       struct buffer *body)
{
	const struct http_request *r = c->request;
	struct waiting *w = NULL;

	if (!is_recorded(c)) {
		http_answer(c->nb->http, r->id, status, type, allow, body);
		return;
	}
	struct json_object *o = begin_record(&r->user, r->method, r->path);

	json_object_object_add(o, "body", keep_body(r));
	json_object_object_add(o, "status", json_object_new_int(status));
	json_object_object_add(o, "error", keep_error(status, body));
	if (c->route->at_once) {
		http_answer(c->nb->http, r->id, status, type, allow, body);
	} else {
		w = memory_alloc(sizeof(*w));
		*w = (struct waiting){c->nb->http, r->id, status, type, allow, *body};
		*body = (struct buffer){0};
	}
	log_info_rl("%s (%s) from %s: %s %s: %d", r->user.name, role_name(r->user.role),
		    r->user.from, r->method, r->path, status);
	audit_add(c->nb->audit, record_text(o), w ? on_recorded : NULL, w);
	json_object_put(o);
}
