/* The store's file: three small tables, readable with sqlite3(1).  WAL and synchronous=FULL: a
 * commit that returned survives a power cut.  Locked exclusively: two controllers on one state
 * directory would hand out the same versions. */
#include "controller/io/store_sql.h"

#include "base/memory.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x56435452 /* "VCTR" */
#define SCHEMA_VERSION 1
#define LIST_SIZE 2048

static const char schema[] =
	"BEGIN IMMEDIATE;"
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
	"PRAGMA application_id = 1447253074;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
_Static_assert(APPLICATION_ID == 1447253074, "the schema writes the application id");

static int explain(sqlite3 *db, int code, struct reason *why)
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
			"%s: damaged or no VICTOR store (%s); move it away and start again: "
			"nodes put by REST must be put again, attachments are learnt again",
			path, sqlite3_errmsg(db));
	case SQLITE_FULL:
		return reason_set(why, -ENOSPC, "%s: the disk is full", path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return reason_set(why, -EACCES, "%s: not writable by this user", path);
	default:
		return reason_set(why, -EIO, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
	}
}

static int execute(sqlite3 *db, const char *sql, struct reason *why)
{
	int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : explain(db, code, why);
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct reason *why)
{
	int code = sqlite3_prepare_v2(db, sql, -1, ret, NULL);

	return code == SQLITE_OK ? 0 : explain(db, code, why);
}

/* Runs a statement that returns one number or nothing. */
static int query_number(sqlite3 *db, const char *sql, int64_t *ret, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, sql, &statement, why);

	if (result < 0)
		return result;
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	else
		result = code == SQLITE_DONE ? -ENOENT : explain(db, code, why);
	sqlite3_finalize(statement);
	return result;
}

/* The first problem that SQLite finds in the file; none: "ok". */
static int check_whole(sqlite3 *db, const char *path, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, "PRAGMA quick_check(1)", &statement, why);

	if (result < 0)
		return result;
	int code = sqlite3_step(statement);
	const char *text =
		code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;

	if (!text)
		result = explain(db, code, why);
	else if (strcmp(text, "ok") != 0)
		result = reason_set(why, -EUCLEAN,
				    "%s: damaged (%.200s); move it away and start again", path,
				    text);
	sqlite3_finalize(statement);
	return result;
}

static int check_ours(sqlite3 *db, const char *path, struct reason *why)
{
	int64_t application = 0, version = 0, tables = 0;
	int result = query_number(db, "PRAGMA application_id", &application, why);

	if (result == 0)
		result = query_number(db, "PRAGMA user_version", &version, why);
	if (result == 0)
		result = query_number(db, "SELECT count(*) FROM sqlite_master", &tables, why);
	if (result < 0)
		return result;
	if (!application && !tables)
		return execute(db, schema, why);
	if (application != APPLICATION_ID)
		return reason_set(why, -EUCLEAN,
				  "%s: another program's database; set another 'state' directory",
				  path);
	if (version != SCHEMA_VERSION)
		return reason_set(why, -EUCLEAN,
				  "%s: written by a later victor-controller (schema %d, this one "
				  "knows %d); upgrade",
				  path, (int)version, SCHEMA_VERSION);
	return check_whole(db, path, why);
}

int store_sql_open(const char *path, struct sqlite3 **ret, struct reason *why)
{
	sqlite3 *db = NULL;
	int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	int result = 0;

	if (code != SQLITE_OK)
		result = reason_set(why, -EACCES,
				    "%s: %s; the directory must be writable by this user", path,
				    db ? sqlite3_errmsg(db) : "no memory");
	if (result == 0)
		result = execute(db,
				 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
				 "PRAGMA synchronous = FULL;",
				 why);
	if (result == 0)
		result = check_ours(db, path, why);
	/* Later than the schema; who does not know it leaves it alone. */
	if (result == 0)
		result = execute(
			db, "CREATE TABLE IF NOT EXISTS drained (element TEXT PRIMARY KEY)", why);
	if (result < 0) {
		sqlite3_close(db);
		return result;
	}
	*ret = db;
	return 0;
}

void store_sql_close(struct sqlite3 *db)
{
	sqlite3_close(db);
}

int store_sql_read_term(struct sqlite3 *db, uint16_t *ret, struct reason *why)
{
	int64_t term = 0;
	int result = query_number(db, "SELECT term FROM controller", &term, why);

	if (result < 0)
		return result;
	if (term < 0 || term > UINT16_MAX)
		return reason_set(why, -EUCLEAN, "the store's term %lld is out of range",
				  (long long)term);
	*ret = (uint16_t)term;
	return 0;
}

/* Lists are kept as text with a comma between items: names and addresses have none. */
static void split_names(const char *text, char (*ret)[NAME_SIZE], uint8_t *ret_count)
{
	*ret_count = 0;
	while (*text && *ret_count < NODE_ELEMENTS_MAX) {
		size_t size = strcspn(text, ",");

		if (size && size < NAME_SIZE)
			memcpy(ret[(*ret_count)++], text, size);
		text += size + (text[size] == ',');
	}
}

static void split_addresses(const char *text, struct address *ret, uint8_t *ret_count)
{
	*ret_count = 0;
	while (*text && *ret_count < NODE_ADDRESSES_MAX) {
		char item[ADDRESS_TEXT_SIZE] = "";
		size_t size = strcspn(text, ",");

		if (size < sizeof(item)) {
			memcpy(item, text, size);
			if (address_parse(item, &ret[*ret_count]) == 0)
				++*ret_count;
		}
		text += size + (text[size] == ',');
	}
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text ? text : "";
}

static bool read_name(sqlite3_stmt *statement, int column, char ret[NAME_SIZE])
{
	const char *text = column_text(statement, column);

	if (!text[0] || strlen(text) >= NAME_SIZE)
		return false;
	memcpy(ret, text, strlen(text));
	return true;
}

static bool read_mac(sqlite3_stmt *statement, int column, struct mac *ret)
{
	return mac_parse(column_text(statement, column), ret) == 0;
}

static bool read_node(sqlite3_stmt *row, struct node *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->vrf = (uint32_t)sqlite3_column_int64(row, 1);
	split_addresses(column_text(row, 3), ret->addresses, &ret->address_count);
	ret->mobile = sqlite3_column_int(row, 4) != 0;
	split_names(column_text(row, 5), ret->elements, &ret->element_count);
	return read_name(row, 0, ret->id) && read_mac(row, 2, &ret->mac);
}

static bool read_attachment(sqlite3_stmt *row, struct attachment *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->state = (enum attachment_state)sqlite3_column_int(row, 1);
	ret->place.fe = (uint32_t)sqlite3_column_int64(row, 2);
	ret->place.port = (uint32_t)sqlite3_column_int64(row, 3);
	ret->place.vlan = (uint16_t)sqlite3_column_int(row, 4);
	ret->previous.fe = (uint32_t)sqlite3_column_int64(row, 6);
	ret->previous.port = (uint32_t)sqlite3_column_int64(row, 7);
	ret->previous.vlan = (uint16_t)sqlite3_column_int(row, 8);
	ret->version = version_from_cookie((uint64_t)sqlite3_column_int64(row, 10));
	ret->element_version = version_from_cookie((uint64_t)sqlite3_column_int64(row, 11));
	ret->since_ms = sqlite3_column_int64(row, 12);
	ret->heard_ms = sqlite3_column_int64(row, 13);
	ret->moves = (uint32_t)sqlite3_column_int64(row, 14);
	return read_name(row, 0, ret->node) && read_mac(row, 5, &ret->place.mac) &&
	       read_mac(row, 9, &ret->previous.mac) && (unsigned)ret->state <= ATTACHMENT_GONE;
}

int store_sql_read_nodes(struct sqlite3 *db, void (*each)(void *to, const struct node *n), void *to,
			 struct reason *why)
{
	sqlite3_stmt *row;
	struct node node;
	int code;
	int result = prepare(db, "SELECT id, vrf, mac, addresses, mobile, elements FROM nodes",
			     &row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		if (read_node(row, &node))
			each(to, &node);
	}
	if (code != SQLITE_DONE)
		result = explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_read_attachments(struct sqlite3 *db,
			       void (*each)(void *to, const struct attachment *a), void *to,
			       struct reason *why)
{
	sqlite3_stmt *row;
	struct attachment attachment;
	int code;
	int result = prepare(db,
			     "SELECT node, state, fe, port, vlan, mac, previous_fe, previous_port,"
			     " previous_vlan, previous_mac, version, element_version, since, heard,"
			     " moves FROM attachments",
			     &row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		if (read_attachment(row, &attachment))
			each(to, &attachment);
	}
	if (code != SQLITE_DONE)
		result = explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_begin(struct sqlite3 *db, struct reason *why)
{
	return execute(db, "BEGIN IMMEDIATE", why);
}

int store_sql_commit(struct sqlite3 *db, struct reason *why)
{
	return execute(db, "COMMIT", why);
}

void store_sql_rollback(struct sqlite3 *db)
{
	(void)execute(db, "ROLLBACK", NULL);
}

/* Steps a write to its end and frees the statement. */
static int finish(sqlite3 *db, sqlite3_stmt *statement, struct reason *why)
{
	int code = sqlite3_step(statement);
	int result = code == SQLITE_DONE ? 0 : explain(db, code, why);

	sqlite3_finalize(statement);
	return result;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_mac(sqlite3_stmt *statement, int at, const struct mac *mac)
{
	char text[MAC_TEXT_SIZE];

	bind_text(statement, at, mac_format(mac, text));
}

int store_sql_write_term(struct sqlite3 *db, uint16_t term, struct reason *why)
{
	sqlite3_stmt *statement;
	int result =
		prepare(db, "UPDATE controller SET term = ?1 WHERE term < ?1", &statement, why);

	if (result < 0)
		return result;
	sqlite3_bind_int(statement, 1, term);
	return finish(db, statement, why);
}

static void bind_lists(sqlite3_stmt *statement, const struct node *n)
{
	char list[LIST_SIZE] = "", text[ADDRESS_TEXT_SIZE];
	size_t size = 0;

	for (unsigned i = 0; i < n->address_count && size < sizeof(list); i++)
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? "," : "",
					 address_format(&n->addresses[i], text));
	bind_text(statement, 4, list);
	list[0] = '\0';
	size = 0;
	for (unsigned i = 0; i < n->element_count && size < sizeof(list); i++)
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? "," : "",
					 n->elements[i]);
	bind_text(statement, 6, list);
}

int store_sql_put_node(struct sqlite3 *db, const struct node *n, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, "INSERT OR REPLACE INTO nodes VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			     &statement, why);

	if (result < 0)
		return result;
	bind_text(statement, 1, n->id);
	sqlite3_bind_int64(statement, 2, n->vrf);
	bind_mac(statement, 3, &n->mac);
	sqlite3_bind_int(statement, 5, n->mobile);
	bind_lists(statement, n);
	return finish(db, statement, why);
}

static int remove_row(struct sqlite3 *db, const char *sql, const char *key, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, sql, &statement, why);

	if (result < 0)
		return result;
	bind_text(statement, 1, key);
	return finish(db, statement, why);
}

int store_sql_remove_node(struct sqlite3 *db, const char *id, struct reason *why)
{
	return remove_row(db, "DELETE FROM nodes WHERE id = ?1", id, why);
}

int store_sql_keep_attachment(struct sqlite3 *db, const struct attachment *a, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db,
			     "INSERT OR REPLACE INTO attachments VALUES"
			     " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
			     &statement, why);

	if (result < 0)
		return result;
	bind_text(statement, 1, a->node);
	sqlite3_bind_int(statement, 2, (int)a->state);
	sqlite3_bind_int64(statement, 3, a->place.fe);
	sqlite3_bind_int64(statement, 4, a->place.port);
	sqlite3_bind_int(statement, 5, a->place.vlan);
	bind_mac(statement, 6, &a->place.mac);
	sqlite3_bind_int64(statement, 7, a->previous.fe);
	sqlite3_bind_int64(statement, 8, a->previous.port);
	sqlite3_bind_int(statement, 9, a->previous.vlan);
	bind_mac(statement, 10, &a->previous.mac);
	sqlite3_bind_int64(statement, 11, (sqlite3_int64)version_to_cookie(a->version));
	sqlite3_bind_int64(statement, 12, (sqlite3_int64)version_to_cookie(a->element_version));
	sqlite3_bind_int64(statement, 13, a->since_ms);
	sqlite3_bind_int64(statement, 14, a->heard_ms);
	sqlite3_bind_int64(statement, 15, a->moves);
	return finish(db, statement, why);
}

int store_sql_write_drain(struct sqlite3 *db, const char *element, bool drains, struct reason *why)
{
	sqlite3_stmt *statement;
	int result;

	if (!drains)
		return remove_row(db, "DELETE FROM drained WHERE element = ?1", element, why);
	result = prepare(db, "INSERT OR REPLACE INTO drained VALUES (?1)", &statement, why);
	if (result < 0)
		return result;
	bind_text(statement, 1, element);
	return finish(db, statement, why);
}

int store_sql_read_drains(struct sqlite3 *db, void (*each)(void *to, const char *element), void *to,
			  struct reason *why)
{
	sqlite3_stmt *row;
	int result = prepare(db, "SELECT element FROM drained", &row, why), code;

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		const char *element = (const char *)sqlite3_column_text(row, 0);

		if (element && inventory_name_is_valid(element))
			each(to, element);
	}
	if (code != SQLITE_DONE)
		result = explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_forget_attachment(struct sqlite3 *db, const char *node, struct reason *why)
{
	return remove_row(db, "DELETE FROM attachments WHERE node = ?1", node, why);
}
