/* Dijkstra over a sealed graph, with a binary heap.  Distances are to the destination: the search
 * begins there and goes against the direction of travel, so an edge's cost is that of its twin plus
 * what passing the vertex that it enters costs. */
#include "controller/graph.h"

#include "base/memory.h"
#include "controller/graph_private.h"

#include <stdlib.h>
#include <string.h>

void graph_init(struct graph *g, unsigned vertices, unsigned links_max)
{
	*g = (struct graph){.vertex_count = vertices, .edge_room = 2 * links_max};
	g->first = memory_alloc_array(vertices + 1, sizeof(*g->first));
	g->edges = memory_alloc_array(g->edge_room + 1, sizeof(*g->edges));
	g->avoid = memory_alloc_array(vertices + 1, sizeof(*g->avoid));
}

void graph_finish(struct graph *g)
{
	free(g->first);
	free(g->edges);
	free(g->avoid);
	*g = (struct graph){0};
}

void graph_add(struct graph *g, unsigned link, unsigned a, unsigned b, uint32_t cost, bool live)
{
	struct graph_edge edge = {
		.from = a,
		.to = b,
		.link = 2 * link,
		.cost = cost + (live ? 0 : GRAPH_DEAD),
		.live = live,
	};

	if (g->edge_count == g->edge_room || a == b)
		return;
	g->edges[g->edge_count++] = edge;
	edge.from = b;
	edge.to = a;
	edge.link++;
	g->edges[g->edge_count++] = edge;
}

void graph_relate(struct graph *g, enum graph_relation a_to_b)
{
	if (g->edge_count < 2)
		return;
	g->edges[g->edge_count - 2].relation = (uint8_t)a_to_b;
	g->edges[g->edge_count - 1].relation = (uint8_t)(a_to_b == GRAPH_ABOVE   ? GRAPH_BELOW
							 : a_to_b == GRAPH_BELOW ? GRAPH_ABOVE
										 : a_to_b);
}

/* A way of kind 'there' begins where the edge ends: the kind that it has from the edge's beginning
 * on, and what that costs besides; -1: it may not be taken from there. */
int graph_extend(const struct graph_edge *e, unsigned there, uint64_t *ret_cost)
{
	*ret_cost = 0;
	if (e->relation == GRAPH_SAME)
		return (int)there;
	if (e->relation == GRAPH_BELOW) {
		*ret_cost = there == 2 ? 0 : GRAPH_UP;
		return 2;
	}
	if (there != 0)
		return -1;
	if (e->relation == GRAPH_ABOVE)
		return 0;
	*ret_cost = GRAPH_ACROSS;
	return 1;
}

static int compare_edges(const void *a, const void *b)
{
	const struct graph_edge *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->link > y->link) - (x->link < y->link);
}

/* Until here 'link' carries the direction in its lowest bit, by which twins find each other. */
void graph_seal(struct graph *g)
{
	unsigned most = 0;
	unsigned *place;

	qsort(g->edges, g->edge_count, sizeof(*g->edges), compare_edges);
	for (unsigned i = 0; i < g->edge_count; i++) {
		g->first[g->edges[i].from + 1]++;
		if (g->edges[i].link > most)
			most = g->edges[i].link;
	}
	for (unsigned i = 0; i < g->vertex_count; i++)
		g->first[i + 1] += g->first[i];
	place = memory_alloc_array(most + 2, sizeof(*place));
	for (unsigned i = 0; i < g->edge_count; i++)
		place[g->edges[i].link] = i;
	for (unsigned i = 0; i < g->edge_count; i++)
		g->edges[i].twin = place[g->edges[i].link ^ 1];
	for (unsigned i = 0; i < g->edge_count; i++)
		g->edges[i].link /= 2;
	free(place);
}

struct graph_work *graph_work_create(const struct graph *g)
{
	struct graph_work *w = memory_alloc(sizeof(*w));
	unsigned n = g->vertex_count + 1;

	w->g = g;
	/* An edge puts a vertex into the heap at most once. */
	w->heap = memory_alloc_array(n + g->edge_count, sizeof(*w->heap));
	w->order = memory_alloc_array(n, sizeof(*w->order));
	w->done = memory_alloc_array(n, sizeof(*w->done));
	w->stamp = memory_alloc_array(n, sizeof(*w->stamp));
	w->reached = memory_alloc_array(n, sizeof(*w->reached));
	w->queue = memory_alloc_array(n, sizeof(*w->queue));
	w->via = memory_alloc_array(n, sizeof(*w->via));
	w->trimmed = memory_alloc_array(n, sizeof(*w->trimmed));
	return w;
}

void graph_work_destroy(struct graph_work *w)
{
	if (!w)
		return;
	free(w->heap);
	free(w->order);
	free(w->done);
	free(w->stamp);
	free(w->reached);
	free(w->queue);
	free(w->via);
	free(w->trimmed);
	free(w);
}

static bool nearer(const struct graph_heap_item *a, const struct graph_heap_item *b)
{
	return a->distance != b->distance ? a->distance < b->distance : a->vertex < b->vertex;
}

static void push(struct graph_work *w, uint64_t distance, unsigned vertex)
{
	struct graph_heap_item item = {distance, vertex};
	unsigned at = w->heap_count++;

	for (; at > 0 && nearer(&item, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = item;
}

static unsigned pop(struct graph_work *w)
{
	unsigned vertex = w->heap[0].vertex, at = 0;
	struct graph_heap_item last = w->heap[--w->heap_count];

	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= w->heap_count)
			break;
		child += child + 1 < w->heap_count && nearer(&w->heap[child + 1], &w->heap[child]);
		if (!nearer(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = last;
	return vertex;
}

static void search_begin(struct graph_work *w)
{
	w->heap_count = w->order_count = 0;
	memset(w->done, 0, w->g->vertex_count * sizeof(*w->done));
}

/* The next vertex that was not settled before; GRAPH_NONE at the end. */
static unsigned settle(struct graph_work *w)
{
	while (w->heap_count) {
		unsigned vertex = pop(w);

		if (w->done[vertex])
			continue;
		w->done[vertex] = true;
		w->order[w->order_count++] = vertex;
		return vertex;
	}
	return GRAPH_NONE;
}

bool graph_is_first(const struct graph *g, const struct graph_route *routes, unsigned edge)
{
	const struct graph_route *route = &routes[g->edges[edge].from];

	for (unsigned i = 0; i < route->count; i++)
		if (route->edges[i] == edge)
			return true;
	return false;
}

/* All edges by which a shortest path begins; of more than fit, those of the lowest links. */
static void find_first_edges(const struct graph *g, unsigned destination, struct graph_route *ret)
{
	for (unsigned v = 0; v < g->vertex_count; v++) {
		struct graph_route *route = &ret[v];

		if (v == destination || route->distance == GRAPH_INFINITE)
			continue;
		for (unsigned i = g->first[v]; i < g->first[v + 1]; i++) {
			const struct graph_edge *e = &g->edges[i];
			uint64_t passing =
				g->avoid[e->to] && e->to != destination ? GRAPH_AVOID : 0;
			uint64_t policy;

			if (ret[e->to].distance != GRAPH_INFINITE &&
			    graph_extend(e, ret[e->to].kind, &policy) == route->kind &&
			    ret[e->to].distance + e->cost + passing + policy == route->distance &&
			    route->count < GRAPH_SHARED_MAX)
				route->edges[route->count++] = i;
		}
	}
}

void graph_routes(struct graph_work *w, unsigned destination, struct graph_route *ret)
{
	const struct graph *g = w->g;
	unsigned v;

	for (unsigned i = 0; i < g->vertex_count; i++)
		ret[i] = (struct graph_route){.distance = GRAPH_INFINITE, .second = GRAPH_NONE};
	search_begin(w);
	ret[destination].distance = 0;
	push(w, 0, destination);
	while ((v = settle(w)) != GRAPH_NONE) {
		uint64_t passing = g->avoid[v] && v != destination ? GRAPH_AVOID : 0;

		for (unsigned i = g->first[v]; i < g->first[v + 1]; i++) {
			const struct graph_edge *e = &g->edges[i];
			uint64_t distance = ret[v].distance + e->cost + passing, policy;
			int kind = graph_extend(&g->edges[e->twin], ret[v].kind, &policy);

			distance += policy;
			if (kind < 0 || distance >= ret[e->to].distance)
				continue;
			ret[e->to].distance = distance;
			ret[e->to].kind = (uint8_t)kind;
			push(w, distance, e->to);
		}
	}
	find_first_edges(g, destination, ret);
	graph_protect(w, destination, ret);
}

unsigned graph_walk(const struct graph *g, const struct graph_route *routes, unsigned from,
		    unsigned destination, unsigned *ret, unsigned most)
{
	unsigned count = 0;

	for (unsigned v = from; count < most; v = g->edges[routes[v].edges[0]].to) {
		ret[count++] = v;
		if (v == destination)
			return count;
		if (!routes[v].count)
			return 0;
	}
	return 0;
}

void graph_nearest(struct graph_work *w, uint64_t *distance, uint32_t *owner)
{
	const struct graph *g = w->g;
	unsigned v;

	search_begin(w);
	for (unsigned i = 0; i < g->vertex_count; i++)
		if (distance[i] < GRAPH_INFINITE)
			push(w, distance[i], i);
	while ((v = settle(w)) != GRAPH_NONE) {
		uint64_t passing = g->avoid[v] && distance[v] ? GRAPH_AVOID : 0;

		for (unsigned i = g->first[v]; i < g->first[v + 1]; i++) {
			const struct graph_edge *e = &g->edges[i];
			uint64_t there = distance[v] + e->cost + passing;

			if (there > distance[e->to] ||
			    (there == distance[e->to] && owner[v] >= owner[e->to]))
				continue;
			if (there < distance[e->to])
				push(w, there, e->to);
			distance[e->to] = there;
			owner[e->to] = owner[v];
		}
	}
}
