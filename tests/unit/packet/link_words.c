/* What a link's ends say to each other: datagrams, BFD, STAMP. */
#include "packet/bfd.h"
#include "packet/datagram.h"
#include "packet/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static void build(struct buffer *b, const char *from, const char *to, const void *data, size_t size)
{
	const struct datagram d = {.source = ip(from),
				   .destination = ip(to),
				   .source_port = 49153,
				   .destination_port = BFD_PORT,
				   .ttl = 255,
				   .traffic_class = 0xc0,
				   .data = data,
				   .data_size = size};

	datagram_build(b, &d);
}

static void check_round(const char *from, const char *to, size_t header)
{
	const uint8_t data[] = {1, 2, 3, 4, 5};
	struct address a = ip(from), b = ip(to);
	struct buffer out = {0};
	struct datagram d;
	struct reader rd;

	build(&out, from, to, data, sizeof(data));
	assert_int_equal(out.size, header + 8 + sizeof(data));
	write_zeros(&out, 11); /* an Ethernet frame's padding */
	rd = reader_make(out.data, out.size);
	assert_int_equal(datagram_parse(&rd, &d), 0);
	assert_true(address_equal(&d.source, &a) && address_equal(&d.destination, &b));
	assert_int_equal(d.source_port, 49153);
	assert_int_equal(d.destination_port, BFD_PORT);
	assert_int_equal(d.ttl, 255);
	assert_int_equal(d.traffic_class, 0xc0);
	assert_int_equal(d.data_size, sizeof(data));
	assert_memory_equal(d.data, data, sizeof(data));
	buffer_finish(&out);
}

static void a_datagram_is_read_as_it_was_built(void **state)
{
	check_round("192.0.2.1", "192.0.2.2", 20);
	check_round("2001:db8::1", "2001:db8::2", 40);
}

/* The sum of the UDP checksum's field, from RFC 768 by hand. */
static void a_checksum_is_as_others_compute_it(void **state)
{
	const uint8_t data[] = {0xab};
	struct buffer b = {0};

	build(&b, "10.0.0.1", "10.0.0.2", data, sizeof(data));
	/* 0a00 0001 0a00 0002 0011 0009 | c001 0ec8 0009 ab00: 18def, so 8df0, so ~8df0 */
	assert_int_equal(b.data[26] << 8 | b.data[27], 0x720f);
	buffer_finish(&b);
}

static void a_changed_or_short_datagram_is_refused(void **state)
{
	static const char *const pairs[][2] = {{"192.0.2.1", "192.0.2.2"},
					       {"2001:db8::1", "2001:db8::2"}};
	const uint8_t data[24] = {7};

	for (unsigned pair = 0; pair < 2; pair++) {
		struct buffer b = {0};
		struct datagram d;
		struct reader rd;

		build(&b, pairs[pair][0], pairs[pair][1], data, sizeof(data));
		for (size_t size = 0; size < b.size; size++) {
			rd = reader_make(b.data, size);
			assert_true(datagram_parse(&rd, &d) < 0);
		}
		for (size_t at = 0; at < b.size; at++) {
			if (pair == 1 && (at < 4 || at == 7))
				continue; /* class, label, hop limit: no sum has them */
			b.data[at] ^= 0x11;
			rd = reader_make(b.data, b.size);
			assert_true(datagram_parse(&rd, &d) < 0);
			b.data[at] ^= 0x11;
		}
		buffer_finish(&b);
	}
}

static void a_frame_is_read_through_labels_and_carriers(void **state)
{
	const uint8_t data[] = {9, 8, 7};
	const uint8_t macs[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	struct buffer inner = {0}, b = {0};
	struct datagram_arrival a;
	struct datagram carrier = {.source = ip("203.0.113.9"),
				   .destination = ip("192.0.2.2"),
				   .source_port = 40001,
				   .destination_port = 6080,
				   .ttl = 64};
	struct address nat = ip("203.0.113.9");

	build(&inner, "10.0.0.1", "10.0.0.2", data, sizeof(data));
	buffer_add_bytes(&b, macs, sizeof(macs));
	write_u16(&b, 0x8847);
	write_u32(&b, 1000u << 12 | 64);
	write_u32(&b, 1001u << 12 | 0x100 | 64);
	buffer_add_bytes(&b, inner.data, inner.size);
	assert_int_equal(datagram_parse_frame(b.data, b.size, 6080, &a), 0);
	assert_false(a.is_carried);
	assert_int_equal(a.mac.bytes[5], 2);
	assert_memory_equal(a.datagram.data, data, sizeof(data));

	buffer_clear(&b);
	buffer_add_bytes(&b, macs, sizeof(macs));
	write_u16(&b, 0x0800);
	carrier.data = inner.data;
	carrier.data_size = inner.size;
	datagram_build(&b, &carrier);
	assert_int_equal(datagram_parse_frame(b.data, b.size, 6080, &a), 0);
	assert_true(a.is_carried && address_equal(&a.carrier, &nat));
	assert_int_equal(a.carrier_port, 40001);
	assert_memory_equal(a.datagram.data, data, sizeof(data));
	for (size_t size = 0; size < b.size; size++)
		assert_true(datagram_parse_frame(b.data, size, 6080, &a) < 0);
	buffer_finish(&b);
	buffer_finish(&inner);
}

static const struct bfd_packet good = {.state = BFD_UP,
				       .diagnostic = BFD_DIAGNOSTIC_SIGNALED,
				       .poll = true,
				       .multiplier = 3,
				       .mine = 0x11223344,
				       .yours = 0x55667788,
				       .desired_tx_us = 50000,
				       .required_rx_us = 60000};

static void bfd_is_written_as_rfc_5880_draws_it(void **state)
{
	static const uint8_t drawn[BFD_SIZE] = {0x23, 0xe0, 3,    24,   0x11, 0x22, 0x33, 0x44,
						0x55, 0x66, 0x77, 0x88, 0,    0,    0xc3, 0x50,
						0,    0,    0xea, 0x60, 0,    0,    0,    0};
	struct buffer b = {0};
	struct bfd_packet p;

	bfd_encode(&b, &good);
	assert_int_equal(b.size, BFD_SIZE);
	assert_memory_equal(b.data, drawn, BFD_SIZE);
	assert_int_equal(bfd_decode(b.data, b.size, &p), 0);
	assert_int_equal(p.state, BFD_UP);
	assert_int_equal(p.diagnostic, BFD_DIAGNOSTIC_SIGNALED);
	assert_true(p.poll && !p.final);
	assert_int_equal(p.yours, good.yours);
	assert_int_equal(p.required_rx_us, 60000);
	buffer_finish(&b);
}

static void bfd_that_cannot_be_is_refused(void **state)
{
	/* What is put where: version 2, authentication, multipoint, poll and final, multiplier 0,
	 * length too small, too large. */
	static const uint8_t wrong[][2] = {{0, 0x43}, {1, 0xe4}, {1, 0xe1}, {1, 0xf0},
					   {2, 0},    {3, 23},   {3, 25}};
	struct buffer b = {0};
	struct bfd_packet p;

	bfd_encode(&b, &good);
	for (size_t size = 0; size < BFD_SIZE; size++)
		assert_true(bfd_decode(b.data, size, &p) < 0);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t was = b.data[wrong[i][0]];

		b.data[wrong[i][0]] = wrong[i][1];
		assert_true(bfd_decode(b.data, b.size, &p) < 0);
		b.data[wrong[i][0]] = was;
	}
	memset(b.data + 4, 0, 4); /* no discriminator of the sender's */
	assert_true(bfd_decode(b.data, b.size, &p) < 0);
	b.data[4] = 1;
	memset(b.data + 8, 0, 4); /* up, and does not know with whom */
	assert_true(bfd_decode(b.data, b.size, &p) < 0);
	b.data[1] = BFD_DOWN << 6;
	assert_int_equal(bfd_decode(b.data, b.size, &p), 0);
	buffer_finish(&b);
}

static void a_delay_is_half_of_the_way_there_and_back(void **state)
{
	struct stamp_request q = {7, 5000001}, asked;
	struct stamp_reply r, got;
	struct buffer b = {0};

	stamp_request_encode(&b, &q);
	assert_int_equal(b.size, STAMP_SIZE);
	assert_int_equal(stamp_request_decode(b.data, b.size, &asked), 0);
	assert_int_equal(asked.sequence, 7);
	assert_int_equal(asked.sent_us, 5000001);
	/* The reflector's clock is another's; it takes 3 ms. */
	r = (struct stamp_reply){7, asked.sent_us, 900000000, 900003000};
	buffer_clear(&b);
	stamp_reply_encode(&b, &r, 255);
	assert_int_equal(b.size, STAMP_SIZE);
	assert_int_equal(stamp_reply_decode(b.data, b.size, &got), 0);
	assert_int_equal(got.sequence, 7);
	assert_int_equal(stamp_delay_us(&got, 5000001 + 3000 + 2400), 1200);
	assert_int_equal(stamp_delay_us(&got, 5000001 + 2000), -1); /* shorter than its stay */
	assert_int_equal(stamp_delay_us(&got, 5000000), -1);
	for (size_t size = 0; size < STAMP_SIZE; size++) {
		assert_true(stamp_request_decode(b.data, size, &asked) < 0);
		assert_true(stamp_reply_decode(b.data, size, &got) < 0);
	}
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_read_as_it_was_built),
		cmocka_unit_test(a_checksum_is_as_others_compute_it),
		cmocka_unit_test(a_changed_or_short_datagram_is_refused),
		cmocka_unit_test(a_frame_is_read_through_labels_and_carriers),
		cmocka_unit_test(bfd_is_written_as_rfc_5880_draws_it),
		cmocka_unit_test(bfd_that_cannot_be_is_refused),
		cmocka_unit_test(a_delay_is_half_of_the_way_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
