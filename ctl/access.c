/* The commands about access: tokens, the audit log, who one is to the controller. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "90s", "15m", "12h", "30d" in seconds; -1 for what is none. */
static long long read_lifetime(const char *text)
{
	static const struct {
		char unit;
		int seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long long number = strtoll(text, &end, 10);

	if (end == text || number < 1 || number > 36600LL * 86400 || !end[0] || end[1])
		return -1;
	for (size_t i = 0; i < COUNT(units); i++) {
		if (*end == units[i].unit)
			return number * units[i].seconds;
	}
	return -1;
}

static int print_token(const struct ctl *ctl, struct json_object *answer)
{
	if (ctl->json)
		print_json(answer);
	else
		puts(print_text(answer, "token"));
	if (!ctl->json)
		fprintf(stderr,
			"victorctl: this is shown once; keep it in a file that only its user may "
			"read, for --token-file\n");
	json_object_put(answer);
	return EXIT_SUCCESS;
}

static int token_create(struct ctl *ctl)
{
	struct json_object *body = json_object_new_object(), *answer = NULL;
	struct reason why = {""};
	long long lifetime_s = ctl->lifetime ? read_lifetime(ctl->lifetime) : 0;

	if (lifetime_s < 0) {
		fprintf(stderr, "victorctl: --lifetime '%s': write 90s, 15m, 12h or 30d\n",
			ctl->lifetime);
		json_object_put(body);
		return EXIT_USAGE;
	}
	json_object_object_add(body, "name", json_object_new_string(ctl->arguments[0]));
	json_object_object_add(body, "role",
			       json_object_new_string(ctl->role ? ctl->role : "read"));
	if (lifetime_s)
		json_object_object_add(body, "lifetime_s", json_object_new_int64(lifetime_s));
	int result = client_request(ctl->client, "POST", "/v1/tokens",
				    json_object_to_json_string(body), &answer, &why);

	json_object_put(body);
	return result < 0 ? complain(&why) : print_token(ctl, answer);
}

static int token_list(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"NAME", "name"},       {"ROLE", "role"}, {"CREATED", "created"},
		{"EXPIRES", "expires"}, {"USED", "used"},
	};

	return ctl_list(ctl, "/v1/tokens", "tokens", columns, COUNT(columns),
			"There are no tokens.");
}

static int token_revoke(struct ctl *ctl)
{
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path("/v1/tokens/{}", ctl->arguments);
	int result = client_request(ctl->client, "DELETE", path, NULL, &answer, &why);

	free(path);
	json_object_put(answer);
	return result < 0 ? complain(&why) : EXIT_SUCCESS;
}

/* What was asked, as one line: "addresses=10.10.0.9". */
static void write_request(struct json_object *row, char cell[CELL_SIZE])
{
	struct json_object *body = print_find(row, "body");
	size_t used = (size_t)snprintf(cell, CELL_SIZE, "%s %s", print_text(row, "method"),
				       print_text(row, "path"));

	if (!json_object_is_type(body, json_type_object))
		return;
	json_object_object_foreach(body, key, value)
	{
		char text[CELL_SIZE];

		print_value(value, text);
		if (used < CELL_SIZE)
			used += (size_t)snprintf(cell + used, CELL_SIZE - used, " %s=%s", key,
						 text);
	}
}

static void write_result(struct json_object *row, char cell[CELL_SIZE])
{
	snprintf(cell, CELL_SIZE, "%lld %s",
		 (long long)json_object_get_int64(print_find(row, "status")),
		 print_text(row, "error"));
}

static int show_audit(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"AT", "at"},
		{"WHO", "who"},
		{"ROLE", "role"},
		{"FROM", "from"},
		{"WHAT", "", false, write_request},
		{"RESULT", "", false, write_result},
	};
	const char *limit = ctl->argument_count ? ctl->arguments[0] : "100";
	const char *const arguments[] = {limit, NULL};
	char *path = client_path("/v1/audit?limit={}", arguments);
	int status =
		ctl_list(ctl, path, "audit", columns, COUNT(columns), "Nothing was changed yet.");

	free(path);
	return status;
}

static int show_user(struct ctl *ctl)
{
	struct json_object *answer = ctl_get(ctl, "/v1/user");

	if (!answer)
		return EXIT_FAILURE;
	if (ctl->json)
		print_json(answer);
	else
		printf("%s, role %s, from %s\n", print_text(answer, "name"),
		       print_text(answer, "role"), print_text(answer, "from"));
	json_object_put(answer);
	return EXIT_SUCCESS;
}

const struct command access_commands[] = {
	{"token create", "NAME [--role ROLE] [--lifetime T]",
	 "make a token for a person or program",
	 "Prints the token, once: the controller keeps only a hash.  Needs the role admin.\n"
	 "      --role ROLE   read (default): look; operate: change nodes, moves, drains;\n"
	 "                    admin: all, also tokens, backups, the audit log\n"
	 "      --lifetime T  90s, 15m, 12h, 30d; without it, until it is revoked\n",
	 1, 1, TAKES_ROLE | TAKES_LIFETIME, token_create},
	{"token list", "", "the tokens: names, roles, last use", "", 0, 0, 0, token_list},
	{"token revoke", "NAME", "end a token, at once", "", 1, 1, 0, token_revoke},
	{"show audit", "[COUNT]", "who changed what, from where, with which result",
	 "The last COUNT (100) entries, the newest last.  Needs the role admin.\n", 0, 1, 0,
	 show_audit},
	{"show user", "", "who one is to the controller, and the role", "", 0, 0, 0, show_user},
	{0},
};
