/* The store's file through the releases: what is migrated, what is refused, and backups. */
#include "controller/io/store_schema.h"
#include "controller/io/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* As the first release made it, to the letter. */
static const char schema_1[] =
	"CREATE TABLE controller (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL);"
	"INSERT INTO controller VALUES (1, 7);"
	"CREATE TABLE nodes (id TEXT PRIMARY KEY, vrf INTEGER NOT NULL, mac TEXT NOT NULL,"
	" addresses TEXT NOT NULL, mobile INTEGER NOT NULL, elements TEXT NOT NULL);"
	"CREATE TABLE attachments (node TEXT PRIMARY KEY, state INTEGER NOT NULL,"
	" fe INTEGER NOT NULL, port INTEGER NOT NULL, vlan INTEGER NOT NULL, mac TEXT NOT NULL,"
	" previous_fe INTEGER NOT NULL, previous_port INTEGER NOT NULL,"
	" previous_vlan INTEGER NOT NULL, previous_mac TEXT NOT NULL,"
	" version INTEGER NOT NULL, element_version INTEGER NOT NULL, since INTEGER NOT NULL,"
	" heard INTEGER NOT NULL, moves INTEGER NOT NULL);"
	"INSERT INTO nodes VALUES ('vm1', 0, '52:54:00:00:00:07', '10.0.0.1', 1, 'fe1,fe2');"
	"INSERT INTO attachments VALUES ('vm1', 0, 2, 3, 0, '52:54:00:00:00:07', 0, 0, 0,"
	" '00:00:00:00:00:00', 68719476737, 68719476737, 1, 1, 4);"
	"PRAGMA application_id = 1447253074; PRAGMA user_version = 1;";

struct fixture {
	char directory[32], path[64], copy[80];
	uv_loop_t loop;
	struct store *store;
	unsigned nodes, attachments, drains;
	struct node_spec node;
	bool backed_up;
	size_t size;
	char *bytes;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/victor-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/controller.db", f->directory);
	snprintf(f->copy, sizeof(f->copy), "%s.schema-1", f->path);
	uv_loop_init(&f->loop);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_loop_close(&f->loop);
	(void)unlink(f->path);
	(void)unlink(f->copy);
	(void)rmdir(f->directory);
	free(f->bytes);
	free(f);
	return 0;
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int number(const char *path, const char *sql)
{
	sqlite3_stmt *row;
	sqlite3 *db;
	int result;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	result = sqlite3_column_int(row, 0);
	sqlite3_finalize(row);
	sqlite3_close(db);
	return result;
}

static void take_node(void *to, const struct node_spec *n)
{
	struct fixture *f = to;

	f->nodes++;
	f->node = *n;
}

static void take_attachment(void *to, const struct attachment *a)
{
	((struct fixture *)to)->attachments++;
}

static void take_drain(void *to, const char *element)
{
	((struct fixture *)to)->drains++;
}

static void open_and_read(struct fixture *f)
{
	struct reason why = {""};

	if (store_open(f->directory, &f->loop, &f->store, &why) < 0)
		fail_msg("%s", why.text);
	f->nodes = f->attachments = f->drains = 0;
	assert_int_equal(store_read_nodes(f->store, take_node, f, &why), 0);
	assert_int_equal(store_read_attachments(f->store, take_attachment, f, &why), 0);
	assert_int_equal(store_read_drains(f->store, take_drain, f, &why), 0);
}

static void close_store(struct fixture *f)
{
	store_close(f->store);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void a_file_of_the_first_release_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, schema_1);
	open_and_read(f);
	assert_int_equal(f->nodes, 1);
	assert_int_equal(f->attachments, 1);
	assert_string_equal(f->node.elements[1], "fe2");
	assert_int_equal(store_term(f->store), 8);
	store_drain(f->store, "fe1", true, NULL, NULL);
	close_store(f);
	assert_int_equal(number(f->path, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
	open_and_read(f);
	assert_int_equal(f->nodes + f->attachments + f->drains, 3);
	close_store(f);
}

static void the_drains_of_a_first_release_that_had_them_stay(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, schema_1);
	run_sql(f->path, "CREATE TABLE drained (element TEXT PRIMARY KEY);"
			 "INSERT INTO drained VALUES ('fe3')");
	open_and_read(f);
	assert_int_equal(f->drains, 1);
	close_store(f);
}

static void the_file_as_it_was_is_kept_to_go_back_to(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, schema_1);
	run_sql(f->copy, "CREATE TABLE half (a INTEGER)"); /* of a start that was killed */
	open_and_read(f);
	close_store(f);
	assert_int_equal(number(f->copy, "PRAGMA user_version"), 1);
	assert_int_equal(number(f->copy, "PRAGMA application_id"), 1447253074);
	assert_int_equal(number(f->copy, "SELECT term FROM controller"), 7);
	assert_int_equal(number(f->copy, "SELECT count(*) FROM nodes"), 1);
}

static void a_new_file_has_no_copy(void **state)
{
	struct fixture *f = *state;

	open_and_read(f);
	close_store(f);
	assert_int_not_equal(access(f->copy, F_OK), 0);
	assert_int_equal(
		number(f->path, "SELECT software LIKE 'victor-controller %' FROM controller"), 1);
}

static void refuse(struct fixture *f, const char *word)
{
	struct reason why = {""};

	assert_true(store_open(f->directory, &f->loop, &f->store, &why) < 0);
	if (!strstr(why.text, word) || !strstr(why.text, f->path))
		fail_msg("'%s' does not say '%s'", why.text, word);
}

static void a_later_releases_file_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;
	char text[96];

	open_and_read(f);
	close_store(f);
	run_sql(f->path, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 99;"
			 "UPDATE controller SET software = 'victor-controller 9.9.0'");
	snprintf(text, sizeof(text), "victor-controller 9.9.0 (schema 99, this one knows %d)",
		 STORE_SCHEMA_VERSION);
	refuse(f, text);
	snprintf(text, sizeof(text), "controller.db.schema-%d", STORE_SCHEMA_VERSION);
	refuse(f, text);
	assert_int_equal(number(f->path, "PRAGMA user_version"), 99);
	assert_int_equal(number(f->path, "SELECT term FROM controller"), 1);
}

static void another_programs_database_is_refused_and_left_as_it_is(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, "CREATE TABLE theirs (a INTEGER); PRAGMA user_version = 1");
	refuse(f, "another program's database");
	/* Its journal is as it was, too: byte 18 says 2 where there is a WAL. */
	int fd = open(f->path, O_RDONLY);
	char head[20];

	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	assert_int_equal(head[18], 1);
}

static void a_file_without_a_version_is_refused(void **state)
{
	struct fixture *f = *state;

	run_sql(f->path, schema_1);
	run_sql(f->path, "PRAGMA user_version = 0");
	refuse(f, "damaged");
}

/* ---- backups ---- */

static void on_backup(void *to, int result, const void *bytes, size_t size, const char *why)
{
	struct fixture *f = to;

	assert_int_equal(result, 0);
	f->backed_up = true;
	free(f->bytes);
	f->bytes = malloc(size);
	memcpy(f->bytes, bytes, size);
	f->size = size;
}

static void put_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void a_backup_has_what_was_put_before_it(void **state)
{
	struct fixture *f = *state;
	struct node_spec n = {.id = "vm7", .address_count = 1};

	assert_int_equal(address_parse("10.0.0.7", &n.addresses[0]), 0);
	open_and_read(f);
	store_put_node(f->store, &n, NULL,
		       NULL); /* still on its way when the backup is asked for */
	store_backup(f->store, on_backup, f);
	while (!f->backed_up)
		uv_run(&f->loop, UV_RUN_ONCE);
	store_remove_node(f->store, "vm7", NULL, NULL);
	close_store(f);
	open_and_read(f);
	assert_int_equal(f->nodes, 0);
	close_store(f);
	put_file(f->path, f->bytes, f->size);
	open_and_read(f);
	assert_int_equal(f->nodes, 1);
	assert_string_equal(f->node.id, "vm7");
	close_store(f);
}

static void a_backup_that_is_asked_for_at_the_end_is_made(void **state)
{
	struct fixture *f = *state;

	open_and_read(f);
	store_backup(f->store, on_backup, f);
	store_backup(f->store, on_backup, f);
	close_store(f);
	assert_true(f->backed_up);
	put_file(f->copy, f->bytes, f->size);
	assert_int_equal(number(f->copy, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_of_the_first_release_is_brought_up_to_date),
		TEST(the_drains_of_a_first_release_that_had_them_stay),
		TEST(the_file_as_it_was_is_kept_to_go_back_to),
		TEST(a_new_file_has_no_copy),
		TEST(a_later_releases_file_is_refused_and_left_as_it_is),
		TEST(another_programs_database_is_refused_and_left_as_it_is),
		TEST(a_file_without_a_version_is_refused),
		TEST(a_backup_has_what_was_put_before_it),
		TEST(a_backup_that_is_asked_for_at_the_end_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
