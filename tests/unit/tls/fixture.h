/* A CA and certificates in a directory of the test's own, made when they are asked for. */
#pragma once

#include "tls/authority.h"
#include "tls/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define HOUR_S 3600

struct pki {
	char directory[32];
	struct tls_authority *authority;
};

void pki_start(struct pki *p);
void pki_finish(struct pki *p);
/* DIRECTORY/NAME.pem, NAME.key, by this CA, valid for an hour around now + 'shift_s'; the serial.
 */
void pki_issue(struct pki *p, const char *urn, const char *name, int64_t shift_s,
	       char serial[TLS_SERIAL_SIZE]);
/* DIRECTORY/crl.pem with these. */
void pki_revoke(struct pki *p, const char *const *serials, unsigned count, uint64_t number);
/* The files of 'name', the CA in ca.pem, without a CRL. */
struct tls_settings pki_settings(const struct pki *p, const char *name, bool is_server);
void pki_write(const struct pki *p, const char *name, const struct buffer *bytes);
