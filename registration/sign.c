/* libsodium behind a few functions.  BLAKE2b's tag is compared in constant time; Ed25519's checks
 * are libsodium's (no small-order points, no malleable signatures). */
#include "registration/sign.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define TAG_SIZE 32

_Static_assert(crypto_sign_SEEDBYTES == 32 && crypto_sign_PUBLICKEYBYTES == 32 &&
		       crypto_sign_BYTES == 64 && crypto_sign_SECRETKEYBYTES == 64 &&
		       crypto_generichash_KEYBYTES == 32 && crypto_generichash_BYTES == TAG_SIZE,
	       "the sizes that docs/registration.md gives");

int sign_start(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

uint64_t sign_random(void)
{
	uint64_t value;

	do
		randombytes_buf(&value, sizeof(value));
	while (!value);
	return value;
}

void sign_wipe(void *bytes, size_t size)
{
	sodium_memzero(bytes, size);
}

void sign_key_wipe(struct sign_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

static void derive_public(struct sign_key *k)
{
	uint8_t both[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(k->public, both, k->secret);
	sodium_memzero(both, sizeof(both));
}

int sign_key_generate(uint8_t algorithm, struct sign_key *ret)
{
	*ret = (struct sign_key){.algorithm = algorithm, .can_sign = true};
	if (!registration_signature_size(algorithm))
		return -EINVAL;
	randombytes_buf(ret->secret, sizeof(ret->secret));
	if (algorithm == REGISTRATION_ED25519)
		derive_public(ret);
	return 0;
}

struct sign_key sign_key_other(const struct sign_key *k)
{
	struct sign_key other = *k;

	if (k->algorithm == REGISTRATION_ED25519) {
		other.can_sign = false;
		sodium_memzero(other.secret, sizeof(other.secret));
	}
	return other;
}

int sign_base64_encode(const uint8_t *bytes, size_t size, char *text, size_t text_size)
{
	if (sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL) > text_size)
		return -EINVAL;
	sodium_bin2base64(text, text_size, bytes, size, sodium_base64_VARIANT_ORIGINAL);
	return 0;
}

int sign_base64_decode(const char *text, size_t text_size, uint8_t *bytes, size_t size,
		       size_t *ret_size)
{
	const char *end = NULL;

	if (sodium_base642bin(bytes, size, text, text_size, NULL, ret_size, &end,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return -EINVAL;
	return end == text + text_size ? 0 : -EINVAL;
}

static const struct {
	const char *prefix;
	uint8_t algorithm;
	bool can_sign;
} spellings[] = {
	{"blake2b:", REGISTRATION_BLAKE2B, true},
	{"ed25519-private:", REGISTRATION_ED25519, true},
	{"ed25519-public:", REGISTRATION_ED25519, false},
};

int sign_key_parse(const char *text, struct sign_key *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(spellings); i++) {
		size_t length = strlen(spellings[i].prefix), size = 0;
		uint8_t *bytes = spellings[i].can_sign ? ret->secret : ret->public;

		if (strncmp(text, spellings[i].prefix, length) != 0)
			continue;
		*ret = (struct sign_key){.algorithm = spellings[i].algorithm,
					 .can_sign = spellings[i].can_sign};
		text += length;
		if (sign_base64_decode(text, strlen(text), bytes, 32, &size) < 0 || size != 32)
			break;
		if (ret->algorithm == REGISTRATION_ED25519 && ret->can_sign)
			derive_public(ret);
		return 0;
	}
	sign_key_wipe(ret);
	return -EINVAL;
}

const char *sign_key_format(const struct sign_key *k, char text[SIGN_KEY_TEXT_SIZE])
{
	text[0] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(spellings); i++) {
		size_t length = strlen(spellings[i].prefix);

		if (k->algorithm != spellings[i].algorithm || k->can_sign != spellings[i].can_sign)
			continue;
		memcpy(text, spellings[i].prefix, length);
		sodium_bin2base64(text + length, SIGN_KEY_TEXT_SIZE - length,
				  k->can_sign ? k->secret : k->public, 32,
				  sodium_base64_VARIANT_ORIGINAL);
	}
	return text;
}

/* Appends the signature over what b has from 'start' on. */
static void append_signature(struct buffer *b, size_t start, const struct sign_key *k)
{
	uint8_t both[crypto_sign_SECRETKEYBYTES];
	size_t signed_size = b->size - start;
	uint8_t *at = buffer_add(b, registration_signature_size(k->algorithm));
	const uint8_t *bytes = b->data + start;

	if (k->algorithm == REGISTRATION_BLAKE2B) {
		crypto_generichash(at, TAG_SIZE, bytes, signed_size, k->secret, sizeof(k->secret));
		return;
	}
	memcpy(both, k->secret, 32);
	memcpy(both + 32, k->public, 32);
	crypto_sign_detached(at, NULL, bytes, signed_size, both);
	sodium_memzero(both, sizeof(both));
}

static bool check(const uint8_t *bytes, size_t size, const uint8_t *signature, uint8_t algorithm,
		  const struct sign_key *k)
{
	uint8_t tag[TAG_SIZE];

	if (algorithm != k->algorithm)
		return false;
	if (algorithm == REGISTRATION_ED25519)
		return crypto_sign_verify_detached(signature, bytes, size, k->public) == 0;
	if (algorithm != REGISTRATION_BLAKE2B)
		return false;
	crypto_generichash(tag, sizeof(tag), bytes, size, k->secret, sizeof(k->secret));
	return sodium_memcmp(tag, signature, sizeof(tag)) == 0;
}

int sign_message(struct buffer *b, const struct registration *r, const struct sign_key *k)
{
	struct registration with = *r;
	size_t start = b->size;

	with.algorithm = k->algorithm;
	if (!k->can_sign || registration_encode(b, &with) < 0)
		return -EINVAL;
	append_signature(b, start, k);
	return 0;
}

bool sign_message_check(const struct registration *r, const struct sign_key *k)
{
	return check(r->signed_bytes, r->signed_size, r->signature, r->algorithm, k);
}

int sign_grant(struct buffer *b, const struct registration_grant *g, const struct sign_key *k)
{
	struct registration_grant with = *g;
	size_t start = b->size;

	with.algorithm = k->algorithm;
	if (!k->can_sign || registration_grant_encode(b, &with) < 0)
		return -EINVAL;
	append_signature(b, start, k);
	return 0;
}

bool sign_grant_check(const struct registration_grant *g, const struct sign_key *k)
{
	return check(g->signed_bytes, g->signed_size, g->signature, g->algorithm, k);
}
