/* IPv6 in the controller: what FEs are told for it, who may bind, and a dual-stack node's moves. */
#include "fake_element.h"
#include "main.h"

#include "packet/nd.h"

#define VM "52:54:00:00:00:11"
#define V4 "10.10.0.11"
#define V6 "2001:db8:10::11"
#define PREFIX "2001:db8:10::/64"

static struct world *dual_world(enum admission_mode admission)
{
	struct world *w = world_create_bare(admission);
	struct covered_prefix p = {.mobile = true, .autoconf = true};
	struct node_spec n = {.id = "vm1", .mobile = true, .address_count = 2};
	struct reason why;

	assert_int_equal(prefix_parse(PREFIX, &p.prefix), 0);
	p.gateway = an_address("2001:db8:10::1");
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	n.mac = a_mac(VM);
	n.addresses[0] = an_address(V4);
	n.addresses[1] = an_address(V6);
	if (admission == ADMISSION_STRICT)
		assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 100);
	world_forget_log(w);
	return w;
}

static const struct rule *find(struct world *w, uint32_t fe, struct rule_key key)
{
	return table_get(&fake_of(w, fe)->rules, &key);
}

static void ports_admit_ipv6_and_listen_to_neighbour_discovery(void **state)
{
	static const uint16_t listened[] = {LISTEN_RS, LISTEN_NS, LISTEN_NA};
	struct world *w = dual_world(ADMISSION_STRICT);
	struct rule_key admit = {.kind = RULE_ADMIT, .port = 2, .ethertype = ETHERTYPE_IPV6_};
	struct rule_key external = admit;

	external.port = 9;
	assert_int_equal(find(w, 1, admit)->next_table, TABLE_GUARD);
	assert_int_equal(find(w, 1, external)->next_table, TABLE_BINDING);
	for (unsigned i = 0; i < ARRAY_SIZE(listened); i++) {
		struct rule_key key = {.kind = RULE_LISTEN, .port = 2, .ethertype = listened[i]};

		assert_non_null(find(w, 2, key));
		key.port = 9;
		assert_null(find(w, 1, key));
	}
	world_destroy(w);
}

static void a_prefix_is_answered_for_and_advertised_as_it_says(void **state)
{
	struct world *w = dual_world(ADMISSION_STRICT);
	struct address router = nd_link_local(&w->config.gateway_mac);
	struct rule_key key = {.kind = RULE_ANSWER, .length = 128, .address = router};

	assert_int_equal(fake_rule(w, 2, RULE_ANSWER, "2001:db8:10::")->cookie,
			 ANSWER_ADVERTISED | ANSWER_AUTONOMOUS);
	assert_int_equal(fake_rule(w, 2, RULE_ANSWER, "2001:db8:10::1")->cookie, 0);
	assert_int_equal(fake_rule(w, 2, RULE_ANSWER, "10.10.0.0")->cookie, 0);
	assert_true(mac_equal(&find(w, 3, key)->mac, &w->config.gateway_mac));
	world_destroy(w);
}

static void both_addresses_move_in_one_version_whichever_was_announced(void **state)
{
	struct world *w = dual_world(ADMISSION_STRICT);

	fake_announces(w, 2, 2, VM, V6);
	world_run(w);
	assert_bound(w, V4, 2, 2);
	assert_bound(w, V6, 2, 2);
	assert_int_equal(fake_rule(w, 2, RULE_LOCAL, V4)->cookie,
			 fake_rule(w, 2, RULE_LOCAL, V6)->cookie);
	world_wait(w, 100);
	fake_announces(w, 3, 2, VM, V4);
	world_run(w);
	assert_bound(w, V4, 3, 2);
	assert_bound(w, V6, 3, 2);
	world_wait(w, 2000);
	fake_announces(w, 2, 3, VM, V6);
	world_run(w);
	assert_bound(w, V4, 2, 3);
	assert_bound(w, V6, 2, 3);
	assert_int_equal(fake_rule(w, 2, RULE_LOCAL, V4)->cookie,
			 fake_rule(w, 2, RULE_LOCAL, V6)->cookie);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void whoever_spoofs_an_ipv6_address_binds_nothing(void **state)
{
	struct world *w = dual_world(ADMISSION_STRICT);

	fake_announces(w, 2, 2, "52:54:00:00:00:99", V6);
	fake_announces(w, 2, 2, "52:54:00:00:00:99", "2001:db8:10::99");
	fake_announces(w, 2, 2, "52:54:00:00:00:99", "2001:db8:10::1");
	fake_announces(w, 2, 2, "52:54:00:00:00:99", "2001:db8:99::1");
	fake_data(w, 2, 2, "52:54:00:00:00:99", V4);
	world_run(w);
	assert_bound(w, V6, 0, 0);
	assert_bound(w, V4, 0, 0);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 5);
	world_destroy(w);
}

static void a_link_local_address_is_nobodys_claim_and_no_refusal(void **state)
{
	struct world *w = dual_world(ADMISSION_STRICT);

	fake_announces(w, 2, 2, VM, "fe80::5054:ff:fe00:11");
	fake_announces(w, 2, 2, "52:54:00:00:00:99", "fe80::99");
	world_run(w);
	assert_bound(w, V6, 0, 0);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void in_an_open_prefix_the_second_protocol_adds_to_the_node(void **state)
{
	struct world *w = dual_world(ADMISSION_OPEN);

	fake_announces(w, 2, 2, VM, V4);
	fake_announces(w, 2, 2, VM, V6);
	world_run(w);
	assert_bound(w, V4, 2, 2);
	assert_bound(w, V6, 2, 2);
	world_wait(w, 100);
	fake_announces(w, 3, 2, VM, V6);
	world_run(w);
	assert_bound(w, V4, 3, 2);
	world_destroy(w);
}

static void an_ambiguous_claim_has_both_protocols_asked(void **state)
{
	struct world *w = dual_world(ADMISSION_STRICT);
	unsigned asked = 0;

	fake_announces(w, 2, 2, VM, V6);
	world_run(w);
	world_wait(w, 2000);
	world_forget_log(w);
	fake_replay(w, 3, 2, VM, V6);
	world_run(w);
	for (unsigned i = 0; i < w->log_count; i++)
		asked += w->log[i].what == LOG_PACKET_OUT;
	assert_int_equal(asked, 4); /* two places, two protocols */
	assert_at(w, "vm1", 2, 2, ATTACHMENT_PROBING);
	world_destroy(w);
}

static void autoconf_is_for_ipv6_prefixes_of_length_64(void **state)
{
	static const char *const wrong[] = {"10.20.0.0/16", "2001:db8:20::/48"};
	struct world *w = world_create_bare(ADMISSION_STRICT);

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct covered_prefix p = {.autoconf = true};
		struct reason why;

		assert_int_equal(prefix_parse(wrong[i], &p.prefix), 0);
		assert_true(core_add_prefix(w->core, &p, &why) < 0);
		assert_non_null(strstr(why.text, "autoconf"));
	}
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ports_admit_ipv6_and_listen_to_neighbour_discovery),
	cmocka_unit_test(a_prefix_is_answered_for_and_advertised_as_it_says),
	cmocka_unit_test(both_addresses_move_in_one_version_whichever_was_announced),
	cmocka_unit_test(whoever_spoofs_an_ipv6_address_binds_nothing),
	cmocka_unit_test(a_link_local_address_is_nobodys_claim_and_no_refusal),
	cmocka_unit_test(in_an_open_prefix_the_second_protocol_adds_to_the_node),
	cmocka_unit_test(an_ambiguous_claim_has_both_protocols_asked),
	cmocka_unit_test(autoconf_is_for_ipv6_prefixes_of_length_64),
};

RUN_QUIETLY(tests)
