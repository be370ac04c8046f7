/* The table of bindings against a plain array: what is put is found, what is removed is not,
 * readers that race the writer miss nothing, and a writer may die between any two stores. */
#include "fe/io/binding_table.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct arrays {
	struct map_shape *shape;
	struct map_bucket *buckets;
	struct map_chunk *chunks;
	size_t bucket_bytes, chunk_bytes;
};

struct bench {
	struct arrays memory;
	struct binding_table table;
	uint64_t random;
};

static unsigned graces;

static void count_grace(void)
{
	graces++;
}

static uint32_t next_random(struct bench *b, uint32_t below)
{
	b->random = b->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((b->random >> 32) * below >> 32);
}

static struct map_address_key key_of(uint32_t i)
{
	struct map_address_key key = {.vrf = i % 3};

	if (i % 2) {
		key.address[0] = 0x20;
		key.address[1] = 0x01;
	} else {
		key.address[10] = key.address[11] = 0xff;
	}
	memcpy(key.address + 12, &i, sizeof(i));
	return key;
}

static struct map_binding foreign(uint32_t i, uint16_t fe, uint64_t version)
{
	const struct map_address_key key = key_of(i);
	struct map_binding b = {.vrf = key.vrf,
				.flags = MAP_BINDING_FOREIGN,
				.kind = MAP_BINDING_RULE,
				.fe = fe,
				.version = version};

	memcpy(b.address, key.address, sizeof(b.address));
	return b;
}

static struct map_binding local(uint32_t i, uint16_t port)
{
	struct map_binding b = foreign(i, 0, 0);

	b.flags = MAP_BINDING_LOCAL | MAP_BINDING_GUARD;
	b.kind = MAP_BINDING_PAIR;
	b.port = port;
	memset(b.mac, port, sizeof(b.mac));
	memset(b.gateway_mac, port, sizeof(b.gateway_mac));
	return b;
}

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void bench_open(struct bench *b, uint32_t limit)
{
	static const uint64_t keys[BINDING_WORDS + 1] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
							 0x94d049bb133111eb, 0xd6e8feb86659fd93,
							 0xa0761d6478bd642f, 0xe7037ed1a0b428db};
	uint32_t buckets, chunks;

	*b = (struct bench){.random = limit};
	binding_table_sizes(limit, &buckets, &chunks);
	b->memory.bucket_bytes = buckets * sizeof(struct map_bucket);
	b->memory.chunk_bytes = chunks * sizeof(struct map_chunk);
	b->memory.shape = shared(sizeof(struct map_shape));
	b->memory.buckets = shared(b->memory.bucket_bytes);
	b->memory.chunks = shared(b->memory.chunk_bytes);
	binding_table_format(b->memory.shape, limit, keys);
	assert_true(binding_table_fits(b->memory.shape, buckets, chunks));
	assert_false(binding_table_fits(b->memory.shape, buckets + 1, chunks));
	binding_table_attach(&b->table, b->memory.shape, b->memory.buckets, b->memory.chunks,
			     count_grace);
}

static void attach_again(struct bench *b)
{
	binding_table_detach(&b->table);
	binding_table_attach(&b->table, b->memory.shape, b->memory.buckets, b->memory.chunks,
			     count_grace);
}

static void bench_close(struct bench *b)
{
	binding_table_detach(&b->table);
	munmap(b->memory.shape, sizeof(struct map_shape));
	munmap(b->memory.buckets, b->memory.bucket_bytes);
	munmap(b->memory.chunks, b->memory.chunk_bytes);
}

static const struct map_binding *get(const struct bench *b, uint32_t i)
{
	const struct map_address_key key = key_of(i);

	return binding_table_get(&b->table, &key);
}

static int put(struct bench *b, struct map_binding binding)
{
	return binding_table_put(&b->table, &binding);
}

static bool drop(struct bench *b, uint32_t i)
{
	const struct map_address_key key = key_of(i);

	return binding_table_remove(&b->table, &key);
}

/* ---- one writer ---- */

static void what_is_put_is_found_until_it_is_removed(void **state)
{
	struct bench b;

	bench_open(&b, 100);
	assert_null(get(&b, 1));
	assert_int_equal(put(&b, foreign(1, 3, 77)), 0);
	assert_int_equal(get(&b, 1)->fe, 3);
	assert_int_equal(get(&b, 1)->version, 77);
	assert_int_equal(put(&b, local(1, 9)), 0);
	assert_int_equal(get(&b, 1)->port, 9);
	assert_int_equal((uintptr_t)get(&b, 1) % 64, 0);
	assert_int_equal(b.table.count, 1);
	assert_true(drop(&b, 1));
	assert_false(drop(&b, 1));
	assert_null(get(&b, 1));
	bench_close(&b);
}

static void what_is_expected_changes_nothing(void **state)
{
	struct map_address_key key;
	struct bench b;

	bench_open(&b, 100);
	assert_int_equal(put(&b, foreign(1, 3, 77)), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		key = key_of(i % 50);
		binding_table_expect(&b.table, &key);
	}
	assert_int_equal(b.table.count, 1);
	assert_int_equal(get(&b, 1)->fe, 3);
	assert_null(get(&b, 2));
	bench_close(&b);
}

/* What the array says that the table must. */
struct model {
	uint16_t place[3000]; /* 0: none; below 1000: foreign at that FE; else local at that port */
	uint32_t count;
};

static void check_model(const struct bench *b, const struct model *m)
{
	uint64_t at = 0;
	uint32_t walked = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		const struct map_binding *is = get(b, i);

		assert_true(!is == !m->place[i]);
		if (is && m->place[i] < 1000)
			assert_int_equal(is->fe, m->place[i]);
		else if (is)
			assert_true(is->port == m->place[i] && is->mac[5] == (uint8_t)is->port);
	}
	while (binding_table_next(&b->table, &at))
		walked++;
	assert_int_equal(walked, m->count);
	assert_int_equal(b->table.count, m->count);
}

static void change_at_random(struct bench *b, struct model *m)
{
	uint32_t i = next_random(b, 3000), what = next_random(b, 10);
	uint16_t place = (uint16_t)(1 + next_random(b, 900));
	int result;

	if (what < 4) {
		assert_true(drop(b, i) == !!m->place[i]);
		m->count -= !!m->place[i];
		m->place[i] = 0;
		return;
	}
	if (what >= 8)
		place = (uint16_t)(place + 1000);
	result = put(b, place < 1000 ? foreign(i, place, place) : local(i, place));
	if (result) {
		assert_int_equal(result, -ENOSPC);
		assert_true(m->place[i] || m->count >= 1000);
		return;
	}
	m->count += !m->place[i];
	m->place[i] = place;
}

static void it_is_what_a_plain_array_would_be(void **state)
{
	struct model *m = memory_alloc(sizeof(*m));
	struct bench b;

	bench_open(&b, 1000);
	graces = 0;
	for (unsigned step = 0; step < 100000; step++) {
		change_at_random(&b, m);
		if (step % 10000 == 0)
			check_model(&b, m);
		if (step % 25000 == 24999)
			attach_again(&b); /* the next process has all of it */
	}
	check_model(&b, m);
	assert_in_range(graces, 5, 2000); /* units went round many times */
	bench_close(&b);
	free(m);
}

static void the_limit_can_be_reached_and_no_more(void **state)
{
	struct bench b;
	uint32_t i;

	bench_open(&b, 20000);
	for (i = 0; i < 20000; i++)
		assert_int_equal(put(&b, foreign(i, 1, i)), 0);
	assert_int_equal(put(&b, foreign(i, 1, i)), -ENOSPC);
	for (i = 0; i < 20000; i++)
		assert_int_equal(put(&b, local(i, 5)), 0);
	assert_int_equal(put(&b, foreign(7, 9, 0)), 0);
	for (i = 0; i < 20000; i++)
		assert_true(drop(&b, i));
	attach_again(&b);
	assert_int_equal(b.table.count, 0);
	for (i = 0; i < b.memory.bucket_bytes / sizeof(struct map_bucket); i++)
		assert_int_equal(b.memory.buckets[i].overflow, 0);
	bench_close(&b);
}

static void addresses_in_a_row_fill_the_table_whatever_the_keys_are(void **state)
{
	uint64_t keys[BINDING_WORDS + 1];
	struct bench b;

	for (unsigned round = 0; round < 30; round++) {
		bench_open(&b, 30000);
		b.random = round;
		for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
			keys[i] = (uint64_t)next_random(&b, UINT32_MAX) << 32 |
				  next_random(&b, UINT32_MAX);
		/* Some that make a row of sums one that comes back to where it began. */
		if (round % 3 == 0)
			keys[4] = (UINT64_C(1) << (32 + round)) + 1;
		binding_table_format(b.memory.shape, 30000, keys);
		for (uint32_t i = 0; i < 30000; i++) {
			struct map_binding in_a_row = {.flags = MAP_BINDING_FOREIGN, .fe = 1};
			const uint8_t address[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};

			in_a_row.address[10] = in_a_row.address[11] = 0xff;
			memcpy(in_a_row.address + 12, address, sizeof(address));
			assert_int_equal(put(&b, in_a_row), 0);
		}
		bench_close(&b);
	}
}

static void what_nobody_confirms_is_swept(void **state)
{
	const struct map_address_key two = key_of(2);
	struct binding_place place;
	struct bench b;

	bench_open(&b, 100);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(put(&b, local(i, 5)), 0);
	assert_int_equal(put(&b, foreign(4, 5, 6)), 0);
	attach_again(&b);
	assert_int_equal(put(&b, local(1, 6)), 0);
	place = binding_table_find(&b.table, &two);
	binding_table_confirm(&b.table, &place);
	assert_int_equal(binding_table_sweep(&b.table), 1);
	assert_non_null(get(&b, 1));
	assert_non_null(get(&b, 2));
	assert_null(get(&b, 3));
	assert_non_null(get(&b, 4)); /* a rule is not stale */
	bench_close(&b);
}

static void garbage_is_cleared_away(void **state)
{
	struct bench b;

	bench_open(&b, 1000);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(put(&b, i % 2 ? foreign(i, 1, i) : local(i, 5)), 0);
	for (unsigned round = 0; round < 200; round++) {
		uint8_t *bytes = (uint8_t *)b.memory.buckets;

		for (unsigned i = 0; i < 20; i++)
			bytes[next_random(&b, (uint32_t)b.memory.bucket_bytes)] =
				(uint8_t)next_random(&b, 256);
		attach_again(&b);
		for (uint32_t i = 0; i < 1000; i++)
			(void)get(&b, i);
		(void)put(&b, foreign(next_random(&b, 1000), 2, 0));
		(void)drop(&b, next_random(&b, 1000));
	}
	bench_close(&b);
}

/* ---- readers, as the packet path reads (bpf/bindings.h) ---- */

static const struct map_binding *read_near(const struct arrays *a,
					   const struct map_address_key *key, uint32_t hash)
{
	uint32_t unit = binding_guess(a->shape, hash);
	const struct map_binding *b =
		(const void *)a->chunks[unit / BINDING_CHUNK].units[unit % BINDING_CHUNK];

	return __atomic_load_n(&b->kind, __ATOMIC_ACQUIRE) & MAP_BINDING_NEAR &&
			       b->vrf == key->vrf && !memcmp(b->address, key->address, 16)
		       ? b
		       : NULL;
}

static const struct map_binding *read_as_packets_do(const struct arrays *a,
						    const struct map_address_key *key)
{
	uint32_t hash = binding_hash(a->shape, key), bits = a->shape->index_bits;
	uint32_t home = binding_home(a->shape, hash);
	const struct map_binding *near = read_near(a, key, hash);

	if (near)
		return near;
	for (uint32_t i = 0; i < BINDING_PROBES; i++) {
		struct map_bucket *bucket = &a->buckets[home + i];

		for (uint32_t n = 0; n < BINDING_SLOTS; n++) {
			uint32_t slot = __atomic_load_n(&bucket->slots[n], __ATOMIC_ACQUIRE);
			uint32_t unit = slot & ((1u << bits) - 1);
			const struct map_binding *b;

			if (!slot || (slot ^ hash << bits) >> bits)
				continue;
			b = (const void *)a->chunks[unit / BINDING_CHUNK]
				    .units[unit % BINDING_CHUNK];
			if (b->vrf == key->vrf && !memcmp(b->address, key->address, 16))
				return b;
		}
		if (!__atomic_load_n(&bucket->overflow, __ATOMIC_ACQUIRE))
			return NULL;
	}
	return NULL;
}

#define READERS 2
struct racing {
	struct bench bench;
	bool stop;
	uint32_t epoch[READERS]; /* odd: within a read */
	uint64_t reads, missed, torn;
};
static struct racing *racing; /* for the grace period, which has no argument */

/* What RCU does: every read that runs now has ended. */
static void wait_for_readers(void)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint32_t then = __atomic_load_n(&racing->epoch[i], __ATOMIC_SEQ_CST);

		while (then % 2 && __atomic_load_n(&racing->epoch[i], __ATOMIC_SEQ_CST) == then &&
		       !__atomic_load_n(&racing->stop, __ATOMIC_RELAXED))
			;
	}
}

struct reader {
	struct racing *race;
	unsigned number;
};

/* Keys 0 to 99 are always there; their port and MAC agree, or they are foreign. */
static void *read_all_the_time(void *argument)
{
	const struct reader *self = argument;
	struct racing *r = self->race;
	uint64_t reads = 0, missed = 0, torn = 0;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		const struct map_address_key key = key_of((uint32_t)(reads++ % 100));
		const struct map_binding *b;
		uint32_t flags;

		__atomic_add_fetch(&r->epoch[self->number], 1, __ATOMIC_SEQ_CST);
		b = read_as_packets_do(&r->bench.memory, &key);
		missed += !b;
		flags = b ? *(volatile const uint8_t *)&b->flags : 0;
		if (flags & MAP_BINDING_LOCAL)
			torn += b->mac[0] != (uint8_t)b->port || b->gateway_mac[5] != b->mac[0];
		__atomic_add_fetch(&r->epoch[self->number], 1, __ATOMIC_SEQ_CST);
	}
	__atomic_add_fetch(&r->reads, reads, __ATOMIC_RELAXED);
	__atomic_add_fetch(&r->missed, missed, __ATOMIC_RELAXED);
	__atomic_add_fetch(&r->torn, torn, __ATOMIC_RELAXED);
	return NULL;
}

/* The rest comes and goes around these in a table that is always nearly full. */
static void churn(struct bench *b)
{
	for (uint32_t step = 0; step < 300000; step++) {
		uint32_t i = next_random(b, 100), other = 100 + next_random(b, 1000);
		uint16_t place = (uint16_t)(1 + next_random(b, 200));

		assert_int_equal(put(b, step % 3 ? local(i, place) : foreign(i, place, place)), 0);
		if (step % 2)
			(void)put(b, foreign(other, place, 0));
		else
			(void)drop(b, other);
	}
}

static void readers_that_race_the_writer_miss_nothing(void **state)
{
	struct racing *r = memory_alloc(sizeof(*r));
	struct reader readers[READERS];
	pthread_t threads[READERS];

	racing = r;
	bench_open(&r->bench, 1000);
	r->bench.table.grace = wait_for_readers;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(put(&r->bench, foreign(i, 1, 1)), 0);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){r, i};
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readers[i]),
				 0);
	}
	churn(&r->bench);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_not_equal(r->reads, 0);
	assert_int_equal(r->missed, 0);
	assert_int_equal(r->torn, 0);
	bench_close(&r->bench);
	free(r);
}

/* ---- a writer that dies ---- */

static void write_until_killed(struct bench *b, unsigned round)
{
	b->random = round;
	for (;;) {
		uint32_t i = 100 + next_random(b, 1400);
		uint16_t place = (uint16_t)(1 + next_random(b, 200));

		if (next_random(b, 3) == 0)
			(void)drop(b, i);
		else
			(void)put(b, next_random(b, 2) ? local(i, place) : foreign(i, place, 0));
	}
}

static void check_healed(struct bench *b)
{
	struct binding_table *t = &b->table;
	uint32_t free_units = 0, used = 0;
	const struct map_binding *is;
	uint64_t at = 0;

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(get(b, i)->port, 300);
	while ((is = binding_table_next(t, &at))) {
		const struct map_address_key key = {.vrf = is->vrf};
		struct map_address_key whole = key;

		memcpy(whole.address, is->address, sizeof(whole.address));
		assert_ptr_equal(binding_table_get(t, &whole), is);
		assert_ptr_equal(read_as_packets_do(&b->memory, &whole), is);
		used++;
	}
	assert_int_equal(used, t->count);
	for (uint32_t i = 0; i < 1500; i++) {
		const struct map_address_key key = key_of(i);

		assert_ptr_equal(read_as_packets_do(&b->memory, &key), get(b, i));
	}
	for (uint32_t i = 0; i < t->shape->unit_count / 64; i++)
		free_units += (uint32_t)__builtin_popcountll(t->free[i]);
	assert_in_range(free_units, t->shape->unit_count - 1 - 2 * used, t->shape->unit_count);
}

static void what_is_found_without_a_bucket_is_what_a_bucket_names(void **state)
{
	unsigned near = 0;
	struct bench b;

	bench_open(&b, 1000);
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t i = next_random(&b, 400);
		const struct map_address_key key = key_of(i);
		uint16_t place = (uint16_t)(1 + next_random(&b, 200));

		if (next_random(&b, 3) == 0)
			(void)drop(&b, i);
		else
			assert_int_equal(put(&b, next_random(&b, 4) ? local(i, place)
								    : foreign(i, place, 0)),
					 0);
		assert_ptr_equal(read_as_packets_do(&b.memory, &key), get(&b, i));
		near += get(&b, i) && get(&b, i)->kind & MAP_BINDING_NEAR;
	}
	assert_in_range(near, 1000, 20000);
	/* One that forgets to say so (a release before) is found all the same. */
	for (uint32_t i = 0; i < 400; i++) {
		struct map_binding *is = (struct map_binding *)(uintptr_t)get(&b, i);
		const struct map_address_key key = key_of(i);

		if (is)
			is->kind &= (uint8_t)~MAP_BINDING_NEAR;
		assert_ptr_equal(read_as_packets_do(&b.memory, &key), is);
	}
	bench_close(&b);
}

static void a_writer_that_is_killed_at_any_moment_leaves_a_table_that_heals(void **state)
{
	struct bench b;

	bench_open(&b, 1000);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(put(&b, local(i, 300)), 0);
	for (unsigned round = 0; round < 40; round++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			write_until_killed(&b, round);
			_exit(0);
		}
		usleep(200 + 137 * (round % 30));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		attach_again(&b);
		check_healed(&b);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_found_until_it_is_removed),
		cmocka_unit_test(what_is_expected_changes_nothing),
		cmocka_unit_test(it_is_what_a_plain_array_would_be),
		cmocka_unit_test(the_limit_can_be_reached_and_no_more),
		cmocka_unit_test(addresses_in_a_row_fill_the_table_whatever_the_keys_are),
		cmocka_unit_test(what_nobody_confirms_is_swept),
		cmocka_unit_test(garbage_is_cleared_away),
		cmocka_unit_test(readers_that_race_the_writer_miss_nothing),
		cmocka_unit_test(what_is_found_without_a_bucket_is_what_a_bucket_names),
		cmocka_unit_test(a_writer_that_is_killed_at_any_moment_leaves_a_table_that_heals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
