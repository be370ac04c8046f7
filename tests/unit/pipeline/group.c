/* pipeline/rule: the groups of tunnels, through the wire and back, and every near miss refused. */
#include "pipeline/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static void a_group_survives_the_wire(void **state)
{
	struct rule_group groups[] = {
		{.fe = 3, .address = ip("172.16.3.2"), .redirect = ip("172.16.3.3")},
		{.fe = 65535, .address = ip("172.16.3.2")},
		{.fe = 1, .address = ip("fd00::3")},
		{.fe = 2, .address = ip("fd00::3"), .redirect = ip("fd00::4")},
		{.fe = 2, .address = ip("fd00::3"), .vxlan = true},
		{.fe = 2, .address = ip("172.16.3.2"), .vxlan = true, .limited = true},
		{.fe = 4,
		 .address = ip("172.16.3.2"),
		 .redirect = ip("172.16.3.3"),
		 .path_count = 2,
		 .paths = {7, PIPELINE_LINK_PORT(9)}},
		{.fe = 5,
		 .address = ip("172.16.3.2"),
		 .select = true,
		 .path_count = 4,
		 .paths = {1, 2, 3, 4}},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
		struct ofp_group_mod m, n;
		struct rule_group back;
		struct buffer b = {0};
		struct ofp_header header;

		rule_group_to_group_mod(&groups[i], OFPGC_ADD, &m);
		ofp_group_mod_encode(&b, 1, &m);
		struct reader rd = reader_make(b.data, b.size);

		assert_int_equal(ofp_header_decode(&rd, &header), 0);
		assert_int_equal(ofp_group_mod_decode(&rd, &n), 0);
		assert_int_equal(rule_group_from_group_mod(&n, &back), 0);
		assert_true(rule_group_equal(&groups[i], &back));
		buffer_finish(&b);
	}
}

static void a_group_that_is_no_tunnel_is_refused(void **state)
{
	struct rule_group g = {.fe = 3, .address = ip("172.16.3.2")}, back;
	struct ofp_group_mod m, right;

	rule_group_to_group_mod(&g, OFPGC_ADD, &right);
	m = right;
	m.group = 0;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_GROUP_MOD_FAILED_INVALID_GROUP);
	m.group = PIPELINE_FE_MAX + 1;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_GROUP_MOD_FAILED_INVALID_GROUP);
	m = right;
	m.type = OFPGT_ALL;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_GROUP_MOD_FAILED_BAD_TYPE);
	m = right;
	m.type = OFPGT_SELECT; /* but it watches no link */
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED);
	m = right;
	m.bucket_count = 0;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_GROUP_MOD_FAILED_BAD_BUCKET);
	m = right;
	m.buckets[0].watch_port = 1;
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED);
	m = right;
	m.buckets[0].actions.list[1].output.port = 5;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_BAD_ACTION_BAD_OUT_PORT);
	m = right;
	m.buckets[0].actions.count = 1;
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_BAD_ACTION_UNSUPPORTED_ORDER);
	m = right;
	memset(m.buckets[0].actions.list[0].set_field.value, 0, 4);
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
}

static void a_group_with_a_wrong_path_is_refused(void **state)
{
	struct rule_group back, g = {.fe = 3,
				     .address = ip("172.16.3.2"),
				     .path_count = 2,
				     .paths = {7, PIPELINE_LINK_PORT(9)}};
	struct ofp_group_mod m, right;

	rule_group_to_group_mod(&g, OFPGC_ADD, &right);
	m = right;
	m.buckets[1].watch_port = 7; /* twice the same */
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_GROUP_MOD_FAILED_BAD_BUCKET);
	m = right;
	m.buckets[1].watch_port = 8; /* but it is sent by link 9 */
	assert_int_equal(rule_group_from_group_mod(&m, &back), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	m = right;
	m.buckets[0].watch_port = OFPP_ANY;
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED);
	m = right;
	m.buckets[0].watch_group = 1;
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_WATCH_UNSUPPORTED);
	m = right;
	m.bucket_count = GROUP_PATHS_MAX + 1;
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
	m = right;
	m.type = OFPGT_SELECT; /* without weights */
	assert_int_equal(rule_group_from_group_mod(&m, &back),
			 -OFP_GROUP_MOD_FAILED_WEIGHT_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_survives_the_wire),
		cmocka_unit_test(a_group_that_is_no_tunnel_is_refused),
		cmocka_unit_test(a_group_with_a_wrong_path_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
