/* Packets that a handoff would lose (fe/hold.h): which are kept, for how long, where they go on. */
#include "fixture.h"

#include "fe/hold.h"
#include "pipeline/experimenter.h"

#define TIME_MS 1000
#define PACKET_SIZE 200

static struct box box;

static void open_with(unsigned hold_ms)
{
	box_open(&box);
	box.config.hold_ms = hold_ms;
	box_restart(&box);
}

static int setup(void **state)
{
	open_with(TIME_MS);
	return 0;
}

static int teardown(void **state)
{
	box_close(&box);
	return 0;
}

static void set_carrier(uint32_t number, bool up)
{
	struct agent_port port = {
		.info = {.number = number, .role = PORT_ACCESS, .mtu = 1500},
		.ifindex = number + 100,
		.mac = mac_of((uint8_t)(0xf0 + number)),
		.up = up,
	};

	agent_port_set(box.agent, &port, box.now_ms);
}

/* Whole, from a node to another; 'tag' is how it is known again. */
struct packet {
	uint8_t bytes[HOLD_FRAME_SIZE + 1];
	size_t size;
};

static struct packet make_packet(const char *from, const char *to, uint8_t tag)
{
	const struct address a = ip(from), b = ip(to);
	struct packet p = {.size = PACKET_SIZE};

	memset(p.bytes, tag, PACKET_SIZE);
	memcpy(p.bytes, gateway_mac.bytes, 6);
	memcpy(p.bytes + 6, mac_of(a.bytes[15]).bytes, 6);
	if (address_is_ipv4(&a)) {
		memcpy(p.bytes + 12, "\x08\x00\x45\x00\x00\xba\x00\x00\x40\x00\x40\x01", 12);
		memcpy(p.bytes + 26, address_ipv4(&a), 4);
		memcpy(p.bytes + 30, address_ipv4(&b), 4);
	} else {
		memcpy(p.bytes + 12, "\x86\xdd\x60\x00\x00\x00\x00\x92\x3a\x40", 10);
		memcpy(p.bytes + 22, a.bytes, 16);
		memcpy(p.bytes + 38, b.bytes, 16);
	}
	return p;
}

static struct upcall upcall_of(const struct packet *p, enum upcall_reason reason, uint32_t port)
{
	return (struct upcall){.reason = (uint8_t)reason,
			       .port = port,
			       .frame = p->bytes,
			       .size = p->size,
			       .wire_size = p->size};
}

/* The data plane hands up what is for a node behind 'port'. */
static void hold(uint32_t port, const char *to, uint8_t tag)
{
	const struct packet p = make_packet(strchr(to, ':') ? "fd00::99" : "10.10.0.99", to, tag);
	const struct upcall u = upcall_of(&p, UPCALL_HELD, port);

	agent_upcall(box.agent, &u, box.now_ms);
}

static void say_at(uint32_t port, const char *from, uint8_t tag, uint16_t vlan, int64_t at_ms)
{
	const struct packet p = make_packet(from, "10.10.0.77", tag);
	struct upcall u = upcall_of(&p, UPCALL_STRANGER, port);

	u.vlan = vlan;
	u.received_us = at_ms * 1000;
	agent_upcall(box.agent, &u, box.now_ms);
}

/* A node that nobody knows yet says something. */
static void say(uint32_t port, const char *from, uint8_t tag, uint16_t vlan)
{
	say_at(port, from, tag, vlan, box.now_ms);
}

/* What went on since the last time: those tags, in that order. */
static void expect_resumed(const char *tags)
{
	assert_int_equal(box.resumed_count, strlen(tags));
	for (size_t i = 0; tags[i]; i++)
		assert_int_equal(box.resumed[i].data[PACKET_SIZE - 1], tags[i]);
	box.resumed_count = 0;
}

static void add(struct controller *c, const struct rule *rule)
{
	assert_int_equal(controller_add(c, rule), 0);
}

/* A controller, and another FE; the ports are admitted. */
static struct controller join(void)
{
	struct controller c = controller_join(&box, 1);

	for (uint32_t port = 2; port <= 4; port++)
		controller_prepare(&c, port);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	controller_drain(&c);
	return c;
}

static uint64_t over(struct controller *c)
{
	enum experimenter_type type;
	struct buffer b = {0};
	struct drop_count d;
	struct message m;
	uint64_t count = UINT64_MAX;

	controller_drain(c);
	drops_request_encode(&b, 9);
	controller_send(c, &b);
	m = controller_expect(c, OFPT_EXPERIMENTER);
	assert_int_equal(experimenter_decode(&m.body, &type), 0);
	assert_int_equal(type, EXPERIMENTER_DROPS_REPLY);
	while (drops_next(&m.body, &d) > 0)
		if (!strcmp(d.name, "hold_over"))
			count = d.packets;
	message_free(&m);
	return count;
}

/* ---- ports ---- */

static void a_port_without_carrier_holds_until_its_time_is_over(void **state)
{
	struct controller c = join();

	set_carrier(2, false);
	assert_true(box.holds[2]);
	assert_false(box.holds[3]);
	box_pass(&box, TIME_MS - 100);
	assert_true(box.holds[2]);
	box_pass(&box, 100);
	assert_false(box.holds[2]);
	/* However much comes for it. */
	set_carrier(3, false);
	for (unsigned i = 0; i < TIME_MS / 100; i++) {
		hold(3, "10.10.0.6", 'a');
		box_pass(&box, 100);
	}
	assert_false(box.holds[3]);
	expect_resumed("");
	box_pass(&box, TIME_MS);
	assert_int_equal(over(&c), TIME_MS / 100);
	/* And the next time it holds again. */
	set_carrier(3, true);
	set_carrier(3, false);
	assert_true(box.holds[3]);
	set_carrier(3, true);
	assert_false(box.holds[3]);
}

static void a_port_that_is_removed_holds_too(void **state)
{
	struct controller c = join();
	struct rule foreign = rule_foreign("10.10.0.5", 3);

	agent_port_remove(box.agent, 2, box.now_ms);
	assert_true(box.holds[2]);
	hold(2, "10.10.0.5", 'a');
	add(&c, &foreign);
	expect_resumed("a");
	box_pass(&box, TIME_MS);
	assert_false(box.holds[2]);
	/* An external one has no nodes. */
	agent_port_remove(box.agent, 1, box.now_ms);
	assert_false(box.holds[1]);
}

/* ---- for nodes ---- */

static void frames_wait_for_the_rule_that_says_where_their_node_is(void **state)
{
	struct controller c = join();
	struct rule admit = rule_admit(2), here = rule_local("10.10.0.5", 2);
	struct rule foreign = rule_foreign("10.10.0.5", 3), foreign6 = rule_foreign("fd00::5", 3);
	const struct packet late = make_packet("10.10.0.99", "10.10.0.5", 'd');

	admit.vrf = here.key.vrf = 7;
	add(&c, &admit);
	add(&c, &here);
	set_carrier(2, false);
	hold(2, "10.10.0.5", 'a');
	hold(2, "10.10.0.6", 'x');
	hold(2, "10.10.0.5", 'b');
	hold(2, "10.10.0.5", 'c');
	add(&c, &foreign); /* of another VRF */
	foreign.key.vrf = foreign6.key.vrf = 7;
	add(&c, &foreign); /* while it is said to be here as well, that counts */
	expect_resumed("");
	/* One is still in the ring. */
	box.waiting = upcall_of(&late, UPCALL_HELD, 2);
	box.upcall_waits = true;
	assert_int_equal(controller_remove(&c, &here), 0);
	assert_false(box.resumed[0].frame.own);
	assert_int_equal(box.resumed[0].frame.vrf, 7);
	assert_int_equal(box.resumed[0].frame.size, PACKET_SIZE);
	assert_memory_equal(box.resumed[3].data, late.bytes, PACKET_SIZE);
	expect_resumed("abcd");
	hold(2, "fd00::5", 'e');
	add(&c, &foreign6);
	expect_resumed("e");
	box_pass(&box, TIME_MS);
	expect_resumed("");
	assert_int_equal(over(&c), 1);
}

static void frames_wait_until_their_node_is_at_another_port_here(void **state)
{
	struct controller c = join();
	struct rule here = rule_local("10.10.0.5", 2);

	add(&c, &here);
	set_carrier(2, false);
	hold(2, "10.10.0.5", 'a');
	hold(2, "10.10.0.5", 'b');
	set_carrier(4, false);
	here.port = 4;
	add(&c, &here);
	expect_resumed("");
	here.port = 3;
	add(&c, &here);
	expect_resumed("ab");
}

static void frames_wait_until_their_port_is_back(void **state)
{
	struct controller c = join();
	struct rule here = rule_local("10.10.0.5", 2);

	add(&c, &here);
	set_carrier(2, false);
	hold(2, "10.10.0.5", 'a');
	box_pass(&box, TIME_MS / 2);
	hold(2, "10.10.0.5", 'b');
	set_carrier(2, true);
	assert_false(box.holds[2]);
	expect_resumed("ab");
	assert_int_equal(over(&c), 0);
}

static void frames_whose_time_is_over_are_dropped_and_counted(void **state)
{
	struct controller c = join();
	struct rule foreign = rule_foreign("10.10.0.5", 3);

	set_carrier(2, false);
	hold(2, "10.10.0.5", 'a');
	box_pass(&box, 500);
	hold(2, "10.10.0.5", 'b');
	box_pass(&box, 500);
	assert_int_equal(over(&c), 1);
	add(&c, &foreign);
	expect_resumed("b");
	assert_int_equal(over(&c), 1);
}

static void a_port_that_has_its_fill_holds_no_more(void **state)
{
	struct controller c = join();
	struct rule foreign = rule_foreign("10.10.0.5", 3);

	set_carrier(2, false);
	set_carrier(3, false);
	for (unsigned i = 0; i < HOLD_PORT_FRAMES; i++)
		hold(2, "10.10.0.5", 'a');
	assert_true(box.holds[2]);
	hold(2, "10.10.0.5", 'b');
	assert_false(box.holds[2]);
	assert_true(box.holds[3]);
	assert_int_equal(over(&c), 1);
	add(&c, &foreign);
	assert_int_equal(box.resumed_count, HOLD_PORT_FRAMES);
	/* There is room again. */
	box.resumed_count = 0;
	hold(2, "10.10.0.5", 'c');
	add(&c, &foreign);
	expect_resumed("c");
	assert_int_equal(over(&c), 1);
}

static void all_ports_together_keep_so_many(void **state)
{
	const uint32_t last = 5 + HOLD_FRAMES / HOLD_PORT_FRAMES;
	struct controller c = join();
	struct rule admit;

	for (uint32_t port = 5; port <= last; port++) {
		box_add_port(&box, port, PORT_ACCESS);
		admit = rule_admit(port);
		add(&c, &admit);
		set_carrier(port, false);
		for (unsigned i = 0; port < last && i < HOLD_PORT_FRAMES; i++)
			hold(port, "10.10.0.5", 'a');
	}
	assert_int_equal(over(&c), 0);
	hold(last, "10.10.0.5", 'b');
	assert_false(box.holds[last]);
	assert_int_equal(over(&c), 1);
	box_pass(&box, TIME_MS);
	assert_int_equal(over(&c), HOLD_FRAMES + 1);
}

static void what_is_no_packet_or_of_no_vrf_is_not_kept(void **state)
{
	struct controller c = join();
	struct rule foreign = rule_foreign("10.10.0.5", 3);
	struct packet p = make_packet("10.10.0.99", "10.10.0.5", 'a');
	struct upcall u = upcall_of(&p, UPCALL_HELD, 2);

	set_carrier(2, false);
	for (u.size = 0; u.size < 34; u.size++)
		agent_upcall(box.agent, &u, box.now_ms);
	u.size = HOLD_FRAME_SIZE + 1;
	agent_upcall(box.agent, &u, box.now_ms);
	u.size = p.size;
	p.bytes[13] = 6; /* ARP */
	agent_upcall(box.agent, &u, box.now_ms);
	hold(9, "10.10.0.5", 'a');
	add(&c, &foreign);
	expect_resumed("");
	assert_int_equal(over(&c), 37);
}

/* ---- nodes' own ---- */

static void a_strangers_frame_goes_on_once_when_its_binding_is_here(void **state)
{
	struct controller c = join();
	struct rule wrong = rule_local("10.10.0.5", 3), here = rule_local("10.10.0.5", 2);

	say(2, "10.10.0.5", 'a', 0);
	say(2, "10.10.0.5", 'b', 0);
	say(2, "10.10.0.6", 'x', 0);
	say(2, "10.10.0.5", 'y', 12);
	add(&c, &wrong); /* another port */
	wrong.port = 2;
	wrong.mac = mac_of(9);
	add(&c, &wrong);
	expect_resumed("");
	add(&c, &here);
	assert_true(box.resumed[0].frame.own);
	assert_int_equal(box.resumed[0].frame.port, 2);
	assert_int_equal(box.resumed[0].frame.vlan, 0);
	expect_resumed("ab");
	here.vlan = 12;
	add(&c, &here);
	assert_int_equal(box.resumed[0].frame.vlan, 12);
	expect_resumed("y");
	here.vlan = 0;
	add(&c, &here);
	expect_resumed("");
	box_pass(&box, TIME_MS);
	assert_int_equal(over(&c), 1);
}

/* Else it would be refused, kept and sent on again for ever. */
static void what_came_later_than_its_binding_is_not_kept(void **state)
{
	struct controller c = join();
	struct rule here = rule_local("10.10.0.5", 2);
	const int64_t since_ms = box.now_ms;

	add(&c, &here);
	box.now_ms += 20;
	/* The data plane had it before the binding: it was waiting in the ring. */
	say_at(2, "10.10.0.5", 'a', 0, since_ms - 1);
	agent_tick(box.agent, box.now_ms);
	expect_resumed("a");
	say_at(2, "10.10.0.5", 'b', 0, since_ms + 10);
	agent_tick(box.agent, box.now_ms);
	box_pass(&box, TIME_MS);
	expect_resumed("");
	assert_int_equal(over(&c), 0);
}

static void the_controller_has_only_the_head_of_a_strangers_frame(void **state)
{
	const struct packet p = make_packet("10.10.0.5", "10.10.0.77", 'a');
	struct controller c = join();
	struct rule here = rule_local("10.10.0.5", 2);
	struct ofp_packet_in in;
	struct message m;

	say(2, "10.10.0.5", 'a', 0);
	m = controller_expect(&c, OFPT_PACKET_IN);
	assert_int_equal(ofp_packet_in_decode(&m.body, &in), 0);
	assert_int_equal(in.data_size, 128);
	assert_memory_equal(in.data, p.bytes, 128);
	assert_int_equal(in.total_size, PACKET_SIZE);
	message_free(&m);
	add(&c, &here);
	assert_int_equal(box.resumed[0].frame.size, PACKET_SIZE);
	assert_memory_equal(box.resumed[0].data, p.bytes, PACKET_SIZE);
	expect_resumed("a");
}

static void what_is_not_whole_is_not_kept(void **state)
{
	const struct packet p = make_packet("10.10.0.5", "10.10.0.77", 'a');
	struct upcall u = upcall_of(&p, UPCALL_STRANGER, 2);
	struct controller c = join();
	struct rule here = rule_local("10.10.0.5", 2);

	u.wire_size++;
	agent_upcall(box.agent, &u, box.now_ms);
	u.size = u.wire_size = HOLD_FRAME_SIZE + 1;
	agent_upcall(box.agent, &u, box.now_ms);
	add(&c, &here);
	expect_resumed("");
}

static void without_a_time_nothing_is_kept(void **state)
{
	struct rule here = rule_local("10.10.0.5", 2), foreign = rule_foreign("10.10.0.6", 3);
	struct controller c;

	box_close(&box);
	open_with(0);
	c = join();
	set_carrier(3, false);
	assert_false(box.holds[3]);
	agent_port_remove(box.agent, 4, box.now_ms);
	assert_false(box.holds[4]);
	say(2, "10.10.0.5", 'a', 0);
	add(&c, &here);
	add(&c, &foreign);
	expect_resumed("");
	box_pass(&box, 1000);
	expect_resumed("");
	/* Nor where the data plane cannot. */
	box.operations.port_hold = NULL;
	box.config.hold_ms = TIME_MS;
	box_restart(&box);
	set_carrier(3, false);
}

/* It was killed while a port held, and the data plane lives on. */
static void what_an_agent_before_began_is_ended(void **state)
{
	struct rule foreign = rule_foreign("10.10.0.6", 3);
	struct controller c;

	for (unsigned hold_ms = 0; hold_ms <= TIME_MS; hold_ms += TIME_MS) {
		box_close(&box);
		open_with(hold_ms);
		c = join();
		box.holds[4] = true;
		hold(4, "10.10.0.6", 'b');
		assert_false(box.holds[4]);
		add(&c, &foreign);
		expect_resumed(hold_ms ? "b" : "");
		assert_int_equal(over(&c), !hold_ms);
		box_pass(&box, TIME_MS);
		expect_resumed("");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_port_without_carrier_holds_until_its_time_is_over),
		TEST(a_port_that_is_removed_holds_too),
		TEST(frames_wait_for_the_rule_that_says_where_their_node_is),
		TEST(frames_wait_until_their_node_is_at_another_port_here),
		TEST(frames_wait_until_their_port_is_back),
		TEST(frames_whose_time_is_over_are_dropped_and_counted),
		TEST(a_port_that_has_its_fill_holds_no_more),
		TEST(all_ports_together_keep_so_many),
		TEST(what_is_no_packet_or_of_no_vrf_is_not_kept),
		TEST(a_strangers_frame_goes_on_once_when_its_binding_is_here),
		TEST(what_came_later_than_its_binding_is_not_kept),
		TEST(the_controller_has_only_the_head_of_a_strangers_frame),
		TEST(what_is_not_whole_is_not_kept),
		TEST(without_a_time_nothing_is_kept),
		TEST(what_an_agent_before_began_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
