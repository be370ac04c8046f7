/* Big-endian integers by shifts, so that neither alignment nor the host's byte order matters. */
#include "base/wire.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

void buffer_finish(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

void buffer_clear(struct buffer *b)
{
	b->size = 0;
}

void buffer_grow(struct buffer *b, size_t size)
{
	size_t capacity = b->capacity ? b->capacity : 256;

	while (capacity - b->size < size)
		capacity *= 2;
	b->data = memory_resize(b->data, capacity);
	b->capacity = capacity;
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
