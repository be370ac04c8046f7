/* When an FE announces, and when it ends that: health.h, with a clock of our own. */
#include "fe/health.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PATIENCE_MS 30000
#define WELL                                                             \
	{                                                                \
		.has_way_in = true, .has_way_on = true, .complete = true \
	}

static void it_announces_only_when_its_tables_are_complete(void **state)
{
	struct health_signs signs = {.has_way_in = true, .has_way_on = true};
	struct health h;

	health_init(&h, PATIENCE_MS, false, 1000);
	assert_false(health_update(&h, &signs, 1050));
	signs.complete = true;
	assert_true(health_update(&h, &signs, 1100));
}

static void without_a_way_in_or_on_it_withdraws_at_once(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct health_signs signs = WELL;
		struct health h;

		health_init(&h, PATIENCE_MS, false, 0);
		assert_true(health_update(&h, &signs, 1));
		*(i ? &signs.has_way_in : &signs.has_way_on) = false;
		assert_false(health_update(&h, &signs, 2));
		*(i ? &signs.has_way_in : &signs.has_way_on) = true;
		assert_true(health_update(&h, &signs, 3));
	}
}

static void without_a_controller_it_goes_on_for_as_long_as_it_has_patience(void **state)
{
	struct health_signs signs = WELL;
	struct health h;

	health_init(&h, PATIENCE_MS, false, 0);
	assert_true(health_update(&h, &signs, 500));
	signs.complete = false;
	assert_true(health_update(&h, &signs, 501));
	assert_true(health_update(&h, &signs, 500 + PATIENCE_MS - 1));
	assert_false(health_update(&h, &signs, 500 + PATIENCE_MS));
	/* Nor later, until the tables are complete again. */
	assert_false(health_update(&h, &signs, 500 + 2 * PATIENCE_MS));
	signs.complete = true;
	assert_true(health_update(&h, &signs, 500 + 2 * PATIENCE_MS + 1));
}

static void a_controller_that_comes_back_in_time_gives_it_its_whole_patience_again(void **state)
{
	struct health_signs signs = WELL;
	struct health h;

	health_init(&h, PATIENCE_MS, false, 0);
	(void)health_update(&h, &signs, 0);
	signs.complete = false;
	assert_true(health_update(&h, &signs, PATIENCE_MS - 1));
	signs.complete = true;
	assert_true(health_update(&h, &signs, PATIENCE_MS + 5));
	signs.complete = false;
	assert_true(health_update(&h, &signs, 2 * PATIENCE_MS));
	assert_false(health_update(&h, &signs, 2 * PATIENCE_MS + 5));
}

static void patience_of_zero_has_no_end(void **state)
{
	struct health_signs signs = WELL;
	struct health h;

	health_init(&h, 0, false, 0);
	(void)health_update(&h, &signs, 0);
	signs.complete = false;
	assert_true(health_update(&h, &signs, INT64_C(1) << 50));
}

static void an_adopted_data_plane_goes_on_to_announce_but_not_for_ever(void **state)
{
	struct health_signs signs = WELL;
	struct health h;

	signs.complete = false;
	health_init(&h, PATIENCE_MS, true, 7000);
	assert_true(health_update(&h, &signs, 7000));
	assert_true(health_update(&h, &signs, 7000 + PATIENCE_MS - 1));
	assert_false(health_update(&h, &signs, 7000 + PATIENCE_MS));
}

static void after_the_backplane_was_gone_it_waits_for_the_controller_again(void **state)
{
	struct health_signs signs = WELL;
	struct health h;

	health_init(&h, PATIENCE_MS, false, 0);
	(void)health_update(&h, &signs, 0);
	signs.complete = false;
	signs.has_way_on = false;
	assert_false(health_update(&h, &signs, 1));
	signs.has_way_on = true;
	assert_false(health_update(&h, &signs, 2));
	signs.complete = true;
	assert_true(health_update(&h, &signs, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_announces_only_when_its_tables_are_complete),
		cmocka_unit_test(without_a_way_in_or_on_it_withdraws_at_once),
		cmocka_unit_test(without_a_controller_it_goes_on_for_as_long_as_it_has_patience),
		cmocka_unit_test(
			a_controller_that_comes_back_in_time_gives_it_its_whole_patience_again),
		cmocka_unit_test(patience_of_zero_has_no_end),
		cmocka_unit_test(an_adopted_data_plane_goes_on_to_announce_but_not_for_ever),
		cmocka_unit_test(after_the_backplane_was_gone_it_waits_for_the_controller_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
