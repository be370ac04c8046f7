/* Matching of paths and reading of queries for northbound.c. */
#include "controller/io/routes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool route_match(const char *pattern, const char *path, char *argument, size_t argument_size)
{
	while (*pattern) {
		if (strncmp(pattern, "{}", 2) == 0) {
			size_t size = strcspn(path, "/");

			if (!size || size >= argument_size)
				return false;
			memcpy(argument, path, size);
			argument[size] = '\0';
			path += size;
			pattern += 2;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes 'size' characters; -EINVAL for a bad escape, a zero byte or no room. */
static int decode(const char *text, size_t size, char *ret, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		char c = text[i] == '+' ? ' ' : text[i];

		if (text[i] == '%') {
			int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < size ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!c || used + 1 >= room)
			return -EINVAL;
		ret[used++] = c;
	}
	ret[used] = '\0';
	return 0;
}

int query_get(const char *query, const char *name, char *ret, size_t size)
{
	size_t name_size = strlen(name);

	ret[0] = '\0';
	while (*query) {
		size_t field = strcspn(query, "&");

		if (field > name_size && strncmp(query, name, name_size) == 0 &&
		    query[name_size] == '=') {
			int result =
				decode(query + name_size + 1, field - name_size - 1, ret, size);

			return result < 0 ? result : 1;
		}
		query += field + (query[field] == '&');
	}
	return 0;
}
