/* victor-controller's configuration file (docs/configuration-controller.md), read and checked. */
#pragma once

#include "base/log.h"
#include "controller/core.h"
#include "controller/io/access.h"
#include "shell/endpoint.h"
#include "tls/context.h"

#include <stddef.h>

#define CONFIG_ENDPOINTS_MAX 16
#define CONFIG_NODES_MAX 100000

struct config {
	char path[256]; /* as it is named in messages */
	struct core_config core;
	enum log_level log_level;
	bool insecure; /* listen on other than loopback and UNIX sockets without TLS */
	enum role local_role, anonymous_role; /* of the northbound's users, see access.h */
	bool has_tls;
	struct tls_files tls; /* what we show, and whom we believe, where an endpoint is "tls:" */
	char state[256];
	char registration_key[256]; /* a file; "": one in 'state', made where it is missing */
	struct endpoint southbound[CONFIG_ENDPOINTS_MAX], northbound[CONFIG_ENDPOINTS_MAX];
	unsigned southbound_count, northbound_count;
	struct network *networks;
	struct site *sites;
	struct covered_prefix *prefixes;
	struct link *links;
	struct tunnel_wish *tunnels;
	struct node_spec *nodes;
	struct declared_element *elements;
	unsigned prefix_count, link_count, tunnel_count, node_count, element_count, network_count,
		site_count;
	/* The line where each begins; a refusal by the core is reported with it. */
	unsigned *prefix_lines, *link_lines, *tunnel_lines, *node_lines, *element_lines,
		*network_lines, *site_lines;
	struct table node_index; /* id, zero padded -> unsigned */
};

/* 0 and '*ret' set (config_finish frees what it holds), or a negative errno with one line that
 * names file, line, what is wrong and what would be right; '*ret' is empty then. */
MUST_USE int config_load(const char *path, struct config *ret, struct reason *why);
MUST_USE int config_parse(const char *path, const char *text, size_t size, struct config *ret,
			  struct reason *why);
void config_finish(struct config *c);

/* Gives prefixes, links and nodes to the core, which checks them against each other. */
MUST_USE int config_apply(const struct config *c, struct core *core, int64_t now_ms,
			  struct reason *why);
/* The node with this id, or NULL. */
const struct node_spec *config_node(const struct config *c, const char *id);
