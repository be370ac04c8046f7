/* The northbound: REST, server-sent events and metrics (docs/openapi.yaml). */
#pragma once

#include "controller/core.h"
#include "controller/io/config.h"
#include "controller/io/store.h"

struct northbound;

/* 'config' and 'core' are borrowed.  'store' may be NULL (tests): then nodes are not kept. */
MUST_USE int northbound_open(uv_loop_t *loop, const struct config *config, struct core *core,
			     struct store *store, struct northbound **ret, struct reason *why);
/* After a reload. */
void northbound_set_config(struct northbound *nb, const struct config *config);
void northbound_close(struct northbound *nb);

/* For the core's shell: to watchers and metrics. */
void northbound_event(struct northbound *nb, const struct event *e);
