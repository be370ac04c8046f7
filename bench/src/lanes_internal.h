/* Lanes: a generator, a way that is measured, and a sink, each behind a veth of its own. */
#pragma once

#include "bench/src/forward_element.h"
#include "bench/src/lanes.h"

#include <lanes.skel.h>

#define LANES 12
#define LANE_NAME 8
#define LANE_PIDS 16
#define GENERATORS 2
#define AWAY_FD 100 /* the network namespace of the peers' devices; lab/lanes.py */

enum lane_kind {
	LANE_VICTOR,   /* the element's own ports */
	LANE_KERNEL,   /* ip_forward by host routes */
	LANE_FIB,      /* an XDP program that asks the kernel lane's routes (bpf_fib_lookup) */
	LANE_REDIRECT, /* an XDP program that sends everything on: the least that there can be */
	LANE_PEER,     /* what somebody else puts between the two devices */
	LANE_XDP,      /* the element's own ports, whose short way runs at XDP */
};

/* in-peer -> in = the way = out -> out-peer; the devices are NAMEi, NAMEi-peer, NAMEo, NAMEo-peer.
 * A peer's "in" and "out" are in its namespace. */
struct lane {
	char name[LANE_NAME];
	enum lane_kind kind;
	struct mac mac; /* of the device that frames come in by */
};

struct lanes {
	struct forward
		forward; /* the element; first, as 'forward' is in what it gives its functions */
	struct lanes_bpf *program;
	struct lane lane[LANES];
	unsigned count;
	bool has_routes;      /* there is a kernel lane */
	uint32_t bindings[2]; /* foreign ones, local ones that are written */
	uint32_t routes;
};

/* What is to be measured: the command of that name in lanes.c. */
struct job {
	const struct lane *lane;
	char which[16];
	uint32_t spread, ms;
	bool free;
	char cores[GENERATORS + 1];
	int pids[LANE_PIDS];
	unsigned pid_count;
};

/* lanes_way.c: makes a way, and its devices; of so many bindings or routes. */
void lane_make(struct lanes *l, const char *name, const char *kind);
void lanes_grow(struct lanes *l, uint32_t count, bool local);
const struct lane *lane_find(struct lanes *l, const char *name);
/* The case's frame as the lane takes it, in the generator's shape; its size. */
uint32_t lane_frame(struct lanes *l, const struct lane *lane, const char *which, uint32_t spread,
		    uint8_t *frame);

/* lanes_routes.c: host routes 'from' to 'to' - 1 by that gateway and device. */
int routes_add(const struct forward *f, uint32_t from, uint32_t to, const char *via,
	       uint32_t ifindex);

/* lanes_run.c: once, before the first measurement; and one, whose figures are written to stdout. */
void generators_init(struct lanes *l);
void lanes_measure(struct lanes *l, const struct job *job);
