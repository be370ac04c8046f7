/* packet/icmp_error: what is answered, what is not, and the answer's bytes. */
#include "packet/icmp_error.h"

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
	return icmp_error_build(b, frame, size, ICMP_TIME_EXCEEDED, 0, &gateway, &router);
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
		assert_int_equal(icmp_error_source(copy, size, &source), -EBADMSG);
		free(copy);
		buffer_finish(&b);
	}
	assert_int_equal(icmp_error_source(frame, SIZE, &source), 0);
	assert_int_equal(source.bytes[15], 5);
}

static void what_fits_is_said_where_the_sender_reads_it(void **state)
{
	struct buffer b = {0};
	struct address router;
	uint8_t frame[SIZE];

	make(frame);
	assert_int_equal(address_parse("10.10.0.1", &router), 0);
	assert_int_equal(icmp_error_build(&b, frame, SIZE, ICMP_TOO_BIG, 1450, &gateway, &router),
			 0);
	assert_memory_equal(b.data + IP + 20, ((uint8_t[]){3, 4}), 2);
	assert_memory_equal(b.data + IP + 24, ((uint8_t[]){0, 0, 1450 >> 8, 1450 & 0xff}), 4);
	assert_int_equal(sum(b.data + IP + 20, 8 + 60), 0xffff);
	buffer_finish(&b);
}

/* A UDP packet from 2001:db8:10::5 to 2001:db8:ff::2. */
static void make6(uint8_t *frame, size_t size)
{
	static const uint8_t head[] = {2,    0,    0x5e, 0,    0x53, 1,    2, 0,    0,    0,  0,
				       5,    0x86, 0xdd, 0x60, 0,    0,    0, 0,    0,    17, 1,
				       0x20, 1,    0x0d, 0xb8, 0,    0x10, 0, 0,    0,    0,  0,
				       0,    0,    0,    0,    5,    0x20, 1, 0x0d, 0xb8, 0,  0xff};

	memset(frame, 7, size);
	memcpy(frame, head, sizeof(head));
	frame[IP + 4] = (uint8_t)((size - 54) >> 8);
	frame[IP + 5] = (uint8_t)(size - 54);
}

static int answer6(const uint8_t *frame, size_t size, struct buffer *b)
{
	struct address router;

	assert_int_equal(address_parse("2001:db8:10::1", &router), 0);
	return icmp_error_build(b, frame, size, ICMP_TOO_BIG, 1430, &gateway, &router);
}

static void an_ipv6_packet_is_told_that_it_is_too_big(void **state)
{
	static const uint8_t pseudo[] = {0, 0, 4, 0xd8, 0, 0, 0, 58};
	struct buffer b = {0}, summed = {0};
	uint8_t frame[14 + 1500];

	make6(frame, sizeof(frame));
	assert_int_equal(answer6(frame, sizeof(frame), &b), 0);
	assert_int_equal(b.size, 14 + 1280);
	assert_memory_equal(b.data + IP + 24, frame + IP + 8, 16);
	assert_memory_equal(b.data + IP + 40, ((uint8_t[]){2, 0}), 2);
	assert_memory_equal(b.data + IP + 44, ((uint8_t[]){0, 0, 1430 >> 8, 1430 & 0xff}), 4);
	assert_memory_equal(b.data + IP + 48, frame + IP, 1232);
	buffer_add_bytes(&summed, b.data + IP + 8, 32);
	buffer_add_bytes(&summed, pseudo, sizeof(pseudo));
	buffer_add_bytes(&summed, b.data + IP + 40, 1240);
	assert_int_equal(sum(summed.data, summed.size), 0xffff);
	buffer_finish(&b);
	buffer_finish(&summed);
}

static void what_must_not_be_answered_of_ipv6_is_not(void **state)
{
	static const uint8_t bad[][2] = {{0, 0x33},      {6, 0x33},       {IP, 0x45},  {IP + 4, 9},
					 {IP + 8, 0xff}, {IP + 24, 0xff}, {IP + 6, 58}};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buffer b = {0};
		uint8_t frame[100];

		make6(frame, sizeof(frame));
		frame[bad[i][0]] = bad[i][1];
		assert_int_equal(answer6(frame, sizeof(frame), &b), -EBADMSG);
		assert_int_equal(b.size, 0);
		buffer_finish(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_goes_back_with_right_checksums),
		cmocka_unit_test(not_more_than_576_bytes_are_sent),
		cmocka_unit_test(what_must_not_be_answered_is_not),
		cmocka_unit_test(an_icmp_error_is_not_answered_but_a_ping_is),
		cmocka_unit_test(a_frame_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(what_fits_is_said_where_the_sender_reads_it),
		cmocka_unit_test(an_ipv6_packet_is_told_that_it_is_too_big),
		cmocka_unit_test(what_must_not_be_answered_of_ipv6_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
