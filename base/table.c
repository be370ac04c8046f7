/* An index of the entries' numbers: a lookup touches one cache line of slots and one entry, in
 * which the key lies in front, and the value behind it at the next multiple of 8. */
#include "base/table.h"

#include <string.h>

static size_t value_offset(const struct table *t)
{
	return t->key_in_value ? 0 : (t->key_size + 7) & ~(size_t)7;
}

void table_init(struct table *t, size_t key_size, size_t value_size, uint64_t seed)
{
	*t = (struct table){.key_size = key_size, .value_size = value_size};
	index_init(&t->index, seed);
	pool_init(&t->pool, value_offset(t) + value_size);
}

void table_init_keyed(struct table *t, size_t key_size, size_t value_size, uint64_t seed)
{
	table_init(t, key_size, value_size, seed);
	t->key_in_value = true;
	pool_init(&t->pool, value_size);
}

void table_clear(struct table *t)
{
	pool_finish(&t->pool);
	index_finish(&t->index);
	t->count = 0;
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
		uint8_t *entry = pool_at(&t->pool, *ret_number);

		if (memcmp(entry, key, t->key_size) == 0)
			return entry;
	}
	return NULL;
}

void *table_get(const struct table *t, const void *key)
{
	uint32_t number;
	uint8_t *entry;

	if (!t->count)
		return NULL;
	entry = find(t, key, index_hash(&t->index, key, t->key_size), &number);
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
	number = pool_take(&t->pool);
	entry = pool_at(&t->pool, number);
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
	pool_give(&t->pool, number);
	t->count--;
	return true;
}

bool table_next(const struct table *t, size_t *at, const void **key, void **value)
{
	void *entry;

	if (!pool_next(&t->pool, at, &entry))
		return false;
	if (key)
		*key = entry;
	if (value)
		*value = (uint8_t *)entry + value_offset(t);
	return true;
}
