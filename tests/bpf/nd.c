/* What an access port does with IPv6 neighbour discovery, and the gateway's echo. */
#include "tests/bpf/harness.h"

#include "packet/nd.h"

#include <string.h>

#define SOURCE 22
#define MESSAGE 54
#define OPTION_MAC 80              /* in a solicitation */
#define ROUTER "fe80::5eff:fe00:1" /* of gateway_mac */

/* 2001:db8:10::/64 as 10.10.0.0/16 is in the harness: ::11 here at port 1, ::12 at port 2, ::36 at
 * FE 3, the gateway ::1. */
static int setup(void **state)
{
	struct bench *b;

	if (bench_setup(state))
		return -1;
	b = *state;
	bench_set_prefix(b, DATAPATH_COVERED, "2001:db8:10::/64", 0);
	bench_set_prefix(b, DATAPATH_STRANGER, "2001:db8:10::/64", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, "2001:db8:10::/64", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, "2001:db8:10::1", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, ROUTER, 0);
	bench_set_local(b, "2001:db8:10::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "2001:db8:10::12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "2001:db8:10::36", 3);
	return 0;
}

static void seal(struct frame *f)
{
	uint32_t sum = (uint32_t)(f->size - MESSAGE) + 58;

	f->bytes[18] = (uint8_t)((f->size - MESSAGE) >> 8);
	f->bytes[19] = (uint8_t)(f->size - MESSAGE);
	f->bytes[MESSAGE + 2] = f->bytes[MESSAGE + 3] = 0;
	for (size_t i = SOURCE; i < f->size; i++)
		sum += i % 2 ? f->bytes[i] : (uint32_t)f->bytes[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	f->bytes[MESSAGE + 2] = (uint8_t)(~sum >> 8);
	f->bytes[MESSAGE + 3] = (uint8_t)~sum;
}

static struct frame frame_of(struct buffer *b)
{
	struct frame f = {.size = b->size};

	memcpy(f.bytes, b->data, b->size);
	buffer_finish(b);
	return f;
}

/* The node's solicitation for the target. */
static struct frame solicitation(const char *source, const char *target)
{
	struct address from = text_address(source), to = text_address(target);
	struct buffer b = {0};
	struct frame f;

	nd_build_probe(&b, 0, &node_mac, &gateway_mac, &to);
	f = frame_of(&b);
	memcpy(f.bytes + SOURCE, from.bytes, 16);
	seal(&f);
	return f;
}

static struct nd run_answered(struct bench *b, struct frame *f)
{
	struct nd said;

	bench_run(b, ACCESS, f);
	assert_int_equal(f->verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_answered_nd), 1);
	assert_int_equal(nd_parse(f->bytes, f->size, &said), 0);
	assert_int_equal(said.type, ND_ADVERTISEMENT);
	assert_true(said.solicited && said.override && said.has_link_layer);
	assert_true(mac_equal(&said.link_layer, &gateway_mac));
	assert_true(mac_equal(&said.ethernet_source, &gateway_mac));
	assert_true(mac_equal(&said.ethernet_destination, &node_mac));
	assert_true(address_equal(&said.source, &said.target));
	return said;
}

static void a_solicitation_for_the_gateway_is_answered_by_a_router(void **state)
{
	static const char *const gateways[] = {"2001:db8:10::1", ROUTER};

	for (unsigned i = 0; i < ARRAY_SIZE(gateways); i++) {
		struct frame f = solicitation("2001:db8:10::11", gateways[i]);
		struct nd said = run_answered(*state, &f);
		struct address node = text_address("2001:db8:10::11");
		struct address gateway = text_address(gateways[i]);

		assert_true(said.is_router);
		assert_true(address_equal(&said.target, &gateway));
		assert_true(address_equal(&said.destination, &node));
	}
}

static void a_solicitation_for_an_address_elsewhere_is_answered(void **state)
{
	static const char *const elsewhere[] = {"2001:db8:10::36", "2001:db8:10::12",
						"2001:db8:10::9:9"};

	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		struct frame f = solicitation("fe80::ff:fe00:a", elsewhere[i]);

		assert_false(run_answered(*state, &f).is_router);
	}
}

static void an_answer_has_room_for_its_option_and_no_more(void **state)
{
	struct frame f = solicitation("2001:db8:10::11", "2001:db8:10::36");

	f.size -= 8; /* a unicast solicitation need not name its MAC */
	seal(&f);
	run_answered(*state, &f);
	assert_int_equal(f.size, 86);
	f = solicitation("2001:db8:10::11", "2001:db8:10::36");
	memcpy(f.bytes + f.size, (uint8_t[]){14, 2}, 2);
	f.size += 16;
	seal(&f);
	run_answered(*state, &f);
	assert_int_equal(f.size, 86);
}

static void what_the_segment_answers_itself_is_left_to_it(void **state)
{
	struct bench *b = *state;
	struct frame f = solicitation("::", "2001:db8:10::36");

	f.size -= 8;
	seal(&f);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted); /* duplicate address detection */
	bench_set_local(b, "2001:db8:10::13", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = solicitation("2001:db8:10::11", "2001:db8:10::13"); /* beside it */
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	f = solicitation("2001:db8:10::11", "2001:db8:99::1"); /* not ours */
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	f = solicitation("fe80::ff:fe00:a", "fe80::1"); /* nor that */
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
}

static void advertisements_and_router_solicitations_go_up(void **state)
{
	struct address eleven = text_address("2001:db8:10::77");
	struct bench *b = *state;
	struct buffer built = {0};
	struct frame f;

	nd_build_announcement(&built, 0, &node_mac, &eleven);
	f = frame_of(&built);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	assert_int_equal(b->upcall.reason, UPCALL_NEIGHBOR);
	assert_int_equal(b->upcall.size, f.size);
	f = solicitation("fe80::ff:fe00:a", "2001:db8:10::1");
	f.bytes[MESSAGE] = ND_ROUTER_SOLICITATION;
	memmove(f.bytes + MESSAGE + 8, f.bytes + MESSAGE + 24, 8);
	f.size -= 16;
	seal(&f);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	assert_int_equal(b->upcall.count, 2);
}

static void a_body_that_names_another_mac_is_dropped_and_not_told(void **state)
{
	struct bench *b = *state;
	struct frame f = solicitation("2001:db8:10::11", "2001:db8:10::36");

	f.bytes[OPTION_MAC + 5] ^= 1;
	seal(&f);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_neighbor);
	f = solicitation("2001:db8:10::11", "2001:db8:10::36"); /* behind another option */
	memcpy(f.bytes + 86, f.bytes + 78, 8);
	memcpy(f.bytes + 78, (uint8_t[]){14, 1, 0, 0, 0, 0, 0, 0}, 8);
	f.bytes[86 + 7] ^= 1;
	f.size += 8;
	seal(&f);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_neighbor);
	f = solicitation("2001:db8:10::11", "2001:db8:10::36"); /* an option of no length */
	f.bytes[79] = 0;
	memset(f.bytes + 80, 0, 6);
	f.bytes[78] = 14;
	seal(&f);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_neighbor);
	assert_int_equal(b->upcall.count, 0);
}

static void what_came_through_a_router_is_no_neighbour_discovery(void **state)
{
	struct frame f = solicitation("2001:db8:10::11", "2001:db8:10::36");

	f.bytes[21] = 254;
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = solicitation("2001:db8:10::11", "2001:db8:10::36");
	f.bytes[MESSAGE + 1] = 1;
	seal(&f);
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = solicitation("2001:db8:10::11", "2001:db8:10::36");
	f.size = MESSAGE + 20;
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
}

static struct frame echo(const char *source, const char *destination)
{
	struct frame f = solicitation(source, destination);

	f.bytes[21] = 7;
	f.bytes[MESSAGE] = 128;
	seal(&f);
	return f;
}

static void the_gateway_answers_a_ping(void **state)
{
	static const char *const pairs[][2] = {{"2001:db8:10::11", "2001:db8:10::1"},
					       {"2001:db8:10::11", ROUTER},
					       {"fe80::ff:fe00:a", ROUTER},
					       {"fe80::ff:fe00:a", "2001:db8:10::1"}};
	struct bench *b = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct frame f = echo(pairs[i][0], pairs[i][1]), right;
		struct address source = text_address(pairs[i][1]);

		bench_run(b, ACCESS, &f);
		assert_int_equal(f.verdict, TC_REDIRECT);
		assert_int_equal(bench_counted(b, VERDICT_answered_echo), 1);
		assert_int_equal(f.bytes[MESSAGE], 129);
		assert_int_equal(f.bytes[21], 64);
		assert_memory_equal(f.bytes + SOURCE, source.bytes, 16);
		assert_memory_equal(f.bytes, node_mac.bytes, 6);
		right = f;
		seal(&right);
		assert_memory_equal(f.bytes, right.bytes, f.size);
	}
}

static void a_stranger_and_a_ping_by_no_way_of_the_gateway_get_no_answer(void **state)
{
	struct frame f = echo("2001:db8:10::99", "2001:db8:10::1");

	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	f = echo("2001:db8:10::11", "2001:db8:10::9:9"); /* covered, nobody's */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_no_binding);
	f = echo("fe80::ff:fe00:a", "2001:db8:10::36"); /* not to leave its link */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_source);
}

static void link_local_packets_stay_on_the_segment(void **state)
{
	struct frame f = frame_udp6("fe80::ff:fe00:a", "fe80::ff:fe00:b", 10);

	frame_set_macs(&f, &other_mac, &node_mac);
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
}

static void a_port_that_admits_ipv4_alone_carries_no_ipv6(void **state)
{
	struct bench *b = *state;
	struct datapath_port p = {.number = ACCESS,
				  .ifindex = b->ifindex[ACCESS],
				  .role = PORT_ACCESS,
				  .admitted = true,
				  .mtu = 1500};
	struct frame f = frame_udp6("2001:db8:10::11", "2001:db8:10::12", 10);

	assert_int_equal(b->ops->port_set(b, &p), 0);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_not_admitted);
	p.admitted6 = true;
	assert_int_equal(b->ops->port_set(b, &p), 0);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_solicitation_for_the_gateway_is_answered_by_a_router),
		TEST(a_solicitation_for_an_address_elsewhere_is_answered),
		TEST(an_answer_has_room_for_its_option_and_no_more),
		TEST(what_the_segment_answers_itself_is_left_to_it),
		TEST(advertisements_and_router_solicitations_go_up),
		TEST(a_body_that_names_another_mac_is_dropped_and_not_told),
		TEST(what_came_through_a_router_is_no_neighbour_discovery),
		TEST(the_gateway_answers_a_ping),
		TEST(a_stranger_and_a_ping_by_no_way_of_the_gateway_get_no_answer),
		TEST(link_local_packets_stay_on_the_segment),
		TEST(a_port_that_admits_ipv4_alone_carries_no_ipv6),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
