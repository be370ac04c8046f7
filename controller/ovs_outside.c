/* A routing daemon that speaks for a switch (paper, section 2.4: "or by the CC").  It is a stock
 * one, on the controller's side, behind a device that stands for the switch's external port: what
 * the switch hears there that is for the element itself comes up as packet-ins and goes to the
 * device, what the daemon sends leaves by packet-out.  So the daemon is the neighbour of the
 * routers outside, and what it makes of what they say becomes the switch's external rules. */
#include "controller/overlap.h"
#include "controller/ovs.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/exit.h"

#include <stdlib.h>
#include <string.h>

static struct port *port_of(const struct element *e, const struct declared_port *d)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && ovs_declared_port(e, p) == d)
			return p;
	return NULL;
}

/* The declared port that a daemon speaks at, or NULL. */
static const struct declared_port *find(const struct element *e, const char *port)
{
	const struct declared_element *d = &e->ovs->declared;

	for (unsigned i = 0; i < d->port_count; i++)
		if (d->ports[i].routing.device[0] && strcmp(d->ports[i].match, port) == 0)
			return &d->ports[i];
	return NULL;
}

static struct element *find_switch(struct core *c, const char *element)
{
	struct element *e = element_by_name(c, element);

	return e && e->ovs ? e : NULL;
}

static unsigned leads_out(const struct element *e)
{
	unsigned families = 0;

	for (unsigned family = 0; family < FAMILY_COUNT; family++)
		families |= (unsigned)ovs_exit_leads_out(e, family) << family;
	return families;
}

/* As a victor-fe says of its port while its daemon has no routes: other border FEs are preferred.
 */
static void note_way_out(struct element *e, const struct declared_port *d)
{
	const struct port *p = port_of(e, d);

	if (p)
		element_block_port(e, p->number, !leads_out(e));
}

/* What its daemons' routes say is elsewhere, though mobile addresses may live there. */
static void note_overlaps(struct element *e)
{
	struct overlap list[OVERLAPS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < e->ovs->declared.port_count; i++)
		for (unsigned j = 0; j < e->ovs->outside[i].count; j++) {
			const struct prefix *p = &e->ovs->outside[i].routes[j].prefix;
			const struct covered_prefix *covered =
				inventory_prefix(&e->core->inventory, DEFAULT_VRF, &p->address);

			if (covered && p->length > covered->prefix.length && count < OVERLAPS_MAX)
				list[count++] = (struct overlap){.prefix = *p};
		}
	overlap_set(e, list, count);
}

void core_set_routes(struct core *c, const char *element, const char *port,
		     const struct outside_route *list, unsigned count, int64_t now_ms)
{
	struct element *e = find_switch(c, element);
	const struct declared_port *d = e ? find(e, port) : NULL;
	struct ovs_outside *o;
	unsigned had;

	if (!d)
		return;
	core_set_now(c, now_ms);
	had = leads_out(e);
	if (count > OUTSIDE_ROUTES_MAX)
		count = OUTSIDE_ROUTES_MAX;
	o = &e->ovs->outside[d - e->ovs->declared.ports];
	free(o->routes);
	o->count = count;
	o->routes = memory_alloc_array(count, sizeof(*list));
	if (count)
		memcpy(o->routes, list, count * sizeof(*list));
	ovs_exit_refresh(e);
	note_way_out(e, d);
	note_overlaps(e);
	if (leads_out(e) != had)
		exit_refresh(c);
}

bool core_announces(const struct core *c, const char *element, const struct prefix *prefix)
{
	const struct element *e = element_by_name(c, element);

	for (unsigned i = 0; e && i < c->inventory.prefix_count; i++) {
		const struct covered_prefix *p = &c->inventory.prefixes[i];

		if (!p->vrf && prefix_equal(&p->prefix, prefix))
			return !p->internal && !e->draining && exit_announces(c, e, p);
	}
	return false;
}

void core_send_outside(struct core *c, const char *element, const char *port, const void *frame,
		       size_t size, int64_t now_ms)
{
	struct element *e = find_switch(c, element);
	const struct declared_port *d = e && e->synced ? find(e, port) : NULL;
	const struct port *p = d ? port_of(e, d) : NULL;
	struct buffer bytes = {0};

	if (!p || !p->up)
		return;
	core_set_now(c, now_ms);
	buffer_add_bytes(&bytes, frame, size);
	element_transmit(e, p->number, &bytes);
	buffer_finish(&bytes);
}

void ovs_outside_heard(struct element *e, const struct declared_port *d, const struct sighting *s)
{
	const struct core_shell *shell = &e->core->shell;

	if (d->routing.device[0] && shell->outside_frame)
		shell->outside_frame(shell->context, e->name, d->match, s->data, s->size);
}

static void tell(struct element *e, unsigned at)
{
	const struct core_shell *shell = &e->core->shell;
	const struct declared_port *d = &e->ovs->declared.ports[at];
	struct ovs_outside *o = &e->ovs->outside[at];
	const struct port *p = port_of(e, d);
	bool up = p && p->up;

	if (o->told && o->up == up && (!p || mac_equal(&o->mac, &p->mac)))
		return;
	o->told = true;
	o->up = up;
	if (p)
		o->mac = p->mac;
	shell->outside_port(shell->context, e->name, d->match, &o->mac, up);
	ovs_exit_refresh(e);
	note_way_out(e, d);
}

void ovs_outside_tick(struct element *e)
{
	const struct declared_element *d = &e->ovs->declared;

	for (unsigned i = 0; e->core->shell.outside_port && i < d->port_count; i++)
		if (d->ports[i].routing.device[0])
			tell(e, i);
}
