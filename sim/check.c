/* The invariants.  What holds at every step is checked where it can break (an FE's entry changes);
 * what holds when things have settled, from time to time; that every FE's tables equal the intent,
 * at the end. */
#include "sim/world.h"

#include "controller/element.h"
#include "controller/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOPS_MAX 8
#define ARRIVED_US 500000
#define SETTLED_US 9000000 /* reconnect, learn, probe: all of it, once */

static const struct host *host_of(const struct world *w, const struct address *address)
{
	const uint8_t *b = address_ipv4(address);
	uint32_t index = (uint32_t)b[1] << 8 | b[2];

	return b[0] == 10 && b[3] == 5 && index < w->options.hosts ? &w->hosts[index] : NULL;
}

static const char *text_of(const struct address *address)
{
	static char text[ADDRESS_TEXT_SIZE];

	return address_format(address, text);
}

/* ---- at every step ---- */

/* Follows a packet through the tables as they are; false: it loops. */
static bool walk(const struct world *w, uint32_t from, const struct address *address,
		 enum plane_fate *ret_fate, uint32_t *ret_place)
{
	uint32_t at = from, port = 0, fe = 0;
	bool marked = false;

	for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
		const struct plane *p = &w->elements[at].plane;

		*ret_fate = plane_look_up(p, address, marked, &port, &fe);
		if (*ret_fate == FATE_LOCAL) {
			*ret_place = at * WORLD_PORTS + port - 1;
			return true;
		}
		if (*ret_fate == FATE_NOWHERE || fe - 1 >= w->options.elements)
			return true;
		/* The second FE that sends it on marks it (design P4). */
		marked = hops >= 1 && !w->options.no_mark;
		at = fe - 1;
	}
	return false;
}

void check_binding(struct world *w, uint32_t element, const struct address *address)
{
	const struct datapath_binding *b = plane_binding(&w->elements[element].plane, address);
	const struct host *h = host_of(w, address);
	enum plane_fate fate;
	uint32_t place;

	if (!walk(w, element, address, &fate, &place))
		world_break(w, "packets for %s loop through fe%u", text_of(address), element + 1);
	if (!b || !(b->flags & BINDING_LOCAL) || b->flags & BINDING_MARKED_ONLY)
		return;
	place = element * WORLD_PORTS + b->port - 1;
	if (!h || !mac_equal(&h->mac, &b->mac))
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

/* ---- from time to time ---- */

static bool is_settled(const struct world *w, int64_t disturbed_us)
{
	return w->now_us - disturbed_us > SETTLED_US;
}

static bool all_settled(const struct world *w)
{
	if (!w->core || !is_settled(w, w->core_disturbed_us))
		return false;
	for (uint32_t i = 0; i < w->options.elements; i++)
		if (!w->elements[i].agent || !is_settled(w, w->elements[i].disturbed_us))
			return false;
	return true;
}

static void check_host(struct world *w, const struct host *h)
{
	for (uint32_t i = 0; i < w->options.elements && !w->broken[0]; i++) {
		enum plane_fate fate = FATE_NOWHERE;
		uint32_t place = UINT32_MAX;

		if (!walk(w, i, &h->address, &fate, &place))
			world_break(w, "packets for %s loop, all is calm", h->id);
		else if (fate != FATE_LOCAL)
			world_break(w, "packets for %s vanish at fe%u, all is calm (it is at fe%u)",
				    h->id, i + 1, place_element(h->place) + 1);
		else if (place != h->place)
			world_break(w,
				    "packets for %s from fe%u go to fe%u port %u, it is at fe%u "
				    "port %u",
				    h->id, i + 1, place_element(place) + 1, place_port(place),
				    place_element(h->place) + 1, place_port(h->place));
	}
}

void check_arrived(struct world *w, uint32_t host)
{
	const struct host *h = &w->hosts[host];

	if (all_settled(w) && h->present && h->disturbed_us <= h->arrived_us &&
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
	if (!all_settled(w))
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
	const struct rule *has = table_get(&c->plane->rules, &rule->key);

	*(bool *)table_put(&c->meant, &rule->key, NULL) = true;
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

	while (table_next(&c->plane->rules, &at, &key, &value)) {
		const struct rule *rule = value;

		/* A tentative rule is the FE's own, for somebody who claims an address. */
		if (rule->key.kind != RULE_TENTATIVE && !table_get(&c->meant, key))
			world_break(c->w,
				    "fe%u has the rule '%s' for %s, which is not meant for it",
				    c->element + 1, rule_kind_name(rule->key.kind),
				    text_of(&rule->key.address));
	}
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
	compare_rest(&c);
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
