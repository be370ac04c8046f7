/* Which request means what: patterns of paths, and the query's fields.  Pure text. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether 'path' fits 'pattern' ("/v1/nodes/{}/move"); '{}' takes one segment, not empty, into
 * 'argument', and does not fit where it is longer than that. */
bool route_match(const char *pattern, const char *path, char *argument, size_t argument_size);
/* The decoded value of 'name' in "a=1&b=2": 1; 0: not there; -EINVAL: too long or a bad escape. */
MUST_USE int query_get(const char *query, const char *name, char *ret, size_t size);
