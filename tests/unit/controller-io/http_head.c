/* controller/io/http_head: what is one request for every reader, and what is refused. */
#include "controller/io/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"

static struct http_head head;

static int read_text(const char *text)
{
	const char *why = "";
	size_t scanned = 0;

	return http_head_read(text, strlen(text), &scanned, &head, &why);
}

static void refused(int status, const char *text)
{
	int result = read_text(text);

	if (result != -status)
		fail_msg("expected %d, got %d for: %s", status, -result, text);
}

static void a_plain_request_is_read(void **state)
{
	static const char text[] = "PUT /v1/nodes/a%20b?x=1&y=%20 HTTP/1.1\r\n" HOST
				   "Authorization: Bearer abc\r\nContent-Length: 2\r\n"
				   "Connection: keep-alive, Close\r\n\r\n{}";

	assert_int_equal(read_text(text), sizeof(text) - 3);
	assert_string_equal(head.method, "PUT");
	assert_string_equal(head.path, "/v1/nodes/a b");
	assert_string_equal(head.query, "x=1&y=%20");
	assert_string_equal(head.host, "localhost");
	assert_string_equal(head.authorization, "Bearer abc");
	assert_int_equal(head.body_size, 2);
	assert_true(head.is_last);
}

static void a_head_may_come_byte_by_byte(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n" HOST "X: y\r\n\r\n";
	const char *why;
	size_t scanned = 0;

	for (size_t size = 1; size < sizeof(text) - 1; size++)
		assert_int_equal(http_head_read(text, size, &scanned, &head, &why), 0);
	assert_int_equal(http_head_read(text, sizeof(text) - 1, &scanned, &head, &why),
			 sizeof(text) - 1);
	assert_false(head.is_last);
}

static void two_lengths_or_a_coding_are_refused(void **state)
{
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 2, 2\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST
		     "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST
		     "transfer-encoding: identity\r\nContent-Length: 2\r\n\r\n");
	refused(411, "PUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: -2\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 0x2\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n");
	refused(400, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n");
	refused(413, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n");
}

static void fields_that_readers_disagree_on_are_refused(void **state)
{
	refused(400, "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST " X: a\r\n\r\n");
	refused(400, "GET / HTTP/1.1\nHost: localhost\n\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST "X: a\nb\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n");
	refused(400, "GET / HTTP/1.1\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n");
	refused(400,
		"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer a\r\nauthorization: b\r\n\r\n");
	refused(417, "PUT / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n");
}

static void request_lines_of_others_are_refused(void **state)
{
	refused(400, "GET /v1/status\r\n\r\n");
	refused(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
	refused(400, "GET / HTTP/1.10\r\n" HOST "\r\n");
	refused(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET / HTTP/1.1 \r\n" HOST "\r\n");
	refused(400, "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n");
	refused(405, "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n");
	refused(405, "PRI * HTTP/2.0\r\n\r\n");
	refused(400, "GET /a/../b HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a/%2e%2E/b HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a/. HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a%00 HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a%0a HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a%4 HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a%c3 HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a%c0%af HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n");
	refused(400, "\x16\x03\x01");
	assert_true(read_text("GET /%c3%a4..b HTTP/1.1\r\n" HOST "\r\n") > 0);
}

static void what_is_too_large_is_refused(void **state)
{
	static char text[HTTP_HEAD_MAX + 64];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "X: %016200d", 1);
	assert_int_equal(read_text(text), 0);
	memset(text + strlen(text), 'a', sizeof(text) - strlen(text) - 1);
	refused(431, text);
	snprintf(text, sizeof(text), "GET /%0600d HTTP/1.1\r\n" HOST "\r\n", 1);
	refused(414, text);
	snprintf(text, sizeof(text), "GET /?%01100d HTTP/1.1\r\n" HOST "\r\n", 1);
	refused(414, text);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "Authorization: %0600d\r\n\r\n", 1);
	refused(431, text);
	strcpy(text, "GET / HTTP/1.1\r\n" HOST);
	for (unsigned i = 0; i < HTTP_FIELDS_MAX; i++)
		strcat(text, "X: y\r\n");
	strcat(text, "\r\n");
	refused(431, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_request_is_read),
		cmocka_unit_test(a_head_may_come_byte_by_byte),
		cmocka_unit_test(two_lengths_or_a_coding_are_refused),
		cmocka_unit_test(fields_that_readers_disagree_on_are_refused),
		cmocka_unit_test(request_lines_of_others_are_refused),
		cmocka_unit_test(what_is_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
