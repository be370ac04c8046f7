/* The controller's configuration file: any bytes give a config or a reason. */
#include "controller/io/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config c;
	struct reason why = {""};

	if (config_parse("fuzz", (const char *)data, size, &c, &why) == 0)
		config_finish(&c);
	else if (!why.text[0])
		abort();
	return 0;
}
