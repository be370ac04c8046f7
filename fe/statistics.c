/* Multipart requests: what the FE is and what its tables, ports and groups hold and count. */
#include "fe/internal.h"

#include <stdio.h>
#include <string.h>

/* A reply under way. */
struct answer {
	struct agent *agent;
	struct ofp_multipart_writer writer;
	struct ofp_aggregate_stats sum;
};

static void answer_desc(struct answer *w)
{
	struct ofp_description d = {
		.manufacturer = "VICTOR",
		.hardware = "eBPF data plane (tc)",
		.software = "victor-fe " VICTOR_VERSION,
	};

	snprintf(d.serial, sizeof(d.serial), "%u", w->agent->config.id);
	snprintf(d.datapath, sizeof(d.datapath),
		 "%s; table 5 sees only requests for a neighbour elsewhere: no probes, no "
		 "announcements, none for the same port and VLAN",
		 w->agent->config.name);
	ofp_description_add(&w->writer, &d);
}

void statistics_add_flow(const struct agent *a, struct ofp_multipart_writer *w,
			 struct pipeline_entry *entry)
{
	int64_t age = a->now_ms - entry->since_ms;
	struct ofp_flow_stats f = {0};

	rule_to_flow_stats(&entry->rule, &f);
	f.duration_s = (uint32_t)(age / 1000);
	f.duration_ns = (uint32_t)(age % 1000) * 1000000;
	if (entry->rule.key.kind != RULE_TENTATIVE)
		f.idle_timeout = entry->idle_timeout;
	f.hard_timeout = entry->hard_timeout;
	f.flags = entry->flags;
	pipeline_count(&a->pipeline, entry, &f.packet_count, &f.byte_count);
	ofp_flow_stats_add(w, &f);
}

static void add_flow(void *to, struct pipeline_entry *entry)
{
	struct answer *w = to;

	statistics_add_flow(w->agent, &w->writer, entry);
}

static void add_to_sum(void *to, struct pipeline_entry *entry)
{
	struct answer *w = to;
	uint64_t packets, bytes;

	pipeline_count(&w->agent->pipeline, entry, &packets, &bytes);
	w->sum.packet_count += packets;
	w->sum.byte_count += bytes;
	w->sum.flow_count++;
}

static int answer_flows(struct answer *w, struct reader *body, bool sum)
{
	struct ofp_flow_stats_request request;
	struct pipeline_filter filter;
	int r = ofp_flow_stats_request_decode(body, &request);

	if (r < 0)
		return r;
	if (request.table >= TABLE_COUNT && request.table != OFP_TABLE_ALL)
		return -OFP_BAD_REQUEST_BAD_TABLE_ID;
	filter = (struct pipeline_filter){
		.table = request.table,
		.out_port = request.out_port,
		.out_group = request.out_group,
		.cookie = request.cookie,
		.cookie_mask = request.cookie_mask,
		.match = &request.match,
	};
	pipeline_select(&w->agent->pipeline, &filter, sum ? add_to_sum : add_flow, w);
	if (sum)
		ofp_aggregate_stats_add(&w->writer, &w->sum);
	return 0;
}

static void answer_tables(struct answer *w)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++) {
		struct ofp_table_stats t = {
			.table = (uint8_t)i,
			.active_count = (uint32_t)w->agent->pipeline.rules[i].count +
					(i == TABLE_BINDING ? w->agent->pipeline.bare_count : 0),
		};

		ofp_table_stats_add(&w->writer, &t);
	}
}

static void answer_features(struct answer *w)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++) {
		struct ofp_table_features t;

		rule_table_features(i, &t);
		t.max_entries = w->agent->config.binding_limit;
		ofp_table_features_add(&w->writer, &t);
	}
}

static void add_port_stats(struct answer *w, uint32_t number)
{
	struct ofp_port_stats s = {.port = number};
	const struct agent *a = w->agent;

	if (a->shell.datapath->port_stats(a->shell.context, number, &s) < 0)
		s = (struct ofp_port_stats){.port = number};
	s.port = number;
	ofp_port_stats_add(&w->writer, &s);
}

static int answer_port_stats(struct answer *w, struct reader *body)
{
	const struct pipeline *p = &w->agent->pipeline;
	size_t at = 0;
	const void *key;
	void *value;
	uint32_t port;
	int r = ofp_id_request_decode(body, &port);

	if (r < 0)
		return r;
	if (port != OFPP_ANY) {
		if (!pipeline_port(p, port))
			return -OFP_BAD_REQUEST_BAD_PORT;
		add_port_stats(w, port);
		return 0;
	}
	while (table_next(&p->ports, &at, &key, &value))
		if (((const struct pipeline_port *)value)->present)
			add_port_stats(w, *(const uint32_t *)key);
	return 0;
}

static void answer_port_desc(struct answer *w)
{
	size_t at = 0;
	void *value;

	while (table_next(&w->agent->pipeline.ports, &at, NULL, &value)) {
		const struct pipeline_port *port = value;
		struct ofp_port out;

		if (!port->present)
			continue;
		agent_describe_port(w->agent, &port->port, &out);
		ofp_port_desc_add(&w->writer, &out);
	}
}

static void add_group_stats(struct answer *w, const struct pipeline_group *g)
{
	int64_t age = w->agent->now_ms - g->since_ms;
	struct ofp_group_stats s = {
		.group = g->group.fe,
		.reference_count = g->reference_count,
		.duration_s = (uint32_t)(age / 1000),
		.duration_ns = (uint32_t)(age % 1000) * 1000000,
		.bucket_count = g->group.path_count ? g->group.path_count : 1,
	};

	ofp_group_stats_add(&w->writer, &s);
}

static void add_group_desc(struct answer *w, const struct pipeline_group *g)
{
	struct ofp_group_mod m;

	rule_group_to_group_mod(&g->group, OFPGC_ADD, &m);
	ofp_group_desc_add(&w->writer, &m);
}

static void each_group(struct answer *w, uint32_t only,
		       void (*add)(struct answer *, const struct pipeline_group *))
{
	size_t at = 0;
	void *value;

	while (table_next(&w->agent->pipeline.groups, &at, NULL, &value)) {
		const struct pipeline_group *g = value;

		if (g->present && (only == OFPG_ALL || only == g->group.fe))
			add(w, g);
	}
}

static int answer_groups(struct answer *w, struct reader *body)
{
	uint32_t group;
	int r = ofp_id_request_decode(body, &group);

	if (r == 0)
		each_group(w, group, add_group_stats);
	return r;
}

/* ofp_group_features (OpenFlow 1.3.5, section 7.3.5.11): indirect groups, and those whose buckets
 * are paths (pipeline/rule.h); set_field and output in them. */
static void answer_group_features(struct answer *w)
{
	const uint32_t types =
		1u << OFPGT_INDIRECT | 1u << OFPGT_SELECT | 1u << OFPGT_FAST_FAILOVER;
	const uint32_t capabilities = OFPGFC_SELECT_WEIGHT | OFPGFC_SELECT_LIVENESS;
	struct buffer *out = w->writer.out;

	write_u32(out, types);
	write_u32(out, capabilities);
	for (unsigned type = OFPGT_ALL; type <= OFPGT_FAST_FAILOVER; type++)
		write_u32(out, types >> type & 1 ? PIPELINE_FE_MAX : 0);
	for (unsigned type = OFPGT_ALL; type <= OFPGT_FAST_FAILOVER; type++)
		write_u32(out, types >> type & 1 ? 1u << 25 | 1u : 0);
}

static int answer(struct answer *w, struct ofp_multipart *request)
{
	switch (request->type) {
	case OFPMP_DESC:
		answer_desc(w);
		return 0;
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		return answer_flows(w, &request->body, request->type == OFPMP_AGGREGATE);
	case OFPMP_TABLE:
		answer_tables(w);
		return 0;
	case OFPMP_TABLE_FEATURES:
		if (reader_left(&request->body)) /* the tables are what they are */
			return -OFP_BAD_REQUEST_EPERM;
		answer_features(w);
		return 0;
	case OFPMP_PORT_STATS:
		return answer_port_stats(w, &request->body);
	case OFPMP_PORT_DESC:
		answer_port_desc(w);
		return 0;
	case OFPMP_GROUP:
		return answer_groups(w, &request->body);
	case OFPMP_GROUP_DESC:
		each_group(w, OFPG_ALL, add_group_desc);
		return 0;
	case OFPMP_GROUP_FEATURES:
		answer_group_features(w);
		return 0;
	default:
		return -OFP_BAD_REQUEST_BAD_MULTIPART;
	}
}

int statistics_handle(struct agent_connection *c, const struct ofp_header *header,
		      struct reader *body)
{
	struct answer w = {.agent = c->agent};
	struct ofp_multipart request;
	size_t start = c->channel.out.size;
	int r = ofp_multipart_decode(body, &request);

	if (r < 0)
		return r;
	if (request.more) /* no request of ours takes more than one message */
		return -OFP_BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW;
	ofp_multipart_begin(&w.writer, &c->channel.out, header->xid, request.type);
	r = answer(&w, &request);
	if (r == 0)
		ofp_multipart_end(&w.writer);
	else
		c->channel.out.size = start; /* an error instead of a reply */
	return r;
}
