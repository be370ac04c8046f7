/* A private CA's directory:
 *
 *	ca.pem  ca.key  crl.pem        the CA; the key is what must never leave this machine
 *	index                          every certificate it issued, one a line
 *	fe-NAME/  controller-NAME/  user-NAME/
 *		certificate.pem  key.pem  ca.pem  crl.pem
 *
 * A certificate's directory is what its owner's machine gets, whole.  Directories have mode 0700,
 * files 0600.  A file is replaced in one step, and nobody else works in the directory meanwhile. */
#pragma once

#include "tls/authority.h"

#include <stdbool.h>

/* One certificate. */
struct pki_entry {
	char serial[TLS_SERIAL_SIZE];
	struct tls_identity identity;
	int64_t expires_s, revoked_s; /* 0: it is not */
};

struct pki {
	char *directory;
	int lock;
	struct tls_authority *authority;
	struct pki_entry *entries; /* in the order of their making */
	unsigned count;
};

/* A new CA; -EEXIST where there is one already. */
MUST_USE int pki_create(const char *directory, const char *name, struct tls_validity validity,
			int64_t now_s, struct pki *ret, struct reason *why);
/* The one that is there; only who 'writes' needs its key. */
MUST_USE int pki_open(const char *directory, bool writes, struct pki *ret, struct reason *why);
void pki_close(struct pki *p);

/* Issues, and writes the files to the directory of '*ret_path' (the caller frees it).  -EEXIST
 * where this name has a certificate that is still good, unless it may be replaced; or the datapath
 * id is another's. */
MUST_USE int pki_issue(struct pki *p, const struct tls_wish *wish, bool replace, int64_t now_s,
		       char **ret_path, struct reason *why);
/* Revokes all certificates for which 'is_meant' is true; the list goes to each directory too.
 * Returns how many. */
MUST_USE int pki_revoke(struct pki *p, bool (*is_meant)(const struct pki_entry *, const void *),
			const void *context, int64_t now_s, struct reason *why);
/* "fe", "controller", "user" */
const char *pki_kind_name(enum tls_kind kind);
