/* shell/endpoint: parsing, and who may take a socket. */
#include "shell/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void the_three_forms_are_understood(void **state)
{
	struct endpoint e;
	struct reason why;

	assert_int_equal(endpoint_parse("tcp:127.0.0.1:6653", &e, &why), 0);
	assert_true(e.is_private);
	assert_int_equal(endpoint_parse("tcp:[::1]:6653", &e, &why), 0);
	assert_true(e.is_private);
	assert_int_equal(endpoint_parse("tcp:localhost:6653", &e, &why), 0);
	assert_int_equal(endpoint_parse("tcp:192.0.2.1:6653", &e, &why), 0);
	assert_false(e.is_private);
	assert_int_equal(endpoint_parse("tcp:[::]:6653", &e, &why), 0);
	assert_false(e.is_private);
	assert_false(e.is_tls);
	assert_int_equal(endpoint_parse("tls:192.0.2.1:6653", &e, &why), 0);
	assert_true(e.is_tls && !e.is_private && !e.is_unix);
	assert_int_equal(endpoint_parse("unix:/run/x", &e, &why), 0);
	assert_true(e.is_unix && e.is_private && !e.is_tls);
}

static void what_is_neither_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"tcp:",
		"tls:",
		"tls:192.0.2.1",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:0",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:-1",
		"tcp:host.example:80",
		"unix:",
		"unix:relative",
		"udp:127.0.0.1:1",
	};
	char longest[200] = "unix:/";
	struct endpoint e;
	struct reason why;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(endpoint_parse(wrong[i], &e, &why), -EINVAL);
	memset(longest + 6, 'x', 110);
	assert_int_equal(endpoint_parse(longest, &e, &why), -EINVAL);
	memset(longest + 6, 'x', 190);
	assert_int_equal(endpoint_parse(longest, &e, &why), -EINVAL);
}

/* A name for a socket in a directory of our own. */
static void make_endpoint(char directory[32], struct endpoint *ret)
{
	char text[64];
	struct reason why;

	strcpy(directory, "/tmp/victor-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(text, sizeof(text), "unix:%s/s", directory);
	assert_int_equal(endpoint_parse(text, ret, &why), 0);
}

static void a_socket_left_behind_is_replaced_and_a_live_one_is_not(void **state)
{
	char directory[32];
	struct endpoint e;
	struct reason why;

	make_endpoint(directory, &e);
	int first = endpoint_listen(&e, &why);

	assert_true(first >= 0);
	assert_int_equal(endpoint_listen(&e, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, "in use"));
	close(first); /* as after kill -9: the name stays */
	int second = endpoint_listen(&e, &why);

	assert_true(second >= 0);
	close(second);
	endpoint_unlink(&e);
	assert_int_equal(rmdir(directory), 0);
}

static void a_file_in_the_way_is_left_alone(void **state)
{
	char directory[32];
	struct endpoint e;
	struct reason why;

	make_endpoint(directory, &e);
	int file = open(e.address.local.sun_path, O_CREAT | O_WRONLY, 0600);

	assert_true(file >= 0);
	close(file);
	assert_int_equal(endpoint_listen(&e, &why), -EADDRINUSE);
	assert_int_equal(access(e.address.local.sun_path, F_OK), 0);
	endpoint_unlink(&e);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(endpoint_listen(&e, &why), -ENOENT);
	assert_non_null(strstr(why.text, "does not exist"));
}

static void a_port_in_use_is_explained(void **state)
{
	struct endpoint e;
	struct reason why;
	char text[32];
	struct sockaddr_in any = {.sin_family = AF_INET};
	socklen_t size = sizeof(any);
	int holder = socket(AF_INET, SOCK_STREAM, 0);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(holder, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(holder, 1), 0);
	assert_int_equal(getsockname(holder, (struct sockaddr *)&any, &size), 0);
	snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", ntohs(any.sin_port));
	assert_int_equal(endpoint_parse(text, &e, &why), 0);
	assert_int_equal(endpoint_listen(&e, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, "ss -ltnp"));
	close(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_forms_are_understood),
		cmocka_unit_test(what_is_neither_is_refused),
		cmocka_unit_test(a_socket_left_behind_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(a_file_in_the_way_is_left_alone),
		cmocka_unit_test(a_port_in_use_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
