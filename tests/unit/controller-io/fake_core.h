/* A stand-in for the core in the tests of its shell: a real inventory, two elements, attachments
 * that do as they are told.  'fake' shows and steers what happens. */
#pragma once

#include "controller/core.h"

struct fake {
	/* What the core was asked. */
	char prepared_element[NAME_SIZE], prepared_port[NAME_SIZE];
	size_t received;
	unsigned sessions, closed, ticks;
	bool owes_barriers;
	/* What it does. */
	const uint8_t *greeting; /* queued when a session opens */
	size_t greeting_size;
	bool hold_rules; /* core_read_rules answers only when fake_answer_rules is called */
};

struct fake *fake_state(struct core *c);
struct session *fake_session(struct core *c); /* the last that was opened */
void fake_send(struct core *c, const void *bytes, size_t size);
void fake_emit(struct core *c, enum event_kind kind, const char *node, const char *text);
void fake_answer_rules(struct core *c);
