/* The store's schema through the releases: what each version of the file added, how an older file
 * is brought up to this release's, and which files are refused.  Only for store_sql.c. */
#pragma once

#include "base/reason.h"

struct sqlite3;

#define STORE_SCHEMA_VERSION 4

/* SQLite's refusal in words for who runs the controller; a negative errno. */
int store_schema_explain(struct sqlite3 *db, int code, struct reason *why);

/* Makes the tables of a new file; checks that one which is there is ours and whole, and brings it
 * to STORE_SCHEMA_VERSION in one transaction, after a copy of it was written beside it
 * (PATH.schema-N).  -EUCLEAN with a way out for what is damaged, another program's, or a later
 * release's: such a file is left as it is. */
MUST_USE int store_schema_prepare(struct sqlite3 *db, const char *path, struct reason *why);
/* Every page, index and row; -EUCLEAN. */
MUST_USE int store_schema_check(struct sqlite3 *db, const char *path, struct reason *why);
