/* FEs' connections on libuv: bytes in to the core, bytes out as soon as the core has any (design
 * P5).  What the kernel does not take at once is queued for that connection alone; one that lets
 * too much pile up is dropped, so that a slow FE never slows the others.
 *
 * The core may drop a session, or have bytes for any other, from within any of its calls; so a
 * connection that must go is only marked and closed here, and the core hears of it later, from the
 * loop.
 *
 * With TLS the core hears of a connection when its certificate is found good, and whom that names;
 * before that it is a stranger, whom the doorkeeper watches. */
#include "controller/io/southbound_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

LOG_MODULE("southbound");

#define QUEUED_MAX (64u << 20)
#define CONNECTIONS_MAX 16384
#define TICK_MS 25
#define BARRIERS_MS 2
#define SOON_MAX 16384 /* bytes of one connection that wait for the loop's turn to end */

struct queued_write {
	uv_write_t request;
	struct buffer bytes;
};

static void release(struct southbound *sb)
{
	if (--sb->open || !sb->closing)
		return;
	tls_context_destroy(sb->tls);
	buffer_finish(&sb->plain);
	free(sb->listeners);
	free(sb);
}

static void stop_waiting(struct connection *c)
{
	struct southbound *sb = c->southbound;

	if (!c->waiting_link)
		return;
	*c->waiting_link = c->waiting_next;
	if (c->waiting_next)
		c->waiting_next->waiting_link = c->waiting_link;
	else
		sb->waiting_end = c->waiting_link;
	c->waiting_link = NULL;
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct southbound *sb = c->southbound;

	stop_waiting(c);
	/* While we close, too: the store's end runs the loop before the core is gone. */
	if (c->session)
		core_session_close(c->session, c->reason, clock_now_ms());
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	sb->connection_count--;
	tls_session_destroy(c->tls);
	free(c);
	release(sb);
}

void southbound_close_connection(struct connection *c, const char *reason)
{
	if (uv_is_closing(&c->stream.handle))
		return;
	c->reason = reason;
	doorkeeper_release(&c->southbound->door, &c->stranger);
	uv_close(&c->stream.handle, on_connection_closed);
}

static void on_written(uv_write_t *request, int status)
{
	struct queued_write *w = CONTAINER_OF(request, struct queued_write, request);
	struct connection *c = request->handle->data;

	if (status < 0 && status != UV_ECANCELED)
		southbound_close_connection(c, uv_strerror(status));
	buffer_finish(&w->bytes);
	free(w);
}

/* Queues what is in 'out' and leaves it empty. */
static void queue_rest(struct connection *c, struct buffer *out)
{
	struct queued_write *w = memory_alloc(sizeof(*w));

	w->bytes = *out;
	*out = (struct buffer){0};
	uv_buf_t piece = uv_buf_init((char *)w->bytes.data, (unsigned)w->bytes.size);
	int result = uv_write(&w->request, &c->stream.any, &piece, 1, on_written);

	if (result < 0) {
		buffer_finish(&w->bytes);
		free(w);
		southbound_close_connection(c, uv_strerror(result));
	}
}

/* What is to be written: the core's bytes; with TLS the records of these and TLS's own. */
static struct buffer *take_out(struct connection *c)
{
	struct buffer *out = c->session ? &session_channel(c->session)->out : NULL;

	if (!c->tls)
		return out;
	if (out && tls_session_send(c->tls, out) < 0)
		southbound_close_connection(c, tls_session_reason(c->tls));
	return tls_session_out(c->tls);
}

void southbound_write(struct connection *c)
{
	struct buffer *out = take_out(c);

	if (uv_is_closing(&c->stream.handle)) {
		buffer_clear(out);
		return;
	}
	if (uv_stream_get_write_queue_size(&c->stream.any) + out->size > QUEUED_MAX) {
		log_warn_rl("%s: does not read what it is sent; dropped", c->peer);
		buffer_clear(out);
		southbound_close_connection(c, "it does not read what it is sent");
		return;
	}
	if (!out->size)
		return;
	uv_buf_t piece = uv_buf_init((char *)out->data, (unsigned)out->size);
	int written = uv_try_write(&c->stream.any, &piece, 1);

	if (written < 0 && written != UV_EAGAIN) {
		buffer_clear(out);
		southbound_close_connection(c, uv_strerror(written));
		return;
	}
	if (written > 0)
		buffer_drop_front(out, (size_t)written);
	if (out->size)
		queue_rest(c, out);
}

void southbound_flush(struct session *s)
{
	struct connection *c = session_handle(s);

	stop_waiting(c);
	if (c->session && session_channel(s)->out.size)
		southbound_write(c);
}

static void write_waiting(struct southbound *sb)
{
	struct connection *c;

	while ((c = sb->waiting)) {
		stop_waiting(c);
		if (c->session && core_end_with_barrier(c->session))
			continue;
		if (c->session && session_channel(c->session)->out.size)
			southbound_write(c);
	}
}

void southbound_flush_soon(struct session *s)
{
	struct connection *c = session_handle(s);
	struct southbound *sb = c->southbound;

	if (session_channel(s)->out.size > SOON_MAX) {
		southbound_flush(s);
	} else if (!c->waiting_link) {
		c->waiting_next = NULL;
		c->waiting_link = sb->waiting_end;
		*sb->waiting_end = c;
		sb->waiting_end = &c->waiting_next;
	}
}

static void on_after_poll(uv_check_t *check)
{
	write_waiting(check->data);
}

static void on_busy(uv_idle_t *idle)
{
}

static void on_barriers(uv_timer_t *timer)
{
	struct southbound *sb = timer->data;

	core_send_barriers(sb->core);
}

/* FEs that have come back have their turn when all that has arrived was heard. */
static void on_before_poll(uv_prepare_t *prepare)
{
	struct southbound *sb = prepare->data;

	write_waiting(sb);
	if (core_owes_barriers(sb->core) && !uv_is_active((uv_handle_t *)&sb->barriers))
		(void)uv_timer_start(&sb->barriers, on_barriers, BARRIERS_MS, 0);
	if (core_is_comparing(sb->core) && core_compare(sb->core)) {
		write_waiting(sb);
		(void)uv_idle_start(&sb->busy, on_busy);
	} else {
		(void)uv_idle_stop(&sb->busy);
	}
}

void southbound_drop(struct session *s)
{
	struct connection *c = session_handle(s);

	/* A last ERROR may be in there: it tells the peer why. */
	southbound_flush(s);
	c->session = NULL;
	if (c->tls && !uv_is_closing(&c->stream.handle)) {
		tls_session_finish(c->tls);
		southbound_write(c);
	}
	southbound_close_connection(c, NULL);
}

size_t southbound_unsent(const struct session *s)
{
	const struct connection *c = session_handle(s);

	return c->session ? uv_stream_get_write_queue_size(&c->stream.any) : 0;
}

/* tcp(7): SIOCOUTQ is what the other end's kernel has not acknowledged. */
bool southbound_is_acknowledged(struct session *s)
{
	const struct connection *c = session_handle(s);
	int fd, waiting = 0;

	return c->session && uv_stream_get_write_queue_size(&c->stream.any) == 0 &&
	       uv_fileno(&c->stream.handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &waiting) == 0 &&
	       waiting == 0;
}

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct connection *c = handle->data;

	/* Without a buffer libuv reads nothing, and says ENOBUFS. */
	*ret = uv_buf_init(c->southbound->read_buffer, southbound_may_hear(c) ? READ_SIZE : 0);
}

static void end_of_stream(struct connection *c, int error)
{
	if (c->stranger.is_here && error == UV_EOF)
		southbound_turn_away(c, TLS_REFUSED_BROKEN, c->host,
				     "it left in the middle of the handshake");
	else
		southbound_close_connection(c, error == UV_EOF ? "the FE closed the connection"
							       : uv_strerror(error));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *piece)
{
	struct connection *c = stream->data;
	struct southbound *sb = c->southbound;
	const uint8_t *bytes = (const uint8_t *)piece->base;

	if (size == UV_ENOBUFS && c->stranger.is_here)
		southbound_pause_stranger(c);
	else if (size < 0)
		end_of_stream(c, (int)size);
	if (size <= 0)
		return;
	if (c->tls) {
		if (southbound_decrypt(c, bytes, (size_t)size) < 0)
			return;
		bytes = sb->plain.data;
		size = (ssize_t)sb->plain.size;
	}
	if (size > 0 && c->session)
		core_session_receive(c->session, bytes, (size_t)size, clock_now_ms());
}

/* 'address' is left as it is where there is none. */
static void name_peer(struct connection *c, const struct listener *l,
		      struct sockaddr_storage *address)
{
	int size = sizeof(*address);
	char host[INET6_ADDRSTRLEN] = "?";
	uint16_t port;

	if (l->endpoint.is_unix ||
	    uv_tcp_getpeername(&c->stream.tcp, (struct sockaddr *)address, &size) < 0) {
		snprintf(c->peer, sizeof(c->peer), "%.60s", l->endpoint.text);
		return;
	}
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	bool is_v6 = address->ss_family == AF_INET6;

	if (is_v6)
		uv_ip6_name(v6, host, sizeof(host));
	else
		uv_ip4_name(v4, host, sizeof(host));
	port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
	snprintf(c->host, sizeof(c->host), "%s", host);
	snprintf(c->peer, sizeof(c->peer), is_v6 ? "%s:[%s]:%u" : "%s:%s:%u",
		 l->endpoint.is_tls ? "tls" : "tcp", host, port);
}

static int init_stream(uv_loop_t *loop, const struct endpoint *e, union stream *stream)
{
	return e->is_unix ? uv_pipe_init(loop, &stream->pipe, 0) : uv_tcp_init(loop, &stream->tcp);
}

void southbound_listen_to(struct connection *c)
{
	int result = uv_read_start(&c->stream.any, on_buffer_wanted, on_read);

	if (result < 0)
		southbound_close_connection(c, uv_strerror(result));
}

static void start_session(struct connection *c, const struct listener *l)
{
	struct sockaddr_storage from = {0};

	if (!l->endpoint.is_unix)
		(void)uv_tcp_nodelay(&c->stream.tcp, 1);
	name_peer(c, l, &from);
	if (c->southbound->connection_count > CONNECTIONS_MAX) {
		log_warn_rl("%s: more than %d connections; refused", c->peer, CONNECTIONS_MAX);
		southbound_close_connection(c, NULL);
		return;
	}
	if (l->endpoint.is_tls) {
		southbound_meet_stranger(c, &from);
		return;
	}
	c->session = core_session_open(c->southbound->core, c->peer, c, clock_now_ms());
	if (!c->session) {
		southbound_close_connection(c, NULL);
		return;
	}
	/* Our HELLO may be in it already. */
	southbound_flush(c->session);
	southbound_listen_to(c);
}

static struct connection *add_connection(struct southbound *sb)
{
	struct connection *c = memory_alloc(sizeof(*c));

	c->southbound = sb;
	c->stream.handle.data = c;
	c->next = sb->connections;
	c->link = &sb->connections;
	if (c->next)
		c->next->link = &c->next;
	sb->connections = c;
	sb->connection_count++;
	sb->open++;
	return c;
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = CONTAINER_OF(stream, struct listener, stream);

	if (status < 0) {
		log_warn_rl("%s: a connection failed: %s", l->endpoint.text, uv_strerror(status));
		return;
	}
	struct connection *c = add_connection(l->southbound);

	/* Cannot fail: no descriptor is made yet. */
	(void)init_stream(l->southbound->loop, &l->endpoint, &c->stream);
	c->stream.handle.data = c;
	int result = uv_accept(stream, &c->stream.any);

	if (result < 0)
		southbound_close_connection(c, uv_strerror(result));
	else
		start_session(c, l);
}

static void on_tick(uv_timer_t *timer)
{
	struct southbound *sb = timer->data;

	core_tick(sb->core, clock_now_ms());
	southbound_turn_away_overdue(sb);
}

static int open_listener(struct southbound *sb, struct listener *l, struct reason *why)
{
	int fd = endpoint_listen(&l->endpoint, why);

	if (fd < 0)
		return fd;
	int result = init_stream(sb->loop, &l->endpoint, &l->stream);

	if (result == 0) {
		sb->open++;
		l->stream.handle.data = l;
		l->listening = true;
		result = l->endpoint.is_unix ? uv_pipe_open(&l->stream.pipe, fd)
					     : uv_tcp_open(&l->stream.tcp, fd);
	}
	if (result < 0) {
		close(fd);
		return reason_set(why, result, "%s: %s", l->endpoint.text, uv_strerror(result));
	}
	return 0;
}

int southbound_open(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
		    const struct tls_files *files, struct southbound **ret, struct reason *why)
{
	struct southbound *sb = memory_alloc(sizeof(*sb));
	int result = 0;

	sb->loop = loop;
	sb->open = 1;
	(void)uv_timer_init(loop, &sb->tick);
	(void)uv_timer_init(loop, &sb->barriers);
	(void)uv_timer_init(loop, &sb->window);
	(void)uv_check_init(loop, &sb->after_poll);
	(void)uv_prepare_init(loop, &sb->before_poll);
	(void)uv_idle_init(loop, &sb->busy);
	sb->tick.data = sb->barriers.data = sb->window.data = sb->after_poll.data =
		sb->before_poll.data = sb;
	sb->busy.data = sb;
	sb->waiting_end = &sb->waiting;
	sb->open += 5;
	sb->listener_count = count;
	sb->listeners = memory_alloc_array(count, sizeof(*sb->listeners));
	for (unsigned i = 0; i < count && result == 0; i++) {
		sb->listeners[i].southbound = sb;
		sb->listeners[i].endpoint = endpoints[i];
		if (endpoints[i].is_tls && !sb->tls)
			result = southbound_open_tls(sb, files, why);
		if (result == 0)
			result = open_listener(sb, &sb->listeners[i], why);
	}
	if (result < 0) {
		southbound_close(sb);
		return result;
	}
	*ret = sb;
	return 0;
}

int southbound_start(struct southbound *sb, struct core *core, struct reason *why)
{
	sb->core = core;
	for (unsigned i = 0; i < sb->listener_count; i++) {
		struct listener *l = &sb->listeners[i];
		int result = uv_listen(&l->stream.any, 512, on_connection);

		if (result < 0)
			return reason_set(why, result, "%s: %s", l->endpoint.text,
					  uv_strerror(result));
		log_info("listening for forwarding elements at %s", l->endpoint.text);
	}
	(void)uv_timer_start(&sb->tick, on_tick, TICK_MS, TICK_MS);
	(void)uv_check_start(&sb->after_poll, on_after_poll);
	(void)uv_prepare_start(&sb->before_poll, on_before_poll);
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	release(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
	release(((struct listener *)handle->data)->southbound);
}

void southbound_close(struct southbound *sb)
{
	sb->closing = true;
	for (unsigned i = 0; i < sb->listener_count; i++) {
		if (!sb->listeners[i].listening)
			continue;
		endpoint_unlink(&sb->listeners[i].endpoint);
		uv_close(&sb->listeners[i].stream.handle, on_listener_closed);
	}
	for (struct connection *c = sb->connections; c; c = c->next)
		southbound_close_connection(c, NULL);
	uv_close((uv_handle_t *)&sb->tick, on_handle_closed);
	uv_close((uv_handle_t *)&sb->barriers, on_handle_closed);
	uv_close((uv_handle_t *)&sb->window, on_handle_closed);
	uv_close((uv_handle_t *)&sb->after_poll, on_handle_closed);
	uv_close((uv_handle_t *)&sb->busy, on_handle_closed);
	uv_close((uv_handle_t *)&sb->before_poll, on_handle_closed);
}
