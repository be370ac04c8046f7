/* 'access:' of the configuration file. */
#include "controller/io/config_access.h"

#include <errno.h>

static int read_role(const char *key, const char *text, enum role standard, enum role *ret,
		     struct reason *why)
{
	*ret = standard;
	if (text && role_parse(text, ret) < 0)
		return reason_set(why, -EINVAL,
				  "access: %s '%s': write none, read, operate or admin", key, text);
	return 0;
}

int config_access_read(const struct yaml_access *y, enum role *ret_local, enum role *ret_anonymous,
		       struct reason *why)
{
	int result = read_role("local", y->local, ROLE_OPERATE, ret_local, why);

	return result ? result
		      : read_role("anonymous", y->anonymous, ROLE_NONE, ret_anonymous, why);
}
