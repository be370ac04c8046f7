/* What the northbound may ask of links. */
#include "controller/core.h"

#include "controller/backplane.h"
#include "controller/element.h"
#include "controller/tunnel.h"

#include <string.h>

static void view_what_is_configured(const struct core *c, const struct link *l,
				    struct link_view *view)
{
	const struct element *ends[2];
	struct tunnel tunnel;

	view->up = true;
	view->kind = l->kind;
	view->cost = l->cost;
	view->by_delay = l->by_delay;
	view->bandwidth_mbps = l->bandwidth_mbps;
	memcpy(view->ports, l->ports, sizeof(view->ports));
	for (unsigned end = 0; end < 2; end++) {
		const struct element *e = element_by_name(c, l->ends[end]);

		ends[end] = e;
		name_copy(view->names[end], l->ends[end]);
		view->fe[end] = e ? e->id : 0;
		view->up &= e && e->state == ELEMENT_ONLINE;
		view->why_down[end] = "";
	}
	view->tunnelled = ends[0] && ends[1] && tunnel_between(c, ends[0], ends[1], &tunnel);
	view->vxlan = view->tunnelled && tunnel.vxlan;
	view->ipv6 = view->tunnelled && !address_is_ipv4(&tunnel.address);
}

static void view_what_is_told(const struct backplane_link *b, struct link_view *view)
{
	view->cost = b->cost;
	view->up = b->live;
	view->discovered = b->discovered;
	view->delay_us = b->delay_us;
	for (unsigned i = 0; i < 2; i++) {
		const struct link_end *end = &b->ends[i];

		view->reported[i] = end->reported;
		view->end_up[i] = end->reported && end->state.up;
		view->why_down[i] = end->reported && !end->state.up
					    ? backplane_diagnostic(end->state.diagnostic)
					    : "";
		view->bits_per_second[i] = end->bits_per_second;
		view->packets[i] = end->state.packets;
		view->bytes[i] = end->state.bytes;
	}
}

void core_links(const struct core *c, void (*each)(void *to, const struct link_view *), void *to)
{
	for (unsigned i = 0; i < c->inventory.link_count; i++) {
		struct link_view view = {0};

		if (c->inventory.links[i].kind)
			continue;
		view_what_is_configured(c, &c->inventory.links[i], &view);
		each(to, &view);
	}
	for (unsigned i = 0; i < c->link_count; i++) {
		struct link_view view = {0};

		view_what_is_configured(c, &c->links[i]->l, &view);
		view_what_is_told(c->links[i], &view);
		each(to, &view);
	}
}
