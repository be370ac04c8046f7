/* Keys and signatures of registrations (docs/registration.md): keyed BLAKE2b-256 and Ed25519.  The
 * one place that knows the library that computes them.  No I/O but the kernel's random numbers. */
#pragma once

#include "base/compiler.h"
#include "packet/registration.h"

#define SIGN_KEY_TEXT_SIZE 64

/* A secret of both (BLAKE2B), the private key (ED25519, can_sign), or the public key of the other.
 * Holds secrets: sign_key_wipe when done, and never into a log. */
struct sign_key {
	uint8_t algorithm; /* enum registration_algorithm; 0: none */
	bool can_sign;
	uint8_t secret[32]; /* BLAKE2B: the key; ED25519: the private key's seed */
	uint8_t public[32]; /* ED25519 */
};

/* Once, before all else here; more often does not hurt.  0; -ENOSYS where there is no randomness.
 */
MUST_USE int sign_start(void);
uint64_t sign_random(void); /* not 0 */

MUST_USE int sign_key_generate(uint8_t algorithm, struct sign_key *ret); /* -EINVAL: no such */
void sign_key_wipe(struct sign_key *k);
/* What the other end may have: the public key; of BLAKE2B the same secret. */
struct sign_key sign_key_other(const struct sign_key *k);
/* "blake2b:", "ed25519-private:" or "ed25519-public:" and 32 bytes in Base64.  -EINVAL for anything
 * else, which 'text' may go on to be in memory: wiping it is the caller's. */
MUST_USE int sign_key_parse(const char *text, struct sign_key *ret);
/* Writes into 'text', and returns it: of a private key, the private key. */
const char *sign_key_format(const struct sign_key *k, char text[SIGN_KEY_TEXT_SIZE]);
/* Base64 (RFC 4648, section 4, padded).  -EINVAL: it does not fit, or is none.  Decoding takes all
 * of 'text_size' characters. */
MUST_USE int sign_base64_encode(const uint8_t *bytes, size_t size, char *text, size_t text_size);
MUST_USE int sign_base64_decode(const char *text, size_t text_size, uint8_t *bytes, size_t size,
				size_t *ret_size);
/* Overwrites bytes that were secret; the compiler does not leave it out. */
void sign_wipe(void *bytes, size_t size);

/* Appends the whole datagram: r, with the key's algorithm, and its signature.  -EINVAL for what
 * registration_encode refuses, and a key that cannot sign. */
MUST_USE int sign_message(struct buffer *b, const struct registration *r, const struct sign_key *k);
/* Whether a decoded message is signed by 'k'; false too where the algorithms differ or it is
 * unsigned. */
MUST_USE bool sign_message_check(const struct registration *r, const struct sign_key *k);
/* The same for a grant: appends the bytes that struct registration.grant borrows. */
MUST_USE int sign_grant(struct buffer *b, const struct registration_grant *g,
			const struct sign_key *k);
MUST_USE bool sign_grant_check(const struct registration_grant *g, const struct sign_key *k);
