/* The controller's clock: milliseconds that never jump (what the core calls now_ms), and their
 * translation into the calendar for what people and the store see. */
#pragma once

#include "base/compiler.h"

#include <stdint.h>

int64_t clock_now_ms(void);
/* Milliseconds since 1970 (UTC) of a moment of clock_now_ms(), and back. */
int64_t clock_to_calendar_ms(int64_t at_ms);
int64_t clock_from_calendar_ms(int64_t calendar_ms);

#define CLOCK_TEXT_SIZE 32
/* "2026-11-22T14:19:21.123Z" (RFC 3339) of a moment of clock_now_ms(). */
const char *clock_format(int64_t at_ms, char text[CLOCK_TEXT_SIZE]);
