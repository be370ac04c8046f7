/* openflow/match and match_wire: sets of fields, in memory and as bytes. */
#include "openflow/match.h"
#include "openflow/error.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Decodes a match of the wire made of these TLVs. */
static int decode(const void *tlvs, size_t size, struct ofp_match *ret)
{
	struct buffer b = {0};
	struct reader rd;
	int r;

	write_u16(&b, 1);
	write_u16(&b, (uint16_t)(size + 4));
	buffer_add_bytes(&b, tlvs, size);
	write_pad8(&b, 0);
	rd = reader_make(b.data, b.size);
	r = ofp_match_decode(&rd, ret);
	if (!r)
		assert_int_equal(reader_left(&rd), 0);
	buffer_finish(&b);
	return r;
}
#define DECODE(ret, ...) \
	decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), ret)

#define ETH_TYPE_IPV4 0x80, 0x00, 0x0a, 0x02, 0x08, 0x00
#define ETH_TYPE_IPV6 0x80, 0x00, 0x0a, 0x02, 0x86, 0xdd

static void fields_are_kept_sorted_and_replaced(void **state)
{
	struct ofp_match m = {0};

	ofp_match_set(&m, OFP_FIELD_IPV4_DST, 0x0a000001);
	ofp_match_set(&m, OFP_FIELD_IN_PORT, 7);
	ofp_match_set(&m, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&m, OFP_FIELD_IPV4_DST, 0x0a000002);
	assert_int_equal(m.count, 3);
	assert_int_equal(m.fields[0].field, OFP_FIELD_IN_PORT);
	assert_int_equal(m.fields[1].field, OFP_FIELD_ETH_TYPE);
	assert_int_equal(ofp_match_value(&m.fields[2]), 0x0a000002);
	assert_true(ofp_match_is_exact(&m.fields[2]));
	assert_null(ofp_match_get(&m, OFP_FIELD_IPV4_SRC));
}

static void a_mask_of_zero_removes_a_field(void **state)
{
	struct ofp_match m = {0};

	ofp_match_set(&m, OFP_FIELD_METADATA, 7);
	ofp_match_set_masked(&m, OFP_FIELD_METADATA, 7, 0);
	assert_int_equal(m.count, 0);
}

static void value_bits_outside_the_mask_are_cleared(void **state)
{
	struct ofp_match m = {0};

	ofp_match_set_masked(&m, OFP_FIELD_IPV4_DST, 0x0a0b0c0d, 0xffff0000);
	assert_int_equal(ofp_match_value(&m.fields[0]), 0x0a0b0000);
	assert_int_equal(ofp_match_mask(&m.fields[0]), 0xffff0000);
}

static void a_mask_of_all_the_bits_that_a_field_has_is_exact(void **state)
{
	struct ofp_match a = {0}, b = {0};

	ofp_match_set_masked(&a, OFP_FIELD_VLAN_VID, 0x1007, 0x1fff);
	ofp_match_set(&b, OFP_FIELD_VLAN_VID, 0x1007);
	assert_true(ofp_match_is_exact(&a.fields[0]));
	assert_true(ofp_match_equal(&a, &b));
	assert_memory_equal(&a, &b, sizeof(a));
}

static void a_wide_match_covers_a_narrow_one_only(void **state)
{
	struct ofp_match wide = {0}, narrow = {0}, all = {0};

	ofp_match_set(&wide, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set_masked(&wide, OFP_FIELD_IPV4_DST, 0x0a000000, 0xff000000);
	narrow = wide;
	ofp_match_set(&narrow, OFP_FIELD_IPV4_DST, 0x0a000001);
	assert_true(ofp_match_covers(&wide, &narrow));
	assert_false(ofp_match_covers(&narrow, &wide));
	assert_true(ofp_match_covers(&all, &wide));
	assert_false(ofp_match_covers(&wide, &all));
	ofp_match_set(&narrow, OFP_FIELD_IPV4_DST, 0x0b000001);
	assert_false(ofp_match_covers(&wide, &narrow));
}

static void an_exact_field_is_written_without_a_mask(void **state)
{
	static const uint8_t expected[] = {0, 1, 0, 22,   ETH_TYPE_IPV4, 0x80, 0, 0x19, 8, 10,
					   1, 0, 0, 0xff, 0xff,          0,    0, 0,    0};
	struct ofp_match m = {0};
	struct buffer b = {0};

	ofp_match_set_masked(&m, OFP_FIELD_IPV4_DST, 0x0a010000, 0xffff0000);
	ofp_match_set(&m, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_encode(&m, &b);
	assert_int_equal(b.size, 24);
	assert_memory_equal(b.data, expected, sizeof(expected));
	buffer_finish(&b);
}

static void an_all_ones_mask_is_read_as_exact(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x01, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff), 0);
	assert_int_equal(m.count, 1);
	assert_true(ofp_match_is_exact(&m.fields[0]));
}

static void an_all_zero_mask_is_read_as_no_field(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x00, 1, 0x01, 8, 0, 0, 0, 0, 0, 0, 0, 0), 0);
	assert_int_equal(m.count, 0);
}

static void value_bits_outside_the_mask_are_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x00, 1, 0x01, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0),
			 -OFP_BAD_MATCH_BAD_WILDCARDS);
}

static void a_mask_on_an_unmaskable_field_is_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x01, 8, 0, 0, 0, 0, 0, 0, 0, 1),
			 -OFP_BAD_MATCH_BAD_MASK);
}

static void a_field_without_its_prerequisite_is_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x18, 4, 10, 0, 0, 1), -OFP_BAD_MATCH_BAD_PREREQ);
	assert_int_equal(DECODE(&m, ETH_TYPE_IPV6, 0x80, 0, 0x18, 4, 10, 0, 0, 1),
			 -OFP_BAD_MATCH_BAD_PREREQ);
	assert_int_equal(DECODE(&m, ETH_TYPE_IPV4, 0x80, 0, 0x18, 4, 10, 0, 0, 1), 0);
	/* tcp_dst, with and without ip_proto */
	assert_int_equal(DECODE(&m, ETH_TYPE_IPV4, 0x80, 0, 0x1c, 2, 0, 80),
			 -OFP_BAD_MATCH_BAD_PREREQ);
	assert_int_equal(DECODE(&m, ETH_TYPE_IPV4, 0x80, 0, 0x14, 1, 6, 0x80, 0, 0x1c, 2, 0, 80),
			 0);
	/* vlan_pcp of an untagged packet */
	assert_int_equal(DECODE(&m, 0x80, 0, 0x0c, 2, 0, 0, 0x80, 0, 0x0e, 1, 3),
			 -OFP_BAD_MATCH_BAD_PREREQ);
}

static void the_order_of_fields_on_the_wire_does_not_matter(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x18, 4, 10, 0, 0, 1, ETH_TYPE_IPV4), 0);
	assert_int_equal(m.fields[0].field, OFP_FIELD_ETH_TYPE);
}

static void a_field_twice_is_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, ETH_TYPE_IPV4, ETH_TYPE_IPV4), -OFP_BAD_MATCH_DUP_FIELD);
	/* tunnel_id by both its names, the first as a wildcard */
	assert_int_equal(DECODE(&m, 0x80, 0, 0x4d, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 0, 1, 0x20, 8, 0, 0, 0, 0, 0, 0, 0, 5),
			 -OFP_BAD_MATCH_DUP_FIELD);
}

static void unknown_fields_and_classes_are_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x4a, 4, 0, 0, 0, 0), -OFP_BAD_MATCH_BAD_FIELD);
	assert_int_equal(DECODE(&m, 0xff, 0xff, 0, 4, 0, 0, 0, 0), -OFP_BAD_MATCH_BAD_FIELD);
	assert_int_equal(DECODE(&m, 0, 2, 0, 4, 0, 0, 0, 0), -OFP_BAD_MATCH_BAD_FIELD);
}

static void a_packet_in_may_have_fields_that_we_do_not_know(void **state)
{
	static const uint8_t bytes[] = {0,    1, 0, 20, 0xff, 0xff, 0, 4, 0, 0, 0, 0,
					0x80, 0, 0, 4,  0,    0,    0, 9, 0, 0, 0, 0};
	struct reader rd = reader_make(bytes, sizeof(bytes));
	struct ofp_match m;

	assert_int_equal(ofp_match_decode_lenient(&rd, &m), 0);
	assert_int_equal(m.count, 1);
	assert_int_equal(ofp_match_value(&m.fields[0]), 9);
}

static void wrong_sizes_are_refused(void **state)
{
	static const uint8_t past_end[] = {0, 1, 0, 12, 0x80, 0, 0, 4};
	struct reader rd = reader_make(past_end, sizeof(past_end));
	struct ofp_match m;

	assert_int_equal(ofp_match_decode(&rd, &m), -OFP_BAD_MATCH_BAD_LEN);
	assert_int_equal(DECODE(&m, 0x80, 0, 0, 3, 0, 0, 0), -OFP_BAD_MATCH_BAD_LEN);
	assert_int_equal(DECODE(&m, 0x80, 0, 0, 4, 0, 0, 0), -OFP_BAD_MATCH_BAD_LEN);
	assert_int_equal(DECODE(&m, 0x80, 0), -OFP_BAD_MATCH_BAD_LEN);
}

static void bits_that_a_field_does_not_have_are_refused(void **state)
{
	struct ofp_match m;

	assert_int_equal(DECODE(&m, 0x80, 0, 0x0c, 2, 0x20, 0), -OFP_BAD_MATCH_BAD_VALUE);
	/* a VLAN id, but no tag */
	assert_int_equal(DECODE(&m, 0x80, 0, 0x0c, 2, 0, 7), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(DECODE(&m, 0x80, 0, 0x0c, 2, 0x10, 7), 0);
	assert_int_equal(DECODE(&m, 0x80, 0, 0x0c, 2, 0, 0), 0);
	assert_int_equal(DECODE(&m, 0x80, 0, 0x0d, 4, 0x10, 0, 0x10, 0), 0);
	assert_false(ofp_match_is_exact(&m.fields[0]));
}

static void both_names_of_a_field_are_read(void **state)
{
	enum ofp_field field;

	assert_int_equal(ofp_field_from_header(0x00000206, &field), 0);
	assert_int_equal(field, OFP_FIELD_ETH_DST);
	assert_int_equal(ofp_field_from_header(0x80000606, &field), 0);
	assert_int_equal(field, OFP_FIELD_ETH_DST);
	assert_int_equal(ofp_field_from_header(0x00012008, &field), 0);
	assert_int_equal(field, OFP_FIELD_TUNNEL_ID);
	assert_int_equal(ofp_field_from_header(0x00000207, &field), -OFP_BAD_MATCH_BAD_LEN);
	assert_int_equal(ofp_field_from_header(0x0000030c, &field), -OFP_BAD_MATCH_BAD_MASK);
}

static void headers_and_fields_are_a_bijection(void **state)
{
	for (unsigned i = 0; i < OFP_FIELD_COUNT; i++) {
		enum ofp_field field;

		assert_int_equal(ofp_field_from_header(ofp_field_header(i), &field), 0);
		assert_int_equal(field, i);
		assert_string_not_equal(ofp_field_name(i), "unknown");
	}
	assert_string_equal(ofp_field_name(OFP_FIELD_TUN_IPV6_DST), "tun_ipv6_dst");
	assert_string_equal(ofp_field_name(OFP_FIELD_NXM_IN_PORT), "nxm_in_port");
	assert_int_equal(ofp_field_bits(OFP_FIELD_VLAN_VID), 13);
	assert_int_equal(ofp_field_bits(OFP_FIELD_IPV6_SRC), 128);
}

static void any_match_survives_the_wire(void **state)
{
	struct random random = {1};
	struct buffer b = {0};

	for (unsigned i = 0; i < 20000; i++) {
		struct ofp_match m, back;
		struct reader rd;

		random_match(&random, &m);
		buffer_clear(&b);
		ofp_match_encode(&m, &b);
		assert_int_equal(b.size % 8, 0);
		rd = reader_make(b.data, b.size);
		assert_int_equal(ofp_match_decode(&rd, &back), 0);
		assert_int_equal(reader_left(&rd), 0);
		assert_true(ofp_match_equal(&m, &back));
		assert_memory_equal(m.fields, back.fields, m.count * sizeof(m.fields[0]));
	}
	buffer_finish(&b);
}

static void errors_have_names(void **state)
{
	assert_string_equal(ofp_error_string(-OFP_FLOW_MOD_FAILED_TABLE_FULL),
			    "FLOW_MOD_FAILED_TABLE_FULL");
	assert_string_equal(ofp_error_string(-104), "Connection reset by peer");
	assert_string_equal(ofp_error_string(-OFP_ERROR(99, 1)),
			    "an OpenFlow error without a name");
	assert_string_equal(ofp_error_string(-99999), "unknown error");
	assert_int_equal(ofp_error_type(-OFP_BAD_MATCH_BAD_PREREQ), 4);
	assert_int_equal(ofp_error_code(-OFP_BAD_MATCH_BAD_PREREQ), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_kept_sorted_and_replaced),
		cmocka_unit_test(a_mask_of_zero_removes_a_field),
		cmocka_unit_test(value_bits_outside_the_mask_are_cleared),
		cmocka_unit_test(a_mask_of_all_the_bits_that_a_field_has_is_exact),
		cmocka_unit_test(a_wide_match_covers_a_narrow_one_only),
		cmocka_unit_test(an_exact_field_is_written_without_a_mask),
		cmocka_unit_test(an_all_ones_mask_is_read_as_exact),
		cmocka_unit_test(an_all_zero_mask_is_read_as_no_field),
		cmocka_unit_test(value_bits_outside_the_mask_are_refused),
		cmocka_unit_test(a_mask_on_an_unmaskable_field_is_refused),
		cmocka_unit_test(a_field_without_its_prerequisite_is_refused),
		cmocka_unit_test(the_order_of_fields_on_the_wire_does_not_matter),
		cmocka_unit_test(a_field_twice_is_refused),
		cmocka_unit_test(unknown_fields_and_classes_are_refused),
		cmocka_unit_test(a_packet_in_may_have_fields_that_we_do_not_know),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(bits_that_a_field_does_not_have_are_refused),
		cmocka_unit_test(both_names_of_a_field_are_read),
		cmocka_unit_test(headers_and_fields_are_a_bijection),
		cmocka_unit_test(any_match_survives_the_wire),
		cmocka_unit_test(errors_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
