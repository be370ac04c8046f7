/* packet/registration: any datagram and any grant; what is accepted has one spelling, and its
 * pointers lie inside. */
#include "packet/registration.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_signed(const uint8_t *data, size_t size, const uint8_t *bytes, size_t signed_size,
			 const uint8_t *signature, uint8_t algorithm, const struct buffer *again)
{
	if (bytes != data || signature != data + signed_size ||
	    signed_size + registration_signature_size(algorithm) != size)
		abort();
	if (again->size != signed_size || memcmp(again->data, data, signed_size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registration r;
	struct registration_grant g;
	struct buffer b = {0};

	if (registration_decode(data, size, &r) == 0) {
		if (size > REGISTRATION_SIZE_MAX || registration_encode(&b, &r) < 0)
			abort();
		check_signed(data, size, r.signed_bytes, r.signed_size, r.signature, r.algorithm,
			     &b);
		if (r.grant && (r.grant < data || r.grant + r.grant_size > data + size ||
				registration_grant_decode(r.grant, r.grant_size, &g) < 0))
			abort();
	}
	buffer_clear(&b);
	if (registration_grant_decode(data, size, &g) == 0) {
		if (registration_grant_encode(&b, &g) < 0)
			abort();
		check_signed(data, size, g.signed_bytes, g.signed_size, g.signature, g.algorithm,
			     &b);
	}
	buffer_finish(&b);
	return 0;
}
