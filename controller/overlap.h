/* What is in the way of mobile addresses: an FE's own routes (paper, section 3.2). */
#pragma once

#include "controller/state.h"

/* All that this FE has; what was there before is over. */
void overlap_set(struct element *e, const struct overlap *list, unsigned count);
/* The first that has the address; NULL: none.  '*ret_element' is where. */
const struct overlap *overlap_find(const struct core *c, uint32_t vrf, const struct address *a,
				   const struct element **ret_element);
/* 0, or -EEXIST with a reason that names the node, the address, the route and the FE.  Addresses
 * that 'before' (or NULL) had are not asked about again. */
MUST_USE int overlap_check(const struct core *c, const struct node_spec *n,
			   const struct node *before, struct reason *why);
