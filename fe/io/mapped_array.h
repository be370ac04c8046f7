/* A BPF array map in this process's memory, as much of it as is used.  The kernel inserts all pages
 * of such a mapping at once, and they are all resident; so what nobody wrote yet is not mapped, and
 * reads as zeros.  Before something is written its place has to be reached; what was is there until
 * the array is closed. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_array {
	uint8_t *base; /* NULL: closed */
	size_t size;
	int fd;           /* the map's, which stays the caller's */
	unsigned shift;   /* of a window's size: what is mapped at once */
	uint64_t *window; /* a bit for each: it is mapped */
};

/* Room for 'size' bytes of a map, of which none is mapped.  -errno: the array is closed. */
MUST_USE int mapped_array_open(struct mapped_array *a, int fd, size_t size);
/* Maps whatever is not all zeros: of a map that a process before wrote. */
MUST_USE int mapped_array_find(struct mapped_array *a);
void mapped_array_close(struct mapped_array *a);

MUST_USE int mapped_array_map(struct mapped_array *a, size_t first, size_t last);

static inline bool mapped_array_has(const struct mapped_array *a, size_t window)
{
	return a->window[window / 64] >> window % 64 & 1;
}

/* That 'size' bytes at 'at', which is in the array, can be written.  -ENOMEM: they cannot. */
MUST_USE static inline int mapped_array_reach(struct mapped_array *a, const void *at, size_t size)
{
	size_t offset = (size_t)((const uint8_t *)at - a->base);
	size_t first = offset >> a->shift, last = (offset + size - 1) >> a->shift;

	if (mapped_array_has(a, first) && (first == last || mapped_array_has(a, last)))
		return 0;
	return mapped_array_map(a, first, last);
}
