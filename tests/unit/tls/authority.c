/* tls/authority: what it issues, and what it does not. */
#include "fixture.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static int set_up(void **state)
{
	static struct pki pki;

	pki_start(&pki);
	*state = &pki;
	return 0;
}

static int tear_down(void **state)
{
	pki_finish(*state);
	return 0;
}

static X509 *issue(const struct pki *p, const struct tls_wish *wish)
{
	struct buffer certificate = {0}, key = {0};
	char serial[TLS_SERIAL_SIZE];
	struct reason why;

	assert_int_equal(tls_authority_issue(p->authority, wish, &certificate, &key, serial, &why),
			 0);
	BIO *bio = BIO_new_mem_buf(certificate.data, (int)certificate.size);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(x);
	BIO_free(bio);
	buffer_finish(&certificate);
	tls_forget(&key);
	return x;
}

static void a_controller_is_called_by_its_hosts(void **state)
{
	static const char *const hosts[] = {"cc1.example.net", "192.0.2.1", "2001:db8::1"};
	int64_t now = time(NULL);
	struct tls_wish wish = {.identity = {.kind = TLS_CONTROLLER, .name = "cc1"},
				.validity = {now, now + 60},
				.hosts = hosts,
				.host_count = 3};
	struct tls_identity identity;
	X509 *x = issue(*state, &wish);

	assert_int_equal(tls_certificate_identity(x, &identity), 0);
	assert_int_equal(identity.kind, TLS_CONTROLLER);
	assert_int_equal(X509_check_host(x, hosts[0], 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(x, hosts[1], 0), 1);
	assert_int_equal(X509_check_ip_asc(x, hosts[2], 0), 1);
	assert_int_equal(X509_check_host(x, "other.example.net", 0, 0, NULL), 0);
	X509_free(x);
}

static void a_host_that_would_say_more_is_refused(void **state)
{
	static const char *const wrong[] = {"a,URI:urn:victor:controller:x", "a b", "", "a:b:c",
					    "*.example.net"};
	int64_t now = time(NULL);
	struct tls_wish wish = {.identity = {.kind = TLS_CONTROLLER, .name = "cc1"},
				.validity = {now, now + 60},
				.host_count = 1};
	struct buffer certificate = {0}, key = {0};
	char serial[TLS_SERIAL_SIZE];
	struct reason why;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		wish.hosts = &wrong[i];
		assert_int_equal(tls_authority_issue(((struct pki *)*state)->authority, &wish,
						     &certificate, &key, serial, &why),
				 -EINVAL);
	}
	assert_int_equal(certificate.size + key.size, 0);
}

static void nothing_outlives_its_ca(void **state)
{
	const struct pki *p = *state;
	int64_t now = time(NULL), end = tls_authority_expires_s(p->authority);
	struct tls_wish wish = {.identity = {.kind = TLS_USER, .name = "alice"},
				.validity = {now, end + 86400}};
	X509 *x = issue(p, &wish);
	time_t last = (time_t)end;

	assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &last), -1); /* not later */
	X509_free(x);
}

static void a_ca_is_read_back_from_its_files(void **state)
{
	const struct pki *p = *state;
	struct buffer certificate = {0}, key = {0}, list = {0};
	struct tls_authority *back;
	struct reason why;

	tls_authority_certificate(p->authority, &certificate);
	tls_authority_key(p->authority, &key);
	assert_int_equal(tls_authority_open(&certificate, &key, &back, &why), 0);
	assert_int_equal(tls_authority_expires_s(back), tls_authority_expires_s(p->authority));
	assert_int_equal(tls_authority_revoke(back, NULL, 0, 1, time(NULL), &list, &why), 0);
	tls_authority_destroy(back);
	assert_int_equal(tls_authority_open(&certificate, &certificate, &back, &why), -EINVAL);
	buffer_finish(&certificate);
	buffer_finish(&list);
	tls_forget(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_is_called_by_its_hosts),
		cmocka_unit_test(a_host_that_would_say_more_is_refused),
		cmocka_unit_test(nothing_outlives_its_ca),
		cmocka_unit_test(a_ca_is_read_back_from_its_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
