/* The backplane as a graph: FEs and the links between them. */
#pragma once

#include "controller/state.h"

/* Finds every FE's nearest border FE again, and tells the FEs what that changes. */
void topology_refresh(struct core *c);
