/* Devices and their keys in the store's file, and which device has registered a node.  The file
 * holds secrets: only its owner may read it (store_sql.c). */
#include "controller/io/store_schema.h"
#include "controller/io/store_sql.h"

#include <sqlite3.h>
#include <string.h>

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct reason *why)
{
	int code = sqlite3_prepare_v2(db, sql, -1, ret, NULL);

	return code == SQLITE_OK ? 0 : store_schema_explain(db, code, why);
}

static bool read_name(sqlite3_stmt *row, int column, char ret[NAME_SIZE])
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	if (!text || strlen(text) >= NAME_SIZE)
		return false;
	memcpy(ret, text, strlen(text));
	return true;
}

static bool read_device(sqlite3_stmt *row, struct device *ret)
{
	const char *mac = (const char *)sqlite3_column_text(row, 2);
	const char *key = (const char *)sqlite3_column_text(row, 3);

	memset(ret, 0, sizeof(*ret));
	return read_name(row, 0, ret->node) && read_name(row, 1, ret->name) && mac &&
	       mac_parse(mac, &ret->mac) == 0 && key && sign_key_parse(key, &ret->key) == 0;
}

int store_sql_read_devices(struct sqlite3 *db, void (*each)(void *to, const struct device *d),
			   void *to, struct reason *why)
{
	sqlite3_stmt *row;
	struct device device;
	int code;
	int result = prepare(db, "SELECT node, name, mac, key FROM devices", &row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW)
		if (read_device(row, &device))
			each(to, &device);
	sign_key_wipe(&device.key);
	if (code != SQLITE_DONE)
		result = store_schema_explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

int store_sql_read_registrations(struct sqlite3 *db,
				 void (*each)(void *to, const char *node, const char *device,
					      uint32_t lifetime_s),
				 void *to, struct reason *why)
{
	sqlite3_stmt *row;
	int code;
	int result = prepare(db, "SELECT node, device, lifetime FROM registrations", &row, why);

	if (result < 0)
		return result;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		char node[NAME_SIZE] = "", device[NAME_SIZE] = "";

		if (read_name(row, 0, node) && read_name(row, 1, device))
			each(to, node, device, (uint32_t)sqlite3_column_int64(row, 2));
	}
	if (code != SQLITE_DONE)
		result = store_schema_explain(db, code, why);
	sqlite3_finalize(row);
	return result;
}

static int remove_of(struct sqlite3 *db, const char *sql, const char *node, struct reason *why)
{
	sqlite3_stmt *statement;
	int result = prepare(db, sql, &statement, why);

	if (result < 0)
		return result;
	store_sql_bind_text(statement, 1, node);
	return store_sql_finish(db, statement, why);
}

static int put_device(struct sqlite3 *db, const char *node, const struct device *d,
		      struct reason *why)
{
	char mac[MAC_TEXT_SIZE], key[SIGN_KEY_TEXT_SIZE];
	sqlite3_stmt *statement;
	int result = prepare(db, "INSERT INTO devices VALUES (?1, ?2, ?3, ?4)", &statement, why);

	if (result < 0)
		return result;
	store_sql_bind_text(statement, 1, node);
	store_sql_bind_text(statement, 2, d->name);
	store_sql_bind_text(statement, 3, mac_format(&d->mac, mac));
	store_sql_bind_text(statement, 4, sign_key_format(&d->key, key));
	sign_wipe(key, sizeof(key));
	return store_sql_finish(db, statement, why);
}

int store_sql_put_devices(struct sqlite3 *db, const char *node, const struct device *list,
			  unsigned count, struct reason *why)
{
	int result = remove_of(db, "DELETE FROM devices WHERE node = ?1", node, why);

	for (unsigned i = 0; i < count && result == 0; i++)
		result = put_device(db, node, &list[i], why);
	return result;
}

int store_sql_keep_registration(struct sqlite3 *db, const char *node, const char *device,
				uint32_t lifetime_s, struct reason *why)
{
	sqlite3_stmt *statement;
	int result;

	if (!device)
		return remove_of(db, "DELETE FROM registrations WHERE node = ?1", node, why);
	result = prepare(db, "INSERT OR REPLACE INTO registrations VALUES (?1, ?2, ?3)", &statement,
			 why);
	if (result < 0)
		return result;
	store_sql_bind_text(statement, 1, node);
	store_sql_bind_text(statement, 2, device);
	sqlite3_bind_int64(statement, 3, lifetime_s);
	return store_sql_finish(db, statement, why);
}
