/* What a controller, or a person with ovs-ofctl, asks of the FE: one function for each OpenFlow
 * message.  Roles are enforced here: a SLAVE changes nothing (OpenFlow 1.3.5, section 6.3.5). */
#include "fe/internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

LOG_MODULE("agent");

#define CAPABILITY_FLOW_STATS 1u
#define CAPABILITY_TABLE_STATS 2u
#define CAPABILITY_PORT_STATS 4u
#define CAPABILITY_GROUP_STATS 8u
#define PACKET_OUT_MIN 14
#define PACKET_OUT_MAX 9216

static int handle_features(struct agent_connection *c, const struct ofp_header *header)
{
	struct ofp_features f = {
		.datapath_id = c->agent->config.id,
		.capabilities = CAPABILITY_FLOW_STATS | CAPABILITY_TABLE_STATS |
				CAPABILITY_PORT_STATS | CAPABILITY_GROUP_STATS,
		.table_count = TABLE_COUNT,
	};

	ofp_features_encode(&c->channel.out, header->xid, &f);
	if (!c->introduced)
		connection_introduce(c);
	return 0;
}

static int handle_get_config(struct agent_connection *c, const struct ofp_header *header)
{
	struct ofp_config config = {0, c->miss_send_size};

	ofp_config_encode(&c->channel.out, OFPT_GET_CONFIG_REPLY, header->xid, &config);
	return 0;
}

static int handle_set_config(struct agent_connection *c, struct reader *body)
{
	struct ofp_config config;
	int r = ofp_config_decode(body, &config);

	if (r < 0)
		return r;
	if (config.flags) /* fragments are forwarded as they are, nothing else */
		return -OFP_SWITCH_CONFIG_FAILED_BAD_FLAGS;
	c->miss_send_size = config.miss_send_size;
	c->wants_async = c->is_controller || config.miss_send_size;
	return 0;
}

static int handle_flow_mod(struct agent_connection *c, struct reader *body)
{
	struct ofp_flow_mod f;
	int r = ofp_flow_mod_decode(body, &f);

	if (r < 0)
		return r;
	r = pipeline_flow_mod(&c->agent->pipeline, &f);
	if (r < 0)
		log_warn_rl("%s: a flow-mod for table %u is refused: %s", c->peer, f.table,
			    ofp_error_string(r));
	return r;
}

static int handle_group_mod(struct agent_connection *c, struct reader *body)
{
	struct ofp_group_mod *m = memory_alloc(sizeof(*m)); /* large for a stack */
	int r = ofp_group_mod_decode(body, m);

	if (r == 0)
		r = pipeline_group_mod(&c->agent->pipeline, m);
	free(m);
	return r;
}

static int check_output(const struct agent *a, const struct ofp_packet_out *p,
			const struct ofp_action *action, uint32_t *ret_port)
{
	if (action->type != OFP_ACTION_OUTPUT)
		return -OFP_BAD_ACTION_BAD_TYPE;
	*ret_port = action->output.port == OFPP_IN_PORT ? p->in_port : action->output.port;
	return pipeline_port(&a->pipeline, *ret_port) ? 0 : -OFP_BAD_ACTION_BAD_OUT_PORT;
}

static int handle_packet_out(struct agent_connection *c, struct reader *body)
{
	struct agent *a = c->agent;
	struct ofp_packet_out p;
	uint32_t port;
	int r = ofp_packet_out_decode(body, &p);

	if (r < 0)
		return r;
	if (p.buffer_id != OFP_NO_BUFFER)
		return -OFP_BAD_REQUEST_BUFFER_UNKNOWN;
	if (p.data_size < PACKET_OUT_MIN || p.data_size > PACKET_OUT_MAX)
		return -OFP_BAD_REQUEST_BAD_PACKET;
	for (unsigned i = 0; i < p.actions.count && r == 0; i++)
		r = check_output(a, &p, &p.actions.list[i], &port);
	for (unsigned i = 0; i < p.actions.count && r == 0; i++) {
		r = check_output(a, &p, &p.actions.list[i], &port);
		if (r == 0 &&
		    a->shell.datapath->transmit(a->shell.context, port, p.data, p.data_size) < 0)
			log_warn_rl("port %u: a packet-out was not sent", port);
	}
	return r;
}

/* A later term beats an earlier one, around the corner of 64 bits too. */
static int check_generation(struct agent *a, const struct ofp_role_message *m)
{
	if (a->has_generation && (int64_t)(m->generation_id - a->generation_id) < 0)
		return -OFP_ROLE_REQUEST_FAILED_STALE;
	a->generation_id = m->generation_id;
	a->has_generation = true;
	return 0;
}

static void demote_masters(struct agent *a, const struct agent_connection *but)
{
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (c == but || c->role != OFPCR_MASTER)
			continue;
		log_warn("controller %s is MASTER no more: %s is", c->peer, but->peer);
		c->role = OFPCR_SLAVE;
		c->ready = false;
		c->complete = false;
	}
}

static int handle_role(struct agent_connection *c, const struct ofp_header *header,
		       struct reader *body)
{
	struct agent *a = c->agent;
	struct ofp_role_message m;
	int r = ofp_role_decode(body, &m);

	if (r < 0)
		return r;
	if (m.role > OFPCR_SLAVE)
		return -OFP_ROLE_REQUEST_FAILED_BAD_ROLE;
	if (m.role == OFPCR_MASTER || m.role == OFPCR_SLAVE) {
		r = check_generation(a, &m);
		if (r < 0)
			return r;
	}
	if (m.role == OFPCR_MASTER)
		demote_masters(a, c);
	if (m.role == OFPCR_SLAVE)
		c->ready = false;
	if (m.role != OFPCR_NOCHANGE) {
		c->role = m.role;
		c->complete = c->complete && m.role == OFPCR_MASTER;
	}
	m = (struct ofp_role_message){c->role, a->has_generation ? a->generation_id : UINT64_MAX};
	ofp_role_encode(&c->channel.out, OFPT_ROLE_REPLY, header->xid, &m);
	return 0;
}

/* Everything before it is in the data plane (all calls are synchronous); what was heard before it
 * is on its way up (design P4a). */
static int handle_barrier(struct agent_connection *c, const struct ofp_header *header)
{
	struct agent *a = c->agent;

	a->shell.datapath->drain_upcalls(a->shell.context);
	neighborhood_barrier(&a->neighborhood);
	c->complete = c->role == OFPCR_MASTER;
	ofp_empty_encode(&c->channel.out, OFPT_BARRIER_REPLY, header->xid);
	return 0;
}

/* Items of a reply that is cut into messages. */
struct counter_reply {
	struct agent_connection *c;
	uint32_t xid;
	unsigned count;
	struct counter list[COUNTERS_PER_MESSAGE];
};

static void add_counter(void *to, const struct counter *counter)
{
	struct counter_reply *r = to;

	if (r->count == COUNTERS_PER_MESSAGE) {
		counters_reply_encode(&r->c->channel.out, r->xid, r->list, r->count, true);
		r->count = 0;
	}
	r->list[r->count++] = *counter;
}

static void answer_counters(struct agent_connection *c, uint32_t xid)
{
	struct counter_reply *r = memory_alloc(sizeof(*r));

	r->c = c;
	r->xid = xid;
	c->agent->shell.datapath->counters(c->agent->shell.context, add_counter, r);
	counters_reply_encode(&c->channel.out, xid, r->list, r->count, false);
	free(r);
}

#define DROPS_MAX 256
struct drop_reply {
	unsigned count;
	struct drop_count list[DROPS_MAX];
};

static void add_drop(void *to, const struct drop_count *drop)
{
	struct drop_reply *r = to;

	if (r->count < DROPS_MAX)
		r->list[r->count++] = *drop;
}

void agent_count_refused_controller(struct agent *a)
{
	a->controllers_refused++;
}

static void answer_drops(struct agent_connection *c, uint32_t xid)
{
	struct drop_reply *r = memory_alloc(sizeof(*r));
	const struct drop_count advertised = {"sent_advertisement", true, c->agent->router.sent};
	const struct drop_count refused = {"refused_controller", true,
					   c->agent->controllers_refused};
	const struct drop_count bad = {"registration_checksum", false, c->agent->registrations_bad};
	const struct drop_count crowded = {"packet_in_crowded", true, c->agent->packet_ins_crowded};

	const struct drop_count over = {"hold_over", false, c->agent->hold.dropped};

	c->agent->shell.datapath->drops(c->agent->shell.context, add_drop, r);
	add_drop(r, &advertised);
	add_drop(r, &bad);
	add_drop(r, &refused);
	add_drop(r, &crowded);
	add_drop(r, &over);
	drops_reply_encode(&c->channel.out, xid, r->list, r->count);
	free(r);
}

struct port_drop_reply {
	struct agent_connection *c;
	uint32_t xid;
	unsigned count;
	struct drop_count list[PORT_DROPS_PER_MESSAGE];
};

static void add_port_drop(void *to, const struct drop_count *drop)
{
	struct port_drop_reply *r = to;

	if (r->count == PORT_DROPS_PER_MESSAGE) {
		port_drops_reply_encode(&r->c->channel.out, r->xid, r->list, r->count, true);
		r->count = 0;
	}
	r->list[r->count++] = *drop;
}

static void answer_port_drops(struct agent_connection *c, uint32_t xid)
{
	const struct datapath_ops *ops = c->agent->shell.datapath;
	struct port_drop_reply *r = memory_alloc(sizeof(*r));

	r->c = c;
	r->xid = xid;
	if (ops->port_drops)
		ops->port_drops(c->agent->shell.context, add_port_drop, r);
	port_drops_reply_encode(&c->channel.out, xid, r->list, r->count, false);
	free(r);
}

/* ---- links ---- */

static int handle_link_set(struct agent_connection *c, struct reader *body)
{
	struct agent *a = c->agent;
	struct link_info info;
	int r = link_set_decode(body, &info);

	if (r < 0)
		return r;
	r = links_set(&a->links, &info, pipeline_port(&a->pipeline, info.number));
	if (r < 0)
		log_warn_rl("%s: link %u to FE %u is refused: %s", c->peer, info.number, info.fe,
			    ofp_error_string(r));
	return r;
}

static int handle_link_delete(struct agent_connection *c, struct reader *body)
{
	uint32_t number;
	int r = link_delete_decode(body, &number);

	if (r == 0)
		links_delete(&c->agent->links, number);
	return r;
}

struct links_reply {
	unsigned count;
	struct link_info infos[LINKS_PER_MESSAGE];
	struct link_state states[LINKS_PER_MESSAGE];
};

static void answer_links(struct agent_connection *c, uint32_t xid)
{
	struct links_reply *r = memory_alloc(sizeof(*r));
	const struct links *links = &c->agent->links;
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	while (table_next(&links->list, &at, &key, (void **)&link)) {
		if (r->count == LINKS_PER_MESSAGE) {
			links_reply_encode(&c->channel.out, xid, r->infos, r->states, r->count,
					   true);
			r->count = 0;
		}
		r->infos[r->count] = link->plane.info;
		links_describe(links, link, &r->states[r->count++]);
	}
	links_reply_encode(&c->channel.out, xid, r->infos, r->states, r->count, false);
	free(r);
}

static int handle_experimenter(struct agent_connection *c, const struct ofp_header *header,
			       struct reader *body)
{
	enum experimenter_type type;
	int r = experimenter_decode(body, &type);

	if (r < 0)
		return r;
	if (type == EXPERIMENTER_COUNTERS_REQUEST)
		answer_counters(c, header->xid);
	else if (type == EXPERIMENTER_DROPS_REQUEST)
		answer_drops(c, header->xid);
	else if (type == EXPERIMENTER_PORT_DROPS_REQUEST)
		answer_port_drops(c, header->xid);
	else if (type == EXPERIMENTER_LINKS_REQUEST)
		answer_links(c, header->xid);
	else if (type == EXPERIMENTER_SUMMARY_REQUEST)
		return summary_handle_request(c, header->xid, body);
	else if (type == EXPERIMENTER_SUMMARY_RULES)
		return summary_handle_rules(c, header->xid, body);
	else if (type != EXPERIMENTER_LINK_SET && type != EXPERIMENTER_LINK_DELETE)
		return -OFP_BAD_REQUEST_BAD_EXP_TYPE;
	else if (c->role == OFPCR_SLAVE)
		return -OFP_BAD_REQUEST_IS_SLAVE;
	else
		return type == EXPERIMENTER_LINK_SET ? handle_link_set(c, body)
						     : handle_link_delete(c, body);
	return 0;
}

static void note_error(const struct agent_connection *c, struct reader *body)
{
	struct ofp_error e;

	if (ofp_error_decode(body, &e) == 0)
		log_warn_rl("%s refuses a message: %s", c->peer, ofp_error_string(e.result));
}

static bool changes_state(uint8_t type)
{
	return type == OFPT_FLOW_MOD || type == OFPT_GROUP_MOD || type == OFPT_PACKET_OUT ||
	       type == OFPT_PORT_MOD || type == OFPT_TABLE_MOD || type == OFPT_METER_MOD;
}

/* A message of a peer that means to stay; a features request or statistics alone do not say so. */
static bool shows_presence(uint8_t type)
{
	return changes_state(type) || type == OFPT_SET_CONFIG || type == OFPT_ROLE_REQUEST ||
	       type == OFPT_BARRIER_REQUEST;
}

static int dispatch(struct agent_connection *c, const struct ofp_header *header,
		    struct reader *body)
{
	switch (header->type) {
	case OFPT_FEATURES_REQUEST:
		return handle_features(c, header);
	case OFPT_GET_CONFIG_REQUEST:
		return handle_get_config(c, header);
	case OFPT_SET_CONFIG:
		return handle_set_config(c, body);
	case OFPT_FLOW_MOD:
		return handle_flow_mod(c, body);
	case OFPT_GROUP_MOD:
		return handle_group_mod(c, body);
	case OFPT_PACKET_OUT:
		return handle_packet_out(c, body);
	case OFPT_ROLE_REQUEST:
		return handle_role(c, header, body);
	case OFPT_BARRIER_REQUEST:
		return handle_barrier(c, header);
	case OFPT_MULTIPART_REQUEST:
		return statistics_handle(c, header, body);
	case OFPT_EXPERIMENTER:
		return handle_experimenter(c, header, body);
	case OFPT_ERROR:
		note_error(c, body);
		return 0;
	case OFPT_PORT_MOD:
		return -OFP_PORT_MOD_FAILED_EPERM; /* ports are the host's */
	case OFPT_TABLE_MOD:
		return -OFP_TABLE_MOD_FAILED_EPERM;
	case OFPT_METER_MOD:
		return -OFP_METER_MOD_FAILED_UNKNOWN;
	default:
		return -OFP_BAD_REQUEST_BAD_TYPE;
	}
}

int request_handle(struct agent_connection *c, const struct ofp_header *header, struct reader *body)
{
	int r;

	if (c->role == OFPCR_SLAVE && changes_state(header->type))
		return -OFP_BAD_REQUEST_IS_SLAVE;
	if (summary_must_end(header->type))
		summary_job_end(c->agent);
	r = dispatch(c, header, body);
	if (r == 0 && shows_presence(header->type))
		connection_set_ready(c);
	return r;
}
