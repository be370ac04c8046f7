/* The agent: connections, and everything that goes to controllers by itself (port status, replays,
 * FLOW_REMOVED; packet-ins are upcall.c's).  Requests are request.c's and statistics.c's; rules are
 * pipeline.c's; what the FE does about nodes by itself is neighbor.c's. */
#include "fe/internal.h"
#include "fe/overlap.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("agent");

#define DEFAULT_IDLE_PROBE_MS 30000
#define DEFAULT_IDLE_GIVE_UP_MS 3000
#define DEFAULT_TENTATIVE_MS 10000
#define SUMMARY_AT_TICK 131072 /* rules, where the shell calls no agent_work */

/* Time passes for all parts at once. */
void agent_set_now(struct agent *a, int64_t now_ms)
{
	a->now_ms = a->pipeline.now_ms = a->neighborhood.now_ms = now_ms;
	a->router.now_ms = a->hold.now_ms = now_ms;
	if (a->links.now_us < now_ms * 1000)
		a->links.now_us = now_ms * 1000;
}

void agent_write(struct agent_connection *c)
{
	if (c->channel.out.size && !c->dropped)
		c->agent->shell.flush(c->agent->shell.context, c);
}

static bool is_up(const struct agent_connection *c)
{
	return !c->dropped && c->channel.state == CHANNEL_UP && c->introduced;
}

bool connection_listens(const struct agent_connection *c)
{
	return is_up(c) && c->ready && c->wants_async && c->role != OFPCR_SLAVE;
}

/* ---- replays ---- */

void agent_adopt_kept(struct agent *a, const struct kept_key *key, const struct kept_frame *frame)
{
	neighborhood_adopt_kept(&a->neighborhood, key, frame);
}

static void send_replay(void *to, const struct replay *replay)
{
	struct agent_connection *c = to;

	replay_encode(&c->channel.out, 0, replay);
	c->channel.count.messages_out++;
}

void connection_set_ready(struct agent_connection *c)
{
	if (c->ready || !c->introduced || c->role == OFPCR_SLAVE)
		return;
	c->ready = true;
	if (c->is_controller)
		neighborhood_replay(&c->agent->neighborhood, send_replay, c);
}

bool agent_has_controller(const struct agent *a)
{
	for (const struct agent_connection *c = a->connections; c; c = c->next)
		if (c->is_controller && connection_listens(c))
			return true;
	return false;
}

bool agent_is_complete(const struct agent *a)
{
	for (const struct agent_connection *c = a->connections; c; c = c->next)
		if (c->is_controller && c->complete && connection_listens(c))
			return true;
	return false;
}

bool agent_is_cut_off(const struct agent *a)
{
	return links_are_down(&a->links);
}

/* ---- what the pipeline and the neighborhood tell ---- */

static void on_removed(void *context, const struct pipeline_entry *entry, uint8_t reason)
{
	struct agent *a = context;
	int64_t age = a->now_ms - entry->since_ms;
	struct ofp_flow_removed f = {
		.cookie = entry->rule.cookie,
		.priority = rule_priority(&entry->rule.key),
		.idle_timeout = entry->idle_timeout,
		.hard_timeout = entry->hard_timeout,
		.reason = reason,
		.table = (uint8_t)rule_table(entry->rule.key.kind),
		.duration_s = (uint32_t)(age / 1000),
		.duration_ns = (uint32_t)(age % 1000) * 1000000,
	};

	rule_to_match(&entry->rule.key, &f.match);
	pipeline_count(&a->pipeline, entry, &f.packet_count, &f.byte_count);
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (!connection_listens(c))
			continue;
		ofp_flow_removed_encode(&c->channel.out, 0, &f);
		c->channel.count.messages_out++;
	}
}

static void on_local_set(void *context, const struct rule *rule)
{
	struct agent *a = context;

	neighborhood_local_set(&a->neighborhood, rule);
	router_local_set(&a->router, rule);
}

static void on_local_removed(void *context, const struct rule *rule)
{
	neighborhood_local_removed(&((struct agent *)context)->neighborhood, rule);
}

static void on_foreign_set(void *context, uint32_t vrf, const struct address *address)
{
	neighborhood_foreign_set(&((struct agent *)context)->neighborhood, vrf, address);
}

static void on_silent(void *context, const struct silent *silent)
{
	struct agent *a = context;

	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (!connection_listens(c) || !c->is_controller)
			continue;
		silent_encode(&c->channel.out, 0, silent);
		c->channel.count.messages_out++;
		agent_write(c);
	}
}

/* ---- ports ---- */

/* What a fast-failover group's watch port asks for: a link's liveness where the port is one's, else
 * the device's own. */
static bool is_live(const struct agent *a, const struct agent_port *port)
{
	const struct backplane_link *link = links_find(&a->links, port->info.number);

	return port->up && (!link || link->plane.alive);
}

void agent_describe_port(const struct agent *a, const struct agent_port *port, struct ofp_port *ret)
{
	*ret = (struct ofp_port){
		.number = port->info.number,
		.mac = port->mac,
		.state = (port->up ? 0 : OFPPS_LINK_DOWN) | (is_live(a, port) ? OFPPS_LIVE : 0) |
			 (port->blocked ? OFPPS_BLOCKED : 0),
	};
	memcpy(ret->name, port->name, sizeof(ret->name));
	ret->name[sizeof(ret->name) - 1] = '\0';
}

static void send_port(struct agent_connection *c, const struct agent_port *port,
		      enum ofp_port_reason reason)
{
	struct ofp_port_status status = {.reason = (uint8_t)reason};

	if (c->is_controller && reason != OFPPR_DELETE) {
		port_info_encode(&c->channel.out, 0, &port->info);
		c->channel.count.messages_out++;
	}
	agent_describe_port(c->agent, port, &status.port);
	ofp_port_status_encode(&c->channel.out, 0, &status);
	c->channel.count.messages_out++;
}

static void tell_port(struct agent *a, const struct agent_port *port, enum ofp_port_reason reason)
{
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (!is_up(c) || !c->wants_async)
			continue;
		send_port(c, port, reason);
		agent_write(c);
	}
}

static bool port_equal(const struct agent_port *a, const struct agent_port *b)
{
	return a->info.role == b->info.role && a->info.trunk == b->info.trunk &&
	       a->info.mtu == b->info.mtu && a->info.segment == b->info.segment &&
	       a->info.link == b->info.link && strcmp(a->info.identity, b->info.identity) == 0 &&
	       a->ifindex == b->ifindex && strcmp(a->name, b->name) == 0 &&
	       mac_equal(&a->mac, &b->mac) && a->up == b->up && a->blocked == b->blocked;
}

void agent_port_set(struct agent *a, const struct agent_port *port, int64_t now_ms)
{
	const struct agent_port *old = pipeline_port(&a->pipeline, port->info.number);
	enum ofp_port_reason reason = old ? OFPPR_MODIFY : OFPPR_ADD;

	agent_set_now(a, now_ms);
	if (old && port_equal(old, port))
		return;
	pipeline_port_set(&a->pipeline, port);
	if (port->info.role == PORT_ACCESS && !port->up)
		hold_port_down(&a->hold, port->info.number);
	else if (port->info.role == PORT_ACCESS)
		hold_port_up(&a->hold, port->info.number);
	links_port(&a->links, port->info.number, port);
	tell_port(a, port, reason);
}

void agent_port_remove(struct agent *a, uint32_t number, int64_t now_ms)
{
	const struct agent_port *old = pipeline_port(&a->pipeline, number);
	struct agent_port gone;

	agent_set_now(a, now_ms);
	if (!old)
		return;
	gone = *old;
	gone.up = false;
	/* The news first: it starts the node's deregistration. */
	tell_port(a, &gone, OFPPR_DELETE);
	links_port(&a->links, number, NULL);
	pipeline_port_remove(&a->pipeline, number);
	if (gone.info.role == PORT_ACCESS)
		hold_port_down(&a->hold, number);
}

/* A link went up or down: the data plane has it already. */
static void on_link(void *context, const struct backplane_link *link)
{
	struct agent *a = context;
	const struct agent_port *port = pipeline_port(&a->pipeline, link->plane.info.number);
	struct link_state state;

	links_describe(&a->links, link, &state);
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (!is_up(c) || !c->is_controller)
			continue;
		link_state_encode(&c->channel.out, 0, &state);
		c->channel.count.messages_out++;
		if (!port)
			agent_write(c);
	}
	if (port)
		tell_port(a, port, OFPPR_MODIFY);
}

/* ---- connections ---- */

static void introduce_port(struct agent_connection *c, const struct pipeline_port *port)
{
	if (port->present)
		send_port(c, &port->port, OFPPR_ADD);
}

static void introduce_links(struct agent_connection *c)
{
	const struct links *links = &c->agent->links;
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	while (table_next(&links->list, &at, &key, (void **)&link)) {
		struct link_state state;

		links_describe(links, link, &state);
		link_state_encode(&c->channel.out, 0, &state);
		c->channel.count.messages_out++;
	}
}

/* After the features reply a controller is told who this is and which ports there are. */
void connection_introduce(struct agent_connection *c)
{
	const struct agent *a = c->agent;
	struct element_info e = {
		.backplane = a->config.backplane,
		.backplane_mtu = a->config.backplane_mtu,
		.encapsulations = ENCAPSULATION_IPIP | ENCAPSULATION_VXLAN,
		.binding_limit = a->config.binding_limit,
		.software = "victor-fe " VICTOR_VERSION,
	};
	size_t at = 0;
	void *value;

	c->introduced = true;
	if (!c->is_controller)
		return;
	memcpy(e.name, a->config.name, sizeof(e.name));
	element_info_encode(&c->channel.out, 0, &e);
	c->channel.count.messages_out++;
	overlap_introduce(c);
	while (table_next(&a->pipeline.ports, &at, NULL, &value))
		introduce_port(c, value);
	introduce_links(c);
}

static void on_up(void *context)
{
	struct agent_connection *c = context;

	if (c->is_controller)
		log_info("controller %s is connected", c->peer);
}

static int on_message(void *context, const struct ofp_header *header, struct reader *body)
{
	return request_handle(context, header, body);
}

static const struct channel_ops channel_operations = {on_up, on_message, request_ahead};

struct agent_connection *agent_connect(struct agent *a, const char *peer, bool is_controller,
				       void *handle, int64_t now_ms)
{
	struct agent_connection *c = memory_alloc(sizeof(*c));

	agent_set_now(a, now_ms);
	*c = (struct agent_connection){
		.agent = a,
		.next = a->connections,
		.handle = handle,
		.peer = memory_copy_text(peer),
		.role = OFPCR_EQUAL,
		.is_controller = is_controller,
		.wants_async = is_controller,
		.miss_send_size = 0xffff,
	};
	a->connections = c;
	channel_init(&c->channel, &channel_operations, c, CONNECTION_ECHO_MS, now_ms);
	agent_write(c);
	return c;
}

/* Writes what is there; takes leave of a connection that is down. */
static void settle(struct agent_connection *c)
{
	struct agent *a = c->agent;

	agent_write(c);
	if (c->channel.state != CHANNEL_DOWN || c->dropped)
		return;
	if (c->is_controller)
		log_warn_rl("controller %s: %s", c->peer, c->channel.down_reason);
	c->dropped = true;
	a->shell.drop(a->shell.context, c);
}

void agent_receive(struct agent_connection *c, const uint8_t *bytes, size_t size, int64_t now_ms)
{
	struct agent *a = c->agent;

	if (c->dropped)
		return;
	agent_set_now(a, now_ms);
	channel_receive(&c->channel, bytes, size, now_ms);
	/* What the batch did may have news for the others: FLOW_REMOVED. */
	for (struct agent_connection *other = a->connections; other; other = other->next)
		if (other != c)
			agent_write(other);
	settle(c);
	hold_settle(&a->hold);
}

static void destroy_connection(struct agent_connection *c)
{
	channel_finish(&c->channel);
	free(c->peer);
	free(c);
}

void agent_disconnect(struct agent_connection *c, int64_t now_ms)
{
	struct agent_connection **at = &c->agent->connections;

	agent_set_now(c->agent, now_ms);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	summary_job_forget(c->agent, c);
	destroy_connection(c);
}

struct channel *agent_connection_channel(struct agent_connection *c)
{
	return &c->channel;
}

void *agent_connection_handle(struct agent_connection *c)
{
	return c->handle;
}

/* ---- life ---- */

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value ? value : otherwise;
}

struct agent *agent_create(const struct agent_config *config, const struct agent_shell *shell,
			   uint64_t seed, int64_t now_ms)
{
	struct agent *a = memory_alloc(sizeof(*a));
	const struct pipeline_observer pipeline_observer = {on_removed, on_local_set,
							    on_local_removed, on_foreign_set, a};
	const struct neighborhood_observer neighborhood_observer = {on_silent, a};
	const struct links_observer links_observer = {on_link, a};
	const struct neighborhood_limits limits = {
		.idle_probe_ms = or_default(config->idle_probe_ms, DEFAULT_IDLE_PROBE_MS),
		.idle_give_up_ms = or_default(config->idle_give_up_ms, DEFAULT_IDLE_GIVE_UP_MS),
		.tentative_ms = or_default(config->tentative_ms, DEFAULT_TENTATIVE_MS),
	};

	a->config = *config;
	a->shell = *shell;
	a->now_ms = now_ms;
	pipeline_init(&a->pipeline, config->id, shell->datapath, shell->context, &pipeline_observer,
		      seed, now_ms);
	neighborhood_init(&a->neighborhood, &a->pipeline, &limits, &neighborhood_observer,
			  seed ^ 0x5bd1e995, now_ms);
	links_init(&a->links, &config->backplane, shell->datapath, shell->context, &links_observer,
		   seed ^ 0x9e3779b9, now_ms * 1000);
	hold_init(&a->hold, &a->pipeline, config->hold_ms, seed ^ 0x85ebca6b, now_ms);
	router_init(&a->router, &a->pipeline, &a->links, config->backplane_mtu, seed ^ 0x9e3779b9,
		    now_ms);
	return a;
}

void agent_destroy(struct agent *a)
{
	if (!a)
		return;
	summary_job_forget(a, a->summary.connection);
	for (struct agent_connection *c = a->connections, *next; c; c = next) {
		next = c->next;
		destroy_connection(c);
	}
	links_finish(&a->links);
	router_finish(&a->router);
	hold_finish(&a->hold);
	neighborhood_finish(&a->neighborhood);
	pipeline_finish(&a->pipeline);
	buffer_finish(&a->frame);
	free(a);
}

void agent_adopt_rule(struct agent *a, const struct rule *rule)
{
	pipeline_adopt_rule(&a->pipeline, rule, a->now_ms + a->neighborhood.limits.tentative_ms);
}

void agent_adopt_group(struct agent *a, const struct rule_group *group)
{
	pipeline_adopt_group(&a->pipeline, group);
}

void agent_adopt_link(struct agent *a, const struct datapath_link *link)
{
	links_adopt(&a->links, link);
}

void agent_adopt_done(struct agent *a, int64_t now_ms)
{
	agent_set_now(a, now_ms);
	links_adopt_done(&a->links);
	pipeline_adopt_done(&a->pipeline);
}

void agent_tick(struct agent *a, int64_t now_ms)
{
	struct agent_connection *c, *next;

	agent_set_now(a, now_ms);
	pipeline_tick(&a->pipeline);
	neighborhood_tick(&a->neighborhood);
	hold_tick(&a->hold);
	router_tick(&a->router);
	summary_job_work(a, SUMMARY_AT_TICK);
	for (c = a->connections; c; c = c->next)
		channel_tick(&c->channel, now_ms);
	for (c = a->connections; c; c = next) {
		next = c->next; /* the shell may disconnect this one, and no other */
		settle(c);
	}
}

int64_t agent_next_us(const struct agent *a)
{
	return links_next_us(&a->links);
}

void agent_tick_links(struct agent *a, int64_t now_us)
{
	agent_set_now(a, now_us / 1000);
	links_tick(&a->links, now_us);
}
