/* openflow/message: each body of its own, to bytes and back, and what is refused. */
#include "openflow/message.h"
#include "random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The cursor behind the header of the one message in 'b'. */
static struct reader body_of(const struct buffer *b, enum ofp_type type)
{
	struct reader rd = reader_make(b->data, b->size);
	struct ofp_header h;

	assert_int_equal(ofp_header_decode(&rd, &h), 0);
	assert_int_equal(h.version, OFP_VERSION);
	assert_int_equal(h.type, type);
	assert_int_equal(h.size, b->size);
	assert_int_equal(h.xid, 0x01020304);
	return rd;
}
#define XID 0x01020304

static void a_short_header_is_refused(void **state)
{
	static const uint8_t bytes[] = {4, 0, 0, 7, 0, 0, 0, 1};
	struct reader rd = reader_make(bytes, 7);
	struct ofp_header h;

	assert_int_equal(ofp_header_decode(&rd, &h), -EBADMSG);
	rd = reader_make(bytes, 8);
	assert_int_equal(ofp_header_decode(&rd, &h), -OFP_BAD_REQUEST_BAD_LEN);
}

static void a_hello_offers_what_its_bitmap_says(void **state)
{
	static const uint8_t bitmap[] = {0, 1, 0, 8, 0, 0, 0, 0x12};
	struct buffer b = {0};
	struct reader rd = reader_make(bitmap, sizeof(bitmap));
	uint32_t versions;

	assert_int_equal(ofp_hello_decode(&rd, 6, &versions), 0);
	assert_int_equal(versions, 0x12);
	ofp_hello_encode(&b, XID);
	rd = body_of(&b, OFPT_HELLO);
	assert_int_equal(ofp_hello_decode(&rd, 4, &versions), 0);
	assert_int_equal(versions, 1 << 4);
	buffer_finish(&b);
}

static void a_hello_without_a_bitmap_offers_all_versions_up_to_its_own(void **state)
{
	static const uint8_t other[] = {0, 9, 0, 4};
	struct reader rd = reader_make(other, 0);
	uint32_t versions;

	assert_int_equal(ofp_hello_decode(&rd, 1, &versions), 0);
	assert_int_equal(versions, 0x02);
	rd = reader_make(other, sizeof(other));
	assert_int_equal(ofp_hello_decode(&rd, 6, &versions), 0);
	assert_int_equal(versions, 0x7e);
	rd = reader_make(other, 0);
	assert_int_equal(ofp_hello_decode(&rd, 255, &versions), 0);
	assert_int_equal(versions, 0xfffffffe);
	rd = reader_make(other, 3);
	assert_int_equal(ofp_hello_decode(&rd, 4, &versions), -OFP_BAD_REQUEST_BAD_LEN);
}

static void an_error_carries_at_most_256_bytes_of_its_offender(void **state)
{
	const uint8_t offender[300] = {1, 2, 3};
	const struct ofp_error e = {-OFP_BAD_MATCH_BAD_PREREQ, offender, sizeof(offender)};
	struct buffer b = {0};
	struct ofp_error back;
	struct reader rd;

	ofp_error_encode(&b, XID, &e);
	assert_int_equal(b.size, 8 + 4 + 256);
	rd = body_of(&b, OFPT_ERROR);
	assert_int_equal(ofp_error_decode(&rd, &back), 0);
	assert_int_equal(back.result, e.result);
	assert_int_equal(back.offender_size, 256);
	assert_memory_equal(back.offender, offender, 256);
	buffer_finish(&b);
}

static void an_experimenters_error_is_still_an_error(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0, 7, 0, 0, 0x23, 0x20};
	struct reader rd = reader_make(bytes, sizeof(bytes));
	struct buffer b = {0};
	struct ofp_error e;

	assert_int_equal(ofp_error_decode(&rd, &e), 0);
	assert_true(ofp_error_is(e.result));
	ofp_error_encode(&b, XID, &e);
	assert_memory_equal(b.data + 8, bytes, 4);
	buffer_finish(&b);
}

static void session_messages_survive_the_wire(void **state)
{
	const struct ofp_features features = {0x1122334455667788, 9, 0x4f, 6, 1};
	const struct ofp_config config = {3, 128};
	const struct ofp_role_message role = {OFPCR_MASTER, 0x1122334455667788};
	struct ofp_features features_back = {0};
	struct ofp_config config_back = {0};
	struct ofp_role_message role_back = {0};
	struct buffer b = {0};
	struct reader rd;

	ofp_features_encode(&b, XID, &features);
	rd = body_of(&b, OFPT_FEATURES_REPLY);
	assert_int_equal(ofp_features_decode(&rd, &features_back), 0);
	assert_int_equal(features_back.datapath_id, features.datapath_id);
	assert_int_equal(features_back.buffer_count, 9);
	assert_int_equal(features_back.capabilities, 0x4f);
	assert_int_equal(features_back.table_count, 6);
	assert_int_equal(features_back.auxiliary_id, 1);
	buffer_clear(&b);
	ofp_config_encode(&b, OFPT_SET_CONFIG, XID, &config);
	rd = body_of(&b, OFPT_SET_CONFIG);
	assert_int_equal(ofp_config_decode(&rd, &config_back), 0);
	assert_memory_equal(&config, &config_back, sizeof(config));
	buffer_clear(&b);
	ofp_role_encode(&b, OFPT_ROLE_REQUEST, XID, &role);
	rd = body_of(&b, OFPT_ROLE_REQUEST);
	assert_int_equal(ofp_role_decode(&rd, &role_back), 0);
	assert_int_equal(role_back.role, OFPCR_MASTER);
	assert_int_equal(role_back.generation_id, role.generation_id);
	b.data[11] = 4;
	rd = body_of(&b, OFPT_ROLE_REQUEST);
	assert_int_equal(ofp_role_decode(&rd, &role_back), -OFP_ROLE_REQUEST_FAILED_BAD_ROLE);
	buffer_finish(&b);
}

static void a_body_of_another_size_is_refused(void **state)
{
	static const uint8_t bytes[32];
	struct reader rd = reader_make(bytes, 23);
	struct ofp_features features;
	struct ofp_config config;
	struct ofp_port_status status;

	assert_int_equal(ofp_features_decode(&rd, &features), -OFP_BAD_REQUEST_BAD_LEN);
	rd = reader_make(bytes, 25);
	assert_int_equal(ofp_features_decode(&rd, &features), -OFP_BAD_REQUEST_BAD_LEN);
	rd = reader_make(bytes, 5);
	assert_int_equal(ofp_config_decode(&rd, &config), -OFP_BAD_REQUEST_BAD_LEN);
	rd = reader_make(bytes, 32);
	assert_int_equal(ofp_port_status_decode(&rd, &status), -OFP_BAD_REQUEST_BAD_LEN);
}

static void packets_survive_the_wire(void **state)
{
	static const uint8_t data[] = "a frame";
	struct ofp_packet_in in = {
		OFP_NO_BUFFER, 1500, OFPR_ACTION, 3, 77, .data = data, .data_size = sizeof(data)};
	struct ofp_packet_out out = {OFP_NO_BUFFER, OFPP_CONTROLLER, .data = data,
				     .data_size = sizeof(data)};
	struct ofp_packet_in in_back;
	struct ofp_packet_out out_back;
	struct buffer b = {0};
	struct reader rd;

	ofp_match_set(&in.match, OFP_FIELD_IN_PORT, 5);
	ofp_packet_in_encode(&b, XID, &in);
	rd = body_of(&b, OFPT_PACKET_IN);
	assert_int_equal(ofp_packet_in_decode(&rd, &in_back), 0);
	assert_int_equal(in_back.total_size, 1500);
	assert_int_equal(in_back.table, 3);
	assert_int_equal(in_back.cookie, 77);
	assert_true(ofp_match_equal(&in.match, &in_back.match));
	assert_int_equal(in_back.data_size, sizeof(data));
	assert_memory_equal(in_back.data, data, sizeof(data));
	buffer_clear(&b);
	ofp_actions_add_output(&out.actions, 9);
	ofp_packet_out_encode(&b, XID, &out);
	rd = body_of(&b, OFPT_PACKET_OUT);
	assert_int_equal(ofp_packet_out_decode(&rd, &out_back), 0);
	assert_int_equal(out_back.in_port, OFPP_CONTROLLER);
	assert_true(ofp_actions_equal(&out.actions, &out_back.actions));
	assert_memory_equal(out_back.data, data, sizeof(data));
	buffer_finish(&b);
}

static void a_packet_longer_than_a_message_is_cut(void **state)
{
	static const uint8_t data[70000];
	const struct ofp_packet_in in = {.data = data, .data_size = sizeof(data)};
	struct buffer b = {0};

	ofp_packet_in_encode(&b, XID, &in);
	assert_int_equal(b.size, OFP_MESSAGE_MAX);
	(void)body_of(&b, OFPT_PACKET_IN);
	buffer_finish(&b);
}

static void any_flow_mod_survives_the_wire(void **state)
{
	struct random random = {4};
	struct buffer b = {0};

	for (unsigned i = 0; i < 5000; i++) {
		struct ofp_flow_mod f = {.cookie = i,
					 .table = (uint8_t)i,
					 .priority = (uint16_t)i,
					 .command = (uint8_t)(i % 5),
					 .flags = (uint16_t)(i % 32),
					 .out_port = i,
					 .idle_timeout = 7,
					 .hard_timeout = 8,
					 .cookie_mask = 9};
		struct ofp_flow_mod back;
		struct reader rd;

		random_match(&random, &f.match);
		random_instructions(&random, &f.instructions);
		buffer_clear(&b);
		ofp_flow_mod_encode(&b, XID, &f);
		rd = body_of(&b, OFPT_FLOW_MOD);
		assert_int_equal(ofp_flow_mod_decode(&rd, &back), 0);
		assert_int_equal(back.cookie, f.cookie);
		assert_int_equal(back.cookie_mask, 9);
		assert_int_equal(back.command, f.command);
		assert_int_equal(back.priority, f.priority);
		assert_int_equal(back.idle_timeout, 7);
		assert_int_equal(back.hard_timeout, 8);
		assert_int_equal(back.flags, f.flags);
		assert_int_equal(back.out_port, f.out_port);
		assert_true(ofp_match_equal(&f.match, &back.match));
		assert_true(ofp_instructions_equal(&f.instructions, &back.instructions));
	}
	buffer_finish(&b);
}

static void wrong_flow_mods_are_refused(void **state)
{
	struct ofp_flow_mod f = {.command = 5}, back;
	struct buffer b = {0};
	struct reader rd;

	ofp_flow_mod_encode(&b, XID, &f);
	rd = body_of(&b, OFPT_FLOW_MOD);
	assert_int_equal(ofp_flow_mod_decode(&rd, &back), -OFP_FLOW_MOD_FAILED_BAD_COMMAND);
	f = (struct ofp_flow_mod){.flags = 0x20};
	buffer_clear(&b);
	ofp_flow_mod_encode(&b, XID, &f);
	rd = body_of(&b, OFPT_FLOW_MOD);
	assert_int_equal(ofp_flow_mod_decode(&rd, &back), -OFP_FLOW_MOD_FAILED_BAD_FLAGS);
	rd = reader_make(b.data + 8, 39);
	assert_int_equal(ofp_flow_mod_decode(&rd, &back), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static void a_group_mod_survives_the_wire(void **state)
{
	struct ofp_group_mod g = {OFPGC_MODIFY, OFPGT_SELECT, 7, 2, {{0}}}, back;
	struct buffer b = {0};
	struct reader rd;

	g.buckets[0].weight = 3;
	g.buckets[1].watch_port = 4;
	ofp_actions_add_set(&g.buckets[1].actions, OFP_FIELD_TUN_IPV4_DST, 0x0a000001);
	ofp_group_mod_encode(&b, XID, &g);
	rd = body_of(&b, OFPT_GROUP_MOD);
	assert_int_equal(ofp_group_mod_decode(&rd, &back), 0);
	assert_int_equal(back.command, OFPGC_MODIFY);
	assert_int_equal(back.type, OFPGT_SELECT);
	assert_int_equal(back.group, 7);
	assert_int_equal(back.bucket_count, 2);
	assert_int_equal(back.buckets[0].weight, 3);
	assert_int_equal(back.buckets[1].watch_port, 4);
	assert_true(ofp_actions_equal(&g.buckets[1].actions, &back.buckets[1].actions));
	b.data[9] = 3;
	rd = body_of(&b, OFPT_GROUP_MOD);
	assert_int_equal(ofp_group_mod_decode(&rd, &back), -OFP_GROUP_MOD_FAILED_BAD_COMMAND);
	b.data[9] = 0;
	b.data[10] = 4;
	rd = body_of(&b, OFPT_GROUP_MOD);
	assert_int_equal(ofp_group_mod_decode(&rd, &back), -OFP_GROUP_MOD_FAILED_BAD_TYPE);
	buffer_finish(&b);
}

static void reports_survive_the_wire(void **state)
{
	struct ofp_port_status status = {OFPPR_DELETE,
					 {3, {{2, 0, 0, 0, 0, 7}}, "tap0", 1, 1, 2, 4, 5}};
	struct ofp_flow_removed removed = {.cookie = 5,
					   .packet_count = 6,
					   .byte_count = 7,
					   .priority = 8,
					   .reason = OFPRR_HARD_TIMEOUT,
					   .table = 3,
					   .duration_s = 9,
					   .idle_timeout = 10};
	struct ofp_port_status status_back = {0};
	struct ofp_flow_removed removed_back;
	struct buffer b = {0};
	struct reader rd;

	ofp_port_status_encode(&b, XID, &status);
	assert_int_equal(b.size, 80);
	rd = body_of(&b, OFPT_PORT_STATUS);
	assert_int_equal(ofp_port_status_decode(&rd, &status_back), 0);
	assert_int_equal(status_back.reason, OFPPR_DELETE);
	assert_memory_equal(&status.port, &status_back.port, sizeof(status.port));
	/* a name without its end */
	memset(b.data + 32, 'x', OFP_PORT_NAME_SIZE);
	rd = body_of(&b, OFPT_PORT_STATUS);
	assert_int_equal(ofp_port_status_decode(&rd, &status_back), 0);
	assert_int_equal(strlen(status_back.port.name), OFP_PORT_NAME_SIZE - 1);
	buffer_clear(&b);
	ofp_match_set(&removed.match, OFP_FIELD_REG1, 3);
	ofp_flow_removed_encode(&b, XID, &removed);
	rd = body_of(&b, OFPT_FLOW_REMOVED);
	assert_int_equal(ofp_flow_removed_decode(&rd, &removed_back), 0);
	assert_int_equal(removed_back.cookie, 5);
	assert_int_equal(removed_back.byte_count, 7);
	assert_int_equal(removed_back.reason, OFPRR_HARD_TIMEOUT);
	assert_int_equal(removed_back.idle_timeout, 10);
	assert_true(ofp_match_equal(&removed.match, &removed_back.match));
	buffer_finish(&b);
}

static void message_types_have_names(void **state)
{
	assert_string_equal(ofp_type_name(OFPT_FLOW_MOD), "FLOW_MOD");
	assert_string_equal(ofp_type_name(OFPT_BARRIER_REPLY), "BARRIER_REPLY");
	assert_string_equal(ofp_type_name(OFPT_METER_MOD), "METER_MOD");
	assert_string_equal(ofp_type_name(30), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_header_is_refused),
		cmocka_unit_test(a_hello_offers_what_its_bitmap_says),
		cmocka_unit_test(a_hello_without_a_bitmap_offers_all_versions_up_to_its_own),
		cmocka_unit_test(an_error_carries_at_most_256_bytes_of_its_offender),
		cmocka_unit_test(an_experimenters_error_is_still_an_error),
		cmocka_unit_test(session_messages_survive_the_wire),
		cmocka_unit_test(a_body_of_another_size_is_refused),
		cmocka_unit_test(packets_survive_the_wire),
		cmocka_unit_test(a_packet_longer_than_a_message_is_cut),
		cmocka_unit_test(any_flow_mod_survives_the_wire),
		cmocka_unit_test(wrong_flow_mods_are_refused),
		cmocka_unit_test(a_group_mod_survives_the_wire),
		cmocka_unit_test(reports_survive_the_wire),
		cmocka_unit_test(message_types_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
