/* Waiting awake for a controller's answer: awake.h says when. */
#include "fe/awake.h"

#define SPAN_MIN_US 20

void awake_init(struct awake *w, unsigned most_us)
{
	*w = (struct awake){.most_us = most_us, .span_us = most_us};
}

static void fall_asleep(struct awake *w, int64_t now_us)
{
	if (w->waiting)
		w->spent_us += (unsigned)(now_us - w->asked_us);
	w->waiting = false;
}

void awake_asked(struct awake *w, int64_t now_us)
{
	unsigned left;

	/* A question so old is answered no more: what comes is another's answer. */
	if (!w->most_us || (w->asked && now_us - w->asked_us <= w->most_us))
		return;
	(void)awake_waits(w, now_us);
	if (now_us - w->period_us >= AWAKE_PERIOD_US) {
		w->period_us = now_us;
		w->spent_us = 0;
	}
	left = w->spent_us < AWAKE_SHARE_US ? AWAKE_SHARE_US - w->spent_us : 0;
	w->asked = true;
	w->asked_us = now_us;
	w->until_us = now_us + (w->span_us < left ? w->span_us : left);
	w->waiting = w->until_us > now_us;
}

void awake_answered(struct awake *w, int64_t now_us)
{
	if (!w->asked)
		return;
	fall_asleep(w, now_us);
	w->asked = false;
	if (now_us - w->asked_us <= w->most_us)
		w->span_us = w->most_us;
}

bool awake_waits(struct awake *w, int64_t now_us)
{
	if (!w->waiting || now_us < w->until_us)
		return w->waiting;
	fall_asleep(w, now_us);
	w->span_us = w->span_us / 2 < SPAN_MIN_US ? 0 : w->span_us / 2;
	return false;
}
