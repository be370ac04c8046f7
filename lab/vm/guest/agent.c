/* agent: the one program that runs in the lab's guest.
 *
 * It is what a test talks to while the guest migrates, and it watches its own memory, because a
 * migration that corrupts the guest must not pass as a good one.  It talks to no other file: the
 * other ends are lab/vm/client.py and lab/vm/guestctl.py; init starts it once the network is up.
 *
 *   TCP 7000  stream: the client sends a line "INTERVAL_US" (empty: 2000; 0: no pause), the agent
 *             answers with 8-byte big-endian counters 0, 1, 2 ... until the client goes
 *   UDP 7000  echo
 *   TCP 7001  echo
 *   TCP 7002  sink: reads to the end, then answers one line, the number of bytes
 *   TCP 7003  source: sends zeros as fast as it can
 *   TCP 7004  control: lines in, one JSON line out for each: "status", "dirty MEGABYTES_PER_SECOND"
 *
 * Memory: 8 MB of pages, each filled from (page number, generation).  One thread checks them all
 * round and round; with a dirty rate it also rewrites them, a generation further.  The first wrong
 * word is reported on the console, and from then on nothing is answered but control.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE_WORDS 512
#define PAGE_COUNT 2048
#define PAGES_PER_MB 256
#define TICK_NS 10000000L
#define CHECK_PAGES_PER_TICK 16
#define STACK_SIZE (128 * 1024)
#define DEFAULT_INTERVAL_US 2000
#define BACKLOG 16

static uint64_t memory[PAGE_COUNT][PAGE_WORDS] __attribute__((aligned(4096)));
static uint64_t generation[PAGE_COUNT];
static atomic_uint corruptions;
static atomic_uint dirty_mb_per_s;
static atomic_ulong pages_checked;
static struct timespec started;

static bool healthy(void)
{
	return atomic_load(&corruptions) == 0;
}

/* ---- the memory under watch ---- */

static uint64_t pattern(unsigned page, uint64_t gen, unsigned word)
{
	return (gen * 0x9e3779b97f4a7c15u) ^ ((uint64_t)page << 32) ^ (word * 0x0101010101u);
}

static void fill_page(unsigned page)
{
	generation[page]++;
	for (unsigned word = 0; word < PAGE_WORDS; word++)
		memory[page][word] = pattern(page, generation[page], word);
}

static void check_page(unsigned page)
{
	for (unsigned word = 0; word < PAGE_WORDS; word++) {
		uint64_t want = pattern(page, generation[page], word);
		uint64_t got = *(volatile uint64_t *)&memory[page][word];

		if (got == want)
			continue;
		if (atomic_fetch_add(&corruptions, 1) == 0)
			printf("victor-guest: CORRUPT page %u word %u is %016" PRIx64
			       ", not %016" PRIx64 "\n",
			       page, word, got, want);
		return;
	}
	atomic_fetch_add(&pages_checked, 1);
}

static void timespec_add(struct timespec *t, long ns)
{
	t->tv_nsec += ns % 1000000000L;
	t->tv_sec += ns / 1000000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_nsec -= 1000000000L;
		t->tv_sec++;
	}
}

static long timespec_since_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Sleeps until *next plus ns.  After a pause of the guest the schedule starts afresh: catching up
 * would be a burst that no reader asked for. */
static void pace(struct timespec *next, long ns)
{
	timespec_add(next, ns);
	if (timespec_since_ms(next) > 100)
		clock_gettime(CLOCK_MONOTONIC, next);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

static void *memory_thread(void *arg)
{
	unsigned to_check = 0, to_dirty = 0;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (healthy()) {
		unsigned dirty =
			atomic_load(&dirty_mb_per_s) * PAGES_PER_MB / (1000000000L / TICK_NS);

		for (unsigned i = 0; i < dirty; i++)
			fill_page(to_dirty++ % PAGE_COUNT);
		for (unsigned i = 0; i < CHECK_PAGES_PER_TICK; i++)
			check_page(to_check++ % PAGE_COUNT);
		pace(&next, TICK_NS);
	}
	return arg;
}

/* ---- the services; each runs in a thread of its own connection, and returns when it is over ----
 */

static bool send_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0 && healthy()) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return healthy();
}

/* Reads one line, without its end.  False when the peer is gone or the line is too long. */
static bool read_line(int fd, char *line, size_t size)
{
	for (size_t used = 0; used < size; used++) {
		if (recv(fd, line + used, 1, 0) != 1)
			return false;
		if (line[used] == '\n') {
			line[used] = '\0';
			return true;
		}
	}
	return false;
}

static void serve_stream(int fd)
{
	char line[32];
	struct timespec next;
	long interval_us = DEFAULT_INTERVAL_US;

	if (!read_line(fd, line, sizeof(line)))
		return;
	if (line[0] != '\0')
		interval_us = strtol(line, NULL, 10);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (uint64_t sequence = 0;; sequence++) {
		uint64_t record = htobe64(sequence);

		if (!send_all(fd, &record, sizeof(record)))
			return;
		if (interval_us > 0)
			pace(&next, interval_us * 1000);
	}
}

static void serve_echo(int fd)
{
	char data[4096];
	ssize_t got;

	while ((got = recv(fd, data, sizeof(data), 0)) > 0)
		if (!send_all(fd, data, (size_t)got))
			return;
}

static void serve_sink(int fd)
{
	static char data[65536]; /* shared: nobody reads what is written to it */
	char line[32];
	uint64_t total = 0;
	ssize_t got;

	while ((got = recv(fd, data, sizeof(data), MSG_TRUNC)) > 0)
		total += (uint64_t)got;
	send_all(fd, line, (size_t)snprintf(line, sizeof(line), "%" PRIu64 "\n", total));
}

static void serve_source(int fd)
{
	static const char zeros[65536];

	while (send_all(fd, zeros, sizeof(zeros)))
		;
}

static void serve_control(int fd)
{
	char line[64], answer[200];

	while (read_line(fd, line, sizeof(line))) {
		unsigned rate;

		if (sscanf(line, "dirty %u", &rate) == 1)
			atomic_store(&dirty_mb_per_s, rate);
		/* Unlike the rest, this is answered by a corrupt guest too: it says so. */
		int size = snprintf(answer, sizeof(answer),
				    "{\"uptime_ms\": %ld, \"corruptions\": %u, "
				    "\"dirty_mb_per_s\": %u, \"pages_checked\": %lu}\n",
				    timespec_since_ms(&started), atomic_load(&corruptions),
				    atomic_load(&dirty_mb_per_s), atomic_load(&pages_checked));

		if (send(fd, answer, (size_t)size, MSG_NOSIGNAL) != size)
			return;
	}
}

/* ---- listening ---- */

struct service {
	uint16_t port;
	void (*serve)(int fd);
	int fd;
};

struct connection {
	void (*serve)(int fd);
	int fd;
};

static void die(const char *what)
{
	printf("victor-guest: FAILED %s: %s\n", what, strerror(errno));
	exit(1);
}

static void start_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	errno = pthread_create(&thread, &attr, run, arg);
	if (errno != 0)
		die("thread");
	pthread_attr_destroy(&attr);
}

static void *connection_thread(void *arg)
{
	struct connection connection = *(struct connection *)arg;

	free(arg);
	connection.serve(connection.fd);
	close(connection.fd);
	return NULL;
}

static void *service_thread(void *arg)
{
	const struct service *service = arg;
	const int on = 1;

	for (;;) {
		struct connection *connection;
		int fd = accept(service->fd, NULL, NULL);

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		connection = malloc(sizeof(*connection));
		if (connection == NULL)
			die("memory");
		*connection = (struct connection){service->serve, fd};
		start_thread(connection_thread, connection);
	}
	return NULL;
}

/* Both IP versions in one socket. */
static int bind_port(int type, uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1, off = 0;
	int fd = socket(AF_INET6, type, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
		die("listen");
	return fd;
}

static void serve_udp_echo(int fd)
{
	char data[2048];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

		if (got >= 0 && healthy())
			sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&from, size);
	}
}

int main(void)
{
	static struct service services[] = {
		{7000, serve_stream, -1}, {7001, serve_echo, -1},    {7002, serve_sink, -1},
		{7003, serve_source, -1}, {7004, serve_control, -1},
	};
	int udp = bind_port(SOCK_DGRAM, 7000);

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &started);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		services[i].fd = bind_port(SOCK_STREAM, services[i].port);
		start_thread(service_thread, &services[i]);
	}
	for (unsigned page = 0; page < PAGE_COUNT; page++)
		fill_page(page);
	start_thread(memory_thread, NULL);
	printf("victor-guest: ready\n");
	serve_udp_echo(udp);
	return 0;
}
