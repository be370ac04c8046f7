/* What a controller believes that lost its store, or part of it, in the middle of moves.  Most of
 * this was found by victor-sim (docs/simulator.md). */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <stdio.h>

#define VM1 "52:54:00:00:00:11"
#define IP1 "10.10.0.11"

static void put_local(struct world *w, uint32_t fe, uint32_t port, uint16_t term, uint64_t sequence)
{
	struct rule rule = {.key = {.kind = RULE_LOCAL, .address = an_address(IP1)},
			    .cookie = version_to_cookie(
				    (struct version){1, term, sequence & VERSION_SEQUENCE_MAX}),
			    .port = port,
			    .mac = a_mac(VM1),
			    .gateway_mac = w->config.gateway_mac};

	*(struct rule *)table_put(&fake_of(w, fe)->rules, &rule.key, NULL) = rule;
}

static void put_foreign(struct world *w, uint32_t fe, uint32_t to, uint16_t term, uint64_t sequence)
{
	struct rule rule = {.key = {.kind = RULE_FOREIGN, .address = an_address(IP1)},
			    .cookie = version_to_cookie(
				    (struct version){1, term, sequence & VERSION_SEQUENCE_MAX}),
			    .fe = to};

	*(struct rule *)table_put(&fake_of(w, fe)->rules, &rule.key, NULL) = rule;
}

/* An answer to the gateway. */
static void an_answer(struct world *w, uint32_t fe, uint32_t port)
{
	struct address gateway = an_address("10.10.0.1"), address = an_address(IP1);
	struct mac mac = a_mac(VM1);
	struct buffer frame = {0};

	buffer_add_bytes(&frame, w->config.gateway_mac.bytes, 6);
	buffer_add_bytes(&frame, mac.bytes, 6);
	write_u16(&frame, 0x0806);
	write_u16(&frame, 1);
	write_u16(&frame, 0x0800);
	write_u16(&frame, 0x0604);
	write_u16(&frame, 2);
	buffer_add_bytes(&frame, mac.bytes, 6);
	buffer_add_bytes(&frame, address_ipv4(&address), 4);
	buffer_add_bytes(&frame, w->config.gateway_mac.bytes, 6);
	buffer_add_bytes(&frame, address_ipv4(&gateway), 4);
	fake_frame(w, fe, port, &frame);
	buffer_finish(&frame);
}

static void connect(struct world *w, uint32_t fe)
{
	world_connect(w, fake_of(w, fe));
	world_run(w);
}

/* A world whose controller has lost everything but the inventory, and knows of no FE yet. */
static struct world *a_lost_store(void)
{
	struct world *w = world_create();

	world_restart(w, 1, false);
	return w;
}

static void what_an_element_kept_does_not_confirm_what_is_only_learnt(void **state)
{
	struct world *w = a_lost_store();

	put_local(w, 2, 2, 3, 5);
	put_local(w, 3, 3, 4, 1); /* it moved there while FE2 was away */
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_connect(w, fake_of(w, 2));
	fake_replay(w, 2, 2, VM1, IP1); /* from before that */
	world_run(w);
	connect(w, 3);
	connect(w, 1);
	world_wait(w, 1000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void a_later_table_does_not_end_the_questions(void **state)
{
	struct world *w = a_lost_store();

	put_local(w, 2, 2, 3, 5);
	put_local(w, 3, 3, 4, 1);
	connect(w, 2);
	fake_port(w, 1, 2)->answers = a_mac(VM1); /* where it is now */
	world_connect(w, fake_of(w, 1));
	fake_replay(w, 1, 2, VM1, IP1);
	world_run(w);
	connect(w, 3);
	world_wait(w, 2000);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

static void a_node_deregistered_before_its_element_is_back_stays_so(void **state)
{
	struct world *w = a_lost_store();
	struct reason why;

	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_add_node(w, "vm1", VM1, IP1);
	put_local(w, 2, 2, 3, 5); /* of a later term than ours */
	connect(w, 2);
	connect(w, 1);
	connect(w, 3);
	world_wait(w, 1000);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_destroy(w);
}

static void a_tombstone_of_a_node_that_was_nowhere_is_kept(void **state)
{
	struct world *w = a_lost_store();
	struct reason why;

	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_restart(w, 2, true);
	world_add_node(w, "vm1", VM1, IP1);
	put_local(w, 2, 2, 1, 1);
	connect(w, 2);
	connect(w, 1);
	connect(w, 3);
	world_wait(w, 1000);
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

/* The last place was not written yet: what it would have replaced is still in the store. */
static void a_tombstone_whose_successor_is_lost_outweighs_an_element_that_was_away(void **state)
{
	struct rule_key key = {.kind = RULE_FOREIGN, .address = an_address(IP1)};
	struct world *w = a_lost_store();
	struct reason why;

	put_local(w, 1, 1, 1, 9);
	connect(w, 1);
	connect(w, 3);
	assert_int_equal(core_remove_node(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	world_restart(w, 3, true);
	world_add_node(w, "vm1", VM1, IP1);
	put_local(w, 2, 2, 1, 6); /* from before all that */
	put_local(w, 3, 3, 2, 9); /* it was put again, and came here */
	connect(w, 1);
	connect(w, 2);
	assert_null(core_attachment(w->core, "vm1"));
	assert_null(table_get(&fake_of(w, 1)->rules, &key));
	connect(w, 3);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void rules_of_a_node_that_comes_into_the_inventory_later_are_learnt_first(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	put_local(w, 3, 3, 3, 5);
	put_foreign(w, 1, 2, 3, 2); /* it was not told of the move from FE2 to FE3 */
	connect(w, 3);
	world_add_node(w, "vm1", VM1, IP1);
	world_run(w);
	connect(w, 1);
	connect(w, 2);
	world_wait(w, 1000);
	assert_int_equal(version_from_cookie(fake_rule(w, 3, RULE_LOCAL, IP1)->cookie).sequence, 5);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void a_node_that_came_back_while_it_was_asked_stays(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_replay(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	fake_port(w, 3, 3)->answers = (struct mac){0};
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void a_claimant_whose_connection_breaks_is_asked_when_it_is_back(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	fake_replay(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	world_disconnect(w, fake_of(w, 3));
	world_wait(w, 1500);
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	connect(w, 3);
	world_wait(w, 1000);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void the_last_of_many_claimants_is_not_forgotten(void **state)
{
	static const struct {
		uint32_t fe, port;
	} claims[] = {{1, 2}, {1, 3}, {2, 3}, {3, 2}, {3, 3}};
	struct world *w = world_create();

	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 2000);
	for (unsigned i = 0; i < ARRAY_SIZE(claims); i++)
		fake_replay(w, claims[i].fe, claims[i].port, VM1, IP1);
	world_run(w);
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_wait(w, 2000);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

/* What FE1 heard before that was longer on its way. */
static void a_claimant_is_asked_again_when_another_place_gets_the_node(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port(w, 3, 3)->answers = a_mac(VM1); /* where it is now */
	fake_replay(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 1000);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

/* FE3 had not replied to the barrier behind what it was told of the node. */
static void who_answers_too_early_is_waited_for(void **state)
{
	struct world *w = world_with_vm1_at(1, 2);

	fake_of(w, 3)->deaf = true;
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	world_wait(w, 400);
	an_answer(w, 3, 3); /* to the second question */
	world_run(w);
	fake_of(w, 3)->deaf = false;
	world_run(w);
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_wait(w, 1000);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

/* Its answer is on its way when it moves within FE2, and FE1 need not be told of that. */
static void an_answer_from_before_a_move_within_one_element_is_undone(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port(w, 1, 3)->answers = a_mac(VM1); /* where it was between */
	fake_replay(w, 1, 3, VM1, IP1);
	fake_of(w, 1)->deaf = true;
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	fake_of(w, 1)->deaf = false;
	fake_of(w, 1)->mute = true;
	world_run(w);
	fake_port(w, 1, 3)->answers = (struct mac){0};
	fake_port(w, 2, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	fake_of(w, 1)->mute = false;
	world_run(w);
	world_wait(w, 1000);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 3);
	world_destroy(w);
}

/* FE2's connection broke: it was not told that the node left, nor heard that it is back. */
static void a_node_that_is_back_where_its_element_still_has_it_is_asked(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	world_disconnect(w, fake_of(w, 2));
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	world_wait(w, 2000);
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	connect(w, 2);
	world_wait(w, 1000);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void nor_does_that_question_undo_a_move_that_is_prepared(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	struct reason why;

	world_disconnect(w, fake_of(w, 2));
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE3", "port3", 0, w->now_ms, &why), 0);
	connect(w, 2);
	world_wait(w, 1000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PREPARED);
	world_destroy(w);
}

/* FE1 says that it is at FE2, which does not know it; FE3 heard it while there was no controller.
 */
static struct world *claimed_where_it_is_not_known(void)
{
	struct world *w = a_lost_store();

	put_foreign(w, 1, 2, 3, 5);
	connect(w, 1);
	connect(w, 3);
	fake_replay(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 0, ATTACHMENT_PROBING);
	connect(w, 2);
	world_wait(w, 10);
	assert_false(w->core->learning);
	return w;
}

static void whose_element_does_not_know_it_stays_until_the_claimant_has_answered(void **state)
{
	struct world *w = claimed_where_it_is_not_known();

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_wait(w, 1000);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void and_is_nowhere_if_nobody_answers(void **state)
{
	struct world *w = claimed_where_it_is_not_known();

	world_wait(w, 1000);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_an_element_kept_does_not_confirm_what_is_only_learnt),
	cmocka_unit_test(a_later_table_does_not_end_the_questions),
	cmocka_unit_test(a_node_deregistered_before_its_element_is_back_stays_so),
	cmocka_unit_test(a_tombstone_of_a_node_that_was_nowhere_is_kept),
	cmocka_unit_test(a_tombstone_whose_successor_is_lost_outweighs_an_element_that_was_away),
	cmocka_unit_test(rules_of_a_node_that_comes_into_the_inventory_later_are_learnt_first),
	cmocka_unit_test(a_node_that_came_back_while_it_was_asked_stays),
	cmocka_unit_test(a_claimant_whose_connection_breaks_is_asked_when_it_is_back),
	cmocka_unit_test(the_last_of_many_claimants_is_not_forgotten),
	cmocka_unit_test(a_claimant_is_asked_again_when_another_place_gets_the_node),
	cmocka_unit_test(who_answers_too_early_is_waited_for),
	cmocka_unit_test(an_answer_from_before_a_move_within_one_element_is_undone),
	cmocka_unit_test(a_node_that_is_back_where_its_element_still_has_it_is_asked),
	cmocka_unit_test(nor_does_that_question_undo_a_move_that_is_prepared),
	cmocka_unit_test(whose_element_does_not_know_it_stays_until_the_claimant_has_answered),
	cmocka_unit_test(and_is_nowhere_if_nobody_answers),
};

RUN_QUIETLY(tests)
