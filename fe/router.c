/* Router advertisements (fe/router.h).  fe/agent.c brings upcalls, time and the pipeline's news;
 * frames leave through the data plane's 'transmit'.
 *
 * A segment (a port and a VLAN) is told from when its port admits IPv6 (untagged), a node on it
 * asks, or an IPv6 node is bound there; it is forgotten with its port, or when for a router's
 * lifetime nobody there was heard of. */
#include "fe/router.h"

#include "base/log.h"

#include <string.h>

LOG_MODULE("router");

#define TICK_MS 250
#define HOP_LIMIT 64
#define VALID_S 2592000 /* RFC 4861, section 6.2.1: 30 and 7 days */
#define PREFERRED_S 604800

struct segment_key {
	uint32_t port, vlan;
};

struct segment {
	int64_t told_ms;  /* all were; only if 'told' */
	int64_t next_ms;  /* when they are next */
	int64_t heard_ms; /* that someone is there */
	unsigned told;    /* how often, up to ROUTER_INITIAL_COUNT */
};

void router_init(struct router *r, struct pipeline *pipeline, const struct links *links,
		 uint16_t backplane_mtu, uint64_t seed, int64_t now_ms)
{
	*r = (struct router){
		.pipeline = pipeline,
		.links = links,
		.backplane_mtu = backplane_mtu,
		.now_ms = now_ms,
		.random = seed | 1,
	};
	table_init(&r->segments, sizeof(struct segment_key), sizeof(struct segment), seed);
}

void router_finish(struct router *r)
{
	table_finish(&r->segments);
	buffer_finish(&r->frame);
}

/* ---- what is said ---- */

static void add_prefix(struct nd_router *to, const struct rule *answer)
{
	if (to->prefix_count == ND_PREFIXES_MAX)
		return;
	to->prefixes[to->prefix_count++] = (struct nd_prefix){
		.prefix = {answer->key.address, answer->key.length},
		.on_link = true,
		.autonomous = answer->cookie & ANSWER_AUTONOMOUS,
		.valid_s = VALID_S,
		.preferred_s = PREFERRED_S,
	};
}

bool router_describe(const struct router *r, const struct agent_port *port, struct mac *ret_mac,
		     struct nd_router *ret)
{
	size_t at = 0;
	void *value;

	*ret = (struct nd_router){
		.hop_limit = HOP_LIMIT,
		.lifetime_s = ROUTER_LIFETIME_S,
		.mtu = router_mtu(r, port->info.mtu),
		.shares_load = port->info.segment != 0,
	};
	while (table_next(&r->pipeline->rules[TABLE_NEIGHBOR], &at, NULL, &value)) {
		const struct rule *rule = &((const struct pipeline_entry *)value)->rule;

		if (rule->key.kind != RULE_ANSWER || address_is_ipv4(&rule->key.address) ||
		    !(rule->cookie & ANSWER_ADVERTISED))
			continue;
		*ret_mac = rule->mac;
		add_prefix(ret, rule);
	}
	return ret->prefix_count > 0;
}

static bool admits_ipv6(const struct pipeline *p, uint32_t port)
{
	struct rule_key key = {.kind = RULE_ADMIT, .port = port, .ethertype = ETHERTYPE_IPV6_};

	return pipeline_find(p, &key) != NULL;
}

/* To one node, or (NULL) to all on the segment.  False: there is nothing to be said. */
static bool tell(struct router *r, const struct segment_key *at, const struct nd_host *to)
{
	struct pipeline *p = r->pipeline;
	const struct agent_port *port = pipeline_port(p, at->port);
	struct nd_router said;
	struct mac mac;
	int result;

	/* Of the FEs on a LAN one says it: all are the same router. */
	if (!port || port->info.role != PORT_ACCESS || !admits_ipv6(p, at->port) ||
	    pipeline_is_silent(p, at->port) || !router_describe(r, port, &mac, &said))
		return false;
	buffer_clear(&r->frame);
	nd_build_router_advertisement(&r->frame, (uint16_t)at->vlan, &mac, &said, to);
	result = p->ops->transmit(p->context, at->port, r->frame.data, r->frame.size);
	if (result < 0)
		log_warn_rl("port %u: no router advertisement: %s", at->port, strerror(-result));
	r->sent += result >= 0;
	return true;
}

/* ---- when ---- */

static int64_t next_interval(struct router *r, const struct segment *s)
{
	if (s->told < ROUTER_INITIAL_COUNT)
		return ROUTER_INITIAL_INTERVAL_MS;
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return ROUTER_INTERVAL_MS + (int64_t)(r->random % (UINT64_C(2) * ROUTER_INTERVAL_MS));
}

static struct segment *obtain(struct router *r, const struct segment_key *at)
{
	struct segment *s = table_get(&r->segments, at);

	if (!s && r->segments.count < ROUTER_SEGMENTS_MAX) {
		s = table_put(&r->segments, at, NULL);
		s->next_ms = r->now_ms;
	}
	if (s)
		s->heard_ms = r->now_ms;
	return s;
}

static void tell_all(struct router *r, const struct segment_key *at, struct segment *s)
{
	if (!tell(r, at, NULL)) {
		s->next_ms = r->now_ms + ROUTER_SPACING_MS;
		return;
	}
	s->told_ms = r->now_ms;
	if (s->told < ROUTER_INITIAL_COUNT)
		s->told++;
	s->next_ms = r->now_ms + next_interval(r, s);
}

/* At once, or as soon as the last time is long enough ago. */
static void tell_soon(struct router *r, const struct segment_key *at, struct segment *s)
{
	int64_t soonest = s->told ? s->told_ms + ROUTER_SPACING_MS : r->now_ms;

	if (r->now_ms >= soonest)
		tell_all(r, at, s);
	else if (s->next_ms > soonest)
		s->next_ms = soonest;
}

void router_heard(struct router *r, const struct upcall *u)
{
	const struct segment_key at = {u->port, u->vlan};
	struct segment *s;
	struct nd asked;

	if (u->reason != UPCALL_NEIGHBOR || nd_parse(u->frame, u->size, &asked) < 0 ||
	    asked.type != ND_ROUTER_SOLICITATION)
		return;
	s = obtain(r, &at);
	if (!s)
		return;
	if (address_is_zero(&asked.source))
		tell_soon(r, &at, s);
	else
		(void)tell(r, &at, &(struct nd_host){asked.ethernet_source, asked.source});
}

void router_local_set(struct router *r, const struct rule *rule)
{
	const struct segment_key at = {rule->port, rule->vlan};
	struct segment *s;

	if (address_is_ipv4(&rule->key.address))
		return;
	s = obtain(r, &at);
	if (s && s->next_ms > r->now_ms)
		tell_soon(r, &at, s);
}

static void find_ports(struct router *r)
{
	size_t at = 0;
	void *value;

	while (table_next(&r->pipeline->ports, &at, NULL, &value)) {
		const struct pipeline_port *port = value;
		const struct segment_key key = {port->port.info.number, 0};

		if (port->present && port->port.info.role == PORT_ACCESS &&
		    admits_ipv6(r->pipeline, key.port))
			(void)obtain(r, &key);
	}
}

void router_tick(struct router *r)
{
	size_t at = 0;
	const void *key;
	void *value;

	if (r->now_ms - r->tick_ms < TICK_MS)
		return;
	r->tick_ms = r->now_ms;
	find_ports(r);
	while (table_next(&r->segments, &at, &key, &value)) {
		const struct segment_key where = *(const struct segment_key *)key;
		struct segment *s = value;

		if (!pipeline_port(r->pipeline, where.port) ||
		    r->now_ms - s->heard_ms > ROUTER_LIFETIME_S * INT64_C(1000))
			table_remove(&r->segments, &where);
		else if (r->now_ms >= s->next_ms)
			tell_all(r, &where, s);
	}
}
