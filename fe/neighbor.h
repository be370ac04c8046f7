/* What the FE does about its nodes by itself: it keeps announcements while nobody listens, makes
 * tentative bindings (design P4), announces itself for departed nodes (paper, section 3.1) and
 * probes the silent ones. */
#pragma once

#include "fe/pipeline.h"
#include "packet/neighbor.h"

#define NEIGHBOR_KEPT_MAX 4096 /* announcements kept without a controller */
#define NEIGHBOR_SENT_MS 10000
#define NEIGHBOR_SAID_MS 10 /* so long a claim need not be said again; it may have been lost */
#define NEIGHBOR_TENTATIVE_MAX 4096 /* tentative bindings of the FE's own at a time */
#define NEIGHBOR_DEPARTED_MAX 65536
#define NEIGHBOR_DEPARTED_MS 10000 /* how long after its local binding a node has departed */

struct neighborhood_limits {
	unsigned idle_probe_ms, idle_give_up_ms, tentative_ms;
};

struct neighborhood_observer {
	void (*silent)(void *context, const struct silent *silent);
	void *context;
};

struct neighborhood {
	struct pipeline *pipeline;
	struct neighborhood_limits limits;
	struct neighborhood_observer observer;
	int64_t now_ms;
	struct table kept;     /* struct kept_key -> struct kept_frame */
	struct table departed; /* struct pipeline_address -> struct departed */
	struct table watched;  /* struct pipeline_address -> struct watched */
	int64_t kept_ms;       /* when those that were sent were looked at */
	int64_t watch_ms;      /* when the watched are looked at next */
	int64_t barrier_ms;    /* when a controller's barrier was answered last */
	struct buffer frame;   /* scratch */
};

void neighborhood_init(struct neighborhood *n, struct pipeline *pipeline,
		       const struct neighborhood_limits *limits,
		       const struct neighborhood_observer *observer, uint64_t seed, int64_t now_ms);
void neighborhood_finish(struct neighborhood *n);

/* A claim in a frame that was sent up: by whom (VRF, address, MAC), where.  False: it claims
 * nothing.  A RARP claims a MAC alone: 'address' is zero. */
struct claim {
	uint32_t vrf, port;
	uint16_t vlan;
	struct mac mac;
	struct address address;
};
bool neighborhood_read_claim(const struct neighborhood *n, const struct upcall *u,
			     struct claim *ret);
/* The claim is on its way up: the node was heard, and marked packets for it may stay here. */
void neighborhood_heard(struct neighborhood *n, const struct claim *claim);

/* Keeps the newest frame of each claim, at most NEIGHBOR_KEPT_MAX: until somebody listens, and then
 * ('sent') until it brought a binding or NEIGHBOR_SENT_MS have passed, since what is on its way
 * when the connection breaks is lost. */
void neighborhood_keep(struct neighborhood *n, const struct claim *claim, const void *frame,
		       size_t size, bool sent);
/* Whether it was sent up a moment ago and no barrier has been answered since.  The controller
 * judges both alike then (design P4a): data of a node whose binding is on its way need not be sent
 * up. */
bool neighborhood_was_said(const struct neighborhood *n, const struct claim *claim);
/* A barrier is being answered: what is claimed from now on is news. */
void neighborhood_barrier(struct neighborhood *n);
/* One that the agent before kept, after its rules were adopted. */
void neighborhood_adopt_kept(struct neighborhood *n, const struct kept_key *key,
			     const struct kept_frame *frame);
/* Gives out what was kept, oldest first; it counts as sent from now on. */
void neighborhood_replay(struct neighborhood *n,
			 void (*each)(void *to, const struct replay *replay), void *to);

/* The pipeline's news. */
void neighborhood_local_set(struct neighborhood *n, const struct rule *rule);
void neighborhood_local_removed(struct neighborhood *n, const struct rule *rule);
void neighborhood_foreign_set(struct neighborhood *n, uint32_t vrf, const struct address *address);

void neighborhood_tick(struct neighborhood *n);
