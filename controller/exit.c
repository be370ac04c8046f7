/* Exits: by which FE the packets of a prefix's nodes leave VICTOR, where a list says who may send
 * them out (a provider drops what comes from addresses that are not its customer's, RFC 2827).
 *
 * Among those that may and can, the first entry of the list that has one decides; an entry that is
 * a network stands for all its FEs, of which the nearest is taken.  One that has lost its session
 * is taken only if nobody else is left, since it may well forward still; one that no path reaches,
 * or whose external ports are down, is not.  If none is left the rule is a drop: a packet is not
 * sent out by a FE that may not, where it would be filtered, or found to be forged.
 *
 * An FE that is sent such a packet by another one sends it out itself or drops it (bpf/deliver.h;
 * on Open vSwitch it goes on marked, and the next FE drops it): no packet goes twice over the
 * backplane for its exit, also while FEs are told one after the other. */
#include "controller/exit.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/ovs.h"
#include "controller/topology.h"
#include "controller/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the lists ---------------------------------------------------------------------------------
 */

/* An entry is an element's name or a network's. */
static bool is_named(const struct core *c, const char *entry, const struct element *e)
{
	int network;

	if (strcmp(entry, e->name) == 0)
		return true;
	network = networks_find(&c->inventory.networks, entry);
	return network >= 0 && network == networks_of(&c->inventory.networks, e->name);
}

/* Its place in the list; -1: it is not there. */
static int rank_of(const struct core *c, const struct covered_prefix *p, const struct element *e)
{
	for (int i = 0; i < p->exit_count; i++)
		if (is_named(c, p->exits[i], e))
			return i;
	return -1;
}

bool exit_announces(const struct core *c, const struct element *e, const struct covered_prefix *p)
{
	if (!p->announcer_count)
		return !p->exit_count || rank_of(c, p, e) >= 0;
	for (unsigned i = 0; i < p->announcer_count; i++)
		if (is_named(c, p->announcers[i], e))
			return true;
	return false;
}

/* --- the choice --------------------------------------------------------------------------------
 */

struct candidate {
	const struct element *element;
	int rank;
};

struct candidates {
	struct candidate *list;
	unsigned count;
};

static struct candidates find_candidates(const struct core *c, const struct covered_prefix *p)
{
	struct candidates all = {
		.list = memory_alloc_array(c->element_count + 1, sizeof(*all.list))};

	for (unsigned i = 0; i < c->element_count; i++) {
		int rank = rank_of(c, p, c->elements[i]);

		if (rank >= 0)
			all.list[all.count++] = (struct candidate){c->elements[i], rank};
	}
	return all;
}

static bool can_send_out(const struct element *x, const struct element *e, unsigned family)
{
	struct tunnel tunnel;

	return x->border && (!x->ovs || ovs_exit_leads_out(x, family)) &&
	       (x == e ||
		(tunnel_between(e->core, e, x, &tunnel) && topology_reaches(e->core, e, x)));
}

static uint64_t distance(const struct element *from, const struct element *to)
{
	if (from == to)
		return 0;
	return from->vertex < to->exit_vertices ? to->exit_distances[from->vertex] : UINT64_MAX;
}

static const struct element *choose(const struct element *e, const struct candidates *all,
				    unsigned family)
{
	const struct candidate *best = NULL;
	bool best_is_last = false;

	for (unsigned i = 0; i < all->count; i++) {
		const struct candidate *x = &all->list[i];
		bool is_last =
			x->element->distant || x->element->draining || x->element->without_way;

		if (!can_send_out(x->element, e, family))
			continue;
		if (best && (is_last != best_is_last ? is_last
			     : x->rank != best->rank
				     ? x->rank > best->rank
				     : distance(e, x->element) >= distance(e, best->element)))
			continue;
		best = x;
		best_is_last = is_last;
	}
	return best ? best->element : NULL;
}

/* What it has stays while we do not know better: that FE is not back yet. */
static bool must_wait(const struct element *e, const struct candidates *all,
		      const struct element *chosen, const struct rule *installed)
{
	const struct element *x = installed->fe ? element_find(e->core, installed->fe) : NULL;

	if (!x || x->ports_known || !element_has_backplane(x) || (chosen && !e->core->learning))
		return false;
	for (unsigned i = 0; i < all->count; i++)
		if (all->list[i].element == x)
			return true;
	return !x->met && e->core->learning; /* lists name it by a name that it has not told yet */
}

static struct rule wanted(const struct element *e, const struct covered_prefix *p,
			  const struct candidates *all, const struct rule *installed)
{
	const struct element *chosen =
		choose(e, all, address_is_ipv4(&p->prefix.address) ? FAMILY_IPV4 : FAMILY_IPV6);
	struct rule rule = {.key = {.kind = RULE_EXIT,
				    .length = p->prefix.length,
				    .vrf = p->vrf,
				    .address = p->prefix.address}};

	if (installed && must_wait(e, all, chosen, installed))
		return *installed;
	if (!chosen)
		rule.unreachable = true;
	else if (chosen != e)
		rule.fe = chosen->id;
	return rule;
}

/* A switch that sends it out itself needs none: its EXTERNAL rules do that (ovs_exit.c). */
static bool is_told(const struct element *e, const struct rule *rule)
{
	return !e->ovs || rule->fe || rule->unreachable;
}

/* --- telling -----------------------------------------------------------------------------------
 */

static bool is_in_some_list(const struct core *c, const struct element *e)
{
	for (unsigned i = 0; i < c->inventory.prefix_count; i++)
		if (rank_of(c, &c->inventory.prefixes[i], e) >= 0)
			return true;
	return false;
}

void exit_measure(struct core *c)
{
	for (unsigned i = 0; i < c->element_count; i++) {
		struct element *x = c->elements[i];

		free(x->exit_distances);
		x->exit_distances = NULL;
		x->exit_vertices = 0;
		if (!is_in_some_list(c, x))
			continue;
		x->exit_distances =
			memory_alloc_array(c->element_count, sizeof(*x->exit_distances));
		x->exit_vertices = c->element_count;
		topology_distances(c, x, x->exit_distances);
	}
}

static bool refresh_one(struct element *e, unsigned at, const struct candidates *all)
{
	const struct covered_prefix *p = &e->core->inventory.prefixes[at];
	bool created, had;
	struct rule *installed = table_put(&e->exits, &at, &created);
	struct rule rule = wanted(e, p, all, created ? NULL : installed);

	if (!created && rule_equal(&rule, installed))
		return false;
	had = !created && is_told(e, installed);
	*installed = rule;
	if (is_told(e, &rule))
		element_put_rule(e, &rule, !had);
	else if (had)
		element_delete_rule(e, &rule);
	return true;
}

void exit_refresh(struct core *c)
{
	for (unsigned i = 0; i < c->inventory.prefix_count; i++) {
		struct candidates all;

		if (!c->inventory.prefixes[i].exit_count)
			continue;
		all = find_candidates(c, &c->inventory.prefixes[i]);
		for (unsigned k = 0; k < c->element_count; k++)
			if (c->elements[k]->synced && refresh_one(c->elements[k], i, &all))
				c->elements[k]->exits_changed = true;
		free(all.list);
	}
	for (unsigned k = 0; k < c->element_count; k++) {
		if (!c->elements[k]->exits_changed)
			continue;
		c->elements[k]->exits_changed = false;
		c->change++;
		element_commit(c->elements[k], false);
	}
}

void exit_synchronize(struct element *e,
		      const struct rule *(*reported)(void *from, const struct rule_key *key),
		      void *from)
{
	const struct core *c = e->core;

	table_clear(&e->exits);
	for (unsigned i = 0; i < c->inventory.prefix_count; i++) {
		const struct covered_prefix *p = &c->inventory.prefixes[i];
		struct rule_key key = {.kind = RULE_EXIT,
				       .length = p->prefix.length,
				       .vrf = p->vrf,
				       .address = p->prefix.address};
		struct candidates all;

		if (!p->exit_count)
			continue;
		all = find_candidates(c, p);
		*(struct rule *)table_put(&e->exits, &i, NULL) =
			wanted(e, p, &all, reported(from, &key));
		free(all.list);
	}
}

void exit_emit(const struct element *e, void (*emit)(void *to, const struct rule *), void *to)
{
	for (unsigned i = 0; i < e->core->inventory.prefix_count; i++) {
		const struct rule *rule = exit_rule(e, i);

		if (rule && is_told(e, rule))
			emit(to, rule);
	}
}

const struct rule *exit_rule(const struct element *e, unsigned prefix)
{
	return table_get(&e->exits, &prefix);
}

bool exit_leads_to(const struct element *e, uint32_t fe)
{
	size_t at = 0;
	struct rule *rule;

	while (table_next(&e->exits, &at, NULL, (void **)&rule))
		if (rule->fe == fe)
			return true;
	return false;
}

/* --- for people ---------------------------------------------------------------------------------
 */

static const char *exit_name(const struct element *e, const struct rule *rule)
{
	const struct element *x = rule->fe ? element_find(e->core, rule->fe) : e;

	return rule->unreachable || !x ? NULL : x->name;
}

void core_exits(const struct core *c, void (*each)(void *to, const struct exit_view *), void *to)
{
	for (unsigned i = 0; i < c->inventory.prefix_count; i++)
		for (unsigned k = 0; k < c->element_count; k++) {
			const struct element *e = c->elements[k];
			const struct rule *rule = exit_rule(e, i);
			struct exit_view view = {.prefix = &c->inventory.prefixes[i],
						 .element = e->name};

			if (!rule)
				continue;
			view.exit = exit_name(e, rule);
			view.announced = e->border && !view.prefix->internal &&
					 exit_announces(c, e, view.prefix);
			each(to, &view);
		}
}
