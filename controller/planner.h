/* From what is to be to what each FE is to be told. */
#pragma once

#include "controller/state.h"

#define PLANNER_NODE_RULES_MAX (7 * NODE_ADDRESSES_MAX)
/* These stand for "any FE that has no part in this attachment". */
#define PLANNER_OTHER 0u
#define PLANNER_OTHER_SWITCH UINT32_MAX /* an Open vSwitch */

/* The rules of one node at FE 'x'; 'a' NULL: it is nowhere. */
unsigned planner_node_rules(const struct core *c, uint32_t x, const struct node *n,
			    const struct attachment *a, struct rule rules[PLANNER_NODE_RULES_MAX]);
/* Tells every synced FE the difference, in the order of design P4. */
void planner_change(struct core *c, struct attachment_record *r, const struct node *node_before,
		    const struct attachment *before, const struct node *node_after,
		    const struct attachment *after);

/* Everything one FE should have: groups, rules that are no node's, and the nodes'. */
void planner_groups(const struct core *c, const struct element *e,
		    void (*emit)(void *to, const struct rule_group *), void *to);
void planner_intent(const struct core *c, const struct element *e,
		    void (*emit)(void *to, const struct rule *), void *to);
void planner_intent_nodes(const struct core *c, const struct element *e,
			  void (*emit)(void *to, const struct rule *), void *to);
/* All that intent says of peers is at the FE now. */
void planner_note_spreads(const struct core *c, struct element *e);
int64_t planner_exit(const struct core *c, const struct element *e);

/* Whether the FE is the prefix's gateway. */
bool planner_serves(const struct element *e, const struct covered_prefix *p);
/* The VRFs that there are: how many. */
#define PLANNER_VRFS_MAX (PREFIXES_MAX + 1)
unsigned planner_vrfs(const struct core *c, uint32_t vrfs[PLANNER_VRFS_MAX]);

/* enum port_role that its rules are for: 0, none, for the underlay's backplane port, where no links
 * are looked for. */
uint8_t planner_port_role(const struct port *p);

/* Bring synced FEs up to date after something that is no attachment changed. */
void planner_refresh_port(struct core *c, struct element *e, struct port *p);
/* The port is up on its segment, or not any more: the rules of the nodes there that are other FEs'.
 */
void planner_refresh_beside(struct core *c, struct element *e, const struct port *p, bool is_there);
/* A port joined its segment with nodes attached already, or leaves it: for the others there. */
void planner_refresh_besides(struct core *c, const struct element *home, const struct port *p,
			     bool is_there);
void planner_refresh_peer(struct core *c, struct element *peer);
/* Likewise, of two alone. */
void planner_refresh_pair(struct element *e, const struct element *peer);
void planner_refresh_exits(struct core *c);
/* Queues a group-mod where the paths towards 'peer' are others than e's group has; whether it did.
 */
bool planner_refresh_group(struct element *e, const struct element *peer);
/* It drains, or does not any more: whether it may announce the covered prefixes. */
void planner_refresh_covered(struct element *e);
void planner_add_prefix(struct core *c, const struct covered_prefix *p);
