/* What happens when: a heap of events by time, first come first served at the same time. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum happening_type {
	HAPPENS_STIMULUS,   /* a: its index in the script */
	HAPPENS_AGENT_TICK, /* a: element */
	HAPPENS_CORE_TICK,
	HAPPENS_DELIVER_TO_CORE, /* a: wire, b: epoch, bytes */
	HAPPENS_DELIVER_TO_FE,
	HAPPENS_CLOSE_AT_CORE, /* a: wire, b: epoch */
	HAPPENS_CLOSE_AT_FE,
	HAPPENS_CONNECT,     /* a: element */
	HAPPENS_AGENT_START, /* a: element */
	HAPPENS_CORE_START,
	HAPPENS_PORT_UP,     /* a: element, b: port */
	HAPPENS_LINK_UP,     /* a: element */
	HAPPENS_HOST_TALK,   /* a: host */
	HAPPENS_HOST_ARRIVE, /* a: host, b: stimulus */
	HAPPENS_HOST_ANSWER, /* a: host, b: place */
	HAPPENS_HOST_REVERT, /* a: host */
	HAPPENS_HOST_RETURN, /* a: host, to the inventory */
	HAPPENS_HOST_CHECK,  /* a: host */
	HAPPENS_HOST_SIGN,   /* a: host */
	HAPPENS_WATCH,
};

struct happening {
	int64_t at_us;
	uint64_t order;
	enum happening_type type;
	uint32_t a, b;
	uint8_t *bytes; /* owned by the event until it is taken */
	size_t size;
};

struct queue {
	struct happening *heap;
	size_t count, capacity;
	uint64_t order;
};

void queue_put(struct queue *q, const struct happening *h);
/* False: there is none. */
bool queue_take(struct queue *q, struct happening *ret);
void queue_finish(struct queue *q);
