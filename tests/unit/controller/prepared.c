/* Moves that an orchestrator announces: tentative until the node speaks. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>

static void prepare(struct world *w, const char *element, const char *port)
{
	struct reason why = {""};

	assert_int_equal(core_prepare_move(w->core, "vm1", element, port, 0, w->now_ms, &why), 0);
	world_run(w);
}

static void a_prepared_move_sends_traffic_there_and_keeps_the_guard_here(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED);
	assert_non_null(fake_rule(w, 3, RULE_LOCAL, IP1));
	assert_int_equal(fake_rule(w, 1, RULE_FOREIGN, IP1)->fe, 3);
	assert_int_equal(fake_rule(w, 2, RULE_FOREIGN, IP1)->fe, 3);
	assert_null(fake_rule(w, 2, RULE_LOCAL, IP1));
	assert_non_null(fake_rule(w, 2, RULE_GUARD, IP1));
	world_destroy(w);
}

static void the_nodes_announcement_at_the_destination_confirms(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	world_forget_log(w);
	fake_rarp(w, 3, 3, VM1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(world_flow_mods(w), 1); /* the guard at FE2 goes */
	world_destroy(w);
}

static void a_prepared_move_reverts_on_timeout(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	world_wait(w, 29000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED);
	world_wait(w, 1500);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(world_count_events(w, EVENT_REVERTED), 1);
	assert_int_equal(core_attachment(w->core, "vm1")->moves, 0);
	world_destroy(w);
}

static void a_silent_node_at_the_destination_is_asked_before_the_move_is_undone(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_wait(w, 31000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(world_count_events(w, EVENT_REVERTED), 0);
	world_destroy(w);
}

static void the_nodes_announcement_at_the_source_reverts(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	uint64_t prepared;

	prepare(w, "FE3", "port3");
	prepared = w->kept[0].version.sequence;
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(w->kept[0].version.sequence, prepared + 1);
	world_destroy(w);
}

static void an_announcement_that_the_source_made_before_it_knew_does_not_revert(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	prepare(w, "FE3", "port3");
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED);
	fake_of(w, 2)->deaf = false;
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED);
	world_destroy(w);
}

static void a_revert_that_is_asked_for_has_a_new_version(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;
	uint64_t prepared;

	prepare(w, "FE3", "port3");
	prepared = w->kept[0].version.sequence;
	assert_int_equal(core_revert_move(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(w->kept[0].version.sequence, prepared + 1);
	assert_true(core_revert_move(w->core, "vm1", w->now_ms, &why) < 0);
	world_destroy(w);
}

static void a_destination_whose_port_goes_down_reverts(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	fake_port_gone(w, 3, 3);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void a_second_move_while_one_is_prepared_is_refused(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;

	prepare(w, "FE3", "port3");
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE1", "port2", 0, w->now_ms, &why),
			 -EBUSY);
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port3", 0, w->now_ms, &why), 0);
	assert_int_equal(core_prepare_move(w->core, "vm9", "FE3", "port3", 0, w->now_ms, &why),
			 -ENOENT);
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE9", "port3", 0, w->now_ms, &why),
			 -ENOENT);
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port7", 0, w->now_ms, &why),
			 -ENOENT);
	world_destroy(w);
}

static void a_confirm_by_request_removes_the_old_guard(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;

	prepare(w, "FE3", "port3");
	assert_int_equal(core_confirm_move(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(core_attachment(w->core, "vm1")->moves, 1);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_prepared_move_sends_traffic_there_and_keeps_the_guard_here),
	cmocka_unit_test(the_nodes_announcement_at_the_destination_confirms),
	cmocka_unit_test(a_prepared_move_reverts_on_timeout),
	cmocka_unit_test(a_silent_node_at_the_destination_is_asked_before_the_move_is_undone),
	cmocka_unit_test(the_nodes_announcement_at_the_source_reverts),
	cmocka_unit_test(an_announcement_that_the_source_made_before_it_knew_does_not_revert),
	cmocka_unit_test(a_revert_that_is_asked_for_has_a_new_version),
	cmocka_unit_test(a_destination_whose_port_goes_down_reverts),
	cmocka_unit_test(a_second_move_while_one_is_prepared_is_refused),
	cmocka_unit_test(a_confirm_by_request_removes_the_old_guard),
};

RUN_QUIETLY(tests)
