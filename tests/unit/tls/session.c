/* tls/session: a client and a server, their bytes carried by hand, whole and one by one. */
#include "fixture.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
	struct tls_context *contexts[2]; /* 0 the server's */
	struct tls_session *ends[2];
	struct buffer heard[2]; /* what each end understood */
	int results[2];
};

static int set_up(void **state)
{
	static struct pki pki;

	pki_start(&pki);
	pki_issue(&pki, "urn:victor:controller:cc1", "cc1", 0, NULL);
	pki_issue(&pki, "urn:victor:fe:0000000000000002:fe2", "fe2", 0, NULL);
	*state = &pki;
	return 0;
}

static int tear_down(void **state)
{
	pki_finish(*state);
	return 0;
}

static void start_pair(struct pair *p, const struct tls_settings *server,
		       const struct tls_settings *client)
{
	struct reason why;

	memset(p, 0, sizeof(*p));
	assert_int_equal(tls_context_create(server, &p->contexts[0], &why), 0);
	assert_int_equal(tls_context_create(client, &p->contexts[1], &why), 0);
	for (unsigned i = 0; i < 2; i++)
		p->ends[i] = tls_session_create(p->contexts[i]);
}

static void end_pair(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++) {
		tls_session_destroy(p->ends[i]);
		tls_context_destroy(p->contexts[i]);
		buffer_finish(&p->heard[i]);
	}
}

/* Carries bytes, 'cut' at a time, until nobody says anything. */
static void talk(struct pair *p, size_t cut)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < 2; i++) {
			struct buffer *out = tls_session_out(p->ends[i]);
			size_t size = out->size < cut ? out->size : cut;
			uint8_t *bytes = malloc(size + 1); /* its end is watched */

			if (size) {
				memcpy(bytes, out->data, size);
				buffer_drop_front(out, size);
				p->results[1 - i] = tls_session_receive(p->ends[1 - i], bytes, size,
									&p->heard[1 - i]);
				moved = true;
			}
			free(bytes);
		}
	}
}

static void say(struct tls_session *s, const char *text, size_t size)
{
	struct buffer plain = {0};

	buffer_add_bytes(&plain, text, size);
	assert_int_equal(tls_session_send(s, &plain), 0);
	assert_int_equal(plain.size, 0);
	buffer_finish(&plain);
}

static void both_ends_know_each_other(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	struct pair p;

	start_pair(&p, &server, &client);
	talk(&p, 100000);
	assert_true(tls_session_is_established(p.ends[0]));
	assert_true(tls_session_is_established(p.ends[1]));
	assert_int_equal(tls_session_peer(p.ends[0])->datapath_id, 2);
	assert_string_equal(tls_session_peer(p.ends[1])->name, "cc1");
	assert_string_equal(tls_session_version(p.ends[0]), "TLSv1.3");
	say(p.ends[1], "hello", 5);
	say(p.ends[0], "hi", 2);
	talk(&p, 100000);
	assert_int_equal(p.heard[0].size, 5);
	assert_memory_equal(p.heard[0].data, "hello", 5);
	assert_int_equal(p.heard[1].size, 2);
	end_pair(&p);
}

static void any_cut_of_the_bytes_says_the_same(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	static const size_t cuts[] = {1, 7, 4096, 65536};
	enum { SIZE = 100000 };
	char *text = malloc(SIZE);
	struct pair p;

	for (size_t i = 0; i < SIZE; i++)
		text[i] = (char)(i * 7 >> 3);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		start_pair(&p, &server, &client);
		talk(&p, cuts[i]);
		say(p.ends[0], text, SIZE);
		talk(&p, cuts[i]);
		assert_int_equal(p.heard[1].size, SIZE);
		assert_memory_equal(p.heard[1].data, text, SIZE);
		end_pair(&p);
	}
	free(text);
}

static void nothing_is_sent_before_the_handshake(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	struct buffer plain = {0};
	struct pair p;

	start_pair(&p, &server, &client);
	buffer_add_bytes(&plain, "x", 1);
	assert_int_equal(tls_session_send(p.ends[1], &plain), 0);
	assert_int_equal(plain.size, 1);
	talk(&p, 100000);
	assert_int_equal(tls_session_send(p.ends[1], &plain), 0);
	talk(&p, 100000);
	assert_int_equal(p.heard[0].size, 1);
	buffer_finish(&plain);
	end_pair(&p);
}

static void refused(struct pair *p, unsigned end, enum tls_refusal refusal, const char *words)
{
	talk(p, 100000);
	assert_int_equal(p->results[end], -EPROTO);
	assert_string_equal(tls_refusal_name(tls_session_refusal(p->ends[end])),
			    tls_refusal_name(refusal));
	if (!strstr(tls_session_reason(p->ends[end]), words))
		fail_msg("'%s' is not in '%s'", words, tls_session_reason(p->ends[end]));
	assert_int_equal(p->heard[end].size, 0);
}

static void another_cas_certificate_is_refused_and_told_so(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true), client;
	struct pki other;
	struct pair p;

	pki_start(&other);
	pki_issue(&other, "urn:victor:fe:0000000000000002:fe2", "fe2", 0, NULL);
	client = pki_settings(&other, "fe2", false);
	strcpy(client.files.ca, server.files.ca);
	start_pair(&p, &server, &client);
	refused(&p, 0, TLS_REFUSED_UNKNOWN_AUTHORITY, "CA that we do not know");
	refused(&p, 1, TLS_REFUSED_REFUSED_BY_PEER, "does not know the CA");
	end_pair(&p);
	/* And the other way round: a rogue controller. */
	strcpy(client.files.ca, pki_settings(&other, "fe2", false).files.ca);
	start_pair(&p, &server, &client);
	refused(&p, 1, TLS_REFUSED_UNKNOWN_AUTHORITY, "CA that we do not know");
	end_pair(&p);
	pki_finish(&other);
}

static void an_fe_is_no_controller(void **state)
{
	struct tls_settings server = pki_settings(*state, "fe2", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	struct pair p;

	start_pair(&p, &server, &client);
	refused(&p, 1, TLS_REFUSED_WRONG_IDENTITY, "");
	end_pair(&p);
	server = pki_settings(*state, "cc1", true);
	client = pki_settings(*state, "cc1", false);
	start_pair(&p, &server, &client);
	refused(&p, 0, TLS_REFUSED_WRONG_IDENTITY, "nobody who may connect");
	end_pair(&p);
}

/* Behind our back, so that the client does not notice itself. */
static void without_a_certificate_nobody_comes_in(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	struct pair p;

	start_pair(&p, &server, &client);
	tls_session_destroy(p.ends[1]);
	SSL_CTX *bare = SSL_CTX_new(TLS_client_method()), *own = p.contexts[1]->current;

	p.contexts[1]->current = bare;
	p.ends[1] = tls_session_create(p.contexts[1]);
	refused(&p, 0, TLS_REFUSED_NO_CERTIFICATE, "shows no certificate");
	/* TLS 1.2 does not come in either. */
	tls_session_destroy(p.ends[0]);
	tls_session_destroy(p.ends[1]);
	SSL_CTX_set_max_proto_version(bare, TLS1_2_VERSION);
	p.ends[0] = tls_session_create(p.contexts[0]);
	p.ends[1] = tls_session_create(p.contexts[1]);
	refused(&p, 0, TLS_REFUSED_OLD_VERSION, "TLS 1.3");
	SSL_CTX_free(own);
	end_pair(&p);
}

static void an_expired_certificate_is_refused(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe9", false);
	struct tls_context *late;
	struct reason why;
	struct pair p;

	pki_issue(*state, "urn:victor:fe:0000000000000009:fe9", "fe9", -10 * HOUR_S, NULL);
	/* Our own side would not even start with it. */
	assert_int_equal(tls_context_create(&client, &late, &why), -EKEYEXPIRED);
	start_pair(&p, &server, &server);
	tls_session_destroy(p.ends[1]);
	SSL_CTX *rogue = SSL_CTX_new(TLS_client_method());

	assert_int_equal(SSL_CTX_use_certificate_file(rogue, client.files.certificate, 1), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(rogue, client.files.key, 1), 1);
	SSL_CTX_free(p.contexts[1]->current);
	p.contexts[1]->current = rogue;
	p.contexts[1]->settings.is_server = false;
	p.ends[1] = tls_session_create(p.contexts[1]);
	refused(&p, 0, TLS_REFUSED_EXPIRED, "victorctl pki issue");
	end_pair(&p);
}

static void a_revoked_certificate_ends_what_lives_and_opens_nothing(void **state)
{
	struct pki *pki = *state;
	struct tls_settings server = pki_settings(pki, "cc1", true);
	struct tls_settings client = pki_settings(pki, "fe7", false);
	char serial[TLS_SERIAL_SIZE];
	const char *serials[] = {serial};
	struct reason why;
	struct pair p;

	pki_issue(pki, "urn:victor:fe:0000000000000007:fe7", "fe7", 0, serial);
	pki_revoke(pki, NULL, 0, 1);
	snprintf(server.files.crl, TLS_PATH_SIZE, "%s/crl.pem", pki->directory);
	start_pair(&p, &server, &client);
	talk(&p, 100000);
	assert_true(tls_session_is_established(p.ends[0]));
	assert_string_equal(tls_session_serial(p.ends[0]), serial);
	assert_int_equal(tls_session_recheck(p.ends[0]), 0);
	pki_revoke(pki, serials, 1, 2);
	assert_true(tls_context_has_news(p.contexts[0]));
	assert_int_equal(tls_context_reload(p.contexts[0], &why), 0);
	/* A session that nobody asked about goes on. */
	say(p.ends[1], "hello", 5);
	talk(&p, 100000);
	assert_int_equal(p.heard[0].size, 5);
	assert_int_equal(tls_session_recheck(p.ends[0]), -EACCES);
	assert_int_equal(tls_session_refusal(p.ends[0]), TLS_REFUSED_REVOKED);
	for (unsigned i = 0; i < 2; i++) {
		tls_session_destroy(p.ends[i]);
		p.ends[i] = tls_session_create(p.contexts[i]);
		buffer_clear(&p.heard[i]);
	}
	refused(&p, 0, TLS_REFUSED_REVOKED, "revoked");
	refused(&p, 1, TLS_REFUSED_REFUSED_BY_PEER, "revoked");
	end_pair(&p);
}

static void garbage_is_refused_at_once(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	static const char *const words[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
					    "\x04\x00\x00\x08\x00\x00\x00\x01\x04\x02\x00\x08",
					    "SSH-2.0-OpenSSH_9.2p1 Debian\r\n"};
	static const size_t sizes[] = {27, 12, 30};
	struct buffer plain = {0};
	struct tls_context *context;
	struct reason why;

	assert_int_equal(tls_context_create(&server, &context, &why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct tls_session *s = tls_session_create(context);

		assert_int_equal(tls_session_receive(s, words[i], sizes[i], &plain), -EPROTO);
		assert_string_equal(tls_refusal_name(tls_session_refusal(s)), "not_tls");
		assert_int_equal(tls_session_receive(s, words[i], sizes[i], &plain), -EPROTO);
		tls_session_destroy(s);
	}
	assert_int_equal(plain.size, 0);
	buffer_finish(&plain);
	tls_context_destroy(context);
}

static void a_flipped_bit_ends_the_session(void **state)
{
	struct tls_settings server = pki_settings(*state, "cc1", true);
	struct tls_settings client = pki_settings(*state, "fe2", false);
	struct pair p;

	start_pair(&p, &server, &client);
	talk(&p, 100000);
	say(p.ends[1], "hello", 5);
	tls_session_out(p.ends[1])->data[9] ^= 1;
	talk(&p, 100000);
	assert_int_equal(p.results[0], -EPROTO);
	assert_int_equal(p.heard[0].size, 0);
	end_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_know_each_other),
		cmocka_unit_test(any_cut_of_the_bytes_says_the_same),
		cmocka_unit_test(nothing_is_sent_before_the_handshake),
		cmocka_unit_test(another_cas_certificate_is_refused_and_told_so),
		cmocka_unit_test(an_fe_is_no_controller),
		cmocka_unit_test(without_a_certificate_nobody_comes_in),
		cmocka_unit_test(an_expired_certificate_is_refused),
		cmocka_unit_test(a_revoked_certificate_ends_what_lives_and_opens_nothing),
		cmocka_unit_test(garbage_is_refused_at_once),
		cmocka_unit_test(a_flipped_bit_ends_the_session),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
