/* lab-flood: forged ARP announcements out of a device, as fast as one core sends them or at a rate.
 *
 * The frames are made by the kernel (BPF_PROG_RUN of an XDP program with live frames, sent by
 * XDP_TX): no socket is in the way.  A veth's other end takes them only with NAPI: generic receive
 * offload must be on there.  Each frame has another MAC; every second one claims an address that
 * was given, the others one beside it at random.  Prints one JSON object. */
#include "base/memory.h"
#include "lab/netns.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANY 131072
#define CALLS_PER_S 8
#define NS_PER_S 1000000000LL

struct announcement {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

#define LOAD(size, to, from, at)                                                        \
	{                                                                               \
		.code = BPF_LDX | BPF_MEM | (size), .dst_reg = (to), .src_reg = (from), \
		.off = (at)                                                             \
	}
#define STORE(size, to, at, from)                                                       \
	{                                                                               \
		.code = BPF_STX | BPF_MEM | (size), .dst_reg = (to), .src_reg = (from), \
		.off = (at)                                                             \
	}
#define STORE_IMM(to, at, value)                                                               \
	{                                                                                      \
		.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = (to), .off = (at), .imm = (value) \
	}
#define DO_IMM(operation, to, value)                                                     \
	{                                                                                \
		.code = BPF_ALU64 | (operation) | BPF_K, .dst_reg = (to), .imm = (value) \
	}
#define COPY(to, from)                                                                  \
	{                                                                               \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) \
	}

/* Each frame gets another MAC, and either the claimed address or another in its /16. */
static int load_program(struct in_addr claimed)
{
	const int value = (int)claimed.s_addr;
	const struct bpf_insn program[] = {
		LOAD(BPF_W, BPF_REG_6, BPF_REG_1, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, BPF_REG_7, BPF_REG_1, offsetof(struct xdp_md, data_end)),
		COPY(BPF_REG_2, BPF_REG_6),
		DO_IMM(BPF_ADD, BPF_REG_2, sizeof(struct announcement)),
		{.code = BPF_JMP | BPF_JGT | BPF_X,
		 .dst_reg = BPF_REG_2,
		 .src_reg = BPF_REG_7,
		 .off = 11},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32},
		STORE(BPF_W, BPF_REG_6, 8, BPF_REG_0),
		STORE(BPF_W, BPF_REG_6, 24, BPF_REG_0),
		STORE_IMM(BPF_REG_6, 28, value),
		STORE_IMM(BPF_REG_6, 38, value),
		COPY(BPF_REG_1, BPF_REG_0),
		DO_IMM(BPF_AND, BPF_REG_1, 1),
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_1, .off = 3},
		DO_IMM(BPF_RSH, BPF_REG_0, 8),
		STORE(BPF_H, BPF_REG_6, 30, BPF_REG_0),
		STORE(BPF_H, BPF_REG_6, 40, BPF_REG_0),
		DO_IMM(BPF_MOV, BPF_REG_0, XDP_TX),
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "flood", "GPL", program, ARRAY_SIZE(program), NULL);
}

static struct announcement announcement(void)
{
	struct announcement a = {.arp.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
						.ar_pro = htons(ETH_P_IP),
						.ar_hln = 6,
						.ar_pln = 4,
						.ar_op = htons(ARPOP_REQUEST)}};

	memset(a.ethernet.ether_dhost, 0xff, ETH_ALEN);
	memcpy(a.ethernet.ether_shost, "\x02\x66", 2);
	a.ethernet.ether_type = htons(ETH_P_ARP);
	memcpy(a.arp.arp_sha, a.ethernet.ether_shost, ETH_ALEN);
	return a;
}

/* A call takes some milliseconds, however few frames it sends. */
static int send_many(struct in_addr claimed, unsigned device, uint32_t count)
{
	const struct announcement a = announcement();
	struct xdp_md context = {.data_end = sizeof(a), .ingress_ifindex = device};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &a, .data_size_in = sizeof(a),
			    .ctx_in = &context, .ctx_size_in = sizeof(context),
			    .repeat = (int)count, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int program = load_program(claimed), result;

	if (program < 0)
		return -errno;
	result = bpf_prog_test_run_opts(program, &run);
	close(program);
	return result;
}

static void wait_until(int64_t at)
{
	struct timespec t = {at / NS_PER_S, at % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static int flood(unsigned device, double seconds, double rate, int claims, char *const *addresses)
{
	const uint32_t count =
		rate > 0 && rate / CALLS_PER_S < MANY ? (uint32_t)(rate / CALLS_PER_S) : MANY;
	int64_t begin = now_ns(), end = begin + (int64_t)(seconds * NS_PER_S), now = begin;
	uint64_t sent = 0;
	int result = 0;

	for (int call = 0; now < end; call++) {
		struct in_addr claimed = {htonl(0x0a0a0001u)};

		if (claims)
			(void)inet_pton(AF_INET, addresses[call % claims], &claimed);
		result = send_many(claimed, device, count);
		if (result < 0) {
			fprintf(stderr, "lab-flood: %s\n", strerror(-result));
			return EXIT_FAILURE;
		}
		sent += count;
		if (rate > 0)
			wait_until(begin + (int64_t)((double)sent * NS_PER_S / rate));
		now = now_ns();
	}
	seconds = (double)(now - begin) / NS_PER_S;
	printf("{\"sent\": %llu, \"seconds\": %.3f, \"rate\": %.0f}\n", (unsigned long long)sent,
	       seconds, (double)sent / seconds);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct netns n;
	unsigned device;

	if (argc < 5 || atof(argv[3]) <= 0) {
		fprintf(stderr, "lab-flood NETNS DEVICE SECONDS FRAMES-A-SECOND [ADDRESS...]\n"
				"(0 frames a second: as many as go)\n");
		return EXIT_FAILURE;
	}
	if (netns_open(&n, argv[1]) < 0 || setns(n.there, CLONE_NEWNET) < 0) {
		fprintf(stderr, "lab-flood: %s: %s\n", argv[1], strerror(errno));
		return EXIT_FAILURE;
	}
	device = if_nametoindex(argv[2]);
	if (!device) {
		fprintf(stderr, "lab-flood: there is no device %s\n", argv[2]);
		return EXIT_FAILURE;
	}
	return flood(device, atof(argv[3]), atof(argv[4]), argc - 5, argv + 5);
}
