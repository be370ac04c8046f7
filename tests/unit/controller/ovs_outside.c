/* What speaks for an Open vSwitch: a routing daemon on the controller's side, whose routes are the
 * switch's; and the controller, to IPv6 nodes.  FE1 and FE2 are switches, FE3 is a victor-fe. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"
#include "packet/nd.h"

#include <errno.h>
#include <stdio.h>

#define VM "52:54:00:00:00:11"
#define V4 "10.10.0.11"
#define V6 "2001:db8:10::11"
#define GATEWAY6 "2001:db8:10::1"
#define ROUTER_MAC "02:00:00:00:09:01"
#define EXTERNAL "port9"

static struct world *world_with(bool routing)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct covered_prefix p = {.mobile = true, .autoconf = true};
	struct node_spec n = {.id = "vm1", .mobile = true, .address_count = 2};
	struct reason why;

	w->routing = routing;
	world_declare_switch(w, 1);
	world_declare_switch(w, 2);
	assert_int_equal(prefix_parse("2001:db8:10::/64", &p.prefix), 0);
	p.gateway = an_address(GATEWAY6);
	assert_int_equal(core_add_prefix(w->core, &p, &why), 0);
	n.mac = a_mac(VM);
	n.addresses[0] = an_address(V4);
	n.addresses[1] = an_address(V6);
	assert_int_equal(core_put_node(w->core, &n, w->now_ms, &why), 0);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 150);
	return w;
}

static struct outside_route route(const char *prefix, const char *mac)
{
	struct outside_route r = {0};

	assert_int_equal(prefix_parse(prefix, &r.prefix), 0);
	if (mac)
		r.mac = a_mac(mac);
	return r;
}

static void set_routes(struct world *w, const struct outside_route *list, unsigned count)
{
	core_set_routes(w->core, "FE1", EXTERNAL, list, count, w->now_ms);
	world_run(w);
}

static void the_daemons_routes_become_the_switchs_external_rules(void **state)
{
	struct world *w = world_with(true);
	const struct outside_route list[] = {
		route("0.0.0.0/0", ROUTER_MAC), route("192.0.2.0/24", ROUTER_MAC),
		route("198.18.0.0/15", NULL), route("2001:db8:ff::/48", ROUTER_MAC)};
	const struct rule *rule;

	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	set_routes(w, list, 4);
	rule = fake_rule(w, 1, RULE_EXTERNAL, "192.0.2.0");
	assert_int_equal(rule->port, 9);
	assert_int_equal(rule->mac.bytes[4], 9);
	assert_non_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	assert_non_null(fake_rule(w, 1, RULE_EXTERNAL, "2001:db8:ff::"));
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "198.18.0.0")); /* nobody knows its next hop */
	world_destroy(w);
}

static void only_what_changed_is_told(void **state)
{
	struct world *w = world_with(true);
	const struct outside_route list[] = {route("0.0.0.0/0", ROUTER_MAC),
					     route("192.0.2.0/24", ROUTER_MAC),
					     route("192.0.3.0/24", ROUTER_MAC)};

	set_routes(w, list, 2);
	world_forget_log(w);
	set_routes(w, list, 2);
	assert_int_equal(world_flow_mods(w), 0);
	set_routes(w, list, 3);
	assert_int_equal(world_flow_mods(w), 1);
	set_routes(w, list, 1);
	assert_int_equal(world_flow_mods(w), 3);
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "192.0.2.0"));
	set_routes(w, NULL, 0);
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	world_destroy(w);
}

static void a_restarted_controller_keeps_the_routes_until_the_daemon_had_time(void **state)
{
	struct world *w = world_with(true);
	const struct outside_route list[] = {route("0.0.0.0/0", ROUTER_MAC),
					     route("192.0.2.0/24", ROUTER_MAC)};

	set_routes(w, list, 2);
	world_restart(w, 2, true);
	for (unsigned i = 0; i < w->fake_count; i++)
		world_connect(w, &w->fakes[i]);
	world_run(w);
	world_wait(w, 20000);
	assert_non_null(fake_rule(w, 1, RULE_EXTERNAL, "192.0.2.0"));
	set_routes(w, list, 1);
	world_wait(w, 20000);
	assert_non_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "192.0.2.0"));
	world_destroy(w);
}

static void what_is_for_the_daemon_goes_up(void **state)
{
	struct world *with = world_with(true), *without = world_with(false);

	assert_non_null(fake_rule(with, 1, RULE_SPEAK, "198.51.100.1"));
	assert_non_null(fake_rule(with, 1, RULE_SPEAK, "224.0.0.0"));
	assert_null(fake_rule(without, 1, RULE_SPEAK, "198.51.100.1"));
	world_destroy(with);
	world_destroy(without);
}

static void routes_of_somebody_else_are_passed_over(void **state)
{
	struct world *w = world_with(true);
	const struct outside_route list[] = {route("0.0.0.0/0", ROUTER_MAC)};
	static const uint8_t frame[60];

	core_set_routes(w->core, "FE3", EXTERNAL, list, 1, w->now_ms);
	core_set_routes(w->core, "nobody", EXTERNAL, list, 1, w->now_ms);
	core_set_routes(w->core, "FE1", "port2", list, 1, w->now_ms);
	core_send_outside(w->core, "FE1", "port2", frame, sizeof(frame), w->now_ms);
	world_run(w);
	assert_null(fake_rule(w, 1, RULE_EXTERNAL, "0.0.0.0"));
	world_destroy(w);
}

static unsigned said_on(const struct world *w, uint32_t fe, uint32_t port)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->log_count; i++)
		count += w->log[i].fe == fe && w->log[i].what == LOG_PACKET_OUT &&
			 w->log[i].port == port;
	return count;
}

static void a_switch_answers_neighbour_solicitations_for_gateway_and_nodes(void **state)
{
	struct world *w = world_with(false);

	assert_non_null(fake_rule(w, 2, RULE_ANSWER, GATEWAY6));
	assert_non_null(fake_rule(w, 2, RULE_ECHO, GATEWAY6));
	fake_announces(w, 2, 3, VM, V6);
	world_run(w);
	assert_at(w, "vm1", 2, 3, ATTACHMENT_ACTIVE);
	for (uint32_t fe = 1; fe <= 2; fe++) {
		assert_non_null(fake_rule(w, fe, RULE_ANSWER, V6));
		assert_null(fake_rule(w, fe, RULE_SELF, V6));
	}
	assert_non_null(fake_rule(w, 2, RULE_LOCAL, V4)); /* all move at once */
	assert_int_equal(fake_rule(w, 2, RULE_BESIDE_ASKED, V6)->key.port, 3);
	world_destroy(w);
}

static void router_advertisements_are_repeated_as_the_standard_says(void **state)
{
	struct world *w = world_with(false);

	world_wait(w, 1000);
	world_forget_log(w);
	world_wait(w, 40000); /* two more of the initial three */
	assert_int_equal(said_on(w, 2, 3), 2);
	world_forget_log(w);
	world_wait(w, 100000);
	assert_int_equal(said_on(w, 2, 3), 0);
	world_wait(w, 510000);
	assert_true(said_on(w, 2, 3) >= 1 && said_on(w, 2, 3) <= 3);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_daemons_routes_become_the_switchs_external_rules),
	cmocka_unit_test(only_what_changed_is_told),
	cmocka_unit_test(a_restarted_controller_keeps_the_routes_until_the_daemon_had_time),
	cmocka_unit_test(what_is_for_the_daemon_goes_up),
	cmocka_unit_test(routes_of_somebody_else_are_passed_over),
	cmocka_unit_test(a_switch_answers_neighbour_solicitations_for_gateway_and_nodes),
	cmocka_unit_test(router_advertisements_are_repeated_as_the_standard_says),
};

RUN_QUIETLY(tests)
