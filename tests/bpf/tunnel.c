/* The outer header's bytes: which tunnel, from whom to whom, ECN (all of RFC 6040's table) and DSCP
 * (RFC 2983) in and out, VXLAN's fields (RFC 7348), and sources that are spread by flow. */
#include "tests/bpf/harness.h"

#include "base/memory.h"
#include "pipeline/experimenter.h"

#include <stdlib.h>
#include <string.h>

#define EXPEDITED 0xb8
#define VRF 0x1234
#define MARK 0x80

/* A tunnel, and of which family what is inside is. */
struct shape {
	bool vxlan, over_ipv6, ipv6;
};

#define SHAPES 8
static struct shape shape_of(unsigned i)
{
	return (struct shape){i & 1, i & 2, i & 4};
}

static size_t ip_size(const struct shape *s)
{
	return s->over_ipv6 ? 40 : 20;
}

static size_t headers_size(const struct shape *s)
{
	return ip_size(s) + (s->vxlan ? 30 : 0);
}

static void configure(struct bench *b, const struct backplane *plane)
{
	struct datapath *dp = b->context.datapath;

	datapath_underlay_fill(&dp->config, plane);
	assert_int_equal(datapath_config_write(dp), 0);
}

static struct backplane usual_backplane(void)
{
	return (struct backplane){
		.pair = {[FAMILY_IPV4] = {text_address("192.0.2.2"),
					  text_address("192.0.2.102"),
					  {}},
			 [FAMILY_IPV6] = {text_address("fd00::2"), text_address("fd00::102"), {}}}};
}

static void set_peer(struct bench *b, const struct shape *s)
{
	struct datapath_peer p = {.fe = 3,
				  .send = true,
				  .vxlan = s->vxlan,
				  .receive = s->vxlan ? ENCAPSULATION_VXLAN : ENCAPSULATION_IPIP,
				  .address = text_address(s->over_ipv6 ? "fd00::3" : "192.0.2.3"),
				  .redirect =
					  text_address(s->over_ipv6 ? "fd00::103" : "192.0.2.103")};

	assert_int_equal(b->ops->peer_set(b, &p), 0);
}

static int setup(void **state)
{
	struct backplane plane = usual_backplane();
	struct bench *b;

	if (bench_setup(state))
		return -1;
	b = *state;
	configure(b, &plane);
	bench_set_covered(b, "2001:db8::/64", "2001:db8::1", false);
	bench_set_local(b, "2001:db8::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "2001:db8::36", 3);
	return 0;
}

static int create(void **state)
{
	int result = bench_create(state);

	/* The routes to the peer over IPv6, and from the spread prefix. */
	if (system("ip -6 address add fd00::2/64 dev bp nodad"))
		return -1;
	return result;
}

/* ---- frames ---- */

static uint8_t tos_at(const struct frame *f, size_t at)
{
	const uint8_t *ip = f->bytes + at;

	return (uint8_t)(ip[0] >> 4 == 4 ? ip[1] : ip[0] << 4 | ip[1] >> 4);
}

static void set_tos(struct frame *f, uint8_t tos)
{
	if (f->bytes[12] == 0x08) {
		frame_set_ipv4(f, 15, tos);
		return;
	}
	f->bytes[14] = (uint8_t)(0x60 | tos >> 4);
	f->bytes[15] = (uint8_t)(tos << 4 | (f->bytes[15] & 15));
}

static struct frame to_local(const struct shape *s)
{
	return s->ipv6 ? frame_udp6("2001:db8::36", "2001:db8::11", 30)
		       : frame_udp("10.10.0.36", "10.10.0.11", 30);
}

static struct frame to_foreign(const struct shape *s)
{
	return s->ipv6 ? frame_udp6("2001:db8::11", "2001:db8::36", 30)
		       : frame_udp("10.10.0.11", "10.10.0.36", 30);
}

static void put_vxlan(uint8_t *at, uint32_t vni, const struct frame *inner)
{
	const uint8_t head[] = {0xc1, 0x23, 4789 >> 8, 4789 & 255, 0, 0, 0, 0};
	size_t size = inner->size - 14 + 30;

	memcpy(at, head, sizeof(head));
	at[4] = (uint8_t)(size >> 8);
	at[5] = (uint8_t)size;
	at[8] = 0x08;
	at[12] = (uint8_t)(vni >> 16);
	at[13] = (uint8_t)(vni >> 8);
	at[14] = (uint8_t)vni;
	memcpy(at + 16, inner->bytes, 14);
}

/* As FE 3 (or 'source') sends it. */
static struct frame wrap_from(const struct bench *b, const struct shape *s, const char *source,
			      uint32_t vni, uint8_t tos, const struct frame *inner)
{
	const char *to = s->over_ipv6 ? "fd00::2" : "192.0.2.2";
	size_t extra = headers_size(s) - ip_size(s);
	size_t payload = inner->size - 14 + extra;
	/* The builders make UDP: eight bytes of payload are there already. */
	struct frame f = s->over_ipv6 ? frame_udp6(source, to, payload - 8)
				      : frame_udp(source, to, payload - 8);
	uint8_t *behind = f.bytes + 14 + ip_size(s);

	frame_set_macs(&f, &b->mac[BACKPLANE], &other_mac);
	if (s->vxlan)
		put_vxlan(behind, vni, inner);
	else if (s->over_ipv6)
		f.bytes[20] = s->ipv6 ? 41 : 4;
	else
		frame_set_ipv4(&f, 23, s->ipv6 ? 41 : 4);
	memcpy(behind + extra, inner->bytes + 14, inner->size - 14);
	set_tos(&f, tos);
	return f;
}

static struct frame wrap(const struct bench *b, const struct shape *s, uint32_t vni, uint8_t tos,
			 const struct frame *inner)
{
	return wrap_from(b, s, s->over_ipv6 ? "fd00::3" : "192.0.2.3", vni, tos, inner);
}

static void expect_sums(const struct frame *f, size_t at)
{
	if (f->bytes[at] >> 4 == 4)
		assert_true(frame_sum_is_right(f, at, 20));
}

/* ---- ECN ---- */

enum { NOT_ECT, ECT_1, ECT_0, CE, LOST };

/* RFC 6040, figure 4: by what is inside, then by what is outside. */
static const uint8_t leaves_with[4][4] = {
	[NOT_ECT] = {[NOT_ECT] = NOT_ECT, [ECT_0] = NOT_ECT, [ECT_1] = NOT_ECT, [CE] = LOST},
	[ECT_0] = {[NOT_ECT] = ECT_0, [ECT_0] = ECT_0, [ECT_1] = ECT_1, [CE] = CE},
	[ECT_1] = {[NOT_ECT] = ECT_1, [ECT_0] = ECT_1, [ECT_1] = ECT_1, [CE] = CE},
	[CE] = {[NOT_ECT] = CE, [ECT_0] = CE, [ECT_1] = CE, [CE] = CE},
};

static void expect_ecn(struct bench *b, const struct shape *s, uint8_t inside, uint8_t outside)
{
	struct frame inner = to_local(s), f;
	uint8_t expected = leaves_with[inside][outside];

	set_tos(&inner, EXPEDITED | inside);
	f = wrap(b, s, 0, EXPEDITED | outside, &inner);
	if (expected == LOST) {
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_ecn_mismatch);
		return;
	}
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_ecn_mismatch), 0);
	set_tos(&inner, EXPEDITED | expected);
	frame_set_macs(&inner, &node_mac, &gateway_mac);
	assert_int_equal(f.size, inner.size);
	assert_memory_equal(f.bytes, inner.bytes, inner.size); /* the IPv4 sum among them */
	expect_sums(&f, 14);
}

static void congestion_comes_out_of_every_tunnel_as_rfc_6040_says(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i);

		set_peer(b, &s);
		for (unsigned pair = 0; pair < 16; pair++)
			expect_ecn(b, &s, pair & 3, (uint8_t)(pair >> 2));
	}
}

static void ecn_is_copied_into_every_tunnel(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES * 4; i++) {
		struct shape s = shape_of(i >> 2);
		struct frame f = to_foreign(&s);

		set_peer(b, &s);
		set_tos(&f, (uint8_t)(EXPEDITED | (i & 3)));
		bench_run(b, ACCESS, &f);
		assert_int_equal(f.verdict, TC_REDIRECT);
		assert_int_equal(tos_at(&f, 14), EXPEDITED | (i & 3));
		assert_int_equal(tos_at(&f, 14 + headers_size(&s)), EXPEDITED | (i & 3));
		expect_sums(&f, 14);
	}
}

/* ---- DSCP ---- */

#define BULK 0x20  /* CS1, what the underlay made of it */
#define CHOSEN 10u /* AF11 */

static void expect_class(struct bench *b, const struct shape *s, uint8_t out, uint8_t in)
{
	struct frame f = to_foreign(s), inner = to_local(s);

	set_peer(b, s);
	set_tos(&f, EXPEDITED | ECT_0);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(tos_at(&f, 14), out | ECT_0);
	assert_int_equal(tos_at(&f, 14 + headers_size(s)), EXPEDITED | ECT_0);
	set_tos(&inner, EXPEDITED | ECT_0);
	f = wrap(b, s, 0, BULK | CE, &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(tos_at(&f, 14), in | CE);
	expect_sums(&f, 14);
}

static void expect_classes(struct bench *b, uint8_t mode, uint8_t out, uint8_t in)
{
	struct backplane plane = usual_backplane();

	plane.diffserv = mode;
	plane.dscp = CHOSEN;
	configure(b, &plane);
	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i);

		expect_class(b, &s, out, in);
	}
}

static void a_pipe_copies_the_class_in_and_leaves_it_inside(void **state)
{
	expect_classes(*state, DIFFSERV_MODE_PIPE, EXPEDITED, EXPEDITED);
}

static void a_uniform_tunnel_copies_the_class_in_and_out(void **state)
{
	expect_classes(*state, DIFFSERV_MODE_UNIFORM, EXPEDITED, BULK);
}

static void a_fixed_class_is_on_all_and_ends_with_the_tunnel(void **state)
{
	expect_classes(*state, DIFFSERV_MODE_FIXED, CHOSEN << 2, EXPEDITED);
}

/* ---- the outer header ---- */

static unsigned number_at(const struct frame *f, size_t at)
{
	return (unsigned)(f->bytes[at] << 8 | f->bytes[at + 1]);
}

static void expect_ip(const struct frame *f, const struct shape *s, const char *from,
		      const char *to)
{
	const uint8_t protocol = s->vxlan ? 17 : s->ipv6 ? 41 : 4;
	struct address source = text_address(from), destination = text_address(to);

	if (s->over_ipv6) {
		assert_memory_equal(f->bytes + 12, "\x86\xdd", 2);
		assert_int_equal(number_at(f, 18), f->size - 14 - 40);
		assert_int_equal(f->bytes[20], protocol);
		assert_int_equal(f->bytes[21], 64);
		assert_memory_equal(f->bytes + 22, source.bytes, 16);
		assert_memory_equal(f->bytes + 38, destination.bytes, 16);
		return;
	}
	assert_memory_equal(f->bytes + 12, "\x08\x00\x45", 3);
	assert_int_equal(number_at(f, 16), f->size - 14);
	assert_int_equal(f->bytes[20], 0x40); /* DF */
	assert_int_equal(f->bytes[22], 64);
	assert_int_equal(f->bytes[23], protocol);
	assert_memory_equal(f->bytes + 26, source.bytes + 12, 4);
	assert_memory_equal(f->bytes + 30, destination.bytes + 12, 4);
	expect_sums(f, 14);
}

static void expect_vxlan(const struct frame *f, const struct shape *s, uint32_t vni)
{
	const size_t at = 14 + ip_size(s);
	const uint8_t macs[] = {0x02, 'V', 'C', 0, 0, 3, 0x02, 'V', 'C', 0, 0, 2};
	const uint8_t head[] = {0x08,         0, 0, 0, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
				(uint8_t)vni, 0};

	assert_in_range(number_at(f, at), 49152, 65535);
	assert_int_equal(number_at(f, at + 2), 4789);
	assert_int_equal(number_at(f, at + 4), f->size - at);
	assert_int_equal(number_at(f, at + 6), 0); /* no checksum (RFC 6935 in IPv6) */
	assert_memory_equal(f->bytes + at + 8, head, sizeof(head));
	assert_memory_equal(f->bytes + at + 16, macs, sizeof(macs));
	assert_int_equal(number_at(f, at + 28), s->ipv6 ? 0x86dd : 0x0800);
}

static void each_tunnels_bytes_are_as_its_rfc_says(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i);
		struct frame was = to_foreign(&s), f = was;
		size_t size = headers_size(&s);

		set_peer(b, &s);
		bench_run(b, ACCESS, &f);
		assert_int_equal(f.verdict, TC_REDIRECT);
		assert_int_equal(bench_counted(b, VERDICT_forwarded_foreign), 1);
		assert_int_equal(f.size, was.size + size);
		expect_ip(&f, &s, s.over_ipv6 ? "fd00::2" : "192.0.2.2",
			  s.over_ipv6 ? "fd00::3" : "192.0.2.3");
		if (s.vxlan)
			expect_vxlan(&f, &s, 0);
		if (s.ipv6)
			was.bytes[21]--;
		else
			frame_set_ipv4(&was, 22, 63);
		assert_memory_equal(f.bytes + 14 + size, was.bytes + 14, was.size - 14);
	}
}

static void set_vrf(struct bench *b)
{
	struct datapath_binding here = {.vrf = VRF,
					.address = text_address("10.10.0.11"),
					.flags = BINDING_LOCAL | BINDING_GUARD,
					.port = ACCESS,
					.mac = node_mac,
					.gateway_mac = gateway_mac};
	struct datapath_binding there = {.vrf = VRF,
					 .address = text_address("10.10.0.36"),
					 .flags = BINDING_FOREIGN,
					 .fe = 3};

	assert_int_equal(b->ops->binding_set(b, &here), 0);
	assert_int_equal(b->ops->binding_set(b, &there), 0);
}

static void a_vxlan_packet_is_looked_up_in_the_vrf_of_its_vni(void **state)
{
	const struct address node = text_address("10.10.0.11");
	struct bench *b = *state;

	set_vrf(b);
	assert_int_equal(b->ops->binding_remove(b, 0, &node), 0);
	for (unsigned over_ipv6 = 0; over_ipv6 < 2; over_ipv6++) {
		struct shape s = {.vxlan = true, .over_ipv6 = over_ipv6};
		struct frame inner = to_local(&s), f = wrap(b, &s, VRF, EXPEDITED, &inner);

		set_peer(b, &s);
		bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
		f = wrap(b, &s, MARK << 16 | VRF, EXPEDITED, &inner);
		bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
		f = wrap(b, &s, 0, EXPEDITED, &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_binding);
		f = wrap(b, &s, VRF + 1, EXPEDITED, &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_no_route);
	}
}

static void what_is_sent_on_keeps_its_vrf_and_gets_the_mark(void **state)
{
	struct bench *b = *state;

	set_vrf(b);
	for (unsigned over_ipv6 = 0; over_ipv6 < 2; over_ipv6++) {
		struct shape s = {.vxlan = true, .over_ipv6 = over_ipv6};
		struct frame inner = frame_udp("10.10.0.37", "10.10.0.36", 30);
		struct frame f = wrap(b, &s, VRF, EXPEDITED, &inner);

		set_peer(b, &s);
		bench_run(b, BACKPLANE, &f);
		assert_int_equal(f.verdict, TC_REDIRECT);
		assert_int_equal(bench_counted(b, VERDICT_redirected), 1);
		expect_ip(&f, &s, over_ipv6 ? "fd00::2" : "192.0.2.2",
			  over_ipv6 ? "fd00::3" : "192.0.2.3");
		expect_vxlan(&f, &s, MARK << 16 | VRF);
		assert_memory_equal(f.bytes + 14 + headers_size(&s), inner.bytes + 14,
				    inner.size - 14);
		f = wrap(b, &s, MARK << 16 | VRF, EXPEDITED, &inner); /* once is enough */
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_redirected_miss);
	}
}

static void ipip_over_ipv6_is_marked_by_its_destination(void **state)
{
	struct shape s = {.over_ipv6 = true};
	struct frame inner = frame_udp("10.10.0.37", "10.10.0.36", 30), f;
	struct bench *b = *state;

	set_peer(b, &s);
	f = wrap(b, &s, 0, EXPEDITED, &inner);
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	expect_ip(&f, &s, "fd00::2", "fd00::103");
	f = wrap(b, &s, 0, EXPEDITED, &inner);
	memcpy(f.bytes + 38, text_address("fd00::102").bytes, 16);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_redirected_miss);
}

static void a_vxlan_header_that_contradicts_itself_is_refused(void **state)
{
	struct shape s = {.vxlan = true};
	struct frame inner = to_local(&s), whole, f;
	struct bench *b = *state;

	set_peer(b, &s);
	whole = wrap(b, &s, 0, EXPEDITED, &inner);
	bench_expect(b, BACKPLANE, &whole, TC_REDIRECT, VERDICT_forwarded_local);
	f = whole;
	f.bytes[42] = 0; /* says that it has no VNI */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
	f = whole;
	f.bytes[63] = 0x06; /* ARP inside */
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_bad_packet);
	f = whole;
	f.bytes[37] = 0xb6; /* another port: not ours */
	bench_expect(b, BACKPLANE, &f, TC_OK, -1);
	f = whole;
	memset(f.bytes + 43, 0xff, 3); /* reserved: not looked at (RFC 7348, 5) */
	f.bytes[49] = 0xff;
	bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

static void only_the_agreed_encapsulation_is_taken(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i), other = s;
		struct frame inner = to_local(&s), f;

		other.vxlan = !s.vxlan;
		set_peer(b, &s);
		f = wrap(b, &other, 0, EXPEDITED, &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_wrong_encapsulation);
	}
}

/* ---- spread ---- */

#define FLOWS 32

/* The outer header of the flow from that source port; its address in 'ret', its port or label. */
static uint32_t outer_of(struct bench *b, const struct shape *s, unsigned port, uint8_t ret[16])
{
	struct frame f = to_foreign(s);

	f.bytes[(s->ipv6 ? 54 : 34) + 1] = (uint8_t)port;
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	expect_sums(&f, 14);
	memset(ret, 0, 16);
	memcpy(ret, f.bytes + (s->over_ipv6 ? 22 : 26), s->over_ipv6 ? 16 : 4);
	if (s->vxlan)
		return number_at(&f, 14 + ip_size(s));
	return s->over_ipv6 ? (f.bytes[15] & 15u) << 16 | number_at(&f, 16) : 0;
}

/* How many different ones there are; each flow's is the same each time. */
static unsigned count_outers(struct bench *b, const struct shape *s, uint8_t sources[FLOWS][16],
			     unsigned *ret_marks)
{
	uint32_t marks[FLOWS];
	unsigned different = 0;
	uint8_t again[16];

	*ret_marks = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		bool is_new = true, is_new_mark = true;

		marks[i] = outer_of(b, s, i, sources[i]);
		assert_int_equal(outer_of(b, s, i, again), marks[i]);
		assert_memory_equal(again, sources[i], 16);
		for (unsigned k = 0; k < i; k++) {
			is_new = is_new && memcmp(sources[k], sources[i], 16) != 0;
			is_new_mark = is_new_mark && marks[k] != marks[i];
		}
		different += is_new;
		*ret_marks += is_new_mark;
	}
	return different;
}

static void flows_are_told_apart_by_port_or_label(void **state)
{
	uint8_t sources[FLOWS][16];
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i);
		unsigned marks;

		set_peer(b, &s);
		assert_int_equal(count_outers(b, &s, sources, &marks), 1);
		if (s.vxlan || s.over_ipv6)
			assert_in_range(marks, FLOWS / 2, FLOWS);
	}
}

static void sources_are_spread_over_the_prefix_and_no_further(void **state)
{
	struct backplane plane = usual_backplane();
	uint8_t sources[FLOWS][16];
	struct bench *b = *state;

	assert_int_equal(prefix_parse("192.0.2.192/27", &plane.pair[FAMILY_IPV4].spread), 0);
	assert_int_equal(prefix_parse("fd00::5:0/112", &plane.pair[FAMILY_IPV6].spread), 0);
	configure(b, &plane);
	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i);
		struct address in = text_address("fd00::5:0");
		unsigned marks;

		set_peer(b, &s);
		assert_in_range(count_outers(b, &s, sources, &marks), FLOWS / 4, FLOWS);
		for (unsigned k = 0; k < FLOWS; k++) {
			if (s.over_ipv6) {
				assert_memory_equal(sources[k], in.bytes, 14);
				continue;
			}
			assert_memory_equal(sources[k], "\xc0\0\2", 3);
			assert_int_equal(sources[k][3] & 0xe0, 192);
		}
	}
}

static void a_spread_source_is_the_peers_in_its_encapsulation(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < SHAPES; i++) {
		struct shape s = shape_of(i), other = s;
		struct frame inner = to_local(&s), f;
		struct datapath_source more = {
			.fe = 3, .receive = s.vxlan ? ENCAPSULATION_VXLAN : ENCAPSULATION_IPIP};

		other.vxlan = !s.vxlan;
		set_peer(b, &s);
		assert_int_equal(
			prefix_parse(s.over_ipv6 ? "fd00::7:0/112" : "192.0.2.64/28", &more.prefix),
			0);
		f = wrap_from(b, &s, s.over_ipv6 ? "fd00::7:9999" : "192.0.2.79", 0, EXPEDITED,
			      &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
		assert_int_equal(b->ops->source_set(b, &more), 0);
		bench_expect(b, BACKPLANE, &f, TC_REDIRECT, VERDICT_forwarded_local);
		f = wrap_from(b, &other, s.over_ipv6 ? "fd00::7:1" : "192.0.2.64", 0, EXPEDITED,
			      &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_wrong_encapsulation);
		f = wrap_from(b, &s, s.over_ipv6 ? "fd00::8:1" : "192.0.2.80", 0, EXPEDITED,
			      &inner);
		bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_unknown_peer);
		assert_int_equal(b->ops->source_remove(b, &more.prefix), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(congestion_comes_out_of_every_tunnel_as_rfc_6040_says),
		TEST(ecn_is_copied_into_every_tunnel),
		TEST(a_pipe_copies_the_class_in_and_leaves_it_inside),
		TEST(a_uniform_tunnel_copies_the_class_in_and_out),
		TEST(a_fixed_class_is_on_all_and_ends_with_the_tunnel),
		TEST(each_tunnels_bytes_are_as_its_rfc_says),
		TEST(a_vxlan_packet_is_looked_up_in_the_vrf_of_its_vni),
		TEST(what_is_sent_on_keeps_its_vrf_and_gets_the_mark),
		TEST(ipip_over_ipv6_is_marked_by_its_destination),
		TEST(a_vxlan_header_that_contradicts_itself_is_refused),
		TEST(only_the_agreed_encapsulation_is_taken),
		TEST(flows_are_told_apart_by_port_or_label),
		TEST(sources_are_spread_over_the_prefix_and_no_further),
		TEST(a_spread_source_is_the_peers_in_its_encapsulation),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, create, bench_destroy);
}
