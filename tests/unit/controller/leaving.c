/* Leaving: ports that go down, silence, requests, and what a changed node keeps. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <errno.h>

static void a_port_that_comes_back_within_the_grace_changes_nothing(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_wait(w, 1500);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_DOWN);
	fake_port_up(w, 2, 2, true);
	world_wait(w, 3000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void a_port_that_stays_down_detaches_its_nodes(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_wait(w, 2100);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_wait(w, 6000); /* its tombstone is kept until every FE has acknowledged */
	assert_int_equal(w->kept_count, 0);
	world_destroy(w);
}

static void a_port_that_comes_back_while_its_element_is_away_keeps_its_nodes(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_DOWN);
	world_disconnect(w, fake_of(w, 2));
	fake_port(w, 2, 2)->up = true;
	world_wait(w, 5000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_DOWN);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	fake_port_up(w, 2, 2, false);
	world_run(w);
	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 5000);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	world_wait(w, 2100);
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_port_that_is_gone_detaches_its_nodes(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port_gone(w, 2, 2);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_DOWN);
	assert_int_equal(world_count_events(w, EVENT_PORT_GONE), 1);
	world_wait(w, 2100);
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_node_whose_port_is_down_may_announce_itself_elsewhere_at_once(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_run(w);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	world_wait(w, 3000);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_silent_node_is_detached_if_it_is_the_binding_that_is_meant(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_silent(w, 2, "vm1");
	fake_announces(w, 2, 3, VM1, IP1); /* queued behind; then the node is new again */
	world_run(w);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(world_count_events(w, EVENT_DETACHED), 1);
	fake_silent(w, 2, "vm1");
	fake_of(w, 2)->mute = true;
	world_run(w);
	fake_of(w, 2)->mute = false;
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_lost_session_detaches_nobody(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 10000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void detaching_and_removing_take_the_rules_away(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;

	assert_int_equal(core_detach_node(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(core_detach_node(w->core, "vm1", w->now_ms, &why), -ENOENT);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 2);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), -ENOENT);
	world_wait(w, 3000); /* the tombstone is buried */
	assert_int_equal(w->core->records.count, 0);
	world_destroy(w);
}

/* What it says reaches us before its FE's reply to the barrier behind the deletion. */
static void what_a_node_said_before_it_was_deregistered_binds_it_if_it_answers(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;

	fake_of(w, 2)->slow = true;
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_add_node(w, "vm1", VM1, IP1);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	fake_replies(w, 2);
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_changed_node_is_bound_by_its_new_addresses(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	n.addresses[0] = an_address("10.10.7.7");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, "10.10.7.7", 2, 2);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_port_that_comes_back_within_the_grace_changes_nothing),
	cmocka_unit_test(a_port_that_stays_down_detaches_its_nodes),
	cmocka_unit_test(a_port_that_comes_back_while_its_element_is_away_keeps_its_nodes),
	cmocka_unit_test(a_port_that_is_gone_detaches_its_nodes),
	cmocka_unit_test(a_node_whose_port_is_down_may_announce_itself_elsewhere_at_once),
	cmocka_unit_test(a_silent_node_is_detached_if_it_is_the_binding_that_is_meant),
	cmocka_unit_test(a_lost_session_detaches_nobody),
	cmocka_unit_test(detaching_and_removing_take_the_rules_away),
	cmocka_unit_test(what_a_node_said_before_it_was_deregistered_binds_it_if_it_answers),
	cmocka_unit_test(a_changed_node_is_bound_by_its_new_addresses),
};

RUN_QUIETLY(tests)
