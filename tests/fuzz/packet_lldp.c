/* packet/lldp: any frame; what is accepted can be built again and says the same. */
#include "packet/lldp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lldp l, back;
	struct buffer b = {0};

	if (lldp_parse(data, size, &l) < 0)
		return 0;
	if (memchr(l.name, 0, sizeof(l.name)) == NULL)
		abort();
	if (l.name[0]) {
		lldp_build(&b, &l);
		if (lldp_parse(b.data, b.size, &back) < 0 || back.fe != l.fe ||
		    back.port != l.port || back.proof != l.proof || back.ttl_s != l.ttl_s)
			abort();
		buffer_finish(&b);
	}
	return 0;
}
