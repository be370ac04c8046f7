/* controller/io/store: what survives, and what is refused. */
#include "controller/io/store.h"

#include "controller/io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char directory[32], path[64];
	uv_loop_t loop;
	struct store *store;
	struct node_spec nodes[4];
	struct attachment attachments[4];
	char ids[4][NAME_SIZE];
	unsigned node_count, attachment_count, done;
	int result;
};

static void take_node(void *to, const struct node_spec *n)
{
	struct fixture *f = to;

	f->nodes[f->node_count++] = *n;
}

static void take_attachment(void *to, const struct attachment *a)
{
	struct fixture *f = to;

	snprintf(f->ids[f->attachment_count], NAME_SIZE, "%s", a->node);
	f->attachments[f->attachment_count] = *a;
	f->attachments[f->attachment_count].node = f->ids[f->attachment_count];
	f->attachment_count++;
}

static void on_done(void *to, int result, const char *why)
{
	struct fixture *f = to;

	f->done++;
	f->result = result;
}

static void open_store(struct fixture *f)
{
	struct reason why = {""};

	if (store_open(f->directory, &f->loop, &f->store, &why) < 0)
		fail_msg("%s", why.text);
}

static void close_store(struct fixture *f)
{
	store_close(f->store);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

/* Closes, opens again and reads all. */
static void reopen(struct fixture *f)
{
	struct reason why;

	close_store(f);
	open_store(f);
	f->node_count = f->attachment_count = 0;
	assert_int_equal(store_read_nodes(f->store, take_node, f, &why), 0);
	assert_int_equal(store_read_attachments(f->store, take_attachment, f, &why), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/victor-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/controller.db", f->directory);
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
	(void)rmdir(f->directory);
	free(f);
	return 0;
}

struct device_reading {
	struct device devices[4];
	unsigned count;
	char node[NAME_SIZE], device[NAME_SIZE];
	uint32_t lifetime_s;
};

static void take_device(void *to, const struct device *d)
{
	struct device_reading *r = to;

	r->devices[r->count++] = *d;
}

static void take_registration(void *to, const char *node, const char *device, uint32_t lifetime_s)
{
	struct device_reading *r = to;

	snprintf(r->node, NAME_SIZE, "%s", node);
	snprintf(r->device, NAME_SIZE, "%s", device);
	r->lifetime_s = lifetime_s;
}

static struct device_reading read_devices(struct fixture *f)
{
	struct device_reading r = {0};
	struct reason why;

	reopen(f);
	assert_int_equal(store_read_devices(f->store, take_device, &r, &why), 0);
	assert_int_equal(store_read_registrations(f->store, take_registration, &r, &why), 0);
	return r;
}

static void devices_and_registrations_survive_in_a_file_of_our_own(void **state)
{
	struct fixture *f = *state;
	struct device list[2] = {{.node = "vm1", .name = "phone"}, {.node = "vm1", .name = ""}};
	struct device_reading r;
	struct stat mode;

	assert_int_equal(sign_start(), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sign_key_generate(REGISTRATION_BLAKE2B, &list[i].key), 0);
	assert_int_equal(mac_parse("52:54:00:00:00:07", &list[0].mac), 0);
	open_store(f);
	store_put_devices(f->store, "vm1", list, 2, on_done, f);
	store_keep_registration(f->store, "vm1", "phone", 300);
	r = read_devices(f);
	assert_int_equal(r.count, 2);
	assert_memory_equal(&r.devices[r.devices[0].name[0] ? 0 : 1], &list[0], sizeof(list[0]));
	assert_memory_equal(&r.devices[r.devices[0].name[0] ? 1 : 0], &list[1], sizeof(list[1]));
	assert_string_equal(r.node, "vm1");
	assert_string_equal(r.device, "phone");
	assert_int_equal(r.lifetime_s, 300);
	assert_int_equal(stat(f->path, &mode), 0);
	assert_int_equal(mode.st_mode & 0777, 0600);
	store_put_devices(f->store, "vm1", list, 1, on_done, f);
	store_keep_registration(f->store, "vm1", NULL, 0);
	r = read_devices(f);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.node, "");
	close_store(f);
}

static struct node_spec make_node(const char *id, const char *address)
{
	struct node_spec n = {.address_count = 1, .vrf = 3};

	snprintf(n.id, sizeof(n.id), "%s", id);
	assert_int_equal(address_parse(address, &n.addresses[0]), 0);
	assert_int_equal(mac_parse("52:54:00:00:00:07", &n.mac), 0);
	strcpy(n.elements[0], "fe1");
	strcpy(n.elements[1], "fe2");
	n.element_count = 2;
	return n;
}

static void each_start_has_a_higher_term(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	assert_int_equal(store_term(f->store), 1);
	reopen(f);
	assert_int_equal(store_term(f->store), 2);
	store_keep_term(f->store, 40);
	reopen(f);
	assert_int_equal(store_term(f->store), 41);
	close_store(f);
}

static void a_node_survives_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct node_spec n = make_node("vm1", "2001:db8::7");

	assert_int_equal(address_parse("10.0.0.1", &n.addresses[n.address_count++]), 0);
	assert_int_equal(words_parse(&n.labels, WORDS_LABELS, "tenant=red,web"), 0);
	assert_int_equal(words_parse(&n.allow_ports, WORDS_PATTERNS, "tap*"), 0);
	assert_int_equal(words_parse(&n.allow_sites, WORDS_NAMES, "east,west"), 0);
	assert_int_equal(words_parse(&n.allow_labels, WORDS_LABELS, "zone=eu"), 0);
	n.learned = true; /* it came first */
	open_store(f);
	store_put_node(f->store, &n, on_done, f);
	while (!f->done)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->result, 0);
	reopen(f);
	assert_int_equal(f->node_count, 1);
	assert_memory_equal(&f->nodes[0], &n, sizeof(n));
	close_store(f);
}

static void the_acknowledgement_comes_after_the_commit(void **state)
{
	struct fixture *f = *state;
	struct node_spec n = make_node("vm1", "10.0.0.1");

	open_store(f);
	store_put_node(f->store, &n, on_done, f);
	assert_int_equal(f->done, 0); /* not from within the call */
	while (!f->done)
		uv_run(&f->loop, UV_RUN_ONCE);
	/* A second process could see it now, but for the lock: the file has it. */
	store_remove_node(f->store, "vm1", on_done, f);
	store_put_node(f->store, &n, on_done, f);
	store_remove_node(f->store, "vm1", on_done, f);
	reopen(f); /* answers whoever waits */
	assert_int_equal(f->done, 4);
	assert_int_equal(f->node_count, 0);
	close_store(f);
}

static void an_attachment_survives_with_its_age(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_now_ms();
	struct attachment a = {.node = "vm1",
			       .state = ATTACHMENT_PREPARED,
			       .place = {.fe = 2, .port = 7, .vlan = 5},
			       .previous = {.fe = 1, .port = 3},
			       .version = {.shard = 1, .term = 2, .sequence = 9},
			       .element_version = {.shard = 1, .term = 2, .sequence = 8},
			       .since_ms = now - 5000,
			       .heard_ms = now - 100,
			       .moves = 3};
	struct attachment other = {.node = "vm2", .place = {.fe = 1}};

	open_store(f);
	store_keep_attachment(f->store, &a);
	store_keep_attachment(f->store, &other);
	store_forget_attachment(f->store, "vm2");
	reopen(f);
	assert_int_equal(f->attachment_count, 1);
	assert_in_range(f->attachments[0].since_ms, a.since_ms - 50, a.since_ms + 50);
	assert_in_range(f->attachments[0].heard_ms, a.heard_ms - 50, a.heard_ms + 50);
	assert_string_equal(f->attachments[0].node, a.node);
	f->attachments[0].node = a.node;
	f->attachments[0].since_ms = a.since_ms;
	f->attachments[0].heard_ms = a.heard_ms;
	assert_memory_equal(&f->attachments[0], &a, sizeof(a));
	store_forget_attachment(f->store, "vm1");
	reopen(f);
	assert_int_equal(f->attachment_count, 0);
	close_store(f);
}

static void wake_up(uv_timer_t *timer)
{
}

static void attachments_are_written_without_being_asked_for(void **state)
{
	struct fixture *f = *state;
	struct attachment a = {.node = "vm1", .place = {.fe = 2}};
	uv_timer_t keep_running;

	open_store(f);
	store_keep_attachment(f->store, &a);
	uv_timer_init(&f->loop, &keep_running);
	/* The loop runs, the store's timer fires, the worker writes: no close is needed. */
	for (unsigned i = 0; i < 50 && !f->attachment_count; i++) {
		struct reason why;

		uv_timer_start(&keep_running, wake_up, 20, 0);
		uv_run(&f->loop, UV_RUN_DEFAULT);
		assert_int_equal(store_read_attachments(f->store, take_attachment, f, &why), 0);
	}
	assert_int_equal(f->attachment_count, 1);
	uv_close((uv_handle_t *)&keep_running, NULL);
	close_store(f);
}

static void refuse_file(struct fixture *f, const void *bytes, size_t size, const char *word)
{
	struct reason why = {""};
	int file = open(f->path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_int_equal(write(file, bytes, size), size);
	close(file);
	assert_true(store_open(f->directory, &f->loop, &f->store, &why) < 0);
	if (!strstr(why.text, word) || !strstr(why.text, f->path))
		fail_msg("'%s' does not say '%s'", why.text, word);
}

static void a_file_that_is_no_store_is_refused(void **state)
{
	struct fixture *f = *state;
	char garbage[4096];

	memset(garbage, 'x', sizeof(garbage));
	refuse_file(f, garbage, sizeof(garbage), "damaged");
}

static void a_damaged_store_is_refused(void **state)
{
	struct fixture *f = *state;
	char file[65536], zeros[16] = {0};

	open_store(f);
	close_store(f);
	int fd = open(f->path, O_RDONLY);
	ssize_t size = read(fd, file, sizeof(file));

	close(fd);
	assert_true(size > 8192);
	/* The second page's head: a table's root. */
	memset(file + 4096, 0xff, 64);
	memcpy(file + 4096, zeros, 1);
	refuse_file(f, file, (size_t)size, "damaged");
}

static void two_controllers_cannot_share_a_store(void **state)
{
	struct fixture *f = *state;
	struct store *second;
	struct reason why;

	open_store(f);
	assert_int_equal(store_open(f->directory, &f->loop, &second, &why), -EBUSY);
	assert_non_null(strstr(why.text, "in use"));
	close_store(f);
}

static void a_directory_that_cannot_be_is_explained(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	struct reason why;

	assert_true(store_open("/nowhere/at/all", &f->loop, &s, &why) < 0);
	assert_non_null(strstr(why.text, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			devices_and_registrations_survive_in_a_file_of_our_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_start_has_a_higher_term, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_survives_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_acknowledgement_comes_after_the_commit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_attachment_survives_with_its_age, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(attachments_are_written_without_being_asked_for,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_store_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_store_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_controllers_cannot_share_a_store, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_is_explained, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
