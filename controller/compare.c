/* An FE against what it should have, when all that it has is read (sync.c).  In this order,
 *
 *   - a group towards an FE that has not connected in this run tells that FE's backplane address,
 *   - local and foreign rules later than what we know are adopted, never stamped again (design P2),
 *   - intent is walked: what is missing or differs is added, groups first, nodes' rules last,
 *   - what nothing explains is deleted, but not while FEs that may explain it are still missing,
 *   - a barrier ends it.
 *
 * An FE that has all it should have is sent the barrier and nothing else.
 *
 * There may be a million nodes.  Their part goes in slices, between which others have their turn,
 * and only as fast as the FE takes it.  The FE is told of every change from the first slice on: a
 * node that changes before its turn comes is sent twice, one that changes behind it is right.  No
 * barrier goes to it before the last one, which says that it has all (element_commit). */
#include "controller/sync.h"

#include "base/log.h"
#include "controller/backplane.h"
#include "controller/discovery.h"
#include "controller/exit.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/probe.h"
#include "controller/rebuild.h"
#include "controller/segment.h"
#include "controller/survey.h"
#include "controller/topology.h"
#include "controller/tunnel.h"

#include <string.h>

LOG_MODULE("sync");

#define SMALL_SLICES 16         /* so many are no reason to let others in between */
#define TOGETHER 4096           /* rules that are deleted in a slice */
#define UNSENT_MAX (256u << 10) /* bytes that the FE has not taken, to go on */

static bool is_node_rule(const struct rule *rule)
{
	return rule->key.kind == RULE_LOCAL || rule->key.kind == RULE_FOREIGN ||
	       rule->key.kind == RULE_GUARD;
}

void compare_groups(struct session *s)
{
	struct sync *sync = s->sync;
	struct core *c = s->core;
	size_t at = 0;
	struct reported_group *reported;

	if (!sync->element->synced) /* else our own list is newer than what was read */
		table_clear(&sync->element->groups);
	while (table_next(&sync->groups, &at, NULL, (void **)&reported)) {
		const struct rule_group *group = &reported->group;
		struct element *peer = element_obtain(c, group->fe);

		if (!sync->element->synced) {
			struct rule_group *mine =
				table_put(&sync->element->groups, &group->fe, NULL);

			*mine = *group;
		}
		if (!peer || peer->met || peer == sync->element || element_has_backplane(peer) ||
		    address_is_zero(&group->address))
			continue;
		tunnel_learn(peer, group);
		planner_refresh_peer(c, peer);
	}
}

/* A switch's own external rules: they say the next hops' MACs. */
static void adopt_switch_exit(struct sync *sync)
{
	struct reported_rule *reported;
	size_t at = 0;

	while (table_next(&sync->rules, &at, NULL, (void **)&reported)) {
		const struct rule *rule = &reported->rule;

		if (rule->key.kind != RULE_EXTERNAL || !rule->port)
			continue;
		sync->element->exit = 0;
		ovs_exit_adopt(sync->element, rule);
	}
}

/* An external rule that points to an FE which is not back yet stays until that FE is, or learning
 * is over. */
static void adopt_exit(struct sync *sync)
{
	struct rule_key key = {.kind = RULE_EXTERNAL, .length = IPV4_PREFIX_BASE};
	static const uint8_t any[4];
	struct reported_rule *reported;

	key.address = address_from_ipv4(any);
	reported = table_get(&sync->rules, &key);
	sync->element->exit = reported ? (int64_t)reported->rule.fe : -1;
	if (sync->element->ovs)
		adopt_switch_exit(sync);
}

static const struct rule *find_reported(void *from, const struct rule_key *key)
{
	const struct reported_rule *reported = table_get(&((struct sync *)from)->rules, key);

	return reported ? &reported->rule : NULL;
}

/* False: there is more. */
static bool adopt_rules(struct sync *sync, unsigned budget)
{
	struct reported_rule *reported;

	while (budget && table_next(&sync->rules, &sync->at, NULL, (void **)&reported)) {
		if (reported->rule.key.kind == RULE_LOCAL ||
		    reported->rule.key.kind == RULE_FOREIGN)
			(void)attachment_adopt(sync->core, sync->element, &reported->rule);
		budget--;
	}
	return budget > 0;
}

static void want_group(void *to, const struct rule_group *group)
{
	struct sync *sync = to;
	struct reported_group *reported = table_get(&sync->groups, &group->fe);

	if (reported) {
		reported->wanted = true;
		if (rule_group_equal(&reported->group, group))
			return;
	}
	element_put_group(sync->element, group);
	sync->puts++;
}

/* Whether the FE had to be sent it. */
static bool want_rule(struct sync *sync, const struct rule *rule)
{
	struct reported_rule *reported = table_get(&sync->rules, &rule->key);

	if (is_node_rule(rule) && !summary_has_read(sync, rule->key.vrf, &rule->key.address))
		return false; /* it has that one, and was counted */
	sync->element->rule_count++;
	if (reported) {
		/* Two of our own facts may share a key (a gateway in two VRFs): once is enough. */
		if (reported->wanted || rule_equal(&reported->rule, rule)) {
			reported->wanted = true;
			return false;
		}
		reported->wanted = true;
	}
	element_put_rule(sync->element, rule, false);
	sync->puts++;
	return true;
}

static void want(void *to, const struct rule *rule)
{
	(void)want_rule(to, rule);
}

/* A port that is there, but of which its FE has not said yet what it is for. */
static bool port_is_unknown(const struct element *e, uint32_t number)
{
	const struct port *p = element_find_port(e, number);

	return p && p->present && !p->info.role && !e->ovs;
}

static bool must_keep(struct sync *sync, const struct rule *rule)
{
	struct core *c = sync->element->core;

	switch ((enum rule_kind)rule->key.kind) {
	case RULE_TENTATIVE: /* the FE's own; it times out */
		return true;
	case RULE_ADMIT:
	case RULE_LISTEN:
		return port_is_unknown(sync->element, rule->key.port);
	case RULE_LOCAL:
	case RULE_FOREIGN:
		return c->learning ? !attachment_adopt(c, sync->element, rule)
				   : rebuild_keeps(c, rule);
	case RULE_GUARD:
	case RULE_BESIDE: {
		const struct node *n =
			inventory_node_by_address(&c->inventory, rule->key.vrf, &rule->key.address);

		return c->learning ? !(n && attachment_find(c, n->id)) : rebuild_keeps(c, rule);
	}
	case RULE_PEER:
	case RULE_PEER_MARKED:
	case RULE_STRANGER:
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_COVERED:
	case RULE_BINDING_PASS:
	case RULE_EXTERNAL:
	case RULE_ANSWER:
	case RULE_MULTICAST:
	case RULE_ECHO:
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
	case RULE_SPEAK:
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_ADVERTISE:
	case RULE_EXIT:
	case RULE_REGISTER:
	case RULE_KIND_COUNT:
		break;
	}
	return false;
}

/* Since its turn the node may have come to where this is its rule; it was sent then. */
static bool is_wanted_now(const struct sync *sync, const struct rule_key *key)
{
	const struct core *c = sync->core;
	struct rule rules[PLANNER_NODE_RULES_MAX];
	const struct node *n = inventory_node_by_address(&c->inventory, key->vrf, &key->address);
	const struct attachment_record *r = n ? attachment_find(c, n->id) : NULL;
	unsigned count = r ? planner_node_rules(c, sync->element->id, record_node(sync->core, r),
						r->detached ? NULL : &r->a, rules)
			   : 0;

	for (unsigned i = 0; i < count; i++)
		if (memcmp(&rules[i].key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* At a switch nodes have more kinds of rules, which others may be as well. */
static bool may_be_node_rule(const struct element *e, const struct rule *rule)
{
	return is_node_rule(rule) ||
	       (e->ovs && (rule->key.kind == RULE_BESIDE || rule->key.kind == RULE_SELF ||
			   rule->key.kind == RULE_BESIDE_ASKED || rule->key.kind == RULE_ECHO ||
			   rule->key.kind == RULE_ANSWER));
}

/* Whether it is deleted. */
static bool delete_rule(struct sync *sync, const struct reported_rule *rule)
{
	struct element *e = sync->element;

	if (must_keep(sync, &rule->rule)) {
		e->rule_count += rule->rule.key.kind != RULE_TENTATIVE; /* the FE's own */
		sync->kept += is_node_rule(&rule->rule);
		return false;
	}
	/* Asked last: whether it must be kept may have found out whose it is. */
	if (may_be_node_rule(e, &rule->rule) && is_wanted_now(sync, &rule->rule.key))
		return false;
	e->rule_count++;
	element_delete_rule(e, &rule->rule);
	sync->deletes++;
	return true;
}

static struct reported_rule *find_binding(struct sync *sync, const struct node *n, unsigned i,
					  enum rule_kind kind)
{
	struct rule_key key = {.kind = (uint8_t)kind, .vrf = n->vrf, .address = n->addresses[i]};

	return table_get(&sync->rules, &key);
}

/* Since its rules were adopted, the FE's port may have left the node's LAN: what it is told now
 * must not be older than what it has. */
static void adopt_again(struct sync *sync, const struct attachment_record *r)
{
	static const enum rule_kind kinds[] = {RULE_LOCAL, RULE_FOREIGN};
	struct core *c = sync->core;
	const struct node *n = record_node(c, r);

	for (unsigned i = 0; n && !r->detached && i < n->address_count; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			const struct reported_rule *has = find_binding(sync, n, i, kinds[k]);

			if (has && r->a.place.fe != sync->element->id &&
			    version_is_later(version_from_cookie(has->rule.cookie),
					     r->a.element_version) &&
			    !segment_is_member(c, sync->element->id, &r->a.place))
				(void)attachment_adopt(c, sync->element, &has->rule);
		}
}

/* The node may have come back to where the FE has it, and said so on a connection that was broken:
 * the FE keeps no word of whom it has bound already.  Not while a move from there is prepared. */
static void ask_where_it_was(const struct sync *sync, const struct attachment_record *r,
			     const struct rule *local)
{
	const struct place place = {sync->element->id, local->port, local->vlan, local->mac};

	/* Its answer would mend what that fault breaks, and hide it. */
	if (sync->core->config.fault == FAULT_RESTAMP)
		return;
	if (!r->detached && r->a.state != ATTACHMENT_PREPARED)
		probe_place(sync->core, r, &place);
}

/* Where the node is not any more: all of its addresses together. */
static void delete_old(struct sync *sync, const struct attachment_record *r)
{
	static const enum rule_kind kinds[] = {RULE_LOCAL, RULE_FOREIGN};
	const struct node *n = record_node(sync->core, r);
	const struct rule *local = NULL;

	for (unsigned i = 0; n && i < n->address_count; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct reported_rule *has = find_binding(sync, n, i, kinds[k]);

			if (!has || has->wanted)
				continue;
			if (delete_rule(sync, has) && kinds[k] == RULE_LOCAL)
				local = &has->rule;
			has->wanted = true;
		}
	if (local)
		ask_where_it_was(sync, r, local);
}

/* The rules of so many nodes.  False: there are more. */
static bool want_nodes(struct sync *sync, unsigned budget)
{
	struct core *c = sync->core;
	struct rule rules[PLANNER_NODE_RULES_MAX];
	struct attachment_record *r;

	if (!summary_reads(sync))
		return true;
	while (budget && pool_next(&c->records, &sync->at, (void **)&r)) {
		unsigned count;

		budget--;
		if (!summary_concerns(sync, record_node(c, r)))
			continue;
		adopt_again(sync, r);
		count = planner_node_rules(c, sync->element->id, record_node(sync->core, r),
					   r->detached ? NULL : &r->a, rules);
		for (unsigned i = 0; i < count; i++)
			if (want_rule(sync, &rules[i]) && rules[i].key.kind == RULE_FOREIGN)
				r->element_version_guessed = false; /* the FE knows it now */
		delete_old(sync, r);
	}
	return budget > 0;
}

/* Rules that are no node's, all at once. */
static void delete_others(struct sync *sync)
{
	struct reported_rule *rule;
	size_t at = 0;

	while (table_next(&sync->rules, &at, NULL, (void **)&rule))
		if (!rule->wanted && !may_be_node_rule(sync->element, &rule->rule))
			(void)delete_rule(sync, rule);
}

/* Which rules of nodes are left over; false: there are more. */
static bool collect_nodes(struct sync *sync, unsigned budget)
{
	struct reported_rule *rule;

	while (budget && table_next(&sync->rules, &sync->at, NULL, (void **)&rule)) {
		if (!rule->wanted && may_be_node_rule(sync->element, &rule->rule))
			buffer_add_bytes(&sync->left, &rule, sizeof(struct reported_rule *));
		budget--;
	}
	return budget > 0;
}

/* A node that nobody knows may have several: they are not told apart, and go together if they are
 * not very many.  False: there are more. */
static bool delete_nodes(struct sync *sync)
{
	struct reported_rule **list = (struct reported_rule **)(void *)sync->left.data;
	size_t count = sync->left.size / sizeof(struct reported_rule *), end = sync->at + TOGETHER;

	for (; sync->at < count && sync->at < end; sync->at++)
		(void)delete_rule(sync, list[sync->at]);
	return sync->at == count;
}

/* A group's end takes its flows along: last, and not while some are kept. */
static void delete_groups(struct sync *sync)
{
	struct element *e = sync->element;
	struct reported_group *group;
	struct tunnel tunnel;
	size_t at = 0;

	while (!sync->kept && table_next(&sync->groups, &at, NULL, (void **)&group)) {
		const struct element *peer = element_find(sync->core, group->group.fe);

		if (group->wanted || (peer && tunnel_between(sync->core, e, peer, &tunnel)))
			continue;
		element_delete_group(e, group->group.fe);
		sync->deletes++;
	}
}

static void note_ports(struct element *e)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p)) {
		p->admitted = planner_port_role(p);
		p->silent = segment_is_silent(e->core, e, p);
	}
}

static void adopt_segments(struct sync *sync)
{
	struct element *e = sync->element;
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p)) {
		struct rule_key key = {
			.kind = RULE_LISTEN, .port = p->number, .ethertype = ETHERTYPE_ARP_};
		const struct reported_rule *listen = table_get(&sync->rules, &key);

		if (p->present)
			segment_adopt(e->core, e, p,
				      !listen               ? SEGMENT_LISTENS_NOT
				      : listen->rule.silent ? SEGMENT_LISTENS_SILENT
							    : SEGMENT_LISTENS_ANSWERING);
	}
}

/* All that is read: what the FE should have apart from its nodes' rules, which follow.  From now on
 * it is told of every change, as all are. */
static void begin_nodes(struct session *s)
{
	struct sync *sync = s->sync;
	struct element *e = s->element;
	struct core *c = s->core;

	adopt_segments(sync);
	sync->learning = c->learning;
	c->change++;
	if (e->links_known)
		backplane_synchronize(e, (const void *)sync->links.data,
				      (unsigned)(sync->links.size / sizeof(struct reported_link)));
	if (!c->learning)
		topology_settle(c);
	e->rule_count = summary_agreed(sync);
	e->exit = planner_exit(c, e);
	exit_synchronize(e, find_reported, sync);
	planner_groups(c, e, want_group, sync);
	planner_intent(c, e, want, sync);
	delete_others(sync);
	planner_note_spreads(c, e);
	note_ports(e);
	/* This tells it of changes that it missed: what it heard before is not fresh. */
	e->sent = c->change;
	e->synced = true;
}

static void end_nodes(struct session *s)
{
	struct sync *sync = s->sync;
	struct element *e = s->element;
	struct core *c = s->core;
	bool again;

	delete_groups(sync);
	e->unexplained = sync->kept > 0;
	again = e->unexplained && (sync->again || sync->learning != c->learning);
	log_debug("%s: %u of %zu rules are sent, %u deleted, %u not explained yet", e->name,
		  sync->puts, (size_t)e->rule_count, sync->deletes, sync->kept);
	sync_destroy(sync);
	s->sync = NULL;
	session_enter(s, STAGE_READY, 0);
	element_commit(e, true);
	discovery_element(e);
	if (!c->learning)
		attachment_drop_portless(c, e);
	if (again)
		session_synchronize(s);
}

void compare_begin(struct session *s)
{
	struct sync *sync = s->sync;

	compare_groups(s);
	adopt_exit(sync);
	sync->phase = SYNC_ADOPTING;
	s->core->comparing++;
}

/* Which phase is next, when one has met all that it is about; true: none. */
static bool enter_next(struct session *s)
{
	struct sync *sync = s->sync;

	sync->at = 0;
	switch (sync->phase) {
	case SYNC_READING:
	case SYNC_ADOPTING:
		if (summary_wants_more(s))
			return true;
		begin_nodes(s);
		sync->phase = SYNC_NODES;
		held_release(s);
		return false;
	case SYNC_NODES:
		sync->phase = SYNC_COLLECTING;
		return false;
	case SYNC_COLLECTING:
		sync->phase = SYNC_DELETING;
		return false;
	case SYNC_DELETING:
		end_nodes(s);
		return true;
	}
	return true;
}

static bool work(struct sync *sync)
{
	switch (sync->phase) {
	case SYNC_ADOPTING:
		return adopt_rules(sync, sync->core->config.slice);
	case SYNC_NODES:
		return want_nodes(sync, sync->core->config.slice);
	case SYNC_COLLECTING:
		return collect_nodes(sync, sync->core->config.slice);
	case SYNC_DELETING:
		return delete_nodes(sync);
	case SYNC_READING:
		break;
	}
	return true;
}

/* Whether the FE takes more now. */
static bool has_room(const struct session *s)
{
	const struct core_shell *shell = &s->core->shell;

	return !shell->unsent || shell->unsent(shell->context, s) < UNSENT_MAX;
}

/* Whether something was done. */
static bool advance(struct session *s)
{
	struct core *c = s->core;

	if (s->stage != STAGE_COMPARE || s->doomed || !has_room(s))
		return false;
	s->stage_ms = c->now_ms;
	if (work(s->sync))
		(void)enter_next(s);
	if (s->channel.out.size)
		c->shell.flush(c->shell.context, s);
	return true;
}

bool core_is_comparing(const struct core *c)
{
	return c->comparing > 0 || survey_is_walking(c);
}

bool core_compare(struct core *c)
{
	bool done = summary_work(c);

	for (struct session *s = c->sessions, *next; s && c->comparing; s = next) {
		next = s->next;
		done |= advance(s);
	}
	return done;
}

bool compare_is_small(const struct session *s)
{
	const struct core *c = s->core;

	return !c->shell.unsent ||
	       s->sync->rules.count + (summary_reads(s->sync) ? c->records.count : 0) <=
		       (size_t)c->config.slice * SMALL_SLICES;
}

void compare_all(struct session *s)
{
	while (s->stage == STAGE_COMPARE && advance(s))
		;
}
