/* The commands of admission: sites, alarms, what was refused, release. */
#include "ctl/ctl.h"

#include "ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void write_port(struct json_object *row, char cell[CELL_SIZE])
{
	long long number = json_object_get_int64(print_find(row, "port"));

	cell[0] = '\0';
	if (print_text(row, "port_name")[0])
		snprintf(cell, CELL_SIZE, "%s", print_text(row, "port_name"));
	else if (number)
		snprintf(cell, CELL_SIZE, "%lld", number);
}

/* "10.2.0.0/16 vrf 7", with a space between. */
static void write_prefixes(struct json_object *list, char cell[CELL_SIZE])
{
	size_t count = list ? json_object_array_length(list) : 0, used = 0;

	cell[0] = '\0';
	for (size_t i = 0; i < count && used < CELL_SIZE; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		long long vrf = json_object_get_int64(print_find(item, "vrf"));
		char in[32] = "";

		if (vrf)
			snprintf(in, sizeof(in), "@vrf%lld", vrf);
		used += (size_t)snprintf(cell + used, CELL_SIZE - used, "%s%s%s", i ? " " : "",
					 print_text(item, "prefix"), in);
	}
}

static void write_networks(struct json_object *row, char cell[CELL_SIZE])
{
	write_prefixes(print_find(row, "networks"), cell);
}

static void write_imports(struct json_object *row, char cell[CELL_SIZE])
{
	write_prefixes(print_find(row, "imports"), cell);
}

static int show_refusals(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"WHY", "why"},           {"WHO", "who"},
		{"ELEMENT", "element"},   {"PORT", "", false, write_port},
		{"COUNT", "count", true}, {"FIRST", "first"},
		{"LAST", "last"},         {"WHAT", "text"},
	};

	return ctl_list(ctl, "/v1/refusals", "refusals", columns, COUNT(columns),
			"Nothing was refused.");
}

static int show_alarms(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"ALARM", "kind"},      {"WHO", "who"},
		{"ELEMENT", "element"}, {"PORT", "", false, write_port},
		{"SINCE", "since"},     {"WHAT", "text"},
	};

	return ctl_list(ctl, "/v1/alarms", "alarms", columns, COUNT(columns), "No alarms.");
}

static int show_sites(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"SITE", "name"},
		{"ELEMENTS", "elements"},
		{"LABELS", "labels"},
		{"NETWORKS", "", false, write_networks},
		{"IMPORTS", "", false, write_imports},
	};

	return ctl_list(ctl, "/v1/sites", "sites", columns, COUNT(columns),
			"No sites are configured.");
}

static int release(struct ctl *ctl)
{
	struct json_object *answer = NULL;
	struct reason why = {""};
	char *path = client_path("/v1/claims/{}", ctl->arguments);
	int result = client_request(ctl->client, "DELETE", path, NULL, &answer, &why);

	free(path);
	json_object_put(answer);
	return result < 0 ? complain(&why) : EXIT_SUCCESS;
}

const struct command admission_commands[] = {
	{"show refusals", "", "what was refused: who, where, why, how often",
	 "WHY is the rule (docs/admission.md), WHAT the last one in words.\n", 0, 0, 0,
	 show_refusals},
	{"show alarms", "", "what is wrong and lasts",
	 "flapping: a node is claimed from two places, and damped.  overlap: at an element there\n"
	 "is a route within a mobile prefix that is not VICTOR's.  Each goes when it is over.\n",
	 0, 0, 0, show_alarms},
	{"show sites", "", "the sites: their elements, labels and own networks", "", 0, 0, 0,
	 show_sites},
	{"release", "ADDRESS", "free an address that belongs to whoever came first",
	 "In prefixes of mode first-come.  The machine that had it is forgotten with all its\n"
	 "addresses; whoever claims them next has them.\n",
	 1, 1, 0, release},
	{0},
};
