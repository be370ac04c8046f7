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

struct attachment_record *attachment_find(const struct core *c, const char *node)
{
	const struct node_name *name = nodes_name(&c->inventory.nodes, node);

	return name && name->kept ? pool_at(&c->records, name->kept - 1) : NULL;
}

struct attachment_record *record_obtain(struct core *c, const char *node)
{
	struct node_name *name = nodes_obtain_name(&c->inventory.nodes, node);
	struct attachment_record *r;

	if (!name->kept) {
		name->kept = pool_take(&c->records) + 1;
		r = pool_at(&c->records, name->kept - 1);
		r->a.node = name->id;
		r->detached = true;
	}
	return pool_at(&c->records, name->kept - 1);
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
	return (struct version){
		.shard = c->config.shard, .term = c->term, .sequence = ++c->sequence};
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

uint64_t record_last_told(const struct attachment_record *r, uint32_t fe)
{
	uint64_t change = r->changed_everywhere;

	for (unsigned i = 0; i < ARRAY_SIZE(r->changed_at); i++)
		if (r->changed_fe[i] == fe && r->changed_at[i] > change)
			change = r->changed_at[i];
	return change;
}

void record_unlink_list(struct attachment_record *r)
{
	if (!r->list_link)
		return;
	*r->list_link = r->list_next;
	if (r->list_next)
		r->list_next->list_link = r->list_link;
	r->list_link = NULL;
}

static void link_list(struct attachment_record *r, struct attachment_record **head)
{
	r->list_next = *head;
	r->list_link = head;
	if (*head)
		(*head)->list_link = &r->list_next;
	*head = r;
}

static void unlink_port(struct attachment_record *r)
{
	if (!r->port_link)
		return;
	*r->port_link = r->port_next;
	if (r->port_next)
		r->port_next->port_link = r->port_link;
	r->port_link = NULL;
}

void record_link_port(struct core *c, struct attachment_record *r)
{
	struct element *e = element_obtain(c, r->a.place.fe);
	struct port *p;

	if (!e)
		return;
	p = element_port(e, r->a.place.port);
	r->port_next = p->first;
	r->port_link = &p->first;
	if (p->first)
		p->first->port_link = &r->port_next;
	p->first = r;
}

void record_arrange(struct core *c, struct attachment_record *r)
{
	struct element *e = element_find(c, r->a.place.fe);

	record_unlink_list(r);
	if (r->detached)
		link_list(r, &c->tombstones);
	else if (r->a.deadline_ms)
		link_list(r, &c->timed);
	else if (r->a.state == ATTACHMENT_PROVISIONAL && r->a.place.port && !r->probed && e)
		link_list(r, &e->unprobed);
}

void record_enter(struct core *c, struct attachment_record *r, const struct attachment *after,
		  bool detached)
{
	struct attachment before = r->a;
	bool was_detached = r->detached;

	unlink_port(r);
	r->a = *after;
	r->detached = detached;
	r->barred &= detached;
	r->learnt_beside = false;
	if (!detached)
		record_link_port(c, r);
	record_arrange(c, r);
	planner_change(c, r, r->node, was_detached ? NULL : &before, r->node,
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
	if (!r->node || !r->node->learned || admission_keeps(c, r->node))
		return;
	r->node = NULL;
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
		    !element_is_settled(e, r->changed_everywhere) ||
		    !element_is_settled(e, r->changed_at[0]) ||
		    !element_is_settled(e, r->changed_at[1]))
			return false;
	}
	return true;
}

void record_bury(struct core *c)
{
	struct attachment_record *next;

	if (c->learning)
		return;
	for (struct attachment_record *r = c->tombstones; r; r = next) {
		next = r->list_next;
		if (!is_buried(c, r))
			continue;
		record_unlink_list(r);
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
