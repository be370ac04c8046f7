/* A packet's whole way, beside others' ways: a generator sends frames into one device (an XDP
 *program run with live frames), the path under test forwards them, and a sink behind another device
 *drops and counts them, all on one core, a batch after the other.
 *
 *	acc-peer -> acc = the path = acc2 -> acc2-peer
 *
 *	victor    the element's own programs, with as many bindings
 *	kernel    ip_forward by as many host routes
 *	fib       an XDP program that asks the kernel's routes (bpf_fib_lookup)
 *	redirect  an XDP program that sends everything on: the least that there can be */
#include "bench/src/forward_element.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 200000 /* of one measurement */
#define SETTLE 20     /* rounds that a path may take to carry all of them */

static void attach(struct forward *f, const struct bpf_program *program, const char *device)
{
	check(f,
	      bpf_xdp_attach((int)if_nametoindex(device), bpf_program__fd(program),
			     XDP_FLAGS_DRV_MODE, NULL),
	      device);
}

/* 1M routes by one 'ip -batch'. */
static void routes_add(struct forward *f)
{
	char text[ADDRESS_TEXT_SIZE];
	FILE *batch = popen(f->is_ipv6 ? "ip -6 -batch -" : "ip -batch -", "w");

	check(f, batch ? 0 : errno, "ip -batch");
	for (uint32_t i = 0; i < f->count; i++) {
		const struct address a = numbered(f, i);

		fprintf(batch, "route add %s via %s dev acc2\n", address_format(&a, text),
			f->is_ipv6 ? "2001:db9::2" : "198.18.0.2");
	}
	check(f, pclose(batch) ? EIO : 0, "the routes");
}

static void kernel_prepare(struct forward *f)
{
	shell(f, "echo 1 > /proc/sys/net/ipv4/ip_forward; "
		 "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
		 "echo 2000000 > /proc/sys/net/ipv6/route/max_size; "
		 "for i in all acc; do echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done");
	shell(f, "ip address add 198.18.0.1/24 dev acc2 && "
		 "ip address add 2001:db9::1/64 dev acc2 nodad && "
		 "ip neighbor add 198.18.0.2 lladdr 02:00:00:00:00:99 dev acc2 && "
		 "ip neighbor add 2001:db9::2 lladdr 02:00:00:00:00:99 dev acc2");
	routes_add(f);
}

static void path_prepare(struct forward *f, const char *path)
{
	if (strcmp(path, "victor") == 0) {
		surroundings_set(f);
		bindings_set(f, true);
		return;
	}
	if (strcmp(path, "redirect") != 0)
		kernel_prepare(f);
	if (strcmp(path, "redirect") == 0)
		attach(f, f->entry->progs.forward_redirect, "acc");
	else if (strcmp(path, "fib") == 0)
		attach(f, f->entry->progs.forward_fib, "acc");
}

/* The sum of an IPv4 header's words as they are in memory, the check and the destination left out.
 */
static uint32_t sum_of(const uint8_t *header)
{
	uint32_t sum = 0;
	uint16_t word;

	for (unsigned i = 0; i < 16; i += 2) {
		memcpy(&word, header + i, 2);
		sum += i == 10 ? 0 : word;
	}
	return sum;
}

/* Nanoseconds of each frame that arrived, of this thread and the softirqs in it. */
static double run_frames(struct forward *f, const uint8_t *frame, uint64_t *ret_received)
{
	struct xdp_md context = {.data_end = f->entry->bss->shape.size};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
			    .data_size_in = f->entry->bss->shape.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = FRAMES,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	uint64_t before = f->entry->bss->received, begin = now_ns();

	check(f,
	      bpf_prog_test_run_opts(bpf_program__fd(f->entry->progs.forward_generate), &options),
	      "live frames");
	*ret_received = f->entry->bss->received - before;
	return (double)(now_ns() - begin) / (double)(*ret_received ? *ret_received : 1);
}

void lockstep(struct forward *f, const char *path, int rounds)
{
	struct forward_shape *shape = &f->entry->bss->shape;
	bool victor = strcmp(path, "victor") == 0;
	uint8_t frame[256] = {};
	uint64_t received = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	check(f, sched_setaffinity(0, sizeof(one), &one), "one core");
	shell(f, "ethtool -K acc gro on >/dev/null && ethtool -K acc2 gro on >/dev/null");
	attach(f, f->entry->progs.forward_sink, "acc2-peer");
	path_prepare(f, path);
	frame_make(f, "local", shape, frame);
	if (!victor) {
		memcpy(frame, f->mac[ACCESS].bytes, 6);
		memcpy(shape->head, frame, 6);
	}
	shape->sum = f->is_ipv6 ? 0 : sum_of(frame + 14);
	shape->state = 88172645;
	shape->count = f->count;
	shape->out_ifindex = if_nametoindex("acc-peer");
	shape->through_ifindex = f->ifindex[ACCESS2];
	for (int i = 0; i < SETTLE && received < FRAMES * 99 / 100; i++)
		(void)run_frames(f, frame, &received);
	check(f, received < FRAMES * 99 / 100 ? EIO : 0, "the path carries the frames");
	printf("{\"path\": \"%s\", \"family\": %d, \"count\": %u, \"ns\": [", path,
	       f->is_ipv6 ? 6 : 4, f->count);
	for (int i = 0; i < rounds; i++)
		printf("%s%.1f", i ? ", " : "", run_frames(f, frame, &received));
	printf("]}\n");
}
