/* "element drain": takes a forwarding element out of service, and waits until it is empty: nothing
 * is left there, and what entered VICTOR by it enters elsewhere. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_NS 100000000 /* 100 ms */
#define SAMPLE_POLLS 5    /* what enters is counted every 500 ms */
#define SAMPLE_MS 500
#define WAIT_S 60
#define LISTED_MAX 20
#define QUIET_SAMPLES 1
#define QUIET_SAMPLES_BORDER 6 /* routers outside are to have found the others by then */

struct progress {
	const char *name;
	size_t nodes;
	int64_t exits;
	unsigned rested; /* polls that showed the same */
	/* Packets that entered VICTOR by it. */
	bool counted;
	uint64_t packets;
	int64_t per_s;  /* -1: not known yet */
	unsigned quiet; /* samples without one */
};

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

/* Without a complaint: an element that does not answer delivers nothing that is counted. */
static struct json_object *get(struct ctl *ctl, const char *pattern, const char *argument)
{
	const char *const arguments[] = {argument};
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path(pattern, arguments);

	(void)!client_request(ctl->client, "GET", path, NULL, &answer, &why);
	free(path);
	return answer;
}

static size_t length_of(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static size_t nodes_of(struct json_object *drain)
{
	return length_of(print_find(drain, "nodes"));
}

static int64_t number_of(struct json_object *drain, const char *key)
{
	return json_object_get_int64(print_find(drain, key));
}

static bool is(struct json_object *drain, const char *key)
{
	return json_object_get_boolean(print_find(drain, key));
}

/* ---- what still enters by it ---- */

static uint64_t sum_entered(struct json_object *counters, const char *name)
{
	struct json_object *list = print_find(counters, "counters");
	uint64_t sum = 0;

	for (size_t i = 0; i < length_of(list); i++) {
		struct json_object *counter = json_object_array_get_idx(list, i);

		if (strcmp(print_text(counter, "ingress"), name) == 0)
			sum += json_object_get_uint64(print_find(counter, "packets"));
	}
	return sum;
}

static uint64_t count_entered(struct ctl *ctl, const char *name)
{
	struct json_object *answer = get(ctl, "/v1/elements", "");
	struct json_object *elements = print_find(answer, "elements");
	uint64_t sum = 0;

	for (size_t i = 0; i < length_of(elements); i++) {
		struct json_object *e = json_object_array_get_idx(elements, i), *counters;

		if (strcmp(print_text(e, "state"), "online") != 0)
			continue;
		counters = get(ctl, "/v1/elements/{}/counters", print_text(e, "name"));
		sum += sum_entered(counters, name);
		json_object_put(counters);
	}
	json_object_put(answer);
	return sum;
}

static void sample(struct ctl *ctl, struct progress *p)
{
	uint64_t packets = count_entered(ctl, p->name);
	int64_t per_s = (int64_t)(packets - p->packets) * 1000 / SAMPLE_MS;

	/* A counter that went back is another element's that restarted. */
	if (p->counted && packets >= p->packets) {
		if (!ctl->json && per_s != p->per_s && per_s)
			printf("%lld packets a second enter by it\n", (long long)per_s);
		p->per_s = per_s;
		p->quiet = per_s || packets != p->packets ? 0 : p->quiet + 1;
	}
	p->counted = true;
	p->packets = packets;
}

static bool has_emptied(struct json_object *drain, const struct progress *p)
{
	return is(drain, "empty") &&
	       p->quiet >= (is(drain, "border") ? QUIET_SAMPLES_BORDER : QUIET_SAMPLES);
}

/* ---- what is said ---- */

static void print_rest(struct json_object *drain, const struct progress *p)
{
	struct json_object *nodes = print_find(drain, "nodes");
	size_t count = nodes_of(drain);

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
		       number_of(drain, "exits") == 1 ? " has" : "s have", p->name);
	if (p->per_s > 0)
		printf("%lld packets a second still enter by it: who outside has another route to "
		       "it than the announced one?\n",
		       (long long)p->per_s);
}

static int print_end(struct ctl *ctl, struct json_object *drain, const struct progress *p)
{
	bool emptied = has_emptied(drain, p);

	if (ctl->json) {
		json_object_object_add(drain, "entering_per_second",
				       p->per_s < 0 ? NULL : json_object_new_int64(p->per_s));
		print_json(drain);
	} else if (emptied) {
		printf("%s is empty: it can be stopped\n", p->name);
	} else {
		print_rest(drain, p);
	}
	return emptied ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_progress(struct json_object *drain, const struct progress *p)
{
	size_t nodes = nodes_of(drain);
	int64_t exits = number_of(drain, "exits");

	if (nodes == p->nodes && exits == p->exits)
		return;
	printf("%s drains%s: %zu node%s, way out of %lld element%s\n", p->name,
	       is(drain, "border") ? ", announces nothing to routers outside" : "", nodes,
	       nodes == 1 ? "" : "s", (long long)exits, exits == 1 ? "" : "s");
	(void)fflush(stdout);
}

/* ---- the wait ---- */

/* Whether asking again may show something else: what stays is counted twice the same. */
static bool has_come_to_rest(struct json_object *drain, struct progress *p)
{
	bool same = p->nodes == nodes_of(drain) && p->exits == number_of(drain, "exits");

	p->nodes = nodes_of(drain);
	p->exits = number_of(drain, "exits");
	p->rested = same ? p->rested + 1 : 0;
	return p->rested >= 10 && (p->nodes || p->exits);
}

static int wait_empty(struct ctl *ctl, struct json_object *state)
{
	static const struct timespec poll = {.tv_nsec = POLL_NS};
	char *name = memory_format("%s", print_text(state, "element"));
	struct progress p = {.name = name, .nodes = SIZE_MAX, .exits = -1, .per_s = -1};
	time_t end = time(NULL) + WAIT_S;
	int result = EXIT_FAILURE;

	for (unsigned i = 0; state; i++) {
		if (!ctl->json)
			print_progress(state, &p);
		if (has_come_to_rest(state, &p) || time(NULL) >= end)
			break;
		if (is(state, "empty") && i % SAMPLE_POLLS == 0)
			sample(ctl, &p);
		if (has_emptied(state, &p))
			break;
		nanosleep(&poll, NULL);
		json_object_put(state);
		state = ask(ctl, "GET");
	}
	if (state)
		result = print_end(ctl, state, &p);
	json_object_put(state);
	free(name);
	return result;
}

static int drain(struct ctl *ctl)
{
	struct json_object *state = ask(ctl, ctl->undo ? "DELETE" : "POST");

	if (!state)
		return EXIT_FAILURE;
	if (!ctl->undo)
		return wait_empty(ctl, state);
	if (ctl->json)
		print_json(state);
	json_object_put(state);
	return EXIT_SUCCESS;
}

const struct command element_commands[] = {
	{"element drain", "FE [--undo]", "empty a forwarding element for maintenance",
	 "A border FE withdraws what it announces; others take over its nodes on LANs that it\n"
	 "shares, and the way out of VICTOR.  It forwards on meanwhile, and nothing is lost.  "
	 "Says\n"
	 "how far it is, and when it is empty: nothing is left, and nothing enters VICTOR by it "
	 "any\n"
	 "more; or lists the nodes that only it can serve (exit status 1).  It stays so over\n"
	 "restarts.\n"
	 "      --undo       put it into service again\n",
	 1, 1, TAKES_UNDO, drain},
	{0},
};
