/* An index of the entries' numbers: a lookup touches one cache line of slots and one entry. Entries
 * lie in chunks and never move; chunks grow with the table until they have CHUNK_ENTRIES, so that a
 * small table is small and a large one has no room to spare.  The numbers of removed entries are
 * given again. */
#include "base/table.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define FIRST_ENTRIES 4 /* of the first chunk; each next one has twice as many */
#define GROWING_CHUNKS 8
#define CHUNK_ENTRIES (FIRST_ENTRIES << GROWING_CHUNKS)
#define GROWING_ENTRIES (CHUNK_ENTRIES - FIRST_ENTRIES) /* in all chunks that are smaller */

struct table_chunk {
	uint64_t live[CHUNK_ENTRIES / 64];
	/* The key lies in front, the value behind it at the next multiple of 8; the number of the
	 * next one that is free (+ 1) in an entry that is none. */
	_Alignas(8) uint8_t entries[];
};

static size_t value_offset(const struct table *t)
{
	return t->key_in_value ? 0 : (t->key_size + 7) & ~(size_t)7;
}

static size_t entry_size(const struct table *t)
{
	return (value_offset(t) + t->value_size + 7) & ~(size_t)7;
}

/* Which chunk has the entry, and its place there. */
static uint32_t chunk_of(uint32_t number, uint32_t *ret_place)
{
	uint32_t chunk;

	if (number >= GROWING_ENTRIES) {
		*ret_place = (number - GROWING_ENTRIES) % CHUNK_ENTRIES;
		return GROWING_CHUNKS + (number - GROWING_ENTRIES) / CHUNK_ENTRIES;
	}
	chunk = 31 - (uint32_t)__builtin_clz(number / FIRST_ENTRIES + 1);
	*ret_place = number - (uint32_t)(FIRST_ENTRIES * ((1u << chunk) - 1));
	return chunk;
}

static uint32_t chunk_entries(uint32_t chunk)
{
	return chunk < GROWING_CHUNKS ? FIRST_ENTRIES << chunk : CHUNK_ENTRIES;
}

static uint8_t *entry_at(const struct table *t, uint32_t number)
{
	uint32_t place, chunk = chunk_of(number, &place);

	return t->chunks[chunk]->entries + place * entry_size(t);
}

static void set_live(struct table *t, uint32_t number, bool is)
{
	uint32_t place, chunk = chunk_of(number, &place);
	uint64_t bit = 1ull << place % 64;

	if (is)
		t->chunks[chunk]->live[place / 64] |= bit;
	else
		t->chunks[chunk]->live[place / 64] &= ~bit;
}

void table_init(struct table *t, size_t key_size, size_t value_size, uint64_t seed)
{
	*t = (struct table){.key_size = key_size, .value_size = value_size};
	index_init(&t->index, seed);
}

void table_init_keyed(struct table *t, size_t key_size, size_t value_size, uint64_t seed)
{
	table_init(t, key_size, value_size, seed);
	t->key_in_value = true;
}

void table_clear(struct table *t)
{
	for (uint32_t i = 0; i < t->chunk_count; i++)
		free(t->chunks[i]);
	free(t->chunks);
	index_finish(&t->index);
	t->chunks = NULL;
	t->count = 0;
	t->chunk_count = t->numbers = t->free = 0;
}

void table_finish(struct table *t)
{
	table_clear(t);
}

/* The entry with this key; NULL: there is none. */
static uint8_t *find(const struct table *t, const void *key, uint32_t hash, uint32_t *ret_number)
{
	struct index_walk walk = index_walk(&t->index, hash);

	while (index_next(&t->index, &walk, ret_number)) {
		uint8_t *entry = entry_at(t, *ret_number);

		if (memcmp(entry, key, t->key_size) == 0)
			return entry;
	}
	return NULL;
}

static void add_chunk(struct table *t)
{
	uint32_t entries = chunk_entries(t->chunk_count);
	size_t size = entries * entry_size(t);
	struct table_chunk *chunk = memory_alloc(sizeof(*chunk) + size);

	ASAN_POISON_MEMORY_REGION(chunk->entries, size);
	if (t->chunk_count % 16 == 0)
		t->chunks = memory_resize(t->chunks,
					  (t->chunk_count + 16) * sizeof(struct table_chunk *));
	t->chunks[t->chunk_count++] = chunk;
}

/* The number of a new entry, zeroed. */
static uint32_t take_entry(struct table *t)
{
	uint32_t number = t->numbers, place;
	uint8_t *entry;

	if (t->free) {
		number = t->free - 1;
		entry = entry_at(t, number);
		memcpy(&t->free, entry, sizeof(t->free));
		ASAN_UNPOISON_MEMORY_REGION(entry, entry_size(t));
		memset(entry, 0, entry_size(t));
	} else {
		t->numbers++;
		if (chunk_of(number, &place) == t->chunk_count)
			add_chunk(t);
		ASAN_UNPOISON_MEMORY_REGION(entry_at(t, number), entry_size(t));
	}
	set_live(t, number, true);
	return number;
}

static void release_entry(struct table *t, uint32_t number)
{
	uint8_t *entry = entry_at(t, number);

	set_live(t, number, false);
	memcpy(entry, &t->free, sizeof(t->free));
	t->free = number + 1;
	ASAN_POISON_MEMORY_REGION(entry + 8, entry_size(t) - 8);
}

void *table_get(const struct table *t, const void *key)
{
	uint32_t number;
	uint8_t *entry = find(t, key, index_hash(&t->index, key, t->key_size), &number);

	return entry ? entry + value_offset(t) : NULL;
}

void *table_put(struct table *t, const void *key, bool *created)
{
	uint32_t number, hash = index_hash(&t->index, key, t->key_size);
	uint8_t *entry = find(t, key, hash, &number);

	if (created)
		*created = !entry;
	if (entry)
		return entry + value_offset(t);
	number = take_entry(t);
	entry = entry_at(t, number);
	memcpy(entry, key, t->key_size);
	index_add(&t->index, hash, number);
	t->count++;
	return entry + value_offset(t);
}

bool table_remove(struct table *t, const void *key)
{
	uint32_t number, hash = index_hash(&t->index, key, t->key_size);

	if (!find(t, key, hash, &number))
		return false;
	index_remove(&t->index, hash, number);
	release_entry(t, number);
	t->count--;
	return true;
}

bool table_next(const struct table *t, size_t *at, const void **key, void **value)
{
	while (*at < t->numbers) {
		uint32_t place, chunk = chunk_of((uint32_t)*at, &place);
		uint64_t live = t->chunks[chunk]->live[place / 64] >> place % 64;
		uint32_t step = live ? (uint32_t)__builtin_ctzll(live) : 64 - place % 64;
		uint8_t *entry;

		if (step >= chunk_entries(chunk) - place) { /* on with the next chunk */
			*at += chunk_entries(chunk) - place;
			continue;
		}
		*at += step;
		if (!live)
			continue;
		entry = entry_at(t, (uint32_t)*at);
		if (key)
			*key = entry;
		if (value)
			*value = entry + value_offset(t);
		(*at)++;
		return true;
	}
	return false;
}
