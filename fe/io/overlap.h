/* The kernel's routes within covered prefixes: whose hosts and nodes would be in each other's way
 * (paper, section 3.2). */
#pragma once

#include "pipeline/experimenter.h"

#include <stdbool.h>
#include <stdint.h>

struct overlap_watch;

MUST_USE int overlap_open(struct overlap_watch **ret);
void overlap_close(struct overlap_watch *w); /* accepts NULL */

/* A prefix of VRF 0 is covered, or not any more. */
void overlap_cover(struct overlap_watch *w, const struct prefix *prefix, bool covered);
/* The interfaces may be others: the kernel takes routes away with them without a word. */
void overlap_stale(struct overlap_watch *w);
/* To be called often: a little is read each time, so that a full table of the Internet keeps nobody
 * waiting.  True: a whole look is over, and '*ret' has what was found, in order. */
bool overlap_update(struct overlap_watch *w, int64_t now_ms, const struct overlap **ret,
		    unsigned *ret_count);
