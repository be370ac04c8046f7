/* Elements whose tables are full. */
#pragma once

#include "controller/state.h"

/* The element refused this flow-mod (its bytes, perhaps cut short), its table being full. */
void full_refused(struct element *e, const uint8_t *flow_mod, size_t size);
/* A comparison begins: what is missing will be refused again, or not. */
void full_forget(struct element *e);
/* Its last change is acknowledged. */
void full_settled(struct element *e);
/* Tries again. */
void full_tick(struct element *e);
