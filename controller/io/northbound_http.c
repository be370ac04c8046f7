/* The HTTP server's half on its thread, and the only file that includes libwebsockets: connections,
 * requests' heads and bodies, answers, event streams. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/io/http_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("http");

#define PIECE_MAX 65536
#define HEADERS_MAX 2048
#define REQUEST_TIMEOUT_S 10
#define KEEPALIVE_S 60
#define STREAM_IDLE_US (15 * LWS_US_PER_SEC)
#define LAST_EVENT_ID "last-event-id:"

enum session_state {
	SESSION_IDLE,    /* between requests */
	SESSION_BODY,    /* a request's body comes */
	SESSION_WAITING, /* the loop has the request */
	SESSION_HEADERS, /* the answer's headers are to be written, then its body */
	SESSION_ANSWER,
	SESSION_STREAM,
};

/* One connection; libwebsockets keeps it (zeroed at first) beside its own. */
struct session {
	struct session *next, **link;
	struct lws *wsi;
	enum session_state state;
	uint64_t id; /* of the request that is answered */
	struct http_request *request;
	struct buffer body; /* of the request */
	size_t body_expected;
	struct answer *answer;
	size_t sent;
	uint64_t after; /* a stream's place */
	bool started;   /* a stream's headers are out */
	bool unframed;  /* libwebsockets waits for a body that nobody announced */
};

/* ---- sessions ---- */

static void count_stream(struct session *s, int change)
{
	struct http_server *h = lws_context_user(lws_get_context(s->wsi));

	pthread_mutex_lock(&h->lock);
	h->streams += (unsigned)change;
	pthread_mutex_unlock(&h->lock);
}

static void session_clear(struct session *s)
{
	if (s->state == SESSION_STREAM)
		count_stream(s, -1);
	http_request_free(s->request);
	answer_free(s->answer);
	buffer_finish(&s->body);
	s->request = NULL;
	s->answer = NULL;
	s->state = SESSION_IDLE;
	s->id = 0;
	s->sent = 0;
	s->started = s->unframed = false;
}

static void session_begin(struct http_server *h, struct session *s, struct lws *wsi)
{
	session_clear(s);
	if (!s->link) {
		s->next = h->sessions;
		s->link = &h->sessions;
		if (s->next)
			s->next->link = &s->next;
		h->sessions = s;
	}
	s->wsi = wsi;
	s->id = ++h->next_id;
}

static void session_end(struct session *s)
{
	session_clear(s);
	if (!s->link)
		return;
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	s->link = NULL;
}

static void session_answer(struct session *s, struct answer *a)
{
	s->answer = a;
	s->state = SESSION_HEADERS;
	lws_set_timeout(s->wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_TIMEOUT_S * 6);
	lws_callback_on_writable(s->wsi);
}

/* A refusal that the loop need not hear of. */
static int session_refuse(struct session *s, int status, const char *text)
{
	struct answer *a = memory_alloc(sizeof(*a));
	char *body = memory_format("{\"error\":\"%s\"}\n", text);

	a->status = status;
	a->content_type = "application/json";
	buffer_add_bytes(&a->body, body, strlen(body));
	free(body);
	session_answer(s, a);
	return 0;
}

static void session_submit(struct http_server *h, struct session *s)
{
	struct http_request *r = s->request;

	s->request = NULL;
	s->state = SESSION_WAITING;
	lws_set_timeout(s->wsi, NO_PENDING_TIMEOUT, 0);
	r->id = s->id;
	write_u8(&s->body, 0);
	r->body_size = s->body.size - 1;
	r->body = (char *)s->body.data;
	s->body = (struct buffer){0};
	pthread_mutex_lock(&h->lock);
	*h->last_request = r;
	h->last_request = &r->next;
	pthread_mutex_unlock(&h->lock);
	uv_async_send(&h->arrived);
}

/* ---- a request's head ---- */

static bool copy_header(struct lws *wsi, enum lws_token_indexes token, char *ret, size_t size)
{
	int length = lws_hdr_total_length(wsi, token);

	ret[0] = '\0';
	return length <= 0 || lws_hdr_copy(wsi, ret, (int)size, token) >= 0;
}

/* libwebsockets cuts the query at each '&'; it is put together again. */
static bool copy_query(struct lws *wsi, char *ret, size_t size)
{
	size_t used = 0;
	int length;

	ret[0] = '\0';
	for (int i = 0;; i++) {
		if (used + 2 >= size)
			return false;
		if (i)
			ret[used] = '&';
		length = lws_hdr_copy_fragment(wsi, ret + used + (i ? 1 : 0),
					       (int)(size - used - 2), WSI_TOKEN_HTTP_URI_ARGS, i);
		if (length < 0) {
			ret[used] = '\0';
			return length == -1; /* -2: no room */
		}
		used += (size_t)length + (i ? 1 : 0);
	}
}

/* The host part of "host", "host:port", "[v6]:port", after "http://" where there is one. */
static void cut_host(char *text)
{
	char *from = strstr(text, "://");

	from = from ? from + 3 : text;
	if (*from == '[') {
		from++;
		from[strcspn(from, "]")] = '\0';
	} else {
		from[strcspn(from, ":/")] = '\0';
	}
	memmove(text, from, strlen(from) + 1);
}

static bool names_endpoint(const struct endpoint *e, const char *host)
{
	char text[INET6_ADDRSTRLEN] = "";
	const void *address = &((const struct sockaddr_in *)&e->address.any)->sin_addr;

	if (e->address.any.sa_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)&e->address.any)->sin6_addr;
	inet_ntop(e->address.any.sa_family, address, text, sizeof(text));
	return strcasecmp(host, "localhost") == 0 || strcmp(host, text) == 0;
}

static bool is_same_site(struct lws *wsi)
{
	const struct endpoint *e = lws_get_opaque_user_data(wsi);
	char host[256], origin[256];

	if (!copy_header(wsi, WSI_TOKEN_HOST, host, sizeof(host)) ||
	    !copy_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)))
		return false;
	cut_host(host);
	cut_host(origin);
	if (e && !e->is_unix && e->is_private && !names_endpoint(e, host))
		return false;
	return !origin[0] || strcasecmp(origin, host) == 0;
}

static int read_body_size(struct lws *wsi, size_t *ret)
{
	char text[24], *end;

	*ret = 0;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return 411;
	if (!copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text)))
		return 413;
	if (!text[0])
		return 0;
	errno = 0;
	unsigned long long size = strtoull(text, &end, 10);

	if (errno || *end || text[0] < '0' || text[0] > '9')
		return 400;
	*ret = (size_t)size;
	return size > HTTP_BODY_MAX ? 413 : 0;
}

static const char *method_name(int method)
{
	switch (method) {
	case LWSHUMETH_GET:
		return "GET";
	case LWSHUMETH_POST:
		return "POST";
	case LWSHUMETH_PUT:
		return "PUT";
	case LWSHUMETH_DELETE:
		return "DELETE";
	case LWSHUMETH_PATCH:
		return "PATCH";
	case LWSHUMETH_OPTIONS:
		return "OPTIONS";
	default:
		return NULL;
	}
}

static int open_stream(struct session *s)
{
	char last[24], *end;

	s->after = UINT64_MAX;
	if (lws_hdr_custom_length(s->wsi, LAST_EVENT_ID, (int)strlen(LAST_EVENT_ID)) > 0) {
		if (lws_hdr_custom_copy(s->wsi, last, sizeof(last), LAST_EVENT_ID,
					(int)strlen(LAST_EVENT_ID)) < 0)
			return session_refuse(s, 400, "Last-Event-ID is no revision");
		errno = 0;
		s->after = strtoull(last, &end, 10);
		if (errno || *end || last[0] < '0' || last[0] > '9')
			return session_refuse(s, 400, "Last-Event-ID is no revision");
	}
	s->state = SESSION_STREAM;
	count_stream(s, 1);
	lws_set_timeout(s->wsi, NO_PENDING_TIMEOUT, 0);
	lws_callback_on_writable(s->wsi);
	return 0;
}

static int begin_request(struct http_server *h, struct session *s, struct lws *wsi)
{
	char *uri;
	int uri_size;
	int method = lws_http_get_uri_and_method(wsi, &uri, &uri_size);

	session_begin(h, s, wsi);
	if (method < 0 || !method_name(method))
		return session_refuse(s, 405, "use GET, PUT, POST or DELETE");
	if (!is_same_site(wsi))
		return session_refuse(s, 403, "Host or Origin does not name this server");
	int status = read_body_size(wsi, &s->body_expected);

	if (status == 413)
		return session_refuse(s, 413, "the body is larger than 65536 bytes");
	if (status)
		return session_refuse(s, status, "the body needs a plain Content-Length");
	/* None announced is none (RFC 9112, section 6.3); libwebsockets takes what comes next for
	 * it. */
	s->unframed = method != LWSHUMETH_GET && method != LWSHUMETH_DELETE &&
		      lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0;
	s->request = memory_alloc(sizeof(*s->request));
	if ((size_t)uri_size >= sizeof(s->request->path) ||
	    !copy_query(wsi, s->request->query, sizeof(s->request->query)))
		return session_refuse(s, 414, "the path or the query is too long");
	memcpy(s->request->path, uri, (size_t)uri_size);
	strcpy(s->request->method, method_name(method));
	if (method == LWSHUMETH_GET && strcmp(s->request->path, h->stream_path) == 0)
		return open_stream(s);
	if (s->body_expected)
		s->state = SESSION_BODY;
	else
		session_submit(h, s);
	return 0;
}

static int read_body(struct http_server *h, struct session *s, const void *bytes, size_t size)
{
	if (s->state != SESSION_BODY)
		return 0; /* refused already: what still comes is not kept */
	if (s->body.size + size > s->body_expected)
		return -1;
	buffer_add_bytes(&s->body, bytes, size);
	if (s->body.size == s->body_expected)
		session_submit(h, s);
	return 0;
}

/* ---- answers ---- */

static int write_headers(struct session *s, const struct answer *a)
{
	uint8_t space[LWS_PRE + HEADERS_MAX], *start = space + LWS_PRE, *at = start;
	uint8_t *end = space + sizeof(space) - 1;

	if (lws_add_http_common_headers(s->wsi, (unsigned)a->status, a->content_type, a->body.size,
					&at, end))
		return -1;
	if (a->allow &&
	    lws_add_http_header_by_token(s->wsi, WSI_TOKEN_HTTP_ALLOW, (const uint8_t *)a->allow,
					 (int)strlen(a->allow), &at, end))
		return -1;
	if (s->unframed && lws_add_http_header_by_token(s->wsi, WSI_TOKEN_CONNECTION,
							(const uint8_t *)"close", 5, &at, end))
		return -1;
	return lws_finalize_write_http_header(s->wsi, start, &at, end);
}

static int complete(struct session *s)
{
	bool keep = s->state == SESSION_ANSWER && !s->unframed && s->answer->status != 413 &&
		    s->answer->status != 411;

	session_clear(s);
	/* A body that was refused unread would be taken for the next request. */
	return !keep || lws_http_transaction_completed(s->wsi) ? -1 : 0;
}

static int write_answer(struct session *s)
{
	struct answer *a = s->answer;

	if (s->state == SESSION_HEADERS) {
		s->state = SESSION_ANSWER;
		if (write_headers(s, a))
			return -1;
		if (!a->body.size)
			return complete(s);
		lws_callback_on_writable(s->wsi);
		return 0;
	}
	uint8_t space[LWS_PRE + PIECE_MAX];
	size_t size = a->body.size - s->sent;
	bool last = size <= PIECE_MAX;

	size = last ? size : PIECE_MAX;
	memcpy(space + LWS_PRE, a->body.data + s->sent, size);
	s->sent += size;
	if (lws_write(s->wsi, space + LWS_PRE, size, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
	    (int)size)
		return -1;
	if (last)
		return complete(s);
	lws_callback_on_writable(s->wsi);
	return 0;
}

static int write_stream_headers(struct session *s)
{
	uint8_t space[LWS_PRE + HEADERS_MAX], *start = space + LWS_PRE, *at = start;
	uint8_t *end = space + sizeof(space) - 1;

	s->started = true;
	if (lws_add_http_common_headers(s->wsi, 200, "text/event-stream",
					LWS_ILLEGAL_HTTP_CONTENT_LEN, &at, end) ||
	    lws_add_http_header_by_token(s->wsi, WSI_TOKEN_HTTP_CACHE_CONTROL,
					 (const uint8_t *)"no-store", 8, &at, end) ||
	    lws_finalize_write_http_header(s->wsi, start, &at, end))
		return -1;
	lws_set_timer_usecs(s->wsi, STREAM_IDLE_US);
	lws_callback_on_writable(s->wsi);
	return 0;
}

static int write_stream_bytes(struct session *s, const void *bytes, size_t size)
{
	uint8_t *space = memory_alloc(LWS_PRE + size);

	memcpy(space + LWS_PRE, bytes, size);
	int written = lws_write(s->wsi, space + LWS_PRE, size, LWS_WRITE_HTTP);

	free(space);
	lws_set_timer_usecs(s->wsi, STREAM_IDLE_US);
	return written < (int)size ? -1 : 0;
}

static int write_stream(struct http_server *h, struct session *s)
{
	struct buffer out = {0};
	int result = 0;

	if (!s->started)
		return write_stream_headers(s);
	h->ops->stream(h->ops->context, &s->after, &out);
	if (out.size) {
		result = write_stream_bytes(s, out.data, out.size);
		lws_callback_on_writable(s->wsi); /* until there is nothing more */
	}
	buffer_finish(&out);
	return result;
}

/* ---- what the loop sent ---- */

static void adopt(struct http_server *h, struct accepted *a)
{
	lws_sock_file_fd_type fd = {.sockfd = a->fd};
	lws_adopt_desc_t description = {
		.vh = h->vhost,
		.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
		.fd = fd,
		.opaque = (void *)(uintptr_t)a->endpoint,
	};

	if (!lws_adopt_descriptor_vhost_via_info(&description))
		log_warn_rl("%s: a connection could not be taken", a->endpoint->text);
	free(a);
}

static void deliver(struct http_server *h, struct answer *a)
{
	for (struct session *s = h->sessions; s; s = s->next) {
		if (s->id == a->id && s->state == SESSION_WAITING) {
			session_answer(s, a);
			return;
		}
	}
	answer_free(a); /* who asked is gone */
}

static void take_inbox(struct http_server *h)
{
	pthread_mutex_lock(&h->lock);
	struct accepted *accepted = h->accepted;
	struct answer *answers = h->answers;
	bool wake = h->wake_streams;

	h->accepted = NULL;
	h->answers = NULL;
	h->last_answer = &h->answers;
	h->wake_streams = false;
	pthread_mutex_unlock(&h->lock);
	while (accepted) {
		struct accepted *next = accepted->next;

		adopt(h, accepted);
		accepted = next;
	}
	while (answers) {
		struct answer *next = answers->next;

		deliver(h, answers);
		answers = next;
	}
	for (struct session *s = h->sessions; wake && s; s = s->next) {
		if (s->state == SESSION_STREAM)
			lws_callback_on_writable(s->wsi);
	}
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		   size_t size)
{
	struct http_server *h = lws_context_user(lws_get_context(wsi));
	struct session *s = user;

	switch ((int)reason) {
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		take_inbox(h);
		return 0;
	case LWS_CALLBACK_HTTP:
		return begin_request(h, s, wsi);
	case LWS_CALLBACK_HTTP_BODY:
		return read_body(h, s, in, size);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		if (s->state == SESSION_STREAM)
			return write_stream(h, s);
		return s->answer ? write_answer(s) : 0;
	case LWS_CALLBACK_TIMER:
		return s->state == SESSION_STREAM ? write_stream_bytes(s, ":\n\n", 3) : 0;
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
	case LWS_CALLBACK_CLOSED_HTTP:
		if (s)
			session_end(s);
		return 0;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return 0; /* read_body counts itself */
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, size);
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "http", .callback = on_http, .per_session_data_size = sizeof(struct session)},
	{0},
};

static void *run_thread(void *server)
{
	struct http_server *h = server;
	bool stop = false;

	pthread_setname_np(pthread_self(), "http");
	while (!stop) {
		lws_service(h->lws, 0);
		pthread_mutex_lock(&h->lock);
		stop = h->stop;
		pthread_mutex_unlock(&h->lock);
	}
	lws_context_destroy(h->lws);
	return NULL;
}

/* ---- start and stop ---- */

static void hear_lws(int level, const char *line)
{
	log_warn_rl("%.*s", (int)strcspn(line, "\n"), line);
}

static int make_context(struct http_server *h, struct reason *why)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.user = h,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.fd_limit_per_thread = HTTP_CONNECTIONS_MAX,
		.timeout_secs = REQUEST_TIMEOUT_S,
		.keepalive_timeout = KEEPALIVE_S,
	};

	lws_set_log_level(LLL_ERR, hear_lws);
	h->lws = lws_create_context(&info);
	if (!h->lws)
		return reason_set(why, -ENOMEM, "the HTTP server could not be started");
	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	h->vhost = lws_create_vhost(h->lws, &info);
	if (!h->vhost)
		return reason_set(why, -ENOMEM, "the HTTP server could not be started");
	return 0;
}

int http_thread_start(struct http_server *h, struct reason *why)
{
	int result = make_context(h, why);

	if (result < 0)
		return result;
	sigset_t all, old;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&h->thread, NULL, run_thread, h);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	h->running = !error;
	if (error)
		return reason_set(why, -error, "no thread for the HTTP server: %s",
				  strerror(error));
	return 0;
}

void http_thread_stop(struct http_server *h)
{
	if (!h->running) {
		if (h->lws)
			lws_context_destroy(h->lws);
		return;
	}
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_mutex_unlock(&h->lock);
	lws_cancel_service(h->lws);
	pthread_join(h->thread, NULL);
}

void http_thread_wake(struct http_server *h)
{
	lws_cancel_service(h->lws);
}
