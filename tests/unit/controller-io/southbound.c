/* controller/io/southbound: bytes through real sockets, with a core that echoes. */
#include "controller/io/southbound.h"

#include "base/memory.h"
#include "tests/unit/controller-io/fake_core.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char directory[32];
	struct endpoint endpoint;
	uv_loop_t loop;
	struct core *core;
	struct southbound *southbound;
};

static void on_flush(void *context, struct session *s)
{
	southbound_flush(s);
}

static void on_drop(void *context, struct session *s)
{
	southbound_drop(s);
}

static int set_up(void **state)
{
	static const struct core_shell shell = {.flush = on_flush, .drop = on_drop};
	struct core_config config = {.name = "test"};
	struct fixture *f = calloc(1, sizeof(*f));
	struct reason why;
	char text[64];

	strcpy(f->directory, "/tmp/victor-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(text, sizeof(text), "unix:%s/s", f->directory);
	uv_loop_init(&f->loop);
	f->core = core_create(&config, &shell, 1, 1, 0);
	fake_state(f->core)->greeting = (const uint8_t *)"hi";
	fake_state(f->core)->greeting_size = 2;
	*state = f;
	return endpoint_parse(text, &f->endpoint, &why) ||
	       southbound_open(&f->loop, &f->endpoint, 1, NULL, &f->southbound, &why) ||
	       southbound_start(f->southbound, f->core, &why);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	southbound_close(f->southbound);
	core_destroy(f->core);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	int left = uv_loop_close(&f->loop);

	(void)rmdir(f->directory);
	free(f);
	return left;
}

static int connect_to(const struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, &f->endpoint.address.any, f->endpoint.address_size), 0);
	return fd;
}

/* Runs the loop until 'size' bytes came, or the end; returns how many. */
static size_t receive(struct fixture *f, int fd, char *ret, size_t size)
{
	size_t got = 0;

	for (unsigned turn = 0; turn < 2000 && got < size; turn++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		ssize_t piece = recv(fd, ret + got, size - got, 0);

		if (piece == 0)
			break;
		if (piece < 0)
			usleep(1000);
		else
			got += (size_t)piece;
	}
	return got;
}

static void a_session_gets_its_greeting_and_its_answers(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);
	char bytes[8] = "";

	assert_int_equal(receive(f, fd, bytes, 2), 2);
	assert_memory_equal(bytes, "hi", 2);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	assert_int_equal(receive(f, fd, bytes, 5), 5);
	assert_memory_equal(bytes, "hello", 5);
	close(fd);
	for (unsigned turn = 0; turn < 2000 && !fake_state(f->core)->closed; turn++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(fake_state(f->core)->closed, 1);
}

static void more_than_the_kernel_takes_arrives_whole(void **state)
{
	struct fixture *f = *state;
	size_t size = 8 << 20;
	char *sent = memory_alloc(size), *got = memory_alloc(size + 2);
	int fd = connect_to(f);

	assert_int_equal(receive(f, fd, got, 2), 2);
	for (size_t i = 0; i < size; i++)
		sent[i] = (char)(i * 7 >> 3);
	fake_send(f->core, sent, size);
	assert_int_equal(receive(f, fd, got, size), size);
	assert_memory_equal(sent, got, size);
	close(fd);
	free(sent);
	free(got);
}

static void who_does_not_read_is_dropped_and_others_do_not_notice(void **state)
{
	struct fixture *f = *state;
	size_t size = 10 << 20;
	char *much = memory_alloc(size), bytes[8];
	int good = connect_to(f);

	assert_int_equal(receive(f, good, bytes, 2), 2);
	int slow = connect_to(f);

	assert_int_equal(receive(f, slow, bytes, 2), 2);
	for (unsigned i = 0; i < 8; i++)
		fake_send(f->core, much, size); /* to the last that connected: 80 MiB */
	for (unsigned turn = 0; turn < 100 && !fake_state(f->core)->closed; turn++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(fake_state(f->core)->closed, 1);
	assert_int_equal(send(good, "still", 5, 0), 5);
	assert_int_equal(receive(f, good, bytes, 5), 5);
	close(good);
	close(slow);
	free(much);
}

static void what_the_core_drops_is_closed_once(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);
	char bytes[8];

	assert_int_equal(receive(f, fd, bytes, 2), 2);
	struct session *s = fake_session(f->core);

	buffer_add_bytes(&session_channel(s)->out, "bye", 3); /* the last words still go out */
	southbound_drop(s);
	core_session_close(s, NULL, 0);
	assert_int_equal(receive(f, fd, bytes, sizeof(bytes)), 3);
	assert_memory_equal(bytes, "bye", 3);
	assert_int_equal(fake_state(f->core)->closed, 1); /* not again by the shell */
	close(fd);
}

static void barriers_that_are_owed_are_sent_soon_after(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f);
	char bytes[4];

	assert_int_equal(receive(f, fd, bytes, 2), 2);
	fake_state(f->core)->owes_barriers = true;
	assert_int_equal(send(fd, "x", 1, 0), 1);
	for (unsigned turn = 0; turn < 2000 && fake_state(f->core)->owes_barriers; turn++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(fake_state(f->core)->owes_barriers);
	close(fd);
}

static void the_core_gets_its_ticks(void **state)
{
	struct fixture *f = *state;

	for (unsigned turn = 0; turn < 2000 && fake_state(f->core)->ticks < 2; turn++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(fake_state(f->core)->ticks >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_gets_its_greeting_and_its_answers, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_than_the_kernel_takes_arrives_whole, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			who_does_not_read_is_dropped_and_others_do_not_notice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_core_drops_is_closed_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(barriers_that_are_owed_are_sent_soon_after, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_core_gets_its_ticks, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
