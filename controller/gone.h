/* FEs whose machine is gone, found before their connection ends by itself: their nodes on LANs that
 * others share are the others' then. */
#pragma once

#include "controller/state.h"

/* At every tick. */
void gone_tick(struct core *c);
