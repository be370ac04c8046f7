/* What graph.c and graph_detour.c share. */
#pragma once

#include "controller/graph.h"

struct graph_heap_item {
	uint64_t distance;
	unsigned vertex;
};

struct graph_work {
	const struct graph *g;
	struct graph_heap_item *heap;
	unsigned heap_count;
	unsigned *order; /* vertices by distance, as they were settled */
	unsigned order_count;
	bool *done;
	/* graph_detour.c */
	unsigned *stamp, *reached, *queue; /* dependents; chains: by number of the search */
	unsigned *via;                     /* the edge by which a chain came to a vertex */
	unsigned *trimmed;                 /* how many vertices of the chain lose equal paths */
	unsigned stamp_now, reached_now;
};

/* Whether 'edge' is one of the first edges of the vertex that it leaves. */
bool graph_is_first(const struct graph *g, const struct graph_route *routes, unsigned edge);
/* Policies between networks: see graph.c. */
int graph_extend(const struct graph_edge *e, unsigned there, uint64_t *ret_cost);
/* Fills in second edges, and takes equal ones away where they would break a detour. */
void graph_protect(struct graph_work *w, unsigned destination, struct graph_route *routes);
