/* fe/neighbor: what the FE does about its nodes by itself. */
#include "fixture.h"

#include "packet/neighbor.h"

#include <stdio.h>
#include <stdlib.h>

static struct box box;
static struct controller c;

static int open_box(void **state)
{
	box_open(&box);
	c = controller_join(&box, 1);
	controller_prepare(&c, 2);
	controller_prepare(&c, 3);
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

/* ---- tentative bindings ---- */

static void an_announcement_makes_a_tentative_binding_for_marked_packets(void **state)
{
	const struct datapath_binding *b;

	add(rule_foreign("10.10.0.5", 3));
	box_announce(&box, 2, "10.10.0.5", 5);
	b = box_binding(&box, "10.10.0.5");
	assert_int_equal(b->flags, BINDING_LOCAL | BINDING_MARKED_ONLY | BINDING_FOREIGN);
	assert_int_equal(b->port, 2);
	assert_int_equal(b->mac.bytes[5], 5);
	assert_true(mac_equal(&b->gateway_mac, &gateway_mac));
	box_pass(&box, 9900);
	assert_int_equal(flags_of("10.10.0.5"),
			 BINDING_LOCAL | BINDING_MARKED_ONLY | BINDING_FOREIGN);
	box_pass(&box, 300);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_FOREIGN);
}

static void the_real_binding_takes_the_tentative_ones_place(void **state)
{
	struct rule_key key = {.kind = RULE_TENTATIVE, .address = ip("10.10.0.5")};

	box_announce(&box, 2, "10.10.0.5", 5);
	assert_non_null(table_get(&box.plane.rules, &key));
	add(rule_local("10.10.0.5", 2));
	assert_null(table_get(&box.plane.rules, &key));
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
	box_announce(&box, 3, "10.10.0.5", 5); /* a claim by another port is the controller's */
	assert_int_equal(box_binding(&box, "10.10.0.5")->port, 2);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL);
}

static void nobody_gets_a_tentative_binding_for_what_is_not_covered(void **state)
{
	uint8_t frame[NEIGHBOR_FRAME_SIZE];
	struct buffer b = {0};
	struct address five = ip("10.10.0.5");

	box_announce(&box, 2, "10.99.0.5", 5);
	assert_null(box_binding(&box, "10.99.0.5"));
	box_announce(&box, 1, "10.10.0.5", 5); /* not an access port */
	assert_null(box_binding(&box, "10.10.0.5"));
	/* Nor the gateway itself. */
	neighbor_build_announcement(&b, 0, &gateway_mac, &five);
	memcpy(frame, b.data, sizeof(frame));
	struct upcall u = {UPCALL_NEIGHBOR, 2, 0, frame, sizeof(frame), sizeof(frame)};

	agent_upcall(box.agent, &u, box.now_ms);
	assert_null(box_binding(&box, "10.10.0.5"));
	buffer_finish(&b);
}

static void where_one_must_sign_nobody_gets_a_tentative_binding(void **state)
{
	struct rule covered = rule_prefix(RULE_COVERED, "10.10.0.0/16");

	covered.cookie = COVERED_SIGNED;
	add(covered);
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_null(box_binding(&box, "10.10.0.5"));
	covered.cookie = 0;
	add(covered);
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL | BINDING_MARKED_ONLY);
}

static void a_probe_claims_nothing(void **state)
{
	uint8_t frame[NEIGHBOR_FRAME_SIZE];
	size_t size = build_announcement(frame, "10.10.0.5", 5);
	struct upcall u = {UPCALL_NEIGHBOR, 2, 0, frame, size, size};

	memset(frame + 28, 0, 4);
	agent_upcall(box.agent, &u, box.now_ms);
	assert_true(controller_has(&c, OFPT_PACKET_IN));
	assert_null(box_binding(&box, "10.10.0.5"));
}

static void the_first_data_packet_is_a_claim_too(void **state)
{
	uint8_t frame[64] = {2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0, 0, 0, 5, 0x08, 0x00, 0x45};
	struct upcall u = {UPCALL_STRANGER, 2, 0, frame, sizeof(frame), 1514};
	struct ofp_packet_in p;

	memcpy(frame + 26, (uint8_t[]){10, 10, 0, 5}, 4);
	agent_upcall(box.agent, &u, box.now_ms);
	struct message m = controller_expect(&c, OFPT_PACKET_IN);

	assert_int_equal(ofp_packet_in_decode(&m.body, &p), 0);
	assert_int_equal(p.table, TABLE_GUARD);
	assert_int_equal(p.total_size, 1514);
	assert_int_equal(p.data_size, sizeof(frame));
	message_free(&m);
	assert_int_equal(flags_of("10.10.0.5"), BINDING_LOCAL | BINDING_MARKED_ONLY);
	u.size = 20; /* too short to say */
	agent_upcall(box.agent, &u, box.now_ms);
}

static void data_of_a_node_that_was_just_announced_is_not_sent_up_as_well(void **state)
{
	uint8_t frame[64] = {2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0, 0, 0, 5, 0x08, 0x00, 0x45};
	struct upcall u = {UPCALL_STRANGER, 2, 0, frame, sizeof(frame), 1514};

	memcpy(frame + 26, (uint8_t[]){10, 10, 0, 5}, 4);
	box_pass(&box, 1); /* since the last barrier */
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_true(controller_has(&c, OFPT_PACKET_IN));
	controller_drain(&c);
	agent_upcall(box.agent, &u, box.now_ms + 2);
	assert_false(controller_has(&c, OFPT_PACKET_IN));
	/* Another's is. */
	frame[29] = 6;
	frame[11] = 6;
	agent_upcall(box.agent, &u, box.now_ms + 2);
	assert_true(controller_has(&c, OFPT_PACKET_IN));
	controller_drain(&c);
	/* And the same, where the first may have come to nothing. */
	agent_upcall(box.agent, &u, box.now_ms + 20);
	assert_true(controller_has(&c, OFPT_PACKET_IN));
	controller_drain(&c);
}

static void a_claim_after_a_barrier_is_sent_up_again(void **state)
{
	uint8_t frame[64] = {2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0, 0, 0, 5, 0x08, 0x00, 0x45};
	struct upcall u = {UPCALL_STRANGER, 2, 0, frame, sizeof(frame), 1514};

	memcpy(frame + 26, (uint8_t[]){10, 10, 0, 5}, 4);
	box_pass(&box, 1);
	box_announce(&box, 2, "10.10.0.5", 5);
	controller_drain(&c);
	assert_int_equal(controller_result(&c), 0);
	agent_upcall(box.agent, &u, box.now_ms + 1);
	assert_true(controller_has(&c, OFPT_PACKET_IN));
}

static void tentative_bindings_are_bounded(void **state)
{
	struct rule covered = rule_prefix(RULE_COVERED, "10.0.0.0/8");
	size_t rules;

	box.plane.binding_limit = 100000;
	add(covered);
	rules = box.plane.rules.count;
	for (unsigned i = 0; i < 6000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.10.%u.%u", i / 200 + 1, i % 200 + 2);
		box_announce(&box, 2, text, (uint8_t)(i % 200 + 2));
		if (i % 500 == 0)
			controller_drain(&c);
	}
	assert_int_equal(box.plane.rules.count, rules + 4096);
}

/* ---- departed nodes ---- */

/* Frames that left, all of which must be announcements of 10.10.0.5 by the gateway on port 2. */
static unsigned announcements(uint16_t vlan)
{
	for (unsigned i = 0; i < box.frame_count; i++) {
		const struct sent_frame *f = &box.frames[i];
		struct address five = ip("10.10.0.5");
		struct neighbor n;

		assert_int_equal(f->port, 2);
		assert_int_equal(neighbor_parse(f->data, f->size, &n), 0);
		assert_int_equal(n.kind, NEIGHBOR_ARP_ANNOUNCEMENT);
		assert_int_equal(n.vlan, vlan);
		assert_true(mac_equal(&n.sender_mac, &gateway_mac));
		assert_true(address_equal(&n.sender, &five));
	}
	return box.frame_count;
}

static void a_departed_node_is_announced_at_once_and_twice_again(void **state)
{
	struct rule local = rule_local("10.10.0.5", 2);

	local.vlan = 44;
	add(local);
	add(rule_foreign("10.10.0.5", 3));
	assert_int_equal(announcements(44), 0);
	drop(local);
	assert_int_equal(announcements(44), 1);
	box_pass(&box, 900);
	assert_int_equal(announcements(44), 1);
	box_pass(&box, 200);
	assert_int_equal(announcements(44), 2);
	box_pass(&box, 1800);
	assert_int_equal(announcements(44), 2);
	box_pass(&box, 200);
	assert_int_equal(announcements(44), 3);
	box_pass(&box, 20000);
	assert_int_equal(announcements(44), 3);
}

static void the_order_of_the_two_flow_mods_does_not_matter(void **state)
{
	add(rule_local("10.10.0.5", 2));
	drop(rule_local("10.10.0.5", 2));
	assert_int_equal(announcements(0), 0);
	box_pass(&box, 500);
	add(rule_foreign("10.10.0.5", 3));
	assert_int_equal(announcements(0), 1);
	add(rule_foreign("10.10.0.5", 3)); /* again: nothing departed */
	assert_int_equal(announcements(0), 1);
}

static void a_departed_node_is_announced_only_while_the_table_says_foreign(void **state)
{
	add(rule_local("10.10.0.5", 2));
	add(rule_foreign("10.10.0.5", 3));
	drop(rule_local("10.10.0.5", 2));
	assert_int_equal(announcements(0), 1);
	add(rule_local("10.10.0.5", 2)); /* it is back */
	box_pass(&box, 10000);
	assert_int_equal(announcements(0), 1);

	drop(rule_local("10.10.0.5", 2));
	assert_int_equal(announcements(0), 2);
	drop(rule_foreign("10.10.0.5", 3)); /* it is nowhere */
	box_pass(&box, 10000);
	assert_int_equal(announcements(0), 2);
}

static void nothing_is_announced_on_a_port_that_is_gone(void **state)
{
	add(rule_local("10.10.0.5", 2));
	agent_port_remove(box.agent, 2, box.now_ms);
	add(rule_foreign("10.10.0.5", 3));
	drop(rule_local("10.10.0.5", 2));
	box_pass(&box, 5000);
	assert_int_equal(box.frame_count, 0);
}

static void a_node_that_is_long_gone_has_not_just_departed(void **state)
{
	add(rule_local("10.10.0.5", 2));
	drop(rule_local("10.10.0.5", 2));
	box_pass(&box, 11000);
	add(rule_foreign("10.10.0.5", 3));
	assert_int_equal(box.frame_count, 0);
}

/* ---- silent nodes ---- */

static void a_node_that_answers_each_question_is_never_reported(void **state)
{
	/* Questions come every second: by the next, the last answer is older than idle_probe_ms. */
	box.config.idle_probe_ms = 500;
	box.config.idle_give_up_ms = 500;
	agent_disconnect(c.connection, box.now_ms);
	box_restart(&box);
	c = controller_join(&box, 9);
	controller_prepare(&c, 2);
	add(rule_local("10.10.0.5", 2));
	box_announce(&box, 2, "10.10.0.5", 5);
	controller_drain(&c);
	for (unsigned i = 0; i < 100; i++) {
		unsigned asked = box.frame_count;

		box_pass(&box, 100);
		if (box.frame_count != asked) /* its answer */
			box_announce(&box, 2, "10.10.0.5", 5);
		assert_false(controller_has(&c, OFPT_EXPERIMENTER));
		controller_drain(&c);
	}
	box_pass(&box, 3000); /* and now it does not */
	assert_true(controller_has(&c, OFPT_EXPERIMENTER));
}

/* ---- kept announcements ---- */

static struct reader replay_body(struct message *m)
{
	enum experimenter_type type;

	assert_int_equal(m->header.type, OFPT_EXPERIMENTER);
	assert_int_equal(experimenter_decode(&m->body, &type), 0);
	assert_int_equal(type, EXPERIMENTER_REPLAY);
	return m->body;
}

static void announcements_without_a_controller_are_kept_and_replayed_in_order(void **state)
{
	struct replay replay;
	struct message m;

	agent_disconnect(c.connection, box.now_ms);
	assert_false(agent_has_controller(box.agent));
	box_announce(&box, 2, "10.10.0.5", 5);
	box_pass(&box, 1000);
	box_announce(&box, 3, "10.10.0.6", 6);
	box_pass(&box, 1000);
	box_announce(&box, 2, "10.10.0.5", 5); /* the newest of a claim counts */
	box_pass(&box, 500);

	c = controller_join(&box, 2);
	m = controller_expect(&c, OFPT_ROLE_REPLY);
	message_free(&m);
	m = controller_next(&c);
	struct reader rd = replay_body(&m);

	assert_int_equal(replay_decode(&rd, &replay), 0);
	assert_int_equal(replay.port, 3);
	assert_int_equal(replay.age_ms, 1500);
	message_free(&m);
	m = controller_next(&c);
	rd = replay_body(&m);
	assert_int_equal(replay_decode(&rd, &replay), 0);
	assert_int_equal(replay.port, 2);
	assert_int_equal(replay.age_ms, 500);
	struct neighbor n;

	assert_int_equal(neighbor_parse(replay.data, replay.data_size, &n), 0);
	assert_int_equal(n.sender_mac.bytes[5], 5);
	message_free(&m);
	assert_int_equal(agent_connection_channel(c.connection)->out.size, 0);
	box_announce(&box, 2, "10.10.0.7", 7); /* and from now on at once */
	assert_true(controller_has(&c, OFPT_PACKET_IN));
}

static unsigned count_replays(struct controller *from)
{
	struct buffer *out = &agent_connection_channel(from->connection)->out;
	unsigned replays = 0;

	while (out->size) {
		struct message m = controller_next(from);
		enum experimenter_type type;

		replays += m.header.type == OFPT_EXPERIMENTER &&
			   experimenter_decode(&m.body, &type) == 0 && type == EXPERIMENTER_REPLAY;
		message_free(&m);
	}
	return replays;
}

static void an_announcement_on_its_way_when_the_connection_breaks_is_replayed(void **state)
{
	box_announce(&box, 2, "10.10.0.5", 5); /* sent, but who knows how far it came */
	agent_disconnect(c.connection, box.now_ms);
	c = controller_join(&box, 2);
	assert_int_equal(count_replays(&c), 1);
	box_pass(&box, 12000); /* nobody wanted it */
	agent_disconnect(c.connection, box.now_ms);
	c = controller_join(&box, 3);
	assert_int_equal(count_replays(&c), 0);
}

static void an_announcement_that_brought_a_binding_is_not_replayed(void **state)
{
	box_announce(&box, 2, "10.10.0.5", 5);
	add(rule_local("10.10.0.5", 2));
	agent_disconnect(c.connection, box.now_ms);
	c = controller_join(&box, 2);
	assert_int_equal(count_replays(&c), 0);
}

static void a_controller_that_has_not_spoken_yet_misses_nothing(void **state)
{
	struct buffer b = {0};
	struct ofp_role_message role = {OFPCR_MASTER, 2};

	agent_disconnect(c.connection, box.now_ms);
	c = controller_connect(&box, true);
	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	controller_send(&c, &b);
	controller_drain(&c);
	box_announce(&box, 2, "10.10.0.5", 5);
	assert_false(controller_has(&c, OFPT_PACKET_IN));
	ofp_role_encode(&b, OFPT_ROLE_REQUEST, 3, &role);
	controller_send(&c, &b);
	struct message m = controller_expect(&c, OFPT_EXPERIMENTER);

	(void)replay_body(&m);
	message_free(&m);
}

static void the_newest_4096_are_kept(void **state)
{
	struct rule covered = rule_prefix(RULE_COVERED, "10.0.0.0/8");
	unsigned replays = 0;

	add(covered);
	agent_disconnect(c.connection, box.now_ms);
	for (unsigned i = 0; i < 5000; i++) {
		char text[32];

		box.now_ms++;
		snprintf(text, sizeof(text), "10.20.%u.%u", i / 200 + 1, i % 200 + 2);
		box_announce(&box, 2, text, (uint8_t)(i % 200 + 2));
	}
	c = controller_join(&box, 2);
	while (controller_has(&c, OFPT_EXPERIMENTER)) {
		struct message m = controller_next(&c);
		enum experimenter_type type;
		struct replay replay;

		if (m.header.type == OFPT_EXPERIMENTER &&
		    experimenter_decode(&m.body, &type) == 0 && type == EXPERIMENTER_REPLAY) {
			assert_int_equal(replay_decode(&m.body, &replay), 0);
			if (!replays) /* the 904 oldest are gone */
				assert_int_equal(replay.age_ms, 4095);
			replays++;
		}
		message_free(&m);
	}
	assert_int_equal(replays, 4096);
}

/* ---- silent nodes ---- */

static void a_silent_node_is_probed_by_the_gateway(void **state)
{
	struct rule local = rule_local("10.10.0.5", 2);
	struct neighbor n;
	struct address gateway = ip("10.10.0.1");

	add(local);
	box_pass(&box, 25000);
	assert_int_equal(box.frame_count, 0);
	box_pass(&box, 5100);
	assert_int_equal(box.frame_count, 1);
	assert_int_equal(box.frames[0].port, 2);
	assert_int_equal(neighbor_parse(box.frames[0].data, box.frames[0].size, &n), 0);
	assert_int_equal(n.kind, NEIGHBOR_ARP_REQUEST);
	assert_true(mac_equal(&n.ethernet_destination, &local.mac));
	assert_true(address_equal(&n.sender, &gateway));
	assert_true(mac_equal(&n.sender_mac, &gateway_mac));
	assert_false(controller_has(&c, OFPT_EXPERIMENTER));
}

/* Time in which the controller answers echoes. */
static void pass_alive(int64_t ms)
{
	for (int64_t i = 0; i < ms; i += 1000) {
		struct buffer b = {0};

		box_pass(&box, 1000);
		ofp_echo_encode(&b, OFPT_ECHO_REPLY, 1, NULL, 0);
		controller_send(&c, &b);
	}
}

static unsigned silent_reports(struct silent *ret)
{
	unsigned count = 0;

	while (controller_has(&c, OFPT_EXPERIMENTER)) {
		struct message m = controller_expect(&c, OFPT_EXPERIMENTER);
		enum experimenter_type type;

		assert_int_equal(experimenter_decode(&m.body, &type), 0);
		assert_int_equal(type, EXPERIMENTER_SILENT);
		assert_int_equal(silent_decode(&m.body, ret), 0);
		message_free(&m);
		count++;
	}
	return count;
}

static void silence_is_reported_once_with_the_version(void **state)
{
	struct rule local = rule_local("10.10.0.5", 2);
	struct silent silent;

	add(local);
	pass_alive(32000);
	assert_int_equal(silent_reports(&silent), 0);
	pass_alive(3000);
	assert_int_equal(silent_reports(&silent), 1);
	assert_int_equal(silent.cookie, local.cookie);
	assert_int_equal(silent.port, 2);
	assert_true(address_equal(&silent.address, &local.key.address));
	assert_true(silent.idle_ms >= 33000);
	pass_alive(60000);
	assert_int_equal(silent_reports(&silent), 0);
}

static void a_node_that_answers_or_sends_is_not_silent(void **state)
{
	struct silent silent;

	add(rule_local("10.10.0.5", 2));
	pass_alive(31000);
	assert_true(box.frame_count > 0);
	box_announce(&box, 2, "10.10.0.5", 5); /* an answer */
	pass_alive(20000);
	assert_int_equal(silent_reports(&silent), 0);
	box.idle_ms = 50; /* data */
	pass_alive(100000);
	assert_int_equal(silent_reports(&silent), 0);
	box.idle_ms = 1000000;
	pass_alive(100000);
	assert_int_equal(silent_reports(&silent), 1);
}

static void an_answer_by_another_port_is_not_the_nodes(void **state)
{
	struct silent silent;

	add(rule_local("10.10.0.5", 2));
	pass_alive(30000);
	box_announce(&box, 3, "10.10.0.5", 5);
	pass_alive(5000);
	assert_int_equal(silent_reports(&silent), 1);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_BOX(an_announcement_makes_a_tentative_binding_for_marked_packets),
		IN_A_BOX(the_real_binding_takes_the_tentative_ones_place),
		IN_A_BOX(nobody_gets_a_tentative_binding_for_what_is_not_covered),
		IN_A_BOX(where_one_must_sign_nobody_gets_a_tentative_binding),
		IN_A_BOX(a_probe_claims_nothing),
		IN_A_BOX(the_first_data_packet_is_a_claim_too),
		IN_A_BOX(data_of_a_node_that_was_just_announced_is_not_sent_up_as_well),
		IN_A_BOX(a_claim_after_a_barrier_is_sent_up_again),
		IN_A_BOX(tentative_bindings_are_bounded),
		IN_A_BOX(a_departed_node_is_announced_at_once_and_twice_again),
		IN_A_BOX(the_order_of_the_two_flow_mods_does_not_matter),
		IN_A_BOX(a_departed_node_is_announced_only_while_the_table_says_foreign),
		IN_A_BOX(nothing_is_announced_on_a_port_that_is_gone),
		IN_A_BOX(a_node_that_is_long_gone_has_not_just_departed),
		IN_A_BOX(a_node_that_answers_each_question_is_never_reported),
		IN_A_BOX(announcements_without_a_controller_are_kept_and_replayed_in_order),
		IN_A_BOX(an_announcement_on_its_way_when_the_connection_breaks_is_replayed),
		IN_A_BOX(an_announcement_that_brought_a_binding_is_not_replayed),
		IN_A_BOX(a_controller_that_has_not_spoken_yet_misses_nothing),
		IN_A_BOX(the_newest_4096_are_kept),
		IN_A_BOX(a_silent_node_is_probed_by_the_gateway),
		IN_A_BOX(silence_is_reported_once_with_the_version),
		IN_A_BOX(a_node_that_answers_or_sends_is_not_silent),
		IN_A_BOX(an_answer_by_another_port_is_not_the_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
