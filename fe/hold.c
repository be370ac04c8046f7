/* A list in the order in which the frames came, which is the order in which they go on. */
#include "fe/hold.h"

#include "base/memory.h"
#include "packet/unfinished.h"

#include <stdlib.h>
#include <string.h>

/* A node's frame that came later than its binding was refused for another reason. */
#define SLACK_MS 2

struct held_frame {
	struct held_frame *next;
	int64_t until_ms;
	bool own;               /* a node here sent it */
	struct address address; /* own: its sender's, else whom it is for */
	struct mac mac;         /* own */
	uint16_t vlan;          /* own */
	uint32_t port, vrf;
	size_t size;
	uint8_t bytes[];
};

struct held_port {
	int64_t until_ms;
	unsigned count; /* frames of it that are kept */
	bool holds;     /* the data plane does */
};

void hold_init(struct hold *h, struct pipeline *pipeline, unsigned hold_ms, uint64_t seed,
	       int64_t now_ms)
{
	const struct datapath_ops *ops = pipeline->ops;

	*h = (struct hold){.pipeline = pipeline, .now_ms = now_ms};
	h->hold_ms = ops->port_hold && ops->resume ? hold_ms : 0;
	h->end = &h->first;
	table_init(&h->ports, sizeof(uint32_t), sizeof(struct held_port), seed);
}

void hold_finish(struct hold *h)
{
	for (struct held_frame *f = h->first, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	table_finish(&h->ports);
}

/* ---- ports ---- */

static void end_port(struct hold *h, uint32_t number, struct held_port *port)
{
	struct pipeline *p = h->pipeline;

	if (port->holds)
		(void)!p->ops->port_hold(p->context, number, false);
	port->holds = false;
}

void hold_port_down(struct hold *h, uint32_t number)
{
	struct pipeline *p = h->pipeline;
	struct held_port *port;

	if (!h->hold_ms || p->ops->port_hold(p->context, number, true) < 0)
		return;
	port = table_put(&h->ports, &number, NULL);
	port->holds = true;
	port->until_ms = h->now_ms + h->hold_ms;
}

void hold_port_up(struct hold *h, uint32_t number)
{
	struct held_port *port = table_get(&h->ports, &number);

	if (!port)
		return;
	end_port(h, number, port);
	hold_settle(h);
}

/* ---- frames ---- */

static void keep(struct hold *h, const struct upcall *u, const struct held_frame *like)
{
	struct held_port *port = table_put(&h->ports, &u->port, NULL);
	struct held_frame *f;

	if (h->count == HOLD_FRAMES || port->count == HOLD_PORT_FRAMES) {
		end_port(h, u->port, port);
		h->dropped++;
		return;
	}
	f = memory_alloc(sizeof(*f) + u->size);
	*f = *like;
	f->until_ms = h->now_ms + h->hold_ms;
	f->port = u->port;
	f->size = u->size;
	memcpy(f->bytes, u->frame, u->size);
	*h->end = f;
	h->end = &f->next;
	h->count++;
	port->count++;
}

static bool read_destination(const struct upcall *u, struct address *ret)
{
	struct reader rd = reader_make(u->frame, u->size);
	uint16_t ethertype;
	uint8_t bytes[16];
	bool ipv4;

	read_skip(&rd, 12);
	ethertype = read_u16(&rd);
	ipv4 = ethertype == ETHERTYPE_IPV4_;
	read_skip(&rd, ipv4 ? 16 : 24);
	read_bytes(&rd, bytes, ipv4 ? 4 : 16);
	*ret = ipv4 ? address_from_ipv4(bytes) : address_from_ipv6(bytes);
	return !rd.failed && (ipv4 || ethertype == ETHERTYPE_IPV6_);
}

void hold_packet(struct hold *h, const struct upcall *u)
{
	struct pipeline *p = h->pipeline;
	struct held_frame f = {};

	/* An agent before this one said so, and did not live to say the other. */
	if (p->ops->port_hold && !table_get(&h->ports, &u->port))
		(void)!p->ops->port_hold(p->context, u->port, false);
	if (!h->hold_ms || u->size > HOLD_FRAME_SIZE || !read_destination(u, &f.address) ||
	    pipeline_port_vrf(p, u->port, &f.vrf) < 0) {
		h->dropped++;
		return;
	}
	keep(h, u, &f);
}

/* Its sender's binding, at the place that it was sent from. */
static const struct pipeline_entry *own_binding(const struct hold *h, const struct held_frame *f,
						uint32_t port)
{
	const struct pipeline_entry *local =
		pipeline_find_binding(h->pipeline, RULE_LOCAL, f->vrf, &f->address);

	return local && local->rule.port == port && local->rule.vlan == f->vlan &&
			       mac_equal(&local->rule.mac, &f->mac)
		       ? local
		       : NULL;
}

void hold_stranger(struct hold *h, const struct upcall *u, const struct claim *claim)
{
	struct held_frame f = {.own = true,
			       .address = claim->address,
			       .mac = claim->mac,
			       .vlan = claim->vlan,
			       .vrf = claim->vrf};
	const struct pipeline_entry *local = own_binding(h, &f, u->port);

	if (!h->hold_ms || u->size != u->wire_size || u->size > HOLD_FRAME_SIZE ||
	    (local && u->received_us / 1000 > local->since_ms + SLACK_MS))
		return;
	keep(h, u, &f);
}

/* Whether it has somewhere to go now. */
static bool is_due(const struct hold *h, const struct held_frame *f)
{
	const struct pipeline_entry *local;
	const struct agent_port *port;

	if (f->own)
		return own_binding(h, f, f->port);
	local = pipeline_find_binding(h->pipeline, RULE_LOCAL, f->vrf, &f->address);
	if (!local)
		return pipeline_is_foreign(h->pipeline, f->vrf, &f->address);
	port = pipeline_port(h->pipeline, local->rule.port);
	return port && port->up;
}

static void resume(struct hold *h, struct held_frame *f)
{
	struct pipeline *p = h->pipeline;
	struct datapath_frame frame = {.own = f->own,
				       .vlan = f->vlan,
				       .port = f->port,
				       .vrf = f->vrf,
				       .data = f->bytes,
				       .size = f->size};

	unfinished_complete(f->bytes, f->size);
	if (p->ops->resume(p->context, &frame) < 0)
		h->dropped++;
}

/* Those that are due go on; those whose time is over do not. */
static void walk(struct hold *h)
{
	struct held_frame **at = &h->first;

	while (*at) {
		struct held_frame *f = *at;
		bool due = is_due(h, f);

		if (!due && h->now_ms < f->until_ms) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		h->count--;
		((struct held_port *)table_get(&h->ports, &f->port))->count--;
		if (due)
			resume(h, f);
		else
			h->dropped++;
		free(f);
	}
	h->end = at;
}

void hold_settle(struct hold *h)
{
	struct pipeline *p = h->pipeline;

	if (!h->hold_ms)
		return;
	p->ops->drain_upcalls(p->context);
	walk(h);
}

void hold_tick(struct hold *h)
{
	size_t at = 0;
	const void *key;
	void *value;

	hold_settle(h);
	while (table_next(&h->ports, &at, &key, &value)) {
		struct held_port *port = value;
		uint32_t number = *(const uint32_t *)key;

		if (h->now_ms < port->until_ms)
			continue;
		end_port(h, number, port);
		if (!port->count)
			table_remove(&h->ports, &number);
	}
}
