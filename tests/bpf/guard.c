/* What an access port refuses whatever the tables say (bpf/guard.h), what may not come in from
 * outside, and each port's share of upcalls. */
#include "tests/bpf/harness.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHARE_RATE 50
#define SHARE_BURST 5

static const struct mac broadcast = {{255, 255, 255, 255, 255, 255}};

static uint64_t counted_at(const struct bench *b, uint32_t port, enum dataplane_verdict verdict)
{
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	struct map_port_verdict key = {port, verdict};
	uint64_t count = 0;

	bpf_map_lookup_elem(map_fd(skeleton->maps.port_verdicts), &key, &count);
	return count;
}

/* Dropped by that name, which its port's list has too. */
static void refused(struct bench *b, const struct frame *f, enum dataplane_verdict why)
{
	uint64_t before = counted_at(b, ACCESS, why);

	b->upcall.count = 0;
	bench_expect(b, ACCESS, f, TC_DROP, (int)why);
	assert_int_equal(counted_at(b, ACCESS, why), before + 1);
	assert_int_equal(b->upcall.count, 0);
}

static void passes(struct bench *b, const struct frame *f)
{
	bench_expect(b, ACCESS, f, TC_OK, -1);
}

static struct frame ethertype(struct frame f, uint16_t type)
{
	f.bytes[12] = (uint8_t)(type >> 8);
	f.bytes[13] = (uint8_t)type;
	return f;
}

static struct frame to_mac(struct frame f, const struct mac *to)
{
	frame_set_macs(&f, to, &node_mac);
	return f;
}

static void set_ports(struct frame *f, size_t at, uint16_t source, uint16_t destination)
{
	const uint8_t ports[] = {(uint8_t)(source >> 8), (uint8_t)source,
				 (uint8_t)(destination >> 8), (uint8_t)destination};

	memcpy(f->bytes + at, ports, sizeof(ports));
}

/* ---- frames ---- */

static void tags_are_for_trunks_and_never_twofold(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 60), tagged;

	memcpy(tagged.bytes, f.bytes, 12);
	memcpy(tagged.bytes + 12, "\x81\x00\x00\x64\x81\x00\x00\x05", 8);
	memcpy(tagged.bytes + 20, f.bytes + 12, f.size - 12);
	tagged.size = f.size + 8;
	tagged.gso_size = 0;
	refused(*state, &tagged, VERDICT_guard_tag);
	memcpy(tagged.bytes + 16, f.bytes + 12, f.size - 12);
	tagged.size = f.size + 4;
	refused(*state, &tagged, VERDICT_guard_tag);
	tagged.bytes[12] = 0x88; /* 802.1ad */
	tagged.bytes[13] = 0xa8;
	refused(*state, &tagged, VERDICT_guard_tag);
}

static void labels_and_what_bridges_say_are_no_nodes_frames(void **state)
{
	static const struct mac spanning_tree = {{0x01, 0x80, 0xc2, 0, 0, 0}};
	static const struct mac access_control = {{0x01, 0x80, 0xc2, 0, 0, 3}};
	static const struct mac multicast = {{0x03, 0, 0, 0, 0, 1}};
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 60), g;

	g = ethertype(f, 0x8847);
	refused(*state, &g, VERDICT_guard_kind);
	g = ethertype(f, 0x8848);
	refused(*state, &g, VERDICT_guard_kind);
	g = ethertype(f, 0x88cc);
	refused(*state, &g, VERDICT_guard_kind);
	g = ethertype(to_mac(f, &spanning_tree), 38);
	refused(*state, &g, VERDICT_guard_kind);
	g = ethertype(to_mac(f, &access_control), 0x888e);
	passes(*state, &g);
	frame_set_macs(&f, &gateway_mac, &multicast);
	refused(*state, &f, VERDICT_guard_kind);
}

/* ---- ARP ---- */

static void arp_whose_body_names_another_mac_is_refused(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.11");

	f.bytes[27] ^= 1;
	refused(*state, &f, VERDICT_guard_neighbor);
	f = ethertype(f, 0x8035);
	refused(*state, &f, VERDICT_guard_neighbor);
	f.bytes[19] = 16;
	refused(*state, &f, VERDICT_bad_packet);
}

static void who_speaks_for_the_gateway_is_refused(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.1", "10.10.0.11");
	struct bench *b = *state;

	refused(b, &f, VERDICT_guard_gateway);
	f = frame_arp(1, "10.10.0.1", "10.10.0.1");
	refused(b, &f, VERDICT_guard_gateway);
	f = frame_arp(2, "10.10.0.11", "10.10.0.11"); /* by its MAC */
	frame_set_macs(&f, &broadcast, &gateway_mac);
	memcpy(f.bytes + 22, gateway_mac.bytes, 6);
	refused(b, &f, VERDICT_guard_gateway);
	f.bytes[11] = f.bytes[27] = 77; /* or another of them */
	refused(b, &f, VERDICT_guard_gateway);
}

static void a_claim_to_an_address_elsewhere_is_heard_and_goes_no_further(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_arp(2, "10.10.0.12", "10.10.0.12"); /* at port 2 */

	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_punted);
	assert_int_equal(bench_counted(b, VERDICT_guard_claim), 1);
	f = frame_arp(2, "10.10.0.36", "10.10.0.36"); /* at FE 3 */
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_claim);
	assert_int_equal(b->upcall.count, 2);
	/* who asks gets an answer, also a node that just moved here */
	f = frame_arp(1, "10.10.0.36", "10.10.0.1");
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_answered_arp);
	assert_int_equal(bench_counted(b, VERDICT_guard_claim), 0);
}

static void where_other_elements_are_heard_their_gateway_is_too(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_arp(2, "10.10.0.1", "10.10.0.1");
	struct datapath_port port = {.number = ACCESS,
				     .ifindex = b->ifindex[ACCESS],
				     .role = PORT_ACCESS,
				     .admitted = true,
				     .shared = true,
				     .listen = DATAPATH_LISTEN_ARP};

	assert_int_equal(b->ops->port_set(b, &port), 0);
	frame_set_macs(&f, &broadcast, &gateway_mac);
	memcpy(f.bytes + 22, gateway_mac.bytes, 6);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
}

/* ---- headers ---- */

static struct frame with_options(const uint8_t *options, size_t size)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 60);

	memmove(f.bytes + 34 + size, f.bytes + 34, f.size - 34);
	memcpy(f.bytes + 34, options, size);
	f.size += size;
	f.bytes[17] = (uint8_t)(f.size - 14);
	f.bytes[14] = (uint8_t)(0x45 + size / 4);
	return f;
}

static void source_routing_is_refused_other_options_are_not(void **state)
{
	static const uint8_t loose[] = {131, 7, 4, 192, 0, 2, 3, 0};
	static const uint8_t hidden[] = {1, 7, 3, 4, 137, 7, 4, 192, 0, 2, 3, 0};
	static const uint8_t endless[] = {7, 0, 0, 0};
	static const uint8_t harmless[] = {1, 7, 7, 4, 131, 137, 131, 137}; /* recorded routes */
	static const uint8_t ended[] = {148, 4, 0, 0, 0, 131, 4, 4};
	struct frame f = with_options(loose, sizeof(loose));

	refused(*state, &f, VERDICT_guard_header);
	f = with_options(hidden, sizeof(hidden));
	refused(*state, &f, VERDICT_guard_header);
	f = with_options(endless, sizeof(endless));
	refused(*state, &f, VERDICT_guard_header);
	f = with_options(harmless, sizeof(harmless));
	bench_run(*state, ACCESS, &f);
	assert_int_equal(bench_counted(*state, VERDICT_guard_header), 0);
	f = with_options(ended, sizeof(ended));
	bench_run(*state, ACCESS, &f);
	assert_int_equal(bench_counted(*state, VERDICT_guard_header), 0);
}

/* 'last' and 8 bytes of it behind the extension headers, each of 8 bytes. */
static struct frame chain(const uint8_t *kinds, uint8_t last, const uint8_t upper[8])
{
	struct frame f = frame_udp6("2001:db8::11", "2001:db8::12", 120);
	size_t at = 54;

	memset(f.bytes + 54, 0, f.size - 54);
	f.bytes[20] = *kinds ? *kinds : last;
	for (; *kinds; kinds++, at += 8)
		f.bytes[at] = kinds[1] ? kinds[1] : last;
	memcpy(f.bytes + at, upper, 8);
	return f;
}

static void a_routers_words_are_refused_however_they_are_hidden(void **state)
{
	static const uint8_t advertisement[8] = {134}, redirect[8] = {137}, solicitation[8] = {135};
	struct frame f = chain((uint8_t[]){0}, 58, advertisement);

	refused(*state, &f, VERDICT_guard_router);
	f = chain((uint8_t[]){0}, 58, redirect);
	refused(*state, &f, VERDICT_guard_router);
	f = chain((uint8_t[]){60, 60, 0}, 58, advertisement);
	refused(*state, &f, VERDICT_guard_router);
	f = chain((uint8_t[]){44, 60, 0}, 58, advertisement); /* RFC 7113 */
	refused(*state, &f, VERDICT_guard_router);
	f = chain((uint8_t[]){60, 0}, 58, solicitation); /* RFC 6980 */
	refused(*state, &f, VERDICT_guard_header);
	f = chain((uint8_t[]){44, 0}, 58, solicitation);
	refused(*state, &f, VERDICT_guard_header);
}

static void headers_that_hide_the_rest_are_refused(void **state)
{
	static const uint8_t udp[8] = {1, 2, 3, 4};
	struct frame f = chain((uint8_t[]){43, 0}, 17, udp);

	f.bytes[54 + 3] = 1; /* a routing header that is not at its end */
	refused(*state, &f, VERDICT_guard_header);
	f = chain((uint8_t[]){44, 60, 0}, 17, udp); /* a first fragment without the ports */
	f.size = 14 + 40 + 16;
	f.bytes[19] = 16;
	refused(*state, &f, VERDICT_guard_header);
	f = chain((uint8_t[]){60, 60, 60, 60, 60, 60, 60, 60, 60, 0}, 17, udp);
	refused(*state, &f, VERDICT_guard_header);
	f = chain((uint8_t[]){60, 43, 60, 0}, 17, udp);
	bench_run(*state, ACCESS, &f);
	assert_int_equal(bench_counted(*state, VERDICT_guard_header), 0);
}

static void dhcp_is_for_clients(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "255.255.255.255", 60);
	struct bench *b = *state;

	frame_set_macs(&f, &broadcast, &node_mac);
	set_ports(&f, 34, 67, 68);
	refused(b, &f, VERDICT_guard_dhcp);
	set_ports(&f, 34, 68, 67);
	passes(b, &f);
	f = frame_udp("0.0.0.0", "255.255.255.255", 60);
	frame_set_macs(&f, &broadcast, &node_mac);
	set_ports(&f, 34, 68, 67);
	passes(b, &f);
	f = frame_udp("10.10.0.11", "10.10.0.12", 60); /* to a node, by VICTOR */
	set_ports(&f, 34, 67, 68);
	refused(b, &f, VERDICT_guard_dhcp);
	frame_set_ipv4(&f, 21, 9); /* other bytes of a later fragment */
	bench_run(b, ACCESS, &f);
	assert_int_equal(bench_counted(b, VERDICT_guard_dhcp), 0);
	f = frame_udp6("fe80::11", "ff02::1", 60);
	set_ports(&f, 54, 547, 546);
	refused(b, &f, VERDICT_guard_dhcp);
	f = frame_udp6("fe80::11", "ff02::1:2", 60);
	set_ports(&f, 54, 546, 547);
	passes(b, &f);
}

/* ---- the underlay ---- */

static void the_underlay_is_out_of_reach_in_any_encapsulation(void **state)
{
	static const uint8_t protocols[] = {4, 6, 17, 41, 47, 115, 132};
	/* us; marked; FE 3; marked; nobody, but by the backplane's device */
	static const char *const there[] = {"192.0.2.2", "192.0.2.102", "192.0.2.3", "192.0.2.103",
					    "192.0.2.50"};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(protocols); i++)
		for (size_t j = 0; j < sizeof(there) / sizeof(there[0]); j++) {
			struct frame f = frame_udp("10.10.0.11", there[j], 60);

			frame_set_ipv4(&f, 23, protocols[i]);
			refused(b, &f, VERDICT_guard_underlay);
			frame_set_macs(&f, &b->mac[ACCESS], &node_mac); /* past the gateway */
			refused(b, &f, VERDICT_guard_underlay);
			if (j == 4) /* the kernel forwards no frame that was sent to all */
				continue;
			frame_set_macs(&f, &broadcast, &node_mac);
			refused(b, &f, VERDICT_guard_underlay);
		}
}

static void who_is_no_node_does_not_reach_the_underlay_either(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("203.0.113.1", "192.0.2.3", 60);

	frame_set_macs(&f, &b->mac[ACCESS], &node_mac);
	refused(b, &f, VERDICT_guard_underlay);
	f = frame_udp("203.0.113.1", "192.0.2.50", 60);
	frame_set_macs(&f, &b->mac[ACCESS], &node_mac);
	refused(b, &f, VERDICT_guard_underlay);
	f = frame_udp("203.0.113.1", "198.51.100.1", 60); /* what is no node's is left alone */
	frame_set_macs(&f, &b->mac[ACCESS], &node_mac);
	passes(b, &f);
}

static void a_peer_sends_nothing_into_the_underlay_for_its_nodes(void **state)
{
	struct bench *b = *state;
	struct frame inner = frame_udp("10.10.0.36", "192.0.2.50", 30);
	struct frame f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", &inner);

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_DROP);
	assert_int_equal(bench_counted(b, VERDICT_guard_underlay), 1);
}

static void reopen(struct bench *b, const struct datapath_guard *guard)
{
	struct datapath_config c = {.fe = 2,
				    .backplane.pair[FAMILY_IPV4] = {text_address("192.0.2.2"),
								    text_address("192.0.2.102"),
								    {}},
				    .seed = 7,
				    .pin_directory = b->directory,
				    .guard = *guard};
	struct reason why = {};

	datapath_close(b->context.datapath, false);
	assert_int_equal(datapath_open(&c, &b->context.datapath, &why), 0);
}

static void what_the_operator_shields_is_out_of_reach_until_it_says_otherwise(void **state)
{
	struct prefix shield[1];
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "198.51.100.7", 30);

	assert_int_equal(prefix_parse("198.51.100.0/29", shield), 0);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_external);
	reopen(b, &(struct datapath_guard){.shield = shield, .shield_count = 1});
	refused(b, &f, VERDICT_guard_underlay);
	f = frame_udp("10.10.0.11", "198.51.100.8", 30);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_external);
	reopen(b, &(struct datapath_guard){});
	f = frame_udp("10.10.0.11", "198.51.100.7", 30);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_external);
	f = frame_udp("10.10.0.11", "192.0.2.2", 30);
	refused(b, &f, VERDICT_guard_underlay);
}

static void a_closed_machine_serves_dhcp_alone(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "198.51.100.1", 60);

	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_passed_up);
	reopen(b, &(struct datapath_guard){.closed = true});
	refused(b, &f, VERDICT_guard_host);
	frame_set_macs(&f, &b->mac[ACCESS], &node_mac);
	refused(b, &f, VERDICT_guard_host);
	set_ports(&f, 34, 68, 67);
	passes(b, &f);
	frame_set_macs(&f, &other_mac, &node_mac); /* a neighbour's */
	passes(b, &f);
}

/* ---- to many, and from outside ---- */

static void who_sends_to_all_as_another_is_refused(void **state)
{
	struct frame f = frame_udp("10.10.0.12", "224.0.0.251", 60);

	refused(*state, &f, VERDICT_guard_stranger);
	f = frame_udp("10.10.0.36", "255.255.255.255", 60);
	frame_set_macs(&f, &broadcast, &node_mac);
	refused(*state, &f, VERDICT_guard_stranger);
	f = frame_udp("10.10.0.11", "224.0.0.251", 60);
	passes(*state, &f);
}

static void nobody_outside_has_a_nodes_address(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.36", "10.10.0.11", 60);

	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	bench_expect(b, EXTERNAL, &f, TC_DROP, VERDICT_guard_outside);
	f = frame_udp("10.10.77.7", "10.10.9.9", 60); /* nor one that nobody has */
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	bench_expect(b, EXTERNAL, &f, TC_DROP, VERDICT_guard_outside);
	f = frame_udp("10.10.0.36", "198.51.100.9", 60); /* not for us: the kernel's business */
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	bench_expect(b, EXTERNAL, &f, TC_OK, -1);
}

/* ---- shares ---- */

static unsigned heard(struct bench *b, enum port_number port, const struct frame *f, unsigned sent)
{
	unsigned count = 0;

	for (unsigned i = 0; i < sent; i++) {
		struct frame copy = *f;

		bench_run(b, port, &copy);
		count += (unsigned)bench_counted(b, VERDICT_punted);
	}
	return count;
}

static void a_share_is_what_the_operator_says(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.11");
	struct timespec begin, end;
	double seconds;
	unsigned count;

	reopen(b, &(struct datapath_guard){.neighbor = {SHARE_RATE, SHARE_BURST}});
	bench_renew_limits(b);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	count = heard(b, ACCESS, &f, 200);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) +
		  (double)(end.tv_nsec - begin.tv_nsec) / 1000000000;
	assert_in_range(count, SHARE_BURST, SHARE_BURST + (unsigned)(seconds * SHARE_RATE) + 1);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punted), count);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punt_limited), 200 - count);
}

static void a_crowded_ring_has_room_for_who_says_little(void **state)
{
	struct bench *b = *state;
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	struct frame flood = frame_arp(2, "10.10.0.11", "10.10.0.11"), honest;
	struct __sk_buff context = {.ifindex = b->ifindex[ACCESS]};
	struct map_limits fresh = {};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = flood.bytes,
			    .data_size_in = (uint32_t)flood.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context));

	honest = frame_arp(2, "10.10.0.12", "10.10.0.12");
	frame_set_macs(&honest, &broadcast, &other_mac);
	memcpy(honest.bytes + 22, other_mac.bytes, 6);
	for (int i = 0; i < DATAPLANE_UPCALL_RING / 2 / DATAPLANE_UPCALL_DATA; i++) {
		if (i % 100 == 0)
			bpf_map_update_elem(map_fd(skeleton->maps.limits), &context.ifindex, &fresh,
					    0);
		bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.victor_access), &run);
	}
	bpf_map_update_elem(map_fd(skeleton->maps.limits), &context.ifindex, &fresh, 0);
	for (int i = 0; i < 10; i++)
		bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.victor_access), &run);
	assert_true(counted_at(b, ACCESS, VERDICT_punt_crowded) > 0);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punt_lost), 0);
	bench_expect(b, ACCESS2, &honest, TC_OK, VERDICT_punted);
}

static void a_port_that_went_takes_its_counts_along(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_arp(2, "10.10.0.1", "10.10.0.1");

	refused(b, &f, VERDICT_guard_gateway);
	assert_int_equal(b->ops->port_remove(b, ACCESS), 0);
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_guard_gateway), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tags_are_for_trunks_and_never_twofold),
		TEST(labels_and_what_bridges_say_are_no_nodes_frames),
		TEST(arp_whose_body_names_another_mac_is_refused),
		TEST(who_speaks_for_the_gateway_is_refused),
		TEST(a_claim_to_an_address_elsewhere_is_heard_and_goes_no_further),
		TEST(where_other_elements_are_heard_their_gateway_is_too),
		TEST(source_routing_is_refused_other_options_are_not),
		TEST(a_routers_words_are_refused_however_they_are_hidden),
		TEST(headers_that_hide_the_rest_are_refused),
		TEST(dhcp_is_for_clients),
		TEST(the_underlay_is_out_of_reach_in_any_encapsulation),
		TEST(who_is_no_node_does_not_reach_the_underlay_either),
		TEST(a_peer_sends_nothing_into_the_underlay_for_its_nodes),
		TEST(what_the_operator_shields_is_out_of_reach_until_it_says_otherwise),
		TEST(a_closed_machine_serves_dhcp_alone),
		TEST(who_sends_to_all_as_another_is_refused),
		TEST(nobody_outside_has_a_nodes_address),
		TEST(a_share_is_what_the_operator_says),
		TEST(a_crowded_ring_has_room_for_who_says_little),
		TEST(a_port_that_went_takes_its_counts_along),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
