/* Questions that people ask a live FE through the northbound: its flows, its counters.  The answer
 * comes in many messages, collects here, and is given to the asker once, or an error after a time.
 */
#include "controller/element.h"

#include "base/memory.h"
#include "controller/ovs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_ITEMS_MAX 65536u /* a decoded flow is some kilobytes */
#define REQUESTS_MAX 64

enum request_kind { REQUEST_RULES, REQUEST_COUNTERS };

struct request {
	struct request *next;
	enum request_kind kind;
	uint32_t xid, drops_xid, ports_xid;
	int64_t deadline_ms;
	bool from_flows; /* COUNTERS of an element that has flow statistics alone */
	bool counters_done, drops_done, ports_done;
	struct buffer flows, rules, counters, drops; /* arrays of structs */
	void (*rules_done)(void *to, int result, const struct ofp_flow_stats *list,
			   const struct rule *rules, size_t count);
	void (*counters_answer)(void *to, int result, const struct counter *list, size_t count,
				const struct drop_count *drops, size_t drop_count);
	void *to;
};

static void answer(struct request *q, int result)
{
	if (q->kind == REQUEST_RULES) {
		size_t count = result < 0 ? 0 : q->rules.size / sizeof(struct rule);

		q->rules_done(q->to, result, (const void *)q->flows.data,
			      (const void *)q->rules.data, count);
	} else {
		size_t count = result < 0 ? 0 : q->counters.size / sizeof(struct counter);
		size_t drops = result < 0 ? 0 : q->drops.size / sizeof(struct drop_count);

		q->counters_answer(q->to, result, (const void *)q->counters.data, count,
				   (const void *)q->drops.data, drops);
	}
}

/* Answers and frees.  It is off the list first: the asker may ask again at once. */
static void finish(struct session *s, struct request *q, int result)
{
	struct request **link = &s->requests;

	while (*link != q)
		link = &(*link)->next;
	*link = q->next;
	answer(q, result);
	buffer_finish(&q->flows);
	buffer_finish(&q->rules);
	buffer_finish(&q->counters);
	buffer_finish(&q->drops);
	free(q);
}

static struct request *find(struct session *s, uint32_t xid)
{
	struct request *q = s->requests;

	while (q && q->xid != xid &&
	       !(q->kind == REQUEST_COUNTERS && (q->drops_xid == xid || q->ports_xid == xid)))
		q = q->next;
	return q;
}

static void add_rule(struct request *q, const struct ofp_flow_stats *flow, const struct rule *rule)
{
	buffer_add_bytes(&q->flows, flow, sizeof(*flow));
	buffer_add_bytes(&q->rules, rule, sizeof(*rule));
}

/* What a victor-fe counts is read off the flows' statistics; where the packets came in is not in
 * them. */
static void add_count(struct request *q, const struct ovs *o, const struct ofp_flow_stats *flow,
		      const struct rule *rule)
{
	struct counter counter = {.vrf = rule->key.vrf,
				  .address = rule->key.address,
				  .packets = flow->packet_count,
				  .bytes = flow->byte_count};
	struct drop_count drop = {.packets = flow->packet_count};
	const char *reason = ovs_drop_reason(rule);

	if (rule->key.kind == RULE_LOCAL)
		buffer_add_bytes(&q->counters, &counter, sizeof(counter));
	if (!reason)
		return;
	/* Open vSwitch counts a packet with the flows of both outcomes of check_pkt_larger. */
	if (rule->key.kind == RULE_TOO_BIG)
		drop.packets = o->too_big;
	strcpy(drop.name, reason);
	for (struct drop_count *d = (struct drop_count *)(void *)q->drops.data;
	     d && (uint8_t *)d < q->drops.data + q->drops.size; d++)
		if (strcmp(d->name, reason) == 0) {
			d->packets += drop.packets;
			return;
		}
	buffer_add_bytes(&q->drops, &drop, sizeof(drop));
}

int request_multipart(struct session *s, uint32_t xid, struct ofp_multipart *m)
{
	struct request *q = find(s, xid);
	struct ofp_flow_stats flow;
	struct rule rule;
	int r;

	if (!q || (q->kind != REQUEST_RULES && !q->from_flows) || m->type != OFPMP_FLOW)
		return 0;
	while ((r = ofp_flow_stats_next(&m->body, &flow)) == 1) {
		if (rule_from_flow_stats(&flow, &rule) < 0)
			continue; /* somebody's own flow */
		if (q->rules.size / sizeof(rule) == REQUEST_ITEMS_MAX ||
		    q->counters.size / sizeof(struct counter) == REQUEST_ITEMS_MAX) {
			finish(s, q, -E2BIG);
			return 0;
		}
		if (q->from_flows)
			add_count(q, s->element->ovs, &flow, &rule);
		else
			add_rule(q, &flow, &rule);
	}
	if (r < 0 || !m->more)
		finish(s, q, r);
	return r;
}

static int add_counters(struct request *q, struct reader *body)
{
	struct counter counter;
	bool more;
	int r = counters_reply_begin(body, &more);

	while (r >= 0 && (r = counters_next(body, &counter)) == 1)
		if (q->counters.size / sizeof(counter) < REQUEST_ITEMS_MAX)
			buffer_add_bytes(&q->counters, &counter, sizeof(counter));
	q->counters_done = r == 0 && !more;
	return r;
}

static int add_drops(struct request *q, struct reader *body)
{
	struct drop_count drop;
	int r;

	while ((r = drops_next(body, &drop)) == 1)
		if (q->drops.size / sizeof(drop) < REQUEST_ITEMS_MAX)
			buffer_add_bytes(&q->drops, &drop, sizeof(drop));
	q->drops_done = r == 0;
	return r;
}

static int add_port_drops(struct request *q, struct reader *body)
{
	struct drop_count drop;
	bool more;
	int r = port_drops_reply_begin(body, &more);

	while (r >= 0 && (r = port_drops_next(body, &drop)) == 1)
		if (q->drops.size / sizeof(drop) < REQUEST_ITEMS_MAX)
			buffer_add_bytes(&q->drops, &drop, sizeof(drop));
	q->ports_done = r == 0 && !more;
	return r;
}

int request_experimenter(struct session *s, uint32_t xid, enum experimenter_type type,
			 struct reader *body)
{
	struct request *q = find(s, xid);
	int r;

	if (!q || q->kind != REQUEST_COUNTERS)
		return 0;
	if (type == EXPERIMENTER_COUNTERS_REPLY)
		r = add_counters(q, body);
	else
		r = type == EXPERIMENTER_DROPS_REPLY ? add_drops(q, body) : add_port_drops(q, body);
	if (r < 0 || (q->counters_done && q->drops_done && q->ports_done))
		finish(s, q, r);
	return r;
}

bool request_refused(struct session *s, uint32_t xid, int result)
{
	struct request *q = find(s, xid);

	if (!q)
		return false;
	if (q->kind != REQUEST_COUNTERS || xid != q->ports_xid) {
		finish(s, q, result);
		return true;
	}
	/* An older release's element does not count by port. */
	q->ports_done = true;
	if (q->counters_done && q->drops_done)
		finish(s, q, 0);
	return true;
}

void request_tick(struct session *s)
{
	struct request *next;

	for (struct request *q = s->requests; q; q = next) {
		next = q->next;
		if (s->core->now_ms >= q->deadline_ms)
			finish(s, q, -ETIMEDOUT);
	}
}

void request_end_all(struct session *s, int result)
{
	while (s->requests)
		finish(s, s->requests, result);
}

/* *ret is NULL unless it returns 0. */
static int begin(struct core *c, const char *element, int64_t now_ms, struct reason *why,
		 struct request **ret)
{
	struct element *e = element_by_name(c, element);
	unsigned count = 0;
	struct request *q;

	*ret = NULL;
	core_set_now(c, now_ms);
	if (!e)
		return reason_set(why, -ENOENT, "there is no element %s", element);
	if (!e->session || e->session->stage < STAGE_PORTS)
		return reason_set(why, -ENOTCONN, "%s is not connected", e->name);
	for (q = e->session->requests; q; q = q->next)
		count++;
	if (count == REQUESTS_MAX)
		return reason_set(why, -EBUSY, "%s: %d questions are waiting already", e->name,
				  REQUESTS_MAX);
	q = memory_alloc(sizeof(*q));
	q->xid = channel_xid(&e->session->channel);
	q->deadline_ms = now_ms + REQUEST_TIMEOUT_MS;
	q->next = e->session->requests;
	e->session->requests = q;
	*ret = q;
	return 0;
}

static void send(struct core *c, const char *element)
{
	struct element *e = element_by_name(c, element);

	e->session->channel.count.messages_out++;
	c->shell.flush(c->shell.context, e->session);
}

static void ask_flows(struct core *c, const char *element, const struct request *q)
{
	struct ofp_flow_stats_request request = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};

	ofp_flow_stats_request_encode(&element_by_name(c, element)->session->channel.out, q->xid,
				      OFPMP_FLOW, &request);
	send(c, element);
}

int core_read_rules(struct core *c, const char *element, int64_t now_ms,
		    void (*done)(void *to, int result, const struct ofp_flow_stats *list,
				 const struct rule *rules, size_t count),
		    void *to, struct reason *why)
{
	struct request *q;
	int r = begin(c, element, now_ms, why, &q);

	if (!q)
		return r;
	q->kind = REQUEST_RULES;
	q->rules_done = done;
	q->to = to;
	ask_flows(c, element, q);
	return 0;
}

int core_read_counters(struct core *c, const char *element, int64_t now_ms,
		       void (*done)(void *to, int result, const struct counter *list, size_t count,
				    const struct drop_count *drops, size_t drop_count),
		       void *to, struct reason *why)
{
	struct request *q;
	struct channel *channel;
	int r = begin(c, element, now_ms, why, &q);

	if (!q)
		return r;
	channel = &element_by_name(c, element)->session->channel;
	q->kind = REQUEST_COUNTERS;
	q->counters_answer = done;
	q->to = to;
	q->from_flows = element_by_name(c, element)->ovs;
	if (q->from_flows) {
		ask_flows(c, element, q);
		return 0;
	}
	q->drops_xid = channel_xid(channel);
	counters_request_encode(&channel->out, q->xid);
	drops_request_encode(&channel->out, q->drops_xid);
	q->ports_xid = channel_xid(channel);
	port_drops_request_encode(&channel->out, q->ports_xid);
	channel->count.messages_out += 2;
	send(c, element);
	return 0;
}
