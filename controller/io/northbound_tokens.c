/* /v1/user, /v1/tokens and /v1/audit: what access control itself has to say.  Tokens are written,
 * and the audit log read, on the audit log's thread, which may wait for the disk. */
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/northbound_body.h"
#include "controller/io/northbound_private.h"
#include "controller/io/routes.h"

#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AUDIT_LINES 100
#define AUDIT_LINES_MAX 10000

static int64_t calendar_s(void)
{
	return clock_to_calendar_ms(clock_now_ms()) / 1000;
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_time(struct json_object *to, const char *key, int64_t at_s)
{
	char text[CLOCK_TEXT_SIZE];

	json_object_object_add(to, key,
			       at_s ? json_object_new_string(clock_format(
					      clock_from_calendar_ms(at_s * 1000), text))
				    : NULL);
}

void call_get_user(struct call *c)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", c->request->user.name);
	add_text(o, "role", role_name(c->request->user.role));
	add_text(o, "from", c->request->user.from);
	call_answer(c, 200, o);
}

static struct json_object *view_token(const struct token *t)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", t->name);
	add_text(o, "role", role_name(t->role));
	add_time(o, "created", t->created_s);
	add_time(o, "expires", t->expires_s);
	return o;
}

void call_get_tokens(struct call *c)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();
	unsigned count;
	struct token *list = tokens_list(c->nb->tokens, &count);

	for (unsigned i = 0; i < count; i++) {
		struct json_object *item = view_token(&list[i]);

		add_time(item, "used", list[i].used_s);
		json_object_array_add(array, item);
	}
	free(list);
	json_object_object_add(o, "tokens", array);
	call_answer(c, 200, o);
}

/* ---- changing tokens ---- */

static void create_token(void *call)
{
	struct call *c = call;
	struct token_request request;
	struct reason why = {""};
	char text[TOKEN_TEXT_SIZE] = "";
	int64_t now_s = calendar_s();
	int result = token_from_json(c->request->body, c->request->body_size, &request, &why);
	struct token t = {.created_s = now_s};

	if (result == 0) {
		t.role = request.role;
		t.expires_s = request.lifetime_s ? now_s + request.lifetime_s : 0;
		result = tokens_create(c->nb->tokens, request.name, t.role, t.expires_s, now_s,
				       text, &why);
	}
	if (result < 0) {
		call_refuse(c, result, &why);
		return;
	}
	memcpy(t.name, request.name, sizeof(t.name));
	struct json_object *o = view_token(&t);

	add_text(o, "token", text);
	sodium_memzero(text, sizeof(text));
	call_answer(c, 201, o);
}

static void revoke_token(void *call)
{
	struct call *c = call;
	struct reason why = {""};
	int result = tokens_revoke(c->nb->tokens, c->argument, &why);

	if (result < 0)
		call_refuse(c, result, &why);
	else
		call_answer(c, 204, NULL);
}

static void do_later(struct call *c, void (*work)(void *call))
{
	if (!audit_do(c->nb->audit, work, c))
		call_refuse_with(c, 503, "too much waits for the disk; try again");
}

void call_post_token(struct call *c)
{
	do_later(c, create_token);
}

void call_delete_token(struct call *c)
{
	do_later(c, revoke_token);
}

/* ---- the audit log ---- */

/* The lines are JSON already. */
static void on_lines(void *to, const struct buffer *lines)
{
	static const char begin[] = "{\"audit\":[", end[] = "]}\n";
	struct call *c = to;
	struct buffer body = {0};
	const uint8_t *at = lines->data, *last = at + lines->size, *newline;
	bool any = false;

	buffer_add_bytes(&body, begin, sizeof(begin) - 1);
	for (; at < last && (newline = memchr(at, '\n', (size_t)(last - at))); at = newline + 1) {
		if (*at != '{' || newline[-1] != '}')
			continue; /* a crash cut it off */
		if (any)
			write_u8(&body, ',');
		any = true;
		buffer_add_bytes(&body, at, (size_t)(newline - at));
	}
	buffer_add_bytes(&body, end, sizeof(end) - 1);
	call_answer_bytes(c, 200, "application/json", NULL, &body);
}

void call_get_audit(struct call *c)
{
	char text[16], *end = text;
	unsigned long count = AUDIT_LINES;
	int found = query_get(c->request->query, "limit", text, sizeof(text));

	if (found > 0)
		count = strtoul(text, &end, 10);
	if (found < 0 || (found && (end == text || *end || text[0] == '-')) || !count ||
	    count > AUDIT_LINES_MAX)
		call_refuse_with(c, 400, "'limit' must be from 1 to %d", AUDIT_LINES_MAX);
	else
		audit_read(c->nb->audit, (unsigned)count, on_lines, c);
}
