/* Open vSwitch elements: FE1 and FE2 are switches, FE3 is a victor-fe. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

#include <errno.h>
#include <stdio.h>

#define GATEWAY "10.10.0.1"
#define ROUTER "198.51.100.254"
#define ROUTER_MAC "02:00:00:00:09:01"
#define SETTLED_MS 150

static struct world *with_switches(void)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	world_declare_switch(w, 1);
	world_declare_switch(w, 2);
	world_add_node(w, "vm1", VM1, IP1);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, SETTLED_MS);
	return w;
}

static unsigned count_rules(struct world *w, uint32_t fe, enum rule_kind kind)
{
	unsigned count = 0;
	size_t at = 0;
	void *value;

	while (table_next(&fake_of(w, fe)->rules, &at, NULL, &value))
		count += ((struct rule *)value)->key.kind == kind;
	return count;
}

static void router_answers(struct world *w, const char *mac)
{
	fake_announces(w, 1, 9, mac, ROUTER);
	world_run(w);
}

static void a_declared_switch_is_met_without_a_word_of_its_own(void **state)
{
	struct world *w = with_switches();
	struct element_view view;

	for (uint32_t fe = 1; fe <= 3; fe++) {
		char name[8];

		snprintf(name, sizeof(name), "FE%u", fe);
		assert_int_equal(core_element_by_name(w->core, name, &view), 0);
		assert_int_equal(view.state, ELEMENT_ONLINE);
		assert_string_equal(view.kind, fe == 3 ? "victor-fe" : "ovs");
		assert_int_equal(view.cannot[0] != NULL, fe != 3);
		assert_int_equal(fake_of(w, fe)->errors, 0);
	}
	world_destroy(w);
}

static void a_victor_fe_with_a_declared_switchs_id_is_sent_away(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	world_declare_switch(w, 2);
	fake_of(w, 2)->is_switch = false;
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_true(fake_of(w, 2)->dropped);
	world_destroy(w);
}

static void a_switch_is_told_what_a_victor_fe_does_by_itself(void **state)
{
	struct world *w = with_switches();

	for (uint32_t fe = 1; fe <= 3; fe++) {
		unsigned is_switch = fe != 3;

		assert_int_equal(count_rules(w, fe, RULE_MULTICAST), is_switch);
		assert_int_equal(count_rules(w, fe, RULE_PROBE), is_switch ? 2 : 0);
		assert_int_equal(count_rules(w, fe, RULE_GUARD_PASS), !is_switch);
		assert_non_null(fake_rule(w, fe, RULE_ANSWER, GATEWAY));
		assert_int_equal(fake_rule(w, fe, RULE_ANSWER, "10.10.0.0") == NULL, is_switch);
		assert_int_equal(fake_rule(w, fe, RULE_ECHO, GATEWAY) != NULL, is_switch);
	}
	world_destroy(w);
}

static void a_switch_answers_for_each_node_but_not_on_its_own_port(void **state)
{
	struct world *w = with_switches();
	const struct rule *beside;

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	for (uint32_t fe = 1; fe <= 2; fe++) {
		assert_non_null(fake_rule(w, fe, RULE_ANSWER, IP1));
		assert_non_null(fake_rule(w, fe, RULE_SELF, IP1));
	}
	assert_null(fake_rule(w, 3, RULE_SELF, IP1));
	assert_null(fake_rule(w, 1, RULE_BESIDE_ASKED, IP1));
	assert_int_equal(fake_rule(w, 2, RULE_BESIDE_ASKED, IP1)->key.port, 3);
	beside = fake_rule(w, 2, RULE_BESIDE, IP1);
	assert_int_equal(beside->key.port, 3);
	assert_int_equal(beside->key.mac.bytes[5], 0x11);

	world_wait(w, SETTLED_MS);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE);
	assert_int_equal(count_rules(w, 2, RULE_BESIDE), 0);
	assert_int_equal(count_rules(w, 2, RULE_BESIDE_ASKED), 0);
	assert_non_null(fake_rule(w, 2, RULE_ANSWER, IP1));
	world_destroy(w);
}

static void a_switch_has_no_way_out_until_the_next_hop_has_answered(void **state)
{
	struct world *w = with_switches();
	const struct rule *out;

	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	router_answers(w, ROUTER_MAC);
	out = fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0");
	assert_int_equal(out->port, 9);
	assert_int_equal(out->mac.bytes[4], 9);
	assert_int_equal(out->gateway_mac.bytes[5], 9);
	router_answers(w, "02:00:00:00:09:02");
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->mac.bytes[5], 2);
	/* What the router says is no claim. */
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void a_switch_sends_a_prefix_out_by_its_external_rules_alone(void **state)
{
	struct world *w = with_switches();
	struct covered_prefix p = {.mobile = true, .exit_count = 1, .exits = {"FE1"}};
	struct reason why;

	assert_int_equal(prefix_parse("10.20.0.0/16", &p.prefix), 0);
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	world_run(w);
	/* Its next hop is not known yet: nobody else may send that out. */
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_true(fake_rule(w, fe, RULE_EXIT, "10.20.0.0")->unreachable);
	router_answers(w, ROUTER_MAC);
	assert_null(fake_rule(w, 1, RULE_EXIT, "10.20.0.0"));
	for (uint32_t fe = 2; fe <= 3; fe++) {
		assert_false(fake_rule(w, fe, RULE_EXIT, "10.20.0.0")->unreachable);
		assert_int_equal(fake_rule(w, fe, RULE_EXIT, "10.20.0.0")->fe, 1);
	}
	fake_port_up(w, 1, 9, false);
	world_run(w);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_true(fake_rule(w, fe, RULE_EXIT, "10.20.0.0")->unreachable);
	world_destroy(w);
}

static bool was_asked(const struct world *w, uint32_t fe, uint32_t port)
{
	for (unsigned i = 0; i < w->log_count; i++)
		if (w->log[i].fe == fe && w->log[i].what == LOG_PACKET_OUT &&
		    w->log[i].port == port)
			return true;
	return false;
}

static void a_known_next_hop_is_asked_again_after_half_a_minute(void **state)
{
	struct world *w = with_switches();

	assert_true(was_asked(w, 1, 9));
	router_answers(w, ROUTER_MAC);
	world_forget_log(w);
	world_wait(w, 25000);
	assert_false(was_asked(w, 1, 9));
	world_wait(w, 6000);
	assert_true(was_asked(w, 1, 9));
	world_destroy(w);
}

static void somebody_else_outside_does_not_become_the_next_hop(void **state)
{
	struct world *w = with_switches();

	fake_announces(w, 1, 9, "02:00:00:00:09:66", "198.51.100.66");
	world_run(w);
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	world_destroy(w);
}

static void a_restarted_controller_sends_a_switch_nothing_that_is_right(void **state)
{
	struct world *w = with_switches();

	router_answers(w, ROUTER_MAC);
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, SETTLED_MS);
	world_restart(w, 2, true);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 6000);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void a_claim_soon_after_a_switchs_barrier_is_checked_first(void **state)
{
	struct world *w = with_switches();

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, SETTLED_MS);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	/* Its packet-in may be older than what FE2 was just told. */
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_PROBING);
	world_wait(w, 700);
	assert_at(w, "vm1", 3, 2, ATTACHMENT_ACTIVE); /* the questions were not answered */
	world_wait(w, SETTLED_MS);
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void the_answer_to_a_question_moves_the_node_before_the_switch_has_settled(void **state)
{
	struct world *w = with_switches();

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, SETTLED_MS);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	fake_port(w, 2, 3)->answers = a_mac(VM1);
	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 100);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_node_that_left_a_switch_is_announced_there_three_times(void **state)
{
	struct world *w = with_switches();
	unsigned said = 0;

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 5000);
	fake_announces(w, 3, 2, VM1, IP1);
	world_forget_log(w);
	world_run(w);
	world_wait(w, 4000);
	for (unsigned i = 0; i < w->log_count; i++)
		said += w->log[i].fe == 2 && w->log[i].what == LOG_PACKET_OUT &&
			w->log[i].port == 3;
	assert_int_equal(said, 3);
	world_destroy(w);
}

static void a_switchs_node_that_sends_and_answers_nothing_is_detached(void **state)
{
	struct world *w = with_switches();

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	world_wait(w, 25000);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	world_wait(w, 30000);
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_switchs_node_that_sends_or_answers_stays(void **state)
{
	struct world *w = with_switches();

	fake_announces(w, 2, 3, VM1, IP1);
	world_run(w);
	for (unsigned i = 0; i < 12; i++) {
		fake_of(w, 2)->packets++;
		world_wait(w, 10000);
	}
	fake_port(w, 2, 3)->answers = a_mac(VM1);
	world_wait(w, 120000);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	world_destroy(w);
}

static void a_ttl_that_ran_out_is_answered_and_claims_nothing(void **state)
{
	struct world *w = with_switches();
	struct fake *f = fake_of(w, 2);

	f->ttl_over = true;
	for (unsigned i = 0; i < 300; i++)
		fake_data(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_int_equal(f->ip_frames, 100); /* and not more in one second */
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_packet_too_big_for_a_tunnel_is_answered_apart_from_others(void **state)
{
	struct world *w = with_switches();
	struct fake *f = fake_of(w, 2);
	const struct rule_group *group = NULL;
	const struct rule *rule = NULL;
	size_t at = 0;
	void *value;

	while (table_next(&f->groups, &at, NULL, &value)) {
		group = value;
		assert_true(group->limited);
	}
	assert_non_null(group);
	rule = fake_rule(w, 2, RULE_MEASURE, NULL);
	assert_non_null(rule);
	assert_int_equal(rule->frame_max, 1500 - 50 + 14); /* nobody declared an MTU */
	f->ttl_over = true;
	for (unsigned i = 0; i < 150; i++)
		fake_data(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_int_equal(f->ip_frames, 100);
	f->ttl_over = false;
	f->too_big = true;
	for (unsigned i = 0; i < 150; i++)
		fake_data(w, 2, 3, VM1, IP1);
	world_run(w);
	assert_int_equal(f->ip_frames, 200); /* and not more in one second */
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_declaration_that_cannot_be_is_refused(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct declared_element good = {.name = "sw", .id = 9, .port_count = 1}, bad;
	struct reason why;

	good.backplane = an_address("192.0.2.9");
	snprintf(good.ports[0].match, sizeof(good.ports[0].match), "srv0");
	good.ports[0].role = PORT_ACCESS;
	bad = good;
	bad.id = 0;
	assert_int_equal(core_add_element(w->core, &bad, &why), -EINVAL);
	bad = good;
	bad.name[0] = '/';
	assert_int_equal(core_add_element(w->core, &bad, &why), -EINVAL);
	bad = good;
	bad.ports[0].role = PORT_EXTERNAL; /* without a next hop */
	assert_int_equal(core_add_element(w->core, &bad, &why), -EINVAL);
	bad = good;
	bad.backplane_mtu = 575; /* less than IPv4 has */
	assert_int_equal(core_add_element(w->core, &bad, &why), -EINVAL);
	bad = good;
	bad.ports[0].segment = 7; /* it joins none */
	assert_int_equal(core_add_element(w->core, &bad, &why), -EINVAL);
	bad = good;
	bad.ports[bad.port_count++] = bad.ports[0];
	assert_int_equal(core_add_element(w->core, &bad, &why), -EEXIST);
	assert_int_equal(core_add_element(w->core, &good, &why), 0);
	assert_int_equal(core_add_element(w->core, &good, &why), -EEXIST);
	bad = good;
	bad.id = 10;
	bad.name[0] = 't';
	assert_int_equal(core_add_element(w->core, &bad, &why), -EEXIST); /* its address */
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_declared_switch_is_met_without_a_word_of_its_own),
	cmocka_unit_test(a_victor_fe_with_a_declared_switchs_id_is_sent_away),
	cmocka_unit_test(a_switch_is_told_what_a_victor_fe_does_by_itself),
	cmocka_unit_test(a_switch_answers_for_each_node_but_not_on_its_own_port),
	cmocka_unit_test(a_switch_has_no_way_out_until_the_next_hop_has_answered),
	cmocka_unit_test(a_switch_sends_a_prefix_out_by_its_external_rules_alone),
	cmocka_unit_test(a_known_next_hop_is_asked_again_after_half_a_minute),
	cmocka_unit_test(somebody_else_outside_does_not_become_the_next_hop),
	cmocka_unit_test(a_restarted_controller_sends_a_switch_nothing_that_is_right),
	cmocka_unit_test(a_claim_soon_after_a_switchs_barrier_is_checked_first),
	cmocka_unit_test(the_answer_to_a_question_moves_the_node_before_the_switch_has_settled),
	cmocka_unit_test(a_node_that_left_a_switch_is_announced_there_three_times),
	cmocka_unit_test(a_switchs_node_that_sends_and_answers_nothing_is_detached),
	cmocka_unit_test(a_switchs_node_that_sends_or_answers_stays),
	cmocka_unit_test(a_ttl_that_ran_out_is_answered_and_claims_nothing),
	cmocka_unit_test(a_packet_too_big_for_a_tunnel_is_answered_apart_from_others),
	cmocka_unit_test(a_declaration_that_cannot_be_is_refused),
};

RUN_QUIETLY(tests)
