/* Time that passed while nobody ran us (a stopped process, a suspended machine, a clock that
 * jumped) is nobody's silence: what was counting begins where it stood.  Otherwise the first event
 * afterwards would close every session, end learning before an FE could be heard, and revert every
 * move. */
#include "controller/state.h"

#define STALL_MS 1000 /* ticks come every 50 ms */

static void forgive_session(struct session *s, int64_t stall_ms)
{
	s->stage_ms += stall_ms;
	s->channel.heard_ms += stall_ms;
	if (s->gone.asked_ms)
		s->gone.asked_ms += stall_ms;
	if (s->channel.echo_sent_ms)
		s->channel.echo_sent_ms += stall_ms;
}

void core_set_now(struct core *c, int64_t now_ms)
{
	int64_t stall_ms = now_ms - c->now_ms;

	c->now_ms = now_ms;
	if (stall_ms < STALL_MS)
		return;
	c->started_ms += stall_ms;
	for (struct session *s = c->sessions; s; s = s->next)
		forgive_session(s, stall_ms);
	for (struct attachment_record *r = record_at(c, c->timed); r;
	     r = record_at(c, r->list_next))
		r->a.deadline_ms += stall_ms;
}
