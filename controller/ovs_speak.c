/* What the controller says on behalf of an Open vSwitch, by packet-out, because a switch never
 * speaks of itself: announcements for nodes that left (paper, section 3.1), and one frame through
 * each tunnel now and then: a userspace datapath looks the underlay's next hop up by ARP when the
 * first packet needs it, and drops the packet. */
#include "controller/ovs.h"

#include "controller/element.h"
#include "packet/icmp_error.h"
#include "packet/neighbor.h"

#include <string.h>

#define ICMP_ANSWERS_MAX 100          /* a second */
#define GREET_AGAIN_MS 300000         /* the switch forgets a neighbour after 15 minutes */
#define ETHERTYPE_EXPERIMENTAL 0x88b5 /* IEEE 802, local experimental: no FE forwards it */

static const unsigned announce_after_ms[] = {0, 1000, 3000};

/* --- departed nodes ------------------------------------------------------------------------ */

static bool is_elsewhere(const struct element *e, const struct departure *d)
{
	const struct node *n = inventory_node_by_address(&e->core->inventory, d->vrf, &d->address);
	const struct attachment_record *r = n ? attachment_find(e->core, n->id) : NULL;

	return r && !r->detached && r->a.place.fe != e->id;
}

static void announce(struct element *e, struct departure *d)
{
	const struct port *p = element_find_port(e, d->port);
	struct buffer frame = {0};

	if (!p || !p->present || !p->up || !is_elsewhere(e, d)) {
		d->port = 0;
		return;
	}
	neighbor_build_announcement(&frame, 0, &e->core->config.gateway_mac, &d->address);
	element_transmit(e, d->port, &frame);
	buffer_finish(&frame);
	if (++d->sent == ARRAY_SIZE(announce_after_ms))
		d->port = 0;
}

void ovs_departed(struct element *e, const struct node *n, const struct place *left)
{
	struct ovs *o = e->ovs;

	for (unsigned i = 0; i < n->address_count && left->port; i++) {
		struct departure *d = &o->departures[o->departure_next];

		o->departure_next = (o->departure_next + 1) % OVS_DEPARTURES_MAX;
		*d = (struct departure){.vrf = n->vrf,
					.address = n->addresses[i],
					.port = left->port,
					.since_ms = e->core->now_ms};
		announce(e, d);
	}
}

static void announce_departed(struct element *e)
{
	for (unsigned i = 0; i < OVS_DEPARTURES_MAX; i++) {
		struct departure *d = &e->ovs->departures[i];

		if (d->port && e->core->now_ms - d->since_ms >= announce_after_ms[d->sent])
			announce(e, d);
	}
}

/* --- packets that go no further ------------------------------------------------------------ */

/* The gateway of the sender's prefix; to somebody outside, the FE's address there. */
static bool answering_router(const struct element *e, const struct sighting *s, struct mac *mac,
			     struct address *router)
{
	const struct port *p = element_find_port(e, s->port);
	const struct declared_port *d = p ? ovs_declared_port(e, p) : NULL;
	const struct covered_prefix *prefix;
	struct address source;

	if (!d || icmp_error_source(s->data, s->size, &source) < 0)
		return false;
	if (d->role == PORT_EXTERNAL) {
		*mac = p->mac;
		*router = d->ways[address_is_ipv4(&source) ? FAMILY_IPV4 : FAMILY_IPV6].address;
		return !address_is_zero(router);
	}
	prefix = inventory_prefix(&e->core->inventory, DEFAULT_VRF, &source);
	*mac = e->core->config.gateway_mac;
	*router = prefix ? prefix->gateway : (struct address){{0}};
	return !address_is_zero(router);
}

/* At most so many errors of a kind leave an element in a second: a traceroute of many does not make
 * TCP stall. */
static bool may_answer(struct element *e, enum icmp_error kind)
{
	struct ovs *o = e->ovs;

	if (e->core->now_ms - o->icmp[kind].second_ms >= 1000) {
		o->icmp[kind].second_ms = e->core->now_ms;
		o->icmp[kind].answers = 0;
	}
	return o->icmp[kind].answers < ICMP_ANSWERS_MAX;
}

void ovs_goes_no_further(struct element *e, const struct sighting *s)
{
	enum icmp_error kind = s->too_big ? ICMP_TOO_BIG : ICMP_TIME_EXCEEDED;
	struct buffer frame = {0};
	struct address router;
	struct mac mac;

	e->ovs->too_big += s->too_big;
	if (!may_answer(e, kind) || !answering_router(e, s, &mac, &router) ||
	    icmp_error_build(&frame, s->data, s->size, kind, (uint16_t)ovs_tunnel_mtu(e), &mac,
			     &router) < 0)
		return;
	e->ovs->icmp[kind].answers++;
	element_transmit(e, s->port, &frame);
	buffer_finish(&frame);
}

/* --- tunnels ------------------------------------------------------------------------------- */

static void greet(struct element *e, uint32_t fe)
{
	uint8_t frame[NEIGHBOR_FRAME_SIZE] = {
		[12] = ETHERTYPE_EXPERIMENTAL >> 8, [13] = ETHERTYPE_EXPERIMENTAL & 0xff};
	struct ofp_actions actions = {0};

	memcpy(frame, e->core->config.gateway_mac.bytes, 6);
	memcpy(frame + 6, e->core->config.gateway_mac.bytes, 6);
	ofp_actions_add_group(&actions, fe);
	element_transmit_by(e, &actions, frame, sizeof(frame));
}

static void greet_peers(struct element *e)
{
	struct ovs *o = e->ovs;
	size_t at = 0;
	const struct rule_group *g;
	void *value;

	if (o->greeted == e->groups.count && e->core->now_ms - o->greeted_ms < GREET_AGAIN_MS)
		return;
	o->greeted = e->groups.count;
	o->greeted_ms = e->core->now_ms;
	while (table_next(&e->groups, &at, NULL, &value)) {
		g = value;
		greet(e, g->fe);
	}
}

void ovs_speak(struct element *e)
{
	announce_departed(e);
	greet_peers(e);
}
