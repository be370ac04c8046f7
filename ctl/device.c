/* "device ..." and "show devices|registrations": whose keys sign a node's registrations.  A key
 * comes from a file, never from the command line, where every user of the machine could read it. */
#include "ctl/ctl.h"

#include "base/memory.h"
#include "ctl/print.h"
#include "shell/config_file.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_NAME "-" /* the device without a name */

static const char *name_of(const struct ctl *ctl)
{
	const char *name = ctl->argument_count > 1 ? ctl->arguments[1] : NO_NAME;

	return strcmp(name, NO_NAME) == 0 ? "" : name;
}

/* The first line of the file; NULL after a complaint.  The caller frees it. */
static char *read_key(const char *path)
{
	struct reason why;
	char *text = NULL;
	size_t size = 0;

	if (config_file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &text, &size, &why) <
	    0) {
		complain(&why);
		return NULL;
	}
	text[strcspn(text, " \r\n")] = '\0';
	return text;
}

/* The list as PUT takes it, without the device of this name. */
static struct json_object *others(struct json_object *devices, const char *name, bool *ret_found)
{
	struct json_object *list = json_object_new_array();
	size_t count = json_object_array_length(devices);

	*ret_found = false;
	for (size_t i = 0; i < count; i++) {
		struct json_object *d = json_object_array_get_idx(devices, i),
				   *o = json_object_new_object();

		if (strcmp(print_text(d, "name"), name) == 0) {
			*ret_found = true;
			json_object_put(o);
			continue;
		}
		json_object_object_add(o, "name", json_object_new_string(print_text(d, "name")));
		json_object_object_add(o, "mac", json_object_get(print_find(d, "mac")));
		json_object_array_add(list, o);
	}
	return list;
}

static int put_list(struct ctl *ctl, struct json_object *list)
{
	struct json_object *body = json_object_new_object(), *answer = NULL;
	struct reason why = {""};
	char *path = client_path("/v1/nodes/{}/devices", ctl->arguments);
	int result;

	json_object_object_add(body, "devices", list);
	result = client_request(ctl->client, "PUT", path, json_object_to_json_string(body), &answer,
				&why);
	free(path);
	json_object_put(body);
	if (result == 0 && ctl->json && answer)
		print_json(answer);
	json_object_put(answer);
	return result < 0 ? complain(&why) : EXIT_SUCCESS;
}

static int device_put(struct ctl *ctl)
{
	struct json_object *known, *list, *device;
	char *key = NULL;
	bool found;

	known = ctl_get(ctl, "/v1/nodes/{}/devices");
	if (!known)
		return EXIT_FAILURE;
	if (ctl->key_file) {
		key = read_key(ctl->key_file);
		if (!key) {
			json_object_put(known);
			return EXIT_FAILURE;
		}
	}
	list = others(print_find(known, "devices"), name_of(ctl), &found);
	device = json_object_new_object();
	json_object_object_add(device, "name", json_object_new_string(name_of(ctl)));
	json_object_object_add(device, "mac", ctl->mac ? json_object_new_string(ctl->mac) : NULL);
	json_object_object_add(device, "key", key ? json_object_new_string(key) : NULL);
	json_object_array_add(list, device);
	json_object_put(known);
	free(key);
	return put_list(ctl, list);
}

static int device_remove(struct ctl *ctl)
{
	struct json_object *known = ctl_get(ctl, "/v1/nodes/{}/devices"), *list;
	bool found;

	if (!known)
		return EXIT_FAILURE;
	list = others(print_find(known, "devices"), name_of(ctl), &found);
	json_object_put(known);
	if (found)
		return put_list(ctl, list);
	json_object_put(list);
	fprintf(stderr, "victorctl: node '%s' has no device '%s'\n", ctl->arguments[0],
		name_of(ctl));
	return EXIT_FAILURE;
}

static int show_devices(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"Node", "node"},           {"Device", "name"}, {"MAC", "mac"},
		{"Algorithm", "algorithm"}, {"Key", "key"},
	};

	return ctl_list(ctl, ctl->argument_count ? "/v1/nodes/{}/devices" : "/v1/devices",
			"devices", columns, sizeof(columns) / sizeof(columns[0]),
			"No devices. Add one: victorctl device put NODE [NAME] --key-file FILE");
}

static int show_registrations(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"Node", "node"},
		{"Device", "device"},
		{"Since this start", "confirmed"},
		{"Seconds left", "seconds_left", true},
	};

	return ctl_list(ctl, "/v1/registrations", "registrations", columns,
			sizeof(columns) / sizeof(columns[0]),
			"No node is registered by signature.");
}

const struct command device_commands[] = {
	{"device put", "NODE [NAME] [--key-file FILE] [--mac M]",
	 "a device's key signs registrations of a node, or another from now on",
	 "      --key-file FILE   its first line: 'blake2b:' or 'ed25519-public:' and 32 bytes in\n"
	 "                   Base64, as 'victor-register' makes them ('-': standard input).  A\n"
	 "                   device that is there keeps its key without it\n"
	 "      --mac M      the device's MAC; without it the node's\n"
	 "NAME is left out, or '-', where the node has one device, without a name.\n",
	 1, 2, TAKES_KEY_FILE | TAKES_MAC, device_put},
	{"device remove", "NODE [NAME]", "a device's key counts no more",
	 "What it has registered ends.\n", 1, 2, 0, device_remove},
	{"show devices", "[NODE]", "the devices of nodes; secret keys are not shown", "", 0, 1, 0,
	 show_devices},
	{"show registrations", "", "which device has registered which node, and for how long",
	 "With --json also what was counted, and the public key that victor-controller signs "
	 "with.\n",
	 0, 0, 0, show_registrations},
	{0},
};
