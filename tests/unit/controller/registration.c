/* Who may bind: what the registrar makes of the frames that FEs hear. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

#define STRANGER "52:54:00:00:00:99"
#define GATEWAY "02:00:00:00:00:01"

struct found {
	const char *why;
	uint64_t count;
	unsigned entries;
};

static void count_refusal(void *to, const struct refusal *refusal)
{
	struct found *f = to;

	if (strcmp(refusal->why, f->why) != 0)
		return;
	f->count += refusal->count;
	f->entries++;
}

static struct found refusals(struct world *w, const char *why)
{
	struct found f = {.why = why};

	core_refusals(w->core, count_refusal, &f);
	return f;
}

static void an_unknown_node_is_refused_once_and_counted(void **state)
{
	struct world *w = world_create();

	for (unsigned i = 0; i < 5; i++)
		fake_announces(w, 2, 2, STRANGER, "10.10.0.99");
	world_run(w);
	/* The FE's own tentative binding is taken away, nothing is bound. */
	for (unsigned i = 0; i < w->log_count; i++) {
		assert_int_equal(w->log[i].what, LOG_DELETE);
		assert_int_equal(w->log[i].rule.key.kind, RULE_TENTATIVE);
	}
	assert_int_equal(fake_of(w, 2)->flow_mods, 5);
	assert_bound(w, "10.10.0.99", 0, 0);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 1);
	assert_int_equal(refusals(w, "unknown-node").count, 5);
	assert_int_equal(refusals(w, "unknown-node").entries, 1);
	fake_announces(w, 3, 2, STRANGER, "10.10.0.99");
	world_run(w);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 2);
	world_destroy(w);
}

static void refusals_of_made_up_addresses_are_bounded(void **state)
{
	struct world *w = world_create();
	char address[24];

	for (unsigned i = 0; i < 6000; i++) {
		w->event_count = 0;
		snprintf(address, sizeof(address), "10.10.%u.%u", 100 + i / 250, i % 250);
		fake_announces(w, 2, 2, STRANGER, address);
		world_run(w);
	}
	assert_int_equal(refusals(w, "unknown-node").count, 6000);
	assert_int_equal(refusals(w, "unknown-node").entries, 65);
	world_destroy(w);
}

static void the_wrong_mac_is_refused(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 2, 2, STRANGER, IP1);
	fake_data(w, 2, 2, STRANGER, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(refusals(w, "wrong-mac").count, 2);
	world_destroy(w);
}

static void a_probe_binds_nothing(void **state)
{
	struct world *w = world_create();

	fake_probe(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void rarp_binds_all_addresses_of_the_node(void **state)
{
	struct world *w = world_create();
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	n.addresses[n.address_count++] = an_address("10.10.0.211");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	fake_rarp(w, 2, 2, VM1);
	world_run(w);
	assert_bound(w, IP1, 2, 2);
	assert_bound(w, "10.10.0.211", 2, 2);
	assert_int_equal(fake_rule(w, 1, RULE_FOREIGN, IP1)->cookie,
			 fake_rule(w, 1, RULE_FOREIGN, "10.10.0.211")->cookie);
	fake_rarp(w, 2, 2, STRANGER);
	world_run(w);
	assert_int_equal(refusals(w, "unknown-node").count, 1);
	world_destroy(w);
}

static void the_first_data_packet_binds_a_known_node(void **state)
{
	struct world *w = world_create();

	fake_data(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 2);
	world_destroy(w);
}

static void the_gateway_mac_never_registers(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 2, 2, GATEWAY, IP1);
	fake_rarp(w, 2, 2, GATEWAY);
	fake_announces(w, 2, 2, VM1, "10.10.0.1");
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(refusals(w, "gateway-mac").count, 2);
	assert_int_equal(refusals(w, "gateway-address").count, 1);
	world_destroy(w);
}

static void a_node_binds_only_at_the_elements_it_may_attach_to(void **state)
{
	struct world *w = world_create();
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	n.element_count = 1;
	snprintf(n.elements[0], NAME_SIZE, "FE3");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(refusals(w, "not-allowed-here").count, 1);
	assert_int_equal(core_prepare_move(w->core, "vm1", "FE2", "port2", 0, w->now_ms, &why),
			 -EPERM);
	fake_announces(w, 3, 2, VM1, IP1);
	world_run(w);
	assert_bound(w, IP1, 3, 2);
	world_destroy(w);
}

static void a_node_that_may_not_be_where_it_is_any_more_is_detached(void **state)
{
	struct world *w = world_create();
	struct node_spec n = world_node(w, "vm1");
	struct reason why;

	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	n.element_count = 1;
	snprintf(n.elements[0], NAME_SIZE, "FE3");
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	world_run(w);
	assert_bound(w, IP1, 0, 0);
	world_destroy(w);
}

static void a_fixed_prefix_is_served_only_by_its_elements(void **state)
{
	struct world *w = world_create();
	struct covered_prefix p = {.mobile = false, .element_count = 1};
	struct reason why;

	assert_int_equal(prefix_parse("10.2.0.0/16", &p.prefix), 0);
	p.gateway = an_address("10.2.0.1");
	snprintf(p.elements[0], NAME_SIZE, "FE2");
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	world_add_node(w, "fixed", "52:54:00:00:02:01", "10.2.3.1");
	world_run(w);
	assert_non_null(fake_rule(w, 2, RULE_ANSWER, "10.2.0.1"));
	assert_null(fake_rule(w, 3, RULE_ANSWER, "10.2.0.1"));
	assert_non_null(fake_rule(w, 3, RULE_COVERED, "10.2.0.0"));
	fake_announces(w, 3, 2, "52:54:00:00:02:01", "10.2.3.1");
	world_run(w);
	assert_null(core_attachment(w->core, "fixed"));
	fake_announces(w, 2, 2, "52:54:00:00:02:01", "10.2.3.1");
	world_run(w);
	assert_bound(w, "10.2.3.1", 2, 2);
	fake_announces(w, 2, 3, "52:54:00:00:02:01", "10.2.3.1");
	world_run(w);
	assert_bound(w, "10.2.3.1", 2, 2);
	assert_int_equal(refusals(w, "fixed-node").count, 1);
	world_destroy(w);
}

static void in_strict_mode_an_attested_port_takes_its_own_node_only(void **state)
{
	struct world *w = world_create();

	fake_port(w, 2, 2)->identity = "vm2";
	fake_port_up(w, 2, 2, true);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	assert_int_equal(refusals(w, "another-nodes-port").count, 1);
	fake_announces(w, 2, 2, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	assert_bound(w, "10.10.0.12", 2, 2);
	world_destroy(w);
}

static void an_external_port_binds_nobody(void **state)
{
	struct world *w = world_create();

	fake_announces(w, 1, 9, VM1, IP1);
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	fake_announces(w, 1, 77, VM1, IP1); /* a port that nobody has */
	world_run(w);
	assert_null(core_attachment(w->core, "vm1"));
	world_destroy(w);
}

static void a_node_without_a_mac_has_the_first_that_announces(void **state)
{
	struct world *w = world_create();

	world_add_node(w, "any", "00:00:00:00:00:00", "10.10.0.50");
	fake_announces(w, 2, 2, VM1, "10.10.0.50");
	world_run(w);
	assert_bound(w, "10.10.0.50", 2, 2);
	fake_announces(w, 3, 2, STRANGER, "10.10.0.50");
	world_run(w);
	assert_bound(w, "10.10.0.50", 2, 2);
	assert_int_equal(refusals(w, "wrong-mac").count, 1);
	world_destroy(w);
}

static void two_elements_on_one_segment_hear_one_claim(void **state)
{
	struct world *w = world_create();

	fake_port(w, 2, 2)->segment = fake_port(w, 3, 2)->segment = 7;
	fake_port_up(w, 2, 2, true);
	fake_port_up(w, 3, 2, true);
	world_run(w);
	for (unsigned i = 0; i < 3; i++) {
		fake_announces(w, 2, 2, VM1, IP1);
		fake_announces(w, 3, 2, VM1, IP1);
		world_run(w);
	}
	assert_non_null(core_attachment(w->core, "vm1"));
	assert_int_equal(world_count_events(w, EVENT_ATTACHED), 1);
	assert_int_equal(world_count_events(w, EVENT_MOVED), 0);
	assert_int_equal(world_count_events(w, EVENT_AMBIGUOUS), 0);
	world_destroy(w);
}

static struct world *an_open_world(void)
{
	struct world *w = world_create_bare(ADMISSION_OPEN);

	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 100);
	return w;
}

static void in_open_mode_unknown_nodes_are_learned(void **state)
{
	struct world *w = an_open_world();

	fake_announces(w, 2, 2, STRANGER, "10.10.0.99");
	world_run(w);
	assert_bound(w, "10.10.0.99", 2, 2);
	assert_true(inventory_node(core_inventory(w->core), "10.10.0.99")->learned);
	fake_announces(w, 3, 2, STRANGER, "10.10.0.99");
	world_run(w);
	assert_bound(w, "10.10.0.99", 3, 2);
	fake_announces(w, 2, 2, STRANGER, "192.168.7.7"); /* not covered */
	world_run(w);
	assert_int_equal(refusals(w, "not-covered").count, 1);
	world_destroy(w);
}

static void a_learned_node_is_forgotten_when_it_is_detached(void **state)
{
	struct world *w = an_open_world();

	fake_announces(w, 2, 2, STRANGER, "10.10.0.99");
	world_run(w);
	fake_port_gone(w, 2, 2);
	world_wait(w, 3000);
	assert_null(inventory_node(core_inventory(w->core), "10.10.0.99"));
	assert_bound(w, "10.10.0.99", 0, 0);
	/* Another machine may have the address then. */
	fake_announces(w, 3, 2, VM1, "10.10.0.99");
	world_run(w);
	assert_bound(w, "10.10.0.99", 3, 2);
	world_destroy(w);
}

static void a_second_address_of_a_learned_node_moves_with_the_first(void **state)
{
	struct world *w = an_open_world();

	fake_announces(w, 2, 2, STRANGER, "10.10.0.99");
	fake_announces(w, 2, 2, STRANGER, "10.10.0.98");
	world_run(w);
	assert_bound(w, "10.10.0.98", 2, 2);
	fake_rarp(w, 3, 2, STRANGER);
	world_run(w);
	assert_bound(w, "10.10.0.98", 3, 2);
	assert_bound(w, "10.10.0.99", 3, 2);
	world_destroy(w);
}

static void a_frame_of_any_bytes_does_no_harm(void **state)
{
	struct world *w = an_open_world();
	uint8_t bytes[120];

	srand(5);
	for (unsigned i = 0; i < 20000; i++) {
		struct replay replay = {.port = 2, .data = bytes};
		struct fake *f = fake_of(w, 2);

		w->event_count = w->log_count = 0;
		replay.data_size = (size_t)rand() % sizeof(bytes);
		for (size_t j = 0; j < replay.data_size; j++)
			bytes[j] = (uint8_t)rand();
		if (replay.data_size > 40 && rand() % 2)
			memcpy(bytes + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
		if (replay.data_size > 40 && rand() % 2)
			memcpy(bytes + 12, "\x81\x00\x00\x07\x86\xdd", 6);
		replay_encode(&f->channel.out, 0, &replay);
		world_run(w);
	}
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_unknown_node_is_refused_once_and_counted),
	cmocka_unit_test(refusals_of_made_up_addresses_are_bounded),
	cmocka_unit_test(the_wrong_mac_is_refused),
	cmocka_unit_test(a_probe_binds_nothing),
	cmocka_unit_test(rarp_binds_all_addresses_of_the_node),
	cmocka_unit_test(the_first_data_packet_binds_a_known_node),
	cmocka_unit_test(the_gateway_mac_never_registers),
	cmocka_unit_test(a_node_binds_only_at_the_elements_it_may_attach_to),
	cmocka_unit_test(a_node_that_may_not_be_where_it_is_any_more_is_detached),
	cmocka_unit_test(a_fixed_prefix_is_served_only_by_its_elements),
	cmocka_unit_test(in_strict_mode_an_attested_port_takes_its_own_node_only),
	cmocka_unit_test(an_external_port_binds_nobody),
	cmocka_unit_test(a_node_without_a_mac_has_the_first_that_announces),
	cmocka_unit_test(two_elements_on_one_segment_hear_one_claim),
	cmocka_unit_test(in_open_mode_unknown_nodes_are_learned),
	cmocka_unit_test(a_learned_node_is_forgotten_when_it_is_detached),
	cmocka_unit_test(a_second_address_of_a_learned_node_moves_with_the_first),
	cmocka_unit_test(a_frame_of_any_bytes_does_no_harm),
};

RUN_QUIETLY(tests)
