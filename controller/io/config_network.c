/* Networks (autonomous systems) of the configuration file; network.c checks them as a whole. */
#include "controller/io/config_network.h"

#include <errno.h>
#include <string.h>

int config_names_read(char *const *texts, unsigned count, char (*ret)[NAME_SIZE],
		      struct reason *why)
{
	for (unsigned i = 0; i < count; i++) {
		size_t size = strlen(texts[i]);

		if (size >= NAME_SIZE)
			return reason_set(why, -EINVAL, "'%.20s...' is longer than %d characters",
					  texts[i], NAME_SIZE - 1);
		memset(ret[i], 0, NAME_SIZE);
		memcpy(ret[i], texts[i], size);
	}
	return 0;
}

int config_network_read(const struct yaml_network *y, struct network *ret, struct reason *why)
{
	int r = config_names_read(&y->name, 1, &ret->name, why);

	ret->as = y->as;
	ret->element_count = y->elements_count;
	ret->upstream_count = y->upstreams_count;
	ret->peer_count = y->peers_count;
	if (r == 0)
		r = config_names_read(y->elements, y->elements_count, ret->elements, why);
	if (r == 0)
		r = config_names_read(y->upstreams, y->upstreams_count, ret->upstreams, why);
	if (r == 0)
		r = config_names_read(y->peers, y->peers_count, ret->peers, why);
	return r;
}
