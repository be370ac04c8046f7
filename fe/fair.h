/* Packet-ins of many ports on one connection: while much waits there, a port that has much of it
 * waits for its turn without a place in the queue, so that others' words are not behind its own. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_CROWDED_SIZE (256u << 10) /* bytes that wait before anybody is refused */
#define FAIR_PORT_MAX 64               /* what a port may have among them then */

struct fair {
	uint16_t queued[1024]; /* by the port number's last bits, since nothing waited */
	bool any;
};

/* Whether the port's next message may join the 'waiting' bytes; else '*refused' is one more. */
MUST_USE bool fair_admits(struct fair *f, size_t waiting, uint32_t port, uint64_t *refused);
