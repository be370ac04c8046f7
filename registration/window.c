/* Two numbers that rise. */
#include "registration/window.h"

enum registration_reason registration_window_accept(struct registration_window *w, uint64_t epoch,
						    const struct registration *r)
{
	if (r->epoch != epoch)
		return REGISTRATION_REASON_STALE_EPOCH;
	if (r->sequence <= w->sequence)
		return REGISTRATION_REASON_STALE_SEQUENCE;
	w->sequence = r->sequence;
	return REGISTRATION_REASON_NONE;
}

enum registration_reason registration_window_look(const struct registration_window *w,
						  uint64_t epoch, uint32_t now_s,
						  const struct registration_grant *g)
{
	if (g->epoch != epoch || g->expires_s < now_s)
		return REGISTRATION_REASON_EXPIRED_GRANT;
	return g->serial <= w->serial ? REGISTRATION_REASON_SPENT_GRANT : REGISTRATION_REASON_NONE;
}

void registration_window_spend(struct registration_window *w, const struct registration_grant *g)
{
	if (g->serial > w->serial)
		w->serial = g->serial;
}
