/* Moves: who is told what and in which order, which claims are believed. */
#include "fake_element.h"
#include "main.h"

#include "controller/element.h"

#include <errno.h>
#include <stdio.h>

static void a_first_announcement_binds_the_node_everywhere(void **state)
{
	struct world *w = world_with_vm1_at(2, 3);

	assert_bound(w, IP1, 2, 3);
	assert_int_equal(world_count_events(w, EVENT_ATTACHED), 1);
	assert_int_equal(w->kept_count, 1);
	assert_int_equal(w->kept[0].version.term, 1);
	assert_int_equal(w->kept[0].version.shard, 1);
	world_destroy(w);
}

static int first_at(const struct world *w, uint32_t fe)
{
	for (unsigned i = 0; i < w->log_count; i++)
		if (w->log[i].fe == fe)
			return (int)i;
	return -1;
}

/* The wire's order is that of the flushes; the fakes note what they read FE by FE, so they read one
 * at a time here. */
static void a_node_that_moves_is_bound_at_the_new_element_first(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	uint64_t before = w->kept[0].version.sequence;

	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(w->kept[0].version.sequence, before + 1);
	assert_int_equal(w->kept[0].moves, 1);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 1);
	world_destroy(w);
}

static uint32_t flushed[16];
static unsigned flushed_count;

/* Which FEs have something waiting, in the order in which it was flushed to them. */
static void note_flush_order(struct world *w)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		if (w->fakes[i].inbox.size && flushed_count < 16) {
			bool known = false;

			for (unsigned j = 0; j < flushed_count; j++)
				known |= flushed[j] == w->fakes[i].id;
			if (!known)
				flushed[flushed_count++] = w->fakes[i].id;
		}
}

static void (*real_flush)(void *context, struct session *s);

static void noting_flush(void *context, struct session *s)
{
	real_flush(context, s);
	note_flush_order(context);
}

static void the_new_element_is_told_first_then_the_old_then_borders_then_the_rest(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	static const uint32_t expected[] = {3, 2, 1};

	flushed_count = 0;
	real_flush = w->core->shell.flush;
	w->core->shell.flush = noting_flush;
	for (unsigned i = 0; i < w->fake_count; i++)
		w->fakes[i].deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_int_equal(flushed_count, 3);
	assert_memory_equal(flushed, expected, sizeof(expected));
	world_destroy(w);
}

static void the_old_element_gets_the_foreign_rule_before_it_loses_the_local_one(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	int at;

	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	at = first_at(w, 2);
	assert_true(at >= 0);
	assert_int_equal(w->log[at].what, LOG_PUT);
	assert_int_equal(w->log[at].rule.key.kind, RULE_FOREIGN);
	assert_int_equal(w->log[at].rule.fe, 3);
	assert_int_equal(fake_of(w, 2)->flow_mods, 3);
	assert_int_equal(fake_of(w, 1)->flow_mods, 1);
	world_destroy(w);
}

static void each_element_is_sent_one_barrier_behind_its_rules(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	unsigned barriers[4] = {0};

	w->holds_barriers = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < w->log_count; i++)
		assert_false(w->log[i].fe == 1 && w->log[i].what == LOG_BARRIER);
	assert_true(core_owes_barriers(w->core));
	core_send_barriers(w->core); /* FE 1 has no part in it: its barrier is not in the way */
	assert_false(core_owes_barriers(w->core));
	world_run(w);
	for (unsigned i = 0; i < w->log_count; i++)
		if (w->log[i].what == LOG_BARRIER)
			barriers[w->log[i].fe]++;
		else if (w->log[i].what != LOG_PACKET_OUT)
			assert_int_equal(barriers[w->log[i].fe], 0);
	assert_int_equal(barriers[1], 1);
	assert_int_equal(barriers[2], 1);
	assert_int_equal(barriers[3], 1);
	world_destroy(w);
}

static void where_many_elements_are_told_each_is_written_to_once(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	unsigned owing = 0;

	for (uint32_t id = 1000; id < 1000 + FEW_ELEMENTS; id++)
		assert_non_null(element_obtain(w->core, id));
	w->holds_barriers = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < w->fake_count; i++)
		owing += core_end_with_barrier(w->fakes[i].session);
	assert_int_equal(owing, 1); /* the others have had theirs with their own rules */
	core_send_barriers(w->core);
	world_run(w);
	owing = 0;
	for (unsigned i = 0; i < w->log_count; i++)
		owing += w->log[i].fe == 1 && w->log[i].what == LOG_BARRIER;
	assert_int_equal(owing, 1);
	world_destroy(w);
}

static void where_few_are_the_barrier_comes_later(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	w->holds_barriers = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < w->fake_count; i++)
		assert_false(core_end_with_barrier(w->fakes[i].session));
	assert_true(core_owes_barriers(w->core));
	world_destroy(w);
}

static void a_move_within_one_element_sends_the_others_nothing(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	uint64_t foreign = fake_rule(w, 1, RULE_FOREIGN, IP1)->cookie;

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 3);
	assert_int_equal(fake_of(w, 1)->flow_mods, 0);
	assert_int_equal(fake_of(w, 3)->flow_mods, 0);
	assert_true(fake_of(w, 2)->flow_mods > 0);
	assert_int_equal(fake_rule(w, 1, RULE_FOREIGN, IP1)->cookie, foreign);
	assert_true(fake_rule(w, 2, RULE_LOCAL, IP1)->cookie > foreign);
	world_destroy(w);
}

static void an_announcement_at_the_same_place_changes_nothing(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	w->now_ms += 500;
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_int_equal(world_flow_mods(w), 0);
	assert_int_equal(core_attachment(w->core, "vm1")->heard_ms, w->now_ms);
	world_destroy(w);
}

/* FE2's link is slow: its claim was made before it heard that the node is at FE3. */
static void a_late_announcement_does_not_move_a_node_back(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PROBING);
	fake_of(w, 2)->deaf = false;
	world_wait(w, 500);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 1);
	world_destroy(w);
}

static void a_claim_before_the_barrier_reply_is_ambiguous_and_the_probe_decides(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	/* It is really back at FE2. */
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PROBING);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 1);
	fake_of(w, 2)->deaf = false;
	world_wait(w, 200);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void a_question_to_an_element_goes_behind_the_barrier_that_it_is_owed(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	w->holds_barriers = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_forget_log(w);
	/* FE 1 was told, and is owed the barrier: what it hears may be older. */
	fake_port(w, 1, 2)->answers = a_mac(VM1);
	fake_announces(w, 1, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PROBING);
	for (unsigned i = 0; i < w->log_count && w->log[i].what != LOG_BARRIER; i++)
		assert_false(w->log[i].fe == 1 && w->log[i].what == LOG_PACKET_OUT);
	world_wait(w, 200);
	assert_at(w, "vm1", 1, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 1, 2);
	world_destroy(w);
}

static void when_the_current_port_is_down_the_claimants_answer_decides_at_once(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	fake_port_up(w, 3, 3, false);
	fake_port(w, 2, 2)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PROBING);
	fake_of(w, 2)->deaf = false;
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void when_both_answer_the_node_stays_and_people_are_told(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	fake_port(w, 2, 2)->answers = fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_of(w, 2)->deaf = false;
	world_wait(w, 500);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_non_null(strstr(world_last_event(w, EVENT_AMBIGUOUS)->text, "two machines"));
	world_destroy(w);
}

static void when_none_answers_the_node_stays(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_of(w, 2)->deaf = false;
	world_wait(w, 590); /* asked twice */
	assert_at(w, "vm1", 3, 3, ATTACHMENT_PROBING);
	world_wait(w, 50);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void when_none_answers_and_only_the_claimants_port_is_up_it_gets_the_node(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_port_up(w, 3, 3, false);
	fake_of(w, 2)->deaf = false;
	world_wait(w, 700);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

/* A to B and back, FE3's announcement slow: it arrives last, though fresh by the barrier rule. */
static void old_news_from_a_slow_link_is_undone_by_asking_the_place_that_was_left(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port(w, 2, 2)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 100);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void two_machines_with_one_address_do_not_make_it_move_forever(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	fake_port(w, 2, 2)->answers = fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w); /* ends: world_run asserts it */
	world_wait(w, 1000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 2);
	world_destroy(w);
}

static void five_ambiguous_claims_are_flapping_and_the_next_are_not_heard(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);
	unsigned probes = 0;

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_of(w, 2)->deaf = true;
	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < 8; i++) {
		fake_announces(w, 2, 2, VM1, IP1);
		world_run(w);
		world_wait(w, 310);
	}
	for (unsigned i = 0; i < w->log_count; i++)
		probes += w->log[i].what == LOG_PACKET_OUT && w->log[i].fe == 3;
	assert_int_equal(probes, 4);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_non_null(strstr(world_last_event(w, EVENT_AMBIGUOUS)->text, "flapping"));
	world_destroy(w);
}

static void a_replayed_announcement_moves_nothing_by_itself(void **state)
{
	struct world *w = world_with_vm1_at(3, 3);

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_replay(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 500);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

/* Any order of events ends with FEs that have what the attachments say. */
static void after_many_random_events_every_element_has_its_intent(void **state)
{
	struct world *w = world_create();
	static const char *const macs[] = {VM1, "52:54:00:00:00:12"};
	static const char *const addresses[] = {IP1, "10.10.0.12"};
	static const char *const names[] = {"vm1", "vm2"};
	struct reason why;
	int result = 0;

	srand(11);
	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = (unsigned)rand() % 2;
		uint32_t fe = (uint32_t)rand() % 3 + 1, port = (uint32_t)rand() % 2 + 2;
		char name[8];

		w->event_count = 0;
		w->log_count = 0;
		switch (rand() % 9) {
		case 0:
		case 1:
		case 2:
			fake_announces(w, fe, port, macs[n], addresses[n]);
			break;
		case 3:
			snprintf(name, sizeof(name), "FE%u", fe);
			result = core_prepare_move(w->core, names[n], name, "port2", 0, w->now_ms,
						   &why);
			break;
		case 4:
			result = core_revert_move(w->core, names[n], w->now_ms, &why);
			break;
		case 5:
			fake_port_up(w, fe, port, rand() % 2);
			break;
		case 6:
			fake_of(w, fe)->deaf = rand() % 2;
			break;
		case 7:
			fake_of(w, fe)->mute = rand() % 2;
			break;
		default:
			world_wait(w, (unsigned)rand() % 100);
		}
		if (rand() % 2)
			world_run(w);
	}
	for (unsigned i = 0; i < w->fake_count; i++) {
		w->fakes[i].deaf = w->fakes[i].mute = false;
		fake_port_up(w, w->fakes[i].id, 2, true);
		fake_port_up(w, w->fakes[i].id, 3, true);
	}
	world_run(w);
	for (unsigned i = 0; i < 400; i++) {
		w->event_count = w->log_count = 0;
		world_wait(w, 100);
	}
	for (unsigned n = 0; n < 2; n++) {
		const struct attachment *a = core_attachment(w->core, names[n]);

		assert_true(result <= 0);
		assert_bound(w, addresses[n], a ? a->place.fe : 0, a ? a->place.port : 0);
	}
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_first_announcement_binds_the_node_everywhere),
	cmocka_unit_test(a_node_that_moves_is_bound_at_the_new_element_first),
	cmocka_unit_test(the_new_element_is_told_first_then_the_old_then_borders_then_the_rest),
	cmocka_unit_test(the_old_element_gets_the_foreign_rule_before_it_loses_the_local_one),
	cmocka_unit_test(each_element_is_sent_one_barrier_behind_its_rules),
	cmocka_unit_test(where_many_elements_are_told_each_is_written_to_once),
	cmocka_unit_test(where_few_are_the_barrier_comes_later),
	cmocka_unit_test(a_move_within_one_element_sends_the_others_nothing),
	cmocka_unit_test(an_announcement_at_the_same_place_changes_nothing),
	cmocka_unit_test(a_late_announcement_does_not_move_a_node_back),
	cmocka_unit_test(a_claim_before_the_barrier_reply_is_ambiguous_and_the_probe_decides),
	cmocka_unit_test(a_question_to_an_element_goes_behind_the_barrier_that_it_is_owed),
	cmocka_unit_test(when_the_current_port_is_down_the_claimants_answer_decides_at_once),
	cmocka_unit_test(when_both_answer_the_node_stays_and_people_are_told),
	cmocka_unit_test(when_none_answers_the_node_stays),
	cmocka_unit_test(when_none_answers_and_only_the_claimants_port_is_up_it_gets_the_node),
	cmocka_unit_test(old_news_from_a_slow_link_is_undone_by_asking_the_place_that_was_left),
	cmocka_unit_test(two_machines_with_one_address_do_not_make_it_move_forever),
	cmocka_unit_test(five_ambiguous_claims_are_flapping_and_the_next_are_not_heard),
	cmocka_unit_test(a_replayed_announcement_moves_nothing_by_itself),
	cmocka_unit_test(after_many_random_events_every_element_has_its_intent),
};

RUN_QUIETLY(tests)
