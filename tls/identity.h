/* Who a certificate speaks for: one URI among its subject's alternative names (RFC 5280, section
 * 4.2.1.6; RFC 8141 for the form).  docs/security-tls.md says what each may do.
 *
 *	urn:victor:fe:0000000000000002:fe2       an element: its datapath id, 16 hex digits; its
 *name urn:victor:controller:cc1                a controller urn:victor:user:operate:alice a person
 *or program: read, operate or admin
 */
#pragma once

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#define TLS_NAME_SIZE 64      /* with its terminating zero */
#define TLS_IDENTITY_SIZE 128 /* the longest URN, with its terminating zero */

/* Also bits of a set: which kinds a listener takes. */
enum tls_kind { TLS_FE = 1, TLS_CONTROLLER = 2, TLS_USER = 4 };

enum tls_role { TLS_ROLE_READ, TLS_ROLE_OPERATE, TLS_ROLE_ADMIN, TLS_ROLE_COUNT };

struct tls_identity {
	enum tls_kind kind;
	enum tls_role role;   /* a user's */
	uint64_t datapath_id; /* an FE's; never 0 */
	char name[TLS_NAME_SIZE];
};

/* 0 and '*ret'; -EINVAL for what is not exactly one of the forms above: lower case, no escapes, a
 * name of letters, digits, '-', '_' and '.'. */
MUST_USE int tls_identity_parse(const void *text, size_t size, struct tls_identity *ret);
/* The URN; tls_identity_parse gives the same identity back. */
void tls_identity_format(const struct tls_identity *identity, char ret[TLS_IDENTITY_SIZE]);

/* "read", "operate", "admin". */
const char *tls_role_name(enum tls_role role);
MUST_USE int tls_role_parse(const char *text, enum tls_role *ret);
