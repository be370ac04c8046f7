/* OVERLAPS: the routes of an FE's machine that are in the way of covered prefixes, as bytes
 * (docs/southbound.md draws them). */
#include "pipeline/experimenter.h"
#include "pipeline/experimenter_private.h"

#include <string.h>

#define ENTRY_SIZE (16 + 4 + OVERLAP_DEVICE_SIZE)

void overlaps_encode(struct buffer *b, uint32_t xid, const struct overlap *list, unsigned count)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_OVERLAPS);

	write_u16(b, (uint16_t)count);
	write_zeros(b, 6);
	for (unsigned i = 0; i < count; i++) {
		size_t length = strnlen(list[i].device, OVERLAP_DEVICE_SIZE - 1);

		buffer_add_bytes(b, list[i].prefix.address.bytes, 16);
		write_u8(b, list[i].prefix.length);
		write_u8(b, list[i].own);
		write_zeros(b, 2);
		buffer_add_bytes(b, list[i].device, length);
		write_zeros(b, OVERLAP_DEVICE_SIZE - length);
	}
	experimenter_end(b, start);
}

static bool is_whole(const struct prefix *p)
{
	for (unsigned bit = p->length; bit < 128; bit++)
		if (p->address.bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	return p->length <= 128;
}

static int read_overlap(struct reader *rd, struct overlap *ret)
{
	*ret = (struct overlap){.own = false};
	read_bytes(rd, ret->prefix.address.bytes, 16);
	ret->prefix.length = read_u8(rd);
	ret->own = read_u8(rd);
	read_skip(rd, 2);
	read_bytes(rd, ret->device, OVERLAP_DEVICE_SIZE);
	ret->device[OVERLAP_DEVICE_SIZE - 1] = '\0';
	for (unsigned i = 0; i < OVERLAP_DEVICE_SIZE && ret->device[i]; i++)
		if (ret->device[i] <= ' ' || ret->device[i] > '~')
			ret->device[i] = '?';
	return rd->failed || !is_whole(&ret->prefix) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

int overlaps_decode(struct reader *body, struct overlap list[OVERLAPS_MAX], unsigned *ret_count)
{
	unsigned count = read_u16(body);

	read_skip(body, 6);
	if (body->failed || count > OVERLAPS_MAX || reader_left(body) != (size_t)count * ENTRY_SIZE)
		return -OFP_BAD_REQUEST_BAD_LEN;
	for (unsigned i = 0; i < count; i++)
		if (read_overlap(body, &list[i]) < 0)
			return -OFP_BAD_REQUEST_BAD_LEN;
	*ret_count = count;
	return 0;
}
