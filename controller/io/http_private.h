/* What the parts of the HTTP server share: http.c runs on the loop; http_thread.c is a thread of
 *its own with http_connection.c.  Both directions are lists under one lock, each with its alarm; no
 * timer is on the way.
 *
 *	loop:    answers, wake_streams -> http_thread_wake -> take_inbox
 *	thread:  requests              -> uv_async_send    -> on_requests */
#pragma once

#include "controller/io/http.h"
#include "controller/io/http_limits.h"
#include "tls/session.h"

#include <pthread.h>
#include <stdatomic.h>

struct answer {
	struct answer *next;
	uint64_t id;
	int status;
	const char *content_type, *allow;
	struct buffer body;
};

struct listener {
	struct endpoint endpoint;
	int fd;
};

struct http_server {
	const struct http_ops *ops;
	const char *stream_path;
	uv_async_t arrived; /* the loop is to look at 'requests' */
	struct listener *listeners;
	unsigned listener_count;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;
	struct answer *answers, **last_answer;
	struct http_request *requests, **last_request;
	bool stop, wake_streams;
	unsigned streams;
	_Atomic uint64_t refused[HTTP_CAUSE_COUNT];

	/* The thread's own. */
	int poll, alarm; /* epoll, eventfd */
	struct connection *connections, **last_connection, *dead;
	struct http_limits limits;
	uint64_t next_id;
	struct tls_context *tls; /* NULL where no endpoint has TLS */
	int64_t looked_ms;       /* at the files of TLS */
};

enum connection_state {
	CONNECTION_HEAD,    /* a request's head comes, or nothing yet */
	CONNECTION_BODY,    /* its body */
	CONNECTION_WAITING, /* the loop has the request */
	CONNECTION_ANSWER,  /* 'out' is to be written */
	CONNECTION_STREAM,
	CONNECTION_LINGER, /* all is said; what still comes is thrown away, so that it is read */
	CONNECTION_DEAD,
};

struct connection {
	struct connection *next, **link;
	struct http_server *server;
	int fd;
	uint32_t events; /* that epoll waits for */
	struct http_peer peer;
	struct http_address *address; /* NULL over UNIX */
	struct tls_session *tls;      /* NULL: in the clear */
	bool is_own, is_known;
	enum connection_state state;
	int64_t deadline_ms;
	uint64_t id; /* of the request that is answered */
	struct http_head head;
	struct http_request *request;
	struct buffer in, out;
	size_t scanned, sent; /* of 'in'; of what goes to the socket */
	bool began;           /* bytes of a head have come */
	bool ends;            /* the connection does, after the answer */
	uint64_t after;       /* a stream's place */
	size_t lingered;      /* bytes thrown away */
};

/* Accepts NULL. */
void answer_free(struct answer *a);

/* From the loop: starts the thread, ends it and waits, tells it to look at its lists. */
MUST_USE int http_thread_start(struct http_server *h, struct reason *why);
void http_thread_stop(struct http_server *h);
void http_thread_wake(struct http_server *h);

/* http_connection.c, on the thread.  A dead connection is freed by connection_bury, after all
 * events that may name it. */
void connection_open(struct http_server *h, int fd, const struct listener *l, int64_t now_ms);
void connection_run(struct connection *c, int64_t now_ms);
/* 'events' are epoll's. */
void connection_event(struct connection *c, uint32_t events, int64_t now_ms);
void connection_expire(struct connection *c, int64_t now_ms);
void connection_deliver(struct connection *c, struct answer *a, int64_t now_ms);
void connection_close(struct connection *c);
/* Says that we say no more, and reads on a moment: closed with bytes unread, TCP would take back
 * the answer with a reset. */
void connection_linger(struct connection *c, int64_t now_ms);
void connection_bury(struct http_server *h);
/* Writes what is in 'out' beside what the state does; false: the connection is closed. */
MUST_USE bool connection_push(struct connection *c);

/* http_tls.c */
MUST_USE int http_tls_open(struct http_server *h, const struct tls_files *files,
			   struct reason *why);
/* Looks at the files once a second, and ends who may not come in any more. */
void http_tls_tick(struct http_server *h, int64_t now_ms);
/* What comes from the socket, to 'in'.  Where that is no TLS, or of somebody who may not come in,
 * it is counted, and the connection lingers or (negative) is closed. */
MUST_USE int http_tls_receive(struct connection *c, const void *bytes, size_t size);

/* Counts, and answers {"error": why}; the connection ends after it. */
void connection_refuse(struct connection *c, enum http_cause cause, int status, const char *why,
		       int64_t now_ms);
