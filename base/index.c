/* Linear probing over slots of (hash, number).  A slot's place grows with its hash, so that a
 * larger array is filled from front to back, and growing by half at a time is cheap: there are 10
 * to 16 bytes of slots for an entry.  What is removed is closed up behind it: no tombstones. */
#include "base/index.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 16

void index_init(struct index *x, uint64_t seed)
{
	*x = (struct index){.seed = seed};
}

void index_finish(struct index *x)
{
	free(x->slots);
	index_init(x, x->seed);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t index_hash(const struct index *x, const void *key, size_t size)
{
	const uint8_t *bytes = key;
	uint64_t h = x->seed ^ 0x9e3779b97f4a7c15ULL;

	for (size_t left = size; left;) {
		uint64_t words[2] = {0};
		size_t take = left < 16 ? left : 16;

		memcpy(words, bytes, take);
		h = fold(words[0] ^ h, words[1] ^ 0xd6e8feb86659fd93ULL) + h;
		bytes += take;
		left -= take;
	}
	return (uint32_t)fold(h, 0xa0761d6478bd642fULL ^ size);
}

static size_t home(const struct index *x, uint32_t hash)
{
	return (size_t)(((uint64_t)hash * x->capacity) >> 32);
}

static size_t after(const struct index *x, size_t at)
{
	return at + 1 == x->capacity ? 0 : at + 1;
}

static void place(struct index *x, struct index_slot slot)
{
	size_t at = home(x, slot.hash);

	while (x->slots[at].number)
		at = after(x, at);
	x->slots[at] = slot;
}

/* Keeps the load at or below 4/5. */
static void make_room(struct index *x)
{
	struct index_slot *old = x->slots;
	size_t old_capacity = x->capacity;

	if ((x->count + 1) * 5 <= x->capacity * 4)
		return;
	x->capacity = old_capacity ? old_capacity + old_capacity / 2 : INITIAL_CAPACITY;
	x->slots = memory_alloc_array(x->capacity, sizeof(*x->slots));
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].number)
			place(x, old[i]);
	free(old);
}

struct index_walk index_walk(const struct index *x, uint32_t hash)
{
	return (struct index_walk){.hash = hash, .at = home(x, hash)};
}

bool index_next(const struct index *x, struct index_walk *walk, uint32_t *ret)
{
	if (!x->count)
		return false;
	for (;;) {
		const struct index_slot *slot = &x->slots[walk->at];

		if (!slot->number)
			return false;
		walk->at = after(x, walk->at);
		if (slot->hash == walk->hash) {
			*ret = slot->number - 1;
			return true;
		}
	}
}

void index_add(struct index *x, uint32_t hash, uint32_t number)
{
	assert(number < INDEX_NUMBERS);
	make_room(x);
	place(x, (struct index_slot){hash, number + 1});
	x->count++;
}

static size_t find(const struct index *x, uint32_t hash, uint32_t number)
{
	size_t at = home(x, hash);

	while (x->slots[at].hash != hash || x->slots[at].number != number + 1) {
		assert(x->slots[at].number);
		at = after(x, at);
	}
	return at;
}

/* How far 'at' is behind 'from', round the end. */
static size_t distance(const struct index *x, size_t from, size_t at)
{
	return at >= from ? at - from : at + x->capacity - from;
}

void index_remove(struct index *x, uint32_t hash, uint32_t number)
{
	size_t hole = find(x, hash, number);

	/* Whoever stands behind the hole and may stand in it moves there. */
	for (size_t at = after(x, hole); x->slots[at].number; at = after(x, at)) {
		size_t wanted = home(x, x->slots[at].hash);

		if (distance(x, wanted, at) < distance(x, hole, at))
			continue;
		x->slots[hole] = x->slots[at];
		hole = at;
	}
	x->slots[hole].number = 0;
	x->count--;
}

/* Entries of a run of slots are in no order, but all of them whose place is in the run are there.
 * So the next one is in the run of the last one's place, or in the first run behind it. */
bool index_each(const struct index *x, uint64_t *at, uint32_t *ret)
{
	uint64_t last = *at, best = UINT64_MAX;
	size_t from = x->count ? home(x, (uint32_t)(last >> 32)) : x->capacity;

	for (size_t i = from; i < 2 * x->capacity; i++) {
		size_t slot_at = i < x->capacity ? i : i - x->capacity;
		const struct index_slot *slot = &x->slots[slot_at];
		uint64_t here = (uint64_t)slot->hash << 32 | slot->number;

		if (!slot->number && (best != UINT64_MAX || i >= x->capacity))
			break;
		/* At the beginning there may be some whose place is at the end. */
		if (slot->number && (home(x, slot->hash) > slot_at) == (i >= x->capacity) &&
		    here > last && here < best)
			best = here;
	}
	if (best == UINT64_MAX)
		return false;
	*at = best;
	*ret = (uint32_t)best - 1;
	return true;
}
