/* "export" and "import": what was put by REST, as a file that people can read, keep under version
 * control, and give to another controller. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/inventory_file.h"
#include "ctl/print.h"
#include "shell/config_file.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- export ---- */

/* The names of those that drain. */
static struct json_object *drained_of(struct json_object *elements)
{
	struct json_object *names = json_object_new_array(),
			   *list = print_find(elements, "elements");
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *e = json_object_array_get_idx(list, i);

		if (json_object_get_boolean(print_find(e, "draining")))
			json_object_array_add(names, json_object_new_string(print_text(e, "name")));
	}
	return names;
}

static int write_to(struct ctl *ctl, struct json_object *nodes, struct json_object *drained)
{
	const char *path = ctl->argument_count ? ctl->arguments[0] : NULL;
	FILE *to = path ? fopen(path, "we") : fdopen(dup(STDOUT_FILENO), "w");
	struct reason why;

	if (to) {
		inventory_file_print(to, nodes, drained);
		if (fclose(to) == 0)
			return EXIT_SUCCESS;
	}
	reason_set(&why, -errno, "%s: %s", path ? path : "standard output", strerror(errno));
	return complain(&why);
}

static int export_inventory(struct ctl *ctl)
{
	struct json_object *nodes = ctl_get(ctl, "/v1/nodes"), *elements, *drained;
	int status = EXIT_FAILURE;

	if (!nodes)
		return EXIT_FAILURE;
	elements = ctl_get(ctl, "/v1/elements");
	if (elements) {
		drained = drained_of(elements);
		status = write_to(ctl, print_find(nodes, "nodes"), drained);
		json_object_put(drained);
	}
	json_object_put(nodes);
	json_object_put(elements);
	return status;
}

/* ---- import ---- */

struct import {
	struct ctl *ctl;
	const char *path;
	struct json_object *known; /* id -> the API's node */
	unsigned created, changed, same, removed, drained;
	struct reason why;
};

static int request(struct import *m, const char *method, const char *pattern, const char *argument,
		   struct json_object *body)
{
	const char *arguments[] = {argument, NULL};
	struct json_object *answer = NULL;
	char *path = client_path(pattern, arguments);
	int result =
		client_request(m->ctl->client, method, path,
			       body ? json_object_to_json_string(body) : NULL, &answer, &m->why);

	free(path);
	json_object_put(answer);
	return result;
}

static bool is_as_known(struct json_object *node, struct json_object *body)
{
	json_object_object_foreach(body, key, value)
	{
		if (!json_object_equal(print_find(node, key), value))
			return false;
	}
	return true;
}

/* "FILE:LINE: " before the controller's words. */
static int locate(struct import *m, unsigned line, int result)
{
	struct reason detail = m->why;

	return reason_set(&m->why, result, "%s:%u: %.*s", m->path, line, REASON_SIZE - 300,
			  detail.text);
}

static int put_node(struct import *m, const struct inventory_item *item)
{
	struct json_object *node = NULL;
	bool known = json_object_object_get_ex(m->known, item->id, &node);
	int result;

	if (known && is_as_known(node, item->body)) {
		m->same++;
		return 0;
	}
	result = request(m, "PUT", "/v1/nodes/{}", item->id, item->body);
	if (result < 0)
		return locate(m, item->line, result);
	*(known ? &m->changed : &m->created) += 1;
	return 0;
}

/* Before the others come: an address may have gone to another node. */
static int remove_others(struct import *m, const struct inventory_file *f)
{
	struct json_object *wanted = json_object_new_object();
	int result = 0;

	for (unsigned i = 0; i < f->node_count; i++)
		json_object_object_add(wanted, f->nodes[i].id, NULL);
	json_object_object_foreach(m->known, id, node)
	{
		if (result < 0 || strcmp(print_text(node, "source"), "api") != 0 ||
		    json_object_object_get_ex(wanted, id, NULL))
			continue;
		result = request(m, "DELETE", "/v1/nodes/{}", id, NULL);
		m->removed += result == 0;
	}
	json_object_put(wanted);
	return result;
}

static int import_file(struct import *m, const struct inventory_file *f)
{
	int result = m->ctl->replace ? remove_others(m, f) : 0;

	for (unsigned i = 0; i < f->node_count && result == 0; i++)
		result = put_node(m, &f->nodes[i]);
	for (unsigned i = 0; i < f->drained_count && result == 0; i++) {
		result = request(m, "POST", "/v1/elements/{}/drain", f->drained[i].id, NULL);
		if (result < 0)
			return locate(m, f->drained[i].line, result);
		m->drained++;
	}
	return result;
}

static void index_nodes(struct import *m, struct json_object *nodes)
{
	size_t count = json_object_array_length(nodes);

	m->known = json_object_new_object();
	for (size_t i = 0; i < count; i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		json_object_object_add(m->known, print_text(node, "id"), json_object_get(node));
	}
}

static int import_inventory(struct ctl *ctl)
{
	struct import m = {.ctl = ctl, .path = ctl->arguments[0]};
	struct inventory_file file = {0};
	struct json_object *nodes;
	char *text = NULL;
	size_t size = 0;
	int result = config_file_read(strcmp(m.path, "-") == 0 ? "/dev/stdin" : m.path, &text,
				      &size, &m.why);

	/* All of it is understood before any of it is put. */
	result = result ? result : inventory_file_parse(m.path, text, size, &file, &m.why);
	free(text);
	if (result < 0)
		return complain(&m.why);
	nodes = ctl_get(ctl, "/v1/nodes");
	if (!nodes) {
		inventory_file_finish(&file);
		return EXIT_FAILURE;
	}
	index_nodes(&m, print_find(nodes, "nodes"));
	result = import_file(&m, &file);
	json_object_put(m.known);
	json_object_put(nodes);
	inventory_file_finish(&file);
	printf("%u nodes new, %u changed, %u as they were, %u removed; %u elements drain\n",
	       m.created, m.changed, m.same, m.removed, m.drained);
	if (result < 0)
		fputs("What was done before stays; correct the file and import it again.\n",
		      stderr);
	return result < 0 ? complain(&m.why) : EXIT_SUCCESS;
}

const struct command inventory_commands[] = {
	{"export", "[FILE]", "write what was put by REST as YAML",
	 "The nodes that do not stand in the controller's configuration, and the elements that\n"
	 "drain; to standard output without FILE.  'victorctl import' reads it; its nodes can as\n"
	 "well be copied into the configuration.\n",
	 0, 1, 0, export_inventory},
	{"import", "FILE [--replace]", "put what 'export' wrote",
	 "FILE is read and checked as a whole first ('-' is standard input).  Nodes that are as\n"
	 "they were are not sent.  When the command returns, all is in the controller's durable\n"
	 "store.\n"
	 "      --replace    nodes put by REST that FILE does not have are removed\n",
	 1, 1, TAKES_REPLACE, import_inventory},
	{0},
};
