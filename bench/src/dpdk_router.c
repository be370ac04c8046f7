/* A router on DPDK for bench/forward to compare with: what its l3fwd example does (run to
 *completion in bursts of 32; TTL, checksum, MACs), but of a million host routes, for which l3fwd's
 *tables are too small.  It is no part of the build: lab/forward_dpdk.py compiles it where DPDK is
 *installed.
 *
 *	dpdk-router [EAL OPTION ...] -- CAPACITY
 *
 * Commands come by standard input, one a line, each answered by one:
 *
 *	grow COUNT                    routes to 10.0.0.0 + 0 .. COUNT - 1, in both tables
 *	run fib|hash IN OUT           ports
 *	stop                          -> packets received, polls that found some, their nanoseconds
 *
 * fib: DIR-24-8, as l3fwd --lookup=fib; hash: the address as an exact match, as l3fwd --lookup=em
 * has it of the five-tuple.  Between 'stop' and 'run' it takes no CPU time; with 'sleep' it sleeps
 *a microsecond when a poll found nothing. */
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST 32
#define RING 2048
#define BUFFERS 32768
#define FIRST_ADDRESS 0x0a000000u
#define NEXT_HOP 1
#define TBL8S 8192
#define IDLE_US 1000

enum table { TABLE_FIB, TABLE_HASH };

struct router {
	struct rte_fib *fib;
	struct rte_hash *hash;
	uint32_t routes;
	/* The worker's orders, and what it did since the last. */
	enum table table;
	uint16_t in, out;
	bool wanted, running; /* atomic */
	uint64_t packets, bursts, cycles;
};

static const struct rte_ether_addr hop = {{0x02, 0, 0, 0, 0, 0x99}},
				   own = {{0x02, 0, 0, 0, 0, 0x98}};

static void fail(const char *what)
{
	fprintf(stderr, "dpdk-router: %s\n", what);
	exit(1);
}

static void tables_make(struct router *r, uint32_t capacity)
{
	struct rte_fib_conf fib = {.type = RTE_FIB_DIR24_8, .max_routes = (int)capacity};
	const struct rte_hash_parameters hash = {
		.name = "hosts",
		.entries = 64 + capacity + capacity / 4,
		.key_len = sizeof(uint32_t),
		.hash_func = rte_hash_crc,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	fib.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
	fib.dir24_8.num_tbl8 = TBL8S;
	r->fib = rte_fib_create("hosts", SOCKET_ID_ANY, &fib);
	r->hash = rte_hash_create(&hash);
	if (!r->fib || !r->hash)
		fail("no memory for the tables");
}

static void port_open(uint16_t port, struct rte_mempool *pool)
{
	const struct rte_eth_conf none = {0};

	if (rte_eth_dev_configure(port, 1, 1, &none) ||
	    rte_eth_rx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL, pool) ||
	    rte_eth_tx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
		fail("a port does not start");
}

/* ---- forwarding ---- */

static void lookup(struct router *r, uint32_t *to, uint64_t *hops, uint16_t count)
{
	const void *keys[BURST];
	int32_t positions[BURST];

	if (r->table == TABLE_FIB) {
		rte_fib_lookup_bulk(r->fib, to, hops, count);
		return;
	}
	for (uint16_t i = 0; i < count; i++)
		keys[i] = &to[i];
	rte_hash_lookup_bulk(r->hash, keys, count, positions);
	for (uint16_t i = 0; i < count; i++)
		hops[i] = positions[i] < 0 ? 0 : NEXT_HOP;
}

static bool rewrite(struct rte_mbuf *frame)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(frame, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	uint32_t sum = ip->hdr_checksum + rte_cpu_to_be_16(0x0100);

	if (ip->time_to_live <= 1)
		return false;
	ip->time_to_live--;
	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	eth->dst_addr = hop;
	eth->src_addr = own;
	return true;
}

static bool is_ipv4(const struct rte_mbuf *frame)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(frame, const struct rte_ether_hdr *);

	return frame->data_len >= sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) &&
	       eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
}

static uint16_t burst(struct router *r)
{
	struct rte_mbuf *got[BURST], *frames[BURST];
	uint16_t n = rte_eth_rx_burst(r->in, 0, got, BURST), count = 0, going = 0, sent;
	uint32_t to[BURST];
	uint64_t hops[BURST];

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(got[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		if (!is_ipv4(got[i])) {
			rte_pktmbuf_free(got[i]);
			continue;
		}
		to[count] = rte_be_to_cpu_32(rte_pktmbuf_mtod_offset(got[i], struct rte_ipv4_hdr *,
								     sizeof(struct rte_ether_hdr))
						     ->dst_addr);
		frames[count++] = got[i];
	}
	if (!count)
		return n;
	lookup(r, to, hops, count);
	for (uint16_t i = 0; i < count; i++)
		if (hops[i] == NEXT_HOP && rewrite(frames[i]))
			frames[going++] = frames[i];
		else
			rte_pktmbuf_free(frames[i]);
	sent = rte_eth_tx_burst(r->out, 0, frames, going);
	rte_pktmbuf_free_bulk(frames + sent, going - sent);
	return n;
}

static void run(struct router *r)
{
	r->packets = r->bursts = r->cycles = 0;
	while (__atomic_load_n(&r->wanted, __ATOMIC_ACQUIRE)) {
		uint64_t begin = rte_rdtsc();
		uint16_t n = burst(r);

		if (n) {
			r->packets += n;
			r->bursts++;
			r->cycles += rte_rdtsc() - begin;
		}
	}
}

static int work(void *argument)
{
	struct router *r = argument;

	for (;;) {
		while (!__atomic_load_n(&r->wanted, __ATOMIC_ACQUIRE))
			usleep(IDLE_US);
		__atomic_store_n(&r->running, true, __ATOMIC_RELEASE);
		run(r);
		__atomic_store_n(&r->running, false, __ATOMIC_RELEASE);
	}
	return 0;
}

/* ---- commands ---- */

static void want(struct router *r, bool wanted)
{
	__atomic_store_n(&r->wanted, wanted, __ATOMIC_RELEASE);
	while (__atomic_load_n(&r->running, __ATOMIC_ACQUIRE) != wanted)
		usleep(IDLE_US);
}

static void grow(struct router *r, uint32_t count)
{
	for (; r->routes < count; r->routes++) {
		uint32_t to = FIRST_ADDRESS + r->routes;

		if (rte_fib_add(r->fib, to, 32, NEXT_HOP) || rte_hash_add_key(r->hash, &to) < 0)
			fail("no room for a route");
	}
}

static void command(struct router *r, const char *text)
{
	char table[8];
	uint32_t count;

	if (sscanf(text, "grow %u", &count) == 1) {
		grow(r, count);
		printf("grown\n");
	} else if (sscanf(text, "run %7s %hu %hu", table, &r->in, &r->out) == 3) {
		r->table = strcmp(table, "hash") == 0 ? TABLE_HASH : TABLE_FIB;
		want(r, true);
		printf("running\n");
	} else {
		want(r, false);
		printf("%lu %lu %.0f\n", r->packets, r->bursts,
		       (double)r->cycles * 1e9 / (double)rte_get_tsc_hz());
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct router r;
	struct rte_mempool *pool;
	char line[128];
	uint16_t port;
	int used = rte_eal_init(argc, argv);

	if (used < 0 || argc - used != 2)
		fail("usage: dpdk-router [EAL OPTION ...] -- CAPACITY");
	pool = rte_pktmbuf_pool_create("frames", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		fail("no memory for frames");
	tables_make(&r, (uint32_t)strtoul(argv[used + 1], NULL, 0));
	RTE_ETH_FOREACH_DEV(port) port_open(port, pool);
	rte_eal_remote_launch(work, &r, rte_get_next_lcore(-1, 1, 0));
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		command(&r, line);
	want(&r, false);
	fflush(stdout);
	_exit(0); /* the worker never ends, and all is the process's own */
}
