/* Key files: what is wrong is said with its line, and never with the key. */
#include "registration/identity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PUBLIC "ed25519-public:YImYRFCJPMYPlLIL4+6A/9WiuVZPBV6yYoq0N2HQzJg="

static void a_key_file_is_read_as_it_was_written(void **state)
{
	for (uint8_t algorithm = REGISTRATION_BLAKE2B; algorithm <= REGISTRATION_ED25519;
	     algorithm++) {
		struct identity id = {.node = "vm1", .device = "tv"}, back;
		char text[IDENTITY_TEXT_MAX];
		struct reason why = {0};
		struct sign_key controller;

		assert_int_equal(sign_key_generate(algorithm, &id.key), 0);
		assert_int_equal(sign_key_generate(REGISTRATION_ED25519, &controller), 0);
		id.controller =
			algorithm == REGISTRATION_ED25519 ? sign_key_other(&controller) : id.key;
		identity_format(&id, text);
		assert_int_equal(identity_parse(text, &back, &why), 0);
		assert_memory_equal(&back, &id, sizeof(id));
		identity_wipe(&back);
	}
}

static void what_is_wrong_is_said_with_its_line_and_without_the_key(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "'node: NAME' is missing"},
		{"node: vm1\n", "'key: ...' is missing"},
		{"node: vm 1\n", "line 1: 'node'"},
		{"node: vm1\nnode: vm2\n", "line 2: 'node'"},
		{"node: vm1\nkey: blake2b:" SECRET "x\n", "line 2: 'key'"},
		{"node: vm1\nkey: blake2b:" SECRET "\nkey: blake2b:" SECRET "\n", "line 3: 'key'"},
		{"node: vm1\nkey: " PUBLIC "\n", "line 2: 'key'"},
		{"node: vm1\nkeys: " SECRET "\n", "line 2: there is only"},
		{"node: vm1\n" SECRET "\n", "line 2 is not 'name: value'"},
		{"node: vm1\nkey: blake2b:" SECRET "\ncontroller: " PUBLIC "\n", "no meaning"},
		{"node: vm1\nkey: blake2b:" SECRET SECRET SECRET SECRET "\n", "line 2 is too long"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct identity id;
		struct reason why = {0};

		assert_int_equal(identity_parse(rows[i].text, &id, &why), -EINVAL);
		if (!strstr(why.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", why.text, rows[i].says);
		assert_null(strstr(why.text, "AAECAw"));
		assert_int_equal(id.key.algorithm, 0);
	}
}

static void without_the_controllers_key_nothing_can_be_said(void **state)
{
	struct identity id;
	struct reason why = {0};

	assert_int_equal(identity_parse("node: vm1\nkey: ed25519-private:" SECRET "\n", &id, &why),
			 0);
	assert_int_equal(identity_check(&id, &why), -EINVAL);
	assert_non_null(strstr(why.text, "'controller: ed25519-public:...' is missing"));
	assert_int_equal(identity_parse("node: vm1\nkey: blake2b:" SECRET "\n", &id, &why), 0);
	assert_int_equal(identity_check(&id, &why), 0);
}

static void comments_spaces_and_a_missing_last_newline_do_not_hurt(void **state)
{
	struct identity id;
	struct reason why = {0};

	assert_int_equal(
		identity_parse("# mine\r\n\n  node :  vm1\t\r\nkey: ed25519-private:" SECRET
			       "\ncontroller: " PUBLIC,
			       &id, &why),
		0);
	assert_string_equal(id.node, "vm1");
	assert_false(id.controller.can_sign);
}

static void a_grant_survives_being_text(void **state)
{
	struct registration_grant g = {.epoch = 1,
				       .serial = 2,
				       .to_mac = {{2, 0, 0, 0, 0, 1}},
				       .node = "vm1",
				       .from_device = "handset",
				       .to_device = "tv"};
	struct sign_key k;
	struct buffer b = {0}, back = {0};
	char text[512], padded[600], cut[512];

	assert_int_equal(sign_key_generate(REGISTRATION_ED25519, &k), 0);
	assert_int_equal(sign_grant(&b, &g, &k), 0);
	assert_int_equal(grant_to_text(&b, text, sizeof(text)), 0);
	snprintf(padded, sizeof(padded), " \n%s\r\n\n", text);
	assert_int_equal(grant_from_text(padded, &back), 0);
	assert_int_equal(back.size, b.size);
	assert_memory_equal(back.data, b.data, b.size);
	for (size_t i = 0; i < strlen(text); i++) {
		memcpy(cut, text, i);
		cut[i] = 0;
		assert_int_equal(grant_from_text(cut, &back), -EINVAL);
	}
	snprintf(padded, sizeof(padded), "%s x", text);
	assert_int_equal(grant_from_text(padded, &back), -EINVAL);
	assert_int_equal(grant_to_text(&b, text, 20), -EINVAL);
	buffer_finish(&b);
	buffer_finish(&back);
}

static int start(void **state)
{
	return sign_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_file_is_read_as_it_was_written),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line_and_without_the_key),
		cmocka_unit_test(without_the_controllers_key_nothing_can_be_said),
		cmocka_unit_test(comments_spaces_and_a_missing_last_newline_do_not_hurt),
		cmocka_unit_test(a_grant_survives_being_text),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
