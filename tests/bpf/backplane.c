/* What comes by the backplane and by an external port: decapsulation, the REDIRECTED mark, who may
 * send, and the bytes it leaves. */
#include "tests/bpf/harness.h"

#include "base/memory.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEER "192.0.2.3"
#define OURS "192.0.2.2"
#define MARKED "192.0.2.102"

static struct frame tunnelled(struct bench *b, const char *to, const char *destination)
{
	struct frame inner = frame_udp("10.10.0.36", destination, 30);

	return frame_tunnel(b, PEER, to, &inner);
}

/* ---- to nodes here ---- */

static void a_peers_packet_is_unwrapped_and_delivered(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct address to = text_address("10.10.0.11");
	struct bench *b = *state;
	uint64_t packets, bytes;

	f = frame_tunnel(b, PEER, OURS, &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 1);
	frame_set_macs(&inner, &node_mac, &gateway_mac);
	assert_int_equal(f.size, inner.size);
	assert_memory_equal(f.bytes, inner.bytes, inner.size); /* its TTL fell at the other FE */
	b->ops->binding_count(b, 0, &to, &packets, &bytes);
	assert_int_equal(packets, 1);
	assert_int_equal(bytes, inner.size);
}

static void count_of_fe_3(void *to, const struct counter *c)
{
	*(uint64_t *)to += c->ingress_fe == 3 ? c->packets : 0;
}

static void it_is_counted_for_the_fe_where_it_came_in(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.0.11");
	uint64_t packets = 0;

	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
	b->ops->counters(b, count_of_fe_3, &packets);
	assert_int_equal(packets, 1);
}

static void ipv6_comes_out_of_an_ipv4_tunnel(void **state)
{
	struct frame inner = frame_udp6("2001:db8::36", "2001:db8::11", 30), f;
	struct bench *b = *state;

	bench_set_local(b, "2001:db8::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = frame_tunnel(b, PEER, OURS, &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	frame_set_macs(&inner, &node_mac, &gateway_mac);
	assert_int_equal(f.size, inner.size);
	assert_memory_equal(f.bytes, inner.bytes, inner.size);
}

static void congestion_on_the_way_is_passed_on(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct bench *b = *state;

	f = frame_tunnel(b, PEER, OURS, &inner);
	frame_set_ipv4(&f, 15, 3);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_ecn_mismatch);
	frame_set_ipv4(&inner, 15, 0xba);
	f = frame_tunnel(b, PEER, OURS, &inner);
	frame_set_ipv4(&f, 15, 3);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(f.bytes[15], 0xbb);
	assert_true(frame_sum_is_right(&f, 14, 20));
}

/* ---- the mark ---- */

static void a_marked_packet_uses_a_local_binding_or_nothing(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, MARKED, "10.10.0.11");

	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
	f = tunnelled(b, MARKED, "10.10.0.36"); /* foreign: it would go round */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_redirected_miss);
	f = tunnelled(b, MARKED, "10.10.9.9");
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_redirected_miss);
	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	f = tunnelled(b, MARKED, "198.51.100.7");
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_redirected_miss);
}

static void a_tentative_binding_is_for_marked_packets_only(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, MARKED, "10.10.0.11");

	bench_set_local(b, "10.10.0.11", ACCESS,
			BINDING_LOCAL | BINDING_MARKED_ONLY | BINDING_FOREIGN);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
	f = tunnelled(b, OURS, "10.10.0.11");
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_redirected);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_MARKED_ONLY);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_binding);
}

static void who_moved_on_is_sent_after_with_the_mark(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.0.36"), was = f;
	static const uint8_t addresses[] = {192, 0, 2, 2, 192, 0, 2, 103};

	frame_set_ipv4(&f, 22, 9);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_redirected), 1);
	assert_int_equal(f.size, was.size);
	assert_memory_equal(f.bytes + 26, addresses, 8);
	assert_int_equal(f.bytes[22], 64);
	assert_true(frame_sum_is_right(&f, 14, 20));
	assert_memory_equal(f.bytes + 34, was.bytes + 34, was.size - 34); /* TTL inside included */
}

static void who_moved_on_to_an_fe_out_of_reach_is_a_drop(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.0.37");

	bench_set_foreign(b, "10.10.0.37", 9);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_peer);
}

/* ---- who may send what ---- */

static void only_peers_are_unwrapped(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct bench *b = *state;

	f = frame_tunnel(b, "192.0.2.66", OURS, &inner);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
	f = frame_tunnel(b, PEER, OURS, &inner);
	bench_set_peer(b, false); /* still sent to, no more taken from */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
	bench_set_peer(b, true);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

static void a_renumbered_peer_is_known_by_its_new_address_only(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct bench *b = *state;
	struct datapath_peer p = {.fe = 3,
				  .send = true,
				  .receive = true,
				  .address = text_address("192.0.2.4"),
				  .redirect = text_address("192.0.2.104")};

	assert_int_equal(b->ops->peer_set(b, &p), 0);
	f = frame_tunnel(b, PEER, OURS, &inner);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
	f = frame_tunnel(b, "192.0.2.4", OURS, &inner);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
	assert_int_equal(b->ops->peer_remove(b, 3), 0);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
}

static void other_traffic_on_the_backplane_is_left_alone(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct bench *b = *state;

	f = frame_udp("192.0.2.3", "192.0.2.2", 30); /* no tunnel */
	frame_set_macs(&f, &b->mac[BACKPLANE], &other_mac);
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = frame_tunnel(b, PEER, "192.0.2.77", &inner); /* a tunnel of somebody else's */
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = frame_tunnel(b, PEER, OURS, &inner);
	frame_set_macs(&f, &other_mac, &node_mac); /* for another machine */
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = frame_arp(1, "192.0.2.3", "192.0.2.2");
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
}

static void a_switchs_greeting_goes_no_further_and_is_no_drop(void **state)
{
	static const uint8_t vxlan[] = {8, 0, 0, 0, 0, 0, 0, 0};
	struct datapath_peer vxlan_peer = {.fe = 3,
					   .send = true,
					   .vxlan = true,
					   .receive = ENCAPSULATION_VXLAN,
					   .address = text_address(PEER)};
	struct frame f = frame_udp(PEER, OURS, 60);
	struct bench *b = *state;

	frame_set_macs(&f, &b->mac[BACKPLANE], &other_mac);
	f.bytes[36] = 4789 >> 8;
	f.bytes[37] = 4789 & 0xff;
	memcpy(f.bytes + 42, vxlan, sizeof(vxlan));
	f.bytes[62] = 0x88;
	f.bytes[63] = 0xb5;
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_greeted);
	f.bytes[63] = 0xb6; /* anything else that is no IP */
	assert_int_equal(b->ops->peer_set(b, &vxlan_peer), 0);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
}

static void tunnel_packets_that_contradict_themselves_are_dropped(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.0.11");

	f.bytes[34] = 0x55;
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
	f = tunnelled(b, OURS, "10.10.0.11");
	f.bytes[36] = 4; /* longer than what is around it */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
	f = tunnelled(b, OURS, "10.10.0.11");
	frame_set_ipv4(&f, 20, 0x20); /* a fragment of a tunnel packet */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
	f = tunnelled(b, OURS, "10.10.0.11");
	f.size = 44;
	frame_set_ipv4(&f, 17, 30);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
}

/* ---- nobody's, and the rest of the world ---- */

static void a_covered_address_that_nobody_has_is_dropped(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.9.9");

	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_binding);
}

static void what_peers_send_out_leaves_at_a_border_fe_only(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "198.51.100.7");

	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_route);
	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 3);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_external_loop);
	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.size, 14 + 58);
	assert_int_equal(f.bytes[22], 64);
}

/* ---- external ports ---- */

static struct frame from_client(struct bench *b, const char *destination)
{
	struct frame f = frame_udp("198.51.100.7", destination, 30);

	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	return f;
}

static void clients_reach_nodes_here_and_elsewhere(void **state)
{
	struct bench *b = *state;
	struct frame f = from_client(b, "10.10.0.11"), was = f;

	bench_run(b, EXTERNAL, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 1);
	frame_set_macs(&was, &node_mac, &gateway_mac);
	frame_set_ipv4(&was, 22, 63);
	assert_memory_equal(f.bytes, was.bytes, was.size);
	f = from_client(b, "10.10.0.36");
	bench_run(b, EXTERNAL, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_foreign), 1);
	assert_int_equal(f.bytes[42], 63);
}

static void a_client_asks_for_nobody(void **state)
{
	struct bench *b = *state;
	struct frame f = from_client(b, "10.10.9.9");

	bench_expect(b, EXTERNAL, &f, TC_DROP, VERDICT_no_binding);
}

static void the_kernels_business_stays_the_kernels(void **state)
{
	struct bench *b = *state;
	struct frame f = from_client(b, "203.0.113.7");

	bench_expect(b, EXTERNAL, &f, TC_OK, -1);
	f = from_client(b, "10.10.0.11");
	frame_set_macs(&f, &other_mac, &node_mac); /* for another machine */
	bench_expect(b, EXTERNAL, &f, TC_OK, -1);
	bench_set_port(b, EXTERNAL, false, 1500);
	f = from_client(b, "10.10.0.11");
	bench_expect(b, EXTERNAL, &f, TC_OK, -1);
}

/* ---- the long way (bpf/inner.h) ---- */

/* As if a packet of many segments had just gone between any two. */
static void set_trails(struct bench *b)
{
	const struct datapath *dp = b->context.datapath;
	uint64_t when[256];
	struct timespec now;

	assert_in_range(dp->cpus, 1, ARRAY_SIZE(when));
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (unsigned i = 0; i < dp->cpus; i++)
		when[i] = (uint64_t)(now.tv_sec + 60) * 1000000000;
	for (uint32_t key = 0; key < DATAPLANE_TRAILS; key++)
		assert_int_equal(bpf_map__update_elem(dp->skeleton->maps.trails, &key, sizeof(key),
						      when, dp->cpus * sizeof(when[0]), 0),
				 0);
}

static void what_follows_many_segments_is_sent_through_our_device(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 31), f;
	struct bench *b = *state;
	const struct map_config *c = &b->context.datapath->config;
	const uint8_t *at;

	assert_int_equal(c->inner_ifindex, if_nametoindex("victor-2"));
	set_trails(b);
	f = frame_tunnel(b, PEER, MARKED, &inner);
	frame_set_ipv4(&f, 15, 2);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 1);
	assert_int_equal(f.size, 14 + 40 + 42 + inner.size - 14);
	assert_memory_equal(f.bytes, c->inner_mac, 6);
	assert_memory_equal(f.bytes + 12, "\x86\xdd\x60\0\0\0", 6);
	assert_int_equal(f.bytes[18] << 8 | f.bytes[19], 42 + inner.size - 14);
	assert_int_equal(f.bytes[20], 143);
	assert_memory_equal(f.bytes + 22, c->inner_address, 16);
	assert_memory_equal(f.bytes + 38, c->inner_address, 16);
	at = f.bytes + 54;
	/* As the node gets it, by which device, without a VLAN. */
	assert_memory_equal(at, node_mac.bytes, 6);
	assert_memory_equal(at + 6, gateway_mac.bytes, 6);
	assert_memory_equal(at + 12, "\x08\0", 2);
	assert_memory_equal(at + 14, c->inner_token, 8);
	assert_memory_equal(at + 22, "\0\0\0\0", 4);
	assert_memory_equal(at + 26, &b->ifindex[ACCESS], 4);
	assert_int_equal(at[30], 0xb8);
	assert_int_equal(at[31], 4);
	assert_memory_equal(at + 38, &b->ifindex[BACKPLANE], 4);
	assert_memory_equal(at + 42, inner.bytes + 14, inner.size - 14);
}

/* An element whose backplane is provisioned links has no device of the underlay: nothing of what
 * our device is told is of one. */
static void over_links_alone_it_is_told_the_links_device(void **state)
{
	const struct datapath_port link = {.number = BACKPLANE,
					   .role = PORT_BACKPLANE,
					   .link = MAP_LINK_ETHERNET,
					   .admitted = true,
					   .mtu = 1600};
	struct bench *b = *state;
	struct datapath_port port = link;
	struct frame f = tunnelled(b, OURS, "198.51.100.7");

	port.ifindex = b->ifindex[BACKPLANE];
	assert_int_equal(b->ops->port_remove(b, BACKPLANE), 0);
	assert_int_equal(b->ops->port_set(b, &port), 0);
	assert_int_equal(b->context.datapath->config.backplane_ifindex, 0);
	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_external);
	set_trails(b);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes, b->context.datapath->config.inner_mac, 6);
	assert_memory_equal(f.bytes + 54 + 38, &b->ifindex[BACKPLANE], 4);
}

static void what_does_not_come_from_us_is_refused_there(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 31), whole, f;
	struct bench *b = *state;
	const struct bpf_program *program = b->context.datapath->skeleton->progs.victor_inner;

	set_trails(b);
	whole = frame_tunnel(b, PEER, OURS, &inner);
	bench_run(b, BACKPLANE, &whole);
	whole.size -= 54;
	memmove(whole.bytes, whole.bytes + 54, whole.size);
	for (unsigned bit = 0; bit < 64; bit++) { /* the token, each bit wrong once */
		f = whole;
		f.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		bench_run_program(b, program, 0, &f);
		assert_int_equal(f.verdict, TC_DROP);
		assert_int_equal(bench_counted(b, VERDICT_inner_refused), 1);
	}
	f = frame_udp("10.10.0.36", "10.10.0.11", 31);
	bench_run_program(b, program, 0, &f);
	assert_int_equal(bench_counted(b, VERDICT_inner_refused), 1);
	f = whole;
	f.bytes[12] = 0x88; /* some kernels run no IP program over so few bytes */
	f.size = 33;
	bench_run_program(b, program, 0, &f);
	assert_int_equal(bench_counted(b, VERDICT_inner_refused), 1);
	f = whole;
	bench_run_program(b, program, 0, &f);
	assert_int_equal(bench_counted(b, VERDICT_inner_refused), 0);
}

static void without_the_device_all_go_the_short_way(void **state)
{
	struct bench *b = *state;
	struct frame f = tunnelled(b, OURS, "10.10.0.11");

	set_trails(b);
	b->context.datapath->config.inner_ifindex = 0;
	assert_int_equal(datapath_config_write(b->context.datapath), 0);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peers_packet_is_unwrapped_and_delivered),
		TEST(it_is_counted_for_the_fe_where_it_came_in),
		TEST(ipv6_comes_out_of_an_ipv4_tunnel),
		TEST(congestion_on_the_way_is_passed_on),
		TEST(a_marked_packet_uses_a_local_binding_or_nothing),
		TEST(a_tentative_binding_is_for_marked_packets_only),
		TEST(who_moved_on_is_sent_after_with_the_mark),
		TEST(who_moved_on_to_an_fe_out_of_reach_is_a_drop),
		TEST(only_peers_are_unwrapped),
		TEST(a_renumbered_peer_is_known_by_its_new_address_only),
		TEST(other_traffic_on_the_backplane_is_left_alone),
		TEST(a_switchs_greeting_goes_no_further_and_is_no_drop),
		TEST(tunnel_packets_that_contradict_themselves_are_dropped),
		TEST(a_covered_address_that_nobody_has_is_dropped),
		TEST(what_peers_send_out_leaves_at_a_border_fe_only),
		TEST(clients_reach_nodes_here_and_elsewhere),
		TEST(a_client_asks_for_nobody),
		TEST(the_kernels_business_stays_the_kernels),
		TEST(what_follows_many_segments_is_sent_through_our_device),
		TEST(over_links_alone_it_is_told_the_links_device),
		TEST(what_does_not_come_from_us_is_refused_there),
		TEST(without_the_device_all_go_the_short_way),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
