/* The backplane's links: what the inventory or discovery says there is, what the FEs at both ends
 * say of it, and what they are told.  Links without a kind are not here: they are only costs.
 *
 * Everything may be called at any time; what an FE must know is sent when it has a session that
 * was compared with intent, and topology.c hears of what changes paths. */
#pragma once

#include "controller/state.h"

struct link_end {
	struct element *element; /* NULL: no FE of that name is known */
	uint32_t number;         /* 0: its port is not there, or who the other end is not known */
	bool told;               /* the FE has 'info' */
	struct link_info info;
	bool reported; /* 'state' is something that the FE said */
	struct link_state state;
	uint64_t bits_per_second; /* sent */
	int64_t counted_ms;
};

/* A link that an FE has. */
struct reported_link {
	struct link_info info;
	struct link_state state;
};

struct backplane_link {
	struct link l;
	bool discovered;
	bool live;
	uint32_t cost;     /* what paths count with */
	uint32_t delay_us; /* one way, smoothed, the slower direction; 0: not measured */
	struct link_end ends[2];
};

void backplane_finish(struct core *c);
/* Adds what is certainly none of those that there are. */
void backplane_add(struct core *c, const struct link *l, bool discovered);
/* False: there is none like it. */
bool backplane_remove(struct core *c, const struct link *l);
/* Cost, bandwidth and BFD of a link that stays. */
void backplane_change(struct core *c, const struct link *before, const struct link *after);

/* The FE connected, changed its name, address or a port: its links are looked at again. */
void backplane_refresh(struct core *c, const struct element *e);
/* What the FE had when it connected; then what it should have is sent. */
void backplane_synchronize(struct element *e, const struct reported_link *list, unsigned count);
/* The session ended. */
void backplane_lose(struct element *e);
/* LINK_STATE, and the answer to a LINKS_REQUEST of ours. */
MUST_USE int backplane_state(struct element *e, struct reader *body);
MUST_USE int backplane_reply(struct element *e, struct reader *body);
/* Once a second: asks for counters and delays. */
void backplane_tick(struct core *c);

/* Why BFD says that it is down, in words; "" for 0. */
const char *backplane_diagnostic(uint8_t diagnostic);
/* The link that the FE has under this number; NULL: none.  ret_end: which of its ends. */
struct backplane_link *backplane_find(const struct core *c, const struct element *e,
				      uint32_t number, unsigned *ret_end);
