/* The FE's rules: what the controller (and a person with ovs-ofctl) has put into the tables, and
 * what follows from them for the data plane.  OpenFlow's flow-mod and group-mod semantics are here
 * (OpenFlow 1.3.5, sections 6.4 and 6.5); which flows there can be is pipeline/rule.h's.
 *
 * One rule changes one data plane entry; a group changes one peer and nothing else (design P3).
 * Rules that the data plane has built in (the passes between tables, REDIRECTED_MISS) are kept and
 * shown, but it behaves as if they were always there. */
#pragma once

#include "base/table.h"
#include "fe/agent.h"

struct pipeline_entry {
	struct rule rule;
	int64_t since_ms;
	int64_t used_ms;     /* when 'used_packets' last changed, for idle timeouts */
	int64_t deadline_ms; /* of a tentative binding that the FE made itself; 0: none */
	uint64_t used_packets;
	uint64_t base_packets, base_bytes; /* what counts had been at RESET_COUNTS */
	uint16_t idle_timeout, hard_timeout, flags;
};

struct pipeline_group {
	struct rule_group group; /* only 'fe' is set where there is none, but a peer rule */
	bool present;
	uint32_t reference_count; /* rules that point to it */
	struct address source;    /* of the last RULE_PEER for this FE; zero: none */
	int64_t since_ms;
};

struct pipeline_port {
	struct agent_port port;
	bool present;
	uint32_t rule_count; /* GUARD, LOCAL, TENTATIVE that name it */
};

/* What happens to rules, told after the data plane has it.  The callbacks change no rules. */
struct pipeline_observer {
	/* The flow had OFPFF_SEND_FLOW_REM; reason is enum ofp_flow_removed_reason. */
	void (*removed)(void *context, const struct pipeline_entry *entry, uint8_t reason);
	void (*local_set)(void *context, const struct rule *rule);
	void (*local_removed)(void *context, const struct rule *rule);
	void (*foreign_set)(void *context, uint32_t vrf, const struct address *address);
	void *context;
};

struct pipeline_address {
	uint32_t vrf;
	struct address address;
};
_Static_assert(sizeof(struct pipeline_address) == 20, "pipeline_address has hidden padding");

/* Entries made of bare bindings (bare.c), for whoever looks at them next. */
struct pipeline_bare {
	struct pipeline_entry entries[8];
	unsigned next;
};

struct pipeline {
	uint32_t fe;
	const struct datapath_ops *ops;
	void *context;
	struct pipeline_observer observer;
	int64_t now_ms;
	bool adopting;                   /* nothing is written yet */
	struct table rules[TABLE_COUNT]; /* struct rule_key -> struct pipeline_entry */
	struct table groups;             /* uint32_t fe -> struct pipeline_group */
	struct table ports;              /* uint32_t number -> struct pipeline_port */
	struct table guards;             /* struct pipeline_address -> struct pipeline_guard */
	struct table timed;              /* struct rule_key -> bool: those with a timeout */
	struct table leaving;            /* struct rule_key -> int64_t: until when (segment.c) */
	uint32_t prefix_count[RULE_KIND_COUNT][129];
	int64_t timed_ms; /* when timeouts were looked at */
	int64_t started_ms;
	struct pipeline_bare *bare;
	uint32_t bare_count; /* rules that are in no table above */
};

/* Guards of one address, of which the data plane can hold one: the local binding's, else the one
 * added last. */
struct pipeline_guard {
	uint32_t count;
	struct rule_key last;
};

void pipeline_init(struct pipeline *p, uint32_t fe, const struct datapath_ops *ops, void *context,
		   const struct pipeline_observer *observer, uint64_t seed, int64_t now_ms);
void pipeline_finish(struct pipeline *p);

/* 0, or the OpenFlow error for the peer. */
MUST_USE int pipeline_flow_mod(struct pipeline *p, const struct ofp_flow_mod *f);
MUST_USE int pipeline_group_mod(struct pipeline *p, const struct ofp_group_mod *m);

/* Between pipeline_init and pipeline_adopt_done: what the pinned list holds, ports too. */
void pipeline_adopt_rule(struct pipeline *p, const struct rule *rule, int64_t deadline_ms);
void pipeline_adopt_group(struct pipeline *p, const struct rule_group *group);
void pipeline_adopt_done(struct pipeline *p);

void pipeline_port_set(struct pipeline *p, const struct agent_port *port);
void pipeline_port_remove(struct pipeline *p, uint32_t number);
const struct agent_port *pipeline_port(const struct pipeline *p, uint32_t number);

/* segment.c: a LAN that several FEs share.  Whether the node is on one, and another FE is
 * designated for it: its packets are forwarded by that one. */
bool pipeline_is_beside(const struct pipeline *p, const struct rule *local);
/* Another FE is the gateway of the port's LAN. */
bool pipeline_is_silent(const struct pipeline *p, uint32_t port);
/* 'new' is about to take the place of 'old' (NULL: of none). */
void pipeline_note_leaving(struct pipeline *p, const struct rule *old, const struct rule *new);
void pipeline_tick_leaving(struct pipeline *p);

/* bare.c: foreign rules that the data plane alone keeps.  find: an entry to look at, NULL where
 * there is none; next: likewise of all of them.  put: -errno.  unbare: before another rule for the
 * same address comes, the rule is put among the others; -errno. */
bool pipeline_may_be_bare(const struct pipeline *p, const struct pipeline_entry *entry);
bool pipeline_is_bare(const struct pipeline *p, const struct rule_key *key);
struct pipeline_entry *pipeline_find_bare(const struct pipeline *p, const struct rule_key *key);
bool pipeline_next_bare(const struct pipeline *p, uint64_t *at, struct pipeline_entry *ret);
MUST_USE int pipeline_put_bare(struct pipeline *p, const struct rule *rule);
MUST_USE int pipeline_unbare(struct pipeline *p, const struct rule_key *key);
/* At an adoption: counts those that were there; makes all that may be bare so. */
void pipeline_adopt_bare(struct pipeline *p);
void pipeline_bare_all(struct pipeline *p);

/* Expires what has timed out. */
void pipeline_tick(struct pipeline *p);

/* NULL where there is none. */
struct pipeline_entry *pipeline_find(const struct pipeline *p, const struct rule_key *key);
struct pipeline_entry *pipeline_find_binding(const struct pipeline *p, enum rule_kind kind,
					     uint32_t vrf, const struct address *address);
/* The longest prefix of that kind (STRANGER, COVERED, EXTERNAL, ANSWER) around the address. */
struct pipeline_entry *pipeline_find_prefix(const struct pipeline *p, enum rule_kind kind,
					    uint32_t vrf, const struct address *address);
/* The node is at another FE, and not here. */
bool pipeline_is_foreign(const struct pipeline *p, uint32_t vrf, const struct address *address);
/* Which VRF a port's packets are in; -ENOENT where it is not admitted. */
MUST_USE int pipeline_port_vrf(const struct pipeline *p, uint32_t number, uint32_t *ret);

/* A tentative binding of the FE's own, until 'deadline_ms' (design P4). */
MUST_USE int pipeline_put_tentative(struct pipeline *p, const struct rule *rule,
				    int64_t deadline_ms);

/* Which flows a DELETE, MODIFY or statistics request means. */
struct pipeline_filter {
	uint8_t table; /* or OFP_TABLE_ALL */
	bool strict;
	uint16_t priority; /* strict only */
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	const struct ofp_match *match;
};
/* Calls 'each' for every flow that the filter means; 'each' may remove that flow. */
void pipeline_select(struct pipeline *p, const struct pipeline_filter *filter,
		     void (*each)(void *to, struct pipeline_entry *entry), void *to);
/* Those that one packet could match too, at the same priority (OFPFF_CHECK_OVERLAP). */
void pipeline_select_overlap(struct pipeline *p, uint8_t table, uint16_t priority,
			     const struct ofp_match *match,
			     void (*each)(void *to, struct pipeline_entry *entry), void *to);
/* Packets and bytes as far as the data plane counts them for this rule. */
void pipeline_count(const struct pipeline *p, const struct pipeline_entry *entry,
		    uint64_t *ret_packets, uint64_t *ret_bytes);

/* Within the module (modify.c, adopt.c): puts the entry in place of what is there, or an OpenFlow
 * error and all is as it was; removes one; the same in the store alone. */
MUST_USE int pipeline_put_entry(struct pipeline *p, const struct pipeline_entry *entry);
void pipeline_remove_entry(struct pipeline *p, struct pipeline_entry *entry, uint8_t reason);
void pipeline_set_entry(struct pipeline *p, const struct pipeline_entry *entry, bool existed);
struct pipeline_group *pipeline_group_of(struct pipeline *p, uint32_t fe);
void pipeline_note(struct pipeline *p, const struct rule *rule, bool there);
void pipeline_forget(struct pipeline *p, const struct rule_key *key);

/* derive.c: makes the data plane's entry for whatever 'rule' is part of say what the rules say
 * now.  0 or a negative errno of the data plane. */
MUST_USE int pipeline_derive(struct pipeline *p, const struct rule *rule);
MUST_USE int pipeline_derive_port(struct pipeline *p, uint32_t number);
MUST_USE int pipeline_derive_peer(struct pipeline *p, uint32_t fe);
/* Every entry, after an adoption. */
void pipeline_derive_all(struct pipeline *p);
