/* Signatures, and the vectors of docs/registration.md, which is read here. */
#include "registration/sign.h"

#include "base/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t algorithms[] = {REGISTRATION_BLAKE2B, REGISTRATION_ED25519};

static struct registration claim(void)
{
	struct registration r = {.kind = REGISTRATION_REGISTER,
				 .node = "vm1",
				 .device = "tv",
				 .epoch = 1,
				 .sequence = 2,
				 .place = {.element = 2, .port = 7},
				 .mac = {{0x52, 0x54, 0, 0, 0, 5}},
				 .lifetime_s = 300};

	return r;
}

static struct registration_grant grant(void)
{
	return (struct registration_grant){.epoch = 1,
					   .serial = 3,
					   .expires_s = 60,
					   .to_mac = {{0x52, 0x54, 0, 0, 0, 5}},
					   .node = "vm1",
					   .from_device = "handset",
					   .to_device = "tv"};
}

/* Whether the datagram is still taken for one that k signed. */
static bool is_taken(const uint8_t *bytes, size_t size, const struct sign_key *k)
{
	struct registration r;

	return registration_decode(bytes, size, &r) == 0 && sign_message_check(&r, k);
}

static void what_is_signed_is_taken_by_the_other_end(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct registration r = claim();
		struct sign_key mine, theirs;
		struct buffer b = {0};

		assert_int_equal(sign_key_generate(algorithms[i], &mine), 0);
		theirs = sign_key_other(&mine);
		assert_int_equal(sign_message(&b, &r, &mine), 0);
		assert_true(is_taken(b.data, b.size, &theirs));
		buffer_finish(&b);
	}
}

static void every_flipped_bit_of_a_message_is_noticed(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct registration r = claim();
		struct sign_key k;
		struct buffer b = {0};

		assert_int_equal(sign_key_generate(algorithms[i], &k), 0);
		assert_int_equal(sign_message(&b, &r, &k), 0);
		for (size_t bit = 0; bit < b.size * 8; bit++) {
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(is_taken(b.data, b.size, &k));
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_true(is_taken(b.data, b.size, &k));
		buffer_finish(&b);
	}
}

static void every_flipped_bit_of_a_grant_is_noticed(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct registration_grant g = grant(), back;
		struct sign_key k;
		struct buffer b = {0};

		assert_int_equal(sign_key_generate(algorithms[i], &k), 0);
		assert_int_equal(sign_grant(&b, &g, &k), 0);
		for (size_t bit = 0; bit < b.size * 8; bit++) {
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(registration_grant_decode(b.data, b.size, &back) == 0 &&
				     sign_grant_check(&back, &k));
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_int_equal(registration_grant_decode(b.data, b.size, &back), 0);
		assert_true(sign_grant_check(&back, &k));
		buffer_finish(&b);
	}
}

static void another_key_signs_for_nobody_else(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(algorithms); j++) {
			struct registration r = claim();
			struct sign_key mine, anothers;
			struct buffer b = {0};

			assert_int_equal(sign_key_generate(algorithms[i], &mine), 0);
			assert_int_equal(sign_key_generate(algorithms[j], &anothers), 0);
			assert_int_equal(sign_message(&b, &r, &mine), 0);
			assert_false(is_taken(b.data, b.size, &anothers));
			buffer_finish(&b);
		}
}

static void an_unsigned_refusal_is_signed_by_nobody(void **state)
{
	struct registration r = {.kind = REGISTRATION_REPLY,
				 .node = "vm1",
				 .sequence = 1,
				 .result = REGISTRATION_REFUSED},
			    back;
	struct buffer b = {0};
	struct sign_key none = {0};

	assert_int_equal(registration_encode(&b, &r), 0);
	assert_int_equal(registration_decode(b.data, b.size, &back), 0);
	assert_false(sign_message_check(&back, &none));
	buffer_finish(&b);
}

static void a_public_key_cannot_sign(void **state)
{
	struct registration r = claim();
	struct registration_grant g = grant();
	struct sign_key mine, public;
	struct buffer b = {0};
	static const uint8_t zeros[32];

	assert_int_equal(sign_key_generate(REGISTRATION_ED25519, &mine), 0);
	public = sign_key_other(&mine);
	assert_memory_equal(public.secret, zeros, sizeof(zeros));
	assert_int_equal(sign_message(&b, &r, &public), -EINVAL);
	assert_int_equal(sign_grant(&b, &g, &public), -EINVAL);
	assert_int_equal(b.size, 0);
	buffer_finish(&b);
}

static void keys_are_read_as_they_were_written(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		struct sign_key mine, back, other;
		char text[SIGN_KEY_TEXT_SIZE];

		assert_int_equal(sign_key_generate(algorithms[i], &mine), 0);
		assert_int_equal(sign_key_parse(sign_key_format(&mine, text), &back), 0);
		assert_memory_equal(&back, &mine, sizeof(mine));
		other = sign_key_other(&mine);
		assert_int_equal(sign_key_parse(sign_key_format(&other, text), &back), 0);
		assert_memory_equal(&back, &other, sizeof(other));
		sign_key_wipe(&mine);
		assert_int_equal(mine.algorithm, 0);
	}
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"blake2b",
		"blake2b:",
		"blake2b:AAEC",
		"sha1:AAECAwQFBgcICQoLDA0ODw==",
		"blake2b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=x",
		"blake2b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"blake2b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj",
		"ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"blake2b: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="};
	struct sign_key k;

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(sign_key_parse(texts[i], &k), -EINVAL);
}

/* A vector of the document: lines "vector NAME", "key TEXT", "check TEXT" (the other end's key),
 * and the datagram's bytes in hex; blank lines and the fence end it. */
struct vector {
	char name[64];
	struct sign_key key, check;
	struct buffer bytes;
};

static void parse_hex(const char *line, struct buffer *b)
{
	unsigned value;
	int used;

	while (sscanf(line, " %2x%n", &value, &used) == 1) {
		write_u8(b, (uint8_t)value);
		line += used;
	}
}

/* Reads the next one; false at the end of the document. */
static bool read_vector(FILE *f, struct vector *v)
{
	char line[512], text[256];

	memset(v, 0, sizeof(*v));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "vector %63s", v->name) == 1)
			continue;
		if (!v->name[0])
			continue;
		if (sscanf(line, "key %255s", text) == 1)
			assert_int_equal(sign_key_parse(text, &v->key), 0);
		else if (sscanf(line, "check %255s", text) == 1)
			assert_int_equal(sign_key_parse(text, &v->check), 0);
		else if (line[0] == '`' || line[0] == '\n')
			return true;
		else
			parse_hex(line, &v->bytes);
	}
	return false;
}

/* Decodes what the vector is and signs it again: both algorithms always give the same bytes. */
static void check_vector(const struct vector *v)
{
	struct registration r;
	struct registration_grant g;
	struct buffer again = {0};

	if (strncmp(v->name, "grant", 5) == 0) {
		assert_int_equal(registration_grant_decode(v->bytes.data, v->bytes.size, &g), 0);
		assert_true(sign_grant_check(&g, &v->check));
		assert_int_equal(sign_grant(&again, &g, &v->key), 0);
	} else {
		assert_int_equal(registration_decode(v->bytes.data, v->bytes.size, &r), 0);
		assert_true(sign_message_check(&r, &v->check));
		assert_int_equal(sign_message(&again, &r, &v->key), 0);
	}
	assert_int_equal(again.size, v->bytes.size);
	assert_memory_equal(again.data, v->bytes.data, again.size);
	buffer_finish(&again);
}

static void the_documents_vectors_are_what_this_program_writes(void **state)
{
	FILE *f = fopen(DOCUMENT, "re");
	struct vector v;
	unsigned count = 0;

	assert_non_null(f);
	while (read_vector(f, &v)) {
		check_vector(&v);
		buffer_finish(&v.bytes);
		count++;
	}
	buffer_finish(&v.bytes);
	fclose(f);
	assert_int_equal(count, 8);
}

/* The first vector's fields, as the document says them in words. */
static void the_first_vector_says_what_the_document_says(void **state)
{
	FILE *f = fopen(DOCUMENT, "re");
	struct registration r = {
		.kind = REGISTRATION_SOLICIT, .node = "vm1", .sequence = 0x1122334455667788};
	struct buffer b = {0};
	struct vector v;

	assert_non_null(f);
	assert_true(read_vector(f, &v));
	assert_string_equal(v.name, "solicit-blake2b");
	assert_int_equal(sign_message(&b, &r, &v.key), 0);
	assert_int_equal(b.size, v.bytes.size);
	assert_memory_equal(b.data, v.bytes.data, b.size);
	buffer_finish(&v.bytes);
	buffer_finish(&b);
	fclose(f);
}

static int start(void **state)
{
	return sign_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_is_taken_by_the_other_end),
		cmocka_unit_test(every_flipped_bit_of_a_message_is_noticed),
		cmocka_unit_test(every_flipped_bit_of_a_grant_is_noticed),
		cmocka_unit_test(another_key_signs_for_nobody_else),
		cmocka_unit_test(an_unsigned_refusal_is_signed_by_nobody),
		cmocka_unit_test(a_public_key_cannot_sign),
		cmocka_unit_test(keys_are_read_as_they_were_written),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(the_documents_vectors_are_what_this_program_writes),
		cmocka_unit_test(the_first_vector_says_what_the_document_says),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
