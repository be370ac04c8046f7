/* A hash index: from the hash of a key to the numbers of what may have it.  The keys themselves are
 * in what the numbers name: who looks something up compares there.
 *	uint32_t number, hash = index_hash(&x, key, size);
 *	for (struct index_walk w = index_walk(&x, hash); index_next(&x, &w, &number);)
 *		if (thing_has(number, key)) ...
 * The seed keys the hash: a peer that cannot learn it cannot aim collisions. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_NUMBERS (UINT32_MAX - 1u) /* the numbers below it may be in an index */

struct index {
	size_t count, capacity;
	uint64_t seed;
	struct index_slot {
		uint32_t hash;
		uint32_t number; /* + 1; 0: none */
	} * slots;
};

struct index_walk {
	uint32_t hash;
	size_t at;
};

void index_init(struct index *x, uint64_t seed);
void index_finish(struct index *x); /* and it is as after index_init */

uint32_t index_hash(const struct index *x, const void *key, size_t size);
struct index_walk index_walk(const struct index *x, uint32_t hash);
/* The next number with this hash; no changes meanwhile. */
bool index_next(const struct index *x, struct index_walk *walk, uint32_t *ret);
void index_add(struct index *x, uint32_t hash, uint32_t number);
/* It must be there. */
void index_remove(struct index *x, uint32_t hash, uint32_t number);
/* All numbers, in the order of their hashes; begins with *at = 0.  What is there all the while is
 * met once, whatever is added and removed meanwhile. */
bool index_each(const struct index *x, uint64_t *at, uint32_t *ret);
