/* "export" and "import": what was put by REST, as a file that people can read, keep under version
 * control, and give to another controller. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/inventory_file.h"
#include "ctl/print.h"
#include "shell/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* A file without its secrets is no copy: who does not know should be told. */
static void warn_of_secrets(struct json_object *devices)
{
	size_t count = json_object_array_length(devices), missing = 0;

	for (size_t i = 0; i < count; i++)
		missing += !print_find(json_object_array_get_idx(devices, i), "key");
	if (missing)
		fprintf(stderr,
			"victorctl: the secret keys of %zu devices are left out; --secrets writes "
			"them\n",
			missing);
}

/* What has keys in it is its owner's alone. */
static FILE *open_to(const char *path, bool secrets)
{
	int fd;

	if (!path)
		return fdopen(dup(STDOUT_FILENO), "w");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secrets ? 0600 : 0666);
	if (fd >= 0 && secrets && fchmod(fd, 0600) < 0) {
		close(fd);
		return NULL;
	}
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int write_to(struct ctl *ctl, struct json_object *nodes, struct json_object *devices,
		    struct json_object *drained)
{
	const char *path = ctl->argument_count ? ctl->arguments[0] : NULL;
	FILE *to = open_to(path, ctl->secrets);
	struct reason why;

	if (to) {
		inventory_file_print(to, nodes, devices, drained);
		if (fclose(to) == 0)
			return EXIT_SUCCESS;
	}
	reason_set(&why, -errno, "%s: %s", path ? path : "standard output", strerror(errno));
	return complain(&why);
}

static int export_inventory(struct ctl *ctl)
{
	struct json_object *nodes = ctl_get_all(ctl, "/v1/nodes", "nodes"), *elements = NULL,
			   *drained;
	struct json_object *devices;
	int status = EXIT_FAILURE;

	if (!nodes)
		return EXIT_FAILURE;
	devices = ctl_get(ctl, ctl->secrets ? "/v1/devices/secrets" : "/v1/devices");
	if (devices)
		elements = ctl_get(ctl, "/v1/elements");
	if (elements) {
		drained = drained_of(elements);
		warn_of_secrets(print_find(devices, "devices"));
		status = write_to(ctl, print_find(nodes, "nodes"), print_find(devices, "devices"),
				  drained);
		json_object_put(drained);
	}
	json_object_put(nodes);
	json_object_put(devices);
	json_object_put(elements);
	return status;
}

/* ---- import ---- */

struct import {
	struct ctl *ctl;
	const char *path;
	struct json_object *known; /* id -> the API's node */
	unsigned created, changed, same, removed, drained, devices;
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

/* ---- devices ---- */

static struct json_object *device_of(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (strcmp(print_text(json_object_array_get_idx(list, i), "name"), name) == 0)
			return json_object_array_get_idx(list, i);
	return NULL;
}

/* Those that the node has and the file does not name stay as they are. */
static void keep_known(struct json_object *list, struct json_object *known)
{
	size_t count = json_object_array_length(known);

	for (size_t i = 0; i < count; i++) {
		struct json_object *d = json_object_array_get_idx(known, i), *o;

		if (device_of(list, print_text(d, "name")))
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "name", json_object_get(print_find(d, "name")));
		json_object_object_add(o, "mac", json_object_get(print_find(d, "mac")));
		json_object_array_add(list, o);
	}
}

/* The devices of one node, which stand together; 'at' is the first of them. */
static int put_devices(struct import *m, const struct inventory_file *f, unsigned at,
		       struct json_object *known)
{
	struct json_object *body = json_object_new_object(), *list = json_object_new_array();
	const char *node = f->devices[at].id;
	int result;

	json_object_object_add(body, "devices", list);
	for (unsigned i = at; i < f->device_count && strcmp(f->devices[i].id, node) == 0; i++)
		json_object_array_add(list, json_object_get(f->devices[i].body));
	m->devices += (unsigned)json_object_array_length(list);
	if (!m->ctl->replace && known)
		keep_known(list, known);
	result = request(m, "PUT", "/v1/nodes/{}/devices", node, body);
	json_object_put(body);
	return result < 0 ? locate(m, f->devices[at].line, result) : 0;
}

/* node -> its devices as the controller has them. */
static struct json_object *known_devices(struct import *m)
{
	struct json_object *answer = ctl_get(m->ctl, "/v1/devices"), *of = json_object_new_object(),
			   *all;

	all = print_find(answer, "devices");
	for (size_t i = 0; all && i < json_object_array_length(all); i++) {
		struct json_object *d = json_object_array_get_idx(all, i), *list = NULL;

		if (!json_object_object_get_ex(of, print_text(d, "node"), &list)) {
			list = json_object_new_array();
			json_object_object_add(of, print_text(d, "node"), list);
		}
		json_object_array_add(list, json_object_get(d));
	}
	json_object_put(answer);
	return of;
}

static int remove_devices_of_others(struct import *m, struct json_object *known,
				    struct json_object *wanted)
{
	struct json_object *none = json_tokener_parse("{\"devices\":[]}");
	int result = 0;

	json_object_object_foreach(known, node, list)
	{
		if (result < 0 || json_object_object_get_ex(wanted, node, NULL))
			continue;
		result = request(m, "PUT", "/v1/nodes/{}/devices", node, none);
	}
	json_object_put(none);
	return result;
}

static int import_devices(struct import *m, const struct inventory_file *f)
{
	struct json_object *known = known_devices(m), *done = json_object_new_object(), *list;
	int result = 0;

	for (unsigned i = 0; i < f->device_count && result == 0; i++) {
		if (json_object_object_get_ex(done, f->devices[i].id, NULL))
			continue;
		json_object_object_add(done, f->devices[i].id, NULL);
		list = NULL;
		(void)json_object_object_get_ex(known, f->devices[i].id, &list);
		result = put_devices(m, f, i, list);
	}
	if (result == 0 && m->ctl->replace)
		result = remove_devices_of_others(m, known, done);
	json_object_put(known);
	json_object_put(done);
	return result;
}

static int import_file(struct import *m, const struct inventory_file *f)
{
	int result = m->ctl->replace ? remove_others(m, f) : 0;

	for (unsigned i = 0; i < f->node_count && result == 0; i++)
		result = put_node(m, &f->nodes[i]);
	if (result == 0)
		result = import_devices(m, f);
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
	nodes = ctl_get_all(ctl, "/v1/nodes", "nodes");
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
	if (m.devices)
		printf("%u devices\n", m.devices);
	if (result < 0)
		fputs("What was done before stays; correct the file and import it again.\n",
		      stderr);
	return result < 0 ? complain(&m.why) : EXIT_SUCCESS;
}

const struct command inventory_commands[] = {
	{"export", "[FILE] [--secrets]", "write what was put by REST as YAML",
	 "The nodes that do not stand in the controller's configuration, the devices of all "
	 "nodes,\n"
	 "and the elements that drain; to standard output without FILE.  'victorctl import' reads\n"
	 "it; its nodes can as well be copied into the configuration.\n"
	 "      --secrets    with the devices' secret keys; FILE is then its owner's alone.  A\n"
	 "                   device that is imported without its key keeps the one that it has\n",
	 0, 1, TAKES_SECRETS, export_inventory},
	{"import", "FILE [--replace]", "put what 'export' wrote",
	 "FILE is read and checked as a whole first ('-' is standard input).  Nodes that are as\n"
	 "they were are not sent.  When the command returns, all is in the controller's durable\n"
	 "store.\n"
	 "      --replace    nodes put by REST that FILE does not have are removed\n",
	 1, 1, TAKES_REPLACE, import_inventory},
	{0},
};
