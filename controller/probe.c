/* Questions to nodes (controller/probe.h); attachment.c asks them, and the answers come back to it
 * as claims. */
#include "controller/probe.h"

#include "controller/element.h"
#include "controller/record.h"
#include "controller/segment.h"
#include "packet/neighbor.h"

void probe_place(struct core *c, const struct attachment_record *r, const struct place *place)
{
	struct element *e = element_find(c, place->fe);
	const struct node *n = record_node(c, r);
	struct address sender = {{[10] = 0xff, [11] = 0xff}};
	struct mac gateway_mac = segment_gateway_mac(c, r->a.node, place);
	struct buffer frame = {0};
	bool asked[2] = {false, false};

	if (!e || !e->synced || !place->port || !n)
		return;
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct address *a = &n->addresses[i];
		const struct covered_prefix *p = inventory_prefix(&c->inventory, n->vrf, a);
		bool v4 = address_is_ipv4(a);

		if (asked[v4])
			continue;
		asked[v4] = true;
		if (v4 && p && address_is_ipv4(&p->gateway))
			sender = p->gateway;
		buffer_clear(&frame);
		neighbor_build_probe(&frame, place->vlan, &gateway_mac, &sender, &place->mac, a);
		element_transmit(e, place->port, &frame);
	}
	buffer_finish(&frame);
}

#define PROBES_PER_TICK 16

void probe_learnt(struct element *e)
{
	for (unsigned i = 0; i < PROBES_PER_TICK && e->unprobed; i++) {
		struct attachment_record *r = record_at(e->core, e->unprobed);

		record_unlink_list(e->core, r);
		r->probed = true;
		probe_place(e->core, r, &r->a.place);
	}
}
