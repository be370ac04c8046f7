/* What is wrong and lasts: each is there once, from when it was raised until it is over, and people
 * see it in a list, not only in a log. */
#pragma once

#include "controller/state.h"

#define ALARMS_MAX 1024

void alarm_init(struct core *c, uint64_t seed);
void alarm_finish(struct core *c);
/* 'kind' is a word of ours ("flapping"), 'who' what it is about.  An event and a line in the log
 * when it is new; later calls change the words alone. */
void alarm_raise(struct core *c, const char *kind, const char *who, const struct element *e,
		 uint32_t port, const char *format, ...) PRINTF_LIKE(6, 7);
/* An event, where it was there. */
void alarm_clear(struct core *c, const char *kind, const char *who, const struct element *e);
