/* Who asks at the northbound, and what they may: roles, and how one gets one.
 *
 *	over a UNIX socket   root and the controller's own user: admin; others that the file's
 *	                     permissions let in: the configuration's 'access: { local: ... }'
 *	a bearer token       the token's role (tokens.h)
 *	a TLS certificate    the role of its urn:victor:user:ROLE:NAME
 *	nothing              'access: { anonymous: ... }', none unless somebody says so
 *
 * What a role may do stands in northbound.c's table of routes; what has no role there is nobody's.
 * All functions may be called from any thread. */
#pragma once

#include "base/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* Each may what those before it may. */
enum role { ROLE_NONE, ROLE_READ, ROLE_OPERATE, ROLE_ADMIN };

#define USER_NAME_SIZE 64
#define USER_FROM_SIZE 48

struct user {
	enum role role;
	char name[USER_NAME_SIZE]; /* "uid 0", "token ci", "certificate alice", "anonymous" */
	char from[USER_FROM_SIZE]; /* "192.0.2.1", "unix" */
};

const char *role_name(enum role role);
/* "none", "read", "operate", "admin"; -EINVAL otherwise. */
MUST_USE int role_parse(const char *text, enum role *ret);

/* The bytes behind "Bearer " of an Authorization header (RFC 6750, section 2.1), or NULL: it is
 * another scheme, or no token. */
const char *bearer_token(const char *authorization);
