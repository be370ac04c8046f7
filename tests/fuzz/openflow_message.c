/* One OpenFlow message: whatever a decoder takes, its encoder writes in a form that decodes to the
 * same bytes again. */
#include "../unit/openflow/reencode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer once = {0}, twice = {0};

	if (!reencode(data, size, &once) && once.size) {
		if (reencode(once.data, once.size, &twice))
			abort();
		if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0)
			abort();
	}
	buffer_finish(&once);
	buffer_finish(&twice);
	return 0;
}
