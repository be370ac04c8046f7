/* The store is lost, and with it the nodes that were put by REST: what elements forward for them
 * goes on until they are put again, or for so long. */
#include "fake_element.h"
#include "main.h"

#define VM1 "52:54:00:00:00:11"
#define IP1 "10.10.0.11"
#define VM2 "52:54:00:00:00:12"
#define IP2 "10.10.0.12"

/* vm1 at FE2, vm2 at FE3; then a new store, that knows vm2 alone (its configuration has it). */
static struct world *a_world_without_its_store(unsigned timeout_ms)
{
	struct world *w = world_create();
	struct reason why;

	fake_announces(w, 2, 3, VM1, IP1);
	fake_announces(w, 3, 3, VM2, IP2);
	world_run(w);
	world_wait(w, 2000);
	assert_bound(w, IP1, 2, 3);
	w->config.rebuild_timeout_ms = timeout_ms;
	world_restart(w, 1, false);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000); /* learning is over */
	return w;
}

static void its_flows_stay_and_are_adopted_when_it_is_put_again(void **state)
{
	struct world *w = a_world_without_its_store(60000);
	uint64_t local = fake_rule(w, 2, RULE_LOCAL, IP1)->cookie;

	assert_bound(w, IP1, 2, 3);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(world_flow_mods(w), 0);
	fake_port(w, 2, 3)->answers = a_mac(VM1);
	world_add_node(w, "vm1", VM1, IP1);
	world_wait(w, 1000);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 3);
	assert_bound(w, IP2, 3, 3);
	/* Nothing is stamped again; that the elements are told once more of this node does no harm.
	 */
	assert_int_equal(fake_rule(w, 2, RULE_LOCAL, IP1)->cookie, local);
	assert_in_range(world_flow_mods(w), 0, 6);
	world_wait(w, 120000);
	assert_bound(w, IP1, 2, 3);
	world_destroy(w);
}

static void nobody_puts_it_again_and_its_flows_go(void **state)
{
	struct world *w = a_world_without_its_store(60000);

	world_wait(w, 50000);
	assert_bound(w, IP1, 2, 3);
	world_wait(w, 10000);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, IP2, 3, 3);
	world_destroy(w);
}

static void a_controller_that_has_its_store_keeps_no_ghosts(void **state)
{
	struct world *w = a_world_without_its_store(60000);
	struct reason why;

	world_restart(w, 2, true);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, IP2, 3, 3);
	world_destroy(w);
}

static void a_node_that_is_removed_meanwhile_is_no_ghost(void **state)
{
	struct world *w = a_world_without_its_store(60000);
	struct reason why;

	world_add_node(w, "vm1", VM1, IP1);
	world_wait(w, 1000);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_wait(w, 1000);
	assert_bound(w, IP1, 0, 0);
	world_destroy(w);
}

static void an_address_that_goes_to_another_node_is_not_given_the_old_place(void **state)
{
	struct world *w = a_world_without_its_store(60000);

	world_add_node(w, "other", "52:54:00:00:00:99", IP1);
	world_wait(w, 1000);
	fake_announces(w, 1, 2, "52:54:00:00:00:99", IP1);
	world_run(w);
	world_wait(w, 3000);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

/* vm1 moved from FE2 to FE1, and the controller died: FE2 and FE3 know, FE1 was not reached. */
static struct world *a_world_in_mid_move(void)
{
	struct world *w = world_create();
	struct fake *fe1 = fake_of(w, 1);
	struct rule before, key;

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	before = *fake_rule(w, 1, RULE_FOREIGN, IP1);
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	assert_bound(w, IP1, 1, 2);
	key = *fake_rule(w, 1, RULE_LOCAL, IP1);
	assert_true(table_remove(&fe1->rules, &key.key));
	key = *fake_rule(w, 1, RULE_GUARD, IP1);
	assert_true(table_remove(&fe1->rules, &key.key));
	*(struct rule *)table_put(&fe1->rules, &before.key, NULL) = before;
	return w;
}

static void a_move_that_its_new_element_never_heard_of_is_finished_by_the_store(void **state)
{
	struct world *w = a_world_in_mid_move();

	world_restart(w, 2, true);
	fake_port(w, 1, 2)->answers = a_mac(VM1);
	for (unsigned i = w->fake_count; i--;) /* FE1, with the old rule, last */
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000);
	assert_at(w, "vm1", 1, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

static void without_the_store_nobody_sends_to_an_element_that_does_not_know_the_node(void **state)
{
	struct world *w = a_world_in_mid_move();

	world_restart(w, 1, false);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000);
	assert_bound(w, IP1, 0, 0); /* the stale rule towards FE2 did not win */
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(its_flows_stay_and_are_adopted_when_it_is_put_again),
	cmocka_unit_test(nobody_puts_it_again_and_its_flows_go),
	cmocka_unit_test(a_controller_that_has_its_store_keeps_no_ghosts),
	cmocka_unit_test(a_node_that_is_removed_meanwhile_is_no_ghost),
	cmocka_unit_test(a_move_that_its_new_element_never_heard_of_is_finished_by_the_store),
	cmocka_unit_test(without_the_store_nobody_sends_to_an_element_that_does_not_know_the_node),
	cmocka_unit_test(an_address_that_goes_to_another_node_is_not_given_the_old_place),
};

RUN_QUIETLY(tests)
