/* victorctl trace: the way of a packet in words. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

static struct world *a_world(void)
{
	struct world *w = world_create();

	fake_announces(w, 2, 2, "52:54:00:00:00:11", "10.10.0.11");
	fake_announces(w, 3, 3, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	return w;
}

static int trace(struct world *w, const char *source, const char *destination, const char *element,
		 struct trace_step steps[TRACE_STEPS_MAX])
{
	struct address from = an_address(source), to = an_address(destination);
	struct reason why = {""};
	int count = core_trace(w->core, 0, &from, &to, element, steps, &why);

	if (count < 0)
		assert_true(why.text[0] != '\0');
	return count;
}

static void from_node_to_node(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count = trace(w, "10.10.0.11", "10.10.0.12", NULL, s);

	assert_int_equal(count, 6);
	assert_string_equal(s[0].element, "FE2");
	assert_int_equal(s[0].table, TABLE_PORT);
	assert_int_equal(s[1].table, TABLE_GUARD);
	assert_int_equal(s[3].table, TABLE_BINDING);
	assert_string_equal(s[3].flow, "nw_dst=10.10.0.12");
	assert_string_equal(s[3].action, "group:3,out:0");
	assert_string_equal(s[4].element, "FE3");
	assert_string_equal(s[5].reason, "delivered to vm2 on port 3 port3");
	world_destroy(w);
}

static void from_outside_to_a_node(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count = trace(w, "198.51.100.7", "10.10.0.11", NULL, s);

	assert_int_equal(count, 4);
	assert_string_equal(s[0].element, "FE1");
	assert_non_null(strstr(s[0].reason, "external port 9"));
	assert_non_null(strstr(s[count - 1].reason, "delivered to vm1"));
	world_destroy(w);
}

static void from_a_node_to_the_outside(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count = trace(w, "10.10.0.11", "198.51.100.7", NULL, s);

	assert_non_null(strstr(s[4].reason, "nearest border"));
	assert_string_equal(s[count - 1].element, "FE1");
	assert_string_equal(s[count - 1].action, "kernel");
	world_destroy(w);
}

static void to_a_mobile_address_that_nobody_has(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count = trace(w, "10.10.0.11", "10.10.9.9", NULL, s);

	assert_string_equal(s[count - 1].action, "drop:no_binding");
	assert_non_null(strstr(s[count - 1].reason, "dropped: no binding: no node has"));
	world_add_node(w, "vm3", "52:54:00:00:00:13", "10.10.9.9");
	count = trace(w, "10.10.0.11", "10.10.9.9", NULL, s);
	assert_non_null(strstr(s[count - 1].reason, "vm3 is attached nowhere"));
	count = trace(w, "10.10.0.11", "10.10.0.1", NULL, s);
	assert_non_null(strstr(s[count - 1].reason, "is the gateway"));
	world_destroy(w);
}

static void where_it_may_not_come_in(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count = trace(w, "10.10.0.11", "10.10.0.12", "FE3", s);

	assert_int_equal(count, 1);
	assert_non_null(strstr(s[0].reason, "attached elsewhere"));
	count = trace(w, "198.51.100.7", "10.10.0.12", "FE3", s);
	assert_non_null(strstr(s[count - 1].reason, "no external port"));
	assert_int_equal(trace(w, "10.10.0.11", "10.10.0.12", "FE9", s), -ENOENT);
	assert_int_equal(trace(w, "10.10.0.11", "2001:db8::1", NULL, s), -EINVAL);
	world_destroy(w);
}

static void a_port_that_is_down_is_said(void **state)
{
	struct world *w = a_world();
	struct trace_step s[TRACE_STEPS_MAX];
	int count;

	fake_port_up(w, 3, 3, false);
	world_run(w);
	count = trace(w, "10.10.0.11", "10.10.0.12", NULL, s);
	assert_non_null(strstr(s[count - 1].reason, "is down"));
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(from_node_to_node),
	cmocka_unit_test(from_outside_to_a_node),
	cmocka_unit_test(from_a_node_to_the_outside),
	cmocka_unit_test(to_a_mobile_address_that_nobody_has),
	cmocka_unit_test(where_it_may_not_come_in),
	cmocka_unit_test(a_port_that_is_down_is_said),
};

RUN_QUIETLY(tests)
