/* Flow-mods of the rules that every binding has, copied from ready bytes.
 *
 * What a move sends is a few rules of the same few shapes again and again.  Of each shape the
 * encoder's own bytes are kept, and where in them a rule's fields stand; one that has no stencil is
 * encoded.  So the bytes are the encoder's, whichever way they came. */
#pragma once

#include "pipeline/rule.h"

struct stencils;

struct stencils *stencils_create(void);
void stencils_destroy(struct stencils *s);

/* As ofp_flow_mod_encode of rule_to_flow_mod, byte by byte. */
void stencils_flow_mod(const struct stencils *s, const struct rule *r,
		       enum ofp_flow_mod_command command, uint32_t xid, struct buffer *b);
