/* What the northbound may ask: lists in order of id or name, made of the core's own structures. */
#include "controller/core.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/ovs.h"
#include "controller/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const element_state_names[] = {
	[ELEMENT_OFFLINE] = "offline",
	[ELEMENT_CONNECTING] = "connecting",
	[ELEMENT_SYNCHRONIZING] = "synchronizing",
	[ELEMENT_ONLINE] = "online",
};

const char *element_state_name(enum element_state state)
{
	return state < ARRAY_SIZE(element_state_names) ? element_state_names[state] : "unknown";
}

const struct inventory *core_inventory(const struct core *c)
{
	return &c->inventory;
}

const struct core_config *core_get_config(const struct core *c)
{
	return &c->config;
}

uint64_t core_revision(const struct core *c)
{
	return c->revision;
}

/* All values of a table, sorted; the caller frees. */
static void **sorted(const struct table *t, int (*compare)(const void *, const void *))
{
	void **list = memory_alloc_array(t->count + 1, sizeof(void *));
	size_t at = 0, count = 0;

	while (table_next(t, &at, NULL, &list[count]))
		count++;
	qsort(list, count, sizeof(void *), compare);
	return list;
}

static void view_element(const struct element *e, struct element_view *ret)
{
	static const char *const nothing[] = {NULL};
	size_t at = 0;
	struct port *p;

	*ret = (struct element_view){.id = e->id,
				     .kind = e->ovs ? "ovs" : "victor-fe",
				     .cannot = e->ovs ? ovs_cannot() : nothing,
				     .state = e->state,
				     .backplane = e->backplane,
				     .backplane_mtu = e->info.backplane_mtu,
				     .border = e->border,
				     .way_out = e->border && !e->without_way,
				     .since_ms = e->since_ms,
				     .rule_count = (unsigned)e->rule_count,
				     .flow_mods_sent = e->flow_mods_sent,
				     .packet_ins = e->packet_ins,
				     .errors = e->errors,
				     .draining = e->draining,
				     .full = e->full,
				     .binding_limit = e->info.binding_limit,
				     .missing = (unsigned)e->missing.count,
				     .table_full = e->table_full};
	name_copy(ret->name, e->name);
	name_copy(ret->software, e->info.software);
	name_copy(ret->peer, e->peer);
	if (e->info.encapsulations & ENCAPSULATION_IPIP)
		name_copy(ret->encapsulations[ret->encapsulation_count++], "ipip");
	if (e->info.encapsulations & ENCAPSULATION_VXLAN)
		name_copy(ret->encapsulations[ret->encapsulation_count++], "vxlan");
	while (table_next(&e->ports, &at, NULL, (void **)&p))
		ret->port_count += p->present;
}

void core_elements(const struct core *c, void (*each)(void *to, const struct element_view *),
		   void *to)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element_view view;

		view_element(c->elements[i], &view);
		each(to, &view);
	}
}

int core_element_by_name(const struct core *c, const char *name, struct element_view *ret)
{
	const struct element *e = element_by_name(c, name);

	/* One that only others told of is listed as "#3", and found by it. */
	for (unsigned i = 0; !e && i < c->element_count; i++)
		if (strcmp(c->elements[i]->name, name) == 0)
			e = c->elements[i];
	if (!e)
		return -ENOENT;
	view_element(e, ret);
	return 0;
}

static int compare_ports(const void *a, const void *b)
{
	const struct port *const *x = a, *const *y = b;

	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

void core_ports(const struct core *c, uint32_t fe, void (*each)(void *to, const struct port_view *),
		void *to)
{
	const struct element *e = element_find(c, fe);
	void **list;

	if (!e)
		return;
	list = sorted(&e->ports, compare_ports);
	for (size_t i = 0; i < e->ports.count; i++) {
		const struct port *p = list[i];
		struct port_view view = {.number = p->number, .info = p->info, .up = p->up};

		if (!p->present)
			continue;
		memcpy(view.name, p->name, sizeof(view.name));
		each(to, &view);
	}
	free(list);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

void core_nodes(const struct core *c, void (*each)(void *to, const struct node *), void *to)
{
	const struct nodes *all = &c->inventory.nodes;
	const struct node **list = memory_alloc_array(all->count, sizeof(const struct node *)), *n;
	uint64_t at = 0;
	size_t count = 0;

	while ((n = nodes_next(all, &at)))
		list[count++] = n;
	qsort(list, count, sizeof(const struct node *), compare_nodes);
	for (size_t i = 0; i < count; i++)
		each(to, list[i]);
	free(list);
}

static int compare_records(const void *a, const void *b)
{
	const struct attachment_record *const *x = a, *const *y = b;

	return strcmp((*x)->a.node, (*y)->a.node);
}

void core_attachments(const struct core *c, void (*each)(void *to, const struct attachment *),
		      void *to)
{
	struct attachment_record **list = memory_alloc_array(c->records.count, sizeof(*list)), *r;
	size_t at = 0, count = 0;

	while (pool_next(&c->records, &at, (void **)&r))
		if (!r->detached)
			list[count++] = r;
	qsort(list, count, sizeof(*list), compare_records);
	for (size_t i = 0; i < count; i++)
		each(to, &list[i]->a);
	free(list);
}

const struct attachment *core_attachment(const struct core *c, const char *node)
{
	const struct attachment_record *r = attachment_find(c, node);

	return r && !r->detached ? &r->a : NULL;
}
