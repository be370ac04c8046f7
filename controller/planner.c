/* Intent: which rules and groups an FE should have, and what it is told when that changes.
 *
 * planner_node_rules says, for one node and one FE, which rules there are; the full intent of an
 * FE (after a connect, sync.c compares it) and the difference that a move makes are both made from
 * it, so they cannot disagree.  A move (design P4) is told to the new FE first, then the old one,
 * then border FEs, then the rest, each FE's messages followed by a barrier and written at once.
 * Within one FE additions go before deletions: at the old FE the foreign rule is there before the
 * local one goes, so no packet finds neither.
 *
 * FEs that have no part in the attachment all get the same bytes; they are encoded once.  They hear
 * of it only when the node's FE changes: their foreign rules carry the element_version. */
#include "controller/planner.h"

#include "controller/element.h"
#include "controller/ovs.h"
#include "controller/record.h"
#include "controller/segment.h"
#include "controller/survey.h"
#include "controller/tunnel.h"

#include <string.h>

static bool reachable(const struct core *c, uint32_t fe)
{
	const struct element *e = element_find(c, fe);

	return e && element_has_backplane(e);
}

static struct rule guard_rule(const struct node *n, const struct address *a,
			      const struct place *place, uint64_t cookie)
{
	return (struct rule){.key = {.kind = RULE_GUARD,
				     .vrf = n->vrf,
				     .port = place->port,
				     .vlan = place->vlan,
				     .mac = place->mac,
				     .address = *a},
			     .cookie = cookie};
}

static struct rule local_rule(const struct node *n, const struct address *a,
			      const struct place *place, const struct mac *gateway_mac,
			      uint64_t cookie)
{
	return (struct rule){.key = {.kind = RULE_LOCAL, .vrf = n->vrf, .address = *a},
			     .cookie = cookie,
			     .port = place->port,
			     .vlan = place->vlan,
			     .mac = place->mac,
			     .gateway_mac = *gateway_mac};
}

static struct rule foreign_rule(const struct node *n, const struct address *a, uint32_t fe,
				uint64_t cookie)
{
	return (struct rule){.key = {.kind = RULE_FOREIGN, .vrf = n->vrf, .address = *a},
			     .cookie = cookie,
			     .fe = fe};
}

/* While a move is only prepared, the place it would return to keeps its guard: should the node be
 * resumed there, its packets pass before anybody has heard of it (P4b). */
static bool guards_previous(const struct attachment *a, uint32_t x)
{
	return a->state == ATTACHMENT_PREPARED && a->previous.fe == x && a->previous.port &&
	       !place_equal(&a->previous, &a->place);
}

static bool is_switch(const struct core *c, uint32_t x)
{
	const struct element *e = x == PLANNER_OTHER_SWITCH ? NULL : element_find(c, x);

	return x == PLANNER_OTHER_SWITCH || (e && e->ovs);
}

/* With x's own port on the place's segment, or NULL. */
static unsigned node_rules(const struct core *c, uint32_t x, const struct port *beside,
			   const struct node *n, const struct attachment *a,
			   struct rule rules[PLANNER_NODE_RULES_MAX])
{
	uint64_t cookie = version_to_cookie(a->version);
	/* Who is on the node's LAN had its local rule, or has it soon. */
	uint64_t foreign_cookie =
		segment_is_member(c, x, &a->place) ? cookie : version_to_cookie(a->element_version);
	struct mac gateway_mac = segment_gateway_mac(c, n->id, &a->place);
	struct place here = a->place;
	unsigned count = 0;

	if (beside) {
		here.fe = x;
		here.port = beside->number;
		if (c->config.fault != FAULT_ALL_DESIGNATED)
			gateway_mac = beside->mac;
	}
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct address *at = &n->addresses[i];

		if (here.fe == x && here.port) {
			/* What it sends needs nobody else to be told. */
			rules[count++] = guard_rule(n, at, &here, cookie);
			rules[count++] = local_rule(n, at, &here, &gateway_mac, cookie);
		} else if (here.fe != x && reachable(c, here.fe)) {
			rules[count++] = foreign_rule(n, at, here.fe, foreign_cookie);
		}
		if (guards_previous(a, x))
			rules[count++] = guard_rule(n, at, &a->previous, cookie);
		if (is_switch(c, x))
			count += ovs_node_rules(c, n, at, &a->place,
						a->place.fe == x && a->place.port, rules + count);
	}
	return count;
}

unsigned planner_node_rules(const struct core *c, uint32_t x, const struct node *n,
			    const struct attachment *a, struct rule rules[PLANNER_NODE_RULES_MAX])
{
	return n && a ? node_rules(c, x, segment_beside(c, x, &a->place), n, a, rules) : 0;
}

struct difference {
	const struct rule *puts[PLANNER_NODE_RULES_MAX], *deletes[PLANNER_NODE_RULES_MAX];
	unsigned put_count, delete_count;
	int growth;
	struct rule before[PLANNER_NODE_RULES_MAX], after[PLANNER_NODE_RULES_MAX];
};

static const struct rule *find_key(const struct rule *rules, unsigned count,
				   const struct rule_key *key)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(&rules[i].key, key, sizeof(*key)) == 0)
			return &rules[i];
	return NULL;
}

/* d->before and d->after are filled. */
static void compare(struct difference *d, unsigned before_count, unsigned after_count)
{
	d->put_count = d->delete_count = 0;
	d->growth = (int)after_count - (int)before_count;
	for (unsigned i = 0; i < after_count; i++) {
		const struct rule *old = find_key(d->before, before_count, &d->after[i].key);

		if (!old || !rule_equal(old, &d->after[i]))
			d->puts[d->put_count++] = &d->after[i];
	}
	for (unsigned i = 0; i < before_count; i++)
		if (!find_key(d->after, after_count, &d->before[i].key))
			d->deletes[d->delete_count++] = &d->before[i];
}

#define INVOLVED_MAX (4 + 2 * SEGMENT_MEMBERS_MAX)

/* One attachment's change on its way to the FEs. */
struct change {
	struct core *c;
	struct attachment_record *r;
	const struct node *node_before, *node_after;
	const struct attachment *before, *after;
	uint32_t involved[INVOLVED_MAX];
	unsigned involved_count;
};

static void diff(const struct change *ch, uint32_t x, struct difference *d)
{
	unsigned before = planner_node_rules(ch->c, x, ch->node_before, ch->before, d->before);
	unsigned after = planner_node_rules(ch->c, x, ch->node_after, ch->after, d->after);

	compare(d, before, after);
}

static void encode(const struct core *c, const struct difference *d, struct buffer *b)
{
	uint32_t xid = (uint32_t)c->change;

	for (unsigned i = 0; i < d->put_count; i++)
		stencils_flow_mod(c->stencils, d->puts[i], OFPFC_ADD, xid, b);
	for (unsigned i = 0; i < d->delete_count; i++)
		stencils_flow_mod(c->stencils, d->deletes[i], OFPFC_DELETE_STRICT, xid, b);
}

/* A switch has its packet-ins late enough without waiting for the barrier. */
static void commit(struct element *e, bool rest)
{
	if (e->ovs || (!rest && e->core->element_count > FEW_ELEMENTS))
		element_commit(e, false);
	else
		element_commit_later(e, rest);
}

static void send(struct element *e, const struct difference *d, const struct buffer *messages)
{
	element_queue(e, messages, d->put_count + d->delete_count, d->growth);
	commit(e, false);
}

static void involve(struct change *ch, uint32_t fe)
{
	for (unsigned i = 0; i < ch->involved_count; i++)
		if (ch->involved[i] == fe)
			return;
	if (fe)
		ch->involved[ch->involved_count++] = fe;
}

static void involve_segment(struct change *ch, const struct attachment *a)
{
	struct segment_member members[SEGMENT_MEMBERS_MAX];
	unsigned count = a ? segment_members(ch->c, &a->place, members) : 0;

	for (unsigned i = 0; i < count; i++)
		involve(ch, members[i].fe);
}

/* The order of P4: the new place first, then where it was. */
static void find_involved(struct change *ch)
{
	if (ch->after)
		involve(ch, ch->after->place.fe);
	if (ch->before)
		involve(ch, ch->before->place.fe);
	if (ch->after && ch->after->state == ATTACHMENT_PREPARED)
		involve(ch, ch->after->previous.fe);
	if (ch->before && ch->before->state == ATTACHMENT_PREPARED)
		involve(ch, ch->before->previous.fe);
	involve_segment(ch, ch->after);
	involve_segment(ch, ch->before);
}

static bool is_involved(const struct change *ch, uint32_t fe)
{
	for (unsigned i = 0; i < ch->involved_count; i++)
		if (ch->involved[i] == fe)
			return true;
	return false;
}

static bool puts_foreign(const struct difference *d)
{
	for (unsigned i = 0; i < d->put_count; i++)
		if (d->puts[i]->key.kind == RULE_FOREIGN)
			return true;
	return false;
}

/* False: there was nothing to tell any of them. */
static bool tell_involved(struct change *ch)
{
	struct core *c = ch->c;
	struct difference d;
	bool told = false;

	for (unsigned i = 0; i < ch->involved_count; i++) {
		struct element *e = element_find(c, ch->involved[i]);

		diff(ch, ch->involved[i], &d);
		if (!d.put_count && !d.delete_count)
			continue;
		told = true;
		record_note_told(c, ch->r, ch->involved[i]);
		if (!e || !e->synced)
			continue;
		buffer_clear(&c->scratch);
		encode(c, &d, &c->scratch);
		send(e, &d, &c->scratch);
		if (puts_foreign(&d))
			ch->r->element_version_guessed = false; /* one knows it now */
	}
	return told;
}

static bool has_ipv6(const struct node *n)
{
	for (unsigned i = 0; i < n->address_count; i++)
		if (!address_is_ipv4(&n->addresses[i]))
			return true;
	return false;
}

/* A victor-fe announces itself for a node that left, and tells one that came of its router; for a
 * switch we do. */
static void speak_for_switches(const struct change *ch)
{
	struct element *e = ch->before ? element_find(ch->c, ch->before->place.fe) : NULL;

	if (e && e->ovs && ch->after && ch->node_after && ch->after->place.fe != e->id)
		ovs_departed(e, ch->node_after, &ch->before->place);
	e = ch->after ? element_find(ch->c, ch->after->place.fe) : NULL;
	if (e && e->ovs && ch->node_after && has_ipv6(ch->node_after))
		ovs_router_arrived(e, ch->after->place.port);
}

/* What FEs of one kind that have no part in it are told. */
struct broadcast {
	uint32_t to; /* PLANNER_OTHER or PLANNER_OTHER_SWITCH */
	struct buffer *messages;
	struct difference d;
};

static bool prepare_broadcast(const struct change *ch, struct broadcast *b, uint32_t to,
			      struct buffer *messages)
{
	b->to = to;
	b->messages = messages;
	diff(ch, b->to, &b->d);
	if (!b->d.put_count && !b->d.delete_count)
		return false;
	buffer_clear(b->messages);
	encode(ch->c, &b->d, b->messages);
	return true;
}

static unsigned tell_rest(struct change *ch, bool borders, const struct broadcast *b)
{
	struct core *c = ch->c;
	unsigned told = 0;

	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		if (!e->synced || e->border != borders || is_involved(ch, e->id) ||
		    is_switch(c, e->id) != (b->to == PLANNER_OTHER_SWITCH))
			continue;
		element_queue(e, b->messages, b->d.put_count + b->d.delete_count, b->d.growth);
		commit(e, true);
		told++;
	}
	return told;
}

void planner_change(struct core *c, struct attachment_record *r, const struct node *node_before,
		    const struct attachment *before, const struct node *node_after,
		    const struct attachment *after)
{
	struct change ch = {
		.c = c,
		.r = r,
		.node_before = node_before,
		.node_after = node_after,
		.before = before,
		.after = after,
	};
	struct broadcast fes, switches; /* large: only what is used of them is written */
	bool tell_fes, tell_switches;
	unsigned told = 0;

	c->change++;
	survey_note(c, node_before);
	survey_note(c, node_after);
	find_involved(&ch);
	if (tell_involved(&ch) && ch.involved_count > ARRAY_SIZE(r->changed_at))
		record_note_told_all(c, r); /* more than are remembered one by one */
	tell_fes = prepare_broadcast(&ch, &fes, PLANNER_OTHER, &c->scratch);
	tell_switches = c->has_switches &&
			prepare_broadcast(&ch, &switches, PLANNER_OTHER_SWITCH, &c->switch_scratch);
	if (!tell_fes && !tell_switches)
		return;
	record_note_told_all(c, r);
	for (int borders = 1; borders >= 0; borders--) {
		if (tell_fes)
			told += tell_rest(&ch, borders, &fes);
		if (tell_switches)
			told += tell_rest(&ch, borders, &switches);
	}
	speak_for_switches(&ch);
	if (told && fes.d.put_count)
		r->element_version_guessed = false; /* others know it now */
}

static bool put_difference(struct element *e, struct difference *d, unsigned before, unsigned after)
{
	compare(d, before, after);
	if (!d->put_count && !d->delete_count)
		return false;
	buffer_clear(&e->core->scratch);
	encode(e->core, d, &e->core->scratch);
	element_queue(e, &e->core->scratch, d->put_count + d->delete_count, d->growth);
	return true;
}

void planner_refresh_beside(struct core *c, struct element *e, const struct port *p, bool is_there)
{
	struct place place = {.fe = e->id, .port = p->number};
	struct segment_member members[SEGMENT_MEMBERS_MAX];
	unsigned count = e->synced ? segment_members(c, &place, members) : 0;
	struct difference d;
	bool changed = false;

	c->change += count > 0;
	for (unsigned i = 0; i < count; i++) {
		struct element *other = element_find(c, members[i].fe);

		if (other == e)
			continue;
		for (struct attachment_record *r =
			     record_at(c, element_port(other, members[i].port)->first);
		     r; r = record_at(c, r->port_next)) {
			const struct node *n = record_node(c, r);
			unsigned before, after;

			if (!n)
				continue;
			before = node_rules(c, e->id, is_there ? NULL : p, n, &r->a, d.before);
			after = node_rules(c, e->id, is_there ? p : NULL, n, &r->a, d.after);
			changed |= put_difference(e, &d, before, after);
			if (puts_foreign(&d))
				r->element_version_guessed = false;
		}
	}
	if (changed)
		element_commit(e, false);
}

void planner_refresh_besides(struct core *c, const struct element *home, const struct port *p,
			     bool is_there)
{
	struct place place = {.fe = home->id, .port = p->number};
	struct segment_member members[SEGMENT_MEMBERS_MAX];
	unsigned count = p->first ? segment_members(c, &place, members) : 0;
	struct difference d;

	c->change += count > 0;
	for (unsigned i = 0; i < count; i++) {
		const struct port *beside = segment_beside(c, members[i].fe, &place);
		struct element *e = element_find(c, members[i].fe);
		bool changed = false;

		if (!beside || !e->synced)
			continue;
		for (struct attachment_record *r = record_at(c, p->first); r;
		     r = record_at(c, r->port_next)) {
			const struct node *n = record_node(c, r);
			unsigned before, after;

			if (!n)
				continue;
			before = node_rules(c, e->id, is_there ? NULL : beside, n, &r->a, d.before);
			after = node_rules(c, e->id, is_there ? beside : NULL, n, &r->a, d.after);
			changed |= put_difference(e, &d, before, after);
			if (puts_foreign(&d))
				r->element_version_guessed = false;
		}
		if (changed)
			element_commit(e, false);
	}
}
