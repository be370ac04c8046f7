/* Elements that are taken out of service: victorctl element drain. */
#pragma once

#include "controller/state.h"

/* The element has said its name: whether it drains. */
void drain_meet(struct element *e);
