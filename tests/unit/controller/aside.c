/* What an attachment has beside it: made when it is needed, and gone when it is not. */
#include "fake_element.h"
#include "main.h"

#include "controller/aside.h"
#include "controller/state.h"

#include <stdio.h>

static struct attachment_record *vm1(struct world *w)
{
	return attachment_find(w->core, "vm1");
}

static void nobody_has_one_who_is_at_rest(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	const struct aside *a = aside_of(w->core, vm1(w));

	assert_null(aside_find(w->core, vm1(w)));
	assert_int_equal(a->also_count + a->rounds + a->counted, 0);
	assert_int_equal(w->core->asides.count, 0);
	world_destroy(w);
}

static void a_move_by_a_fresh_claim_needs_none(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_announces(w, 3, 2, "52:54:00:00:00:11", "10.10.0.11");
	world_run(w);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(w->core->asides.count, 0);
	world_destroy(w);
}

static void it_stays_where_it_is_while_others_come_and_go(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	static struct attachment_record others[3000];
	struct aside *mine = aside_obtain(w->core, vm1(w));

	memset(others, 0, sizeof(others));
	mine->rounds = 42;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		aside_obtain(w->core, &others[i])->followed = i;
	for (unsigned i = 0; i < ARRAY_SIZE(others); i += 2)
		aside_drop(w->core, &others[i]);
	assert_ptr_equal(aside_obtain(w->core, vm1(w)), mine);
	assert_int_equal(mine->rounds, 42);
	for (unsigned i = 1; i < ARRAY_SIZE(others); i += 2)
		assert_int_equal(aside_of(w->core, &others[i])->followed, i);
	/* One that is made anew knows nothing of who had it. */
	assert_int_equal(aside_obtain(w->core, &others[2])->followed, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		aside_drop(w->core, &others[i]);
	world_destroy(w);
}

static void dropping_one_that_is_not_there_does_nothing(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	aside_drop(w->core, vm1(w));
	aside_drop(w->core, vm1(w));
	assert_int_equal(w->core->asides.count, 0);
	world_destroy(w);
}

static void it_goes_when_the_time_of_flapping_is_over(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct aside *a = aside_obtain(w->core, vm1(w));

	w->core->config.flapping_window_ms = 6000;
	a->ambiguous_count = 1;
	a->ambiguous_since_ms = w->core->now_ms;
	world_wait(w, 5000);
	assert_ptr_equal(aside_find(w->core, vm1(w)), a);
	world_wait(w, 3000);
	assert_null(aside_find(w->core, vm1(w)));
	world_destroy(w);
}

static void who_is_damped_keeps_it_as_long(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	aside_obtain(w->core, vm1(w))->damped_until_ms = w->core->now_ms + 5000;
	world_wait(w, 4000);
	assert_non_null(aside_find(w->core, vm1(w)));
	world_wait(w, 3000);
	assert_null(aside_find(w->core, vm1(w)));
	world_destroy(w);
}

static void it_is_there_while_a_move_is_prepared(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port2", 0, w->now_ms, NULL), 0);
	aside_obtain(w->core, vm1(w))->also_count = 1;
	world_wait(w, 3000);
	assert_int_equal(vm1(w)->a.state, ATTACHMENT_PREPARED);
	assert_int_equal(aside_of(w->core, vm1(w))->also_count, 1);
	world_destroy(w);
}

static void a_node_that_is_forgotten_leaves_none_behind(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct aside *a = aside_obtain(w->core, vm1(w));

	a->damped_until_ms = INT64_MAX;
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, NULL), 0);
	world_wait(w, 5000);
	assert_null(vm1(w));
	assert_int_equal(w->core->asides.count, 0);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nobody_has_one_who_is_at_rest),
	cmocka_unit_test(a_move_by_a_fresh_claim_needs_none),
	cmocka_unit_test(it_stays_where_it_is_while_others_come_and_go),
	cmocka_unit_test(dropping_one_that_is_not_there_does_nothing),
	cmocka_unit_test(it_goes_when_the_time_of_flapping_is_over),
	cmocka_unit_test(who_is_damped_keeps_it_as_long),
	cmocka_unit_test(it_is_there_while_a_move_is_prepared),
	cmocka_unit_test(a_node_that_is_forgotten_leaves_none_behind),
};

RUN_QUIETLY(tests)
