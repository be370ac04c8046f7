/* BFD control packets (RFC 5880, section 4.1) without authentication: what the two ends of a link
 * tell each other to know that it is alive.  fe/link.c is the state machine.  No I/O. */
#pragma once

#include "base/compiler.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BFD_SIZE 24
#define BFD_PORT 3784          /* one hop, TTL 255 (RFC 5881) */
#define BFD_MULTIHOP_PORT 4784 /* RFC 5883 */

enum bfd_state { BFD_ADMIN_DOWN = 0, BFD_DOWN = 1, BFD_INIT = 2, BFD_UP = 3 };

/* Why the session is not up, or last was not. */
enum bfd_diagnostic {
	BFD_DIAGNOSTIC_NONE = 0,
	BFD_DIAGNOSTIC_EXPIRED = 1,   /* nothing heard for the detection time */
	BFD_DIAGNOSTIC_SIGNALED = 3,  /* the other end says that it is down */
	BFD_DIAGNOSTIC_PATH_DOWN = 5, /* the device has no carrier, or is gone */
	BFD_DIAGNOSTIC_ADMIN_DOWN = 7
};

struct bfd_packet {
	uint8_t state;      /* enum bfd_state */
	uint8_t diagnostic; /* 0-31 */
	bool poll, final;
	uint8_t multiplier; /* not 0 */
	uint32_t mine,
		yours; /* discriminators: the sender's (not 0), the receiver's (0: unknown) */
	uint32_t desired_tx_us, required_rx_us;
};

void bfd_encode(struct buffer *b, const struct bfd_packet *p);
/* The checks of RFC 5880, section 6.8.6, that need no session.  0; -EBADMSG for another version, a
 * wrong length, authentication, the multipoint bit, no multiplier or no discriminator. */
MUST_USE int bfd_decode(const void *bytes, size_t size, struct bfd_packet *ret);
const char *bfd_state_name(enum bfd_state state);
