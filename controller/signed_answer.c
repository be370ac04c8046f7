/* ADVERTISE and REPLY: what the controller says, signed for the device that is to hear it, as a
 * datagram from the gateway through the port that the question came in by. */
#include "controller/signed.h"

#include "controller/element.h"
#include "controller/segment.h"
#include "packet/ethernet.h"
#include "packet/nd.h"

#include <stdio.h>
#include <string.h>

#define TTL 64

uint32_t signed_now_s(const struct core *c)
{
	return (uint32_t)((c->now_ms - c->signing->begun_ms) / 1000);
}

struct registration_place signed_place(const struct element *e, const struct port *p, uint16_t vlan)
{
	return (struct registration_place){.element = e->id, .port = p->number, .vlan = vlan};
}

const struct sign_key *signed_answer_key(const struct core *c, const struct device *d)
{
	if (d->key.algorithm == REGISTRATION_BLAKE2B)
		return &d->key;
	return c->config.registration_key.can_sign ? &c->config.registration_key : NULL;
}

static void transmit(struct core *c, struct element *e, const struct port *p, uint16_t vlan,
		     const struct mac *to, const struct mac *from, struct datagram *d)
{
	struct buffer *frame = &c->signing->frame;

	d->ttl = TTL;
	d->data = c->signing->message.data;
	d->data_size = c->signing->message.size;
	buffer_clear(frame);
	ethernet_write(frame, to, from, vlan,
		       address_is_ipv4(&d->destination) ? ETHERTYPE_IPV4_ : ETHERTYPE_IPV6_);
	datagram_build(frame, d);
	element_transmit(e, p->number, frame);
}

static void answer(struct core *c, const struct heard *h)
{
	struct datagram back = {
		.source = h->datagram.destination,
		.destination = h->datagram.source,
		.source_port = REGISTRATION_PORT,
		.destination_port = h->datagram.source_port,
	};

	transmit(c, h->element, h->port, h->vlan, &h->source, &h->destination, &back);
}

/* What all signed answers have. */
static struct registration begin(const struct core *c, const struct element *e,
				 const struct port *p, uint16_t vlan, const char *node,
				 const char *device)
{
	struct registration r = {
		.epoch = c->config.registration_epoch,
		.place = signed_place(e, p, vlan),
		.now_s = signed_now_s(c),
	};

	snprintf(r.node, sizeof(r.node), "%s", node);
	snprintf(r.device, sizeof(r.device), "%s", device);
	if (registration_name_is_good(e->name))
		snprintf(r.element_name, sizeof(r.element_name), "%s", e->name);
	return r;
}

static bool make(struct core *c, const struct registration *r, const struct sign_key *key)
{
	buffer_clear(&c->signing->message);
	return (key ? sign_message(&c->signing->message, r, key)
		    : registration_encode(&c->signing->message, r)) == 0;
}

void signed_advertise(struct core *c, const struct heard *h, const struct device *d)
{
	struct registration r = begin(c, h->element, h->port, h->vlan, d->node, d->name);

	r.kind = REGISTRATION_ADVERTISE;
	r.sequence = h->message.sequence;
	if (make(c, &r, signed_answer_key(c, d)))
		answer(c, h);
}

/* Costs and says nothing: whoever gets it has proved nothing. */
static struct registration hint(const struct heard *h)
{
	struct registration r = {0};

	memcpy(r.node, h->message.node, sizeof(r.node));
	memcpy(r.device, h->message.device, sizeof(r.device));
	return r;
}

void signed_reply(struct core *c, const struct heard *h, const struct device *d,
		  const struct verdict *v)
{
	struct registration r =
		d ? begin(c, h->element, h->port, h->vlan, d->node, d->name) : hint(h);

	r.kind = REGISTRATION_REPLY;
	r.sequence = h->message.sequence;
	r.result = (uint8_t)v->result;
	r.reason = (uint8_t)v->reason;
	r.lifetime_s = v->lifetime_s;
	r.highest = d ? v->highest : 0;
	if (v->text)
		snprintf(r.text, sizeof(r.text), "%s", v->text);
	if (make(c, &r, d ? signed_answer_key(c, d) : NULL))
		answer(c, h);
}

/* The device with this MAC; else the one that has the node, else its first. */
static const struct device *device_to_push(const struct core *c, const struct node *n,
					   const struct mac *mac)
{
	const struct holder *h = holder_find(c, n->id);
	const struct device *d, *first = devices_at(&c->devices, n->id, 0);

	for (unsigned i = 0; (d = devices_at(&c->devices, n->id, i)); i++)
		if (mac_equal(&d->mac, mac))
			return d;
	d = h && h->known ? devices_find(&c->devices, n->id, h->device) : NULL;
	return d ? d : first;
}

/* Whoever makes a node be heard cannot make us say more than this. */
static bool may_push(struct core *c, const struct node *n)
{
	struct signed_state *s = c->signing;
	int64_t *last, second = c->now_ms / 1000;
	char key[NAME_SIZE];
	bool created;

	if (second != s->push_second) {
		s->push_second = second;
		s->pushes = 0;
	}
	if (s->pushes == SIGNED_PUSHES_MAX)
		return false;
	name_copy(key, n->id);
	last = table_put(&s->pushed, key, &created);
	if (!created && c->now_ms - *last < SIGNED_PUSH_MS)
		return false;
	*last = c->now_ms;
	s->pushes++;
	s->counts.pushed++;
	return true;
}

/* From the gateway of the address's prefix; where an IPv6 one has none, by its link-local address.
 */
static bool gateway_of(const struct core *c, const struct node *n, const struct address *a,
		       struct address *ret)
{
	const struct covered_prefix *p = inventory_prefix(&c->inventory, n->vrf, a);

	if (p && !address_is_zero(&p->gateway))
		*ret = p->gateway;
	else if (!address_is_ipv4(a))
		*ret = nd_link_local(&c->config.gateway_mac);
	else
		return false;
	return true;
}

void signed_push(struct core *c, const struct node *n, struct element *e, const struct port *p,
		 uint16_t vlan, const struct mac *mac, const struct address *address)
{
	const struct device *d = device_to_push(c, n, mac);
	struct datagram to = {.destination = *address,
			      .source_port = REGISTRATION_PORT,
			      .destination_port = REGISTRATION_PORT};
	struct place place = {e->id, p->number, vlan, *mac};
	struct mac from = segment_gateway_mac(c, n->id, &place);
	struct registration r;

	if (!d || !e->synced || !gateway_of(c, n, address, &to.source) || !may_push(c, n))
		return;
	r = begin(c, e, p, vlan, d->node, d->name);
	r.kind = REGISTRATION_ADVERTISE;
	r.is_unsolicited = true;
	if (make(c, &r, signed_answer_key(c, d)))
		transmit(c, e, p, vlan, mac, &from, &to);
}
