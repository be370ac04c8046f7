/* One connection of the HTTP server: bytes in, bytes out, its deadlines and its place among the
 * others (http_limits.h).  Requests are taken one after the other: while one is answered nothing is
 * read, so that whoever pipelines waits in the kernel's buffers.  What a request means is
 * http_exchange.c's. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"
#include "controller/io/http_exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

LOG_MODULE("http");

#define PIECE 16384
#define KEEPALIVE_MS 60000
#define STRANGER_MS 10000 /* until the first byte */
#define HEAD_MS 10000     /* for a whole head, from its first byte */
#define BODY_MS 15000     /* for a whole body */
#define STALLED_MS 60000  /* nobody takes what is written */
#define COMMENT_MS 15000  /* a stream with no news says that it lives */
#define LINGER_MS 2000
#define LINGER_BYTES_MAX (256u << 10)

/* ---- where it is counted ---- */

static struct connection *oldest_stranger(const struct http_server *h,
					  const struct http_address *of)
{
	for (struct connection *c = h->connections; c; c = c->next) {
		if (c->address && !c->is_known && (!of || c->address == of))
			return c;
	}
	return NULL;
}

static bool enter_local(struct connection *c)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	strcpy(c->peer.text, "unix");
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	c->peer.uid = peer.uid;
	c->is_own = peer.uid == 0 || peer.uid == geteuid();
	return http_limits_enter_local(&c->server->limits, c->is_own);
}

static bool read_peer(struct connection *c, struct address *ret)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
	char text[ADDRESS_TEXT_SIZE];

	if (getpeername(c->fd, (struct sockaddr *)&peer, &size) < 0)
		return false;
	if (peer.ss_family == AF_INET6)
		*ret = address_from_ipv6(v6->sin6_addr.s6_addr);
	else
		*ret = address_from_ipv4((const uint8_t *)&v4->sin_addr);
	strcpy(c->peer.text, address_format(ret, text));
	return true;
}

static bool enter(struct connection *c, int64_t now_ms)
{
	struct http_server *h = c->server;
	struct address address;
	struct connection *oldest = NULL;
	int yes = 1;

	if (c->peer.endpoint->is_unix)
		return enter_local(c);
	if (!read_peer(c, &address))
		return false;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	struct http_address *a = http_limits_address(&h->limits, &address, now_ms);

	switch (http_limits_enter(&h->limits, a, now_ms)) {
	case HTTP_TOO_MANY:
		return false;
	case HTTP_ADMITTED_FOR_OLDEST:
		oldest = oldest_stranger(h, NULL);
		break;
	case HTTP_ADMITTED_FOR_OLDEST_OF_SAME:
		oldest = oldest_stranger(h, a);
		break;
	case HTTP_ADMITTED:
		break;
	}
	c->address = a;
	if (oldest) {
		h->refused[HTTP_CROWDED]++;
		log_warn_rl("%s: too many connections that did not ask anything yet; the oldest is "
			    "closed",
			    oldest->peer.text);
		connection_close(oldest);
	}
	return true;
}

/* ---- life ---- */

static void watch(struct connection *c, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = c};

	if (c->events == events)
		return;
	c->events = events;
	(void)epoll_ctl(c->server->poll, EPOLL_CTL_MOD, c->fd, &e);
}

void connection_open(struct http_server *h, int fd, const struct listener *l, int64_t now_ms)
{
	struct connection *c = memory_alloc(sizeof(*c));
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

	c->server = h;
	c->fd = fd;
	c->peer.endpoint = &l->endpoint;
	if (!enter(c, now_ms)) {
		h->refused[HTTP_CROWDED]++;
		log_warn_rl("%s: a connection is refused: there are too many of it", c->peer.text);
		close(fd);
		free(c);
		return;
	}
	if (l->endpoint.is_tls)
		c->tls = tls_session_create(h->tls);
	c->events = EPOLLIN;
	(void)epoll_ctl(h->poll, EPOLL_CTL_ADD, fd, &e);
	c->link = h->last_connection;
	*h->last_connection = c;
	h->last_connection = &c->next;
	c->deadline_ms = now_ms + STRANGER_MS;
}

void connection_close(struct connection *c)
{
	struct http_server *h = c->server;

	if (c->state == CONNECTION_DEAD)
		return;
	exchange_end(c);
	if (c->address)
		http_limits_leave(&h->limits, c->address, c->is_known);
	else
		http_limits_leave_local(&h->limits, c->is_own);
	close(c->fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	else
		h->last_connection = c->link;
	c->state = CONNECTION_DEAD;
	c->next = h->dead;
	h->dead = c;
}

void connection_bury(struct http_server *h)
{
	while (h->dead) {
		struct connection *next = h->dead->next;

		tls_session_destroy(h->dead->tls);
		buffer_finish(&h->dead->in);
		buffer_finish(&h->dead->out);
		free(h->dead);
		h->dead = next;
	}
}

bool connection_know(struct connection *c)
{
	if (c->address && !c->is_known && !http_limits_know(&c->server->limits, c->address))
		return false;
	c->is_known = true;
	return true;
}

/* ---- bytes ---- */

/* 1 for some more (perhaps not of 'in' yet), 0 for the end, -EAGAIN, or another negative errno. */
static int read_some(struct connection *c)
{
	uint8_t piece[PIECE];
	ssize_t got = recv(c->fd, piece, sizeof(piece), 0);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (got > 0 && c->tls) {
		int result = http_tls_receive(c, piece, (size_t)got);

		return result < 0 ? result : 1;
	}
	buffer_add_bytes(&c->in, piece, (size_t)got);
	return got > 0;
}

/* What goes to the socket; NULL: TLS has failed. */
static struct buffer *wire_of(struct connection *c)
{
	if (!c->tls)
		return &c->out;
	return c->out.size && tls_session_send(c->tls, &c->out) < 0 ? NULL
								    : tls_session_out(c->tls);
}

/* 1: all is written; -EAGAIN: later; or another negative errno. */
static int send_some(struct connection *c, struct buffer *wire)
{
	while (c->sent < wire->size) {
		ssize_t some =
			send(c->fd, wire->data + c->sent, wire->size - c->sent, MSG_NOSIGNAL);

		if (some < 0 && errno != EINTR)
			return -errno;
		c->sent += some > 0 ? (size_t)some : 0;
	}
	buffer_finish(wire);
	*wire = (struct buffer){0};
	c->sent = 0;
	return 1;
}

bool connection_push(struct connection *c)
{
	struct buffer *wire = wire_of(c);

	/* It is little, and the socket's buffer was empty. */
	if (wire && send_some(c, wire) > 0)
		return true;
	connection_close(c);
	return false;
}

/* 1: all is written; 0: later; or a negative errno. */
static int write_out(struct connection *c, int64_t now_ms)
{
	struct buffer *wire = wire_of(c);
	size_t before = c->sent;
	int result = wire ? send_some(c, wire) : -EPROTO;

	if (result == -EAGAIN) {
		watch(c, EPOLLOUT);
		if (c->sent != before || c->deadline_ms <= now_ms)
			c->deadline_ms = now_ms + STALLED_MS;
		return 0;
	}
	return result;
}

/* ---- states; each returns whether to go on with the next at once ---- */

static bool await(struct connection *c, int result)
{
	if (c->state == CONNECTION_DEAD)
		return false;
	if (result == -EAGAIN)
		watch(c, EPOLLIN);
	else
		connection_close(c);
	return false;
}

static bool run_head(struct connection *c, int64_t now_ms)
{
	if (c->in.size && !c->began) {
		c->began = true;
		c->deadline_ms = now_ms + HEAD_MS;
	}
	if (c->in.size) {
		const char *why = "";
		int size = http_head_read((const char *)c->in.data, c->in.size, &c->scanned,
					  &c->head, &why);

		if (size < 0) {
			bool large = size == -413 || size == -414 || size == -431;

			connection_refuse(c, large ? HTTP_TOO_LARGE : HTTP_MALFORMED, -size, why,
					  now_ms);
			return true;
		}
		if (size > 0) {
			buffer_drop_front(&c->in, (size_t)size);
			c->scanned = 0;
			c->began = false;
			c->deadline_ms = now_ms + BODY_MS;
			exchange_begin(c, now_ms);
			return true;
		}
	}
	int result = read_some(c);

	return result > 0 ? true : await(c, result);
}

static bool run_body(struct connection *c)
{
	if (c->in.size >= c->head.body_size) {
		exchange_submit(c);
		return true;
	}
	int result = read_some(c);

	return result > 0 ? true : await(c, result);
}

void connection_linger(struct connection *c, int64_t now_ms)
{
	exchange_end(c);
	c->state = CONNECTION_LINGER;
	c->deadline_ms = now_ms + LINGER_MS;
	if (c->tls)
		tls_session_finish(c->tls);
	if (connection_push(c))
		(void)shutdown(c->fd, SHUT_WR);
}

static bool finish_answer(struct connection *c, int64_t now_ms)
{
	if (c->ends) {
		connection_linger(c, now_ms);
		return true;
	}
	exchange_end(c);
	c->state = CONNECTION_HEAD;
	c->deadline_ms = now_ms + KEEPALIVE_MS;
	return true;
}

static bool run_answer(struct connection *c, int64_t now_ms)
{
	int result = write_out(c, now_ms);

	if (result < 0)
		connection_close(c);
	return result > 0 ? finish_answer(c, now_ms) : false;
}

static bool run_linger(struct connection *c)
{
	c->lingered += c->in.size;
	buffer_clear(&c->in);
	int result = read_some(c);

	if (result > 0 && c->lingered <= LINGER_BYTES_MAX)
		return true;
	return await(c, result > 0 ? -EMSGSIZE : result);
}

static bool run_stream(struct connection *c, int64_t now_ms)
{
	int result = write_out(c, now_ms);

	if (result <= 0) {
		if (result < 0)
			connection_close(c);
		return false;
	}
	c->deadline_ms = now_ms + COMMENT_MS;
	c->server->ops->stream(c->server->ops->context, &c->after, &c->out);
	if (c->out.size)
		return true; /* until there is nothing more */
	result = read_some(c);
	if (result > 0 && !c->in.size)
		return true; /* TLS's own */
	/* A watcher has nothing more to say. */
	return await(c, result > 0 ? -EPROTO : result);
}

void connection_run(struct connection *c, int64_t now_ms)
{
	bool again = true;

	while (again) {
		switch (c->state) {
		case CONNECTION_HEAD:
			again = run_head(c, now_ms);
			break;
		case CONNECTION_BODY:
			again = run_body(c);
			break;
		case CONNECTION_WAITING:
			watch(c, 0); /* connection_deliver goes on */
			again = false;
			break;
		case CONNECTION_ANSWER:
			again = run_answer(c, now_ms);
			break;
		case CONNECTION_STREAM:
			again = run_stream(c, now_ms);
			break;
		case CONNECTION_LINGER:
			again = run_linger(c);
			break;
		case CONNECTION_DEAD:
			return;
		}
	}
}

void connection_event(struct connection *c, uint32_t events, int64_t now_ms)
{
	/* Both directions have ended: nobody would read the answer. */
	if (c->state == CONNECTION_WAITING && events & (EPOLLHUP | EPOLLERR))
		connection_close(c);
	else
		connection_run(c, now_ms);
}

/* ---- deadlines ---- */

static void too_slow(struct connection *c, const char *why, int64_t now_ms)
{
	connection_refuse(c, HTTP_TOO_SLOW, 408, why, now_ms);
	connection_run(c, now_ms);
}

void connection_expire(struct connection *c, int64_t now_ms)
{
	switch (c->state) {
	case CONNECTION_HEAD:
		if (c->began) {
			too_slow(c, "the request's head took longer than 10 s", now_ms);
			return;
		}
		c->server->refused[HTTP_TOO_SLOW] += !c->is_known;
		break;
	case CONNECTION_BODY:
		too_slow(c, "the request's body took longer than 15 s", now_ms);
		return;
	case CONNECTION_WAITING:
		c->deadline_ms = INT64_MAX; /* the loop owes an answer */
		return;
	case CONNECTION_STREAM:
		if (!c->out.size && !(c->tls && tls_session_out(c->tls)->size)) {
			buffer_add_bytes(&c->out, ":\n\n", 3);
			connection_run(c, now_ms);
			return;
		}
		c->server->refused[HTTP_TOO_SLOW]++;
		break;
	case CONNECTION_ANSWER:
		c->server->refused[HTTP_TOO_SLOW]++;
		break;
	case CONNECTION_LINGER:
	case CONNECTION_DEAD:
		break;
	}
	connection_close(c);
}
