/* What a request's head leads to, and what answers look like.  Everything that can be refused is
 * refused here, before a body is read and before the loop hears of it. */
#include "controller/io/http_exchange.h"

#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

LOG_MODULE("http");

/* ---- answers ---- */

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} phrases[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{417, "Expectation Failed"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].text;
	}
	return "Status";
}

static void add_text(struct buffer *to, char *text)
{
	buffer_add_bytes(to, text, strlen(text));
	free(text);
}

static void add_field(struct buffer *to, const char *name, const char *value)
{
	if (value)
		add_text(to, memory_format("%s: %s\r\n", name, value));
}

static void write_answer(struct connection *c, const struct answer *a, int64_t now_ms)
{
	struct buffer *out = &c->out;

	add_text(out, memory_format("HTTP/1.1 %d %s\r\n", a->status, phrase(a->status)));
	add_field(out, "content-type", a->content_type);
	if (a->status != 204)
		add_text(out, memory_format("content-length: %zu\r\n", a->body.size));
	add_field(out, "allow", a->allow);
	add_field(out, "cache-control", "no-store");
	add_field(out, "x-content-type-options", "nosniff");
	add_field(out, "www-authenticate", a->status == 401 ? "Bearer realm=\"victor\"" : NULL);
	add_field(out, "retry-after", a->status == 429 ? "10" : NULL);
	add_field(out, "connection", c->ends ? "close" : NULL);
	buffer_add_bytes(out, "\r\n", 2);
	buffer_add_bytes(out, a->body.data, a->body.size);
	c->state = CONNECTION_ANSWER;
	c->deadline_ms = now_ms + 60000;
}

void connection_deliver(struct connection *c, struct answer *a, int64_t now_ms)
{
	write_answer(c, a, now_ms);
	connection_run(c, now_ms);
}

void connection_refuse(struct connection *c, enum http_cause cause, int status, const char *why,
		       int64_t now_ms)
{
	struct answer a = {.status = status, .content_type = "application/json"};
	char *body = memory_format("{\"error\":\"%s\"}\n", why);

	/* A name in it may have what JSON has not. */
	for (char *at = body + 10; at < body + strlen(body) - 3; at++) {
		if (*at == '"' || *at == '\\' || (unsigned char)*at < 0x20)
			*at = '\'';
	}
	add_text(&a.body, body);
	if (cause != HTTP_CAUSE_COUNT) {
		c->server->refused[cause]++;
		log_warn_rl("%s: refused with %d: %s", c->peer.text, status, why);
	}
	/* A body that was refused unread would be taken for the next request. */
	c->ends = true;
	write_answer(c, &a, now_ms);
	buffer_finish(&a.body);
}

/* ---- the same site ---- */

/* The host part of "host", "host:port", "[v6]:port", after "http://" where there is one. */
static void cut_host(const char *text, char ret[256])
{
	const char *from = strstr(text, "://");

	from = from ? from + 3 : text;
	size_t size = strcspn(from, *from == '[' ? "]" : ":/");

	if (*from == '[') {
		from++;
		size -= size > 0;
	}
	memcpy(ret, from, size);
	ret[size] = '\0';
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

static bool is_same_site(const struct connection *c)
{
	const struct endpoint *e = c->peer.endpoint;
	char host[256], origin[256];

	cut_host(c->head.host, host);
	cut_host(c->head.origin, origin);
	/* With TLS a browser has seen to it that the host is the one of the certificate. */
	if (!e->is_unix && !e->is_tls && e->is_private && !names_endpoint(e, host))
		return false;
	return !origin[0] || strcasecmp(origin, host) == 0;
}

/* ---- requests ---- */

static void count_stream(struct http_server *h, int change)
{
	pthread_mutex_lock(&h->lock);
	h->streams += (unsigned)change;
	pthread_mutex_unlock(&h->lock);
}

static void open_stream(struct connection *c, int64_t now_ms)
{
	static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
				   "cache-control: no-store\r\nconnection: close\r\n\r\n";
	const char *last = c->head.last_event_id;

	c->after = UINT64_MAX;
	if (c->head.has_last_event_id) {
		if (!*last || strspn(last, "0123456789") != strlen(last) || strlen(last) > 19) {
			connection_refuse(c, HTTP_CAUSE_COUNT, 400, "Last-Event-ID is no revision",
					  now_ms);
			return;
		}
		c->after = strtoull(last, NULL, 10);
	}
	c->state = CONNECTION_STREAM;
	count_stream(c->server, 1);
	buffer_add_bytes(&c->out, head, sizeof(head) - 1);
}

static void refuse_user(struct connection *c, int status, const char *why, int64_t now_ms)
{
	enum http_cause cause = status == 401 ? HTTP_UNAUTHENTICATED : HTTP_FORBIDDEN;

	/* Only who showed something wrong is slowed down, and never who shows what is right. */
	if (status == 401 && c->head.authorization[0] && c->address &&
	    !http_limits_fail(c->address, now_ms))
		connection_refuse(c, HTTP_LIMITED, 429, "too many wrong credentials", now_ms);
	else
		connection_refuse(c, cause, status, why, now_ms);
}

static bool is_allowed(struct connection *c, struct user *ret, int64_t now_ms)
{
	const struct http_ops *ops = c->server->ops;
	struct reason why = {""};

	if (!is_same_site(c)) {
		connection_refuse(c, HTTP_FOREIGN, 403, "Host or Origin does not name this server",
				  now_ms);
		return false;
	}
	c->peer.certificate = c->tls ? tls_session_peer(c->tls) : NULL;
	int result = ops->allow(ops->context, &c->peer, c->head.authorization, c->head.method,
				c->head.path, ret, &why);

	if (result < 0) {
		refuse_user(c, -result, why.text, now_ms);
		return false;
	}
	if (connection_know(c))
		return true;
	connection_refuse(c, HTTP_CROWDED, 503, "too many connections", now_ms);
	return false;
}

void exchange_begin(struct connection *c, int64_t now_ms)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct user user;

	c->ends = c->head.is_last;
	c->id = ++c->server->next_id;
	if (!is_allowed(c, &user, now_ms))
		return;
	memset(c->head.authorization, 0, sizeof(c->head.authorization));
	if (strcmp(c->head.method, "GET") == 0 &&
	    strcmp(c->head.path, c->server->stream_path) == 0) {
		open_stream(c, now_ms);
		return;
	}
	c->request = memory_alloc(sizeof(*c->request));
	c->request->id = c->id;
	c->request->user = user;
	strcpy(c->request->method, c->head.method);
	strcpy(c->request->path, c->head.path);
	strcpy(c->request->query, c->head.query);
	c->state = CONNECTION_BODY;
	if (c->head.expects_continue && c->in.size < c->head.body_size)
		buffer_add_bytes(&c->out, go_on, sizeof(go_on) - 1);
	if (c->out.size)
		(void)!connection_push(c);
}

void exchange_submit(struct connection *c)
{
	struct http_server *h = c->server;
	struct http_request *r = c->request;

	r->body_size = c->head.body_size;
	r->body = memory_alloc(r->body_size + 1);
	if (r->body_size)
		memcpy(r->body, c->in.data, r->body_size);
	buffer_drop_front(&c->in, r->body_size);
	c->request = NULL;
	c->state = CONNECTION_WAITING;
	c->deadline_ms = INT64_MAX;
	pthread_mutex_lock(&h->lock);
	*h->last_request = r;
	h->last_request = &r->next;
	pthread_mutex_unlock(&h->lock);
	uv_async_send(&h->arrived);
}

void exchange_end(struct connection *c)
{
	if (c->state == CONNECTION_STREAM)
		count_stream(c->server, -1);
	http_request_free(c->request);
	c->request = NULL;
	c->id = 0;
}
