/* One link of the configuration file.  Only for config.c. */
#pragma once

#include "controller/core.h"
#include "controller/io/config_yaml.h"

/* Everything but its ends.  0, or -EINVAL with what would be right. */
MUST_USE int config_link_read(const struct yaml_link *y, struct link *ret, struct reason *why);
