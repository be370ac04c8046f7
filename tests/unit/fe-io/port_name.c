/* Names, patterns and numbers of ports. */
#include "fe/io/port_name.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct port_match matches[] = {
	{.pattern = "tap*", .info = {.role = PORT_ACCESS}},
	{.pattern = "t?p7", .info = {.role = PORT_EXTERNAL}},
	{.pattern = "tap9", .info = {.role = PORT_EXTERNAL, .number = 2}},
	{.pattern = "veth[0-3]", .info = {.role = PORT_ACCESS}},
};
#define MATCH_COUNT ARRAY_SIZE(matches)

static const struct port_match *find(const char *name)
{
	return port_match_find(matches, MATCH_COUNT, name);
}

static uint32_t take(struct port_numbers *n, const char *name)
{
	return port_numbers_take(n, find(name), name);
}

static void an_exact_name_goes_before_patterns(void **state)
{
	assert_ptr_equal(find("tap9"), &matches[2]);
}

static void of_two_patterns_the_first_counts(void **state)
{
	assert_ptr_equal(find("tap7"), &matches[0]);
	assert_ptr_equal(find("top7"), &matches[1]);
	assert_ptr_equal(find("veth3"), &matches[3]);
}

static void other_interfaces_are_not_ours(void **state)
{
	assert_null(find("eth0"));
	assert_null(find("veth4"));
	assert_null(find("ta"));
	assert_null(port_match_find(NULL, 0, "eth0"));
}

static void a_new_name_gets_the_lowest_number_that_is_free_and_not_reserved(void **state)
{
	struct port_numbers n;

	port_numbers_init(&n, matches, MATCH_COUNT);
	assert_int_equal(take(&n, "tap0"), 1);
	assert_int_equal(take(&n, "tap1"), 3);
	assert_int_equal(take(&n, "tap9"), 2);
	port_numbers_finish(&n);
}

static void a_name_that_comes_back_gets_its_number_again(void **state)
{
	struct port_numbers n;

	port_numbers_init(&n, matches, MATCH_COUNT);
	assert_int_equal(take(&n, "tap0"), 1);
	assert_int_equal(take(&n, "tap1"), 3);
	port_numbers_release(&n, "tap0");
	assert_int_equal(take(&n, "tap2"), 4);
	assert_int_equal(take(&n, "tap0"), 1);
	port_numbers_finish(&n);
}

static void where_none_is_free_the_name_gone_longest_loses_its_number(void **state)
{
	struct port_numbers n;
	char name[16];

	port_numbers_init(&n, matches, MATCH_COUNT);
	for (unsigned i = 1; i <= PORT_NUMBER_MAX - 1; i++) {
		snprintf(name, sizeof(name), "tap-%u", i);
		assert_int_not_equal(take(&n, name), 0);
	}
	assert_int_equal(take(&n, "tap-more"), 0);
	port_numbers_release(&n, "tap-500");
	port_numbers_release(&n, "tap-400");
	assert_int_equal(take(&n, "tap-more"), 501);
	assert_int_equal(take(&n, "tap-500"), 401);
	assert_int_equal(take(&n, "tap-400"), 0);
	port_numbers_finish(&n);
}

static char *make_path(void)
{
	static char path[] = "/tmp/victor-ports-XXXXXX";

	strcpy(path, "/tmp/victor-ports-XXXXXX");
	int file = mkstemp(path);

	assert_true(file >= 0);
	close(file);
	return path;
}

static void numbers_outlive_the_process(void **state)
{
	struct port_numbers n;
	char *path = make_path();

	port_numbers_init(&n, matches, MATCH_COUNT);
	assert_int_equal(port_numbers_open(&n, path), 0);
	assert_int_equal(take(&n, "tap0"), 1);
	assert_int_equal(take(&n, "tap1"), 3);
	assert_int_equal(take(&n, "tap2"), 4);
	port_numbers_finish(&n);

	for (int again = 0; again < 2; again++) {
		port_numbers_init(&n, matches, MATCH_COUNT);
		assert_int_equal(port_numbers_open(&n, path), 0);
		assert_int_equal(take(&n, "tap2"), 4);
		assert_int_equal(take(&n, "tap0"), 1);
		assert_int_equal(take(&n, again ? "tap1" : "tap3"), again ? 3 : 5);
		port_numbers_finish(&n);
	}
	unlink(path);
}

static void a_broken_file_gives_what_is_good_in_it(void **state)
{
	static const char text[] = "tap0 7\nrubbish\n\ntap1 99999999\ntap2 7\ntap3 2\ntap4 -1\n"
				   "a-name-of-more-than-sixteen 8\ntap5 11\ntap5 0\ntap6 9";
	struct port_numbers n;
	char *path = make_path();
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	port_numbers_init(&n, matches, MATCH_COUNT);
	assert_int_equal(port_numbers_open(&n, path), 0);
	assert_int_equal(take(&n, "tap0"), 7);
	assert_int_equal(take(&n, "tap2"), 1); /* 7 is tap0's */
	assert_int_equal(take(&n, "tap3"), 3); /* 2 is reserved */
	assert_int_equal(take(&n, "tap5"), 4); /* taken away */
	assert_int_equal(take(&n, "tap6"), 5); /* its line was cut */
	port_numbers_finish(&n);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exact_name_goes_before_patterns),
		cmocka_unit_test(of_two_patterns_the_first_counts),
		cmocka_unit_test(other_interfaces_are_not_ours),
		cmocka_unit_test(a_new_name_gets_the_lowest_number_that_is_free_and_not_reserved),
		cmocka_unit_test(a_name_that_comes_back_gets_its_number_again),
		cmocka_unit_test(where_none_is_free_the_name_gone_longest_loses_its_number),
		cmocka_unit_test(numbers_outlive_the_process),
		cmocka_unit_test(a_broken_file_gives_what_is_good_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
