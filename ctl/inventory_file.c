/* Reads the inventory's YAML as strictly as the daemons read their configuration, and writes it.
 * What concerns nodes among each other, and prefixes, is the controller's to judge. */
#include "ctl/inventory_file.h"

#include "base/address.h"
#include "base/memory.h"
#include "base/table.h"
#include "ctl/print.h"
#include "shell/config_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 255
#define NAME_MAX_SIZE 64
#define ADDRESSES_MAX 8
#define ELEMENTS_MAX 16
#define VRF_MAX 0x7fffffu
#define WORDS_MAX 48
#define KEY_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=:-"

/* ---- the shape ---- */

struct yaml_allow {
	char **ports, **sites, **labels;
	unsigned ports_count, sites_count, labels_count;
};

struct yaml_node {
	char *id, *mac;
	char **addresses, **elements, **labels;
	unsigned addresses_count, elements_count, labels_count;
	struct yaml_allow *allow;
	uint32_t vrf;
	bool *mobile;
};

struct yaml_device {
	char *node, *name, *mac, *key;
};

struct yaml_inventory {
	struct yaml_node *nodes;
	struct yaml_device *devices;
	char **drained;
	unsigned nodes_count, devices_count, drained_count;
};

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX),
};

#define WORDS_FIELD(key, type)                                                                 \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, key, \
			     &text_value, 0, WORDS_MAX)

static const cyaml_schema_field_t allow_fields[] = {
	WORDS_FIELD(ports, yaml_allow),
	WORDS_FIELD(sites, yaml_allow),
	WORDS_FIELD(labels, yaml_allow),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t node_fields[] = {
	CYAML_FIELD_STRING_PTR("id", CYAML_FLAG_POINTER, struct yaml_node, id, 1, TEXT_MAX),
	CYAML_FIELD_STRING_PTR("mac", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_node,
			       mac, 1, TEXT_MAX),
	CYAML_FIELD_SEQUENCE("addresses", CYAML_FLAG_POINTER, struct yaml_node, addresses,
			     &text_value, 1, ADDRESSES_MAX),
	CYAML_FIELD_SEQUENCE("elements", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_node,
			     elements, &text_value, 0, ELEMENTS_MAX),
	WORDS_FIELD(labels, yaml_node),
	CYAML_FIELD_MAPPING_PTR("allow", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_node,
				allow, allow_fields),
	CYAML_FIELD_UINT("vrf", CYAML_FLAG_OPTIONAL, struct yaml_node, vrf),
	CYAML_FIELD_ENUM_PTR("mobile", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
			     struct yaml_node, mobile, config_file_booleans, CONFIG_FILE_BOOLEANS),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t node_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_node, node_fields),
};

#define DEVICE_TEXT(key)                                                                           \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_device, \
			       key, 1, TEXT_MAX)

static const cyaml_schema_field_t device_fields[] = {
	CYAML_FIELD_STRING_PTR("node", CYAML_FLAG_POINTER, struct yaml_device, node, 1, TEXT_MAX),
	DEVICE_TEXT(name),
	DEVICE_TEXT(mac),
	DEVICE_TEXT(key),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t device_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_device, device_fields),
};

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_inventory, nodes, &node_value, 0, INVENTORY_NODES_MAX),
	CYAML_FIELD_SEQUENCE("devices", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_inventory, devices, &device_value, 0,
			     INVENTORY_DEVICES_MAX),
	CYAML_FIELD_SEQUENCE("drained", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_inventory, drained, &text_value, 0, INVENTORY_DRAINED_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_inventory, fields),
};

/* ---- reading ---- */

struct reading {
	const char *path;
	unsigned line;
	struct reason *why;
};

static int refuse(const struct reading *r, const char *format, ...) PRINTF_LIKE(2, 3);

static int refuse(const struct reading *r, const char *format, ...)
{
	char text[REASON_SIZE / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return reason_set(r->why, -EINVAL, "%s:%u: %s", r->path, r->line, text);
}

/* As the controller's inventory has them: letters, digits, '-', '_', '.'. */
static int check_name(const struct reading *r, const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (strlen(name) >= NAME_MAX_SIZE || name[strspn(name, allowed)])
		return refuse(r, "'%.40s' is no name: at most %d letters, digits, '-', '_' and '.'",
			      name, NAME_MAX_SIZE - 1);
	return 0;
}

static int read_addresses(const struct reading *r, const struct yaml_node *y,
			  struct json_object *body)
{
	struct json_object *list = json_object_new_array();
	char text[ADDRESS_TEXT_SIZE];
	struct address address;

	json_object_object_add(body, "addresses", list);
	for (unsigned i = 0; i < y->addresses_count; i++) {
		if (address_parse(y->addresses[i], &address) < 0)
			return refuse(r, "node '%s': '%.60s' is no address", y->id,
				      y->addresses[i]);
		json_object_array_add(list, json_object_new_string(address_format(&address, text)));
	}
	return 0;
}

static int read_mac(const struct reading *r, const char *id, const char *said,
		    struct json_object *body)
{
	char text[MAC_TEXT_SIZE];
	struct mac mac;

	if (!said) {
		json_object_object_add(body, "mac", NULL);
		return 0;
	}
	if (mac_parse(said, &mac) < 0)
		return refuse(r, "node '%s': '%.60s' is no MAC address", id, said);
	json_object_object_add(body, "mac", json_object_new_string(mac_format(&mac, text)));
	return 0;
}

static int read_elements(const struct reading *r, const struct yaml_node *y,
			 struct json_object *body)
{
	struct json_object *list = json_object_new_array();

	json_object_object_add(body, "elements", list);
	for (unsigned i = 0; i < y->elements_count; i++) {
		int result = check_name(r, y->elements[i]);

		if (result < 0)
			return result;
		json_object_array_add(list, json_object_new_string(y->elements[i]));
	}
	return 0;
}

static void add_words(struct json_object *to, const char *key, char *const *words, unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(words[i]));
	json_object_object_add(to, key, list);
}

/* What a word may be is the controller's to judge. */
static void read_allow(const struct yaml_node *y, struct json_object *body)
{
	static const struct yaml_allow nothing;
	const struct yaml_allow *allow = y->allow ? y->allow : &nothing;
	struct json_object *o = json_object_new_object();

	add_words(body, "labels", y->labels, y->labels_count);
	add_words(o, "ports", allow->ports, allow->ports_count);
	add_words(o, "sites", allow->sites, allow->sites_count);
	add_words(o, "labels", allow->labels, allow->labels_count);
	json_object_object_add(body, "allow", o);
}

static int read_node(const struct reading *r, const struct yaml_node *y, struct inventory_item *ret)
{
	int result = check_name(r, y->id);

	if (result < 0)
		return result;
	ret->id = memory_copy_text(y->id);
	ret->line = r->line;
	ret->body = json_object_new_object();
	if (y->vrf > VRF_MAX)
		return refuse(r, "node '%s': vrf %u: at most %u", y->id, y->vrf, VRF_MAX);
	json_object_object_add(ret->body, "vrf", json_object_new_int64(y->vrf));
	json_object_object_add(
		ret->body, "mobile",
		json_object_new_boolean(y->mobile ? *y->mobile : !y->elements_count));
	read_allow(y, ret->body);
	result = read_mac(r, y->id, y->mac, ret->body);
	result = result ? result : read_addresses(r, y, ret->body);
	return result ? result : read_elements(r, y, ret->body);
}

/* Whether the key is one is the controller's to say, which does not repeat it. */
static int read_device(const struct reading *r, const struct yaml_device *y,
		       struct inventory_item *ret)
{
	int result = check_name(r, y->node);

	result = result || !y->name ? result : check_name(r, y->name);
	if (result < 0)
		return result;
	if (y->key && y->key[strspn(y->key, KEY_BYTES)])
		return refuse(r, "node '%s': its key is no key", y->node);
	ret->id = memory_copy_text(y->node);
	ret->line = r->line;
	ret->body = json_object_new_object();
	json_object_object_add(ret->body, "name", json_object_new_string(y->name ? y->name : ""));
	json_object_object_add(ret->body, "key", y->key ? json_object_new_string(y->key) : NULL);
	return read_mac(r, y->node, y->mac, ret->body);
}

/* Each name once. */
static int note_name(const struct reading *r, struct table *seen, const char *name)
{
	char key[NAME_MAX_SIZE] = {0};
	bool created;

	memcpy(key, name, strnlen(name, sizeof(key) - 1));
	unsigned *line = table_put(seen, key, &created);

	if (!created)
		return refuse(r, "'%s' is in line %u already", name, *line);
	*line = r->line;
	return 0;
}

static int read_lists(struct reading *r, const struct yaml_inventory *y,
		      const struct config_lines *lines, struct inventory_file *ret)
{
	struct table seen;
	int result = 0;

	ret->nodes = memory_alloc_array(y->nodes_count, sizeof(*ret->nodes));
	ret->devices = memory_alloc_array(y->devices_count, sizeof(*ret->devices));
	ret->drained = memory_alloc_array(y->drained_count, sizeof(*ret->drained));
	table_init(&seen, NAME_MAX_SIZE, sizeof(unsigned), 0);
	for (; ret->node_count < y->nodes_count && result == 0; ret->node_count++) {
		unsigned i = ret->node_count;

		r->line = config_lines_find(lines, "nodes", (int)i, NULL);
		result = read_node(r, &y->nodes[i], &ret->nodes[i]);
		result = result ? result : note_name(r, &seen, y->nodes[i].id);
	}
	table_clear(&seen);
	for (; ret->device_count < y->devices_count && result == 0; ret->device_count++) {
		unsigned i = ret->device_count;

		r->line = config_lines_find(lines, "devices", (int)i, NULL);
		result = read_device(r, &y->devices[i], &ret->devices[i]);
	}
	for (; ret->drained_count < y->drained_count && result == 0; ret->drained_count++) {
		unsigned i = ret->drained_count;

		r->line = config_lines_find(lines, "drained", (int)i, NULL);
		result = check_name(r, y->drained[i]);
		ret->drained[i] = (struct inventory_item){.id = memory_copy_text(y->drained[i]),
							  .line = r->line};
		result = result ? result : note_name(r, &seen, y->drained[i]);
	}
	table_finish(&seen);
	return result;
}

/* Those of one node stand together. */
static int compare_items(const void *a, const void *b)
{
	const struct inventory_item *x = a, *y = b;
	int order = strcmp(x->id, y->id);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

int inventory_file_parse(const char *path, const char *text, size_t size,
			 struct inventory_file *ret, struct reason *why)
{
	struct reading r = {.path = path, .why = why};
	void *yaml;

	memset(ret, 0, sizeof(*ret));
	int result = config_file_parse(path, text, size, &schema, &yaml, why);

	if (result < 0)
		return result;
	struct config_lines *lines = config_lines_create(text, size);

	result = read_lists(&r, yaml, lines, ret);
	if (result == 0 && ret->device_count)
		qsort(ret->devices, ret->device_count, sizeof(*ret->devices), compare_items);
	config_lines_destroy(lines);
	config_file_free(&schema, yaml);
	if (result < 0)
		inventory_file_finish(ret);
	return result;
}

static void finish_items(struct inventory_item *items, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		free(items[i].id);
		json_object_put(items[i].body);
	}
	free(items);
}

void inventory_file_finish(struct inventory_file *f)
{
	finish_items(f->nodes, f->node_count);
	finish_items(f->devices, f->device_count);
	finish_items(f->drained, f->drained_count);
	memset(f, 0, sizeof(*f));
}

/* ---- writing ---- */

/* JSON's quotes are YAML's, too. */
static void print_item(FILE *to, struct json_object *item)
{
	fputs(json_object_to_json_string_ext(item, JSON_C_TO_STRING_NOSLASHESCAPE), to);
}

static void print_list(FILE *to, struct json_object *list)
{
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	fputs(count ? "[ " : "[", to);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ", " : "", to);
		print_item(to, json_object_array_get_idx(list, i));
	}
	fputs(count ? " ]" : "]", to);
}

/* Nothing where it is empty. */
static void print_words(FILE *to, const char *before, struct json_object *list)
{
	if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
		return;
	fputs(before, to);
	print_list(to, list);
}

static void print_allow(FILE *to, struct json_object *allow)
{
	static const char *const keys[] = {"ports", "sites", "labels"};
	bool any = false;

	for (unsigned i = 0; i < 3; i++) {
		struct json_object *list = print_find(allow, keys[i]);
		char before[32];

		if (!json_object_is_type(list, json_type_array) || !json_object_array_length(list))
			continue;
		snprintf(before, sizeof(before), "%s%s: ", any ? ", " : ", allow: { ", keys[i]);
		print_words(to, before, list);
		any = true;
	}
	fputs(any ? " }" : "", to);
}

static void print_node(FILE *to, struct json_object *node)
{
	struct json_object *mac = print_find(node, "mac");

	fputs("  - { id: ", to);
	print_item(to, print_find(node, "id"));
	if (mac) {
		fputs(", mac: ", to);
		print_item(to, mac);
	}
	fputs(", addresses: ", to);
	print_list(to, print_find(node, "addresses"));
	fputs(", elements: ", to);
	print_list(to, print_find(node, "elements"));
	print_words(to, ", labels: ", print_find(node, "labels"));
	print_allow(to, print_find(node, "allow"));
	fprintf(to, ", mobile: %s, vrf: %lld }\n",
		json_object_get_boolean(print_find(node, "mobile")) ? "true" : "false",
		(long long)json_object_get_int64(print_find(node, "vrf")));
}

static void print_device(FILE *to, struct json_object *device)
{
	struct json_object *mac = print_find(device, "mac"), *key = print_find(device, "key");

	fputs("  - { node: ", to);
	print_item(to, print_find(device, "node"));
	if (print_text(device, "name")[0]) {
		fputs(", name: ", to);
		print_item(to, print_find(device, "name"));
	}
	if (mac) {
		fputs(", mac: ", to);
		print_item(to, mac);
	}
	if (key) {
		fputs(", key: ", to);
		print_item(to, key);
	}
	fputs(" }\n", to);
}

void inventory_file_print(FILE *to, struct json_object *nodes, struct json_object *devices,
			  struct json_object *drained)
{
	size_t count = json_object_array_length(nodes), printed = 0;

	fputs("nodes:", to);
	for (size_t i = 0; i < count; i++) {
		struct json_object *node = json_object_array_get_idx(nodes, i);

		if (strcmp(print_text(node, "source"), "api") != 0)
			continue;
		fputs(printed++ ? "" : "\n", to);
		print_node(to, node);
	}
	fputs(printed ? "" : " []\n", to);
	if (json_object_array_length(devices))
		fputs("devices:\n", to);
	for (size_t i = 0; i < json_object_array_length(devices); i++)
		print_device(to, json_object_array_get_idx(devices, i));
	fputs("drained: ", to);
	print_list(to, drained);
	fputs("\n", to);
}
