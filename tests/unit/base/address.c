/* base/address: both families in sixteen bytes; prefixes; what is refused. */
#include "base/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct address addr(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static struct prefix pref(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void an_address_prints_as_it_was_read(void **state)
{
	static const char *const texts[] = {"10.2.3.1", "0.0.0.0", "255.255.255.255", "2001:db8::1",
					    "::"};
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct address a = addr(texts[i]);

		assert_string_equal(address_format(&a, text), texts[i]);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {"", "10.2.3", "10.2.3.256", "10.2.3.1 ", "g::1", "1"};
	struct address a;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(address_parse(texts[i], &a), -EINVAL);
}

static void a_prefix_contains_its_own_and_no_other(void **state)
{
	struct prefix p = pref("10.10.0.0/16"), q = pref("2001:db8::/33");
	struct address in = addr("10.10.255.255"), out = addr("10.11.0.0");
	struct address in6 = addr("2001:db8:7fff::1"), out6 = addr("2001:db8:8000::");

	assert_true(prefix_contains(&p, &in));
	assert_false(prefix_contains(&p, &out));
	assert_true(prefix_contains(&q, &in6));
	assert_false(prefix_contains(&q, &out6));
}

static void a_prefix_with_host_bits_is_refused(void **state)
{
	struct prefix p;

	assert_int_equal(prefix_parse("10.10.0.1/16", &p), -ERANGE);
	assert_int_equal(prefix_parse("10.10.0.0/33", &p), -EINVAL);
	assert_int_equal(prefix_parse("10.10.0.0/", &p), -EINVAL);
	assert_int_equal(prefix_parse("10.10.0.0/-1", &p), -EINVAL);
}

static void prefixes_overlap_when_one_holds_the_other(void **state)
{
	struct prefix wide = pref("10.0.0.0/8"), narrow = pref("10.10.0.0/16"),
		      other = pref("11.0.0.0/8");

	assert_true(prefix_overlaps(&wide, &narrow));
	assert_true(prefix_overlaps(&narrow, &wide));
	assert_false(prefix_overlaps(&narrow, &other));
}

static void a_mac_is_six_pairs_and_nothing_else(void **state)
{
	struct mac m;
	char text[MAC_TEXT_SIZE];

	assert_int_equal(mac_parse("52:54:00:00:00:05", &m), 0);
	assert_string_equal(mac_format(&m, text), "52:54:00:00:00:05");
	assert_int_equal(mac_parse("52:54:00:00:00", &m), -EINVAL);
	assert_int_equal(mac_parse("52:54:00:00:00:05:06", &m), -EINVAL);
	assert_int_equal(mac_parse("52-54-00-00-00-05", &m), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_prints_as_it_was_read),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_prefix_contains_its_own_and_no_other),
		cmocka_unit_test(a_prefix_with_host_bits_is_refused),
		cmocka_unit_test(prefixes_overlap_when_one_holds_the_other),
		cmocka_unit_test(a_mac_is_six_pairs_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
