/* Entries of one size, each with a number: they stay where they are until they are given back, and
 * are walked in the order of their numbers. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool_chunk;

struct pool {
	size_t entry_size, count;
	struct pool_chunk **chunks;          /* of entries, by their numbers */
	uint32_t chunk_count, numbers, free; /* numbers given so far; free: a list, of number + 1 */
};

void pool_init(struct pool *p, size_t entry_size);
void pool_finish(struct pool *p); /* and it is as after pool_init */
/* The number of a new entry, zeroed: the lowest that was never given, or one that is free again. */
MUST_USE uint32_t pool_take(struct pool *p);
void pool_give(struct pool *p, uint32_t number);
void *pool_at(const struct pool *p, uint32_t number);
/* The next entry; begins with *at = 0, and its number is *at - 1 then.  Entries may be taken and
 * given back meanwhile; one that is taken is met or not. */
bool pool_next(const struct pool *p, size_t *at, void **ret);
