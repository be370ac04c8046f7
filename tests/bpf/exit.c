/* Who sends a prefix's packets out of VICTOR: what the data plane does with a source whose prefix
 * may leave here, only by another FE, or by none. */
#include "tests/bpf/harness.h"

#define OURS "192.0.2.2"
#define PEER "192.0.2.3"

static void set_exit(struct bench *b, const char *prefix, uint32_t fe, bool none)
{
	struct datapath_prefix p = {.kind = DATAPATH_EXIT, .fe = fe, .unreachable = none};

	assert_int_equal(prefix_parse(prefix, &p.prefix), 0);
	assert_int_equal(b->ops->prefix_set(&b->context, &p), 0);
}

static struct frame from_peer(struct bench *b, const char *source, const char *destination)
{
	struct frame inner = frame_udp(source, destination, 30);

	return frame_tunnel(b, PEER, OURS, &inner);
}

static void expect_tunnelled_to_fe3(struct bench *b, enum port_number port, struct frame f)
{
	bench_run(b, port, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.bytes[23], f.bytes[34] >> 4 == 6 ? 41 : 4);
	assert_int_equal(f.bytes[33], 3);
}

static void a_source_is_carried_to_the_fe_that_may_emit_it(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "203.0.113.7", 30);

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	set_exit(b, "10.10.0.0/16", 3, false);
	expect_tunnelled_to_fe3(b, ACCESS, f);
	/* To a node it goes as ever. */
	f = frame_udp("10.10.0.11", "10.10.0.12", 30);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

static void an_fe_that_may_emit_it_does_so(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "198.51.100.7", 30);

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 3);
	set_exit(b, "10.10.0.0/16", 0, false);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.bytes[22], 63);
	f = from_peer(b, "10.10.0.36", "198.51.100.7");
	bench_run(b, BACKPLANE, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_external), 1);
	assert_int_equal(f.size, 14 + 58);
}

static void the_longest_prefix_of_the_source_decides(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "203.0.113.7", 30);

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	set_exit(b, "10.0.0.0/8", 0, true);
	set_exit(b, "10.10.0.0/24", 3, false);
	expect_tunnelled_to_fe3(b, ACCESS, f);
	set_exit(b, "10.10.0.0/24", 0, true);
	set_exit(b, "10.10.0.11/32", 3, false);
	expect_tunnelled_to_fe3(b, ACCESS, f);
	/* IPv4's is not IPv6's. */
	set_exit(b, "::/0", 0, true);
	expect_tunnelled_to_fe3(b, ACCESS, f);
}

static void without_any_it_is_dropped_and_the_sender_told(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "203.0.113.7", 30);

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	set_exit(b, "10.10.0.0/16", 0, true);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_no_exit), 1);
	assert_int_equal(bench_counted(b, VERDICT_sent_unreachable), 1);
	assert_int_equal(f.bytes[34], 3);
	assert_int_equal(f.bytes[35], 13); /* communication administratively prohibited */
	f = frame_udp6("2001:db8::11", "2001:db8:ffff::1", 30);
	bench_set_local(b, "2001:db8::11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	set_exit(b, "2001:db8::/64", 0, true);
	frame_set_macs(&f, &gateway_mac, &node_mac);
	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_no_exit), 1);
	assert_int_equal(f.bytes[54], 1);
	assert_int_equal(f.bytes[55], 1);
}

static void what_a_peer_sent_goes_to_no_third_fe(void **state)
{
	struct bench *b = *state;
	struct frame f = from_peer(b, "10.10.0.36", "203.0.113.7");

	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	set_exit(b, "10.10.0.0/16", 3, false);
	bench_expect(b, BACKPLANE, &f, TC_DROP, VERDICT_external_loop);
}

/* By its gateway's address, which may not leave here either. */
static void what_a_sender_outside_is_told_takes_the_same_way(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("198.51.100.7", "10.10.9.9", 30), was;

	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	was = f;
	bench_set_covered(b, "10.10.0.0/16", "10.10.0.1", true);
	bench_set_prefix(b, DATAPATH_EXTERNAL, "0.0.0.0/0", 0);
	bench_run(b, EXTERNAL, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_memory_equal(f.bytes, was.bytes + 6, 6); /* back where it came from */
	set_exit(b, "10.10.0.0/16", 3, false);
	f = was;
	bench_run(b, EXTERNAL, &f);
	assert_int_equal(bench_counted(b, VERDICT_sent_unreachable), 1);
	assert_int_equal(f.bytes[23], 4); /* in a tunnel to FE 3 */
	assert_int_equal(f.bytes[33], 3);
	set_exit(b, "10.10.0.0/16", 0, true);
	f = was;
	bench_run(b, EXTERNAL, &f);
	assert_int_equal(f.verdict, TC_DROP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_source_is_carried_to_the_fe_that_may_emit_it),
		TEST(an_fe_that_may_emit_it_does_so),
		TEST(the_longest_prefix_of_the_source_decides),
		TEST(without_any_it_is_dropped_and_the_sender_told),
		TEST(what_a_peer_sent_goes_to_no_third_fe),
		TEST(what_a_sender_outside_is_told_takes_the_same_way),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
