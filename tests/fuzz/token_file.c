/* The controller's file of tokens, and the file that victorctl reads a token from. */
#include "controller/io/tokens.h"
#include "ctl/credentials.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token list[TOKENS_MAX];
	struct reason why = {""};
	unsigned count = 0;

	if (tokens_parse("f", (const char *)data, size, list, &count, &why) == 0) {
		for (unsigned i = 0; i < count; i++) {
			if (!list[i].name[0] || list[i].role == ROLE_NONE)
				abort();
		}
	} else if (!why.text[0]) {
		abort();
	}
	char *token = credentials_token("f", (const char *)data, size, &why);

	if (token && (!token[0] || strlen(token) > TOKEN_TEXT_MAX))
		abort();
	free(token);
	return 0;
}
