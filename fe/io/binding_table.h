/* The writer's side of the table of bindings (include/victor/bindings.h): one process writes, any
 * number of packets read meanwhile.  Memory alone: what maps it (fe/io/datapath_binding.c), or a
 * test, owns the arrays.  Addresses are in network order.  -ENOSPC: the limit is reached, or there
 * is no room for the key or its record. */
#pragma once

#include "base/compiler.h"
#include "fe/io/mapped_array.h"
#include "include/victor/bindings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BINDING_EXPECTED 8

struct binding_table {
	struct map_shape *shape;
	struct map_bucket *buckets;
	struct map_chunk *chunks;
	struct mapped_array *bucket_array,
		*chunk_array; /* what these two are in; NULL: all is there
			       */
	/* Returns when no reader that runs now still runs. */
	void (*grace)(void);

	uint32_t count;    /* bindings */
	uint32_t *retired; /* units that nothing names, but a reader may have */
	uint32_t retired_count, retired_capacity;
	uint64_t *free;     /* a bit for each unit */
	uint32_t single_at; /* where the last ones were found: singles from below, pairs from above
			     */
	uint32_t pair_at;
	uint64_t *stale; /* likewise: records that were there at the start; NULL: these are swept */
	uint32_t expected[BINDING_EXPECTED]; /* hashes, in turn */
	uint32_t expected_at;
};

/* Where a key is, or may be put; good until the table is changed. */
struct binding_place {
	uint32_t hash;
	uint32_t home;
	uint32_t bucket, slot; /* where the key is, if it is there */
	uint32_t unit;         /* 0: it is not */
};

/* How many buckets and chunks a table of that limit has, at most 1 << 24. */
void binding_table_sizes(uint32_t limit, uint32_t *ret_buckets, uint32_t *ret_chunks);
/* Makes zeroed arrays of these sizes an empty table; 'keys' are random. */
void binding_table_format(struct map_shape *shape, uint32_t limit,
			  const uint64_t keys[BINDING_WORDS + 1]);
/* Whether the arrays' sizes are what the shape says. */
bool binding_table_fits(const struct map_shape *shape, size_t buckets, size_t chunks);

/* Takes over arrays that a writer before left at any moment, and heals them.  The arrays stay the
 * caller's; they outlive the table. */
void binding_table_attach(struct binding_table *t, struct map_shape *shape,
			  struct map_bucket *buckets, struct map_chunk *chunks,
			  void (*grace)(void));
/* Likewise, arrays of which what is used is mapped. */
void binding_table_attach_mapped(struct binding_table *t, struct map_shape *shape,
				 struct mapped_array *buckets, struct mapped_array *chunks,
				 void (*grace)(void));
void binding_table_detach(struct binding_table *t);

/* That the key is about to be looked for, behind some others: the memory that takes is asked for
 * now.  A hint, which changes nothing. */
void binding_table_expect(struct binding_table *t, const struct map_address_key *key);

struct binding_place binding_table_find(const struct binding_table *t,
					const struct map_address_key *key);
/* NULL: there is none.  The agent changes nothing in it but by the functions below. */
struct map_binding *binding_table_at(const struct binding_table *t, const struct binding_place *p);
/* Both at once. */
struct map_binding *binding_table_get(const struct binding_table *t,
				      const struct map_address_key *key);
/* Sets the binding of b->vrf and b->address to *b; of one without PAIR only the first unit is
 * looked at. */
MUST_USE int binding_table_put(struct binding_table *t, const struct map_binding *b);
/* Likewise, where its key's place is known. */
MUST_USE int binding_table_put_at(struct binding_table *t, const struct binding_place *p,
				  const struct map_binding *b);
/* What was there when the table was taken over, and is neither put nor confirmed since, is stale (a
 * RULE never is).  Sweeping removes that, and returns how many it were. */
void binding_table_confirm(struct binding_table *t, const struct binding_place *p);
unsigned binding_table_sweep(struct binding_table *t);
/* Returns whether it was there. */
bool binding_table_remove(struct binding_table *t, const struct map_address_key *key);

/* Iteration in no order, '*at' 0 at first; NULL at the end.  What it returned may be removed or
 * changed meanwhile; nothing may be added. */
struct map_binding *binding_table_next(const struct binding_table *t, uint64_t *at);
