/* packet/icmp_error: any frame; an answer has the size that its header says, and is no more than a
 * router may send. */
#include "packet/icmp_error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_one(const uint8_t *data, size_t size, const struct address *router, unsigned most)
{
	static const struct mac mac = {{2}};
	struct buffer b = {0};
	unsigned said;

	if (icmp_error_build(&b, data, size, ICMP_TOO_BIG, 1450, &mac, router) == 0) {
		said = address_is_ipv4(router) ? (unsigned)(b.data[16] << 8 | b.data[17])
					       : 40u + (unsigned)(b.data[18] << 8 | b.data[19]);
		if (b.size > 14 + most || b.size != 14u + said)
			abort();
	}
	buffer_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct address v4 = {{[10] = 0xff, [11] = 0xff, [12] = 10}}, v6 = {{0x20}};

	try_one(data, size, &v4, 576);
	try_one(data, size, &v6, 1280);
	return 0;
}
