/* Links between FEs as the controller keeps them.  A link is named by its ends' names and devices;
 * here these become an FE and a number each, as the FEs come to be known, and the FE is told of the
 * link (LINK_SET) when both are.  A link is live while no end that has a session says otherwise;
 * when that changes, topology.c finds the paths again.
 *
 * An FE's links are read back when it connects, so that a restarted controller sends nothing to an
 * FE that has all it should have.  Of those that nothing explains, one that discovery may explain
 * in a moment stays for ORPHAN_MS, the others go. */
#include "controller/backplane.h"

#include "base/log.h"
#include "base/memory.h"
#include "controller/element.h"
#include "controller/topology.h"
#include "controller/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("backplane");

#define ORPHAN_MS 15000
#define DELAY_SHARE 8      /* a new measurement's weight: one eighth */
#define DELAY_NOISE_US 200 /* a change of cost must be more than this */
#define LINKS_REPORTED_MAX 65536

void backplane_finish(struct core *c)
{
	for (unsigned i = 0; i < c->link_count; i++)
		free(c->links[i]);
	free(c->links);
	c->links = NULL;
	c->link_count = 0;
}

static bool same_link(const struct link *a, const struct link *b)
{
	return memcmp(a->ends, b->ends, sizeof(a->ends)) == 0 &&
	       memcmp(a->ports, b->ports, sizeof(a->ports)) == 0 && a->kind == b->kind;
}

/* --- what the FEs are told ---------------------------------------------------------------------
 */

static uint32_t port_by_name(const struct element *e, const char *name)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && p->info.role == PORT_BACKPLANE && strcmp(p->name, name) == 0)
			return p->number;
	return 0;
}

static struct element *find_end(const struct core *c, const struct link *l, unsigned end)
{
	struct element *e = element_by_name(c, l->ends[end]);

	return e && e->links_known ? e : NULL;
}

static uint32_t number_of(const struct backplane_link *b, unsigned end)
{
	const struct element *e = b->ends[end].element, *other = b->ends[!end].element;

	if (!e || !other || !element_has_backplane(other))
		return 0;
	return link_has_ports(&b->l) ? port_by_name(e, b->l.ports[end])
				     : PIPELINE_LINK_PORT(other->id);
}

static struct link_info wanted_info(const struct backplane_link *b, unsigned end)
{
	const struct link *l = &b->l;
	const struct element *other = b->ends[!end].element;
	struct link_info info = {
		.number = b->ends[end].number,
		.fe = other->id,
		.kind = l->kind,
		.multiplier = l->interval_ms ? l->multiplier : 0,
		.interval_ms = l->interval_ms,
		.remote = address_is_zero(&l->reach[!end])
				  ? tunnel_address(b->ends[end].element, other)
				  : l->reach[!end],
		.remote_port = l->reach_port[!end],
		.label_count = l->label_count[end],
		.label_in = l->labels_in[end],
	};

	memcpy(info.labels, l->labels[end], sizeof(info.labels));
	return info;
}

static bool can_tell(const struct element *e)
{
	return e && e->session && e->session->stage >= STAGE_COMPARE && e->links_known;
}

/* A message about links is queued; the next barrier, or this, sends it. */
static void flush(struct element *e)
{
	e->session->channel.count.messages_out++;
	e->core->shell.flush(e->core->shell.context, e->session);
}

static void forget_end(struct link_end *end)
{
	if (end->told && can_tell(end->element)) {
		link_delete_encode(&end->element->session->channel.out,
				   (uint32_t)end->element->core->change, end->info.number);
		flush(end->element);
	}
	end->told = end->reported = false;
	end->state = (struct link_state){0};
	end->bits_per_second = 0;
}

/* What the FE said of this link when it connected, before we knew of it. */
static void adopt_orphan(struct link_end *end)
{
	struct reported_link *list = (void *)end->element->orphans.data;
	size_t count = end->element->orphans.size / sizeof(*list);

	for (size_t i = 0; i < count; i++)
		if (list[i].info.number == end->number) {
			end->told = end->reported = true;
			end->info = list[i].info;
			end->state = list[i].state;
			list[i].info.number = 0;
		}
}

static void tell_end(struct backplane_link *b, unsigned which)
{
	struct link_end *end = &b->ends[which];
	struct link_info info;

	if (!can_tell(end->element) || !end->number)
		return;
	info = wanted_info(b, which);
	if (!end->told)
		adopt_orphan(end);
	if (end->told && link_info_equal(&info, &end->info))
		return;
	if (end->told && end->info.number != info.number)
		forget_end(end);
	link_set_encode(&end->element->session->channel.out, (uint32_t)end->element->core->change,
			&info);
	flush(end->element);
	end->told = true;
	end->info = info;
}

/* --- liveness ----------------------------------------------------------------------------------
 */

/* A link whose ends have no session is what they said last. */
static bool is_live(const struct backplane_link *b)
{
	unsigned up[2] = {0, 0}, down[2] = {0, 0}; /* [with a session] */

	for (unsigned i = 0; i < 2; i++) {
		const struct link_end *end = &b->ends[i];
		bool here = end->element && end->element->session;

		if (!end->number)
			return false;
		if (end->reported ? end->state.up : !b->l.interval_ms)
			up[here]++;
		else if (end->reported)
			down[here]++;
	}
	if (up[true] || down[true])
		return !down[true] && up[true];
	return up[false] && !down[false];
}

/* RFC 5880, section 4.1. */
const char *backplane_diagnostic(uint8_t diagnostic)
{
	static const char *const names[] = {
		"",
		"nothing came from the other end for too long",
		"the echo function failed",
		"the other end says that it is down",
		"the forwarding plane was reset",
		"the path is down",
		"the concatenated path is down",
		"it was taken down by an operator",
		"the reverse concatenated path is down",
	};

	return diagnostic < ARRAY_SIZE(names) ? names[diagnostic] : "unknown reason";
}

static const char *reason_down(const struct backplane_link *b)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!b->ends[i].number)
			return "an end is not there";
		if (b->ends[i].reported && !b->ends[i].state.up && b->ends[i].state.diagnostic)
			return backplane_diagnostic(b->ends[i].state.diagnostic);
	}
	return "";
}

static void evaluate(struct core *c, struct backplane_link *b)
{
	bool live = is_live(b);
	const char *why = live ? "" : reason_down(b);
	const struct element *e = b->ends[0].element ? b->ends[0].element : b->ends[1].element;

	if (live == b->live)
		return;
	b->live = live;
	c->paths_stale = true;
	report(c, live ? EVENT_LINK_UP : EVENT_LINK_DOWN, NULL, e, 0,
	       "link %s - %s (%s%s%s): %s%s%s", b->l.ends[0], b->l.ends[1],
	       link_kind_name(b->l.kind), b->l.ports[0][0] ? " " : "", b->l.ports[0],
	       live ? "up" : "down", why[0] ? ": " : "", why);
}

/* --- links come, change and go -----------------------------------------------------------------
 */

static void locate(struct core *c, struct backplane_link *b)
{
	for (unsigned i = 0; i < 2; i++)
		b->ends[i].element = find_end(c, &b->l, i);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t number = number_of(b, i);

		if (number == b->ends[i].number)
			continue;
		if (!number)
			forget_end(&b->ends[i]);
		b->ends[i].number = number;
		c->paths_stale = true;
	}
}

static void resolve(struct core *c, struct backplane_link *b)
{
	locate(c, b);
	for (unsigned i = 0; i < 2; i++)
		tell_end(b, i);
	evaluate(c, b);
}

static bool shares_port(const struct link *a, const struct link *b)
{
	for (unsigned i = 0; i < 4; i++)
		if (a->ports[i / 2][0] && strcmp(a->ends[i / 2], b->ends[i % 2]) == 0 &&
		    strcmp(a->ports[i / 2], b->ports[i % 2]) == 0)
			return true;
	return false;
}

/* What was found gives way to what an operator says. */
static void make_room(struct core *c, const struct link *l)
{
	for (unsigned i = c->link_count; i > 0; i--) {
		struct link found = c->links[i - 1]->l;

		if (c->links[i - 1]->discovered && shares_port(l, &found))
			(void)backplane_remove(c, &found);
	}
}

void backplane_add(struct core *c, const struct link *l, bool discovered)
{
	struct backplane_link *b = memory_alloc(sizeof(*b));

	if (!discovered)
		make_room(c, l);
	c->links = memory_resize(c->links, (c->link_count + 1) * sizeof(struct backplane_link *));
	c->links[c->link_count++] = b;
	b->l = *l;
	b->discovered = discovered;
	b->cost = l->cost;
	c->paths_stale = true;
	resolve(c, b);
}

bool backplane_remove(struct core *c, const struct link *l)
{
	unsigned at = 0;
	struct backplane_link *b;

	while (at < c->link_count && !same_link(&c->links[at]->l, l))
		at++;
	if (at == c->link_count)
		return false;
	b = c->links[at];
	for (unsigned i = 0; i < 2; i++)
		forget_end(&b->ends[i]);
	memmove(&c->links[at], &c->links[at + 1],
		(--c->link_count - at) * sizeof(struct backplane_link *));
	free(b);
	c->paths_stale = true;
	return true;
}

void backplane_change(struct core *c, const struct link *before, const struct link *after)
{
	for (unsigned i = 0; i < c->link_count; i++) {
		struct backplane_link *b = c->links[i];

		if (!same_link(&b->l, before))
			continue;
		b->l = *after;
		b->cost = after->by_delay && b->delay_us ? b->delay_us : after->cost;
		c->paths_stale = true;
		resolve(c, b);
		return;
	}
}

static bool is_end(const struct backplane_link *b, const struct element *e)
{
	return b->ends[0].element == e || b->ends[1].element == e ||
	       strcmp(b->l.ends[0], e->name) == 0 || strcmp(b->l.ends[1], e->name) == 0;
}

void backplane_refresh(struct core *c, const struct element *e)
{
	for (unsigned i = 0; i < c->link_count; i++)
		if (is_end(c->links[i], e))
			resolve(c, c->links[i]);
}

struct backplane_link *backplane_find(const struct core *c, const struct element *e,
				      uint32_t number, unsigned *ret_end)
{
	for (unsigned i = 0; i < c->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			if (c->links[i]->ends[end].element == e &&
			    c->links[i]->ends[end].number == number) {
				*ret_end = end;
				return c->links[i];
			}
	return NULL;
}

/* --- what the FEs say --------------------------------------------------------------------------
 */

static void note_rate(struct link_end *end, const struct link_state *state, int64_t now_ms)
{
	int64_t passed = now_ms - end->counted_ms;

	if (end->reported && end->counted_ms && state->bytes >= end->state.bytes && passed > 0)
		end->bits_per_second = (state->bytes - end->state.bytes) * 8000 / (uint64_t)passed;
	end->counted_ms = now_ms;
}

/* The cost follows the delay only where that changed by a quarter: a jittering path must not move
 * traffic to and fro. */
static void note_delay(struct core *c, struct backplane_link *b)
{
	uint32_t a = b->ends[0].state.delay_us, z = b->ends[1].state.delay_us;
	uint32_t delay = a > z ? a : z, difference;

	if (!delay)
		return;
	b->delay_us = b->delay_us ? (b->delay_us * (DELAY_SHARE - 1) + delay + DELAY_SHARE - 1) /
					    DELAY_SHARE
				  : delay;
	if (!b->l.by_delay)
		return;
	difference = b->delay_us > b->cost ? b->delay_us - b->cost : b->cost - b->delay_us;
	if (difference <= DELAY_NOISE_US || difference <= b->cost / 4)
		return;
	b->cost = b->delay_us < LINK_COST_MAX ? b->delay_us : LINK_COST_MAX;
	c->paths_stale = true;
	log_info("link %s - %s: cost %u by its delay", b->l.ends[0], b->l.ends[1], b->cost);
}

static void take_state(struct core *c, struct backplane_link *b, struct link_end *end,
		       const struct link_state *state, bool counts)
{
	if (counts)
		note_rate(end, state, c->now_ms);
	end->reported = true;
	end->state = *state;
	note_delay(c, b);
	evaluate(c, b);
}

int backplane_state(struct element *e, struct reader *body)
{
	struct link_state state;
	int r = link_state_decode(body, &state);
	unsigned end;
	struct backplane_link *b = r < 0 ? NULL : backplane_find(e->core, e, state.number, &end);

	if (b && b->ends[end].told)
		take_state(e->core, b, &b->ends[end], &state, false);
	return r;
}

int backplane_reply(struct element *e, struct reader *body)
{
	struct link_info info;
	struct link_state state;
	bool more;
	int r = links_reply_begin(body, &more);

	while (r >= 0 && (r = links_next(body, &info, &state)) == 1) {
		unsigned end;
		struct backplane_link *b = backplane_find(e->core, e, info.number, &end);

		if (b && b->ends[end].told)
			take_state(e->core, b, &b->ends[end], &state, true);
	}
	return r;
}

static void drop_orphan(struct element *e, uint32_t number)
{
	link_delete_encode(&e->session->channel.out, (uint32_t)e->core->change, number);
	flush(e);
}

/* One that discovery may find again, or that an FE explains which is not back yet. */
static bool may_be_explained(const struct element *e, const struct link_info *info)
{
	return e->core->learning || (e->core->config.discovery && info->kind == LINK_ETHERNET);
}

void backplane_synchronize(struct element *e, const struct reported_link *list, unsigned count)
{
	struct core *c = e->core;
	unsigned end;

	backplane_lose(e);
	for (unsigned i = 0; i < c->link_count; i++)
		if (is_end(c->links[i], e))
			locate(c, c->links[i]);
	buffer_clear(&e->orphans);
	for (unsigned i = 0; i < count; i++) {
		struct backplane_link *b = backplane_find(c, e, list[i].info.number, &end);

		if (b) {
			b->ends[end].told = true;
			b->ends[end].info = list[i].info;
			take_state(c, b, &b->ends[end], &list[i].state, true);
		} else if (may_be_explained(e, &list[i].info)) {
			buffer_add_bytes(&e->orphans, &list[i], sizeof(list[i]));
			e->orphans_since_ms = c->now_ms;
		} else {
			drop_orphan(e, list[i].info.number);
		}
	}
	backplane_refresh(c, e);
}

void backplane_lose(struct element *e)
{
	struct core *c = e->core;

	for (unsigned i = 0; i < c->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			if (c->links[i]->ends[end].element == e) {
				c->links[i]->ends[end].told = false;
				c->links[i]->ends[end].bits_per_second = 0;
				c->links[i]->ends[end].counted_ms = 0;
				evaluate(c, c->links[i]);
			}
}

/* --- time --------------------------------------------------------------------------------------
 */

static void check_orphans(struct element *e)
{
	const struct reported_link *list = (const void *)e->orphans.data;
	unsigned end;

	if (!e->orphans.size || !can_tell(e) || e->core->learning ||
	    e->core->now_ms - e->orphans_since_ms < ORPHAN_MS)
		return;
	for (size_t i = 0; i < e->orphans.size / sizeof(*list); i++)
		if (list[i].info.number && !backplane_find(e->core, e, list[i].info.number, &end))
			drop_orphan(e, list[i].info.number);
	buffer_clear(&e->orphans);
}

void backplane_tick(struct core *c)
{
	for (unsigned i = 0; i < c->link_count; i++)
		for (unsigned end = 0; end < 2; end++)
			if (c->links[i]->ends[end].told)
				c->links[i]->ends[end].element->has_links = true;
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *e = c->elements[i];

		check_orphans(e);
		if (!e->synced || !can_tell(e) || !e->has_links)
			continue;
		e->has_links = false;
		links_request_encode(&e->session->channel.out, channel_xid(&e->session->channel));
		flush(e);
	}
}
