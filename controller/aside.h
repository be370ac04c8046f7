/* What few attachments need, and only for a while: questions that are being asked, ambiguous
 * claims, what a switch counts.  An attachment that needs nothing of it has none. */
#pragma once

#include "controller/attachment.h"

#define CLAIMANTS_MAX 3 /* besides the first one, while both places are asked */

struct aside {
	struct attachment_record *of;
	/* PROBING */
	bool current_answered, claimant_answered;
	bool must_be_silent; /* the place, for the claimant proves too little */
	bool claimant_asked; /* its FE had a session the last time, and all it should have; and no
			      * answer of it came too early */
	struct place also[CLAIMANTS_MAX]; /* other claimants; also while PREPARED */
	unsigned also_count;
	unsigned rounds;   /* how often they were asked */
	unsigned followed; /* claimants */
	enum proof claimant_proof;
	/* At a switch: ovs_idle.c. */
	struct {
		uint64_t packets, counting;
		int64_t heard_ms, asked_ms; /* asked: since when it is silent; 0: it is not */
	} idle;
	unsigned ambiguous_count, counted; /* flapping.c; counted: in this PROBING */
	int64_t ambiguous_since_ms, damped_until_ms;
};

/* To read; where there is none, one of zeros. */
const struct aside *aside_of(const struct core *c, const struct attachment_record *r);
/* To change what is there; NULL: nothing, which is as good as zeros. */
struct aside *aside_find(const struct core *c, const struct attachment_record *r);
/* To write: made where there was none.  It stays where it is until it is dropped. */
struct aside *aside_obtain(struct core *c, struct attachment_record *r);
/* Where there is one; a record that is forgotten must not leave one behind. */
void aside_drop(struct core *c, struct attachment_record *r);
/* Once a second: drops some of those that nobody needs any more. */
void aside_tick(struct core *c);
