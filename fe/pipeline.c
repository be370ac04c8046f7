/* The store of rules: looking up, putting and removing one, the ports they are about, timeouts.
 * fe/modify.c has OpenFlow's semantics (ADD, MODIFY, DELETE, groups), fe/adopt.c the start after a
 * restart, fe/derive.c what follows for the data plane, fe/select.c which flows a request means. */
#include "fe/pipeline.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("pipeline");

#define TIMED_INTERVAL_MS 100

void pipeline_init(struct pipeline *p, uint32_t fe, const struct datapath_ops *ops, void *context,
		   const struct pipeline_observer *observer, uint64_t seed, int64_t now_ms)
{
	*p = (struct pipeline){
		.fe = fe,
		.ops = ops,
		.context = context,
		.observer = *observer,
		.now_ms = now_ms,
		.started_ms = now_ms,
		.adopting = true,
		.bare = memory_alloc(sizeof(struct pipeline_bare)),
	};
	for (unsigned i = 0; i < TABLE_COUNT; i++)
		table_init(&p->rules[i], sizeof(struct rule_key), sizeof(struct pipeline_entry),
			   seed + i);
	table_init(&p->groups, sizeof(uint32_t), sizeof(struct pipeline_group), seed);
	table_init(&p->ports, sizeof(uint32_t), sizeof(struct pipeline_port), seed);
	table_init(&p->guards, sizeof(struct pipeline_address), sizeof(struct pipeline_guard),
		   seed);
	table_init(&p->timed, sizeof(struct rule_key), sizeof(bool), seed);
	table_init(&p->leaving, sizeof(struct rule_key), sizeof(int64_t), seed);
}

void pipeline_finish(struct pipeline *p)
{
	for (unsigned i = 0; i < TABLE_COUNT; i++)
		table_finish(&p->rules[i]);
	table_finish(&p->groups);
	table_finish(&p->ports);
	table_finish(&p->guards);
	table_finish(&p->timed);
	table_finish(&p->leaving);
	free(p->bare);
}

/* ---- looking up ---- */

struct pipeline_entry *pipeline_find(const struct pipeline *p, const struct rule_key *key)
{
	struct pipeline_entry *entry = table_get(&p->rules[rule_table(key->kind)], key);

	return entry ? entry : pipeline_find_bare(p, key);
}

struct pipeline_entry *pipeline_find_binding(const struct pipeline *p, enum rule_kind kind,
					     uint32_t vrf, const struct address *address)
{
	struct rule_key key = {.kind = (uint8_t)kind, .vrf = vrf, .address = *address};

	return pipeline_find(p, &key);
}

struct pipeline_entry *pipeline_find_prefix(const struct pipeline *p, enum rule_kind kind,
					    uint32_t vrf, const struct address *address)
{
	struct rule_key key = {.kind = (uint8_t)kind, .vrf = vrf, .address = *address};
	unsigned least = address_is_ipv4(address) ? IPV4_PREFIX_BASE : 0;

	for (unsigned length = 128;; length--) {
		if (p->prefix_count[kind][length]) {
			struct pipeline_entry *entry;

			key.length = (uint8_t)length;
			entry = pipeline_find(p, &key);
			if (entry)
				return entry;
		}
		if (length == least)
			return NULL;
		key.address.bytes[(length - 1) / 8] &= (uint8_t) ~(0x80u >> (length - 1) % 8);
	}
}

bool pipeline_is_foreign(const struct pipeline *p, uint32_t vrf, const struct address *address)
{
	return pipeline_find_binding(p, RULE_FOREIGN, vrf, address) &&
	       !pipeline_find_binding(p, RULE_LOCAL, vrf, address);
}

const struct agent_port *pipeline_port(const struct pipeline *p, uint32_t number)
{
	const struct pipeline_port *port = table_get(&p->ports, &number);

	return port && port->present ? &port->port : NULL;
}

int pipeline_port_vrf(const struct pipeline *p, uint32_t number, uint32_t *ret)
{
	struct rule_key key = {.kind = RULE_ADMIT, .port = number};
	const struct pipeline_entry *admit = pipeline_find(p, &key);

	if (!admit) {
		key.ethertype = ETHERTYPE_IPV6_;
		admit = pipeline_find(p, &key);
	}
	if (!admit)
		return -ENOENT;
	*ret = admit->rule.vrf;
	return 0;
}

/* ---- what else depends on a rule ---- */

struct pipeline_group *pipeline_group_of(struct pipeline *p, uint32_t fe)
{
	struct pipeline_group *g = table_put(&p->groups, &fe, NULL);

	g->group.fe = fe;
	return g;
}

static void account_guard(struct pipeline *p, const struct rule *rule, bool there)
{
	struct pipeline_address at = {rule->key.vrf, rule->key.address};
	struct pipeline_guard *guard = table_put(&p->guards, &at, NULL);

	if (there) {
		guard->count++;
		guard->last = rule->key;
		return;
	}
	guard->count--;
	if (!guard->count) {
		table_remove(&p->guards, &at);
		return;
	}
	if (memcmp(&guard->last, &rule->key, sizeof(rule->key)) != 0)
		return;

	/* The one that counted is gone: any of the others (rare, and there are few). */
	size_t i = 0;
	const void *key;
	void *value;

	while (table_next(&p->rules[TABLE_GUARD], &i, &key, &value)) {
		const struct rule_key *k = key;

		if (k->kind == RULE_GUARD && k->vrf == at.vrf &&
		    address_equal(&k->address, &at.address)) {
			guard->last = *k;
			return;
		}
	}
}

static void account_port(struct pipeline *p, uint32_t number, int step)
{
	struct pipeline_port *port = table_put(&p->ports, &number, NULL);

	port->rule_count += (uint32_t)step;
	if (!port->rule_count && !port->present)
		table_remove(&p->ports, &number);
}

/* Keeps the counts and indexes; called after the rule is in the table, or after it is out. */
static void account(struct pipeline *p, const struct rule *rule, bool there)
{
	int step = there ? 1 : -1;

	switch ((enum rule_kind)rule->key.kind) {
	case RULE_GUARD:
		account_port(p, rule->key.port, step);
		account_guard(p, rule, there);
		return;
	case RULE_LOCAL:
	case RULE_TENTATIVE:
		account_port(p, rule->port, step);
		return;
	case RULE_PEER:
	case RULE_PEER_MARKED:
		if (there && rule->key.length == 128)
			pipeline_group_of(p, rule->fe)->source = rule->key.address;
		return;
	case RULE_EXTERNAL:
	case RULE_EXIT:
	case RULE_FOREIGN:
		if (rule->fe)
			pipeline_group_of(p, rule->fe)->reference_count += (uint32_t)step;
		if (rule->key.kind == RULE_FOREIGN)
			return;
		break;
	case RULE_STRANGER:
	case RULE_COVERED:
	case RULE_ANSWER:
		break;
	case RULE_ADMIT:
	case RULE_LISTEN:
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_BINDING_PASS:
	case RULE_MULTICAST:
	case RULE_ECHO:
	case RULE_BESIDE:
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
	case RULE_SPEAK:
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_ADVERTISE:
	case RULE_REGISTER:
	case RULE_KIND_COUNT:
		return;
	}
	p->prefix_count[rule->key.kind][rule->key.length] += (uint32_t)step;
}

/* ---- putting and removing one rule ---- */

/* What the data plane said, as OpenFlow has it. */
static int refusal(int r)
{
	switch (-r) {
	case ENOSPC:
	case E2BIG:
		return -OFP_FLOW_MOD_FAILED_TABLE_FULL;
	case ENOENT:
	case ENODEV:
		return -OFP_BAD_ACTION_BAD_OUT_PORT;
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		return -OFP_BAD_MATCH_BAD_VALUE;
	default:
		return -OFP_FLOW_MOD_FAILED_UNKNOWN;
	}
}

void pipeline_note(struct pipeline *p, const struct rule *rule, bool there)
{
	const struct pipeline_observer *o = &p->observer;

	if (rule->key.kind == RULE_LOCAL && there)
		o->local_set(o->context, rule);
	else if (rule->key.kind == RULE_LOCAL)
		o->local_removed(o->context, rule);
	else if (rule->key.kind == RULE_FOREIGN && there)
		o->foreign_set(o->context, rule->key.vrf, &rule->key.address);
}

void pipeline_forget(struct pipeline *p, const struct rule_key *key)
{
	int r = p->ops->rule_forget(p->context, key);

	if (r < 0 && r != -ENOENT)
		log_warn_rl("a rule stays in the pinned list: %s", strerror(-r));
}

void pipeline_remove_entry(struct pipeline *p, struct pipeline_entry *entry, uint8_t reason)
{
	struct pipeline_entry gone = *entry;
	bool bare = pipeline_is_bare(p, &gone.rule.key);
	int r;

	table_remove(&p->rules[rule_table(gone.rule.key.kind)], &gone.rule.key);
	table_remove(&p->timed, &gone.rule.key);
	account(p, &gone.rule, false);
	r = bare ? p->ops->binding_remove(p->context, gone.rule.key.vrf, &gone.rule.key.address)
		 : pipeline_derive(p, &gone.rule);
	if (r < 0)
		log_warn_rl("the data plane keeps a %s entry: %s",
			    rule_kind_name(gone.rule.key.kind), strerror(-r));
	if (bare)
		p->bare_count--;
	else
		pipeline_forget(p, &gone.rule.key);
	pipeline_note(p, &gone.rule, false);
	if (gone.flags & OFPFF_SEND_FLOW_REM)
		p->observer.removed(p->observer.context, &gone, reason);
}

void pipeline_set_entry(struct pipeline *p, const struct pipeline_entry *entry, bool existed)
{
	struct pipeline_entry *at =
		table_put(&p->rules[rule_table(entry->rule.key.kind)], &entry->rule.key, NULL);

	if (existed)
		account(p, &at->rule, false);
	*at = *entry;
	account(p, &at->rule, true);
	if (entry->idle_timeout || entry->hard_timeout || entry->deadline_ms)
		*(bool *)table_put(&p->timed, &entry->rule.key, NULL) = true;
	else
		table_remove(&p->timed, &entry->rule.key);
}

/* An FE whose peer rule now names another FE has two peers that changed. */
static int derive_change(struct pipeline *p, const struct rule *old, const struct rule *rule)
{
	bool peer = rule->key.kind == RULE_PEER || rule->key.kind == RULE_PEER_MARKED;
	int r = 0;

	if (old && peer && old->fe != rule->fe)
		r = pipeline_derive_peer(p, old->fe);
	return r < 0 ? r : pipeline_derive(p, rule);
}

/* Such an entry is in the data plane alone: a table may have had it before. */
static int put_bare(struct pipeline *p, const struct pipeline_entry *entry)
{
	const struct rule_key *key = &entry->rule.key;
	const struct pipeline_entry *there = pipeline_find(p, key);
	struct rule old = there ? there->rule : (struct rule){0};
	bool was_bare = pipeline_is_bare(p, key);
	int r = pipeline_put_bare(p, &entry->rule);

	if (r < 0) {
		log_warn_rl("the data plane refuses a %s rule: %s", rule_kind_name(key->kind),
			    strerror(-r));
		return refusal(r);
	}
	account(p, &entry->rule, true);
	if (there)
		account(p, &old, false);
	if (!was_bare)
		p->bare_count++;
	if (there && !was_bare) {
		table_remove(&p->rules[TABLE_BINDING], key);
		table_remove(&p->timed, key);
		pipeline_forget(p, key);
	}
	pipeline_note(p, &entry->rule, true);
	return 0;
}

void pipeline_adopt_bare(struct pipeline *p)
{
	struct pipeline_entry entry;
	uint64_t at = 0;

	while (pipeline_next_bare(p, &at, &entry)) {
		account(p, &entry.rule, true);
		p->bare_count++;
	}
}

/* Puts the entry in place of what is there; on an error everything is as it was. */
int pipeline_put_entry(struct pipeline *p, const struct pipeline_entry *entry)
{
	const struct rule_key *key = &entry->rule.key;
	struct pipeline_entry *there, old = {0};
	bool existed;
	int r;

	if (pipeline_may_be_bare(p, entry))
		return put_bare(p, entry);
	r = pipeline_unbare(p, key);
	if (r < 0)
		return refusal(r);
	there = pipeline_find(p, key);
	existed = there != NULL;
	if (existed)
		old = *there;
	pipeline_note_leaving(p, existed ? &old.rule : NULL, &entry->rule);
	pipeline_set_entry(p, entry, existed);
	r = derive_change(p, existed ? &old.rule : NULL, &entry->rule);
	if (r == 0)
		r = p->ops->rule_keep(p->context, &entry->rule);
	if (r == 0) {
		pipeline_note(p, &entry->rule, true);
		return 0;
	}
	log_warn_rl("the data plane refuses a %s rule: %s", rule_kind_name(key->kind),
		    strerror(-r));
	if (existed) {
		pipeline_set_entry(p, &old, true);
		(void)!derive_change(p, &entry->rule, &old.rule);
	} else {
		struct rule gone = entry->rule;

		table_remove(&p->rules[rule_table(gone.key.kind)], &gone.key);
		table_remove(&p->timed, &gone.key);
		account(p, &gone, false);
		(void)!pipeline_derive(p, &gone);
	}
	return refusal(r);
}

/* ---- ports ---- */

/* Bindings on a port that comes or goes: only those of that port. */
static void derive_port_bindings(struct pipeline *p, uint32_t number)
{
	static const uint8_t tables[] = {TABLE_GUARD, TABLE_BINDING};

	for (unsigned i = 0; i < sizeof(tables); i++) {
		size_t at = 0;
		void *value;

		while (table_next(&p->rules[tables[i]], &at, NULL, &value)) {
			const struct pipeline_entry *entry = value;

			if (entry->rule.port != number && entry->rule.key.port != number)
				continue;
			if (pipeline_derive(p, &entry->rule) < 0)
				log_warn_rl("port %u: a binding is not in the data plane", number);
		}
	}
}

void pipeline_port_set(struct pipeline *p, const struct agent_port *port)
{
	struct pipeline_port *at = table_put(&p->ports, &port->info.number, NULL);
	bool came = !at->present;
	int r;

	at->port = *port;
	at->present = true;
	if (p->adopting)
		return;
	r = pipeline_derive_port(p, port->info.number);
	if (r < 0)
		log_warn("port %u (%s): the data plane refuses it: %s", port->info.number,
			 port->name, strerror(-r));
	if (came && at->rule_count)
		derive_port_bindings(p, port->info.number);
}

void pipeline_port_remove(struct pipeline *p, uint32_t number)
{
	struct pipeline_port *at = table_get(&p->ports, &number);
	int r;

	if (!at || !at->present)
		return;
	at->present = false;
	if (!p->adopting) {
		if (at->rule_count)
			derive_port_bindings(p, number);
		r = p->ops->port_remove(p->context, number);
		if (r < 0 && r != -ENOENT)
			log_warn("port %u: the data plane keeps it: %s", number, strerror(-r));
	}
	if (!at->rule_count)
		table_remove(&p->ports, &number);
}

/* ---- timeouts ---- */

static void note_use(struct pipeline *p, struct pipeline_entry *entry)
{
	uint64_t packets = 0, bytes = 0;

	if (entry->rule.key.kind == RULE_GUARD) {
		int64_t idle = p->ops->binding_idle_ms(p->context, entry->rule.key.vrf,
						       &entry->rule.key.address);

		if (idle >= 0 && p->now_ms - idle > entry->used_ms)
			entry->used_ms = p->now_ms - idle;
		return;
	}
	p->ops->binding_count(p->context, entry->rule.key.vrf, &entry->rule.key.address, &packets,
			      &bytes);
	if (packets != entry->used_packets) {
		entry->used_packets = packets;
		entry->used_ms = p->now_ms;
	}
}

/* The reason, or -1. */
static int expired(struct pipeline *p, struct pipeline_entry *entry)
{
	if (entry->hard_timeout &&
	    p->now_ms - entry->since_ms >= entry->hard_timeout * INT64_C(1000))
		return OFPRR_HARD_TIMEOUT;
	if (entry->deadline_ms && p->now_ms >= entry->deadline_ms)
		return OFPRR_HARD_TIMEOUT;
	if (!entry->idle_timeout)
		return -1;
	note_use(p, entry);
	return p->now_ms - entry->used_ms >= entry->idle_timeout * INT64_C(1000)
		       ? OFPRR_IDLE_TIMEOUT
		       : -1;
}

void pipeline_tick(struct pipeline *p)
{
	size_t at = 0;
	const void *key;

	if (p->now_ms - p->timed_ms < TIMED_INTERVAL_MS)
		return;
	p->timed_ms = p->now_ms;
	pipeline_tick_leaving(p);
	while (table_next(&p->timed, &at, &key, NULL)) {
		struct pipeline_entry *entry = pipeline_find(p, key);
		int reason = expired(p, entry);

		if (reason >= 0)
			pipeline_remove_entry(p, entry, (uint8_t)reason);
	}
}
