/* An FE's data plane in the simulated world: plain memory (sim/memory_plane.h), looked at when it
 * changes. */
#pragma once

#include "sim/memory_plane.h"

struct world;

struct plane {
	struct memory_plane memory; /* first: the operations' context */
	struct datapath_ops operations;
	struct world *world;
	uint32_t element;     /* index in the world */
	uint32_t touched[32]; /* hosts of whom something changed since check_whole */
	unsigned touched_count;
	struct table versions; /* (vrf, address) -> the latest cookie that a rule for it had */
};

void plane_init(struct plane *p, struct world *w, uint32_t element, uint64_t seed);
void plane_finish(struct plane *p);

const struct datapath_binding *plane_binding(const struct plane *p, const struct address *address);
/* What becomes of a packet for 'address' that entered here, or came REDIRECTED by the backplane. */
enum plane_fate { FATE_LOCAL, FATE_FOREIGN, FATE_NOWHERE };
enum plane_fate plane_look_up(const struct plane *p, const struct address *address, bool marked,
			      uint32_t *ret_port, uint32_t *ret_fe);
/* The store's tombstones are lost: what it has no rule for (any more) begins anew. */
void plane_forget_versions(struct plane *p);
/* Source guard: may this address come in by that port? */
bool plane_guards(const struct plane *p, const struct address *address, uint32_t port,
		  const struct mac *mac);
