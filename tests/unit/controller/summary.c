/* An FE that says sums of what it has is read only where these differ from what it should have;
 * whatever happens meanwhile, it is right in the end. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#define NODES 100
#define OTHERS 50 /* rules that are no node's, at most */

static size_t takes_all(void *context, const struct session *s)
{
	return 0;
}

static struct rule *rule_of(struct world *w, uint32_t fe, enum rule_kind kind, unsigned i)
{
	struct rule_key key = {.kind = (uint8_t)kind};

	key.address = an_address(numbered_node(i).address);
	return table_get(&fake_of(w, fe)->rules, &key);
}

static void add_nodes(struct world *w)
{
	for (unsigned i = 1; i <= NODES; i++)
		world_add_numbered(w, i);
}

/* All nodes are at FE2, and all FEs say sums. */
static struct world *a_world(void)
{
	struct world *w = world_create();

	add_nodes(w);
	for (unsigned i = 1; i <= NODES; i++)
		fake_announces_numbered(w, 2, i);
	world_run(w);
	world_wait(w, 2000);
	for (unsigned i = 0; i < w->fake_count; i++)
		w->fakes[i].says_sums = true;
	return w;
}

static void forget_told(struct world *w)
{
	world_forget_log(w);
	for (unsigned i = 0; i < w->fake_count; i++)
		w->fakes[i].rules_told = 0;
}

static void connect_all(struct world *w)
{
	for (uint32_t fe = 1; fe <= 3; fe++)
		world_connect(w, fake_of(w, fe));
	world_run(w);
}

static void restart(struct world *w)
{
	world_restart(w, 2, true);
	add_nodes(w);
	forget_told(w);
}

static void what_agrees_is_neither_read_nor_sent(void **state)
{
	struct world *w = a_world();

	restart(w);
	connect_all(w);
	assert_int_equal(world_flow_mods(w), 0);
	/* What is no node's. */
	assert_in_range(w->fakes[0].rules_told, 1, OTHERS);
	assert_in_range(w->fakes[1].rules_told, 1, OTHERS);
	assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 3);
	assert_numbered_at(w, 2, 1, NODES + 1);
	world_destroy(w);
}

static void the_count_of_rules_is_what_it_has(void **state)
{
	struct world *w = a_world();

	restart(w);
	connect_all(w);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->core->elements[i]->rule_count, w->fakes[i].rules.count);
	world_destroy(w);
}

/* Behind the controller's back: one rule is lost, one says something else, one is too many. */
static void what_was_tampered_with_is_put_right_and_nothing_else_is_sent(void **state)
{
	struct world *w = a_world();
	struct rule *foreign = rule_of(w, 1, RULE_FOREIGN, 7), extra = *foreign;

	restart(w);
	foreign->fe = 3;
	(void)table_remove(&w->fakes[0].rules, &rule_of(w, 1, RULE_FOREIGN, 8)->key);
	rule_of(w, 2, RULE_LOCAL, 9)->port = 3;
	extra.key.address = an_address("10.10.1.250");
	*(struct rule *)table_put(&w->fakes[2].rules, &extra.key, NULL) = extra;
	forget_told(w);
	connect_all(w);
	world_wait(w, 6000);
	assert_int_equal(w->fakes[0].rules_told < NODES, true);
	assert_int_equal(world_flow_mods(w), 4);
	assert_numbered_at(w, 2, 1, NODES + 1);
	assert_null(table_get(&w->fakes[2].rules, &extra.key));
	world_destroy(w);
}

/* P2: the FE knows of a move that the store does not. */
static void a_rule_that_is_later_than_the_store_is_adopted(void **state)
{
	struct world *w = a_world();

	restart(w);
	for (uint32_t fe = 1; fe <= 3; fe += 2) {
		struct rule *foreign = rule_of(w, fe, RULE_FOREIGN, 5);
		struct rule local = *rule_of(w, 2, RULE_LOCAL, 5);
		struct version later = version_from_cookie(local.cookie);

		later.sequence += 1000;
		local.cookie = foreign->cookie = version_to_cookie(later);
		foreign->fe = 3;
		if (fe == 3)
			*(struct rule *)table_put(&w->fakes[2].rules, &local.key, NULL) = local;
	}
	(void)table_remove(&w->fakes[2].rules, &rule_of(w, 3, RULE_FOREIGN, 5)->key);
	connect_all(w);
	world_wait(w, 1000);
	assert_int_equal(core_attachment(w->core, "n5")->place.fe, 3);
	assert_numbered_at(w, 2, 6, NODES + 1);
	world_destroy(w);
}

static void a_controller_that_lost_its_store_reads_the_rules(void **state)
{
	struct world *w = a_world();

	world_restart(w, 1, false);
	add_nodes(w);
	forget_told(w);
	connect_all(w);
	world_wait(w, 6000);
	assert_int_equal(world_flow_mods(w), 0);
	assert_numbered_at(w, 2, 1, NODES + 1);
	world_destroy(w);
}

static void an_older_element_is_read_whole(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].says_sums = false;
	connect_all(w);
	assert_in_range(w->fakes[0].rules_told, NODES, NODES + OTHERS);
	assert_in_range(w->fakes[1].rules_told, 1, OTHERS);
	assert_int_equal(world_flow_mods(w), 0);
	assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 3);
	world_destroy(w);
}

static void an_element_that_has_lost_all_is_sent_all(void **state)
{
	struct world *w = a_world();

	restart(w);
	table_clear(&w->fakes[2].rules);
	connect_all(w);
	world_wait(w, 1000);
	assert_numbered_at(w, 2, 1, NODES + 1);
	world_destroy(w);
}

/* FE1 answers late: what moves meanwhile is not told to it before it is read. */
static void nodes_that_move_while_sums_are_on_their_way_are_right_in_the_end(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].sums_wait = true;
	connect_all(w);
	for (unsigned i = 1; i <= 10; i++)
		fake_announces_numbered(w, 3, i);
	world_run(w);
	assert_int_equal(w->fakes[0].flow_mods, 0);
	fake_says_sums(w, 1);
	world_wait(w, 3000);
	assert_numbered_at(w, 3, 1, 11);
	assert_numbered_at(w, 2, 11, NODES + 1);
	assert_int_equal(w->fakes[0].flow_mods, 10);
	assert_in_range(w->fakes[0].rules_told, 10, NODES + OTHERS);
	world_destroy(w);
}

/* One survey serves all three; then the world changes while FE1 waits, and FE3 leaves. */
static void who_waits_for_anothers_survey_is_not_left_waiting(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->core->config.slice = 3;
	w->core->shell.unsent = takes_all;
	connect_all(w);
	assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 0);
	for (unsigned i = 0; i < 1000 && core_is_comparing(w->core); i++) {
		(void)core_compare(w->core);
		world_run(w);
	}
	world_wait(w, 1000);
	assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 3);
	assert_int_equal(world_flow_mods(w), 0);
	restart(w);
	w->core->config.slice = 3;
	w->core->shell.unsent = takes_all;
	connect_all(w);
	memset(&w->core->elements[1]->backplane, 0, sizeof(w->core->elements[1]->backplane));
	world_disconnect(w, fake_of(w, 3));
	world_connect(w, fake_of(w, 3));
	world_run(w);
	world_disconnect(w, fake_of(w, 3));
	for (unsigned i = 0; i < 1000; i++) {
		(void)core_compare(w->core);
		world_wait(w, 10);
	}
	assert_int_equal(w->core->elements[0]->synced, true);
	world_destroy(w);
}

/* The same after what was in question has been asked for. */
static void nodes_that_move_while_rules_are_read_are_read_as_well(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].sums_wait = true;
	connect_all(w);
	rule_of(w, 1, RULE_FOREIGN, 50)->fe = 3;
	fake_of(w, 1)->mute = true;
	fake_says_sums(w, 1);
	fake_of(w, 1)->mute = false;
	for (unsigned i = 1; i <= 10; i++)
		fake_announces_numbered(w, 3, i);
	world_run(w);
	world_wait(w, 3000);
	assert_numbered_at(w, 3, 1, 11);
	assert_numbered_at(w, 2, 11, NODES + 1);
	for (unsigned i = 0; i < w->fake_count; i++)
		assert_int_equal(w->fakes[i].errors, 0);
	world_destroy(w);
}

static void a_node_that_is_removed_meanwhile_is_gone_everywhere(void **state)
{
	struct world *w = a_world();
	struct reason why;

	restart(w);
	w->fakes[0].sums_wait = true;
	connect_all(w);
	assert_int_equal(core_remove_node(w->core, "n3", w->now_ms, &why), 0);
	world_run(w);
	w->fakes[0].sums_wait = false; /* once more, when learning is over */
	fake_says_sums(w, 1);
	world_wait(w, 3000);
	assert_null(rule_of(w, 1, RULE_FOREIGN, 3));
	assert_null(rule_of(w, 2, RULE_LOCAL, 3));
	assert_numbered_at(w, 2, 4, NODES + 1);
	world_destroy(w);
}

/* An FE got another backplane address, or has none any more: many rules are others at once. */
static void sums_of_another_world_do_not_count(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].sums_wait = true;
	w->fakes[2].sums_wait = true;
	world_connect(w, fake_of(w, 1));
	world_connect(w, fake_of(w, 3));
	world_run(w);
	fake_says_sums(w, 3);
	memset(&w->core->elements[1]->backplane, 0, sizeof(w->core->elements[1]->backplane));
	fake_says_sums(w, 1);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	w->fakes[0].sums_wait = w->fakes[2].sums_wait = false;
	world_wait(w, 11000);
	for (uint32_t fe = 1; fe <= 3; fe++)
		if (!fake_of(w, fe)->session)
			world_connect(w, fake_of(w, fe));
	world_run(w);
	world_wait(w, 2000);
	assert_numbered_at(w, 2, 1, NODES + 1);
	world_destroy(w);
}

static void a_wrong_number_of_sums_ends_the_connection_or_is_refused(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].sums_wait = true;
	connect_all(w);
	w->fakes[0].asked_sums.bits++;
	fake_says_sums(w, 1);
	assert_int_equal(w->core->elements[0]->synced, false);
	assert_int_equal(w->core->elements[1]->synced, true);
	world_destroy(w);
}

/* Nothing else is hurt by one that says what is not so. */
static void a_liar_keeps_itself_from_being_corrected_and_nobody_else(void **state)
{
	struct world *w = a_world();
	struct rule *foreign = rule_of(w, 1, RULE_FOREIGN, 7);

	restart(w);
	w->fakes[0].sums_wait = true;
	connect_all(w);
	fake_says_sums(w, 1); /* of what it had */
	foreign->fe = 3;
	world_wait(w, 1000);
	assert_int_equal(foreign->fe, 3);
	fake_announces_numbered(w, 3, 7);
	world_run(w);
	world_wait(w, 1000);
	assert_numbered_at(w, 3, 7, 8);
	assert_numbered_at(w, 2, 8, NODES + 1);
	world_destroy(w);
}

/* Who is read may not be told of more rules than there can be, or others had to wait for it. */
static void nobody_waits_for_one_that_says_it_has_more_rules_than_there_are_nodes(void **state)
{
	struct world *w = a_world();

	restart(w);
	w->fakes[0].sums_lie = true;
	rule_of(w, 2, RULE_LOCAL, 9)->port = 3;
	world_connect(w, fake_of(w, 1));
	world_run(w);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_int_equal(w->core->elements[0]->synced, false);
	assert_int_equal(w->core->elements[1]->synced, true);
	assert_int_equal(rule_of(w, 2, RULE_LOCAL, 9)->port, 2);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_agrees_is_neither_read_nor_sent),
	cmocka_unit_test(the_count_of_rules_is_what_it_has),
	cmocka_unit_test(what_was_tampered_with_is_put_right_and_nothing_else_is_sent),
	cmocka_unit_test(a_rule_that_is_later_than_the_store_is_adopted),
	cmocka_unit_test(a_controller_that_lost_its_store_reads_the_rules),
	cmocka_unit_test(an_older_element_is_read_whole),
	cmocka_unit_test(an_element_that_has_lost_all_is_sent_all),
	cmocka_unit_test(nodes_that_move_while_sums_are_on_their_way_are_right_in_the_end),
	cmocka_unit_test(who_waits_for_anothers_survey_is_not_left_waiting),
	cmocka_unit_test(nodes_that_move_while_rules_are_read_are_read_as_well),
	cmocka_unit_test(a_node_that_is_removed_meanwhile_is_gone_everywhere),
	cmocka_unit_test(sums_of_another_world_do_not_count),
	cmocka_unit_test(a_wrong_number_of_sums_ends_the_connection_or_is_refused),
	cmocka_unit_test(a_liar_keeps_itself_from_being_corrected_and_nobody_else),
	cmocka_unit_test(nobody_waits_for_one_that_says_it_has_more_rules_than_there_are_nodes),
};

RUN_QUIETLY(tests)
