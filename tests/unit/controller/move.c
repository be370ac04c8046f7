/* Moves: who is told what and in which order, which claims are believed, tentative moves. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <errno.h>
#include <stdio.h>

#define VM1 "52:54:00:00:00:11"
#define IP1 "10.10.0.11"

static struct world *with_vm1_at(uint32_t fe, uint32_t port)
{
	struct world *w = world_create();

	fake_announces(w, fe, port, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", fe, port, ATTACHMENT_ACTIVE);
	world_wait(w, 2000);
	world_forget_log(w);
	return w;
}

static void a_first_announcement_binds_the_node_everywhere(void **state)
{
	struct world *w = with_vm1_at(2, 3);

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
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);
	unsigned barriers[4] = {0};

	fake_announces(w, 3, 3, VM1, IP1);
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

static void a_move_within_one_element_sends_the_others_nothing(void **state)
{
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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

static void when_the_current_port_is_down_the_claimants_answer_decides_at_once(void **state)
{
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(3, 3);

	fake_port(w, 3, 3)->answers = a_mac(VM1);
	fake_replay(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 500);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

/* --- tentative moves ------------------------------------------------------------------------- */

static void prepare(struct world *w, const char *element, const char *port)
{
	struct reason why = {""};

	assert_int_equal(core_prepare_move(w->core, "vm1", element, port, 0, w->now_ms, &why), 0);
	world_run(w);
}

static void a_prepared_move_sends_traffic_there_and_keeps_the_guard_here(void **state)
{
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	fake_port(w, 3, 3)->answers = a_mac(VM1);
	world_wait(w, 31000);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	assert_int_equal(world_count_events(w, EVENT_REVERTED), 0);
	world_destroy(w);
}

static void the_nodes_announcement_at_the_source_reverts(void **state)
{
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);

	prepare(w, "FE3", "port3");
	fake_port_gone(w, 3, 3);
	world_run(w);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void a_second_move_while_one_is_prepared_is_refused(void **state)
{
	struct world *w = with_vm1_at(2, 2);
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
	struct world *w = with_vm1_at(2, 2);
	struct reason why;

	prepare(w, "FE3", "port3");
	assert_int_equal(core_confirm_move(w->core, "vm1", w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 3, 3);
	assert_int_equal(core_attachment(w->core, "vm1")->moves, 1);
	world_destroy(w);
}

/* --- leaving --------------------------------------------------------------------------------- */

static void a_port_that_comes_back_within_the_grace_changes_nothing(void **state)
{
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

	fake_port_up(w, 2, 2, false);
	world_wait(w, 2100);
	assert_null(core_attachment(w->core, "vm1"));
	assert_bound(w, IP1, 0, 0);
	world_wait(w, 6000); /* its tombstone is kept until every FE has acknowledged */
	assert_int_equal(w->kept_count, 0);
	world_destroy(w);
}

static void a_port_that_is_gone_detaches_its_nodes(void **state)
{
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

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
	struct world *w = with_vm1_at(2, 2);

	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 10000);
	assert_at(w, "vm1", 2, 2, ATTACHMENT_ACTIVE);
	assert_bound(w, IP1, 2, 2);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void detaching_and_removing_take_the_rules_away(void **state)
{
	struct world *w = with_vm1_at(2, 2);
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

static void a_changed_node_is_bound_by_its_new_addresses(void **state)
{
	struct world *w = with_vm1_at(2, 2);
	struct node n = *inventory_node(core_inventory(w->core), "vm1");
	struct reason why;

	n.addresses[0] = an_address("10.10.7.7");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	assert_bound(w, "10.10.7.7", 2, 2);
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
	cmocka_unit_test(a_move_within_one_element_sends_the_others_nothing),
	cmocka_unit_test(an_announcement_at_the_same_place_changes_nothing),
	cmocka_unit_test(a_late_announcement_does_not_move_a_node_back),
	cmocka_unit_test(a_claim_before_the_barrier_reply_is_ambiguous_and_the_probe_decides),
	cmocka_unit_test(when_the_current_port_is_down_the_claimants_answer_decides_at_once),
	cmocka_unit_test(when_both_answer_the_node_stays_and_people_are_told),
	cmocka_unit_test(when_none_answers_the_node_stays),
	cmocka_unit_test(when_none_answers_and_only_the_claimants_port_is_up_it_gets_the_node),
	cmocka_unit_test(old_news_from_a_slow_link_is_undone_by_asking_the_place_that_was_left),
	cmocka_unit_test(two_machines_with_one_address_do_not_make_it_move_forever),
	cmocka_unit_test(five_ambiguous_claims_are_flapping_and_the_next_are_not_heard),
	cmocka_unit_test(a_replayed_announcement_moves_nothing_by_itself),
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
	cmocka_unit_test(a_port_that_comes_back_within_the_grace_changes_nothing),
	cmocka_unit_test(a_port_that_stays_down_detaches_its_nodes),
	cmocka_unit_test(a_port_that_is_gone_detaches_its_nodes),
	cmocka_unit_test(a_node_whose_port_is_down_may_announce_itself_elsewhere_at_once),
	cmocka_unit_test(a_silent_node_is_detached_if_it_is_the_binding_that_is_meant),
	cmocka_unit_test(a_lost_session_detaches_nobody),
	cmocka_unit_test(detaching_and_removing_take_the_rules_away),
	cmocka_unit_test(a_changed_node_is_bound_by_its_new_addresses),
	cmocka_unit_test(after_many_random_events_every_element_has_its_intent),
};

RUN_QUIETLY(tests)
