/* What the switches of a LAN, and the node, are told when another FE begins to send from a
 * gateway's MAC: one frame from it, so that they learn the port.  No neighbour's cache has to
 * change. */
#include "controller/segment.h"

#include "controller/element.h"
#include "packet/nd.h"
#include "packet/neighbor.h"

#include <string.h>

static const struct covered_prefix *prefix_with_gateway(const struct core *c, const struct node *n,
							bool ipv4)
{
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct covered_prefix *p =
			inventory_prefix(&c->inventory, n->vrf, &n->addresses[i]);

		if (p && !address_is_zero(&p->gateway) && address_is_ipv4(&p->gateway) == ipv4)
			return p;
	}
	return NULL;
}

/* To the node alone: its neighbours are told other MACs. */
void segment_announce(struct core *c, const struct attachment_record *r)
{
	struct element *e = element_find(c, r->a.place.fe);
	const struct place *at = &r->a.place;
	const struct node *n = record_node(c, r);
	const struct covered_prefix *p;
	struct buffer frame = {0};
	struct mac mac;

	if (!e || !n || !at->port || !segment_is_shared(element_find_port(e, at->port)))
		return;
	mac = segment_gateway_mac(c, r->a.node, at);
	p = prefix_with_gateway(c, n, true);
	if (p) {
		neighbor_build_announcement(&frame, at->vlan, &mac, &p->gateway);
		memcpy(frame.data, at->mac.bytes, sizeof(at->mac.bytes));
	} else {
		p = prefix_with_gateway(c, n, false);
		if (p)
			nd_build_gateway(&frame, at->vlan, &mac, &c->config.gateway_mac,
					 &p->gateway, &at->mac);
	}
	if (frame.size)
		element_transmit(e, at->port, &frame);
	buffer_finish(&frame);
}

static const struct address *any_gateway(const struct core *c, bool ipv4)
{
	for (unsigned i = 0; i < c->inventory.prefix_count; i++) {
		const struct address *gateway = &c->inventory.prefixes[i].gateway;

		if (address_is_ipv4(gateway) == ipv4 && !address_is_zero(gateway))
			return gateway;
	}
	return NULL;
}

/* An ARP probe changes no neighbour's cache, nor does an advertisement that names no MAC (RFC 4861,
 * section 7.2.5). */
void segment_announce_gateway(struct core *c, struct element *e, uint32_t port)
{
	static const uint8_t nobody[4];
	const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct address sender = address_from_ipv4(nobody);
	const struct address *gateway = any_gateway(c, true);
	const struct mac *mac = &c->config.gateway_mac;
	struct buffer frame = {0};

	if (gateway) {
		neighbor_build_probe(&frame, 0, mac, &sender, &broadcast, gateway);
	} else {
		gateway = any_gateway(c, false);
		if (gateway)
			nd_build_gateway(&frame, 0, mac, mac, gateway, NULL);
	}
	if (frame.size)
		element_transmit(e, port, &frame);
	buffer_finish(&frame);
}
