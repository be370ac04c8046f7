/* One FE's session: handshake, ports, peers, the way out, and what a broken or hostile FE can do.
 */
#include "controller/element.h"
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

static struct element_view view(struct world *w, const char *name)
{
	struct element_view v;

	assert_int_equal(core_element_by_name(w->core, name, &v), 0);
	return v;
}

static void an_element_is_online_when_its_rules_are_behind_a_barrier(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct fake *f = fake_of(w, 1);
	struct element_view v;

	world_connect(w, f);
	world_run(w);
	v = view(w, "FE1");
	assert_string_equal(element_state_name(v.state), "online");
	assert_int_equal(v.id, 1);
	assert_true(v.border);
	assert_int_equal(v.port_count, 3);
	assert_int_equal(v.rule_count, f->rules.count);
	assert_int_equal(v.flow_mods_sent, f->flow_mods);
	assert_int_equal(w->log[w->log_count - 1].what, LOG_BARRIER);
	assert_int_equal(world_count_events(w, EVENT_ELEMENT_UP), 1);
	assert_int_equal(world_count_events(w, EVENT_SYNCHRONIZED), 1);
	assert_int_equal(world_count_events(w, EVENT_PORT_UP), 3);
	world_destroy(w);
}

static const struct rule *admit(struct world *w, uint32_t fe, uint32_t port)
{
	struct rule_key key = {.kind = RULE_ADMIT, .port = port};

	return table_get(&fake_of(w, fe)->rules, &key);
}

static const struct rule *listen(struct world *w, uint32_t fe, uint32_t port, uint16_t ethertype)
{
	struct rule_key key = {.kind = RULE_LISTEN, .port = port, .ethertype = ethertype};

	return table_get(&fake_of(w, fe)->rules, &key);
}

static void ports_have_the_rules_of_their_role(void **state)
{
	struct world *w = world_create();

	assert_int_equal(admit(w, 1, 2)->next_table, TABLE_GUARD);
	assert_int_equal(admit(w, 1, 9)->next_table, TABLE_BINDING);
	assert_int_equal(admit(w, 1, 2)->fe, 1);
	assert_non_null(listen(w, 1, 2, ETHERTYPE_ARP_));
	assert_non_null(listen(w, 1, 2, ETHERTYPE_RARP_));
	assert_null(listen(w, 1, 9, ETHERTYPE_ARP_));
	world_destroy(w);
}

static void a_port_that_appears_is_admitted_and_one_that_goes_is_not(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 2);

	f->ports[f->port_count++] =
		(struct fake_port){.number = 7, .role = PORT_ACCESS, .up = true};
	fake_port_up(w, 2, 7, true);
	world_run(w);
	assert_non_null(admit(w, 2, 7));
	assert_non_null(listen(w, 2, 7, ETHERTYPE_ARP_));
	assert_int_equal(f->flow_mods, 7);
	fake_port(w, 2, 7)->role = PORT_EXTERNAL;
	fake_port_up(w, 2, 7, true);
	world_run(w);
	assert_int_equal(admit(w, 2, 7)->next_table, TABLE_BINDING);
	assert_null(listen(w, 2, 7, ETHERTYPE_ARP_));
	fake_port_gone(w, 2, 7);
	world_run(w);
	assert_null(admit(w, 2, 7));
	world_destroy(w);
}

static void each_element_has_a_group_and_peer_rules_for_each_other(void **state)
{
	struct world *w = world_create();
	const struct rule *peer = fake_rule(w, 1, RULE_PEER, "192.0.2.3");

	assert_int_equal(fake_of(w, 1)->groups.count, 2);
	assert_int_equal(peer->fe, 3);
	assert_non_null(fake_rule(w, 1, RULE_PEER_MARKED, "192.0.2.2"));
	assert_null(fake_rule(w, 1, RULE_PEER, "192.0.2.1"));
	world_destroy(w);
}

static void a_renumbered_element_is_group_mods_only_for_its_nodes(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 2);

	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_disconnect(w, f);
	f->backplane = an_address("192.0.2.22");
	world_forget_log(w);
	world_connect(w, f);
	world_run(w);
	assert_int_equal(fake_of(w, 1)->group_mods, 1);
	assert_int_equal(fake_of(w, 1)->flow_mods, 4); /* two peer rules in, two out */
	assert_non_null(fake_rule(w, 1, RULE_PEER, "192.0.2.22"));
	assert_null(fake_rule(w, 1, RULE_PEER, "192.0.2.2"));
	assert_bound(w, IP1, 2, 2);
	world_destroy(w);
}

static void without_a_backplane_address_there_is_no_group_and_no_foreign_rule(void **state)
{
	struct world *w = world_create_bare(ADMISSION_OPEN);

	fake_of(w, 2)->backplane = (struct address){{0}};
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_int_equal(fake_of(w, 1)->groups.count, 1);
	assert_null(fake_rule(w, 1, RULE_FOREIGN, IP1));
	assert_non_null(fake_rule(w, 2, RULE_LOCAL, IP1));
	/* It gets one: its nodes can be reached. */
	world_disconnect(w, fake_of(w, 2));
	fake_of(w, 2)->backplane = an_address("192.0.2.2");
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_bound(w, IP1, 2, 2);
	/* And loses it. */
	world_disconnect(w, fake_of(w, 2));
	fake_of(w, 2)->backplane = (struct address){{0}};
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_int_equal(fake_of(w, 1)->groups.count, 1);
	assert_null(fake_rule(w, 1, RULE_FOREIGN, IP1));
	world_destroy(w);
}

static void what_leaves_goes_to_the_nearest_border_element(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);

	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "::")->fe, 0);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	assert_int_equal(fake_rule(w, 3, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	/* FE3 gets an external port: FE2 is one link from both and stays, FE3 uses its own. */
	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	fake_port_up(w, 3, 9, true);
	world_run(w);
	assert_int_equal(fake_rule(w, 3, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	/* FE1 loses its own: all go by FE3. */
	fake_port_gone(w, 1, 9);
	world_run(w);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	fake_port_gone(w, 3, 9);
	world_run(w);
	assert_null(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0"));
	world_destroy(w);
}

static void a_border_element_whose_external_port_is_down_is_no_way_out(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);

	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	fake_port_up(w, 3, 9, true);
	world_run(w);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	/* FE1's own goes down: FE1 too sends by FE3, until it is up again. */
	fake_port_up(w, 1, 9, false);
	world_run(w);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "::")->fe, 3);
	fake_port_up(w, 1, 9, true);
	world_run(w);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	/* Nobody's is up: nobody is told to send anywhere. */
	fake_port_up(w, 1, 9, false);
	fake_port_up(w, 3, 9, false);
	world_run(w);
	assert_null(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0"));
	world_destroy(w);
}

static void block(struct world *w, uint32_t fe, bool blocked)
{
	struct fake *f = fake_of(w, fe);

	for (unsigned i = 0; i < f->port_count; i++)
		if (f->ports[i].role == PORT_EXTERNAL)
			f->ports[i].blocked = blocked;
	fake_port_up(w, fe, 9, true);
	world_run(w);
}

static void a_border_element_without_routes_is_the_last_choice_also_to_itself(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);
	struct element_view v;

	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	fake_port_up(w, 3, 9, true);
	world_run(w);
	block(w, 1, true); /* it has lost its routes: it too sends by FE3 */
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "::")->fe, 3);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(core_element_by_name(w->core, "FE1", &v), 0);
	assert_true(v.border);
	assert_false(v.way_out);
	block(w, 3, true); /* it has lost them too: each border keeps what it has */
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	assert_int_equal(fake_rule(w, 3, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	block(w, 3, false);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	assert_int_equal(world_count_events(w, EVENT_WAY_OUT), 3);
	world_destroy(w);
}

static void the_nearest_border_is_by_cost_not_by_hops(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);
	struct link l = {.ends = {"FE1", "FE4"}, .cost = 10};
	struct reason why;

	(void)f;
	assert_int_equal(core_add_link(w->core, &l, &why), 0);
	l = (struct link){.ends = {"FE4", "FE3"}, .cost = 2};
	assert_int_equal(core_add_link(w->core, &l, &why), 0);
	f = &w->fakes[w->fake_count++];
	*f = (struct fake){.world = w, .id = 4, .name = "FE4", .generation = UINT64_MAX};
	f->backplane = an_address("192.0.2.4");
	table_init(&f->rules, sizeof(struct rule_key), sizeof(struct rule), 1);
	table_init(&f->groups, sizeof(uint32_t), sizeof(struct rule_group), 1);
	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	world_connect(w, f);
	world_run(w);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1); /* 1 against 3 */
	assert_int_equal(fake_rule(w, 3, RULE_EXTERNAL, "0.0.0.0")->fe, 1); /* 2 against 2: stays */
	fake_port_gone(w, 1, 9);
	world_run(w);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 4);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 4);
	world_destroy(w);
}

static void a_border_element_that_is_away_for_long_is_the_last_choice(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);

	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	fake_port_up(w, 3, 9, true);
	world_run(w);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	world_disconnect(w, fake_of(w, 1));
	world_wait(w, 2000);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 1);
	world_wait(w, 2000);
	assert_int_equal(fake_rule(w, 2, RULE_EXTERNAL, "0.0.0.0")->fe, 3);
	world_destroy(w);
}

static void covered_prefixes_have_their_rules_everywhere(void **state)
{
	struct world *w = world_create();

	for (uint32_t fe = 1; fe <= 3; fe++) {
		assert_non_null(fake_rule(w, fe, RULE_STRANGER, "10.10.0.0"));
		assert_non_null(fake_rule(w, fe, RULE_COVERED, "10.10.0.0"));
		assert_true(mac_equal(&fake_rule(w, fe, RULE_ANSWER, "10.10.0.1")->mac,
				      &w->config.gateway_mac));
		assert_non_null(fake_rule(w, fe, RULE_ANSWER, "10.10.0.0"));
		assert_non_null(fake_rule(w, fe, RULE_REDIRECTED_MISS, NULL));
	}
	world_destroy(w);
}

static void a_second_connection_with_the_same_id_is_refused(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 1), *other = &w->fakes[w->fake_count++];

	*other = (struct fake){.world = w, .id = 1, .name = "FE1", .generation = UINT64_MAX};
	other->backplane = f->backplane;
	table_init(&other->rules, sizeof(struct rule_key), sizeof(struct rule), 1);
	table_init(&other->groups, sizeof(uint32_t), sizeof(struct rule_group), 1);
	world_connect(w, other);
	world_run(w);
	assert_true(other->dropped);
	assert_non_null(f->session);
	assert_non_null(strstr(world_last_event(w, EVENT_REFUSED)->text, "second connection"));
	/* The first one falls silent (a half-open connection): then the newer one is it. */
	f->mute = f->deaf = true;
	world_wait(w, 1200); /* its answer to the echo may be on its way */
	world_connect(w, other);
	world_run(w);
	assert_non_null(f->session);
	world_wait(w, 400);
	world_connect(w, other);
	world_run(w);
	assert_true(f->dropped);
	assert_int_equal(view(w, "FE1").state, ELEMENT_ONLINE);
	world_destroy(w);
}

static void a_name_that_another_element_has_is_refused(void **state)
{
	struct world *w = world_create();
	struct fake *other = &w->fakes[w->fake_count++];

	*other = (struct fake){.world = w, .id = 8, .name = "FE1", .generation = UINT64_MAX};
	table_init(&other->rules, sizeof(struct rule_key), sizeof(struct rule), 1);
	table_init(&other->groups, sizeof(uint32_t), sizeof(struct rule_group), 1);
	world_connect(w, other);
	world_run(w);
	assert_true(other->dropped);
	assert_int_equal(view(w, "FE1").id, 1);
	world_destroy(w);
}

static void two_elements_do_not_have_one_backplane_address(void **state)
{
	struct world *w = world_create();
	struct fake *f = fake_of(w, 3);

	world_disconnect(w, f);
	f->backplane = an_address("192.0.2.2");
	world_connect(w, f);
	world_run(w);
	assert_true(f->dropped);
	/* FE2 is gone: its address may be given to another machine. */
	world_disconnect(w, fake_of(w, 2));
	world_connect(w, f);
	world_run(w);
	assert_int_equal(fake_rule(w, 1, RULE_PEER, "192.0.2.2")->fe, 3);
	assert_int_equal(fake_of(w, 1)->groups.count, 1);
	world_destroy(w);
}

static void an_element_that_falls_silent_is_offline(void **state)
{
	struct world *w = world_create();

	fake_of(w, 2)->mute = true;
	world_wait(w, 4000);
	assert_true(fake_of(w, 2)->dropped);
	assert_int_equal(view(w, "FE2").state, ELEMENT_OFFLINE);
	assert_int_equal(world_count_events(w, EVENT_ELEMENT_DOWN), 1);
	world_destroy(w);
}

static void a_switch_that_does_not_say_who_it_is_is_dropped(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct fake *f = fake_of(w, 1);

	f->name = "";
	world_connect(w, f);
	world_wait(w, 9000);
	assert_false(f->dropped);
	world_wait(w, 2000);
	assert_true(f->dropped);
	assert_int_equal(world_count_events(w, EVENT_ELEMENT_UP), 0);
	world_destroy(w);
}

static void refused_flow_mods_are_counted_and_told_once(void **state)
{
	struct world *w = world_create();

	fake_of(w, 2)->refuse = -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_int_equal(view(w, "FE2").errors, 2);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 1);
	assert_non_null(strstr(world_last_event(w, EVENT_REFUSED)->text, "TABLE_FULL"));
	world_destroy(w);
}

struct got {
	int calls, result;
	size_t count;
};

static void on_rules(void *to, int result, const struct ofp_flow_stats *list,
		     const struct rule *rules, size_t count)
{
	struct got *got = to;

	got->calls++;
	got->result = result;
	got->count = count;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list[i].table, rule_table(rules[i].key.kind));
}

static void on_counters(void *to, int result, const struct counter *list, size_t count,
			const struct drop_count *drops, size_t drop_count)
{
	struct got *got = to;

	got->calls++;
	got->result = result;
}

static void a_live_element_can_be_asked_for_its_rules_and_counters(void **state)
{
	struct world *w = world_create();
	struct got rules = {0}, counters = {0};
	struct reason why;

	assert_int_equal(core_read_rules(w->core, "FE2", w->now_ms, on_rules, &rules, &why), 0);
	assert_int_equal(
		core_read_counters(w->core, "FE2", w->now_ms, on_counters, &counters, &why), 0);
	world_run(w);
	assert_int_equal(rules.calls, 1);
	assert_int_equal(rules.result, 0);
	assert_int_equal(rules.count, fake_of(w, 2)->rules.count);
	assert_int_equal(counters.calls, 1);
	assert_int_equal(counters.result, 0);
	world_destroy(w);
}

static void an_element_that_does_not_answer_is_an_error_after_a_while(void **state)
{
	struct world *w = world_create();
	struct got rules = {0}, counters = {0};
	struct reason why;

	fake_of(w, 2)->deaf = true;
	assert_int_equal(core_read_rules(w->core, "FE2", w->now_ms, on_rules, &rules, &why), 0);
	world_wait(w, 2100);
	assert_int_equal(rules.calls, 1);
	assert_int_equal(rules.result, -ETIMEDOUT);
	fake_of(w, 1)->deaf = true;
	assert_int_equal(
		core_read_counters(w->core, "FE1", w->now_ms, on_counters, &counters, &why), 0);
	world_disconnect(w, fake_of(w, 1));
	assert_int_equal(counters.calls, 1);
	assert_int_equal(counters.result, -ECONNRESET);
	assert_int_equal(core_read_rules(w->core, "FE1", w->now_ms, on_rules, &rules, &why),
			 -ENOTCONN);
	assert_int_equal(core_read_rules(w->core, "FE9", w->now_ms, on_rules, &rules, &why),
			 -ENOENT);
	world_destroy(w);
}

/* Any message at any time, and any bytes at all, from an FE that was let in. */
static void whatever_an_element_sends_the_core_stands(void **state)
{
	struct world *w = world_create();
	uint8_t bytes[200];

	srand(3);
	for (unsigned round = 0; round < 3000; round++) {
		struct fake *f = fake_of(w, (uint32_t)rand() % 3 + 1);
		size_t size = 8 + (size_t)rand() % 150;

		w->event_count = w->log_count = 0;
		if (!f->session || f->dropped) {
			world_connect(w, f);
			if (rand() % 4)
				world_run(w);
		}
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(rand() % 3 ? 0 : rand());
		bytes[0] = 4;
		bytes[1] = (uint8_t)(rand() % 30);
		bytes[2] = 0;
		bytes[3] = (uint8_t)size;
		if (bytes[1] == OFPT_EXPERIMENTER) {
			memcpy(bytes + 8, "\xff\x56\x43\x54\x00\x00\x00", 7);
			bytes[15] = (uint8_t)(rand() % 9);
		}
		if (bytes[1] == OFPT_MULTIPART_REPLY)
			memcpy(bytes + 4, (uint8_t[]){0, 0, 0, (uint8_t)(rand() % 12)}, 4);
		core_session_receive(f->session, bytes, size, w->now_ms);
		if (rand() % 20 == 0)
			world_wait(w, 10);
	}
	world_destroy(w);
}

/* Each takes memory until its reply comes. */
static void an_element_that_replies_to_no_barriers_is_let_go(void **state)
{
	struct world *w = world_create();
	struct element *e = w->core->elements[2];

	fake_of(w, 3)->slow = true;
	for (unsigned i = 0; i <= 1u << 18; i++)
		element_commit(e, false);
	fake_of(w, 3)->deaf = true;
	world_wait(w, 10);
	assert_null(e->session);
	assert_non_null(w->core->elements[1]->session);
	world_connect(w, fake_of(w, 3));
	fake_of(w, 3)->slow = fake_of(w, 3)->deaf = false;
	world_run(w);
	assert_string_equal(element_state_name(view(w, "FE3").state), "online");
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_element_is_online_when_its_rules_are_behind_a_barrier),
	cmocka_unit_test(ports_have_the_rules_of_their_role),
	cmocka_unit_test(a_port_that_appears_is_admitted_and_one_that_goes_is_not),
	cmocka_unit_test(each_element_has_a_group_and_peer_rules_for_each_other),
	cmocka_unit_test(a_renumbered_element_is_group_mods_only_for_its_nodes),
	cmocka_unit_test(without_a_backplane_address_there_is_no_group_and_no_foreign_rule),
	cmocka_unit_test(what_leaves_goes_to_the_nearest_border_element),
	cmocka_unit_test(a_border_element_whose_external_port_is_down_is_no_way_out),
	cmocka_unit_test(a_border_element_without_routes_is_the_last_choice_also_to_itself),
	cmocka_unit_test(the_nearest_border_is_by_cost_not_by_hops),
	cmocka_unit_test(a_border_element_that_is_away_for_long_is_the_last_choice),
	cmocka_unit_test(covered_prefixes_have_their_rules_everywhere),
	cmocka_unit_test(a_second_connection_with_the_same_id_is_refused),
	cmocka_unit_test(a_name_that_another_element_has_is_refused),
	cmocka_unit_test(two_elements_do_not_have_one_backplane_address),
	cmocka_unit_test(an_element_that_falls_silent_is_offline),
	cmocka_unit_test(a_switch_that_does_not_say_who_it_is_is_dropped),
	cmocka_unit_test(refused_flow_mods_are_counted_and_told_once),
	cmocka_unit_test(a_live_element_can_be_asked_for_its_rules_and_counters),
	cmocka_unit_test(an_element_that_does_not_answer_is_an_error_after_a_while),
	cmocka_unit_test(whatever_an_element_sends_the_core_stands),
	cmocka_unit_test(an_element_that_replies_to_no_barriers_is_let_go),
};

RUN_QUIETLY(tests)
