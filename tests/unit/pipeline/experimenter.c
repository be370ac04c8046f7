/* pipeline/experimenter: every message there and back, cut at every length, and hostile ones. */
#include "pipeline/experimenter.h"
#include "pipeline/rule.h"
#include "tests/unit/pipeline/open_message.h"

#include <string.h>

static void an_element_introduces_itself(void **state)
{
	struct element_info in = {.name = "fe2",
				  .software = "victor-fe 0.1.0",
				  .backplane_mtu = 1600,
				  .encapsulations = ENCAPSULATION_IPIP,
				  .binding_limit = 1 << 20},
			    out;
	struct buffer b = {0};

	in.backplane.pair[FAMILY_IPV4].address = address_from_ipv4((uint8_t[]){172, 16, 2, 2});
	in.backplane.pair[FAMILY_IPV4].redirect = address_from_ipv4((uint8_t[]){172, 16, 2, 3});
	element_info_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_ELEMENT), whole = rd;

	assert_int_equal(element_info_decode(&rd, &out), 0);
	assert_string_equal(out.name, in.name);
	assert_string_equal(out.software, in.software);
	assert_true(address_equal(&out.backplane.pair[FAMILY_IPV4].address,
				  &in.backplane.pair[FAMILY_IPV4].address));
	assert_true(address_equal(&out.backplane.pair[FAMILY_IPV4].redirect,
				  &in.backplane.pair[FAMILY_IPV4].redirect));
	assert_int_equal(out.backplane_mtu, 1600);
	assert_int_equal(out.encapsulations, ENCAPSULATION_IPIP);
	assert_int_equal(out.binding_limit, 1 << 20);
	for (size_t size = 0; size < reader_left(&whole); size++) {
		rd = reader_make(whole.at, size);
		assert_int_equal(element_info_decode(&rd, &out), -OFP_BAD_REQUEST_BAD_LEN);
	}
	buffer_finish(&b);
}

static void a_name_is_cut_ended_and_made_printable(void **state)
{
	struct element_info in = {0}, out;
	struct buffer b = {0};

	memset(in.name, 'x', sizeof(in.name)); /* no terminating zero */
	memcpy(in.name, "a\x1b[2J\n", 6);
	element_info_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_ELEMENT);

	assert_int_equal(element_info_decode(&rd, &out), 0);
	assert_int_equal(strlen(out.name), ELEMENT_NAME_SIZE - 1);
	assert_memory_equal(out.name, "a?[2J?x", 7);
	b.data[16 + ELEMENT_NAME_SIZE - 1] = 'x'; /* and on the wire */
	rd = open_message(&b, EXPERIMENTER_ELEMENT);
	assert_int_equal(element_info_decode(&rd, &out), 0);
	assert_int_equal(strlen(out.name), ELEMENT_NAME_SIZE - 1);
	buffer_finish(&b);
}

static void a_port_says_what_it_is_for(void **state)
{
	struct port_info in = {.number = 4,
			       .role = PORT_ACCESS,
			       .trunk = true,
			       .mtu = 1500,
			       .segment = 9,
			       .identity = "vm5"},
			 out;
	struct buffer b = {0};

	port_info_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_PORT);

	assert_int_equal(port_info_decode(&rd, &out), 0);
	assert_int_equal(out.number, 4);
	assert_int_equal(out.role, PORT_ACCESS);
	assert_true(out.trunk);
	assert_int_equal(out.mtu, 1500);
	assert_int_equal(out.segment, 9);
	assert_string_equal(out.identity, "vm5");
	b.data[16 + 4] = PORT_EXTERNAL + 1;
	rd = open_message(&b, EXPERIMENTER_PORT);
	assert_int_equal(port_info_decode(&rd, &out), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void an_announcement_is_replayed_with_its_age(void **state)
{
	struct replay in = {.port = 3,
			    .age_ms = 1234,
			    .data = (const uint8_t *)"frame",
			    .data_size = 5},
		      out;
	struct buffer b = {0};

	replay_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_REPLAY);

	assert_int_equal(replay_decode(&rd, &out), 0);
	assert_int_equal(out.port, 3);
	assert_int_equal(out.age_ms, 1234);
	assert_int_equal(out.data_size, 5);
	assert_memory_equal(out.data, "frame", 5);
	buffer_finish(&b);
}

static void a_silent_node_is_reported_with_its_version(void **state)
{
	struct silent in = {.vrf = 1, .port = 2, .vlan = 3, .cookie = 1ull << 60, .idle_ms = 33000},
		      out;
	struct buffer b = {0};

	in.address = address_from_ipv4((uint8_t[]){10, 10, 0, 5});
	silent_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_SILENT);

	assert_int_equal(silent_decode(&rd, &out), 0);
	assert_int_equal(out.vrf, 1);
	assert_int_equal(out.port, 2);
	assert_int_equal(out.vlan, 3);
	assert_int_equal(out.cookie, 1ull << 60);
	assert_int_equal(out.idle_ms, 33000);
	assert_true(address_equal(&out.address, &in.address));
	buffer_finish(&b);
}

static void as_many_counters_as_allowed_fit_a_message(void **state)
{
	static struct counter in[COUNTERS_PER_MESSAGE];
	struct counter out;
	struct buffer b = {0};
	bool more;

	for (unsigned i = 0; i < COUNTERS_PER_MESSAGE; i++)
		in[i] = (struct counter){.ingress_fe = i, .vrf = 1, .packets = i * 2, .bytes = 3};
	counters_reply_encode(&b, 77, in, COUNTERS_PER_MESSAGE, true);
	struct reader rd = open_message(&b, EXPERIMENTER_COUNTERS_REPLY);

	assert_int_equal(counters_reply_begin(&rd, &more), 0);
	assert_true(more);
	for (unsigned i = 0; i < COUNTERS_PER_MESSAGE; i++) {
		assert_int_equal(counters_next(&rd, &out), 1);
		assert_int_equal(out.ingress_fe, i);
		assert_int_equal(out.packets, i * 2);
	}
	assert_int_equal(counters_next(&rd, &out), 0);
	b.size--; /* not whole counters */
	write_u16_at(&b, 2, (uint16_t)b.size);
	rd = open_message(&b, EXPERIMENTER_COUNTERS_REPLY);
	assert_int_equal(counters_reply_begin(&rd, &more), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void drops_come_by_name(void **state)
{
	struct drop_count in[] = {{"no_binding", .packets = 5}, {"sent_too_big", .is_other = true}},
			  out;
	struct buffer b = {0};

	drops_reply_encode(&b, 77, in, 2);
	struct reader rd = open_message(&b, EXPERIMENTER_DROPS_REPLY);

	assert_int_equal(drops_next(&rd, &out), 1);
	assert_string_equal(out.name, "no_binding");
	assert_int_equal(out.packets, 5);
	assert_false(out.is_other);
	assert_int_equal(drops_next(&rd, &out), 1);
	assert_string_equal(out.name, "sent_too_big");
	assert_true(out.is_other);
	assert_int_equal(drops_next(&rd, &out), 0);
	rd = open_message(&b, EXPERIMENTER_DROPS_REPLY);
	rd.end -= 1;
	assert_int_equal(drops_next(&rd, &out), 1);
	assert_int_equal(drops_next(&rd, &out), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void what_ports_met_comes_in_pieces(void **state)
{
	struct drop_count in[] = {{"guard_gateway", .packets = 5, .port = 7},
				  {"punt_limited", .is_other = true, .port = 0xfe00}},
			  out;
	struct buffer b = {0};
	bool more;

	port_drops_reply_encode(&b, 77, in, 2, true);
	struct reader rd = open_message(&b, EXPERIMENTER_PORT_DROPS_REPLY);

	assert_int_equal(port_drops_reply_begin(&rd, &more), 0);
	assert_true(more);
	assert_int_equal(port_drops_next(&rd, &out), 1);
	assert_string_equal(out.name, "guard_gateway");
	assert_int_equal(out.packets, 5);
	assert_int_equal(out.port, 7);
	assert_false(out.is_other);
	assert_int_equal(port_drops_next(&rd, &out), 1);
	assert_int_equal(out.port, 0xfe00);
	assert_true(out.is_other);
	assert_int_equal(port_drops_next(&rd, &out), 0);
	b.size--;
	write_u16_at(&b, 2, (uint16_t)b.size);
	rd = open_message(&b, EXPERIMENTER_PORT_DROPS_REPLY);
	assert_int_equal(port_drops_reply_begin(&rd, &more), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void anothers_message_and_an_unknown_type_are_refused(void **state)
{
	struct buffer b = {0};
	enum experimenter_type type;

	counters_request_encode(&b, 77);
	(void)open_message(&b, EXPERIMENTER_COUNTERS_REQUEST);
	b.data[15] = EXPERIMENTER_TYPE_END;
	struct reader rd = reader_make(b.data + 8, b.size - 8);

	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_EXP_TYPE);
	b.data[8] ^= 1;
	rd = reader_make(b.data + 8, b.size - 8);
	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_EXPERIMENTER);
	rd = reader_make(b.data + 8, 7);
	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static const struct link_info a_link = {
	.number = 7,
	.fe = 3,
	.kind = LINK_MPLS,
	.multiplier = 3,
	.interval_ms = 50,
	.mtu = 1600,
	.label_count = 2,
	.labels = {100, 0xfffff},
	.label_in = 17,
};

static int survives(const struct link_info *in, struct link_info *ret)
{
	struct buffer b = {0};

	link_set_encode(&b, 77, in);
	struct reader rd = open_message(&b, EXPERIMENTER_LINK_SET);
	int r = link_set_decode(&rd, ret);

	buffer_finish(&b);
	return r;
}

static void a_link_survives_the_wire(void **state)
{
	struct link_info logical = {.number = PIPELINE_LINK_PORT(9), .fe = 9, .kind = LINK_UDP},
			 out;

	assert_int_equal(survives(&a_link, &out), 0);
	assert_true(link_info_equal(&a_link, &out));
	assert_int_equal(survives(&logical, &out), 0);
	assert_true(link_info_equal(&logical, &out));
}

static void a_link_that_cannot_be_is_refused(void **state)
{
	struct link_info wrong[10], out;

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = a_link;
	wrong[0].number = 0;
	wrong[1].number = PIPELINE_LINK_PORT(3);
	wrong[2].fe = 0;
	wrong[3].fe = PIPELINE_FE_MAX + 1;
	wrong[4].kind = 6;
	wrong[5].multiplier = 0;
	wrong[6].label_count = 1; /* but two labels */
	wrong[7].labels[0] = 0x100000;
	wrong[8].label_in = 0x100000;
	wrong[9].kind = LINK_IP; /* but a port's number, and labels */
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(survives(&wrong[i], &out), -OFP_BAD_REQUEST_BAD_LEN);
}

static void the_states_of_links_survive_the_wire(void **state)
{
	struct link_info infos[2] = {a_link, {.number = 8, .fe = 4, .kind = LINK_RAW}}, info;
	struct link_state states[2] = {{.number = 7, .up = true, .delay_us = 250, .packets = 5},
				       {.number = 8, .diagnostic = 1, .bytes = 1ull << 40}},
			  one;
	struct buffer b = {0};
	bool more;

	links_reply_encode(&b, 77, infos, states, 2, true);
	struct reader rd = open_message(&b, EXPERIMENTER_LINKS_REPLY);

	assert_int_equal(links_reply_begin(&rd, &more), 0);
	assert_true(more);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(links_next(&rd, &info, &one), 1);
		assert_true(link_info_equal(&info, &infos[i]));
		assert_int_equal(one.number, states[i].number);
		assert_int_equal(one.up, states[i].up);
		assert_int_equal(one.delay_us, states[i].delay_us);
		assert_int_equal(one.packets, states[i].packets);
		assert_int_equal(one.bytes, states[i].bytes);
	}
	assert_int_equal(links_next(&rd, &info, &one), 0);
	buffer_clear(&b);
	states[1].number = 9;
	links_reply_encode(&b, 77, infos, states, 2, false);
	rd = open_message(&b, EXPERIMENTER_LINKS_REPLY);
	assert_int_equal(links_reply_begin(&rd, &more), 0);
	assert_int_equal(links_next(&rd, &info, &one), 1);
	assert_int_equal(links_next(&rd, &info, &one), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void a_link_that_goes_up_or_away_survives_the_wire(void **state)
{
	struct link_state in = {.number = 7, .up = true, .diagnostic = 3}, out;
	struct buffer b = {0};
	uint32_t number;

	link_state_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_LINK_STATE);

	assert_int_equal(link_state_decode(&rd, &out), 0);
	assert_true(out.up && out.diagnostic == 3 && out.number == 7);
	buffer_clear(&b);
	link_delete_encode(&b, 77, 7);
	rd = open_message(&b, EXPERIMENTER_LINK_DELETE);
	assert_int_equal(link_delete_decode(&rd, &number), 0);
	assert_int_equal(number, 7);
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_element_introduces_itself),
		cmocka_unit_test(a_name_is_cut_ended_and_made_printable),
		cmocka_unit_test(a_port_says_what_it_is_for),
		cmocka_unit_test(an_announcement_is_replayed_with_its_age),
		cmocka_unit_test(a_silent_node_is_reported_with_its_version),
		cmocka_unit_test(as_many_counters_as_allowed_fit_a_message),
		cmocka_unit_test(what_ports_met_comes_in_pieces),
		cmocka_unit_test(drops_come_by_name),
		cmocka_unit_test(anothers_message_and_an_unknown_type_are_refused),
		cmocka_unit_test(a_link_survives_the_wire),
		cmocka_unit_test(a_link_that_cannot_be_is_refused),
		cmocka_unit_test(the_states_of_links_survive_the_wire),
		cmocka_unit_test(a_link_that_goes_up_or_away_survives_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
