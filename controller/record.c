/* The bookkeeping of attachments: which record is in which list (its port's, and one of: waiting
 * for a time, a tombstone, not asked yet), and the one way in which an attachment changes,
 * record_enter, which lets the planner tell the FEs and then tells the store.  What the changes are
 * is attachment.c's and learn.c's.
 *
 * A detached node leaves its record behind as a tombstone with a later version (design P2): an FE
 * that was away and comes back with the old binding must not bring the node back to life.  It is
 * buried when every FE has acknowledged the deletion. */
#include "controller/record.h"

#include "base/text.h"
#include "controller/admission.h"
#include "controller/element.h"
#include "controller/planner.h"
#include "controller/signed.h"

#include <string.h>

/* The name that its id stands in. */
static const struct node_name *name_of(const struct attachment_record *r)
{
	return nodes_name_of(r->a.node);
}

static uint32_t number_of(const struct attachment_record *r)
{
	return name_of(r)->kept;
}

struct attachment_record *record_at(const struct core *c, uint32_t number)
{
	return number ? pool_at(&c->records, number - 1) : NULL;
}

const struct node *record_node(const struct core *c, const struct attachment_record *r)
{
	return nodes_named(&c->inventory.nodes, name_of(r));
}

struct attachment_record *attachment_find(const struct core *c, const char *node)
{
	const struct node_name *name = nodes_name(&c->inventory.nodes, node);

	return name ? record_at(c, name->kept) : NULL;
}

struct attachment_record *attachment_of(const struct core *c, const struct node *n)
{
	return record_at(c, nodes_name_of(n->id)->kept);
}

struct attachment_record *record_obtain(struct core *c, const char *node)
{
	struct node_name *name = nodes_obtain_name(&c->inventory.nodes, node);
	struct attachment_record *r = record_at(c, name->kept);

	if (r)
		return r;
	name->kept = pool_take(&c->records) + 1;
	r = record_at(c, name->kept);
	r->a.node = name->id;
	r->detached = true;
	return r;
}

static void forget(struct core *c, struct attachment_record *r)
{
	struct node_name *name = nodes_name(&c->inventory.nodes, r->a.node);

	aside_drop(c, r);
	pool_give(&c->records, name->kept - 1);
	nodes_release_name(&c->inventory.nodes, name);
}

struct version record_next_version(struct core *c)
{
	return (struct version){.shard = c->config.shard & 0xfffu,
				.term = c->term,
				.sequence = ++c->sequence & VERSION_SEQUENCE_MAX};
}

const char *record_place_text(const struct core *c, const struct place *p, char text[96])
{
	const struct element *e = element_find(c, p->fe);
	const struct port *port = e ? element_find_port(e, p->port) : NULL;

	text_format(text, 96, "%s port %u%s%s%s", e ? e->name : "?", p->port,
		    port && port->name[0] ? " (" : "", port ? port->name : "",
		    port && port->name[0] ? ")" : "");
	return text;
}

/* The latest change with these last bits. */
static uint64_t whole_change(const struct core *c, uint32_t bits)
{
	return c->change - (uint32_t)(c->change - bits);
}

uint64_t record_last_told(const struct core *c, const struct attachment_record *r, uint32_t fe)
{
	uint64_t last = whole_change(c, r->changed_everywhere);

	for (unsigned i = 0; i < ARRAY_SIZE(r->changed_at); i++) {
		uint64_t change = whole_change(c, r->changed_at[i]);

		if (r->changed_fe[i] == fe && change > last)
			last = change;
	}
	return last;
}

void record_note_told(const struct core *c, struct attachment_record *r, uint32_t fe)
{
	uint64_t first = whole_change(c, r->changed_at[0]);
	unsigned slot = r->changed_fe[0] == fe || first < whole_change(c, r->changed_at[1]) ? 0 : 1;

	if (r->changed_fe[1] == fe)
		slot = 1;
	r->changed_fe[slot] = (uint16_t)fe;
	r->changed_at[slot] = (uint32_t)c->change;
}

void record_note_told_all(const struct core *c, struct attachment_record *r)
{
	r->changed_everywhere = (uint32_t)c->change;
}

static uint32_t *list_head(struct core *c, const struct attachment_record *r)
{
	switch (r->list) {
	case RECORD_TIMED:
		return &c->timed;
	case RECORD_TOMBSTONE:
		return &c->tombstones;
	case RECORD_UNPROBED:
		return &element_find(c, r->a.place.fe)->unprobed;
	case RECORD_UNLISTED:
		break;
	}
	return NULL;
}

void record_unlink_list(struct core *c, struct attachment_record *r)
{
	if (r->list == RECORD_UNLISTED)
		return;
	if (r->list_previous)
		record_at(c, r->list_previous)->list_next = r->list_next;
	else
		*list_head(c, r) = r->list_next;
	if (r->list_next)
		record_at(c, r->list_next)->list_previous = r->list_previous;
	r->list_previous = r->list_next = 0;
	r->list = RECORD_UNLISTED;
}

static void link_list(struct core *c, struct attachment_record *r, enum record_list list)
{
	uint32_t *head;

	r->list = list;
	head = list_head(c, r);
	r->list_next = *head;
	*head = number_of(r);
	if (r->list_next)
		record_at(c, r->list_next)->list_previous = *head;
}

/* The port is the one where it is linked: a place changes only in between. */
static struct port *port_of(struct core *c, const struct attachment_record *r)
{
	struct element *e = element_obtain(c, r->a.place.fe);

	return e ? element_port(e, r->a.place.port) : NULL;
}

static void unlink_port(struct core *c, struct attachment_record *r)
{
	if (!r->at_port)
		return;
	if (r->port_previous)
		record_at(c, r->port_previous)->port_next = r->port_next;
	else
		port_of(c, r)->first = r->port_next;
	if (r->port_next)
		record_at(c, r->port_next)->port_previous = r->port_previous;
	r->port_previous = r->port_next = 0;
	r->at_port = false;
}

void record_link_port(struct core *c, struct attachment_record *r)
{
	struct port *p = port_of(c, r);

	if (!p)
		return;
	r->port_next = p->first;
	p->first = number_of(r);
	if (r->port_next)
		record_at(c, r->port_next)->port_previous = p->first;
	r->at_port = true;
}

void record_arrange(struct core *c, struct attachment_record *r)
{
	struct element *e = element_find(c, r->a.place.fe);

	record_unlink_list(c, r);
	if (r->detached)
		link_list(c, r, RECORD_TOMBSTONE);
	else if (r->a.deadline_ms)
		link_list(c, r, RECORD_TIMED);
	else if (r->a.state == ATTACHMENT_PROVISIONAL && r->a.place.port && !r->probed && e)
		link_list(c, r, RECORD_UNPROBED);
}

void record_enter(struct core *c, struct attachment_record *r, const struct attachment *after,
		  bool detached)
{
	struct attachment before = r->a;
	bool was_detached = r->detached;

	unlink_port(c, r);
	record_unlink_list(c, r);
	r->a = *after;
	r->detached = detached;
	r->barred = r->barred && detached;
	r->learnt_beside = false;
	if (!detached)
		record_link_port(c, r);
	record_arrange(c, r);
	planner_change(c, r, record_node(c, r), was_detached ? NULL : &before, record_node(c, r),
		       detached ? NULL : &r->a);
	c->shell.keep_attachment(c->shell.context, &r->a);
}

void record_enter_state(struct core *c, struct attachment_record *r, enum attachment_state state,
			int64_t deadline_ms)
{
	struct attachment after = r->a;

	after.state = state;
	after.deadline_ms = deadline_ms;
	record_enter(c, r, &after, r->detached);
}

static void forget_learned_node(struct core *c, struct attachment_record *r)
{
	const struct node *n = record_node(c, r);

	if (!n || !n->learned || admission_keeps(c, n))
		return;
	(void)inventory_remove_node(&c->inventory, r->a.node);
	report(c, EVENT_NODE_REMOVED, &r->a, NULL, 0, "%s: forgotten, it was only learned",
	       r->a.node);
}

void record_detach(struct core *c, struct attachment_record *r, const char *reason)
{
	struct attachment after = r->a;
	char text[96];

	after.version = record_next_version(c);
	after.deadline_ms = 0;
	after.state = ATTACHMENT_GONE;
	after.previous = (struct place){0};
	r->live = false;
	record_enter(c, r, &after, true);
	holder_forget(c, r->a.node);
	report(c, EVENT_DETACHED, &r->a, element_find(c, r->a.place.fe), r->a.place.port,
	       "%s: detached from %s: %s", r->a.node, record_place_text(c, &r->a.place, text),
	       reason);
	forget_learned_node(c, r);
}

/* Where it rests when nothing is in question. */
void record_settle(struct core *c, struct attachment_record *r)
{
	enum attachment_state rest = r->live ? ATTACHMENT_ACTIVE : ATTACHMENT_PROVISIONAL;

	if (r->a.place.port && !element_place_up(c, &r->a.place))
		record_enter_state(c, r, ATTACHMENT_DOWN, c->now_ms + c->config.port_grace_ms);
	else
		record_enter_state(c, r, rest, 0);
}

/* Every FE, also one without a session now, has acknowledged the deletion. */
static bool is_buried(const struct core *c, const struct attachment_record *r)
{
	if (c->config.fault == FAULT_NO_TOMBSTONE)
		return true;
	for (unsigned i = 0; i < c->element_count; i++) {
		const struct element *e = c->elements[i];

		if (!e->session || e->session->sync ||
		    !element_is_settled(e, whole_change(c, r->changed_everywhere)) ||
		    !element_is_settled(e, whole_change(c, r->changed_at[0])) ||
		    !element_is_settled(e, whole_change(c, r->changed_at[1])))
			return false;
	}
	return true;
}

void record_bury(struct core *c)
{
	struct attachment_record *next;

	if (c->learning)
		return;
	for (struct attachment_record *r = record_at(c, c->tombstones); r; r = next) {
		next = record_at(c, r->list_next);
		if (!is_buried(c, r))
			continue;
		record_unlink_list(c, r);
		c->shell.forget_attachment(c->shell.context, r->a.node);
		forget(c, r);
	}
}

void attachment_silent(struct core *c, struct element *e, const struct silent *silent)
{
	const struct node *n =
		inventory_node_by_address(&c->inventory, silent->vrf, &silent->address);
	struct attachment_record *r = n ? attachment_find(c, n->id) : NULL;

	if (!r || r->detached || r->a.place.fe != e->id || r->a.place.port != silent->port ||
	    version_to_cookie(r->a.version) != silent->cookie)
		return;
	if (r->a.state == ATTACHMENT_PREPARED || r->a.state == ATTACHMENT_PROBING)
		return;
	record_detach(c, r, "it answers no probes any more");
}
