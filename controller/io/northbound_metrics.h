/* GET /metrics in Prometheus' text format. */
#pragma once

#include "base/wire.h"
#include "controller/core.h"
#include "controller/io/http.h"

#define EVENT_KINDS EVENT_KIND_COUNT

struct metrics {
	uint64_t events[EVENT_KINDS], requests;
	int64_t started_ms;
	/* Filled in for each writing. */
	uint64_t refused[HTTP_CAUSE_COUNT], audit_lost;
};

void metrics_write(struct buffer *out, const struct core *core, const struct metrics *m,
		   int64_t now_ms);
