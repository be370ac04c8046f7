/* Who sends a prefix's packets out of VICTOR: lists of elements and networks, and what becomes of
 * them when elements go and come. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>

static void add_border(struct world *w, uint32_t fe)
{
	struct fake *f = fake_of(w, fe);

	f->ports[f->port_count++] =
		(struct fake_port){.number = 9, .role = PORT_EXTERNAL, .up = true};
	fake_port_up(w, fe, 9, true);
	world_run(w);
}

static struct covered_prefix a_prefix(const char *text)
{
	struct covered_prefix p = {.mobile = true};

	assert_int_equal(prefix_parse(text, &p.prefix), 0);
	return p;
}

static void add_prefix(struct world *w, const char *text, const char *first, const char *second)
{
	struct covered_prefix p = a_prefix(text);
	struct reason why;

	strcpy(p.exits[p.exit_count++], first);
	if (second)
		strcpy(p.exits[p.exit_count++], second);
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	world_run(w);
}

static void add_network(struct world *w, const char *name, const char *first, const char *second)
{
	struct network n = {.element_count = second ? 2 : 1};
	struct reason why;
	unsigned at;

	strcpy(n.name, name);
	strcpy(n.elements[0], first);
	if (second)
		strcpy(n.elements[1], second);
	assert_int_equal(core_add_network(w->core, &n, &why), 0);
	assert_int_equal(core_settle_networks(w->core, &at, &why), 0);
}

#define assert_exit(w, at, prefix, by)                                          \
	do {                                                                    \
		const struct rule *rule_ = fake_rule(w, at, RULE_EXIT, prefix); \
		assert_non_null(rule_);                                         \
		assert_false(rule_->unreachable);                               \
		assert_int_equal(rule_->fe, (by) == (at) ? 0 : (by));           \
	} while (0)

#define assert_no_exit(w, at, prefix)                                           \
	do {                                                                    \
		const struct rule *rule_ = fake_rule(w, at, RULE_EXIT, prefix); \
		assert_non_null(rule_);                                         \
		assert_true(rule_->unreachable);                                \
	} while (0)

static void a_prefix_without_a_list_has_no_rule_for_its_source(void **state)
{
	struct world *w = world_create();

	assert_null(fake_rule(w, 1, RULE_EXIT, "10.10.0.0"));
	assert_null(fake_rule(w, 2, RULE_EXIT, "10.10.0.0"));
	world_destroy(w);
}

static void all_elements_send_out_by_the_one_that_may(void **state)
{
	struct world *w = world_create();

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", NULL);
	add_prefix(w, "2001:db8:20::/48", "FE1", NULL);
	assert_exit(w, 1, "10.20.0.0", 3); /* though it has a way out of its own */
	assert_exit(w, 2, "10.20.0.0", 3);
	assert_exit(w, 3, "10.20.0.0", 3);
	assert_exit(w, 3, "2001:db8:20::", 1);
	assert_int_equal(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0")->fe, 0);
	world_destroy(w);
}

static void the_next_of_the_list_takes_over_and_gives_back(void **state)
{
	struct world *w = world_create();

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", "FE1");
	assert_exit(w, 1, "10.20.0.0", 3);
	world_forget_log(w);
	fake_port_up(w, 3, 9, false);
	world_run(w);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_exit(w, fe, "10.20.0.0", 1);
	/* One flow-mod an element for the prefix, besides FE3's own way out (2 of them). */
	assert_int_equal(world_flow_mods(w),
			 3 + 2 + 2 /* the port's rules stay: ADMIT twice */ - 2);
	fake_port_up(w, 3, 9, true);
	world_run(w);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_exit(w, fe, "10.20.0.0", 3);
	world_destroy(w);
}

static void without_any_that_may_packets_are_dropped_and_not_sent_out_elsewhere(void **state)
{
	struct world *w = world_create();

	add_prefix(w, "10.20.0.0/16", "FE3", NULL); /* it has no external port yet */
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_no_exit(w, fe, "10.20.0.0");
	add_border(w, 3);
	assert_exit(w, 1, "10.20.0.0", 3);
	fake_port_gone(w, 3, 9);
	world_run(w);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_no_exit(w, fe, "10.20.0.0");
	world_destroy(w);
}

static void one_without_a_session_is_the_last_choice(void **state)
{
	struct world *w = world_create();

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", "FE1");
	add_prefix(w, "10.30.0.0/16", "FE3", NULL);
	world_disconnect(w, fake_of(w, 3));
	world_wait(w, 2000);
	assert_exit(w, 2, "10.20.0.0", 3);
	world_wait(w, 2000);
	assert_exit(w, 2, "10.20.0.0", 1);
	assert_exit(w, 2, "10.30.0.0", 3);
	world_connect(w, fake_of(w, 3));
	world_run(w);
	assert_exit(w, 2, "10.20.0.0", 3);
	assert_exit(w, 3, "10.20.0.0", 3);
	world_destroy(w);
}

static void of_a_network_the_nearest_is_taken(void **state)
{
	struct world *w = world_create();

	add_network(w, "isp", "FE1", "FE3");
	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "isp", NULL);
	assert_exit(w, 1, "10.20.0.0", 1);
	assert_exit(w, 3, "10.20.0.0", 3);
	assert_exit(w, 2, "10.20.0.0", 1); /* equally far: the lowest id */
	fake_port_up(w, 1, 9, false);
	world_run(w);
	assert_exit(w, 1, "10.20.0.0", 3);
	assert_exit(w, 2, "10.20.0.0", 3);
	world_destroy(w);
}

static void one_that_drains_gives_the_way_out_away(void **state)
{
	struct world *w = world_create();
	struct drain_view view;
	struct reason why;

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", "FE1");
	add_prefix(w, "10.30.0.0/16", "FE3", NULL);
	assert_int_equal(core_drain(w->core, "FE3", true, w->now_ms, &why), 0);
	world_run(w);
	assert_exit(w, 2, "10.20.0.0", 1);
	assert_exit(w, 2, "10.30.0.0", 3);
	assert_int_equal(core_drain_view(w->core, "FE3", &view, NULL, NULL), 0);
	assert_int_equal(view.exits, 2);
	assert_false(view.is_empty);
	world_destroy(w);
}

static void it_is_announced_where_it_may_leave_unless_said_otherwise(void **state)
{
	struct world *w = world_create();
	struct covered_prefix p = a_prefix("10.40.0.0/16");
	struct reason why;

	add_prefix(w, "10.20.0.0/16", "FE1", NULL);
	assert_false(fake_rule(w, 1, RULE_COVERED, "10.20.0.0")->internal);
	assert_true(fake_rule(w, 2, RULE_COVERED, "10.20.0.0")->internal);
	strcpy(p.exits[p.exit_count++], "FE1");
	strcpy(p.announcers[p.announcer_count++], "FE3");
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	world_run(w);
	assert_true(fake_rule(w, 1, RULE_COVERED, "10.40.0.0")->internal);
	assert_false(fake_rule(w, 3, RULE_COVERED, "10.40.0.0")->internal);
	assert_false(fake_rule(w, 2, RULE_COVERED, "10.10.0.0")->internal);
	world_destroy(w);
}

static void a_list_that_cannot_be_meant_is_refused(void **state)
{
	struct world *w = world_create();
	struct covered_prefix p = a_prefix("10.40.0.0/16");
	struct reason why;

	strcpy(p.exits[0], "FE1");
	strcpy(p.exits[1], "FE1");
	p.exit_count = 2;
	assert_int_equal(core_add_prefix(w->core, &p, &why), -EINVAL);
	assert_non_null(strstr(why.text, "twice"));
	strcpy(p.exits[1], "a b");
	assert_int_equal(core_add_prefix(w->core, &p, &why), -EINVAL);
	p.exit_count = 1;
	p.internal = true;
	strcpy(p.announcers[0], "FE2");
	p.announcer_count = 1;
	assert_int_equal(core_add_prefix(w->core, &p, &why), -EINVAL);
	assert_non_null(strstr(why.text, "announce"));
	world_destroy(w);
}

/* The one that it sends to is not back yet: its rule stays, and nothing is told in the end. */
static void a_restarted_controller_leaves_exits_as_they_are(void **state)
{
	struct world *w = world_create();
	struct covered_prefix p = a_prefix("10.20.0.0/16");
	struct reason why;

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", "FE1");
	world_restart(w, 2, true);
	strcpy(p.exits[p.exit_count++], "FE3");
	strcpy(p.exits[p.exit_count++], "FE1");
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	world_connect(w, fake_of(w, 1));
	world_connect(w, fake_of(w, 2));
	world_run(w);
	assert_exit(w, 1, "10.20.0.0", 3);
	assert_exit(w, 2, "10.20.0.0", 3);
	world_connect(w, fake_of(w, 3));
	world_run(w);
	world_wait(w, 100);
	assert_exit(w, 2, "10.20.0.0", 3);
	for (unsigned i = 0; i < w->log_count; i++)
		assert_false(w->log[i].what != LOG_BARRIER && w->log[i].rule.key.kind == RULE_EXIT);
	world_destroy(w);
}

/* And one that was given another file takes them away. */
static void a_list_that_is_gone_from_the_file_goes_from_the_elements(void **state)
{
	struct world *w = world_create();

	add_prefix(w, "10.20.0.0/16", "FE1", NULL);
	world_restart(w, 2, true);
	for (uint32_t fe = 1; fe <= 3; fe++)
		world_connect(w, fake_of(w, fe));
	world_run(w);
	world_wait(w, 100);
	assert_null(fake_rule(w, 2, RULE_EXIT, "10.20.0.0"));
	world_destroy(w);
}

static void a_trace_tells_by_whom_it_leaves(void **state)
{
	struct world *w = world_with_vm1_at(1, 2);
	struct address vm = an_address("10.20.0.11"), outside = an_address("198.51.100.1");
	struct trace_step steps[TRACE_STEPS_MAX];
	struct reason why;
	int count;

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", NULL);
	world_add_node(w, "vm3", "52:54:00:00:00:13", "10.20.0.11");
	fake_announces(w, 1, 3, "52:54:00:00:00:13", "10.20.0.11");
	world_run(w);
	count = core_trace(w->core, 0, &vm, &outside, NULL, steps, &why);
	assert_true(count > 2);
	assert_string_equal(steps[count - 1].element, "FE3");
	assert_string_equal(steps[count - 1].flow, "nw_src=10.20.0.0/16");
	assert_string_equal(steps[count - 1].action, "kernel");
	fake_port_up(w, 3, 9, false);
	world_run(w);
	count = core_trace(w->core, 0, &vm, &outside, NULL, steps, &why);
	assert_string_equal(steps[count - 1].element, "FE1");
	assert_string_equal(steps[count - 1].action, "drop:no_exit");
	world_destroy(w);
}

static void count_exit(void *to, const struct exit_view *v)
{
	unsigned *counts = to;

	counts[0]++;
	counts[1] += v->exit && strcmp(v->exit, "FE3") == 0;
	counts[2] += v->announced;
}

static void people_see_them(void **state)
{
	struct world *w = world_create();
	unsigned counts[3] = {0};

	add_border(w, 3);
	add_prefix(w, "10.20.0.0/16", "FE3", NULL);
	core_exits(w->core, count_exit, counts);
	assert_int_equal(counts[0], 3);
	assert_int_equal(counts[1], 3);
	assert_int_equal(counts[2], 1);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_trace_tells_by_whom_it_leaves),
	cmocka_unit_test(people_see_them),
	cmocka_unit_test(a_prefix_without_a_list_has_no_rule_for_its_source),
	cmocka_unit_test(all_elements_send_out_by_the_one_that_may),
	cmocka_unit_test(the_next_of_the_list_takes_over_and_gives_back),
	cmocka_unit_test(without_any_that_may_packets_are_dropped_and_not_sent_out_elsewhere),
	cmocka_unit_test(one_without_a_session_is_the_last_choice),
	cmocka_unit_test(of_a_network_the_nearest_is_taken),
	cmocka_unit_test(one_that_drains_gives_the_way_out_away),
	cmocka_unit_test(it_is_announced_where_it_may_leave_unless_said_otherwise),
	cmocka_unit_test(a_list_that_cannot_be_meant_is_refused),
	cmocka_unit_test(a_restarted_controller_leaves_exits_as_they_are),
	cmocka_unit_test(a_list_that_is_gone_from_the_file_goes_from_the_elements),
};

RUN_QUIETLY(tests)
