/* tls/identity: any text; what is accepted is written back as the same bytes, so that no two
 * spellings are one identity. */
#include "tls/identity.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_identity identity;
	char back[TLS_IDENTITY_SIZE];

	if (tls_identity_parse(data, size, &identity) < 0)
		return 0;
	tls_identity_format(&identity, back);
	if (strlen(back) != size || memcmp(back, data, size) != 0)
		abort();
	return 0;
}
