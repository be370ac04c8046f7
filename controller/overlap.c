/* Overlaps at run time.  At configuration the sites' networks are known (site.c); what a machine
 * really routes, its FE tells.  A route within a mobile prefix raises an alarm while it is there;
 * a node with such an address is refused, in the inventory and where it would attach, but nobody
 * who is there is taken away for it: a route can be a slip. */
#include "controller/overlap.h"

#include "base/memory.h"
#include "controller/alarm.h"
#include "controller/element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct covered_prefix *mobile_around(const struct core *c, const struct overlap *o)
{
	const struct covered_prefix *p =
		inventory_prefix(&c->inventory, DEFAULT_VRF, &o->prefix.address);

	/* The gateway's address may be the machine's, too. */
	if (!p || !p->mobile || o->prefix.length < p->prefix.length ||
	    (o->prefix.length == 128 && address_equal(&o->prefix.address, &p->gateway)))
		return NULL;
	return p;
}

static bool has(const struct overlap *list, unsigned count, const struct prefix *p)
{
	for (unsigned i = 0; i < count; i++)
		if (prefix_equal(&list[i].prefix, p))
			return true;
	return false;
}

static void raise_alarm(struct element *e, const struct overlap *o)
{
	const struct covered_prefix *p = mobile_around(e->core, o);
	char route[PREFIX_TEXT_SIZE], covered[PREFIX_TEXT_SIZE];

	if (!p)
		return;
	prefix_format(&o->prefix, route);
	prefix_format(&p->prefix, covered);
	alarm_raise(e->core, "overlap", route, e, 0,
		    "%s: %s%s%s%s overlaps the mobile prefix %s: its hosts and the prefix's nodes "
		    "would be in each other's way",
		    e->name, o->own ? "its own address " : "its route ", route,
		    o->device[0] ? " at " : "", o->device, covered);
}

void overlap_set(struct element *e, const struct overlap *list, unsigned count)
{
	struct overlap *old = e->overlaps;
	unsigned old_count = e->overlap_count;
	char route[PREFIX_TEXT_SIZE];

	e->overlaps = memory_alloc_array(count, sizeof(*list));
	e->overlap_count = count;
	if (count)
		memcpy(e->overlaps, list, count * sizeof(*list));
	for (unsigned i = 0; i < old_count; i++)
		if (!has(list, count, &old[i].prefix))
			alarm_clear(e->core, "overlap", prefix_format(&old[i].prefix, route), e);
	for (unsigned i = 0; i < count; i++)
		raise_alarm(e, &list[i]);
	free(old);
}

int overlap_reported(struct element *e, struct reader *body)
{
	struct overlap list[OVERLAPS_MAX];
	unsigned count;
	int r = overlaps_decode(body, list, &count);

	if (r == 0)
		overlap_set(e, list, count);
	return r;
}

const struct overlap *overlap_find(const struct core *c, uint32_t vrf, const struct address *a,
				   const struct element **ret_element)
{
	for (unsigned i = 0; vrf == DEFAULT_VRF && i < c->element_count; i++) {
		const struct element *e = c->elements[i];

		for (unsigned j = 0; j < e->overlap_count; j++)
			if (prefix_contains(&e->overlaps[j].prefix, a) &&
			    mobile_around(c, &e->overlaps[j])) {
				*ret_element = e;
				return &e->overlaps[j];
			}
	}
	return NULL;
}

static bool had(const struct node *before, const struct address *a)
{
	for (unsigned i = 0; before && i < before->address_count; i++)
		if (address_equal(&before->addresses[i], a))
			return true;
	return false;
}

int overlap_check(const struct core *c, const struct node_spec *n, const struct node *before,
		  struct reason *why)
{
	char address[ADDRESS_TEXT_SIZE], route[PREFIX_TEXT_SIZE];

	for (unsigned i = 0; i < n->address_count; i++) {
		const struct element *e;
		const struct overlap *o = overlap_find(c, n->vrf, &n->addresses[i], &e);

		if (!o || had(before, &n->addresses[i]))
			continue;
		return reason_set(
			why, -EEXIST, "node %s: address %s overlaps %s, %s of element %s%s%s",
			n->id, address_format(&n->addresses[i], address),
			prefix_format(&o->prefix, route), o->own ? "an address" : "a route",
			e->name, o->device[0] ? " at " : "", o->device);
	}
	return 0;
}
