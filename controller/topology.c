/* Shortest paths over the backplane links (Dijkstra, from all border FEs at once), for one
 * question: which border FE is nearest to each FE, so that what leaves VICTOR goes out there.  Only
 * connects and external ports change the answer, never a move, so it is worked out from scratch.
 *
 * A border FE that lost its session still forwards (its agent may just be restarting): it keeps its
 * place for BORDER_GRACE_MS and is the last choice after that.  FEs that no link joins are taken to
 * reach one another, at a distance larger than any path. */
#include "controller/topology.h"

#include "base/memory.h"
#include "controller/element.h"
#include "controller/planner.h"

#include <stdlib.h>
#include <string.h>

#define FAR (UINT64_C(1) << 48)
#define DISTANT (UINT64_C(1) << 40)

struct edge {
	unsigned to;
	uint32_t cost;
};

struct graph {
	unsigned count;
	unsigned *first; /* of each vertex's edges; first[count] is their number */
	struct edge *edges;
	uint64_t *distance;
	uint32_t *border; /* nearest: element id */
	bool *done;
};

static unsigned index_of(const struct core *c, const struct element *e)
{
	unsigned low = 0, high = c->element_count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (c->elements[middle]->id <= e->id)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Calls for both directions of each link whose ends are known. */
static void each_edge(const struct core *c, struct graph *g,
		      void (*call)(struct graph *g, unsigned from, unsigned to, uint32_t cost))
{
	for (unsigned i = 0; i < c->inventory.link_count; i++) {
		const struct link *l = &c->inventory.links[i];
		const struct element *a = element_by_name(c, l->ends[0]);
		const struct element *b = element_by_name(c, l->ends[1]);

		if (!a || !b)
			continue;
		call(g, index_of(c, a), index_of(c, b), l->cost);
		call(g, index_of(c, b), index_of(c, a), l->cost);
	}
}

static void count_edge(struct graph *g, unsigned from, unsigned to, uint32_t cost)
{
	g->first[from + 1]++;
}

/* Fills from each vertex's end, so that 'first' is right when all are in. */
static void add_edge(struct graph *g, unsigned from, unsigned to, uint32_t cost)
{
	g->edges[--g->first[from + 1]] = (struct edge){to, cost};
}

static void graph_init(struct graph *g, const struct core *c)
{
	unsigned n = g->count = c->element_count;

	g->first = memory_alloc_array(n + 2, sizeof(*g->first));
	g->edges = memory_alloc_array(2 * c->inventory.link_count + 1, sizeof(*g->edges));
	g->distance = memory_alloc_array(n, sizeof(*g->distance));
	g->border = memory_alloc_array(n, sizeof(*g->border));
	g->done = memory_alloc_array(n, sizeof(*g->done));
	each_edge(c, g, count_edge);
	for (unsigned i = 0; i < n; i++)
		g->first[i + 1] += g->first[i];
	/* first[i + 1] is now the end of vertex i, and becomes its beginning: shift by one. */
	each_edge(c, g, add_edge);
	memmove(g->first, g->first + 1, n * sizeof(*g->first));
	g->first[n] = 0;
	for (unsigned i = 0; i < c->inventory.link_count; i++)
		if (element_by_name(c, c->inventory.links[i].ends[0]) &&
		    element_by_name(c, c->inventory.links[i].ends[1]))
			g->first[n] += 2;
}

static void graph_finish(struct graph *g)
{
	free(g->first);
	free(g->edges);
	free(g->distance);
	free(g->border);
	free(g->done);
}

static int nearest_open(const struct graph *g)
{
	int best = -1;

	for (unsigned i = 0; i < g->count; i++)
		if (!g->done[i] && g->distance[i] < FAR &&
		    (best < 0 || g->distance[i] < g->distance[best]))
			best = (int)i;
	return best;
}

static void search(struct graph *g)
{
	for (int at = nearest_open(g); at >= 0; at = nearest_open(g)) {
		g->done[at] = true;
		for (unsigned i = g->first[at]; i < g->first[at + 1]; i++) {
			const struct edge *edge = &g->edges[i];
			uint64_t distance = g->distance[at] + edge->cost;

			/* Of two that are equally near, the lower id: the same one every time. */
			if (distance > g->distance[edge->to] ||
			    (distance == g->distance[edge->to] &&
			     g->border[at] >= g->border[edge->to]))
				continue;
			g->distance[edge->to] = distance;
			g->border[edge->to] = g->border[at];
		}
	}
}

void topology_refresh(struct core *c)
{
	struct graph g;
	uint32_t fallback = 0;
	uint64_t best = FAR;

	if (!c->element_count)
		return;
	graph_init(&g, c);
	for (unsigned i = 0; i < g.count; i++) {
		const struct element *e = c->elements[i];

		g.distance[i] = !e->border ? FAR : e->distant || e->draining ? DISTANT : 0;
		g.border[i] = e->border ? e->id : 0;
		if (g.distance[i] < best) {
			best = g.distance[i];
			fallback = e->id;
		}
	}
	search(&g);
	for (unsigned i = 0; i < g.count; i++)
		c->elements[i]->nearest_border = g.border[i] ? g.border[i] : fallback;
	graph_finish(&g);
	planner_refresh_exits(c);
}
