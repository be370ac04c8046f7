/* Who may send a prefix's packets out of VICTOR, and which of them each FE uses: the rules of table
 * 4 that look at the source (RULE_EXIT).  A prefix without a list has none, and goes out by the
 * nearest border FE (topology.c, intent.c). */
#pragma once

#include "controller/state.h"

/* Whether the FE tells routers outside of the prefix. */
bool exit_announces(const struct core *c, const struct element *e, const struct covered_prefix *p);

/* Works out the distances to all FEs that lists name; after every change of the graph. */
void exit_measure(struct core *c);
/* Tells every synced FE the rules that changed. */
void exit_refresh(struct core *c);
/* Takes over what the FE reports, in 'reported' (find it by key, or NULL), and works out what it
 * should have: exit_emit has that. */
void exit_synchronize(struct element *e,
		      const struct rule *(*reported)(void *from, const struct rule_key *key),
		      void *from);
void exit_emit(const struct element *e, void (*emit)(void *to, const struct rule *), void *to);
/* The rule that the FE has for the prefix with this place in the inventory; NULL: it has none. */
const struct rule *exit_rule(const struct element *e, unsigned prefix);
/* Whether some rule of the FE's sends out by FE 'fe'. */
bool exit_leads_to(const struct element *e, uint32_t fe);
