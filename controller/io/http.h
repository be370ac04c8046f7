/* HTTP/1.1 for the northbound: connections live on a thread of their own, requests that are allowed
 * come out on the loop, answers go back by id.  What a stranger sends never reaches the loop.
 *
 * A browser on this machine could be made to talk to a loopback port by any web page; so over TCP a
 * request must name the endpoint's host (or "localhost") in Host, and an Origin must match it. */
#pragma once

#include "base/wire.h"
#include "controller/io/access.h"
#include "controller/io/http_head.h"
#include "shell/endpoint.h"
#include "tls/context.h"

#include <sys/types.h>
#include <uv.h>

struct http_request {
	uint64_t id;
	char method[8];   /* "GET" */
	char path[512];   /* decoded, starts with '/' */
	char query[1024]; /* as it came, without '?' */
	char *body;       /* terminated; owned by the request */
	size_t body_size;
	struct user user;
	struct http_request *next;
};

/* Where a request comes from. */
struct http_peer {
	const struct endpoint *endpoint;
	char text[USER_FROM_SIZE];              /* its address, or "unix" */
	uid_t uid;                              /* over a UNIX socket */
	const struct tls_identity *certificate; /* whom its certificate names, or NULL */
};

/* Why requests and connections were refused, for the metrics. */
#define HTTP_CAUSES(_)                                                                     \
	_(MALFORMED, "malformed")             /* no HTTP, or understood in two ways */     \
	_(TOO_LARGE, "too-large")             /* head, path or body */                     \
	_(TOO_SLOW, "too-slow")               /* the deadline for head, body, handshake */ \
	_(CROWDED, "too-many-connections")    /* of its address, or in all */              \
	_(FOREIGN, "foreign-site")            /* Host or Origin */                         \
	_(TLS, "tls")                         /* the handshake failed */                   \
	_(UNAUTHENTICATED, "unauthenticated") /* no credentials, or wrong ones */          \
	_(FORBIDDEN, "forbidden")             /* the role may not */                       \
	_(LIMITED, "too-many-failures")       /* wrong credentials too often */

#define HTTP_CAUSE_ENUM(name, text) HTTP_##name,
enum http_cause { HTTP_CAUSES(HTTP_CAUSE_ENUM) HTTP_CAUSE_COUNT };

struct http_ops {
	/* On the loop.  Takes ownership of 'r' (http_request_free); http_answer is owed. */
	void (*request)(void *context, struct http_request *r);
	/* On the HTTP thread, before a request's body is read.  'authorization' is the header's
	 * text, or "".  0 and '*ret' set; or minus the status that refuses it, with a reason:
	 * -401, -403. */
	int (*allow)(void *context, const struct http_peer *peer, const char *authorization,
		     const char *method, const char *path, struct user *ret, struct reason *why);
	/* On the HTTP thread: adds to 'out' what a watcher that has seen '*after' has not, and
	 * moves '*after' on.  Nothing added: it is up to date.  UINT64_MAX: it has just come. */
	void (*stream)(void *context, uint64_t *after, struct buffer *out);
	void *context;
};

struct http_server;

/* 'files' are for endpoints with TLS; looked at again every second.
 * 'stream_path' is where GET opens an event stream (Last-Event-ID becomes '*after'). */
MUST_USE int http_start(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
			const struct tls_files *files, const char *stream_path,
			const struct http_ops *ops, struct http_server **ret, struct reason *why);
/* Takes the bytes of 'body'.  'content_type' and 'allow' (NULL, or the Allow header's value of a
 * 405) are static text.  The connection may be gone: then nothing happens.  From any thread. */
void http_answer(struct http_server *h, uint64_t id, int status, const char *content_type,
		 const char *allow, struct buffer *body);
/* Streams have something to say. */
void http_wake_streams(struct http_server *h);
void http_request_free(struct http_request *r);
uint64_t http_refused(const struct http_server *h, enum http_cause cause);
const char *http_cause_name(enum http_cause cause);
/* Ends the thread, then the handles on the loop; memory goes once the loop has run the closings. */
void http_stop(struct http_server *h);
