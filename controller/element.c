/* One FE as the controller knows it: name, ports, backplane, and what goes to it.  It outlives its
 * sessions (session.c), because an FE without a controller forwards on and its nodes stay where
 * they are.  planner.c decides what is sent; here it becomes bytes in the session's channel, each
 * batch followed by a barrier, written at once (design P5). */
#include "controller/element.h"

#include "base/memory.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct element *element_find(const struct core *c, uint32_t id)
{
	return id <= ELEMENT_ID_MAX ? c->by_id[id] : NULL;
}

struct element *element_by_name(const struct core *c, const char *name)
{
	char key[NAME_SIZE];
	struct element **e;

	name_copy(key, name);
	e = table_get(&c->element_names, key);
	return e ? *e : NULL;
}

static void insert_sorted(struct core *c, struct element *e)
{
	unsigned at = c->element_count++;

	c->elements = memory_resize(c->elements, c->element_count * sizeof(struct element *));
	while (at > 0 && c->elements[at - 1]->id > e->id) {
		c->elements[at] = c->elements[at - 1];
		at--;
	}
	c->elements[at] = e;
}

struct element *element_obtain(struct core *c, uint32_t id)
{
	struct element *e;

	if (id == 0 || id > ELEMENT_ID_MAX)
		return NULL;
	if (c->by_id[id])
		return c->by_id[id];
	e = memory_alloc(sizeof(*e));
	e->core = c;
	e->id = id;
	e->exit = -1;
	e->since_ms = c->now_ms;
	snprintf(e->name, sizeof(e->name), "#%u", id);
	table_init(&e->ports, sizeof(uint32_t), sizeof(struct port), c->seed + 3);
	table_init(&e->missing, sizeof(struct rule_key), sizeof(bool), c->seed + 12);
	table_init(&e->groups, sizeof(uint32_t), sizeof(struct rule_group), c->seed + 4);
	e->vertex = c->element_count;
	table_init(&e->exits, sizeof(unsigned), sizeof(struct rule), c->seed + 13);
	table_init(&e->spreads, sizeof(uint32_t), sizeof(struct prefix), c->seed + 4);
	c->by_id[id] = e;
	insert_sorted(c, e);
	return e;
}

void element_destroy(struct element *e)
{
	table_finish(&e->ports);
	table_finish(&e->groups);
	table_finish(&e->missing);
	ovs_destroy(e->ovs);
	buffer_finish(&e->orphans);
	table_finish(&e->spreads);
	table_finish(&e->exits);
	free(e->exit_distances);
	free(e->overlaps);
	free(e);
}

void element_rename(struct element *e, const char *name)
{
	struct element **slot;

	(void)table_remove(&e->core->element_names, e->name);
	name_copy(e->name, name);
	slot = table_put(&e->core->element_names, e->name, NULL);
	*slot = e;
}

/* A second connection with the same id is refused, unless the first has gone quiet. */
/* A connection whose other end is gone must make room for the next, and one that is alive must not,
 * however often somebody asks.  So the old one is asked at once: the kernel of a machine that
 * started again resets it, an element that is alive answers, and one that does neither is gone. */
bool element_is_taken(struct element *e, const struct session *s)
{
	struct core *c = s->core;
	char text[200];

	if (!e->session)
		return false;
	if (c->now_ms - e->session->channel.heard_ms >
	    (int64_t)ECHO_INTERVAL_MS + ECHO_PATIENCE_MS) {
		session_end(e->session, "replaced by a newer connection", true);
		return false;
	}
	channel_probe(&e->session->channel, c->now_ms);
	c->shell.flush(c->shell.context, e->session);
	snprintf(text, sizeof(text), "%s: a second connection as element %u, from %s, is refused",
		 e->name, e->id, s->peer);
	report_refusal(s->core, "second-connection", s->peer, e, 0, text);
	return true;
}

struct port *element_port(struct element *e, uint32_t number)
{
	struct port *p = table_put(&e->ports, &number, NULL);

	p->number = number;
	return p;
}

const struct port *element_find_port(const struct element *e, uint32_t number)
{
	return table_get(&e->ports, &number);
}

bool element_place_up(const struct core *c, const struct place *place)
{
	const struct element *e = element_find(c, place->fe);
	const struct port *p = e && place->port ? element_find_port(e, place->port) : NULL;

	return p && p->present && p->up;
}

static struct buffer *out(struct element *e)
{
	return &e->session->channel.out;
}

/* The message's xid is the change it belongs to, so that one encoding serves every FE. */
static void put_flow_mod(struct element *e, const struct rule *rule,
			 enum ofp_flow_mod_command command)
{
	stencils_flow_mod(e->core->stencils, rule, command, (uint32_t)e->core->change, out(e));
}

static void count_message(struct element *e)
{
	e->flow_mods_sent++;
	e->session->channel.count.messages_out++;
}

void element_put_rule(struct element *e, const struct rule *rule, bool is_new)
{
	put_flow_mod(e, rule, OFPFC_ADD);
	count_message(e);
	e->rule_count += is_new;
}

void element_delete_rule(struct element *e, const struct rule *rule)
{
	put_flow_mod(e, rule, OFPFC_DELETE_STRICT);
	count_message(e);
	if (e->rule_count)
		e->rule_count--;
	e->freed++;
}

static void put_group_mod(struct element *e, const struct rule_group *group,
			  enum ofp_group_mod_command command)
{
	struct ofp_group_mod mod;

	rule_group_to_group_mod(group, command, &mod);
	ofp_group_mod_encode(out(e), (uint32_t)e->core->change, &mod);
	e->session->channel.count.messages_out++;
}

void element_put_group(struct element *e, const struct rule_group *group)
{
	bool created;
	struct rule_group *mine = table_put(&e->groups, &group->fe, &created);

	put_group_mod(e, group, created ? OFPGC_ADD : OFPGC_MODIFY);
	*mine = *group;
}

void element_delete_group(struct element *e, uint32_t fe)
{
	struct rule_group group = {.fe = fe};

	put_group_mod(e, &group, OFPGC_DELETE);
	(void)table_remove(&e->groups, &fe);
}

void element_queue(struct element *e, const struct buffer *messages, unsigned flow_mods, int growth)
{
	buffer_add_bytes(out(e), messages->data, messages->size);
	e->flow_mods_sent += flow_mods;
	e->session->channel.count.messages_out += flow_mods;
	e->freed += growth < 0;
	if (growth >= 0 || e->rule_count >= (uint64_t)-growth)
		e->rule_count += (uint64_t)(int64_t)growth;
}

#define BARRIERS_MAX (1u << 18) /* that an FE owes its replies to: more, and it gives none */

static void remember_barrier(struct barriers *b, struct barrier barrier)
{
	if (b->count == b->capacity) {
		unsigned capacity = b->capacity ? b->capacity * 2 : 16;
		struct barrier *list = memory_alloc_array(capacity, sizeof(*list));

		for (unsigned i = 0; i < b->count; i++)
			list[i] = b->list[(b->first + i) & (b->capacity - 1)];
		free(b->list);
		*b = (struct barriers){list, 0, b->count, capacity};
	}
	b->list[(b->first + b->count++) & (b->capacity - 1)] = barrier;
}

/* Replies come in the order of the requests. */
void element_settle(struct element *e, uint32_t xid)
{
	struct barriers *b = &e->session->barriers;
	unsigned i = 0;

	while (i < b->count && b->list[(b->first + i) & (b->capacity - 1)].xid != xid)
		i++;
	if (i == b->count)
		return;
	for (i++; i > 0; i--) {
		struct barrier barrier = b->list[b->first];

		b->first = (b->first + 1) & (b->capacity - 1);
		b->count--;
		if (e->ovs)
			ovs_barrier(e, barrier.change);
		else
			e->settled = barrier.change;
		if (barrier.synchronizes)
			session_online(e->session);
	}
}

/* 'rest': of the FEs that a change is told to last.  Where they are many, their bytes, and all
 * while more messages of this connection have arrived, are written out with whatever else those
 * bring (design P5: nothing waits that is not here yet).  Where they are few they are told before
 * people, the store and the log are. */
static void flush(struct element *e, bool rest)
{
	struct core *c = e->core;
	bool soon = c->receiving && c->receiving->more;

	e->sent = c->change;
	if (out(e)->size > CHANNEL_OUT_MAX)
		e->session->doomed = "it does not read what it is sent";
	if (c->shell.flush_soon && (soon || (rest && c->element_count > FEW_ELEMENTS)))
		c->shell.flush_soon(c->shell.context, e->session);
	else
		c->shell.flush(c->shell.context, e->session);
}

void element_commit_later(struct element *e, bool rest)
{
	e->owes_barrier = e->core->owes_barriers = true;
	flush(e, rest);
}

void element_commit(struct element *e, bool synchronizes)
{
	struct session *s = e->session;
	struct barrier barrier = {
		channel_xid(&s->channel),
		synchronizes,
		e->core->change,
	};

	e->owes_barrier = false;
	/* The first barrier tells an FE that it has all it should have: none between the slices. */
	if (s->stage == STAGE_COMPARE) {
		flush(e, false);
		return;
	}
	if (s->barriers.count == BARRIERS_MAX) {
		s->doomed = "it replies to no barriers";
		return;
	}
	ofp_empty_encode(out(e), OFPT_BARRIER_REQUEST, barrier.xid);
	s->channel.count.messages_out++;
	remember_barrier(&s->barriers, barrier);
	flush(e, false);
}

bool core_owes_barriers(const struct core *c)
{
	return c->owes_barriers;
}

bool core_end_with_barrier(struct session *s)
{
	struct element *e = s->element;

	if (!e || !e->owes_barrier || s->core->element_count <= FEW_ELEMENTS)
		return false;
	element_commit(e, false);
	return true;
}

void core_send_barriers(struct core *c)
{
	c->owes_barriers = false;
	report_log(c);
	attachment_look_again(c);
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i]->owes_barrier && c->elements[i]->session)
			element_commit(c->elements[i], false);
}

void element_withdraw_rule(struct element *e, const struct rule *rule)
{
	if (!e->synced)
		return;
	put_flow_mod(e, rule, OFPFC_DELETE_STRICT);
	count_message(e);
	e->core->shell.flush(e->core->shell.context, e->session);
}

void element_transmit(struct element *e, uint32_t port, const struct buffer *frame)
{
	struct ofp_actions actions = {0};

	ofp_actions_add_output(&actions, port);
	element_transmit_by(e, &actions, frame->data, frame->size);
}

void element_transmit_by(struct element *e, const struct ofp_actions *actions, const void *frame,
			 size_t size)
{
	struct ofp_packet_out packet = {.buffer_id = OFP_NO_BUFFER,
					.in_port = OFPP_CONTROLLER,
					.actions = *actions,
					.data = frame,
					.data_size = size};
	struct session *s = e->session;

	if (!e->synced)
		return;
	/* The answer to a question must be fresh: it goes behind the barrier. */
	if (e->owes_barrier)
		element_commit(e, false);
	ofp_packet_out_encode(out(e), channel_xid(&s->channel), &packet);
	s->channel.count.messages_out++;
	e->core->shell.flush(e->core->shell.context, s);
}

bool element_is_settled(const struct element *e, uint64_t change)
{
	/* An FE that had no part in the last changes was not sent a barrier for them. */
	return e->synced && e->settled >= (change < e->sent ? change : e->sent);
}

bool element_learn_term(struct core *c, uint16_t term, const struct element *e)
{
	char text[200];

	if (term < c->term)
		return true;
	if (c->learning && term < UINT16_MAX && term - c->term <= TERM_JUMP_MAX) {
		c->term = (uint16_t)(term + 1);
		element_send_roles(c);
		return true;
	}
	snprintf(text, sizeof(text),
		 "%s: has state of term %u, later than ours (%u): another controller's, or a lost "
		 "store; its attachments are not believed",
		 e->name, term, c->term);
	report_refusal(c, "later-term", e->name, e, 0, text);
	return false;
}

void element_send_roles(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct session *s = c->elements[i]->session;
		struct ofp_role_message role = {OFPCR_MASTER, c->term};

		if (!s || s->stage <= STAGE_ROLE)
			continue;
		ofp_role_encode(&s->channel.out, OFPT_ROLE_REQUEST, channel_xid(&s->channel),
				&role);
		s->channel.count.messages_out++;
		c->shell.flush(c->shell.context, s);
	}
}
