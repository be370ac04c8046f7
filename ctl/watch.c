/* victorctl watch: events as they happen; after a lost connection it goes on where it was. */
#include "ctl/ctl.h"

#include "ctl/print.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 500

struct watching {
	bool json, color, any;
	char last_id[24];
};

static const char *kind_color(const char *kind)
{
	static const char *const bad[] = {"refused",   "ambiguous", "element-down",
					  "port-down", "port-gone", "lost"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(kind, bad[i]) == 0)
			return "\033[31m";
	}
	return strcmp(kind, "moved") == 0 || strcmp(kind, "attached") == 0 ? "\033[32m" : "";
}

static void print_event(const struct watching *w, const char *kind, struct json_object *event)
{
	char text[CELL_SIZE];
	const char *color = w->color ? kind_color(kind) : "";

	print_value(print_find(event, "text"), text);
	printf("%-24s  %s%-12s%s  %s\n", print_text(event, "at"), color, kind,
	       color[0] ? "\033[0m" : "", text);
}

static void on_event(void *to, const struct stream_event *e)
{
	struct watching *w = to;
	struct json_object *event = json_tokener_parse(e->data);

	w->any = true;
	if (e->id[0])
		snprintf(w->last_id, sizeof(w->last_id), "%s", e->id);
	if (strcmp(e->kind, "lost") == 0)
		fputs("victorctl: some events were missed\n", stderr);
	else if (w->json)
		puts(e->data);
	else
		print_event(w, e->kind, event);
	fflush(stdout);
	json_object_put(event);
}

static int watch(struct ctl *ctl)
{
	struct watching w = {.json = ctl->json, .color = print_has_color()};
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	struct reason why = {""};
	bool reached = false, said = false;

	for (;;) {
		w.any = false;
		int result =
			client_follow(ctl->client, "/v1/events", w.last_id, on_event, &w, &why);

		/* Never reached: it is not running, or the name is wrong; say so and end. */
		if (!reached && !w.any && (result == -ENOTCONN || result == -EPROTO))
			return complain(&why);
		reached = true;
		said &= !w.any;
		if (!said)
			fputs("victorctl: the controller is gone; trying again\n", stderr);
		said = true;
		nanosleep(&pause, NULL);
	}
}

const struct command watch_commands[] = {
	{"watch", "", "events as they happen, until interrupted",
	 "With --json, one object a line.  A lost connection is resumed without losing events, as\n"
	 "far as the controller still has them (4096).\n",
	 0, 0, 0, watch},
	{0},
};
