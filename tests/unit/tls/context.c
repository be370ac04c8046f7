/* tls/context: which files are taken, and what is said of the others. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int set_up(void **state)
{
	static struct pki pki;

	pki_start(&pki);
	pki_issue(&pki, "urn:victor:fe:0000000000000002:fe2", "fe2", 0, NULL);
	*state = &pki;
	return 0;
}

static int tear_down(void **state)
{
	pki_finish(*state);
	return 0;
}

static void refused(const struct tls_settings *settings, int error, const char *words)
{
	struct tls_context *context;
	struct reason why = {""};

	assert_int_equal(tls_context_create(settings, &context, &why), error);
	if (!strstr(why.text, words))
		fail_msg("'%s' is not in '%s'", words, why.text);
}

static void good_files_are_taken_and_name_us(void **state)
{
	struct tls_settings settings = pki_settings(*state, "fe2", false);
	struct tls_context *context;
	struct reason why;

	assert_int_equal(tls_context_create(&settings, &context, &why), 0);
	assert_string_equal(context->self.name, "fe2");
	assert_int_equal(tls_context_days_left(context, context->expires_s - 100), 0);
	assert_int_equal(tls_context_days_left(context, context->expires_s - 200000), 2);
	assert_int_equal(tls_context_days_left(context, context->expires_s + 100), -1);
	tls_context_destroy(context);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	struct tls_settings settings = pki_settings(*state, "fe2", false);

	assert_int_equal(chmod(settings.files.key, 0604), 0);
	refused(&settings, -EACCES, "chmod 600");
	assert_int_equal(chmod(settings.files.key, 0600), 0);
}

static void files_that_are_missing_or_empty_are_named(void **state)
{
	struct pki *pki = *state;
	struct tls_settings settings = pki_settings(pki, "fe2", false);

	strcat(settings.files.ca, "x");
	refused(&settings, -ENOENT, "ca.pemx");
	settings = pki_settings(pki, "fe2", false);
	pki_write(pki, "crl.pem", &(struct buffer){0});
	snprintf(settings.files.crl, TLS_PATH_SIZE, "%s/crl.pem", pki->directory);
	refused(&settings, -EINVAL, "no revocation list");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	struct tls_settings settings = pki_settings(*state, "fe2", false);
	struct tls_settings other = pki_settings(*state, "fe3", false);

	pki_issue(*state, "urn:victor:fe:0000000000000003:fe3", "fe3", 0, NULL);
	strcpy(settings.files.key, other.files.key);
	refused(&settings, -EINVAL, "does not belong");
}

static void a_certificate_that_is_over_is_refused_with_what_to_do(void **state)
{
	struct tls_settings settings = pki_settings(*state, "fe4", false);

	pki_issue(*state, "urn:victor:fe:0000000000000004:fe4", "fe4", -10 * HOUR_S, NULL);
	refused(&settings, -EKEYEXPIRED, "victorctl pki issue");
	pki_issue(*state, "urn:victor:fe:0000000000000004:fe4", "fe4", 10 * HOUR_S, NULL);
	refused(&settings, -EINVAL, "clock");
}

static void half_of_a_new_pair_changes_nothing(void **state)
{
	struct pki *pki = *state;
	struct tls_settings settings = pki_settings(pki, "fe5", false);
	struct tls_context *context;
	struct reason why;
	struct buffer nothing = {0};

	pki_issue(pki, "urn:victor:fe:0000000000000005:fe5", "fe5", 0, NULL);
	assert_int_equal(tls_context_create(&settings, &context, &why), 0);
	assert_false(tls_context_has_news(context));
	pki_write(pki, "fe5.key", &nothing);
	assert_true(tls_context_has_news(context));
	assert_false(tls_context_has_news(context));
	assert_int_equal(tls_context_reload(context, &why), -EINVAL);
	assert_int_equal(context->reloads, 0);
	assert_string_equal(context->self.name, "fe5");
	pki_issue(pki, "urn:victor:fe:0000000000000005:fe5b", "fe5", 0, NULL);
	assert_true(tls_context_has_news(context));
	assert_int_equal(tls_context_reload(context, &why), 0);
	assert_int_equal(context->reloads, 1);
	assert_string_equal(context->self.name, "fe5b");
	tls_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_are_taken_and_name_us),
		cmocka_unit_test(a_key_that_others_can_read_is_refused),
		cmocka_unit_test(files_that_are_missing_or_empty_are_named),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(a_certificate_that_is_over_is_refused_with_what_to_do),
		cmocka_unit_test(half_of_a_new_pair_changes_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
