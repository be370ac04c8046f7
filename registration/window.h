/* What makes a recorded registration worthless: the controller's memory of one device.  It lives
 * as long as the epoch, and is never written anywhere: a new start has a new epoch instead
 * (docs/registration.md, "Why a copy is worth nothing").  Ask only about what is signed well: an
 * unsigned message must not spend anything.  Pure. */
#pragma once

#include "packet/registration.h"

struct registration_window {
	uint64_t sequence; /* the highest that was accepted; 0: none */
	uint64_t serial;   /* of the grants that this device gave */
};

/* NONE, and the sequence is spent, whatever becomes of the message; STALE_EPOCH; STALE_SEQUENCE. */
enum registration_reason registration_window_accept(struct registration_window *w, uint64_t epoch,
						    const struct registration *r);
/* The window is the giving device's.  NONE: it is in time and unspent, nothing is changed;
 * EXPIRED_GRANT: past its time, or of another epoch; SPENT_GRANT. */
enum registration_reason registration_window_look(const struct registration_window *w,
						  uint64_t epoch, uint32_t now_s,
						  const struct registration_grant *g);
/* It was used: this one and those before it never count again. */
void registration_window_spend(struct registration_window *w, const struct registration_grant *g);
