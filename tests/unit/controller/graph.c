/* Shortest paths against an independent Floyd-Warshall, and what happens to packets when a link
 * fails before anybody recomputes: every vertex forwards by its own route, by the rule of a transit
 * FE.  The graphs are random, from fixed seeds. */
#include "controller/graph.h"

#include "base/memory.h"
#include "main.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define VERTICES_MAX 40
#define LINKS_MAX_HERE 200
#define FAR (UINT64_C(1) << 60)

struct test_link {
	unsigned ends[2];
	uint32_t cost;
	bool live;
};

struct net {
	unsigned vertices, links;
	struct test_link list[LINKS_MAX_HERE];
	bool avoid[VERTICES_MAX];
};

static uint64_t random_state;

static unsigned below(unsigned n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((random_state >> 33) % n);
}

static void join(struct net *net, unsigned a, unsigned b, uint32_t cost)
{
	if (a != b && net->links < LINKS_MAX_HERE)
		net->list[net->links++] = (struct test_link){{a, b}, cost, true};
}

/* A ring with chords, shuffled; costs from a small range, so that equal paths are common. */
static void make_ring(struct net *net, unsigned seed)
{
	unsigned place[VERTICES_MAX], costs;

	memset(net, 0, sizeof(*net));
	random_state = seed;
	net->vertices = 3 + below(18);
	costs = 1 + below(4);
	for (unsigned i = 0; i < net->vertices; i++) {
		unsigned j = below(i + 1);

		place[i] = place[j];
		place[j] = i;
	}
	for (unsigned i = 0; i < net->vertices; i++)
		join(net, place[i], place[(i + 1) % net->vertices], 1 + below(costs));
	for (unsigned i = below(net->vertices); i > 0; i--)
		join(net, below(net->vertices), below(net->vertices), 1 + below(costs));
}

/* Anything: in pieces, with bridges, with parallel links. */
static void make_any(struct net *net, unsigned seed)
{
	memset(net, 0, sizeof(*net));
	random_state = seed;
	net->vertices = 2 + below(14);
	for (unsigned i = below(3 * net->vertices); i > 0; i--)
		join(net, below(net->vertices), below(net->vertices), 1 + below(3));
}

static void build(const struct net *net, struct graph *g)
{
	graph_init(g, net->vertices, net->links);
	for (unsigned i = 0; i < net->links; i++)
		graph_add(g, i, net->list[i].ends[0], net->list[i].ends[1], net->list[i].cost,
			  net->list[i].live);
	memcpy(g->avoid, net->avoid, net->vertices * sizeof(bool));
	graph_seal(g);
}

/* By Floyd and Warshall, over the links for which 'lost' is not their number. */
static void all_distances(const struct net *net, unsigned lost,
			  uint64_t d[VERTICES_MAX][VERTICES_MAX])
{
	for (unsigned i = 0; i < net->vertices; i++)
		for (unsigned j = 0; j < net->vertices; j++)
			d[i][j] = i == j ? 0 : FAR;
	for (unsigned i = 0; i < net->links; i++) {
		const struct test_link *l = &net->list[i];

		for (unsigned end = 0; end < 2 && i != lost; end++)
			if (l->cost < d[l->ends[end]][l->ends[!end]])
				d[l->ends[end]][l->ends[!end]] = l->cost;
	}
	for (unsigned k = 0; k < net->vertices; k++)
		for (unsigned i = 0; i < net->vertices; i++)
			for (unsigned j = 0; j < net->vertices; j++)
				if (d[i][k] + d[k][j] < d[i][j])
					d[i][j] = d[i][k] + d[k][j];
}

/* Every first link lies on a shortest path; returns how many such links were left out. */
static unsigned check_optimal(const struct net *net, const struct graph *g,
			      const struct graph_route *routes, unsigned destination,
			      uint64_t d[VERTICES_MAX][VERTICES_MAX])
{
	unsigned left_out = 0;

	for (unsigned v = 0; v < net->vertices; v++) {
		const struct graph_route *r = &routes[v];
		unsigned equal = 0;

		if (d[v][destination] >= FAR) {
			assert_true(r->distance == GRAPH_INFINITE);
			assert_int_equal(r->count, 0);
			continue;
		}
		assert_true(r->distance == d[v][destination]);
		for (unsigned i = g->first[v]; i < g->first[v + 1]; i++) {
			const struct graph_edge *e = &g->edges[i];

			equal += v != destination &&
				 e->cost + d[e->to][destination] == d[v][destination];
		}
		assert_int_equal(r->count == 0, v == destination);
		assert_true(r->count <= equal);
		for (unsigned i = 0; i < r->count; i++) {
			const struct graph_edge *e = &g->edges[r->edges[i]];

			assert_int_equal(e->from, v);
			assert_true(i == 0 || e->link > g->edges[r->edges[i - 1]].link);
			assert_true(e->cost + d[e->to][destination] == d[v][destination]);
		}
		if (r->second != GRAPH_NONE) {
			assert_int_equal(r->count, 1);
			assert_int_equal(g->edges[r->second].from, v);
			assert_int_not_equal(r->second, r->edges[0]);
		}
		left_out += (equal < GRAPH_SHARED_MAX ? equal : GRAPH_SHARED_MAX) - r->count;
	}
	return left_out;
}

/* --- packets ------------------------------------------------------------------------------ */

struct flight {
	const struct graph *g;
	const struct graph_route *routes;
	unsigned destination, lost;
	uint8_t *state; /* of each edge that a packet came by: 1 on the way, 2 seen to arrive */
};

static bool can_send(const struct flight *f, unsigned edge)
{
	return edge != GRAPH_NONE && f->g->edges[edge].live && f->g->edges[edge].link != f->lost;
}

/* The links that the vertex may take for a packet that came in by 'in' (an edge into it, or none):
 * any of the live ones, whatever the flow's hash says; of a first and a second the first. */
static unsigned choices(const struct flight *f, unsigned v, unsigned in,
			unsigned ret[GRAPH_SHARED_MAX])
{
	const struct graph_route *r = &f->routes[v];
	unsigned back = in == GRAPH_NONE ? GRAPH_NONE : f->g->edges[in].twin, count = 0;

	for (unsigned i = 0; i < r->count; i++)
		if (can_send(f, r->edges[i]) && r->edges[i] != back)
			ret[count++] = r->edges[i];
	if (!count && can_send(f, r->second) && r->second != back)
		ret[count++] = r->second;
	/* No other lives: back it goes, if that is a path at all. */
	for (unsigned i = 0; i <= r->count && !count; i++) {
		unsigned edge = i < r->count ? r->edges[i] : r->second;

		if (edge == back && can_send(f, edge))
			ret[count++] = edge;
	}
	return count;
}

/* Whether it arrives, whatever the hashes; the depth of the recursion is bounded by the states. */
static bool arrives(struct flight *f, unsigned v, unsigned in)
{
	unsigned edges[GRAPH_SHARED_MAX];
	unsigned count;

	if (v == f->destination)
		return true;
	if (in != GRAPH_NONE) {
		if (f->state[in])
			return f->state[in] == 2;
		f->state[in] = 1;
	}
	count = choices(f, v, in, edges);
	for (unsigned i = 0; i < count; i++)
		if (!arrives(f, f->g->edges[edges[i]].to, edges[i]))
			return false;
	if (in != GRAPH_NONE)
		f->state[in] = 2;
	return count > 0;
}

static void check_delivery(const struct net *net, const struct graph *g,
			   const struct graph_route *routes, unsigned destination, unsigned lost,
			   uint64_t d[VERTICES_MAX][VERTICES_MAX], unsigned seed)
{
	struct flight f = {g, routes, destination, lost, NULL};

	f.state = memory_alloc(g->edge_count + 1);
	for (unsigned v = 0; v < net->vertices; v++)
		if (d[v][destination] < FAR && !arrives(&f, v, GRAPH_NONE))
			fail_msg("seed %u: %u does not reach %u when link %u is lost", seed, v,
				 destination, lost);
	free(f.state);
}

static void check_net(const struct net *net, unsigned seed, unsigned *left_out, unsigned *sets)
{
	static uint64_t d[VERTICES_MAX][VERTICES_MAX], without[VERTICES_MAX][VERTICES_MAX];
	struct graph_route *routes =
		memory_alloc_array(net->vertices * net->vertices, sizeof(*routes));
	struct graph g;
	struct graph_work *w;

	build(net, &g);
	w = graph_work_create(&g);
	all_distances(net, GRAPH_NONE, d);
	for (unsigned to = 0; to < net->vertices; to++) {
		graph_routes(w, to, &routes[to * net->vertices]);
		*left_out += check_optimal(net, &g, &routes[to * net->vertices], to, d);
		*sets += net->vertices;
		check_delivery(net, &g, &routes[to * net->vertices], to, GRAPH_NONE, d, seed);
	}
	for (unsigned lost = 0; lost < net->links; lost++) {
		all_distances(net, lost, without);
		for (unsigned to = 0; to < net->vertices; to++)
			check_delivery(net, &g, &routes[to * net->vertices], to, lost, without,
				       seed);
	}
	graph_work_destroy(w);
	graph_finish(&g);
	free(routes);
}

static void paths_are_optimal_and_every_single_loss_is_survived_in_rings(void **state)
{
	unsigned left_out = 0, sets = 0;
	struct net net;

	for (unsigned seed = 1; seed <= 300; seed++) {
		make_ring(&net, seed);
		check_net(&net, seed, &left_out, &sets);
	}
	/* Equal paths are given up only where a detour needs it: seldom. */
	assert_true(left_out * 50 < sets);
}

static void paths_are_optimal_and_every_single_loss_is_survived_in_any_graph(void **state)
{
	unsigned left_out = 0, sets = 0;
	struct net net;

	for (unsigned seed = 1; seed <= 600; seed++) {
		make_any(&net, seed);
		check_net(&net, seed, &left_out, &sets);
	}
	assert_true(left_out * 20 < sets);
}

/* 0 = 1 and 0 = 2 and 3: a square with a diagonal that costs as much. */
static void equal_paths_are_all_found_in_the_order_of_their_links(void **state)
{
	struct net net = {.vertices = 4};
	struct graph_route routes[4];
	struct graph_work *w;
	struct graph g;

	join(&net, 0, 1, 10);
	join(&net, 0, 2, 10);
	join(&net, 0, 3, 20);
	join(&net, 1, 3, 10);
	join(&net, 2, 3, 10);
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 3, routes);
	assert_int_equal(routes[0].count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(g.edges[routes[0].edges[i]].link, i);
	assert_int_equal(routes[1].count, 1);
	assert_int_equal(g.edges[routes[1].second].link, 0);
	graph_work_destroy(w);
	graph_finish(&g);
}

static void the_second_path_is_the_best_one_without_the_first_link(void **state)
{
	struct net net = {.vertices = 4};
	struct graph_route routes[4];
	struct graph_work *w;
	struct graph g;

	join(&net, 0, 1, 1);  /* link 0: the first of 0 towards 1 */
	join(&net, 0, 2, 10); /* 1 */
	join(&net, 2, 1, 10); /* 2 */
	join(&net, 0, 3, 7);  /* 3 */
	join(&net, 3, 1, 7);  /* 4 */
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 1, routes);
	assert_int_equal(g.edges[routes[0].edges[0]].link, 0);
	assert_int_equal(g.edges[routes[0].second].link, 3);
	graph_work_destroy(w);
	graph_finish(&g);
}

static void who_should_not_be_passed_is_passed_only_where_there_is_no_other_way(void **state)
{
	struct net net = {.vertices = 5, .avoid = {false, true}};
	struct graph_route routes[5];
	struct graph_work *w;
	unsigned way[5];
	struct graph g;

	join(&net, 0, 1, 1);
	join(&net, 1, 2, 1);
	join(&net, 0, 3, 100);
	join(&net, 3, 2, 100);
	join(&net, 1, 4, 1);
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 2, routes);
	assert_int_equal(graph_walk(&g, routes, 0, 2, way, 5), 3);
	assert_int_equal(way[1], 3);
	assert_int_equal(graph_walk(&g, routes, 1, 2, way, 5), 2); /* it may begin a path */
	assert_int_equal(graph_walk(&g, routes, 4, 2, way, 5), 3); /* and here is no other */
	assert_int_equal(way[1], 1);
	graph_routes(w, 1, routes);
	assert_int_equal(graph_walk(&g, routes, 0, 1, way, 5), 2); /* or end one */
	graph_work_destroy(w);
	graph_finish(&g);
}

static void a_dead_link_is_taken_only_where_no_live_one_leads(void **state)
{
	struct net net = {.vertices = 3};
	struct graph_route routes[3];
	struct graph_work *w;
	struct graph g;

	join(&net, 0, 1, 1);
	join(&net, 0, 2, 50);
	join(&net, 2, 1, 50);
	net.list[0].live = false;
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 1, routes);
	assert_int_equal(g.edges[routes[0].edges[0]].link, 1);
	assert_int_equal(routes[0].second, GRAPH_NONE);
	graph_work_destroy(w);
	graph_finish(&g);
	net.list[1].live = false;
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 1, routes);
	assert_int_equal(g.edges[routes[0].edges[0]].link, 0);
	graph_work_destroy(w);
	graph_finish(&g);
}

static void a_vertex_without_links_has_no_paths(void **state)
{
	struct net net = {.vertices = 3};
	struct graph_route routes[3];
	struct graph_work *w;
	struct graph g;

	join(&net, 0, 1, 1);
	build(&net, &g);
	w = graph_work_create(&g);
	graph_routes(w, 2, routes);
	assert_int_equal(routes[0].count, 0);
	assert_true(routes[0].distance == GRAPH_INFINITE);
	assert_int_equal(graph_walk(&g, routes, 0, 2, NULL, 0), 0);
	graph_work_destroy(w);
	graph_finish(&g);
}

/* A hundred in a ring with twenty chords, all destinations.  The target without sanitizers is 20
 * ms. */
static void a_hundred_vertices_take_milliseconds(void **state)
{
	struct graph_route *routes = memory_alloc_array(100, sizeof(*routes));
	struct graph_work *w;
	struct graph g;
	clock_t begin;
	double ms;

	random_state = 7;
	graph_init(&g, 100, 120);
	for (unsigned i = 0; i < 100; i++)
		graph_add(&g, i, i, (i + 1) % 100, 10, true);
	for (unsigned i = 100; i < 120; i++)
		graph_add(&g, i, below(50), 50 + below(50), 10 + below(20), true);
	graph_seal(&g);
	w = graph_work_create(&g);
	begin = clock();
	for (unsigned to = 0; to < 100; to++)
		graph_routes(w, to, routes);
	ms = (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
	print_message("100 vertices, 120 links: %.1f ms\n", ms);
	assert_true(ms < 500);
	graph_work_destroy(w);
	graph_finish(&g);
	free(routes);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(paths_are_optimal_and_every_single_loss_is_survived_in_rings),
	cmocka_unit_test(paths_are_optimal_and_every_single_loss_is_survived_in_any_graph),
	cmocka_unit_test(equal_paths_are_all_found_in_the_order_of_their_links),
	cmocka_unit_test(the_second_path_is_the_best_one_without_the_first_link),
	cmocka_unit_test(who_should_not_be_passed_is_passed_only_where_there_is_no_other_way),
	cmocka_unit_test(a_dead_link_is_taken_only_where_no_live_one_leads),
	cmocka_unit_test(a_vertex_without_links_has_no_paths),
	cmocka_unit_test(a_hundred_vertices_take_milliseconds),
};

RUN_QUIETLY(tests)
