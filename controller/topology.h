/* The backplane as a graph: FEs and the links between them. */
#pragma once

#include "controller/state.h"

/* Finds every FE's nearest border FE again, and tells the FEs what that changes. */
void topology_refresh(struct core *c);

/* Finds all paths again if something changed that they depend on (c->paths_stale), and tells each
 * FE the groups that differ: group-mods alone.  While FEs of the last run may still be missing,
 * nothing is told: paths that are installed stay. */
void topology_settle(struct core *c);
/* Every group is looked at, not only those whose paths changed since the last time. */
void topology_tell_all(struct core *c);
/* Paths that are installed stay as they are for now. */
bool topology_is_held(const struct core *c);
void topology_finish(struct core *c);
/* Whether packets may go between them: straight, or by links, as the policies of their networks
 * say. */
bool topology_allows(const struct core *c, const struct element *e, const struct element *peer);
/* How far each FE is from 'to', by their vertices; without a path GRAPH_INFINITE (graph.h). */
void topology_distances(const struct core *c, const struct element *to, uint64_t *ret);
/* Whether a path of links that live leads there, as far as paths are known; without links: true. */
bool topology_reaches(const struct core *c, const struct element *e, const struct element *peer);
/* Sets the paths of e's group towards 'peer'; while they are held, those that it has. */
void topology_set_paths(const struct core *c, const struct element *e, const struct element *peer,
			struct rule_group *group);
