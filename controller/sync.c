/* After a connect: what the FE has.  Links, groups and flows are read back whole; then compare.c
 * makes of it what the FE should have.  An FE with a million rules is a hundred megabytes to read,
 * so where nodes are many, only a few are read back at a time. */
#include "controller/sync.h"

#include "base/memory.h"
#include "controller/backplane.h"
#include "controller/full.h"

#include <errno.h>
#include <stdlib.h>

#define REPORTED_MAX (8u << 20) /* rules; more is no FE of ours */
#define READ_AT_ONCE (2u << 20) /* rules, of all FEs that are read back */

void sync_begin(struct session *s)
{
	struct sync *sync = memory_alloc(sizeof(*sync));

	full_forget(s->element);
	sync_destroy(s->sync);
	sync->core = s->core;
	sync->element = s->element;
	table_init_keyed(&sync->rules, sizeof(struct rule_key), sizeof(struct reported_rule),
			 s->core->seed + 5);
	table_init(&sync->groups, sizeof(uint32_t), sizeof(struct reported_group),
		   s->core->seed + 6);
	s->sync = sync;
}

void sync_destroy(struct sync *sync)
{
	if (!sync)
		return;
	sync->core->comparing -= sync->phase != SYNC_READING;
	summary_destroy(sync);
	table_finish(&sync->rules);
	table_finish(&sync->groups);
	buffer_finish(&sync->links);
	buffer_finish(&sync->left);
	free(sync);
}

int sync_links(struct session *s, struct reader *body, bool *ret_more)
{
	struct reported_link reported;
	int r = links_reply_begin(body, ret_more);

	while (r >= 0 && (r = links_next(body, &reported.info, &reported.state)) == 1) {
		buffer_add_bytes(&s->sync->links, &reported, sizeof(reported));
		if (s->sync->links.size > LINKS_MAX * sizeof(reported))
			return -ECONNRESET;
	}
	return r;
}

int sync_group(struct session *s, struct ofp_multipart *m)
{
	struct ofp_group_mod mod;
	struct rule_group group;
	int r;

	while ((r = ofp_group_desc_next(&m->body, &mod)) == 1) {
		struct reported_group *reported;

		if (rule_group_from_group_mod(&mod, &group) < 0)
			group = (struct rule_group){.fe = mod.group}; /* differs from any of ours */
		reported = table_put(&s->sync->groups, &group.fe, NULL);
		reported->group = group;
		if (s->sync->groups.count > ELEMENT_ID_MAX)
			return -ECONNRESET;
	}
	return r;
}

int sync_flow(struct session *s, struct ofp_multipart *m)
{
	struct ofp_flow_stats flow;
	struct rule rule;
	int r;

	while ((r = ofp_flow_stats_next(&m->body, &flow)) == 1) {
		struct reported_rule *reported;

		/* Not one of our shapes: somebody put it there by hand, and may keep it. */
		if (rule_from_flow_stats(&flow, &rule) < 0)
			continue;
		reported = table_put(&s->sync->rules, &rule.key, NULL);
		reported->rule = rule;
		if (s->sync->rules.count > REPORTED_MAX)
			return -ECONNRESET;
	}
	return r;
}

/* Each may have a rule for every node that there is. */
static bool may_read(const struct session *s)
{
	const struct core *c = s->core;
	size_t own = summary_reads(s->sync), rules = own;

	for (const struct session *other = c->sessions; other; other = other->next)
		if (other != s && other->sync && other->stage >= STAGE_FLOWS)
			rules += summary_reads(other->sync);
	return rules == own || rules <= READ_AT_ONCE;
}

void sync_ask_flows(struct session *s)
{
	struct ofp_flow_stats_request request = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	uint32_t xid = channel_xid(&s->channel);
	bool now = may_read(s);

	session_enter(s, now ? STAGE_FLOWS : STAGE_FLOWS_LATER, xid);
	if (!now)
		return;
	s->channel.count.messages_out++;
	if (s->sync->summary) {
		summary_ask_rules(s, xid);
		return;
	}
	ofp_flow_stats_request_encode(&s->channel.out, xid, OFPMP_FLOW, &request);
}

static const struct rule *later(const struct rule *one, const struct reported_rule *other)
{
	if (!other || (one && !version_is_later(version_from_cookie(other->rule.cookie),
						version_from_cookie(one->cookie))))
		return one;
	return &other->rule;
}

/* 'latest', or what is later of what was read of this element. */
static const struct rule *latest_of_node(const struct element *e, const struct node *n,
					 const struct rule *latest)
{
	static const enum rule_kind kinds[] = {RULE_LOCAL, RULE_FOREIGN};
	const struct session *s = e->session;

	for (unsigned i = 0; s && s->stage == STAGE_COMPARE && i < n->address_count; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct rule_key key = {.kind = (uint8_t)kinds[k],
					       .vrf = n->vrf,
					       .address = n->addresses[i]};

			latest = later(latest, table_get(&s->sync->rules, &key));
		}
	return latest;
}

/* What elements that are being compared were found to have when nobody knew the node.  The latest
 * decides, and at once, so that none of them is told what is older than its own. */
static void adopt_latest(struct core *c, const struct node *n)
{
	const struct rule *latest = NULL;
	struct element *from = NULL;

	for (unsigned i = 0; i < c->element_count; i++) {
		const struct rule *before = latest;

		latest = latest_of_node(c->elements[i], n, before);
		if (latest != before)
			from = c->elements[i];
	}
	if (latest)
		(void)attachment_adopt(c, from, latest);
}

void sync_explain_again(struct core *c, const struct node *n)
{
	if (!c->learning)
		return;
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (e->synced && e->session->stage == STAGE_COMPARE)
			e->session->sync->again = true;
		if (!e->unexplained || !e->synced || e->session->stage != STAGE_READY)
			continue;
		e->synced = false; /* else older rules of others might be put in place of its own */
		session_synchronize(e->session);
		c->shell.flush(c->shell.context, e->session);
	}
	adopt_latest(c, n); /* not before: those would be told */
}
