/* See fe/summary.h. */
#include "fe/internal.h"

#include "base/memory.h"

#include <stdlib.h>

#define SLICE 8192 /* rules; well below a millisecond */

static const enum pipeline_table tables[] = {TABLE_GUARD, TABLE_BINDING};

static void finish(struct summary_job *job)
{
	free(job->buckets);
	*job = (struct summary_job){0};
}

static void answer(struct summary_job *job)
{
	struct agent_connection *c = job->connection;

	summary_reply_encode(&c->channel.out, job->xid, job->scheme.bits, job->buckets);
	c->channel.count.messages_out++;
	finish(job);
	if (!c->dropped)
		c->agent->shell.flush(c->agent->shell.context, c);
}

static void add(struct summary_job *job, const struct rule *rule)
{
	if (summary_covers((enum rule_kind)rule->key.kind))
		summary_add(&job->scheme, job->buckets, rule);
}

/* The next rule, wherever it is; false: there are no more. */
static bool step(struct agent *a)
{
	struct summary_job *job = &a->summary;
	struct pipeline_entry bare;
	void *value;

	while (job->step < ARRAY_SIZE(tables)) {
		if (table_next(&a->pipeline.rules[tables[job->step]], &job->at, NULL, &value)) {
			add(job, &((const struct pipeline_entry *)value)->rule);
			return true;
		}
		job->step++;
		job->at = 0;
	}
	if (!pipeline_next_bare(&a->pipeline, &job->bare_at, &bare))
		return false;
	add(job, &bare.rule);
	return true;
}

void summary_job_work(struct agent *a, unsigned rules)
{
	while (a->summary.connection && rules--)
		if (!step(a))
			answer(&a->summary);
}

void summary_job_end(struct agent *a)
{
	while (a->summary.connection)
		summary_job_work(a, SLICE);
}

void summary_job_forget(struct agent *a, const struct agent_connection *c)
{
	if (a->summary.connection == c)
		finish(&a->summary);
}

bool summary_must_end(uint8_t type)
{
	return type == OFPT_FLOW_MOD || type == OFPT_GROUP_MOD || type == OFPT_BARRIER_REQUEST ||
	       type == OFPT_MULTIPART_REQUEST || type == OFPT_EXPERIMENTER;
}

int summary_handle_request(struct agent_connection *c, uint32_t xid, struct reader *body)
{
	struct agent *a = c->agent;
	struct summary_scheme scheme;
	int r = summary_request_decode(body, &scheme);

	if (r < 0)
		return r;
	a->summary = (struct summary_job){
		.connection = c,
		.xid = xid,
		.scheme = scheme,
		.buckets = memory_alloc_array(summary_bucket_count(&scheme),
					      sizeof(struct summary_bucket)),
	};
	summary_job_work(a, SLICE);
	return 0;
}

bool agent_is_busy(const struct agent *a)
{
	return a->summary.connection != NULL;
}

void agent_work(struct agent *a)
{
	summary_job_work(a, SLICE);
}

/* ---- the rules themselves ---- */

struct selection {
	struct agent_connection *c;
	const struct summary_scheme *scheme;
	const struct summary_marks *marks;
	bool any; /* bucket is marked */
	struct ofp_multipart_writer writer;
};

static bool is_wanted(const struct selection *s, const struct rule *rule)
{
	if (!summary_covers((enum rule_kind)rule->key.kind))
		return true;
	return s->any && summary_is_marked(s->marks, summary_bucket_of(s->scheme, rule->key.vrf,
								       &rule->key.address));
}

static void add_wanted(struct selection *s, struct pipeline_entry *entry)
{
	if (is_wanted(s, &entry->rule))
		statistics_add_flow(s->c->agent, &s->writer, entry);
}

static void each_rule(struct selection *s)
{
	struct pipeline *p = &s->c->agent->pipeline;
	struct pipeline_entry bare;
	uint64_t bare_at = 0;
	size_t at;
	void *value;

	for (unsigned table = 0; table < TABLE_COUNT; table++) {
		at = 0;
		while (table_next(&p->rules[table], &at, NULL, &value))
			add_wanted(s, value);
	}
	while (s->any && pipeline_next_bare(p, &bare_at, &bare))
		add_wanted(s, &bare);
}

int summary_handle_rules(struct agent_connection *c, uint32_t xid, struct reader *body)
{
	struct summary_scheme scheme;
	struct summary_marks marks;
	struct selection s = {.c = c, .scheme = &scheme, .marks = &marks};
	int r = summary_rules_decode(body, &scheme, &marks);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < summary_bucket_count(&scheme) / 8; i++)
		s.any |= marks.bytes[i] != 0;
	ofp_multipart_begin(&s.writer, &c->channel.out, xid, OFPMP_FLOW);
	each_rule(&s);
	ofp_multipart_end(&s.writer);
	return 0;
}
