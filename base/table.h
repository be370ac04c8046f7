/* An open-addressing hash table from fixed-size keys to fixed-size values, both copied in.
 * A value stays where it is until its key is removed: pointers to it are good that long.  Keys are
 * compared bytewise, so a key struct has no hidden padding.  The seed keys the hash (index.h;
 * SipHash would be too slow for a million bindings). */
#pragma once

#include "base/index.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	size_t key_size, value_size;
	size_t count;
	struct index index; /* of the entries' numbers */
	struct pool pool;
	bool key_in_value;
};

void table_init(struct table *t, size_t key_size, size_t value_size, uint64_t seed);
/* The key is the beginning of the value itself; whoever writes the value leaves it as it is. */
void table_init_keyed(struct table *t, size_t key_size, size_t value_size, uint64_t seed);
/* Frees all entries; what values point to is the caller's. */
void table_finish(struct table *t);
void table_clear(struct table *t);

/* The value, or NULL. */
void *table_get(const struct table *t, const void *key);
/* The value, made (zeroed) where there was none; '*created' may be NULL. */
void *table_put(struct table *t, const void *key, bool *created);
/* Returns whether the key was there. */
bool table_remove(struct table *t, const void *key);

/* Iteration, in the order of the entries' numbers: an entry has the same one as long as it is
 * there, and a new one gets the lowest that is free or was never given.  Entries may be removed and
 * added meanwhile; one that is added is met or not.
 *	size_t at = 0; const void *key; struct node *node;
 *	while (table_next(&t, &at, &key, (void **)&node)) ...
 */
bool table_next(const struct table *t, size_t *at, const void **key, void **value);
/* The number of the entry that table_next gave last is '*at' - 1. */
