/* Keeps the loop from sleeping while an answer is near: fe/awake.h says when. */
#pragma once

#include "fe/awake.h"
#include "fe/io/connection.h"

#include <uv.h>

struct awake_watch {
	uv_idle_t idle; /* while it is active the loop only looks, and does not sleep */
	uv_prepare_t before_sleep;
	struct awake awake;
	const struct connections *connections; /* NULL: there are none any more */
	uint64_t heard;                        /* of theirs, when it was last looked */
};

/* 'connections' is borrowed.  Never awake where there is one processor: who answers needs it. */
void awake_open(struct awake_watch *w, uv_loop_t *loop, unsigned most_us,
		const struct connections *connections);
/* A controller was just told something that it answers. */
void awake_expect(struct awake_watch *w);
/* Accepts one that was never opened, but zero. */
void awake_close(struct awake_watch *w);
