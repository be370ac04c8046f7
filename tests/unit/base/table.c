/* base/table against a plain array. */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 2000

#include <cmocka.h>

static void a_table_agrees_with_a_plain_array(void **state)
{
	struct table t;
	uint64_t *model[KEYS] = {NULL};

	srand(7);
	table_init(&t, sizeof(uint32_t), sizeof(uint64_t), 42);
	for (unsigned step = 0; step < 200000; step++) {
		uint32_t key = (uint32_t)rand() % KEYS;
		bool created;

		if (rand() % 3) {
			uint64_t *value = table_put(&t, &key, &created);

			assert_int_equal(created, !model[key]);
			if (model[key]) /* a value stays where it is */
				assert_ptr_equal(value, model[key]);
			model[key] = value;
			*value = key * 3ull;
		} else {
			assert_int_equal(table_remove(&t, &key), model[key] != NULL);
			model[key] = NULL;
		}
	}
	size_t count = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		uint64_t *value = table_get(&t, &key);

		assert_ptr_equal(value, model[key]);
		if (value) {
			assert_int_equal(*value, key * 3ull);
			count++;
		}
	}
	assert_int_equal(t.count, count);
	table_finish(&t);
}

static void iteration_meets_each_entry_once_and_may_remove_it(void **state)
{
	struct table t;
	size_t at = 0, met = 0;
	const void *key;
	void *value;

	table_init(&t, sizeof(uint32_t), 1, 1);
	for (uint32_t i = 0; i < 100; i++)
		(void)table_put(&t, &i, NULL);
	while (table_next(&t, &at, &key, &value)) {
		uint32_t copy;

		memcpy(&copy, key, sizeof(copy));
		assert_true(table_remove(&t, &copy));
		met++;
	}
	assert_int_equal(met, 100);
	assert_int_equal(t.count, 0);
	table_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_agrees_with_a_plain_array),
		cmocka_unit_test(iteration_meets_each_entry_once_and_may_remove_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
