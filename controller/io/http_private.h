/* What the two halves of the HTTP server share: http.c runs on the loop, northbound_http.c on a
 * thread of its own with libwebsockets.  Both directions are lists under one lock, each with its
 * alarm; no timer is on the way.
 *
 *	loop:    accepted, answers, wake_streams -> http_thread_wake -> take_inbox
 *	thread:  requests                        -> uv_async_send    -> on_requests */
#pragma once

#include "controller/io/http.h"

#include <pthread.h>

struct accepted {
	struct accepted *next;
	int fd;
	const struct endpoint *endpoint;
};

struct answer {
	struct answer *next;
	uint64_t id;
	int status;
	const char *content_type, *allow;
	struct buffer body;
};

struct http_server {
	const struct http_ops *ops;
	const char *stream_path;
	uv_async_t arrived; /* the loop is to look at 'requests' */

	/* The loop's own. */
	struct listener *listeners;
	unsigned listener_count, open;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;
	struct accepted *accepted;
	struct answer *answers, **last_answer;
	struct http_request *requests, **last_request;
	bool stop, wake_streams;
	unsigned streams;

	/* The thread's own. */
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct session *sessions;
	uint64_t next_id;
};

/* Accepts NULL. */
void answer_free(struct answer *a);

/* From the loop: starts the thread, ends it and waits, tells it to look at its lists. */
MUST_USE int http_thread_start(struct http_server *h, struct reason *why);
void http_thread_stop(struct http_server *h);
void http_thread_wake(struct http_server *h);
