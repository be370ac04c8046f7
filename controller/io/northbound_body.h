/* Bodies of requests: JSON that somebody sent, checked field by field. */
#pragma once

#include "controller/device.h"
#include "controller/io/tokens.h"

struct move_request {
	char element[NAME_SIZE], port[NAME_SIZE];
	uint16_t vlan;
};

struct token_request {
	char name[TOKEN_NAME_SIZE];
	enum role role;
	int64_t lifetime_s; /* 0: for ever */
};

/* -EINVAL with the reason for what is not exactly the shape: no JSON, a key that is not known, a
 * value of the wrong type or out of range.  What the inventory checks is not checked here. */
MUST_USE int node_from_json(const char *id, const char *body, size_t size, struct node_spec *ret,
			    struct reason *why);
/* The devices of a node, all of them: at most NODE_DEVICES_MAX.  One without a key (algorithm 0) is
 * to keep the one that it has.  Wipe the list. */
MUST_USE int devices_from_json(const char *node, const char *body, size_t size,
			       struct device ret[NODE_DEVICES_MAX], unsigned *ret_count,
			       struct reason *why);
MUST_USE int move_from_json(const char *body, size_t size, struct move_request *ret,
			    struct reason *why);
MUST_USE int token_from_json(const char *body, size_t size, struct token_request *ret,
			     struct reason *why);
