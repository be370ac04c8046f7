/* victor-fe's configuration file: any text is read or refused, never more. */
#include "fe/io/config.h"

#include <stddef.h>
#include <stdint.h>

#define TEXT_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	struct reason why;

	if (size > TEXT_MAX)
		return 0;
	if (config_parse("fuzz", (const char *)data, size, &config, &why) == 0)
		config_finish(&config);
	return 0;
}
