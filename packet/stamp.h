/* STAMP, unauthenticated (RFC 8762, sections 4.2.1 and 4.3.1): a link's delay, from four times.
 * Clocks need not agree: the sender takes only differences of its own two and of the other's two.
 * Times here are microseconds of a clock that never jumps; on the wire they are NTP's 64 bits. No
 * I/O. */
#pragma once

#include "base/compiler.h"
#include "base/wire.h"

#include <stddef.h>
#include <stdint.h>

#define STAMP_SIZE 44
#define STAMP_PORT 862 /* where the reflector listens */

struct stamp_request {
	uint32_t sequence;
	int64_t sent_us;
};

struct stamp_reply {
	uint32_t sequence;                          /* the request's */
	int64_t sent_us, received_us, reflected_us; /* the first by the sender's clock */
};

void stamp_request_encode(struct buffer *b, const struct stamp_request *q);
MUST_USE int stamp_request_decode(const void *bytes, size_t size, struct stamp_request *ret);
/* 'ttl' is that with which the request came. */
void stamp_reply_encode(struct buffer *b, const struct stamp_reply *r, uint8_t ttl);
MUST_USE int stamp_reply_decode(const void *bytes, size_t size, struct stamp_reply *ret);
/* One way, as half of what the way there and back took; -1 where the times make no sense. */
int64_t stamp_delay_us(const struct stamp_reply *r, int64_t now_us);
