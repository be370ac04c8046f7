/* What policies between networks allow: relations, paths over the backplane, straight tunnels. */
#include "fake_element.h"
#include "main.h"

#include "controller/graph.h"
#include "controller/network.h"

#include <errno.h>
#include <stdio.h>

static struct networks *some(void)
{
	struct networks *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	return n;
}

/* 'upstream', 'peer', 'element': NULL: none. */
static void add(struct networks *n, const char *name, const char *upstream, const char *other,
		const char *peer)
{
	struct network one = {.element_count = 1};
	struct reason why;

	strcpy(one.name, name);
	snprintf(one.elements[0], NAME_SIZE, "fe-%s", name);
	if (upstream)
		strcpy(one.upstreams[one.upstream_count++], upstream);
	if (other)
		strcpy(one.upstreams[one.upstream_count++], other);
	if (peer)
		strcpy(one.peers[one.peer_count++], peer);
	assert_int_equal(networks_add(n, &one, &why), 0);
}

static void a_path_goes_up_across_and_down(void **state)
{
	struct networks *n = some();
	struct reason why;
	unsigned at;

	add(n, "top", NULL, NULL, "other");
	add(n, "other", NULL, NULL, NULL);
	add(n, "middle", "top", NULL, NULL);
	add(n, "leaf", "middle", NULL, NULL);
	add(n, "far", "other", NULL, NULL);
	add(n, "island", NULL, NULL, NULL);
	add(n, "side", NULL, NULL, "middle");
	assert_int_equal(networks_settle(n, &at, &why), 0);
	assert_int_equal(networks_relation(n, "fe-top", "fe-leaf"), NETWORK_ABOVE);
	assert_int_equal(networks_relation(n, "fe-leaf", "fe-top"), NETWORK_BELOW);
	assert_int_equal(networks_relation(n, "fe-leaf", "fe-far"), NETWORK_LEVEL);
	assert_int_equal(networks_relation(n, "fe-leaf", "fe-side"), NETWORK_LEVEL);
	assert_int_equal(networks_relation(n, "fe-leaf", "fe-island"), NETWORK_NONE);
	/* Across to 'middle', up to its provider: a valley. */
	assert_int_equal(networks_relation(n, "fe-side", "fe-top"), NETWORK_NONE);
	assert_int_equal(networks_relation(n, "fe-leaf", "fe-leaf"), NETWORK_SAME);
	assert_int_equal(networks_relation(n, "fe-leaf", "stranger"), NETWORK_SAME);
	free(n);
}

static void what_contradicts_itself_is_refused(void **state)
{
	struct networks *n = some();
	struct network one = {.name = "x", .upstreams = {"x"}, .upstream_count = 1};
	struct reason why;
	unsigned at;

	assert_int_equal(networks_add(n, &one, &why), -EINVAL);
	add(n, "a", "b", NULL, NULL);
	assert_int_equal(networks_settle(n, &at, &why), -EINVAL);
	assert_non_null(strstr(why.text, "no network b"));
	add(n, "b", "a", NULL, NULL);
	assert_int_equal(networks_settle(n, &at, &why), -EINVAL);
	assert_non_null(strstr(why.text, "back to itself"));
	strcpy(one.name, "c");
	one.upstream_count = 0;
	strcpy(one.elements[0], "fe-a");
	one.element_count = 1;
	assert_int_equal(networks_add(n, &one, &why), -EEXIST);
	assert_non_null(strstr(why.text, "fe-a is in a"));
	free(n);
	n = some();
	add(n, "a", NULL, NULL, NULL);
	add(n, "b", "a", NULL, "a");
	assert_int_equal(networks_settle(n, &at, &why), -EINVAL);
	assert_int_equal(at, 0);
	free(n);
}

/* --- paths -------------------------------------------------------------------------------------
 */

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

#define VERTICES 10

/* Networks are numbered from the top: a lower number may be the provider of a higher one. */
static enum graph_relation relations[VERTICES][VERTICES];
static unsigned network_of[VERTICES];

static void make_relations(void)
{
	for (unsigned a = 0; a < VERTICES; a++) {
		network_of[a] = any(6);
		for (unsigned b = a; b < VERTICES; b++) {
			relations[a][b] = a == b ? GRAPH_SAME : any(2) ? GRAPH_ABOVE : GRAPH_LEVEL;
			relations[b][a] =
				relations[a][b] == GRAPH_ABOVE ? GRAPH_BELOW : relations[a][b];
		}
	}
}

static enum graph_relation relation(unsigned from, unsigned to)
{
	return relations[network_of[from]][network_of[to]];
}

/* Follows a packet that starts at 'at' while link 'lost' is down: whether it arrives; asserts that
 * it never goes up or across after it went across or down. */
static bool fly(const struct graph *g, const struct graph_route *routes, unsigned at,
		unsigned destination, unsigned lost)
{
	bool descends = false;
	unsigned from = GRAPH_NONE;

	for (unsigned hops = 0; hops < 4 * VERTICES; hops++) {
		unsigned edge = GRAPH_NONE;

		if (at == destination)
			return true;
		for (unsigned i = 0; i < routes[at].count && edge == GRAPH_NONE; i++)
			if (g->edges[routes[at].edges[i]].link != lost &&
			    g->edges[routes[at].edges[i]].link != from)
				edge = routes[at].edges[i];
		if (edge == GRAPH_NONE)
			edge = routes[at].second;
		if (edge == GRAPH_NONE || g->edges[edge].link == lost ||
		    g->edges[edge].link == from)
			return false;
		switch (relation(at, g->edges[edge].to)) {
		case GRAPH_SAME:
			break;
		case GRAPH_BELOW:
			assert_false(descends);
			break;
		case GRAPH_LEVEL:
			assert_false(descends);
			descends = true;
			break;
		case GRAPH_ABOVE:
			descends = true;
			break;
		}
		from = g->edges[edge].link;
		at = g->edges[edge].to;
	}
	fail();
	return false;
}

static void no_packet_goes_through_a_valley_whichever_link_is_lost(void **state)
{
	struct graph_route routes[VERTICES];
	unsigned arrived = 0, saved = 0;

	for (seed = 1; seed < 400; seed++) {
		uint32_t began = seed;
		unsigned links = 6 + any(14);
		struct graph_work *w;
		struct graph g;

		make_relations();
		graph_init(&g, VERTICES, links);
		for (unsigned i = 0; i < links; i++) {
			unsigned a = any(VERTICES), b = any(VERTICES);

			if (a == b)
				continue;
			graph_add(&g, i, a, b, 1 + any(20), true);
			graph_relate(&g, relation(a, b));
		}
		graph_seal(&g);
		w = graph_work_create(&g);
		for (unsigned to = 0; to < VERTICES; to++) {
			graph_routes(w, to, routes);
			for (unsigned from = 0; from < VERTICES; from++) {
				if (!routes[from].count)
					continue;
				assert_true(fly(&g, routes, from, to, GRAPH_NONE));
				arrived++;
				for (unsigned lost = 0; lost < links; lost++)
					saved += fly(&g, routes, from, to, lost);
			}
		}
		graph_work_destroy(w);
		graph_finish(&g);
		seed = began;
	}
	assert_true(arrived > 1000);
	assert_true(saved > arrived);
}

/* --- in the controller -------------------------------------------------------------------------
 */

static void core_network(struct world *w, const char *name, const char *element,
			 const char *upstream, const char *other)
{
	struct network one = {.element_count = 1};
	struct reason why;

	strcpy(one.name, name);
	strcpy(one.elements[0], element);
	if (upstream)
		strcpy(one.upstreams[one.upstream_count++], upstream);
	if (other)
		strcpy(one.upstreams[one.upstream_count++], other);
	assert_int_equal(core_add_network(w->core, &one, &why), 0);
}

static void networks_without_an_allowed_way_have_no_tunnel(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	struct link l = {.ends = {"FE1", "FE3"}, .cost = 10, .kind = LINK_IP};
	struct reason why;
	unsigned at;

	core_network(w, "a", "FE1", NULL, NULL);
	core_network(w, "c", "FE2", "a", "b");
	core_network(w, "b", "FE3", NULL, NULL);
	assert_int_equal(core_settle_networks(w->core, &at, &why), 0);
	for (uint32_t fe = 1; fe <= 3; fe++)
		world_connect(w, fake_of(w, fe));
	world_run(w);
	world_wait(w, 100);
	assert_non_null(fake_group(w, 1, 2));
	assert_non_null(fake_group(w, 2, 3));
	assert_null(fake_group(w, 1, 3));
	assert_null(fake_group(w, 3, 1));
	assert_int_equal(core_add_link(w->core, &l, &why), -EINVAL);
	assert_non_null(strstr(why.text, "policies"));
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_path_goes_up_across_and_down),
	cmocka_unit_test(what_contradicts_itself_is_refused),
	cmocka_unit_test(no_packet_goes_through_a_valley_whichever_link_is_lost),
	cmocka_unit_test(networks_without_an_allowed_way_have_no_tunnel),
};

RUN_QUIETLY(tests)
