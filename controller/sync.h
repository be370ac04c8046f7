/* What an FE has, as it was read back, and how far it is compared with what it should have. */
#pragma once

#include "controller/element.h"
#include "controller/summary.h"

struct reported_rule {
	struct rule rule; /* its key first: it is the table's */
	bool wanted;
};

struct reported_group {
	struct rule_group group;
	bool wanted;
};

/* See compare.c. */
enum sync_phase { SYNC_READING, SYNC_ADOPTING, SYNC_NODES, SYNC_COLLECTING, SYNC_DELETING };

struct sync {
	struct core *core;
	struct element *element;
	struct table rules;      /* struct rule_key -> struct reported_rule */
	struct table groups;     /* uint32_t fe -> struct reported_group */
	struct buffer links;     /* struct reported_link */
	struct buffer left;      /* struct reported_rule *: not wanted */
	struct summary *summary; /* NULL: all that it has is read */
	unsigned surveys;        /* that were spoiled before they served */
	unsigned puts, deletes, kept;
	enum sync_phase phase;
	size_t at;     /* how far in the phase's table */
	bool learning; /* the core was, when the first was not deleted */
	bool again;    /* meanwhile there was reason to compare once more */
};
