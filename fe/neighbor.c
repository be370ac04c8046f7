/* The FE's own part in mobility; fe/neighbor.h says what it is.  fe/agent.c brings upcalls, time
 * and the pipeline's news; frames leave through the data plane's 'transmit'.
 *
 * A departed node is announced at once, and again after 1 s and 3 s, each time only if the table
 * still says that the node is at another FE: a node that came back has spoken for itself. */
#include "fe/neighbor.h"

#include "base/log.h"
#include "fe/neighbor_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("neighbor");

#define WATCH_INTERVAL_MS 1000
#define PROBE_INTERVAL_MS 1000

static const unsigned announce_after_ms[] = {0, 1000, 3000};

struct departed {
	uint32_t port;
	uint16_t vlan;
	struct mac gateway_mac;
	int64_t since_ms;
	int64_t foreign_ms; /* since when it is announced; only if 'sent' or 'due' */
	bool foreign;
	unsigned sent;
};

struct watched {
	int64_t heard_ms;  /* an ARP or ND frame of it, or since when it is here */
	int64_t check_ms;  /* when to look next */
	int64_t probed_ms; /* since when it is probed; 0: it is not */
	bool reported;
};

void neighborhood_init(struct neighborhood *n, struct pipeline *pipeline,
		       const struct neighborhood_limits *limits,
		       const struct neighborhood_observer *observer, uint64_t seed, int64_t now_ms)
{
	*n = (struct neighborhood){
		.pipeline = pipeline,
		.limits = *limits,
		.observer = *observer,
		.now_ms = now_ms,
	};
	table_init(&n->kept, sizeof(struct kept_key), sizeof(struct kept_frame), seed);
	table_init(&n->departed, sizeof(struct pipeline_address), sizeof(struct departed), seed);
	table_init(&n->watched, sizeof(struct pipeline_address), sizeof(struct watched), seed);
}

void neighborhood_finish(struct neighborhood *n)
{
	table_finish(&n->kept);
	table_finish(&n->departed);
	table_finish(&n->watched);
	buffer_finish(&n->frame);
}

/* ---- claims ---- */

/* A data packet's source: who sends from an address has it, as far as one can say. */
static bool read_data(const struct upcall *u, struct claim *ret)
{
	struct reader rd = reader_make(u->frame, u->size);
	uint16_t ethertype;
	uint8_t bytes[16];

	read_skip(&rd, 6);
	read_bytes(&rd, ret->mac.bytes, 6);
	ethertype = read_u16(&rd);
	read_skip(&rd, ethertype == ETHERTYPE_IPV4_ ? 12 : 8);
	read_bytes(&rd, bytes, ethertype == ETHERTYPE_IPV4_ ? 4 : 16);
	if (ethertype == ETHERTYPE_IPV4_)
		ret->address = address_from_ipv4(bytes);
	else
		ret->address = address_from_ipv6(bytes);
	return !rd.failed &&
	       (ethertype == ETHERTYPE_IPV4_ ||
		(ethertype == ETHERTYPE_IPV6_ && !address_is_ipv4(&ret->address))) &&
	       !mac_is_zero(&ret->mac) && !mac_is_multicast(&ret->mac) &&
	       !address_is_zero(&ret->address);
}

static bool read_neighbor(const struct upcall *u, struct claim *ret)
{
	struct neighbor said;

	if (neighbor_parse(u->frame, u->size, &said) < 0 ||
	    (said.kind != NEIGHBOR_RARP && !neighbor_claims_address(&said)))
		return false;
	ret->mac = said.sender_mac;
	ret->address = said.sender;
	return true;
}

bool neighborhood_read_claim(const struct neighborhood *n, const struct upcall *u,
			     struct claim *ret)
{
	*ret = (struct claim){.port = u->port, .vlan = u->vlan};
	if (pipeline_port_vrf(n->pipeline, u->port, &ret->vrf) < 0)
		return false;
	return u->reason == UPCALL_STRANGER ? read_data(u, ret) : read_neighbor(u, ret);
}

/* The MAC that the gateway has for this address: the anycast gateway has one everywhere, so any
 * answer around the address will do. */
static const struct mac *gateway_mac(const struct neighborhood *n, const struct address *address)
{
	const struct pipeline_entry *answer =
		pipeline_find_prefix(n->pipeline, RULE_ANSWER, 0, address);

	return answer ? &answer->rule.mac : NULL;
}

static void make_tentative(struct neighborhood *n, const struct claim *claim)
{
	struct pipeline *p = n->pipeline;
	const struct mac *gateway = gateway_mac(n, &claim->address);
	const struct agent_port *port = pipeline_port(p, claim->port);
	const struct pipeline_entry *covered;
	struct rule rule = {
		.key = {.kind = RULE_TENTATIVE, .vrf = claim->vrf, .address = claim->address},
		.port = claim->port,
		.vlan = claim->vlan,
		.mac = claim->mac,
	};

	if (!gateway || rule_is_gateway_mac(gateway, &claim->mac) || !port ||
	    port->info.role != PORT_ACCESS || p->timed.count >= NEIGHBOR_TENTATIVE_MAX)
		return;
	/* With a real local binding, marked packets have somewhere to go already; and an address
	 * that nobody may have, or only who signs, gets none. */
	covered = pipeline_find_prefix(p, RULE_COVERED, claim->vrf, &claim->address);
	if (!covered || covered->rule.cookie & COVERED_SIGNED ||
	    pipeline_find_binding(p, RULE_LOCAL, claim->vrf, &claim->address))
		return;
	/* On a shared LAN the gateway's MACs are those FEs' that the controller says. */
	rule.gateway_mac = port->info.segment ? port->mac : *gateway;
	if (pipeline_put_tentative(p, &rule, n->now_ms + n->limits.tentative_ms) < 0)
		log_debug("no tentative binding: the data plane or the controller has its own");
}

void neighborhood_heard(struct neighborhood *n, const struct claim *claim)
{
	const struct pipeline_address at = {claim->vrf, claim->address};
	const struct pipeline_entry *local =
		pipeline_find_binding(n->pipeline, RULE_LOCAL, claim->vrf, &claim->address);
	struct watched *w = table_get(&n->watched, &at);

	if (address_is_zero(&claim->address))
		return;
	if (w && local && mac_equal(&local->rule.mac, &claim->mac) &&
	    local->rule.port == claim->port)
		w->heard_ms = n->now_ms;
	make_tentative(n, claim);
}

/* ---- departed nodes ---- */

static void announce(struct neighborhood *n, const struct pipeline_address *at,
		     const struct departed *d)
{
	struct pipeline *p = n->pipeline;
	int r;

	if (!pipeline_is_foreign(p, at->vrf, &at->address) || !pipeline_port(p, d->port))
		return;
	buffer_clear(&n->frame);
	neighbor_build_announcement(&n->frame, d->vlan, &d->gateway_mac, &at->address);
	r = p->ops->transmit(p->context, d->port, n->frame.data, n->frame.size);
	if (r < 0 && r != -ENOBUFS && r != -ENETDOWN) /* it left because its port went down */
		log_warn_rl("port %u: no announcement for a departed node: %s", d->port,
			    strerror(-r));
}

/* Sends what is due; false: this node's departure is over. */
static bool advance(struct neighborhood *n, const struct pipeline_address *at, struct departed *d)
{
	if (!d->foreign)
		return n->now_ms - d->since_ms < NEIGHBOR_DEPARTED_MS;
	while (d->sent < ARRAY_SIZE(announce_after_ms) &&
	       n->now_ms - d->foreign_ms >= announce_after_ms[d->sent]) {
		d->sent++;
		announce(n, at, d);
	}
	return d->sent < ARRAY_SIZE(announce_after_ms);
}

static void depart(struct neighborhood *n, const struct pipeline_address *at, struct departed *d)
{
	d->foreign = true;
	d->foreign_ms = n->now_ms;
	d->sent = 0;
	if (!advance(n, at, d))
		table_remove(&n->departed, at);
}

void neighborhood_foreign_set(struct neighborhood *n, uint32_t vrf, const struct address *address)
{
	const struct pipeline_address at = {vrf, *address};
	struct departed *d = table_get(&n->departed, &at);

	if (d && !d->foreign && pipeline_is_foreign(n->pipeline, vrf, address))
		depart(n, &at, d);
}

void neighborhood_local_removed(struct neighborhood *n, const struct rule *rule)
{
	const struct pipeline_address at = {rule->key.vrf, rule->key.address};
	const struct mac *gateway = gateway_mac(n, &at.address);
	struct departed *d;

	table_remove(&n->watched, &at);
	/* Of the FEs on a LAN one says it. */
	if (!gateway || pipeline_is_silent(n->pipeline, rule->port))
		return;
	if (n->departed.count >= NEIGHBOR_DEPARTED_MAX)
		return;
	d = table_put(&n->departed, &at, NULL);
	*d = (struct departed){.port = rule->port,
			       .vlan = rule->vlan,
			       .gateway_mac = *gateway,
			       .since_ms = n->now_ms};
	if (pipeline_is_foreign(n->pipeline, at.vrf, &at.address))
		depart(n, &at, d);
}

static void tick_departed(struct neighborhood *n)
{
	size_t at = 0;
	const void *key;
	void *value;

	while (table_next(&n->departed, &at, &key, &value)) {
		struct pipeline_address address;

		memcpy(&address, key, sizeof(address));
		if (!advance(n, &address, value))
			table_remove(&n->departed, &address);
	}
}

/* ---- silent nodes ---- */

void neighborhood_local_set(struct neighborhood *n, const struct rule *rule)
{
	const struct pipeline_address at = {rule->key.vrf, rule->key.address};
	struct watched *w;

	neighborhood_forget_answered(n, rule);
	table_remove(&n->departed, &at);
	if (pipeline_is_beside(n->pipeline, rule)) {
		table_remove(&n->watched, &at); /* its packets pass elsewhere */
		return;
	}
	w = table_put(&n->watched, &at, NULL);
	*w = (struct watched){.heard_ms = n->now_ms,
			      .check_ms = n->now_ms + n->limits.idle_probe_ms};
	if (w->check_ms < n->watch_ms)
		n->watch_ms = w->check_ms;
}

/* The gateway's address in the node's subnet: of the gateways that are answered for, the one that
 * has most bits in common; 0.0.0.0 where there is none (RFC 5227's probe, which is answered too).
 * An IPv6 node is asked from the gateway's link-local address. */
static struct address gateway_for(const struct neighborhood *n, const struct address *node)
{
	const struct table *answers = &n->pipeline->rules[TABLE_NEIGHBOR];
	struct address best = address_from_ipv4((const uint8_t[4]){0});
	unsigned most = 0;
	size_t at = 0;
	const void *key;

	while (table_next(answers, &at, &key, NULL)) {
		const struct rule_key *k = key;
		unsigned bits = 0;

		while (bits < 128 &&
		       !((k->address.bytes[bits / 8] ^ node->bytes[bits / 8]) & 0x80 >> bits % 8))
			bits++;
		if (k->length == 128 && bits > most && bits < 128) {
			most = bits;
			best = k->address;
		}
	}
	return best;
}

static void probe(struct neighborhood *n, const struct rule *local)
{
	struct pipeline *p = n->pipeline;
	struct address gateway = gateway_for(n, &local->key.address);

	buffer_clear(&n->frame);
	neighbor_build_probe(&n->frame, local->vlan, &local->gateway_mac, &gateway, &local->mac,
			     &local->key.address);
	(void)!p->ops->transmit(p->context, local->port, n->frame.data, n->frame.size);
}

static int64_t idle_of(const struct neighborhood *n, const struct rule *local,
		       const struct watched *w)
{
	struct pipeline *p = n->pipeline;
	int64_t since_frame = n->now_ms - w->heard_ms;
	int64_t since_packet =
		p->ops->binding_idle_ms(p->context, local->key.vrf, &local->key.address);

	return since_packet >= 0 && since_packet < since_frame ? since_packet : since_frame;
}

static void report(struct neighborhood *n, const struct rule *local, int64_t idle)
{
	struct silent silent = {
		.vrf = local->key.vrf,
		.address = local->key.address,
		.port = local->port,
		.vlan = local->vlan,
		.cookie = local->cookie,
		.idle_ms = idle > UINT32_MAX ? UINT32_MAX : (uint32_t)idle,
	};

	n->observer.silent(n->observer.context, &silent);
}

static void check(struct neighborhood *n, const struct rule *local, struct watched *w)
{
	int64_t idle = idle_of(n, local, w);

	/* It has spoken since it was first asked: what comes now is another silence. */
	if (w->probed_ms && idle <= n->now_ms - w->probed_ms) {
		w->probed_ms = 0;
		w->reported = false;
	}
	if (idle < n->limits.idle_probe_ms) {
		w->probed_ms = 0;
		w->reported = false;
		w->check_ms = n->now_ms + n->limits.idle_probe_ms - idle;
		return;
	}
	if (!w->probed_ms)
		w->probed_ms = n->now_ms;
	if (n->now_ms - w->probed_ms >= n->limits.idle_give_up_ms && !w->reported) {
		w->reported = true;
		report(n, local, idle);
	}
	/* One that is reported is asked now and then: it may only have slept. */
	probe(n, local);
	w->check_ms = n->now_ms + (w->reported ? n->limits.idle_probe_ms : PROBE_INTERVAL_MS);
}

static void tick_watched(struct neighborhood *n)
{
	size_t at = 0;
	const void *key;
	void *value;

	if (n->now_ms < n->watch_ms)
		return;
	n->watch_ms = n->now_ms + WATCH_INTERVAL_MS;
	while (table_next(&n->watched, &at, &key, &value)) {
		const struct pipeline_address *where = key;
		struct watched *w = value;
		const struct pipeline_entry *local;

		if (w->check_ms <= n->now_ms) {
			local = pipeline_find_binding(n->pipeline, RULE_LOCAL, where->vrf,
						      &where->address);
			if (local && pipeline_port(n->pipeline, local->rule.port))
				check(n, &local->rule, w);
		}
		if (w->check_ms > n->now_ms && w->check_ms < n->watch_ms)
			n->watch_ms = w->check_ms;
	}
}

void neighborhood_tick(struct neighborhood *n)
{
	neighborhood_forget_sent(n);
	tick_departed(n);
	tick_watched(n);
}
