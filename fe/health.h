/* When an FE may invite clients' traffic (announce the covered prefixes): a state machine of its
 * own, without I/O or clock.
 *
 * It begins when there is a way in and a way on, and the tables are complete: a MASTER has sent the
 * barrier that ends its synchronisation.  It goes on, whatever the controller does, for as long as
 * there is a way in and on and the controller is not missing longer than the FE has patience: the
 * data plane forwards without it.  Once ended, it begins again as it did the first time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct health {
	int64_t patience_ms; /* 0: endless */
	int64_t complete_ms; /* when the tables were last known to be complete */
	bool announcing;
};

/* What is to be known about the FE at one moment. */
struct health_signs {
	bool has_way_in; /* an external port is up */
	bool has_way_on; /* the backplane is up, or none is configured; and a link, if there are any
			  */
	bool complete;   /* a MASTER is connected, and its synchronisation has ended */
};

/* 'announcing': an earlier run of the agent did, and its tables were adopted. */
void health_init(struct health *h, int64_t patience_ms, bool announcing, int64_t now_ms);
/* Whether to announce from now on.  To be called often, and whenever a sign changes. */
bool health_update(struct health *h, const struct health_signs *signs, int64_t now_ms);
