/* What every FE should have of nodes' rules, as sums (pipeline/summary.h), to be held against what
 * FEs say of theirs.
 *
 * One walk over all nodes serves all FEs.  An FE that has no part in an attachment has the same
 * rules for it as any other (PLANNER_OTHER): those are summed once, and for each FE what it has
 * instead.  The walk goes in slices; whatever changes from its beginning on is marked, and a marked
 * bucket is read from the FE whatever its sum.  What changes for many nodes at once (an FE gets or
 * loses its backplane address, the members of a segment) spoils it: it is begun anew. */
#pragma once

#include "pipeline/summary.h"

struct core;
struct node;
struct survey;

/* The present one, which may have to be walked still, or a new one. */
struct survey *survey_obtain(struct core *c);
/* It is given back by one who obtained it; it may be another's by now.  Or the core ends. */
void survey_release(struct core *c, uint32_t serial);
void survey_drop(struct core *c);

const struct summary_scheme *survey_scheme(const struct survey *v);
/* Tells one from the ones before. */
uint32_t survey_serial(const struct core *c);
/* About so many nodes more; true: it is complete. */
bool survey_work(struct core *c, unsigned nodes);
bool survey_is_walking(const struct core *c);
/* It is complete, and what it was made of is still so, but for what is marked. */
bool survey_is_good(const struct core *c);
/* Marks the buckets that differ from what the FE 'fe' should have, or that changed. */
void survey_compare(const struct survey *v, uint32_t fe, const struct summary_bucket *has,
		    struct summary_marks *marks);

/* The node's rules are about to be others, or are now. */
void survey_note(struct core *c, const struct node *n);
/* Many are. */
void survey_spoil(struct core *c);
