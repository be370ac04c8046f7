/* The inventory as a file: what victorctl exports and imports.  Its nodes are written as those of
 * the controller's configuration are (docs/configuration-controller.md). */
#pragma once

#include "base/compiler.h"
#include "base/reason.h"

#include <stddef.h>
#include <stdio.h>

#define INVENTORY_NODES_MAX 100000
#define INVENTORY_DRAINED_MAX 65535
#define INVENTORY_DEVICES_MAX 400000

struct json_object;

struct inventory_item {
	char *id;
	unsigned line;
	struct json_object *body; /* a node's, as PUT takes it, each field there; a device's
				   * likewise, of the node 'id'; NULL: an element's */
};

struct inventory_file {
	struct inventory_item *nodes, *drained;
	struct inventory_item *devices; /* by node */
	unsigned node_count, drained_count, device_count;
};

/* 0 and '*ret' set (finish frees what it holds); or -EINVAL and "PATH:LINE: what is wrong". */
MUST_USE int inventory_file_parse(const char *path, const char *text, size_t size,
				  struct inventory_file *ret, struct reason *why);
void inventory_file_finish(struct inventory_file *f);

/* 'nodes' is the API's list; nodes of another source than "api" are left out.  'drained': names;
 * 'devices': the API's list, where a key may be null. */
void inventory_file_print(FILE *to, struct json_object *nodes, struct json_object *devices,
			  struct json_object *drained);
