/* Makes keys, certificates and revocation lists with OpenSSL. */
#include "tls/authority.h"

#include "base/memory.h"
#include "tls/openssl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_BYTES 16
#define HOST_SIZE 254 /* RFC 1035, section 2.3.4 */

struct tls_authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static int openssl_failed(struct reason *why)
{
	int result = reason_set(why, -EINVAL, "OpenSSL: %s",
				ERR_reason_error_string(ERR_peek_last_error()));

	ERR_clear_error();
	return result;
}

/* ---- certificates ---- */

static int set_serial(X509 *x, char ret[TLS_SERIAL_SIZE])
{
	uint8_t bytes[SERIAL_BYTES];
	BIGNUM *number;
	char *text;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of one length */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	text = number ? BN_bn2hex(number) : NULL;
	int result = text && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) ? 0 : -ENOMEM;

	if (result == 0 && ret)
		snprintf(ret, TLS_SERIAL_SIZE, "%s", text);
	OPENSSL_free(text);
	BN_free(number);
	return result;
}

static void set_validity(X509 *x, struct tls_validity v)
{
	(void)ASN1_TIME_set(X509_getm_notBefore(x), (time_t)v.from_s);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), (time_t)v.until_s);
}

static bool add_extension(X509 *x, X509 *issuer, int kind, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	bool good = extension && X509_add_ext(x, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return good;
}

static X509 *make_certificate(const char *name, struct tls_validity v, EVP_PKEY *key,
			      char serial[TLS_SERIAL_SIZE])
{
	X509 *x = X509_new();
	X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;

	if (!x || X509_set_version(x, X509_VERSION_3) != 1 || set_serial(x, serial) < 0 ||
	    X509_set_pubkey(x, key) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const uint8_t *)"VICTOR", -1,
				       -1, 0) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
				       0) != 1) {
		X509_free(x);
		return NULL;
	}
	set_validity(x, v);
	return x;
}

/* ---- the authority ---- */

int tls_authority_create(const char *name, struct tls_validity v, struct tls_authority **ret,
			 struct reason *why)
{
	struct tls_authority *a = memory_alloc(sizeof(*a));

	a->key = EVP_EC_gen("P-256");
	a->certificate = a->key ? make_certificate(name, v, a->key, NULL) : NULL;
	X509 *x = a->certificate;

	if (!x || X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
	    !add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_extension(x, x, NID_subject_key_identifier, "hash") ||
	    !X509_sign(x, a->key, EVP_sha256())) {
		tls_authority_destroy(a);
		return openssl_failed(why);
	}
	*ret = a;
	return 0;
}

static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	return -1;
}

int tls_authority_open(const struct buffer *certificate, const struct buffer *key,
		       struct tls_authority **ret, struct reason *why)
{
	struct tls_authority *a = memory_alloc(sizeof(*a));
	BIO *from = BIO_new_mem_buf(certificate->data, (int)certificate->size);
	BIO *secret = BIO_new_mem_buf(key->data, (int)key->size);

	a->certificate = from ? PEM_read_bio_X509(from, NULL, no_passphrase, NULL) : NULL;
	a->key = secret ? PEM_read_bio_PrivateKey(secret, NULL, no_passphrase, NULL) : NULL;
	BIO_free(from);
	BIO_free(secret);
	ERR_clear_error();
	if (!a->certificate || !a->key || X509_check_private_key(a->certificate, a->key) != 1) {
		bool both = a->certificate && a->key;

		ERR_clear_error();
		tls_authority_destroy(a);
		return reason_set(why, -EINVAL,
				  both ? "the CA's key does not belong to its certificate"
				       : "the CA's certificate or key is not in PEM, or has a "
					 "passphrase");
	}
	*ret = a;
	return 0;
}

void tls_authority_destroy(struct tls_authority *a)
{
	if (!a)
		return;
	EVP_PKEY_free(a->key);
	X509_free(a->certificate);
	free(a);
}

static void append(BIO *bio, struct buffer *ret)
{
	char *bytes;
	long size = BIO_get_mem_data(bio, &bytes);

	buffer_add_bytes(ret, bytes, (size_t)size);
	OPENSSL_cleanse(bytes, (size_t)size);
	BIO_free(bio);
}

static BIO *new_bio(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!bio)
		abort(); /* out of memory, as in memory_alloc */
	return bio;
}

static void append_certificate(X509 *x, struct buffer *ret)
{
	BIO *bio = new_bio();

	(void)PEM_write_bio_X509(bio, x);
	append(bio, ret);
}

static void append_key(EVP_PKEY *key, struct buffer *ret)
{
	BIO *bio = new_bio();

	(void)PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	append(bio, ret);
}

void tls_authority_certificate(const struct tls_authority *a, struct buffer *ret)
{
	append_certificate(a->certificate, ret);
}

void tls_authority_key(const struct tls_authority *a, struct buffer *ret)
{
	append_key(a->key, ret);
}

int64_t tls_authority_expires_s(const struct tls_authority *a)
{
	return tls_certificate_expires_s(a->certificate);
}

void tls_forget(struct buffer *secret)
{
	if (secret->data)
		OPENSSL_cleanse(secret->data, secret->capacity);
	buffer_finish(secret);
	*secret = (struct buffer){0};
}

/* ---- issuing ---- */

static bool is_host_name(const char *text)
{
	size_t size =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

	return size > 0 && size < HOST_SIZE && !text[size] && text[0] != '.' && text[0] != '-';
}

static bool is_address(const char *text)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* The identity, and each host, as OpenSSL's configuration files have it. */
static int name_subject(X509 *x, X509 *issuer, const struct tls_wish *wish, struct reason *why)
{
	char urn[TLS_IDENTITY_SIZE];
	char *text;
	int result = 0;

	tls_identity_format(&wish->identity, urn);
	text = memory_format("URI:%s", urn);
	for (unsigned i = 0; i < wish->host_count && result == 0; i++) {
		const char *host = wish->hosts[i];
		char *old = text;

		if (!is_address(host) && !is_host_name(host))
			result = reason_set(why, -EINVAL, "'%.64s' is no host name and no address",
					    host);
		else
			text = memory_format("%s,%s:%s", old, is_address(host) ? "IP" : "DNS",
					     host);
		if (text != old)
			free(old);
	}
	if (result == 0 && !add_extension(x, issuer, NID_subject_alt_name, text))
		result = openssl_failed(why);
	free(text);
	return result;
}

/* An FE's certificate serves for calling alone: it can be no controller's. */
static const char *usage_of(const struct tls_identity *identity)
{
	return identity->kind == TLS_CONTROLLER ? "serverAuth,clientAuth" : "clientAuth";
}

static bool sign(struct tls_authority *a, X509 *x, const struct tls_wish *wish)
{
	return X509_set_issuer_name(x, X509_get_subject_name(a->certificate)) == 1 &&
	       add_extension(x, a->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(x, a->certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(x, a->certificate, NID_ext_key_usage, usage_of(&wish->identity)) &&
	       add_extension(x, a->certificate, NID_subject_key_identifier, "hash") &&
	       add_extension(x, a->certificate, NID_authority_key_identifier, "keyid:always") &&
	       X509_sign(x, a->key, EVP_sha256()) > 0;
}

int tls_authority_issue(struct tls_authority *a, const struct tls_wish *wish,
			struct buffer *certificate, struct buffer *key,
			char serial[TLS_SERIAL_SIZE], struct reason *why)
{
	struct tls_validity v = wish->validity;
	EVP_PKEY *pair = EVP_EC_gen("P-256");

	if (v.until_s > tls_authority_expires_s(a))
		v.until_s = tls_authority_expires_s(a);
	X509 *x = pair ? make_certificate(wish->identity.name, v, pair, serial) : NULL;
	int result = x ? name_subject(x, a->certificate, wish, why) : openssl_failed(why);

	if (result == 0 && !sign(a, x, wish))
		result = openssl_failed(why);
	if (result == 0) {
		append_certificate(x, certificate);
		append_key(pair, key);
	}
	X509_free(x);
	EVP_PKEY_free(pair);
	return result;
}

/* ---- revoking ---- */

static bool add_revoked(X509_CRL *crl, const struct tls_revocation *r)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)r->at_s);
	BIGNUM *number = NULL;
	ASN1_INTEGER *serial =
		BN_hex2bn(&number, r->serial) ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	bool good = revoked && at && serial && X509_REVOKED_set_serialNumber(revoked, serial) &&
		    X509_REVOKED_set_revocationDate(revoked, at) &&
		    X509_CRL_add0_revoked(crl, revoked);

	if (!good)
		X509_REVOKED_free(revoked);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(at);
	BN_free(number);
	return good;
}

static bool number_list(X509_CRL *crl, uint64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	bool good = n && ASN1_INTEGER_set_uint64(n, number) &&
		    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;

	ASN1_INTEGER_free(n);
	return good;
}

int tls_authority_revoke(struct tls_authority *a, const struct tls_revocation *list, unsigned count,
			 uint64_t number, int64_t now_s, struct buffer *ret, struct reason *why)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
	bool good = crl && now && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		    X509_CRL_set_issuer_name(crl, X509_get_subject_name(a->certificate)) == 1 &&
		    X509_CRL_set1_lastUpdate(crl, now) == 1 &&
		    X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(a->certificate)) == 1 &&
		    number_list(crl, number);

	for (unsigned i = 0; good && i < count; i++)
		good = add_revoked(crl, &list[i]);
	good = good && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, a->key, EVP_sha256()) > 0;
	if (good) {
		BIO *bio = new_bio();

		(void)PEM_write_bio_X509_CRL(bio, crl);
		append(bio, ret);
	}
	X509_CRL_free(crl);
	ASN1_TIME_free(now);
	return good ? 0 : openssl_failed(why);
}
