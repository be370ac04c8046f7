/* The table of bindings, written (include/victor/bindings.h has what is where, and why readers are
 * never wrong).  The order of the stores is the whole of it:
 *
 *	a new key          its record; 'overflow' of the buckets it went past; its slot
 *	another element    'state' of its record, at once
 *	any other change   a new record; its slot; the old record is retired
 *	removed            its slot; 'overflow'; its record is retired
 *
 * A record of two units that is where readers look at once (NEAR) says so after a slot names it,
 * and no longer before its slot names another: whoever dies in between leaves nothing that is
 * found.
 *
 * Retired units are used again after a grace period, which is waited for only when no other unit is
 * free. */
#include "fe/io/binding_table.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_ROOM 65536 /* bindings that may be local at any limit, with a unit more */

/* ---- sizes ---- */

void binding_table_sizes(uint32_t limit, uint32_t *ret_buckets, uint32_t *ret_chunks)
{
	uint32_t local = limit < LOCAL_ROOM ? limit : LOCAL_ROOM;

	/* The last probes' worth of buckets is for those that go past the end. */
	*ret_buckets = limit / BINDING_LOAD + 2 * BINDING_PROBES;
	*ret_chunks = (limit + local + limit / 64) / BINDING_CHUNK + 2;
}

static uint32_t bits_for(uint32_t count)
{
	uint32_t bits = 1;

	while (bits < 31 && (count - 1) >> bits)
		bits++;
	return bits;
}

void binding_table_format(struct map_shape *shape, uint32_t limit,
			  const uint64_t keys[BINDING_WORDS + 1])
{
	uint32_t buckets, chunks;

	binding_table_sizes(limit, &buckets, &chunks);
	memcpy(shape->keys, keys, sizeof(shape->keys));
	shape->bucket_count = buckets - BINDING_PROBES;
	shape->unit_count = chunks * BINDING_CHUNK;
	shape->index_bits = bits_for(shape->unit_count);
	shape->limit = limit;
}

bool binding_table_fits(const struct map_shape *shape, size_t buckets, size_t chunks)
{
	return shape->bucket_count && shape->bucket_count + (size_t)BINDING_PROBES == buckets &&
	       shape->unit_count == chunks * BINDING_CHUNK &&
	       shape->index_bits == bits_for(shape->unit_count);
}

/* ---- what readers see: one store each, in this order ---- */

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes it */
static void store(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* Reading needs no such question: what is not mapped is zeros. */
static bool reach_buckets(const struct binding_table *t, uint32_t first, uint32_t last)
{
	return !t->bucket_array ||
	       !mapped_array_reach(t->bucket_array, &t->buckets[first],
				   (last - first + (size_t)1) * sizeof(t->buckets[0]));
}

static bool reach_record(const struct binding_table *t, uint32_t unit)
{
	return !t->chunk_array ||
	       !mapped_array_reach(t->chunk_array,
				   t->chunks[unit / BINDING_CHUNK].units[unit % BINDING_CHUNK],
				   sizeof(struct map_binding));
}

/* ---- units ---- */

static struct map_binding *record_at(const struct binding_table *t, uint32_t unit)
{
	return (struct map_binding *)(void *)t->chunks[unit / BINDING_CHUNK]
		.units[unit % BINDING_CHUNK];
}

/* A chunk is an odd number of units, and the first one begins with a cache line: this is where in
 * memory the unit is. */
static bool begins_line(uint32_t unit)
{
	return (unit / BINDING_CHUNK + unit) % 2 == 0;
}

/* The unit behind it, in the same line; the last one of a chunk has one that counts for none. */
static bool has_second(uint32_t unit)
{
	return unit % BINDING_CHUNK != BINDING_CHUNK - 1;
}

static bool is_free(const struct binding_table *t, uint32_t unit)
{
	return t->free[unit / 64] >> unit % 64 & 1;
}

static void set_free(struct binding_table *t, uint32_t unit, bool free)
{
	uint64_t bit = UINT64_C(1) << unit % 64;

	t->free[unit / 64] = free ? t->free[unit / 64] | bit : t->free[unit / 64] & ~bit;
}

static void set_stale(struct binding_table *t, uint32_t unit, bool stale)
{
	uint64_t bit = UINT64_C(1) << unit % 64;

	if (t->stale)
		t->stale[unit / 64] =
			stale ? t->stale[unit / 64] | bit : t->stale[unit / 64] & ~bit;
}

static void set_record_free(struct binding_table *t, uint32_t unit, bool pair, bool free)
{
	set_free(t, unit, free);
	if (pair && has_second(unit))
		set_free(t, unit + 1, free);
}

/* A whole word of the bitmap is passed over at once.  0: none. */
static uint32_t find_single(struct binding_table *t)
{
	uint32_t words = t->shape->unit_count / 64, at = t->single_at;

	for (uint32_t i = 0; i < words; i++, at = at + 1 < words ? at + 1 : 0) {
		if (!t->free[at])
			continue;
		t->single_at = at;
		return at * 64 + (uint32_t)__builtin_ctzll(t->free[at]);
	}
	return 0;
}

static bool is_pair_free(const struct binding_table *t, uint32_t unit)
{
	return is_free(t, unit) && (!has_second(unit) || is_free(t, unit + 1));
}

/* 0: none in that word of the bitmap. */
static uint32_t find_pair_at(const struct binding_table *t, uint32_t word)
{
	for (uint64_t left = t->free[word]; left; left &= left - 1) {
		uint32_t unit = word * 64 + (uint32_t)__builtin_ctzll(left);

		if (begins_line(unit) && is_pair_free(t, unit))
			return unit;
	}
	return 0;
}

/* Where readers look at once, or near it, where they have the page at least. */
static uint32_t find_pair(struct binding_table *t, uint32_t guess)
{
	uint32_t words = t->shape->unit_count / 64, at = t->pair_at, unit;

	if (is_pair_free(t, guess))
		return guess;
	unit = find_pair_at(t, guess / 64);
	for (uint32_t i = 0; i < words && !unit; i++, at = at ? at - 1 : words - 1) {
		unit = find_pair_at(t, at);
		t->pair_at = at;
	}
	return unit;
}

static void end_grace(struct binding_table *t)
{
	if (!t->retired_count)
		return;
	t->grace();
	for (uint32_t i = 0; i < t->retired_count; i++)
		set_record_free(t, t->retired[i] >> 1, t->retired[i] & 1, true);
	t->retired_count = 0;
}

/* 0: there is no room. */
static uint32_t take(struct binding_table *t, bool pair, uint32_t guess)
{
	uint32_t unit = pair ? find_pair(t, guess) : find_single(t);

	if (!unit && t->retired_count) {
		end_grace(t);
		unit = pair ? find_pair(t, guess) : find_single(t);
	}
	if (!unit || !reach_record(t, unit))
		return 0;
	set_record_free(t, unit, pair, false);
	return unit;
}

static void set_near(struct binding_table *t, uint32_t unit, bool near)
{
	uint8_t *kind = &record_at(t, unit)->kind;
	uint8_t is = (uint8_t)(near ? *kind | MAP_BINDING_NEAR : *kind & ~MAP_BINDING_NEAR);

	if (*kind != is)
		__atomic_store_n(kind, is, __ATOMIC_RELEASE);
}

static void retire(struct binding_table *t, uint32_t unit)
{
	bool pair = record_at(t, unit)->kind & MAP_BINDING_PAIR;

	set_stale(t, unit, false);
	if (t->retired_count == t->retired_capacity) {
		t->retired_capacity = t->retired_capacity ? t->retired_capacity * 2 : 64;
		t->retired = memory_resize(t->retired, t->retired_capacity * sizeof(*t->retired));
	}
	t->retired[t->retired_count++] = unit << 1 | pair;
}

static uint32_t write_record(struct binding_table *t, const struct map_binding *b, uint32_t hash)
{
	bool pair = b->kind & MAP_BINDING_PAIR;
	uint32_t unit = take(t, pair, binding_guess(t->shape, hash));
	struct map_binding copy;

	if (!unit)
		return 0;
	memcpy(&copy, b, pair ? sizeof(*b) : BINDING_UNIT);
	copy.kind &= (uint8_t)~MAP_BINDING_NEAR;
	memcpy(record_at(t, unit), &copy, pair ? sizeof(*b) : BINDING_UNIT);
	return unit;
}

/* The slot names it from now on. */
static void name_record(struct binding_table *t, uint32_t *slot, uint32_t hash, uint32_t unit)
{
	store(slot, hash << t->shape->index_bits | unit);
	if (record_at(t, unit)->kind & MAP_BINDING_PAIR)
		set_near(t, unit, unit == binding_guess(t->shape, hash));
}

/* ---- keys ---- */

static uint32_t unit_of(const struct binding_table *t, uint32_t slot)
{
	return slot & ((1u << t->shape->index_bits) - 1);
}

static bool looks_like(const struct binding_table *t, uint32_t slot, uint32_t hash)
{
	return slot && !((slot ^ hash << t->shape->index_bits) >> t->shape->index_bits);
}

static struct map_address_key key_of(const struct map_binding *b)
{
	struct map_address_key key = {.vrf = b->vrf};

	memcpy(key.address, b->address, sizeof(key.address));
	return key;
}

static bool is_of(const struct map_binding *b, const struct map_address_key *key)
{
	return b->vrf == key->vrf && !memcmp(b->address, key->address, sizeof(key->address));
}

struct binding_place binding_table_find(const struct binding_table *t,
					const struct map_address_key *key)
{
	struct binding_place p = {.hash = binding_hash(t->shape, key)};

	p.home = binding_home(t->shape, p.hash);
	for (p.bucket = p.home; p.bucket < p.home + BINDING_PROBES; p.bucket++) {
		const struct map_bucket *bucket = &t->buckets[p.bucket];

		for (p.slot = 0; p.slot < BINDING_SLOTS; p.slot++) {
			uint32_t slot = bucket->slots[p.slot];

			if (looks_like(t, slot, p.hash) &&
			    is_of(record_at(t, unit_of(t, slot)), key)) {
				p.unit = unit_of(t, slot);
				return p;
			}
		}
		if (!bucket->overflow)
			break;
	}
	return p;
}

struct map_binding *binding_table_at(const struct binding_table *t, const struct binding_place *p)
{
	return p->unit ? record_at(t, p->unit) : NULL;
}

struct map_binding *binding_table_get(const struct binding_table *t,
				      const struct map_address_key *key)
{
	const struct binding_place p = binding_table_find(t, key);

	return binding_table_at(t, &p);
}

/* The record that the hash's bucket names.  Where that is not the key's, or there is none, nothing
 * is lost but the hint. */
static void expect_record(const struct binding_table *t, uint32_t hash)
{
	const struct map_bucket *bucket = &t->buckets[binding_home(t->shape, hash)];

	for (unsigned i = 0; i < BINDING_SLOTS; i++)
		if (looks_like(t, bucket->slots[i], hash))
			__builtin_prefetch(record_at(t, unit_of(t, bucket->slots[i])));
}

/* The bucket now, and the record when some others are expected behind it: by then the bucket is
 * here, and says which one. */
void binding_table_expect(struct binding_table *t, const struct map_address_key *key)
{
	uint32_t *turn = &t->expected[t->expected_at++ % BINDING_EXPECTED];

	expect_record(t, *turn);
	*turn = binding_hash(t->shape, key);
	__builtin_prefetch(&t->buckets[binding_home(t->shape, *turn)]);
}

static uint32_t *free_slot(struct map_bucket *bucket)
{
	for (unsigned i = 0; i < BINDING_SLOTS; i++)
		if (!bucket->slots[i])
			return &bucket->slots[i];
	return NULL;
}

static void count_past(struct binding_table *t, uint32_t home, uint32_t bucket, uint32_t step)
{
	for (uint32_t i = home; i < bucket; i++)
		store(&t->buckets[i].overflow, t->buckets[i].overflow + step);
}

static int insert(struct binding_table *t, const struct binding_place *p,
		  const struct map_binding *b)
{
	uint32_t *slot = NULL, bucket = p->home, unit;

	if (t->count >= t->shape->limit)
		return -ENOSPC;
	while (bucket < p->home + BINDING_PROBES && !(slot = free_slot(&t->buckets[bucket])))
		bucket++;
	unit = slot && reach_buckets(t, p->home, bucket) ? write_record(t, b, p->hash) : 0;
	if (!unit)
		return -ENOSPC;
	count_past(t, p->home, bucket, 1);
	name_record(t, slot, p->hash, unit);
	t->count++;
	return 0;
}

static int replace(struct binding_table *t, const struct binding_place *p,
		   const struct map_binding *b)
{
	uint32_t unit = write_record(t, b, p->hash);

	if (!unit)
		return -ENOSPC;
	set_near(t, p->unit, false);
	name_record(t, &t->buckets[p->bucket].slots[p->slot], p->hash, unit);
	retire(t, p->unit);
	return 0;
}

int binding_table_put_at(struct binding_table *t, const struct binding_place *p,
			 const struct map_binding *b)
{
	struct map_binding *old = record_at(t, p->unit);

	if (!p->unit)
		return insert(t, p, b);
	if ((old->kind | b->kind) & MAP_BINDING_PAIR)
		return replace(t, p, b);
	set_stale(t, p->unit, false);
	/* Where the packets go first: at worst the version is one that was told before. */
	store(&old->state, b->state);
	__atomic_store_n(&old->version, b->version, __ATOMIC_RELEASE);
	return 0;
}

int binding_table_put(struct binding_table *t, const struct map_binding *b)
{
	const struct map_address_key key = key_of(b);
	const struct binding_place p = binding_table_find(t, &key);

	return binding_table_put_at(t, &p, b);
}

void binding_table_confirm(struct binding_table *t, const struct binding_place *p)
{
	set_stale(t, p->unit, false);
}

bool binding_table_remove(struct binding_table *t, const struct map_address_key *key)
{
	const struct binding_place p = binding_table_find(t, key);

	if (!p.unit)
		return false;
	set_near(t, p.unit, false);
	store(&t->buckets[p.bucket].slots[p.slot], 0);
	count_past(t, p.home, p.bucket, UINT32_MAX);
	retire(t, p.unit);
	t->count--;
	return true;
}

struct map_binding *binding_table_next(const struct binding_table *t, uint64_t *at)
{
	uint64_t end = (uint64_t)(t->shape->bucket_count + BINDING_PROBES) * BINDING_SLOTS;

	while (*at < end) {
		uint32_t slot = t->buckets[*at / BINDING_SLOTS].slots[*at % BINDING_SLOTS];

		++*at;
		if (slot)
			return record_at(t, unit_of(t, slot));
	}
	return NULL;
}

unsigned binding_table_sweep(struct binding_table *t)
{
	uint64_t end = (uint64_t)(t->shape->bucket_count + BINDING_PROBES) * BINDING_SLOTS;
	unsigned count = 0;

	for (uint64_t at = 0; t->stale && at < end; at++) {
		uint32_t unit =
			unit_of(t, t->buckets[at / BINDING_SLOTS].slots[at % BINDING_SLOTS]);
		struct map_address_key key;

		if (!(t->stale[unit / 64] >> unit % 64 & 1))
			continue;
		key = key_of(record_at(t, unit));
		count += binding_table_remove(t, &key);
	}
	free(t->stale);
	t->stale = NULL;
	return count;
}

/* ---- taking over ---- */

/* What a slot names; 0 if it cannot be: memory that was written by nobody of ours. */
static uint32_t named_unit(const struct binding_table *t, uint32_t bucket, uint32_t slot,
			   uint32_t *ret_home)
{
	uint32_t unit = unit_of(t, slot);
	const struct map_binding *b;
	struct map_address_key key;
	bool pair;

	if (!unit || unit >= t->shape->unit_count || !reach_record(t, unit))
		return 0;
	b = record_at(t, unit);
	pair = b->kind & MAP_BINDING_PAIR;
	if (!is_free(t, unit) || (pair && has_second(unit) && !is_free(t, unit + 1)) ||
	    (pair && !begins_line(unit)))
		return 0;
	key = key_of(b);
	*ret_home = binding_home(t->shape, binding_hash(t->shape, &key));
	if (!looks_like(t, slot, binding_hash(t->shape, &key)) || bucket < *ret_home ||
	    bucket >= *ret_home + BINDING_PROBES)
		return 0;
	return unit;
}

/* What no slot names, readers do not find where they look at once either. */
static void forget_unnamed(struct binding_table *t)
{
	for (uint32_t unit = 1; unit < t->shape->unit_count; unit++)
		if (begins_line(unit) && is_free(t, unit))
			set_near(t, unit, false);
}

/* By whoever had the table before, of another release even. */
static void heal_near(struct binding_table *t, uint32_t unit)
{
	const struct map_binding *b = record_at(t, unit);
	const struct map_address_key key = key_of(b);

	set_near(t, unit,
		 b->kind & MAP_BINDING_PAIR &&
			 unit == binding_guess(t->shape, binding_hash(t->shape, &key)));
}

static void heal(struct binding_table *t)
{
	uint32_t buckets = t->shape->bucket_count + BINDING_PROBES;
	uint32_t *past = memory_alloc_array(buckets, sizeof(*past));

	for (uint32_t i = 0; i < buckets; i++) {
		for (unsigned n = 0; n < BINDING_SLOTS; n++) {
			uint32_t *slot = &t->buckets[i].slots[n], home = 0, unit;

			if (!*slot)
				continue;
			unit = named_unit(t, i, *slot, &home);
			if (!unit) {
				store(slot, 0);
				continue;
			}
			set_record_free(t, unit, record_at(t, unit)->kind & MAP_BINDING_PAIR,
					false);
			heal_near(t, unit);
			set_stale(t, unit, !(record_at(t, unit)->kind & MAP_BINDING_RULE));
			t->count++;
			for (; home < i; home++)
				past[home]++;
		}
	}
	for (uint32_t i = 0; i < buckets; i++)
		if (t->buckets[i].overflow != past[i] && reach_buckets(t, i, i))
			store(&t->buckets[i].overflow, past[i]);
	free(past);
	forget_unnamed(t);
}

static void attach(struct binding_table *t)
{
	const struct map_shape *shape = t->shape;

	t->free = memory_alloc_array(shape->unit_count / 64, sizeof(*t->free));
	memset(t->free, 0xff, shape->unit_count / 8);
	t->stale = memory_alloc_array(shape->unit_count / 64, sizeof(*t->stale));
	set_free(t, 0, false);
	t->pair_at = shape->unit_count / 64 - 1;
	heal(t);
	/* A reader may still have what the writer before retired. */
	t->grace();
}

void binding_table_attach(struct binding_table *t, struct map_shape *shape,
			  struct map_bucket *buckets, struct map_chunk *chunks, void (*grace)(void))
{
	*t = (struct binding_table){
		.shape = shape, .buckets = buckets, .chunks = chunks, .grace = grace};
	attach(t);
}

void binding_table_attach_mapped(struct binding_table *t, struct map_shape *shape,
				 struct mapped_array *buckets, struct mapped_array *chunks,
				 void (*grace)(void))
{
	*t = (struct binding_table){.shape = shape,
				    .buckets = (void *)buckets->base,
				    .chunks = (void *)chunks->base,
				    .bucket_array = buckets,
				    .chunk_array = chunks,
				    .grace = grace};
	attach(t);
}

void binding_table_detach(struct binding_table *t)
{
	free(t->free);
	free(t->stale);
	free(t->retired);
	*t = (struct binding_table){};
}
