/* HTTP/1.1 for the northbound: connections live on a thread of their own, requests come out on the
 * loop, answers go back by id.  Knows nothing of VICTOR.
 *
 * A browser on this machine could be made to talk to a loopback port by any web page; so over TCP a
 * request must name the endpoint's host (or "localhost") in Host, and an Origin must match it. */
#pragma once

#include "base/wire.h"
#include "shell/endpoint.h"

#include <uv.h>

#define HTTP_BODY_MAX 65536
#define HTTP_CONNECTIONS_MAX 512

struct http_request {
	uint64_t id;
	char method[8];   /* "GET" */
	char path[512];   /* decoded, starts with '/' */
	char query[1024]; /* as it came, without '?' */
	char *body;       /* terminated; owned by the request */
	size_t body_size;
	struct http_request *next;
};

struct http_ops {
	/* On the loop.  Takes ownership of 'r' (http_request_free); http_answer is owed. */
	void (*request)(void *context, struct http_request *r);
	/* On the HTTP thread: adds to 'out' what a watcher that has seen '*after' has not, and
	 * moves '*after' on.  Nothing added: it is up to date.  UINT64_MAX: it has just come. */
	void (*stream)(void *context, uint64_t *after, struct buffer *out);
	void *context;
};

struct http_server;

/* 'stream_path' is where GET opens an event stream (Last-Event-ID becomes '*after'). */
MUST_USE int http_start(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
			const char *stream_path, const struct http_ops *ops,
			struct http_server **ret, struct reason *why);
/* Takes the bytes of 'body'.  'content_type' and 'allow' (NULL, or the Allow header's value of a
 * 405) are static text.  The connection may be gone: then nothing happens. */
void http_answer(struct http_server *h, uint64_t id, int status, const char *content_type,
		 const char *allow, struct buffer *body);
/* Streams have something to say. */
void http_wake_streams(struct http_server *h);
void http_request_free(struct http_request *r);
/* Ends the thread, then the handles on the loop; memory goes once the loop has run the closings. */
void http_stop(struct http_server *h);
