/* See access.h: the words.  northbound_access.c has the decision. */
#include "controller/io/access.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {"none", "read", "operate", "admin"};

const char *role_name(enum role role)
{
	return names[role];
}

int role_parse(const char *text, enum role *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum role)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *bearer_token(const char *authorization)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789-._~+/=";
	const char *token = authorization + 7;

	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	while (*token == ' ')
		token++;
	return *token && !token[strspn(token, alphabet)] ? token : NULL;
}
