/* A private certification authority: P-256 keys (every TLS library there is, and each Open vSwitch,
 * takes them), ECDSA with SHA-256.  PEM in memory; where the files are is ctl/pki.c's business.
 * Certificates are RFC 5280's; who they speak for is in tls/identity.h. */
#pragma once

#include "base/reason.h"
#include "base/wire.h"
#include "tls/identity.h"

#include <stdint.h>

#define TLS_SERIAL_SIZE 33 /* 16 bytes as hexadecimal digits, and a zero */

struct tls_authority;

struct tls_validity {
	int64_t from_s, until_s; /* UNIX time */
};

struct tls_wish {
	struct tls_identity identity;
	struct tls_validity validity; /* cut at the authority's own end */
	const char *const *hosts;     /* names and addresses that clients may call it by */
	unsigned host_count;
};

struct tls_revocation {
	char serial[TLS_SERIAL_SIZE];
	int64_t at_s;
};

/* A new key and a certificate of its own for it. */
MUST_USE int tls_authority_create(const char *name, struct tls_validity validity,
				  struct tls_authority **ret, struct reason *why);
/* From PEM; -EINVAL where one is none, or they do not belong together. */
MUST_USE int tls_authority_open(const struct buffer *certificate, const struct buffer *key,
				struct tls_authority **ret, struct reason *why);
/* Accepts NULL. */
void tls_authority_destroy(struct tls_authority *a);
/* PEM, appended.  The key is a secret: buffer_finish does not clear it, tls_forget does. */
void tls_authority_certificate(const struct tls_authority *a, struct buffer *ret);
void tls_authority_key(const struct tls_authority *a, struct buffer *ret);
int64_t tls_authority_expires_s(const struct tls_authority *a);
/* Zeros what is in the buffer and frees it. */
void tls_forget(struct buffer *secret);

/* A new key and certificate, in PEM, appended; and the certificate's serial number, which is
 * random.  A host that is no name and no address: -EINVAL. */
MUST_USE int tls_authority_issue(struct tls_authority *a, const struct tls_wish *wish,
				 struct buffer *certificate, struct buffer *key,
				 char serial[TLS_SERIAL_SIZE], struct reason *why);
/* A signed list of all that are revoked, in PEM, appended.  It is valid as long as the authority
 * is: a list that nobody renewed stops no router.  'number' is greater each time. */
MUST_USE int tls_authority_revoke(struct tls_authority *a, const struct tls_revocation *list,
				  unsigned count, uint64_t number, int64_t now_s,
				  struct buffer *ret, struct reason *why);
