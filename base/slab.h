/* Blocks of memory of many small sizes, without a header: whoever gives one back says how large it
 * was.  A block has a number of 32 bits, never 0, and stays where it is.  For what there is a
 * million of; room that was given back is used again for blocks of the same size. */
#pragma once

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#define SLAB_UNIT 8       /* sizes are rounded up to it, and blocks aligned to it */
#define SLAB_LARGEST 2048 /* of a block */

struct slab {
	uint8_t **chunks;
	uint32_t chunk_count, used; /* used: units of all chunks */
	uint32_t free[SLAB_LARGEST / SLAB_UNIT + 1];
};

void slab_init(struct slab *s);
void slab_finish(struct slab *s);
/* The number of a zeroed block. */
MUST_USE uint32_t slab_take(struct slab *s, size_t size);
void slab_give(struct slab *s, uint32_t block, size_t size);
void *slab_at(const struct slab *s, uint32_t block);
