/* pipeline/experimenter: every message there and back, cut at every length, and hostile ones. */
#include "pipeline/experimenter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The body of the one message in 'b', behind its type, which must be 'type'. */
static struct reader open_message(const struct buffer *b, enum experimenter_type type)
{
	struct reader rd = reader_make(b->data, b->size);
	struct ofp_header header;
	enum experimenter_type met;

	assert_int_equal(ofp_header_decode(&rd, &header), 0);
	assert_int_equal(header.type, OFPT_EXPERIMENTER);
	assert_int_equal(header.size, b->size);
	assert_int_equal(header.xid, 77);
	assert_int_equal(experimenter_decode(&rd, &met), 0);
	assert_int_equal(met, type);
	return rd;
}

static void an_element_introduces_itself(void **state)
{
	struct element_info in = {.name = "fe2",
				  .software = "victor-fe 0.1.0",
				  .backplane_mtu = 1600,
				  .encapsulations = ENCAPSULATION_IPIP,
				  .binding_limit = 1 << 20},
			    out;
	struct buffer b = {0};

	in.backplane = address_from_ipv4((uint8_t[]){172, 16, 2, 2});
	in.redirect = address_from_ipv4((uint8_t[]){172, 16, 2, 3});
	element_info_encode(&b, 77, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_ELEMENT), whole = rd;

	assert_int_equal(element_info_decode(&rd, &out), 0);
	assert_string_equal(out.name, in.name);
	assert_string_equal(out.software, in.software);
	assert_true(address_equal(&out.backplane, &in.backplane));
	assert_true(address_equal(&out.redirect, &in.redirect));
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
	struct drop_count in[] = {{"no_binding", 5}, {"redirected_miss", 0}}, out;
	struct buffer b = {0};

	drops_reply_encode(&b, 77, in, 2);
	struct reader rd = open_message(&b, EXPERIMENTER_DROPS_REPLY);

	assert_int_equal(drops_next(&rd, &out), 1);
	assert_string_equal(out.name, "no_binding");
	assert_int_equal(out.packets, 5);
	assert_int_equal(drops_next(&rd, &out), 1);
	assert_int_equal(drops_next(&rd, &out), 0);
	rd = open_message(&b, EXPERIMENTER_DROPS_REPLY);
	rd.end -= 1;
	assert_int_equal(drops_next(&rd, &out), 1);
	assert_int_equal(drops_next(&rd, &out), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void anothers_message_and_an_unknown_type_are_refused(void **state)
{
	struct buffer b = {0};
	enum experimenter_type type;

	counters_request_encode(&b, 77);
	(void)open_message(&b, EXPERIMENTER_COUNTERS_REQUEST);
	b.data[15] = EXPERIMENTER_DROPS_REPLY + 1;
	struct reader rd = reader_make(b.data + 8, b.size - 8);

	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_EXP_TYPE);
	b.data[8] ^= 1;
	rd = reader_make(b.data + 8, b.size - 8);
	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_EXPERIMENTER);
	rd = reader_make(b.data + 8, 7);
	assert_int_equal(experimenter_decode(&rd, &type), -OFP_BAD_REQUEST_BAD_LEN);
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
		cmocka_unit_test(drops_come_by_name),
		cmocka_unit_test(anothers_message_and_an_unknown_type_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
