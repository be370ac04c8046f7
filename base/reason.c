/* A bounded printf into the caller's struct. */
#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>

int reason_set(struct reason *why, int result, const char *format, ...)
{
	va_list args;

	if (!why)
		return result;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return result;
}
