/* lab-delay: a delay line in user space, for kernels without netem.
 *
 *	lab-delay SOCKET NAME:DEVICE:DEVICE:MICROSECONDS ...
 *
 * Every frame that comes in by one device of a line leaves by the other, so many microseconds
 * later, in order.  On SOCKET (UNIX datagrams), "NAME FORTH BACK" changes a line's delays, and "ok"
 * or an error is answered.  The lab puts a line into any link, a controller's too, runs this in the
 * namespace of the lines' devices, and turns segmentation offload off at the ends; checksums left
 * to a device travel in the virtio header.  Talks to no other file but base/; lab/runtime.py runs
 * it. */
#include "base/compiler.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NAME_SIZE 32
#define LINES_MAX 32
#define QUEUE_SIZE 8192 /* frames in flight, each way; more are dropped */
#define FRAME_SIZE (65536 + 64)
#define SOCKET_BUFFER (8 << 20)
#define DELAY_MAX_US 60000000u
#define BURST 64 /* frames read from one device before the others have their turn */

struct frame {
	int64_t due_ns;
	size_t size;
	uint8_t bytes[]; /* struct virtio_net_hdr, then the frame */
};

/* One direction of a line. */
struct way {
	int in, out; /* packet sockets */
	int64_t delay_ns, last_due_ns;
	struct frame **queue;
	uint32_t head, tail;
	uint64_t dropped;
};

struct line {
	char name[NAME_SIZE];
	struct way way[2];
};

struct delay {
	int epoll, timer, control;
	struct line *lines;
	size_t count;
	uint8_t *scratch;
	int64_t armed_ns; /* what the timer is set to; 0: not set */
};

static NORETURN void die(const char *what)
{
	fprintf(stderr, "lab-delay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- frames ---- */

static void way_push(struct way *w, const uint8_t *bytes, size_t size, int64_t now)
{
	struct frame *f;

	if (w->tail - w->head == QUEUE_SIZE) {
		w->dropped++;
		return;
	}
	f = memory_alloc(sizeof(*f) + size);
	memcpy(f->bytes, bytes, size);
	f->size = size;
	f->due_ns = now + w->delay_ns;
	/* A line that became shorter does not let frames overtake. */
	if (f->due_ns < w->last_due_ns)
		f->due_ns = w->last_due_ns;
	w->last_due_ns = f->due_ns;
	w->queue[w->tail++ % QUEUE_SIZE] = f;
}

static void way_receive(struct delay *d, struct way *w)
{
	for (unsigned i = 0; i < BURST; i++) {
		ssize_t got = recv(w->in, d->scratch, FRAME_SIZE, MSG_DONTWAIT);

		if (got < 0)
			return;
		way_push(w, d->scratch, (size_t)got, now_ns());
	}
}

/* Sends what is due; returns when the next frame is, or 0 if there is none. */
static int64_t way_send_due(struct way *w)
{
	while (w->head != w->tail) {
		struct frame *f = w->queue[w->head % QUEUE_SIZE];

		if (f->due_ns > now_ns())
			return f->due_ns;
		if (send(w->out, f->bytes, f->size, MSG_DONTWAIT) < 0)
			w->dropped++;
		free(f);
		w->head++;
	}
	return 0;
}

static void send_all_due(struct delay *d)
{
	int64_t next = 0;

	for (size_t i = 0; i < d->count * 2; i++) {
		int64_t due = way_send_due(&d->lines[i / 2].way[i % 2]);

		if (due != 0 && (next == 0 || due < next))
			next = due;
	}
	if (next != d->armed_ns) {
		struct itimerspec at = {.it_value = {next / 1000000000LL, next % 1000000000LL}};

		timerfd_settime(d->timer, TFD_TIMER_ABSTIME, &at, NULL);
		d->armed_ns = next;
	}
}

/* ---- the control socket ---- */

static const char *change_line(struct delay *d, const char *command)
{
	char name[NAME_SIZE];
	unsigned forth_us, back_us;
	char rest;

	if (sscanf(command, "%31s %9u %9u %c", name, &forth_us, &back_us, &rest) != 3)
		return "write: NAME FORTH_US BACK_US";
	if (forth_us > DELAY_MAX_US || back_us > DELAY_MAX_US)
		return "a delay is at most 60 s";
	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->lines[i].name, name) != 0)
			continue;
		d->lines[i].way[0].delay_ns = forth_us * 1000LL;
		d->lines[i].way[1].delay_ns = back_us * 1000LL;
		return "ok";
	}
	return "no such line";
}

static void answer_control(struct delay *d)
{
	struct sockaddr_un from;
	socklen_t from_size = sizeof(from);
	char command[256];
	const char *answer;
	ssize_t got = recvfrom(d->control, command, sizeof(command) - 1, MSG_DONTWAIT,
			       (struct sockaddr *)&from, &from_size);

	if (got < 0)
		return;
	command[got] = '\0';
	answer = change_line(d, command);
	/* Nobody there to hear it: nothing to do. */
	if (sendto(d->control, answer, strlen(answer), MSG_DONTWAIT, (struct sockaddr *)&from,
		   from_size) < 0)
		return;
}

/* ---- the start ---- */

static int open_device(const char *name)
{
	const int on = 1, size = SOCKET_BUFFER;
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("packet socket (root?)");
	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0)
		die(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0)
		die("packet socket options");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(name);
	return fd;
}

static void watch(struct delay *d, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll");
}

static void open_line(struct delay *d, const char *text)
{
	struct line *line = &d->lines[d->count];
	char device[2][IFNAMSIZ], rest;
	unsigned delay_us;
	int fd[2];

	if (sscanf(text, "%31[^:]:%15[^:]:%15[^:]:%9u%c", line->name, device[0], device[1],
		   &delay_us, &rest) != 4 ||
	    delay_us > DELAY_MAX_US) {
		fprintf(stderr, "lab-delay: '%s': write NAME:DEVICE:DEVICE:MICROSECONDS\n", text);
		exit(2);
	}
	d->count++;
	for (unsigned i = 0; i < 2; i++)
		fd[i] = open_device(device[i]);
	for (unsigned i = 0; i < 2; i++) {
		line->way[i] =
			(struct way){.in = fd[i], .out = fd[!i], .delay_ns = delay_us * 1000LL};
		line->way[i].queue = memory_alloc_array(QUEUE_SIZE, sizeof(struct frame *));
		watch(d, fd[i], &line->way[i]);
	}
}

static void open_control(struct delay *d, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "lab-delay: %s: the path is too long for a socket\n", path);
		exit(2);
	}
	strcpy(address.sun_path, path);
	d->control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (d->control < 0 || bind(d->control, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	watch(d, d->control, &d->control);
}

static void run(struct delay *d)
{
	struct epoll_event events[16];
	uint64_t expired;

	for (;;) {
		int ready = epoll_wait(d->epoll, events, ARRAY_SIZE(events), -1);

		for (int i = 0; i < ready; i++) {
			void *what = events[i].data.ptr;

			if (what == &d->control)
				answer_control(d);
			else if (what != &d->timer)
				way_receive(d, what);
			else if (read(d->timer, &expired, sizeof(expired)) > 0)
				d->armed_ns = 0;
		}
		send_all_due(d);
	}
}

int main(int argc, char **argv)
{
	struct delay d = {0};

	if (argc < 3 || argc - 2 > LINES_MAX) {
		fprintf(stderr, "usage: lab-delay SOCKET NAME:DEVICE:DEVICE:MICROSECONDS ...\n");
		return 2;
	}
	d.lines = memory_alloc_array((size_t)argc - 2, sizeof(struct line));
	d.scratch = memory_alloc(FRAME_SIZE);
	d.epoll = epoll_create1(EPOLL_CLOEXEC);
	d.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d.epoll < 0 || d.timer < 0)
		die("epoll");
	watch(&d, d.timer, &d.timer);
	for (int i = 2; i < argc; i++)
		open_line(&d, argv[i]);
	/* Last: its file says that the lines are ready. */
	open_control(&d, argv[1]);
	run(&d);
}
