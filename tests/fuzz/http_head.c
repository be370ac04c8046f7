/* A request's head in any bytes, in one piece and byte by byte: both readings agree, what is
 * accepted keeps its promises, and its Authorization and query are read. */
#include "controller/io/http_head.h"
#include "controller/io/access.h"
#include "controller/io/routes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct http_head *h)
{
	char value[64];

	if (h->path[0] != '/' || strstr(h->path, "/../") || h->body_size > HTTP_BODY_MAX)
		abort();
	for (const char *at = h->path; *at; at++) {
		if ((unsigned char)*at < 0x20)
			abort();
	}
	(void)bearer_token(h->authorization);
	(void)!query_get(h->query, "limit", value, sizeof(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head whole, pieces;
	const char *why = "", *bytes = (const char *)data;
	size_t scanned = 0;

	if (!size || size > 4096)
		return 0;
	int result = http_head_read(bytes, size, &scanned, &whole, &why), again = 0;

	if (result > (int)size || (result < 0 && !why[0]))
		abort();
	scanned = 0;
	for (size_t i = 1; i <= size && !again; i++)
		again = http_head_read(bytes, i, &scanned, &pieces, &why);
	/* Byte by byte it may be refused earlier, never otherwise. */
	if ((result > 0) != (again > 0) || (result > 0 && result != again))
		abort();
	if (result > 0)
		check(&whole);
	return 0;
}
