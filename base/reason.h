/* Why something was refused, in words for a person: what was wrong, where, and what to do next.
 * A function that can refuse a user's input takes a 'struct reason *' beside its negative result.
 */
#pragma once

#include "base/compiler.h"

#define REASON_SIZE 512

struct reason {
	char text[REASON_SIZE];
};

/* Writes the text (cut at REASON_SIZE) and returns 'result', so that a refusal is one line:
 * return reason_set(why, -EINVAL, "prefix '%s': the length is missing", text);
 * 'why' may be NULL. */
int reason_set(struct reason *why, int result, const char *format, ...) PRINTF_LIKE(3, 4);
