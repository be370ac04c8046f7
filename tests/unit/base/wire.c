/* base/wire: what is written is read back; a short read fails and stays failed. */
#include "base/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_written_is_read_back(void **state)
{
	struct buffer b = {0};

	write_u8(&b, 1);
	write_u16(&b, 0x0203);
	write_u32(&b, 0x04050607);
	write_u64(&b, 0x08090a0b0c0d0e0f);
	write_pad8(&b, 0);
	assert_int_equal(b.size, 16);

	struct reader rd = reader_make(b.data, b.size);

	assert_int_equal(read_u8(&rd), 1);
	assert_int_equal(read_u16(&rd), 0x0203);
	assert_int_equal(read_u32(&rd), 0x04050607);
	assert_int_equal(read_u64(&rd), 0x08090a0b0c0d0e0f);
	assert_int_equal(reader_left(&rd), 1);
	assert_false(rd.failed);
	buffer_finish(&b);
}

static void a_short_read_fails_and_stays_failed(void **state)
{
	const uint8_t bytes[3] = {1, 2, 3};
	struct reader rd = reader_make(bytes, sizeof(bytes));

	assert_int_equal(read_u32(&rd), 0);
	assert_true(rd.failed);
	assert_int_equal(read_u8(&rd), 0);
	assert_true(rd.failed);
}

static void a_sub_reader_ends_where_it_was_cut(void **state)
{
	const uint8_t bytes[4] = {1, 2, 3, 4};
	struct reader rd = reader_make(bytes, sizeof(bytes));
	struct reader sub = read_sub(&rd, 2);

	assert_int_equal(read_u16(&sub), 0x0102);
	assert_int_equal(read_u8(&sub), 0);
	assert_true(sub.failed);
	assert_int_equal(read_u16(&rd), 0x0304);
	assert_false(rd.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_short_read_fails_and_stays_failed),
		cmocka_unit_test(a_sub_reader_ends_where_it_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
