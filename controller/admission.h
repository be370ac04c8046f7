/* What the inventory and the ports' identity say of a node at a port: whether it may be there, and
 * what its being there proves.  And the addresses that belong to whoever came first. */
#pragma once

#include "controller/state.h"

#define CLAIMED_MAX 65536        /* nodes that came first, in all */
#define CLAIMED_EACH_PORT_MAX 64 /* and are at one port: what one machine can take */

/* The strictest of its prefixes'. */
enum admission_mode admission_mode_of(const struct core *c, const struct node *n);
/* The rule that keeps it from there, for people too in registrar.c; NULL: it may be there. */
const char *admission_refuses(const struct core *c, const struct node *n, const struct element *e,
			      const struct port *p);
/* The same of the FE alone, at any of its ports. */
const char *admission_refuses_site(const struct core *c, const struct node *n,
				   const struct element *e);
/* The port is attested to be this node's: by its id, or by one of its labels. */
bool admission_is_attested(const struct node *n, const struct port *p);
/* What its place proves of who it is: PROOF_PORT, or what its claim did. */
enum proof admission_proof(const struct core *c, const struct attachment_record *r);
/* A claim that proves too little to be believed before the place where the node is was asked. */
bool admission_needs_silence(const struct core *c, const struct attachment_record *r,
			     const struct claim *claim);
/* Makes a node of an address that nobody declared, in an open or first-come prefix; 'mac' NULL: not
 * known.  NULL: it may not, for *why. */
const struct node *admission_learn(struct core *c, uint32_t vrf, const struct address *a,
				   const struct mac *mac, const struct port *p, const char **why);
/* It came first: it is not forgotten with its attachment. */
bool admission_keeps(const struct core *c, const struct node *n);
/* From the store: 0, or -EINVAL where its prefix is not first-come (any more). */
MUST_USE int admission_check_claimed(const struct core *c, const struct node_spec *n,
				     struct reason *why);
