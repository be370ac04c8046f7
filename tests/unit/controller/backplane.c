/* The backplane: what FEs are told of links, and by which links they are told to reach each other.
 */
#include "fake_element.h"
#include "main.h"

#include "base/memory.h"
#include "packet/lldp.h"

#include <errno.h>
#include <stdio.h>

#define A 11u /* ports of the backplane: to the next FE of the ring */
#define B 12u /* and from the one before */

static struct link a_link(const char *a, const char *port_a, const char *b, const char *port_b,
			  uint32_t cost)
{
	struct link l = {.kind = LINK_ETHERNET, .cost = cost, .interval_ms = 50, .multiplier = 3};

	snprintf(l.ends[0], NAME_SIZE, "%s", a);
	snprintf(l.ends[1], NAME_SIZE, "%s", b);
	snprintf(l.ports[0], LINK_PORT_SIZE, "%s", port_a);
	snprintf(l.ports[1], LINK_PORT_SIZE, "%s", port_b);
	return l;
}

static void add(struct world *w, struct link l)
{
	struct reason why = {""};

	if (core_add_link(w->core, &l, &why) < 0)
		fail_msg("%s", why.text);
}

static void add_ports(struct world *w)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		for (uint32_t port = A; port <= B; port++) {
			struct fake *f = &w->fakes[i];

			f->ports[f->port_count++] = (struct fake_port){.number = port,
								       .role = PORT_BACKPLANE,
								       .link = LINK_ETHERNET,
								       .up = true};
		}
}

static void connect_all(struct world *w)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 200);
}

/* The FEs at both ends say that the link is up, or down. */
static void both(struct world *w, uint32_t a, uint32_t port_a, uint32_t b, uint32_t port_b, bool up)
{
	fake_link_state(w, a, port_a, up);
	fake_link_state(w, b, port_b, up);
	world_run(w);
}

/* In place of the links that the world has. */
static void set_triangle(struct world *w)
{
	struct link list[] = {a_link("FE1", "port11", "FE2", "port12", 10),
			      a_link("FE2", "port11", "FE3", "port12", 10),
			      a_link("FE3", "port11", "FE1", "port12", 10)};

	core_replace_links(w->core, list, 3, w->now_ms);
}

static void all_up(struct world *w, bool up)
{
	both(w, 1, A, 2, B, up);
	both(w, 2, A, 3, B, up);
	both(w, 3, A, 1, B, up);
}

/* FE1 - FE2 - FE3 - FE1, every link of cost 10, all up; vm1 at FE2, vm2 nowhere. */
static struct world *a_triangle(void)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	add_ports(w);
	world_add_node(w, "vm1", VM1, IP1);
	set_triangle(w);
	connect_all(w);
	all_up(w, true);
	fake_announces(w, 2, 2, VM1, IP1);
	world_run(w);
	world_wait(w, 100);
	assert_bound(w, IP1, 2, 2);
	world_forget_log(w);
	return w;
}

static void assert_paths(struct world *w, uint32_t fe, uint32_t towards, bool select,
			 unsigned count, uint32_t first, uint32_t second)
{
	const struct rule_group *g = fake_group(w, fe, towards);

	assert_non_null(g);
	assert_int_equal(g->path_count, count);
	assert_int_equal(g->select, select);
	if (count)
		assert_int_equal(g->paths[0], first);
	if (count > 1)
		assert_int_equal(g->paths[1], second);
}

static void elements_are_told_their_links_before_groups_use_them(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	bool told[8] = {false};

	add_ports(w);
	set_triangle(w);
	connect_all(w);
	for (unsigned i = 0; i < w->log_count; i++) {
		if (w->log[i].what == LOG_LINK_SET)
			told[w->log[i].fe] = true;
	}
	for (uint32_t fe = 1; fe <= 3; fe++) {
		const struct fake_link *l = fake_link(w, fe, A);

		assert_true(told[fe]);
		assert_non_null(l);
		assert_int_equal(l->info.fe, fe % 3 + 1);
		assert_int_equal(l->info.kind, LINK_ETHERNET);
		assert_int_equal(l->info.interval_ms, 50);
		assert_true(address_equal(&l->info.remote, &fake_of(w, fe % 3 + 1)->backplane));
	}
	world_destroy(w);
}

static void each_group_names_the_best_link_and_a_second_one(void **state)
{
	struct world *w = a_triangle();

	assert_paths(w, 1, 2, false, 2, A, B);
	assert_paths(w, 1, 3, false, 2, B, A);
	assert_paths(w, 2, 3, false, 2, A, B);
	assert_int_equal(world_count_events(w, EVENT_LINK_UP), 3);
	world_destroy(w);
}

static void a_lost_link_changes_groups_and_no_flow(void **state)
{
	struct world *w = a_triangle();

	fake_link_state(w, 1, A, false);
	world_run(w);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_int_equal(fake_of(w, fe)->flow_mods, 0);
	/* One for each FE that is reached in another way; at FE3 nothing is better than before, but
	 * there is no second path any more. */
	assert_int_equal(fake_of(w, 1)->group_mods, 2);
	assert_int_equal(fake_of(w, 2)->group_mods, 2);
	assert_int_equal(fake_of(w, 3)->group_mods, 2);
	assert_paths(w, 1, 2, false, 1, B, 0);
	assert_paths(w, 2, 1, false, 1, A, 0);
	assert_paths(w, 3, 1, false, 1, A, 0);
	assert_int_equal(world_count_events(w, EVENT_LINK_DOWN), 1);
	/* The other end says so as well: no news. */
	world_forget_log(w);
	fake_link_state(w, 2, B, false);
	world_run(w);
	assert_int_equal(world_flow_mods(w), 0);
	/* And back. */
	both(w, 1, A, 2, B, true);
	assert_paths(w, 1, 2, false, 2, A, B);
	assert_int_equal(fake_of(w, 1)->flow_mods, 0);
	world_destroy(w);
}

static void a_link_that_one_end_says_is_down_is_not_used_by_the_other(void **state)
{
	struct world *w = a_triangle();

	fake_link_state(w, 2, B, false);
	world_run(w);
	assert_paths(w, 1, 2, false, 1, B, 0);
	fake_link_state(w, 1, A, false);
	fake_link_state(w, 1, A, true);
	world_run(w);
	assert_paths(w, 1, 2, false, 1, B, 0); /* FE2 still does not hear FE1 */
	world_destroy(w);
}

static void a_cost_that_changes_reroutes_by_groups_alone(void **state)
{
	struct world *w = a_triangle();
	struct link list[] = {a_link("FE1", "port11", "FE2", "port12", 30),
			      a_link("FE2", "port11", "FE3", "port12", 10),
			      a_link("FE3", "port11", "FE1", "port12", 10)};

	core_replace_links(w->core, list, 3, w->now_ms);
	world_run(w);
	assert_paths(w, 1, 2, false, 2, B, A);
	assert_paths(w, 2, 1, false, 2, A, B);
	for (uint32_t fe = 1; fe <= 3; fe++) {
		assert_int_equal(fake_of(w, fe)->flow_mods, 0);
		assert_int_equal(fake_of(w, fe)->link_mods, 0);
	}
	world_destroy(w);
}

static void equal_costs_share_the_flows(void **state)
{
	struct world *w = a_triangle();
	struct link list[] = {a_link("FE1", "port11", "FE2", "port12", 20),
			      a_link("FE2", "port11", "FE3", "port12", 10),
			      a_link("FE3", "port11", "FE1", "port12", 10)};

	core_replace_links(w->core, list, 3, w->now_ms);
	world_run(w);
	assert_paths(w, 1, 2, true, 2, A, B);
	assert_paths(w, 3, 2, false, 2, B, A);
	world_destroy(w);
}

static void a_link_that_goes_is_deleted_at_both_ends(void **state)
{
	struct world *w = a_triangle();
	struct link list[] = {a_link("FE2", "port11", "FE3", "port12", 10),
			      a_link("FE3", "port11", "FE1", "port12", 10)};

	core_replace_links(w->core, list, 2, w->now_ms);
	world_run(w);
	assert_null(fake_link(w, 1, A));
	assert_null(fake_link(w, 2, B));
	assert_paths(w, 1, 2, false, 1, B, 0);
	world_destroy(w);
}

static void a_restarted_controller_sends_nothing_over_a_backplane_that_did_not_change(void **state)
{
	static const uint32_t orders[][3] = {{1, 2, 3}, {3, 1, 2}, {2, 3, 1}};

	for (unsigned i = 0; i < 3; i++) {
		struct world *w = a_triangle();

		world_restart(w, 2, true);
		set_triangle(w);
		for (unsigned j = 0; j < 3; j++) {
			world_connect(w, fake_of(w, orders[i][j]));
			world_run(w);
			world_wait(w, 300);
		}
		world_wait(w, 6000);
		assert_int_equal(world_flow_mods(w), 0);
		for (uint32_t fe = 1; fe <= 3; fe++)
			assert_int_equal(fake_of(w, fe)->link_mods, 0);
		assert_paths(w, 1, 2, false, 2, A, B);
		world_destroy(w);
	}
}

static void a_link_that_an_element_has_and_should_not_is_deleted(void **state)
{
	struct world *w = a_triangle();
	struct fake *f = fake_of(w, 1);
	struct fake_link stray = {{.number = PIPELINE_LINK_PORT(3), .fe = 3, .kind = LINK_IP}, {0}};

	world_disconnect(w, f);
	stray.state.number = stray.info.number;
	*(struct fake_link *)table_put(&f->links, &stray.info.number, NULL) = stray;
	world_connect(w, f);
	world_run(w);
	assert_null(fake_link(w, 1, PIPELINE_LINK_PORT(3)));
	assert_non_null(fake_link(w, 1, A));
	assert_int_equal(f->link_mods, 1);
	assert_int_equal(world_flow_mods(w), 0);
	world_destroy(w);
}

static void links_over_the_underlay_have_the_number_of_their_element(void **state)
{
	struct world *w = world_create();
	struct link l = {.kind = LINK_UDP, .cost = 10, .reach_port = {6080, 0}};

	strcpy(l.ends[0], "FE1");
	strcpy(l.ends[1], "FE3");
	l.reach[0] = an_address("198.51.100.7");
	add(w, l);
	world_run(w);
	assert_true(
		address_equal(&fake_link(w, 3, PIPELINE_LINK_PORT(1))->info.remote, &l.reach[0]));
	assert_int_equal(fake_link(w, 3, PIPELINE_LINK_PORT(1))->info.remote_port, 6080);
	assert_int_equal(fake_link(w, 1, PIPELINE_LINK_PORT(3))->info.remote_port, 0);
	/* Nobody watches it: it counts as up. */
	world_wait(w, 100);
	assert_paths(w, 1, 3, false, 1, PIPELINE_LINK_PORT(3), 0);
	/* FE2 has no link at all: straight. */
	assert_paths(w, 1, 2, false, 0, 0, 0);
	assert_paths(w, 2, 3, false, 0, 0, 0);
	world_destroy(w);
}

static void an_element_that_knows_no_links_is_reached_straight(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	add_ports(w);
	set_triangle(w);
	fake_of(w, 2)->knows_no_links = true;
	connect_all(w);
	both(w, 3, A, 1, B, true);
	assert_paths(w, 1, 2, false, 0, 0, 0);
	assert_paths(w, 2, 1, false, 0, 0, 0);
	assert_paths(w, 1, 3, false, 1, B, 0);
	world_destroy(w);
}

/* Links that somebody configured for it all the same are told to nobody. */
static void a_switch_is_reached_straight_and_is_never_on_the_way(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	world_declare_switch(w, 2);
	add_ports(w);
	set_triangle(w);
	connect_all(w);
	both(w, 3, A, 1, B, true);
	assert_paths(w, 1, 2, false, 0, 0, 0);
	assert_paths(w, 2, 1, false, 0, 0, 0);
	assert_paths(w, 2, 3, false, 0, 0, 0);
	assert_paths(w, 1, 3, false, 1, B, 0);
	assert_true(fake_group(w, 1, 2)->vxlan);
	assert_true(fake_group(w, 2, 1)->vxlan);
	assert_false(fake_group(w, 1, 3)->vxlan);
	both(w, 3, A, 1, B, false);
	assert_paths(w, 1, 3, false, 1, B, 0);
	assert_int_equal(fake_of(w, 2)->link_mods, 0);
	assert_int_equal(fake_of(w, 2)->errors, 0);
	world_destroy(w);
}

static void an_element_that_is_away_forwards_on_and_its_neighbours_say_whether(void **state)
{
	struct world *w = a_triangle();

	world_disconnect(w, fake_of(w, 3));
	world_wait(w, 1000);
	assert_paths(w, 1, 3, false, 2, B, A);
	assert_int_equal(world_flow_mods(w), 0);
	fake_link_state(w, 1, B, false);
	fake_link_state(w, 2, A, false);
	world_run(w);
	assert_paths(w, 1, 2, false, 1, A, 0);
	world_destroy(w);
}

/* --- views ------------------------------------------------------------------------------------ */

static void keep_path(void *to, const struct path_view *p)
{
	struct path_view **next = to;

	*(*next)++ = *p;
}

static void the_paths_are_told_with_the_elements_between(void **state)
{
	struct world *w = a_triangle();
	struct path_view views[4], *next = views;

	core_paths(w->core, 1, 2, keep_path, &next);
	assert_int_equal(next - views, 2);
	assert_int_equal(views[0].kind, PATH_FIRST);
	assert_int_equal(views[0].count, 2);
	assert_int_equal(views[0].cost, 10);
	assert_int_equal(views[1].kind, PATH_SECOND);
	assert_int_equal(views[1].count, 3);
	assert_int_equal(views[1].fe[1], 3);
	assert_int_equal(views[1].cost, 20);
	world_destroy(w);
}

static void a_trace_shows_the_elements_between(void **state)
{
	struct world *w = a_triangle();
	struct address from = an_address("198.51.100.7"), to = an_address(IP1);
	struct trace_step s[TRACE_STEPS_MAX];
	struct reason why = {""};
	int count = core_trace(w->core, 0, &from, &to, "FE1", s, &why);

	assert_int_equal(count, 4);
	assert_string_equal(s[2].element, "FE2");
	both(w, 1, A, 2, B, false);
	world_wait(w, 100);
	assert_int_equal(core_trace(w->core, 0, &from, &to, "FE1", s, &why), 5);
	assert_string_equal(s[1].action, "group:2,out:0");
	assert_string_equal(s[2].element, "FE3");
	assert_string_equal(s[2].action, "group:2");
	assert_string_equal(s[2].reason, "in transit to FE2 on the best path, of cost 20");
	assert_string_equal(s[3].element, "FE2");
	assert_non_null(strstr(s[3].reason, "out of the tunnel from FE1"));
	assert_non_null(strstr(s[4].reason, "delivered to vm1"));
	world_destroy(w);
}

static void keep_link(void *to, const struct link_view *l)
{
	struct link_view **next = to;

	*(*next)++ = *l;
}

static void a_links_use_and_delay_are_shown(void **state)
{
	struct world *w = a_triangle();
	struct link_view views[8], *next = views;
	struct fake_link *l = fake_link(w, 1, A);

	world_wait(w, 1000);
	l->state.bytes = 1000000;
	l->state.delay_us = 700;
	world_wait(w, 1000);
	core_links(w->core, keep_link, &next);
	assert_int_equal(next - views, 3);
	assert_int_equal(views[0].kind, LINK_ETHERNET);
	assert_true(views[0].up && views[0].end_up[0] && views[0].end_up[1]);
	assert_int_equal(views[0].delay_us, 700);
	assert_int_equal(views[0].bits_per_second[0], 8000000);
	world_destroy(w);
}

static void a_cost_by_delay_follows_it_with_hysteresis(void **state)
{
	struct world *w = a_triangle();
	struct link list[] = {a_link("FE1", "port11", "FE2", "port12", 10),
			      a_link("FE2", "port11", "FE3", "port12", 10),
			      a_link("FE3", "port11", "FE1", "port12", 10)};
	struct link_view views[8], *next = views;

	for (unsigned i = 0; i < 3; i++)
		list[i].by_delay = true;
	core_replace_links(w->core, list, 3, w->now_ms);
	fake_link(w, 1, A)->state.delay_us = 5000;
	fake_link(w, 2, A)->state.delay_us = 1000;
	fake_link(w, 3, A)->state.delay_us = 1000;
	world_wait(w, 2000);
	assert_paths(w, 1, 2, false, 2, B, A);
	world_forget_log(w);
	fake_link(w, 2, A)->state.delay_us = 1150;
	world_wait(w, 30000);
	assert_int_equal(world_flow_mods(w), 0);
	core_links(w->core, keep_link, &next);
	assert_int_equal(views[0].cost, 5000);
	assert_int_equal(views[1].cost, 1000);
	world_destroy(w);
}

/* --- discovery -------------------------------------------------------------------------------- */

/* The cables: FE1's port 11 and FE2's port 12 are one, and so on around. */
static void cable(struct world *w, uint32_t fe, uint32_t port, const uint8_t *frame, size_t size)
{
	struct buffer copy = {0};
	uint32_t to = port == A ? fe % 3 + 1 : (fe + 1) % 3 + 1;

	buffer_add_bytes(&copy, frame, size);
	if (fake_of(w, to)->session)
		fake_frame(w, to, port == A ? B : A, &copy);
	buffer_finish(&copy);
}

static struct world *a_discovering_world(void)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	w->config.discovery = true;
	world_restart(w, 1, false);
	core_replace_links(w->core, NULL, 0, w->now_ms);
	add_ports(w);
	w->sent = cable;
	connect_all(w);
	return w;
}

static void devices_that_are_cabled_become_links(void **state)
{
	struct world *w = a_discovering_world();
	struct link_view views[8], *next = views;

	assert_non_null(fake_rule(w, 1, RULE_LISTEN, NULL));
	core_links(w->core, keep_link, &next);
	assert_int_equal(next - views, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(views[i].discovered && views[i].cost == 10);
	all_up(w, true);
	world_wait(w, 6000); /* until nobody is waited for any more */
	assert_paths(w, 1, 2, false, 2, A, B);
	world_destroy(w);
}

static void a_discovered_link_goes_when_it_is_down_and_silent(void **state)
{
	struct world *w = a_discovering_world();

	all_up(w, true);
	w->sent = NULL;
	world_wait(w, 30000);
	assert_non_null(fake_link(w, 1, A)); /* BFD says that it is up */
	both(w, 1, A, 2, B, false);
	world_wait(w, 30000);
	assert_null(fake_link(w, 1, A));
	assert_non_null(fake_link(w, 3, A));
	world_destroy(w);
}

static void a_configured_link_takes_the_place_of_a_discovered_one(void **state)
{
	struct world *w = a_discovering_world();
	struct link_view views[8], *next = views;

	add(w, a_link("FE2", "port12", "FE1", "port11", 7));
	world_run(w);
	world_wait(w, 12000);
	core_links(w->core, keep_link, &next);
	assert_int_equal(next - views, 3);
	assert_int_equal(views[2].cost, 7);
	assert_false(views[2].discovered);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 0);
	world_destroy(w);
}

static void a_frame_that_the_controller_did_not_send_makes_no_link(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct lldp forged = {.fe = 2, .port = B, .ttl_s = 120, .proof = 4711, .name = "FE2"};
	struct buffer frame = {0};
	struct link_view views[8], *next = views;

	w->config.discovery = true;
	world_restart(w, 1, false);
	add_ports(w);
	connect_all(w);
	lldp_build(&frame, &forged);
	fake_frame(w, 1, A, &frame);
	world_run(w);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 1);
	core_links(w->core, keep_link, &next);
	assert_int_equal(next - views, 2);
	buffer_finish(&frame);
	world_destroy(w);
}

static void a_restarted_controller_finds_the_links_again_and_sends_nothing(void **state)
{
	struct world *w = a_discovering_world();

	all_up(w, true);
	world_wait(w, 6000);
	world_forget_log(w);
	world_restart(w, 2, true);
	core_replace_links(w->core, NULL, 0, w->now_ms);
	connect_all(w);
	world_wait(w, 20000);
	assert_int_equal(world_flow_mods(w), 0);
	for (uint32_t fe = 1; fe <= 3; fe++)
		assert_int_equal(fake_of(w, fe)->link_mods, 0);
	assert_paths(w, 1, 2, false, 2, A, B);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(elements_are_told_their_links_before_groups_use_them),
	cmocka_unit_test(each_group_names_the_best_link_and_a_second_one),
	cmocka_unit_test(a_lost_link_changes_groups_and_no_flow),
	cmocka_unit_test(a_link_that_one_end_says_is_down_is_not_used_by_the_other),
	cmocka_unit_test(a_cost_that_changes_reroutes_by_groups_alone),
	cmocka_unit_test(equal_costs_share_the_flows),
	cmocka_unit_test(a_link_that_goes_is_deleted_at_both_ends),
	cmocka_unit_test(a_restarted_controller_sends_nothing_over_a_backplane_that_did_not_change),
	cmocka_unit_test(a_link_that_an_element_has_and_should_not_is_deleted),
	cmocka_unit_test(links_over_the_underlay_have_the_number_of_their_element),
	cmocka_unit_test(an_element_that_knows_no_links_is_reached_straight),
	cmocka_unit_test(a_switch_is_reached_straight_and_is_never_on_the_way),
	cmocka_unit_test(an_element_that_is_away_forwards_on_and_its_neighbours_say_whether),
	cmocka_unit_test(the_paths_are_told_with_the_elements_between),
	cmocka_unit_test(a_trace_shows_the_elements_between),
	cmocka_unit_test(a_links_use_and_delay_are_shown),
	cmocka_unit_test(a_cost_by_delay_follows_it_with_hysteresis),
	cmocka_unit_test(devices_that_are_cabled_become_links),
	cmocka_unit_test(a_discovered_link_goes_when_it_is_down_and_silent),
	cmocka_unit_test(a_configured_link_takes_the_place_of_a_discovered_one),
	cmocka_unit_test(a_frame_that_the_controller_did_not_send_makes_no_link),
	cmocka_unit_test(a_restarted_controller_finds_the_links_again_and_sends_nothing),
};

RUN_QUIETLY(tests)
