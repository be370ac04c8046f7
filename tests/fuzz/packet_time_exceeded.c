/* packet/time_exceeded: any frame; an answer has the size that its header says, and is no more than
 * a router may send. */
#include "packet/time_exceeded.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mac mac = {{2}};
	static const struct address router = {{[10] = 0xff, [11] = 0xff, [12] = 10}};
	struct buffer b = {0};

	if (time_exceeded_build(&b, data, size, &mac, &router) == 0 &&
	    (b.size > 14 + 576 || b.size != 14u + (unsigned)(b.data[16] << 8 | b.data[17])))
		abort();
	buffer_finish(&b);
	return 0;
}
