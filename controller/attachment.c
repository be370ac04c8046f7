/* The attachment machine: where a node is, and what a claim, a port, a person or the clock make of
 * that.  Every change goes through record_enter(), which keeps the books, lets the planner tell the
 * FEs, and then tells the store.
 *
 *	(nowhere) --claim--> ACTIVE --fresh claim from elsewhere--> ACTIVE there
 *	ACTIVE --ambiguous claim--> PROBING --answers or timeout--> ACTIVE here or there
 *	ACTIVE --port down--> DOWN --port up, claim--> ACTIVE;  DOWN --grace over--> (nowhere)
 *	ACTIVE --prepare--> PREPARED --claim there--> ACTIVE there
 *	PREPARED --timeout, revert, fresh claim from before, port down there--> ACTIVE as before
 *	PROVISIONAL (restored, or learnt from FEs' tables) --claim--> ACTIVE
 *
 * Which claims are taken at once, and what becomes of the others, is in probing.c.
 *
 * A fresh claim can still be old news where the new FE's connection is slow: A to B and back to A,
 * with B's announcement arriving last.  So when a move is over the place that was left is asked
 *once, if its port is up and the node was heard there within the last second.  An answer from there
 *is a fresh claim; it moves the node back, and is not looked at twice.  Any other answer is: its
 *question may be from before the node moved within one FE, of which no other FE is told.
 *And who was being asked about it when it moved elsewhere is asked once more. */
#include "controller/record.h"

#include "controller/admission.h"
#include "controller/element.h"
#include "controller/flapping.h"
#include "controller/planner.h"
#include "controller/probe.h"
#include "controller/probing.h"
#include "controller/segment.h"
#include "controller/signed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
	[ATTACHMENT_ACTIVE] = "active",           [ATTACHMENT_PREPARED] = "prepared",
	[ATTACHMENT_PROBING] = "probing",         [ATTACHMENT_DOWN] = "down",
	[ATTACHMENT_PROVISIONAL] = "provisional", [ATTACHMENT_GONE] = "gone",
};

const char *attachment_state_name(enum attachment_state state)
{
	return state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

bool place_equal(const struct place *a, const struct place *b)
{
	return a->fe == b->fe && a->port == b->port && a->vlan == b->vlan &&
	       mac_equal(&a->mac, &b->mac);
}

/* A prepared place may have been given without the VLAN that the node then uses. */
bool place_same_port(const struct place *a, const struct place *b)
{
	return a->fe == b->fe && a->port == b->port;
}

/* --- moves --------------------------------------------------------------------------------- */

/* Within one FE nobody else needs to know, unless others on its LAN had the node's local rule. */
static bool others_hear(const struct core *c, const struct attachment_record *r,
			const struct place *to)
{
	const struct element *e = element_find(c, r->a.place.fe);

	return r->detached || to->fe != r->a.place.fe ||
	       (e && segment_is_shared(element_find_port(e, r->a.place.port)));
}

static void move(struct core *c, struct attachment_record *r, const struct place *to,
		 enum proof proof, enum event_kind kind, const char *reason)
{
	struct attachment after = r->a;
	const struct place left = r->a.place;
	bool first = r->detached;
	char from[96], place[96];

	after.version = record_next_version(c);
	if (others_hear(c, r, to)) {
		after.element_version = after.version;
		r->element_version_guessed = false;
	}
	after.state = ATTACHMENT_ACTIVE;
	after.place = *to;
	after.previous = (struct place){0};
	after.deadline_ms = 0;
	after.since_ms = after.heard_ms = c->now_ms;
	after.moves += !first;
	r->live = true;
	r->proof = (uint8_t)proof;
	if (r->aside)
		aside_find(c, r)->must_be_silent = false;
	record_enter(c, r, &after, false);
	segment_announce(c, r);
	if (first)
		report(c, EVENT_ATTACHED, &r->a, element_find(c, to->fe), to->port,
		       "%s: attached to %s", r->a.node, record_place_text(c, to, place));
	else
		report(c, kind, &r->a, element_find(c, to->fe), to->port, "%s: from %s to %s: %s",
		       r->a.node, record_place_text(c, &left, from),
		       record_place_text(c, to, place), reason);
}

/* It is the one that the node left last, and was asked, or is to be. */
static bool is_looked_at(const struct attachment_record *r, const struct place *place)
{
	return place->fe && r->looked_fe == place->fe && r->looked_port == place->port;
}

static void look_later(struct core *c, const struct attachment_record *r, const struct place *left)
{
	c->owes_barriers = true;
	if (c->look_count == LOOKS_MAX) {
		probe_place(c, r, left);
		return;
	}
	name_copy(c->looks[c->look_count].node, r->a.node);
	c->looks[c->look_count++].place = *left;
}

void attachment_move_by_claim(struct core *c, struct attachment_record *r,
			      const struct claim *claim)
{
	struct place left = r->a.place, to = claim->place, asked = r->a.previous;
	bool probing = r->a.state == ATTACHMENT_PROBING;
	bool looked = claim->elicited && is_looked_at(r, &claim->place);
	bool look = !r->detached && r->live && !looked && claim->proof != PROOF_SIGNED &&
		    r->a.state == ATTACHMENT_ACTIVE && left.fe != claim->place.fe &&
		    c->now_ms - r->a.heard_ms < SECOND_LOOK_MS && element_place_up(c, &left);

	/* Who is designated may have changed since it was asked. */
	if (!c->learning)
		(void)segment_designate(c, r->a.node, &to);
	if (probing)
		flapping_forgive(c, r);
	move(c, r, &to, claim->proof, EVENT_MOVED,
	     claim->proof == PROOF_SIGNED ? "it registered there"
	     : claim->elicited            ? "it answers there"
					  : "it speaks there");
	r->looked_fe = look ? (uint16_t)left.fe : 0;
	r->looked_port = look ? left.port : 0;
	if (look)
		look_later(c, r, &left);
	if (probing && claim->proof != PROOF_SIGNED)
		probing_ask_losers(c, r, &asked);
}

/* A place whose port lost its carrier meanwhile has told what was to be asked. */
void attachment_look_again(struct core *c)
{
	for (unsigned i = 0; i < c->look_count; i++) {
		const struct place *left = &c->looks[i].place;
		const struct attachment_record *r = attachment_find(c, c->looks[i].node);

		if (r && !r->detached && r->a.state == ATTACHMENT_ACTIVE && is_looked_at(r, left) &&
		    element_place_up(c, left))
			probe_place(c, r, left);
	}
	c->look_count = 0;
}

static void confirm(struct core *c, struct attachment_record *r)
{
	struct attachment after = r->a;
	char text[96];

	after.state = ATTACHMENT_ACTIVE;
	after.deadline_ms = 0;
	after.previous = (struct place){0};
	after.heard_ms = c->now_ms;
	after.moves++;
	r->live = true;
	record_enter(c, r, &after, false);
	report(c, EVENT_MOVED, &r->a, element_find(c, r->a.place.fe), r->a.place.port,
	       "%s: confirmed at %s", r->a.node, record_place_text(c, &r->a.place, text));
}

static void revert(struct core *c, struct attachment_record *r, const char *reason)
{
	struct place back = r->a.previous;
	uint32_t moves = r->a.moves;

	(void)segment_designate(c, r->a.node, &back);
	if (!back.fe) {
		record_detach(c, r, reason);
		return;
	}
	r->a.moves = moves - 1; /* move() counts one; a move undone is none */
	move(c, r, &back, (enum proof)r->proof, EVENT_REVERTED, reason);
	if (!element_place_up(c, &back))
		record_settle(c, r);
	probing_ask_others(c, r);
}

/* --- claims -------------------------------------------------------------------------------- */

static void heard_here(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	bool was_live = r->live;

	/* What was on its way before a restart tells where the node was: its answer counts. */
	if (r->a.state == ATTACHMENT_PROVISIONAL && !claim_is_fresh(c, r, claim)) {
		probe_place(c, r, &r->a.place);
		return;
	}
	r->a.heard_ms = c->now_ms;
	r->live = true;
	if (claim->proof > r->proof || r->a.state == ATTACHMENT_PREPARED)
		r->proof = (uint8_t)claim->proof;
	switch (r->a.state) {
	case ATTACHMENT_ACTIVE:
		return;
	case ATTACHMENT_PREPARED:
		confirm(c, r);
		return;
	case ATTACHMENT_PROBING:
		probing_heard_here(c, r, claim);
		return;
	case ATTACHMENT_DOWN:
		/* A frame that was on its way when the port went down says nothing. */
		if (element_place_up(c, &r->a.place))
			record_enter_state(c, r, ATTACHMENT_ACTIVE, 0);
		else
			r->live = was_live;
		return;
	case ATTACHMENT_PROVISIONAL:
	case ATTACHMENT_GONE:
		record_enter_state(c, r, ATTACHMENT_ACTIVE, 0);
		return;
	}
}

static void fresh(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	if (r->a.state == ATTACHMENT_PREPARED && place_same_port(&r->a.previous, &claim->place))
		revert(c, r, "it speaks at its previous place");
	else if (r->a.state == ATTACHMENT_PROBING && claim->elicited &&
		 claim->proof != PROOF_SIGNED && place_equal(&r->a.previous, &claim->place))
		probing_claimant_answers(c, r, claim);
	else if (!admission_needs_silence(c, r, claim))
		attachment_move_by_claim(c, r, claim);
	else if (r->a.state != ATTACHMENT_PROBING || !claim->elicited ||
		 !probing_also_answers(c, r, claim))
		probing_claim(c, r, claim);
}

/* Several FEs on one LAN hear the same announcement: it is one claim, and the place that it is
 * about is the designated FE's. */
static void resolve_segment(const struct core *c, const struct attachment_record *r,
			    struct place *place)
{
	const struct place *known = &r->a.place;

	if (!r->detached && r->a.previous.fe && !segment_is_same(c, known, place))
		known = &r->a.previous;
	if (r->detached || !segment_is_same(c, known, place)) {
		(void)segment_designate(c, r->a.node, place);
		return;
	}
	place->fe = known->fe;
	place->port = known->port;
}

static bool place_can_be_asked(const struct core *c, const struct place *place)
{
	const struct element *e = element_find(c, place->fe);

	return e && e->synced && place->port;
}

static void take_claim(struct core *c, struct attachment_record *r, const struct claim *claim,
		       const struct place *heard_at)
{
	/* It may be old, and the node elsewhere, or deregistered by a person since. */
	bool may_be_old = claim->replay || (r->barred && !claim_is_fresh(c, r, claim));

	if (r->detached && may_be_old && place_can_be_asked(c, heard_at)) {
		/* Its answer counts.  Who is designated for it may be away. */
		probe_place(c, r, heard_at);
	} else if (r->detached) {
		attachment_move_by_claim(c, r, claim);
	} else if (place_equal(&r->a.place, &claim->place)) {
		heard_here(c, r, claim);
	} else if (r->a.state == ATTACHMENT_PREPARED &&
		   place_same_port(&r->a.place, &claim->place)) {
		attachment_move_by_claim(c, r, claim); /* there, but in another VLAN */
	} else if (!r->a.place.port && r->a.place.fe == claim->place.fe) {
		attachment_move_by_claim(c, r, claim); /* its FE was known, its port was not */
	} else if (claim_is_fresh(c, r, claim)) {
		fresh(c, r, claim);
	} else {
		probing_claim(c, r, claim);
	}
}

void attachment_claim(struct core *c, const struct node *n, const struct claim *claim)
{
	struct attachment_record *r = attachment_of(c, n);
	struct claim resolved = *claim;

	if (!r)
		r = record_obtain(c, n->id);
	resolve_segment(c, r, &resolved.place);
	take_claim(c, r, &resolved, &claim->place);
}

void attachment_redesignate(struct core *c, struct attachment_record *r)
{
	struct attachment after = r->a;
	char text[96];

	if (!segment_designate(c, r->a.node, &after.place) || after.place.fe == r->a.place.fe)
		return;
	after.version = after.element_version = record_next_version(c);
	r->element_version_guessed = false;
	record_enter(c, r, &after, false);
	segment_announce(c, r);
	if (r->a.state == ATTACHMENT_DOWN)
		record_settle(c, r);
	report(c, EVENT_REDESIGNATED, &r->a, element_find(c, r->a.place.fe), r->a.place.port,
	       "%s: %s is designated for it now", r->a.node,
	       record_place_text(c, &r->a.place, text));
}

/* --- what people ask for ------------------------------------------------------------------- */

int attachment_prepare(struct core *c, const struct node *n, const struct place *asked,
		       struct reason *why)
{
	struct attachment_record *r = record_obtain(c, n->id);
	struct attachment after = r->a;
	struct place designated = *asked;
	const struct place *to = &designated;
	char text[96];

	resolve_segment(c, r, &designated);
	/* Who is designated may have changed since a claim from there was asked about. */
	if (!c->learning && (r->detached || !segment_is_same(c, &r->a.place, &designated)))
		(void)segment_designate(c, n->id, &designated);

	if (!r->detached && r->a.state == ATTACHMENT_PREPARED) {
		if (!place_same_port(&r->a.place, to))
			return reason_set(why, -EBUSY, "%s: a move to %s is under way", n->id,
					  record_place_text(c, &r->a.place, text));
		r->a.deadline_ms = c->now_ms + c->config.prepare_timeout_ms;
		return 0;
	}
	if (!r->detached && place_equal(&r->a.place, to))
		return reason_set(why, -EEXIST, "%s is at %s already", n->id,
				  record_place_text(c, to, text));
	after.version = record_next_version(c);
	if (others_hear(c, r, to))
		after.element_version = after.version;
	after.previous = (struct place){0};
	if (!r->detached)
		after.previous = r->a.place;
	after.place = *to;
	after.state = ATTACHMENT_PREPARED;
	after.since_ms = c->now_ms;
	after.deadline_ms = c->now_ms + c->config.prepare_timeout_ms;
	r->probed = false;
	if (r->aside)
		aside_find(c, r)->also_count = 0;
	record_enter(c, r, &after, false);
	segment_announce(c, r);
	report(c, EVENT_PREPARED, &r->a, element_find(c, to->fe), to->port,
	       "%s: a move to %s is prepared", n->id, record_place_text(c, to, text));
	return 0;
}

static int find_prepared(const struct core *c, const char *node, struct attachment_record **ret,
			 struct reason *why)
{
	*ret = attachment_find(c, node);
	if (!*ret || (*ret)->detached)
		return reason_set(why, -ENOENT, "%s: there is no such node, or it is nowhere",
				  node);
	if ((*ret)->a.state != ATTACHMENT_PREPARED)
		return reason_set(why, -ENOENT, "%s: no move is under way", node);
	return 0;
}

int attachment_confirm(struct core *c, const char *node, struct reason *why)
{
	struct attachment_record *r;
	int result = find_prepared(c, node, &r, why);

	if (result == 0)
		confirm(c, r);
	return result;
}

int attachment_revert(struct core *c, const char *node, struct reason *why)
{
	struct attachment_record *r;
	int result = find_prepared(c, node, &r, why);

	if (result == 0)
		revert(c, r, "as asked");
	return result;
}

bool attachment_detach(struct core *c, const char *node, const char *reason)
{
	struct attachment_record *r = attachment_find(c, node);

	if (!r || r->detached)
		return false;
	r->barred = true;
	record_detach(c, r, reason);
	return true;
}

void attachment_bar(struct core *c, const char *node)
{
	struct attachment_record *r = attachment_find(c, node);
	struct attachment after;

	if (!r && c->learning)
		r = record_obtain(c, node);
	if (!r || !r->detached)
		return;
	r->barred = true;
	after = r->a;
	after.version = record_next_version(c);
	after.state = ATTACHMENT_GONE;
	record_enter(c, r, &after, true);
}

void attachment_node_changed(struct core *c, const struct node *n, const struct node *before)
{
	struct attachment_record *r = attachment_find(c, n->id);
	struct attachment old;

	if (!r || r->detached)
		return;
	old = r->a;
	if (before) {
		r->a.version = r->a.element_version = record_next_version(c);
		if (!mac_is_zero(&n->mac) && !holder_find(c, n->id))
			r->a.place.mac = n->mac;
	}
	planner_change(c, r, before, before ? &old : NULL, n, &r->a);
	c->shell.keep_attachment(c->shell.context, &r->a);
	if (!before)
		return;
	segment_announce(c, r);
	attachment_redesignate(c, r);
}

/* --- ports --------------------------------------------------------------------------------- */

void attachment_port_up(struct core *c, struct port *p)
{
	struct attachment_record *next;

	for (struct attachment_record *r = record_at(c, p->first); r; r = next) {
		next = record_at(c, r->port_next);
		if (r->a.state == ATTACHMENT_DOWN)
			record_settle(c, r);
	}
}

static void port_down(struct core *c, struct attachment_record *r, bool fell)
{
	struct claim claim = {.place = r->a.previous, .elicited = true};

	switch (r->a.state) {
	case ATTACHMENT_ACTIVE:
	case ATTACHMENT_PROVISIONAL:
	case ATTACHMENT_GONE:
		record_enter_state(c, r, ATTACHMENT_DOWN, c->now_ms + c->config.port_grace_ms);
		return;
	case ATTACHMENT_PREPARED: /* the destination died; one that has not come up yet has not */
		if (fell)
			revert(c, r, "the destination's port went down");
		return;
	case ATTACHMENT_PROBING:
		if (aside_of(c, r)->claimant_answered)
			attachment_move_by_claim(c, r, &claim);
		return;
	case ATTACHMENT_DOWN:
		return;
	}
}

void attachment_port_down(struct core *c, struct port *p, bool fell)
{
	struct attachment_record *next;

	for (struct attachment_record *r = record_at(c, p->first); r; r = next) {
		next = record_at(c, r->port_next);
		port_down(c, r, fell);
	}
}

/* --- time ---------------------------------------------------------------------------------- */

/* A node may be there and never have announced itself: its guard is there, so its packets pass
 * unseen.  Both places are asked before the move is undone. */
static void prepared_over(struct core *c, struct attachment_record *r)
{
	if (r->probed) {
		revert(c, r, "nobody confirmed the move in time");
		return;
	}
	r->probed = true;
	r->a.deadline_ms = c->now_ms + c->config.probe_timeout_ms;
	probe_place(c, r, &r->a.place);
	probe_place(c, r, &r->a.previous);
}

/* An FE without a session may have seen its port come up again: it will tell. */
static void down_over(struct core *c, struct attachment_record *r)
{
	const struct element *e = element_find(c, r->a.place.fe);

	if (!e || e->synced)
		record_detach(c, r, "its port is down or gone");
	else
		r->a.deadline_ms = c->now_ms + c->config.port_grace_ms;
}

static void deadline(struct core *c, struct attachment_record *r)
{
	switch (r->a.state) {
	case ATTACHMENT_PREPARED:
		prepared_over(c, r);
		return;
	case ATTACHMENT_PROBING:
		probing_over(c, r);
		return;
	case ATTACHMENT_DOWN:
		down_over(c, r);
		return;
	case ATTACHMENT_ACTIVE:
	case ATTACHMENT_PROVISIONAL:
	case ATTACHMENT_GONE:
		r->a.deadline_ms = 0;
		record_arrange(c, r);
		return;
	}
}

void attachment_tick(struct core *c)
{
	struct attachment_record *next;

	for (struct attachment_record *r = record_at(c, c->timed); r; r = next) {
		next = record_at(c, r->list_next);
		if (c->now_ms >= r->a.deadline_ms)
			deadline(c, r);
	}
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i]->state == ELEMENT_ONLINE)
			probe_learnt(c->elements[i]);
	if (c->now_ms - c->second_ms >= 1000) {
		record_bury(c);
		aside_tick(c);
	}
}
