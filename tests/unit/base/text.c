/* base/text: what printf would have made, however little room there is. */
#include "base/text.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SAME(size, ...)                                    \
	do {                                               \
		char ours[64], theirs[64];                 \
		memset(ours, 'x', sizeof(ours));           \
		memset(theirs, 'x', sizeof(theirs));       \
		text_format(ours, size, __VA_ARGS__);      \
		(void)snprintf(theirs, size, __VA_ARGS__); \
		assert_string_equal(ours, theirs);         \
	} while (0)

static void a_line_is_what_printf_makes(void **state)
{
	SAME(64, "nothing in it");
	SAME(64, "%s", "");
	SAME(64, "%s: from %s to %s port %u: %s", "vm1", "fe1", "fe2", 17u, "it speaks there");
	SAME(64, "%u %u %u", 0u, 9u, UINT_MAX);
	SAME(64, "%s is at 100 %%", "vm1");
	SAME(64, "%d of %5s, %.*s, %llu", -3, "ab", 2, "xyz", 1ull << 40);
}

static void what_does_not_fit_is_cut_off(void **state)
{
	for (size_t size = 1; size < 24; size++) {
		SAME(size, "%s port %u (%s)", "fe1", 12345u, "eth0");
		SAME(size, "0123456789%s", "0123456789");
		SAME(size, "%d of %s", 1, "0123456789");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_what_printf_makes),
		cmocka_unit_test(what_does_not_fit_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
