/* The library as another program has it: the public header, libvictor-register.a, libsodium, and
 * names of its own that are also inside. */
#include "include/victor/register.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define IDENTITY "node: vm1\nkey: blake2b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

void buffer_add(void); /* would clash, were the library's visible */
int read_u8(void);

void buffer_add(void)
{
	fail();
}

int read_u8(void)
{
	fail();
	return 0;
}

static void a_program_needs_the_header_and_two_libraries(void **state)
{
	struct victor_register_config config = {.identity = IDENTITY};
	struct victor_register_link link = {.is_up = true, .mac = {2, 0, 0, 0, 0, 1}};
	uint8_t bytes[VICTOR_REGISTER_SIZE_MAX];
	char why[100] = "";
	struct victor_register *r = victor_register_create(&config, why, sizeof(why));

	assert_non_null(r);
	victor_register_link(r, &link, 0);
	assert_int_equal(victor_register_send(r, 0, bytes), 107);
	assert_memory_equal(bytes, "VREG\1\1", 6);
	victor_register_receive(r, bytes, 107, 0);
	assert_int_equal(victor_register_status(r)->ignored, 1);
	victor_register_destroy(r);
	victor_register_destroy(NULL);
}

static void what_is_wrong_with_an_identity_is_said(void **state)
{
	struct victor_register_config config = {.identity = "node: vm1\n"};
	char why[100] = "";

	assert_null(victor_register_create(&config, why, sizeof(why)));
	assert_string_equal(why, "the line 'key: ...' is missing");
	config.identity = IDENTITY;
	config.lifetime_s = 1;
	assert_null(victor_register_create(&config, why, sizeof(why)));
	assert_string_equal(why, "a lifetime is 5 to 86400 seconds");
	config.lifetime_s = 0;
	config.grant = "nothing";
	assert_null(victor_register_create(&config, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_needs_the_header_and_two_libraries),
		cmocka_unit_test(what_is_wrong_with_an_identity_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
