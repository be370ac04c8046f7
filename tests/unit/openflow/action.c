/* openflow/action and instruction: lists of actions, instructions, buckets. */
#include "openflow/action.h"
#include "openflow/error.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int decode(const void *bytes, size_t size, struct ofp_actions *ret)
{
	struct reader rd = reader_make(bytes, size);

	return ofp_actions_decode(&rd, ret);
}
#define DECODE(ret, ...) \
	decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), ret)
#define NICIRA(size, subtype) 0xff, 0xff, 0, size, 0, 0, 0x23, 0x20, 0, subtype

static void any_actions_survive_the_wire(void **state)
{
	struct random random = {2};
	struct buffer b = {0};

	for (unsigned i = 0; i < 20000; i++) {
		struct ofp_actions a, back;

		random_actions(&random, &a);
		buffer_clear(&b);
		ofp_actions_encode(&a, &b);
		assert_int_equal(decode(b.data, b.size, &back), 0);
		assert_true(ofp_actions_equal(&a, &back));
	}
	buffer_finish(&b);
}

static void any_instructions_survive_the_wire(void **state)
{
	struct random random = {3};
	struct buffer b = {0};

	for (unsigned i = 0; i < 20000; i++) {
		struct ofp_instructions a, back;
		struct reader rd;

		random_instructions(&random, &a);
		buffer_clear(&b);
		ofp_instructions_encode(&a, &b);
		rd = reader_make(b.data, b.size);
		assert_int_equal(ofp_instructions_decode(&rd, &back), 0);
		assert_true(ofp_instructions_equal(&a, &back));
	}
	buffer_finish(&b);
}

static void a_move_is_written_as_open_vswitch_reads_it(void **state)
{
	static const uint8_t expected[] = {
		NICIRA(24, 6), 0, 32, 0, 0, 0, 0, 0x80, 0, 0, 4, 0, 1, 0, 4};
	struct ofp_actions a = {0};
	struct buffer b = {0};

	ofp_actions_add_move(&a, OFP_FIELD_IN_PORT, 0, OFP_FIELD_REG0, 0, 32);
	ofp_actions_encode(&a, &b);
	assert_int_equal(b.size, 24);
	assert_memory_equal(b.data, expected, sizeof(expected));
	buffer_finish(&b);
}

static void a_different_action_is_not_equal(void **state)
{
	struct ofp_actions a = {0}, b = {0};

	ofp_actions_add_load(&a, OFP_FIELD_REG0, 0, 32, 5);
	assert_false(ofp_actions_equal(&a, &b));
	ofp_actions_add_load(&b, OFP_FIELD_REG0, 0, 32, 6);
	assert_false(ofp_actions_equal(&a, &b));
	b.list[0].load.value = 5;
	assert_true(ofp_actions_equal(&a, &b));
	ofp_actions_add_output(&a, 1);
	ofp_actions_add_group(&b, 1);
	assert_false(ofp_actions_equal(&a, &b));
}

static void unknown_actions_are_refused(void **state)
{
	struct ofp_actions a;

	assert_int_equal(DECODE(&a, 0, 99, 0, 8, 0, 0, 0, 0), -OFP_BAD_ACTION_BAD_TYPE);
	assert_int_equal(DECODE(&a, 0xff, 0xff, 0, 8, 1, 2, 3, 4),
			 -OFP_BAD_ACTION_BAD_EXPERIMENTER);
	assert_int_equal(DECODE(&a, NICIRA(16, 99), 0, 0, 0, 0, 0, 0),
			 -OFP_BAD_ACTION_BAD_EXP_TYPE);
	assert_int_equal(DECODE(&a, 0xff, 0xff, 0, 8, 0, 0, 0x23, 0x20), -OFP_BAD_ACTION_BAD_TYPE);
}

static void wrong_action_sizes_are_refused(void **state)
{
	struct ofp_actions a;

	assert_int_equal(DECODE(&a, 0, 22), -OFP_BAD_ACTION_BAD_LEN);
	assert_int_equal(DECODE(&a, 0, 22, 0, 0, 0, 0, 0, 1), -OFP_BAD_ACTION_BAD_LEN);
	assert_int_equal(DECODE(&a, 0, 22, 0, 16, 0, 0, 0, 1), -OFP_BAD_ACTION_BAD_LEN);
	assert_int_equal(DECODE(&a, 0, 22, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0), -OFP_BAD_ACTION_BAD_LEN);
	assert_int_equal(DECODE(&a, 0, 0, 0, 8, 0, 0, 0, 1), -OFP_BAD_ACTION_BAD_LEN);
	/* set_field whose field ends a whole word before the action does */
	assert_int_equal(DECODE(&a, 0, 25, 0, 24, 0x80, 0, 0x0a, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 0, 0, 0, 0),
			 -OFP_BAD_ACTION_BAD_LEN);
}

static void wrong_fields_are_refused(void **state)
{
	struct ofp_actions a;

	/* unknown field; a mask; a value that the field cannot have */
	assert_int_equal(DECODE(&a, 0, 25, 0, 16, 0x80, 0, 0x4a, 2, 8, 0, 0, 0, 0, 0, 0, 0),
			 -OFP_BAD_ACTION_BAD_SET_TYPE);
	assert_int_equal(DECODE(&a, 0, 25, 0, 16, 0, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 1),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	assert_int_equal(DECODE(&a, 0, 25, 0, 16, 0x80, 0, 0x0c, 2, 0xf0, 0, 0, 0, 0, 0, 0, 0),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	/* reg0 has 32 bits: 32 at offset 1 are too many; two bits hold no 4 */
	assert_int_equal(DECODE(&a, NICIRA(24, 7), 0, 64 | 31, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	assert_int_equal(DECODE(&a, NICIRA(24, 7), 0, 1, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	assert_int_equal(DECODE(&a, NICIRA(24, 6), 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 1, 2, 4),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
}

static void too_many_actions_are_refused(void **state)
{
	struct ofp_actions a = {0};
	struct buffer b = {0};

	for (unsigned i = 0; i < OFP_ACTIONS_MAX; i++)
		ofp_actions_add_output(&a, i + 1);
	ofp_actions_encode(&a, &b);
	assert_int_equal(decode(b.data, b.size, &a), 0);
	buffer_add_bytes(&b, memcpy((uint8_t[16]){0}, b.data, 16), 16);
	assert_int_equal(decode(b.data, b.size, &a), -OFP_BAD_ACTION_TOO_MANY);
	buffer_finish(&b);
}

static int decode_instructions(const void *bytes, size_t size)
{
	struct reader rd = reader_make(bytes, size);
	struct ofp_instructions i;

	return ofp_instructions_decode(&rd, &i);
}
#define DECODE_INSTRUCTIONS(...) \
	decode_instructions((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void wrong_instructions_are_refused(void **state)
{
	assert_int_equal(DECODE_INSTRUCTIONS(0, 1, 0, 8, 3, 0, 0, 0), 0);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 1, 0, 8, 3, 0, 0, 0, 0, 1, 0, 8, 4, 0, 0, 0),
			 -OFP_BAD_INSTRUCTION_UNSUP_INST);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 9, 0, 8, 3, 0, 0, 0),
			 -OFP_BAD_INSTRUCTION_UNKNOWN_INST);
	assert_int_equal(DECODE_INSTRUCTIONS(0xff, 0xff, 0, 8, 0, 0, 0x23, 0x20),
			 -OFP_BAD_INSTRUCTION_BAD_EXPERIMENTER);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 1, 0, 16, 3, 0, 0, 0),
			 -OFP_BAD_INSTRUCTION_BAD_LEN);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 2, 0, 8, 3, 0, 0, 0), -OFP_BAD_INSTRUCTION_BAD_LEN);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 1, 0, 4), -OFP_BAD_INSTRUCTION_BAD_LEN);
	assert_int_equal(DECODE_INSTRUCTIONS(0, 4, 0, 16, 0, 0, 0, 0, 0, 22, 0, 16, 0, 0, 0, 1),
			 -OFP_BAD_ACTION_BAD_LEN);
}

static void wrong_buckets_are_refused(void **state)
{
	struct ofp_bucket list[OFP_BUCKETS_MAX];
	uint8_t bytes[16 * (OFP_BUCKETS_MAX + 1)] = {0}, count;
	struct reader rd;

	for (unsigned i = 0; i <= OFP_BUCKETS_MAX; i++)
		bytes[16 * i + 1] = 16;
	rd = reader_make(bytes, sizeof(bytes) - 16);
	assert_int_equal(ofp_buckets_decode(&rd, list, &count), 0);
	assert_int_equal(count, OFP_BUCKETS_MAX);
	rd = reader_make(bytes, sizeof(bytes));
	assert_int_equal(ofp_buckets_decode(&rd, list, &count),
			 -OFP_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
	rd = reader_make(bytes, 24);
	assert_int_equal(ofp_buckets_decode(&rd, list, &count), -OFP_GROUP_MOD_FAILED_BAD_BUCKET);
	bytes[1] = 8;
	rd = reader_make(bytes, 16);
	assert_int_equal(ofp_buckets_decode(&rd, list, &count), -OFP_GROUP_MOD_FAILED_BAD_BUCKET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_actions_survive_the_wire),
		cmocka_unit_test(any_instructions_survive_the_wire),
		cmocka_unit_test(a_move_is_written_as_open_vswitch_reads_it),
		cmocka_unit_test(a_different_action_is_not_equal),
		cmocka_unit_test(unknown_actions_are_refused),
		cmocka_unit_test(wrong_action_sizes_are_refused),
		cmocka_unit_test(wrong_fields_are_refused),
		cmocka_unit_test(too_many_actions_are_refused),
		cmocka_unit_test(wrong_instructions_are_refused),
		cmocka_unit_test(wrong_buckets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
