/* The guard of access ports in the configuration file: shares of upcalls, and what nodes are kept
 * away from.  Controllers' addresses are among that without being said. */
#include "base/memory.h"
#include "fe/io/config_reading.h"

#include <netinet/in.h>
#include <string.h>

static int read_share(const struct reading *r, const char *name, const struct yaml_share *y,
		      struct datapath_share *ret)
{
	const struct place at = {"guard", -1, name};

	if (!y->rate && !y->burst)
		return 0;
	if (!y->rate || !y->burst)
		return config_refuse(r, at, "%s: write both: { rate: 1000, burst: 200 }", name);
	if (!*y->rate || *y->rate > DATAPATH_RATE_MAX)
		return config_refuse(r, at, "%s: rate %u: from 1 to %u a second", name, *y->rate,
				     DATAPATH_RATE_MAX);
	if (!*y->burst || *y->burst > DATAPATH_BURST_MAX)
		return config_refuse(r, at, "%s: burst %u: from 1 to %u", name, *y->burst,
				     DATAPATH_BURST_MAX);
	*ret = (struct datapath_share){*y->rate, *y->burst};
	return 0;
}

/* A UNIX socket or a loopback address is out of reach as it is. */
static void shield_controller(struct config *c, const struct endpoint *e)
{
	struct prefix *p = &c->shield[c->guard.shield_count];

	if (e->is_private)
		return;
	memset(p, 0, sizeof(*p));
	p->length = 128;
	if (e->address.any.sa_family == AF_INET6) {
		struct sockaddr_in6 a;

		memcpy(&a, &e->address.storage, sizeof(a));
		memcpy(p->address.bytes, &a.sin6_addr, 16);
	} else if (e->address.any.sa_family == AF_INET) {
		struct sockaddr_in a;

		memcpy(&a, &e->address.storage, sizeof(a));
		memset(p->address.bytes + 10, 0xff, 2);
		memcpy(p->address.bytes + 12, &a.sin_addr, 4);
	} else {
		return;
	}
	c->guard.shield_count++;
}

int config_read_guard(const struct reading *r)
{
	const struct yaml_guard *y = &r->yaml->guard;
	struct config *c = r->config;
	int result = read_share(r, "neighbor", &y->neighbor, &c->guard.neighbor);

	if (result == 0)
		result = read_share(r, "stranger", &y->stranger, &c->guard.stranger);
	if (result == 0)
		result = read_share(r, "registration", &y->registration, &c->guard.registration);
	if (result < 0)
		return result;
	c->guard.closed = y->closed;
	c->shield =
		memory_alloc_array(y->shield_count + CONFIG_CONTROLLERS_MAX, sizeof(*c->shield));
	c->guard.shield = c->shield;
	for (unsigned i = 0; i < y->shield_count; i++) {
		struct prefix *p = &c->shield[c->guard.shield_count];

		if (prefix_parse(y->shield[i], p) < 0 || p->length == 0 ||
		    address_is_zero(&p->address))
			return config_refuse(r, (struct place){"guard", -1, "shield"},
					     "shield '%.48s': a prefix, such as 10.0.0.0/8",
					     y->shield[i]);
		c->guard.shield_count++;
	}
	for (unsigned i = 0; i < c->controller_count; i++)
		shield_controller(c, &c->controllers[i]);
	return 0;
}
