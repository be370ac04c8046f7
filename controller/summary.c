/* See controller/summary.h. */
#include "controller/summary.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/survey.h"
#include "controller/sync.h"

#include <stdlib.h>

LOG_MODULE("sync");

#define FEW 8         /* an FE with less than this part of its nodes' rules is read whole */
#define SURVEYS_MAX 3 /* that are spoiled */
#define ROUNDS_MAX 8  /* of reading what changed meanwhile */
#define SMALL_SURVEY 16

struct summary {
	struct summary_scheme scheme;
	uint32_t serial; /* of the survey */
	unsigned rounds;
	struct summary_bucket *has;
	struct summary_marks read;  /* is in the sync's rules */
	struct summary_marks asked; /* is being read */
	size_t expected, agreed;    /* rules in buckets that are marked, and the others */
};

void summary_destroy(struct sync *sync)
{
	struct summary *m = sync->summary;

	if (!m)
		return;
	sync->summary = NULL;
	survey_release(sync->core, m->serial);
	free(m->has);
	free(m);
}

/* As if there were no sums. */
static void read_all(struct session *s)
{
	summary_destroy(s->sync);
	table_clear(&s->sync->rules);
	sync_ask_flows(s);
}

void summary_begin(struct session *s)
{
	struct core *c = s->core;
	const struct survey *v;
	struct summary *m;
	uint32_t xid;

	if (s->element->ovs || s->knows_no_sums || !c->records.count) {
		sync_ask_flows(s);
		return;
	}
	compare_groups(s);
	v = survey_obtain(c);
	m = s->sync->summary = memory_alloc(sizeof(*m));
	m->scheme = *survey_scheme(v);
	m->serial = survey_serial(c);
	m->has = memory_alloc_array(summary_bucket_count(&m->scheme), sizeof(*m->has));
	xid = channel_xid(&s->channel);
	summary_request_encode(&s->channel.out, xid, &m->scheme);
	s->channel.count.messages_out++;
	session_enter(s, STAGE_SUMMARY, xid);
}

void summary_refused(struct session *s)
{
	s->knows_no_sums = true;
	read_all(s);
}

static void count(struct summary *m)
{
	m->expected = m->agreed = 0;
	for (unsigned i = 0; i < summary_bucket_count(&m->scheme); i++) {
		bool marked = summary_is_marked(&m->read, i) || summary_is_marked(&m->asked, i);

		*(marked ? &m->expected : &m->agreed) += m->has[i].count;
		/* Also where the FE has none: what should be there is sent. */
		m->expected += marked;
	}
}

/* With another survey: this one is spoiled. */
static void begin_again(struct session *s)
{
	struct sync *sync = s->sync;

	summary_destroy(sync);
	table_clear(&sync->rules);
	if (++sync->surveys >= SURVEYS_MAX)
		sync_ask_flows(s);
	else
		summary_begin(s);
}

static bool is_served(const struct session *s)
{
	return survey_is_good(s->core) && survey_serial(s->core) == s->sync->summary->serial;
}

/* The survey is there. */
static void ask(struct session *s)
{
	struct summary *m = s->sync->summary;

	if (!is_served(s)) {
		begin_again(s);
		return;
	}
	survey_compare(s->core->survey, s->element->id, m->has, &m->asked);
	count(m);
	log_debug("%s: %zu of its nodes' rules agree, %zu do not, or may not", s->element->name,
		  m->agreed, m->expected);
	sync_ask_flows(s);
}

static bool is_small(const struct core *c)
{
	return !c->shell.unsent || c->records.count <= (size_t)c->config.slice * SMALL_SURVEY;
}

/* All that wait for it, now that it is complete. */
static void ask_all(struct core *c)
{
	for (struct session *s = c->sessions, *next; s; s = next) {
		next = s->next;
		if (s->stage != STAGE_SURVEY)
			continue;
		ask(s);
		c->shell.flush(c->shell.context, s);
	}
}

int summary_reply(struct session *s, uint32_t xid, struct reader *body)
{
	struct core *c = s->core;
	struct summary *m;
	uint64_t rules = 0;
	int r;

	if (s->stage != STAGE_SUMMARY || xid != s->stage_xid)
		return 0;
	m = s->sync->summary;
	r = summary_reply_decode(body, m->scheme.bits, m->has);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < summary_bucket_count(&m->scheme); i++)
		rules += m->has[i].count;
	if (rules < c->records.count / FEW) {
		read_all(s);
		return 0;
	}
	session_enter(s, STAGE_SURVEY, 0);
	if (survey_serial(c) != m->serial)
		begin_again(s);
	else if (survey_work(c, is_small(c) ? UINT32_MAX : c->config.slice))
		ask_all(c);
	return 0;
}

void summary_tick(struct session *s)
{
	if (s->stage == STAGE_SURVEY && !survey_is_walking(s->core))
		ask(s);
}

bool summary_work(struct core *c)
{
	if (!survey_is_walking(c))
		return false;
	for (struct session *s = c->sessions; s; s = s->next)
		if (s->stage == STAGE_SURVEY)
			s->stage_ms = c->now_ms; /* it is not late, we are */
	if (survey_work(c, c->config.slice))
		ask_all(c);
	return true;
}

/* ---- the rules in question ---- */

void summary_ask_rules(struct session *s, uint32_t xid)
{
	struct summary *m = s->sync->summary;

	summary_rules_encode(&s->channel.out, xid, &m->scheme, &m->asked);
	for (unsigned i = 0; i < sizeof(m->read.bytes); i++)
		m->read.bytes[i] |= m->asked.bytes[i];
	m->asked = (struct summary_marks){0};
}

/* What is marked now, and was not read. */
static bool find_more(struct session *s)
{
	struct summary *m = s->sync->summary;
	bool more = false;

	survey_compare(s->core->survey, s->element->id, m->has, &m->asked);
	for (unsigned i = 0; i < sizeof(m->asked.bytes); i++) {
		m->asked.bytes[i] &= (uint8_t)~m->read.bytes[i];
		more |= m->asked.bytes[i] != 0;
	}
	return more;
}

bool summary_wants_more(struct session *s)
{
	struct sync *sync = s->sync;

	if (!sync->summary || (is_served(s) && !find_more(s)))
		return false;
	sync->phase = SYNC_READING;
	s->core->comparing--;
	if (!is_served(s)) {
		begin_again(s);
	} else if (++sync->summary->rounds > ROUNDS_MAX) {
		read_all(s);
	} else {
		count(sync->summary);
		sync_ask_flows(s);
	}
	return true;
}

/* An FE may say that it has any number: for one that lies nobody waits longer than for another. */
size_t summary_reads(const struct sync *sync)
{
	size_t all = sync->core->records.count;

	return sync->summary && sync->summary->expected < all ? sync->summary->expected : all;
}

size_t summary_agreed(const struct sync *sync)
{
	return sync->summary ? sync->summary->agreed : 0;
}

bool summary_has_read(const struct sync *sync, uint32_t vrf, const struct address *address)
{
	const struct summary *m = sync->summary;

	return !m || summary_is_marked(&m->read, summary_bucket_of(&m->scheme, vrf, address));
}

bool summary_concerns(const struct sync *sync, const struct node *n)
{
	if (!sync->summary || !n)
		return true;
	for (unsigned i = 0; i < n->address_count; i++)
		if (summary_has_read(sync, n->vrf, &n->addresses[i]))
			return true;
	return false;
}
