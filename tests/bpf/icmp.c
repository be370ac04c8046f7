/* What senders are told about packets that cannot go on (bpf/icmp.h): each message byte by byte,
 * and who gets none. */
#include "tests/bpf/harness.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INNER_HEADER_SIZE 42 /* of bpf/inner.h */

static const uint8_t gateway[] = {10, 10, 0, 1};

struct message {
	uint8_t type, code;
	uint16_t mtu;
	enum dataplane_verdict why, sent;
};

static const struct message too_big = {3, 4, 1000, VERDICT_mtu_exceeded, VERDICT_sent_too_big};
static const struct message ttl = {11, 0, 0, VERDICT_ttl_expired, VERDICT_sent_time_exceeded};
static const struct message host = {3, 1, 0, VERDICT_no_binding, VERDICT_sent_unreachable};
static const struct message too_big6 = {2, 0, 1400, VERDICT_mtu_exceeded, VERDICT_sent_too_big};
static const struct message ttl6 = {3, 0, 0, VERDICT_ttl_expired, VERDICT_sent_time_exceeded};
static const struct message host6 = {1, 3, 0, VERDICT_no_binding, VERDICT_sent_unreachable};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* An ICMP message in an IPv4 packet at 'at', about the packet in 'about', from 'source'. */
static void expect_message(const struct frame *f, size_t at, const struct frame *about,
			   const struct message *m, const uint8_t source[4])
{
	const uint8_t *ip = f->bytes + at;
	size_t quote = smaller(about->size - 14, 576 - 28);

	assert_int_equal(f->size, at + 28 + quote);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0xc0);
	assert_int_equal(ip[2] << 8 | ip[3], 28 + quote);
	assert_int_equal(ip[8], 64);
	assert_int_equal(ip[9], 1);
	assert_memory_equal(ip + 12, source, 4);
	assert_memory_equal(ip + 16, about->bytes + 26, 4);
	assert_int_equal(ip[20], m->type);
	assert_int_equal(ip[21], m->code);
	assert_int_equal(ip[24] << 8 | ip[25], 0);
	assert_int_equal(ip[26] << 8 | ip[27], m->mtu);
	assert_memory_equal(ip + 28, about->bytes + 14, quote);
	assert_true(frame_sum_is_right(f, at, 20));
	assert_true(frame_sum_is_right(f, at + 20, 8 + quote));
}

/* The sum of an ICMPv6 message includes a header that is not sent (RFC 8200, 8.1). */
static bool sum6_is_right(const struct frame *f, size_t at, size_t size)
{
	struct frame pseudo = {.size = 40 + size};

	memcpy(pseudo.bytes, f->bytes + at - 32, 32);
	pseudo.bytes[34] = (uint8_t)(size >> 8);
	pseudo.bytes[35] = (uint8_t)size;
	pseudo.bytes[39] = 58;
	memcpy(pseudo.bytes + 40, f->bytes + at, size);
	return frame_sum_is_right(&pseudo, 0, pseudo.size);
}

static void expect_message6(const struct frame *f, size_t at, const struct frame *about,
			    const struct message *m, const char *source)
{
	const uint8_t *ip = f->bytes + at;
	size_t quote = smaller(about->size - 14, 1280 - 48);
	struct address from = text_address(source);

	assert_int_equal(f->size, at + 48 + quote);
	assert_memory_equal(ip, "\x6c\0\0\0", 4);
	assert_int_equal(ip[4] << 8 | ip[5], 8 + quote);
	assert_int_equal(ip[6], 58);
	assert_int_equal(ip[7], 64);
	assert_memory_equal(ip + 8, from.bytes, 16);
	assert_memory_equal(ip + 24, about->bytes + 22, 16);
	assert_int_equal(ip[40], m->type);
	assert_int_equal(ip[41], m->code);
	assert_int_equal(ip[44] << 8 | ip[45], 0);
	assert_int_equal(ip[46] << 8 | ip[47], m->mtu);
	assert_memory_equal(ip + 48, about->bytes + 14, quote);
	assert_true(sum6_is_right(f, at + 40, 8 + quote));
}

static void run(struct bench *b, enum port_number port, struct frame *f, const struct message *m)
{
	bench_run(b, port, f);
	assert_int_equal(bench_counted(b, m->why), 1);
	assert_int_equal(bench_counted(b, m->sent), 1);
	assert_int_equal(f->verdict, TC_REDIRECT);
}

/* 'f' comes in by the port, and goes back as the message. */
static void expect_told(struct bench *b, enum port_number port, const struct frame *f,
			const struct message *m)
{
	struct frame out = *f;

	run(b, port, &out, m);
	assert_memory_equal(out.bytes, f->bytes + 6, 6);
	assert_memory_equal(out.bytes + 6, f->bytes, 6);
	if (f->bytes[12] == 8)
		expect_message(&out, 14, f, m, gateway);
	else
		expect_message6(&out, 14, f, m, "2001:db8::1");
}

static void expect_silence(struct bench *b, enum port_number port, const struct frame *f,
			   const struct message *m)
{
	struct frame copy = *f;

	bench_run(b, port, &copy);
	assert_int_equal(copy.verdict, TC_DROP);
	assert_int_equal(bench_counted(b, m->why), 1);
	assert_int_equal(bench_counted(b, m->sent), 0);
}

/* ---- too big ---- */

static void what_is_too_large_is_dropped_and_its_sender_told(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 1000);
	struct bench *b = *state;

	bench_set_port(b, ACCESS2, true, 1000);
	expect_told(b, ACCESS, &f, &too_big);
	f.gso_size = 972; /* but segments of 1000 bytes pass */
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	f.gso_size = 973;
	expect_told(b, ACCESS, &f, &too_big);
}

static void a_quote_of_any_length_has_its_sum(void **state)
{
	struct bench *b = *state;

	bench_set_port(b, ACCESS2, true, 30);
	for (size_t payload = 3; payload < 540; payload += 7) {
		struct frame f = frame_udp("10.10.0.11", "10.10.0.12", payload);

		memset(b->last, 0, sizeof(b->last));
		bench_renew_limits(b);
		expect_told(
			b, ACCESS, &f,
			&(struct message){3, 4, 30, VERDICT_mtu_exceeded, VERDICT_sent_too_big});
	}
}

static void the_tunnels_header_counts_against_the_backplane(void **state)
{
	struct message m = too_big;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 1300);
	struct bench *b = *state;

	m.mtu = 1320;
	assert_int_equal(system("ip link set bp mtu 1340"), 0);
	expect_told(b, ACCESS, &f, &m);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1292); /* exactly fits */
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
	assert_int_equal(system("ip link set bp mtu 1600"), 0);
}

/* VICTOR cuts nothing, so who allows it is told as well: it may cut by itself. */
static void who_allows_fragments_is_told_as_well(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 1000);
	struct bench *b = *state;

	bench_set_port(b, ACCESS2, true, 1000);
	frame_set_ipv4(&f, 20, 0);
	expect_told(b, ACCESS, &f, &too_big);
	frame_set_ipv4(&f, 20, 0x20); /* the first of several */
	expect_told(b, ACCESS, &f, &too_big);
}

static void ipv6_is_told_with_as_much_as_fits(void **state)
{
	struct frame f = frame_udp6("2001:db8::11", "2001:db8::12", 1400);
	struct bench *b = *state;

	bench_set_port(b, ACCESS2, true, 1400);
	expect_told(b, ACCESS, &f, &too_big6);
	f.gso_size = 1352;
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	f.gso_size = 1353;
	expect_told(b, ACCESS, &f, &too_big6);
}

/* ---- the last hop, and nobody ---- */

static void a_packet_on_its_last_hop_is_told_of(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	struct bench *b = *state;

	frame_set_ipv4(&f, 22, 1);
	expect_told(b, ACCESS, &f, &ttl);
	f = frame_udp("10.10.0.11", "10.10.0.36", 700); /* at another FE */
	frame_set_ipv4(&f, 22, 1);
	expect_told(b, ACCESS, &f, &ttl);
	f = frame_udp("10.10.0.11", "198.51.100.7", 30); /* outside */
	frame_set_ipv4(&f, 22, 1);
	expect_told(b, ACCESS, &f, &ttl);
	f = frame_echo("10.10.0.11", "10.10.0.36");
	frame_set_ipv4(&f, 22, 1);
	expect_told(b, ACCESS, &f, &ttl);
	f = frame_udp6("2001:db8::11", "2001:db8::36", 30);
	f.bytes[21] = 1;
	expect_told(b, ACCESS, &f, &ttl6);
}

static void a_client_is_told_from_the_destinations_gateway(void **state)
{
	struct frame f = frame_udp("198.51.100.7", "10.10.0.36", 300);
	struct bench *b = *state;

	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	frame_set_ipv4(&f, 22, 1);
	expect_told(b, EXTERNAL, &f, &ttl);
}

static void without_a_gateway_the_destination_itself_answers(void **state)
{
	struct frame f = frame_udp("10.20.0.11", "10.20.0.12", 30), out = f;
	struct bench *b = *state;

	bench_set_local(b, "10.20.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "10.20.0.12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	frame_set_ipv4(&f, 22, 1);
	out = f;
	run(b, ACCESS, &out, &ttl);
	expect_message(&out, 14, &f, &ttl, f.bytes + 30);
}

static void an_options_header_is_quoted_whole(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	struct bench *b = *state;

	f.bytes[34] = 1; /* four times "no operation", where UDP was */
	memset(f.bytes + 34, 1, 4);
	frame_set_ipv4(&f, 22, 1);
	f.bytes[24] = f.bytes[25] = 0;
	f.bytes[14] = 0x46;
	expect_told(b, ACCESS, &f, &ttl);
}

static void nobodys_address_is_told_where_the_prefix_says_so(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.9.9", 30);
	struct bench *b = *state;

	expect_silence(b, ACCESS, &f, &host);
	bench_set_covered(b, "10.10.0.0/16", "10.10.0.1", true);
	expect_told(b, ACCESS, &f, &host);
	f = frame_udp("198.51.100.7", "10.10.9.9", 300);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	expect_told(b, EXTERNAL, &f, &host);
	bench_set_covered(b, "2001:db8::/64", "2001:db8::1", true);
	f = frame_udp6("2001:db8::11", "2001:db8::99", 30);
	expect_told(b, ACCESS, &f, &host6);
}

static void the_gateway_says_that_it_has_no_such_port(void **state)
{
	static const struct message port = {3, 3, 0, VERDICT_no_binding, VERDICT_sent_unreachable};
	static const struct message port6 = {1, 4, 0, VERDICT_no_binding, VERDICT_sent_unreachable};
	struct frame f = frame_udp("10.10.0.11", "10.10.0.1", 30);
	struct bench *b = *state;

	expect_told(b, ACCESS, &f, &port);
	f = frame_udp("198.51.100.7", "10.10.0.1", 300);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	expect_told(b, EXTERNAL, &f, &port);
	f = frame_udp6("2001:db8::11", "2001:db8::1", 30);
	expect_told(b, ACCESS, &f, &port6);
}

static void what_has_no_route_out_is_told_of(void **state)
{
	static const struct message net = {3, 0, 0, VERDICT_no_route, VERDICT_sent_unreachable};
	static const struct message not_allowed = {3, 13, 0, VERDICT_no_route,
						   VERDICT_sent_unreachable};
	struct frame f = frame_udp("10.10.0.11", "203.0.113.7", 30);
	struct bench *b = *state;

	assert_int_equal(system("ip route add unreachable 203.0.113.0/24"), 0);
	expect_told(b, ACCESS, &f, &net);
	assert_int_equal(system("ip route replace prohibit 203.0.113.0/24"), 0);
	expect_told(b, ACCESS, &f, &not_allowed);
	assert_int_equal(system("ip route replace blackhole 203.0.113.0/24"), 0);
	expect_silence(b, ACCESS, &f, &net);
	assert_int_equal(system("ip route del blackhole 203.0.113.0/24"), 0);
}

/* ---- senders behind a tunnel ---- */

/* 'inner' comes through the tunnel from FE 3: it goes on to the element's own device, and what
 * comes out there is answered (tests/system/test_icmp.py: that needs the kernel between). */
static void expect_deferred(struct bench *b, const struct frame *inner, const struct message *m)
{
	struct frame f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", inner);

	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, m->why), 1);
	assert_int_equal(bench_counted(b, m->sent), 0);
	assert_int_equal(f.size, 14 + 40 + INNER_HEADER_SIZE + inner->size - 14);
	assert_memory_equal(f.bytes, b->context.datapath->config.inner_mac, 6);
	assert_memory_equal(f.bytes + 54 + INNER_HEADER_SIZE, inner->bytes + 14, inner->size - 14);
}

static void who_sent_through_a_tunnel_is_told_by_the_long_way(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 1000);
	struct bench *b = *state;

	bench_set_port(b, ACCESS, true, 1000);
	expect_deferred(b, &inner, &too_big);
	bench_set_port(b, ACCESS, true, 1400);
	inner = frame_udp6("2001:db8::36", "2001:db8::11", 1400);
	expect_deferred(b, &inner, &too_big6);
	bench_set_covered(b, "10.10.0.0/16", "10.10.0.1", true);
	inner = frame_udp("10.10.0.36", "10.10.9.9", 30);
	expect_deferred(b, &inner, &host);
}

static void a_hop_is_not_taken_twice(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 30), f;
	struct bench *b = *state;

	frame_set_ipv4(&inner, 22, 1); /* it was 2 where it came in */
	f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", &inner);
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

static void without_the_long_way_it_is_dropped_and_counted(void **state)
{
	struct frame inner = frame_udp("10.10.0.36", "10.10.0.11", 1000), f;
	struct bench *b = *state;

	bench_set_port(b, ACCESS, true, 1000);
	b->context.datapath->config.inner_ifindex = 0;
	assert_int_equal(datapath_config_write(b->context.datapath), 0);
	f = frame_tunnel(b, "192.0.2.3", "192.0.2.2", &inner);
	expect_silence(b, BACKPLANE, &f, &too_big);
}

/* ---- what the underlay says of our packets ---- */

/* "Fragmentation needed" from a router on the way, about a packet from 'source' to 'peer'. */
static struct frame needs_fragments(const struct bench *b, const char *source, const char *peer,
				    uint8_t protocol, uint16_t mtu)
{
	struct frame f = frame_echo("192.0.2.99", "192.0.2.2"), about;

	about = frame_udp(source, peer, 0);
	frame_set_ipv4(&about, 23, protocol);
	frame_set_macs(&f, &b->mac[BACKPLANE], &other_mac);
	memset(f.bytes + 34, 0, 8);
	f.bytes[34] = 3;
	f.bytes[35] = 4;
	f.bytes[40] = (uint8_t)(mtu >> 8);
	f.bytes[41] = (uint8_t)mtu;
	memcpy(f.bytes + 42, about.bytes + 14, 28);
	f.size = 14 + 28 + 28;
	frame_set_ipv4(&f, 17, 56);
	return f;
}

static void a_narrow_link_of_the_underlay_narrows_the_way(void **state)
{
	struct bench *b = *state;
	struct frame f = needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 1400);
	struct message m = too_big;

	bench_expect(b, BACKPLANE, &f, TC_OK, VERDICT_path_mtu_lowered);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1380 - 28);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1381 - 28);
	m.mtu = 1380;
	expect_told(b, ACCESS, &f, &m);
	bench_set_peer(b, true); /* a rule that is set again forgets nothing */
	expect_told(b, ACCESS, &f, &m);
	f = needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 1500); /* only downwards */
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1381 - 28);
	expect_told(b, ACCESS, &f, &m);
}

static void after_ten_minutes_the_way_is_tried_again(void **state)
{
	struct bench *b = *state;
	struct frame f = needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 1400);
	const struct bpf_map *peers = b->context.datapath->skeleton->maps.peers;
	struct map_peer peer;
	struct timespec now;
	uint32_t fe = 3;

	bench_expect(b, BACKPLANE, &f, TC_OK, VERDICT_path_mtu_lowered);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_int_equal(bpf_map__lookup_elem(peers, &fe, sizeof(fe), &peer, sizeof(peer), 0), 0);
	assert_in_range(peer.mtu_until_s, now.tv_sec + 595, now.tv_sec + 601);
	peer.mtu_until_s = (uint32_t)now.tv_sec;
	assert_int_equal(bpf_map__update_elem(peers, &fe, sizeof(fe), &peer, sizeof(peer), 0), 0);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1400);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
}

static void what_quotes_no_packet_of_ours_is_not_believed(void **state)
{
	struct bench *b = *state;
	const struct frame wrong[] = {
		needs_fragments(b, "192.0.2.66", "192.0.2.3", 4, 1400), /* not from us */
		needs_fragments(b, "192.0.2.2", "192.0.2.66", 4, 1400), /* not to a peer */
		needs_fragments(b, "192.0.2.2", "192.0.2.3", 17, 1400), /* no tunnel packet */
		needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 575),   /* no link is that narrow */
		needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 0),
	};
	struct frame f;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		bench_expect(b, BACKPLANE, &wrong[i], TC_OK, VERDICT_path_mtu_refused);
	f = needs_fragments(b, "192.0.2.2", "192.0.2.3", 4, 1400);
	f.bytes[35] = 1; /* host unreachable */
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = frame_udp("10.10.0.11", "10.10.0.36", 1400);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
}

/* ---- who is not told (RFC 1122, 3.2.2; RFC 4443, 2.4 e) ---- */

static void errors_and_later_fragments_are_not_answered(void **state)
{
	static const uint8_t errors[] = {3, 4, 5, 11, 12};
	struct frame f;
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(errors); i++) {
		f = frame_echo("10.10.0.11", "10.10.0.36");
		frame_set_ipv4(&f, 22, 1);
		f.bytes[34] = errors[i];
		expect_silence(b, ACCESS, &f, &ttl);
	}
	f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	frame_set_ipv4(&f, 22, 1);
	frame_set_ipv4(&f, 20, 0);
	frame_set_ipv4(&f, 21, 9); /* an offset */
	expect_silence(b, ACCESS, &f, &ttl);
	f = frame_udp("0.0.0.0", "10.10.0.36", 30);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	frame_set_ipv4(&f, 22, 1);
	expect_silence(b, EXTERNAL, &f, &ttl);
	f = frame_udp("224.0.0.5", "10.10.0.36", 30);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	frame_set_ipv4(&f, 22, 1);
	expect_silence(b, EXTERNAL, &f, &ttl);
}

/* A chain of extension headers in front of the transport header. */
static void chain6(struct frame *f, const uint8_t *kinds, uint8_t last, uint8_t type)
{
	size_t at = 54;

	f->bytes[20] = kinds[0];
	for (; *kinds; kinds++, at += 8) {
		memset(f->bytes + at, 0, 8);
		f->bytes[at] = kinds[1] ? kinds[1] : last;
	}
	f->bytes[at] = type;
}

static void ipv6_errors_are_found_behind_extension_headers(void **state)
{
	struct frame f = frame_udp6("2001:db8::11", "2001:db8::36", 100), was;
	struct bench *b = *state;

	f.bytes[21] = 1;
	was = f;
	chain6(&f, (uint8_t[]){60, 43, 60, 0}, 58, 128); /* an echo request behind them is told */
	expect_told(b, ACCESS, &f, &ttl6);
	f = was;
	chain6(&f, (uint8_t[]){60, 43, 60, 0}, 58, 3);
	expect_silence(b, ACCESS, &f, &ttl6);
	f = was;
	chain6(&f, (uint8_t[]){44, 0}, 58, 1); /* an error in a first fragment */
	expect_silence(b, ACCESS, &f, &ttl6);
	f = was;
	chain6(&f, (uint8_t[]){44, 0}, 17, 1);
	expect_told(b, ACCESS, &f, &ttl6);
	f.bytes[56] = 1; /* a later fragment */
	expect_silence(b, ACCESS, &f, &ttl6);
	f = was;
	chain6(&f, (uint8_t[]){60, 60, 60, 60, 60, 60, 60, 0}, 17, 1); /* who knows what that is */
	expect_silence(b, ACCESS, &f, &ttl6);
	f = frame_udp6("2001:db9::1", "2001:db8::36", 100);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	f.bytes[20] = 58;
	f.bytes[21] = 1;
	f.bytes[54] = 137; /* redirect */
	expect_silence(b, EXTERNAL, &f, &ttl6);
	f = frame_udp6("::", "2001:db8::36", 30);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	f.bytes[21] = 1;
	expect_silence(b, EXTERNAL, &f, &ttl6);
	f = frame_udp6("ff02::1", "2001:db8::36", 30);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	f.bytes[21] = 1;
	expect_silence(b, EXTERNAL, &f, &ttl6);
}

static void scans_do_not_use_up_what_too_large_packets_need(void **state)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 30);
	struct bench *b = *state;
	uint64_t sent = 0;

	frame_set_ipv4(&f, 22, 1);
	for (int i = 0; i < 60; i++) {
		struct frame copy = f;

		bench_run(b, ACCESS, &copy);
		sent += bench_counted(b, VERDICT_sent_time_exceeded);
	}
	assert_in_range(sent, 20, 50);
	f = frame_udp("10.10.0.11", "10.10.0.12", 1000);
	bench_set_port(b, ACCESS2, true, 1000);
	expect_told(b, ACCESS, &f, &too_big);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

/* The bench, with IPv6: 2001:db8::11 and ::12 here, ::36 at FE 3, gateway ::1. */
static int setup(void **state)
{
	struct bench *b;

	if (bench_setup(state))
		return -1;
	b = *state;
	bench_set_covered(b, "2001:db8::/64", "2001:db8::1", false);
	bench_set_prefix(b, DATAPATH_ANSWER, "2001:db8::/64", 0);
	bench_set_prefix(b, DATAPATH_ANSWER, "2001:db8::1", 0);
	bench_set_local(b, "2001:db8::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "2001:db8::12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "2001:db8::36", 3);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_too_large_is_dropped_and_its_sender_told),
		TEST(a_quote_of_any_length_has_its_sum),
		TEST(the_tunnels_header_counts_against_the_backplane),
		TEST(who_allows_fragments_is_told_as_well),
		TEST(ipv6_is_told_with_as_much_as_fits),
		TEST(a_packet_on_its_last_hop_is_told_of),
		TEST(a_client_is_told_from_the_destinations_gateway),
		TEST(without_a_gateway_the_destination_itself_answers),
		TEST(an_options_header_is_quoted_whole),
		TEST(nobodys_address_is_told_where_the_prefix_says_so),
		TEST(the_gateway_says_that_it_has_no_such_port),
		TEST(what_has_no_route_out_is_told_of),
		TEST(who_sent_through_a_tunnel_is_told_by_the_long_way),
		TEST(a_hop_is_not_taken_twice),
		TEST(without_the_long_way_it_is_dropped_and_counted),
		TEST(a_narrow_link_of_the_underlay_narrows_the_way),
		TEST(after_ten_minutes_the_way_is_tried_again),
		TEST(what_quotes_no_packet_of_ours_is_not_believed),
		TEST(errors_and_later_fragments_are_not_answered),
		TEST(ipv6_errors_are_found_behind_extension_headers),
		TEST(scans_do_not_use_up_what_too_large_packets_need),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
