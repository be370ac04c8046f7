/* lab-orchestrator: tells a control plane where a station is, as whoever manages virtual machines
 *or access points would, for those that cannot find it out, or shall not, from its announcement.
 * lab-handoff says "moved PORT", or with some time to go "prepare PORT", in a datagram; the
 *messages that were made for this word beforehand are written over connections that are open
 *already, so that nothing of the outage is the orchestrator's own but a wake-up and a write.  What
 *comes back goes to standard output, for lab/orchestrator.py, which runs it, to look at.
 *
 *	lab-orchestrator OWN-SOCKET WORD,PORT,DELAY_MS,SOCKET,FILE...
 *
 * DELAY_MS after "WORD PORT" was said, FILE's bytes are written to the UNIX socket at SOCKET; those
 * of delay 0 at once, in their order. */
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_MAX 16
#define WORDS_MAX 64
#define DELAY_MAX_MS 10000

struct connection {
	const char *path;
	int fd;
};

struct message {
	char words[WORDS_MAX]; /* "moved ap1" */
	unsigned connection;
	int64_t delay_ms, due_ms; /* due: when it is to be written; 0: it is not */
	char *bytes;
	size_t size;
};

struct orchestrator {
	int heard; /* the datagrams' socket */
	struct connection connections[MESSAGES_MAX];
	struct message messages[MESSAGES_MAX];
	unsigned connection_count, message_count;
};

static NORETURN void die(const char *what, int error)
{
	fprintf(stderr, "lab-orchestrator: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ---- the start ---- */

static unsigned connection_number(struct orchestrator *o, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct connection *made = &o->connections[o->connection_count];

	for (unsigned i = 0; i < o->connection_count; i++)
		if (strcmp(o->connections[i].path, path) == 0)
			return i;
	if (strlen(path) >= sizeof(to.sun_path))
		die(path, ENAMETOOLONG);
	memcpy(to.sun_path, path, strlen(path) + 1);
	made->path = path;
	made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (made->fd < 0 || connect(made->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die(path, errno);
	return o->connection_count++;
}

static void read_file(struct message *m, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		die(path, errno);
	m->size = (size_t)status.st_size;
	m->bytes = memory_alloc(m->size + 1);
	if (read(fd, m->bytes, m->size) != (ssize_t)m->size)
		die(path, EIO);
	close(fd);
}

/* "WORD,PORT,DELAY_MS,SOCKET,FILE" */
static void add_message(struct orchestrator *o, char *text)
{
	struct message *m = &o->messages[o->message_count];
	const char *word = strsep(&text, ","), *port = strsep(&text, ",");
	const char *delay = strsep(&text, ","), *path = strsep(&text, ",");
	char *end;

	if (text == NULL || o->message_count == MESSAGES_MAX)
		die(word, text == NULL ? EINVAL : E2BIG);
	snprintf(m->words, sizeof(m->words), "%s %s", word, port);
	m->delay_ms = strtol(delay, &end, 10);
	if (end == delay || *end != '\0' || m->delay_ms < 0 || m->delay_ms > DELAY_MAX_MS)
		die(delay, EINVAL);
	m->connection = connection_number(o, path);
	read_file(m, text);
	o->message_count++;
}

static int open_own(const char *path)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(own.sun_path))
		die(path, ENAMETOOLONG);
	memcpy(own.sun_path, path, strlen(path) + 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		die(path, errno);
	return fd;
}

/* ---- telling ---- */

static void tell(struct orchestrator *o, struct message *m)
{
	const struct connection *to = &o->connections[m->connection];

	m->due_ms = 0;
	if (send(to->fd, m->bytes, m->size, MSG_NOSIGNAL) != (ssize_t)m->size)
		die(to->path, errno);
}

static void heard(struct orchestrator *o)
{
	char words[WORDS_MAX];
	ssize_t got = recv(o->heard, words, sizeof(words) - 1, 0);

	if (got < 0)
		die("what is said", errno);
	words[got] = '\0';
	for (unsigned i = 0; i < o->message_count; i++) {
		struct message *m = &o->messages[i];

		if (m->delay_ms == 0 && strcmp(m->words, words) == 0)
			tell(o, m);
	}
	for (unsigned i = 0; i < o->message_count; i++) {
		struct message *m = &o->messages[i];

		if (m->delay_ms != 0 && strcmp(m->words, words) == 0)
			m->due_ms = now_ms() + m->delay_ms;
	}
}

static void read_answer(const struct connection *from)
{
	char bytes[16384];
	ssize_t got = recv(from->fd, bytes, sizeof(bytes), 0);

	if (got < 0)
		die(from->path, errno);
	if (got == 0)
		die(from->path, ECONNRESET);
	fwrite(bytes, 1, (size_t)got, stdout);
	fputc('\n', stdout);
	fflush(stdout);
}

/* Writes what is due; returns the milliseconds until the next is, -1: nothing is. */
static int tell_due(struct orchestrator *o)
{
	int64_t now = now_ms(), next = -1;

	for (unsigned i = 0; i < o->message_count; i++) {
		struct message *m = &o->messages[i];

		if (m->due_ms != 0 && m->due_ms <= now)
			tell(o, m);
		else if (m->due_ms != 0 && (next < 0 || m->due_ms - now < next))
			next = m->due_ms - now;
	}
	return (int)next;
}

static NORETURN void run(struct orchestrator *o)
{
	struct pollfd polled[1 + MESSAGES_MAX] = {{.fd = o->heard, .events = POLLIN}};

	for (unsigned i = 0; i < o->connection_count; i++)
		polled[1 + i] = (struct pollfd){.fd = o->connections[i].fd, .events = POLLIN};
	for (;;) {
		if (poll(polled, 1 + o->connection_count, tell_due(o)) < 0) {
			if (errno != EINTR)
				die("poll", errno);
			continue;
		}
		if (polled[0].revents)
			heard(o);
		for (unsigned i = 0; i < o->connection_count; i++)
			if (polled[1 + i].revents)
				read_answer(&o->connections[i]);
	}
}

int main(int argc, char **argv)
{
	struct orchestrator o = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: lab-orchestrator OWN-SOCKET "
				"WORD,PORT,DELAY_MS,SOCKET,FILE...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		add_message(&o, argv[i]);
	o.heard = open_own(argv[1]);
	run(&o);
}
