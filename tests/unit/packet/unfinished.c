/* packet/unfinished: whose checksum is completed, to what, and what is left as it is. */
#include "packet/unfinished.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TCP 6
#define UDP 17
#define MOST 2048

struct packet {
	uint8_t bytes[MOST];
	size_t size, at, check_at; /* where its segment is, and the checksum */
	bool v4;
};

static void put(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Another way than the product's, byte by byte. */
static uint16_t sum(const uint8_t *at, size_t size, uint32_t from)
{
	for (size_t i = 0; i < size; i++)
		from += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	while (from >> 16)
		from = (from & 0xffff) + (from >> 16);
	return (uint16_t)from;
}

static uint16_t pseudo(const struct packet *p)
{
	const size_t size = p->size - p->at;
	const uint32_t more = (uint32_t)size + (p->check_at - p->at == 16 ? TCP : UDP);

	return p->v4 ? sum(p->bytes + 26, 8, more) : sum(p->bytes + 22, 32, more);
}

/* Over IPv4, with so many words of options, or over IPv6; its checksum is left to a device. */
static struct packet make(bool v4, uint8_t protocol, size_t payload, unsigned options)
{
	const size_t header = v4 ? 20 + 4 * options : 40,
		     segment = (protocol == TCP ? 20 : 8) + payload;
	struct packet p = {.v4 = v4, .size = 14 + header + segment, .at = 14 + header};

	for (size_t i = 0; i < p.size; i++)
		p.bytes[i] = (uint8_t)(i * 7 + 1);
	put(p.bytes + 12, v4 ? 0x0800 : 0x86dd);
	memset(p.bytes + 14, 0, v4 ? 12 : 8);
	p.bytes[14] = v4 ? (uint8_t)(0x45 + options) : 0x60;
	put(p.bytes + (v4 ? 16 : 18), v4 ? header + segment : segment);
	p.bytes[v4 ? 23 : 20] = protocol;
	p.bytes[v4 ? 20 : 21] = 0x40; /* DF; the hop limit */
	p.check_at = p.at + (protocol == TCP ? 16 : 6);
	if (protocol == UDP)
		put(p.bytes + p.at + 4, segment);
	put(p.bytes + p.check_at, pseudo(&p));
	return p;
}

/* In memory of its very size: to read on is to be caught. */
static struct packet complete(const struct packet *p, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	struct packet done = *p;

	memcpy(exact, p->bytes, size);
	unfinished_complete(exact, size);
	memcpy(done.bytes, exact, size);
	free(exact);
	return done;
}

static bool is_right(const struct packet *p)
{
	return sum(p->bytes + p->at, p->size - p->at, pseudo(p)) == 0xffff;
}

static void assert_left(const struct packet *p, size_t size)
{
	const struct packet done = complete(p, size);

	assert_memory_equal(done.bytes, p->bytes, MOST);
}

static void what_a_kernel_left_to_a_device_is_completed(void **state)
{
	static const size_t payloads[] = {0, 1, 2, 21, 22, 1460, 1461};

	for (unsigned i = 0; i < ARRAY_SIZE(payloads) * 4; i++) {
		const uint8_t protocol = i & 1 ? TCP : UDP;
		const struct packet p = make(i & 2, protocol, payloads[i / 4], 0);
		struct packet done = complete(&p, p.size);

		assert_false(is_right(&p));
		assert_true(is_right(&done));
		/* And nothing else is changed, then or a second time. */
		assert_left(&done, p.size);
		put(done.bytes + p.check_at, pseudo(&p));
		assert_memory_equal(done.bytes, p.bytes, MOST);
	}
}

static void options_and_what_is_behind_the_packet_are_no_part_of_its_segment(void **state)
{
	struct packet p = make(true, UDP, 3, 10), done;

	done = complete(&p, p.size + 15); /* the end of a frame that had to be longer */
	assert_true(is_right(&done));
	p = make(false, TCP, 3, 0);
	done = complete(&p, p.size + 15);
	assert_true(is_right(&done));
	assert_memory_equal(done.bytes + p.size, p.bytes + p.size, 15);
}

static void a_udp_sum_of_zero_is_written_as_ones_and_tcps_is_not(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct packet p = make(i & 2, i & 1 ? TCP : UDP, 24, 0), done;

		/* Its last word makes up for the rest. */
		put(p.bytes + p.size - 2, 0);
		put(p.bytes + p.size - 2, 0xffff - sum(p.bytes + p.at, p.size - p.at, 0));
		done = complete(&p, p.size);
		assert_int_equal(done.bytes[p.check_at] << 8 | done.bytes[p.check_at + 1],
				 i & 1 ? 0 : 0xffff);
		assert_true(is_right(&done));
	}
}

static void finished_ones_and_bad_ones_stay_as_they_are(void **state)
{
	struct packet p = make(true, TCP, 21, 0), done = complete(&p, p.size);

	assert_left(&done, p.size);
	done.bytes[p.size - 1] ^= 1; /* broken on the way: the receiver is to see it */
	assert_left(&done, p.size);
	put(p.bytes + p.check_at, 0);
	assert_left(&p, p.size);
	p = make(false, UDP, 21, 0);
	p.bytes[p.check_at]++;
	assert_left(&p, p.size);
	/* A sum over other addresses, another length. */
	p = make(false, UDP, 21, 0);
	p.bytes[30]++;
	assert_left(&p, p.size);
	p = make(true, UDP, 21, 0);
	put(p.bytes + 16, 20 + 8 + 20);
	assert_left(&p, p.size);
}

static void fragments_and_other_protocols_stay_as_they_are(void **state)
{
	static const uint8_t fragments[][2] = {{0x20, 0}, {0, 1}, {0x3f, 0xff}, {0x10, 0}};
	struct packet p = make(true, UDP, 24, 0);

	for (unsigned i = 0; i < ARRAY_SIZE(fragments); i++) {
		memcpy(p.bytes + 20, fragments[i], 2);
		assert_left(&p, p.size);
	}
	for (unsigned v4 = 0; v4 < 2; v4++) {
		p = make(v4, UDP, 24, 0);
		for (unsigned protocol = 0; protocol < 256; protocol++) {
			if (protocol == TCP || protocol == UDP)
				continue;
			p.bytes[v4 ? 23 : 20] = (uint8_t)protocol;
			/* Right for it, were it one of the two. */
			put(p.bytes + p.at + 6, pseudo(&p) + protocol - UDP);
			assert_left(&p, p.size);
		}
	}
	p = make(true, UDP, 24, 0);
	for (unsigned version = 0; version < 16; version++) {
		if (version == 4)
			continue;
		p.bytes[14] = (uint8_t)(version << 4 | 5);
		assert_left(&p, p.size);
	}
}

static void what_is_cut_short_or_lies_about_its_length_stays_as_it_is(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		const bool v4 = i & 2;
		const size_t length_at = v4 ? 16 : 18;
		const struct packet p = make(v4, i & 1 ? TCP : UDP, 5, 0);
		const size_t said = (size_t)(p.bytes[length_at] << 8 | p.bytes[length_at + 1]);
		struct packet lie;

		for (size_t size = 0; size < p.size; size++)
			assert_left(&p, size);
		/* Any other length, with the sum that would be right for it. */
		for (size_t length = 0; length <= 0xffff; length++) {
			if (length == said)
				continue;
			lie = p;
			put(lie.bytes + length_at, length);
			if (length > said || length < (v4 ? 20 : 0) + (p.check_at - p.at) + 2)
				put(lie.bytes + p.check_at,
				    sum(NULL, 0, pseudo(&p) + (uint32_t)(0xffff + length - said)));
			assert_left(&lie, p.size);
			length += length > 128 ? 4093 : 0;
		}
		if (!v4)
			continue;
		for (uint8_t words = 0; words < 5; words++) {
			lie = p;
			lie.bytes[14] = 0x40 | words;
			assert_left(&lie, p.size);
		}
		put(lie.bytes + p.check_at - 4,
		    sum(NULL, 0, pseudo(&p) + 4)); /* right for 16 bytes */
		assert_left(&lie, p.size);
		lie = p;
		lie.bytes[14] = 0x4f; /* a header that is longer than the packet */
		assert_left(&lie, p.size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_kernel_left_to_a_device_is_completed),
		cmocka_unit_test(options_and_what_is_behind_the_packet_are_no_part_of_its_segment),
		cmocka_unit_test(a_udp_sum_of_zero_is_written_as_ones_and_tcps_is_not),
		cmocka_unit_test(finished_ones_and_bad_ones_stay_as_they_are),
		cmocka_unit_test(fragments_and_other_protocols_stay_as_they_are),
		cmocka_unit_test(what_is_cut_short_or_lies_about_its_length_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
