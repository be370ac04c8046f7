/* Claims that may be old (design P4a), and the PROBING state in which they are settled.
 *
 * Which claims are taken at once (P4a).  Claims travel with different delays, so the last to arrive
 * need not be the last that was made.  A claim from FE x is fresh if x has replied to the barrier
 * behind its last change for this node: x then spoke after it knew where we think the node is.  Any
 * other claim, and each one that an FE replayed, is ambiguous: both places are asked by ARP and ND.
 * The request goes out behind that barrier, so the answer to it is fresh by the same rule.
 *
 *   - the current place answers: the node stays;
 *   - both answer: they are asked again, and if both do again, it stays, and people are told (two
 *     machines with one address);
 *   - only the claimant answers: it moves, a quarter of the probe time after its answer, or at once
 *     if the current port is down or the claimant announces itself unasked;
 *   - none answers: it stays, unless the current port is down and the claimant's is up.  (Should
 *     that be wrong, the node's first packet at the other place is a fresh claim.)
 *
 * A claim that proves too little (admission.c) is asked about, too, however fresh it is: the node's
 * place must be silent to two questions, and the claimant must answer both.
 *
 * Too many ambiguous claims are flapping (flapping.c): more are not heard for a while.
 */
#include "controller/probing.h"

#include "controller/admission.h"
#include "controller/element.h"
#include "controller/flapping.h"
#include "controller/ovs.h"
#include "controller/probe.h"
#include "controller/record.h"
#include "controller/refusal.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 4 /* of questions */
#define PATIENCE_ROUNDS 32
#define FOLLOWED_MAX 8

/* A switch that has replied to the barrier, but not long ago: its packet-ins may be older. */
static bool is_settling(const struct core *c, const struct attachment_record *r,
			const struct claim *claim)
{
	const struct element *e = element_find(c, claim->heard_by);

	return e && e->ovs && !claim->replay &&
	       ovs_has_replied(e, record_last_told(c, r, claim->heard_by));
}

/* P4a: x has replied to the barrier behind its last change for this node.  What a switch's node
 * answers to a question that went out behind the barrier is not older either. */
bool claim_is_fresh(const struct core *c, const struct attachment_record *r,
		    const struct claim *claim)
{
	const struct element *e = element_find(c, claim->heard_by);

	if (c->config.fault == FAULT_NO_BARRIER || claim->proof == PROOF_SIGNED)
		return true;
	return e && !claim->replay &&
	       (element_is_settled(e, record_last_told(c, r, claim->heard_by)) ||
		(claim->elicited && is_settling(c, r, claim)));
}

static void refuse_claimant(struct core *c, const struct attachment_record *r, const char *why,
			    const struct place *claimant)
{
	const struct node *n = record_node(c, r);
	char mac[MAC_TEXT_SIZE], who[ADDRESS_TEXT_SIZE] = "", here[96], there[96], text[256];
	const char *explanation = strcmp(why, "proven-elsewhere") == 0
					  ? "whose port is attested, or whose claim was signed"
				  : strcmp(why, "damped") == 0 ? "where it stays while it is damped"
							       : "where it answers";

	if (n)
		address_format(&n->addresses[0], who);
	snprintf(text, sizeof(text), "%s: refused %s at %s: the node %s is at %s, %s",
		 record_place_text(c, claimant, there), who, mac_format(&claimant->mac, mac),
		 r->a.node, record_place_text(c, &r->a.place, here), explanation);
	report_refusal(c, why, who, element_find(c, claimant->fe), claimant->port, text);
}

static void end_probing_here(struct core *c, struct attachment_record *r, bool both)
{
	char text[96];

	if (both)
		report(c, EVENT_AMBIGUOUS, &r->a, element_find(c, r->a.place.fe), r->a.place.port,
		       "%s: both its place and %s answer: two machines with one address? it stays",
		       r->a.node, record_place_text(c, &r->a.previous, text));
	if (aside_of(c, r)->must_be_silent && aside_of(c, r)->current_answered)
		refuse_claimant(c, r,
				aside_of(c, r)->claimant_proof < admission_proof(c, r)
					? "proven-elsewhere"
					: "answers-elsewhere",
				&r->a.previous);
	aside_obtain(c, r)->must_be_silent = false;
	r->a.previous = (struct place){0};
	record_settle(c, r);
	attachment_drop_if_portless(c, r);
}

static void ask_all(struct core *c, struct attachment_record *r)
{
	probe_place(c, r, &r->a.place);
	probe_place(c, r, &r->a.previous);
	for (unsigned i = 0; i < aside_of(c, r)->also_count; i++)
		probe_place(c, r, &aside_of(c, r)->also[i]);
}

/* Not while it has no session, or is being compared with what it should have. */
static bool is_told_all(const struct core *c, uint32_t fe)
{
	const struct element *e = element_find(c, fe);

	return e && e->synced && e->session->stage == STAGE_READY && e->state == ELEMENT_ONLINE;
}

static void ask_again(struct core *c, struct attachment_record *r)
{
	struct aside *a = aside_obtain(c, r);

	a->rounds++;
	a->current_answered = a->claimant_answered = false;
	a->claimant_asked = is_told_all(c, r->a.previous.fe);
	r->a.deadline_ms = c->now_ms + c->config.probe_timeout_ms;
	ask_all(c, r);
}

/* False: often enough. */
static bool ask_once_more(struct core *c, struct attachment_record *r)
{
	if (aside_of(c, r)->rounds == ROUNDS_MAX)
		return false;
	ask_again(c, r);
	return true;
}

static void begin_probing(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	struct attachment after = r->a;
	struct aside *a = aside_obtain(c, r);

	after.state = ATTACHMENT_PROBING;
	after.previous = claim->place;
	after.deadline_ms = c->now_ms + c->config.probe_timeout_ms;
	a->rounds = 0;
	a->also_count = a->followed = 0;
	a->claimant_proof = claim->proof;
	a->must_be_silent = admission_needs_silence(c, r, claim);
	record_enter(c, r, &after, false);
	(void)ask_once_more(c, r);
}

/* The first time, one of them may have moved to the other's place between two answers. */
static void both_answered(struct core *c, struct attachment_record *r)
{
	struct claim claim = {
		.place = r->a.previous, .elicited = true, .proof = aside_of(c, r)->claimant_proof};

	if (aside_of(c, r)->rounds <= 1 && ask_once_more(c, r))
		return;
	if (c->config.shared_ports == SHARED_PORTS_ASK &&
	    aside_of(c, r)->claimant_proof > admission_proof(c, r))
		attachment_move_by_claim(c, r, &claim); /* who proves more keeps it */
	else
		end_probing_here(c, r, true);
}

static bool has_joined(const struct core *c, const struct attachment_record *r,
		       const struct place *claimant)
{
	const struct aside *a = aside_of(c, r);

	for (unsigned i = 0; r->a.state == ATTACHMENT_PROBING && i < a->also_count; i++)
		if (place_equal(&a->also[i], claimant))
			return true;
	return false;
}

/* While some are asked already: one more.  Whoever answers, and is believed, has it. */
static void join_probing(struct core *c, struct attachment_record *r, const struct place *claimant)
{
	struct aside *a = aside_obtain(c, r);

	if (has_joined(c, r, claimant)) {
		probe_place(c, r, claimant); /* its connection may have broken since */
		return;
	}
	/* The latest are the likeliest; who is forgotten was asked, too. */
	if (a->also_count == CLAIMANTS_MAX) {
		a->also_count--;
		memmove(a->also, a->also + 1, a->also_count * sizeof(a->also[0]));
	}
	a->also[a->also_count++] = *claimant;
	probe_place(c, r, claimant);
}

/* It says that it moved on: what was answered before that counts no more.  Not for ever, or a
 * forger could keep all from being settled. */
static bool follow(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	struct attachment after = r->a;
	struct aside *a = aside_obtain(c, r);

	if (!a->must_be_silent || claim->elicited || a->followed == FOLLOWED_MAX)
		return false;
	after.previous = claim->place;
	a->followed++;
	a->rounds = 0;
	a->claimant_proof = claim->proof;
	record_enter(c, r, &after, false);
	return ask_once_more(c, r);
}

void probing_claim(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	bool joined = has_joined(c, r, &claim->place);
	char text[96];

	if (r->a.state == ATTACHMENT_PROBING && place_equal(&r->a.previous, &claim->place)) {
		/* It is being asked; that may be lost, if this was said in another session.  And it
		 * may have come there after its place had answered. */
		if (claim->replay)
			probe_place(c, r, &claim->place);
		else if (claim->elicited)
			aside_obtain(c, r)->claimant_asked = false; /* it is not believed yet */
		else if (aside_of(c, r)->current_answered)
			(void)ask_once_more(c, r);
		return;
	}
	if (!claim->proof && flapping_is_damped(c, r)) {
		refuse_claimant(c, r, "damped", &claim->place);
		return;
	}
	if (r->a.state == ATTACHMENT_PREPARED && admission_needs_silence(c, r, claim) &&
	    !place_same_port(&r->a.previous, &claim->place)) {
		/* A move is under way, as somebody asked; when it comes to nothing. */
		aside_obtain(c, r)->also[0] = claim->place;
		aside_obtain(c, r)->also_count = 1;
		return;
	}
	if (r->a.state != ATTACHMENT_PROBING)
		aside_obtain(c, r)->counted = 0;
	/* A replay comes of a connection that broke, not of a node that flaps, and so does what is
	 * said where an FE is still being told its tables; a port that is attested for the node is
	 * no forger's.  One that moves on while it is asked about says so with every packet, which
	 * is one claim; where all that claim are asked before anybody moves, they are one. */
	if (!joined && !claim->replay && !claim->proof && !is_settling(c, r, claim) &&
	    is_told_all(c, claim->heard_by) &&
	    !(r->a.state == ATTACHMENT_PROBING && aside_of(c, r)->must_be_silent) &&
	    flapping_count(c, r)) {
		refuse_claimant(c, r, "damped", &claim->place);
		return;
	}
	if (r->a.state == ATTACHMENT_PREPARED) {
		/* Still there?  Then its answer is a fresh claim, and reverts. */
		if (place_same_port(&r->a.previous, &claim->place))
			probe_place(c, r, &claim->place);
		return;
	}
	if (r->a.state == ATTACHMENT_PROBING && follow(c, r, claim))
		return;
	if (r->a.state == ATTACHMENT_PROBING)
		join_probing(c, r, &claim->place);
	else
		begin_probing(c, r, claim);
	if (joined || (aside_of(c, r)->must_be_silent && claim_is_fresh(c, r, claim)))
		return; /* no news: so does every node that moves between such ports */
	report(c, EVENT_AMBIGUOUS, &r->a, element_find(c, claim->place.fe), claim->place.port,
	       "%s: an ambiguous claim from %s: both places are asked", r->a.node,
	       record_place_text(c, &claim->place, text));
}

/* The place could not be asked: its FE has no session. */
static bool place_is_mute(const struct core *c, const struct attachment_record *r)
{
	const struct element *e = element_find(c, r->a.place.fe);

	return !e || !e->synced;
}

void probing_ask_others(struct core *c, struct attachment_record *r)
{
	struct claim claim = {.place = aside_of(c, r)->also[0],
			      .heard_by = aside_of(c, r)->also[0].fe};

	if (!aside_of(c, r)->also_count || r->detached || place_equal(&r->a.place, &claim.place))
		return;
	aside_obtain(c, r)->also_count = 0;
	aside_obtain(c, r)->counted = 0;
	begin_probing(c, r, &claim);
}

/* What moved it may be older than what they said: it took long, or waited for its FE's comparison.
 * And their answers were for nothing where an FE was still being told its tables. */
void probing_ask_losers(struct core *c, struct attachment_record *r, const struct place *claimant)
{
	struct aside *a = aside_obtain(c, r);

	if (!place_equal(claimant, &r->a.place))
		probe_place(c, r, claimant);
	for (unsigned i = 0; i < a->also_count; i++)
		if (!place_equal(&a->also[i], &r->a.place))
			probe_place(c, r, &a->also[i]);
	a->also_count = 0;
}

bool probing_also_answers(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	struct attachment after = r->a;
	struct aside *a = aside_obtain(c, r);
	unsigned i = 0;

	while (i < a->also_count && !place_equal(&a->also[i], &claim->place))
		i++;
	if (i == a->also_count || a->claimant_answered || !a->must_be_silent)
		return false;
	a->also[i] = r->a.previous;
	after.previous = claim->place;
	a->claimant_proof = claim->proof;
	record_enter(c, r, &after, false);
	probing_claimant_answers(c, r, claim);
	return true;
}

/* The claimant has answered the probe; the current place gets a little longer. */
void probing_claimant_answers(struct core *c, struct attachment_record *r,
			      const struct claim *claim)
{
	int64_t soon = c->now_ms + c->config.probe_timeout_ms / 4;

	aside_obtain(c, r)->claimant_answered = true;
	if (aside_of(c, r)->current_answered)
		both_answered(c, r);
	else if (aside_of(c, r)->must_be_silent && place_is_mute(c, r))
		return; /* it is waited for */
	else if (!element_place_up(c, &r->a.place))
		attachment_move_by_claim(c, r, claim);
	else if (soon < r->a.deadline_ms)
		r->a.deadline_ms = soon;
}

void probing_heard_here(struct core *c, struct attachment_record *r, const struct claim *claim)
{
	if (!claim->elicited || !claim_is_fresh(c, r, claim)) {
		/* It may have come back since the claimant answered. */
		if (aside_of(c, r)->claimant_answered)
			(void)ask_once_more(c, r);
		return;
	}
	aside_obtain(c, r)->current_answered = true;
	if (aside_of(c, r)->claimant_answered)
		both_answered(c, r);
}

void probing_restart(struct core *c, struct attachment_record *r)
{
	aside_obtain(c, r)->rounds = 0;
	(void)ask_once_more(c, r);
}

void probing_over(struct core *c, struct attachment_record *r)
{
	struct claim claim = {
		.place = r->a.previous, .elicited = true, .proof = aside_of(c, r)->claimant_proof};
	const struct element *e = element_find(c, r->a.place.fe);
	/* An FE without a session is no silent port: its data plane forwards on. */
	bool here_down = e && e->synced && r->a.place.port && !element_place_up(c, &r->a.place);
	bool there_up = element_place_up(c, &r->a.previous);

	bool nobody = !aside_of(c, r)->current_answered && !aside_of(c, r)->claimant_answered;
	bool again = aside_of(c, r)->must_be_silent && aside_of(c, r)->claimant_answered &&
		     !aside_of(c, r)->current_answered && !here_down &&
		     (aside_of(c, r)->rounds == 1 ||
		      (place_is_mute(c, r) && aside_of(c, r)->rounds < PATIENCE_ROUNDS));

	/* An FE that was still being told its tables could not be asked, or not believed, and one
	 * whose connection broke is waited for. */
	if (again || (nobody && (aside_of(c, r)->rounds == 1 ||
				 (!aside_of(c, r)->claimant_asked &&
				  aside_of(c, r)->rounds < PATIENCE_ROUNDS)))) {
		ask_again(c, r);
		return;
	}
	if (!aside_of(c, r)->current_answered &&
	    (aside_of(c, r)->claimant_answered || (here_down && there_up)))
		attachment_move_by_claim(c, r, &claim);
	else
		end_probing_here(c, r, false);
}
