/* The framing that experimenter.c and experimenter_link.c share; nobody else includes it. */
#pragma once

#include "pipeline/experimenter.h"

/* Begins a message; experimenter_end writes its length. */
size_t experimenter_begin(struct buffer *b, uint32_t xid, enum experimenter_type type);
void experimenter_end(struct buffer *b, size_t start);
/* A body is exactly what its decoder reads. */
int experimenter_finish(const struct reader *rd);
