/* What a daemon shows and whom it believes: certificate, key, CA and CRL from PEM files, as an
 * OpenSSL context that speaks TLS 1.3 alone (RFC 8446) and asks the peer for a certificate.
 *
 * New files are taken over while sessions live (tls_context_reload): a session keeps what it was
 * made with; tls_session_recheck says whether the new files still want its peer.  What cannot be
 * taken over, such as half of a new pair, changes nothing. */
#pragma once

#include "base/reason.h"
#include "tls/identity.h"

#include <stdbool.h>
#include <stdint.h>

#define TLS_PATH_SIZE 256

struct ssl_ctx_st;    /* OpenSSL's SSL_CTX */
struct ssl_st;        /* OpenSSL's SSL */
struct x509_st;       /* OpenSSL's X509 */
struct bio_method_st; /* OpenSSL's BIO_METHOD */

struct tls_files {
	char certificate[TLS_PATH_SIZE]; /* ours, and others on the way to the CA behind it */
	char key[TLS_PATH_SIZE];         /* never readable by others, no passphrase */
	char ca[TLS_PATH_SIZE];          /* one or more, concatenated */
	char crl[TLS_PATH_SIZE];         /* of each CA in the chain; empty: nobody is revoked */
};

/* -EINVAL for a path that is not absolute or too long; 'crl' may be NULL. */
MUST_USE int tls_files_set(struct tls_files *ret, const char *certificate, const char *key,
			   const char *ca, const char *crl, struct reason *why);

/* Why a peer was not let in, for counters (docs/security-tls.md has them in words). */
#define TLS_REFUSALS(X)                         \
	X(NO_CERTIFICATE, no_certificate)       \
	X(UNKNOWN_AUTHORITY, unknown_authority) \
	X(EXPIRED, expired)                     \
	X(NOT_YET_VALID, not_yet_valid)         \
	X(REVOKED, revoked)                     \
	X(STALE_CRL, stale_crl)                 \
	X(WRONG_IDENTITY, wrong_identity)       \
	X(BAD_CERTIFICATE, bad_certificate)     \
	X(OLD_VERSION, old_version)             \
	X(NOT_TLS, not_tls)                     \
	X(REFUSED_BY_PEER, refused_by_peer)     \
	X(BROKEN, broken)                       \
	X(TIMEOUT, handshake_timeout)           \
	X(CROWDED, too_many_handshakes)
#define TLS_REFUSAL_ENUM(name, text) TLS_REFUSED_##name,
enum tls_refusal { TLS_NOT_REFUSED, TLS_REFUSALS(TLS_REFUSAL_ENUM) TLS_REFUSAL_COUNT };
/* "no_certificate", ... */
const char *tls_refusal_name(enum tls_refusal refusal);

struct tls_settings {
	struct tls_files files;
	bool is_server;
	unsigned accept; /* kinds of peer (enum tls_kind); 0: a server that asks for no certificate
			  */
	bool anonymous_too; /* a client without a certificate comes in as well */
};

struct tls_context {
	struct tls_settings settings;
	struct ssl_ctx_st *current;
	struct bio_method_st *buffers; /* how sessions reach their bytes */
	uint64_t stamp;                /* of the files as last looked at */
	int64_t expires_s;             /* our certificate, UNIX time */
	struct tls_identity self;
	unsigned reloads, reload_failures;
};

/* A negative errno and a line that names the file and says what to do, where the files are not
 * there, not readable, do not belong together, are expired or name no identity of VICTOR's; a key
 * that others can read is -EACCES.  The context must outlive its sessions. */
MUST_USE int tls_context_create(const struct tls_settings *settings, struct tls_context **ret,
				struct reason *why);
/* Accepts NULL. */
void tls_context_destroy(struct tls_context *context);

/* Takes the files over again; on a refusal everything stays as it was. */
MUST_USE int tls_context_reload(struct tls_context *context, struct reason *why);
/* Whether a file is another than when last asked, created or reloaded: looks at each file's
 * directory entry.  To be asked about every second. */
bool tls_context_has_news(struct tls_context *context);

/* Whole days until our own certificate expires; negative: it has. */
int tls_context_days_left(const struct tls_context *context, int64_t now_s);

/* ---- for the room itself: what sessions and the CA need of OpenSSL ---- */

/* The identity of a verified certificate: -ENOENT where it has none of VICTOR's, -EINVAL where it
 * has a broken one, or more than one. */
MUST_USE int tls_certificate_identity(const struct x509_st *certificate, struct tls_identity *ret);
/* The refusal, and for people what is wrong and what to do, after OpenSSL's call with this result
 * failed.  Empties OpenSSL's queue of errors. */
enum tls_refusal tls_explain(const struct ssl_st *ssl, struct reason *why);
