/* The operator's facts in memory: covered prefixes, links, nodes, and the two lookups that a claim
 * needs, by address and by MAC (node.c).  Talks to nobody but base/. */
#include "controller/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void inventory_init(struct inventory *inv, uint64_t seed)
{
	memset(inv, 0, sizeof(*inv));
	nodes_init(&inv->nodes, seed);
}

void inventory_finish(struct inventory *inv)
{
	sites_finish(&inv->sites);
	nodes_finish(&inv->nodes);
}

static const char *const mode_names[] = {
	[ADMISSION_STRICT] = "strict",
	[ADMISSION_OPEN] = "open",
	[ADMISSION_FIRST_COME] = "first-come",
};

const char *admission_mode_name(enum admission_mode mode)
{
	return mode < ARRAY_SIZE(mode_names) ? mode_names[mode] : "unknown";
}

int admission_mode_parse(const char *text, enum admission_mode *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mode_names); i++)
		if (strcmp(mode_names[i], text) == 0) {
			*ret = (enum admission_mode)i;
			return 0;
		}
	return -EINVAL;
}

static bool name_character(char ch, bool learned)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       ch == '-' || ch == '_' || ch == '.' || (learned && ch == ':');
}

bool inventory_name_is_valid(const char *name)
{
	size_t size = strnlen(name, NAME_SIZE), at = 0;

	while (at < size && name_character(name[at], false))
		at++;
	return size > 0 && size < NAME_SIZE && at == size;
}

/* A learned node is named by its address, which may be IPv6: only there is ':' allowed. */
static int check_name(const char *what, const char *name, bool learned, struct reason *why)
{
	size_t size = strnlen(name, NAME_SIZE);

	if (size == 0 || size == NAME_SIZE)
		return reason_set(why, -EINVAL, "%s: the name is %s", what,
				  size ? "longer than 63 characters" : "empty");
	for (size_t i = 0; i < size; i++)
		if (!name_character(name[i], learned))
			return reason_set(why, -EINVAL,
					  "%s '%s': only letters, digits, '-', '_' and '.' may be "
					  "in a name",
					  what, name);
	return 0;
}

static int check_elements(const char *what, uint8_t count, char names[][NAME_SIZE],
			  struct reason *why)
{
	int r = 0;

	if (count > NODE_ELEMENTS_MAX)
		return reason_set(why, -EINVAL, "%s: more than %d elements", what,
				  NODE_ELEMENTS_MAX);
	for (unsigned i = 0; i < count && r == 0; i++)
		r = check_name("element", names[i], false, why);
	return r;
}

static bool prefix_is_whole(const struct prefix *p)
{
	for (unsigned bit = p->length; bit < 128; bit++)
		if (p->address.bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return p->length <= 128;
}

static int check_exits(const char *text, const char *what, unsigned count,
		       const char names[][NAME_SIZE], struct reason *why)
{
	if (count > PREFIX_EXITS_MAX)
		return reason_set(why, -EINVAL, "prefix %s: %s: at most %d entries", text, what,
				  PREFIX_EXITS_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (!inventory_name_is_valid(names[i]))
			return reason_set(why, -EINVAL,
					  "prefix %s: %s: '%s' is no name of an element or network",
					  text, what, names[i]);
		for (unsigned other = 0; other < i; other++)
			if (strcmp(names[i], names[other]) == 0)
				return reason_set(why, -EINVAL, "prefix %s: %s: %s is there twice",
						  text, what, names[i]);
	}
	return 0;
}

static int check_lists(const struct covered_prefix *p, const char *text, struct reason *why)
{
	int r = check_exits(text, "exits", p->exit_count, p->exits, why);

	if (r == 0)
		r = check_exits(text, "announce_at", p->announcer_count, p->announcers, why);
	if (r == 0 && p->internal && p->announcer_count)
		r = reason_set(why, -EINVAL, "prefix %s: announce_at contradicts 'announce: false'",
			       text);
	return r;
}

/* Where a mobile address may live there must be no host, route or network of a site's own (paper,
 * section 3.2). */
static int check_sites(const struct inventory *inv, const struct covered_prefix *p,
		       const char *text, struct reason *why)
{
	char what[PREFIX_TEXT_SIZE + 16];

	snprintf(what, sizeof(what), "mobile prefix %s", text);
	return p->mobile ? sites_check(&inv->sites, p->vrf, &p->prefix, what, why) : 0;
}

int inventory_add_prefix(struct inventory *inv, const struct covered_prefix *p, struct reason *why)
{
	struct covered_prefix copy = *p;
	char text[PREFIX_TEXT_SIZE], other[PREFIX_TEXT_SIZE], gateway[ADDRESS_TEXT_SIZE];
	int r;

	if (!prefix_is_whole(&p->prefix))
		return reason_set(why, -EINVAL, "prefix: bits beyond its length are set");
	prefix_format(&p->prefix, text);
	if (inv->prefix_count == PREFIXES_MAX)
		return reason_set(why, -EINVAL, "prefix %s: there are %d already", text,
				  PREFIXES_MAX);
	if (p->autoconf && (address_is_ipv4(&p->prefix.address) || p->prefix.length != 64))
		return reason_set(why, -EINVAL,
				  "prefix %s: autoconf is for IPv6 prefixes of length 64", text);
	if (!address_is_zero(&p->gateway) && !prefix_contains(&p->prefix, &p->gateway))
		return reason_set(why, -EINVAL, "prefix %s: its gateway %s is not in it", text,
				  address_format(&p->gateway, gateway));
	r = check_elements(text, p->element_count, copy.elements, why);
	if (r < 0)
		return r;
	r = check_lists(&copy, text, why);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < inv->prefix_count; i++) {
		const struct covered_prefix *q = &inv->prefixes[i];

		if (q->vrf == p->vrf && prefix_overlaps(&q->prefix, &p->prefix))
			return reason_set(why, -EEXIST, "prefix %s overlaps %s", text,
					  prefix_format(&q->prefix, other));
	}
	r = check_sites(inv, p, text, why);
	if (r == 0)
		inv->prefixes[inv->prefix_count++] = copy;
	return r;
}

static const char *const link_kind_names[] = {
	[LINK_ETHERNET] = "ethernet", [LINK_MPLS] = "mpls", [LINK_RAW] = "raw", [LINK_IP] = "ip",
	[LINK_UDP] = "udp",
};

const char *link_kind_name(uint8_t kind)
{
	return kind && kind < ARRAY_SIZE(link_kind_names) ? link_kind_names[kind] : "";
}

bool link_has_ports(const struct link *l)
{
	return l->kind == LINK_ETHERNET || l->kind == LINK_MPLS || l->kind == LINK_RAW;
}

/* What its kind needs is there, and nothing else. */
static int check_link_kind(const struct link *l, struct reason *why)
{
	const char *wrong = NULL;

	if (l->kind > LINK_UDP)
		wrong = "there is no such kind";
	else if (link_has_ports(l) && (!l->ports[0][0] || !l->ports[1][0]))
		wrong = "its kind needs 'ports', one at each end";
	else if (!link_has_ports(l) && (l->ports[0][0] || l->ports[1][0]))
		wrong = "only ethernet, mpls and raw links have ports";
	else if (l->kind == LINK_MPLS && (!l->label_count[0] || !l->label_count[1]))
		wrong = "an mpls link needs 'labels', one stack for each end";
	else if (l->kind != LINK_MPLS &&
		 (l->label_count[0] || l->label_count[1] || l->labels_in[0] || l->labels_in[1]))
		wrong = "only mpls links have labels";
	else if (l->kind != LINK_UDP &&
		 (!address_is_zero(&l->reach[0]) || !address_is_zero(&l->reach[1])))
		wrong = "only udp links have addresses of their own";
	else if (l->interval_ms && !l->multiplier)
		wrong = "BFD's multiplier must be 1 to 255";
	return wrong ? reason_set(why, -EINVAL, "link %s - %s: %s", l->ends[0], l->ends[1], wrong)
		     : 0;
}

/* The number of the port that both links would have, as end of 'l'; -1: none. */
static int shared_port(const struct link *l, const struct link *other)
{
	for (int end = 0; end < 2; end++)
		for (unsigned i = 0; i < 2 && l->ports[end][0]; i++)
			if (strcmp(l->ends[end], other->ends[i]) == 0 &&
			    strcmp(l->ports[end], other->ports[i]) == 0)
				return end;
	return -1;
}

static int check_link_place(const struct inventory *inv, const struct link *l, struct reason *why)
{
	for (unsigned i = 0; i < inv->link_count; i++) {
		const struct link *other = &inv->links[i];
		int end = shared_port(l, other);
		bool same = (strcmp(other->ends[0], l->ends[0]) == 0 &&
			     strcmp(other->ends[1], l->ends[1]) == 0) ||
			    (strcmp(other->ends[0], l->ends[1]) == 0 &&
			     strcmp(other->ends[1], l->ends[0]) == 0);

		if (end >= 0)
			return reason_set(why, -EEXIST,
					  "link %s - %s: port %s of %s has a link already",
					  l->ends[0], l->ends[1], l->ports[end], l->ends[end]);
		if (same && !(link_has_ports(l) && link_has_ports(other)))
			return reason_set(why, -EEXIST, "link %s - %s is there already", l->ends[0],
					  l->ends[1]);
	}
	return 0;
}

int inventory_add_link(struct inventory *inv, const struct link *l, struct reason *why)
{
	int r = check_name("link", l->ends[0], false, why);

	if (r == 0)
		r = check_name("link", l->ends[1], false, why);
	if (r < 0)
		return r;
	if (strcmp(l->ends[0], l->ends[1]) == 0)
		return reason_set(why, -EINVAL, "link %s - %s: both ends are the same element",
				  l->ends[0], l->ends[1]);
	if (l->cost == 0 || l->cost > LINK_COST_MAX)
		return reason_set(why, -EINVAL, "link %s - %s: the cost must be 1 to %u",
				  l->ends[0], l->ends[1], LINK_COST_MAX);
	r = check_link_kind(l, why);
	if (r == 0)
		r = check_link_place(inv, l, why);
	if (r < 0)
		return r;
	if (inv->link_count == LINKS_MAX)
		return reason_set(why, -EINVAL, "link %s - %s: there are %d already", l->ends[0],
				  l->ends[1], LINKS_MAX);
	inv->links[inv->link_count++] = *l;
	return 0;
}

static int check_address(const struct inventory *inv, const struct node_spec *n, unsigned at,
			 struct reason *why)
{
	const struct address *a = &n->addresses[at];
	const struct covered_prefix *p = inventory_prefix(inv, n->vrf, a);
	const struct node *owner = nodes_by_address(&inv->nodes, n->vrf, a);
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	if (!p)
		return reason_set(why, -EINVAL, "node %s: address %s is in no covered prefix",
				  n->id, text);
	if (address_equal(&p->gateway, a))
		return reason_set(why, -EINVAL, "node %s: address %s is the gateway's", n->id,
				  text);
	if (owner && strcmp(owner->id, n->id) != 0)
		return reason_set(why, -EEXIST, "node %s: address %s is node %s's", n->id, text,
				  owner->id);
	for (unsigned i = 0; i < at; i++)
		if (address_equal(&n->addresses[i], a))
			return reason_set(why, -EINVAL, "node %s: address %s is there twice", n->id,
					  text);
	return 0;
}

/* A node that is put late, when the sites are known: at a site that there is not it can never be.
 */
static int check_allowed(const struct inventory *inv, const struct node_spec *n, struct reason *why)
{
	char name[WORD_SIZE];
	unsigned at = 0;

	while (words_next(n->allow_sites.text, &at, name))
		if (!sites_find(&inv->sites, name))
			return reason_set(why, -EINVAL, "node %s: allow: there is no site %s",
					  n->id, name);
	return 0;
}

static int check_node(const struct inventory *inv, struct node_spec *n, struct reason *why)
{
	const struct node *owner;
	char text[MAC_TEXT_SIZE];
	int r = check_name("node", n->id, n->learned, why);

	if (r == 0)
		r = check_elements(n->id, n->element_count, n->elements, why);
	if (r < 0)
		return r;
	if (n->vrf > 0xffffff)
		return reason_set(why, -EINVAL, "node %s: VRF %u is above 16777215", n->id, n->vrf);
	if (n->address_count == 0 || n->address_count > NODE_ADDRESSES_MAX)
		return reason_set(why, -EINVAL, "node %s: it needs 1 to %d addresses", n->id,
				  NODE_ADDRESSES_MAX);
	if (mac_is_multicast(&n->mac))
		return reason_set(why, -EINVAL, "node %s: MAC %s is a group's", n->id,
				  mac_format(&n->mac, text));
	r = check_allowed(inv, n, why);
	if (r < 0)
		return r;
	owner = mac_is_zero(&n->mac) ? NULL : nodes_by_mac(&inv->nodes, n->vrf, &n->mac);
	if (owner && strcmp(owner->id, n->id) != 0)
		return reason_set(why, -EEXIST, "node %s: MAC %s is node %s's", n->id,
				  mac_format(&n->mac, text), owner->id);
	for (unsigned i = 0; i < n->address_count && r == 0; i++)
		r = check_address(inv, n, i, why);
	return r;
}

int inventory_put_node(struct inventory *inv, const struct node_spec *n, struct reason *why)
{
	struct node_spec copy = *n;
	int r = check_node(inv, &copy, why);

	if (r == 0)
		nodes_put(&inv->nodes, &copy);
	return r;
}

bool inventory_remove_node(struct inventory *inv, const char *id)
{
	return nodes_remove(&inv->nodes, id);
}

const struct node *inventory_node(const struct inventory *inv, const char *id)
{
	if (strnlen(id, NAME_SIZE) == NAME_SIZE)
		return NULL;
	return nodes_find(&inv->nodes, id);
}

const struct node *inventory_node_by_address(const struct inventory *inv, uint32_t vrf,
					     const struct address *a)
{
	return nodes_by_address(&inv->nodes, vrf, a);
}

const struct node *inventory_node_by_mac(const struct inventory *inv, uint32_t vrf,
					 const struct mac *m)
{
	return nodes_by_mac(&inv->nodes, vrf, m);
}

const struct covered_prefix *inventory_prefix(const struct inventory *inv, uint32_t vrf,
					      const struct address *a)
{
	const struct covered_prefix *best = NULL;

	for (unsigned i = 0; i < inv->prefix_count; i++) {
		const struct covered_prefix *p = &inv->prefixes[i];

		if (p->vrf == vrf && prefix_contains(&p->prefix, a) &&
		    (!best || p->prefix.length > best->prefix.length))
			best = p;
	}
	return best;
}
