/* fe/agent, request, statistics: an OpenFlow switch as its controllers see it. */
#include "fixture.h"

#include "packet/neighbor.h"

#include <stdlib.h>

static struct box box;

static int open_box(void **state)
{
	box_open(&box);
	return 0;
}

static int close_box(void **state)
{
	box_close(&box);
	return 0;
}

static struct reader experimenter(struct message *m, enum experimenter_type type)
{
	enum experimenter_type met;

	assert_int_equal(m->header.type, OFPT_EXPERIMENTER);
	assert_int_equal(experimenter_decode(&m->body, &met), 0);
	assert_int_equal(met, type);
	return m->body;
}

static void a_controller_learns_who_this_is_and_which_ports_there_are(void **state)
{
	struct controller c = controller_connect(&box, true);
	struct buffer b = {0};
	struct ofp_features f;
	struct element_info e;
	unsigned ports = 0;

	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	controller_send(&c, &b);
	struct message m = controller_expect(&c, OFPT_FEATURES_REPLY);

	assert_int_equal(m.header.xid, 2);
	assert_int_equal(ofp_features_decode(&m.body, &f), 0);
	assert_int_equal(f.datapath_id, 2);
	assert_int_equal(f.table_count, TABLE_COUNT);
	message_free(&m);
	m = controller_next(&c);
	struct reader rd = experimenter(&m, EXPERIMENTER_ELEMENT);

	assert_int_equal(element_info_decode(&rd, &e), 0);
	assert_string_equal(e.name, "fe2");
	message_free(&m);
	m = controller_next(&c);
	(void)experimenter(&m, EXPERIMENTER_OVERLAPS);
	message_free(&m);
	while (controller_has(&c, OFPT_EXPERIMENTER)) {
		struct port_info info;
		struct ofp_port_status status;

		m = controller_next(&c);
		rd = experimenter(&m, EXPERIMENTER_PORT);
		assert_int_equal(port_info_decode(&rd, &info), 0);
		message_free(&m);
		m = controller_next(&c);
		assert_int_equal(m.header.type, OFPT_PORT_STATUS);
		assert_int_equal(ofp_port_status_decode(&m.body, &status), 0);
		assert_int_equal(status.port.number, info.number);
		assert_int_equal(status.reason, OFPPR_ADD);
		message_free(&m);
		ports++;
	}
	assert_int_equal(ports, 4);
}

static void a_port_that_comes_changes_or_goes_is_reported(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct ofp_port_status status;
	struct message m;

	controller_drain(&c);
	box_add_port(&box, 9, PORT_ACCESS);
	m = controller_expect(&c, OFPT_PORT_STATUS);
	assert_int_equal(ofp_port_status_decode(&m.body, &status), 0);
	assert_int_equal(status.reason, OFPPR_ADD);
	assert_string_equal(status.port.name, "port9");
	message_free(&m);
	box_add_port(&box, 9, PORT_ACCESS); /* nothing changed */
	assert_false(controller_has(&c, OFPT_PORT_STATUS));
	agent_port_remove(box.agent, 9, box.now_ms);
	m = controller_expect(&c, OFPT_PORT_STATUS);
	assert_int_equal(ofp_port_status_decode(&m.body, &status), 0);
	assert_int_equal(status.reason, OFPPR_DELETE);
	assert_int_equal(status.port.number, 9);
	assert_int_equal(status.port.state, OFPPS_LINK_DOWN);
	message_free(&m);
}

static void an_announcement_goes_up_and_is_flushed_at_once(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct ofp_packet_in p;
	struct neighbor n;
	unsigned flushes;

	controller_prepare(&c, 2);
	controller_drain(&c);
	flushes = box.flushes;
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_int_equal(box.flushes, flushes + 1);
	struct message m = controller_next(&c);

	assert_int_equal(m.header.type, OFPT_PACKET_IN);
	assert_int_equal(ofp_packet_in_decode(&m.body, &p), 0);
	assert_int_equal(p.table, TABLE_PORT);
	assert_int_equal(p.cookie, 99);
	assert_int_equal(ofp_match_value(ofp_match_get(&p.match, OFP_FIELD_IN_PORT)), 2);
	assert_int_equal(neighbor_parse(p.data, p.data_size, &n), 0);
	struct address five = ip("10.10.0.5");

	assert_true(address_equal(&n.sender, &five));
	message_free(&m);
}

static void a_tag_that_the_data_plane_took_out_is_put_back(void **state)
{
	struct controller c = controller_join(&box, 1);
	uint8_t frame[NEIGHBOR_FRAME_SIZE];
	size_t size = build_announcement(frame, "10.10.0.5", 5);
	struct upcall u = {UPCALL_NEIGHBOR, 2, 44, frame, size, size};
	struct ofp_packet_in p;
	struct neighbor n;

	controller_prepare(&c, 2);
	controller_drain(&c);
	agent_upcall(box.agent, &u, box.now_ms);
	struct message m = controller_next(&c);

	assert_int_equal(ofp_packet_in_decode(&m.body, &p), 0);
	assert_int_equal(neighbor_parse(p.data, p.data_size, &n), 0);
	assert_int_equal(n.vlan, 44);
	message_free(&m);
}

static void a_barrier_is_answered_after_the_upcalls(void **state)
{
	struct controller c = controller_join(&box, 1);
	uint8_t frame[NEIGHBOR_FRAME_SIZE];
	size_t size = build_announcement(frame, "10.10.0.5", 5);
	struct buffer b = {0};

	controller_prepare(&c, 2);
	controller_drain(&c);
	box.waiting = (struct upcall){UPCALL_NEIGHBOR, 2, 0, frame, size, size};
	box.upcall_waits = true;
	ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, 33);
	controller_send(&c, &b);
	struct message m = controller_next(&c);

	assert_int_equal(m.header.type, OFPT_PACKET_IN);
	message_free(&m);
	m = controller_next(&c);
	assert_int_equal(m.header.type, OFPT_BARRIER_REPLY);
	assert_int_equal(m.header.xid, 33);
	message_free(&m);
}

static int role_request(struct controller *c, uint32_t role, uint64_t generation,
			struct ofp_role_message *ret)
{
	struct ofp_role_message in = {role, generation};
	struct buffer b = {0};
	struct message m;
	struct ofp_error e = {0};

	controller_drain(c);
	ofp_role_encode(&b, OFPT_ROLE_REQUEST, 8, &in);
	controller_send(c, &b);
	m = controller_next(c);
	if (m.header.type == OFPT_ERROR)
		assert_int_equal(ofp_error_decode(&m.body, &e), 0);
	else
		assert_int_equal(ofp_role_decode(&m.body, ret), 0);
	message_free(&m);
	return e.result;
}

static void a_slave_is_refused(void **state)
{
	struct controller c = controller_join(&box, 5);
	struct rule rule = rule_admit(2);
	struct ofp_role_message role;
	struct rule_group g = {.fe = 3, .address = ip("172.16.3.2")};
	struct ofp_group_mod m;

	assert_int_equal(role_request(&c, OFPCR_SLAVE, 5, &role), 0);
	assert_int_equal(controller_add(&c, &rule), -OFP_BAD_REQUEST_IS_SLAVE);
	rule_group_to_group_mod(&g, OFPGC_ADD, &m);
	assert_int_equal(controller_group_mod(&c, &m), -OFP_BAD_REQUEST_IS_SLAVE);
	assert_int_equal(box.plane.rules.count, 0);
	assert_false(agent_has_controller(box.agent));
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_false(controller_has(&c, OFPT_PACKET_IN));
	box_add_port(&box, 9, PORT_ACCESS); /* but ports are told to all */
	assert_true(controller_has(&c, OFPT_PORT_STATUS));
}

static void a_new_master_demotes_the_old_one_and_a_stale_one_is_fenced_off(void **state)
{
	struct controller old = controller_join(&box, 5), new = controller_join(&box, 6);
	struct rule rule = rule_admit(2);
	struct ofp_role_message role;

	controller_drain(&old);
	controller_drain(&new);
	assert_int_equal(controller_add(&old, &rule), -OFP_BAD_REQUEST_IS_SLAVE);
	assert_int_equal(controller_add(&new, &rule), 0);
	assert_int_equal(role_request(&old, OFPCR_MASTER, 5, &role),
			 -OFP_ROLE_REQUEST_FAILED_STALE);
	assert_int_equal(role_request(&old, OFPCR_NOCHANGE, 0, &role), 0);
	assert_int_equal(role.role, OFPCR_SLAVE);
	assert_int_equal(role.generation_id, 6);
	assert_int_equal(role_request(&old, 4, 7, &role), -OFP_ROLE_REQUEST_FAILED_BAD_ROLE);
	assert_int_equal(role_request(&old, OFPCR_MASTER, 7, &role), 0);
	assert_int_equal(controller_add(&new, &rule), -OFP_BAD_REQUEST_IS_SLAVE);
}

static void send_barrier(struct controller *c)
{
	struct buffer b = {0};

	ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, 34);
	controller_send(c, &b);
}

static void the_tables_are_complete_after_a_masters_first_barrier(void **state)
{
	struct controller equal = controller_connect(&box, true), c, later;
	struct ofp_role_message role;
	struct buffer b = {0};

	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	controller_send(&equal, &b);
	send_barrier(&equal);
	assert_true(agent_has_controller(box.agent));
	assert_false(agent_is_complete(box.agent)); /* it never was MASTER */
	c = controller_join(&box, 5);
	assert_false(agent_is_complete(box.agent));
	send_barrier(&c);
	assert_true(agent_is_complete(box.agent));
	later = controller_join(&box, 6);
	assert_false(agent_is_complete(box.agent)); /* there is another MASTER, who has not said */
	send_barrier(&c);
	assert_false(agent_is_complete(box.agent));
	send_barrier(&later);
	assert_true(agent_is_complete(box.agent));
	assert_int_equal(role_request(&later, OFPCR_EQUAL, 6, &role), 0);
	assert_false(agent_is_complete(box.agent));
}

static void a_person_who_inspects_gets_no_packets_unless_asked(void **state)
{
	struct controller person = controller_connect(&box, false);
	struct ofp_config config = {0, 0xffff};
	struct rule rules[] = {rule_admit(2), rule_listen(2, ETHERTYPE_ARP_)};
	struct buffer b = {0};

	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	controller_send(&person, &b);
	struct message m = controller_expect(&person, OFPT_FEATURES_REPLY);

	message_free(&m);
	assert_false(controller_has(&person, OFPT_EXPERIMENTER));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(controller_add(&person, &rules[i]), 0);
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_false(controller_has(&person, OFPT_PACKET_IN));
	ofp_config_encode(&b, OFPT_SET_CONFIG, 3, &config);
	controller_send(&person, &b);
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_true(controller_has(&person, OFPT_PACKET_IN));
	assert_false(agent_has_controller(box.agent));
}

static int packet_out(struct controller *c, uint32_t port, size_t size, uint32_t buffer_id)
{
	static uint8_t frame[16000] = {2};
	struct ofp_packet_out p = {.buffer_id = buffer_id,
				   .in_port = OFPP_CONTROLLER,
				   .data = frame,
				   .data_size = size};
	struct buffer b = {0};

	ofp_actions_add_output(&p.actions, port);
	ofp_packet_out_encode(&b, 9, &p);
	controller_send(c, &b);
	return controller_result(c);
}

static void a_packet_out_leaves_by_its_port_and_only_by_one_that_is_there(void **state)
{
	struct controller c = controller_join(&box, 1);

	assert_int_equal(packet_out(&c, 3, 60, OFP_NO_BUFFER), 0);
	assert_int_equal(box.frame_count, 1);
	assert_int_equal(box.frames[0].port, 3);
	assert_int_equal(box.frames[0].size, 60);
	assert_int_equal(packet_out(&c, 77, 60, OFP_NO_BUFFER), -OFP_BAD_ACTION_BAD_OUT_PORT);
	assert_int_equal(packet_out(&c, OFPP_FLOOD, 60, OFP_NO_BUFFER),
			 -OFP_BAD_ACTION_BAD_OUT_PORT);
	assert_int_equal(packet_out(&c, 3, 13, OFP_NO_BUFFER), -OFP_BAD_REQUEST_BAD_PACKET);
	assert_int_equal(packet_out(&c, 3, 9217, OFP_NO_BUFFER), -OFP_BAD_REQUEST_BAD_PACKET);
	assert_int_equal(packet_out(&c, 3, 60, 1), -OFP_BAD_REQUEST_BUFFER_UNKNOWN);
	assert_int_equal(box.frame_count, 1);
}

static void what_it_does_not_have_is_refused_by_its_name(void **state)
{
	static const struct {
		uint8_t type;
		int result;
	} cases[] = {
		{OFPT_PORT_MOD, -OFP_PORT_MOD_FAILED_EPERM},
		{OFPT_TABLE_MOD, -OFP_TABLE_MOD_FAILED_EPERM},
		{OFPT_METER_MOD, -OFP_METER_MOD_FAILED_UNKNOWN},
		{OFPT_PACKET_IN, -OFP_BAD_REQUEST_BAD_TYPE},
		{99, -OFP_BAD_REQUEST_BAD_TYPE},
	};
	struct controller c = controller_join(&box, 1);
	struct buffer b = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		ofp_empty_encode(&b, cases[i].type, 5);
		controller_send(&c, &b);
		assert_int_equal(controller_result(&c), cases[i].result);
	}
	ofp_multipart_request_encode(&b, 6, OFPMP_METER);
	controller_send(&c, &b);
	assert_int_equal(controller_result(&c), -OFP_BAD_REQUEST_BAD_MULTIPART);
	drops_reply_encode(&b, 7, NULL, 0); /* an answer that nobody asked for */
	controller_send(&c, &b);
	assert_int_equal(controller_result(&c), -OFP_BAD_REQUEST_BAD_EXP_TYPE);
}

/* Sends a multipart request; the (single) reply. */
static struct message ask(struct controller *c, struct buffer *b)
{
	controller_drain(c);
	controller_send(c, b);
	return controller_expect(c, OFPT_MULTIPART_REPLY);
}

static void statistics_tell_what_is_there(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct ofp_flow_stats_request all = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct rule local = rule_local("10.10.0.5", 2), foreign = rule_foreign("10.10.0.6", 3);
	struct ofp_multipart reply;
	struct buffer b = {0};
	struct message m;
	unsigned flows = 0, tables = 0, ports = 0;

	box.packets = 11;
	controller_prepare(&c, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	assert_int_equal(controller_add(&c, &local), 0);
	assert_int_equal(controller_add(&c, &foreign), 0);

	ofp_flow_stats_request_encode(&b, 1, OFPMP_FLOW, &all);
	m = ask(&c, &b);
	assert_int_equal(ofp_multipart_decode(&m.body, &reply), 0);
	struct ofp_flow_stats f;

	while (ofp_flow_stats_next(&reply.body, &f) > 0) {
		struct rule back;

		assert_int_equal(rule_from_flow_stats(&f, &back), 0);
		if (back.key.kind == RULE_LOCAL) {
			assert_true(rule_equal(&back, &local));
			assert_int_equal(f.packet_count, 11);
		}
		flows++;
	}
	assert_int_equal(flows, 9);
	message_free(&m);

	ofp_flow_stats_request_encode(&b, 1, OFPMP_AGGREGATE, &all);
	m = ask(&c, &b);
	struct ofp_aggregate_stats sum;

	assert_int_equal(ofp_multipart_decode(&m.body, &reply), 0);
	assert_int_equal(ofp_aggregate_stats_decode(&reply.body, &sum), 0);
	assert_int_equal(sum.flow_count, 9);
	assert_int_equal(sum.packet_count, 22);
	message_free(&m);

	ofp_multipart_request_encode(&b, 1, OFPMP_TABLE);
	m = ask(&c, &b);
	assert_int_equal(ofp_multipart_decode(&m.body, &reply), 0);
	struct ofp_table_stats t;

	while (ofp_table_stats_next(&reply.body, &t) > 0)
		tables += t.active_count;
	assert_int_equal(tables, 9);
	message_free(&m);

	ofp_id_request_encode(&b, 1, OFPMP_PORT_STATS, OFPP_ANY);
	m = ask(&c, &b);
	assert_int_equal(ofp_multipart_decode(&m.body, &reply), 0);
	struct ofp_port_stats p;

	while (ofp_port_stats_next(&reply.body, &p) > 0) {
		assert_int_equal(p.rx_packets, p.port * 10);
		ports++;
	}
	assert_int_equal(ports, 4);
	message_free(&m);

	ofp_multipart_request_encode(&b, 1, OFPMP_GROUP_DESC);
	m = ask(&c, &b);
	assert_int_equal(ofp_multipart_decode(&m.body, &reply), 0);
	struct ofp_group_mod g;
	struct rule_group group;

	assert_int_equal(ofp_group_desc_next(&reply.body, &g), 1);
	assert_int_equal(rule_group_from_group_mod(&g, &group), 0);
	assert_int_equal(group.fe, 3);
	struct address redirect = ip("172.16.3.3");

	assert_true(address_equal(&group.redirect, &redirect));
	message_free(&m);
}

static void counters_come_in_as_many_messages_as_it_takes(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct buffer b = {0};
	unsigned count = 0;
	bool more = true;

	controller_drain(&c);
	counters_request_encode(&b, 8);
	controller_send(&c, &b);
	while (more) {
		struct message m = controller_next(&c);
		struct reader rd = experimenter(&m, EXPERIMENTER_COUNTERS_REPLY);
		struct counter counter;

		assert_int_equal(m.header.xid, 8);
		assert_int_equal(counters_reply_begin(&rd, &more), 0);
		while (counters_next(&rd, &counter) > 0)
			assert_int_equal(counter.ingress_fe, count++);
		message_free(&m);
	}
	assert_int_equal(count, COUNTERS_PER_MESSAGE + 1);
	drops_request_encode(&b, 9);
	controller_send(&c, &b);
	struct message m = controller_next(&c);
	struct reader rd = experimenter(&m, EXPERIMENTER_DROPS_REPLY);
	struct drop_count drop;

	assert_int_equal(drops_next(&rd, &drop), 1);
	assert_string_equal(drop.name, "no_binding");
	assert_int_equal(drops_next(&rd, &drop), 1);
	assert_string_equal(drop.name, "sent_advertisement");
	assert_true(drop.is_other);
	message_free(&m);
}

static void a_silent_controller_is_dropped_and_forwarding_stays(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct rule local = rule_local("10.10.0.5", 2);

	controller_prepare(&c, 2);
	assert_int_equal(controller_add(&c, &local), 0);
	box_pass(&box, 16000);
	assert_int_equal(box.drops, 1);
	assert_false(agent_has_controller(box.agent));
	agent_disconnect(c.connection, box.now_ms);
	assert_non_null(box_binding(&box, "10.10.0.5"));
	assert_int_equal(box_binding(&box, "10.10.0.5")->flags, BINDING_LOCAL);
}

static void bytes_that_are_no_openflow_close_only_their_connection(void **state)
{
	struct controller good = controller_join(&box, 1), bad = controller_connect(&box, true);
	static const uint8_t noise[64] = {4, 14, 0, 3};

	agent_receive(bad.connection, noise, sizeof(noise), box.now_ms);
	assert_int_equal(box.drops, 1);
	agent_receive(bad.connection, noise, sizeof(noise), box.now_ms); /* no more */
	assert_int_equal(box.drops, 1);
	controller_prepare(&good, 2);
}

static void a_restarted_agent_adopts_without_writing_anything(void **state)
{
	struct controller c = controller_join(&box, 1);
	struct rule rules[] = {rule_local("10.10.0.5", 2), rule_guard("10.10.0.5", 2),
			       rule_foreign("10.10.0.6", 3),
			       rule_prefix(RULE_EXTERNAL, "0.0.0.0/0")};
	struct rule peers[] = {{.key = {.kind = RULE_PEER,
					.length = 128,
					.port = PIPELINE_TUNNEL_PORT,
					.address = ip("172.16.3.2")},
				.fe = 3},
			       {.key = {.kind = RULE_PEER_MARKED,
					.length = 128,
					.port = PIPELINE_TUNNEL_PORT,
					.address = ip("172.16.3.2")},
				.fe = 3}};
	unsigned writes;
	struct ofp_flow_mod f;

	controller_prepare(&c, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		assert_int_equal(controller_add(&c, &rules[i]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(peers); i++)
		assert_int_equal(controller_add(&c, &peers[i]), 0);
	writes = box.plane.writes;
	box_restart(&box);
	assert_int_equal(box.plane.writes, writes);
	assert_int_equal(box.plane.rules.count, 7 + 4 + 2);

	/* And it is not only shown: it can be worked with. */
	c = controller_join(&box, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD),
			 -OFP_GROUP_MOD_FAILED_GROUP_EXISTS);
	rule_to_flow_mod(&rules[0], OFPFC_DELETE_STRICT, &f);
	assert_int_equal(controller_flow_mod(&c, &f), 0);
	assert_int_equal(box_binding(&box, "10.10.0.5")->flags, BINDING_GUARD);
}

static void what_is_no_rule_is_forgotten_at_adoption(void **state)
{
	struct rule broken = rule_local("10.10.0.5", 2), dangling = rule_foreign("10.10.0.6", 9);

	broken.mac.bytes[0] = 1; /* multicast */
	*(struct rule *)table_put(&box.plane.rules, &broken.key, NULL) = broken;
	*(struct rule *)table_put(&box.plane.rules, &dangling.key, NULL) = dangling;
	box_restart(&box);
	assert_int_equal(box.plane.rules.count, 0);
	assert_null(box_binding(&box, "10.10.0.5"));
	assert_null(box_binding(&box, "10.10.0.6"));
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_BOX(a_controller_learns_who_this_is_and_which_ports_there_are),
		IN_A_BOX(a_port_that_comes_changes_or_goes_is_reported),
		IN_A_BOX(an_announcement_goes_up_and_is_flushed_at_once),
		IN_A_BOX(a_tag_that_the_data_plane_took_out_is_put_back),
		IN_A_BOX(a_barrier_is_answered_after_the_upcalls),
		IN_A_BOX(the_tables_are_complete_after_a_masters_first_barrier),
		IN_A_BOX(a_slave_is_refused),
		IN_A_BOX(a_new_master_demotes_the_old_one_and_a_stale_one_is_fenced_off),
		IN_A_BOX(a_person_who_inspects_gets_no_packets_unless_asked),
		IN_A_BOX(a_packet_out_leaves_by_its_port_and_only_by_one_that_is_there),
		IN_A_BOX(what_it_does_not_have_is_refused_by_its_name),
		IN_A_BOX(statistics_tell_what_is_there),
		IN_A_BOX(counters_come_in_as_many_messages_as_it_takes),
		IN_A_BOX(a_silent_controller_is_dropped_and_forwarding_stays),
		IN_A_BOX(bytes_that_are_no_openflow_close_only_their_connection),
		IN_A_BOX(a_restarted_agent_adopts_without_writing_anything),
		IN_A_BOX(what_is_no_rule_is_forgotten_at_adoption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
