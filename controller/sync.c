/* After a connect: what the FE has against what it should have.  Groups and flows are read back
 * whole into a table; then, in this order,
 *
 *   - a group towards an FE that has not connected in this run tells that FE's backplane address,
 *   - local and foreign rules later than what we know are adopted, never stamped again (design P2),
 *   - intent is walked: what is missing or differs is added, groups first,
 *   - what nothing explains is deleted, but not while FEs that may explain it are still missing,
 *   - a barrier ends it.
 *
 * An FE that has all it should have is sent the barrier and nothing else. */
#include "controller/element.h"
#include "controller/exit.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/backplane.h"
#include "controller/discovery.h"
#include "controller/full.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/rebuild.h"
#include "controller/segment.h"
#include "controller/topology.h"
#include "controller/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("sync");

#define REPORTED_MAX (8u << 20) /* rules; more is no FE of ours */

struct reported_rule {
	struct rule rule;
	bool wanted;
};

struct reported_group {
	struct rule_group group;
	bool wanted;
};

struct sync {
	struct table rules;  /* struct rule_key -> struct reported_rule */
	struct table groups; /* uint32_t fe -> struct reported_group */
	struct buffer links; /* struct reported_link */
	struct element *element;
	unsigned puts, deletes, kept;
};

void sync_begin(struct session *s)
{
	struct sync *sync = memory_alloc(sizeof(*sync));

	full_forget(s->element);
	sync_destroy(s->sync);
	sync->element = s->element;
	table_init(&sync->rules, sizeof(struct rule_key), sizeof(struct reported_rule),
		   s->core->seed + 5);
	table_init(&sync->groups, sizeof(uint32_t), sizeof(struct reported_group),
		   s->core->seed + 6);
	s->sync = sync;
}

void sync_destroy(struct sync *sync)
{
	if (!sync)
		return;
	table_finish(&sync->rules);
	table_finish(&sync->groups);
	buffer_finish(&sync->links);
	free(sync);
}

int sync_links(struct session *s, struct reader *body, bool *ret_more)
{
	struct reported_link reported;
	int r = links_reply_begin(body, ret_more);

	while (r >= 0 && (r = links_next(body, &reported.info, &reported.state)) == 1) {
		buffer_add_bytes(&s->sync->links, &reported, sizeof(reported));
		if (s->sync->links.size > LINKS_MAX * sizeof(reported))
			return -ECONNRESET;
	}
	return r;
}

int sync_group(struct session *s, struct ofp_multipart *m)
{
	struct ofp_group_mod mod;
	struct rule_group group;
	int r;

	while ((r = ofp_group_desc_next(&m->body, &mod)) == 1) {
		struct reported_group *reported;

		if (rule_group_from_group_mod(&mod, &group) < 0)
			group = (struct rule_group){.fe = mod.group}; /* differs from any of ours */
		reported = table_put(&s->sync->groups, &group.fe, NULL);
		reported->group = group;
		if (s->sync->groups.count > ELEMENT_ID_MAX)
			return -ECONNRESET;
	}
	return r;
}

int sync_flow(struct session *s, struct ofp_multipart *m)
{
	struct ofp_flow_stats flow;
	struct rule rule;
	int r;

	while ((r = ofp_flow_stats_next(&m->body, &flow)) == 1) {
		struct reported_rule *reported;

		/* Not one of our shapes: somebody put it there by hand, and may keep it. */
		if (rule_from_flow_stats(&flow, &rule) < 0)
			continue;
		reported = table_put(&s->sync->rules, &rule.key, NULL);
		reported->rule = rule;
		if (s->sync->rules.count > REPORTED_MAX)
			return -ECONNRESET;
	}
	return r;
}

static bool is_node_rule(const struct rule *rule)
{
	return rule->key.kind == RULE_LOCAL || rule->key.kind == RULE_FOREIGN ||
	       rule->key.kind == RULE_GUARD;
}

static void adopt_groups(struct sync *sync)
{
	struct core *c = sync->element->core;
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

static void adopt_rules(struct sync *sync)
{
	size_t at = 0;
	struct reported_rule *reported;

	while (table_next(&sync->rules, &at, NULL, (void **)&reported))
		if (reported->rule.key.kind == RULE_LOCAL ||
		    reported->rule.key.kind == RULE_FOREIGN)
			(void)attachment_adopt(sync->element->core, sync->element, &reported->rule);
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

static void want_rule(void *to, const struct rule *rule)
{
	struct sync *sync = to;
	struct reported_rule *reported = table_get(&sync->rules, &rule->key);

	sync->element->rule_count++;
	if (reported) {
		/* Two of our own facts may share a key (a gateway in two VRFs): once is enough. */
		if (reported->wanted || rule_equal(&reported->rule, rule)) {
			reported->wanted = true;
			return;
		}
		reported->wanted = true;
	}
	if (rule->key.kind == RULE_FOREIGN)
		attachment_told_foreign(sync->element->core, rule);
	element_put_rule(sync->element, rule, false);
	sync->puts++;
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

static void delete_rest(struct sync *sync)
{
	struct element *e = sync->element;
	size_t at = 0;
	struct reported_rule *rule;
	struct reported_group *group;

	while (table_next(&sync->rules, &at, NULL, (void **)&rule)) {
		if (rule->wanted)
			continue;
		e->rule_count += rule->rule.key.kind != RULE_TENTATIVE; /* the FE's own */
		if (must_keep(sync, &rule->rule)) {
			sync->kept += is_node_rule(&rule->rule);
			continue;
		}
		element_delete_rule(e, &rule->rule);
		sync->deletes++;
	}
	at = 0;
	/* A group's end takes its flows along: last, and not while some are kept. */
	while (!sync->kept && table_next(&sync->groups, &at, NULL, (void **)&group)) {
		if (group->wanted)
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

void sync_finish(struct session *s)
{
	struct sync *sync = s->sync;
	struct element *e = s->element;
	struct core *c = s->core;

	adopt_groups(sync);
	adopt_exit(sync);
	adopt_rules(sync);
	adopt_segments(sync);
	c->change++;
	if (e->links_known)
		backplane_synchronize(e, (const void *)sync->links.data,
				      (unsigned)(sync->links.size / sizeof(struct reported_link)));
	if (!c->learning)
		topology_settle(c);
	e->rule_count = 0;
	e->exit = planner_exit(c, e);
	exit_synchronize(e, find_reported, sync);
	planner_groups(c, e, want_group, sync);
	planner_intent(c, e, want_rule, sync);
	delete_rest(sync);
	planner_note_spreads(c, e);
	note_ports(e);
	e->synced = true;
	e->unexplained = sync->kept > 0;
	log_debug("%s: %u of %zu rules are sent, %u deleted, %u not explained yet", e->name,
		  sync->puts, (size_t)e->rule_count, sync->deletes, sync->kept);
	sync_destroy(sync);
	s->sync = NULL;
	element_commit(e, true);
	discovery_element(e);
	if (!c->learning)
		attachment_drop_portless(c, e);
}

void sync_explain_again(struct core *c)
{
	for (unsigned i = 0; c->learning && i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (!e->unexplained || !e->synced || e->session->stage != STAGE_READY)
			continue;
		e->synced = false; /* else older rules of others might be put in place of its own */
		session_synchronize(e->session);
		c->shell.flush(c->shell.context, e->session);
	}
}
