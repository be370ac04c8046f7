/* printf without its generality: most of what it costs is being ready for all that is not here. */
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 10 /* of 32 bits, in digits */

struct line {
	char *at, *end; /* end: where the terminating zero may stand at the latest */
};

static void add(struct line *l, const char *text, size_t size)
{
	size_t room = (size_t)(l->end - l->at);

	if (size > room)
		size = room;
	memcpy(l->at, text, size);
	l->at += size;
}

static void add_number(struct line *l, unsigned number)
{
	char digits[NUMBER_SIZE];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	add(l, digits + at, sizeof(digits) - at);
}

static bool is_plain(const char *format)
{
	while ((format = strchr(format, '%'))) {
		if (format[1] != 's' && format[1] != 'u')
			return false;
		format += 2;
	}
	return true;
}

void text_format_list(char *to, size_t size, const char *format, va_list arguments)
{
	struct line l = {to, to + size - 1};

	if (!size || !is_plain(format)) {
		vsnprintf(to, size, format, arguments);
		return;
	}
	while (*format) {
		const char *next = strchr(format, '%');
		size_t plain = next ? (size_t)(next - format) : strlen(format);

		add(&l, format, plain);
		format += plain;
		if (!next)
			break;
		if (format[1] == 's') {
			const char *text = va_arg(arguments, const char *);

			add(&l, text, strlen(text));
		} else {
			add_number(&l, va_arg(arguments, unsigned));
		}
		format += 2;
	}
	*l.at = '\0';
}

void text_format(char *to, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_format_list(to, size, format, arguments);
	va_end(arguments);
}
