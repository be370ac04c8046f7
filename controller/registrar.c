/* Who is it, and may they?  A frame that an FE heard on an access port becomes a claim (this node
 *is at this place) or a refusal, which is counted and said once.
 *
 *	ARP request, reply, announcement   the sender's address and MAC
 *	ARP probe                          nothing: the address is not in use yet (RFC 5227)
 *	RARP                               the MAC; the inventory gives the addresses
 *	neighbour solicitation             the sender's address and MAC; in duplicate address
 *	                                   detection the target: who does that is taking it
 *	neighbour advertisement            the target and the MAC
 *	data                               the source address and MAC (an FE sends up what no guard
 *	                                   let pass, so the first packet of a node that came
 *silently)
 *
 * A link-local address claims nothing: it is no node's alone.
 *
 * The gateway's virtual MAC and addresses are every FE's; they never register.  Modes, and whose a
 * port is, are admission.c's. */
#include "controller/registrar.h"

#include "controller/admission.h"
#include "controller/element.h"
#include "controller/overlap.h"
#include "controller/refusal.h"
#include "controller/segment.h"
#include "controller/signed.h"
#include "packet/nd.h"
#include "packet/neighbor.h"

#include <stdio.h>
#include <string.h>

#define ETHERTYPE_VLAN_ 0x8100

/* What a frame says. */
struct sender {
	uint16_t vlan;
	struct mac mac;
	bool has_address, elicited;
	struct address address;
};

static int read_data(struct reader *rd, uint16_t ethertype, struct sender *ret)
{
	uint8_t bytes[16];

	if (ethertype == ETHERTYPE_IPV4_) {
		read_skip(rd, 12);
		read_bytes(rd, bytes, 4);
		ret->address = address_from_ipv4(bytes);
	} else {
		read_skip(rd, 8);
		read_bytes(rd, bytes, 16);
		ret->address = address_from_ipv6(bytes);
	}
	ret->has_address = true;
	/* ::ffff:a.b.c.d on a wire is no IPv4 address. */
	if (ethertype == ETHERTYPE_IPV6_ && address_is_ipv4(&ret->address))
		return -1;
	return rd->failed || address_is_zero(&ret->address) ? -1 : 0;
}

static int read_neighbor(const struct core *c, const struct sighting *s, struct sender *ret)
{
	struct neighbor n;

	if (neighbor_parse(s->data, s->size, &n) < 0 ||
	    (n.kind != NEIGHBOR_RARP && !neighbor_claims_address(&n)))
		return -1;
	ret->mac = n.sender_mac;
	ret->has_address = n.kind != NEIGHBOR_RARP;
	ret->address = n.sender;
	ret->elicited = n.elicited && rule_is_gateway_mac(&n.target_mac, &c->config.gateway_mac);
	return 0;
}

/* 0, or -1 for a frame that claims nothing. */
static int read_sender(const struct core *c, const struct sighting *s, struct sender *ret)
{
	struct reader rd = reader_make(s->data, s->size);
	uint16_t ethertype;

	*ret = (struct sender){.vlan = s->vlan};
	read_skip(&rd, 6);
	read_bytes(&rd, ret->mac.bytes, 6);
	ethertype = read_u16(&rd);
	if (ethertype == ETHERTYPE_VLAN_) {
		ret->vlan = read_u16(&rd) & 0xfff;
		ethertype = read_u16(&rd);
	}
	if (rd.failed || mac_is_zero(&ret->mac) || mac_is_multicast(&ret->mac))
		return -1;
	if (ethertype == ETHERTYPE_ARP_ || ethertype == ETHERTYPE_RARP_ || nd_is(s->data, s->size))
		return read_neighbor(c, s, ret);
	if (ethertype == ETHERTYPE_IPV4_ || ethertype == ETHERTYPE_IPV6_)
		return read_data(&rd, ethertype, ret);
	return -1;
}

static bool is_listed(const struct element *e, uint8_t count, const char names[][NAME_SIZE])
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], e->name) == 0)
			return true;
	return count == 0;
}

/* A fixed node stays in the segment of its first attachment. */
static bool left_its_segment(const struct core *c, const struct node *n, const struct element *e,
			     const struct port *p)
{
	const struct attachment_record *r = attachment_of(c, n);
	const struct element *home;
	const struct port *port;

	if (!r || r->detached || node_list(n, NODE_ELEMENTS)[0])
		return false;
	if (r->a.place.fe == e->id && (r->a.place.port == p->number || !r->a.place.port))
		return false;
	home = element_find(c, r->a.place.fe);
	port = home ? element_find_port(home, r->a.place.port) : NULL;
	return !port || !port->info.segment || port->info.segment != p->info.segment;
}

static bool is_fixed(const struct core *c, const struct node *n)
{
	const struct covered_prefix *p = inventory_prefix(&c->inventory, n->vrf, &n->addresses[0]);

	return !n->mobile || (p && !p->mobile);
}

bool registrar_may_attach(const struct core *c, const struct node *n, const struct element *e,
			  const struct port *p, const char **why)
{
	*why = "not-allowed-here";
	if (p->info.role && p->info.role != PORT_ACCESS)
		return false;
	if (!node_may_be_at(n, e->name))
		return false;
	for (unsigned i = 0; i < n->address_count; i++) {
		const struct covered_prefix *prefix =
			inventory_prefix(&c->inventory, n->vrf, &n->addresses[i]);

		if (!prefix || !is_listed(e, prefix->element_count, prefix->elements))
			return false;
	}
	*why = admission_refuses(c, n, e, p);
	if (*why)
		return false;
	*why = "fixed-node";
	return !is_fixed(c, n) || !left_its_segment(c, n, e, p);
}

static const char *explain(const char *why)
{
	static const struct {
		const char *why, *text;
	} texts[] = {
		{"unknown-node", "no node of the inventory has this address or MAC"},
		{"not-covered", "the address is in no covered prefix"},
		{"gateway-address", "the address is the gateway's"},
		{"gateway-mac", "the MAC is the gateway's"},
		{"wrong-mac", "the node has another MAC"},
		{"not-allowed-here", "the node may not attach to this element or port"},
		{"another-nodes-port", "the host says that the port is another node's"},
		{"not-this-port", "the node's 'allow' names other ports"},
		{"not-this-site", "the node's 'allow' names other sites"},
		{"not-this-label", "the node's 'allow' names labels that this site does not have"},
		{"overlap", "an element's own route is in the way: see 'victorctl show alarms'"},
		{"claimed", "another MAC came first; 'victorctl release' frees the address"},
		{"too-many-claimed", "this port, or all together, came first with too many"},
		{"no-vlans", "an Open vSwitch has no VLAN trunks"},
		{"not-signed", "only a signed registration binds the node here"},
		{"fixed-node", "the node is fixed and already attached elsewhere"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].why, why) == 0)
			return texts[i].text;
	return why;
}

/* The FE believed the claim for packets on their way (a tentative binding, P4) when it sent it up;
 * whoever is refused gets none of them. */
static void withdraw_tentative(struct core *c, struct element *e, const struct sender *from)
{
	struct rule rule = {
		.key = {.kind = RULE_TENTATIVE, .vrf = DEFAULT_VRF, .address = from->address}};

	if (!e->ovs && from->has_address &&
	    inventory_prefix(&c->inventory, DEFAULT_VRF, &from->address))
		element_withdraw_rule(e, &rule);
}

static void refuse(struct core *c, const char *why, const struct element *e, const struct port *p,
		   const struct sender *from)
{
	char mac[MAC_TEXT_SIZE], address[ADDRESS_TEXT_SIZE] = "", text[256];

	mac_format(&from->mac, mac);
	if (from->has_address)
		address_format(&from->address, address);
	snprintf(text, sizeof(text), "%s port %u (%s): refused %s%s%s: %s", e->name, p->number,
		 p->name, address, address[0] ? " at " : "", mac, explain(why));
	report_refusal(c, why, from->has_address ? address : mac, e, p->number, text);
}

/* NULL: refused, for *why. */
static const struct node *identify(struct core *c, const struct sender *from, const struct port *at,
				   const char **why)
{
	const struct covered_prefix *p;
	const struct node *n;

	*why = "unknown-node";
	if (!from->has_address)
		return inventory_node_by_mac(&c->inventory, DEFAULT_VRF, &from->mac);
	p = inventory_prefix(&c->inventory, DEFAULT_VRF, &from->address);
	if (!p) {
		*why = "not-covered";
		return NULL;
	}
	if (address_equal(&p->gateway, &from->address)) {
		*why = "gateway-address";
		return NULL;
	}
	n = inventory_node_by_address(&c->inventory, DEFAULT_VRF, &from->address);
	return n ? n : admission_learn(c, DEFAULT_VRF, &from->address, &from->mac, at, why);
}

/* A node without a declared MAC has the first that announced it, until it is detached. */
static bool has_mac(const struct core *c, const struct node *n, const struct mac *mac)
{
	const struct attachment_record *r;

	if (signed_knows_mac(c, n, mac))
		return true;
	if (!mac_is_zero(&n->mac))
		return mac_equal(&n->mac, mac);
	r = attachment_of(c, n);
	return !r || r->detached || mac_is_zero(&r->a.place.mac) || mac_equal(&r->a.place.mac, mac);
}

/* Of a node that is somewhere already only an alarm tells. */
static bool is_new_in_the_way(const struct core *c, const struct node *n)
{
	const struct attachment_record *r = attachment_of(c, n);
	const struct element *e;

	for (unsigned i = 0; i < n->address_count && (!r || r->detached); i++)
		if (overlap_find(c, n->vrf, &n->addresses[i], &e))
			return true;
	return false;
}

void registrar_sighting(struct core *c, struct element *e, const struct sighting *s)
{
	const struct port *p = element_find_port(e, s->port);
	struct sender from;
	const struct node *n;
	const char *why;

	if (!p || !p->present || read_sender(c, s, &from) < 0)
		return;
	/* Another FE of the segment, delivering or answering. */
	if (segment_is_shared(p) && (rule_is_gateway_mac(&from.mac, &c->config.gateway_mac) ||
				     segment_has_port_mac(c, p, &from.mac)))
		return;
	if (rule_is_gateway_mac(&from.mac, &c->config.gateway_mac)) {
		refuse(c, "gateway-mac", e, p, &from);
		return;
	}
	n = identify(c, &from, p, &why);
	if (n && e->ovs && from.vlan) {
		n = NULL;
		why = "no-vlans";
	}
	if (n && !has_mac(c, n, &from.mac)) {
		why = n->learned ? "claimed" : "wrong-mac";
		n = NULL;
	}
	if (n && is_new_in_the_way(c, n)) {
		n = NULL;
		why = "overlap";
	}
	if (!n || !registrar_may_attach(c, n, e, p, &why)) {
		withdraw_tentative(c, e, &from);
		if (n && strncmp(why, "not-", 4) == 0 && segment_serves(c, p, n))
			return; /* another element hears it too, and may have it */
		refuse(c, why, e, p, &from);
		return;
	}
	if (!signed_admits(c, n, e, p, from.vlan, &from.mac,
			   from.has_address ? &from.address : &n->addresses[0])) {
		withdraw_tentative(c, e, &from);
		refuse(c, "not-signed", e, p, &from);
		return;
	}
	attachment_claim(
		c, n,
		&(struct claim){.place = {e->id, p->number, from.vlan, from.mac},
				.heard_by = e->id,
				.replay = s->replay,
				.proof = admission_is_attested(n, p) ? PROOF_PORT : PROOF_NONE,
				.elicited = from.elicited});
}
