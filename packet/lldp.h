/* The link layer discovery protocol (IEEE 802.1AB-2016) as far as finding backplane links needs it:
 * who sends, by which port, and a TLV of ours (clause 8.6) that proves that the controller had it
 * sent.  No I/O. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#define LLDP_NAME_SIZE 64 /* with its terminating zero */

struct lldp {
	uint32_t fe, port;
	uint64_t proof;
	uint16_t ttl_s;
	char name[LLDP_NAME_SIZE]; /* of the FE */
};

/* Appends one frame, to the nearest bridge's group address. */
void lldp_build(struct buffer *b, const struct lldp *l);
/* A whole Ethernet frame.  0; -EBADMSG: not LLDP, cut short, or without the three TLVs that must
 * begin it (clause 8.2); -ENOENT: good, but without our TLV: another vendor's device. */
MUST_USE int lldp_parse(const void *frame, size_t size, struct lldp *ret);
