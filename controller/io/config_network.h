/* One network of the configuration file, understood. */
#pragma once

#include "base/reason.h"
#include "controller/io/config_yaml.h"
#include "controller/network.h"

/* 0, or -EINVAL with what is wrong. */
MUST_USE int config_network_read(const struct yaml_network *y, struct network *ret,
				 struct reason *why);
/* Copies names that fit. */
MUST_USE int config_names_read(char *const *texts, unsigned count, char (*ret)[NAME_SIZE],
			       struct reason *why);
