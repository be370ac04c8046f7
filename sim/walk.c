/* A packet's way through the tables as they are at an instant: what bpf/access.h, bpf/backplane.h
 * and bpf/path.h decide. */
#include "sim/world.h"

#define HOPS_MAX 8

/* bpf/path.h's path_choose: not the one it came by while another lives. */
static uint32_t choose(const struct world *w, const struct memory_plane *p,
		       const struct datapath_peer *peer, uint32_t came_by, uint32_t flow)
{
	uint32_t living[GROUP_PATHS_MAX], count = 0, way_back = 0;

	for (unsigned i = 0; i < peer->path_count; i++) {
		const struct datapath_link *link = table_get(&p->links, &peer->paths[i]);

		if (!link || !link->alive)
			continue;
		if (peer->paths[i] == came_by && !w->options.returns)
			way_back = came_by;
		else
			living[count++] = peer->paths[i];
	}
	if (count)
		return living[peer->select ? flow % count : 0];
	return way_back ? way_back : peer->paths[0];
}

enum walk_end walk_links(const struct world *w, uint32_t from, uint32_t to, uint32_t flow)
{
	uint32_t at = from, fe = to + 1, came_by = 0;

	for (unsigned hops = 0; hops <= 2 * w->options.elements; hops++) {
		const struct memory_plane *p = &w->elements[at].plane.memory;
		const struct datapath_peer *peer = table_get(&p->peers, &fe);
		const struct datapath_link *link;
		uint32_t number;

		if (at == to)
			return WALK_ARRIVES;
		if (!peer || !peer->send)
			return WALK_IS_LOST;
		if (!peer->path_count)
			return WALK_ARRIVES; /* straight, by the underlay */
		number = choose(w, p, peer, came_by, flow);
		link = table_get(&p->links, &number);
		if (!link || !link->alive || link->info.fe - 1 >= w->options.elements)
			return WALK_IS_LOST;
		at = link->info.fe - 1;
		came_by = number == LINK_PORT ? LINK_PORT_BACK : LINK_PORT;
	}
	return WALK_LOOPS;
}

enum walk_end walk_to_node(const struct world *w, uint32_t from, const struct address *address,
			   bool links, uint32_t *ret_place)
{
	uint32_t at = from, port = 0, fe = 0;
	bool marked = false;

	for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
		const struct plane *p = &w->elements[at].plane;
		enum plane_fate fate = plane_look_up(p, address, marked, &port, &fe);

		if (fate == FATE_LOCAL) {
			*ret_place = at * WORLD_PORTS + port - 1;
			return WALK_ARRIVES;
		}
		if (fate == FATE_NOWHERE || fe - 1 >= w->options.elements)
			return WALK_IS_LOST;
		if (links && walk_links(w, at, fe - 1, from) != WALK_ARRIVES)
			return walk_links(w, at, fe - 1, from);
		/* The second FE that sends it on marks it (design P4). */
		marked = hops >= 1 && !w->options.no_mark;
		at = fe - 1;
	}
	return WALK_LOOPS;
}
