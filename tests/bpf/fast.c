/* The short way (bpf/fast.h), at tc and at XDP: whatever the frame and the tables are, it comes to
 * what the long way comes to, byte for byte and count for count; and XDP touches nothing that it
 * leaves to tc. */
#include "tests/bpf/harness.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define NODE6 "fd00:10::11"
#define OTHER6 "fd00:10::12"

/* ---- the three ways ---- */

struct outcome {
	struct frame frame;
	uint64_t counted[VERDICT_COUNT];
	struct map_counter delivered; /* in the binding of the destination */
};

static struct address destination_of(const struct frame *f)
{
	struct address a = {};

	if (f->bytes[12] == 0x86) {
		memcpy(a.bytes, f->bytes + 38, 16);
		return a;
	}
	a.bytes[10] = a.bytes[11] = 0xff;
	memcpy(a.bytes + 12, f->bytes + 30, 4);
	return a;
}

static struct map_counter delivered(struct bench *b, const struct frame *f)
{
	const struct address to = destination_of(f);
	const struct map_address_key key = map_address_key_make(0, &to);

	return datapath_binding_counter(b->context.datapath, &key);
}

static void set_fast(struct bench *b, enum port_number port, bool on, bool xdp)
{
	int fd = map_fd(b->context.datapath->skeleton->maps.fast_ports);
	uint32_t at = b->ifindex[port] & (DATAPLANE_FAST_PORTS - 1);
	struct map_fast_port f;

	assert_int_equal(bpf_map_lookup_elem(fd, &at, &f), 0);
	f.ifindex = on ? b->ifindex[port] : 0;
	f.xdp = xdp;
	assert_int_equal(bpf_map_update_elem(fd, &at, &f, 0), 0);
}

static void set_all(struct bench *b, bool on, bool xdp)
{
	for (unsigned i = ACCESS; i <= EXTERNAL; i++)
		set_fast(b, (enum port_number)i, on, xdp);
	bench_renew_limits(b);
}

static struct outcome run_tc(struct bench *b, enum port_number port, const struct frame *f,
			     bool fast)
{
	struct outcome o = {.frame = *f};
	const struct map_counter before = delivered(b, f);

	set_all(b, fast, false);
	bench_run(b, port, &o.frame);
	memcpy(o.counted, b->last, sizeof(o.counted));
	o.delivered = delivered(b, f);
	o.delivered.packets -= before.packets;
	o.delivered.bytes -= before.bytes;
	return o;
}

static struct outcome run_xdp_as_set(struct bench *b, enum port_number port, const struct frame *f)
{
	struct xdp_md context = {.data_end = (uint32_t)f->size,
				 .ingress_ifindex = b->ifindex[port]};
	struct outcome o = {.frame = *f};
	const struct map_counter before = delivered(b, f);
	uint8_t out[FRAME_MAX];
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes,
			    .data_size_in = (uint32_t)f->size, .data_out = out,
			    .data_size_out = sizeof(out), .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = 1);
	const struct bpf_program *program = b->context.datapath->skeleton->progs.victor_xdp;

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	o.frame.verdict = (int)run.retval;
	o.frame.size = run.data_size_out;
	memcpy(o.frame.bytes, out, o.frame.size);
	o.delivered = delivered(b, f);
	o.delivered.packets -= before.packets;
	o.delivered.bytes -= before.bytes;
	return o;
}

static struct outcome run_xdp(struct bench *b, enum port_number port, const struct frame *f)
{
	set_all(b, true, true);
	return run_xdp_as_set(b, port, f);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->frame.verdict, b->frame.verdict);
	assert_int_equal(a->frame.size, b->frame.size);
	assert_memory_equal(a->frame.bytes, b->frame.bytes, a->frame.size);
	assert_memory_equal(a->counted, b->counted, sizeof(a->counted));
	assert_int_equal(a->delivered.packets, b->delivered.packets);
	assert_int_equal(a->delivered.bytes, b->delivered.bytes);
}

/* The long way and the short one at tc come to the same; so does XDP if 'short_way', else it leaves
 * the frame as it is.  Returns the verdict. */
static int compare(struct bench *b, enum port_number port, const struct frame *f, bool short_way)
{
	const struct outcome slow = run_tc(b, port, f, false), fast = run_tc(b, port, f, true);
	const struct outcome xdp = run_xdp(b, port, f);

	assert_same(&slow, &fast);
	if (!short_way) {
		assert_int_equal(xdp.frame.verdict, XDP_PASS);
		assert_int_equal(xdp.frame.size, f->size);
		assert_memory_equal(xdp.frame.bytes, f->bytes, f->size);
		assert_int_equal(xdp.delivered.packets, 0);
		return slow.frame.verdict;
	}
	assert_int_equal(slow.frame.verdict, TC_REDIRECT);
	assert_int_equal(slow.counted[VERDICT_forwarded_local], 1);
	assert_int_equal(slow.delivered.packets, 1);
	assert_int_equal(xdp.frame.verdict, XDP_REDIRECT);
	assert_int_equal(xdp.frame.size, slow.frame.size);
	assert_memory_equal(xdp.frame.bytes, slow.frame.bytes, slow.frame.size);
	assert_int_equal(xdp.delivered.packets, slow.delivered.packets);
	assert_int_equal(xdp.delivered.bytes, slow.delivered.bytes);
	return TC_REDIRECT;
}

static struct frame from_outside(const struct bench *b, const char *source, const char *to)
{
	struct frame f = frame_udp(source, to, 20);

	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	return f;
}

static void set_ports(struct frame *f, uint16_t source, uint16_t destination)
{
	size_t at = f->bytes[12] == 0x86 ? 54 : 34;

	f->bytes[at] = (uint8_t)(source >> 8);
	f->bytes[at + 1] = (uint8_t)source;
	f->bytes[at + 2] = (uint8_t)(destination >> 8);
	f->bytes[at + 3] = (uint8_t)destination;
}

/* ---- what goes the short way ---- */

static void plain_packets_between_nodes_go_the_short_way(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 20);

	compare(b, ACCESS, &f, true);
	f = frame_echo("10.10.0.11", "10.10.0.12");
	compare(b, ACCESS, &f, true);
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	frame_set_ipv4(&f, 23, 6); /* TCP */
	compare(b, ACCESS, &f, true);
	f = frame_udp("10.10.0.11", "10.10.0.12", 1500 - 28);
	compare(b, ACCESS, &f, true);
	f = frame_udp("10.10.0.11", "10.10.0.12", 4);
	f.size = 60; /* padding behind a short packet */
	compare(b, ACCESS, &f, true);
	bench_set_local(b, "10.10.0.13", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = frame_udp("10.10.0.11", "10.10.0.13", 20); /* by the port that it came in by */
	compare(b, ACCESS, &f, true);
}

static void so_do_ipv6s(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp6(NODE6, OTHER6, 20);

	bench_set_covered(b, "fd00:10::/64", "fd00:10::1", false);
	bench_set_prefix(b, DATAPATH_STRANGER, "fd00:10::/64", 0);
	bench_set_local(b, NODE6, ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, OTHER6, ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	compare(b, ACCESS, &f, true);
	f.bytes[20] = 6; /* TCP */
	compare(b, ACCESS, &f, true);
	f.bytes[20] = 0; /* options from hop to hop */
	compare(b, ACCESS, &f, false);
	f.bytes[20] = 58; /* ICMP */
	compare(b, ACCESS, &f, false);
	f = frame_udp6(NODE6, OTHER6, 20);
	f.bytes[21] = 1;
	compare(b, ACCESS, &f, false);
	f = frame_udp6(NODE6, OTHER6, 20);
	set_ports(&f, 547, 546);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp6("::ffff:10.10.0.11", OTHER6, 20);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp6(NODE6, "ff02::1", 20);
	compare(b, ACCESS, &f, false);
	f = frame_udp6("2001:db8::7", NODE6, 20);
	frame_set_macs(&f, &b->mac[EXTERNAL], &other_mac);
	compare(b, EXTERNAL, &f, true);
}

static void so_do_those_from_outside(void **state)
{
	struct bench *b = *state;
	struct frame f = from_outside(b, "203.0.113.9", "10.10.0.11");

	compare(b, EXTERNAL, &f, true);
	f = from_outside(b, "10.10.0.77", "10.10.0.11"); /* a covered source */
	assert_int_equal(compare(b, EXTERNAL, &f, false), TC_DROP);
	f = from_outside(b, "203.0.113.9", "10.10.0.77"); /* nobody's */
	compare(b, EXTERNAL, &f, false);
	f = from_outside(b, "203.0.113.9", "192.0.2.9"); /* not ours */
	assert_int_equal(compare(b, EXTERNAL, &f, false), TC_OK);
	f = from_outside(b, "203.0.113.9", "10.10.0.11"); /* to another device */
	frame_set_macs(&f, &node_mac, &other_mac);
	assert_int_equal(run_xdp(b, EXTERNAL, &f).frame.verdict, XDP_PASS);
}

/* ---- what does not ---- */

static void what_is_not_plain_goes_the_long_way(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {{14, 0x46},             /* options */
		       {14, 0x44}, {20, 0x20}, /* more fragments */
		       {21, 1},                /* a later one */
		       {22, 1},                /* its last hop */
		       {22, 0},    {17, 19},   /* shorter than its header */
		       {16, 0x20},             /* longer than the frame */
		       {30, 224},              /* to many */
		       {30, 0}};
	struct bench *b = *state;
	struct frame f;

	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		f = frame_udp("10.10.0.11", "10.10.0.12", 20);
		frame_set_ipv4(&f, changes[i].at, changes[i].value);
		compare(b, ACCESS, &f, false);
	}
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	f.size = 14 + 22; /* cut */
	compare(b, ACCESS, &f, false);
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	memmove(f.bytes + 16, f.bytes + 12, f.size - 12); /* a tag */
	memcpy(f.bytes + 12, "\x81\x00\x00\x07", 4);
	f.size += 4;
	compare(b, ACCESS, &f, false);
	f = frame_arp(1, "10.10.0.11", "10.10.0.1");
	compare(b, ACCESS, &f, false);
}

static void what_the_guard_refuses_is_refused(void **state)
{
	struct bench *b = *state;
	const struct mac group = {{0x03, 0, 0, 0, 0, 1}};
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 20);

	set_ports(&f, 67, 68);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp("10.10.0.12", "10.10.0.11", 20); /* another's address */
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp("10.10.0.99", "10.10.0.12", 20); /* nobody's */
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	frame_set_macs(&f, &gateway_mac, &other_mac);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	frame_set_macs(&f, &gateway_mac, &group);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	assert_int_equal(compare(b, ACCESS2, &f, false), TC_DROP); /* by another port */
	bench_set_port(b, ACCESS, false, 1500);
	assert_int_equal(compare(b, ACCESS, &f, false), TC_DROP);
}

static void what_is_not_for_a_node_here_goes_the_long_way(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.36", 20);

	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_foreign);
	assert_int_equal(run_xdp(b, ACCESS, &f).frame.verdict, XDP_PASS);
	f = frame_echo("10.10.0.11", "10.10.0.1");
	assert_int_equal(compare(b, ACCESS, &f, false), TC_REDIRECT);
	f = frame_udp("10.10.0.11", "10.10.0.77", 20);
	compare(b, ACCESS, &f, false);
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	bench_set_port(b, ACCESS2, true, 40);
	compare(b, ACCESS, &f, false);
	bench_set_port(b, ACCESS2, true, 1500);
	bench_set_local(b, "10.10.0.12", ACCESS2, BINDING_LOCAL | BINDING_MARKED_ONLY);
	compare(b, ACCESS, &f, false);
	bench_set_local(b, "10.10.0.12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	compare(b, ACCESS, &f, true);
	assert_int_equal(b->ops->port_remove(b, ACCESS2), 0);
	compare(b, ACCESS, &f, false);
}

static void xdp_sends_only_by_ports_that_take_it(void **state)
{
	struct bench *b = *state;
	const struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 20);

	assert_int_equal(run_xdp(b, ACCESS, &f).frame.verdict, XDP_REDIRECT);
	bench_set_port(b, ACCESS2, true, 1500); /* written anew, and without XDP, as configured */
	assert_int_equal(run_xdp_as_set(b, ACCESS, &f).frame.verdict, XDP_PASS);
	set_fast(b, ACCESS2, false, false);
	assert_int_equal(run_xdp_as_set(b, ACCESS, &f).frame.verdict, XDP_PASS);
}

/* ---- attachment ---- */

static uint32_t attached(struct bench *b, enum port_number port)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)b->ifindex[port], 0, &id), 0);
	return id;
}

static void xdp_is_attached_where_it_is_said_and_leaves_with_the_port(void **state)
{
	struct bench *b = *state;
	uint32_t first;

	assert_int_equal(attached(b, ACCESS), 0);
	b->context.datapath->xdp = DATAPATH_XDP_AUTO; /* a veth is no wire */
	assert_int_equal(b->ops->port_remove(b, ACCESS), 0);
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_equal(attached(b, ACCESS), 0);
	b->context.datapath->xdp = DATAPATH_XDP_ON;
	for (unsigned i = ACCESS; i <= EXTERNAL; i++) {
		assert_int_equal(b->ops->port_remove(b, i), 0);
		bench_set_port(b, (enum port_number)i, true, 1500);
	}
	first = attached(b, ACCESS);
	assert_int_not_equal(first, 0);
	assert_int_equal(attached(b, ACCESS2), first);
	assert_int_equal(attached(b, EXTERNAL), first);
	assert_int_equal(attached(b, BACKPLANE), 0);
	assert_int_equal(b->ops->port_remove(b, ACCESS2), 0);
	assert_int_equal(attached(b, ACCESS2), 0);
	datapath_close(b->context.datapath, true);
	b->context.datapath = NULL;
	assert_int_equal(attached(b, ACCESS), 0);
	assert_int_equal(attached(b, EXTERNAL), 0);
}

static void a_new_process_replaces_xdp_or_takes_it_off(void **state)
{
	struct bench *b = *state;
	struct reason why = {};
	uint32_t first;

	b->context.datapath->xdp = DATAPATH_XDP_ON;
	assert_int_equal(b->ops->port_remove(b, ACCESS), 0);
	bench_set_port(b, ACCESS, true, 1500);
	first = attached(b, ACCESS);
	datapath_close(b->context.datapath, false);
	assert_int_equal(attached(b, ACCESS), first); /* it forwards on */
	assert_int_equal(bench_open(b, 2, &why), 0);
	b->context.datapath->xdp = DATAPATH_XDP_ON;
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_not_equal(attached(b, ACCESS), 0);
	assert_int_not_equal(attached(b, ACCESS), first);
	datapath_close(b->context.datapath, false);
	assert_int_equal(bench_open(b, 2, &why), 0); /* 'xdp: off' */
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_equal(attached(b, ACCESS), 0);
}

static void somebody_elses_xdp_program_stays(void **state)
{
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
				  {.code = BPF_JMP | BPF_EXIT}};
	struct bench *b = *state;
	uint32_t theirs;
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "theirs", "GPL", pass, ARRAY_SIZE(pass), NULL);

	assert_true(fd >= 0);
	assert_int_equal(b->ops->port_remove(b, ACCESS), 0);
	assert_int_equal(bpf_xdp_attach((int)b->ifindex[ACCESS], fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	theirs = attached(b, ACCESS);
	b->context.datapath->xdp = DATAPATH_XDP_ON;
	bench_set_port(b, ACCESS, true, 1500);
	assert_int_equal(attached(b, ACCESS), theirs);
	assert_int_equal(b->ops->port_remove(b, ACCESS), 0);
	assert_int_equal(attached(b, ACCESS), theirs);
	assert_int_equal(bpf_xdp_detach((int)b->ifindex[ACCESS], XDP_FLAGS_DRV_MODE, NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_packets_between_nodes_go_the_short_way),
		TEST(so_do_ipv6s),
		TEST(so_do_those_from_outside),
		TEST(what_is_not_plain_goes_the_long_way),
		TEST(what_the_guard_refuses_is_refused),
		TEST(what_is_not_for_a_node_here_goes_the_long_way),
		TEST(xdp_sends_only_by_ports_that_take_it),
		TEST(xdp_is_attached_where_it_is_said_and_leaves_with_the_port),
		TEST(a_new_process_replaces_xdp_or_takes_it_off),
		TEST(somebody_elses_xdp_program_stays),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, bench_create, bench_destroy);
}
