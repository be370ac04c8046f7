/* What an access port does with what nodes send: ARP, the gateway, the guard, delivery here and to
 * other FEs, and the bytes it leaves. */
#include "tests/bpf/harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- ARP ---- */

static void a_request_for_the_gateway_is_answered_in_place(void **state)
{
	static const uint8_t answer[] = {0x02, 0, 0, 0, 0,  0x0a, 0x02, 0,  0x5e, 0,
					 0,    1, 8, 6, /* to the node, by the gateway */
					 0,    1, 8, 0, 6,  4,    0,    2,  0x02, 0,
					 0x5e, 0, 0, 1, 10, 10,   0,    1, /* is here: */
					 0x02, 0, 0, 0, 0,  0x0a, 10,   10, 0,    11};
	struct frame f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	struct bench *b = *state;

	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(f.size, 60);
	assert_memory_equal(f.bytes, answer, sizeof(answer));
	assert_int_equal(bench_counted(b, VERDICT_answered_arp), 1);
}

static void a_request_for_an_address_elsewhere_is_answered(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.11", "10.10.0.36");

	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_answered_arp);
	f = frame_arp(1, "10.10.0.11", "10.10.0.12"); /* another port of this FE */
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_answered_arp);
	f = frame_arp(1, "10.10.0.11", "10.10.9.9"); /* nobody has it: dropped when it comes */
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_answered_arp);
}

static void what_the_segment_answers_itself_is_left_to_it(void **state)
{
	struct frame f = frame_arp(1, "0.0.0.0", "10.10.0.36"); /* a probe */

	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
	f = frame_arp(1, "10.10.0.11", "10.10.0.11"); /* an announcement */
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
	f = frame_arp(2, "10.10.0.11", "10.10.0.36"); /* a reply */
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
	f = frame_arp(1, "10.10.0.11", "192.0.2.77"); /* not ours to answer for */
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
	bench_set_local(*state, "10.10.0.13", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = frame_arp(1, "10.10.0.11", "10.10.0.13"); /* a neighbour on the same port */
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
}

static void arp_goes_up_whole(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.77", "10.10.0.77");
	struct bench *b = *state;

	bench_expect(b, ACCESS2, &f, TC_OK, VERDICT_punted);
	assert_int_equal(b->upcall.count, 1);
	assert_int_equal(b->upcall.reason, UPCALL_NEIGHBOR);
	assert_int_equal(b->upcall.port, ACCESS2);
	assert_int_equal(b->upcall.wire_size, 60);
	assert_int_equal(b->upcall.size, 60);
	assert_memory_equal(b->upcall.frame, f.bytes, 60);
}

static void rarp_goes_up(void **state)
{
	struct frame f = frame_arp(3, "0.0.0.0", "0.0.0.0");

	f.bytes[12] = 0x80;
	f.bytes[13] = 0x35;
	bench_expect(*state, ACCESS, &f, TC_OK, VERDICT_punted);
}

static void arp_that_is_cut_short_or_of_another_kind_is_not_answered(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.11", "10.10.0.1");

	f.size = 41;
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	f.bytes[19] = 6; /* size of a protocol address */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
}

static void a_port_may_punt_only_its_share(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.11");
	uint64_t punted = 0, limited = 0;
	struct bench *b = *state;
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 1000; i++) {
		struct frame copy = f;

		bench_run(b, ACCESS, &copy);
		punted += bench_counted(b, VERDICT_punted);
		limited += bench_counted(b, VERDICT_punt_limited);
	}
	assert_int_equal(punted + limited, 1000);
	clock_gettime(CLOCK_MONOTONIC, &end); /* 1000 a second, on a machine as slow as it is */
	assert_in_range(punted, 200,
			201 + (end.tv_sec - begin.tv_sec) * 1000 +
				(end.tv_nsec - begin.tv_nsec) / 1000000);
	bench_expect(b, ACCESS2, &f, TC_DROP, VERDICT_punted); /* each port has its own */
}

static void a_full_ring_is_counted_and_arp_is_answered_still(void **state)
{
	struct frame f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	struct bench *b = *state;
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	struct map_limits fresh = {};
	struct __sk_buff context = {.ifindex = b->ifindex[ACCESS]};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes,
			    .data_size_in = (uint32_t)f.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context));

	for (int i = 0; i < DATAPLANE_UPCALL_RING / DATAPLANE_UPCALL_DATA; i++) {
		bpf_map_update_elem(map_fd(skeleton->maps.limits), &context.ifindex, &fresh, 0);
		bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.victor_access), &run);
	}
	bpf_map_update_elem(map_fd(skeleton->maps.limits), &context.ifindex, &fresh, 0);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_punt_lost);
	assert_int_equal(bench_counted(b, VERDICT_answered_arp), 1);
}

/* ---- the gateway ---- */

static void the_gateway_answers_a_ping(void **state)
{
	struct frame f = frame_echo("10.10.0.11", "10.10.0.1"), asked = f;
	struct bench *b = *state;

	frame_set_ipv4(&f, 22, 3);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_answered_echo), 1);
	assert_memory_equal(f.bytes, node_mac.bytes, 6);
	assert_memory_equal(f.bytes + 6, gateway_mac.bytes, 6);
	assert_memory_equal(f.bytes + 26, asked.bytes + 30, 4);
	assert_memory_equal(f.bytes + 30, asked.bytes + 26, 4);
	assert_int_equal(f.bytes[22], 64);
	assert_int_equal(f.bytes[34], 0);
	assert_memory_equal(f.bytes + 38, asked.bytes + 38, 12);
	assert_true(frame_sum_is_right(&f, 14, 20));
	assert_true(frame_sum_is_right(&f, 34, 16));
}

/* ---- delivery ---- */

static void a_local_packet_gets_macs_and_a_hop_less(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30), was = f;
	struct bench *b = *state;
	uint64_t packets, bytes;
	struct address to = text_address("10.10.0.12"), from = text_address("10.10.0.11");

	assert_int_equal(b->ops->binding_idle_ms(b, 0, &from), -1);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	frame_set_macs(&was, &other_mac, &gateway_mac);
	frame_set_ipv4(&was, 22, 63);
	assert_int_equal(f.size, was.size);
	assert_memory_equal(f.bytes, was.bytes, was.size);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 1);
	b->ops->binding_count(b, 0, &to, &packets, &bytes);
	assert_int_equal(packets, 1);
	assert_int_equal(bytes, was.size);
	assert_in_range(b->ops->binding_idle_ms(b, 0, &from), 0, 5000);
}

static void segments_are_counted_as_a_wire_has_them(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 1100);
	struct address to = text_address("10.10.0.12");
	struct bench *b = *state;
	uint64_t packets, bytes;

	f.gso_size = 500;
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	b->ops->binding_count(b, 0, &to, &packets, &bytes);
	assert_int_equal(packets, 3);
	assert_int_equal(bytes, 1100 + 3 * 42);
}

static void the_port_it_came_in_by_is_a_way_out_too(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.13", 30);

	bench_set_local(*state, "10.10.0.13", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	/* but what a neighbour hears by itself is left to the segment */
	frame_set_macs(&f, &other_mac, &node_mac);
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
}

static void a_foreign_packet_is_encapsulated(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 30), inner = f;
	uint8_t outer[] = {0x45, 0xb8, 0,   20 + 58, 0, 0, 0x40, 0, 64, 4,
			   0,    0,    192, 0,       2, 2, 192,  0, 2,  3};
	struct bench *b = *state;

	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(f.size, inner.size + 20);
	assert_true(frame_sum_is_right(&f, 14, 20));
	memcpy(outer + 10, f.bytes + 24, 2);
	assert_memory_equal(f.bytes + 14, outer, 20);
	frame_set_ipv4(&inner, 22, 63);
	assert_memory_equal(f.bytes + 34, inner.bytes + 14, inner.size - 14);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_foreign), 1);
}

static void a_neighbour_with_a_warm_cache_reaches_who_left(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 30);

	frame_set_macs(&f, &other_mac, &node_mac); /* the departed node's own MAC */
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
}

static void a_tentative_binding_is_not_for_nodes(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);

	bench_set_local(*state, "10.10.0.12", ACCESS2,
			BINDING_LOCAL | BINDING_MARKED_ONLY | BINDING_FOREIGN | BINDING_GUARD);
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
}

static void a_nodes_own_tunnel_is_a_packet_like_any(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 60);
	struct bench *b = *state;

	frame_set_ipv4(&f, 23, 4); /* IP-in-IP to a node elsewhere */
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(f.bytes[23], 4);
	assert_int_equal(f.bytes[43], 4);
}

static void ipv6_is_forwarded_by_the_same_keys(void **state)
{
	struct frame f = frame_udp6("2001:db8::11", "2001:db8::12", 30), was = f;
	struct bench *b = *state;

	bench_set_local(b, "2001:db8::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "2001:db8::12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "2001:db8::36", 3);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	frame_set_macs(&was, &other_mac, &gateway_mac);
	was.bytes[21] = 63;
	assert_memory_equal(f.bytes, was.bytes, was.size);
	f = frame_udp6("2001:db8::11", "2001:db8::36", 30);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_foreign), 1);
	assert_int_equal(f.bytes[12] << 8 | f.bytes[13], 0x0800);
	assert_int_equal(f.bytes[23], 41);
	assert_int_equal(f.bytes[34], 0x60);
	assert_int_equal(f.bytes[41], 63);
}

/* ---- left alone ---- */

static void what_is_not_victors_is_left_alone(void **state)
{
	static const struct mac multicast = {{1, 0, 0x5e, 0, 0, 1}};
	struct frame f =
		frame_udp("203.0.113.1", "203.0.113.2", 30); /* neither a node's nor for one */

	bench_expect(*state, ACCESS, &f, TC_OK, -1);
	f = frame_udp("10.10.0.11", "224.0.0.1", 30);
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
	f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	frame_set_macs(&f, &multicast, &node_mac);
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
	f = frame_udp("10.10.0.11", "10.10.9.9", 30); /* covered, but sent to some neighbour */
	frame_set_macs(&f, &other_mac, &node_mac);
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
	f.bytes[12] = 0x88; /* another ethertype */
	bench_expect(*state, ACCESS, &f, TC_OK, -1);
}

/* ---- drops ---- */

static void a_port_that_is_not_admitted_carries_nothing(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);

	bench_set_port(*state, ACCESS, false, 1500);
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_not_admitted);
	f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	bench_expect(*state, ACCESS, &f, TC_REDIRECT, VERDICT_punted);
}

static void packets_that_contradict_themselves_are_dropped(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);

	frame_set_ipv4(&f, 14, 0x44); /* a header of 16 bytes */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	frame_set_ipv4(&f, 16, 4); /* longer than its frame */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	f.size = 50; /* cut short */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = frame_udp6("2001:db8::11", "2001:db8::12", 30);
	f.bytes[18] = 9;
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
	f = frame_udp6("10.10.0.11", "10.10.0.12", 30); /* IPv6 that spells IPv4 addresses */
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_bad_packet);
}

static void a_stranger_is_told_of_and_dropped(void **state)
{
	struct frame f = frame_udp("10.10.0.99", "10.10.0.12", 300);
	struct bench *b = *state;

	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	assert_int_equal(b->upcall.count, 1);
	assert_int_equal(b->upcall.reason, UPCALL_STRANGER);
	assert_int_equal(b->upcall.size, f.size);
	assert_int_equal(b->upcall.wire_size, f.size);
	assert_memory_equal(b->upcall.frame, f.bytes, f.size);
}

static void a_known_address_by_another_port_or_mac_is_a_stranger(void **state)
{
	struct frame f = frame_udp("10.10.0.12", "10.10.0.36", 30); /* lives at port 2 */

	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	frame_set_macs(&f, &gateway_mac, &other_mac);
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	bench_set_local(*state, "10.10.0.11", ACCESS, BINDING_LOCAL); /* no guard, no entry */
	f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
}

static void a_source_of_nobodys_may_not_reach_nodes(void **state)
{
	struct frame f = frame_udp("203.0.113.1", "10.10.0.12", 30);

	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_source);
	f = frame_udp("203.0.113.1", "10.10.9.9", 30);
	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_guard_source);
}

static void a_covered_address_that_nobody_has_is_dropped(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.9.9", 30);

	bench_expect(*state, ACCESS, &f, TC_DROP, VERDICT_no_binding);
}

static void a_port_that_went_is_a_drop(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	struct bench *b = *state;

	assert_int_equal(b->ops->port_remove(b, ACCESS2), 0);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_port_gone);
}

static void an_fe_without_group_or_route_is_a_drop(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.37", 30);
	struct bench *b = *state;
	struct datapath_peer far = {.fe = 9,
				    .send = true,
				    .address = text_address("203.0.113.9"),
				    .redirect = text_address("203.0.113.10")};

	bench_set_foreign(b, "10.10.0.37", 9);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_no_peer);
	assert_int_equal(b->ops->peer_set(b, &far), 0);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_no_underlay);
	f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	assert_int_equal(b->ops->port_remove(b, BACKPLANE), 0);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_no_underlay);
}

/* ---- what leaves ---- */

static void what_leaves_takes_the_kernels_route(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "198.51.100.7", 30);
	struct bench *b = *state;

	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.bytes[22], 63);
	assert_true(frame_sum_is_right(&f, 14, 20));
	f = frame_udp("10.10.0.11", "198.51.100.1", 30); /* this machine */
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_passed_up);
	assert_int_equal(system("ip route add blackhole 203.0.113.0/24"), 0);
	f = frame_udp("10.10.0.11", "203.0.113.7", 30);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_no_route);
	assert_int_equal(system("ip route del blackhole 203.0.113.0/24"), 0);
}

static void what_leaves_by_a_border_fe_is_tunnelled_there(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "203.0.113.7", 30);
	struct bench *b = *state;

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 3);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.bytes[23], 4);
	assert_int_equal(f.bytes[33], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_for_the_gateway_is_answered_in_place),
		TEST(a_request_for_an_address_elsewhere_is_answered),
		TEST(what_the_segment_answers_itself_is_left_to_it),
		TEST(arp_goes_up_whole),
		TEST(rarp_goes_up),
		TEST(arp_that_is_cut_short_or_of_another_kind_is_not_answered),
		TEST(a_port_may_punt_only_its_share),
		TEST(a_full_ring_is_counted_and_arp_is_answered_still),
		TEST(the_gateway_answers_a_ping),
		TEST(a_local_packet_gets_macs_and_a_hop_less),
		TEST(segments_are_counted_as_a_wire_has_them),
		TEST(the_port_it_came_in_by_is_a_way_out_too),
		TEST(a_foreign_packet_is_encapsulated),
		TEST(a_neighbour_with_a_warm_cache_reaches_who_left),
		TEST(a_tentative_binding_is_not_for_nodes),
		TEST(a_nodes_own_tunnel_is_a_packet_like_any),
		TEST(ipv6_is_forwarded_by_the_same_keys),
		TEST(what_is_not_victors_is_left_alone),
		TEST(a_port_that_is_not_admitted_carries_nothing),
		TEST(packets_that_contradict_themselves_are_dropped),
		TEST(a_stranger_is_told_of_and_dropped),
		TEST(a_known_address_by_another_port_or_mac_is_a_stranger),
		TEST(a_source_of_nobodys_may_not_reach_nodes),
		TEST(a_covered_address_that_nobody_has_is_dropped),
		TEST(a_port_that_went_is_a_drop),
		TEST(an_fe_without_group_or_route_is_a_drop),
		TEST(what_leaves_takes_the_kernels_route),
		TEST(what_leaves_by_a_border_fe_is_tunnelled_there),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
