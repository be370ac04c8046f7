/* What two FEs use between them: which family of the underlay, which encapsulation. */
#pragma once

#include "controller/state.h"

struct tunnel {
	struct address address, redirect; /* the other FE's, and where it is sent marked packets */
	struct prefix spread;             /* its other outer sources; length 0: none */
	bool vxlan;
};

/* What 'e' uses towards 'peer'; both ends come to the same.  False: 'peer' has no backplane. */
bool tunnel_between(const struct core *c, const struct element *e, const struct element *peer,
		    struct tunnel *ret);
/* The other FE's address for that; zero: it has none. */
struct address tunnel_address(const struct element *e, const struct element *peer);
bool tunnel_equal(const struct tunnel *a, const struct tunnel *b);

#define TUNNEL_RULES_MAX 4
/* The rules by which an FE takes what FE 'fe' sends it through 't'. */
unsigned tunnel_rules(uint32_t fe, const struct tunnel *t, struct rule rules[TUNNEL_RULES_MAX]);

/* Whether two FEs say that they have one address. */
bool backplane_is_shared(const struct backplane *a, const struct backplane *b);
bool element_has_backplane(const struct element *e);
/* A group of another FE's says how 'peer' is reached, which has not connected yet. */
void tunnel_learn(struct element *peer, const struct rule_group *group);
