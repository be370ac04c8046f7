/* An FE on a LAN that others share: which flags its bindings and its port have, and what it keeps
 * to itself. */
#include "fixture.h"

#include "packet/neighbor.h"

static struct box box;
static struct controller c;

/* Port 2 is on a segment. */
static int open_box(void **state)
{
	struct agent_port port = {
		.info = {.number = 2, .role = PORT_ACCESS, .mtu = 1500, .segment = 7},
		.ifindex = 102,
		.mac = mac_of(0xf2),
		.name = "port2",
		.up = true,
	};

	box_open(&box);
	c = controller_join(&box, 1);
	controller_prepare(&c, 2);
	agent_port_set(box.agent, &port, box.now_ms);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	controller_drain(&c);
	return 0;
}

static int close_box(void **state)
{
	box_close(&box);
	return 0;
}

static void add(struct rule rule)
{
	assert_int_equal(controller_add(&c, &rule), 0);
}

static void drop(struct rule rule)
{
	assert_int_equal(controller_remove(&c, &rule), 0);
}

static unsigned flags_now(void)
{
	return box_binding(&box, "10.10.0.5")->flags;
}

static struct rule beside(void)
{
	struct rule rule = rule_local("10.10.0.5", 2);

	rule.gateway_mac = mac_of(0xf2);
	return rule;
}

static void listen_to_arp(bool silent)
{
	struct rule rule = rule_listen(2, ETHERTYPE_ARP_);

	rule.silent = silent;
	add(rule);
}

static const struct datapath_port *port_now(void)
{
	uint32_t number = 2;

	return table_get(&box.plane.ports, &number);
}

static void a_binding_with_the_ports_mac_is_beside(void **state)
{
	add(rule_guard("10.10.0.5", 2));
	add(beside());
	assert_int_equal(flags_now(), BINDING_LOCAL | BINDING_GUARD | BINDING_BESIDE);
}

static void who_hands_over_goes_on_for_a_moment(void **state)
{
	add(rule_guard("10.10.0.5", 2));
	add(rule_local("10.10.0.5", 2));
	assert_int_equal(flags_now(), BINDING_LOCAL | BINDING_GUARD);
	add(beside());
	assert_true(flags_now() & BINDING_LEAVING);
	add(beside()); /* another version: no new moment */
	box_pass(&box, 1900);
	assert_true(flags_now() & BINDING_LEAVING);
	box_pass(&box, 200);
	assert_int_equal(flags_now(), BINDING_LOCAL | BINDING_GUARD | BINDING_BESIDE);
}

static void who_takes_over_again_leaves_no_more(void **state)
{
	add(rule_local("10.10.0.5", 2));
	add(beside());
	add(rule_local("10.10.0.5", 2));
	assert_int_equal(flags_now(), BINDING_LOCAL);
	box_pass(&box, 3000);
	assert_int_equal(flags_now(), BINDING_LOCAL);
}

static void a_port_that_is_told_to_be_silent_is_so_after_a_moment(void **state)
{
	assert_true(port_now()->shared);
	assert_false(port_now()->silent);
	listen_to_arp(true);
	assert_false(port_now()->silent);
	box_pass(&box, 2100);
	assert_true(port_now()->silent);
	listen_to_arp(false);
	assert_false(port_now()->silent);
}

static void a_silent_port_from_the_start_is_silent_at_once(void **state)
{
	drop(rule_listen(2, ETHERTYPE_ARP_));
	listen_to_arp(true);
	assert_true(port_now()->silent);
	assert_int_equal(port_now()->listen, DATAPATH_LISTEN_ARP | DATAPATH_LISTEN_RARP);
}

static void only_the_lans_gateway_speaks_for_who_left(void **state)
{
	add(beside());
	add(rule_foreign("10.10.0.5", 3));
	drop(beside());
	assert_int_equal(box.frame_count, 1);
	assert_memory_equal(box.frames[0].data + 6, gateway_mac.bytes, 6);
	drop(rule_foreign("10.10.0.5", 3));

	listen_to_arp(true);
	box_pass(&box, 10000);
	box.frame_count = 0;
	add(beside());
	add(rule_foreign("10.10.0.5", 3));
	drop(beside());
	box_pass(&box, 5000);
	assert_int_equal(box.frame_count, 0);
}

static void a_node_beside_is_not_probed(void **state)
{
	box.idle_ms = -1;
	add(beside());
	box_pass(&box, 60000);
	assert_int_equal(box.frame_count, 0);
}

static void a_tentative_binding_delivers_from_the_ports_mac(void **state)
{
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_int_equal(flags_now(), BINDING_LOCAL | BINDING_MARKED_ONLY);
	assert_memory_equal(box_binding(&box, "10.10.0.5")->gateway_mac.bytes, mac_of(0xf2).bytes,
			    6);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_BOX(a_binding_with_the_ports_mac_is_beside),
		IN_A_BOX(who_hands_over_goes_on_for_a_moment),
		IN_A_BOX(who_takes_over_again_leaves_no_more),
		IN_A_BOX(a_port_that_is_told_to_be_silent_is_so_after_a_moment),
		IN_A_BOX(a_silent_port_from_the_start_is_silent_at_once),
		IN_A_BOX(only_the_lans_gateway_speaks_for_who_left),
		IN_A_BOX(a_node_beside_is_not_probed),
		IN_A_BOX(a_tentative_binding_delivers_from_the_ports_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
