/* Requests as text: paths, queries, bodies. */
#include "controller/io/northbound_body.h"
#include "controller/io/routes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_pattern_takes_one_segment(void **state)
{
	char id[8];

	assert_true(route_match("/v1/nodes/{}/move", "/v1/nodes/vm1/move", id, sizeof(id)));
	assert_string_equal(id, "vm1");
	assert_true(route_match("/v1/nodes/{}", "/v1/nodes/vm1", id, sizeof(id)));
	assert_false(route_match("/v1/nodes/{}", "/v1/nodes/", id, sizeof(id)));
	assert_false(route_match("/v1/nodes/{}", "/v1/nodes/vm1/", id, sizeof(id)));
	assert_false(route_match("/v1/nodes/{}", "/v1/nodes/12345678", id, sizeof(id)));
	assert_false(route_match("/v1/nodes", "/v1/nodes/vm1", id, sizeof(id)));
	assert_false(route_match("/v1/nodes", "/v1", id, sizeof(id)));
}

static void a_query_is_decoded(void **state)
{
	char text[8];

	assert_int_equal(query_get("a=1&b=2%3a+x&c", "b", text, sizeof(text)), 1);
	assert_string_equal(text, "2: x");
	assert_int_equal(query_get("a=1&b=2", "c", text, sizeof(text)), 0);
	assert_int_equal(query_get("ab=1", "a", text, sizeof(text)), 0);
	assert_int_equal(query_get("a=", "a", text, sizeof(text)), 1);
	assert_string_equal(text, "");
	assert_int_equal(query_get("a=%4", "a", text, sizeof(text)), -EINVAL);
	assert_int_equal(query_get("a=%zz", "a", text, sizeof(text)), -EINVAL);
	assert_int_equal(query_get("a=%00", "a", text, sizeof(text)), -EINVAL);
	assert_int_equal(query_get("a=12345678", "a", text, sizeof(text)), -EINVAL);
	assert_int_equal(query_get("a=%41", "a", text, sizeof(text)), 1);
	assert_string_equal(text, "A");
}

static int node(const char *body, struct node_spec *ret, struct reason *why)
{
	return node_from_json("vm1", body, strlen(body), ret, why);
}

static void a_node_is_read(void **state)
{
	struct node_spec n;
	struct reason why;

	assert_int_equal(node("{\"addresses\":[\"10.0.0.1\",\"2001:db8::1\"],\"vrf\":5,"
			      "\"mac\":\"52:54:00:00:00:01\"} \n",
			      &n, &why),
			 0);
	assert_string_equal(n.id, "vm1");
	assert_int_equal(n.address_count, 2);
	assert_int_equal(n.vrf, 5);
	assert_int_equal(n.mac.bytes[5], 1);
	assert_true(n.mobile);
	assert_int_equal(node("{\"addresses\":[\"10.0.0.1\"],\"elements\":[\"fe1\"],\"mac\":null}",
			      &n, &why),
			 0);
	assert_false(n.mobile);
	assert_string_equal(n.elements[0], "fe1");
	assert_int_equal(
		node("{\"addresses\":[\"10.0.0.1\"],\"elements\":[\"fe1\"],\"mobile\":true}", &n,
		     &why),
		0);
	assert_true(n.mobile);
}

static void what_is_not_exactly_a_node_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"{}",
		"{} {}",
		"{\"addresses\":[]}",
		"{\"addresses\":\"10.0.0.1\"}",
		"{\"addresses\":[1]}",
		"{\"addresses\":[null]}",
		"{\"addresses\":[\"10.0.0.1\"],\"adresses\":[]}",
		"{\"addresses\":[\"10.0.0.1\"],\"mac\":\"xx\"}",
		"{\"addresses\":[\"10.0.0.1\"],\"vrf\":-1}",
		"{\"addresses\":[\"10.0.0.1\"],\"vrf\":1.5}",
		"{\"addresses\":[\"10.0.0.1\"],\"mobile\":\"yes\"}",
		"{\"addresses\":[\"10.0.0.1\"],\"elements\":{}}",
		"{\"addresses\":[\"10.0.0.1\\u0000\"]}",
		("{\"addresses\":[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\",\"1.1.1.5\","
		 "\"1.1.1.6\",\"1.1.1.7\",\"1.1.1.8\",\"1.1.1.9\"]}"),
		"[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]",
	};
	struct node_spec n;
	struct reason why;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		why.text[0] = '\0';
		if (node(wrong[i], &n, &why) != -EINVAL || !why.text[0])
			fail_msg("taken: %s", wrong[i]);
	}
}

static void a_move_needs_element_and_port(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"{\"element\":\"fe1\"}",
		"{\"port\":\"x\"}",
		"{\"element\":1,\"port\":\"x\"}",
		"{\"element\":\"fe1\",\"port\":\"x\",\"vlan\":4095}",
		"{\"element\":\"fe1\",\"port\":\"x\",\"speed\":1}",
	};
	static const char right[] = "{\"element\":\"fe1\",\"port\":\"tap0\",\"vlan\":7}";
	struct move_request move;
	struct reason why;

	assert_int_equal(move_from_json(right, strlen(right), &move, &why), 0);
	assert_string_equal(move.port, "tap0");
	assert_int_equal(move.vlan, 7);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(move_from_json(wrong[i], strlen(wrong[i]), &move, &why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_takes_one_segment),
		cmocka_unit_test(a_query_is_decoded),
		cmocka_unit_test(a_node_is_read),
		cmocka_unit_test(what_is_not_exactly_a_node_is_refused),
		cmocka_unit_test(a_move_needs_element_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
