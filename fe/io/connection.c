/* OpenFlow connections on libuv: bytes in to the agent, bytes out as soon as the agent has any
 * (design P5).  What the kernel does not take at once waits for that connection alone; a peer that
 * lets too much pile up is dropped.
 *
 * A controller that does not answer is called again after 50 ms, then after twice that, up to a
 * second.  The agent may drop a connection, or have bytes for any other, from within any of its
 * calls; so a connection that must go is only marked and closed here, and the agent hears of it
 * later, from the loop.
 *
 * With TLS the agent hears of a controller when its certificate is found good.  Whether the
 * controller takes ours shows with its first bytes. */
#include "fe/io/connection_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "fe/io/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_MODULE("connection");

#define ACCEPTED_MAX 64
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define CONNECT_TIMEOUT_MAX_MS 2000
#define HANDSHAKE_MS 5000
#define STABLE_MS 1000 /* a connection that lasted so long is called again at once */

static void dial_again(struct dialer *d, const struct connection *lost);

static void release(struct connections *all)
{
	if (--all->open || !all->closing)
		return;
	tls_context_destroy(all->tls);
	buffer_finish(&all->plain);
	free(all);
}

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct connections *all = c->all;

	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	if (!c->dialer)
		all->accepted_count--;
	if (!all->closing) {
		if (c->session)
			agent_disconnect(c->session, clock_now_ms());
		if (c->dialer)
			dial_again(c->dialer, c);
		else
			log_debug("%s: closed: %s", c->peer, c->reason);
	}
	buffer_finish(&c->in_flight);
	tls_session_destroy(c->tls);
	free(c);
	release(all);
}

void connection_close(struct connection *c, const char *reason)
{
	if (uv_is_closing(&c->stream.handle))
		return;
	c->reason = reason;
	uv_close(&c->stream.handle, on_connection_closed);
}

/* ---- bytes out ---- */

static void on_written(uv_write_t *request, int status)
{
	struct connection *c = CONTAINER_OF(request, struct connection, writing);

	buffer_finish(&c->in_flight);
	c->in_flight = (struct buffer){0};
	if (status < 0 && status != UV_ECANCELED)
		connection_close(c, uv_strerror(status));
	else if (status == 0 && (c->session || c->tls))
		connection_write(c);
}

/* Lets libuv write what is in 'out' when the kernel takes it. */
static void write_later(struct connection *c, struct buffer *out)
{
	c->in_flight = *out;
	*out = (struct buffer){0};
	uv_buf_t piece = uv_buf_init((char *)c->in_flight.data, (unsigned)c->in_flight.size);
	int result = uv_write(&c->writing, &c->stream.any, &piece, 1, on_written);

	if (result < 0) {
		buffer_finish(&c->in_flight);
		c->in_flight = (struct buffer){0};
		connection_close(c, uv_strerror(result));
	}
}

/* What is to be written: the agent's bytes; with TLS the records of these and TLS's own. */
static struct buffer *take_out(struct connection *c)
{
	struct buffer *out = c->session ? &agent_connection_channel(c->session)->out : NULL;

	if (!c->tls)
		return out;
	if (out && !c->in_flight.size && tls_session_send(c->tls, out) < 0)
		connection_close(c, tls_session_reason(c->tls));
	return tls_session_out(c->tls);
}

/* What waits in the channel while bytes are in flight; without TLS that is 'out' itself. */
static size_t unencrypted(const struct connection *c)
{
	return c->tls && c->session ? agent_connection_channel(c->session)->out.size : 0;
}

/* While bytes are in flight the rest stays in the channel, where the agent sees how much it is. */
void connection_write(struct connection *c)
{
	struct buffer *out = take_out(c);

	if (uv_is_closing(&c->stream.handle)) {
		buffer_clear(out);
		return;
	}
	if (c->in_flight.size + out->size + unencrypted(c) > CHANNEL_OUT_MAX) {
		buffer_clear(out);
		connection_close(c, "it does not read what it is sent");
		return;
	}
	if (!out->size || c->in_flight.size)
		return;
	uv_buf_t piece = uv_buf_init((char *)out->data, (unsigned)out->size);
	int written = uv_try_write(&c->stream.any, &piece, 1);

	if (written < 0 && written != UV_EAGAIN) {
		buffer_clear(out);
		connection_close(c, uv_strerror(written));
		return;
	}
	if (written > 0)
		buffer_drop_front(out, (size_t)written);
	if (out->size)
		write_later(c, out);
}

void connection_flush(struct agent_connection *session)
{
	struct connection *c = agent_connection_handle(session);

	/* While agent_connect runs, 'session' is not set yet: start_session flushes. */
	if (c->session)
		connection_write(c);
}

void connection_drop(struct agent_connection *session)
{
	struct connection *c = agent_connection_handle(session);

	/* The agent has said why, and is told when it is closed (on_connection_closed). */
	c->is_explained = true;
	connection_close(c, agent_connection_channel(session)->down_reason);
}

/* ---- bytes in ---- */

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct connection *c = handle->data;

	*ret = uv_buf_init(c->all->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *piece)
{
	struct connection *c = stream->data;
	const uint8_t *bytes = (const uint8_t *)piece->base;

	if (size < 0)
		connection_close(c, size == UV_EOF ? "closed by the other end"
						   : uv_strerror((int)size));
	if (size <= 0)
		return;
	if (c->tls) {
		if (connection_decrypt(c, bytes, (size_t)size) < 0)
			return;
		bytes = c->all->plain.data;
		size = (ssize_t)c->all->plain.size;
	}
	if (size > 0 && c->session) {
		c->all->heard++;
		agent_receive(c->session, bytes, (size_t)size, clock_now_ms());
	}
}

uint64_t connections_heard(const struct connections *all)
{
	return all->heard;
}

static int init_stream(uv_loop_t *loop, const struct endpoint *e, union stream *stream)
{
	return e->is_unix ? uv_pipe_init(loop, &stream->pipe, 0) : uv_tcp_init(loop, &stream->tcp);
}

static struct connection *add_connection(struct connections *all, const struct endpoint *e)
{
	struct connection *c = memory_alloc(sizeof(*c));

	/* Cannot fail: no descriptor is made yet. */
	(void)init_stream(all->loop, e, &c->stream);
	c->stream.handle.data = c;
	c->all = all;
	snprintf(c->peer, sizeof(c->peer), "%s", e->text);
	c->next = all->list;
	c->link = &all->list;
	if (c->next)
		c->next->link = &c->next;
	all->list = c;
	all->open++;
	return c;
}

static void listen_to(struct connection *c)
{
	int result = uv_read_start(&c->stream.any, on_buffer_wanted, on_read);

	if (result < 0)
		connection_close(c, uv_strerror(result));
}

void connection_start_session(struct connection *c, const struct endpoint *e)
{
	if (c->dialer)
		(void)uv_timer_stop(&c->dialer->timer);
	c->session = agent_connect(c->all->agent, c->peer, c->dialer != NULL, c, clock_now_ms());
	if (!c->session) {
		connection_close(c, "the agent takes no more connections");
		return;
	}
	/* Our HELLO may be in it already. */
	connection_flush(c->session);
	if (!c->tls)
		listen_to(c);
}

/* ---- controllers ---- */

static void on_dial_timer(uv_timer_t *timer);

static void on_connected(uv_connect_t *request, int status)
{
	struct connection *c = CONTAINER_OF(request, struct connection, request);
	struct dialer *d = c->dialer;

	if (status == UV_ECANCELED || uv_is_closing(&c->stream.handle))
		return;
	if (status < 0) {
		(void)uv_timer_stop(&d->timer);
		connection_close(c, uv_strerror(status));
		return;
	}
	log_debug("%s: connected", c->peer);
	d->connected_ms = clock_now_ms();
	if (!d->endpoint.is_unix)
		(void)uv_tcp_nodelay(&c->stream.tcp, 1);
	if (d->endpoint.is_tls) {
		(void)uv_timer_start(&d->timer, on_dial_timer, HANDSHAKE_MS, 0);
		c->tls = tls_session_create(d->all->tls);
		connection_write(c);
		listen_to(c);
	} else {
		d->told[0] = '\0';
		connection_start_session(c, &d->endpoint);
	}
}

static void dial(struct dialer *d)
{
	struct connection *c = add_connection(d->all, &d->endpoint);
	int result = 0;

	c->dialer = d;
	d->connection = c;
	d->connected_ms = -1;
	if (d->endpoint.is_unix)
		uv_pipe_connect(&c->request, &c->stream.pipe, d->endpoint.address.local.sun_path,
				on_connected);
	else
		result = uv_tcp_connect(&c->request, &c->stream.tcp, &d->endpoint.address.any,
					on_connected);
	if (result < 0)
		connection_close(c, uv_strerror(result));
}

static void on_dial_timer(uv_timer_t *timer)
{
	struct dialer *d = timer->data;

	if (d->connection) {
		connection_close(d->connection, "no answer");
		return;
	}
	/* The first SYN may be lost while the network comes up, and the kernel sends another only
	 * after a second: sooner given up, it is sooner tried again. */
	unsigned timeout_ms = d->backoff_ms * 5;

	if (timeout_ms > CONNECT_TIMEOUT_MAX_MS)
		timeout_ms = CONNECT_TIMEOUT_MAX_MS;
	(void)uv_timer_start(timer, on_dial_timer, timeout_ms, 0);
	dial(d);
}

/* Elements that lost the same controller do not all call it in the same moment. */
static unsigned spread(unsigned delay_ms)
{
	return delay_ms + (unsigned)(uv_hrtime() / 1000 % (delay_ms / 4 + 1));
}

static void dial_again(struct dialer *d, const struct connection *lost)
{
	bool was_connected = d->connected_ms >= 0;
	bool was_stable = was_connected && clock_now_ms() - d->connected_ms >= STABLE_MS;

	d->connection = NULL;
	if (was_stable)
		d->backoff_ms = BACKOFF_MIN_MS;
	if (!lost->is_explained && strncmp(d->told, lost->reason, TOLD_SIZE - 1) != 0) {
		log_warn_rl("%s: %s: %s; trying again", lost->peer,
			    was_connected ? "lost" : "cannot connect", lost->reason);
		snprintf(d->told, TOLD_SIZE, "%s", lost->reason);
	}
	(void)uv_timer_start(&d->timer, on_dial_timer, spread(d->backoff_ms), 0);
	d->backoff_ms = d->backoff_ms * 2 < BACKOFF_MAX_MS ? d->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void add_dialer(struct connections *all, const struct endpoint *e)
{
	struct dialer *d = &all->dialers[all->dialer_count++];

	d->all = all;
	d->endpoint = *e;
	d->backoff_ms = BACKOFF_MIN_MS;
	(void)uv_timer_init(all->loop, &d->timer);
	d->timer.data = d;
	all->open++;
}

/* ---- tools ---- */

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = CONTAINER_OF(stream, struct listener, stream);
	struct connections *all = l->all;

	if (status < 0) {
		log_warn_rl("%s: a connection failed: %s", l->endpoint.text, uv_strerror(status));
		return;
	}
	struct connection *c = add_connection(all, &l->endpoint);
	int result = uv_accept(stream, &c->stream.any);

	all->accepted_count++;
	if (result < 0) {
		connection_close(c, uv_strerror(result));
	} else if (all->accepted_count > ACCEPTED_MAX) {
		log_warn_rl("%s: more than %d connections; refused", c->peer, ACCEPTED_MAX);
		connection_close(c, "there are too many");
	} else {
		if (!l->endpoint.is_unix)
			(void)uv_tcp_nodelay(&c->stream.tcp, 1);
		connection_start_session(c, &l->endpoint);
	}
}

/* /run is empty after a boot: the last directory on the way to a socket is made. */
static void make_directory(const struct endpoint *e)
{
	char *path = memory_copy_text(e->address.local.sun_path);
	char *slash = strrchr(path, '/');

	*slash = '\0';
	/* Where that fails, endpoint_listen says what is wrong. */
	if (slash > path)
		(void)mkdir(path, 0755);
	free(path);
}

static int add_listener(struct connections *all, const struct endpoint *e, struct reason *why)
{
	struct listener *l = &all->listeners[all->listener_count];
	if (e->is_unix)
		make_directory(e);
	int fd = endpoint_listen(e, why);

	if (fd < 0)
		return fd;
	l->all = all;
	l->endpoint = *e;
	int result = init_stream(all->loop, e, &l->stream);

	if (result == 0) {
		all->listener_count++;
		all->open++;
		result = e->is_unix ? uv_pipe_open(&l->stream.pipe, fd)
				    : uv_tcp_open(&l->stream.tcp, fd);
	}
	if (result < 0) {
		close(fd);
		return reason_set(why, result, "%s: %s", e->text, uv_strerror(result));
	}
	return 0;
}

/* ---- all ---- */

int connections_open(uv_loop_t *loop, const struct config *config, struct connections **ret,
		     struct reason *why)
{
	struct connections *all = memory_alloc(sizeof(*all));
	int result = 0;

	all->loop = loop;
	all->open = 1;
	for (unsigned i = 0; i < config->controller_count && result == 0 && !all->tls; i++)
		if (config->controllers[i].is_tls)
			result = connections_open_tls(all, config, why);
	for (unsigned i = 0; i < config->listener_count && result == 0; i++)
		result = add_listener(all, &config->listeners[i], why);
	if (result < 0) {
		connections_close(all);
		return result;
	}
	for (unsigned i = 0; i < config->controller_count; i++)
		add_dialer(all, &config->controllers[i]);
	*ret = all;
	return 0;
}

int connections_start(struct connections *all, struct agent *agent, struct reason *why)
{
	all->agent = agent;
	for (unsigned i = 0; i < all->listener_count; i++) {
		struct listener *l = &all->listeners[i];
		int result = uv_listen(&l->stream.any, ACCEPTED_MAX, on_connection);

		if (result < 0)
			return reason_set(why, result, "%s: %s", l->endpoint.text,
					  uv_strerror(result));
		log_info("%s: listening", l->endpoint.text);
	}
	uv_update_time(all->loop); /* the start took long: timers would be over at once */
	for (unsigned i = 0; i < all->dialer_count; i++)
		on_dial_timer(&all->dialers[i].timer);
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	release(((struct dialer *)handle->data)->all);
}

static void on_listener_closed(uv_handle_t *handle)
{
	release(CONTAINER_OF(handle, struct listener, stream.handle)->all);
}

void connections_close(struct connections *all)
{
	if (!all)
		return;
	all->closing = true;
	for (unsigned i = 0; i < all->listener_count; i++) {
		endpoint_unlink(&all->listeners[i].endpoint);
		uv_close(&all->listeners[i].stream.handle, on_listener_closed);
	}
	for (unsigned i = 0; i < all->dialer_count; i++)
		uv_close((uv_handle_t *)&all->dialers[i].timer, on_timer_closed);
	for (struct connection *c = all->list; c; c = c->next) {
		/* What the agent, which goes first, may still want to say is not said. */
		c->session = NULL;
		connection_close(c, "stopping");
	}
	release(all);
}
