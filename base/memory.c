/* The one place where the heap's NULL is seen: it aborts. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *pointer)
{
	if (!pointer) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *memory_alloc(size_t size)
{
	return check(calloc(1, size ? size : 1));
}

void *memory_alloc_array(size_t count, size_t size)
{
	return check(calloc(count ? count : 1, size ? size : 1));
}

void *memory_resize(void *old, size_t size)
{
	return check(realloc(old, size ? size : 1));
}

void *memory_copy(const void *bytes, size_t size)
{
	void *copy = memory_alloc(size);

	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

char *memory_copy_text(const char *text)
{
	return check(strdup(text));
}

char *memory_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return check(text);
}
