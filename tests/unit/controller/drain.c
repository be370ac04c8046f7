/* Elements that drain, and elements whose table is full. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <errno.h>

#define VM2 "52:54:00:00:00:12"
#define IP2 "10.10.0.12"

static struct drain_view drain_of(struct world *w, const char *element)
{
	struct drain_view view;

	assert_int_equal(core_drain_view(w->core, element, &view, NULL, NULL), 0);
	return view;
}

static void drain(struct world *w, const char *element, bool drains)
{
	struct reason why;

	assert_int_equal(core_drain(w->core, element, drains, w->now_ms, &why), 0);
	world_run(w);
}

/* FE2 and FE3 share a LAN, both nodes are on it. */
static struct world *a_shared_segment(void)
{
	struct world *w = world_create();

	for (uint32_t fe = 2; fe <= 3; fe++) {
		fake_port(w, fe, 2)->segment = 7;
		fake_port_up(w, fe, 2, true);
		world_run(w);
	}
	fake_announces(w, 2, 2, VM1, IP1);
	fake_announces(w, 2, 2, VM2, IP2);
	world_run(w);
	return w;
}

static void a_drained_element_gives_its_nodes_to_the_others(void **state)
{
	struct world *w = a_shared_segment();
	uint32_t home = core_attachment(w->core, "vm1")->place.fe, other = 5 - home;
	const char *name = home == 2 ? "FE2" : "FE3";

	drain(w, name, true);
	assert_at(w, "vm1", other, 2, ATTACHMENT_ACTIVE);
	assert_at(w, "vm2", other, 2, ATTACHMENT_ACTIVE);
	/* It still delivers what reaches it. */
	assert_non_null(fake_rule(w, home, RULE_LOCAL, IP1));
	assert_true(drain_of(w, name).is_empty);
	fake_announces(w, home, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", other, 2, ATTACHMENT_ACTIVE);
	drain(w, name, false);
	assert_at(w, "vm1", home, 2, ATTACHMENT_ACTIVE);
	assert_false(drain_of(w, name).is_empty);
	assert_int_equal(world_count_events(w, EVENT_DRAINING), 2);
	world_destroy(w);
}

static void what_only_it_can_serve_stays_and_is_counted(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	drain(w, "FE2", true);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(drain_of(w, "FE2").nodes, 1);
	assert_false(drain_of(w, "FE2").is_empty);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_true(drain_of(w, "FE2").is_empty);
	world_destroy(w);
}

static void all_elements_of_a_segment_may_drain(void **state)
{
	struct world *w = a_shared_segment();
	uint32_t home;

	drain(w, "FE2", true);
	home = core_attachment(w->core, "vm1")->place.fe;
	assert_int_equal(home, 3);
	drain(w, "FE3", true);
	assert_non_null(core_attachment(w->core, "vm1"));
	assert_int_equal(core_attachment(w->core, "vm1")->state, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_border_element_that_drains_is_the_last_way_out(void **state)
{
	struct world *w = world_create();

	/* FE3 gets an external port too; FE2 is as near to both. */
	assert_true(w->fakes[2].port_count > 0);
	fake_port(w, 3, 3)->role = PORT_EXTERNAL;
	fake_port_up(w, 3, 3, true);
	world_run(w);
	assert_int_equal(drain_of(w, "FE1").exits, 1);
	drain(w, "FE1", true);
	assert_int_equal(drain_of(w, "FE1").exits, 0);
	assert_true(drain_of(w, "FE1").is_empty);
	drain(w, "FE3", true);
	drain(w, "FE1", false);
	assert_int_equal(drain_of(w, "FE1").exits, 1);
	world_destroy(w);
}

static bool announces(struct world *w, uint32_t fe)
{
	const struct rule *covered = fake_rule(w, fe, RULE_COVERED, "10.10.0.0");

	assert_non_null(covered);
	return !covered->internal;
}

static void an_element_that_drains_announces_nothing(void **state)
{
	struct world *w = world_create();

	assert_true(announces(w, 1) && announces(w, 2));
	drain(w, "FE1", true);
	assert_false(announces(w, 1));
	assert_true(announces(w, 2));
	world_restart(w, 2, true);
	core_restore_drain(w->core, "FE1");
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	assert_false(announces(w, 1));
	drain(w, "FE1", false);
	assert_true(announces(w, 1));
	world_destroy(w);
}

static void a_drain_outlives_the_controller(void **state)
{
	struct world *w = a_shared_segment();

	drain(w, "FE2", true);
	world_restart(w, 2, true);
	core_restore_drain(w->core, "FE2");
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 8000);
	assert_true(drain_of(w, "FE2").draining);
	assert_int_equal(core_attachment(w->core, "vm1")->place.fe, 3);
	world_destroy(w);
}

static void an_unknown_element_does_not_drain(void **state)
{
	struct world *w = world_create();
	struct drain_view view;
	struct reason why;

	assert_int_equal(core_drain(w->core, "FE9", true, w->now_ms, &why), -ENOENT);
	assert_int_equal(core_drain_view(w->core, "FE9", &view, NULL, NULL), -ENOENT);
	world_destroy(w);
}

static struct element_view element(struct world *w, const char *name)
{
	struct element_view view;

	assert_int_equal(core_element_by_name(w->core, name, &view), 0);
	return view;
}

static void a_full_table_is_said_and_tried_again(void **state)
{
	struct world *w = world_create();

	fake_of(w, 2)->refuse = -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_true(element(w, "FE2").full);
	assert_int_equal(element(w, "FE2").missing, 2);
	assert_int_equal(element(w, "FE2").table_full, 2);
	assert_int_equal(world_count_events(w, EVENT_TABLE_FULL), 1);
	assert_true(core_is_missing(w->core, core_attachment(w->core, "vm1")));
	assert_false(element(w, "FE1").full);

	/* Still full when it is tried again: that is no news. */
	world_wait(w, 31000);
	assert_true(element(w, "FE2").table_full > 2);
	assert_int_equal(world_count_events(w, EVENT_TABLE_FULL), 1);
	fake_of(w, 2)->refuse = 0;
	world_wait(w, 31000);
	assert_false(element(w, "FE2").full);
	assert_int_equal(element(w, "FE2").missing, 0);
	assert_int_equal(world_count_events(w, EVENT_TABLE_FULL), 2);
	assert_bound(w, IP1, 2, 3);
	assert_false(core_is_missing(w->core, core_attachment(w->core, "vm1")));
	world_destroy(w);
}

static void room_that_was_made_is_used_soon(void **state)
{
	struct world *w = world_create();
	struct reason why;

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	fake_of(w, 2)->refuse = -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	fake_announces(w, 2, 3, VM2, IP2);
	world_run(w);
	assert_true(element(w, "FE2").full);
	fake_of(w, 2)->refuse = 0;
	assert_int_equal(core_detach_node(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	world_wait(w, 1500);
	assert_false(element(w, "FE2").full);
	assert_bound(w, IP2, 2, 3);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_drained_element_gives_its_nodes_to_the_others),
	cmocka_unit_test(what_only_it_can_serve_stays_and_is_counted),
	cmocka_unit_test(all_elements_of_a_segment_may_drain),
	cmocka_unit_test(a_border_element_that_drains_is_the_last_way_out),
	cmocka_unit_test(an_element_that_drains_announces_nothing),
	cmocka_unit_test(a_drain_outlives_the_controller),
	cmocka_unit_test(an_unknown_element_does_not_drain),
	cmocka_unit_test(a_full_table_is_said_and_tried_again),
	cmocka_unit_test(room_that_was_made_is_used_soon),
};

RUN_QUIETLY(tests)
