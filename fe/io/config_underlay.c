/* The backplane's addresses in the configuration file: a pair in each family, the prefix that outer
 * sources are spread over, and the DiffServ mode. */
#include "fe/io/config_reading.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPREAD_BITS_MAX 32
#define DSCP_MAX 63

/* The keys of one family. */
struct family_keys {
	const char *name, *address, *redirect, *spread;
};

static struct place in_backplane(const char *inner)
{
	return (struct place){"backplane", -1, inner};
}

static bool is_reachable(const struct address *a, bool is_ipv4)
{
	const uint8_t *bytes = is_ipv4 ? address_ipv4(a) : a->bytes;
	static const struct address loopback = {{[15] = 1}};

	if (is_ipv4)
		return bytes[0] && bytes[0] != 127 && bytes[0] < 224;
	/* No link-local address: it would need the device too. */
	return bytes[0] != 0xff && !(bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) &&
	       !address_is_zero(a) && !address_equal(a, &loopback);
}

static int read_address(const struct reading *r, const struct family_keys *keys, const char *key,
			const char *text, struct address *ret)
{
	bool is_ipv4 = keys->name[3] == '4';

	if (address_parse(text, ret) < 0 || address_is_ipv4(ret) != is_ipv4)
		return config_refuse(r, in_backplane(key), "%s '%s' is no %s address", key, text,
				     keys->name);
	if (!is_reachable(ret, is_ipv4))
		return config_refuse(r, in_backplane(key),
				     "%s %s is no address that other elements can reach", key,
				     text);
	return 0;
}

static int read_spread(const struct reading *r, const struct family_keys *keys, const char *text,
		       const struct backplane_pair *pair, struct prefix *ret)
{
	const struct place at = in_backplane(keys->spread);

	if (address_is_zero(&pair->address))
		return config_refuse(r, at, "%s: there is no %s", keys->spread, keys->address);
	if (prefix_parse(text, ret) < 0 ||
	    address_is_ipv4(&ret->address) != address_is_ipv4(&pair->address))
		return config_refuse(r, at, "%s '%s' is no %s prefix", keys->spread, text,
				     keys->name);
	if (ret->length >= 128 || ret->length < 128 - SPREAD_BITS_MAX)
		return config_refuse(r, at, "%s %s: from 1 to %d bits may vary", keys->spread, text,
				     SPREAD_BITS_MAX);
	return 0;
}

static int read_pair(const struct reading *r, const struct family_keys *keys, const char *address,
		     const char *redirect, const char *spread, struct backplane_pair *ret)
{
	int result;

	if (!address != !redirect)
		return config_refuse(r, in_backplane(address ? keys->address : keys->redirect),
				     "give both %s and %s, or none", keys->address, keys->redirect);
	if (address) {
		result = read_address(r, keys, keys->address, address, &ret->address);
		if (result == 0)
			result = read_address(r, keys, keys->redirect, redirect, &ret->redirect);
		if (result < 0)
			return result;
		if (address_equal(&ret->address, &ret->redirect))
			return config_refuse(r, in_backplane(keys->redirect),
					     "%s %s: the second address of the backplane must not "
					     "be its first",
					     keys->redirect, redirect);
	}
	return spread ? read_spread(r, keys, spread, ret, &ret->spread) : 0;
}

static int read_diffserv(const struct reading *r, const char *text, struct backplane *ret)
{
	char *end;
	unsigned long dscp;

	if (!text || strcmp(text, "pipe") == 0) {
		ret->diffserv = DIFFSERV_MODE_PIPE;
		return 0;
	}
	if (strcmp(text, "uniform") == 0) {
		ret->diffserv = DIFFSERV_MODE_UNIFORM;
		return 0;
	}
	dscp = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || dscp > DSCP_MAX)
		return config_refuse(r, in_backplane("diffserv"),
				     "diffserv '%s': write pipe, uniform or a DSCP from 0 to %d",
				     text, DSCP_MAX);
	ret->diffserv = DIFFSERV_MODE_FIXED;
	ret->dscp = (uint8_t)dscp;
	return 0;
}

int config_read_underlay(const struct reading *r)
{
	static const struct family_keys keys[FAMILY_COUNT] = {
		{"IPv4", "address", "redirect", "spread"},
		{"IPv6", "address6", "redirect6", "spread6"}};
	const struct yaml_backplane *y = r->yaml->backplane;
	struct backplane *b = &r->config->agent.backplane;
	int result;

	if (!y->address && !y->redirect && !y->address6 && !y->redirect6)
		return config_refuse(r, AT("backplane"),
				     "backplane: give address and redirect, or address6 and "
				     "redirect6, or all four");
	result = read_pair(r, &keys[FAMILY_IPV4], y->address, y->redirect, y->spread,
			   &b->pair[FAMILY_IPV4]);
	if (result == 0)
		result = read_pair(r, &keys[FAMILY_IPV6], y->address6, y->redirect6, y->spread6,
				   &b->pair[FAMILY_IPV6]);
	return result < 0 ? result : read_diffserv(r, y->diffserv, b);
}
