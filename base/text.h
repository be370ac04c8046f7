/* Short lines of text, made for every move: as vsnprintf, several times faster where a format has
 * nothing but %s and %u. */
#pragma once

#include "base/compiler.h"

#include <stdarg.h>
#include <stddef.h>

/* Writes at most 'size' bytes, the terminating zero included. */
void text_format(char *to, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
void text_format_list(char *to, size_t size, const char *format, va_list arguments)
	PRINTF_LIKE(3, 0);
