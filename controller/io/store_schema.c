/* The steps that lead from an empty file to this release's schema.  A new file takes all of them,
 * one of an earlier release those that it lacks: so each step is tried at every start of a new
 * controller.  A step is never changed once a release has it; what is new is a step more. */
#include "controller/io/store_schema.h"

#include "base/compiler.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("store");

#define APPLICATION_ID 0x56435452 /* "VCTR" */

/* steps[n] leads from version n to n + 1. */
static const char *const steps[] = {
	"CREATE TABLE controller (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL);"
	"INSERT INTO controller VALUES (1, 0);"
	"CREATE TABLE nodes (id TEXT PRIMARY KEY, vrf INTEGER NOT NULL, mac TEXT NOT NULL,"
	" addresses TEXT NOT NULL, mobile INTEGER NOT NULL, elements TEXT NOT NULL);"
	"CREATE TABLE attachments (node TEXT PRIMARY KEY, state INTEGER NOT NULL,"
	" fe INTEGER NOT NULL, port INTEGER NOT NULL, vlan INTEGER NOT NULL, mac TEXT NOT NULL,"
	" previous_fe INTEGER NOT NULL, previous_port INTEGER NOT NULL,"
	" previous_vlan INTEGER NOT NULL, previous_mac TEXT NOT NULL,"
	" version INTEGER NOT NULL, element_version INTEGER NOT NULL, since INTEGER NOT NULL,"
	" heard INTEGER NOT NULL, moves INTEGER NOT NULL);"
	"PRAGMA application_id = 1447253074;",
	/* Files of version 1 may have this table already: it came before there were steps. */
	"CREATE TABLE IF NOT EXISTS drained (element TEXT PRIMARY KEY);"
	"ALTER TABLE controller ADD COLUMN software TEXT NOT NULL DEFAULT '';",
	"ALTER TABLE nodes ADD COLUMN labels TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE nodes ADD COLUMN allow_ports TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE nodes ADD COLUMN allow_sites TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE nodes ADD COLUMN allow_labels TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE nodes ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;",
	"CREATE TABLE devices (node TEXT NOT NULL, name TEXT NOT NULL, mac TEXT NOT NULL,"
	" key TEXT NOT NULL, PRIMARY KEY (node, name));"
	"CREATE TABLE registrations (node TEXT PRIMARY KEY, device TEXT NOT NULL,"
	" lifetime INTEGER NOT NULL);",
};
_Static_assert(APPLICATION_ID == 1447253074, "the first step writes the application id");
_Static_assert(ARRAY_SIZE(steps) == STORE_SCHEMA_VERSION, "a step leads to each version");

int store_schema_explain(struct sqlite3 *db, int code, struct reason *why)
{
	const char *path = db ? sqlite3_db_filename(db, "main") : NULL;

	path = path && path[0] ? path : "the store";
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return reason_set(
			why, -EBUSY,
			"%s: in use by another victor-controller; stop it, or set another "
			"'state' directory",
			path);
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return reason_set(
			why, -EUCLEAN,
			"%s: damaged or no VICTOR store (%s); put a backup in its place, or move "
			"it away (%s*) and start again: attachments are learnt from the elements, "
			"nodes put by REST must be put again (victorctl import)",
			path, sqlite3_errmsg(db), path);
	case SQLITE_FULL:
		return reason_set(why, -ENOSPC, "%s: the disk is full", path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return reason_set(why, -EACCES,
				  "%s: not writable (%s); its file system must be writable, and "
				  "its directory this user's",
				  path, sqlite3_errmsg(db));
	default:
		return reason_set(why, -EIO, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
	}
}

static int execute(sqlite3 *db, const char *sql, struct reason *why)
{
	int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : store_schema_explain(db, code, why);
}

/* The first column of the first row, as text; the caller frees it.  NULL: no row, or an error. */
static char *query_text(sqlite3 *db, const char *sql, int *ret_code)
{
	sqlite3_stmt *statement = NULL;
	const char *text = NULL;
	char *copy = NULL;

	*ret_code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (*ret_code == SQLITE_OK)
		*ret_code = sqlite3_step(statement);
	if (*ret_code == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	if (text)
		copy = memory_copy_text(text);
	sqlite3_finalize(statement);
	return copy;
}

static int query_number(sqlite3 *db, const char *sql, int64_t *ret, struct reason *why)
{
	int code;
	char *text = query_text(db, sql, &code);

	if (!text)
		return store_schema_explain(db, code, why);
	*ret = strtoll(text, NULL, 10);
	free(text);
	return 0;
}

static int check_by(sqlite3 *db, const char *pragma, const char *path, struct reason *why)
{
	int code, result = 0;
	char *text = query_text(db, pragma, &code);

	if (!text)
		result = store_schema_explain(db, code, why);
	else if (strcmp(text, "ok") != 0)
		result = reason_set(
			why, -EUCLEAN,
			"%s: damaged (%.120s); put a backup in its place, or move it away (%s*) "
			"and start again: attachments are learnt from the elements, nodes put by "
			"REST must be put again (victorctl import)",
			path, text, path);
	free(text);
	return result;
}

int store_schema_check(struct sqlite3 *db, const char *path, struct reason *why)
{
	return check_by(db, "PRAGMA integrity_check(1)", path, why);
}

static int refuse_later(sqlite3 *db, const char *path, int64_t version, struct reason *why)
{
	int code, result;
	char *software = query_text(db, "SELECT software FROM controller", &code);

	result = reason_set(why, -EUCLEAN,
			    "%s: written by a later release, %.40s (schema %lld, this one knows "
			    "%d), and left as it is; install that release again, or put the copy "
			    "that it kept in its place (%s.schema-%d)",
			    path, software ? software : "unknown", (long long)version,
			    STORE_SCHEMA_VERSION, path, STORE_SCHEMA_VERSION);
	free(software);
	return result;
}

/* SQLite does not sync what VACUUM INTO wrote. */
static int sync_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	(void)!fchmod(fd, 0600); /* there are keys in it */
	result = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return result;
}

/* So that the release before can be gone back to. */
static int keep_copy(sqlite3 *db, const char *path, int64_t version, struct reason *why)
{
	char *copy = memory_format("%s.schema-%lld", path, (long long)version);
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
	int result;

	(void)unlink(copy); /* of a start that did not get to its end */
	result = execute(db, sql, why);
	if (result == 0) {
		result = sync_file(copy);
		if (result < 0)
			reason_set(why, result, "%s: %s", copy, strerror(-result));
	}
	if (result == 0)
		log_info("%s: schema %lld becomes %d; the file as it was: %s", path,
			 (long long)version, STORE_SCHEMA_VERSION, copy);
	sqlite3_free(sql);
	free(copy);
	return result;
}

static int take_steps(sqlite3 *db, int64_t version, struct reason *why)
{
	char text[48];
	int result = execute(db, "BEGIN IMMEDIATE", why);

	for (int64_t i = version; i < STORE_SCHEMA_VERSION && result == 0; i++)
		result = execute(db, steps[i], why);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", STORE_SCHEMA_VERSION);
	result = result ? result : execute(db, text, why);
	result = result ? result : execute(db, "COMMIT", why);
	if (result < 0)
		(void)execute(db, "ROLLBACK", NULL);
	return result;
}

int store_schema_prepare(struct sqlite3 *db, const char *path, struct reason *why)
{
	int64_t application = 0, version = 0, tables = 0;
	int result = query_number(db, "PRAGMA application_id", &application, why);

	result = result ? result : query_number(db, "PRAGMA user_version", &version, why);
	result = result ? result
			: query_number(db, "SELECT count(*) FROM sqlite_master", &tables, why);
	if (result < 0)
		return result;
	if (!application && !tables)
		return take_steps(db, 0, why);
	if (application != APPLICATION_ID)
		return reason_set(why, -EUCLEAN,
				  "%s: another program's database; set another 'state' directory",
				  path);
	if (version > STORE_SCHEMA_VERSION)
		return refuse_later(db, path, version, why);
	result = check_by(db, "PRAGMA quick_check(1)", path, why);
	if (result < 0 || version == STORE_SCHEMA_VERSION)
		return result;
	if (version < 1)
		return reason_set(why, -EUCLEAN,
				  "%s: damaged (it has no schema version); put a backup in its "
				  "place, or move it away and start again",
				  path);
	result = keep_copy(db, path, version, why);
	return result ? result : take_steps(db, version, why);
}
