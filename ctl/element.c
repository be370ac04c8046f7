/* "element drain": takes a forwarding element out of service, and waits until it is empty. */
#include "ctl/ctl.h"

#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLL_NS 100000000 /* 100 ms */
#define WAIT_S 60
#define LISTED_MAX 20

/* NULL after a complaint. */
static struct json_object *ask(struct ctl *ctl, const char *method)
{
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path("/v1/elements/{}/drain", ctl->arguments);
	int result = client_request(ctl->client, method, path, NULL, &answer, &why);

	free(path);
	if (result < 0) {
		(void)complain(&why);
		return NULL;
	}
	return answer;
}

static size_t nodes_of(struct json_object *drain)
{
	struct json_object *nodes = print_find(drain, "nodes");

	return nodes ? json_object_array_length(nodes) : 0;
}

static int64_t number_of(struct json_object *drain, const char *key)
{
	return json_object_get_int64(print_find(drain, key));
}

static bool is_empty(struct json_object *drain)
{
	return json_object_get_boolean(print_find(drain, "empty"));
}

static int print_state(struct ctl *ctl, struct json_object *drain)
{
	const char *name = print_text(drain, "element");
	struct json_object *nodes = print_find(drain, "nodes");
	size_t count = nodes_of(drain);

	if (ctl->json) {
		print_json(drain);
		return is_empty(drain) ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (is_empty(drain)) {
		printf("%s is empty: it can be stopped\n", name);
		return EXIT_SUCCESS;
	}
	if (count) {
		printf("%zu node%s attached only here: move %s\n", count,
		       count == 1 ? " is" : "s are", count == 1 ? "it" : "them");
		for (size_t i = 0; i < count && i < LISTED_MAX; i++)
			printf("  %s\n",
			       json_object_get_string(json_object_array_get_idx(nodes, i)));
		if (count > LISTED_MAX)
			printf("  and %zu more\n", count - LISTED_MAX);
	}
	if (number_of(drain, "exits"))
		printf("%lld element%s no other way out than %s\n",
		       (long long)number_of(drain, "exits"),
		       number_of(drain, "exits") == 1 ? " has" : "s have", name);
	return EXIT_FAILURE;
}

/* Whether asking again may show something else: what stays is counted twice the same. */
static bool has_come_to_rest(struct json_object *drain, size_t *nodes, int64_t *exits,
			     unsigned *times)
{
	bool same = *nodes == nodes_of(drain) && *exits == number_of(drain, "exits");

	*nodes = nodes_of(drain);
	*exits = number_of(drain, "exits");
	*times = same ? *times + 1 : 0;
	return *times >= 10 && (*nodes || *exits);
}

static int drain(struct ctl *ctl)
{
	static const struct timespec poll = {.tv_nsec = POLL_NS};
	struct json_object *state = ask(ctl, ctl->undo ? "DELETE" : "POST");
	size_t nodes = SIZE_MAX;
	int64_t exits = -1;
	unsigned times = 0;
	int result;

	if (!state)
		return EXIT_FAILURE;
	if (ctl->undo) {
		if (ctl->json)
			print_json(state);
		json_object_put(state);
		return EXIT_SUCCESS;
	}
	for (time_t end = time(NULL) + WAIT_S; !is_empty(state) && time(NULL) < end;) {
		if (has_come_to_rest(state, &nodes, &exits, &times))
			break;
		nanosleep(&poll, NULL);
		json_object_put(state);
		state = ask(ctl, "GET");
		if (!state)
			return EXIT_FAILURE;
	}
	result = print_state(ctl, state);
	json_object_put(state);
	return result;
}

const struct command element_commands[] = {
	{"element drain", "FE [--undo]", "empty a forwarding element for maintenance",
	 "Others take over what they can: its nodes on LANs that it shares, and the way out of\n"
	 "VICTOR if it is a border FE.  It forwards on meanwhile, and nothing is lost.  Says when\n"
	 "it is empty, or lists the nodes that only it can serve (exit status 1).  It stays so\n"
	 "over restarts.\n"
	 "      --undo       put it into service again\n",
	 1, 1, TAKES_UNDO, drain},
	{0},
};
