/* A signed registration from the frame to the verdict, in the order of docs/registration.md ("What
 * the controller does"): nothing is believed, spent or changed before the signature is right.  What
 * is admitted takes the way of any claim (attachment_claim), at once; the answer follows the
 * flow-mods.
 *
 * Unsigned words in a prefix that demands a signature, and of a node that a device has registered,
 * bind nothing; they may only confirm what is bound already. */
#include "controller/signed.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/record.h"
#include "controller/refusal.h"
#include "controller/registrar.h"
#include "controller/segment.h"
#include "packet/ethernet.h"
#include "packet/nd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct window_key {
	char node[NAME_SIZE], device[NAME_SIZE];
};
struct port_key {
	uint32_t fe, port;
};

_Static_assert(REGISTRATION_PORT == PIPELINE_REGISTRATION_PORT, "the rule is of this protocol");
_Static_assert(REGISTRATION_NAME_SIZE == NAME_SIZE, "names are names");
_Static_assert(REGISTRATION_ADDRESSES_MAX == NODE_ADDRESSES_MAX, "all addresses may be said");

struct signed_state *signed_create(uint64_t seed, int64_t now_ms)
{
	struct signed_state *s = memory_alloc(sizeof(*s));

	s->begun_ms = s->tick_ms = now_ms;
	table_init(&s->holders, NAME_SIZE, sizeof(struct holder), seed);
	table_init(&s->windows, sizeof(struct window_key), sizeof(struct registration_window),
		   seed + 1);
	table_init(&s->ports, sizeof(struct port_key), sizeof(struct signed_port), seed + 2);
	table_init(&s->pushed, NAME_SIZE, sizeof(int64_t), seed + 3);
	return s;
}

void signed_destroy(struct signed_state *s)
{
	table_finish(&s->holders);
	table_finish(&s->windows);
	table_finish(&s->ports);
	table_finish(&s->pushed);
	buffer_finish(&s->message);
	buffer_finish(&s->frame);
	free(s);
}

/* ---- what is said, by whom ---- */

static bool is_gateway(const struct core *c, const struct address *a)
{
	const struct covered_prefix *p = inventory_prefix(&c->inventory, DEFAULT_VRF, a);
	struct address router = nd_link_local(&c->config.gateway_mac);

	return (p && address_equal(&p->gateway, a)) || address_equal(&router, a);
}

/* Whether the frame is for us at all: its headers, before its checksums are looked at. */
static bool is_registration(const struct core *c, const struct sighting *s)
{
	struct reader rd = reader_make(s->data, s->size);
	struct mac destination, source;
	struct address to;
	uint8_t protocol;
	uint16_t vlan, type = ethernet_read(&rd, &destination, &source, &vlan);
	const uint8_t *ip = read_borrow(&rd, type == ETHERTYPE_IPV6_ ? 40 : 20);

	if (!ip || (type != ETHERTYPE_IPV4_ && type != ETHERTYPE_IPV6_))
		return false;
	protocol = type == ETHERTYPE_IPV4_ ? ip[9] : ip[6];
	to = type == ETHERTYPE_IPV4_ ? address_from_ipv4(ip + 16) : address_from_ipv6(ip + 24);
	read_skip(&rd, 2);
	return protocol == PROTOCOL_UDP_ && read_u16(&rd) == REGISTRATION_PORT && !rd.failed &&
	       is_gateway(c, &to);
}

static bool can_be_answered(const struct heard *h)
{
	const struct address *a = &h->datagram.source;

	return !mac_is_zero(&h->source) && !mac_is_multicast(&h->source) && !address_is_zero(a) &&
	       (address_is_ipv4(a) ? address_ipv4(a)[0] && address_ipv4(a)[0] < 224
				   : a->bytes[0] != 0xff) &&
	       h->datagram.source_port;
}

/* 0, or an error that says that it is not worth an answer. */
static int read_heard(struct heard *h, const struct sighting *s)
{
	struct reader rd = reader_make(s->data, s->size);
	int r;

	(void)ethernet_read(&rd, &h->destination, &h->source, &h->vlan);
	if (s->vlan)
		h->vlan = s->vlan;
	r = rd.failed ? -EBADMSG : datagram_parse_unfinished(&rd, &h->datagram);
	if (r == 0 && !can_be_answered(h))
		r = -EADDRNOTAVAIL;
	return r < 0 ? r
		     : registration_decode(h->datagram.data, h->datagram.data_size, &h->message);
}

/* ---- refusals ---- */

static struct signed_port *port_of(struct core *c, const struct heard *h)
{
	struct port_key key = {h->element->id, h->port->number};
	struct signed_port *p = table_put(&c->signing->ports, &key, NULL);

	if (p->second != c->now_ms / 1000) {
		p->second = c->now_ms / 1000;
		p->refused = 0;
	}
	return p;
}

static const char *rule_name(enum registration_reason reason)
{
	switch (reason) {
	case REGISTRATION_REASON_UNKNOWN_NODE:
		return "registration-unknown";
	case REGISTRATION_REASON_BAD_SIGNATURE:
		return "registration-signature";
	case REGISTRATION_REASON_WRONG_ALGORITHM:
		return "registration-algorithm";
	case REGISTRATION_REASON_STALE_EPOCH:
		return "registration-epoch";
	case REGISTRATION_REASON_STALE_SEQUENCE:
		return "registration-replayed";
	case REGISTRATION_REASON_ELSEWHERE:
		return "registration-elsewhere";
	case REGISTRATION_REASON_WRONG_MAC:
		return "registration-mac";
	case REGISTRATION_REASON_WRONG_ADDRESS:
		return "registration-address";
	case REGISTRATION_REASON_NOT_ALLOWED_HERE:
		return "registration-place";
	case REGISTRATION_REASON_HELD_BY_DEVICE:
		return "registration-held";
	case REGISTRATION_REASON_BAD_GRANT:
	case REGISTRATION_REASON_EXPIRED_GRANT:
	case REGISTRATION_REASON_SPENT_GRANT:
		return "registration-grant";
	case REGISTRATION_REASON_NOT_REGISTERED:
		return "registration-nothing";
	case REGISTRATION_REASON_NONE:
	case REGISTRATION_REASON_DAMPED:
	case REGISTRATION_REASON_BUSY:
	case REGISTRATION_REASON_NOT_DEMANDED:
		break;
	}
	return "registration-busy";
}

static void note_refusal(struct core *c, const struct heard *h, const char *rule, const char *who,
			 const char *words)
{
	char text[256], mac[MAC_TEXT_SIZE];

	c->signing->counts.refused++;
	port_of(c, h)->refused++;
	snprintf(text, sizeof(text), "%s port %u (%s): refused a registration of %s by %s: %s",
		 h->element->name, h->port->number, h->port->name, who, mac_format(&h->source, mac),
		 words);
	report_refusal(c, rule, who, h->element, h->port->number, text);
}

static void refuse_bytes(struct core *c, const struct heard *h, int error)
{
	char mac[MAC_TEXT_SIZE];

	note_refusal(c, h, "registration-malformed", mac_format(&h->source, mac),
		     error == -EPROTONOSUPPORT ? "another version of the protocol"
					       : "it is malformed");
}

static void refuse(struct core *c, const struct heard *h, const struct device *d,
		   const struct verdict *v)
{
	char who[2 * NAME_SIZE + 1];

	snprintf(who, sizeof(who), "%s%s%s", h->message.node, h->message.device[0] ? "/" : "",
		 h->message.device);
	note_refusal(c, h, rule_name(v->reason), who,
		     v->text ? v->text : registration_reason_text((uint8_t)v->reason));
	signed_reply(c, h, d, v);
}

/* ---- may it? ---- */

static struct registration_window *window_of(struct core *c, const struct device *d)
{
	struct window_key key;

	name_copy(key.node, d->node);
	name_copy(key.device, d->name);
	return table_put(&c->signing->windows, &key, NULL);
}

/* The device's MAC, else the node's, else any but the gateway's. */
static bool may_have_mac(const struct core *c, const struct node *n, const struct device *d,
			 const struct mac *mac)
{
	if (!mac_is_zero(&d->mac))
		return mac_equal(&d->mac, mac);
	if (!mac_is_zero(&n->mac))
		return mac_equal(&n->mac, mac);
	return !rule_is_gateway_mac(mac, &c->config.gateway_mac);
}

static bool has_addresses(const struct node *n, const struct registration *m)
{
	for (unsigned i = 0; i < m->address_count; i++) {
		unsigned at = 0;

		while (at < n->address_count && !address_equal(&n->addresses[at], &m->addresses[i]))
			at++;
		if (at == n->address_count)
			return false;
	}
	return true;
}

/* On a LAN of several FEs each of them hears it: that it names another one of them is no wonder. */
static bool is_here(const struct core *c, const struct heard *h)
{
	const struct registration_place *p = &h->message.place;
	struct place named = {.fe = (uint32_t)p->element, .port = p->port};
	struct place here = {.fe = h->element->id, .port = h->port->number};

	if (p->vlan != h->vlan || p->element > ELEMENT_ID_MAX)
		return false;
	return place_same_port(&named, &here) || segment_is_same(c, &named, &here);
}

static enum registration_reason check_grant(struct core *c, const struct heard *h,
					    const struct device *d, const struct holder *holder,
					    struct registration_grant *g)
{
	const struct device *giver = devices_find(&c->devices, d->node, holder->device);

	if (!h->message.grant_size || !giver)
		return REGISTRATION_REASON_HELD_BY_DEVICE;
	if (registration_grant_decode(h->message.grant, h->message.grant_size, g) < 0 ||
	    strcmp(g->node, d->node) != 0 || strcmp(g->from_device, holder->device) != 0 ||
	    strcmp(g->to_device, d->name) != 0 || !mac_equal(&g->to_mac, &h->message.mac) ||
	    !sign_grant_check(g, &giver->key))
		return REGISTRATION_REASON_BAD_GRANT;
	return registration_window_look(window_of(c, giver), c->config.registration_epoch,
					signed_now_s(c), g);
}

/* Where the node is allowed, as any claim is asked. */
static enum registration_reason check_place(struct core *c, const struct heard *h,
					    const struct node *n, const char **why)
{
	if (h->element->ovs && h->vlan)
		*why = "no-vlans";
	else if (registrar_may_attach(c, n, h->element, h->port, why))
		return REGISTRATION_REASON_NONE;
	return REGISTRATION_REASON_NOT_ALLOWED_HERE;
}

/* ---- what is done ---- */

static struct place place_of(const struct heard *h)
{
	return (struct place){h->element->id, h->port->number, h->vlan, h->message.mac};
}

/* Whether the node is attached where this was said, on its port or its LAN. */
static bool is_attached_at(const struct core *c, const struct attachment_record *r,
			   const struct place *p)
{
	return r && !r->detached && r->a.place.vlan == p->vlan &&
	       mac_equal(&r->a.place.mac, &p->mac) &&
	       (place_same_port(&r->a.place, p) || segment_is_same(c, &r->a.place, p));
}

static bool has_it(const struct holder *holder, const struct device *d)
{
	return holder && holder->known && strcmp(holder->device, d->name) == 0;
}

static uint32_t hold(struct core *c, const struct device *d, uint32_t asked_s)
{
	uint32_t most = c->config.registration_lifetime_s, given = asked_s < most ? asked_s : most;

	holder_set(c, d->node, d->name, given)->confirmed = true;
	return given;
}

static struct verdict refused(enum registration_reason reason)
{
	return (struct verdict){.result = REGISTRATION_REFUSED, .reason = reason};
}

static struct verdict challenged(enum registration_reason reason)
{
	return (struct verdict){.result = REGISTRATION_CHALLENGE, .reason = reason};
}

static struct verdict take(struct core *c, const struct heard *h, const struct device *d,
			   const struct node *n)
{
	struct holder *holder = holder_find(c, n->id);
	struct registration_grant grant;
	struct place place = place_of(h);
	struct verdict v = {.result = REGISTRATION_REFUSED};
	bool granted = holder && holder->known && !has_it(holder, d);

	if (granted)
		v.reason = check_grant(c, h, d, holder, &grant);
	if (v.reason == REGISTRATION_REASON_NONE)
		v.reason = check_place(c, h, n, &v.text);
	if (v.reason != REGISTRATION_REASON_NONE)
		return v;
	if (granted)
		registration_window_spend(
			window_of(c, devices_find(&c->devices, d->node, holder->device)), &grant);
	attachment_claim(
		c, n,
		&(struct claim){.place = place, .heard_by = h->element->id, .proof = PROOF_SIGNED});
	if (!is_attached_at(c, attachment_find(c, n->id), &place))
		return refused(REGISTRATION_REASON_BUSY);
	c->signing->counts.registered++;
	v.result = REGISTRATION_DONE;
	v.lifetime_s = hold(c, d, h->message.lifetime_s);
	return v;
}

static struct verdict renew(struct core *c, const struct heard *h, const struct device *d,
			    const struct node *n)
{
	struct attachment_record *r = attachment_find(c, n->id);
	struct place place = place_of(h);

	if (!has_it(holder_find(c, n->id), d) || !is_attached_at(c, r, &place))
		return challenged(REGISTRATION_REASON_NOT_REGISTERED);
	attachment_claim(
		c, n,
		&(struct claim){.place = place, .heard_by = h->element->id, .proof = PROOF_SIGNED});
	c->signing->counts.renewed++;
	return (struct verdict){.result = REGISTRATION_DONE,
				.lifetime_s = hold(c, d, h->message.lifetime_s)};
}

static struct verdict end(struct core *c, const struct device *d, const struct node *n)
{
	const struct holder *holder = holder_find(c, n->id);

	if (holder && holder->known && !has_it(holder, d))
		return refused(REGISTRATION_REASON_HELD_BY_DEVICE);
	if (holder && attachment_detach(c, n->id, "it deregistered"))
		c->signing->counts.deregistered++;
	return (struct verdict){.result = REGISTRATION_DONE};
}

/* ---- the order of things ---- */

/* It is signed well, and of this epoch, and new. */
static struct verdict decide(struct core *c, const struct heard *h, const struct device *d,
			     const struct node *n)
{
	if (!is_here(c, h))
		return challenged(REGISTRATION_REASON_ELSEWHERE);
	if (!may_have_mac(c, n, d, &h->message.mac))
		return refused(REGISTRATION_REASON_WRONG_MAC);
	if (!has_addresses(n, &h->message))
		return refused(REGISTRATION_REASON_WRONG_ADDRESS);
	if (h->message.kind == REGISTRATION_REGISTER)
		return take(c, h, d, n);
	return h->message.kind == REGISTRATION_RENEW ? renew(c, h, d, n) : end(c, d, n);
}

static void judge(struct core *c, const struct heard *h, const struct device *d,
		  const struct node *n)
{
	struct registration_window *w = window_of(c, d);
	enum registration_reason stale =
		c->config.fault == FAULT_REPLAYED
			? REGISTRATION_REASON_NONE
			: registration_window_accept(w, c->config.registration_epoch, &h->message);
	struct verdict v =
		stale == REGISTRATION_REASON_NONE ? decide(c, h, d, n) : challenged(stale);

	v.highest = w->sequence;
	if (v.result == REGISTRATION_DONE)
		signed_reply(c, h, d, &v);
	else
		refuse(c, h, d, &v);
}

/* What proves nothing gets a hint that proves nothing. */
static const struct device *authenticate(struct core *c, const struct heard *h,
					 const struct node **ret)
{
	const struct device *d = devices_find(&c->devices, h->message.node, h->message.device);
	enum registration_reason reason = REGISTRATION_REASON_NONE;
	struct verdict v = {.result = REGISTRATION_REFUSED};

	*ret = inventory_node(&c->inventory, h->message.node);
	if (!d || !*ret)
		reason = REGISTRATION_REASON_UNKNOWN_NODE;
	else if (h->message.algorithm != d->key.algorithm || !signed_answer_key(c, d))
		reason = REGISTRATION_REASON_WRONG_ALGORITHM;
	else if (!sign_message_check(&h->message, &d->key))
		reason = REGISTRATION_REASON_BAD_SIGNATURE;
	if (reason == REGISTRATION_REASON_NONE)
		return d;
	v.reason = reason;
	refuse(c, h, NULL, &v);
	return NULL;
}

static void listen(struct core *c, const struct heard *h)
{
	const struct node *n;
	const struct device *d = authenticate(c, h, &n);

	if (!d)
		return;
	if (h->message.kind != REGISTRATION_SOLICIT) {
		judge(c, h, d, n);
		return;
	}
	c->signing->counts.solicited++;
	signed_advertise(c, h, d);
}

static bool is_question(uint8_t kind)
{
	return kind == REGISTRATION_SOLICIT || kind == REGISTRATION_REGISTER ||
	       kind == REGISTRATION_RENEW || kind == REGISTRATION_DEREGISTER;
}

bool signed_heard(struct core *c, struct element *e, const struct sighting *s)
{
	struct heard h = {.element = e, .port = element_find_port(e, s->port)};
	int r;

	if (s->ttl_over || s->too_big || !is_registration(c, s))
		return false;
	/* Who asks an FE that is still being compared asks again. */
	if (s->replay || !e->synced || !h.port || !h.port->present ||
	    h.port->info.role != PORT_ACCESS || port_of(c, &h)->refused >= SIGNED_REFUSED_MAX)
		return true;
	r = read_heard(&h, s);
	if (r == 0 && !is_question(h.message.kind))
		r = -EBADMSG;
	if (r < 0)
		refuse_bytes(c, &h, r);
	else
		listen(c, &h);
	return true;
}

/* ---- what is not signed ---- */

bool signed_demanded(const struct core *c, const struct node *n)
{
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct covered_prefix *p =
			inventory_prefix(&c->inventory, n->vrf, &n->addresses[i]);

		if (p && p->signed_only)
			return true;
	}
	return false;
}

bool signed_knows_mac(const struct core *c, const struct node *n, const struct mac *mac)
{
	const struct device *d;

	for (unsigned i = 0; (d = devices_at(&c->devices, n->id, i)); i++)
		if (mac_equal(&d->mac, mac))
			return true;
	return false;
}

bool signed_admits(struct core *c, const struct node *n, struct element *e, const struct port *p,
		   uint16_t vlan, const struct mac *mac, const struct address *address)
{
	const struct place place = {e->id, p->number, vlan, *mac};
	const struct holder *holder = holder_find(c, n->id);
	bool is_bound;

	if ((!holder && !signed_demanded(c, n)) || c->config.fault == FAULT_UNSIGNED)
		return true;
	is_bound = is_attached_at(c, attachment_find(c, n->id), &place);
	if (!is_bound || !holder || !holder->confirmed)
		signed_push(c, n, e, p, vlan, mac, address);
	return is_bound;
}
