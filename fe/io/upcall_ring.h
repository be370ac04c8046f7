/* The reader's side of a BPF ring buffer.  libbpf's maps the whole ring, and that twice; this one
 * maps a window where it reads, so that an idle element has not 2 MiB of it resident.  One thread
 * reads; 'each' does not read on itself. */
#pragma once

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

struct upcall_ring {
	int fd; /* the map's, which stays the caller's; readable when there is something */
	size_t page, size;
	unsigned long *consumer; /* NULL: closed */
	const unsigned long *producer;
	const uint8_t *window; /* NULL: nothing was there yet */
	size_t window_at, window_size;
};

/* 'size': of the ring. */
MUST_USE int upcall_ring_open(struct upcall_ring *r, int fd, size_t size);
void upcall_ring_close(struct upcall_ring *r);
/* Hands out all records that are complete; what 'each' is given is good until it returns. */
void upcall_ring_consume(struct upcall_ring *r,
			 void (*each)(void *to, const void *data, size_t size), void *to);
