/* What rule.c, rule_encode.c, rule_decode.c, rule_group.c and rule_print.c share; nobody else
 * includes it. */
#pragma once

#include "pipeline/rule.h"

/* The kinds that carry a host address or a prefix in their key, and the field that it is in. */
bool rule_kind_has_address(enum rule_kind kind);
bool rule_kind_has_prefix(enum rule_kind kind);
enum ofp_field rule_address_field(const struct rule_key *key);
/* What the flow does. */
void rule_to_instructions(const struct rule *r, struct ofp_instructions *ret);
/* To table 5, as if the packet came in there. */
void rule_add_resubmit(struct ofp_actions *a);
/* 0, or the OpenFlow error that names the first difference. */
int rule_compare_actions(const struct ofp_actions *given, const struct ofp_actions *right);
