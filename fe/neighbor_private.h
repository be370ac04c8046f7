/* What neighbor.c asks of kept.c. */
#pragma once

#include "fe/neighbor.h"

/* Once in a while: what was sent and brought no binding for so long was refused. */
void neighborhood_forget_sent(struct neighborhood *n);
/* The controller has it: nothing to say again. */
void neighborhood_forget_answered(struct neighborhood *n, const struct rule *rule);
