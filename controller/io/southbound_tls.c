/* The southbound's connections with TLS: strangers until their certificate is found good; and what
 * becomes of those that live when the files change. */
#include "controller/io/southbound_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/io/clock.h"

#include <errno.h>
#include <stdlib.h>

LOG_MODULE("southbound");

/* ---- strangers ---- */

void southbound_turn_away(struct connection *c, enum tls_refusal refusal, const char *who,
			  const char *text)
{
	struct southbound *sb = c->southbound;
	char *why = memory_format("tls-%s", tls_refusal_name(refusal));
	char *what = memory_format("%s: refused: %s", c->peer, text);

	for (char *at = why; *at; at++)
		if (*at == '_')
			*at = '-';
	if (sb->core && !sb->closing)
		core_note_refusal(sb->core, why, who, NULL, 0, what, clock_now_ms());
	free(why);
	free(what);
	southbound_write(c); /* the alert tells the other end */
	southbound_close_connection(c, c->session ? tls_session_reason(c->tls) : "refused");
}

static void on_window(uv_timer_t *timer)
{
	struct southbound *sb = timer->data;

	for (struct stranger *s = sb->door.first; s; s = s->next) {
		struct connection *c = CONTAINER_OF(s, struct connection, stranger);

		if (c->is_paused)
			southbound_listen_to(c);
		c->is_paused = false;
	}
}

/* What is not read stays in the kernel. */
void southbound_pause_stranger(struct connection *c)
{
	struct southbound *sb = c->southbound;

	(void)uv_read_stop(&c->stream.any);
	c->is_paused = true;
	if (!uv_is_active((uv_handle_t *)&sb->window))
		(void)uv_timer_start(&sb->window, on_window, HANDSHAKE_WINDOW_MS, 0);
}

bool southbound_may_hear(struct connection *c)
{
	return !c->stranger.is_here || doorkeeper_has_time(&c->southbound->door, clock_now_ms());
}

/* The certificate is good: from here on it is an element's connection. */
static void welcome(struct connection *c)
{
	struct southbound *sb = c->southbound;
	const struct tls_identity *who = tls_session_peer(c->tls);

	doorkeeper_release(&sb->door, &c->stranger);
	c->session = core_session_open(sb->core, c->peer, c, clock_now_ms());
	if (!c->session) {
		southbound_close_connection(c, NULL);
		return;
	}
	core_session_vouch(c->session, who->datapath_id, who->name);
	log_debug("%s: %s, certificate %s of %s", c->peer, tls_session_version(c->tls),
		  tls_session_serial(c->tls), who->name);
	southbound_flush(c->session);
}

/* Out of TLS; 0, or the connection is closed. */
int southbound_decrypt(struct connection *c, const void *bytes, size_t size)
{
	struct southbound *sb = c->southbound;
	bool is_stranger = c->stranger.is_here;
	uint64_t start_ns = is_stranger ? uv_hrtime() : 0;

	buffer_clear(&sb->plain);
	int result = tls_session_receive(c->tls, bytes, size, &sb->plain);

	if (is_stranger)
		doorkeeper_spend(&sb->door, (int64_t)(uv_hrtime() - start_ns) / 1000);
	if (result < 0 && is_stranger)
		southbound_turn_away(c, tls_session_refusal(c->tls), c->host,
				     tls_session_reason(c->tls));
	else if (result < 0)
		southbound_close_connection(c, tls_session_reason(c->tls));
	else if (is_stranger && tls_session_is_established(c->tls))
		welcome(c);
	if (result == 0 && tls_session_out(c->tls)->size)
		southbound_write(c);
	return uv_is_closing(&c->stream.handle) ? -ECONNRESET : result;
}

void southbound_meet_stranger(struct connection *c, const struct sockaddr_storage *from)
{
	struct southbound *sb = c->southbound;
	struct stranger *out;

	c->tls = tls_session_create(sb->tls);
	out = doorkeeper_admit(&sb->door, &c->stranger, (const struct sockaddr *)from,
			       clock_now_ms());
	if (out) {
		struct connection *gone = CONTAINER_OF(out, struct connection, stranger);

		southbound_turn_away(
			gone, TLS_REFUSED_CROWDED, gone->host,
			"there are too many handshakes, most of them from this address");
	}
	if (!uv_is_closing(&c->stream.handle))
		southbound_listen_to(c);
}

void southbound_turn_away_overdue(struct southbound *sb)
{
	struct stranger *s;

	while ((s = doorkeeper_overdue(&sb->door, clock_now_ms())) != NULL) {
		struct connection *c = CONTAINER_OF(s, struct connection, stranger);

		southbound_turn_away(c, TLS_REFUSED_TIMEOUT, c->host,
				     "its handshake takes too long");
	}
}

/* ---- new certificates ---- */

static void recheck_sessions(struct southbound *sb)
{
	for (struct connection *c = sb->connections; c; c = c->next) {
		const struct tls_identity *who = c->tls ? tls_session_peer(c->tls) : NULL;

		if (who && !uv_is_closing(&c->stream.handle) && tls_session_recheck(c->tls) < 0)
			southbound_turn_away(c, tls_session_refusal(c->tls), who->name,
					     tls_session_reason(c->tls));
	}
}

void southbound_look_at_files(struct southbound *sb, bool even_if_the_same)
{
	struct reason why;

	if (!sb->tls || (!tls_context_has_news(sb->tls) && !even_if_the_same))
		return;
	if (tls_context_reload(sb->tls, &why) < 0) {
		log_error("TLS goes on with the old files: %s", why.text);
		return;
	}
	log_info("TLS: certificate, CA and revocations are read again; ours expires in %d days",
		 tls_context_days_left(sb->tls, clock_to_calendar_ms(clock_now_ms()) / 1000));
	recheck_sessions(sb);
}

int southbound_open_tls(struct southbound *sb, const struct tls_files *files, struct reason *why)
{
	struct tls_settings settings = {.files = *files, .is_server = true, .accept = TLS_FE};
	int result = tls_context_create(&settings, &sb->tls, why);

	if (result == 0 && sb->tls->self.kind != TLS_CONTROLLER)
		result = reason_set(why, -EINVAL,
				    "%s: is not a controller's: make one with 'victorctl pki issue "
				    "controller NAME'",
				    files->certificate);
	if (result == 0 && !files->crl[0])
		log_warn("TLS without a revocation list: nobody can be shut out ('tls: { crl: "
			 "... }')");
	return result;
}
