/* An FE that comes back is compared slice by slice: others have their turn in between, and what
 * changes meanwhile is right in the end. */
#include "fake_element.h"
#include "main.h"

#include "controller/element.h"
#include "controller/state.h"

#define NODES 40

static size_t waiting; /* bytes that no FE takes */

static size_t unsent(void *context, const struct session *s)
{
	return waiting;
}

static void assert_all_at(struct world *w, uint32_t fe, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		assert_at(w, numbered_node(i).id, fe, 2, ATTACHMENT_ACTIVE);
	assert_numbered_at(w, fe, first, end);
}

/* All nodes are at FE2; FE3 is away, and then comes back to a core that compares in slices. */
static struct world *sliced_world(void)
{
	struct world *w = world_create();

	for (unsigned i = 1; i <= NODES; i++) {
		world_add_numbered(w, i);
		fake_announces_numbered(w, 2, i);
	}
	world_run(w);
	world_wait(w, 2000);
	world_disconnect(w, &w->fakes[2]);
	w->core->config.slice = 2;
	w->core->shell.unsent = unsent;
	waiting = 0;
	world_connect(w, &w->fakes[2]);
	world_run(w);
	assert_true(core_is_comparing(w->core));
	return w;
}

static void finish(struct world *w)
{
	for (unsigned i = 0; i < 1000 && core_is_comparing(w->core); i++) {
		(void)core_compare(w->core);
		world_run(w);
	}
	assert_false(core_is_comparing(w->core));
	world_wait(w, 1000);
}

static void an_element_that_has_all_is_sent_a_barrier_alone(void **state)
{
	struct world *w = sliced_world();
	unsigned slices = 0;

	world_forget_log(w);
	while (core_is_comparing(w->core) && core_compare(w->core))
		slices++;
	assert_in_range(slices, 10, 100);
	world_run(w);
	assert_int_equal(world_flow_mods(w), 0);
	assert_all_at(w, 2, 1, NODES + 1);
	world_destroy(w);
}

static void nodes_that_move_before_and_behind_their_turn_are_right_in_the_end(void **state)
{
	struct world *w = sliced_world();

	for (unsigned i = 1; i <= NODES; i++) {
		(void)core_compare(w->core);
		fake_announces_numbered(w, i % 2 ? 1 : 3, i);
		world_run(w);
	}
	finish(w);
	for (unsigned i = 1; i <= NODES; i++)
		assert_all_at(w, i % 2 ? 1 : 3, i, i + 1);
	world_destroy(w);
}

static void a_node_that_leaves_meanwhile_is_forgotten(void **state)
{
	struct world *w = sliced_world();
	struct reason why;

	for (unsigned i = 0; i < 20; i++)
		(void)core_compare(w->core);
	assert_true(core_is_comparing(w->core));
	assert_int_equal(core_remove_node(w->core, "n1", w->now_ms, &why), 0);
	assert_int_equal(core_remove_node(w->core, "n40", w->now_ms, &why), 0);
	finish(w);
	assert_all_at(w, 2, 2, NODES);
	for (unsigned i = 0; i < w->fake_count; i++)
		assert_int_equal(w->fakes[i].errors, 0);
	assert_null(core_attachment(w->core, "n1"));
	assert_null(core_attachment(w->core, "n40"));
	world_destroy(w);
}

/* P4a: what FE3 replies to before the last barrier says nothing of what it knows. */
static void a_claim_before_the_end_is_asked_about(void **state)
{
	struct world *w = sliced_world();

	for (unsigned i = 0; w->core->elements[2]->synced == false && i < 100; i++)
		(void)core_compare(w->core);
	fake_announces_numbered(w, 1, 1);
	world_run(w);
	fake_port(w, 1, 2)->answers = (struct mac){{0x52, 0x54, 0, 0, 1, 1}};
	fake_announces_numbered(w, 3, 1); /* an old one */
	world_run(w);
	assert_at(w, "n1", 1, 2, ATTACHMENT_PROBING);
	finish(w);
	assert_all_at(w, 1, 1, 2);
	world_destroy(w);
}

/* It is told of that with all it should have, and replies to the barrier behind it. */
static void a_claim_from_before_a_move_that_it_was_not_told_is_asked_about(void **state)
{
	struct world *w = sliced_world();

	fake_announces_numbered(w, 1, 1);
	world_run(w);
	assert_false(w->core->elements[2]->synced);
	fake_port(w, 1, 2)->answers = (struct mac){{0x52, 0x54, 0, 0, 1, 1}};
	while (!w->core->elements[2]->synced && core_compare(w->core))
		;
	fake_announces_numbered(w, 3, 1);
	world_run(w);
	assert_at(w, "n1", 1, 2, ATTACHMENT_PROBING);
	finish(w);
	assert_all_at(w, 1, 1, 2);
	world_destroy(w);
}

/* It is at FE3, whose word is not believed yet; FE2's is, but it is from before. */
static void who_could_not_be_believed_before_is_not_forgotten_for_old_news(void **state)
{
	struct world *w = sliced_world();

	for (unsigned i = 0; w->core->elements[2]->synced == false && i < 100; i++)
		(void)core_compare(w->core);
	fake_announces_numbered(w, 1, 1);
	world_run(w);
	fake_port(w, 3, 2)->answers = (struct mac){{0x52, 0x54, 0, 0, 1, 1}};
	fake_announces_numbered(w, 3, 1);
	world_run(w);
	assert_at(w, "n1", 1, 2, ATTACHMENT_PROBING);
	fake_announces_numbered(w, 2, 1);
	world_run(w);
	finish(w);
	assert_numbered_at(w, 3, 1, 2);
	world_destroy(w);
}

static void an_element_that_takes_nothing_is_given_no_more(void **state)
{
	struct world *w = sliced_world();

	waiting = 1 << 20;
	assert_false(core_compare(w->core));
	fake_announces_numbered(w, 1, 1);
	world_run(w);
	waiting = 0;
	assert_true(core_compare(w->core));
	finish(w);
	assert_all_at(w, 1, 1, 2);
	assert_all_at(w, 2, 2, NODES + 1);
	world_destroy(w);
}

static void one_that_takes_nothing_for_long_is_given_up(void **state)
{
	struct world *w = sliced_world();

	waiting = 1 << 20;
	world_wait(w, 11000);
	assert_true(w->fakes[2].dropped);
	assert_false(core_is_comparing(w->core));
	world_destroy(w);
}

/* All but n1 are in the inventory again, and this element is being compared. */
static void lose_the_store_and_n1(struct world *w, uint32_t fe)
{
	world_restart(w, 1, false);
	w->core->config.slice = 2;
	w->core->shell.unsent = unsent;
	for (unsigned i = 2; i <= NODES; i++)
		world_add_numbered(w, i);
	world_connect(w, fake_of(w, fe));
	world_run(w);
	for (unsigned i = 0; !element_find(w->core, fe)->synced && i < 1000; i++)
		(void)core_compare(w->core);
	assert_true(core_is_comparing(w->core));
}

/* Another element's rule is older; FE2 must not be told that, whoever is heard first. */
static void a_node_that_comes_meanwhile_is_where_the_rules_that_were_read_say(void **state)
{
	struct world *w = sliced_world();

	finish(w);
	world_disconnect(w, fake_of(w, 1));
	fake_announces_numbered(w, 3, 1);
	world_run(w);
	world_wait(w, 2000);
	lose_the_store_and_n1(w, 2);
	world_add_numbered(w, 1);
	assert_at(w, "n1", 3, 0, ATTACHMENT_PROVISIONAL);
	world_connect(w, fake_of(w, 1));
	world_run(w);
	finish(w);
	assert_at(w, "n1", 3, 0, ATTACHMENT_PROVISIONAL);
	world_connect(w, fake_of(w, 3));
	world_run(w);
	finish(w);
	assert_numbered_at(w, 3, 1, 2);
	world_destroy(w);
}

/* After a lost store: its rule is read before it is in the inventory, and looked at again when all
 * that nothing explains is to go. */
static void a_node_that_comes_into_the_inventory_meanwhile_keeps_its_rules(void **state)
{
	struct world *w = sliced_world();

	finish(w);
	for (unsigned i = 1; i <= NODES; i++)
		fake_announces_numbered(w, 3, i);
	world_run(w);
	world_wait(w, 2000);
	lose_the_store_and_n1(w, 3);
	world_add_numbered(w, 1);
	finish(w);
	assert_non_null(fake_rule(w, 3, RULE_LOCAL, numbered_node(1).address));
	world_connect(w, fake_of(w, 1));
	world_connect(w, fake_of(w, 2));
	world_run(w);
	finish(w);
	assert_numbered_at(w, 3, 1, 2);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_element_that_has_all_is_sent_a_barrier_alone),
	cmocka_unit_test(nodes_that_move_before_and_behind_their_turn_are_right_in_the_end),
	cmocka_unit_test(a_node_that_leaves_meanwhile_is_forgotten),
	cmocka_unit_test(a_claim_before_the_end_is_asked_about),
	cmocka_unit_test(a_claim_from_before_a_move_that_it_was_not_told_is_asked_about),
	cmocka_unit_test(who_could_not_be_believed_before_is_not_forgotten_for_old_news),
	cmocka_unit_test(a_node_that_comes_meanwhile_is_where_the_rules_that_were_read_say),
	cmocka_unit_test(a_node_that_comes_into_the_inventory_meanwhile_keeps_its_rules),
	cmocka_unit_test(an_element_that_takes_nothing_is_given_no_more),
	cmocka_unit_test(one_that_takes_nothing_for_long_is_given_up),
};

RUN_QUIETLY(tests)
