/* Bytes in network order, read and written through bounded cursors.  A short read never touches
 * memory beyond the end: it sets 'failed', returns zeros, and stays failed, so that a decoder reads
 * its fields in the order of the RFC and asks once. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline struct reader reader_make(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	return (struct reader){at, size ? at + size : at, false}; /* NULL + 0 is undefined */
}

static inline size_t reader_left(const struct reader *rd)
{
	return (size_t)(rd->end - rd->at);
}

/* The next 'size' bytes without copying (borrowed from the buffer); NULL and 'failed' if short. */
static inline const uint8_t *read_borrow(struct reader *rd, size_t size)
{
	const uint8_t *at = rd->at;

	if (rd->failed || reader_left(rd) < size) {
		rd->failed = true;
		rd->at = rd->end;
		return NULL;
	}
	rd->at += size;
	return at;
}

static inline uint8_t read_u8(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 1);

	return b ? b[0] : 0;
}

static inline uint16_t read_u16(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 2);

	return b ? (uint16_t)((uint32_t)b[0] << 8 | b[1]) : 0;
}

static inline uint32_t read_u32(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 4);

	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

static inline uint64_t read_u64(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 8);
	uint64_t value = 0;

	for (unsigned i = 0; b && i < 8; i++)
		value = value << 8 | b[i];
	return value;
}

void read_bytes(struct reader *rd, void *ret, size_t size);
void read_skip(struct reader *rd, size_t size);
/* A cursor over the next 'size' bytes, which 'rd' steps over; an empty failed one if short. */
struct reader read_sub(struct reader *rd, size_t size);

/* A growable buffer.  Zero-initialise; free with buffer_finish. */
struct buffer {
	uint8_t *data;
	size_t size, capacity;
};

void buffer_finish(struct buffer *b);
void buffer_clear(struct buffer *b);
void buffer_grow(struct buffer *b, size_t size); /* room for so many more */

/* Adds 'size' bytes at the end and returns where they are (valid until the next addition). */
static inline uint8_t *buffer_add(struct buffer *b, size_t size)
{
	if (b->capacity - b->size < size)
		buffer_grow(b, size);
	b->size += size;
	return b->data + b->size - size;
}

static inline void buffer_add_bytes(struct buffer *b, const void *bytes, size_t size)
{
	if (size)
		memcpy(buffer_add(b, size), bytes, size);
}

/* Removes 'size' bytes (at most all) from the front. */
void buffer_drop_front(struct buffer *b, size_t size);

static inline void write_u8(struct buffer *b, uint8_t value)
{
	*buffer_add(b, 1) = value;
}

static inline void write_u16(struct buffer *b, uint16_t value)
{
	uint8_t *at = buffer_add(b, 2);

	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void write_u32(struct buffer *b, uint32_t value)
{
	uint8_t *at = buffer_add(b, 4);

	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

static inline void write_u64(struct buffer *b, uint64_t value)
{
	write_u32(b, (uint32_t)(value >> 32));
	write_u32(b, (uint32_t)value);
}

void write_zeros(struct buffer *b, size_t count);
/* Zeros until (size - start) is a multiple of 8. */
void write_pad8(struct buffer *b, size_t start);
/* Overwrites two bytes at 'offset' (a length known only at the end). */
void write_u16_at(struct buffer *b, size_t offset, uint16_t value);
