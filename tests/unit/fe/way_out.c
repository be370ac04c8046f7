/* When packets may leave at an FE: way_out.h, with a clock of our own. */
#include "fe/way_out.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct way_out_signs nothing,
	refused = {.routes = {WAY_OUT_REFUSED}}, some = {.routes = {WAY_OUT_SOME}},
	routed = {.routes = {WAY_OUT_DEFAULT}},
	both = {.routes = {WAY_OUT_DEFAULT, WAY_OUT_DEFAULT}},
	dead = {.routes = {WAY_OUT_DEFAULT, WAY_OUT_DEFAULT}, .daemon_gone = true};

static void an_outside_that_is_directly_connected_needs_no_routes(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_true(way_out_update(&w, &nothing, 0));
	assert_true(way_out_update(&w, &nothing, 1000));
}

static void a_default_route_that_refuses_says_that_there_should_be_another(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_false(way_out_update(&w, &refused, 0));
	assert_false(way_out_update(&w, &routed, 100));
	assert_false(way_out_update(&w, &routed, 100 + WAY_OUT_HOLD_MS - 1));
	assert_true(way_out_update(&w, &routed, 100 + WAY_OUT_HOLD_MS));
}

static void a_full_table_needs_no_default_route(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_true(way_out_update(&w, &some, 0));
	assert_false(way_out_update(&w, &refused, 1));
	assert_false(way_out_update(&w, &some, 2));
	assert_true(way_out_update(&w, &some, 2 + WAY_OUT_HOLD_MS));
}

static void a_default_route_that_was_there_is_missed_whatever_else_is(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_true(way_out_update(&w, &some, 0));
	assert_true(way_out_update(&w, &routed, 1));
	assert_false(way_out_update(&w, &some, 2));
}

static void it_is_lost_at_once_and_back_when_it_has_lasted(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_true(way_out_update(&w, &both, 0));
	/* One family's are enough: another FE may have both. */
	assert_false(way_out_update(&w, &routed, 5000));
	assert_false(way_out_update(&w, &both, 5500));
	assert_false(way_out_update(&w, &nothing, 5900));
	assert_false(way_out_update(&w, &both, 6000));
	assert_false(way_out_update(&w, &both, 6999));
	assert_true(way_out_update(&w, &both, 7000));
}

static void routes_of_a_daemon_that_died_are_no_way_out(void **state)
{
	struct way_out w;

	way_out_init(&w);
	assert_true(way_out_update(&w, &both, 0));
	assert_false(way_out_update(&w, &dead, 1));
	assert_false(way_out_update(&w, &both, 2));
	assert_true(way_out_update(&w, &both, 2 + WAY_OUT_HOLD_MS));
}

/* Loses it and has it again; how long it took. */
static int64_t fail_once(struct way_out *w, int64_t *now_ms)
{
	int64_t began;

	assert_false(way_out_update(w, &nothing, *now_ms));
	began = ++*now_ms;
	while (!way_out_update(w, &routed, *now_ms))
		*now_ms += 100;
	return *now_ms - began;
}

static void one_that_keeps_failing_waits_longer_each_time(void **state)
{
	struct way_out w;
	int64_t now_ms = 1, took = WAY_OUT_HOLD_MS;

	way_out_init(&w);
	assert_true(way_out_update(&w, &routed, now_ms));
	for (unsigned i = 0; i < 10; i++) {
		int64_t again = fail_once(&w, &now_ms);

		assert_true(again <= WAY_OUT_HOLD_MAX_MS);
		assert_true(i == 0 ? again == took : again == took * 2 || took * 2 > again);
		took = again;
	}
	assert_int_equal(took, WAY_OUT_HOLD_MAX_MS);
	now_ms += WAY_OUT_FORGET_MS + 1;
	assert_int_equal(fail_once(&w, &now_ms), WAY_OUT_HOLD_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_outside_that_is_directly_connected_needs_no_routes),
		cmocka_unit_test(a_default_route_that_refuses_says_that_there_should_be_another),
		cmocka_unit_test(a_full_table_needs_no_default_route),
		cmocka_unit_test(a_default_route_that_was_there_is_missed_whatever_else_is),
		cmocka_unit_test(it_is_lost_at_once_and_back_when_it_has_lasted),
		cmocka_unit_test(routes_of_a_daemon_that_died_are_no_way_out),
		cmocka_unit_test(one_that_keeps_failing_waits_longer_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
