/* Signed registration as bytes: one spelling, every bound. */
#include "packet/registration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct registration_place place = {.element = 2, .port = 7, .vlan = 100};
static const struct mac tv_mac = {{0x52, 0x54, 0, 0, 0, 5}};

static struct address ipv4(uint8_t last)
{
	const uint8_t bytes[] = {10, 10, 0, last};

	return address_from_ipv4(bytes);
}

static struct registration message(uint8_t kind)
{
	struct registration r = {
		.kind = kind, .algorithm = REGISTRATION_BLAKE2B, .node = "vm1", .sequence = 4711};

	if (kind == REGISTRATION_SOLICIT)
		return r;
	r.epoch = 0x0123456789abcdef;
	r.place = place;
	if (kind == REGISTRATION_ADVERTISE || kind == REGISTRATION_REPLY) {
		r.now_s = 93;
		strcpy(r.element_name, "fe2");
	} else {
		strcpy(r.device, "tv");
		r.mac = tv_mac;
		r.address_count = 2;
		r.addresses[0] = ipv4(11);
		r.addresses[1] = ipv4(12);
	}
	if (kind == REGISTRATION_REGISTER || kind == REGISTRATION_RENEW)
		r.lifetime_s = 300;
	if (kind == REGISTRATION_REPLY) {
		r.result = REGISTRATION_CHALLENGE;
		r.reason = REGISTRATION_REASON_STALE_SEQUENCE;
		r.highest = 4712;
		strcpy(r.text, "once more");
	}
	return r;
}

static void finish(struct buffer *b, uint8_t algorithm)
{
	memset(buffer_add(b, registration_signature_size(algorithm)), 0x5a,
	       registration_signature_size(algorithm));
}

/* The bytes of r with a made-up signature; the caller finishes the buffer. */
static struct buffer encoded(const struct registration *r)
{
	struct buffer b = {0};

	assert_int_equal(registration_encode(&b, r), 0);
	finish(&b, r->algorithm);
	return b;
}

static int decode(const struct buffer *b)
{
	struct registration back;

	return registration_decode(b->data, b->size, &back);
}

static struct buffer encoded_grant(void)
{
	struct registration_grant g = {.algorithm = REGISTRATION_ED25519,
				       .epoch = 1,
				       .serial = 2,
				       .expires_s = 3,
				       .to_mac = tv_mac,
				       .node = "vm1",
				       .from_device = "handset",
				       .to_device = "tv"};
	struct buffer b = {0};

	assert_int_equal(registration_grant_encode(&b, &g), 0);
	finish(&b, g.algorithm);
	return b;
}

static void every_kind_is_read_as_it_was_written(void **state)
{
	for (uint8_t kind = REGISTRATION_SOLICIT; kind <= REGISTRATION_REPLY; kind++) {
		struct registration r = message(kind), back;
		struct buffer b = encoded(&r), again = {0};

		assert_int_equal(registration_decode(b.data, b.size, &back), 0);
		assert_int_equal(back.signed_size + 32, b.size);
		assert_ptr_equal(back.signature, b.data + back.signed_size);
		assert_int_equal(registration_encode(&again, &back), 0);
		assert_int_equal(again.size, back.signed_size);
		assert_memory_equal(again.data, b.data, again.size);
		assert_string_equal(back.node, "vm1");
		assert_string_equal(back.text, r.text);
		assert_int_equal(back.lifetime_s, r.lifetime_s);
		assert_int_equal(back.address_count, r.address_count);
		assert_true(registration_place_equal(&back.place, &r.place));
		buffer_finish(&again);
		buffer_finish(&b);
	}
}

static void fields_are_where_the_document_draws_them(void **state)
{
	struct registration r = message(REGISTRATION_REGISTER);
	struct buffer b = encoded(&r);
	static const uint8_t begin[] = {'V', 'R', 'E', 'G', 1, 3, 0, 141, 1, 0, 0, 100,
					0,   0,   0,   7,   0, 0, 0, 0,   0, 0, 0, 2};
	static const uint8_t behind_mac[] = {0x52, 0x54, 0, 0, 0, 5, 0, 0, 0, 0, 1, 44};
	static const uint8_t names[] = {3, 2, 0, 0, 2, 0, 0, 0, 'v', 'm', '1', 't', 'v'};

	assert_int_equal(b.size, 141);
	assert_memory_equal(b.data, begin, sizeof(begin));
	assert_memory_equal(b.data + 40, behind_mac, sizeof(behind_mac));
	assert_memory_equal(b.data + 64, names, sizeof(names));
	buffer_finish(&b);
}

static void a_message_that_is_cut_anywhere_is_refused(void **state)
{
	for (uint8_t kind = REGISTRATION_SOLICIT; kind <= REGISTRATION_REPLY; kind++) {
		struct registration r = message(kind), back;
		struct buffer b = encoded(&r);

		for (size_t size = 0; size < b.size; size++) {
			uint8_t *copy = malloc(size ? size : 1);

			memcpy(copy, b.data, size);
			assert_true(registration_decode(copy, size, &back) < 0);
			if (size >= 8) { /* with a length that fits, what is inside must not */
				copy[6] = (uint8_t)(size >> 8);
				copy[7] = (uint8_t)size;
				assert_true(registration_decode(copy, size, &back) < 0);
			}
			free(copy);
		}
		buffer_finish(&b);
	}
}

static void bytes_left_over_are_refused(void **state)
{
	struct registration r = message(REGISTRATION_RENEW);
	struct buffer b = encoded(&r);

	write_u8(&b, 0);
	assert_int_equal(decode(&b), -EMSGSIZE);
	write_u16_at(&b, 6, (uint16_t)b.size);
	assert_int_equal(decode(&b), -EMSGSIZE);
	buffer_finish(&b);
}

static void another_protocol_version_kind_and_algorithm_are_told_apart(void **state)
{
	static const struct {
		unsigned offset;
		uint8_t value;
		int error;
	} rows[] = {{0, 'W', -EPROTO},    {4, 2, -EPROTONOSUPPORT}, {4, 0, -EPROTONOSUPPORT},
		    {5, 0, -EOPNOTSUPP},  {5, 7, -EOPNOTSUPP},      {8, 0, -EPROTOTYPE},
		    {8, 3, -EPROTOTYPE},  {9, 1, -EBADMSG},         {9, 2, -EBADMSG},
		    {69, 1, -EBADMSG},    {68, 9, -EBADMSG},        {40, 0x53, -EBADMSG},
		    {72, ' ', -EBADMSG},  {72, 0, -EBADMSG},        {10, 0x0f, 0},
		    {10, 0x10, -EBADMSG}, {46, 1, -EBADMSG},        {52, 1, -EBADMSG},
		    {63, 1, -EBADMSG},    {48, 1, -EBADMSG},        {66, 1, -EBADMSG},
		    {67, 1, -EBADMSG},    {70, 1, -EBADMSG},        {64, 255, -EBADMSG}};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct registration r = message(REGISTRATION_RENEW);
		struct buffer b = encoded(&r);

		b.data[rows[i].offset] = rows[i].value;
		assert_int_equal(decode(&b), rows[i].error);
		buffer_finish(&b);
	}
}

static void what_a_kind_does_not_have_must_be_zero(void **state)
{
	struct registration r = message(REGISTRATION_SOLICIT);
	struct buffer b = encoded(&r);

	for (unsigned i = 9; i < 32; i++) {
		b.data[i] = 1;
		assert_int_equal(decode(&b), -EBADMSG);
		b.data[i] = 0;
	}
	for (unsigned i = 40; i < 64; i++) {
		b.data[i] = 1;
		assert_int_equal(decode(&b), -EBADMSG);
		b.data[i] = 0;
	}
	assert_int_equal(decode(&b), 0);
	buffer_finish(&b);
}

static void addresses_ascend_and_are_a_hosts(void **state)
{
	struct registration r = message(REGISTRATION_REGISTER);
	struct buffer b = {0};

	r.addresses[1] = r.addresses[0];
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.addresses[1] = ipv4(1);
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	registration_sort_addresses(r.addresses, r.address_count);
	assert_int_equal(registration_encode(&b, &r), 0);
	r.address_count = 1;
	memset(&r.addresses[0], 0, 16);
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	assert_int_equal(address_parse("224.0.0.1", &r.addresses[0]), 0);
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	assert_int_equal(address_parse("ff02::1", &r.addresses[0]), 0);
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	buffer_finish(&b);
}

static void the_encoder_refuses_what_the_decoder_would(void **state)
{
	struct registration r;
	struct buffer b = {0};

	r = message(REGISTRATION_DEREGISTER);
	r.lifetime_s = 10;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_SOLICIT);
	r.epoch = 1;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_SOLICIT);
	r.sequence = 0;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_REGISTER);
	r.lifetime_s = REGISTRATION_LIFETIME_LEAST_S - 1;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_REGISTER);
	strcpy(r.node, "");
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_REGISTER);
	r.algorithm = REGISTRATION_UNSIGNED;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r = message(REGISTRATION_REGISTER);
	r.place.port = 0;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	assert_int_equal(b.size, 0);
	buffer_finish(&b);
}

static void an_unsolicited_advertisement_has_no_sequence(void **state)
{
	struct registration r = message(REGISTRATION_ADVERTISE), back;
	struct buffer b = {0};

	r.is_unsolicited = true;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.sequence = 0;
	b = encoded(&r);
	assert_int_equal(registration_decode(b.data, b.size, &back), 0);
	assert_true(back.is_unsolicited);
	buffer_finish(&b);
}

static void an_unsigned_reply_can_only_refuse(void **state)
{
	struct registration r = {.kind = REGISTRATION_REPLY,
				 .node = "vm1",
				 .sequence = 1,
				 .result = REGISTRATION_REFUSED,
				 .reason = REGISTRATION_REASON_UNKNOWN_NODE};
	struct buffer b = encoded(&r);

	assert_int_equal(decode(&b), 0);
	buffer_finish(&b);
	r.epoch = 1;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.epoch = 0;
	r.place = place;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.place = (struct registration_place){0};
	r.result = REGISTRATION_CHALLENGE;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.result = REGISTRATION_DONE;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	buffer_finish(&b);
}

static void a_grant_is_read_as_it_was_written(void **state)
{
	struct buffer b = encoded_grant(), again = {0};
	struct registration_grant g;

	assert_int_equal(registration_grant_decode(b.data, b.size, &g), 0);
	assert_string_equal(g.from_device, "handset");
	assert_string_equal(g.to_device, "tv");
	assert_true(mac_equal(&g.to_mac, &tv_mac));
	assert_int_equal(g.serial, 2);
	assert_int_equal(g.expires_s, 3);
	assert_int_equal(registration_grant_encode(&again, &g), 0);
	assert_memory_equal(again.data, b.data, again.size);
	assert_int_equal(again.size, g.signed_size);
	write_u8(&b, 0);
	assert_int_equal(registration_grant_decode(b.data, b.size, &g), -EMSGSIZE);
	for (size_t size = 0; size < b.size - 1; size++)
		assert_true(registration_grant_decode(b.data, size, &g) < 0);
	buffer_finish(&again);
	buffer_finish(&b);
}

static void only_a_register_carries_a_grant(void **state)
{
	struct buffer grant = encoded_grant(), b = {0};
	struct registration r = message(REGISTRATION_REGISTER), back;

	r.grant = grant.data;
	r.grant_size = grant.size;
	b = encoded(&r);
	assert_int_equal(registration_decode(b.data, b.size, &back), 0);
	assert_int_equal(back.grant_size, grant.size);
	assert_memory_equal(back.grant, grant.data, grant.size);
	b.data[back.grant - b.data] = 'X';
	assert_int_equal(decode(&b), -EBADMSG);
	r.kind = REGISTRATION_RENEW;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	r.kind = REGISTRATION_REGISTER;
	r.grant_size--;
	assert_int_equal(registration_encode(&b, &r), -EINVAL);
	buffer_finish(&grant);
	buffer_finish(&b);
}

static void the_largest_message_fits_the_least_mtu(void **state)
{
	struct registration_grant g = {
		.algorithm = REGISTRATION_ED25519, .epoch = 1, .serial = 2, .to_mac = tv_mac};
	struct registration r = message(REGISTRATION_REGISTER), back;
	struct buffer grant = {0}, b;

	memset(g.node, 'n', REGISTRATION_NAME_SIZE - 1);
	memset(g.from_device, 'f', REGISTRATION_NAME_SIZE - 1);
	memset(g.to_device, 't', REGISTRATION_NAME_SIZE - 1);
	assert_int_equal(registration_grant_encode(&grant, &g), 0);
	finish(&grant, g.algorithm);
	memset(r.node, 'n', REGISTRATION_NAME_SIZE - 1);
	memset(r.device, 't', REGISTRATION_NAME_SIZE - 1);
	r.algorithm = REGISTRATION_ED25519;
	r.address_count = REGISTRATION_ADDRESSES_MAX;
	for (uint8_t i = 0; i < REGISTRATION_ADDRESSES_MAX; i++)
		r.addresses[i] = ipv4(i);
	r.grant = grant.data;
	r.grant_size = grant.size;
	b = encoded(&r);
	assert_int_equal(registration_decode(b.data, b.size, &back), 0);
	assert_true(b.size <= REGISTRATION_SIZE_MAX);
	buffer_finish(&grant);
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read_as_it_was_written),
		cmocka_unit_test(fields_are_where_the_document_draws_them),
		cmocka_unit_test(a_message_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(bytes_left_over_are_refused),
		cmocka_unit_test(another_protocol_version_kind_and_algorithm_are_told_apart),
		cmocka_unit_test(what_a_kind_does_not_have_must_be_zero),
		cmocka_unit_test(addresses_ascend_and_are_a_hosts),
		cmocka_unit_test(the_encoder_refuses_what_the_decoder_would),
		cmocka_unit_test(an_unsolicited_advertisement_has_no_sequence),
		cmocka_unit_test(an_unsigned_reply_can_only_refuse),
		cmocka_unit_test(a_grant_is_read_as_it_was_written),
		cmocka_unit_test(only_a_register_carries_a_grant),
		cmocka_unit_test(the_largest_message_fits_the_least_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
