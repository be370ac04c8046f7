/* Valid matches, actions and instructions at random, the same for the same seed. */
#pragma once

#include "openflow/action.h"

struct random {
	uint64_t state;
};

uint32_t random_next(struct random *r);
void random_match(struct random *r, struct ofp_match *ret);
void random_actions(struct random *r, struct ofp_actions *ret);
void random_instructions(struct random *r, struct ofp_instructions *ret);
