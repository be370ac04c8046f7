/* Controllers that are spoken to by TLS: whom we take for one, and what becomes of the connection
 * when the files change. */
#include "fe/io/connection_private.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

LOG_MODULE("connection");

#define EXPIRY_DAYS 14 /* and a reminder each day */

static void refuse_controller(struct connection *c)
{
	struct connections *all = c->all;

	/* What it says of us is no refusal of ours. */
	if (tls_session_refusal(c->tls) != TLS_REFUSED_REFUSED_BY_PEER && !all->closing)
		agent_count_refused_controller(all->agent);
	connection_write(c); /* the alert tells the other end */
	connection_close(c, tls_session_reason(c->tls));
}

/* 0 and what the bytes say in 'plain'; -1: the connection is closed. */
int connection_decrypt(struct connection *c, const void *bytes, size_t size)
{
	struct connections *all = c->all;

	buffer_clear(&all->plain);
	if (tls_session_receive(c->tls, bytes, size, &all->plain) < 0) {
		refuse_controller(c);
		return -1;
	}
	if (!c->session && tls_session_is_established(c->tls))
		connection_start_session(c, &c->dialer->endpoint);
	if (tls_session_out(c->tls)->size)
		connection_write(c);
	if (all->plain.size)
		c->dialer->told[0] = '\0';
	return uv_is_closing(&c->stream.handle) ? -1 : 0;
}

static void remind_of_expiry(struct connections *all)
{
	int days = tls_context_days_left(all->tls, time(NULL));

	if (days < EXPIRY_DAYS && days != all->told_days)
		log_warn("%s: %d days until it expires (negative: since); run 'victorctl pki "
			 "issue' where the CA is, and copy the new files here",
			 all->tls->settings.files.certificate, days);
	all->told_days = days;
}

void connections_look_at_files(struct connections *all, bool even_if_the_same)
{
	struct reason why;

	if (!all || !all->tls)
		return;
	remind_of_expiry(all);
	if (!tls_context_has_news(all->tls) && !even_if_the_same)
		return;
	if (tls_context_reload(all->tls, &why) < 0) {
		log_error("TLS goes on with the old files: %s", why.text);
		return;
	}
	log_info("TLS: certificate, CA and revocations are read again; ours expires in %d days",
		 tls_context_days_left(all->tls, time(NULL)));
	for (struct connection *c = all->list; c; c = c->next)
		if (c->tls && c->session && !uv_is_closing(&c->stream.handle) &&
		    tls_session_recheck(c->tls) < 0)
			refuse_controller(c);
}

/* The certificate must be this element's: the controller compares. */
int connections_open_tls(struct connections *all, const struct config *config, struct reason *why)
{
	const struct tls_settings settings = {.files = config->tls, .accept = TLS_CONTROLLER};
	int result = tls_context_create(&settings, &all->tls, why);
	const struct tls_identity *self = result == 0 ? &all->tls->self : NULL;

	all->told_days = EXPIRY_DAYS;
	if (self && (self->kind != TLS_FE || self->datapath_id != config->agent.id ||
		     strcmp(self->name, config->agent.name) != 0))
		return reason_set(why, -EINVAL,
				  "%s: is not that of %s, id %u, but of %s: make one with "
				  "'victorctl pki issue fe %s %u'",
				  config->tls.certificate, config->agent.name, config->agent.id,
				  self->name, config->agent.name, config->agent.id);
	return result;
}
