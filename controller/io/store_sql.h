/* The store's tables in SQLite: called from one thread at a time.  Only for store.c. */
#pragma once

#include "controller/attachment.h"
#include "controller/device.h"

struct sqlite3;
struct sqlite3_stmt;

/* Opens, checks that the file is ours and whole, makes or migrates the tables. */
MUST_USE int store_sql_open(const char *path, struct sqlite3 **ret, struct reason *why);
void store_sql_close(struct sqlite3 *db);

MUST_USE int store_sql_read_term(struct sqlite3 *db, uint16_t *ret, struct reason *why);
MUST_USE int store_sql_read_nodes(struct sqlite3 *db,
				  void (*each)(void *to, const struct node_spec *n), void *to,
				  struct reason *why);
MUST_USE int store_sql_read_attachments(struct sqlite3 *db,
					void (*each)(void *to, const struct attachment *a),
					void *to, struct reason *why);

MUST_USE int store_sql_read_drains(struct sqlite3 *db, void (*each)(void *to, const char *element),
				   void *to, struct reason *why);

/* store_sql_device.c: devices of nodes, and which of them has registered one. */
MUST_USE int store_sql_read_devices(struct sqlite3 *db,
				    void (*each)(void *to, const struct device *d), void *to,
				    struct reason *why);
MUST_USE int store_sql_read_registrations(struct sqlite3 *db,
					  void (*each)(void *to, const char *node,
						       const char *device, uint32_t lifetime_s),
					  void *to, struct reason *why);
MUST_USE int store_sql_put_devices(struct sqlite3 *db, const char *node, const struct device *list,
				   unsigned count, struct reason *why);
MUST_USE int store_sql_keep_registration(struct sqlite3 *db, const char *node, const char *device,
					 uint32_t lifetime_s, struct reason *why);

/* The whole file as it is between two transactions, checked; the caller frees it. */
MUST_USE int store_sql_backup(struct sqlite3 *db, void **ret, size_t *ret_size, struct reason *why);

/* Writes; between begin and commit. */
MUST_USE int store_sql_begin(struct sqlite3 *db, struct reason *why);
MUST_USE int store_sql_commit(struct sqlite3 *db, struct reason *why);
void store_sql_rollback(struct sqlite3 *db);
MUST_USE int store_sql_write_term(struct sqlite3 *db, uint16_t term, struct reason *why);
MUST_USE int store_sql_put_node(struct sqlite3 *db, const struct node_spec *n, struct reason *why);
MUST_USE int store_sql_remove_node(struct sqlite3 *db, const char *id, struct reason *why);
/* Times are milliseconds since 1970 here. */
MUST_USE int store_sql_keep_attachment(struct sqlite3 *db, struct sqlite3_stmt *keeper,
				       const struct attachment *a, struct reason *why);
/* The statement for it, which serves many; NULL is accepted to finish. */
MUST_USE int store_sql_prepare_keeper(struct sqlite3 *db, struct sqlite3_stmt **ret,
				      struct reason *why);
void store_sql_finish_keeper(struct sqlite3_stmt *keeper);
MUST_USE int store_sql_write_drain(struct sqlite3 *db, const char *element, bool drains,
				   struct reason *why);
MUST_USE int store_sql_forget_attachment(struct sqlite3 *db, const char *node, struct reason *why);

/* ---- what its files share ---- */

/* Runs a statement that has no rows, and frees it. */
MUST_USE int store_sql_finish(struct sqlite3 *db, struct sqlite3_stmt *statement,
			      struct reason *why);
void store_sql_bind_text(struct sqlite3_stmt *statement, int at, const char *text);
