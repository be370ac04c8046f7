/* Signed registrations on an access port: they go up whole and before the guard, if they are for
 * the gateway and of their size; all else takes its usual way. */
#include "tests/bpf/harness.h"

#include <string.h>

#define PORT 6654
#define LEAST 72
#define MOST 1024
#define LIMIT_BURST 50 /* of bpf/verdict.h */

static void set_udp(struct frame *f, size_t at, uint16_t port, size_t size)
{
	f->bytes[at + 2] = (uint8_t)(port >> 8);
	f->bytes[at + 3] = (uint8_t)port;
	f->bytes[at + 4] = (uint8_t)(size >> 8);
	f->bytes[at + 5] = (uint8_t)size;
}

static struct frame message(const char *source, const char *destination, size_t payload)
{
	struct frame f = frame_udp(source, destination, payload);

	set_udp(&f, 34, PORT, 8 + payload);
	return f;
}

static void set_gateway(struct bench *b)
{
	bench_set_prefix(b, DATAPATH_STRANGER, "10.10.0.0/16", 0);
	bench_set_prefix(b, DATAPATH_REGISTER, "10.10.0.1/32", 0);
}

static void a_node_without_a_binding_reaches_the_controller(void **state)
{
	struct bench *b = *state;
	struct frame f = message("10.10.0.77", "10.10.0.1", MOST);

	set_gateway(b);
	bench_expect(b, ACCESS2, &f, TC_DROP, VERDICT_registration_taken);
	assert_int_equal(b->upcall.count, 1);
	assert_int_equal(b->upcall.reason, UPCALL_REGISTRATION);
	assert_int_equal(b->upcall.port, ACCESS2);
	assert_int_equal(b->upcall.size, f.size);
	assert_memory_equal(b->upcall.frame, f.bytes, f.size);
	f = message("192.0.2.200", "10.10.0.1", LEAST); /* an address that is nobody's here */
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_registration_taken);
}

static void a_link_local_gateway_takes_them_too(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp6("fe80::77", "fe80::5eff:fe00:1", LEAST);

	bench_set_prefix(b, DATAPATH_ANSWER, "fe80::5eff:fe00:1/128", 0);
	bench_set_prefix(b, DATAPATH_REGISTER, "fe80::5eff:fe00:1/128", 0);
	set_udp(&f, 54, PORT, 8 + LEAST);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_registration_taken);
	assert_memory_equal(b->upcall.frame, f.bytes, f.size);
}

static void one_that_is_not_whole_is_dropped(void **state)
{
	struct bench *b = *state;
	struct frame f = message("10.10.0.77", "10.10.0.1", LEAST - 1);

	set_gateway(b);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_registration_bad);
	f = message("10.10.0.77", "10.10.0.1", MOST + 1);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_registration_bad);
	f = message("10.10.0.77", "10.10.0.1", 200);
	set_udp(&f, 34, PORT, 8 + 199);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_registration_bad);
	assert_int_equal(b->upcall.count, 0);
}

static void what_is_not_for_the_gateway_takes_its_usual_way(void **state)
{
	struct bench *b = *state;
	struct frame f = message("10.10.0.11", "10.10.0.12", LEAST);

	set_gateway(b);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "10.10.0.12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	f = message("10.10.0.77", "10.10.0.1", LEAST);
	frame_set_macs(&f, &other_mac, &node_mac);
	bench_run(b, ACCESS, &f);
	assert_int_equal(bench_counted(b, VERDICT_registration_taken), 0);
	f = message("10.10.0.77", "10.10.0.1", LEAST);
	set_udp(&f, 34, PORT + 1, 8 + LEAST);
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	f = message("10.10.0.77", "10.10.0.1", LEAST);
	frame_set_ipv4(&f, 20, 0x20); /* there are more fragments */
	bench_expect(b, ACCESS, &f, TC_DROP, VERDICT_guard_stranger);
	/* Nor are they heard outside. */
	f = message("203.0.113.7", "10.10.0.1", LEAST);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	bench_run(b, EXTERNAL, &f);
	assert_int_equal(bench_counted(b, VERDICT_registration_taken), 0);
}

static void a_port_has_its_ration(void **state)
{
	struct bench *b = *state;
	struct frame f = message("10.10.0.77", "10.10.0.1", LEAST);
	uint64_t taken = 0;

	set_gateway(b);
	for (unsigned i = 0; i < 2 * LIMIT_BURST; i++) {
		struct frame one = f;

		bench_run(b, ACCESS, &one);
		assert_int_equal(one.verdict, TC_DROP);
		taken += bench_counted(b, VERDICT_registration_taken);
	}
	assert_true(taken >= LIMIT_BURST / 2 && taken < 2 * LIMIT_BURST);
	bench_expect(b, ACCESS2, &f, TC_DROP, VERDICT_registration_taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_without_a_binding_reaches_the_controller),
		TEST(a_link_local_gateway_takes_them_too),
		TEST(one_that_is_not_whole_is_dropped),
		TEST(what_is_not_for_the_gateway_takes_its_usual_way),
		TEST(a_port_has_its_ration),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
