/* OpenSSL between two buffers.  It reads the bytes that were just received where they lie, and
 * writes records behind 'out', by a BIO of our own: the memory BIO of OpenSSL would copy each byte
 * once more. */
#include "tls/session.h"

#include "base/memory.h"
#include "tls/openssl.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 16384 /* RFC 8446, section 5.1 */
#define SERIAL_SIZE 48   /* 20 bytes, RFC 5280, section 4.1.2.2 */

struct tls_session {
	struct tls_context *context;
	SSL *ssl;
	struct reader in; /* what is left of the bytes being received; borrowed */
	struct buffer out;
	bool established;
	bool has_peer;
	enum tls_refusal refusal;
	struct reason reason;
	struct tls_identity peer;
	int64_t expires_s;
	char serial[SERIAL_SIZE];
};

/* ---- the BIO ---- */

static int buffers_read(BIO *bio, char *bytes, size_t size, size_t *ret)
{
	struct tls_session *s = BIO_get_data(bio);
	size_t left = reader_left(&s->in);

	BIO_clear_retry_flags(bio);
	*ret = size < left ? size : left;
	if (*ret == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	read_bytes(&s->in, bytes, *ret);
	return 1;
}

static int buffers_write(BIO *bio, const char *bytes, size_t size, size_t *ret)
{
	struct tls_session *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	buffer_add_bytes(&s->out, bytes, size);
	*ret = size;
	return 1;
}

static long buffers_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static int buffers_open(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_buffers_create(void)
{
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session's buffers");

	if (!method || !BIO_meth_set_read_ex(method, buffers_read) ||
	    !BIO_meth_set_write_ex(method, buffers_write) ||
	    !BIO_meth_set_ctrl(method, buffers_control) ||
	    !BIO_meth_set_create(method, buffers_open))
		abort(); /* out of memory, as in memory_alloc */
	return method;
}

/* ---- life ---- */

static int refuse(struct tls_session *s)
{
	if (s->refusal == TLS_NOT_REFUSED)
		s->refusal = tls_explain(s->ssl, &s->reason);
	return -EPROTO;
}

static void remember_peer(struct tls_session *s)
{
	X509 *x = SSL_get0_peer_certificate(s->ssl);
	BIGNUM *serial;
	char *text;

	if (!x)
		return;
	s->has_peer = tls_certificate_identity(x, &s->peer) == 0;
	s->expires_s = tls_certificate_expires_s(x);
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	text = serial ? BN_bn2hex(serial) : NULL;
	if (text && strlen(text) < SERIAL_SIZE)
		strcpy(s->serial, text);
	OPENSSL_free(text);
	BN_free(serial);
}

/* Whether nobody comes in without a certificate. */
static bool is_wanted(const struct tls_session *s)
{
	const struct tls_settings *settings = &s->context->settings;

	return settings->accept && !settings->anonymous_too;
}

static int shake_hands(struct tls_session *s)
{
	ERR_clear_error();
	int result = SSL_do_handshake(s->ssl);

	if (result == 1) {
		remember_peer(s);
		if (s->has_peer || !is_wanted(s))
			s->established = true;
		else /* the chain's verification saw to it that this cannot be */
			s->refusal =
				tls_explain_chain(X509_V_ERR_APPLICATION_VERIFICATION, &s->reason);
		return s->established ? 0 : -EPROTO;
	}
	return SSL_get_error(s->ssl, result) == SSL_ERROR_WANT_READ ? -EAGAIN : refuse(s);
}

struct tls_session *tls_session_create(struct tls_context *context)
{
	struct tls_session *s = memory_alloc(sizeof(*s));
	BIO *bio = BIO_new(context->buffers);

	s->context = context;
	s->ssl = SSL_new(context->current);
	if (!s->ssl || !bio)
		abort(); /* out of memory, as in memory_alloc */
	BIO_set_data(bio, s);
	SSL_set_bio(s->ssl, bio, bio);
	if (context->settings.is_server) {
		SSL_set_accept_state(s->ssl);
	} else {
		SSL_set_connect_state(s->ssl);
		(void)shake_hands(s); /* a failure is told again by tls_session_receive */
	}
	return s;
}

void tls_session_destroy(struct tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	buffer_finish(&s->out);
	free(s);
}

/* ---- bytes ---- */

/* All that is there, record by record. */
static int read_records(struct tls_session *s, struct buffer *plain)
{
	size_t got;
	int result;

	do {
		/* More than this record's bytes will not come out at once. */
		size_t before = plain->size;
		uint8_t *place = buffer_add(plain, RECORD_MAX);

		ERR_clear_error();
		result = SSL_read_ex(s->ssl, place, RECORD_MAX, &got);
		plain->size = before + (result == 1 ? got : 0);
	} while (result == 1);
	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return 0; /* close_notify; the end of the stream follows */
	default:
		return refuse(s);
	}
}

int tls_session_receive(struct tls_session *s, const void *bytes, size_t size, struct buffer *plain)
{
	int result = 0;

	if (s->refusal != TLS_NOT_REFUSED)
		return -EPROTO;
	s->in = reader_make(bytes, size);
	if (!s->established)
		result = shake_hands(s);
	if (result == 0)
		result = read_records(s, plain);
	s->in = reader_make(NULL, 0);
	return result == -EAGAIN ? 0 : result;
}

int tls_session_send(struct tls_session *s, struct buffer *plain)
{
	size_t written;

	if (s->refusal != TLS_NOT_REFUSED)
		return -EPROTO;
	if (!s->established || !plain->size)
		return 0;
	ERR_clear_error();
	/* 'out' takes everything, so all of it goes at once. */
	int result = SSL_write_ex(s->ssl, plain->data, plain->size, &written);

	buffer_clear(plain);
	return result == 1 ? 0 : refuse(s);
}

void tls_session_finish(struct tls_session *s)
{
	ERR_clear_error();
	if (s->established && s->refusal == TLS_NOT_REFUSED)
		(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
}

struct buffer *tls_session_out(struct tls_session *s)
{
	return &s->out;
}

/* ---- who it is ---- */

bool tls_session_is_established(const struct tls_session *s)
{
	return s->established;
}

const struct tls_identity *tls_session_peer(const struct tls_session *s)
{
	return s->has_peer ? &s->peer : NULL;
}

int64_t tls_session_expires_s(const struct tls_session *s)
{
	return s->expires_s;
}

const char *tls_session_serial(const struct tls_session *s)
{
	return s->serial;
}

const char *tls_session_version(const struct tls_session *s)
{
	return SSL_get_version(s->ssl);
}

int tls_session_recheck(struct tls_session *s)
{
	X509 *own = SSL_get0_peer_certificate(s->ssl);
	X509_STORE_CTX *chain;
	int good;

	if (!own)
		return 0;
	chain = X509_STORE_CTX_new();
	if (!chain || !X509_STORE_CTX_init(chain, SSL_CTX_get_cert_store(s->context->current), own,
					   SSL_get_peer_cert_chain(s->ssl)))
		abort(); /* out of memory, as in memory_alloc */
	X509_STORE_CTX_set_flags(chain, X509_V_FLAG_NO_CHECK_TIME);
	good = X509_verify_cert(chain);
	if (good != 1)
		s->refusal = tls_explain_chain(X509_STORE_CTX_get_error(chain), &s->reason);
	X509_STORE_CTX_free(chain);
	ERR_clear_error();
	return good == 1 ? 0 : -EACCES;
}

enum tls_refusal tls_session_refusal(const struct tls_session *s)
{
	return s->refusal;
}

const char *tls_session_reason(const struct tls_session *s)
{
	return s->reason.text;
}
