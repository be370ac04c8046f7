/* One connection of an FE, from HELLO to "synchronized":
 *
 *	HELLO ─ FEATURES ─ ELEMENT ─ ROLE_QUERY ─ ROLE ─ PORTS ─ LINKS ─ GROUPS ─ (sums) ─ FLOWS ─
 *	READY
 *
 * Each stage sends one request and waits for its answer; ELEMENT waits for the FE to say its name.
 * The role query comes before MASTER is asked for, because the FE's generation_id may be of a later
 * term than ours (a lost store), which raises our term (design P2).  What is read back is sync.c's;
 * a claim that comes before the comparison is held, so that it does not look like news.  Packet-ins
 * go to the registrar, ports that go down to the attachment machine. */
#include "controller/backplane.h"
#include "controller/discovery.h"
#include "controller/element.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/drain.h"
#include "controller/full.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/refusal.h"
#include "controller/registrar.h"
#include "controller/segment.h"
#include "controller/signed.h"
#include "controller/summary.h"
#include "controller/topology.h"
#include "controller/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("element");

void session_enter(struct session *s, enum session_stage stage, uint32_t xid)
{
	s->stage = stage;
	s->stage_xid = xid;
	s->stage_ms = s->core->now_ms;
}

static int doom(struct session *s, const char *why)
{
	s->doomed = why;
	return -ECONNRESET;
}

static uint32_t next_xid(struct session *s)
{
	s->channel.count.messages_out++;
	return channel_xid(&s->channel);
}

static void on_up(void *context)
{
	struct session *s = context;
	uint32_t xid = next_xid(s);

	ofp_empty_encode(&s->channel.out, OFPT_FEATURES_REQUEST, xid);
	session_enter(s, STAGE_FEATURES, xid);
}

static int check_name(struct session *s, struct element *e, const char *name)
{
	struct element *other = element_by_name(s->core, name);
	char text[200];

	if (!inventory_name_is_valid(name))
		return doom(s, "its name is not of letters, digits, '-', '_' and '.'");
	if (!other || other == e)
		return 0;
	snprintf(text, sizeof(text), "element %u says that it is %s, which is element %u", e->id,
		 name, other->id);
	report_refusal(s->core, "name-in-use", name, e, 0, text);
	return doom(s, "its name is another element's");
}

/* No two have one backplane address.  One that is gone gives its address to one that is here. */
static int check_backplane(struct session *s, const struct element *e, const struct backplane *b)
{
	struct core *c = s->core;

	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *other = c->elements[i];
		char text[200];

		if (other == e || !backplane_is_shared(&other->backplane, b))
			continue;
		if (other->session) {
			snprintf(text, sizeof(text),
				 "element %u has the backplane address of %s: refused", e->id,
				 other->name);
			report_refusal(c, "backplane-in-use", other->name, e, 0, text);
			return doom(s, "its backplane address is another element's");
		}
		memset(&other->backplane, 0, sizeof(other->backplane));
		planner_refresh_peer(c, other);
	}
	return 0;
}

static void ask_role(struct session *s, enum ofp_role role, enum session_stage stage)
{
	struct ofp_role_message message = {role, s->core->term};
	uint32_t xid = next_xid(s);

	ofp_role_encode(&s->channel.out, OFPT_ROLE_REQUEST, xid, &message);
	session_enter(s, stage, xid);
}

static void meet(struct session *s, struct element *e, const struct element_info *info)
{
	struct ofp_config config = {.miss_send_size = 0xffff};

	element_rename(e, info->name);
	e->info = *info;
	name_copy(e->peer, s->peer);
	e->session = s;
	s->element = e;
	e->met = true;
	drain_meet(e);
	e->state = ELEMENT_CONNECTING;
	e->since_ms = s->core->now_ms;
	e->distant = false;
	e->backplane = info->backplane;
	report(s->core, EVENT_ELEMENT_UP, NULL, e, 0, "%s: connected from %s, %s", e->name, s->peer,
	       info->software);
	if (!element_has_backplane(e))
		report_refusal(s->core, "no-backplane", e->name, e, 0,
			       "it has no backplane address: other FEs cannot reach its nodes");
	planner_refresh_peer(s->core, e);
	backplane_refresh(s->core, e);
	topology_refresh(s->core);
	ofp_config_encode(&s->channel.out, OFPT_SET_CONFIG, next_xid(s), &config);
	if (e->ovs)
		ovs_subscribe(&s->channel.out, next_xid(s));
	ask_role(s, OFPCR_NOCHANGE, STAGE_ROLE_QUERY);
}

static int introduce(struct session *s, struct element *e, struct element_info *info)
{
	int r = vouch_check(s, info->name);

	if (r == 0 && element_is_taken(e, s))
		return doom(s, "this element is connected already");
	r = r ? r : check_name(s, e, info->name);
	r = r ? r : check_backplane(s, e, &info->backplane);
	if (r < 0)
		return r;
	text_clean(info->software, sizeof(info->software));
	meet(s, e, info);
	return 0;
}

static int got_element(struct session *s, struct reader *body)
{
	struct element_info info;
	int r = element_info_decode(body, &info);

	if (r == 0 && s->element && s->element->ovs)
		return doom(s, "it is a victor-fe, but declared to be an Open vSwitch");
	if (r < 0 || s->stage != STAGE_ELEMENT)
		return r;
	return introduce(s, element_obtain(s->core, s->id), &info);
}

/* A switch has said all that it can; the rest is declared. */
static int got_features(struct session *s, struct reader *body)
{
	struct ofp_features features;
	struct element_info info;
	struct element *e;
	int r = ofp_features_decode(body, &features);

	if (r < 0 || s->stage != STAGE_FEATURES)
		return r;
	if (features.datapath_id == 0 || features.datapath_id > ELEMENT_ID_MAX)
		return doom(s, "its datapath id is not an element id (1 to 65535)");
	s->id = (uint32_t)features.datapath_id;
	r = vouch_check(s, NULL);
	session_enter(s, STAGE_ELEMENT, 0);
	e = element_find(s->core, s->id);
	if (r < 0 || !e || !e->ovs)
		return r;
	ovs_describe(e, &info);
	return introduce(s, e, &info);
}

static int got_role(struct session *s, const struct ofp_header *h, struct reader *body)
{
	struct ofp_role_message role;
	int r = ofp_role_decode(body, &role);

	if (r < 0 || h->xid != s->stage_xid)
		return r;
	if (s->stage == STAGE_ROLE_QUERY) {
		if (role.generation_id <= UINT16_MAX && role.generation_id > s->core->term)
			(void)element_learn_term(s->core, (uint16_t)role.generation_id, s->element);
		ask_role(s, OFPCR_MASTER, STAGE_ROLE);
	} else if (s->stage == STAGE_ROLE) {
		struct element *e = s->element;
		uint32_t xid = next_xid(s);

		e->state = ELEMENT_SYNCHRONIZING;
		element_ports_begin(e);
		ofp_multipart_request_encode(&s->channel.out, xid, OFPMP_PORT_DESC);
		session_enter(s, STAGE_PORTS, xid);
	}
	return 0;
}

static int got_ports(struct session *s, struct ofp_multipart *m)
{
	struct ofp_port port;
	int r;

	while ((r = ofp_port_desc_next(&m->body, &port)) == 1)
		element_set_port(s->element, &port);
	if (r < 0 || m->more)
		return r;
	element_ports_end(s->element);
	session_synchronize(s);
	return 0;
}

static void ask_groups(struct session *s)
{
	uint32_t xid = next_xid(s);

	ofp_multipart_request_encode(&s->channel.out, xid, OFPMP_GROUP_DESC);
	session_enter(s, STAGE_GROUPS, xid);
}

void session_synchronize(struct session *s)
{
	uint32_t xid;

	sync_begin(s);
	if (s->element->ovs) {
		ask_groups(s);
		return;
	}
	xid = next_xid(s);
	links_request_encode(&s->channel.out, xid);
	session_enter(s, STAGE_LINKS, xid);
}

/* Its links, asked for at the start; later the counters, every second. */
static int got_links(struct session *s, uint32_t xid, struct reader *body)
{
	bool more;
	int r;

	if (s->stage != STAGE_LINKS || xid != s->stage_xid)
		return s->stage == STAGE_READY ? backplane_reply(s->element, body) : 0;
	r = sync_links(s, body, &more);
	if (r == 0 && !more) {
		s->element->links_known = true;
		ask_groups(s);
	}
	return r;
}

static int got_multipart(struct session *s, const struct ofp_header *h, struct reader *body)
{
	struct ofp_multipart m;
	int r = ofp_multipart_decode(body, &m);

	if (r < 0)
		return r;
	if (h->xid != s->stage_xid)
		return s->element->ovs && h->xid == s->element->ovs->idle_xid
			       ? ovs_idle_flows(s->element, &m)
			       : request_multipart(s, h->xid, &m);
	s->stage_ms = s->core->now_ms;
	if (s->stage == STAGE_PORTS && m.type == OFPMP_PORT_DESC)
		return got_ports(s, &m);
	if (s->stage == STAGE_GROUPS && m.type == OFPMP_GROUP_DESC) {
		r = sync_group(s, &m);
		if (r == 0 && !m.more)
			summary_begin(s);
		return r;
	}
	if (s->stage == STAGE_FLOWS && m.type == OFPMP_FLOW) {
		r = sync_flow(s, &m);
		if (r == 0 && !m.more) {
			session_enter(s, STAGE_COMPARE, channel_xid(&s->channel));
			compare_begin(s);
			if (compare_is_small(s))
				compare_all(s);
		}
		return r;
	}
	return 0;
}

void session_online(struct session *s)
{
	struct element *e = s->element;

	e->state = ELEMENT_ONLINE;
	segment_element_online(e);
	full_settled(e);
	report(s->core, EVENT_SYNCHRONIZED, NULL, e, 0, "%s: synchronized, %llu rules", e->name,
	       (unsigned long long)e->rule_count);
}

static void got_sighting(struct session *s, const struct sighting *sighting)
{
	const struct port *p = element_find_port(s->element, sighting->port);

	if (signed_heard(s->core, s->element, sighting) ||
	    (s->element->ovs && ovs_heard(s->element, sighting)))
		return;
	if (p && p->info.role == PORT_BACKPLANE)
		discovery_heard(s->element, sighting);
	else if (s->element->synced)
		registrar_sighting(s->core, s->element, sighting);
	else
		held_add(s, sighting);
}

static uint32_t match_number(const struct ofp_match *m, enum ofp_field field)
{
	const struct ofp_match_field *f = ofp_match_get(m, field);

	return f ? (uint32_t)ofp_match_value(f) : 0;
}

/* in_port is cleared behind table 0; reg0 remembers it. */
static int got_packet_in(struct session *s, struct reader *body)
{
	struct ofp_packet_in packet;
	struct sighting sighting = {0};
	uint32_t vlan;
	int r = ofp_packet_in_decode(body, &packet);

	if (r < 0)
		return r;
	s->element->packet_ins++;
	sighting.port = match_number(&packet.match, OFP_FIELD_IN_PORT);
	if (!sighting.port)
		sighting.port = match_number(&packet.match, OFP_FIELD_REG0);
	vlan = match_number(&packet.match, OFP_FIELD_VLAN_VID);
	sighting.vlan = vlan & OFP_VLAN_PRESENT ? vlan & 0xfff : 0;
	sighting.ttl_over = packet.reason == OFPR_INVALID_TTL;
	sighting.too_big = packet.table == TABLE_NEIGHBOR;
	sighting.data = packet.data;
	sighting.size = packet.data_size;
	got_sighting(s, &sighting);
	return 0;
}

static int got_replay(struct session *s, struct reader *body)
{
	struct replay replay;
	int r = replay_decode(body, &replay);

	if (r < 0)
		return r;
	got_sighting(s, &(struct sighting){.port = replay.port,
					   .replay = true,
					   .data = replay.data,
					   .size = replay.data_size});
	return 0;
}

static int got_silent(struct session *s, struct reader *body)
{
	struct silent silent;
	int r = silent_decode(body, &silent);

	if (r == 0)
		attachment_silent(s->core, s->element, &silent);
	return r;
}

static int got_port_info(struct session *s, struct reader *body)
{
	struct port_info info;
	int r = port_info_decode(body, &info);

	if (r == 0)
		element_describe_port(s->element, &info);
	return r;
}

static int got_experimenter(struct session *s, uint32_t xid, struct reader *body)
{
	enum experimenter_type type;
	int r = experimenter_decode(body, &type);

	if (r < 0)
		return r;
	if (type == EXPERIMENTER_ELEMENT)
		return got_element(s, body);
	if (!s->element)
		return -OFP_BAD_REQUEST_EPERM;
	if (type == EXPERIMENTER_PORT)
		return got_port_info(s, body);
	if (type == EXPERIMENTER_REPLAY)
		return got_replay(s, body);
	if (type == EXPERIMENTER_SILENT)
		return got_silent(s, body);
	if (type == EXPERIMENTER_LINK_STATE)
		return backplane_state(s->element, body);
	if (type == EXPERIMENTER_OVERLAPS)
		return overlap_reported(s->element, body);
	if (type == EXPERIMENTER_LINKS_REPLY)
		return got_links(s, xid, body);
	if (type == EXPERIMENTER_SUMMARY_REPLY)
		return summary_reply(s, xid, body);
	if (type == EXPERIMENTER_COUNTERS_REPLY || type == EXPERIMENTER_DROPS_REPLY ||
	    type == EXPERIMENTER_PORT_DROPS_REPLY)
		return request_experimenter(s, xid, type, body);
	return -OFP_BAD_REQUEST_BAD_EXP_TYPE;
}

static int got_port_status(struct session *s, struct reader *body)
{
	struct ofp_port_status status;
	int r = ofp_port_status_decode(body, &status);

	if (r < 0)
		return r;
	if (status.reason == OFPPR_DELETE)
		element_lose_port(s->element, status.port.number);
	else
		element_set_port(s->element, &status.port);
	return 0;
}

static int got_error(struct session *s, uint32_t xid, struct reader *body)
{
	struct ofp_error error;
	struct element *e = s->element;
	char text[256];

	if (ofp_error_decode(body, &error) < 0)
		return 0;
	if (xid == s->stage_xid && s->stage == STAGE_LINKS) {
		s->element->links_known = false; /* it knows no links */
		ask_groups(s);
		return 0;
	}
	if (xid == s->stage_xid && s->stage == STAGE_SUMMARY) {
		summary_refused(s);
		return 0;
	}
	if (xid == s->stage_xid && s->stage < STAGE_COMPARE)
		return doom(s, s->stage == STAGE_ROLE ? "it has another master of a later term"
						      : "it refused the handshake");
	if (!e || request_refused(s, xid, error.result))
		return 0;
	e->errors++;
	if (error.result == -OFP_FLOW_MOD_FAILED_TABLE_FULL)
		full_refused(e, error.offender, error.offender_size);
	snprintf(text, sizeof(text), "%s: refused %s of change %u: %s", e->name,
		 error.offender_size > 1 ? ofp_type_name(error.offender[1]) : "a message", xid,
		 ofp_error_string(error.result));
	report_refusal(s->core, "refused-by-element", ofp_error_string(error.result), e, 0, text);
	return 0;
}

static bool is_news(uint8_t type)
{
	return type == OFPT_PORT_STATUS || type == OFPT_PACKET_IN || type == OFPT_FLOW_REMOVED;
}

static int on_message(void *context, const struct ofp_header *h, struct reader *body)
{
	struct session *s = context;

	if (s->doomed)
		return -ECONNRESET;
	switch (h->type) {
	case OFPT_FEATURES_REPLY:
		return got_features(s, body);
	case OFPT_EXPERIMENTER:
		return got_experimenter(s, h->xid, body);
	case OFPT_ERROR:
		return got_error(s, h->xid, body);
	default:
		break;
	}
	/* A switch tells of its ports and packets as soon as it is connected. */
	if (!s->element)
		return is_news(h->type) ? 0 : -OFP_BAD_REQUEST_EPERM;
	switch (h->type) {
	case OFPT_ROLE_REPLY:
		return got_role(s, h, body);
	case OFPT_MULTIPART_REPLY:
		return got_multipart(s, h, body);
	case OFPT_BARRIER_REPLY:
		element_settle(s->element, h->xid);
		return 0;
	case OFPT_PACKET_IN:
		return got_packet_in(s, body);
	case OFPT_PORT_STATUS:
		return got_port_status(s, body);
	case OFPT_FLOW_REMOVED: /* a tentative binding's end */
		return 0;
	default:
		return -OFP_BAD_REQUEST_BAD_TYPE;
	}
}

static const struct channel_ops session_ops = {on_up, on_message};

struct session *core_session_open(struct core *c, const char *peer, void *handle, int64_t now_ms)
{
	struct session *s = memory_alloc(sizeof(*s));

	core_set_now(c, now_ms);
	s->core = c;
	s->handle = handle;
	name_copy(s->peer, peer);
	s->held_end = &s->held;
	s->next = c->sessions;
	s->link = &c->sessions;
	if (s->next)
		s->next->link = &s->next;
	c->sessions = s;
	channel_init(&s->channel, &session_ops, s, ECHO_INTERVAL_MS, now_ms);
	session_enter(s, STAGE_HELLO, 0);
	return s;
}

static void leave_element(struct session *s, const char *reason)
{
	struct element *e = s->element;

	request_end_all(s, -ECONNRESET);
	e->session = NULL;
	e->synced = e->owes_barrier = false;
	e->state = ELEMENT_OFFLINE;
	e->since_ms = e->lost_ms = s->core->now_ms;
	/* One that fell silent was lost when it was last heard. */
	if (s->core->now_ms - s->channel.heard_ms > 2 * (int64_t)ECHO_INTERVAL_MS)
		e->lost_ms = s->channel.heard_ms;
	report(s->core, EVENT_ELEMENT_DOWN, NULL, e, 0, "%s: the session is lost: %s", e->name,
	       reason ? reason : "closed");
}

void session_end(struct session *s, const char *reason, bool tell_shell)
{
	struct core *c = s->core;

	if (s->element)
		leave_element(s, reason);
	else if (tell_shell)
		log_warn_rl("%s: dropped: %s", s->peer, reason ? reason : "closed");
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (tell_shell)
		c->shell.drop(c->shell.context, s);
	while (s->held) {
		struct held_sighting *held = s->held;

		s->held = held->next;
		free(held);
	}
	sync_destroy(s->sync);
	free(s->barriers.list);
	channel_finish(&s->channel);
	free(s);
}

static bool session_ended(struct session *s)
{
	if (!s->doomed && s->channel.state != CHANNEL_DOWN)
		return false;
	session_end(s, s->doomed ? s->doomed : s->channel.down_reason, true);
	return true;
}

void core_session_receive(struct session *s, const uint8_t *bytes, size_t size, int64_t now_ms)
{
	struct core *c = s->core;

	core_set_now(c, now_ms);
	c->receiving = &s->channel;
	channel_receive(&s->channel, bytes, size, now_ms);
	c->receiving = NULL;
	if (!session_ended(s) && s->channel.out.size)
		c->shell.flush(c->shell.context, s);
	if (!c->learning)
		topology_settle(c);
}

void core_session_close(struct session *s, const char *reason, int64_t now_ms)
{
	core_set_now(s->core, now_ms);
	session_end(s, reason, false);
}

void session_tick(struct session *s)
{
	struct core *c = s->core;

	channel_tick(&s->channel, c->now_ms);
	request_tick(s);
	if (s->stage == STAGE_FLOWS_LATER)
		sync_ask_flows(s);
	summary_tick(s);
	if (s->stage < STAGE_READY && c->now_ms - s->stage_ms > HANDSHAKE_TIMEOUT_MS)
		s->doomed = s->stage == STAGE_ELEMENT
				    ? "it does not say which element it is: neither a victor-fe "
				      "nor a declared Open vSwitch?"
				    : "it does not answer";
	if (!session_ended(s) && s->channel.out.size)
		c->shell.flush(c->shell.context, s);
}
