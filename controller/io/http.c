/* The HTTP server's half on the loop.  It accepts (uv_poll on our own listening sockets, so that
 * errors are explained and UNIX sockets in use are not taken away), hands descriptors to
 * northbound_http.c, takes requests from there and gives answers back. */
#include "controller/io/http_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LOG_MODULE("http");

struct listener {
	uv_poll_t poll;
	struct http_server *server;
	struct endpoint endpoint;
	int fd;
};

void http_request_free(struct http_request *r)
{
	if (!r)
		return;
	free(r->body);
	free(r);
}

void answer_free(struct answer *a)
{
	if (!a)
		return;
	buffer_finish(&a->body);
	free(a);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = CONTAINER_OF(poll, struct listener, poll);
	struct http_server *h = l->server;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED)
			log_warn_rl("%s: accept: %s", l->endpoint.text, strerror(errno));
		return;
	}
	struct accepted *a = memory_alloc(sizeof(*a));

	a->fd = fd;
	a->endpoint = &l->endpoint;
	pthread_mutex_lock(&h->lock);
	a->next = h->accepted;
	h->accepted = a;
	pthread_mutex_unlock(&h->lock);
	http_thread_wake(h);
}

static void on_requests(uv_async_t *async)
{
	struct http_server *h = async->data;

	pthread_mutex_lock(&h->lock);
	struct http_request *r = h->requests;

	h->requests = NULL;
	h->last_request = &h->requests;
	pthread_mutex_unlock(&h->lock);
	while (r) {
		struct http_request *next = r->next;

		r->next = NULL;
		h->ops->request(h->ops->context, r);
		r = next;
	}
}

void http_answer(struct http_server *h, uint64_t id, int status, const char *content_type,
		 const char *allow, struct buffer *body)
{
	struct answer *a = memory_alloc(sizeof(*a));

	a->id = id;
	a->status = status;
	a->content_type = content_type;
	a->allow = allow;
	a->body = *body;
	*body = (struct buffer){0};
	pthread_mutex_lock(&h->lock);
	*h->last_answer = a;
	h->last_answer = &a->next;
	pthread_mutex_unlock(&h->lock);
	http_thread_wake(h);
}

void http_wake_streams(struct http_server *h)
{
	pthread_mutex_lock(&h->lock);
	bool wake = h->streams && !h->wake_streams;

	h->wake_streams |= wake;
	pthread_mutex_unlock(&h->lock);
	if (wake)
		http_thread_wake(h);
}

static int open_listener(struct http_server *h, uv_loop_t *loop, struct listener *l,
			 struct reason *why)
{
	l->fd = endpoint_listen(&l->endpoint, why);
	if (l->fd < 0)
		return l->fd;
	l->server = h;
	int result = uv_poll_init(loop, &l->poll, l->fd);

	if (result < 0) {
		close(l->fd);
		l->fd = -1;
		return reason_set(why, result, "%s: %s", l->endpoint.text, uv_strerror(result));
	}
	h->open++;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
	log_info("serving REST at %s", l->endpoint.text);
	return 0;
}

int http_start(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
	       const char *stream_path, const struct http_ops *ops, struct http_server **ret,
	       struct reason *why)
{
	struct http_server *h = memory_alloc(sizeof(*h));
	int result = 0;

	h->ops = ops;
	h->stream_path = stream_path;
	h->last_answer = &h->answers;
	h->last_request = &h->requests;
	pthread_mutex_init(&h->lock, NULL);
	h->open = 1;
	(void)uv_async_init(loop, &h->arrived, on_requests);
	h->arrived.data = h;
	h->listeners = memory_alloc_array(count, sizeof(*h->listeners));
	h->listener_count = count;
	for (unsigned i = 0; i < count; i++) {
		h->listeners[i].endpoint = endpoints[i];
		h->listeners[i].fd = -1;
	}
	for (unsigned i = 0; i < count && result == 0; i++)
		result = open_listener(h, loop, &h->listeners[i], why);
	if (result == 0)
		result = http_thread_start(h, why);
	if (result < 0) {
		http_stop(h);
		return result;
	}
	*ret = h;
	return 0;
}

static void release(struct http_server *h)
{
	if (--h->open)
		return;
	while (h->requests) {
		struct http_request *next = h->requests->next;

		http_request_free(h->requests);
		h->requests = next;
	}
	while (h->answers) {
		struct answer *next = h->answers->next;

		answer_free(h->answers);
		h->answers = next;
	}
	while (h->accepted) {
		struct accepted *next = h->accepted->next;

		close(h->accepted->fd);
		free(h->accepted);
		h->accepted = next;
	}
	pthread_mutex_destroy(&h->lock);
	free(h->listeners);
	free(h);
}

static void on_async_closed(uv_handle_t *handle)
{
	release(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
	release(CONTAINER_OF((uv_poll_t *)handle, struct listener, poll)->server);
}

void http_stop(struct http_server *h)
{
	http_thread_stop(h);
	for (unsigned i = 0; i < h->listener_count; i++) {
		struct listener *l = &h->listeners[i];

		if (l->fd < 0)
			continue;
		endpoint_unlink(&l->endpoint);
		uv_poll_stop(&l->poll);
		close(l->fd);
		uv_close((uv_handle_t *)&l->poll, on_poll_closed);
	}
	uv_close((uv_handle_t *)&h->arrived, on_async_closed);
}
