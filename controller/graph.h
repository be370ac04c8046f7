/* Shortest paths over a graph of numbered vertices: the backplane without its names.  Pure
 * arithmetic; topology.c makes the graph and reads the answer.
 *
 * A vertex forwards by the destination alone, so an answer is, for one destination, what each
 * vertex does with a packet for it: the equal-cost first links of its shortest paths, or its one
 * first link and a second one.  The rule of a transit FE belongs to it: never back by the link it
 * came in by while another is live.  Second links are chosen so that under this rule, whichever
 * single link fails, every packet still arrives before anybody recomputes (graph_detour.c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GRAPH_SHARED_MAX 4 /* equal-cost first links; what a group can hold */
#define GRAPH_NONE 0xffffffffu
#define GRAPH_INFINITE (UINT64_C(1) << 62)
/* Added for each vertex passed that should not be passed, and for each link that is dead: such a
 * path is found only where there is no other. */
#define GRAPH_AVOID (UINT64_C(1) << 30)
#define GRAPH_DEAD (UINT64_C(1) << 38)
/* Added for a step across or up to another network: what leads down to customers is preferred,
 * since all may be told of it (Gao and Rexford, "Stable Internet Routing Without Global
 * Coordination"). */
#define GRAPH_ACROSS (UINT64_C(1) << 34)
#define GRAPH_UP (UINT64_C(1) << 35)

/* What the network of the edge's 'from' is to that of its 'to' (controller/network.h). */
enum graph_relation { GRAPH_SAME, GRAPH_ABOVE, GRAPH_BELOW, GRAPH_LEVEL };

/* One direction of a link. */
struct graph_edge {
	unsigned from, to, link, twin; /* 'link' is the caller's; 'twin' the other direction */
	uint64_t cost;
	bool live;
	uint8_t relation; /* enum graph_relation */
};

struct graph {
	unsigned vertex_count, edge_count, edge_room;
	unsigned *first; /* of each vertex's edges; first[vertex_count] is their number */
	struct graph_edge *edges;
	bool *avoid; /* not to be passed: it may begin and end paths */
};

/* What one vertex does with packets for the destination: edges, in the order of their links. */
struct graph_route {
	uint64_t distance; /* GRAPH_INFINITE: no path; then the counts are 0 */
	unsigned count;    /* equal-cost first edges; 0 at the destination itself */
	unsigned edges[GRAPH_SHARED_MAX];
	unsigned second; /* where count is 1; GRAPH_NONE: there is none */
	uint8_t kind;    /* of the way: 0 down alone, 1 across, 2 up; from there only customers may
			  * pass a way that is not down */
};

void graph_init(struct graph *g, unsigned vertices, unsigned links_max);
void graph_finish(struct graph *g);
/* Both directions; 'cost' is at least 1.  'link' is below 1 << 31. */
void graph_add(struct graph *g, unsigned link, unsigned a, unsigned b, uint32_t cost, bool live);
/* What the network of 'a' is to that of 'b', of the link that was added last; GRAPH_SAME else.
 * Between networks a path goes up, at most once across, and down, and never otherwise. */
void graph_relate(struct graph *g, enum graph_relation a_to_b);
/* When all links are in: sorts the edges.  No question before. */
void graph_seal(struct graph *g);

/* Memory for questions to one graph, reused from destination to destination. */
struct graph_work;
struct graph_work *graph_work_create(const struct graph *g);
void graph_work_destroy(struct graph_work *w);
/* What each vertex does with packets for 'destination': 'ret' has a route for each vertex. */
void graph_routes(struct graph_work *w, unsigned destination, struct graph_route *ret);
/* The way from 'from' by first edges alone (of equal ones the first): vertices, both ends included;
 * their number, 0 if there is none or it is longer than 'most'. */
unsigned graph_walk(const struct graph *g, const struct graph_route *routes, unsigned from,
		    unsigned destination, unsigned *ret, unsigned most);

/* Distances from many sources at once: 'distance' holds each source's own (others
 * GRAPH_INFINITE) and 'owner' its mark; afterwards every vertex has its nearest source's, of
 * equally near ones the lowest mark.  Passing costs as above. */
void graph_nearest(struct graph_work *w, uint64_t *distance, uint32_t *owner);
