/* The probes of a handoff measurement (probe.h).  Used by handoff.c; uses netns.c and
 * tally.c.
 *
 * One thread does it all on one timer: a packet sent through veths is received within the call that
 * sent it, so that a second thread would only be woken for nothing.  What arrived is kept in a ring
 * for each way, under a lock that the thread takes for an instant, and that the asking thread waits
 * at. */
#include "lab/probe.h"

#include "base/memory.h"

#include <endian.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PROBE_PORT 7100
#define RING_SIZE 16384 /* longer than a move may take */
#define PINGS_MAX (1u << 20)
#define SOCKET_BUFFER (4 << 20)
#define DRAIN_NS 300000000LL
#define NS_PER_S 1000000000LL
#define ICMP_FILTER_OPTION 1 /* ICMP_FILTER of linux/icmp.h, which clashes with netinet's */

/* On the wire; 'number' counts the probes or pings of a way. */
struct payload {
	uint64_t number, sent_ns;
};

struct ping_packet {
	struct icmphdr header;
	struct payload payload;
};

struct arrival {
	int64_t sent_ns, at_ns;
};

struct way {
	int udp, icmp; /* of the end that sends on this way */
	uint16_t ping_id;
	struct sockaddr_in to;
	struct arrival ring[RING_SIZE];
	uint64_t arrivals, sent;
	struct tally *tally;
	struct ping *pings;
	size_t ping_count;
	int64_t next_ping_ns;
};

struct probe {
	struct probe_config config;
	struct way way[2];
	int epoll, timer;
	pthread_t thread;
	bool running;
	atomic_bool stopping;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	unsigned waiting;
};

int64_t probe_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- sockets ---- */

static int set_options(int fd)
{
	const int on = 1, size = SOCKET_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int open_udp(struct netns *n, struct in_addr own, struct in_addr other)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(PROBE_PORT)};
	struct sockaddr_in to = from;
	int fd = netns_socket(n, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return fd;
	from.sin_addr = own;
	to.sin_addr = other;
	r = set_options(fd);
	if (r == 0 && (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		       connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0))
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int open_icmp(struct netns *n)
{
	const uint32_t all_but_replies = ~(1u << ICMP_ECHOREPLY);
	int fd = netns_socket(n, AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP), r;

	if (fd < 0)
		return fd;
	r = set_options(fd);
	if (r == 0 && setsockopt(fd, SOL_RAW, ICMP_FILTER_OPTION, &all_but_replies,
				 sizeof(all_but_replies)) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int watch(struct probe *p, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* What epoll says is readable: the timer, or a socket of the end that sends on a way. */
enum source { SOURCE_TIMER, SOURCE_UDP, SOURCE_ICMP = SOURCE_UDP + 2 };

static int way_open(struct probe *p, enum probe_way which, struct netns *n)
{
	bool up = which == PROBE_UP;
	struct way *w = &p->way[which];
	int r;

	w->to = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr = up ? p->config.peer : p->config.host};
	w->ping_id = (uint16_t)((unsigned)getpid() * 2 + which);
	w->pings = memory_alloc_array(PINGS_MAX, sizeof(struct ping));
	w->tally = tally_create();
	w->udp = open_udp(n, up ? p->config.host : p->config.peer, w->to.sin_addr);
	if (w->udp < 0)
		return w->udp;
	w->icmp = open_icmp(n);
	if (w->icmp < 0)
		return w->icmp;
	r = watch(p, w->udp, SOURCE_UDP + which);
	return r < 0 ? r : watch(p, w->icmp, SOURCE_ICMP + which);
}

int probe_create(const struct probe_config *config, struct netns *host, struct netns *peer,
		 struct probe **ret)
{
	struct probe *p = memory_alloc(sizeof(*p));
	int r;

	p->config = *config;
	p->way[0].udp = p->way[0].icmp = p->way[1].udp = p->way[1].icmp = -1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->arrived, &attributes);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = watch(p, p->timer, SOURCE_TIMER);
	if (r == 0)
		r = way_open(p, PROBE_UP, host);
	if (r == 0)
		r = way_open(p, PROBE_DOWN, peer);
	if (r < 0) {
		probe_destroy(p);
		return r;
	}
	*ret = p;
	return 0;
}

void probe_destroy(struct probe *p)
{
	if (p == NULL)
		return;
	probe_stop(p);
	for (unsigned i = 0; i < 2; i++) {
		close(p->way[i].udp);
		close(p->way[i].icmp);
		free(p->way[i].pings);
		tally_destroy(p->way[i].tally);
	}
	close(p->timer);
	close(p->epoll);
	free(p);
}

/* ---- sending ---- */

static void send_probe(struct way *w)
{
	int64_t now = probe_now_ns();
	struct payload payload = {htobe64(w->sent++), htobe64((uint64_t)now)};

	tally_sent(w->tally, now);
	/* A refusal is an ICMP error of an earlier probe, told once; a second one is a lost probe.
	 */
	if (send(w->udp, &payload, sizeof(payload), 0) < 0 &&
	    send(w->udp, &payload, sizeof(payload), 0) < 0)
		return;
}

static uint16_t checksum(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void send_ping(struct way *w, int64_t now)
{
	struct ping_packet m = {
		.header = {.type = ICMP_ECHO},
		.payload = {htobe64(w->ping_count), htobe64((uint64_t)now)},
	};

	if (w->ping_count == PINGS_MAX)
		return;
	m.header.un.echo.id = htons(w->ping_id);
	m.header.un.echo.sequence = htons((uint16_t)w->ping_count);
	m.header.checksum = htons(checksum(&m, sizeof(m)));
	w->pings[w->ping_count++] = (struct ping){.sent_ns = now};
	/* Not sent is not answered. */
	if (sendto(w->icmp, &m, sizeof(m), 0, (struct sockaddr *)&w->to, sizeof(w->to)) < 0)
		return;
}

static void send_due(struct probe *p)
{
	int64_t now = probe_now_ns();

	if (atomic_load(&p->stopping))
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct way *w = &p->way[i];

		send_probe(w);
		if (now < w->next_ping_ns)
			continue;
		send_ping(w, now);
		w->next_ping_ns += p->config.ping_interval_ns;
		if (w->next_ping_ns < now)
			w->next_ping_ns = now + p->config.ping_interval_ns;
	}
}

/* ---- receiving ---- */

/* When the kernel took the packet in, on our clock. */
static int64_t arrival_time(struct msghdr *message)
{
	struct timespec stamp, real;
	int64_t now = probe_now_ns();

	clock_gettime(CLOCK_REALTIME, &real);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		return now - (real.tv_sec - stamp.tv_sec) * NS_PER_S -
		       (real.tv_nsec - stamp.tv_nsec);
	}
	return now;
}

static ssize_t receive(int fd, void *bytes, size_t size, int64_t *ret_at)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec)) + 64];
		struct cmsghdr align;
	} control;
	struct iovec vector = {bytes, size};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

	if (got >= 0)
		*ret_at = arrival_time(&message);
	return got;
}

static void note_arrival(struct probe *p, struct way *w, const struct payload *payload, int64_t at)
{
	int64_t sent = (int64_t)be64toh(payload->sent_ns);

	tally_arrived(w->tally, be64toh(payload->number), at);
	pthread_mutex_lock(&p->lock);
	w->ring[w->arrivals++ % RING_SIZE] = (struct arrival){sent, at};
	if (p->waiting > 0)
		pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
}

/* The socket of the end that sends on one way receives the probes of the other. */
static void receive_probes(struct probe *p, enum probe_way sends)
{
	struct payload payload;
	int64_t at;
	ssize_t got;

	while ((got = receive(p->way[sends].udp, &payload, sizeof(payload), &at)) >= 0) {
		if (got == sizeof(payload))
			note_arrival(p, &p->way[!sends], &payload, at);
	}
}

static void receive_pings(struct way *w)
{
	uint8_t bytes[256];
	int64_t at;
	ssize_t got;

	while ((got = receive(w->icmp, bytes, sizeof(bytes), &at)) >= 0) {
		size_t header = (size_t)(bytes[0] & 15) * 4;
		struct ping_packet m;
		uint64_t number;

		if ((size_t)got < header + sizeof(m))
			continue;
		memcpy(&m, bytes + header, sizeof(m));
		number = be64toh(m.payload.number);
		if (m.header.un.echo.id == htons(w->ping_id) && number < w->ping_count)
			w->pings[number].answered = true;
	}
}

static void *probe_thread(void *context)
{
	struct probe *p = context;
	struct epoll_event events[5];
	int64_t end = 0;
	uint64_t expired;

	while (end == 0 || probe_now_ns() < end) {
		int ready = epoll_wait(p->epoll, events, ARRAY_SIZE(events), -1);

		for (int i = 0; i < ready; i++) {
			uint32_t what = events[i].data.u32;

			if (what >= SOURCE_ICMP)
				receive_pings(&p->way[what - SOURCE_ICMP]);
			else if (what >= SOURCE_UDP)
				receive_probes(p, what - SOURCE_UDP);
			else if (read(p->timer, &expired, sizeof(expired)) > 0)
				send_due(p);
		}
		if (end == 0 && atomic_load(&p->stopping))
			end = probe_now_ns() + DRAIN_NS;
	}
	return NULL;
}

/* ---- the caller's side ---- */

int probe_start(struct probe *p)
{
	long interval = (long)p->config.probe_interval_ns;
	struct itimerspec every = {.it_interval = {0, interval}, .it_value = {0, interval}};
	int64_t now = probe_now_ns();

	/* The two ways' pings are half an interval apart, so that one gap does not take both. */
	p->way[PROBE_UP].next_ping_ns = now;
	p->way[PROBE_DOWN].next_ping_ns = now + p->config.ping_interval_ns / 2;
	if (timerfd_settime(p->timer, 0, &every, NULL) < 0)
		return -errno;
	if (pthread_create(&p->thread, NULL, probe_thread, p) != 0)
		return -EAGAIN;
	p->running = true;
	return 0;
}

void probe_stop(struct probe *p)
{
	if (!p->running)
		return;
	atomic_store(&p->stopping, true);
	pthread_join(p->thread, NULL);
	p->running = false;
}

/* The oldest arrival that qualifies among those not looked at before 'from'. */
static int64_t find_after(const struct way *w, enum probe_way way, int64_t after, uint64_t *from)
{
	for (; *from < w->arrivals; (*from)++) {
		const struct arrival *a = &w->ring[*from % RING_SIZE];

		if ((way == PROBE_UP ? a->sent_ns : a->at_ns) > after)
			return a->at_ns;
	}
	return 0;
}

int64_t probe_first_after(struct probe *p, enum probe_way way, int64_t after_ns, int64_t timeout_ns)
{
	const struct way *w = &p->way[way];
	int64_t deadline = probe_now_ns() + timeout_ns, found;
	struct timespec until = {deadline / NS_PER_S, deadline % NS_PER_S};
	uint64_t from;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	from = w->arrivals > RING_SIZE ? w->arrivals - RING_SIZE : 0;
	p->waiting++;
	while ((found = find_after(w, way, after_ns, &from)) == 0 && r == 0)
		r = pthread_cond_timedwait(&p->arrived, &p->lock, &until);
	p->waiting--;
	pthread_mutex_unlock(&p->lock);
	return found;
}

const struct ping *probe_pings(const struct probe *p, enum probe_way way, size_t *ret_count)
{
	*ret_count = p->way[way].ping_count;
	return p->way[way].pings;
}

const struct tally *probe_tally(const struct probe *p, enum probe_way way)
{
	return p->way[way].tally;
}

void probe_count(const struct probe *p, uint64_t *ret_sent, uint64_t *ret_received)
{
	*ret_sent = p->way[0].sent + p->way[1].sent;
	*ret_received = p->way[0].arrivals + p->way[1].arrivals;
}
