/* Entries lie in chunks and never move; chunks grow with the pool until they have CHUNK_ENTRIES, so
 * that a small pool is small and a large one has no room to spare. */
#include "base/pool.h"

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

struct pool_chunk {
	uint64_t live[CHUNK_ENTRIES / 64];
	/* In an entry that is free: the number of the next one that is (+ 1). */
	_Alignas(8) uint8_t entries[];
};

void pool_init(struct pool *p, size_t entry_size)
{
	*p = (struct pool){.entry_size = (entry_size + 7) & ~(size_t)7};
}

void pool_finish(struct pool *p)
{
	for (uint32_t i = 0; i < p->chunk_count; i++)
		free(p->chunks[i]);
	free(p->chunks);
	pool_init(p, p->entry_size);
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

void *pool_at(const struct pool *p, uint32_t number)
{
	uint32_t place, chunk = chunk_of(number, &place);

	return p->chunks[chunk]->entries + place * p->entry_size;
}

static void set_live(struct pool *p, uint32_t number, bool is)
{
	uint32_t place, chunk = chunk_of(number, &place);
	uint64_t bit = 1ull << place % 64;

	if (is)
		p->chunks[chunk]->live[place / 64] |= bit;
	else
		p->chunks[chunk]->live[place / 64] &= ~bit;
}

static void add_chunk(struct pool *p)
{
	uint32_t entries = chunk_entries(p->chunk_count);
	size_t size = entries * p->entry_size;
	struct pool_chunk *chunk = memory_alloc(sizeof(*chunk) + size);

	ASAN_POISON_MEMORY_REGION(chunk->entries, size);
	if (p->chunk_count % 16 == 0)
		p->chunks = memory_resize(p->chunks,
					  (p->chunk_count + 16) * sizeof(struct pool_chunk *));
	p->chunks[p->chunk_count++] = chunk;
}

uint32_t pool_take(struct pool *p)
{
	uint32_t number = p->numbers, place;
	uint8_t *entry;

	if (p->free) {
		number = p->free - 1;
		entry = pool_at(p, number);
		memcpy(&p->free, entry, sizeof(p->free));
		ASAN_UNPOISON_MEMORY_REGION(entry, p->entry_size);
		memset(entry, 0, p->entry_size);
	} else {
		p->numbers++;
		if (chunk_of(number, &place) == p->chunk_count)
			add_chunk(p);
		ASAN_UNPOISON_MEMORY_REGION(pool_at(p, number), p->entry_size);
	}
	set_live(p, number, true);
	p->count++;
	return number;
}

void pool_give(struct pool *p, uint32_t number)
{
	uint8_t *entry = pool_at(p, number);

	set_live(p, number, false);
	p->count--;
	memcpy(entry, &p->free, sizeof(p->free));
	p->free = number + 1;
	ASAN_POISON_MEMORY_REGION(entry + 8, p->entry_size - 8);
}

bool pool_next(const struct pool *p, size_t *at, void **ret)
{
	while (*at < p->numbers) {
		uint32_t place, chunk = chunk_of((uint32_t)*at, &place);
		uint64_t live = p->chunks[chunk]->live[place / 64] >> place % 64;
		uint32_t step = live ? (uint32_t)__builtin_ctzll(live) : 64 - place % 64;

		if (step >= chunk_entries(chunk) - place) { /* on with the next chunk */
			*at += chunk_entries(chunk) - place;
			continue;
		}
		*at += step;
		if (!live)
			continue;
		*ret = pool_at(p, (uint32_t)(*at)++);
		return true;
	}
	return false;
}
