/* TLS of the northbound: its context, and sessions' words to http_connection.c.  A client may show
 * a certificate of a user; without one it is nobody until it shows a token. */
#include "base/log.h"
#include "controller/io/clock.h"
#include "controller/io/http_private.h"

#include <errno.h>

LOG_MODULE("http");

#define LOOK_MS 1000

int http_tls_open(struct http_server *h, const struct tls_files *files, struct reason *why)
{
	const struct tls_settings settings = {
		.files = *files,
		.is_server = true,
		.accept = TLS_USER,
		.anonymous_too = true,
	};

	return tls_context_create(&settings, &h->tls, why);
}

static void recheck_all(struct http_server *h)
{
	for (struct connection *c = h->connections, *next; c; c = next) {
		next = c->next;
		if (c->tls && tls_session_is_established(c->tls) &&
		    tls_session_recheck(c->tls) < 0) {
			h->refused[HTTP_TLS]++;
			log_warn("%s: closed: %s", c->peer.text, tls_session_reason(c->tls));
			connection_close(c);
		}
	}
}

void http_tls_tick(struct http_server *h, int64_t now_ms)
{
	struct reason why = {""};

	if (!h->tls || now_ms - h->looked_ms < LOOK_MS)
		return;
	h->looked_ms = now_ms;
	if (!tls_context_has_news(h->tls))
		return;
	if (tls_context_reload(h->tls, &why) < 0) {
		log_error("the northbound's certificate stays the old one: %s", why.text);
		return;
	}
	log_info("the northbound's certificate, CA and revocations were read again");
	recheck_all(h);
}

int http_tls_receive(struct connection *c, const void *bytes, size_t size)
{
	if (tls_session_receive(c->tls, bytes, size, &c->in) == 0)
		return connection_push(c) ? 0 : -ECONNRESET;
	c->server->refused[HTTP_TLS]++;
	log_warn_rl("%s: no TLS: %s", c->peer.text, tls_session_reason(c->tls));
	if (!connection_push(c)) /* an alert that says why */
		return -EPROTO;
	c->peer.certificate = NULL;
	tls_session_destroy(c->tls);
	c->tls = NULL;
	connection_linger(c, clock_now_ms());
	return 0;
}
