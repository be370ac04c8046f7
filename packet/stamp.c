/* STAMP's two test packets as bytes. */
#include "packet/stamp.h"

#include <errno.h>

#define MICROSECONDS 1000000
/* Not synchronised (S = 0), NTP's format (Z = 0), multiplier 1: section 4.2.1. */
#define ERROR_ESTIMATE 1

/* Microseconds to 32 bits of seconds and 32 of their fraction, and back to within one. */
static void write_time(struct buffer *b, int64_t us)
{
	uint64_t seconds = (uint64_t)us / MICROSECONDS, rest = (uint64_t)us % MICROSECONDS;

	write_u32(b, (uint32_t)seconds);
	write_u32(b, (uint32_t)(((rest << 32) + MICROSECONDS - 1) / MICROSECONDS));
}

static int64_t read_time(struct reader *rd)
{
	uint64_t seconds = read_u32(rd), fraction = read_u32(rd);

	return (int64_t)(seconds * MICROSECONDS + (fraction * MICROSECONDS >> 32));
}

void stamp_request_encode(struct buffer *b, const struct stamp_request *q)
{
	write_u32(b, q->sequence);
	write_time(b, q->sent_us);
	write_u16(b, ERROR_ESTIMATE);
	write_zeros(b, STAMP_SIZE - 14);
}

int stamp_request_decode(const void *bytes, size_t size, struct stamp_request *ret)
{
	struct reader rd = reader_make(bytes, size);

	ret->sequence = read_u32(&rd);
	ret->sent_us = read_time(&rd);
	read_skip(&rd, STAMP_SIZE - 12);
	return rd.failed ? -EBADMSG : 0;
}

void stamp_reply_encode(struct buffer *b, const struct stamp_reply *r, uint8_t ttl)
{
	write_u32(b, r->sequence);
	write_time(b, r->reflected_us);
	write_u16(b, ERROR_ESTIMATE);
	write_zeros(b, 2);
	write_time(b, r->received_us);
	write_u32(b, r->sequence);
	write_time(b, r->sent_us);
	write_u16(b, ERROR_ESTIMATE);
	write_zeros(b, 2);
	write_u8(b, ttl);
	write_zeros(b, 3);
}

int stamp_reply_decode(const void *bytes, size_t size, struct stamp_reply *ret)
{
	struct reader rd = reader_make(bytes, size);

	read_skip(&rd, 4);
	ret->reflected_us = read_time(&rd);
	read_skip(&rd, 4);
	ret->received_us = read_time(&rd);
	ret->sequence = read_u32(&rd);
	ret->sent_us = read_time(&rd);
	read_skip(&rd, 8);
	return rd.failed ? -EBADMSG : 0;
}

int64_t stamp_delay_us(const struct stamp_reply *r, int64_t now_us)
{
	int64_t round = now_us - r->sent_us, stay = r->reflected_us - r->received_us;

	return round < 0 || stay < 0 || stay > round ? -1 : (round - stay) / 2;
}
