/* Attachments' bookkeeping: see record.c.  For the attachment machine's own files; the planner
 * notes here whom it has told. */
#pragma once

#include "controller/state.h"

/* A new one is detached, and in no list. */
struct attachment_record *record_obtain(struct core *c, const char *node);
struct version record_next_version(struct core *c);
const char *record_place_text(const struct core *c, const struct place *p, char text[96]);

/* The one way an attachment changes: lists, then FEs, then the store. */
void record_enter(struct core *c, struct attachment_record *r, const struct attachment *after,
		  bool detached);
void record_enter_state(struct core *c, struct attachment_record *r, enum attachment_state state,
			int64_t deadline_ms);
/* To the state where it rests when nothing is in question: ACTIVE, PROVISIONAL or DOWN. */
void record_settle(struct core *c, struct attachment_record *r);
/* A learned node is forgotten with it. */
void record_detach(struct core *c, struct attachment_record *r, const char *reason);

void record_arrange(struct core *c, struct attachment_record *r);
/* When the FE was last told something about this node: a change number. */
uint64_t record_last_told(const struct core *c, const struct attachment_record *r, uint32_t fe);
/* It was told in the change that is being made; or all were. */
void record_note_told(const struct core *c, struct attachment_record *r, uint32_t fe);
void record_note_told_all(const struct core *c, struct attachment_record *r);
void record_unlink_list(struct core *c, struct attachment_record *r);
void record_link_port(struct core *c, struct attachment_record *r);
/* Removes tombstones that every FE has acknowledged. */
void record_bury(struct core *c);
