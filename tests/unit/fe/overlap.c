/* Which routes are in the way of a covered prefix, and what controllers are told of them. */
#include "fe/overlap.h"

#include "base/log.h"
#include "pipeline/experimenter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool in_the_way(const char *covered, const char *route, enum overlap_route kind)
{
	struct prefix p, r;

	assert_int_equal(prefix_parse(covered, &p), 0);
	assert_int_equal(prefix_parse(route, &r), 0);
	return overlap_is(&p, &r, kind);
}

static void a_part_of_a_covered_prefix_is_in_the_way(void **state)
{
	assert_true(in_the_way("10.10.0.0/16", "10.10.5.0/24", OVERLAP_ROUTED));
	assert_true(in_the_way("10.10.0.0/16", "10.10.5.7/32", OVERLAP_OWN));
	assert_true(in_the_way("2001:db8:10::/64", "2001:db8:10::7/128", OVERLAP_CONNECTED));
	assert_false(in_the_way("10.10.0.0/16", "10.11.5.0/24", OVERLAP_ROUTED));
	assert_false(in_the_way("10.10.0.0/16", "10.0.0.0/8", OVERLAP_CONNECTED));
}

/* Other elements announce it, so that it may be learnt from outside. */
static void the_prefix_itself_may_be_routed_but_not_connected(void **state)
{
	assert_false(in_the_way("10.10.0.0/16", "10.10.0.0/16", OVERLAP_ROUTED));
	assert_true(in_the_way("10.10.0.0/16", "10.10.0.0/16", OVERLAP_CONNECTED));
}

static void a_list_is_read_as_it_was_written(void **state)
{
	struct overlap list[2] = {{.own = true, .device = "eth0"}, {.device = "fifteen-chars-x"}};
	struct overlap read[OVERLAPS_MAX];
	struct buffer b = {0};
	enum experimenter_type type;
	unsigned count;

	assert_int_equal(prefix_parse("10.10.5.7/32", &list[0].prefix), 0);
	assert_int_equal(prefix_parse("2001:db8::/64", &list[1].prefix), 0);
	overlaps_encode(&b, 7, list, 2);
	struct reader rd = reader_make(b.data + 8, b.size - 8);

	assert_int_equal(experimenter_decode(&rd, &type), 0);
	assert_int_equal(type, EXPERIMENTER_OVERLAPS);
	assert_int_equal(overlaps_decode(&rd, read, &count), 0);
	assert_int_equal(count, 2);
	assert_memory_equal(read, list, sizeof(list));
	buffer_finish(&b);
}

static void what_is_cut_short_or_no_prefix_is_refused(void **state)
{
	struct overlap list = {.device = "eth0"}, read[OVERLAPS_MAX];
	struct buffer b = {0};
	unsigned count;

	assert_int_equal(prefix_parse("10.10.5.0/24", &list.prefix), 0);
	overlaps_encode(&b, 7, &list, 1);
	for (size_t size = 16; size < b.size; size++) {
		struct reader rd = reader_make(b.data + 16, size - 16);

		assert_int_equal(overlaps_decode(&rd, read, &count), -OFP_BAD_REQUEST_BAD_LEN);
	}
	b.data[16 + 8 + 15] = 1; /* a bit beyond its length */
	struct reader rd = reader_make(b.data + 16, b.size - 16);

	assert_int_equal(overlaps_decode(&rd, read, &count), -OFP_BAD_REQUEST_BAD_LEN);
	buffer_finish(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_part_of_a_covered_prefix_is_in_the_way),
	cmocka_unit_test(the_prefix_itself_may_be_routed_but_not_connected),
	cmocka_unit_test(a_list_is_read_as_it_was_written),
	cmocka_unit_test(what_is_cut_short_or_no_prefix_is_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
