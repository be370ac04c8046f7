/* Chunks are cut from front to back; what is given back is in a list for its size, each block's
 * first four bytes the number of the next. */
#include "base/slab.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define CHUNK_UNITS 32768u
#define CHUNK_SIZE ((size_t)CHUNK_UNITS * SLAB_UNIT)

void slab_init(struct slab *s)
{
	*s = (struct slab){.chunks = NULL};
}

void slab_finish(struct slab *s)
{
	for (uint32_t i = 0; i < s->chunk_count; i++)
		free(s->chunks[i]);
	free(s->chunks);
	slab_init(s);
}

void *slab_at(const struct slab *s, uint32_t block)
{
	return s->chunks[block / CHUNK_UNITS] + (size_t)(block % CHUNK_UNITS) * SLAB_UNIT;
}

static void add_chunk(struct slab *s)
{
	if (s->chunk_count % 16 == 0)
		s->chunks = memory_resize(s->chunks, (s->chunk_count + 16) * sizeof(*s->chunks));
	s->chunks[s->chunk_count] = memory_alloc(CHUNK_SIZE);
	ASAN_POISON_MEMORY_REGION(s->chunks[s->chunk_count], CHUNK_SIZE);
	s->used = s->chunk_count++ * CHUNK_UNITS;
	if (s->used == 0)
		s->used = 1; /* 0 is no block */
}

static uint32_t cut(struct slab *s, uint32_t units)
{
	uint32_t block;

	if (s->used + units > s->chunk_count * CHUNK_UNITS)
		add_chunk(s);
	block = s->used;
	s->used += units;
	return block;
}

static uint32_t units_of(size_t size)
{
	assert(size && size <= SLAB_LARGEST);
	return (uint32_t)((size + SLAB_UNIT - 1) / SLAB_UNIT);
}

uint32_t slab_take(struct slab *s, size_t size)
{
	uint32_t units = units_of(size), block;
	void *at;

	block = s->free[units];
	if (!block) {
		block = cut(s, units);
		ASAN_UNPOISON_MEMORY_REGION(slab_at(s, block), units * SLAB_UNIT);
		return block;
	}
	at = slab_at(s, block);
	memcpy(&s->free[units], at, sizeof(*s->free));
	ASAN_UNPOISON_MEMORY_REGION(at, units * SLAB_UNIT);
	memset(at, 0, (size_t)units * SLAB_UNIT);
	return block;
}

void slab_give(struct slab *s, uint32_t block, size_t size)
{
	uint32_t units = units_of(size);
	uint8_t *at = slab_at(s, block);

	memcpy(at, &s->free[units], sizeof(*s->free));
	s->free[units] = block;
	/* The list's link stays readable. */
	ASAN_POISON_MEMORY_REGION(at + SLAB_UNIT, (units - 1) * SLAB_UNIT);
}
