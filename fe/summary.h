/* The sums of nodes' rules that a controller asks for (pipeline/summary.h): in slices, so that a
 * million rules keep nobody waiting.  One question at a time is worked at; before anything that may
 * change rules, or asks whether all is done, it is brought to its end.  A rule that changes by
 * itself meanwhile (a timeout) makes sums that do not agree, and is then read. */
#pragma once

#include "openflow/message.h"
#include "pipeline/summary.h"

struct agent;
struct agent_connection;
struct reader;

struct summary_job {
	struct agent_connection *connection; /* NULL: there is none */
	uint32_t xid;
	struct summary_scheme scheme;
	struct summary_bucket *buckets;
	unsigned step; /* which table; then those that the data plane keeps */
	size_t at;
	uint64_t bare_at;
};

MUST_USE int summary_handle_request(struct agent_connection *c, uint32_t xid, struct reader *body);
MUST_USE int summary_handle_rules(struct agent_connection *c, uint32_t xid, struct reader *body);
/* About so many rules more. */
void summary_job_work(struct agent *a, unsigned rules);
/* To the end, now. */
void summary_job_end(struct agent *a);
/* The connection is about to be gone. */
void summary_job_forget(struct agent *a, const struct agent_connection *c);
/* Whether a message of that type is to find it ended. */
bool summary_must_end(uint8_t type);
