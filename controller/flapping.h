/* Addresses that are claimed from two places again and again: design P4a, RFC 7432 section 15.1. */
#pragma once

#include "controller/state.h"

/* One more ambiguous claim.  True: it is one too many, the node is damped from now on. */
bool flapping_count(struct core *c, struct attachment_record *r);
/* It is damped: claims that prove nothing are not heard. */
bool flapping_is_damped(const struct core *c, const struct attachment_record *r);
/* The questions are over, and it moved: who asked was right, and is no flapping. */
void flapping_forgive(struct core *c, struct attachment_record *r);
/* Every second: who was damped for long enough. */
void flapping_tick(struct core *c);
