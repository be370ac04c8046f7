/* Claims that may be old, and the PROBING state: probing.c.  For the attachment machine's own
 * files. */
#pragma once

#include "controller/state.h"

/* P4a: its FE spoke after it knew where we think that the node is. */
bool claim_is_fresh(const struct core *c, const struct attachment_record *r,
		    const struct claim *claim);
/* A claim that is not: both places are asked. */
void probing_claim(struct core *c, struct attachment_record *r, const struct claim *claim);
/* The first claimant answers; something is heard from the node's own place. */
void probing_claimant_answers(struct core *c, struct attachment_record *r,
			      const struct claim *claim);
/* So does another one, who must be asked before he is believed: now it is he.  False: not so. */
bool probing_also_answers(struct core *c, struct attachment_record *r, const struct claim *claim);
/* A prepared move came to nothing: who claimed to be elsewhere meanwhile is asked. */
void probing_ask_others(struct core *c, struct attachment_record *r);
/* It has moved while 'claimant', among others, was asked: who was not believed is asked again. */
void probing_ask_losers(struct core *c, struct attachment_record *r, const struct place *claimant);
void probing_heard_here(struct core *c, struct attachment_record *r, const struct claim *claim);
/* What was taken for its place is another one now: all are asked again. */
void probing_restart(struct core *c, struct attachment_record *r);
void probing_over(struct core *c, struct attachment_record *r);

/* attachment.c: a claim that is believed. */
void attachment_move_by_claim(struct core *c, struct attachment_record *r,
			      const struct claim *claim);
