/* BFD control packets as bytes. */
#include "packet/bfd.h"

#include <errno.h>

#define VERSION 1
#define FLAG_POLL 0x20
#define FLAG_FINAL 0x10
#define FLAG_AUTHENTICATION 0x04
#define FLAG_MULTIPOINT 0x01

void bfd_encode(struct buffer *b, const struct bfd_packet *p)
{
	write_u8(b, (uint8_t)(VERSION << 5 | (p->diagnostic & 0x1f)));
	write_u8(b, (uint8_t)(p->state << 6 | (p->poll ? FLAG_POLL : 0) |
			      (p->final ? FLAG_FINAL : 0)));
	write_u8(b, p->multiplier);
	write_u8(b, BFD_SIZE);
	write_u32(b, p->mine);
	write_u32(b, p->yours);
	write_u32(b, p->desired_tx_us);
	write_u32(b, p->required_rx_us);
	write_u32(b, 0); /* no echo */
}

/* Sections 6.8.6's first steps. */
static bool is_sound(const struct bfd_packet *p, uint8_t flags, uint8_t length, size_t size)
{
	if (flags & (FLAG_AUTHENTICATION | FLAG_MULTIPOINT) || (p->poll && p->final))
		return false;
	if (length < BFD_SIZE || length > size || !p->multiplier || !p->mine)
		return false;
	return p->yours || p->state == BFD_DOWN || p->state == BFD_ADMIN_DOWN;
}

int bfd_decode(const void *bytes, size_t size, struct bfd_packet *ret)
{
	struct reader rd = reader_make(bytes, size);
	uint8_t first = read_u8(&rd), flags = read_u8(&rd), length;

	ret->diagnostic = first & 0x1f;
	ret->state = flags >> 6;
	ret->poll = flags & FLAG_POLL;
	ret->final = flags & FLAG_FINAL;
	ret->multiplier = read_u8(&rd);
	length = read_u8(&rd);
	ret->mine = read_u32(&rd);
	ret->yours = read_u32(&rd);
	ret->desired_tx_us = read_u32(&rd);
	ret->required_rx_us = read_u32(&rd);
	(void)read_u32(&rd);
	if (rd.failed || first >> 5 != VERSION || !is_sound(ret, flags, length, size))
		return -EBADMSG;
	return 0;
}

const char *bfd_state_name(enum bfd_state state)
{
	switch (state) {
	case BFD_ADMIN_DOWN:
		return "administratively down";
	case BFD_DOWN:
		return "down";
	case BFD_INIT:
		return "init";
	case BFD_UP:
		return "up";
	}
	return "unknown";
}
