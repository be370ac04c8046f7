/* The controller or an FE's agent dies and comes back: nothing that is right is sent again. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

#define VM2 "52:54:00:00:00:12"
#define IP2 "10.10.0.12"

/* vm1 at FE2 after moves between FEs and within one (so that its two versions differ), vm2 at FE3.
 */
static struct world *a_busy_world(void)
{
	struct world *w = world_create();

	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	fake_announces(w, 2, 3, VM1, IP1);
	fake_announces(w, 3, 3, VM2, IP2);
	world_run(w);
	world_wait(w, 2000);
	assert_bound(w, IP1, 2, 3);
	assert_bound(w, IP2, 3, 3);
	assert_int_not_equal(fake_rule(w, 2, RULE_LOCAL, IP1)->cookie,
			     fake_rule(w, 1, RULE_FOREIGN, IP1)->cookie);
	world_forget_log(w);
	return w;
}

static void reconnect(struct world *w, const uint32_t *order, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_connect(w, fake_of(w, order[i]));
		world_run(w);
		world_wait(w, 300);
	}
}

static const uint32_t orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
				     {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

static void a_restarted_controller_sends_no_flow_mod_when_nothing_changed(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		struct world *w = a_busy_world();

		world_restart(w, 2, true);
		reconnect(w, orders[i], 3);
		world_wait(w, 6000);
		assert_int_equal(world_flow_mods(w), 0);
		assert_bound(w, IP1, 2, 3);
		assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 3);
		world_destroy(w);
	}
}

static void a_controller_without_its_store_learns_all_from_the_elements(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		struct world *w = a_busy_world();
		uint64_t local = fake_rule(w, 2, RULE_LOCAL, IP1)->cookie;

		world_restart(w, 1, false);
		reconnect(w, orders[i], 3);
		world_wait(w, 6000);
		assert_int_equal(world_flow_mods(w), 0);
		assert_at(w, "vm1", 2, 3, ATTACHMENT_PROVISIONAL);
		assert_int_equal(version_to_cookie(core_attachment(w->core, "vm1")->version),
				 local);
		assert_int_equal(core_term(w->core), 2); /* above what the elements have */
		world_destroy(w);
	}
}

static void a_provisional_node_that_answers_is_active_again(void **state)
{
	struct world *w = a_busy_world();

	world_restart(w, 2, true);
	fake_port(w, 2, 3)->answers = a_mac(VM1);
	reconnect(w, orders[0], 3);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_at(w, "vm2", 3, 3, ATTACHMENT_PROVISIONAL);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void all_elements_at_once_are_sent_nothing_either(void **state)
{
	struct world *w = a_busy_world();

	world_restart(w, 2, false);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void an_elements_agent_that_adopted_is_sent_nothing(void **state)
{
	struct world *w = a_busy_world();

	for (uint32_t fe = 1; fe <= 3; fe++) {
		world_disconnect(w, fake_of(w, fe));
		world_wait(w, 500);
		world_connect(w, fake_of(w, fe));
		world_run(w);
	}
	world_wait(w, 500);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void an_element_that_lost_all_is_sent_all(void **state)
{
	struct world *w = a_busy_world();
	struct fake *f = fake_of(w, 2);
	size_t before = f->rules.count;

	world_disconnect(w, f);
	table_clear(&f->rules);
	table_clear(&f->groups);
	world_connect(w, f);
	world_run(w);
	assert_int_equal(f->rules.count, before);
	assert_bound(w, IP1, 2, 3);
	assert_bound(w, IP2, 3, 3);
	assert_int_equal(fake_of(w, 1)->flow_mods + fake_of(w, 3)->flow_mods, 0);
	world_destroy(w);
}

static void what_happened_while_an_element_was_away_is_all_it_is_sent(void **state)
{
	struct world *w = a_busy_world();
	struct fake *f = fake_of(w, 1);

	world_disconnect(w, f);
	fake_announces(w, 2, 2, VM2, IP2);
	world_run(w);
	world_forget_log(w);
	world_connect(w, f);
	world_run(w);
	assert_int_equal(f->flow_mods, 1);
	assert_bound(w, IP2, 2, 2);
	world_destroy(w);
}

static void a_binding_that_left_while_its_element_was_away_does_not_come_back(void **state)
{
	struct world *w = a_busy_world();
	struct reason why;

	world_disconnect(w, fake_of(w, 2));
	assert_int_equal(core_detach_node(w->core, "vm1", w->now_ms, &why), 0);
	world_wait(w, 5000);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	world_wait(w, 1000);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_wait(w, 3000);
	world_destroy(w);
}

static void a_move_while_the_controller_was_away_is_learnt_from_the_replay(void **state)
{
	struct world *w = a_busy_world();

	world_restart(w, 2, true);
	fake_port(w, 3, 2)->answers = a_mac(VM1);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	fake_replay(w, 3, 2, VM1, IP1); /* it comes before the FE's rules are read back */
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 3, 2);
	world_destroy(w);
}

static void rules_that_nothing_explains_go_only_when_all_elements_are_here(void **state)
{
	struct world *w = a_busy_world();
	struct rule ghost = {.key = {.kind = RULE_LOCAL}, .port = 2};

	ghost.key.address = an_address("10.10.0.77");
	ghost.mac = a_mac("52:54:00:00:00:77");
	ghost.gateway_mac = w->config.gateway_mac;
	ghost.cookie = version_to_cookie((struct version){1, 1, 3});
	*(struct rule *)table_put(&fake_of(w, 2)->rules, &ghost.key, NULL) = ghost;
	world_restart(w, 2, true);
	reconnect(w, orders[0], 2);
	assert_non_null(fake_rule(w, 2, RULE_LOCAL, "10.10.0.77"));
	world_connect(w, fake_of(w, 3));
	world_run(w);
	world_wait(w, 100);
	assert_null(fake_rule(w, 2, RULE_LOCAL, "10.10.0.77"));
	assert_int_equal(world_flow_mods(w), 1);
	world_destroy(w);
}

static void they_go_too_when_the_learning_time_is_over(void **state)
{
	struct world *w = a_busy_world();
	struct rule ghost = {.key = {.kind = RULE_FOREIGN}, .fe = 3};

	ghost.key.address = an_address("10.10.0.77");
	ghost.cookie = version_to_cookie((struct version){1, 1, 3});
	*(struct rule *)table_put(&fake_of(w, 2)->rules, &ghost.key, NULL) = ghost;
	world_restart(w, 2, true);
	reconnect(w, orders[0], 2);
	world_wait(w, 4000);
	assert_non_null(fake_rule(w, 2, RULE_FOREIGN, "10.10.0.77"));
	world_wait(w, 1500);
	assert_null(fake_rule(w, 2, RULE_FOREIGN, "10.10.0.77"));
	world_destroy(w);
}

static void while_an_element_is_missing_its_nodes_and_the_way_out_stay(void **state)
{
	struct world *w = a_busy_world();

	world_restart(w, 2, true);
	world_connect(w, fake_of(w, 3));
	world_run(w);
	world_wait(w, 20000); /* FE1 (the border) and FE2 (vm1) do not come back */
	assert_int_equal(world_flow_mods(w), 0);
	assert_int_equal(fake_rule(w, 3, RULE_FOREIGN, IP1)->fe, 2);
	assert_int_equal(fake_rule(w, 3, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	world_destroy(w);
}

static void a_node_removed_while_the_controller_was_away_is_removed_everywhere(void **state)
{
	struct world *w = a_busy_world();
	struct reason why;

	world_restart(w, 2, true);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	reconnect(w, orders[0], 3);
	world_wait(w, 6000);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, IP2, 3, 3);
	world_destroy(w);
}

static void a_port_that_went_while_the_controller_was_away_detaches(void **state)
{
	struct world *w = a_busy_world();

	fake_port_gone(w, 2, 3);
	buffer_clear(&fake_of(w, 2)->channel.out);
	world_restart(w, 2, true);
	reconnect(w, orders[1], 3);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_DOWN);
	world_wait(w, 2500);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_destroy(w);
}

static void the_later_of_two_local_bindings_wins(void **state)
{
	struct world *w = a_busy_world();
	struct rule old = *fake_rule(w, 2, RULE_LOCAL, IP1);

	old.port = 2;
	old.cookie = version_to_cookie((struct version){1, 1, 1});
	*(struct rule *)table_put(&fake_of(w, 3)->rules, &old.key, NULL) = old;
	world_restart(w, 2, false);
	reconnect(w, orders[5], 3); /* FE3, with the old one, first */
	world_wait(w, 6000);
	assert_bound(w, IP1, 2, 3);
	world_destroy(w);
}

static void a_node_that_spoke_in_this_run_outweighs_any_table(void **state)
{
	struct world *w = a_busy_world();
	const struct rule *foreign;

	/* FE2 is missing, its local rule is from a later term than the new controller's. */
	world_restart(w, 1, false);
	world_connect(w, fake_of(w, 1));
	table_clear(&fake_of(w, 1)->rules);
	world_run(w);
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	world_connect(w, fake_of(w, 3));
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 1, 2);
	foreign = fake_rule(w, 3, RULE_FOREIGN, IP1);
	assert_int_equal(version_from_cookie(foreign->cookie).term, 2);
	world_destroy(w);
}

static void the_term_rises_above_the_elements_generation(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	fake_of(w, 1)->generation = 7;
	world_connect(w, fake_of(w, 1));
	world_run(w);
	assert_int_equal(core_term(w->core), 8);
	assert_int_equal(fake_of(w, 1)->generation, 8);
	world_destroy(w);
}

static void a_term_of_the_far_future_is_refused(void **state)
{
	struct world *w = world_create();
	struct rule local = {.key = {.kind = RULE_LOCAL}, .port = 3};

	local.key.address = an_address(IP1);
	local.mac = a_mac(VM1);
	local.gateway_mac = w->config.gateway_mac;
	local.cookie = version_to_cookie((struct version){1, 9, 1});
	world_disconnect(w, fake_of(w, 2));
	*(struct rule *)table_put(&fake_of(w, 2)->rules, &local.key, NULL) = local;
	world_connect(w, fake_of(w, 2)); /* learning is over: no other controller was */
	world_run(w);
	assert_int_equal(core_term(w->core), 1);
	assert_null(core_attachment(w->core, "vm1"));
	assert_non_null(strstr(world_last_event(w, EVENT_REFUSED)->text, "term 9"));
	assert_null(fake_rule(w, 2, RULE_LOCAL, IP1));
	world_destroy(w);
}

static void a_prepared_move_survives_a_restart_and_still_reverts(void **state)
{
	struct world *w = a_busy_world();
	struct reason why;

	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port2", 0, w->now_ms, &why), 0);
	world_run(w);
	world_restart(w, 2, true);
	reconnect(w, orders[0], 3);
	assert_int_equal(world_flow_mods(w), 0);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_PREPARED);
	world_wait(w, 31000);
	assert_bound(w, IP1, 2, 3);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_restarted_controller_sends_no_flow_mod_when_nothing_changed),
	cmocka_unit_test(a_controller_without_its_store_learns_all_from_the_elements),
	cmocka_unit_test(a_provisional_node_that_answers_is_active_again),
	cmocka_unit_test(all_elements_at_once_are_sent_nothing_either),
	cmocka_unit_test(an_elements_agent_that_adopted_is_sent_nothing),
	cmocka_unit_test(an_element_that_lost_all_is_sent_all),
	cmocka_unit_test(what_happened_while_an_element_was_away_is_all_it_is_sent),
	cmocka_unit_test(a_binding_that_left_while_its_element_was_away_does_not_come_back),
	cmocka_unit_test(a_move_while_the_controller_was_away_is_learnt_from_the_replay),
	cmocka_unit_test(rules_that_nothing_explains_go_only_when_all_elements_are_here),
	cmocka_unit_test(they_go_too_when_the_learning_time_is_over),
	cmocka_unit_test(while_an_element_is_missing_its_nodes_and_the_way_out_stay),
	cmocka_unit_test(a_node_removed_while_the_controller_was_away_is_removed_everywhere),
	cmocka_unit_test(a_port_that_went_while_the_controller_was_away_detaches),
	cmocka_unit_test(the_later_of_two_local_bindings_wins),
	cmocka_unit_test(a_node_that_spoke_in_this_run_outweighs_any_table),
	cmocka_unit_test(the_term_rises_above_the_elements_generation),
	cmocka_unit_test(a_term_of_the_far_future_is_refused),
	cmocka_unit_test(a_prepared_move_survives_a_restart_and_still_reverts),
};

RUN_QUIETLY(tests)
