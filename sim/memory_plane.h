/* An FE's data plane in plain memory: what the agent's core writes (fe/datapath.h), for the
 * simulator and for the tests of fe/.  It outlives the agent, as pinned maps do. */
#pragma once

#include "base/table.h"
#include "fe/agent.h"

struct memory_plane_key {
	uint32_t vrf;
	struct address address;
};

struct memory_plane {
	struct table ports;    /* number -> struct datapath_port */
	struct table bindings; /* struct memory_plane_key -> struct datapath_binding */
	struct table peers;    /* FE id -> struct datapath_peer */
	struct table sources;  /* struct prefix -> struct datapath_source */
	struct table prefixes;
	struct table rules;  /* struct rule_key -> struct rule */
	struct table groups; /* FE id -> struct rule_group */
	struct table links;  /* number -> struct datapath_link */
	struct table kept;   /* struct kept_key -> struct kept_frame */
	/* What changed something. */
	unsigned writes, binding_writes, peer_writes, link_writes;
	size_t binding_limit, rule_limit;
	int binding_error; /* what the next binding_set returns, once */
};

/* Their context is a struct memory_plane.  Nothing is counted, and what is sent is lost: who wants
 * more puts functions of its own in a copy, and has the plane as its first member. */
extern const struct datapath_ops memory_plane_ops;

void memory_plane_init(struct memory_plane *p, uint64_t seed);
void memory_plane_finish(struct memory_plane *p);
const struct datapath_binding *memory_plane_binding(const struct memory_plane *p, uint32_t vrf,
						    const struct address *address);
/* Rules, groups and links, as an agent that starts anew finds them. */
void memory_plane_adopt(const struct memory_plane *p, struct agent *agent);
/* After agent_adopt_done: the announcements that were kept. */
void memory_plane_adopt_kept(const struct memory_plane *p, struct agent *agent);
