/* Whether the agent waits awake for the answer to what it has just told a controller, and how long:
 * a state machine of its own, without I/O or clock.
 *
 * A controller's answer to an announcement comes within some hundred microseconds where it is near;
 * who sleeps meanwhile has to be woken up, which costs as much as the answer's way.  Who waits
 * awake takes a processor from others instead.  So it waits at most 'most_us', and, as hypervisors
 * do it for processors that have halted, half as long after each wait that was in vain, down to
 * none; an answer that would have been heard in time makes it the whole again.  Whoever makes
 * it ask, it is awake for at most a tenth of each tenth of a second. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AWAKE_PERIOD_US 100000
#define AWAKE_SHARE_US (AWAKE_PERIOD_US / 10)

struct awake {
	unsigned most_us; /* 0: never */
	unsigned span_us; /* how long it waits at present */
	bool asked;       /* the answer is still to come */
	bool waiting;     /* awake */
	int64_t asked_us, until_us;
	int64_t period_us; /* when the tenth of a second began */
	unsigned spent_us; /* awake in it */
};

void awake_init(struct awake *w, unsigned most_us);
/* A controller was told something that it answers.  While its answer to something earlier is still
 * to come, that counts. */
void awake_asked(struct awake *w, int64_t now_us);
/* A controller has said something. */
void awake_answered(struct awake *w, int64_t now_us);
/* Whether not to sleep now. */
bool awake_waits(struct awake *w, int64_t now_us);
