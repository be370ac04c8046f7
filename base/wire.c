/* Big-endian integers by shifts, so that neither alignment nor the host's byte order matters. */
#include "base/wire.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const uint8_t *read_borrow(struct reader *rd, size_t size)
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

void read_bytes(struct reader *rd, void *ret, size_t size)
{
	const uint8_t *bytes = read_borrow(rd, size);

	if (!size)
		return;
	if (bytes)
		memcpy(ret, bytes, size);
	else
		memset(ret, 0, size);
}

void read_skip(struct reader *rd, size_t size)
{
	(void)read_borrow(rd, size);
}

struct reader read_sub(struct reader *rd, size_t size)
{
	const uint8_t *bytes = read_borrow(rd, size);

	if (!bytes)
		return (struct reader){rd->end, rd->end, true};
	return reader_make(bytes, size);
}

uint8_t read_u8(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 1);

	return b ? b[0] : 0;
}

uint16_t read_u16(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 2);

	if (!b)
		return 0;
	return (uint16_t)((uint32_t)b[0] << 8 | b[1]);
}

uint32_t read_u32(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 4);

	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

uint64_t read_u64(struct reader *rd)
{
	const uint8_t *b = read_borrow(rd, 8);
	uint64_t value = 0;

	for (unsigned i = 0; b && i < 8; i++)
		value = value << 8 | b[i];
	return value;
}

void buffer_finish(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

void buffer_clear(struct buffer *b)
{
	b->size = 0;
}

uint8_t *buffer_add(struct buffer *b, size_t size)
{
	if (b->capacity - b->size < size) {
		size_t capacity = b->capacity ? b->capacity : 256;

		while (capacity - b->size < size)
			capacity *= 2;
		b->data = memory_resize(b->data, capacity);
		b->capacity = capacity;
	}
	b->size += size;
	return b->data + b->size - size;
}

void buffer_add_bytes(struct buffer *b, const void *bytes, size_t size)
{
	if (size)
		memcpy(buffer_add(b, size), bytes, size);
}

void buffer_drop_front(struct buffer *b, size_t size)
{
	if (size >= b->size) {
		b->size = 0;
		return;
	}
	memmove(b->data, b->data + size, b->size - size);
	b->size -= size;
}

void write_u8(struct buffer *b, uint8_t value)
{
	*buffer_add(b, 1) = value;
}

void write_u16(struct buffer *b, uint16_t value)
{
	uint8_t *at = buffer_add(b, 2);

	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void write_u32(struct buffer *b, uint32_t value)
{
	write_u16(b, (uint16_t)(value >> 16));
	write_u16(b, (uint16_t)value);
}

void write_u64(struct buffer *b, uint64_t value)
{
	write_u32(b, (uint32_t)(value >> 32));
	write_u32(b, (uint32_t)value);
}

void write_zeros(struct buffer *b, size_t count)
{
	if (count)
		memset(buffer_add(b, count), 0, count);
}

void write_pad8(struct buffer *b, size_t start)
{
	write_zeros(b, (8 - (b->size - start) % 8) % 8);
}

void write_u16_at(struct buffer *b, size_t offset, uint16_t value)
{
	assert(offset + 2 <= b->size);
	b->data[offset] = (uint8_t)(value >> 8);
	b->data[offset + 1] = (uint8_t)value;
}
