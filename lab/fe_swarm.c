/* fe-swarm: many forwarding elements in one process, to load a controller: the agent's real core
 * for each, with its data plane in memory.
 *
 *	fe-swarm ADDRESS PORT COUNT [FIRST]
 *
 * Elements FIRST (1000) and on, named "swarm-ID", each with the access port 2 ("sw0"), connect to
 * the controller's IPv4 address all at once, and again 10 to 200 ms after a connection is lost.
 * Commands come by standard input, a line each, and each is answered by a line of JSON:
 *
 *	announce ID ADDRESS    a node with that IPv4 address (its MAC follows from it) speaks there
 *	stall ID, resume ID    the element reads nothing from its connection, or again
 *	cut ID                 its connection is closed
 *	where ADDRESS          how many elements have it as a local and as a foreign binding
 *	stats                  how many are connected, complete (synchronised), and what came
 *
 * It ends with standard input. */
#include "base/log.h"
#include "base/memory.h"
#include "fe/agent.h"
#include "sim/memory_plane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 10000
#define TICK_MS 50
#define RECEIVE_SIZE 65536

struct swarm;

struct element {
	struct memory_plane plane; /* first: the operations' context is the element */
	struct swarm *swarm;
	uint32_t id;
	struct agent *agent;
	struct agent_connection *connection;
	int fd; /* -1: none */
	bool connecting, stalled, lost;
	int64_t again_ms;
	unsigned connections;
	uint64_t received;
};

struct swarm {
	struct sockaddr_in controller;
	struct datapath_ops operations;
	struct element *elements;
	struct pollfd *polls;
	unsigned count;
	uint32_t first;
	int64_t ticked_ms;
	char line[256];
	size_t line_size;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nodes here talk all the time. */
static int64_t binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	return 0;
}

/* ---- connections ---- */

static void flush(void *context, struct agent_connection *connection)
{
	struct element *e = context;
	struct buffer *out = &agent_connection_channel(connection)->out;
	size_t sent = 0;

	if (e->fd < 0 || e->connecting)
		return;
	while (sent < out->size) {
		ssize_t some = send(e->fd, out->data + sent, out->size - sent, MSG_NOSIGNAL);

		if (some < 0) {
			e->lost |= errno != EAGAIN && errno != EINTR;
			break;
		}
		sent += (size_t)some;
	}
	memmove(out->data, out->data + sent, out->size - sent);
	out->size -= sent;
}

static void drop(void *context, struct agent_connection *connection)
{
	((struct element *)context)->lost = true;
}

static void connect_element(struct element *e)
{
	const struct sockaddr *to = (const struct sockaddr *)&e->swarm->controller;

	e->again_ms = now_ms() + 10 + rand() % 190;
	e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return;
	e->connecting = true;
	if (connect(e->fd, to, sizeof(e->swarm->controller)) < 0 && errno != EINPROGRESS) {
		close(e->fd);
		e->fd = -1;
	}
}

static void disconnect(struct element *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->lost = false;
	e->again_ms = now_ms() + 10 + rand() % 190;
	if (e->connection)
		agent_disconnect(e->connection, now_ms());
	e->connection = NULL;
}

static void on_writable(struct element *e)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (!e->connecting) {
		flush(e, e->connection);
		return;
	}
	getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	e->connecting = false;
	if (error) {
		disconnect(e);
		return;
	}
	e->connections++;
	e->connection = agent_connect(e->agent, "controller", true, e, now_ms());
	flush(e, e->connection);
}

static void on_readable(struct element *e)
{
	static uint8_t bytes[RECEIVE_SIZE];
	ssize_t size = recv(e->fd, bytes, sizeof(bytes), 0);

	if (size > 0) {
		e->received += (uint64_t)size;
		agent_receive(e->connection, bytes, (size_t)size, now_ms());
		if (e->connection && !e->lost)
			flush(e, e->connection);
	} else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
		e->lost = true;
	}
}

static short wanted(const struct element *e)
{
	if (e->connecting)
		return POLLOUT;
	return (short)((e->stalled ? 0 : POLLIN) |
		       (e->connection && agent_connection_channel(e->connection)->out.size &&
					!e->stalled
				? POLLOUT
				: 0));
}

static void serve_element(struct element *e, short events)
{
	if (e->fd >= 0 && events & (POLLOUT | POLLERR | POLLHUP) && e->connecting)
		on_writable(e);
	else if (e->fd >= 0 && e->connection && events & POLLOUT)
		on_writable(e);
	if (e->fd >= 0 && e->connection && !e->stalled && events & (POLLIN | POLLERR | POLLHUP))
		on_readable(e);
	if (e->lost)
		disconnect(e);
	if (e->fd < 0 && now_ms() >= e->again_ms)
		connect_element(e);
}

/* ---- commands ---- */

static struct element *find(struct swarm *s, const char *id)
{
	unsigned long number = id ? strtoul(id, NULL, 10) : 0;

	return number >= s->first && number < s->first + s->count ? &s->elements[number - s->first]
								  : NULL;
}

static void announce(struct element *e, const struct address *a)
{
	uint8_t frame[42] = {0};
	const uint8_t *v4 = a->bytes + 12;
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t mac[6] = {0x52, 0x54, v4[0], v4[1], v4[2], v4[3]};

	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	frame[12] = 8;
	frame[13] = 6;
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, v4, 4);
	memcpy(frame + 38, v4, 4);
	agent_upcall(e->agent,
		     &(struct upcall){.reason = UPCALL_NEIGHBOR,
				      .port = 2,
				      .frame = frame,
				      .size = sizeof(frame),
				      .wire_size = sizeof(frame)},
		     now_ms());
}

static void print_where(struct swarm *s, const struct address *a)
{
	unsigned local = 0, foreign = 0;
	uint32_t at = 0, towards = 0;

	for (unsigned i = 0; i < s->count; i++) {
		const struct datapath_binding *b =
			memory_plane_binding(&s->elements[i].plane, 0, a);

		if (b && b->flags & BINDING_LOCAL && !(b->flags & BINDING_MARKED_ONLY)) {
			local++;
			at = s->elements[i].id;
		} else if (b && b->flags & BINDING_FOREIGN) {
			foreign++;
			towards = b->fe;
		}
	}
	printf("{\"local\":%u,\"at\":%u,\"foreign\":%u,\"towards\":%u}\n", local, at, foreign,
	       towards);
}

static void print_stats(struct swarm *s)
{
	unsigned connected = 0, complete = 0, connections = 0;
	uint64_t received = 0;
	size_t bindings = 0;

	for (unsigned i = 0; i < s->count; i++) {
		struct element *e = &s->elements[i];

		connected += e->connection != NULL;
		complete += e->connection && agent_is_complete(e->agent);
		connections += e->connections;
		received += e->received;
		bindings += e->plane.bindings.count;
	}
	printf("{\"elements\":%u,\"connected\":%u,\"complete\":%u,\"connections\":%u,"
	       "\"received\":%llu,\"bindings\":%zu}\n",
	       s->count, connected, complete, connections, (unsigned long long)received, bindings);
}

static void obey(struct swarm *s, char *line)
{
	const char *word = strtok(line, " "), *first = strtok(NULL, " ");
	const char *second = strtok(NULL, " ");
	struct element *e = find(s, first);
	struct address a;

	word = word ? word : "";
	if (strcmp(word, "stats") == 0) {
		print_stats(s);
	} else if (first && strcmp(word, "where") == 0 && address_parse(first, &a) == 0) {
		print_where(s, &a);
	} else if (e && second && strcmp(word, "announce") == 0 && address_parse(second, &a) == 0) {
		announce(e, &a);
		puts("{}");
	} else if (e && strcmp(word, "stall") == 0) {
		e->stalled = true;
		puts("{}");
	} else if (e && strcmp(word, "resume") == 0) {
		e->stalled = false;
		puts("{}");
	} else if (e && strcmp(word, "cut") == 0) {
		disconnect(e);
		puts("{}");
	} else {
		puts("{\"error\":\"not understood\"}");
	}
	fflush(stdout);
}

/* False: standard input has ended. */
static bool read_commands(struct swarm *s)
{
	ssize_t size =
		read(STDIN_FILENO, s->line + s->line_size, sizeof(s->line) - 1 - s->line_size);
	char *end;

	if (size <= 0)
		return false;
	s->line_size += (size_t)size;
	s->line[s->line_size] = '\0';
	while ((end = strchr(s->line, '\n'))) {
		*end = '\0';
		obey(s, s->line);
		s->line_size -= (size_t)(end + 1 - s->line);
		memmove(s->line, end + 1, s->line_size + 1);
	}
	return s->line_size < sizeof(s->line) - 1;
}

/* ---- the loop ---- */

static void make_element(struct swarm *s, unsigned i)
{
	struct element *e = &s->elements[i];
	uint8_t address[4] = {172, 31, (uint8_t)(i >> 7), (uint8_t)(i << 1 & 0xff)};
	struct agent_config c = {.id = s->first + i, .binding_limit = 65536, .backplane_mtu = 1600};
	const struct agent_shell shell = {&s->operations, flush, drop, e};
	struct agent_port port = {.info = {.number = 2, .role = PORT_ACCESS, .mtu = 1500},
				  .ifindex = 1,
				  .name = "sw0",
				  .up = true};

	e->swarm = s;
	e->id = c.id;
	e->fd = -1;
	memory_plane_init(&e->plane, c.id);
	snprintf(c.name, sizeof(c.name), "swarm-%u", c.id);
	c.backplane.pair[FAMILY_IPV4].address = address_from_ipv4(address);
	address[3] |= 1;
	c.backplane.pair[FAMILY_IPV4].redirect = address_from_ipv4(address);
	e->agent = agent_create(&c, &shell, c.id, now_ms());
	port.mac = (struct mac){{2, 0, 0, 1, (uint8_t)(c.id >> 8), (uint8_t)c.id}};
	agent_port_set(e->agent, &port, now_ms());
	agent_adopt_done(e->agent, now_ms());
}

static void tick(struct swarm *s)
{
	int64_t now = now_ms();

	if (now - s->ticked_ms < TICK_MS)
		return;
	s->ticked_ms = now;
	for (unsigned i = 0; i < s->count; i++)
		if (!s->elements[i].stalled) /* it hangs as a whole */
			agent_tick(s->elements[i].agent, now);
}

static void run(struct swarm *s)
{
	bool more = true;

	while (more) {
		s->polls[s->count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
		for (unsigned i = 0; i < s->count; i++)
			s->polls[i] = (struct pollfd){.fd = s->elements[i].fd,
						      .events = wanted(&s->elements[i])};
		if (poll(s->polls, s->count + 1, TICK_MS) < 0 && errno != EINTR)
			break;
		for (unsigned i = 0; i < s->count; i++)
			serve_element(&s->elements[i], s->polls[i].revents);
		if (s->polls[s->count].revents)
			more = read_commands(s);
		tick(s);
	}
}

static void finish(struct swarm *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		disconnect(&s->elements[i]);
		agent_destroy(s->elements[i].agent);
		memory_plane_finish(&s->elements[i].plane);
	}
	free(s->elements);
	free(s->polls);
}

int main(int argc, char **argv)
{
	struct rlimit files = {COUNT_MAX + 64, COUNT_MAX + 64};
	struct swarm s = {.controller = {.sin_family = AF_INET},
			  .operations = memory_plane_ops,
			  .first = 1000};

	if (argc > 3) {
		s.count = (unsigned)strtoul(argv[3], NULL, 10);
		s.controller.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	}
	if (argc > 4)
		s.first = (uint32_t)strtoul(argv[4], NULL, 10);
	if (argc < 4 || argc > 5 || !s.count || s.count > COUNT_MAX || !s.first ||
	    s.first > 65535 - s.count || inet_pton(AF_INET, argv[1], &s.controller.sin_addr) != 1) {
		fputs("Usage: fe-swarm ADDRESS PORT COUNT [FIRST]\n", stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	log_start("fe-swarm", LOG_LEVEL_ERROR);
	s.operations.binding_idle_ms = binding_idle_ms;
	s.elements = memory_alloc_array(s.count, sizeof(*s.elements));
	s.polls = memory_alloc_array(s.count + 1, sizeof(*s.polls));
	for (unsigned i = 0; i < s.count; i++)
		make_element(&s, i);
	run(&s);
	finish(&s);
	return EXIT_SUCCESS;
}
