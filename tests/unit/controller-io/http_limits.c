/* controller/io/http_limits: who gets room at the northbound, and who has to go. */
#include "controller/io/http_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct http_address *at(struct http_limits *l, const char *text, int64_t now_ms)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return http_limits_address(l, &a, now_ms);
}

static void an_address_loses_its_oldest_stranger_before_others_do(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = at(l, "192.0.2.1", 1);

	for (unsigned i = 0; i < HTTP_STRANGERS_OF_ADDRESS_MAX; i++)
		assert_int_equal(http_limits_enter(l, a, 1), HTTP_ADMITTED);
	assert_int_equal(http_limits_enter(l, a, 1), HTTP_ADMITTED_FOR_OLDEST_OF_SAME);
	http_limits_leave(l, a, false);
	assert_int_equal(http_limits_enter(l, at(l, "192.0.2.2", 1), 1), HTTP_ADMITTED);
	free(l);
}

static void strangers_never_take_the_room_of_the_known(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = NULL;
	struct address address = address_from_ipv4((const uint8_t[]){10, 0, 0, 0});

	for (unsigned i = 0; i < HTTP_STRANGERS_MAX; i++) {
		address.bytes[15] = (uint8_t)i;
		a = http_limits_address(l, &address, 1);
		assert_int_equal(http_limits_enter(l, a, 1), HTTP_ADMITTED);
	}
	a = at(l, "192.0.2.1", 1);
	assert_int_equal(http_limits_enter(l, a, 1), HTTP_ADMITTED_FOR_OLDEST);
	http_limits_leave(l, http_limits_address(l, &address, 1), false); /* the oldest */
	assert_true(http_limits_know(l, a));
	assert_int_equal(l->strangers, HTTP_STRANGERS_MAX - 1);
	assert_int_equal(l->known, 1);
	http_limits_leave(l, a, true);
	assert_int_equal(l->known, 0);
	free(l);
}

static void an_address_cannot_have_all_known_connections(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = at(l, "192.0.2.1", 1);

	for (unsigned i = 0; i < HTTP_KNOWN_OF_ADDRESS_MAX; i++) {
		assert_int_not_equal(http_limits_enter(l, a, 1), HTTP_TOO_MANY);
		assert_true(http_limits_know(l, a));
	}
	assert_int_not_equal(http_limits_enter(l, a, 1), HTTP_TOO_MANY);
	assert_false(http_limits_know(l, a));
	free(l);
}

static void a_64_of_ipv6_is_one_address(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));

	assert_ptr_equal(at(l, "2001:db8::1", 1), at(l, "2001:db8::2:3", 2));
	assert_ptr_not_equal(at(l, "2001:db8::1", 3), at(l, "2001:db8:0:1::1", 3));
	free(l);
}

static void a_storm_of_connections_is_slowed_down_and_forgiven(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = at(l, "192.0.2.1", 1000);
	unsigned refused = 0;

	for (unsigned i = 0; i < 1000; i++) {
		if (http_limits_enter(l, a, 1000) == HTTP_TOO_MANY)
			refused++;
		else
			http_limits_leave(l, a, false);
	}
	assert_int_equal(refused, 1000 - HTTP_NEWCOMERS_BURST);
	assert_int_not_equal(http_limits_enter(l, a, 1020), HTTP_TOO_MANY);
	free(l);
}

static void wrong_credentials_are_counted_for_each_address(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = at(l, "192.0.2.1", 1000), *b = at(l, "192.0.2.2", 1000);

	for (unsigned i = 0; i < HTTP_FAILURES_BURST; i++)
		assert_true(http_limits_fail(a, 1000));
	assert_false(http_limits_fail(a, 1000));
	assert_true(http_limits_fail(b, 1000));
	assert_true(http_limits_fail(a, 2000));
	assert_false(http_limits_fail(a, 2000));
	free(l);
}

static void the_table_of_addresses_forgets_the_longest_unused(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));
	struct http_address *a = at(l, "192.0.2.1", 1);
	struct address address = address_from_ipv4((const uint8_t[]){10, 0, 0, 0});

	assert_int_equal(http_limits_enter(l, a, 1), HTTP_ADMITTED);
	for (unsigned i = 0; i < 3 * HTTP_ADDRESSES; i++) {
		address.bytes[14] = (uint8_t)(i >> 8);
		address.bytes[15] = (uint8_t)i;
		assert_ptr_not_equal(http_limits_address(l, &address, 2 + i), a);
	}
	assert_ptr_equal(at(l, "192.0.2.1", 9999), a);
	assert_int_equal(a->strangers, 1);
	free(l);
}

static void root_has_room_that_other_users_of_the_machine_do_not_take(void **state)
{
	struct http_limits *l = calloc(1, sizeof(*l));

	for (unsigned i = 0; i < HTTP_LOCAL_OF_OTHERS_MAX; i++)
		assert_true(http_limits_enter_local(l, false));
	assert_false(http_limits_enter_local(l, false));
	assert_true(http_limits_enter_local(l, true));
	http_limits_leave_local(l, false);
	assert_true(http_limits_enter_local(l, false));
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_loses_its_oldest_stranger_before_others_do),
		cmocka_unit_test(strangers_never_take_the_room_of_the_known),
		cmocka_unit_test(an_address_cannot_have_all_known_connections),
		cmocka_unit_test(a_64_of_ipv6_is_one_address),
		cmocka_unit_test(a_storm_of_connections_is_slowed_down_and_forgiven),
		cmocka_unit_test(wrong_credentials_are_counted_for_each_address),
		cmocka_unit_test(the_table_of_addresses_forgets_the_longest_unused),
		cmocka_unit_test(root_has_room_that_other_users_of_the_machine_do_not_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
