/* base/table against a plain array. */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

struct named {
	char name[24]; /* the key */
	uint32_t number;
};

static void the_name_in(char name[24], uint32_t i)
{
	memset(name, 0, 24);
	snprintf(name, 24, "node-%u", i);
}

static void a_key_may_be_the_beginning_of_its_value(void **state)
{
	struct table t;
	char name[24];

	table_init_keyed(&t, 24, sizeof(struct named), 9);
	for (uint32_t i = 0; i < 5000; i++) {
		struct named *n;

		the_name_in(name, i);
		n = table_put(&t, name, NULL);
		assert_string_equal(n->name, name);
		assert_int_equal(n->number, 0);
		n->number = i;
	}
	for (uint32_t i = 0; i < 5000; i += 2) {
		the_name_in(name, i);
		assert_true(table_remove(&t, name));
	}
	for (uint32_t i = 0; i < 5000; i++) {
		const struct named *n;

		the_name_in(name, i);
		n = table_get(&t, name);
		assert_true(i % 2 ? n && n->number == i : !n);
	}
	table_finish(&t);
}

/* What goes over a large table in pieces comes back to where it was. */
static void iteration_goes_on_while_entries_come_and_go(void **state)
{
	struct table t;
	bool met[3000] = {false};
	size_t at = 0, count = 0;
	const void *key;

	table_init(&t, sizeof(uint32_t), sizeof(uint32_t), 3);
	for (uint32_t i = 0; i < 2000; i++)
		(void)table_put(&t, &i, NULL);
	while (table_next(&t, &at, &key, NULL)) {
		uint32_t k, other;

		memcpy(&k, key, sizeof(k));
		assert_false(met[k]);
		met[k] = true;
		if (count % 4 == 0 && k >= 1000) { /* behind: gone, and its number given again */
			other = k - 1000;
			(void)table_remove(&t, &other);
			other = 2000 + (uint32_t)(count / 4);
			(void)table_put(&t, &other, NULL);
		}
		count++;
	}
	for (uint32_t i = 0; i < 2000; i++)
		assert_true(met[i]);
	assert_int_equal(t.count, 2000);
	table_finish(&t);
}

static void the_number_of_a_removed_entry_is_given_again(void **state)
{
	struct table t;
	uint32_t a = 1, b = 2, c = 3;
	void *was;

	table_init(&t, sizeof(uint32_t), sizeof(uint64_t), 3);
	was = table_put(&t, &a, NULL);
	(void)table_put(&t, &b, NULL);
	*(uint64_t *)was = UINT64_MAX;
	assert_true(table_remove(&t, &a));
	assert_ptr_equal(table_put(&t, &c, NULL), was);
	assert_int_equal(*(uint64_t *)was, 0);
	table_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_agrees_with_a_plain_array),
		cmocka_unit_test(iteration_meets_each_entry_once_and_may_remove_it),
		cmocka_unit_test(iteration_goes_on_while_entries_come_and_go),
		cmocka_unit_test(a_key_may_be_the_beginning_of_its_value),
		cmocka_unit_test(the_number_of_a_removed_entry_is_given_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
