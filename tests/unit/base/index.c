/* base/index against a plain array. */
#include "base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#define NUMBERS 3000

#include <cmocka.h>

static bool is_there(const struct index *x, uint32_t hash, uint32_t number)
{
	struct index_walk walk = index_walk(x, hash);
	uint32_t found;

	while (index_next(x, &walk, &found))
		if (found == number)
			return true;
	return false;
}

/* Few hashes, most of them at the end, so that runs are long and go round. */
static uint32_t hash_of(uint32_t number)
{
	return UINT32_MAX - number % 7 * (number % 3 ? 1 : 1u << 20);
}

static void an_index_agrees_with_a_plain_array(void **state)
{
	bool model[NUMBERS] = {false};
	struct index x;
	size_t count = 0, met = 0;
	uint32_t number;

	srand(7);
	index_init(&x, 42);
	for (unsigned step = 0; step < 40000; step++) {
		/* It grows, and shrinks again. */
		bool wanted = rand() % 8 < (step < 20000 ? 5 : 3);

		number = (uint32_t)rand() % NUMBERS;
		assert_int_equal(is_there(&x, hash_of(number), number), model[number]);
		if (model[number] == wanted)
			continue;
		if (wanted)
			index_add(&x, hash_of(number), number);
		else
			index_remove(&x, hash_of(number), number);
		model[number] = wanted;
		if (wanted)
			count++;
		else
			count--;
		assert_int_equal(x.count, count);
	}
	for (number = 0; number < NUMBERS; number++)
		assert_int_equal(is_there(&x, hash_of(number), number), model[number]);
	for (uint64_t at = 0; index_each(&x, &at, &number); met++)
		assert_true(model[number]);
	assert_int_equal(met, x.count);
	index_finish(&x);
	assert_false(is_there(&x, hash_of(1), 1));
}

static void a_walk_meets_what_stays_once_whatever_comes_and_goes(void **state)
{
	unsigned met[1000] = {0};
	struct index x;
	uint32_t number, more = 1000;

	index_init(&x, 1);
	for (number = 0; number < 1000; number++)
		index_add(&x, number % 5 ? index_hash(&x, &number, 4) : UINT32_MAX, number);
	for (uint64_t at = 0; index_each(&x, &at, &number);) {
		if (number < 1000)
			met[number]++;
		/* It grows meanwhile, and those that were just added go again. */
		for (unsigned i = 0; i < 3 && more < 4000; i++, more++)
			index_add(&x, index_hash(&x, &more, 4), more);
		if (more % 7 == 0) {
			more--;
			index_remove(&x, index_hash(&x, &more, 4), more);
		}
	}
	for (number = 0; number < 1000; number++)
		assert_int_equal(met[number], 1);
	index_finish(&x);
}

static void what_does_not_depend_on_the_key_alone_is_the_seed(void **state)
{
	struct index a, b;

	index_init(&a, 1);
	index_init(&b, 2);
	assert_int_equal(index_hash(&a, "victor", 6), index_hash(&a, "victor", 6));
	assert_int_not_equal(index_hash(&a, "victor", 6), index_hash(&b, "victor", 6));
	assert_int_not_equal(index_hash(&a, "victor", 6), index_hash(&a, "victor", 5));
}

/* Ten to sixteen bytes for an entry, when there are many. */
static void many_entries_take_little_more_than_their_slots(void **state)
{
	struct index x;

	index_init(&x, 1);
	for (uint32_t number = 0; number < 200000; number++) {
		index_add(&x, index_hash(&x, &number, sizeof(number)), number);
		assert_true(number < 1000 || x.capacity * 8 <= x.count * 16);
	}
	index_finish(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_agrees_with_a_plain_array),
		cmocka_unit_test(a_walk_meets_what_stays_once_whatever_comes_and_goes),
		cmocka_unit_test(what_does_not_depend_on_the_key_alone_is_the_seed),
		cmocka_unit_test(many_entries_take_little_more_than_their_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
