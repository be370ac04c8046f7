/* OpenSSL contexts out of PEM files.  Each file is opened once, its mode asked of the descriptor,
 * and read whole, so that what was checked is what is used. */
#include "tls/context.h"

#include "base/memory.h"
#include "tls/openssl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE_MAX (4 << 20) /* a CRL has some 40 bytes for each certificate */
#define CHAIN_SIZE_MAX 16384    /* what a stranger may make us read before he is known */
#define DAY_S 86400

static const char ciphers13[] =
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* ---- files ---- */

static int set_path(char ret[TLS_PATH_SIZE], const char *key, const char *path, struct reason *why)
{
	if (path[0] != '/' || strlen(path) >= TLS_PATH_SIZE)
		return reason_set(
			why, -EINVAL,
			"tls: %s '%.64s': write an absolute path of at most %d characters", key,
			path, TLS_PATH_SIZE - 1);
	memset(ret, 0, TLS_PATH_SIZE);
	strcpy(ret, path);
	return 0;
}

int tls_files_set(struct tls_files *ret, const char *certificate, const char *key, const char *ca,
		  const char *crl, struct reason *why)
{
	int result = set_path(ret->certificate, "certificate", certificate, why);

	if (result == 0)
		result = set_path(ret->key, "key", key, why);
	if (result == 0)
		result = set_path(ret->ca, "ca", ca, why);
	if (result == 0 && crl)
		result = set_path(ret->crl, "crl", crl, why);
	return result;
}

static int check_key_mode(const char *path, const struct stat *file, struct reason *why)
{
	if (!(file->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)))
		return 0;
	return reason_set(why, -EACCES,
			  "%s: others than its owner can get at this key (mode %04o): run 'chmod "
			  "600 %s', and issue a new one if others were on this machine",
			  path, file->st_mode & 07777, path);
}

/* The file's bytes, which the caller frees. */
static int read_whole(const char *path, bool is_key, uint8_t **ret, size_t *ret_size,
		      struct reason *why)
{
	struct stat file = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;
	size_t size = 0;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &file) < 0) {
		result = reason_set(why, errno ? -errno : -EIO, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(file.st_mode) || file.st_size > FILE_SIZE_MAX) {
		result = reason_set(why, -EINVAL, "%s: not a file of at most %d bytes", path,
				    FILE_SIZE_MAX);
	} else if (is_key) {
		result = check_key_mode(path, &file, why);
	}
	if (result == 0) {
		*ret = memory_alloc((size_t)file.st_size + 1);
		while (size < (size_t)file.st_size && got > 0) {
			got = read(fd, *ret + size, (size_t)file.st_size - size);
			size += got > 0 ? (size_t)got : 0;
		}
		*ret_size = size;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static BIO *open_pem(const char *path, bool is_key, uint8_t **bytes, size_t *size, int *result,
		     struct reason *why)
{
	*bytes = NULL;
	*size = 0;
	*result = read_whole(path, is_key, bytes, size, why);
	return *result == 0 ? BIO_new_mem_buf(*bytes, (int)*size) : NULL;
}

static void close_pem(BIO *bio, uint8_t *bytes, size_t size)
{
	BIO_free(bio);
	if (bytes)
		OPENSSL_cleanse(bytes, size);
	free(bytes);
}

/* Nobody is there to type a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	return -1;
}

static int load_key(SSL_CTX *ssl, const char *path, struct reason *why)
{
	size_t size;
	uint8_t *bytes;
	int result;
	BIO *bio = open_pem(path, true, &bytes, &size, &result, why);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	if (result == 0 && !key)
		result = reason_set(why, -EINVAL,
				    "%s: no private key in PEM without a passphrase is in there",
				    path);
	if (result == 0 && SSL_CTX_use_PrivateKey(ssl, key) != 1)
		result = reason_set(why, -EINVAL,
				    "%s: this key does not belong to the certificate: take both "
				    "from the same 'victorctl pki issue'",
				    path);
	EVP_PKEY_free(key);
	close_pem(bio, bytes, size);
	return result;
}

static int load_certificate(SSL_CTX *ssl, const char *path, struct reason *why)
{
	size_t size;
	uint8_t *bytes;
	int result;
	BIO *bio = open_pem(path, false, &bytes, &size, &result, why);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	if (result == 0 && (!x || SSL_CTX_use_certificate(ssl, x) != 1))
		result = reason_set(why, -EINVAL, "%s: no usable certificate in PEM is in there",
				    path);
	X509_free(x);
	while (result == 0 && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ssl, x) != 1)
			X509_free(x);
	close_pem(bio, bytes, size);
	return result;
}

static int load_authorities(SSL_CTX *ssl, const char *path, struct reason *why)
{
	size_t size;
	unsigned count = 0;
	uint8_t *bytes;
	int result;
	BIO *bio = open_pem(path, false, &bytes, &size, &result, why);
	X509 *x;

	while (bio && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		count += X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), x) == 1;
		X509_free(x);
	}
	if (result == 0 && !count)
		result = reason_set(why, -EINVAL, "%s: no CA's certificate in PEM is in there",
				    path);
	close_pem(bio, bytes, size);
	return result;
}

static int load_revocations(SSL_CTX *ssl, const char *path, struct reason *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	size_t size;
	unsigned count = 0;
	uint8_t *bytes;
	int result;
	BIO *bio = open_pem(path, false, &bytes, &size, &result, why);
	X509_CRL *crl;

	while (bio && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
		count += X509_STORE_add_crl(store, crl) == 1;
		X509_CRL_free(crl);
	}
	if (result == 0 && !count)
		result = reason_set(why, -EINVAL,
				    "%s: no revocation list in PEM is in there; 'victorctl pki' "
				    "writes it as crl.pem",
				    path);
	if (result == 0)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	close_pem(bio, bytes, size);
	return result;
}

/* ---- identity ---- */

int tls_certificate_identity(const X509 *certificate, struct tls_identity *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0, result = -ENOENT;

	for (int i = 0; i < count && result != -EINVAL; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		static const char ours[] = "urn:victor:";

		if (name->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		const uint8_t *text = ASN1_STRING_get0_data(uri);
		size_t size = (size_t)ASN1_STRING_length(uri);

		if (size < strlen(ours) || memcmp(text, ours, strlen(ours)) != 0)
			continue;
		result = result == 0 ? -EINVAL : tls_identity_parse(text, size, ret);
	}
	GENERAL_NAMES_free(names);
	return result;
}

/* The peer's own certificate has to name somebody whom this side takes. */
static int on_verify(int good, X509_STORE_CTX *chain)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct tls_identity identity;

	if (!good || X509_STORE_CTX_get_error_depth(chain) > 0)
		return good;
	if (tls_certificate_identity(X509_STORE_CTX_get_current_cert(chain), &identity) == 0 &&
	    (identity.kind & context->settings.accept))
		return 1;
	X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm parts;

	return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

int64_t tls_certificate_expires_s(const X509 *certificate)
{
	return seconds_of(X509_get0_notAfter(certificate));
}

/* Our own must be such that the other end can take it. */
static int check_own(const SSL_CTX *ssl, const char *path, struct tls_identity *self,
		     int64_t *expires_s, struct reason *why)
{
	const X509 *own = SSL_CTX_get0_certificate(ssl);

	*expires_s = tls_certificate_expires_s(own);
	if (tls_certificate_identity(own, self) < 0)
		return reason_set(
			why, -EINVAL,
			"%s: names no identity of VICTOR's (urn:victor:...): make it with "
			"'victorctl pki issue'",
			path);
	if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
		return reason_set(why, -EKEYEXPIRED,
				  "%s: has expired: run 'victorctl pki issue' again where the CA "
				  "is, and copy the new files here",
				  path);
	if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0)
		return reason_set(why, -EINVAL,
				  "%s: is not valid yet: is this machine's clock right?", path);
	return 0;
}

/* ---- contexts ---- */

static void restrict_protocol(SSL_CTX *ssl)
{
	SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION);
	(void)SSL_CTX_set_ciphersuites(ssl, ciphers13);
	/* No resumption: a ticket would outlive a revocation. */
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ssl, CHAIN_SIZE_MAX);
	/* 32 KiB for each connection that says nothing just now are better spent. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
}

static void demand_certificate(SSL_CTX *ssl, const struct tls_settings *s)
{
	int mode = SSL_VERIFY_NONE;

	if (s->accept || !s->is_server)
		mode = SSL_VERIFY_PEER;
	if (s->accept && !s->anonymous_too)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ssl, mode, on_verify);
}

static int load(struct tls_context *c, SSL_CTX *ssl, struct reason *why)
{
	const struct tls_files *files = &c->settings.files;
	struct tls_identity self = {0};
	int64_t expires_s = 0;

	restrict_protocol(ssl);
	demand_certificate(ssl, &c->settings);
	SSL_CTX_set_app_data(ssl, c);
	int result = load_certificate(ssl, files->certificate, why);

	if (result == 0)
		result = load_key(ssl, files->key, why);
	if (result == 0)
		result = load_authorities(ssl, files->ca, why);
	if (result == 0 && files->crl[0])
		result = load_revocations(ssl, files->crl, why);
	if (result == 0)
		result = check_own(ssl, files->certificate, &self, &expires_s, why);
	ERR_clear_error();
	if (result == 0) {
		c->self = self;
		c->expires_s = expires_s;
	}
	return result;
}

int tls_context_reload(struct tls_context *c, struct reason *why)
{
	SSL_CTX *fresh =
		SSL_CTX_new(c->settings.is_server ? TLS_server_method() : TLS_client_method());
	int result;

	if (!fresh)
		return reason_set(why, -ENOMEM, "OpenSSL cannot be used: %s",
				  ERR_reason_error_string(ERR_get_error()));
	(void)tls_context_has_news(c); /* what changes from here on is news */
	result = load(c, fresh, why);
	if (result < 0) {
		SSL_CTX_free(fresh);
		c->reload_failures++;
		return result;
	}
	SSL_CTX_free(c->current); /* its sessions hold it as long as they live */
	c->current = fresh;
	c->reloads++;
	return 0;
}

int tls_context_create(const struct tls_settings *settings, struct tls_context **ret,
		       struct reason *why)
{
	struct tls_context *c = memory_alloc(sizeof(*c));

	c->settings = *settings;
	c->buffers = tls_buffers_create();
	int result = tls_context_reload(c, why);

	if (result < 0) {
		tls_context_destroy(c);
		return result;
	}
	c->reloads = 0;
	*ret = c;
	return 0;
}

void tls_context_destroy(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->current);
	BIO_meth_free(c->buffers);
	free(c);
}

/* A sum over what tells one version of a file from another. */
static uint64_t stamp(const char *path, uint64_t sum)
{
	struct stat file;

	if (!path[0])
		return sum;
	if (stat(path, &file) < 0)
		memset(&file, 0, sizeof(file));
	const uint64_t parts[] = {(uint64_t)file.st_ino,
				  (uint64_t)file.st_size,
				  file.st_mode,
				  (uint64_t)file.st_mtim.tv_sec,
				  (uint64_t)file.st_mtim.tv_nsec,
				  (uint64_t)file.st_ctim.tv_sec,
				  (uint64_t)file.st_ctim.tv_nsec};

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		sum = (sum ^ parts[i]) * 0x100000001b3u;
	return sum;
}

bool tls_context_has_news(struct tls_context *c)
{
	const struct tls_files *files = &c->settings.files;
	uint64_t now = 0xcbf29ce484222325u;

	now = stamp(files->certificate, now);
	now = stamp(files->key, now);
	now = stamp(files->ca, now);
	now = stamp(files->crl, now);
	bool changed = now != c->stamp;

	c->stamp = now;
	return changed;
}

int tls_context_days_left(const struct tls_context *c, int64_t now_s)
{
	int64_t left_s = c->expires_s - now_s;

	return (int)(left_s >= 0 ? left_s / DAY_S : -1 - (-left_s / DAY_S));
}
