/* openflow/multipart: replies of any length in messages of bounded length, read item by item. */
#include "openflow/multipart.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The next message of the reply in 'rd'. */
static struct ofp_multipart next_message(struct reader *rd)
{
	struct reader whole = *rd;
	struct ofp_multipart m;
	struct ofp_header h;

	assert_int_equal(ofp_header_decode(&whole, &h), 0);
	assert_int_equal(h.type, OFPT_MULTIPART_REPLY);
	assert_int_equal(h.xid, 9);
	whole = read_sub(rd, h.size);
	assert_false(whole.failed);
	read_skip(&whole, OFP_HEADER_SIZE);
	assert_int_equal(ofp_multipart_decode(&whole, &m), 0);
	return m;
}

static void make_flow(struct ofp_flow_stats *f, struct random *random, unsigned i)
{
	memset(f, 0, sizeof(*f));
	f->cookie = i;
	f->packet_count = i + 1;
	f->byte_count = i + 2;
	f->table = (uint8_t)i;
	random_match(random, &f->match);
	random_instructions(random, &f->instructions);
}

static void a_long_reply_is_cut_and_read_back_whole(void **state)
{
	enum { COUNT = 2000 };
	struct ofp_multipart_writer w;
	struct ofp_flow_stats f, back;
	struct random random = {5}, again = {5};
	struct buffer b = {0};
	struct reader rd;
	unsigned messages = 0, items = 0;
	bool more = true;

	ofp_multipart_begin(&w, &b, 9, OFPMP_FLOW);
	for (unsigned i = 0; i < COUNT; i++) {
		make_flow(&f, &random, i);
		ofp_flow_stats_add(&w, &f);
	}
	ofp_multipart_end(&w);
	for (rd = reader_make(b.data, b.size); reader_left(&rd); messages++) {
		struct ofp_multipart m = next_message(&rd);

		assert_true(more);
		more = m.more;
		assert_int_equal(m.type, OFPMP_FLOW);
		while (ofp_flow_stats_next(&m.body, &back) == 1) {
			make_flow(&f, &again, items++);
			assert_int_equal(back.cookie, f.cookie);
			assert_int_equal(back.packet_count, f.packet_count);
			assert_true(ofp_match_equal(&back.match, &f.match));
			assert_true(ofp_instructions_equal(&back.instructions, &f.instructions));
		}
	}
	assert_false(more);
	assert_int_equal(items, COUNT);
	assert_true(messages > 5 && messages < 20);
	buffer_finish(&b);
}

static void a_message_may_be_filled_to_its_last_byte(void **state)
{
	/* (65535 - 16) / 24 items fit exactly 2729 times; one more opens a second message. */
	const struct ofp_table_stats t = {1, 2, 3, 4};
	struct ofp_multipart_writer w;
	struct buffer b = {0};
	struct reader rd;

	ofp_multipart_begin(&w, &b, 9, OFPMP_TABLE);
	for (unsigned i = 0; i < 2730; i++)
		ofp_table_stats_add(&w, &t);
	ofp_multipart_end(&w);
	rd = reader_make(b.data, b.size);
	struct ofp_multipart m = next_message(&rd);

	assert_true(m.more);
	assert_int_equal(reader_left(&m.body), 2729 * 24);
	m = next_message(&rd);
	assert_false(m.more);
	assert_int_equal(reader_left(&m.body), 24);
	assert_int_equal(reader_left(&rd), 0);
	buffer_finish(&b);
}

static void a_paused_reply_lets_others_in_between(void **state)
{
	const struct ofp_table_stats t = {1, 2, 3, 4};
	struct ofp_multipart_writer w;
	struct buffer b = {0};
	struct reader rd;

	ofp_multipart_begin(&w, &b, 9, OFPMP_TABLE);
	ofp_table_stats_add(&w, &t);
	ofp_multipart_pause(&w);
	rd = reader_make(b.data, b.size);
	assert_true(next_message(&rd).more);
	buffer_clear(&b);
	ofp_empty_encode(&b, OFPT_BARRIER_REPLY, 1);
	ofp_multipart_resume(&w);
	ofp_table_stats_add(&w, &t);
	ofp_multipart_end(&w);
	rd = reader_make(b.data + 8, b.size - 8);
	assert_false(next_message(&rd).more);
	buffer_finish(&b);
}

static void statistics_survive_the_wire(void **state)
{
	const struct ofp_port_stats p = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
	const struct ofp_group_stats g = {1, 2, 3, 4, 5, 6, 2, {{7, 8}, {9, 10}}};
	const struct ofp_aggregate_stats a = {1, 2, 3};
	struct ofp_multipart_writer w;
	struct ofp_multipart m;
	struct ofp_port_stats p_back;
	struct ofp_group_stats g_back = {0};
	struct ofp_aggregate_stats a_back = {0};
	struct buffer b = {0};
	struct reader rd;

	ofp_multipart_begin(&w, &b, 9, OFPMP_PORT_STATS);
	ofp_port_stats_add(&w, &p);
	ofp_multipart_end(&w);
	ofp_multipart_begin(&w, &b, 9, OFPMP_GROUP);
	ofp_group_stats_add(&w, &g);
	ofp_multipart_end(&w);
	ofp_multipart_begin(&w, &b, 9, OFPMP_AGGREGATE);
	ofp_aggregate_stats_add(&w, &a);
	ofp_multipart_end(&w);
	rd = reader_make(b.data, b.size);
	m = next_message(&rd);
	assert_int_equal(ofp_port_stats_next(&m.body, &p_back), 1);
	assert_int_equal(p_back.port, 1);
	assert_int_equal(p_back.duration_s, 2);
	assert_int_equal(p_back.duration_ns, 3);
	assert_memory_equal(&p.rx_packets, &p_back.rx_packets, 8 * sizeof(p.rx_packets));
	assert_int_equal(ofp_port_stats_next(&m.body, &p_back), 0);
	m = next_message(&rd);
	assert_int_equal(ofp_group_stats_next(&m.body, &g_back), 1);
	assert_int_equal(g_back.bucket_count, 2);
	assert_memory_equal(g.buckets, g_back.buckets, sizeof(g.buckets));
	m = next_message(&rd);
	assert_int_equal(ofp_aggregate_stats_decode(&m.body, &a_back), 0);
	assert_int_equal(a_back.flow_count, 3);
	buffer_finish(&b);
}

static void a_description_is_cut_to_its_fields(void **state)
{
	struct ofp_description d = {.manufacturer = "m", .datapath = "d"}, back;
	struct ofp_multipart_writer w;
	struct ofp_multipart m;
	struct buffer b = {0};
	struct reader rd;

	memset(d.serial, 's', sizeof(d.serial));
	ofp_multipart_begin(&w, &b, 9, OFPMP_DESC);
	ofp_description_add(&w, &d);
	ofp_multipart_end(&w);
	assert_int_equal(b.size, 16 + 1056);
	rd = reader_make(b.data, b.size);
	m = next_message(&rd);
	assert_int_equal(ofp_description_decode(&m.body, &back), 0);
	assert_string_equal(back.manufacturer, "m");
	assert_int_equal(strlen(back.serial), 31);
	assert_string_equal(back.datapath, "d");
	buffer_finish(&b);
}

static void a_flow_that_makes_no_sense_does_not_hide_the_next(void **state)
{
	struct ofp_flow_stats f = {.cookie = 1}, back;
	struct ofp_multipart_writer w;
	struct buffer b = {0};
	struct reader rd;
	struct ofp_multipart m;

	ofp_match_set(&f.match, OFP_FIELD_IN_PORT, 1);
	ofp_multipart_begin(&w, &b, 9, OFPMP_FLOW);
	ofp_flow_stats_add(&w, &f);
	f.cookie = 2;
	ofp_flow_stats_add(&w, &f);
	ofp_multipart_end(&w);
	b.data[16 + 48 + 4 + 2] = 0x7e; /* the first in_port becomes an unknown field */
	rd = reader_make(b.data, b.size);
	m = next_message(&rd);
	assert_int_equal(ofp_flow_stats_next(&m.body, &back), -OFP_BAD_MATCH_BAD_FIELD);
	assert_int_equal(ofp_flow_stats_next(&m.body, &back), 1);
	assert_int_equal(back.cookie, 2);
	assert_int_equal(ofp_flow_stats_next(&m.body, &back), 0);
	buffer_finish(&b);
}

static void an_item_of_size_zero_ends_the_reading(void **state)
{
	static const uint8_t zeros[256];
	struct reader rd = reader_make(zeros, sizeof(zeros));
	struct ofp_flow_stats f;
	struct ofp_group_mod g;

	assert_int_equal(ofp_flow_stats_next(&rd, &f), -OFP_BAD_REQUEST_BAD_LEN);
	assert_int_equal(ofp_flow_stats_next(&rd, &f), 0);
	rd = reader_make(zeros, sizeof(zeros));
	assert_int_equal(ofp_group_desc_next(&rd, &g), -OFP_BAD_REQUEST_BAD_LEN);
	assert_int_equal(ofp_group_desc_next(&rd, &g), 0);
}

static void requests_survive_the_wire(void **state)
{
	struct ofp_flow_stats_request r = {3, OFPP_ANY, OFPG_ANY, 5, 7, {0}}, back;
	struct buffer b = {0};
	struct ofp_multipart m;
	struct reader rd;
	uint32_t id;

	ofp_match_set(&r.match, OFP_FIELD_IN_PORT, 1);
	ofp_flow_stats_request_encode(&b, 9, OFPMP_AGGREGATE, &r);
	rd = reader_make(b.data + 8, b.size - 8);
	assert_int_equal(ofp_multipart_decode(&rd, &m), 0);
	assert_int_equal(m.type, OFPMP_AGGREGATE);
	assert_int_equal(ofp_flow_stats_request_decode(&m.body, &back), 0);
	assert_int_equal(back.table, 3);
	assert_int_equal(back.cookie_mask, 7);
	assert_true(ofp_match_equal(&r.match, &back.match));
	buffer_clear(&b);
	ofp_id_request_encode(&b, 9, OFPMP_GROUP, 77);
	rd = reader_make(b.data + 8, b.size - 8);
	assert_int_equal(ofp_multipart_decode(&rd, &m), 0);
	assert_int_equal(ofp_id_request_decode(&m.body, &id), 0);
	assert_int_equal(id, 77);
	rd = reader_make(b.data + 8, 7);
	assert_int_equal(ofp_multipart_decode(&rd, &m), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_reply_is_cut_and_read_back_whole),
		cmocka_unit_test(a_message_may_be_filled_to_its_last_byte),
		cmocka_unit_test(a_paused_reply_lets_others_in_between),
		cmocka_unit_test(statistics_survive_the_wire),
		cmocka_unit_test(a_description_is_cut_to_its_fields),
		cmocka_unit_test(a_flow_that_makes_no_sense_does_not_hide_the_next),
		cmocka_unit_test(an_item_of_size_zero_ends_the_reading),
		cmocka_unit_test(requests_survive_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
