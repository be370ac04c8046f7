/* A controller whose store is new knows no node that was put by REST, while FEs may forward for
 * some: their rules stay for a while, until the inventory is put again (design P2). */
#pragma once

#include "controller/state.h"

void rebuild_begin(struct core *c);
/* Whether a rule about a node, which nothing explains, stays nevertheless. */
bool rebuild_keeps(const struct core *c, const struct rule *rule);
/* A node came: what FEs have of it is read again, of all that come soon after one another at once.
 */
void rebuild_node_added(struct core *c);
/* When learning is over: says what was rebuilt. */
void rebuild_report(const struct core *c);
void rebuild_tick(struct core *c);
