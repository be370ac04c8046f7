/* What victor-controller keeps of root (docs/access.md). */
#include "controller/io/confine.h"

#include "shell/sandbox.h"

#include <linux/capability.h>
#include <netinet/in.h>

static bool has_low_port(const struct endpoint *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)&list[i].address.any;

		if (!list[i].is_unix && ntohs(a->sin_port) < 1024) /* IPv6 has it there too */
			return true;
	}
	return false;
}

static bool has_routing(const struct config *config)
{
	for (unsigned i = 0; i < config->element_count; i++) {
		for (unsigned j = 0; j < config->elements[i].port_count; j++) {
			if (config->elements[i].ports[j].routing.device[0])
				return true;
		}
	}
	return false;
}

int confine(const struct config *config, struct reason *why)
{
	struct sandbox s = {0};

	if (has_low_port(config->southbound, config->southbound_count) ||
	    has_low_port(config->northbound, config->northbound_count))
		s.capabilities |= CAPABILITY(CAP_NET_BIND_SERVICE);
	if (has_routing(config)) /* it speaks for routing daemons: routes, neighbours */
		s.capabilities |= CAPABILITY(CAP_NET_ADMIN);
	return sandbox_enter(&s, why);
}
