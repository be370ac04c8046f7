/* What an FE should have apart from its nodes' rules (planner.c): constants, its own ports, its
 * peers, the covered prefixes, the way out; and what the FEs are told when one of these changes. */
#include "controller/planner.h"

#include "controller/element.h"
#include "controller/exit.h"
#include "controller/ovs.h"
#include "controller/segment.h"
#include "controller/topology.h"
#include "controller/tunnel.h"
#include "packet/nd.h"

#include <string.h>

#define PORT_RULES_MAX (7 + OVS_PORT_RULES_MAX)

uint8_t planner_port_role(const struct port *p)
{
	if (!p->present || (p->info.role == PORT_BACKPLANE && p->info.link != LINK_ETHERNET))
		return 0;
	return p->info.role;
}

static unsigned port_rules(const struct element *e, const struct port *p, uint8_t role, bool silent,
			   struct rule rules[PORT_RULES_MAX])
{
	static const uint16_t listened[] = {ETHERTYPE_ARP_, ETHERTYPE_RARP_, LISTEN_RS, LISTEN_NS,
					    LISTEN_NA};
	static const uint16_t families[] = {0, ETHERTYPE_IPV6_};
	unsigned count = 0;

	if (role == PORT_BACKPLANE)
		rules[count++] = (struct rule){.key = {.kind = RULE_LISTEN,
						       .ethertype = ETHERTYPE_LLDP_,
						       .port = p->number}};
	if (role != PORT_ACCESS && role != PORT_EXTERNAL)
		return count;
	for (unsigned i = 0; i < ARRAY_SIZE(families); i++)
		rules[count++] = (struct rule){
			.key = {.kind = RULE_ADMIT, .port = p->number, .ethertype = families[i]},
			.vrf = DEFAULT_VRF,
			.fe = e->id,
			.next_table = role == PORT_ACCESS ? TABLE_GUARD : TABLE_BINDING};
	for (unsigned i = 0; role == PORT_ACCESS && i < ARRAY_SIZE(listened); i++)
		rules[count++] = (struct rule){
			.key = {.kind = RULE_LISTEN, .ethertype = listened[i], .port = p->number},
			.silent = silent &&
				  (listened[i] == ETHERTYPE_ARP_ || listened[i] == LISTEN_NS)};
	if (e->ovs)
		count += ovs_port_rules(e, p, rules + count);
	return count;
}

static struct rule prefix_rule(enum rule_kind kind, const struct covered_prefix *p)
{
	return (struct rule){.key = {.kind = (uint8_t)kind,
				     .length = p->prefix.length,
				     .vrf = kind == RULE_ANSWER ? 0 : p->vrf,
				     .address = p->prefix.address}};
}

bool planner_serves(const struct element *e, const struct covered_prefix *p)
{
	for (unsigned i = 0; i < p->element_count; i++)
		if (strcmp(p->elements[i], e->name) == 0)
			return true;
	return p->element_count == 0;
}

/* What router advertisements say of the prefix. */
static uint64_t answer_cookie(const struct covered_prefix *p)
{
	if (address_is_ipv4(&p->prefix.address) || p->prefix.length == 128)
		return 0;
	return ANSWER_ADVERTISED | (p->autoconf ? ANSWER_AUTONOMOUS : 0);
}

static struct rule covered_rule(const struct element *e, const struct covered_prefix *p)
{
	struct rule covered = prefix_rule(RULE_COVERED, p);

	/* What drains invites nobody from outside, and forwards what still comes. */
	covered.internal =
		p->internal || (e->draining && !e->ovs) || !exit_announces(e->core, e, p);
	covered.cookie = p->signed_only ? COVERED_SIGNED : 0;
	covered.unreachable = p->unreachable;
	covered.gateway = p->gateway;
	return covered;
}

/* What nodes sign, they send to the gateway. */
static struct rule register_rule(uint32_t vrf, const struct address *gateway)
{
	return (struct rule){
		.key = {.kind = RULE_REGISTER, .length = 128, .vrf = vrf, .address = *gateway}};
}

static void prefix_rules(const struct core *c, const struct element *e,
			 const struct covered_prefix *p,
			 void (*emit)(void *to, const struct rule *), void *to)
{
	struct rule stranger = prefix_rule(RULE_STRANGER, p), covered = covered_rule(e, p);
	struct rule answer = prefix_rule(RULE_ANSWER, p);

	emit(to, &stranger);
	emit(to, &covered);
	if (!planner_serves(e, p))
		return;
	if (!address_is_zero(&p->gateway)) {
		struct rule registers = register_rule(p->vrf, &p->gateway);

		emit(to, &registers);
	}
	if (e->ovs) {
		ovs_gateway_rules(c, p, emit, to);
		return;
	}
	answer.mac = c->config.gateway_mac;
	answer.cookie = answer_cookie(p);
	emit(to, &answer);
	answer.cookie = 0;
	if (address_is_zero(&p->gateway) || p->prefix.length == 128)
		return;
	answer.key.address = p->gateway;
	answer.key.length = 128;
	emit(to, &answer);
}

unsigned planner_vrfs(const struct core *c, uint32_t vrfs[PLANNER_VRFS_MAX])
{
	unsigned count = 1;

	vrfs[0] = DEFAULT_VRF;
	for (unsigned i = 0; i < c->inventory.prefix_count; i++) {
		unsigned at = 0;

		while (at < count && vrfs[at] != c->inventory.prefixes[i].vrf)
			at++;
		if (at == count)
			vrfs[count++] = c->inventory.prefixes[i].vrf;
	}
	return count;
}

static void exit_rules(const struct core *c, const struct element *e, int64_t exit,
		       void (*emit)(void *to, const struct rule *), void *to)
{
	static const uint8_t any[4];
	uint32_t vrfs[PLANNER_VRFS_MAX];
	unsigned count = planner_vrfs(c, vrfs);
	struct rule rule = {.key = {.kind = RULE_EXTERNAL}, .fe = (uint32_t)exit};

	if (e->ovs && exit == 0) {
		ovs_exit_rules(e, emit, to);
		return;
	}
	for (unsigned i = 0; exit >= 0 && i < count; i++) {
		rule.key.vrf = vrfs[i];
		rule.key.address = address_from_ipv4(any);
		rule.key.length = IPV4_PREFIX_BASE;
		emit(to, &rule);
		rule.key.address = (struct address){{0}};
		rule.key.length = 0;
		emit(to, &rule);
	}
}

static void constant_rules(const struct core *c, const struct element *e,
			   void (*emit)(void *to, const struct rule *), void *to)
{
	static const enum rule_kind constants[] = {RULE_GUARD_PASS, RULE_POLICY_PASS,
						   RULE_REDIRECTED_MISS, RULE_BINDING_PASS};
	struct rule advertise = {.key = {.kind = RULE_ADVERTISE}};
	/* The gateway's address for router advertisements and probes. */
	struct rule router = {.key = {.kind = RULE_ANSWER,
				      .length = 128,
				      .address = nd_link_local(&c->config.gateway_mac)},
			      .mac = c->config.gateway_mac};
	struct rule registers = register_rule(DEFAULT_VRF, &router.key.address);

	if (e->ovs)
		ovs_constant_rules(e, emit, to);
	/* Behind a switch there is no kernel whose business an unknown source's packets were. */
	for (unsigned i = e->ovs ? 1 : 0; i < ARRAY_SIZE(constants); i++) {
		struct rule rule = {.key = {.kind = (uint8_t)constants[i]}};

		emit(to, &rule);
	}
	emit(to, &advertise);
	emit(to, &router);
	emit(to, &registers);
}

static struct rule_group group_towards(const struct element *e, const struct element *peer,
				       const struct tunnel *t)
{
	struct rule_group group = {
		.fe = peer->id, .address = t->address, .redirect = t->redirect, .vxlan = t->vxlan};

	topology_set_paths(e->core, e, peer, &group);
	group.limited = e->ovs && group.vxlan && !group.path_count;
	return group;
}

void planner_groups(const struct core *c, const struct element *e,
		    void (*emit)(void *to, const struct rule_group *), void *to)
{
	struct tunnel tunnel;

	for (unsigned i = 0; i < c->element_count; i++)
		if (tunnel_between(c, e, c->elements[i], &tunnel)) {
			struct rule_group group = group_towards(e, c->elements[i], &tunnel);

			emit(to, &group);
		}
}

static void emit_peers(const struct core *c, const struct element *e,
		       void (*emit)(void *to, const struct rule *), void *to)
{
	struct rule rules[TUNNEL_RULES_MAX];
	struct tunnel tunnel;

	for (unsigned i = 0; i < c->element_count; i++) {
		const struct element *peer = c->elements[i];
		unsigned count = tunnel_between(c, e, peer, &tunnel)
					 ? tunnel_rules(peer->id, &tunnel, rules)
					 : 0;

		for (unsigned k = 0; k < count; k++)
			emit(to, &rules[k]);
	}
}

static void note_spread(struct element *e, uint32_t fe, const struct prefix *spread)
{
	if (spread->length)
		*(struct prefix *)table_put(&e->spreads, &fe, NULL) = *spread;
	else
		(void)table_remove(&e->spreads, &fe);
}

void planner_note_spreads(const struct core *c, struct element *e)
{
	struct tunnel tunnel;

	table_clear(&e->spreads);
	for (unsigned i = 0; i < c->element_count; i++)
		if (tunnel_between(c, e, c->elements[i], &tunnel))
			note_spread(e, c->elements[i]->id, &tunnel.spread);
}

static void emit_ports(const struct element *e, void (*emit)(void *to, const struct rule *),
		       void *to)
{
	struct rule rules[PORT_RULES_MAX];
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p)) {
		bool silent = segment_is_silent(e->core, e, p);
		unsigned count =
			p->present ? port_rules(e, p, planner_port_role(p), silent, rules) : 0;

		for (unsigned i = 0; i < count; i++)
			emit(to, &rules[i]);
	}
}

void planner_intent_nodes(const struct core *c, const struct element *e,
			  void (*emit)(void *to, const struct rule *), void *to)
{
	struct rule rules[PLANNER_NODE_RULES_MAX];
	size_t at = 0;
	struct attachment_record *r;

	while (pool_next(&c->records, &at, (void **)&r)) {
		unsigned count = planner_node_rules(c, e->id, record_node(c, r),
						    r->detached ? NULL : &r->a, rules);

		for (unsigned i = 0; i < count; i++)
			emit(to, &rules[i]);
	}
}

void planner_intent(const struct core *c, const struct element *e,
		    void (*emit)(void *to, const struct rule *), void *to)
{
	constant_rules(c, e, emit, to);
	emit_ports(e, emit, to);
	emit_peers(c, e, emit, to);
	for (unsigned i = 0; i < c->inventory.prefix_count; i++)
		prefix_rules(c, e, &c->inventory.prefixes[i], emit, to);
	exit_rules(c, e, e->exit, emit, to);
	exit_emit(e, emit, to);
}

/* The nearest border FE; where policies allow no way there, another one. */
static const struct element *border_for(const struct core *c, const struct element *e)
{
	const struct element *border = element_find(c, e->nearest_border);
	struct tunnel tunnel;

	if (!border || tunnel_between(c, e, border, &tunnel))
		return border;
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i]->border && tunnel_between(c, e, c->elements[i], &tunnel))
			return c->elements[i];
	return NULL;
}

int64_t planner_exit(const struct core *c, const struct element *e)
{
	const struct element *installed = e->exit > 0 ? element_find(c, (uint32_t)e->exit) : NULL;
	const struct element *border = border_for(c, e);

	if (e->border && (!e->without_way || e->nearest_border == e->id))
		return 0;
	/* What it has stays while we do not know better. */
	if (installed && !installed->ports_known && element_has_backplane(installed) &&
	    (c->learning || !border))
		return e->exit;
	return border && element_has_backplane(border) ? (int64_t)border->id : -1;
}

static void put_rule(void *to, const struct rule *rule)
{
	element_put_rule(to, rule, true);
}

static void replace_rule(void *to, const struct rule *rule)
{
	element_put_rule(to, rule, false);
}

static void delete_rule(void *to, const struct rule *rule)
{
	element_delete_rule(to, rule);
}

void planner_refresh_port(struct core *c, struct element *e, struct port *p)
{
	uint8_t role = planner_port_role(p);
	bool silent = segment_is_silent(c, e, p);
	struct rule before[PORT_RULES_MAX], after[PORT_RULES_MAX];
	unsigned before_count, after_count;

	if (!e->synced || (role == p->admitted && silent == p->silent))
		return;
	before_count = port_rules(e, p, p->admitted, p->silent, before);
	after_count = port_rules(e, p, role, silent, after);
	p->admitted = role;
	p->silent = silent;
	c->change++;
	/* The order of port_rules makes the shorter list the longer one's beginning. */
	for (unsigned i = 0; i < after_count; i++)
		if (i >= before_count || !rule_equal(&before[i], &after[i]))
			element_put_rule(e, &after[i], i >= before_count);
	for (unsigned i = after_count; i < before_count; i++)
		element_delete_rule(e, &before[i]);
	element_commit(e, false);
}

/* The foreign rules towards 'peer', which 'e' could not have before. */
static void put_nodes_of(struct element *e, const struct element *peer)
{
	struct rule rules[PLANNER_NODE_RULES_MAX];
	size_t at = 0;
	struct port *p;

	while (table_next(&peer->ports, &at, NULL, (void **)&p))
		for (struct attachment_record *r = record_at(e->core, p->first); r;
		     r = record_at(e->core, r->port_next)) {
			unsigned count = planner_node_rules(e->core, e->id, record_node(e->core, r),
							    &r->a, rules);

			for (unsigned i = 0; i < count; i++) {
				if (rules[i].key.kind != RULE_FOREIGN)
					continue;
				element_put_rule(e, &rules[i], true);
				r->element_version_guessed = false; /* one knows it now */
			}
		}
}

static void delete_foreign_rules(struct element *e, const struct node *n)
{
	for (unsigned i = 0; n && i < n->address_count; i++) {
		struct rule rule = {
			.key = {.kind = RULE_FOREIGN, .vrf = n->vrf, .address = n->addresses[i]}};

		element_delete_rule(e, &rule);
	}
}

static void delete_nodes_of(struct element *e, const struct element *peer)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&peer->ports, &at, NULL, (void **)&p))
		for (const struct attachment_record *r = record_at(e->core, p->first); r;
		     r = record_at(e->core, r->port_next))
			if (!segment_beside(e->core, e->id, &r->a.place))
				delete_foreign_rules(e, record_node(e->core, r));
}

static bool has_rule(const struct rule *rules, unsigned count, const struct rule_key *key)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(&rules[i].key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* NULL: there is no tunnel. */
static void change_peer(struct element *e, uint32_t fe, const struct tunnel *before,
			const struct tunnel *after)
{
	struct rule old[TUNNEL_RULES_MAX], new[TUNNEL_RULES_MAX];
	unsigned old_count = before ? tunnel_rules(fe, before, old) : 0;
	unsigned new_count = after ? tunnel_rules(fe, after, new) : 0;

	for (unsigned i = 0; i < new_count; i++)
		if (!has_rule(old, old_count, &new[i].key))
			element_put_rule(e, &new[i], true);
	for (unsigned i = 0; i < old_count; i++)
		if (!has_rule(new, new_count, &old[i].key))
			element_delete_rule(e, &old[i]);
}

/* The tunnel that the FE has, as we remember it. */
static bool installed_tunnel(const struct element *e, uint32_t fe, struct tunnel *ret)
{
	const struct rule_group *group = table_get(&e->groups, &fe);
	const struct prefix *spread = table_get(&e->spreads, &fe);

	if (!group)
		return false;
	*ret = (struct tunnel){
		.address = group->address, .redirect = group->redirect, .vxlan = group->vxlan};
	if (spread)
		ret->spread = *spread;
	return true;
}

static void refresh_peer_at(struct element *e, const struct element *peer)
{
	struct tunnel before, after = {0};
	bool had = installed_tunnel(e, peer->id, &before);
	bool has = tunnel_between(e->core, e, peer, &after);
	struct rule_group group = {0};

	if (has)
		group = group_towards(e, peer, &after);
	if (had == has && (!has || (tunnel_equal(&before, &after) &&
				    rule_group_equal(table_get(&e->groups, &peer->id), &group))))
		return;
	e->core->change++;
	if (has)
		element_put_group(e, &group);
	change_peer(e, peer->id, had ? &before : NULL, has ? &after : NULL);
	note_spread(e, peer->id, &after.spread);
	if (has && !had)
		put_nodes_of(e, peer);
	if (had && !has) {
		delete_nodes_of(e, peer);
		element_delete_group(e, peer->id);
	}
	element_commit(e, false);
}

void planner_refresh_pair(struct element *e, const struct element *peer)
{
	if (e != peer && e->synced)
		refresh_peer_at(e, peer);
}

void planner_refresh_peer(struct core *c, struct element *peer)
{
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i] != peer && c->elements[i]->synced)
			refresh_peer_at(c->elements[i], peer);
}

/* An address that changed is planner_refresh_peer's. */
bool planner_refresh_group(struct element *e, const struct element *peer)
{
	const struct rule_group *installed = table_get(&e->groups, &peer->id);
	struct rule_group wanted;
	struct tunnel tunnel;

	if (!installed || !tunnel_between(e->core, e, peer, &tunnel))
		return false;
	wanted = group_towards(e, peer, &tunnel);
	if (rule_group_equal(installed, &wanted) || installed->vxlan != wanted.vxlan ||
	    !address_equal(&installed->address, &wanted.address))
		return false;
	element_put_group(e, &wanted);
	return true;
}

void planner_refresh_exits(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];
		int64_t exit = planner_exit(c, e);

		if (!e->synced || exit == e->exit)
			continue;
		c->change++;
		/* A switch's own rules and those towards a border FE need not have the same keys.
		 */
		if (e->ovs && (e->exit == 0 || exit == 0)) {
			if (e->exit == 0)
				ovs_exit_withdraw(e);
			else
				exit_rules(c, e, e->exit, delete_rule, e);
			e->exit = -1;
		}
		if (exit < 0)
			exit_rules(c, e, e->exit, delete_rule, e);
		else
			exit_rules(c, e, exit, e->exit < 0 ? put_rule : replace_rule, e);
		e->exit = exit;
		element_commit(e, false);
	}
	exit_refresh(c);
}

void planner_refresh_covered(struct element *e)
{
	struct core *c = e->core;

	if (!e->synced || e->ovs)
		return;
	c->change++;
	for (unsigned i = 0; i < c->inventory.prefix_count; i++) {
		const struct covered_prefix *p = &c->inventory.prefixes[i];
		struct rule covered = covered_rule(e, p);

		if (!p->internal)
			element_put_rule(e, &covered, false);
	}
	element_commit(e, false);
}

void planner_add_prefix(struct core *c, const struct covered_prefix *p)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (!e->synced)
			continue;
		c->change++;
		prefix_rules(c, e, p, put_rule, e);
		/* It may be the first of its VRF. */
		exit_rules(c, e, e->exit, replace_rule, e);
		element_commit(e, false);
	}
	exit_measure(c);
	exit_refresh(c);
}
