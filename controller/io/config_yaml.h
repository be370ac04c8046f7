/* The configuration file as YAML has it: text and numbers, not yet understood.  Only for config.c. */
#pragma once

#include "base/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml_prefix {
	char *prefix, *gateway;
	bool mobile;
	uint32_t vrf;
	char **elements;
	unsigned elements_count;
};

struct yaml_link {
	char **between;
	unsigned between_count;
	uint32_t *cost;
};

struct yaml_node {
	char *id, *mac;
	char **addresses, **elements;
	unsigned addresses_count, elements_count;
	uint32_t vrf;
	bool *mobile;
};

struct yaml_timers {
	uint32_t *port_grace_ms, *prepare_timeout_ms, *probe_timeout_ms, *learn_timeout_ms;
};

struct yaml_config {
	char *name, *state, *gateway_mac, *log, *admission;
	char **southbound, **northbound;
	unsigned southbound_count, northbound_count;
	bool insecure;
	uint32_t shard;
	struct yaml_timers timers;
	struct yaml_prefix *prefixes;
	struct yaml_link *links;
	struct yaml_node *nodes;
	unsigned prefixes_count, links_count, nodes_count;
};

/* 0, or -EINVAL and "PATH:LINE: what is wrong". */
MUST_USE int config_yaml_load(const char *path, const char *text, size_t size,
			      struct yaml_config **ret, struct reason *why);
void config_yaml_free(struct yaml_config *y);

/* Where things are in the file: libcyaml checks types and keys, but does not tell lines of what it
 * accepted. */
struct config_lines;
struct config_lines *config_lines_create(const char *text, size_t size);
void config_lines_destroy(struct config_lines *lines);
/* The line of 'key' at the top, or of its item 'index' where index >= 0; 0: not there. */
unsigned config_lines_find(const struct config_lines *lines, const char *key, int index);
