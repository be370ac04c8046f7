/* Shortest paths over the backplane, for two questions: which border FE is nearest to each FE, so
 * that what leaves VICTOR goes out there; and which links lead from each FE to each other one,
 * which is what its groups say (design P3).  Both are worked out from scratch (graph.c): a hundred
 * FEs take a few milliseconds, and moves of nodes change neither.
 *
 * A border FE that lost its session still forwards (its agent may just be restarting): it keeps its
 * place for BORDER_GRACE_MS and is the last choice after that; likewise other FEs do not pass
 * through an FE that has been without a session for so long while there is another way.  FEs that
 * no link joins are taken to reach one another straight, by the underlay's routes, at a distance
 * larger than any path; without links that have a kind, that is all, and costs nothing. */
#include "controller/topology.h"

#include "base/memory.h"
#include "controller/backplane.h"
#include "controller/element.h"
#include "controller/exit.h"
#include "controller/graph.h"
#include "controller/planner.h"
#include "controller/tunnel.h"

#include <stdlib.h>
#include <string.h>

#define DISTANT (UINT64_C(1) << 50)

/* NOLINTNEXTLINE(misc-redundant-expression): that the two are the same is what it says */
_Static_assert((int)GRAPH_SHARED_MAX == (int)GROUP_PATHS_MAX, "a group holds all equal paths");

/* The links that an FE's group names: equal ones, or a first and a second. */
struct path_set {
	uint64_t distance;
	bool select;
	uint8_t count;
	uint32_t links[GROUP_PATHS_MAX];
};

/* From every FE to every other one, by their vertices. */
struct routes {
	unsigned vertices;
	struct path_set *sets;
};

void topology_finish(struct core *c)
{
	if (c->routes)
		free(c->routes->sets);
	free(c->routes);
	c->routes = NULL;
}

/* --- the graph ---------------------------------------------------------------------------------
 */

/* Whether packets should pass through it to others only where there is no other way. */
static bool is_avoided(const struct element *e)
{
	return e->avoided;
}

/* Over the routed underlay packets go by what the networks between allow; a device was provisioned
 * for the two, whosever customers they are.  False: there is no way that is allowed. */
static bool relate(const struct core *c, const struct backplane_link *b, enum graph_relation *ret)
{
	const struct networks *n = &c->inventory.networks;

	*ret = GRAPH_SAME;
	if (b->l.kind != LINK_IP && b->l.kind != LINK_UDP)
		return true;
	switch (networks_relation(n, b->ends[0].element->name, b->ends[1].element->name)) {
	case NETWORK_SAME:
		break;
	case NETWORK_ABOVE:
		*ret = GRAPH_ABOVE;
		break;
	case NETWORK_BELOW:
		*ret = GRAPH_BELOW;
		break;
	case NETWORK_LEVEL:
		*ret = GRAPH_LEVEL;
		break;
	case NETWORK_NONE:
		return false;
	}
	return true;
}

static void add_links(const struct core *c, struct graph *g)
{
	for (unsigned i = 0; i < c->link_count; i++) {
		const struct backplane_link *b = c->links[i];
		enum graph_relation relation;

		if (!b->ends[0].number || !b->ends[1].number || !relate(c, b, &relation))
			continue;
		graph_add(g, i, b->ends[0].element->vertex, b->ends[1].element->vertex, b->cost,
			  b->live);
		graph_relate(g, relation);
	}
}

/* Links without a kind: nobody watches them, and they carry nothing by themselves. */
static void add_costs(const struct core *c, struct graph *g)
{
	for (unsigned i = 0; i < c->inventory.link_count; i++) {
		const struct link *l = &c->inventory.links[i];
		const struct element *a = element_by_name(c, l->ends[0]);
		const struct element *b = element_by_name(c, l->ends[1]);

		if (!l->kind && a && b)
			graph_add(g, c->link_count + i, a->vertex, b->vertex, l->cost, true);
	}
}

static void build(const struct core *c, struct graph *g, bool with_costs)
{
	graph_init(g, c->element_count, c->link_count + (with_costs ? c->inventory.link_count : 0));
	for (unsigned i = 0; i < c->element_count; i++)
		g->avoid[c->elements[i]->vertex] = is_avoided(c->elements[i]);
	add_links(c, g);
	if (with_costs)
		add_costs(c, g);
	graph_seal(g);
}

/* --- the way out -------------------------------------------------------------------------------
 */

static void find_borders(struct core *c)
{
	struct graph g;
	struct graph_work *w;
	uint64_t *distance = memory_alloc_array(c->element_count + 1, sizeof(*distance));
	uint32_t *border = memory_alloc_array(c->element_count + 1, sizeof(*border));
	uint64_t best = GRAPH_INFINITE;
	uint32_t fallback = 0;

	build(c, &g, true);
	w = graph_work_create(&g);
	for (unsigned i = 0; i < c->element_count; i++) {
		const struct element *e = c->elements[i];

		distance[e->vertex] = !e->border                                    ? GRAPH_INFINITE
				      : e->distant || e->draining || e->without_way ? DISTANT
										    : 0;
		border[e->vertex] = e->border ? e->id : 0;
		if (distance[e->vertex] < best) {
			best = distance[e->vertex];
			fallback = e->id;
		}
	}
	graph_nearest(w, distance, border);
	for (unsigned i = 0; i < c->element_count; i++) {
		uint32_t nearest = border[c->elements[i]->vertex];

		/* Even where no links are known. */
		if (c->elements[i]->without_way && nearest == c->elements[i]->id && best < DISTANT)
			nearest = fallback;
		c->elements[i]->nearest_border = nearest ? nearest : fallback;
	}
	graph_work_destroy(w);
	graph_finish(&g);
	free(distance);
	free(border);
}

void topology_distances(const struct core *c, const struct element *to, uint64_t *ret)
{
	uint32_t *owner = memory_alloc_array(c->element_count + 1, sizeof(*owner));
	struct graph_work *w;
	struct graph g;

	build(c, &g, true);
	w = graph_work_create(&g);
	for (unsigned i = 0; i < c->element_count; i++)
		ret[i] = i == to->vertex ? 0 : GRAPH_INFINITE;
	graph_nearest(w, ret, owner);
	graph_work_destroy(w);
	graph_finish(&g);
	free(owner);
}

void topology_refresh(struct core *c)
{
	if (!c->element_count)
		return;
	find_borders(c);
	exit_measure(c);
	planner_refresh_exits(c);
}

/* --- paths -------------------------------------------------------------------------------------
 */

/* The number that the FE at the beginning of the edge has for the link. */
static uint32_t number_at(const struct core *c, const struct graph_edge *edge)
{
	const struct backplane_link *b = c->links[edge->link];

	return b->ends[b->ends[0].element->vertex == edge->from ? 0 : 1].number;
}

static void take_route(const struct core *c, const struct graph *g, const struct graph_route *route,
		       struct path_set *ret)
{
	ret->distance = route->distance;
	ret->select = route->count > 1;
	for (unsigned i = 0; i < route->count; i++)
		ret->links[ret->count++] = number_at(c, &g->edges[route->edges[i]]);
	if (route->second != GRAPH_NONE)
		ret->links[ret->count++] = number_at(c, &g->edges[route->second]);
}

static struct routes *find_routes(const struct core *c)
{
	struct routes *routes = memory_alloc(sizeof(*routes));
	unsigned n = routes->vertices = c->element_count;
	struct graph_route *towards = memory_alloc_array(n + 1, sizeof(*towards));
	struct graph g;
	struct graph_work *w;

	routes->sets = memory_alloc_array((size_t)n * n + 1, sizeof(*routes->sets));
	build(c, &g, false);
	w = graph_work_create(&g);
	for (unsigned to = 0; to < n; to++) {
		if (g.first[to] == g.first[to + 1])
			continue; /* no links: straight */
		graph_routes(w, to, towards);
		for (unsigned from = 0; from < n; from++)
			take_route(c, &g, &towards[from], &routes->sets[(size_t)from * n + to]);
	}
	graph_work_destroy(w);
	graph_finish(&g);
	free(towards);
	return routes;
}

static const struct path_set *find_set(const struct routes *routes, const struct element *e,
				       const struct element *peer)
{
	if (!routes || e->vertex >= routes->vertices || peer->vertex >= routes->vertices)
		return NULL;
	return &routes->sets[(size_t)e->vertex * routes->vertices + peer->vertex];
}

void topology_set_paths(const struct core *c, const struct element *e, const struct element *peer,
			struct rule_group *group)
{
	const struct path_set *set = find_set(c->routes, e, peer);
	const struct rule_group *installed = table_get(&e->groups, &peer->id);

	if (installed && topology_is_held(c)) {
		group->select = installed->select;
		group->path_count = installed->path_count;
		memcpy(group->paths, installed->paths, sizeof(group->paths));
		return;
	}
	if (!set)
		return;
	group->select = set->select;
	group->path_count = set->count;
	memcpy(group->paths, set->links, sizeof(group->paths));
}

bool topology_reaches(const struct core *c, const struct element *e, const struct element *peer)
{
	const struct path_set *set = find_set(c->routes, e, peer);

	return !set || !set->count || set->distance < GRAPH_DEAD;
}

bool topology_allows(const struct core *c, const struct element *e, const struct element *peer)
{
	const struct path_set *set;

	if (networks_relation(&c->inventory.networks, e->name, peer->name) != NETWORK_NONE)
		return true;
	set = find_set(c->routes, e, peer);
	return set && set->count;
}

static bool same_paths(const struct path_set *a, const struct path_set *b)
{
	static const struct path_set straight;

	a = a ? a : &straight;
	b = b ? b : &straight;
	return a->select == b->select && a->count == b->count &&
	       memcmp(a->links, b->links, sizeof(a->links)) == 0;
}

/* Tells one FE the groups whose paths are others than in 'before'; all where that is NULL. */
static void tell(struct core *c, struct element *e, const struct routes *before, bool all)
{
	bool told = false;

	for (unsigned i = 0; i < c->element_count; i++) {
		const struct element *peer = c->elements[i];

		if (networks_relation(&c->inventory.networks, e->name, peer->name) == NETWORK_NONE)
			planner_refresh_pair(e, peer);
		else if (all ||
			 !same_paths(find_set(before, e, peer), find_set(c->routes, e, peer)))
			told |= planner_refresh_group(e, peer);
	}
	if (told)
		element_commit(e, false);
}

static void tell_each(struct core *c, const struct routes *before, bool all)
{
	c->change++;
	for (unsigned i = 0; i < c->element_count; i++)
		if (c->elements[i]->synced)
			tell(c, c->elements[i], before, all);
}

bool topology_is_held(const struct core *c)
{
	return c->learning || c->now_ms < c->paths_hold_ms;
}

void topology_tell_all(struct core *c)
{
	topology_settle(c);
	if ((c->routes || c->links_once) && !topology_is_held(c))
		tell_each(c, NULL, true);
}

void topology_settle(struct core *c)
{
	struct routes *before = c->routes;

	if (!c->paths_stale)
		return;
	c->paths_stale = false;
	c->links_once |= c->link_count > 0;
	c->routes = c->link_count ? find_routes(c) : NULL;
	if ((before || c->routes) && !topology_is_held(c))
		tell_each(c, before, false);
	if (before)
		free(before->sets);
	free(before);
	topology_refresh(c);
}

/* --- for people --------------------------------------------------------------------------------
 */

static const struct element *next_by(const struct core *c, const struct element *e, uint32_t number,
				     const struct backplane_link **ret_link)
{
	unsigned end;
	const struct backplane_link *b = backplane_find(c, e, number, &end);

	*ret_link = b;
	return b ? b->ends[!end].element : NULL;
}

/* The first link that is not 'from', as a transit FE takes it. */
static uint32_t choose(const struct core *c, const struct element *e, const struct path_set *set,
		       const struct backplane_link *from)
{
	for (unsigned i = 0; i < set->count; i++) {
		const struct backplane_link *b;

		if (next_by(c, e, set->links[i], &b) && b != from && b->live)
			return set->links[i];
	}
	return set->links[0];
}

/* From 'from' by the link 'number', and then as the groups of the FEs on the way say. */
static void follow(const struct core *c, const struct element *from, const struct element *to,
		   uint32_t number, struct path_view *view)
{
	const struct element *at = from;

	view->fe[view->count++] = from->id;
	while (at != to && view->count < PATH_LENGTH_MAX) {
		const struct backplane_link *b;
		const struct path_set *set;

		at = next_by(c, at, number, &b);
		if (!at)
			return;
		view->fe[view->count++] = at->id;
		view->cost += b->cost;
		set = find_set(c->routes, at, to);
		if (at != to && (!set || !set->count))
			return;
		if (at != to)
			number = choose(c, at, set, b);
	}
}

void core_paths(const struct core *c, uint32_t from, uint32_t to,
		void (*each)(void *each_to, const struct path_view *), void *each_to)
{
	const struct element *e = element_find(c, from), *peer = element_find(c, to);
	const struct path_set *set = e && peer ? find_set(c->routes, e, peer) : NULL;

	if (!e || !peer || e == peer || !element_has_backplane(peer))
		return;
	if (!set || !set->count) {
		each(each_to, &(struct path_view){.count = 2, .fe = {from, to}});
		return;
	}
	for (unsigned i = 0; i < set->count; i++) {
		struct path_view view = {.kind = set->select ? PATH_EQUAL
						 : i         ? PATH_SECOND
							     : PATH_FIRST};

		follow(c, e, peer, set->links[i], &view);
		each(each_to, &view);
	}
}
