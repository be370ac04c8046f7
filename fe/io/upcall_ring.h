/* The reader's side of a BPF ring buffer.  libbpf's ring_buffer__new maps the records twice over in
 * one mapping, and the kernel fills that at once: of a ring of 2 MiB 4.1 MiB are resident (VmRSS)
 * before anything is read, and it has no option for less.  This one maps a window where it reads.
 * One thread reads; 'each' does not read on itself. */
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
