/* Whose machine is gone, with its data plane: no connection of it is reset then, and only silence
 * tells.  Two kinds of silence together mean it.
 *
 * Its neighbours': every backplane link that it has is down, which BFD finds in 150 ms.  An agent
 * that ended or hangs is as silent there, and its data plane forwards on.
 *
 * Its machine's, towards us: a question of ours is not answered, and its kernel does not even
 * acknowledge that it came.  The kernel of a machine that lives acknowledges for an agent that
 * hangs, and closes the connection of one that ended: so neither is taken for gone.
 *
 * Without links the second kind has to last for element_grace_ms; and while a neighbour hears it,
 * it is not gone but cut off from us, which session.c finds in its own time.  Only FEs on LANs that
 * others share are watched so closely, because there the others take over.  Time counts in ticks,
 * too: what came while nobody ran us is read before the next one. */
#include "controller/gone.h"

#include "controller/backplane.h"
#include "controller/element.h"
#include "controller/segment.h"

#define GONE_MS 200
#define GONE_TICKS 4
#define SLOW_ANSWERS 3 /* times what an answer takes at most */
/* An FE that lives without its links is another matter: an agent that restarted has them back
 * before this. */
#define CUT_OFF_MS 5000

/* What its neighbours hear of it, by BFD.  A link that nobody watches says nothing. */
enum hearing { HEARING_UNKNOWN, HEARING_SOME, HEARING_NONE };

static enum hearing hearing_of(const struct core *c, const struct element *e)
{
	bool down = false, unwatched = false;

	for (unsigned i = 0; i < c->link_count; i++) {
		const struct backplane_link *b = c->links[i];

		if (b->ends[0].element != e && b->ends[1].element != e)
			continue;
		if (b->live && b->l.interval_ms)
			return HEARING_SOME;
		unwatched |= b->live;
		down |= !b->live;
	}
	return down && !unwatched ? HEARING_NONE : HEARING_UNKNOWN;
}

static void ask(struct session *s, struct gone_watch *w)
{
	ofp_echo_encode(&s->channel.out, OFPT_ECHO_REQUEST, channel_xid(&s->channel), NULL, 0);
	s->channel.count.messages_out++;
	w->asked_ms = s->core->now_ms;
	w->ticks = 0;
	w->heard = s->channel.count.messages_in;
	s->core->shell.flush(s->core->shell.context, s);
}

static void note_answer(struct gone_watch *w, int64_t now_ms)
{
	/* What was slow once is forgotten. */
	w->slowest_ms -= w->slowest_ms / 8;
	if (now_ms - w->asked_ms > w->slowest_ms)
		w->slowest_ms = now_ms - w->asked_ms;
	w->answered_ms = now_ms;
	w->asked_ms = 0;
}

/* Nothing came since the question, for as long as it takes. */
static bool is_unanswered(struct session *s, const struct gone_watch *w, enum hearing hearing)
{
	const struct core *c = s->core;
	int64_t patience_ms = GONE_MS;

	if (w->slowest_ms * SLOW_ANSWERS > patience_ms)
		patience_ms = w->slowest_ms * SLOW_ANSWERS;
	if (hearing == HEARING_SOME || !w->asked_ms || w->ticks < GONE_TICKS ||
	    c->now_ms - w->asked_ms < patience_ms)
		return false;
	if (hearing == HEARING_UNKNOWN &&
	    c->now_ms - s->channel.heard_ms < c->config.element_grace_ms)
		return false;
	return !c->shell.is_acknowledged || !c->shell.is_acknowledged(c->shell.context, s);
}

static bool is_due(const struct session *s, const struct gone_watch *w, enum hearing hearing)
{
	int64_t now_ms = s->core->now_ms;

	if (w->asked_ms)
		return false;
	if (!w->answered_ms) /* how long an answer takes is to be known before */
		return true;
	if (hearing == HEARING_NONE)
		return now_ms - w->answered_ms >= GONE_MS;
	return now_ms - s->channel.heard_ms >= s->core->config.element_grace_ms / 4;
}

static bool check_session(struct session *s, enum hearing hearing)
{
	struct gone_watch *w = &s->gone;

	w->ticks++;
	if (w->asked_ms && w->heard != s->channel.count.messages_in)
		note_answer(w, s->core->now_ms);
	if (is_due(s, w, hearing))
		ask(s, w);
	return is_unanswered(s, w, hearing);
}

/* It answers, but reaches no other FE: whoever reaches one serves the nodes better. */
static void note_links(struct element *e, enum hearing hearing)
{
	struct core *c = e->core;
	bool cut_off;

	if (hearing != HEARING_NONE)
		e->linkless_ms = 0;
	else if (!e->linkless_ms)
		e->linkless_ms = c->now_ms;
	cut_off = e->linkless_ms && c->now_ms - e->linkless_ms >= CUT_OFF_MS;
	if (cut_off == e->cut_off)
		return;
	e->cut_off = cut_off;
	segment_refresh_element(c, e);
}

static void check(struct element *e)
{
	enum hearing hearing;

	if (!e->session)
		e->linkless_ms = 0;
	if (!e->session || e->session->stage != STAGE_READY || e->ovs || !e->synced ||
	    !segment_has_others(e))
		return;
	hearing = hearing_of(e->core, e);
	note_links(e, hearing);
	if (!check_session(e->session, hearing))
		return;
	session_end(e->session,
		    hearing == HEARING_NONE
			    ? "its machine is gone: neither we nor its neighbours hear of it"
			    : "its machine is gone: nothing is heard of it",
		    true);
	segment_element_gone(e);
}

void gone_tick(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++)
		check(c->elements[i]);
}
