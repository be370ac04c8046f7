/* The table of bindings between the agent and the packets: packets that race the agent find what is
 * there, a table that is nearly full is searched right, layout 3's map and a smaller table are
 * taken over with what they counted. */
#include "tests/bpf/harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct address numbered(uint32_t i)
{
	const uint8_t bytes[4] = {10, 10, (uint8_t)(2 + (i >> 8)), (uint8_t)i};

	return address_from_ipv4(bytes);
}

static struct datapath_binding foreign(uint32_t i)
{
	return (struct datapath_binding){.address = numbered(i), .flags = BINDING_FOREIGN, .fe = 3};
}

static struct datapath_binding local(uint32_t i)
{
	return (struct datapath_binding){.address = numbered(i),
					 .flags = BINDING_LOCAL | BINDING_GUARD,
					 .port = ACCESS2,
					 .mac = other_mac,
					 .gateway_mac = gateway_mac};
}

static void expect_delivered(struct bench *b, const char *to)
{
	struct frame f = frame_udp("10.10.0.11", to, 8);

	bench_run(b, ACCESS, &f);
	assert_int_equal(f.verdict, TC_REDIRECT);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 1);
	assert_memory_equal(f.bytes, other_mac.bytes, 6);
}

static void every_binding_of_a_full_table_is_found(void **state)
{
	struct bench *b = *state;
	char text[ADDRESS_TEXT_SIZE];

	for (uint32_t i = 0; i < 997; i++) { /* a limit of 1000, three are there */
		const struct datapath_binding binding = local(i);

		assert_int_equal(b->ops->binding_set(b, &binding), 0);
	}
	for (uint32_t i = 0; i < 997; i++) {
		const struct address a = numbered(i);

		address_format(&a, text);
		expect_delivered(b, text);
	}
}

/* ---- a race ---- */

struct racing {
	struct bench *bench;
	bool stop;
	uint64_t runs, wrong;
};

/* Packets to a node that is always there, whatever becomes of its record. */
static void *send_all_the_time(void *argument)
{
	struct racing *r = argument;
	const struct victor_bpf *skeleton = r->bench->context.datapath->skeleton;
	const struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 8);
	uint8_t out[FRAME_MAX];

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		struct __sk_buff context = {.ifindex = r->bench->ifindex[ACCESS]};
		DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes,
				    .data_size_in = (uint32_t)f.size, .data_out = out,
				    .data_size_out = sizeof(out), .ctx_in = &context,
				    .ctx_size_in = sizeof(context), .repeat = 1);

		r->wrong += bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.victor_access),
						   &run) ||
			    run.retval != TC_REDIRECT || out[5] != out[11];
		r->runs++;
	}
	return NULL;
}

/* The last bytes of both MACs are the same in every state of the node's. */
static void node_set(struct bench *b, uint8_t last)
{
	const struct datapath_binding node = {.address = text_address("10.10.0.12"),
					      .flags = BINDING_LOCAL | BINDING_GUARD,
					      .port = ACCESS2,
					      .mac = {{2, 0, 0, 0, 0, last}},
					      .gateway_mac = {{2, 0, 0x5e, 0, 0, last}}};

	assert_int_equal(b->ops->binding_set(b, &node), 0);
}

static void a_packet_that_races_the_agent_finds_its_binding_whole(void **state)
{
	struct bench *b = *state;
	struct racing race = {.bench = b};
	pthread_t thread;

	node_set(b, 1);
	assert_int_equal(pthread_create(&thread, NULL, send_all_the_time, &race), 0);
	for (uint32_t step = 0; step < 20000; step++) {
		const struct datapath_binding comes =
			step % 3 ? foreign(step % 900) : local(step % 900);
		const struct address goes = numbered((step + 450) % 900);

		node_set(b, (uint8_t)step);
		assert_int_equal(b->ops->binding_set(b, &comes), 0);
		(void)!b->ops->binding_remove(b, 0, &goes);
	}
	while (__atomic_load_n(&race.runs, __ATOMIC_RELAXED) < 1000)
		usleep(1000);
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(race.wrong, 0);
}

/* ---- what was there before ---- */

struct binding3 {
	uint8_t flags, pad;
	uint16_t vlan;
	uint32_t port, fe;
	uint8_t mac[6], gateway_mac[6];
	uint64_t seen_ns;
};

static char *pin(const struct bench *b, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", b->directory, name);
	return path;
}

static void write_binding3(int fd, const char *address, const struct binding3 *value)
{
	const struct address a = text_address(address);
	const struct map_address_key key = map_address_key_make(0, &a);

	assert_int_equal(bpf_map_update_elem(fd, &key, value, 0), 0);
}

/* The pins as layout 3 had them: the hash map in place of the table. */
static void make_layout_3(struct bench *b)
{
	const struct binding3 here = {.flags = BINDING_LOCAL | BINDING_GUARD,
				      .port = ACCESS2,
				      .mac = {2, 0, 0, 0, 0, 0x0b},
				      .gateway_mac = {2, 0, 0x5e, 0, 0, 1},
				      .seen_ns = 12345};
	const struct binding3 there = {.flags = BINDING_FOREIGN, .fe = 3};
	struct binding3 guard = here;
	struct map_header h;
	uint32_t zero = 0;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "bindings", 20, sizeof(here), 1000, &options);

	assert_true(fd >= 0);
	guard.port = ACCESS;
	guard.mac[5] = 0x0a;
	write_binding3(fd, "10.10.0.11", &guard);
	write_binding3(fd, "10.10.0.12", &here);
	write_binding3(fd, "10.10.0.13", &here);
	write_binding3(fd, "10.10.0.36", &there);
	assert_int_equal(bpf_obj_pin(fd, pin(b, "bindings")), 0);
	close(fd);
	fd = bpf_obj_get(pin(b, "header"));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &h), 0);
	h.layout = 3;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &h, 0), 0);
	close(fd);
	assert_int_equal(unlink(pin(b, "binding_shape")), 0);
	assert_int_equal(unlink(pin(b, "binding_buckets")), 0);
	assert_int_equal(unlink(pin(b, "binding_records")), 0);
}

static void reopen(struct bench *b, uint32_t limit)
{
	struct datapath_config c = {.fe = 2,
				    .backplane.pair[FAMILY_IPV4] = {text_address("192.0.2.2"),
								    text_address("192.0.2.102"),
								    {}},
				    .binding_limit = limit,
				    .pin_directory = b->directory};
	struct reason why = {};

	datapath_close(b->context.datapath, false);
	b->context.datapath = NULL;
	assert_int_equal(datapath_open(&c, &b->context.datapath, &why), 0);
	assert_true(datapath_adopted(b->context.datapath));
}

static void layout_3_is_taken_over(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 8);
	const struct address node = text_address("10.10.0.12");

	make_layout_3(b);
	reopen(b, 1000);
	assert_int_not_equal(access(pin(b, "bindings"), F_OK), 0);
	assert_int_not_equal(access(pin(b, "next"), F_OK), 0);
	assert_int_equal(access(pin(b, "binding_buckets"), F_OK), 0);
	assert_int_equal(b->context.datapath->bindings.count, 4);
	expect_delivered(b, "10.10.0.12");
	expect_delivered(b, "10.10.0.13");
	bench_run(b, ACCESS, &f);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_foreign) +
				 bench_counted(b, VERDICT_no_underlay),
			 1);
	assert_true(b->ops->binding_idle_ms(b, 0, &node) > 0);
	reopen(b, 1000); /* and is this release's from then on */
	expect_delivered(b, "10.10.0.12");
}

static void a_table_that_nobody_can_take_over_is_left_alone(void **state)
{
	struct datapath_config c = {.fe = 2};
	struct reason why = {};
	struct bench *b = *state;
	struct datapath *none;
	struct map_header h;
	uint32_t zero = 0;
	int fd;

	make_layout_3(b);
	assert_int_equal(unlink(pin(b, "bindings")), 0);
	datapath_close(b->context.datapath, false);
	b->context.datapath = NULL;
	c.pin_directory = b->directory;
	assert_int_equal(datapath_open(&c, &none, &why), -EEXIST);
	fd = bpf_obj_get(pin(b, "header"));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &h), 0);
	assert_int_equal(h.layout, 3);
	close(fd);
	assert_int_equal(datapath_remove(&c, &why), 0);
	assert_int_equal(system("ip link set acc promisc off; ip link set acc2 promisc off"), 0);
	assert_int_equal(bench_open(b, 2, &why), 0);
}

static void count_rule(void *to, const struct rule *rule)
{
	++*(unsigned *)to;
	assert_int_equal(rule->cookie, 77);
}

static void count_group(void *to, const struct rule_group *group)
{
}

static void a_higher_limit_moves_the_table_and_what_it_counted(void **state)
{
	const struct rule rule = {.key = {.kind = RULE_FOREIGN}, .cookie = 77, .fe = 3};
	const struct address node = text_address("10.10.0.12");
	uint64_t packets, bytes;
	struct bench *b = *state;
	unsigned rules = 0;

	expect_delivered(b, "10.10.0.12");
	assert_int_equal(b->ops->rule_keep(b, &rule), 0);
	reopen(b, 5000);
	assert_int_equal(bpf_map__max_entries(b->context.datapath->skeleton->maps.rules),
			 3 * 5000 + 4096);
	datapath_adopt(b->context.datapath, count_rule, count_group, &rules);
	assert_int_equal(rules, 1);
	assert_int_equal(b->context.datapath->bindings.count, 3);
	assert_int_equal(b->context.datapath->bindings.shape->limit, 5000);
	expect_delivered(b, "10.10.0.12");
	b->ops->binding_count(b, 0, &node, &packets, &bytes);
	assert_int_equal(packets, 2);
	reopen(b, 1000); /* a lower one is not followed */
	assert_int_equal(b->context.datapath->bindings.shape->limit, 5000);
	expect_delivered(b, "10.10.0.12");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_binding_of_a_full_table_is_found),
		TEST(a_packet_that_races_the_agent_finds_its_binding_whole),
		TEST(layout_3_is_taken_over),
		TEST(a_table_that_nobody_can_take_over_is_left_alone),
		TEST(a_higher_limit_moves_the_table_and_what_it_counted),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
