/* tls/identity: which URNs speak for whom. */
#include "fixture.h"

#include <errno.h>
#include <string.h>

static int parse(const char *text, struct tls_identity *ret)
{
	return tls_identity_parse(text, strlen(text), ret);
}

static void the_three_kinds_are_read_and_written(void **state)
{
	static const char *const urns[] = {"urn:victor:fe:000000000000002a:fe42.rack-1_b",
					   "urn:victor:controller:cc1",
					   "urn:victor:user:operate:alice"};
	struct tls_identity identity;
	char back[TLS_IDENTITY_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(urns); i++) {
		assert_int_equal(parse(urns[i], &identity), 0);
		tls_identity_format(&identity, back);
		assert_string_equal(back, urns[i]);
	}
	assert_int_equal(identity.role, TLS_ROLE_OPERATE);
	assert_int_equal(parse(urns[0], &identity), 0);
	assert_int_equal(identity.datapath_id, 42);
	assert_string_equal(identity.name, "fe42.rack-1_b");
}

static void what_is_almost_one_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"urn:victor:",
		"urn:victor:fe:",
		"urn:victor:fe:2:fe2",
		"urn:victor:fe:0000000000000000:fe2",
		"urn:victor:fe:000000000000002A:fe2",
		"urn:victor:fe:0000000000000002",
		"urn:victor:fe:0000000000000002:",
		"urn:victor:fe:0000000000000002:a b",
		"urn:victor:fe:0000000000000002:a:b",
		"urn:victor:fe:0000000000000002:fe%32",
		"URN:victor:fe:0000000000000002:fe2",
		"urn:victor:controller",
		"urn:victor:controller:",
		"urn:victor:user:alice",
		"urn:victor:user:root:alice",
		"urn:victor:user:readalice",
		"urn:victor:other:x",
		" urn:victor:controller:cc1",
		"urn:victor:controller:cc1\n",
	};
	struct tls_identity identity;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(parse(wrong[i], &identity), -EINVAL);
	/* A zero inside is no end. */
	assert_int_equal(tls_identity_parse("urn:victor:controller:cc1\0x", 27, &identity),
			 -EINVAL);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	char urn[128] = "urn:victor:controller:";
	struct tls_identity identity;
	size_t start = strlen(urn);

	memset(urn + start, 'x', TLS_NAME_SIZE);
	assert_int_equal(tls_identity_parse(urn, start + TLS_NAME_SIZE - 1, &identity), 0);
	assert_int_equal(tls_identity_parse(urn, start + TLS_NAME_SIZE, &identity), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_kinds_are_read_and_written),
		cmocka_unit_test(what_is_almost_one_is_refused),
		cmocka_unit_test(a_name_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
