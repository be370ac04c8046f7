/* What victorctl imports: any bytes give an inventory or a reason with a line; and what was
 * understood is understood again as it is printed. */
#include "ctl/inventory_file.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_again(const struct inventory_file *f)
{
	struct json_object *nodes = json_object_new_array(), *drained = json_object_new_array();
	struct json_object *devices = json_object_new_array();
	struct inventory_file again;
	struct reason why = {""};
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	for (unsigned i = 0; i < f->node_count; i++) {
		struct json_object *node = NULL;

		json_object_deep_copy(f->nodes[i].body, &node, NULL);
		json_object_object_add(node, "id", json_object_new_string(f->nodes[i].id));
		json_object_object_add(node, "source", json_object_new_string("api"));
		json_object_array_add(nodes, node);
	}
	for (unsigned i = 0; i < f->drained_count; i++)
		json_object_array_add(drained, json_object_new_string(f->drained[i].id));
	for (unsigned i = 0; i < f->device_count; i++) {
		struct json_object *device = NULL;

		json_object_deep_copy(f->devices[i].body, &device, NULL);
		json_object_object_add(device, "node", json_object_new_string(f->devices[i].id));
		json_object_array_add(devices, device);
	}
	inventory_file_print(to, nodes, devices, drained);
	fclose(to);
	if (inventory_file_parse("again", text, size, &again, &why) < 0)
		abort();
	if (again.device_count != f->device_count || again.node_count != f->node_count ||
	    again.drained_count != f->drained_count)
		abort();
	for (unsigned i = 0; i < f->node_count; i++)
		if (strcmp(f->nodes[i].id, again.nodes[i].id) != 0 ||
		    !json_object_equal(f->nodes[i].body, again.nodes[i].body))
			abort();
	inventory_file_finish(&again);
	json_object_put(nodes);
	json_object_put(devices);
	json_object_put(drained);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inventory_file f;
	struct reason why = {""};

	if (inventory_file_parse("fuzz", (const char *)data, size, &f, &why) == 0) {
		parse_again(&f);
		inventory_file_finish(&f);
	} else if (!why.text[0]) {
		abort();
	}
	return 0;
}
