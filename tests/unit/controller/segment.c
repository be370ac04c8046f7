/* Segments that several FEs share: who is designated, what the others hold, who takes over. */
#include "controller/segment.h"

#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <stdio.h>

#define SEGMENT 7
#define PORT 2 /* of FE2 and FE3, and later of FE1, on the segment */
#define NODES 120

static const char *node_mac(unsigned i)
{
	static char text[32];

	snprintf(text, sizeof(text), "52:54:00:00:01:%02x", i);
	return text;
}

static const char *node_address(unsigned i)
{
	static char text[32];

	snprintf(text, sizeof(text), "10.10.1.%u", i);
	return text;
}

static const char *node_name(unsigned i)
{
	static char text[32];

	snprintf(text, sizeof(text), "node%u", i);
	return text;
}

static void plug(struct world *w, uint32_t fe, bool up)
{
	fake_port(w, fe, PORT)->segment = SEGMENT;
	fake_port_up(w, fe, PORT, up);
	world_run(w);
}

/* FE2 and FE3 share the segment, and 'count' nodes are on it. */
static struct world *a_shared_segment(unsigned count)
{
	struct world *w = world_create();

	plug(w, 2, true);
	plug(w, 3, true);
	for (unsigned i = 1; i <= count; i++) {
		world_add_node(w, node_name(i), node_mac(i), node_address(i));
		fake_announces(w, 2, PORT, node_mac(i), node_address(i));
		fake_announces(w, 3, PORT, node_mac(i), node_address(i));
		world_run(w);
	}
	world_wait(w, 2000);
	world_forget_log(w);
	return w;
}

static uint32_t place_of(const struct world *w, unsigned i)
{
	const struct attachment *a = core_attachment(w->core, node_name(i));

	assert_non_null(a);
	assert_int_equal(a->place.port, PORT);
	return a->place.fe;
}

static unsigned count_at(const struct world *w, unsigned count, uint32_t fe)
{
	unsigned at = 0;

	for (unsigned i = 1; i <= count; i++)
		at += place_of(w, i) == fe;
	return at;
}

static struct mac port_mac(uint32_t fe)
{
	return (struct mac){{0x02, 0xfe, 0, 0, (uint8_t)fe, PORT}};
}

/* Every FE has what follows from 'designated'; 'sharing' are on the segment. */
static void assert_shared(struct world *w, unsigned i, uint32_t designated, unsigned sharing)
{
	struct mac gateway = w->config.gateway_mac;

	for (uint32_t fe = 1; fe <= 3; fe++) {
		const struct rule *local = fake_rule(w, fe, RULE_LOCAL, node_address(i));
		const struct rule *guard = fake_rule(w, fe, RULE_GUARD, node_address(i));
		const struct rule *foreign = fake_rule(w, fe, RULE_FOREIGN, node_address(i));
		struct mac mac = port_mac(fe);

		if (!(sharing & 1u << fe)) {
			assert_null(local);
			assert_null(guard);
			assert_non_null(foreign);
			assert_int_equal(foreign->fe, designated);
			continue;
		}
		assert_non_null(local);
		assert_non_null(guard);
		assert_null(foreign);
		assert_int_equal(local->port, PORT);
		assert_int_equal(guard->key.port, PORT);
		if (fe == designated) {
			assert_true(rule_is_gateway_mac(&gateway, &local->gateway_mac));
			assert_false(mac_equal(&gateway, &local->gateway_mac));
		} else {
			assert_true(mac_equal(&local->gateway_mac, &mac));
		}
	}
}

static bool answers(struct world *w, uint32_t fe)
{
	struct rule_key key = {.kind = RULE_LISTEN, .port = PORT, .ethertype = ETHERTYPE_ARP_};
	const struct rule *listen = table_get(&fake_of(w, fe)->rules, &key);

	assert_non_null(listen);
	return !listen->silent;
}

#define BOTH (1u << 2 | 1u << 3)
#define ALL (BOTH | 1u << 1)

static void nodes_are_spread_over_the_elements_of_a_segment(void **state)
{
	struct world *w = a_shared_segment(NODES);

	assert_in_range(count_at(w, NODES, 2), NODES / 3, NODES * 2 / 3);
	assert_int_equal(count_at(w, NODES, 2) + count_at(w, NODES, 3), NODES);
	for (unsigned i = 1; i <= NODES; i++)
		assert_shared(w, i, place_of(w, i), BOTH);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 0);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	world_destroy(w);
}

static void a_node_is_designated_only_to_where_it_may_be(void **state)
{
	struct world *w = a_shared_segment(0);
	const struct rule *a, *b;

	for (uint32_t fe = 2; fe <= 3; fe++) {
		struct node_spec n = {.mobile = true, .address_count = 1, .element_count = 1};
		struct reason why;

		snprintf(n.id, sizeof(n.id), "%s", node_name(fe));
		n.mac = a_mac(node_mac(fe));
		n.addresses[0] = an_address(node_address(fe));
		snprintf(n.elements[0], NAME_SIZE, "FE%u", fe);
		assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
		for (uint32_t heard = 2; heard <= 3; heard++)
			fake_announces(w, heard, PORT, node_mac(fe), node_address(fe));
		world_run(w);
		assert_int_equal(place_of(w, fe), fe);
		assert_shared(w, fe, fe, BOTH);
	}
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	a = fake_rule(w, 2, RULE_LOCAL, node_address(2));
	b = fake_rule(w, 3, RULE_LOCAL, node_address(3));
	assert_false(mac_equal(&a->gateway_mac, &b->gateway_mac));
	/* Where its element is gone it stays, and is down. */
	plug(w, 2, false);
	assert_at(w, node_name(2), 2, PORT, ATTACHMENT_DOWN);
	world_destroy(w);
}

static void announcements_heard_by_either_element_are_no_news(void **state)
{
	struct world *w = a_shared_segment(2);

	for (unsigned i = 0; i < 10; i++) {
		fake_announces(w, 2 + i % 2, PORT, node_mac(1), node_address(1));
		world_run(w);
	}
	assert_int_equal(world_flow_mods(w), 0);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	world_destroy(w);
}

static void a_node_that_comes_from_elsewhere_moves_once(void **state)
{
	struct world *w = a_shared_segment(0);

	fake_announces(w, 1, 3, "52:54:00:00:00:11", "10.10.0.11");
	world_run(w);
	assert_at(w, "vm1", 1, 3, ATTACHMENT_ACTIVE);
	world_wait(w, 2000);
	fake_announces(w, 3, PORT, "52:54:00:00:00:11", "10.10.0.11");
	fake_announces(w, 2, PORT, "52:54:00:00:00:11", "10.10.0.11");
	world_run(w);
	world_wait(w, 2000);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 1);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	assert_null(fake_rule(w, 1, RULE_LOCAL, "10.10.0.11"));
	assert_non_null(fake_rule(w, 2, RULE_LOCAL, "10.10.0.11"));
	assert_non_null(fake_rule(w, 3, RULE_LOCAL, "10.10.0.11"));
	/* And away again: all of it goes. */
	fake_announces(w, 1, 3, "52:54:00:00:00:11", "10.10.0.11");
	world_run(w);
	assert_at(w, "vm1", 1, 3, ATTACHMENT_ACTIVE);
	assert_bound(w, "10.10.0.11", 1, 3);
	world_destroy(w);
}

static void one_element_of_a_segment_answers_for_the_gateway(void **state)
{
	struct world *w = a_shared_segment(0);
	uint32_t one = answers(w, 2) ? 2 : 3, other = 5 - one;

	assert_true(answers(w, one));
	assert_false(answers(w, other));
	plug(w, one, false);
	assert_true(answers(w, other));
	plug(w, one, true);
	assert_true(answers(w, one));
	assert_false(answers(w, other));
	world_destroy(w);
}

static void a_third_element_takes_its_share_and_nothing_else_moves(void **state)
{
	struct world *w = a_shared_segment(NODES);
	uint32_t before[NODES + 1];
	unsigned taken;

	for (unsigned i = 1; i <= NODES; i++)
		before[i] = place_of(w, i);
	plug(w, 1, true);
	taken = count_at(w, NODES, 1);
	assert_in_range(taken, NODES / 6, NODES / 2);
	for (unsigned i = 1; i <= NODES; i++) {
		assert_true(place_of(w, i) == before[i] || place_of(w, i) == 1);
		assert_shared(w, i, place_of(w, i), ALL);
	}
	assert_int_equal(world_count_events(w, EVENT_REDESIGNATED), taken);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 0);
	/* And when it goes they are where they were. */
	plug(w, 1, false);
	for (unsigned i = 1; i <= NODES; i++) {
		assert_int_equal(place_of(w, i), before[i]);
		assert_shared(w, i, before[i], BOTH);
	}
	world_destroy(w);
}

static void a_port_that_goes_down_leaves_its_nodes_to_the_others_at_once(void **state)
{
	struct world *w = a_shared_segment(20);

	assert_true(count_at(w, 20, 2) > 0);
	plug(w, 2, false);
	assert_int_equal(count_at(w, 20, 3), 20);
	for (unsigned i = 1; i <= 20; i++) {
		assert_shared(w, i, 3, 1u << 3);
		assert_at(w, node_name(i), 3, PORT, ATTACHMENT_ACTIVE);
	}
	world_destroy(w);
}

static void an_element_that_died_leaves_its_nodes_to_the_others_after_the_grace_time(void **state)
{
	struct world *w = a_shared_segment(20);
	unsigned at2 = count_at(w, 20, 2);

	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 900);
	assert_int_equal(count_at(w, 20, 2), at2);
	world_wait(w, 200);
	assert_int_equal(count_at(w, 20, 3), 20);
	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(fake_rule(w, 1, RULE_FOREIGN, node_address(i))->fe, 3);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_int_equal(count_at(w, 20, 2), at2);
	for (unsigned i = 1; i <= 20; i++)
		assert_shared(w, i, place_of(w, i), BOTH);
	world_destroy(w);
}

/* No connection is reset where a machine loses power: its silence counts from when it began. */
static void an_element_that_falls_silent_is_dead_as_soon_as_that_is_noticed(void **state)
{
	struct world *w = a_shared_segment(20);

	assert_true(count_at(w, 20, 2) > 0);
	fake_of(w, 2)->mute = fake_of(w, 2)->deaf = true;
	world_wait(w, 4200);
	assert_int_equal(count_at(w, 20, 3), 20);
	world_destroy(w);
}

static void an_agent_that_restarts_keeps_its_nodes(void **state)
{
	struct world *w = a_shared_segment(20);

	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 500);
	world_connect(w, fake_of(w, 2));
	world_run(w);
	world_wait(w, 3000);
	assert_int_equal(world_count_events(w, EVENT_REDESIGNATED), 0);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void a_controller_that_restarts_changes_nothing(void **state)
{
	struct world *w = a_shared_segment(20);

	world_restart(w, 2, true);
	for (unsigned i = 1; i <= 20; i++)
		world_add_node(w, node_name(i), node_mac(i), node_address(i));
	for (unsigned i = 0; i < w->fake_count; i++) {
		world_connect(w, &w->fakes[i]);
		world_run(w);
		world_wait(w, 100);
	}
	world_wait(w, 8000);
	assert_int_equal(world_count_events(w, EVENT_REDESIGNATED), 0);
	assert_int_equal(world_flow_mods(w), 0);
	for (unsigned i = 1; i <= 20; i++)
		assert_shared(w, i, place_of(w, i), BOTH);
	world_destroy(w);
}

static void versions_only_grow_where_a_node_leaves_the_segment_within_its_element(void **state)
{
	struct world *w = a_shared_segment(1);
	uint32_t designated = place_of(w, 1), other = 5 - designated;
	uint64_t before;

	fake_announces(w, designated, 3, node_mac(1), node_address(1));
	world_run(w);
	world_wait(w, 2000);
	fake_announces(w, designated, PORT, node_mac(1), node_address(1));
	world_run(w);
	world_wait(w, 2000);
	before = fake_rule(w, other, RULE_LOCAL, node_address(1))->cookie;
	plug(w, other, false);
	assert_true(fake_rule(w, other, RULE_FOREIGN, node_address(1))->cookie >= before);
	plug(w, other, true);
	fake_announces(w, designated, 3, node_mac(1), node_address(1));
	world_run(w);
	assert_true(fake_rule(w, other, RULE_FOREIGN, node_address(1))->cookie > before);
	world_destroy(w);
}

static void a_rule_from_before_its_node_left_puts_no_port_on_the_segment(void **state)
{
	struct world *w = a_shared_segment(1);

	world_disconnect(w, fake_of(w, 2));
	world_wait(w, 2000);
	fake_announces(w, 1, 3, node_mac(1), node_address(1));
	fake_announces(w, 1, 3, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	world_restart(w, 2, true);
	world_add_node(w, node_name(1), node_mac(1), node_address(1));
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_null(fake_rule(w, 2, RULE_LOCAL, "10.10.0.12"));
	world_destroy(w);
}

static void a_port_found_to_be_on_the_segment_after_a_restart_leaves_no_foreign_rules(void **state)
{
	struct world *w = a_shared_segment(1);
	uint32_t designated = place_of(w, 1), other = 5 - designated;

	plug(w, other, false);
	assert_non_null(fake_rule(w, other, RULE_FOREIGN, node_address(1)));
	world_restart(w, 2, true);
	world_add_node(w, node_name(1), node_mac(1), node_address(1));
	world_connect(w, fake_of(w, other));
	world_run(w);
	plug(w, other, true);
	world_connect(w, fake_of(w, designated));
	world_connect(w, fake_of(w, 1));
	world_run(w);
	world_wait(w, 8000);
	assert_shared(w, 1, place_of(w, 1), BOTH);
	world_destroy(w);
}

static void a_kept_claim_of_a_deregistered_node_is_asked_where_it_was_heard(void **state)
{
	struct world *w = a_shared_segment(1);
	uint32_t designated = place_of(w, 1), other = 5 - designated;
	struct reason why;

	world_disconnect(w, fake_of(w, designated));
	assert_int_equal(core_remove_node(w->core, node_name(1), w->now_ms, &why), 0);
	world_add_node(w, node_name(1), node_mac(1), node_address(1));
	fake_replay(w, other, PORT, node_mac(1), node_address(1));
	world_run(w);
	world_wait(w, 500);
	assert_null(core_attachment(w->core, node_name(1)));
	fake_port(w, other, PORT)->answers = a_mac(node_mac(1));
	fake_replay(w, other, PORT, node_mac(1), node_address(1));
	world_run(w);
	assert_non_null(core_attachment(w->core, node_name(1)));
	world_destroy(w);
}

/* It was cut off when it was designated, and the store is lost. */
static void
an_element_that_was_not_told_that_it_is_designated_is_believed_to_be_on_the_segment(void **state)
{
	struct world *w = a_shared_segment(1);
	uint32_t other = 5 - place_of(w, 1);
	struct rule foreign = *fake_rule(w, 1, RULE_FOREIGN, node_address(1));

	foreign.fe = other;
	foreign.cookie++;
	*(struct rule *)table_put(&fake_of(w, 1)->rules, &foreign.key, NULL) = foreign;
	world_restart(w, 1, false);
	world_add_node(w, node_name(1), node_mac(1), node_address(1));
	world_connect(w, fake_of(w, 1));
	world_run(w);
	world_connect(w, fake_of(w, other));
	world_run(w);
	world_wait(w, 6000);
	assert_int_equal(place_of(w, 1), other);
	world_destroy(w);
}

/* P4a: what FE1 is told of another node later is no reason to doubt what it says of this one. */
static void a_question_of_which_no_element_is_told_makes_no_later_claim_ambiguous(void **state)
{
	struct world *w = a_shared_segment(1);

	plug(w, 1, true);
	fake_replay(w, 1, 3, node_mac(1), node_address(1));
	world_run(w);
	assert_int_equal(core_attachment(w->core, node_name(1))->state, ATTACHMENT_PROBING);
	world_wait(w, 2000); /* nobody answers: it stays */
	assert_int_equal(core_attachment(w->core, node_name(1))->state, ATTACHMENT_ACTIVE);
	fake_of(w, 1)->deaf = true;
	fake_announces(w, 3, 3, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	fake_announces(w, 1, 3, node_mac(1), node_address(1));
	world_run(w);
	assert_at(w, node_name(1), 1, 3, ATTACHMENT_ACTIVE);
	fake_of(w, 1)->deaf = false;
	world_run(w);
	world_destroy(w);
}

static void what_another_element_says_on_the_segment_is_no_claim(void **state)
{
	struct world *w = a_shared_segment(1);
	uint32_t designated = place_of(w, 1), other = 5 - designated;
	const struct rule *local = fake_rule(w, designated, RULE_LOCAL, node_address(1));
	char mac[MAC_TEXT_SIZE];

	mac_format(&local->gateway_mac, mac);
	fake_announces(w, other, PORT, mac, "10.10.0.12");
	mac_format(&fake_rule(w, other, RULE_LOCAL, node_address(1))->gateway_mac, mac);
	fake_data(w, designated, PORT, mac, "10.10.0.12");
	world_run(w);
	assert_null(core_attachment(w->core, "vm2"));
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void a_node_is_told_its_gateways_mac_by_the_designated_element(void **state)
{
	struct world *w = a_shared_segment(0);
	unsigned told = 0;

	world_add_node(w, node_name(1), node_mac(1), node_address(1));
	fake_announces(w, 2, PORT, node_mac(1), node_address(1));
	world_run(w);
	for (unsigned i = 0; i < w->log_count; i++)
		if (w->log[i].what == LOG_PACKET_OUT) {
			assert_int_equal(w->log[i].fe, place_of(w, 1));
			assert_int_equal(w->log[i].port, PORT);
			told++;
		}
	assert_int_equal(told, 1);
	world_destroy(w);
}

/* Whose nodes are told one MAC are designated together. */
static void a_node_that_may_be_elsewhere_now_is_told_another_gateway(void **state)
{
	struct world *w = a_shared_segment(1);
	struct mac gateway,
		before = fake_rule(w, place_of(w, 1), RULE_LOCAL, node_address(1))->gateway_mac;
	struct node_spec n = world_node(w, node_name(1));
	struct reason why;

	n.element_count = 1;
	snprintf(n.elements[0], NAME_SIZE, "FE%u", place_of(w, 1));
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	world_run(w);
	gateway = segment_gateway_mac(w->core, node_name(1),
				      &core_attachment(w->core, node_name(1))->place);
	assert_false(mac_equal(&gateway, &before));
	assert_true(mac_equal(
		&fake_rule(w, place_of(w, 1), RULE_LOCAL, node_address(1))->gateway_mac, &gateway));
	assert_shared(w, 1, place_of(w, 1), 1u << 2 | 1u << 3);
	world_destroy(w);
}

static void segments_that_nobody_is_on_any_more_take_no_memory(void **state)
{
	struct world *w = world_create();

	for (uint32_t id = 1; id <= 1000; id++) {
		fake_port(w, 2, 2)->segment = id;
		fake_port_up(w, 2, 2, true);
		world_run(w);
	}
	assert_int_equal(w->core->segments.count, 1);
	fake_port(w, 2, 2)->segment = 0;
	fake_port_up(w, 2, 2, true);
	world_run(w);
	assert_int_equal(w->core->segments.count, 0);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nodes_are_spread_over_the_elements_of_a_segment),
	cmocka_unit_test(a_node_is_designated_only_to_where_it_may_be),
	cmocka_unit_test(announcements_heard_by_either_element_are_no_news),
	cmocka_unit_test(a_node_that_comes_from_elsewhere_moves_once),
	cmocka_unit_test(one_element_of_a_segment_answers_for_the_gateway),
	cmocka_unit_test(a_third_element_takes_its_share_and_nothing_else_moves),
	cmocka_unit_test(a_port_that_goes_down_leaves_its_nodes_to_the_others_at_once),
	cmocka_unit_test(an_element_that_died_leaves_its_nodes_to_the_others_after_the_grace_time),
	cmocka_unit_test(an_element_that_falls_silent_is_dead_as_soon_as_that_is_noticed),
	cmocka_unit_test(an_agent_that_restarts_keeps_its_nodes),
	cmocka_unit_test(a_controller_that_restarts_changes_nothing),
	cmocka_unit_test(versions_only_grow_where_a_node_leaves_the_segment_within_its_element),
	cmocka_unit_test(a_rule_from_before_its_node_left_puts_no_port_on_the_segment),
	cmocka_unit_test(a_port_found_to_be_on_the_segment_after_a_restart_leaves_no_foreign_rules),
	cmocka_unit_test(a_kept_claim_of_a_deregistered_node_is_asked_where_it_was_heard),
	cmocka_unit_test(
		an_element_that_was_not_told_that_it_is_designated_is_believed_to_be_on_the_segment),
	cmocka_unit_test(a_question_of_which_no_element_is_told_makes_no_later_claim_ambiguous),
	cmocka_unit_test(what_another_element_says_on_the_segment_is_no_claim),
	cmocka_unit_test(a_node_is_told_its_gateways_mac_by_the_designated_element),
	cmocka_unit_test(a_node_that_may_be_elsewhere_now_is_told_another_gateway),
	cmocka_unit_test(segments_that_nobody_is_on_any_more_take_no_memory),
};

RUN_QUIETLY(tests)
