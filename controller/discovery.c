/* Discovery of links.  Each FE is asked to send an LLDP frame out of each provisioned Ethernet
 * device of its backplane, when the device or the FE comes, and every few seconds; the frame that
 * arrives at another FE's device comes up as a packet-in.  A link is there when both directions
 * were heard. It goes when nothing was heard for HOLD_MS and BFD does not say that it is up.
 *
 * The frame carries a keyed hash of its place and of the round, so that who can only send frames
 * cannot invent a link; the rule that brings them up is on backplane ports only.  A device that is
 * an end of a configured link is left alone, but a cable that leads elsewhere is reported. */
#include "controller/discovery.h"

#include "base/log.h"
#include "base/siphash.h"
#include "controller/backplane.h"
#include "controller/element.h"
#include "controller/refusal.h"
#include "packet/lldp.h"

#include <stdio.h>
#include <string.h>

LOG_MODULE("discovery");

#define ROUND_MS 5000
#define HOLD_MS 16000      /* three rounds and a little */
#define ANSWER_MS 500      /* a new neighbour is answered, but not more often than this */
#define ROUNDS_ACCEPTED 3  /* a frame is that old at most */
#define FIRST_WAIT_MS 1000 /* after learning */

struct place_key {
	uint32_t fe, port;
};

/* What a port hears. */
struct neighbor_heard {
	struct place_key from;
	int64_t heard_ms;    /* 0: nothing yet */
	int64_t conflict_ms; /* when a second one was heard: no point-to-point link */
	int64_t sent_ms;
};

void discovery_finish(struct core *c)
{
	table_finish(&c->neighbors);
}

static struct neighbor_heard *obtain(struct core *c, uint32_t fe, uint32_t port)
{
	struct place_key key = {fe, port};

	if (!c->neighbors.key_size)
		table_init(&c->neighbors, sizeof(key), sizeof(struct neighbor_heard), c->seed + 10);
	return table_put(&c->neighbors, &key, NULL);
}

/* --- sending -----------------------------------------------------------------------------------
 */

static uint64_t proof_of(const struct core *c, uint32_t fe, uint32_t port, int64_t at_ms)
{
	uint64_t key[2] = {c->seed, c->seed ^ UINT64_C(0x9e3779b97f4a7c15)};
	uint64_t words[2] = {(uint64_t)fe << 32 | port, (uint64_t)at_ms / ROUND_MS};

	return siphash((const uint8_t *)key, words, sizeof(words));
}

static bool is_proof(const struct core *c, const struct lldp *l)
{
	for (int64_t round = 0; round < ROUNDS_ACCEPTED; round++)
		if (l->proof == proof_of(c, l->fe, l->port, c->now_ms - round * ROUND_MS))
			return true;
	return false;
}

static bool can_discover(const struct port *p)
{
	return p->present && p->up && p->info.role == PORT_BACKPLANE &&
	       p->info.link == LINK_ETHERNET;
}

static void speak(struct element *e, const struct port *p)
{
	struct core *c = e->core;
	struct lldp l = {.fe = e->id, .port = p->number, .ttl_s = HOLD_MS / 1000};
	struct buffer frame = {0};

	l.proof = proof_of(c, e->id, p->number, c->now_ms);
	snprintf(l.name, sizeof(l.name), "%s", e->name);
	obtain(c, e->id, p->number)->sent_ms = c->now_ms;
	lldp_build(&frame, &l);
	element_transmit(e, p->number, &frame);
	buffer_finish(&frame);
}

void discovery_port(struct element *e, const struct port *p)
{
	if (e->core->config.discovery && e->synced && can_discover(p))
		speak(e, p);
}

void discovery_element(struct element *e)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		discovery_port(e, p);
}

void discovery_hold(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->config.discovery && c->elements[i]->orphans.size)
			c->paths_hold_ms = c->now_ms + FIRST_WAIT_MS;
}

/* --- hearing -----------------------------------------------------------------------------------
 */

/* The link that has this device as an end. */
static const struct backplane_link *link_of(const struct core *c, const struct element *e,
					    const struct port *p)
{
	for (unsigned i = 0; i < c->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			if (strcmp(c->links[i]->l.ends[end], e->name) == 0 &&
			    strcmp(c->links[i]->l.ports[end], p->name) == 0)
				return c->links[i];
	return NULL;
}

static bool leads_there(const struct backplane_link *b, const struct element *e,
			const struct port *p)
{
	for (unsigned end = 0; end < 2; end++)
		if (strcmp(b->l.ends[end], e->name) == 0 && strcmp(b->l.ports[end], p->name) == 0)
			return true;
	return false;
}

static void report_cable(const struct element *e, const struct port *p, const struct element *other,
			 const struct port *q, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: port %s leads to port %s of %s: %s", e->name, p->name,
		 q->name, other->name, what);
	report_refusal(e->core, "miscabled", p->name, e, p->number, text);
}

/* Both directions were heard. */
static void join(struct core *c, struct element *e, const struct port *p, struct element *other,
		 const struct port *q)
{
	const struct backplane_link *b = link_of(c, e, p), *there = link_of(c, other, q);
	bool in_order = e->id < other->id;
	struct link l = {.kind = LINK_ETHERNET,
			 .cost = c->config.discovery_cost,
			 .interval_ms = 50,
			 .multiplier = 3};

	if (b || there) {
		if (!b || !leads_there(b, other, q))
			report_cable(e, p, other, q, "not as the links say");
		return;
	}
	name_copy(l.ends[!in_order], e->name);
	name_copy(l.ends[in_order], other->name);
	snprintf(l.ports[!in_order], LINK_PORT_SIZE, "%s", p->name);
	snprintf(l.ports[in_order], LINK_PORT_SIZE, "%s", q->name);
	log_info("found: %s of %s and %s of %s are one link", p->name, e->name, q->name,
		 other->name);
	backplane_add(c, &l, true);
}

static bool is_recent(const struct core *c, const struct neighbor_heard *n)
{
	return n->heard_ms && c->now_ms - n->heard_ms < HOLD_MS &&
	       !(n->conflict_ms && c->now_ms - n->conflict_ms < HOLD_MS);
}

void discovery_heard(struct element *e, const struct sighting *sighting)
{
	struct core *c = e->core;
	const struct port *p = element_find_port(e, sighting->port), *q;
	struct element *other;
	struct neighbor_heard *here, *there;
	struct lldp l;

	if (!c->config.discovery || !p || !can_discover(p) ||
	    lldp_parse(sighting->data, sighting->size, &l) < 0)
		return;
	other = element_find(c, l.fe);
	q = other ? element_find_port(other, l.port) : NULL;
	if (!q || !can_discover(q) || other == e)
		return;
	if (!is_proof(c, &l)) {
		report_refusal(c, "forged-discovery", p->name, e, p->number,
			       "an LLDP frame that this controller did not have sent");
		return;
	}
	there = obtain(c, other->id, q->number);
	here = obtain(c, e->id, p->number);
	if (is_recent(c, here) && (here->from.fe != l.fe || here->from.port != l.port)) {
		here->conflict_ms = c->now_ms;
		report_cable(e, p, other, q, "and elsewhere, too; not a link of two ends");
	}
	here->from = (struct place_key){l.fe, l.port};
	here->heard_ms = c->now_ms;
	if (!is_recent(c, there) || there->from.fe != e->id || there->from.port != p->number) {
		if (c->now_ms - here->sent_ms >= ANSWER_MS)
			discovery_port(e, p);
		return;
	}
	if (is_recent(c, here))
		join(c, e, p, other, q);
}

/* --- time --------------------------------------------------------------------------------------
 */

static bool was_heard(struct core *c, const struct backplane_link *b)
{
	for (unsigned end = 0; end < 2; end++) {
		const struct element *e = b->ends[end].element;

		if (!e || !b->ends[end].number)
			return false;
		/* One without a session cannot tell what it hears. */
		if (e->session && is_recent(c, obtain(c, e->id, b->ends[end].number)))
			return true;
	}
	return !b->ends[0].element->session && !b->ends[1].element->session;
}

static void drop_silent(struct core *c)
{
	for (unsigned i = c->link_count; i > 0; i--) {
		struct backplane_link *b = c->links[i - 1];
		struct link l = b->l;

		if (!b->discovered || b->live || was_heard(c, b))
			continue;
		log_info("lost: %s of %s and %s of %s", l.ports[0], l.ends[0], l.ports[1],
			 l.ends[1]);
		(void)backplane_remove(c, &l);
	}
}

void discovery_tick(struct core *c)
{
	if (!c->config.discovery || c->now_ms - c->discovery_ms < ROUND_MS)
		return;
	c->discovery_ms = c->now_ms;
	for (unsigned i = 0; i < c->element_count; i++)
		discovery_element(c->elements[i]);
	drop_silent(c);
}
