/* What the configuration says of TLS, and which endpoints need it.  Only for config.c. */
#pragma once

#include "controller/io/config.h"
#include "controller/io/config_yaml.h"

/* 'y' may be NULL. */
MUST_USE int config_tls_read(const struct yaml_tls *y, struct config *ret, struct reason *why);
/* Whether that endpoint may be as it is. */
MUST_USE int config_tls_check(const struct endpoint *e, const struct yaml_config *yaml,
			      struct reason *why);
