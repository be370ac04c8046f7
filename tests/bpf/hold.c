/* Packets that a handoff would lose: what goes up for a port that holds (bpf/hold.h), and that what
 * the agent kept goes on by the element's own device, by what the tables say then. */
#include "tests/bpf/harness.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OURS "192.0.2.2"
#define OURS_MARKED "192.0.2.102"
#define PEER "192.0.2.3"
#define NODE6 "2001:db8::11"
#define STRANGER_VLAN 5
#define PATIENCE_MS 5000

static void hold(struct bench *b, enum port_number port, bool holds)
{
	assert_int_equal(b->ops->port_hold(b, port, holds), 0);
}

static void resume(struct bench *b, const struct datapath_frame *frame)
{
	assert_int_equal(b->ops->resume(b, frame), 0);
}

/* One run, after which there is one more upcall: all of 'whole', for that port. */
static void expect_held(struct bench *b, enum port_number from, struct frame f,
			const struct frame *whole, enum port_number to)
{
	b->upcall.count = 0;
	bench_run(b, from, &f);
	assert_int_equal(f.verdict, TC_DROP);
	assert_int_equal(bench_counted(b, VERDICT_held), 1);
	assert_int_equal(bench_counted(b, VERDICT_forwarded_local), 0);
	assert_int_equal(b->upcall.count, 1);
	assert_int_equal(b->upcall.reason, UPCALL_HELD);
	assert_int_equal(b->upcall.port, to);
	assert_int_equal(b->upcall.wire_size, whole->size);
	assert_int_equal(b->upcall.size, whole->size);
	assert_memory_equal(b->upcall.frame + 12, whole->bytes + 12, whole->size - 12);
}

static void expect_gone(struct bench *b, const struct frame *f)
{
	b->upcall.count = 0;
	bench_expect(b, ACCESS, f, TC_DROP, VERDICT_port_gone);
	assert_int_equal(b->upcall.count, 0);
}

/* ---- up ---- */

static void what_is_for_a_port_that_holds_goes_up_whole(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 1458), want = f;

	frame_set_ipv4(&want, 22, 63); /* its hop is taken */
	hold(b, ACCESS2, true);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	/* That was the short way, which leaves it to this one. */
	datapath_fast_remove(b->context.datapath, b->ifindex[ACCESS]);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	/* Out of the tunnel, where the other FE took the hop; marked, too. */
	f = frame_udp("10.10.0.36", "10.10.0.12", 31);
	want = frame_tunnel(b, PEER, OURS, &f);
	expect_held(b, BACKPLANE, want, &f, ACCESS2);
	want = frame_tunnel(b, PEER, OURS_MARKED, &f);
	expect_held(b, BACKPLANE, want, &f, ACCESS2);
	hold(b, ACCESS, true);
	bench_set_local(b, NODE6, ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = frame_udp6("2001:db8::36", NODE6, 30);
	want = frame_tunnel(b, PEER, OURS, &f);
	expect_held(b, BACKPLANE, want, &f, ACCESS);
	/* What its last hop would have brought here is not kept. */
	f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	frame_set_ipv4(&f, 22, 1);
	b->upcall.count = 0;
	bench_run(b, ACCESS, &f);
	assert_int_equal(bench_counted(b, VERDICT_ttl_expired), 1);
	assert_int_equal(b->upcall.count, 0);
}

static void a_port_holds_until_it_is_set_or_told_to_end(void **state)
{
	struct bench *b = *state;
	const struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	struct frame want = f;
	uint32_t device;

	frame_set_ipv4(&want, 22, 63);
	hold(b, ACCESS2, true);
	hold(b, ACCESS2, false);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	hold(b, ACCESS2, true);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	bench_set_port(b, ACCESS2, true, 1500);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
	/* One that is gone holds only where that is said, too. */
	assert_int_equal(b->ops->port_remove(b, ACCESS2), 0);
	expect_gone(b, &f);
	hold(b, ACCESS2, true);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	hold(b, ACCESS2, false);
	expect_gone(b, &f);
	assert_int_equal(b->ops->port_hold(b, DATAPLANE_PORT_LIMIT, true), -ENOENT);
	/* Nothing could go on without the element's own device. */
	device = b->context.datapath->config.inner_ifindex;
	b->context.datapath->config.inner_ifindex = 0;
	assert_int_equal(b->ops->port_hold(b, ACCESS, true), -EOPNOTSUPP);
	b->context.datapath->config.inner_ifindex = device;
}

static void packets_of_many_segments_and_too_large_ones_are_dropped(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.11", "10.10.0.12", DATAPLANE_HELD_DATA - 42), want = f;

	frame_set_ipv4(&want, 22, 63);
	hold(b, ACCESS2, true);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	f = frame_udp("10.10.0.11", "10.10.0.12", DATAPLANE_HELD_DATA - 41);
	expect_gone(b, &f);
	f = frame_udp("10.10.0.11", "10.10.0.12", 1200);
	frame_set_ipv4(&f, 23, 6);
	f.bytes[46] = 0x50; /* TCP's header has five words */
	want = f;
	frame_set_ipv4(&want, 22, 63);
	expect_held(b, ACCESS, f, &want, ACCESS2);
	f.gso_size = 600;
	expect_gone(b, &f);
}

/* Its packets are then lost, as ever, and nobody else's upcalls. */
static void where_nobody_reads_upcalls_the_port_sends_by_itself(void **state)
{
	struct bench *b = *state;
	const struct frame f = frame_udp("10.10.0.11", "10.10.0.12", 20);
	struct __sk_buff context = {.ifindex = b->ifindex[ACCESS]};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes,
			    .data_size_in = (uint32_t)f.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context));
	const struct victor_bpf *skeleton = b->context.datapath->skeleton;
	unsigned count = 0;

	hold(b, ACCESS2, true);
	b->upcall.count = 0;
	do {
		assert_int_equal(bpf_prog_test_run_opts(
					 bpf_program__fd(skeleton->progs.victor_access), &run),
				 0);
		assert_true(count++ < DATAPLANE_UPCALL_RING / DATAPLANE_HELD_DATA);
	} while (run.retval != TC_REDIRECT);
	datapath_poll_upcalls(b->context.datapath);
	assert_int_equal(b->upcall.count, count - 2); /* and one that ended it */
	assert_in_range(b->upcall.count, DATAPLANE_UPCALL_RING / 2 / (DATAPLANE_HELD_DATA + 64),
			DATAPLANE_UPCALL_RING / 2 / DATAPLANE_HELD_DATA + 1);
	bench_expect(b, ACCESS, &f, TC_REDIRECT, VERDICT_forwarded_local);
}

/* ---- on ---- */

/* Hears what leaves by a device: it is its other end's. */
static int ear_open(const char *device)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(device)};

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The next frame that came in there with that payload at its end, and closes the ear. */
static struct frame ear_wait(int ear, const struct frame *like)
{
	const size_t same = like->size - 34 < 20 ? like->size - 34 : 20;
	struct pollfd fd = {ear, POLLIN, 0};
	struct frame f = {};
	struct sockaddr_ll from;
	socklen_t size;
	ssize_t got;

	for (;;) {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		size = sizeof(from);
		got = recvfrom(ear, f.bytes, sizeof(f.bytes), 0, (struct sockaddr *)&from, &size);
		if (got < (ssize_t)like->size || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		f.size = (size_t)got;
		if (!memcmp(f.bytes + f.size - same, like->bytes + like->size - same, same))
			break;
	}
	close(ear);
	return f;
}

static struct datapath_frame kept(const struct frame *f, uint32_t vrf)
{
	return (struct datapath_frame){.vrf = vrf, .data = f->bytes, .size = f->size};
}

static void what_was_kept_for_a_node_goes_on_to_where_it_is_now(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.99", "10.10.0.36", 31), got;
	struct datapath_frame on = kept(&f, 0);
	int ear = ear_open("bp-peer");

	/* At another FE: marked, so that it is not sent on from there. */
	resume(b, &on);
	got = ear_wait(ear, &f);
	assert_int_equal(got.size, f.size + 20);
	assert_int_equal(got.bytes[23], 4);
	assert_memory_equal(got.bytes + 30, ((uint8_t[]){192, 0, 2, 103}), 4);
	assert_memory_equal(got.bytes + 34, f.bytes + 14, f.size - 14);
	/* At a port here, of whatever size. */
	for (unsigned i = 0; i < 4; i++) {
		static const size_t payloads[] = {4, 30, 701, 1472};

		f = frame_udp("10.10.0.36", "10.10.0.12", payloads[i]);
		f.bytes[f.size - 1] = (uint8_t)(0xf0 + i);
		on = kept(&f, 0);
		ear = ear_open("acc2-peer");
		resume(b, &on);
		got = ear_wait(ear, &f);
		frame_set_macs(&f, &other_mac, &gateway_mac);
		assert_int_equal(got.size, f.size);
		assert_memory_equal(got.bytes, f.bytes, f.size);
	}
	bench_set_local(b, NODE6, ACCESS, BINDING_LOCAL | BINDING_GUARD);
	f = frame_udp6("2001:db8::36", NODE6, 33);
	f.bytes[14] = 0x6b; /* its class is its own */
	f.bytes[15] = 0x80;
	on = kept(&f, 0);
	ear = ear_open("acc-peer");
	resume(b, &on);
	got = ear_wait(ear, &f);
	frame_set_macs(&f, &node_mac, &gateway_mac);
	assert_int_equal(got.size, f.size);
	assert_memory_equal(got.bytes, f.bytes, f.size);
	/* In another VRF there is no such node; and who cannot be sent on is told of once. */
	on = kept(&f, 9);
	b->upcall.count = 0;
	assert_int_equal(b->ops->resume(b, &on), -ENOBUFS);
	on.size = 14 + 19;
	assert_int_equal(b->ops->resume(b, &on), -EINVAL);
	datapath_poll_upcalls(b->context.datapath);
	assert_int_equal(b->upcall.count, 0);
}

static void set_trunk(struct bench *b)
{
	const struct datapath_port p = {.number = ACCESS,
					.ifindex = b->ifindex[ACCESS],
					.role = PORT_ACCESS,
					.trunk = true,
					.admitted = true,
					.mtu = 1500};

	assert_int_equal(b->ops->port_set(b, &p), 0);
}

static void set_guarded(struct bench *b, const char *address, uint16_t vlan)
{
	const struct datapath_binding binding = {.address = text_address(address),
						 .flags = BINDING_LOCAL | BINDING_GUARD,
						 .port = ACCESS,
						 .vlan = vlan,
						 .mac = node_mac,
						 .gateway_mac = gateway_mac,
						 .fe = 2};

	assert_int_equal(b->ops->binding_set(b, &binding), 0);
}

/* A stranger it is still: it comes up once more, and nowhere else. */
static void expect_stranger(struct bench *b, const struct datapath_frame *frame)
{
	struct pollfd fd = {datapath_fd(b->context.datapath), POLLIN, 0};

	b->upcall.count = 0;
	resume(b, frame);
	while (!b->upcall.count) {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		datapath_poll_upcalls(b->context.datapath);
	}
	assert_int_equal(b->upcall.reason, UPCALL_STRANGER);
	assert_int_equal(b->upcall.port, frame->port);
	assert_int_equal(b->upcall.vlan, frame->vlan);
	assert_int_equal(b->upcall.size, frame->size);
	assert_memory_equal(b->upcall.frame, frame->data, frame->size);
}

static void a_nodes_own_comes_in_by_its_port_again(void **state)
{
	struct bench *b = *state;
	struct frame f = frame_udp("10.10.0.50", "10.10.0.12", 901), got;
	struct datapath_frame on = {.own = true, .port = ACCESS, .data = f.bytes, .size = f.size};
	int ear;

	expect_stranger(b, &on);
	set_guarded(b, "10.10.0.50", 0);
	ear = ear_open("acc2-peer");
	resume(b, &on);
	got = ear_wait(ear, &f);
	frame_set_macs(&f, &other_mac, &gateway_mac);
	frame_set_ipv4(&f, 22, 63);
	assert_int_equal(got.size, f.size);
	assert_memory_equal(got.bytes, f.bytes, f.size);
	/* With its tag; and to another FE, as if it had only now been sent. */
	set_trunk(b);
	f = frame_udp("10.10.0.51", "10.10.0.36", 77);
	on.size = f.size;
	on.vlan = STRANGER_VLAN;
	expect_stranger(b, &on);
	set_guarded(b, "10.10.0.51", STRANGER_VLAN);
	ear = ear_open("bp-peer");
	resume(b, &on);
	got = ear_wait(ear, &f);
	frame_set_ipv4(&f, 22, 63);
	assert_int_equal(got.size, f.size + 20);
	assert_memory_equal(got.bytes + 30, ((uint8_t[]){192, 0, 2, 3}), 4);
	assert_memory_equal(got.bytes + 34, f.bytes + 14, f.size - 14);
	on.port = 77;
	assert_int_equal(b->ops->resume(b, &on), -ENOENT);
}

/* ---- one data plane for all of them, which takes longest to make ---- */

static int create(void **state)
{
	return bench_create(state) ||
	       system("ip neighbour add 192.0.2.3 lladdr 02:00:00:00:00:33 dev bp &&"
		      "ip neighbour add 192.0.2.103 lladdr 02:00:00:00:00:33 dev bp") ||
	       bench_setup(state);
}

static int destroy(void **state)
{
	return bench_teardown(state) || bench_destroy(state);
}

static int renew(void **state)
{
	struct bench *b = *state;

	bench_set_port(b, ACCESS, true, 1500);
	bench_set_port(b, ACCESS2, true, 1500);
	bench_set_local(b, "10.10.0.11", ACCESS, BINDING_LOCAL | BINDING_GUARD);
	bench_set_local(b, "10.10.0.12", ACCESS2, BINDING_LOCAL | BINDING_GUARD);
	bench_renew_limits(b);
	datapath_poll_upcalls(b->context.datapath);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, renew)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_for_a_port_that_holds_goes_up_whole),
		TEST(a_port_holds_until_it_is_set_or_told_to_end),
		TEST(packets_of_many_segments_and_too_large_ones_are_dropped),
		TEST(where_nobody_reads_upcalls_the_port_sends_by_itself),
		TEST(what_was_kept_for_a_node_goes_on_to_where_it_is_now),
		TEST(a_nodes_own_comes_in_by_its_port_again),
	};

	bench_require_privileges();
	return cmocka_run_group_tests(tests, create, destroy);
}
