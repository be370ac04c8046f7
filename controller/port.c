/* An FE's ports: what they are for (told by an experimenter message), whether they are there and up
 * (PORT_DESC, PORT_STATUS), and who must know when that changes: the FE's own rules (intent.c), the
 * way out (topology.c), the nodes attached there (attachment.c).  A port that vanished stays here,
 * because a node may still be attached to it for the grace time, and one that the store names is
 * here before its FE connects. */
#include "controller/element.h"

#include "base/memory.h"
#include "controller/backplane.h"
#include "controller/discovery.h"
#include "controller/ovs.h"
#include "controller/planner.h"
#include "controller/segment.h"
#include "controller/topology.h"

#include <stdlib.h>
#include <string.h>

/* A port that is down is no way out: what leaves goes to another border FE until it is up again.
 * Where the FE has lost its routes, it is the last choice: perhaps nobody has better ones. */
static void find_way_out(const struct element *e, bool *ret_border, bool *ret_without_way)
{
	bool unblocked = false;
	size_t at = 0;
	struct port *p;

	*ret_border = false;
	while (table_next(&e->ports, &at, NULL, (void **)&p))
		if (p->present && p->up && p->info.role == PORT_EXTERNAL) {
			*ret_border = true;
			unblocked |= !p->blocked;
		}
	*ret_without_way = *ret_border && !unblocked;
}

/* Its rules, and whether its FE is a border FE. */
static void use_port(struct element *e, struct port *p)
{
	bool border, without_way;

	find_way_out(e, &border, &without_way);
	planner_refresh_port(e->core, e, p);
	if (p->info.role == PORT_BACKPLANE) {
		backplane_refresh(e->core, e);
		discovery_port(e, p);
	}
	if (border && without_way != e->without_way)
		report(e->core, EVENT_WAY_OUT, NULL, e, p->number, "%s: %s", e->name,
		       without_way ? "has no routes out of VICTOR any more"
				   : "has a way out again");
	if (border != e->border || without_way != e->without_way) {
		e->border = border;
		e->without_way = without_way;
		topology_refresh(e->core);
	}
}

static void report_port(struct element *e, const struct port *p, bool was_present, bool was_up)
{
	bool is_up = p->present && p->up;
	enum event_kind kind = EVENT_PORT_UP;
	const char *what = "is up";

	if (was_present && !p->present) {
		kind = EVENT_PORT_GONE;
		what = "is gone";
	} else if (was_up && !is_up) {
		kind = EVENT_PORT_DOWN;
		what = "is down";
	} else if (!is_up || was_up) {
		return;
	}
	report(e->core, kind, NULL, e, p->number, "%s: port %u (%s) %s", e->name, p->number,
	       p->name, what);
}

/* Everything that may follow from a port that came, changed or went. */
static void port_changed(struct element *e, struct port *p, bool was_present, bool was_up)
{
	use_port(e, p);
	segment_port_changed(e->core, e, p);
	report_port(e, p, was_present, was_present && was_up);
	if (p->present && p->up)
		attachment_port_up(e->core, p);
	else /* not only on a change: a learnt attachment may be at a port that was never up */
		attachment_port_down(e->core, p, was_present && was_up);
}

void element_set_port(struct element *e, const struct ofp_port *from)
{
	struct port *p;
	bool was_present, was_up;

	if (from->number == 0 || from->number > PIPELINE_PORT_MAX ||
	    from->number == PIPELINE_TUNNEL_PORT || from->number == PIPELINE_VXLAN_PORT)
		return;
	p = element_port(e, from->number);
	was_present = p->present;
	was_up = p->up;
	memcpy(p->name, from->name, sizeof(p->name));
	text_clean(p->name, sizeof(p->name));
	if (!mac_equal(&p->mac, &from->mac)) {
		if (!mac_is_zero(&p->mac))
			segment_port_leaves(e->core, e, p); /* its rules name its MAC */
		p->mac = from->mac;
	}
	p->present = p->listed = true;
	if (e->ovs)
		ovs_describe_port(e, p);
	if (!e->ovs)
		p->blocked = from->state & OFPPS_BLOCKED;
	p->up = !(from->state & OFPPS_LINK_DOWN) && !(from->config & OFPPC_PORT_DOWN);
	port_changed(e, p, was_present, was_up);
}

static void lose_port(struct element *e, struct port *p)
{
	bool was_up = p->up;

	if (!p->present)
		return;
	p->present = p->up = false;
	port_changed(e, p, true, was_up);
}

void element_block_port(struct element *e, uint32_t number, bool blocked)
{
	struct port *p = element_port(e, number);

	if (p->blocked == blocked)
		return;
	p->blocked = blocked;
	use_port(e, p);
}

void element_lose_port(struct element *e, uint32_t number)
{
	struct port *p = table_get(&e->ports, &number);

	if (p)
		lose_port(e, p);
}

void element_describe_port(struct element *e, const struct port_info *info)
{
	struct port *p;

	if (info->number == 0 || info->number > PIPELINE_PORT_MAX)
		return;
	p = element_port(e, info->number);
	p->info = *info;
	text_clean(p->info.identity, sizeof(p->info.identity));
	use_port(e, p);
	segment_port_changed(e->core, e, p);
}

void element_ports_begin(struct element *e)
{
	size_t at = 0;
	struct port *p;

	while (table_next(&e->ports, &at, NULL, (void **)&p))
		p->listed = false;
}

void element_ports_end(struct element *e)
{
	struct port **list = memory_alloc_array(e->ports.count + 1, sizeof(struct port *));
	size_t at = 0, count = 0;

	/* What follows from a lost port may add another to the table. */
	while (table_next(&e->ports, &at, NULL, (void **)&list[count]))
		count++;
	for (size_t i = 0; i < count; i++) {
		if (list[i]->listed || !list[i]->number)
			continue;
		if (list[i]->present)
			lose_port(e, list[i]);
		else
			attachment_port_down(e->core, list[i], false);
	}
	free(list);
	if (!e->ports_known) {
		/* Until now it was not known to be a border FE, or not to be one. */
		e->ports_known = true;
		topology_refresh(e->core);
	}
}
