/* LLDP frames: what is built is read again, what is cut or forged is refused. */
#include "packet/lldp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct lldp one = {
	.fe = 4711, .port = 12, .proof = 0x0123456789abcdef, .ttl_s = 16, .name = "fe-4711"};

static void a_frame_is_read_as_it_was_built(void **state)
{
	struct buffer b = {0};
	struct lldp back;

	lldp_build(&b, &one);
	assert_true(b.size >= 60);
	assert_int_equal(lldp_parse(b.data, b.size, &back), 0);
	assert_int_equal(back.fe, one.fe);
	assert_int_equal(back.port, one.port);
	assert_true(back.proof == one.proof);
	assert_int_equal(back.ttl_s, one.ttl_s);
	assert_string_equal(back.name, one.name);
	buffer_finish(&b);
}

/* IEEE 802.1AB-2016, clause 8: to the nearest bridge, chassis, port, time to live, in this order.
 */
static void the_frame_begins_as_the_standard_says(void **state)
{
	static const uint8_t begin[] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e};
	static const uint8_t chassis[] = {0x88, 0xcc, 0x02, 0x08, 0x07, 'f', 'e', '-'};
	static const uint8_t port[] = {0x04, 0x03, 0x07, '1', '2', 0x06, 0x02, 0x00, 0x10};
	struct buffer b = {0};

	lldp_build(&b, &one);
	assert_memory_equal(b.data, begin, sizeof(begin));
	assert_memory_equal(b.data + 12, chassis, sizeof(chassis));
	assert_memory_equal(b.data + 24, port, sizeof(port));
	buffer_finish(&b);
}

static void a_frame_that_is_cut_anywhere_is_refused(void **state)
{
	struct buffer b = {0};
	struct lldp back;

	lldp_build(&b, &one);
	for (size_t size = 0; size < 55; size++) {
		uint8_t *copy = malloc(size ? size : 1);

		memcpy(copy, b.data, size);
		assert_true(lldp_parse(copy, size, &back) < 0);
		free(copy);
	}
	buffer_finish(&b);
}

static void another_vendors_frame_is_not_ours(void **state)
{
	static const uint8_t frame[] = {0x01, 0x80, 0xc2, 0,    0,    0x0e, 2, 0,   0, 0, 0, 1,
					0x88, 0xcc, 0x02, 0x07, 0x04, 2,    0, 0,   0, 0, 1, 0x04,
					0x03, 0x05, 'p',  '1',  0x06, 0x02, 0, 120, 0, 0};
	struct lldp back;

	assert_int_equal(lldp_parse(frame, sizeof(frame), &back), -ENOENT);
	assert_int_equal(lldp_parse(frame, 20, &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_read_as_it_was_built),
		cmocka_unit_test(the_frame_begins_as_the_standard_says),
		cmocka_unit_test(a_frame_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(another_vendors_frame_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
