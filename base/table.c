/* Linear probing over slots of (hash, entry pointer): a lookup touches one cache line of slots and
 * one entry, and an entry never moves.  Removed slots keep a tombstone until the next growth. */
#include "base/table.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define INITIAL_CAPACITY 16

/* The key lies in front, the value behind it at the next multiple of 8. */
struct table_entry {
	_Alignas(8) uint8_t bytes[8];
};

static struct table_entry tombstone;

static size_t value_offset(const struct table *t)
{
	return (t->key_size + 7) & ~(size_t)7;
}

static void *value_of(const struct table *t, struct table_entry *entry)
{
	return (uint8_t *)entry + value_offset(t);
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	return h;
}

static uint32_t hash_key(const struct table *t, const void *key)
{
	const uint8_t *bytes = key;
	uint64_t h = t->seed ^ t->key_size;
	size_t left = t->key_size;

	while (left) {
		uint64_t word = 0;
		size_t take = left < 8 ? left : 8;

		memcpy(&word, bytes, take);
		h = mix(h ^ word) + 0x9e3779b97f4a7c15ULL;
		bytes += take;
		left -= take;
	}
	return (uint32_t)mix(h);
}

void table_init(struct table *t, size_t key_size, size_t value_size, uint64_t seed)
{
	*t = (struct table){.key_size = key_size, .value_size = value_size, .seed = seed};
}

void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->capacity; i++)
		if (t->slots[i].entry != &tombstone)
			free(t->slots[i].entry);
	free(t->slots);
	t->slots = NULL;
	t->count = t->used = t->capacity = 0;
}

void table_finish(struct table *t)
{
	table_clear(t);
}

static struct table_slot *find(const struct table *t, const void *key, uint32_t hash)
{
	if (!t->capacity)
		return NULL;
	for (size_t i = hash & (t->capacity - 1);; i = (i + 1) & (t->capacity - 1)) {
		struct table_slot *slot = &t->slots[i];

		if (!slot->entry)
			return NULL;
		if (slot->entry != &tombstone && slot->hash == hash &&
		    memcmp(slot->entry->bytes, key, t->key_size) == 0)
			return slot;
	}
}

static void place(struct table *t, uint32_t hash, struct table_entry *entry)
{
	size_t i = hash & (t->capacity - 1);

	while (t->slots[i].entry)
		i = (i + 1) & (t->capacity - 1);
	t->slots[i] = (struct table_slot){hash, entry};
}

/* Keeps the load at or below 3/4, tombstones included. */
static void make_room(struct table *t)
{
	if (t->capacity && (t->used + 1) * 4 <= t->capacity * 3)
		return;

	struct table_slot *old = t->slots;
	size_t old_capacity = t->capacity;

	if (!t->capacity)
		t->capacity = INITIAL_CAPACITY;
	while ((t->count + 1) * 2 > t->capacity)
		t->capacity *= 2;
	t->slots = memory_alloc_array(t->capacity, sizeof(*t->slots));
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].entry && old[i].entry != &tombstone)
			place(t, old[i].hash, old[i].entry);
	t->used = t->count;
	free(old);
}

void *table_get(const struct table *t, const void *key)
{
	struct table_slot *slot = find(t, key, hash_key(t, key));

	return slot ? value_of(t, slot->entry) : NULL;
}

void *table_put(struct table *t, const void *key, bool *created)
{
	uint32_t hash = hash_key(t, key);
	struct table_slot *slot = find(t, key, hash);

	if (created)
		*created = !slot;
	if (slot)
		return value_of(t, slot->entry);

	struct table_entry *entry = memory_alloc(value_offset(t) + t->value_size);

	memcpy(entry->bytes, key, t->key_size);
	make_room(t);
	place(t, hash, entry);
	t->count++;
	t->used++;
	return value_of(t, entry);
}

bool table_remove(struct table *t, const void *key)
{
	struct table_slot *slot = find(t, key, hash_key(t, key));

	if (!slot)
		return false;
	free(slot->entry);
	slot->entry = &tombstone;
	t->count--;
	return true;
}

bool table_next(const struct table *t, size_t *at, const void **key, void **value)
{
	for (; *at < t->capacity; (*at)++) {
		struct table_entry *entry = t->slots[*at].entry;

		if (!entry || entry == &tombstone)
			continue;
		if (key)
			*key = entry->bytes;
		if (value)
			*value = value_of(t, entry);
		(*at)++;
		return true;
	}
	return false;
}
