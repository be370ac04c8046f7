/* A LAN that other FEs share (bpf/segment.h): whom this one answers, and what it forwards.
 *
 * 10.10.0.11 is a node for which this FE is designated, told the gateway's MAC "own"; 10.10.0.13 is
 * one for which another FE is; both are on port 1 with the same MAC. */
#include "tests/bpf/harness.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

static const struct mac own = {{0x02, 0x00, 0x5e, 0x00, 0x00, 0x42}};
static const struct mac others = {{0x02, 0x00, 0x5e, 0x00, 0x00, 0x43}};
static const struct mac stale = {{0x52, 0x54, 0x00, 0x00, 0x00, 0x77}};

static void set_local(struct bench *b, const char *address, const struct mac *gateway,
		      uint8_t flags)
{
	struct datapath_binding binding = {.address = text_address(address),
					   .flags = BINDING_LOCAL | BINDING_GUARD | flags,
					   .port = ACCESS,
					   .mac = node_mac,
					   .gateway_mac = *gateway};

	assert_int_equal(b->ops->binding_set(b, &binding), 0);
}

static void share(struct bench *b, bool silent)
{
	struct datapath_port p = {.number = ACCESS,
				  .ifindex = b->ifindex[ACCESS],
				  .role = PORT_ACCESS,
				  .admitted = true,
				  .shared = true,
				  .silent = silent,
				  .listen = DATAPATH_LISTEN_ARP | DATAPATH_LISTEN_RARP,
				  .mtu = 1500};

	assert_int_equal(b->ops->port_set(b, &p), 0);
	set_local(b, "10.10.0.11", &own, 0);
	set_local(b, "10.10.0.13", &b->mac[ACCESS], BINDING_BESIDE);
}

static struct frame sent_to(const char *source, const struct mac *to)
{
	struct frame f = frame_udp(source, "10.10.0.36", 30);

	frame_set_macs(&f, to, &node_mac);
	return f;
}

static void takes(struct bench *b, const char *source, const struct mac *to)
{
	struct frame f = sent_to(source, to);

	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
}

static void leaves(struct bench *b, const char *source, const struct mac *to)
{
	struct frame f = sent_to(source, to);

	bench_expect(b, ACCESS, &f, TC_OK, -1);
}

static void a_node_is_answered_with_the_mac_that_it_is_told(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	struct bench *b = *state;

	share(b, true);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes + 6, own.bytes, 6);
	assert_memory_equal(f.bytes + 22, own.bytes, 6);
}

static void another_elements_node_is_not_answered(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.13", "10.10.0.36");

	share(*state, false);
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
}

static void who_is_not_registered_is_answered_by_the_lans_gateway_alone(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.77", "10.10.0.1");
	struct bench *b = *state;

	share(b, true);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	share(b, false);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes + 22, gateway_mac.bytes, 6);
}

static void the_designated_element_forwards_what_is_sent_to_its_mac(void **state)
{
	share(*state, true);
	takes(*state, "10.10.0.11", &own);
	takes(*state, "10.10.0.11", &stale);
	leaves(*state, "10.10.0.11", &others);
	leaves(*state, "10.10.0.11", &gateway_mac);
}

static void the_others_leave_a_flooded_frame_to_it(void **state)
{
	share(*state, true);
	leaves(*state, "10.10.0.13", &others);
	leaves(*state, "10.10.0.13", &stale);
	leaves(*state, "10.10.0.13", &gateway_mac);
}

static void the_lans_gateway_forwards_what_is_sent_to_the_first_mac(void **state)
{
	share(*state, false);
	takes(*state, "10.10.0.11", &gateway_mac);
	takes(*state, "10.10.0.13", &gateway_mac);
	leaves(*state, "10.10.0.13", &others);
}

static void one_that_just_handed_a_node_over_still_forwards_for_it(void **state)
{
	struct bench *b = *state;

	share(b, true);
	set_local(b, "10.10.0.13", &b->mac[ACCESS], BINDING_BESIDE | BINDING_LEAVING);
	takes(b, "10.10.0.13", &others);
	leaves(b, "10.10.0.13", &stale);
}

static void a_guard_alone_passes_whatever_the_mac(void **state)
{
	struct datapath_binding binding = {.address = text_address("10.10.0.14"),
					   .flags = BINDING_GUARD | BINDING_FOREIGN,
					   .port = ACCESS,
					   .mac = node_mac,
					   .fe = 3};
	struct bench *b = *state;

	share(b, true);
	assert_int_equal(b->ops->binding_set(b, &binding), 0);
	takes(b, "10.10.0.14", &others);
}

static void each_element_delivers_from_a_mac_of_its_own(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.13", 30), f;
	struct bench *b = *state;

	share(b, true);
	f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes, node_mac.bytes, 6);
	assert_memory_equal(f.bytes + 6, b->mac[ACCESS].bytes, 6);
	inner = frame_udp("10.10.0.36", "10.10.0.11", 30);
	f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes + 6, own.bytes, 6);
}

static void any_of_the_gateways_macs_will_do_on_a_port_of_ones_own(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "198.51.100.9", 30);

	frame_set_macs(&f, &others, &node_mac);
	bench_run(*state, ACCESS, &f);
	assert_int_equal(f.verdict == TC_REDIRECT || bench_counted(*state, VERDICT_passed_up) == 1,
			 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_answered_with_the_mac_that_it_is_told),
		TEST(another_elements_node_is_not_answered),
		TEST(who_is_not_registered_is_answered_by_the_lans_gateway_alone),
		TEST(the_designated_element_forwards_what_is_sent_to_its_mac),
		TEST(the_others_leave_a_flooded_frame_to_it),
		TEST(the_lans_gateway_forwards_what_is_sent_to_the_first_mac),
		TEST(one_that_just_handed_a_node_over_still_forwards_for_it),
		TEST(a_guard_alone_passes_whatever_the_mac),
		TEST(each_element_delivers_from_a_mac_of_its_own),
		TEST(any_of_the_gateways_macs_will_do_on_a_port_of_ones_own),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
