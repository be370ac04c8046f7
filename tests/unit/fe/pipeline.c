/* fe/pipeline, modify, derive, select: OpenFlow's semantics, and what the data plane is told. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct box box;
static struct controller c;

static int open_box(void **state)
{
	box_open(&box);
	c = controller_join(&box, 1);
	controller_prepare(&c, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	controller_drain(&c);
	return 0;
}

static int close_box(void **state)
{
	box_close(&box);
	return 0;
}

static unsigned flags_of(const char *address)
{
	const struct datapath_binding *b = box_binding(&box, address);

	return b ? b->flags : 0;
}

static void add(struct rule rule)
{
	assert_int_equal(controller_add(&c, &rule), 0);
}

static void drop(struct rule rule)
{
	assert_int_equal(controller_remove(&c, &rule), 0);
}

static struct ofp_flow_mod delete_in(uint8_t table)
{
	return (struct ofp_flow_mod){.table = table,
				     .command = OFPFC_DELETE,
				     .buffer_id = OFP_NO_BUFFER,
				     .out_port = OFPP_ANY,
				     .out_group = OFPG_ANY};
}

static void local_and_guard_make_one_entry(void **state)
{
	const struct datapath_binding *b;

	add(rule_guard("10.10.0.5", 2));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_GUARD);
	add(rule_local("10.10.0.5", 2));
	b = box_binding(&box, "10.10.0.5");
	assert_int_equal(b->flags, BINDING_LOCAL | BINDING_GUARD);
	assert_int_equal(b->port, 2);
	assert_int_equal(b->mac.bytes[5], 5);
	assert_true(mac_equal(&b->gateway_mac, &gateway_mac));
	drop(rule_local("10.10.0.5", 2));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_GUARD);
	drop(rule_guard("10.10.0.5", 2));
	assert_null(box_binding(&box, "10.10.0.5"));
}

static void a_guard_counts_where_the_node_is(void **state)
{
	add(rule_local("10.10.0.5", 2));
	add(rule_guard("10.10.0.5", 2));
	add(rule_guard("10.10.0.5", 3)); /* a move within the FE begins */
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL | BINDING_GUARD);
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 2);
	add(rule_local("10.10.0.5", 3));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL | BINDING_GUARD);
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 3);
	drop(rule_guard("10.10.0.5", 3));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
	drop(rule_local("10.10.0.5", 3));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_GUARD);
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 2);
}

static void local_tentative_and_foreign_coexist_as_the_design_says(void **state)
{
	struct rule tentative = rule_local("10.10.0.5", 3);

	tentative.key.kind = RULE_TENTATIVE;
	add(rule_foreign("10.10.0.5", 3));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN);
	add(tentative);
	assert_int_equal(flags_of("10.10.0.5"),
			 BINDING_FOREIGN | BINDING_LOCAL | BINDING_MARKED_ONLY);
	add(rule_local("10.10.0.5", 2));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN | BINDING_LOCAL);
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 2);
	drop(rule_foreign("10.10.0.5", 3));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
}

static void a_move_is_one_write_for_each_flow_mod(void **state)
{
	unsigned writes;

	add(rule_local("10.10.0.5", 2));
	writes = box.plane.binding_writes;
	add(rule_foreign("10.10.0.5", 3));
	assert_int_equal(box.plane.binding_writes, writes + 1);
	drop(rule_local("10.10.0.5", 2));
	assert_int_equal(box.plane.binding_writes, writes + 2);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN);
}

static void an_add_replaces_action_and_cookie(void **state)
{
	struct rule r = rule_foreign("10.10.0.5", 3);
	const struct rule *kept;

	assert_int_equal(controller_add_group(&c, 4, OFPGC_ADD), 0);
	add(r);
	r.fe = 4;
	r.cookie++;
	add(r);
	kept = table_get(&box.plane.rules, &r.key);
	assert_true(rule_equal(kept, &r));
	assert_int_equal(box_binding(&box, "10.10.0.5")->fe, 4);
}

static void a_modify_keeps_the_cookie(void **state)
{
	struct rule r = rule_foreign("10.10.0.5", 3);
	struct ofp_flow_mod f;
	const struct rule *kept;

	assert_int_equal(controller_add_group(&c, 4, OFPGC_ADD), 0);
	add(r);
	r.fe = 4;
	r.cookie++;
	rule_to_flow_mod(&r, OFPFC_MODIFY_STRICT, &f);
	f.cookie_mask = 0;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	kept = table_get(&box.plane.rules, &r.key);
	assert_int_equal(kept->fe, 4);
	assert_int_equal(kept->cookie, r.cookie - 1);
	/* What is not there is not made. */
	r = rule_foreign("10.10.0.9", 3);
	rule_to_flow_mod(&r, OFPFC_MODIFY_STRICT, &f);
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_null(table_get(&box.plane.rules, &r.key));
}

static void a_modify_that_one_flow_cannot_take_changes_none(void **state)
{
	struct rule r = rule_foreign("10.10.0.5", 3);
	struct ofp_flow_mod f;
	const struct rule *kept;

	assert_int_equal(controller_add_group(&c, 4, OFPGC_ADD), 0);
	add(r);
	r.fe = 4;
	rule_to_flow_mod(&r, OFPFC_MODIFY, &f);
	f.match.count = 0; /* the drops of COVERED too, which cannot point to a group */
	assert_true(controller_flow_mod(&c, &f) < 0);
	kept = table_get(&box.plane.rules, &r.key);
	assert_int_equal(kept->fe, 3);
}

static void a_deletion_by_cookie_mask_spares_the_others(void **state)
{
	struct rule one = rule_local("10.10.0.5", 2), two = rule_local("10.10.0.6", 2);
	struct ofp_flow_mod f = delete_in(OFP_TABLE_ALL);

	two.cookie = one.cookie + (1ull << 40);
	add(one);
	add(two);
	f.cookie = two.cookie;
	f.cookie_mask = 0xffffff0000000000;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
	assert_null(box_binding(&box, "10.10.0.6"));
}

static void a_loose_deletion_takes_all_that_it_covers(void **state)
{
	struct ofp_flow_mod f = delete_in(TABLE_BINDING);

	add(rule_local("10.10.0.5", 2));
	add(rule_foreign("10.10.0.5", 3));
	add(rule_local("10.10.1.5", 2));
	add(rule_guard("10.10.0.5", 2));
	ofp_match_set(&f.match, OFP_FIELD_ETH_TYPE, ETHERTYPE_IPV4_);
	ofp_match_set_masked(&f.match, OFP_FIELD_IPV4_DST, 0x0a0a0000, 0xffffff00);
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_GUARD); /* another table */
	assert_int_equal(flags_of("10.10.1.5"), BINDING_LOCAL);
}

static void a_deletion_by_output_takes_only_what_leaves_there(void **state)
{
	struct ofp_flow_mod f = delete_in(OFP_TABLE_ALL);

	add(rule_local("10.10.0.5", 2));
	add(rule_local("10.10.0.6", 3));
	add(rule_foreign("10.10.0.7", 3));
	f.out_port = 3;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
	assert_null(box_binding(&box, "10.10.0.6"));
	f.out_port = OFPP_ANY;
	f.out_group = 3;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_null(box_binding(&box, "10.10.0.7"));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
}

static void everything_can_be_deleted(void **state)
{
	struct ofp_flow_mod f = delete_in(OFP_TABLE_ALL);
	size_t at = 0;
	void *value;

	add(rule_local("10.10.0.5", 2));
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_int_equal(box.plane.rules.count, 0);
	assert_int_equal(box.plane.bindings.count, 0);
	assert_int_equal(box.plane.prefixes.count, 0);
	while (table_next(&box.plane.ports, &at, NULL, &value)) {
		assert_false(((struct datapath_port *)value)->admitted);
		assert_int_equal(((struct datapath_port *)value)->listen, 0);
	}
	assert_int_equal(controller_flow_mod(&c, &f), 0); /* deleting nothing is no error */
	f.table = TABLE_COUNT;
	assert_int_equal(controller_flow_mod(&c, &f), -OFP_FLOW_MOD_FAILED_BAD_TABLE_ID);
}

static void a_removal_is_reported_to_who_asked(void **state)
{
	struct rule r = rule_local("10.10.0.5", 2);
	struct ofp_flow_mod f;
	struct ofp_flow_removed removed;

	box.packets = 5;
	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.flags = OFPFF_SEND_FLOW_REM;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	box_pass(&box, 2500);
	controller_drain(&c);
	rule_to_flow_mod(&r, OFPFC_DELETE_STRICT, &f);
	struct buffer b = {0};

	ofp_flow_mod_encode(&b, 5, &f);
	controller_send(&c, &b);
	struct message m = controller_expect(&c, OFPT_FLOW_REMOVED);

	assert_int_equal(ofp_flow_removed_decode(&m.body, &removed), 0);
	assert_int_equal(removed.cookie, r.cookie);
	assert_int_equal(removed.reason, OFPRR_DELETE);
	assert_int_equal(removed.table, TABLE_BINDING);
	assert_int_equal(removed.duration_s, 2);
	assert_int_equal(removed.duration_ns, 500000000);
	message_free(&m);
}

static void timeouts_remove_what_they_say(void **state)
{
	struct rule hard = rule_foreign("10.10.0.5", 3), idle = rule_local("10.10.0.6", 2);
	struct ofp_flow_mod f;

	rule_to_flow_mod(&hard, OFPFC_ADD, &f);
	f.hard_timeout = 5;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	rule_to_flow_mod(&idle, OFPFC_ADD, &f);
	f.idle_timeout = 3;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	for (unsigned i = 0; i < 4; i++) {
		box.packets++; /* traffic */
		box_pass(&box, 1000);
	}
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN);
	assert_int_equal(flags_of("10.10.0.6"), BINDING_LOCAL);
	box_pass(&box, 1500);
	assert_null(box_binding(&box, "10.10.0.5"));
	assert_int_equal(flags_of("10.10.0.6"), BINDING_LOCAL);
	box_pass(&box, 2000);
	assert_null(box_binding(&box, "10.10.0.6"));
	/* Nobody counts how often a foreign binding is used. */
	rule_to_flow_mod(&hard, OFPFC_ADD, &f);
	f.idle_timeout = 5;
	assert_int_equal(controller_flow_mod(&c, &f), -OFP_FLOW_MOD_FAILED_BAD_TIMEOUT);
}

static void a_full_table_is_said_to_be_full_and_nothing_is_half_done(void **state)
{
	struct rule r = rule_local("10.10.0.6", 2);
	size_t rules = box.plane.rules.count;

	box.plane.binding_limit = 1;
	add(rule_local("10.10.0.5", 2));
	assert_int_equal(controller_add(&c, &r), -OFP_FLOW_MOD_FAILED_TABLE_FULL);
	assert_int_equal(box.plane.rules.count, rules + 1);
	assert_null(box_binding(&box, "10.10.0.6"));
	box.plane.binding_limit = 2;
	add(r);
}

static void a_replacement_that_fails_leaves_what_was_there(void **state)
{
	struct rule r = rule_local("10.10.0.5", 2), other = r;
	struct ofp_flow_mod f;
	const struct rule *kept;

	add(r);
	other.port = 3;
	other.cookie++;
	box.plane.binding_error = -EIO;
	assert_int_equal(controller_add(&c, &other), -OFP_FLOW_MOD_FAILED_UNKNOWN);
	kept = table_get(&box.plane.rules, &r.key);
	assert_true(rule_equal(kept, &r));
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 2);
	/* Its port is counted as before: it goes and comes with the binding. */
	agent_port_remove(box.agent, 2, box.now_ms);
	assert_null(box_binding(&box, "10.10.0.5"));
	box_add_port(&box, 2, PORT_ACCESS);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
	f = delete_in(TABLE_BINDING);
	f.out_port = 2;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_null(box_binding(&box, "10.10.0.5"));
}

static void a_foreign_binding_needs_its_group(void **state)
{
	struct rule r = rule_foreign("10.10.0.5", 9),
		    external = rule_prefix(RULE_EXTERNAL, "0.0.0.0/0");

	assert_int_equal(controller_add(&c, &r), -OFP_BAD_ACTION_BAD_OUT_GROUP);
	external.fe = 9;
	assert_int_equal(controller_add(&c, &external), -OFP_BAD_ACTION_BAD_OUT_GROUP);
	assert_int_equal(controller_add_group(&c, 9, OFPGC_ADD), 0);
	add(r);
	add(external);
}

static void what_the_data_plane_cannot_do_is_refused(void **state)
{
	struct rule r = rule_local("10.10.0.5", 77);

	assert_int_equal(controller_add(&c, &r), -OFP_BAD_ACTION_BAD_OUT_PORT);
	r = rule_admit(77);
	assert_int_equal(controller_add(&c, &r), -OFP_BAD_MATCH_BAD_VALUE);
	r = rule_admit(3);
	r.next_table = TABLE_BINDING; /* an access port without its guard */
	assert_int_equal(controller_add(&c, &r), -OFP_BAD_INSTRUCTION_BAD_TABLE_ID);
	r = rule_admit(3);
	r.fe = 7; /* not this FE */
	assert_int_equal(controller_add(&c, &r), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	r = rule_admit(1); /* an external port */
	add(r);
}

static void what_a_switch_is_told_beside_is_refused(void **state)
{
	struct rule list[] = {
		{.key = {.kind = RULE_MULTICAST}},
		{.key = {.kind = RULE_ECHO, .address = ip("10.10.0.1")}, .mac = gateway_mac},
		{.key = {.kind = RULE_BESIDE,
			 .port = 2,
			 .mac = {{2, 0, 0, 0, 0, 5}},
			 .address = ip("10.10.0.5")}},
		{.key = {.kind = RULE_PROBE}},
		{.key = {.kind = RULE_SELF, .address = ip("10.10.0.5")}},
		{.key = {.kind = RULE_BESIDE_ASKED, .port = 2, .address = ip("10.10.0.5")}},
		{.key = {.kind = RULE_MEASURE}, .frame_max = 1464},
		{.key = {.kind = RULE_TOO_BIG}},
		{.key = {.kind = RULE_SEND}},
	};
	struct rule external = rule_prefix(RULE_EXTERNAL, "0.0.0.0/0");
	struct rule_group limited = {
		.fe = 77, .address = ip("172.16.77.2"), .vxlan = true, .limited = true};
	struct ofp_group_mod m;
	size_t before = box.plane.rules.count;

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		assert_true(rule_is_for_switch(&list[i]));
		assert_int_equal(controller_add(&c, &list[i]), -OFP_FLOW_MOD_FAILED_EPERM);
	}
	external.port = 1; /* a next hop's MAC, where we ask the kernel */
	external.mac = gateway_mac;
	external.gateway_mac = gateway_mac;
	assert_int_equal(controller_add(&c, &external), -OFP_BAD_ACTION_BAD_OUT_PORT);
	assert_int_equal(box.plane.rules.count, before);
	rule_group_to_group_mod(&limited, OFPGC_ADD, &m);
	assert_int_equal(controller_group_mod(&c, &m), -OFP_BAD_ACTION_BAD_TYPE);
}

static void an_overlap_is_refused_if_asked(void **state)
{
	struct rule r = rule_prefix(RULE_COVERED, "10.10.3.0/24");
	struct ofp_flow_mod f;

	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.flags = OFPFF_CHECK_OVERLAP;
	assert_int_equal(controller_flow_mod(&c, &f), -OFP_FLOW_MOD_FAILED_OVERLAP);
	r = rule_prefix(RULE_COVERED, "10.11.3.0/24");
	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.flags = OFPFF_CHECK_OVERLAP;
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	f.flags = 1 << 9;
	assert_int_equal(controller_flow_mod(&c, &f), -OFP_FLOW_MOD_FAILED_BAD_FLAGS);
}

static void a_group_mod_changes_one_peer_and_no_binding(void **state)
{
	const struct datapath_peer *peer;
	unsigned bindings, peers, writes;
	uint32_t fe = 3;
	struct rule_group g = {
		.fe = 3, .address = ip("172.16.99.2"), .redirect = ip("172.16.99.3")};
	struct ofp_group_mod m;

	for (unsigned i = 1; i < 100; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.10.7.%u", i);
		add(rule_foreign(text, 3));
	}
	bindings = box.plane.binding_writes;
	peers = box.plane.peer_writes;
	writes = box.plane.writes;
	rule_group_to_group_mod(&g, OFPGC_MODIFY, &m);
	assert_int_equal(controller_group_mod(&c, &m), 0);
	assert_int_equal(box.plane.binding_writes, bindings);
	assert_int_equal(box.plane.peer_writes, peers + 1);
	assert_int_equal(box.plane.writes, writes + 2); /* and the pinned list */
	peer = table_get(&box.plane.peers, &fe);
	assert_true(peer->send);
	assert_true(address_equal(&peer->address, &g.address));
	assert_true(address_equal(&peer->redirect, &g.redirect));
}

static void a_peer_may_send_when_both_its_rules_are_there(void **state)
{
	struct rule plain = {.key = {.kind = RULE_PEER,
				     .length = 128,
				     .port = PIPELINE_TUNNEL_PORT,
				     .address = ip("172.16.3.2")},
			     .fe = 3};
	struct rule marked = plain, other = plain;
	uint32_t fe = 3;
	const struct datapath_peer *peer = table_get(&box.plane.peers, &fe);

	marked.key.kind = RULE_PEER_MARKED;
	assert_true(peer->send && !peer->receive);
	add(plain);
	assert_false(peer->receive);
	add(marked);
	assert_true(peer->send && peer->receive);
	other.fe = 4; /* the address is another FE's now */
	add(other);
	assert_false(peer->receive);
	add(plain);
	assert_true(peer->receive);
	other = marked;
	other.fe = 4;
	add(other);
	assert_false(peer->receive);
	add(marked);
	assert_true(peer->receive);
	drop(marked);
	assert_false(peer->receive);
}

static void a_peer_without_a_group_only_receives(void **state)
{
	struct rule plain = {.key = {.kind = RULE_PEER,
				     .length = 128,
				     .port = PIPELINE_TUNNEL_PORT,
				     .address = ip("172.16.5.2")},
			     .fe = 5};
	struct rule marked = plain;
	uint32_t fe = 5;
	const struct datapath_peer *peer;

	marked.key.kind = RULE_PEER_MARKED;
	add(plain);
	add(marked);
	peer = table_get(&box.plane.peers, &fe);
	assert_non_null(peer);
	assert_true(peer->receive && !peer->send);
	drop(plain);
	assert_null(table_get(&box.plane.peers, &fe));
}

static void groups_answer_as_openflow_says(void **state)
{
	struct rule_group g = {.fe = 3};
	struct ofp_group_mod m;
	struct rule r = rule_foreign("10.10.0.5", 3);

	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD),
			 -OFP_GROUP_MOD_FAILED_GROUP_EXISTS);
	assert_int_equal(controller_add_group(&c, 8, OFPGC_MODIFY),
			 -OFP_GROUP_MOD_FAILED_UNKNOWN_GROUP);
	add(r);
	rule_group_to_group_mod(&g, OFPGC_DELETE, &m);
	assert_int_equal(controller_group_mod(&c, &m), 0);
	assert_null(box_binding(&box, "10.10.0.5")); /* its flows go with it */
	assert_null(table_get(&box.plane.rules, &r.key));
	assert_int_equal(box.plane.peers.count, 0);
	assert_int_equal(controller_group_mod(&c, &m), 0); /* deleting nothing is no error */
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	m.group = OFPG_ALL;
	assert_int_equal(controller_group_mod(&c, &m), 0);
	assert_int_equal(box.plane.groups.count, 0);
	m.command = 7;
	assert_int_equal(controller_group_mod(&c, &m), -OFP_GROUP_MOD_FAILED_BAD_COMMAND);
}

static void bindings_of_a_port_go_and_come_with_it(void **state)
{
	add(rule_local("10.10.0.5", 3));
	add(rule_guard("10.10.0.5", 3));
	add(rule_foreign("10.10.0.5", 3));
	agent_port_remove(box.agent, 3, box.now_ms);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN);
	box_add_port(&box, 3, PORT_ACCESS);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL | BINDING_FOREIGN | BINDING_GUARD);
}

static void ports_are_told_their_admission(void **state)
{
	uint32_t number = 2;
	const struct datapath_port *port = table_get(&box.plane.ports, &number);
	struct rule r = rule_admit(2);

	assert_true(port->admitted);
	assert_int_equal(port->listen, DATAPATH_LISTEN_ARP | DATAPATH_LISTEN_RARP);
	r.vrf = 5;
	add(r);
	assert_int_equal(port->vrf, 5);
	drop(r);
	assert_false(port->admitted);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_BOX(local_and_guard_make_one_entry),
		IN_A_BOX(a_guard_counts_where_the_node_is),
		IN_A_BOX(local_tentative_and_foreign_coexist_as_the_design_says),
		IN_A_BOX(a_move_is_one_write_for_each_flow_mod),
		IN_A_BOX(an_add_replaces_action_and_cookie),
		IN_A_BOX(a_modify_keeps_the_cookie),
		IN_A_BOX(a_modify_that_one_flow_cannot_take_changes_none),
		IN_A_BOX(a_deletion_by_cookie_mask_spares_the_others),
		IN_A_BOX(a_loose_deletion_takes_all_that_it_covers),
		IN_A_BOX(a_deletion_by_output_takes_only_what_leaves_there),
		IN_A_BOX(everything_can_be_deleted),
		IN_A_BOX(a_removal_is_reported_to_who_asked),
		IN_A_BOX(timeouts_remove_what_they_say),
		IN_A_BOX(a_full_table_is_said_to_be_full_and_nothing_is_half_done),
		IN_A_BOX(a_replacement_that_fails_leaves_what_was_there),
		IN_A_BOX(a_foreign_binding_needs_its_group),
		IN_A_BOX(what_the_data_plane_cannot_do_is_refused),
		IN_A_BOX(what_a_switch_is_told_beside_is_refused),
		IN_A_BOX(an_overlap_is_refused_if_asked),
		IN_A_BOX(a_group_mod_changes_one_peer_and_no_binding),
		IN_A_BOX(a_peer_may_send_when_both_its_rules_are_there),
		IN_A_BOX(a_peer_without_a_group_only_receives),
		IN_A_BOX(groups_answer_as_openflow_says),
		IN_A_BOX(bindings_of_a_port_go_and_come_with_it),
		IN_A_BOX(ports_are_told_their_admission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
