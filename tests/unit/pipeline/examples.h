/* Rules to try: examples of every kind, both families, tagged and not, VRF 0 and not. */
#pragma once

#include "pipeline/rule.h"

#define EXAMPLES_MAX 80
#define VERSION 0x0010002000000007ull

extern const struct mac node, gateway;

struct address ip(const char *text);
/* The key of a kind; 'prefix' where it has an address, or NULL. */
struct rule_key key(enum rule_kind kind, const char *prefix);
/* Writes EXAMPLES_MAX rules at most; returns how many. */
unsigned examples(struct rule *list);
