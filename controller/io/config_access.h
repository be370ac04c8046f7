/* The northbound's access control in the configuration file; for config.c. */
#pragma once

#include "base/reason.h"
#include "controller/io/access.h"
#include "controller/io/config_yaml.h"

/* -EINVAL with what is wrong. */
MUST_USE int config_access_read(const struct yaml_access *y, enum role *ret_local,
				enum role *ret_anonymous, struct reason *why);
