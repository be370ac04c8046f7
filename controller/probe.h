/* "Are you there?", from the gateway to a node at a place. */
#pragma once

#include "controller/state.h"

/* Asks for the first address of either family that the node has, by ARP and by a neighbour
 * solicitation; an answer to either will do.  Nothing is sent where the FE is not in step. */
void probe_place(struct core *c, const struct attachment_record *r, const struct place *place);
/* What was only learnt at this FE is asked once, a few nodes at each call. */
void probe_learnt(struct element *e);
