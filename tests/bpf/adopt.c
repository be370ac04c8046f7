/* A data plane outlives its process: pins, adoption, refusals, removal; and the entries' errors. */
#include "tests/bpf/harness.h"

#include "base/log.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The process dies: all that it leaves stays. */
static void reopen(struct bench *b)
{
	struct reason why = {};

	datapath_close(b->context.datapath, false);
	b->context.datapath = NULL;
	if (bench_open(b, 2, &why))
		fail_msg("%s", why.text);
}

static void expect_delivered(struct bench *b)
{
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 30);

	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

static void entries_ports_and_counts_are_adopted(void **state)
{
	struct address to = text_address("10.10.0.12");
	struct bench *b = *state;
	uint64_t packets, bytes;

	assert_false(datapath_adopted(b->context.datapath));
	expect_delivered(b);
	reopen(b);
	assert_true(datapath_adopted(b->context.datapath));
	expect_delivered(b);
	b->ops->binding_count(b, 0, &to, &packets, &bytes);
	assert_int_equal(packets, 2);
}

struct heard {
	unsigned rules, groups;
	struct rule rule;
	struct rule_group group;
};

static void hear_rule(void *to, const struct rule *rule)
{
	struct heard *h = to;

	h->rules++;
	h->rule = *rule;
}

static void hear_group(void *to, const struct rule_group *group)
{
	struct heard *h = to;

	h->groups++;
	h->group = *group;
}

static void rules_and_groups_are_kept_until_forgotten(void **state)
{
	struct bench *b = *state;
	struct rule r = {.key = {.kind = RULE_LOCAL, .address = text_address("10.10.0.11")},
			 .cookie = 0x1234567890,
			 .port = 7};
	struct rule_group g = {.fe = 3, .address = text_address("192.0.2.3")};
	struct heard heard = {};

	assert_int_equal(b->ops->rule_keep(b, &r), 0);
	assert_int_equal(b->ops->group_keep(b, &g), 0);
	reopen(b);
	datapath_adopt(b->context.datapath, hear_rule, hear_group, &heard);
	assert_int_equal(heard.rules, 1);
	assert_int_equal(heard.groups, 1);
	assert_int_equal(heard.rule.cookie, r.cookie);
	assert_int_equal(heard.rule.port, 7);
	assert_memory_equal(&heard.rule.key, &r.key, sizeof(r.key));
	assert_memory_equal(&heard.group, &g, sizeof(g));
	assert_int_equal(b->ops->rule_forget(b, &r.key), 0);
	assert_int_equal(b->ops->group_forget(b, 3), 0);
	heard = (struct heard){};
	datapath_adopt(b->context.datapath, hear_rule, hear_group, &heard);
	assert_int_equal(heard.rules + heard.groups, 0);
}

static void hear_kept(void *to, const struct kept_key *key, const struct kept_frame *frame)
{
	struct heard *h = to;

	h->rules++;
	assert_int_equal(frame->heard_ms, 1234);
	assert_memory_equal(frame->data, "announcement", 12);
}

static void announcements_are_kept_until_removed(void **state)
{
	struct bench *b = *state;
	struct kept_key key = {.vrf = 0, .port = 2, .address = text_address("10.10.0.11")};
	struct kept_frame frame = {.heard_ms = 1234, .port = 2, .size = 12, .data = "announcement"};
	struct heard heard = {};

	assert_int_equal(b->ops->kept_set(b, &key, &frame), 0);
	key.port = 3;
	assert_int_equal(b->ops->kept_set(b, &key, &frame), 0);
	assert_int_equal(b->ops->kept_remove(b, &key), 0);
	reopen(b);
	datapath_adopt_kept(b->context.datapath, hear_kept, &heard);
	assert_int_equal(heard.rules, 1);
	key.port = 2;
	assert_int_equal(b->ops->kept_remove(b, &key), 0);
}

static void what_nobody_sets_again_is_swept(void **state)
{
	struct bench *b = *state;
	struct frame foreign = frame_udp("10.10.0.11", "10.10.0.36", 30);
	struct frame ping = frame_echo("10.10.0.11", "10.10.0.1");

	reopen(b);
	bench_set_port(b, ACCESS, true, 1500);
	bench_set_port(b, BACKPLANE, true, 1600);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "10.10.0.12", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_foreign(b, "10.10.0.36", 3);
	bench_set_prefix(b, DATAPATH_ANSWER, "10.10.0.1", 0);
	datapath_adopt_done(b->context.datapath);
	expect_delivered(b);
	bench_expect(b, ACCESS, &ping, TC_REDIRECT, VERDICT_answered_echo);
	bench_expect(b, ACCESS, &foreign, TC_DROP, VERDICT_no_peer);
	foreign = frame_udp("10.10.0.11", "10.10.9.9", 30);
	bench_expect(b, ACCESS, &foreign, TC_OK, VERDICT_passed_up); /* covered no more */
	assert_int_equal(b->ops->port_remove(b, ACCESS2), -ENOENT);
}

static void last_seen_survives_an_update_that_moves_nothing(void **state)
{
	struct address from = text_address("10.10.0.11");
	struct bench *b = *state;

	expect_delivered(b);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	assert_in_range(b->ops->binding_idle_ms(b, 0, &from), 0, 5000);
	bench_set_local(b, "10.10.0.11", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	assert_int_equal(b->ops->binding_idle_ms(b, 0, &from), -1);
}

static void arp_counts_as_life(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.1");
	struct address from = text_address("10.10.0.11");
	struct bench *b = *state;

	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	assert_in_range(b->ops->binding_idle_ms(b, 0, &from), 0, 5000);
}

/* ---- counts by port, of a release that made that map larger ---- */

#define LARGER (1 << 20)

static void release_before_counted(struct bench *b, uint32_t ports, enum dataplane_verdict verdict,
				   uint64_t each)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	struct map_port_verdict key = {.verdict = verdict};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/port_verdicts", b->directory);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "port_verdicts", sizeof(key), sizeof(each), LARGER,
			    &options);
	assert_true(fd >= 0);
	for (key.number = ACCESS; key.number < ACCESS + ports; key.number++)
		assert_int_equal(bpf_map_update_elem(fd, &key, &each, 0), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

/* And that the map has this release's size. */
static unsigned entries_of_port_verdicts(const struct bench *b)
{
	int fd = map_fd(b->context.datapath->skeleton->maps.port_verdicts);
	struct map_port_verdict key, *previous = NULL;
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	unsigned count = 0;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	assert_int_equal(info.max_entries, DATAPLANE_PORT_VERDICTS);
	for (; !bpf_map_get_next_key(fd, previous, &key); count++)
		previous = &key;
	return count;
}

static uint64_t counted_at(const struct bench *b, uint32_t port, uint32_t verdict)
{
	struct map_port_verdict key = {port, verdict};
	uint64_t count = 0;

	bpf_map_lookup_elem(map_fd(b->context.datapath->skeleton->maps.port_verdicts), &key,
			    &count);
	return count;
}

static void counts_by_port_move_to_a_smaller_map(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.1");
	struct bench *b = *state;

	release_before_counted(b, 3, VERDICT_punted, 7);
	reopen(b);
	assert_true(datapath_adopted(b->context.datapath));
	assert_int_equal(entries_of_port_verdicts(b), 3);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punted), 7);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	reopen(b);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punted), 8);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	assert_int_equal(bench_counted(b, VERDICT_port_uncounted), 0);
}

static void more_counts_by_port_than_fit_stay_in_the_totals(void **state)
{
	struct frame f = frame_arp(2, "10.10.0.11", "10.10.0.1");
	struct bench *b = *state;

	release_before_counted(b, DATAPLANE_PORT_VERDICTS + 1000, VERDICT_guard_kind, 7);
	reopen(b);
	assert_int_equal(entries_of_port_verdicts(b), DATAPLANE_PORT_VERDICTS);
	expect_delivered(b);
	bench_expect(b, ACCESS, &f, TC_OK, VERDICT_punted);
	assert_int_equal(bench_counted(b, VERDICT_port_uncounted), 1);
	assert_int_equal(counted_at(b, ACCESS, VERDICT_punted), 0);
}

/* ---- refusals, each a line that says what to do ---- */

static void expect_refused(struct bench *b, uint32_t fe, int result, const char *says)
{
	struct datapath *kept = b->context.datapath;
	struct reason why = {};

	assert_int_equal(bench_open(b, fe, &why), result);
	if (!strstr(why.text, says))
		fail_msg("'%s' does not say '%s'", why.text, says);
	b->context.datapath = kept;
}

static void a_second_process_is_refused(void **state)
{
	expect_refused(*state, 2, -EBUSY, "in use by another victor-fe");
}

static void another_fes_pins_are_refused(void **state)
{
	struct bench *b = *state;

	datapath_close(b->context.datapath, false);
	expect_refused(b, 5, -EBUSY, "belong to FE 2, not 5");
	b->context.datapath = NULL;
	reopen(b);
}

static void another_releases_pins_are_refused(void **state)
{
	struct bench *b = *state;
	struct map_header h;
	uint32_t zero = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/header", b->directory);
	fd = bpf_obj_get(path);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &h), 0);
	h.layout++;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &h, 0), 0);
	datapath_close(b->context.datapath, false);
	expect_refused(b, 2, -EEXIST, "another release");
	h.layout--;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &h, 0), 0);
	close(fd);
	b->context.datapath = NULL;
	reopen(b);
}

/* How many programs of ours a device's way in, or out, calls: by tcx, where there is that, or by
 * filters; -1: by both. */
static int attached(const char *device, bool out)
{
	uint32_t ids[8];
	DECLARE_LIBBPF_OPTS(bpf_prog_query_opts, all, .prog_ids = ids, .prog_cnt = 8);
	enum bpf_attach_type tcx = (enum bpf_attach_type)(out ? 47 : 46);
	char command[128];
	int filters;

	if (bpf_prog_query_opts((int)if_nametoindex(device), tcx, &all))
		all.prog_cnt = 0;
	snprintf(command, sizeof(command), "exit $(tc filter show dev %s %s | grep -c ' victor_')",
		 device, out ? "egress" : "ingress");
	filters = WEXITSTATUS(system(command));
	return all.prog_cnt && filters ? -1 : (int)all.prog_cnt + filters;
}

static bool is_a_filter(const char *device)
{
	char command[128];

	snprintf(command, sizeof(command), "tc filter show dev %s ingress | grep -q ' victor_'",
		 device);
	return system(command) == 0;
}

static void an_operators_filter_stays_before_the_program(void **state)
{
	struct bench *b = *state;

	assert_int_equal(attached("acc", false), 1);
	assert_int_equal(
		system("tc qdisc replace dev acc clsact && tc filter add dev acc ingress prio 1 "
		       "u32 match u32 0 0 classid 1:1"),
		0);
	reopen(b);
	bench_set_port(b, ACCESS, true, 1500);
	bench_set_port(b, ACCESS2, true, 1500);
	assert_int_equal(attached("acc", false), 1);
	assert_true(is_a_filter("acc"));
	assert_int_equal(attached("acc2", false), 1);
	assert_int_equal(system("tc filter del dev acc ingress prio 1"), 0);
	reopen(b);
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_equal(attached("acc", false), 1);
	assert_int_equal(is_a_filter("acc"), is_a_filter("acc2"));
}

/* What an agent has when it sets its ports: not CAP_SYS_ADMIN (shell/sandbox.h). */
static void confine(bool on)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	const uint32_t bit = 1u << CAP_SYS_ADMIN;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective = on ? data[0].effective & ~bit : data[0].effective | bit;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void a_confined_agent_replaces_the_program_and_takes_it_off(void **state)
{
	struct bench *b = *state;

	reopen(b);
	confine(true);
	bench_set_port(b, ACCESS, true, 1500);
	bench_set_port(b, ACCESS2, true, 1500);
	assert_int_equal(attached("acc", false), 1);
	assert_int_equal(attached("acc2", false), 1);
	b->ops->port_remove(&b->context, ACCESS2);
	confine(false);
	assert_int_equal(attached("acc2", false), 0);
	reopen(b);
	confine(true);
	bench_set_port(b, ACCESS, true, 1500);
	bench_set_port(b, ACCESS2, true, 1500);
	confine(false);
	assert_int_equal(attached("acc", false), 1);
	assert_int_equal(attached("acc2", false), 1);
}

static void another_releases_pins_are_removed(void **state)
{
	struct bench *b = *state;
	struct datapath_config c = {.fe = 2, .pin_directory = b->directory};
	struct reason why = {};
	struct map_header h;
	uint32_t zero = 0;
	char text[160];
	int fd;

	snprintf(text, sizeof(text), "%s/header", b->directory);
	fd = bpf_obj_get(text);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &h), 0);
	h.layout++;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &h, 0), 0);
	close(fd);
	datapath_close(b->context.datapath, false);
	assert_int_equal(datapath_remove(&c, &why), 0);
	assert_int_equal(attached("acc", false), 0);
	assert_int_equal(attached("bp", false), 0);
	assert_int_equal(if_nametoindex("victor-2"), 0);
	snprintf(text, sizeof(text), "test -z \"$(ls %s | grep -v debug)\"", b->directory);
	assert_int_equal(system(text), 0);
	/* Who made the devices promiscuous is forgotten with the pins. */
	assert_int_equal(system("ip link set acc promisc off; ip link set acc2 promisc off"), 0);
	b->context.datapath = NULL;
	assert_int_equal(bench_open(b, 2, &why), 0);
	assert_false(datapath_adopted(b->context.datapath));
}

static void the_inner_device_lives_on_and_is_adopted(void **state)
{
	struct bench *b = *state;
	struct map_config was = b->context.datapath->config;

	datapath_close(b->context.datapath, false);
	assert_int_equal(if_nametoindex("victor-2"), was.inner_ifindex);
	assert_int_equal(attached("victor-2", true), 1);
	b->context.datapath = NULL;
	reopen(b);
	assert_int_equal(b->context.datapath->config.inner_ifindex, was.inner_ifindex);
	assert_memory_equal(b->context.datapath->config.inner_token, was.inner_token, 8);
	assert_memory_equal(b->context.datapath->config.inner_address, was.inner_address, 16);
	/* One that somebody took away is made again, with other secrets. */
	assert_int_equal(system("ip link delete victor-2"), 0);
	reopen(b);
	assert_int_equal(b->context.datapath->config.inner_ifindex, if_nametoindex("victor-2"));
	assert_memory_not_equal(b->context.datapath->config.inner_token, was.inner_token, 8);
}

static void a_strangers_device_of_that_name_is_left_alone(void **state)
{
	struct bench *b = *state;
	struct map_config was = b->context.datapath->config;

	datapath_close(b->context.datapath, true);
	assert_int_equal(if_nametoindex("victor-2"), 0);
	assert_int_not_equal(was.inner_ifindex, 0);
	assert_int_equal(system("ip link add victor-2 type veth peer name stranger"), 0);
	b->context.datapath = NULL;
	reopen(b);
	assert_int_equal(b->context.datapath->config.inner_ifindex, 0);
	datapath_close(b->context.datapath, true);
	assert_int_equal(system("ip link delete victor-2"), 0);
	b->context.datapath = NULL;
	reopen(b);
}

static void a_start_that_did_not_end_is_cleared_away(void **state)
{
	struct bench *b = *state;
	struct map_header none = {};
	uint32_t zero = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/header", b->directory);
	fd = bpf_obj_get(path);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &none, 0), 0);
	close(fd);
	reopen(b);
	assert_false(datapath_adopted(b->context.datapath));
	/* Who made the devices promiscuous is forgotten with the pins. */
	assert_int_equal(system("ip link set acc promisc off; ip link set acc2 promisc off"), 0);
}

static void a_config_that_cannot_work_is_refused(void **state)
{
	struct datapath_config c = {.fe = 0, .pin_directory = "/nowhere"};
	struct reason why = {};
	struct datapath *dp;

	assert_int_equal(datapath_open(&c, &dp, &why), -EINVAL);
	c.fe = 1;
	c.backplane.pair[FAMILY_IPV4].address = text_address("192.0.2.1");
	assert_int_equal(datapath_open(&c, &dp, &why), -EINVAL);
	c.backplane.pair[FAMILY_IPV4].redirect = c.backplane.pair[FAMILY_IPV4].address;
	assert_int_equal(datapath_open(&c, &dp, &why), -EINVAL);
	c.backplane.pair[FAMILY_IPV4].address = text_address("2001:db8::1");
	assert_int_equal(datapath_open(&c, &dp, &why), -EAFNOSUPPORT);
	c = (struct datapath_config){.fe = 1, .pin_directory = "relative"};
	assert_int_equal(datapath_open(&c, &dp, &why), -EINVAL);
}

static void entries_that_cannot_be_are_refused(void **state)
{
	struct bench *b = *state;
	struct datapath_binding binding = {
		.address = text_address("10.10.0.50"), .flags = BINDING_LOCAL, .port = 77};
	struct datapath_port port = {.number = 9, .role = PORT_ACCESS, .ifindex = 99999};
	struct datapath_peer peer = {.fe = 4,
				     .send = true,
				     .address = text_address("2001:db8::4"),
				     .redirect = text_address("192.0.2.104")};

	assert_int_equal(b->ops->binding_set(b, &binding), -ENOENT);
	assert_int_equal(b->ops->port_set(b, &port), -ENODEV);
	assert_int_equal(b->ops->port_remove(b, 9), -ENOENT);
	port.number = DATAPLANE_PORT_LIMIT;
	assert_int_equal(b->ops->port_set(b, &port), -EINVAL);
	assert_int_equal(b->ops->peer_set(b, &peer), -EAFNOSUPPORT);
	assert_int_equal(b->ops->transmit(b, 77, "", 0), -ENOENT);
	binding = (struct datapath_binding){.flags = BINDING_FOREIGN, .fe = 3};
	for (unsigned i = 0; i < 1100; i++) {
		uint8_t bytes[4] = {10, 11, (uint8_t)(i >> 8), (uint8_t)i};
		int result;

		binding.address = address_from_ipv4(bytes);
		result = b->ops->binding_set(b, &binding);
		assert_int_equal(result,
				 i < 997 ? 0 : -ENOSPC); /* a limit of 1000, three are there */
	}
}

/* ---- removal ---- */

static void removal_leaves_nothing(void **state)
{
	struct bench *b = *state;
	struct reason why = {};
	char command[128];

	assert_int_equal(attached("acc", false), 1);
	assert_int_equal(system("ip link show acc | grep -q PROMISC"), 0);
	datapath_close(b->context.datapath, true);
	b->context.datapath = NULL;
	assert_int_equal(attached("acc", false), 0);
	assert_int_not_equal(system("ip link show acc | grep -q PROMISC"), 0);
	snprintf(command, sizeof(command), "test -z \"$(ls %s | grep -v debug)\"", b->directory);
	assert_int_equal(system(command), 0);
	assert_int_equal(bench_open(b, 2, &why), 0);
	assert_false(datapath_adopted(b->context.datapath));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_ports_and_counts_are_adopted),
		TEST(rules_and_groups_are_kept_until_forgotten),
		TEST(announcements_are_kept_until_removed),
		TEST(what_nobody_sets_again_is_swept),
		TEST(last_seen_survives_an_update_that_moves_nothing),
		TEST(arp_counts_as_life),
		TEST(counts_by_port_move_to_a_smaller_map),
		TEST(more_counts_by_port_than_fit_stay_in_the_totals),
		TEST(a_second_process_is_refused),
		TEST(another_fes_pins_are_refused),
		TEST(another_releases_pins_are_refused),
		TEST(an_operators_filter_stays_before_the_program),
		TEST(a_confined_agent_replaces_the_program_and_takes_it_off),
		TEST(another_releases_pins_are_removed),
		TEST(the_inner_device_lives_on_and_is_adopted),
		TEST(a_strangers_device_of_that_name_is_left_alone),
		TEST(a_start_that_did_not_end_is_cleared_away),
		TEST(a_config_that_cannot_work_is_refused),
		TEST(entries_that_cannot_be_are_refused),
		TEST(removal_leaves_nothing),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
