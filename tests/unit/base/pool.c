/* base/pool against a plain array: entries stay where they are, and walks meet them. */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 20000 /* some of the chunks that grow, and many that do not */

#include <cmocka.h>

struct entry {
	uint64_t what;
	uint32_t more;
};

static void take_many(struct pool *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(pool_take(p) < p->numbers);
}

static void entries_are_zeroed_and_stay_where_they_are(void **state)
{
	struct pool p;
	static struct entry *model[ENTRIES];
	size_t count = 0;

	srand(11);
	pool_init(&p, sizeof(struct entry));
	memset(model, 0, sizeof(model));
	for (unsigned step = 0; step < 200000; step++) {
		uint32_t number = (uint32_t)rand() % ENTRIES;

		if (model[number]) {
			assert_ptr_equal(pool_at(&p, number), model[number]);
			assert_int_equal(model[number]->what, number * 7ull);
			model[number]->more = UINT32_MAX;
			pool_give(&p, number);
			model[number] = NULL;
			count--;
			continue;
		}
		if (count == ENTRIES)
			continue;
		number = pool_take(&p);
		assert_true(number < ENTRIES);
		assert_null(model[number]);
		model[number] = pool_at(&p, number);
		assert_int_equal((uintptr_t)model[number] % 8, 0);
		assert_int_equal(model[number]->what, 0);
		assert_int_equal(model[number]->more, 0);
		model[number]->what = number * 7ull;
		count++;
	}
	assert_int_equal(p.count, count);
	pool_finish(&p);
}

static void numbers_begin_at_zero_and_the_last_one_given_back_is_given_first(void **state)
{
	struct pool p;

	pool_init(&p, 1);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(pool_take(&p), i);
	pool_give(&p, 0);
	pool_give(&p, 2999);
	pool_give(&p, 1023);
	assert_int_equal(pool_take(&p), 1023);
	assert_int_equal(pool_take(&p), 2999);
	assert_int_equal(pool_take(&p), 0);
	assert_int_equal(pool_take(&p), 3000);
	pool_finish(&p);
}

static void entries_do_not_touch_each_other_where_chunks_meet(void **state)
{
	static const size_t sizes[] = {1, 8, 9, 63, 184};

	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct pool p;

		pool_init(&p, sizes[s]);
		for (uint32_t i = 0; i < 5000; i++)
			memset(pool_at(&p, pool_take(&p)), (int)(i % 251), sizes[s]);
		for (uint32_t i = 0; i < 5000; i++) {
			const uint8_t *entry = pool_at(&p, i);

			for (size_t at = 0; at < sizes[s]; at++)
				assert_int_equal(entry[at], i % 251);
		}
		pool_finish(&p);
	}
}

static void a_walk_meets_each_entry_once_in_order_and_tells_its_number(void **state)
{
	struct pool p;
	struct entry *e;
	size_t at = 0;
	uint32_t next = 1;

	pool_init(&p, sizeof(struct entry));
	assert_false(pool_next(&p, &at, (void **)&e));
	for (uint32_t i = 0; i < ENTRIES; i++)
		((struct entry *)pool_at(&p, pool_take(&p)))->what = i;
	for (uint32_t i = 0; i < ENTRIES; i += 2)
		pool_give(&p, i);
	while (pool_next(&p, &at, (void **)&e)) {
		assert_int_equal(e->what, next);
		assert_int_equal(at - 1, next);
		next += 2;
	}
	assert_int_equal(next, ENTRIES + 1);
	pool_finish(&p);
}

/* Long runs of nothing: whole chunks of which no entry lives. */
static void a_walk_steps_over_what_is_free(void **state)
{
	struct pool p;
	struct entry *e;
	size_t at = 0;

	pool_init(&p, sizeof(struct entry));
	take_many(&p, ENTRIES);
	for (uint32_t i = 0; i < ENTRIES; i++)
		if (i != 3 && i != ENTRIES - 1)
			pool_give(&p, i);
	assert_int_equal(p.count, 2);
	assert_true(pool_next(&p, &at, (void **)&e));
	assert_int_equal(at - 1, 3);
	assert_true(pool_next(&p, &at, (void **)&e));
	assert_int_equal(at - 1, ENTRIES - 1);
	assert_false(pool_next(&p, &at, (void **)&e));
	pool_finish(&p);
}

static void a_walk_goes_on_while_entries_come_and_go(void **state)
{
	struct pool p;
	static bool met[ENTRIES * 2];
	struct entry *e;
	size_t at = 0;
	unsigned steps = 0;

	srand(5);
	memset(met, 0, sizeof(met));
	pool_init(&p, sizeof(struct entry));
	take_many(&p, ENTRIES);
	while (pool_next(&p, &at, (void **)&e)) {
		uint32_t number = (uint32_t)at - 1;

		assert_true(number < ARRAY_SIZE(met));
		assert_false(met[number]);
		met[number] = true;
		if (steps++ % 3 == 0)
			pool_give(&p, number); /* the one that was just met */
		if (steps % 1000 == 0 && p.numbers < ARRAY_SIZE(met) - 10)
			take_many(&p, 1); /* behind the walk, or at the end */
	}
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_true(met[i]);
	pool_finish(&p);
}

static void a_pool_is_empty_again_when_it_is_finished(void **state)
{
	struct pool p;
	void *e;
	size_t at = 0;

	pool_init(&p, 16);
	take_many(&p, 100);
	pool_finish(&p);
	assert_int_equal(p.count, 0);
	assert_false(pool_next(&p, &at, &e));
	assert_int_equal(pool_take(&p), 0);
	pool_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_zeroed_and_stay_where_they_are),
		cmocka_unit_test(numbers_begin_at_zero_and_the_last_one_given_back_is_given_first),
		cmocka_unit_test(entries_do_not_touch_each_other_where_chunks_meet),
		cmocka_unit_test(a_walk_meets_each_entry_once_in_order_and_tells_its_number),
		cmocka_unit_test(a_walk_steps_over_what_is_free),
		cmocka_unit_test(a_walk_goes_on_while_entries_come_and_go),
		cmocka_unit_test(a_pool_is_empty_again_when_it_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
