/* The HTTP server's half on the loop: it opens the listening sockets (so that errors are explained
 * and UNIX sockets in use are not taken away), takes requests from the thread (http_thread.c) and
 * gives answers back. */
#include "controller/io/http_private.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LOG_MODULE("http");

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

const char *http_cause_name(enum http_cause cause)
{
#define HTTP_CAUSE_NAME(name, text) text,
	static const char *const names[] = {HTTP_CAUSES(HTTP_CAUSE_NAME)};

	return names[cause];
}

uint64_t http_refused(const struct http_server *h, enum http_cause cause)
{
	return atomic_load(&h->refused[cause]);
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

int http_start(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
	       const struct tls_files *files, const char *stream_path, const struct http_ops *ops,
	       struct http_server **ret, struct reason *why)
{
	struct http_server *h = memory_alloc(sizeof(*h));
	int result = 0;

	h->ops = ops;
	h->stream_path = stream_path;
	h->last_answer = &h->answers;
	h->last_request = &h->requests;
	h->last_connection = &h->connections;
	h->poll = h->alarm = -1;
	pthread_mutex_init(&h->lock, NULL);
	(void)uv_async_init(loop, &h->arrived, on_requests);
	h->arrived.data = h;
	h->listeners = memory_alloc_array(count, sizeof(*h->listeners));
	h->listener_count = count;
	for (unsigned i = 0; i < count; i++) {
		h->listeners[i].endpoint = endpoints[i];
		h->listeners[i].fd = -1;
	}
	for (unsigned i = 0; i < count && result == 0; i++) {
		struct listener *l = &h->listeners[i];

		if (l->endpoint.is_tls && !h->tls)
			result = http_tls_open(h, files, why);
		if (result < 0)
			break;
		l->fd = endpoint_listen(&l->endpoint, why);
		result = l->fd < 0 ? l->fd : 0;
		if (result == 0)
			log_info("serving REST at %s", l->endpoint.text);
	}
	if (result == 0)
		result = http_thread_start(h, why);
	if (result < 0) {
		http_stop(h);
		return result;
	}
	*ret = h;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct http_server *h = handle->data;

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
	pthread_mutex_destroy(&h->lock);
	tls_context_destroy(h->tls);
	free(h->listeners);
	free(h);
}

void http_stop(struct http_server *h)
{
	http_thread_stop(h);
	for (unsigned i = 0; i < h->listener_count; i++) {
		if (h->listeners[i].fd < 0)
			continue;
		endpoint_unlink(&h->listeners[i].endpoint);
		close(h->listeners[i].fd);
	}
	uv_close((uv_handle_t *)&h->arrived, on_closed);
}
