/* Where each node is: one active attachment, versioned (design P2, P4, P4a, P4b).  This file alone
 * changes an attachment's state. */
#pragma once

#include "controller/inventory.h"
#include "pipeline/version.h"

struct place {
	uint32_t fe;
	uint32_t port; /* 0: not known yet (learnt from another FE's foreign flow) */
	uint16_t vlan;
	struct mac mac;
};
bool place_equal(const struct place *a, const struct place *b);
bool place_same_port(const struct place *a, const struct place *b); /* in any VLAN */

enum attachment_state {
	ATTACHMENT_ACTIVE,
	ATTACHMENT_PREPARED,    /* a tentative move: 'place' is the destination (P4b) */
	ATTACHMENT_PROBING,     /* an ambiguous claim is being settled; 'place' still counts */
	ATTACHMENT_DOWN,        /* its port lost carrier; kept for the grace time */
	ATTACHMENT_PROVISIONAL, /* learnt from FEs' tables, not confirmed yet */
	ATTACHMENT_GONE,        /* in the store alone: a tombstone, until every FE has deleted */
};

struct attachment {
	const char *node; /* its id, the core's or whoever keeps a copy's */
	enum attachment_state state : 8;
	uint32_t moves;
	struct place place;
	struct place previous;          /* PREPARED: where it returns to; PROBING: the claimant */
	struct version version;         /* of the place: the local binding's cookie */
	struct version element_version; /* of the FE: foreign bindings' cookie; a move within one FE
					 * leaves it, so that other FEs are sent nothing */
	int64_t since_ms, heard_ms, deadline_ms;
};

const char *attachment_state_name(enum attachment_state state);

/* The machine, for the core's own files. */
struct attachment_record;
struct core;
struct element;
struct port;
struct rule;
struct silent;

/* What a claim, or a place, proves of who is there: see admission.c. */
enum proof { PROOF_NONE, PROOF_PORT, PROOF_SIGNED };

/* What a frame says: this node is at this place. */
struct claim {
	struct place place;
	uint32_t heard_by; /* the FE; the place may be another's on the same segment */
	bool replay;       /* kept by the FE while it had no controller: never taken at once */
	bool elicited;     /* the answer to a probe from the gateway */
	enum proof proof;
};

struct attachment_record *attachment_find(const struct core *c, const char *node);
/* The same for a node that is in the inventory: without a search, its name knows the record. */
struct attachment_record *attachment_of(const struct core *c, const struct node *n);
void attachment_claim(struct core *c, const struct node *n, const struct claim *claim);
/* The moves are over: asks at the places that nodes left. */
void attachment_look_again(struct core *c);
int attachment_prepare(struct core *c, const struct node *n, const struct place *asked,
		       struct reason *why);
int attachment_confirm(struct core *c, const char *node, struct reason *why);
int attachment_revert(struct core *c, const char *node, struct reason *why);
/* False: it was nowhere. */
bool attachment_detach(struct core *c, const char *node, const char *reason);
/* The node is deregistered.  While we are learning, FEs that are still missing may have it where we
 * do not know: a tombstone stays for them. */
void attachment_bar(struct core *c, const char *node);
void attachment_restore(struct core *c, const struct attachment *a);
/* The node is new, or was changed from 'before' (NULL: new). */
void attachment_node_changed(struct core *c, const struct node *n, const struct node *before);

void attachment_port_up(struct core *c, struct port *p);
/* 'fell': it was up until now. */
void attachment_port_down(struct core *c, struct port *p, bool fell);
void attachment_silent(struct core *c, struct element *e, const struct silent *silent);
/* What FEs have: a local or foreign rule read back (design P2).  True: an attachment (or a
 * tombstone) says whether the rule should be there; false: nobody knows of it. */
bool attachment_adopt(struct core *c, struct element *e, const struct rule *rule);
/* Attachments learnt from foreign rules alone, at an FE that turns out to have no local one. */
void attachment_drop_portless(struct core *c, struct element *e);
void attachment_drop_if_portless(struct core *c, struct attachment_record *r);
/* When learning is over: attachments of nodes that are not in the inventory any more. */
void attachment_drop_nodeless(struct core *c);
/* Its segment's FEs changed: it goes to the one that is designated now. */
void attachment_redesignate(struct core *c, struct attachment_record *r);
void attachment_tick(struct core *c);
