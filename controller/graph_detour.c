/* Second links: for every vertex with one shortest path to the destination, where its packets go
 * while the first link is down and nobody has recomputed.
 *
 * Let L be the first link of v, and D its dependents: the vertices that have a shortest path over
 * L, and v itself.  A packet that v cannot send over L is safe as soon as it leaves D by another
 * link: no shortest path from there meets L.  If v has such a link, that is its second.  Else the
 * packet must first go against the stream, to a dependent that has one.  The rule of a transit FE
 * makes this work without any mark: a vertex that gets a packet by the link that it would send it
 * to does not send it back but takes its own second.  So the way out of D is a chain,
 *
 *	v -> a child of v -> a child of that ... -> out of D
 *
 * and v's second is the chain's first link, the child's second the next one, and so on.  The child
 * shares this second with the failure of its own first link, for which it is right as well: the
 * child's dependents are among v's.  So vertices are taken from the destination outwards; one that
 * is on a chain already has its second, for the others the cheapest way out is looked for.  (It is
 * the best path that avoids L: until it leaves D it runs along the shortest paths backwards, since
 * costs are the same both ways.)
 *
 * Vertices with several equal first links need no second.  They end a chain if all of their other
 * first links lead out of D.  Where no chain can be had because one does not, some of the equal
 * links are given up, and all is done again: delivery goes before sharing. */
#include "controller/graph.h"
#include "controller/graph_private.h"

/* Everything that can come to v: marked in w->stamp. */
static void mark_dependents(struct graph_work *w, const struct graph_route *routes, unsigned v)
{
	const struct graph *g = w->g;
	unsigned head = 0, count = 0;

	w->stamp_now++;
	w->stamp[v] = w->stamp_now;
	w->queue[count++] = v;
	while (head < count) {
		unsigned at = w->queue[head++];

		for (unsigned i = g->first[at]; i < g->first[at + 1]; i++) {
			unsigned to = g->edges[i].to;

			if (w->stamp[to] == w->stamp_now ||
			    !graph_is_first(g, routes, g->edges[i].twin))
				continue;
			w->stamp[to] = w->stamp_now;
			w->queue[count++] = to;
		}
	}
}

static bool depends(const struct graph_work *w, unsigned vertex)
{
	return w->stamp[vertex] == w->stamp_now;
}

/* Of the first links of the vertex that 'edge' enters, those but 'edge' that lead out. */
static unsigned ways_out(const struct graph_work *w, const struct graph_route *routes,
			 unsigned edge)
{
	const struct graph *g = w->g;
	const struct graph_route *route = &routes[g->edges[edge].to];
	unsigned count = 0;

	for (unsigned i = 0; i < route->count; i++) {
		const struct graph_edge *e = &g->edges[route->edges[i]];

		count += route->edges[i] != g->edges[edge].twin && e->live && !depends(w, e->to);
	}
	return count;
}

/* The end of the best chain so far. */
struct way_out {
	unsigned edge; /* the last one: out, or to a vertex that shares */
	unsigned trimmed;
	uint64_t cost;
};

static void offer(struct way_out *best, unsigned edge, unsigned trimmed, uint64_t cost)
{
	if (best->edge == GRAPH_NONE || trimmed < best->trimmed ||
	    (trimmed == best->trimmed && cost < best->cost))
		*best = (struct way_out){edge, trimmed, cost};
}

/* One link against the stream, to 'e->to', a dependent. */
static void climb(struct graph_work *w, const struct graph_route *routes, unsigned edge,
		  bool may_trim, unsigned *count, struct way_out *best)
{
	const struct graph_edge *e = &w->g->edges[edge];
	const struct graph_route *route = &routes[e->to];
	unsigned out = route->count > 1 ? ways_out(w, routes, edge) : 0;
	unsigned trimmed = w->trimmed[e->from];

	if (out && (may_trim || out == route->count - 1))
		offer(best, edge, trimmed + (out != route->count - 1),
		      routes[e->from].distance + e->cost + route->distance);
	if (route->count > 1 && !may_trim)
		return;
	if (w->reached[e->to] == w->reached_now)
		return;
	w->reached[e->to] = w->reached_now;
	w->via[e->to] = edge;
	w->trimmed[e->to] = trimmed + (route->count > 1);
	w->queue[(*count)++] = e->to;
}

/* Whether v's packets, and those of all that come to it, may take a way that begins with 'edge':
 * the policies allow it to everybody who was told of v's own way. */
static bool may_detour(const struct graph *g, const struct graph_route *routes, unsigned v,
		       unsigned edge)
{
	const struct graph_edge *e = &g->edges[edge];
	uint64_t cost;
	int kind = graph_extend(e, routes[e->to].kind, &cost);

	return kind >= 0 && kind <= routes[v].kind;
}

/* The best chain for v, whose dependents are marked. */
static struct way_out find_way_out(struct graph_work *w, const struct graph_route *routes,
				   unsigned v, bool may_trim)
{
	const struct graph *g = w->g;
	struct way_out best = {.edge = GRAPH_NONE};
	unsigned head = 0, count = 0;

	w->reached_now++;
	w->reached[v] = w->reached_now;
	w->via[v] = GRAPH_NONE;
	w->trimmed[v] = 0;
	w->queue[count++] = v;
	while (head < count) {
		unsigned at = w->queue[head++];

		for (unsigned i = g->first[at]; i < g->first[at + 1]; i++) {
			const struct graph_edge *e = &g->edges[i];

			if (!e->live || graph_is_first(g, routes, i))
				continue;
			if (!depends(w, e->to) && !may_detour(g, routes, v, i))
				continue;
			if (depends(w, e->to) && e->relation != GRAPH_SAME)
				continue; /* a chain stays within its network */
			if (!depends(w, e->to) && routes[e->to].distance != GRAPH_INFINITE)
				offer(&best, i, w->trimmed[at],
				      routes[at].distance + e->cost + routes[e->to].distance);
			else if (graph_is_first(g, routes, e->twin))
				climb(w, routes, i, may_trim, &count, &best);
		}
	}
	return best;
}

/* Every vertex of the chain gets its second. */
static void take(const struct graph_work *w, struct graph_route *routes, unsigned edge)
{
	for (unsigned i = edge; i != GRAPH_NONE; i = w->via[w->g->edges[i].from])
		routes[w->g->edges[i].from].second = i;
}

/* Makes the chain possible: vertices on it keep the first link by which it comes, the one that ends
 * it keeps those that lead out as well. */
static void trim(const struct graph_work *w, struct graph_route *routes, unsigned edge)
{
	const struct graph *g = w->g;
	struct graph_route *end = &routes[g->edges[edge].to];

	if (depends(w, g->edges[edge].to)) {
		unsigned kept = 0;

		for (unsigned i = 0; i < end->count; i++) {
			const struct graph_edge *e = &g->edges[end->edges[i]];

			if (end->edges[i] == g->edges[edge].twin || (e->live && !depends(w, e->to)))
				end->edges[kept++] = end->edges[i];
		}
		end->count = kept;
	}
	for (unsigned i = w->via[g->edges[edge].from]; i != GRAPH_NONE;
	     i = w->via[g->edges[i].from]) {
		struct graph_route *route = &routes[g->edges[i].to];

		route->edges[0] = g->edges[i].twin;
		route->count = 1;
	}
}

/* False: equal links were given up, so that all chains are to be looked for again. */
static bool protect_all(struct graph_work *w, unsigned destination, struct graph_route *routes)
{
	for (unsigned i = 0; i < w->order_count; i++) {
		unsigned v = w->order[i];
		struct graph_route *route = &routes[v];
		struct way_out out;

		if (v == destination || route->count != 1 || route->second != GRAPH_NONE ||
		    !w->g->edges[route->edges[0]].live)
			continue;
		mark_dependents(w, routes, v);
		out = find_way_out(w, routes, v, false);
		if (out.edge != GRAPH_NONE) {
			take(w, routes, out.edge);
			continue;
		}
		out = find_way_out(w, routes, v, true);
		if (out.edge == GRAPH_NONE)
			continue; /* a bridge: nothing else leads there */
		trim(w, routes, out.edge);
		return false;
	}
	return true;
}

/* Each round gives up at least one edge. */
void graph_protect(struct graph_work *w, unsigned destination, struct graph_route *routes)
{
	while (!protect_all(w, destination, routes))
		for (unsigned v = 0; v < w->g->vertex_count; v++)
			routes[v].second = GRAPH_NONE;
}
