/* ARP and RARP frames, and what neighbour discovery (nd.c) says in the same words.  fe/neighbor.c
 * and the controller's registrar parse what a data plane sends up; the FE builds its announcements
 * and probes here. */
#include "packet/neighbor.h"

#include "packet/ethernet.h"
#include "packet/nd.h"

#include <errno.h>
#include <string.h>

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_RARP 0x8035
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define HARDWARE_ETHERNET 1
#define OPERATION_REQUEST 1
#define OPERATION_REPLY 2
#define OPERATION_REVERSE_REQUEST 3
#define OPERATION_REVERSE_REPLY 4

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static int classify_rarp(uint16_t operation, struct neighbor *n)
{
	if (operation != OPERATION_REVERSE_REQUEST && operation != OPERATION_REVERSE_REPLY)
		return -EBADMSG;
	n->kind = NEIGHBOR_RARP;
	n->sender = n->target = (struct address){{0}};
	return 0;
}

static int classify_arp(uint16_t operation, struct neighbor *n)
{
	if (operation != OPERATION_REQUEST && operation != OPERATION_REPLY)
		return -EBADMSG;
	if (address_is_zero(&n->sender))
		n->kind = NEIGHBOR_ARP_PROBE;
	else if (address_equal(&n->sender, &n->target))
		n->kind = NEIGHBOR_ARP_ANNOUNCEMENT;
	else
		n->kind =
			operation == OPERATION_REQUEST ? NEIGHBOR_ARP_REQUEST : NEIGHBOR_ARP_REPLY;
	n->elicited = n->kind == NEIGHBOR_ARP_REPLY;
	return 0;
}

static int classify_nd(const struct nd *nd, struct neighbor *n)
{
	n->sender = nd->source;
	n->target = nd->target;
	switch ((enum nd_type)nd->type) {
	case ND_ROUTER_SOLICITATION:
		n->kind = NEIGHBOR_ROUTER_SOLICITATION;
		return 0;
	case ND_SOLICITATION:
		n->kind = NEIGHBOR_SOLICITATION;
		if (address_is_zero(&nd->source)) {
			n->kind = NEIGHBOR_DETECTION;
			n->sender = nd->target;
		}
		return 0;
	case ND_ADVERTISEMENT:
		n->kind = NEIGHBOR_ADVERTISEMENT;
		n->sender = nd->target;
		n->elicited = nd->solicited;
		return 0;
	case ND_ROUTER_ADVERTISEMENT:
		break;
	}
	return -EBADMSG;
}

static int parse_nd(const void *frame, size_t size, struct neighbor *ret)
{
	struct neighbor n = {0};
	struct nd nd;
	int r = nd_parse(frame, size, &nd);

	if (r < 0)
		return r;
	n.vlan = nd.vlan;
	n.ethernet_source = n.sender_mac = nd.ethernet_source;
	n.ethernet_destination = n.target_mac = nd.ethernet_destination;
	if (nd.has_link_layer && !mac_equal(&nd.link_layer, &nd.ethernet_source))
		return -EBADMSG;
	r = classify_nd(&nd, &n);
	if (r == 0)
		*ret = n;
	return r;
}

bool neighbor_claims_address(const struct neighbor *n)
{
	return n->kind != NEIGHBOR_RARP && n->kind != NEIGHBOR_ARP_PROBE &&
	       !address_is_zero(&n->sender) && !nd_is_link_local(&n->sender);
}

int neighbor_parse(const void *frame, size_t size, struct neighbor *ret)
{
	struct reader rd = reader_make(frame, size);
	struct neighbor n = {0};
	uint16_t ethertype =
		ethernet_read(&rd, &n.ethernet_destination, &n.ethernet_source, &n.vlan);
	uint16_t hardware = read_u16(&rd);
	uint16_t protocol = read_u16(&rd), sizes = read_u16(&rd), operation = read_u16(&rd);
	uint8_t sender[4], target[4];
	int r;

	if (ethertype == ETHERTYPE_IPV6)
		return parse_nd(frame, size, ret);
	read_bytes(&rd, n.sender_mac.bytes, 6);
	read_bytes(&rd, sender, 4);
	read_bytes(&rd, n.target_mac.bytes, 6);
	read_bytes(&rd, target, 4);
	if (rd.failed || (ethertype != ETHERTYPE_ARP && ethertype != ETHERTYPE_RARP) ||
	    hardware != HARDWARE_ETHERNET || protocol != ETHERTYPE_IPV4 || sizes != 0x0604)
		return -EBADMSG;
	if (mac_is_zero(&n.sender_mac) || mac_is_multicast(&n.sender_mac) ||
	    !mac_equal(&n.sender_mac, &n.ethernet_source))
		return -EBADMSG;
	n.sender = address_from_ipv4(sender);
	n.target = address_from_ipv4(target);
	r = ethertype == ETHERTYPE_RARP ? classify_rarp(operation, &n)
					: classify_arp(operation, &n);
	if (r == 0)
		*ret = n;
	return r;
}

static void build(struct buffer *b, uint16_t vlan, const struct mac *destination,
		  const struct mac *source, const struct address *sender,
		  const struct mac *target_mac, const struct address *target)
{
	size_t start = b->size;

	ethernet_write(b, destination, source, vlan, ETHERTYPE_ARP);
	write_u16(b, HARDWARE_ETHERNET);
	write_u16(b, ETHERTYPE_IPV4);
	write_u16(b, 0x0604);
	write_u16(b, OPERATION_REQUEST);
	buffer_add_bytes(b, source->bytes, 6);
	buffer_add_bytes(b, address_ipv4(sender), 4);
	buffer_add_bytes(b, target_mac->bytes, 6);
	buffer_add_bytes(b, address_ipv4(target), 4);
	write_zeros(b, NEIGHBOR_FRAME_SIZE - (b->size - start));
}

void neighbor_build_announcement(struct buffer *b, uint16_t vlan, const struct mac *mac,
				 const struct address *address)
{
	static const struct mac zero;

	if (!address_is_ipv4(address)) {
		nd_build_announcement(b, vlan, mac, address);
		return;
	}
	build(b, vlan, &broadcast, mac, address, &zero, address);
}

void neighbor_build_probe(struct buffer *b, uint16_t vlan, const struct mac *gateway_mac,
			  const struct address *gateway, const struct mac *node_mac,
			  const struct address *node)
{
	if (!address_is_ipv4(node)) {
		nd_build_probe(b, vlan, gateway_mac, node_mac, node);
		return;
	}
	build(b, vlan, node_mac, gateway_mac, gateway, node_mac, node);
}
