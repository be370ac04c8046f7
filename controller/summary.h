/* An FE's sums held against ours (pipeline/summary.h, controller/survey.h), before any of its rules
 * is read.  What agrees is as it should be: it is neither read nor compared nor sent.  Of what does
 * not the rules are read, adopted and compared as always (compare.c), since the FE may know better
 * (design P2).  Nothing is told to the FE before it has been compared; so what changes for nodes
 * while the question is on its way is read as well, before the first change is told.
 *
 * An FE that says no sums, or has few rules beside what it should have, is read whole. */
#pragma once

#include "controller/state.h"

struct sync;
struct summary;

/* Its groups are read: asks for sums, or for its rules. */
void summary_begin(struct session *s);
MUST_USE int summary_reply(struct session *s, uint32_t xid, struct reader *body);
void summary_refused(struct session *s);
/* Whose survey was given up, with the session that began it, is not to wait for it. */
void summary_tick(struct session *s);
/* Another slice of the survey that sessions wait for; whether something was done. */
bool summary_work(struct core *c);
void summary_destroy(struct sync *sync);

/* The request for the rules in question, instead of the one for all. */
void summary_ask_rules(struct session *s, uint32_t xid);
/* What was asked for is read and adopted.  True: more has to be, because it changed meanwhile; the
 * session reads again. */
bool summary_wants_more(struct session *s);

/* How many rules of nodes are read, or are expected to be; 0: none, all agrees. */
size_t summary_reads(const struct sync *sync);
/* How many agree, and are not read. */
size_t summary_agreed(const struct sync *sync);
/* Whether the rules of that address, or of an address of the node, are among what is read. */
bool summary_has_read(const struct sync *sync, uint32_t vrf, const struct address *address);
bool summary_concerns(const struct sync *sync, const struct node *n);
