/* After a restart: attachments come back from the store, which may be late, and from the FEs' own
 * tables, which are not (design P2).  The highest version over local and foreign rules decides at
 * which FE a node is; nothing that is learnt is stamped again.  A local rule tells the port too, a
 * foreign one only the FE, and its version as other FEs have it (element_version): so that FEs
 * which are right already are sent nothing.  What is only learnt is PROVISIONAL until the node
 * speaks. */
#include "controller/record.h"

#include "controller/admission.h"
#include "controller/element.h"
#include "controller/probing.h"
#include "controller/segment.h"
#include "controller/survey.h"

#include <string.h>

void attachment_restore(struct core *c, const struct attachment *a)
{
	struct attachment_record *r = record_obtain(c, a->node);
	const char *id = r->a.node;
	bool gone = a->state == ATTACHMENT_GONE; /* of some, nobody knew where they were */
	struct element *e = element_obtain(c, a->place.fe);

	if (!r->detached || (!e && !gone))
		return;
	r->a = *a;
	r->a.node = id;
	r->detached = gone;
	r->a.deadline_ms = 0;
	if (a->version.term >= c->term && a->version.term < UINT16_MAX)
		c->term = (uint16_t)(a->version.term + 1);
	if (r->detached) {
		record_arrange(c, r);
		return;
	}
	c->restored_count++;
	survey_spoil(c);
	if (a->state == ATTACHMENT_PREPARED && a->previous.fe) {
		r->a.deadline_ms = c->now_ms + c->config.prepare_timeout_ms;
	} else {
		r->a.state = ATTACHMENT_PROVISIONAL;
		r->a.previous = (struct place){0};
	}
	e->awaited = true;
	record_link_port(c, r);
	record_arrange(c, r);
}

static void restamp(struct core *c, struct attachment_record *r)
{
	struct attachment after = r->a;

	after.version = after.element_version = record_next_version(c);
	record_enter(c, r, &after, r->detached);
}

/* Later than what we know.  A node that spoke in this run outweighs any table, and so does a person
 * who deregistered it: it is stamped anew, in our term, which is above the table's. */
static bool outweighs_us(struct core *c, struct attachment_record *r, struct version v)
{
	if (!version_is_later(v, r->a.version))
		return false;
	if (!r->live && !r->barred)
		return true;
	restamp(c, r);
	return false;
}

/* An FE that believes the node elsewhere must be told of our FE with a version that is later than
 * its own.  Ours is not, where the node moved within one FE before this FE was heard. */
static void outdo(struct core *c, struct attachment_record *r, struct version v)
{
	if (!r->detached && version_is_later(v, r->a.element_version))
		restamp(c, r);
}

/* On a LAN that FEs share all FEs are told of every change there, not only of the FE's. */
static bool is_heard(const struct core *c, const struct place *place)
{
	const struct element *e = element_find(c, place->fe);
	const struct port *p = e && place->port ? element_find_port(e, place->port) : NULL;

	return p && p->info.segment;
}

static void adopt_place(struct core *c, struct attachment_record *r, const struct place *place,
			struct version v)
{
	struct attachment after = r->a;
	/* Somebody who claims to be elsewhere is being asked: that goes on. */
	bool probing = !r->detached && r->a.state == ATTACHMENT_PROBING &&
		       !place_equal(&r->a.previous, place);

	if (c->config.fault == FAULT_RESTAMP)
		v = record_next_version(c);
	c->rebuilt_count += r->detached;
	if (r->detached || after.place.fe != place->fe || is_heard(c, place)) {
		after.element_version = v;
		after.since_ms = c->now_ms;
		r->element_version_guessed = place->port != 0 && !is_heard(c, place);
	}
	after.place = *place;
	after.version = v;
	r->probed = false;
	if (probing) {
		record_enter(c, r, &after, false);
		probing_restart(c, r);
		return;
	}
	after.previous = (struct place){0};
	after.state = ATTACHMENT_PROVISIONAL;
	after.deadline_ms = 0;
	record_enter(c, r, &after, false);
	if (place->port && !element_place_up(c, place))
		record_settle(c, r);
}

/* Others said that it is there. */
static bool lacks_port(const struct attachment_record *r, const struct element *e)
{
	return !r->detached && r->a.place.fe == e->id && !r->a.place.port;
}

/* We only knew of another on its LAN. */
static bool is_designated(const struct core *c, const struct attachment_record *r,
			  const struct place *place, struct version v)
{
	return !r->detached && r->learnt_beside && !version_is_later(r->a.version, v) &&
	       segment_is_same(c, place, &r->a.place);
}

static void adopt_local(struct core *c, struct attachment_record *r, struct element *e,
			const struct rule *rule, struct version v)
{
	struct place place = {e->id, rule->port, rule->vlan, rule->mac};

	if (lacks_port(r, e) && !version_is_later(r->a.version, v))
		adopt_place(c, r, &place, v);
	else if (outweighs_us(c, r, v) || is_designated(c, r, &place, v))
		adopt_place(c, r, &place, v);
	else if (r->a.place.fe != e->id)
		outdo(c, r, v);
}

/* The same FE as we know it: only its version may be news. */
static void adopt_element_version(struct core *c, struct attachment_record *r, struct version v)
{
	struct attachment after = r->a;

	if (!r->element_version_guessed && !version_is_later(v, r->a.element_version))
		return;
	if (r->live && version_is_later(v, r->a.version)) {
		restamp(c, r);
		return;
	}
	r->element_version_guessed = false;
	after.element_version = v;
	if (version_is_later(v, after.version))
		after.version = v;
	record_enter(c, r, &after, false);
	r->element_version_guessed = false;
}

static void adopt_foreign(struct core *c, struct attachment_record *r, struct element *e,
			  const struct rule *rule, struct version v)
{
	struct element *target = element_obtain(c, rule->fe);
	struct place place = {.fe = rule->fe, .mac = r->a.place.mac};

	if (!target || target == e)
		return;
	if (!r->detached && r->a.place.fe == rule->fe) {
		adopt_element_version(c, r, v);
		return;
	}
	/* That FE has told us all it has: it is not there. */
	if (target->synced && !c->learning) {
		outdo(c, r, v);
		return;
	}
	if (outweighs_us(c, r, v)) {
		adopt_place(c, r, &place, v);
		r->element_version_guessed = false;
	} else {
		outdo(c, r, v);
	}
}

bool attachment_adopt(struct core *c, struct element *e, const struct rule *rule)
{
	struct version v = version_from_cookie(rule->cookie);
	const struct node *n =
		inventory_node_by_address(&c->inventory, rule->key.vrf, &rule->key.address);
	struct attachment_record *r = n ? attachment_find(c, n->id) : NULL;
	const char *why;
	bool beside;

	if (!version_is_set(v) || v.shard != c->config.shard)
		return r != NULL;
	/* It says that the node is on that LAN, but not which FE is designated for it: ours, if it
	 * is news, until that one is heard. */
	beside = rule->key.kind == RULE_LOCAL && segment_explains(c, e, rule, r);
	if (beside && r && !version_is_later(v, r->a.version)) {
		if (lacks_port(r, e))
			adopt_place(c, r, &(struct place){e->id, rule->port, rule->vlan, rule->mac},
				    r->a.version); /* it was not told that it is designated */
		else if (r->a.place.fe != e->id && !segment_is_member(c, e->id, &r->a.place))
			outdo(c, r, v);
		return true;
	}
	if (v.term > c->term || (v.term == c->term && v.sequence > c->sequence))
		if (!element_learn_term(c, v.term, e))
			return r != NULL;
	if (!n)
		n = admission_learn(c, rule->key.vrf, &rule->key.address,
				    rule->key.kind == RULE_LOCAL ? &rule->mac : NULL, NULL, &why);
	if (!n)
		return false;
	r = record_obtain(c, n->id);
	if (rule->key.kind == RULE_LOCAL)
		adopt_local(c, r, e, rule, v);
	else
		adopt_foreign(c, r, e, rule, v);
	r->learnt_beside |= beside && !r->detached && r->a.place.fe == e->id;
	return !r->detached || version_is_set(r->a.version);
}

void attachment_drop_if_portless(struct core *c, struct attachment_record *r)
{
	const struct element *e = element_find(c, r->a.place.fe);

	if (!r->a.place.port && e && e->synced && !c->learning)
		record_detach(c, r, "its element does not know it");
}

/* One that somebody claims meanwhile stays until he has answered, or has not (probing.c). */
void attachment_drop_portless(struct core *c, struct element *e)
{
	struct port *p = element_port(e, 0);
	struct attachment_record *next;

	for (struct attachment_record *r = record_at(c, p->first); r; r = next) {
		next = record_at(c, r->port_next);
		if (r->a.state != ATTACHMENT_PROBING)
			attachment_drop_if_portless(c, r);
	}
}

void attachment_drop_nodeless(struct core *c)
{
	size_t at = 0;
	struct attachment_record *r;

	while (pool_next(&c->records, &at, (void **)&r))
		if (!r->detached && !record_node(c, r))
			record_detach(c, r, "it is not in the inventory any more");
}
