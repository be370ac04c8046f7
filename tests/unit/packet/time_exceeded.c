/* packet/time_exceeded: what is answered, what is not, and the answer's bytes. */
#include "packet/time_exceeded.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IP 14
#define SIZE (14 + 20 + 8 + 32)

static const struct mac gateway = {{2, 0, 0x5e, 0, 0x53, 1}};

/* A UDP packet from 10.10.0.5 to 192.0.2.10 whose TTL has run out. */
static void make(uint8_t frame[SIZE])
{
	static const uint8_t head[] = {2, 0, 0x5e, 0,  0x53, 1,  2,   0, 0, 0, 0, 5,
				       8, 0, 0x45, 0,  0,    60, 1,   2, 0, 0, 1, 17,
				       0, 0, 10,   10, 0,    5,  192, 0, 2, 10};

	memset(frame, 7, SIZE);
	memcpy(frame, head, sizeof(head));
}

static int answer(const uint8_t *frame, size_t size, struct buffer *b)
{
	struct address router;

	assert_int_equal(address_parse("10.10.0.1", &router), 0);
	return time_exceeded_build(b, frame, size, &gateway, &router);
}

static uint16_t sum(const uint8_t *at, size_t size)
{
	uint32_t s = 0;

	for (size_t i = 0; i < size; i++)
		s += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return (uint16_t)((s & 0xffff) + (s >> 16));
}

static void the_answer_goes_back_with_right_checksums(void **state)
{
	struct buffer b = {0};
	uint8_t frame[SIZE];

	make(frame);
	assert_int_equal(answer(frame, SIZE, &b), 0);
	assert_int_equal(b.size, 14 + 20 + 8 + 60);
	assert_memory_equal(b.data, frame + 6, 6);
	assert_memory_equal(b.data + 6, gateway.bytes, 6);
	assert_int_equal(b.data[IP + 9], 1);
	assert_memory_equal(b.data + IP + 12, ((uint8_t[]){10, 10, 0, 1, 10, 10, 0, 5}), 8);
	assert_int_equal(sum(b.data + IP, 20), 0xffff);
	assert_int_equal(b.data[IP + 20], 11);
	assert_int_equal(sum(b.data + IP + 20, 8 + 60), 0xffff);
	assert_memory_equal(b.data + IP + 28, frame + IP, 60);
	buffer_finish(&b);
}

static void not_more_than_576_bytes_are_sent(void **state)
{
	struct buffer b = {0};
	uint8_t frame[14 + 1500];

	make(frame);
	memset(frame + SIZE, 1, sizeof(frame) - SIZE);
	frame[IP + 2] = 1500 >> 8;
	frame[IP + 3] = 1500 & 0xff;
	assert_int_equal(answer(frame, sizeof(frame), &b), 0);
	assert_int_equal(b.size, 14 + 576);
	buffer_finish(&b);
}

static void refused(unsigned at, uint8_t value)
{
	struct buffer b = {0};
	uint8_t frame[SIZE];

	make(frame);
	frame[at] = value;
	assert_int_equal(answer(frame, SIZE, &b), -EBADMSG);
	assert_int_equal(b.size, 0);
	buffer_finish(&b);
}

static void what_must_not_be_answered_is_not(void **state)
{
	refused(0, 3);         /* to a group's MAC */
	refused(6, 3);         /* from one */
	refused(12, 9);        /* not IPv4 */
	refused(IP, 0x65);     /* says version 6 */
	refused(IP, 0x44);     /* a header too short */
	refused(IP + 2, 1);    /* longer than the frame */
	refused(IP + 3, 19);   /* shorter than its header */
	refused(IP + 7, 1);    /* a later fragment */
	refused(IP + 12, 0);   /* from nobody */
	refused(IP + 12, 127); /* from a host itself */
	refused(IP + 12, 239); /* from a group */
	refused(IP + 16, 239); /* to a group */
}

static void an_icmp_error_is_not_answered_but_a_ping_is(void **state)
{
	struct buffer b = {0};
	uint8_t frame[SIZE];

	make(frame);
	frame[IP + 9] = 1;
	frame[IP + 20] = 11;
	assert_int_equal(answer(frame, SIZE, &b), -EBADMSG);
	frame[IP + 20] = 8;
	assert_int_equal(answer(frame, SIZE, &b), 0);
	buffer_finish(&b);
}

static void a_frame_that_is_cut_anywhere_is_refused(void **state)
{
	struct address source;
	uint8_t frame[SIZE];

	make(frame);
	for (size_t size = 0; size < SIZE; size++) {
		struct buffer b = {0};
		uint8_t *copy = malloc(size ? size : 1);

		memcpy(copy, frame, size);
		assert_int_equal(answer(copy, size, &b), -EBADMSG);
		assert_int_equal(time_exceeded_source(copy, size, &source), -EBADMSG);
		free(copy);
		buffer_finish(&b);
	}
	assert_int_equal(time_exceeded_source(frame, SIZE, &source), 0);
	assert_int_equal(source.bytes[15], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_goes_back_with_right_checksums),
		cmocka_unit_test(not_more_than_576_bytes_are_sent),
		cmocka_unit_test(what_must_not_be_answered_is_not),
		cmocka_unit_test(an_icmp_error_is_not_answered_but_a_ping_is),
		cmocka_unit_test(a_frame_that_is_cut_anywhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
