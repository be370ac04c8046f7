/* ctl/client and ctl/print without a controller: servers, paths, values. */
#include "ctl/client.h"
#include "ctl/print.h"

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void arguments_are_escaped_in_paths(void **state)
{
	const char *const arguments[] = {"a/b c?", "2001:db8::1"};
	char *path = client_path("/v1/nodes/{}/x?source={}", arguments);

	assert_string_equal(path, "/v1/nodes/a%2Fb%20c%3F/x?source=2001%3Adb8%3A%3A1");
	free(path);
}

static void a_server_that_is_neither_form_is_refused(void **state)
{
	static const char *const wrong[] = {"", "unix:", "unix:x", "http://", "ftp://x", "x"};
	struct client *c;
	struct reason why;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(client_open(wrong[i], &c, &why), -EINVAL);
}

static void nobody_there_is_said_with_what_to_do(void **state)
{
	struct client *c;
	struct reason why;
	struct json_object *answer;

	assert_int_equal(client_open("unix:/nowhere/s", &c, &why), 0);
	assert_int_equal(client_request(c, "GET", "/v1/status", NULL, &answer, &why), -ENOTCONN);
	assert_non_null(strstr(why.text, "not reachable at unix:/nowhere/s"));
	assert_non_null(strstr(why.text, "is it running"));
	client_close(c);
}

static void values_become_cells(void **state)
{
	struct json_object *o = json_tokener_parse("{\"a\":{\"b\":\"x\\u001b[31m\"},\"n\":null,"
						   "\"l\":[\"p\",\"q\"],\"t\":true,\"i\":12}");
	char cell[CELL_SIZE];

	print_value(print_find(o, "a.b"), cell);
	assert_string_equal(cell, "x?[31m"); /* no terminal command comes from a name */
	print_value(print_find(o, "l"), cell);
	assert_string_equal(cell, "p,q");
	print_value(print_find(o, "t"), cell);
	assert_string_equal(cell, "yes");
	print_value(print_find(o, "i"), cell);
	assert_string_equal(cell, "12");
	print_value(print_find(o, "n"), cell);
	assert_string_equal(cell, "");
	assert_null(print_find(o, "a.c"));
	assert_null(print_find(o, "i.c"));
	assert_string_equal(print_text(o, "i"), "");
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_escaped_in_paths),
		cmocka_unit_test(a_server_that_is_neither_form_is_refused),
		cmocka_unit_test(nobody_there_is_said_with_what_to_do),
		cmocka_unit_test(values_become_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
