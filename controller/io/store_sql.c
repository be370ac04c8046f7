/* The store's file: three small tables, readable with sqlite3(1).  WAL and synchronous=FULL: a
 * commit that returned survives a power cut.  Locked exclusively: two controllers on one state
 * directory would hand out the same versions. */
#include "controller/io/store_sql.h"

#include "base/memory.h"
#include "controller/io/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_SIZE 2048

static int execute(sqlite3 *db, const char *sql, struct reason *why)
{
	int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : store_schema_explain(db, code, why);
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct reason *why)
{
	int code = sqlite3_prepare_v2(db, sql, -1, ret, NULL);

	return code == SQLITE_OK ? 0 : store_schema_explain(db, code, why);
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
		result = code == SQLITE_DONE ? -ENOENT : store_schema_explain(db, code, why);
	sqlite3_finalize(statement);
	return result;
}

/* There are keys in it: nobody else reads the file, nor what SQLite puts beside it, which gets the
 * same mode.  Where that cannot be, SQLite says why it cannot be opened. */
static void make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	(void)!fchmod(fd, 0600);
	close(fd);
}

int store_sql_open(const char *path, struct sqlite3 **ret, struct reason *why)
{
	sqlite3 *db = NULL;
	int code;

	make_private(path);
	code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	int result = 0;

	if (code != SQLITE_OK)
		result = reason_set(why, -EACCES,
				    "%s: %s; the directory must be writable by this user", path,
				    db ? sqlite3_errmsg(db) : "no memory");
	/* What is not ours is only read. */
	if (result == 0)
		result = execute(db, "PRAGMA locking_mode = EXCLUSIVE", why);
	if (result == 0)
		result = store_schema_prepare(db, path, why);
	/* Pages in KiB: the core has all that is in them, and reads them once. */
	if (result == 0)
		result = execute(db,
				 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				 "PRAGMA cache_size = -512",
				 why);
	if (result == 0)
		result = execute(
			db,
			"UPDATE controller SET software = 'victor-controller " VICTOR_VERSION "'",
			why);
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

static bool read_node(sqlite3_stmt *row, struct node_spec *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->vrf = (uint32_t)sqlite3_column_int64(row, 1);
	split_addresses(column_text(row, 3), ret->addresses, &ret->address_count);
	ret->mobile = sqlite3_column_int(row, 4) != 0;
	split_names(column_text(row, 5), ret->elements, &ret->element_count);
	ret->learned = sqlite3_column_int(row, 10) != 0;
	return read_name(row, 0, ret->id) && read_mac(row, 2, &ret->mac) &&
	       words_parse(&ret->labels, WORDS_LABELS, column_text(row, 6)) == 0 &&
	       words_parse(&ret->allow_ports, WORDS_PATTERNS, column_text(row, 7)) == 0 &&
	       words_parse(&ret->allow_sites, WORDS_NAMES, column_text(row, 8)) == 0 &&
	       words_parse(&ret->allow_labels, WORDS_LABELS, column_text(row, 9)) == 0;
}

static bool read_attachment(sqlite3_stmt *row, char node[NAME_SIZE], struct attachment *ret)
{
	memset(node, 0, NAME_SIZE);
	*ret = (struct attachment){.node = node};
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
	return read_name(row, 0, node) && read_mac(row, 5, &ret->place.mac) &&
	       read_mac(row, 9, &ret->previous.mac) && (unsigned)ret->state <= ATTACHMENT_GONE;
}

int store_sql_read_nodes(struct sqlite3 *db, void (*each)(void *to, const struct node_spec *n),
			 void *to, struct reason *why)
{
	sqlite3_stmt *row;
	struct node_spec node;
	int code;
	int result =
		prepare(db,
			"SELECT id, vrf, mac, addresses, mobile, elements, labels, allow_ports,"
			" allow_sites, allow_labels, claimed FROM nodes",
			&row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		if (read_node(row, &node))
			each(to, &node);
	}
	if (code != SQLITE_DONE)
		result = store_schema_explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_read_attachments(struct sqlite3 *db,
			       void (*each)(void *to, const struct attachment *a), void *to,
			       struct reason *why)
{
	sqlite3_stmt *row;
	struct attachment attachment;
	char node[NAME_SIZE];
	int code;
	int result = prepare(db,
			     "SELECT node, state, fe, port, vlan, mac, previous_fe, previous_port,"
			     " previous_vlan, previous_mac, version, element_version, since, heard,"
			     " moves FROM attachments",
			     &row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		if (read_attachment(row, node, &attachment))
			each(to, &attachment);
	}
	if (code != SQLITE_DONE)
		result = store_schema_explain(db, code, why);
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

/* Steps a write to its end; the statement can be bound and stepped again. */
static int step_to_end(sqlite3 *db, sqlite3_stmt *statement, struct reason *why)
{
	int code = sqlite3_step(statement);
	int result = code == SQLITE_DONE ? 0 : store_schema_explain(db, code, why);

	(void)sqlite3_reset(statement);
	return result;
}

int store_sql_finish(sqlite3 *db, sqlite3_stmt *statement, struct reason *why)
{
	int code = sqlite3_step(statement);
	int result = code == SQLITE_DONE ? 0 : store_schema_explain(db, code, why);

	sqlite3_finalize(statement);
	return result;
}

void store_sql_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_mac(sqlite3_stmt *statement, int at, const struct mac *mac)
{
	char text[MAC_TEXT_SIZE];

	store_sql_bind_text(statement, at, mac_format(mac, text));
}

int store_sql_write_term(struct sqlite3 *db, uint16_t term, struct reason *why)
{
	sqlite3_stmt *statement;
	int result =
		prepare(db, "UPDATE controller SET term = ?1 WHERE term < ?1", &statement, why);

	if (result < 0)
		return result;
	sqlite3_bind_int(statement, 1, term);
	return store_sql_finish(db, statement, why);
}

static void bind_lists(sqlite3_stmt *statement, const struct node_spec *n)
{
	char list[LIST_SIZE] = "", text[ADDRESS_TEXT_SIZE];
	size_t size = 0;

	for (unsigned i = 0; i < n->address_count && size < sizeof(list); i++)
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? "," : "",
					 address_format(&n->addresses[i], text));
	store_sql_bind_text(statement, 4, list);
	list[0] = '\0';
	size = 0;
	for (unsigned i = 0; i < n->element_count && size < sizeof(list); i++)
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? "," : "",
					 n->elements[i]);
	store_sql_bind_text(statement, 6, list);
}

int store_sql_put_node(struct sqlite3 *db, const struct node_spec *n, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db,
			     "INSERT OR REPLACE INTO nodes (id, vrf, mac, addresses, mobile,"
			     " elements, labels, allow_ports, allow_sites, allow_labels, claimed)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
			     &statement, why);

	if (result < 0)
		return result;
	store_sql_bind_text(statement, 1, n->id);
	sqlite3_bind_int64(statement, 2, n->vrf);
	bind_mac(statement, 3, &n->mac);
	sqlite3_bind_int(statement, 5, n->mobile);
	bind_lists(statement, n);
	store_sql_bind_text(statement, 7, n->labels.text);
	store_sql_bind_text(statement, 8, n->allow_ports.text);
	store_sql_bind_text(statement, 9, n->allow_sites.text);
	store_sql_bind_text(statement, 10, n->allow_labels.text);
	sqlite3_bind_int(statement, 11, n->learned);
	return store_sql_finish(db, statement, why);
}

static int remove_row(struct sqlite3 *db, const char *sql, const char *key, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, sql, &statement, why);

	if (result < 0)
		return result;
	store_sql_bind_text(statement, 1, key);
	return store_sql_finish(db, statement, why);
}

int store_sql_remove_node(struct sqlite3 *db, const char *id, struct reason *why)
{
	return remove_row(db, "DELETE FROM nodes WHERE id = ?1", id, why);
}

int store_sql_prepare_keeper(struct sqlite3 *db, struct sqlite3_stmt **ret, struct reason *why)
{
	return prepare(db,
		       "INSERT OR REPLACE INTO attachments VALUES"
		       " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
		       ret, why);
}

void store_sql_finish_keeper(struct sqlite3_stmt *keeper)
{
	sqlite3_finalize(keeper);
}

int store_sql_keep_attachment(struct sqlite3 *db, struct sqlite3_stmt *statement,
			      const struct attachment *a, struct reason *why)
{
	char mac[MAC_TEXT_SIZE], previous_mac[MAC_TEXT_SIZE];

	sqlite3_bind_text(statement, 1, a->node, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 2, (int)a->state);
	sqlite3_bind_int64(statement, 3, a->place.fe);
	sqlite3_bind_int64(statement, 4, a->place.port);
	sqlite3_bind_int(statement, 5, a->place.vlan);
	sqlite3_bind_text(statement, 6, mac_format(&a->place.mac, mac), -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 7, a->previous.fe);
	sqlite3_bind_int64(statement, 8, a->previous.port);
	sqlite3_bind_int(statement, 9, a->previous.vlan);
	sqlite3_bind_text(statement, 10, mac_format(&a->previous.mac, previous_mac), -1,
			  SQLITE_STATIC);
	sqlite3_bind_int64(statement, 11, (sqlite3_int64)version_to_cookie(a->version));
	sqlite3_bind_int64(statement, 12, (sqlite3_int64)version_to_cookie(a->element_version));
	sqlite3_bind_int64(statement, 13, a->since_ms);
	sqlite3_bind_int64(statement, 14, a->heard_ms);
	sqlite3_bind_int64(statement, 15, a->moves);
	return step_to_end(db, statement, why);
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
	store_sql_bind_text(statement, 1, element);
	return store_sql_finish(db, statement, why);
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
		result = store_schema_explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_forget_attachment(struct sqlite3 *db, const char *node, struct reason *why)
{
	return remove_row(db, "DELETE FROM attachments WHERE node = ?1", node, why);
}

int store_sql_backup(struct sqlite3 *db, void **ret, size_t *ret_size, struct reason *why)
{
	sqlite3_int64 size = 0;
	int result = store_schema_check(db, sqlite3_db_filename(db, "main"), why);

	if (result < 0)
		return result;
	unsigned char *bytes = sqlite3_serialize(db, "main", &size, 0);

	if (!bytes)
		return reason_set(why, -ENOMEM, "no memory for a backup of %lld bytes",
				  (long long)size);
	*ret = memory_copy(bytes, (size_t)size);
	*ret_size = (size_t)size;
	sqlite3_free(bytes);
	return 0;
}
