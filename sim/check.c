/* The invariants.  What holds at every step is checked where it can break (an FE's entry changes);
 * what holds when things have settled, from time to time; that every FE's tables equal the intent,
 * at the end. */
#include "sim/world.h"

#include "controller/element.h"
#include "controller/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRIVED_US 500000
#define SETTLED_US 9000000 /* reconnect, learn, probe: all of it, once */

static const char *text_of(const struct address *address)
{
	static char text[ADDRESS_TEXT_SIZE];

	return address_format(address, text);
}

/* ---- at every step ---- */

static void touch(struct plane *p, const struct host *h, const struct world *w)
{
	if (p->touched_count < ARRAY_SIZE(p->touched))
		p->touched[p->touched_count++] = (uint32_t)(h - w->hosts);
}

void check_binding(struct world *w, uint32_t element, const struct address *address)
{
	const struct datapath_binding *b = plane_binding(&w->elements[element].plane, address);
	const struct host *h = host_of(w, address);
	uint32_t place;

	if (h && world_has(w, WORLD_DUAL))
		touch(&w->elements[element].plane, h, w);
	if (walk_to_node(w, element, address, false, &place) == WALK_LOOPS)
		world_break(w, "packets for %s loop through fe%u", text_of(address), element + 1);
	if (!b || !(b->flags & BINDING_LOCAL) || b->flags & BINDING_MARKED_ONLY)
		return;
	place = element * WORLD_PORTS + b->port - 1;
	if (!h || !signer_has_mac(w, h, &b->mac))
		world_break(w, "fe%u has a forged binding for %s", element + 1, text_of(address));
	else if (!(h->was_at[place / 8] & 1u << place % 8) && h->disturbed_us <= w->now_us)
		world_break(w, "fe%u has a binding for %s at port %u, where it never was",
			    element + 1, text_of(address), b->port);
}

void check_version(struct world *w, uint32_t element, const struct rule *rule)
{
	struct {
		uint32_t vrf;
		struct address address;
	} key = {rule->key.vrf, rule->key.address};
	uint64_t *latest;

	if ((rule->key.kind != RULE_LOCAL && rule->key.kind != RULE_FOREIGN) || !rule->cookie)
		return;
	latest = table_put(&w->elements[element].plane.versions, &key, NULL);
	if (version_is_later(version_from_cookie(*latest), version_from_cookie(rule->cookie)))
		world_break(w, "fe%u is told version %llx for %s after %llx", element + 1,
			    (unsigned long long)rule->cookie, text_of(&key.address),
			    (unsigned long long)*latest);
	*latest = rule->cookie;
}

/* Where it sends packets for the address; what a node claims that is not bound yet, does not count.
 */
static uint64_t direction(const struct plane *p, const struct address *address)
{
	const struct datapath_binding *b = plane_binding(p, address);

	if (!b)
		return 0;
	if (b->flags & BINDING_LOCAL && !(b->flags & BINDING_MARKED_ONLY))
		return UINT64_C(1) << 32 | b->port;
	return b->flags & BINDING_FOREIGN ? b->fe : 0;
}

void check_whole(struct world *w, uint32_t element)
{
	struct plane *p = &w->elements[element].plane;

	for (unsigned i = 0; i < p->touched_count; i++) {
		const struct host *h = &w->hosts[p->touched[i]];

		if (p->memory.binding_limit > (size_t)w->options.hosts * 2 &&
		    direction(p, &h->address) != direction(p, &h->second))
			world_break(w, "fe%u has %s's two addresses at two places", element + 1,
				    h->id);
	}
	p->touched_count = 0;
}

/* ---- from time to time ---- */

static bool is_settled(const struct world *w, int64_t disturbed_us)
{
	return w->now_us - disturbed_us > SETTLED_US;
}

bool check_is_calm(const struct world *w)
{
	if (!w->core || !is_settled(w, w->core_disturbed_us))
		return false;
	for (uint32_t i = 0; i < w->options.elements; i++)
		if (!w->elements[i].agent || !is_settled(w, w->elements[i].disturbed_us))
			return false;
	return true;
}

/* What its table has no room for. */
static bool is_full(const struct world *w, uint32_t element)
{
	const struct element *e = element_find(w->core, element + 1);

	return e && e->full;
}

static void check_address(struct world *w, const struct host *h, const struct address *address)
{
	for (uint32_t i = 0; i < w->options.elements && !w->broken[0]; i++) {
		uint32_t place = UINT32_MAX;
		enum walk_end end = walk_to_node(w, i, address, true, &place);

		if (end == WALK_LOOPS)
			world_break(w, "packets for %s loop, all is calm", h->id);
		else if (end == WALK_IS_LOST && !is_full(w, i))
			world_break(w, "packets for %s vanish at fe%u, all is calm (it is at fe%u)",
				    h->id, i + 1, place_element(h->place) + 1);
		else if (end == WALK_ARRIVES && !lan_joins(w, place, h->place))
			world_break(w,
				    "packets for %s from fe%u go to fe%u port %u, it is at fe%u "
				    "port %u",
				    h->id, i + 1, place_element(place) + 1, place_port(place),
				    place_element(h->place) + 1, place_port(h->place));
	}
}

struct designation {
	const struct host *host;
	unsigned count;
	uint32_t drained; /* one of those that are designated; 0: none */
	bool another;     /* one that could be */
	bool full;
};

static void look_at_designation(struct world *w, uint32_t place, void *to)
{
	struct designation *d = to;
	const struct sim_element *e = &w->elements[place_element(place)];
	const struct datapath_binding *b = plane_binding(&e->plane, &d->host->address);

	d->full |= is_full(w, place_element(place));
	d->another |= !e->drains;
	if (!b || !(b->flags & BINDING_LOCAL) || b->flags & (BINDING_BESIDE | BINDING_MARKED_ONLY))
		return;
	d->count++;
	if (e->drains)
		d->drained = place_element(place) + 1;
}

/* On a LAN one FE is designated for each node, and none that drains while there is another. */
static void check_designation(struct world *w, const struct host *h)
{
	struct designation d = {.host = h};

	lan_each(w, h->place, look_at_designation, &d);
	if (d.full)
		return;
	if (d.count != 1)
		world_break(w, "%s: %u FEs are designated for it on its LAN, all is calm", h->id,
			    d.count);
	else if (d.drained && d.another)
		world_break(w, "%s: fe%u drains, and is designated for it, all is calm", h->id,
			    d.drained);
}

static void check_host(struct world *w, const struct host *h)
{
	const struct attachment *a = core_attachment(w->core, h->id);
	struct designation d = {.host = h};

	/* It may not have had room for its own; after a lost store nobody knows of those. */
	lan_each(w, h->place, look_at_designation, &d);
	if (a ? is_full(w, a->place.fe - 1) : d.full)
		return;
	check_address(w, h, &h->address);
	if (!address_is_zero(&h->second))
		check_address(w, h, &h->second);
	if (lan_of(w, h->place) && !w->broken[0])
		check_designation(w, h);
}

#define FAILOVER_ELEMENTS_MAX 32

/* One link is down, and its ends know; nobody was told yet.  The ring is still whole. */
void check_failover(struct world *w)
{
	uint32_t count = w->options.elements;

	if (count > FAILOVER_ELEMENTS_MAX)
		return;
	for (uint32_t from = 0; from < count; from++)
		for (uint32_t to = 0; to < count && !w->broken[0]; to++) {
			enum walk_end end = walk_links(w, from, to, (uint32_t)w->now_us);

			if (end != WALK_ARRIVES)
				world_break(w, "a link broke: packets from fe%u to fe%u %s",
					    from + 1, to + 1,
					    end == WALK_LOOPS ? "loop" : "are lost");
		}
}

void check_arrived(struct world *w, uint32_t host)
{
	const struct host *h = &w->hosts[host];

	if (check_is_calm(w) && h->present && h->disturbed_us <= h->arrived_us &&
	    w->now_us - h->arrived_us >= ARRIVED_US &&
	    w->elements[place_element(h->place)].port_up[place_port(h->place)])
		check_host(w, h);
}

/* A node that was deregistered and has not spoken since is nowhere: what an FE that was away still
 * has of it is a ghost. */
static void check_ghost(struct world *w, const struct host *h)
{
	for (uint32_t i = 0; i < w->options.elements; i++) {
		const struct datapath_binding *b =
			plane_binding(&w->elements[i].plane, &h->address);

		if (b && (b->flags & BINDING_FOREIGN ||
			  (b->flags & BINDING_LOCAL && !(b->flags & BINDING_MARKED_ONLY))))
			world_break(w, "fe%u has a binding of %s, which was deregistered", i + 1,
				    h->id);
	}
}

void check_reachable(struct world *w)
{
	for (uint32_t i = 0; world_has(w, WORLD_SIGNED) && i < w->options.hosts; i++)
		if (!signer_is_registered(&w->hosts[i]))
			host_disturb(&w->hosts[i], w->now_us);
	if (!check_is_calm(w))
		return;
	for (uint32_t i = 0; i < w->options.hosts && !w->broken[0]; i++)
		if (w->hosts[i].forgotten_us && is_settled(w, w->hosts[i].forgotten_us))
			check_ghost(w, &w->hosts[i]);
	for (uint32_t i = 0; i < w->options.hosts && !w->broken[0]; i++) {
		const struct host *h = &w->hosts[i];

		if (h->present && is_settled(w, h->disturbed_us) &&
		    w->elements[place_element(h->place)].port_up[place_port(h->place)])
			check_host(w, h);
	}
}

/* ---- at the end ---- */

struct comparison {
	struct world *w;
	const struct plane *plane;
	uint32_t element;
	struct table meant; /* struct rule_key -> bool */
};

static void compare_rule(void *to, const struct rule *rule)
{
	struct comparison *c = to;
	const struct rule *has = table_get(&c->plane->memory.rules, &rule->key);

	*(bool *)table_put(&c->meant, &rule->key, NULL) = true;
	if (!has && is_full(c->w, c->element))
		return;
	if (!has || !rule_equal(has, rule))
		world_break(c->w, "fe%u %s the rule '%s' for %s that is meant for it",
			    c->element + 1, has ? "has another version of" : "lacks",
			    rule_kind_name(rule->key.kind), text_of(&rule->key.address));
}

static void compare_rest(struct comparison *c)
{
	size_t at = 0;
	const void *key;
	void *value;

	while (table_next(&c->plane->memory.rules, &at, &key, &value)) {
		const struct rule *rule = value;

		/* A tentative rule is the FE's own, for somebody who claims an address. */
		if (rule->key.kind != RULE_TENTATIVE && !table_get(&c->meant, key))
			world_break(c->w,
				    "fe%u has the rule '%s' for %s, which is not meant for it",
				    c->element + 1, rule_kind_name(rule->key.kind),
				    text_of(&rule->key.address));
	}
}

static void compare_group(void *to, const struct rule_group *group)
{
	struct comparison *c = to;
	const struct rule_group *has = table_get(&c->plane->memory.groups, &group->fe);

	if (!has || !rule_group_equal(has, group))
		world_break(c->w, "fe%u %s the group towards fe%u that is meant for it",
			    c->element + 1, has ? "has another version of" : "lacks", group->fe);
}

static void check_room(struct world *w, uint32_t index)
{
	const struct memory_plane *p = &w->elements[index].plane.memory;

	if (is_full(w, index) && p->bindings.count < p->binding_limit)
		world_break(w, "fe%u has room, but is not sent what it refused", index + 1);
}

static void compare_tables(struct world *w, uint32_t index)
{
	struct comparison c = {w, &w->elements[index].plane, index, {0}};
	const struct element *e = element_find(w->core, index + 1);

	if (!e || e->state != ELEMENT_ONLINE) {
		world_break(w, "fe%u is not online, all is calm", index + 1);
		return;
	}
	table_init(&c.meant, sizeof(struct rule_key), sizeof(bool), 1);
	planner_intent(w->core, e, compare_rule, &c);
	planner_intent_nodes(w->core, e, compare_rule, &c);
	planner_groups(w->core, e, compare_group, &c);
	compare_rest(&c);
	check_room(w, index);
	table_finish(&c.meant);
}

void check_end(struct world *w)
{
	if (!w->core) {
		world_break(w, "the controller is gone");
		return;
	}
	for (uint32_t i = 0; i < w->options.hosts && !w->broken[0]; i++) {
		const struct host *h = &w->hosts[i];
		const struct node *n = inventory_node(core_inventory(w->core), h->id);

		if (h->present != (n != NULL))
			world_break(w, "%s is %s, but that was acknowledged otherwise", h->id,
				    n ? "in the inventory" : "lost");
		else if (h->present && w->options.seed)
			check_host(w, h);
	}
	for (uint32_t i = 0; i < w->options.elements && !w->broken[0]; i++)
		compare_tables(w, i);
}
