/* What victorctl shows of the backplane: links and paths. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json_object *end_of(struct json_object *row, unsigned end)
{
	struct json_object *ends = print_find(row, "ends");

	return ends ? json_object_array_get_idx(ends, end) : NULL;
}

static const char *end_text(struct json_object *row, unsigned end, const char *key)
{
	struct json_object *o = end_of(row, end);

	return o ? print_text(o, key) : "";
}

static void write_end(struct json_object *row, unsigned end, char cell[CELL_SIZE])
{
	struct json_object *names = print_find(row, "between");
	const char *port = end_text(row, end, "port");

	snprintf(cell, CELL_SIZE, "%.200s%s%.200s",
		 json_object_get_string(json_object_array_get_idx(names, end)), port[0] ? ":" : "",
		 port);
}

static void write_between(struct json_object *row, char cell[CELL_SIZE])
{
	char ends[2][CELL_SIZE];

	for (unsigned i = 0; i < 2; i++)
		write_end(row, i, ends[i]);
	snprintf(cell, CELL_SIZE, "%.240s - %.240s", ends[0], ends[1]);
}

/* "up", "down", or of which end only one says that it is up. */
static void write_state(struct json_object *row, char cell[CELL_SIZE])
{
	bool up = json_object_get_boolean(print_find(row, "up"));
	const char *a = end_text(row, 0, "state"), *z = end_text(row, 1, "state");
	const char *reason = end_text(row, 0, "reason");

	if (!up && !reason[0])
		reason = end_text(row, 1, "reason");
	snprintf(cell, CELL_SIZE, "%s%s%s", up ? "up" : "down", !up && reason[0] ? ": " : "",
		 up ? "" : reason);
	if (a[0] && z[0] && strcmp(a, z) != 0)
		snprintf(cell, CELL_SIZE, "%s there, %s here", a, z);
}

static void write_cost(struct json_object *row, char cell[CELL_SIZE])
{
	snprintf(cell, CELL_SIZE, "%lld%s",
		 (long long)json_object_get_int64(print_find(row, "cost")),
		 json_object_get_boolean(print_find(row, "cost_by_delay")) ? " (delay)" : "");
}

static void write_delay(struct json_object *row, char cell[CELL_SIZE])
{
	double us = json_object_get_double(print_find(row, "delay_us"));

	cell[0] = '\0';
	if (us > 0)
		snprintf(cell, CELL_SIZE, "%.3f ms", us / 1000);
}

/* Both directions, and of what is guaranteed the share that the fuller one uses. */
static void write_use(struct json_object *row, char cell[CELL_SIZE])
{
	double guaranteed = json_object_get_double(print_find(row, "bandwidth_mbps"));
	double use[2] = {0, 0};

	cell[0] = '\0';
	if (!end_of(row, 0))
		return;
	for (unsigned i = 0; i < 2; i++)
		use[i] =
			json_object_get_double(print_find(end_of(row, i), "sent_bits_per_second")) /
			1e6;
	if (guaranteed > 0)
		snprintf(cell, CELL_SIZE, "%.1f / %.1f of %.0f Mb/s (%.0f %%)", use[0], use[1],
			 guaranteed, 100 * (use[0] > use[1] ? use[0] : use[1]) / guaranteed);
	else
		snprintf(cell, CELL_SIZE, "%.1f / %.1f Mb/s", use[0], use[1]);
}

int show_links(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"BETWEEN", "", false, write_between},
		{"KIND", "kind"},
		{"TUNNEL", "encapsulation"},
		{"UNDERLAY", "underlay"},
		{"COST", "", true, write_cost},
		{"STATE", "", false, write_state},
		{"DELAY", "", true, write_delay},
		{"USE", "", true, write_use},
		{"SOURCE", "source"},
	};

	return ctl_list(ctl, "/v1/links", "links", columns, COUNT(columns),
			"No links are configured.");
}

static void write_way(struct json_object *row, char cell[CELL_SIZE])
{
	struct json_object *way = print_find(row, "elements");
	size_t used = 0;

	cell[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(way) && used < CELL_SIZE; i++)
		used += (size_t)snprintf(cell + used, CELL_SIZE - used, "%s%s", i ? " > " : "",
					 json_object_get_string(json_object_array_get_idx(way, i)));
}

int show_paths(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"TO", "to"},
		{"KIND", "kind"},
		{"COST", "cost", true},
		{"PATH", "", false, write_way},
	};
	const char *pattern =
		ctl->argument_count > 1 ? "/v1/elements/{}/paths?to={}" : "/v1/elements/{}/paths";

	return ctl_list(ctl, pattern, "paths", columns, COUNT(columns), "No paths.");
}
