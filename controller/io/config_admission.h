/* What the configuration file says of admission: modes, sites, labels, where nodes are let in. */
#pragma once

#include "controller/core.h"
#include "controller/io/config_yaml.h"

/* Each: 0, or -EINVAL with what is wrong. */
MUST_USE int config_admission_read(const struct yaml_config *y, struct core_config *ret,
				   struct reason *why);
/* 'text' may be NULL: as the controller's. */
MUST_USE int config_mode_read(const char *text, struct covered_prefix *ret, struct reason *why);
MUST_USE int config_site_read(const struct yaml_site *y, struct site *ret, struct reason *why);
MUST_USE int config_allow_read(const struct yaml_node *y, struct node_spec *ret,
			       struct reason *why);

struct config;
/* Names in 'exits' and 'announce_at' that are of no network and that nothing else in the file names
 * as an element's: 'warn' gets the line and the words. */
void config_check_exits(const struct config *c,
			void (*warn)(const struct config *c, unsigned line, const char *text));
