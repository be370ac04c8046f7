/* Networks and the policies between them.  What one network is to another is worked out once, when
 * all of them are known: who is above whom, by way of any number of providers, and from that which
 * two have a path without a valley between them (Gao, "On Inferring Autonomous System Relationships
 * in the Internet": up, at most once across, down). */
#include "controller/network.h"

#include "controller/inventory.h"

#include <errno.h>
#include <string.h>

int networks_find(const struct networks *n, const char *name)
{
	for (unsigned i = 0; i < n->count; i++)
		if (strcmp(n->list[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool lists(const char names[][NAME_SIZE], unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

int networks_of(const struct networks *n, const char *element)
{
	for (unsigned i = 0; i < n->count; i++)
		if (lists(n->list[i].elements, n->list[i].element_count, element))
			return (int)i;
	return -1;
}

static int check_neighbors(const struct network *one, const char names[][NAME_SIZE], unsigned count,
			   struct reason *why)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(names[i], one->name) == 0)
			return reason_set(why, -EINVAL, "network %s: it is its own neighbour",
					  one->name);
		if (lists(names, i, names[i]))
			return reason_set(why, -EINVAL, "network %s: %s is there twice", one->name,
					  names[i]);
	}
	return 0;
}

static int check_elements(const struct networks *n, const struct network *one, struct reason *why)
{
	for (unsigned i = 0; i < one->element_count; i++) {
		int other = networks_of(n, one->elements[i]);

		if (!inventory_name_is_valid(one->elements[i]))
			return reason_set(why, -EINVAL, "network %s: '%s' is no element's name",
					  one->name, one->elements[i]);
		if (other >= 0 || lists(one->elements, i, one->elements[i]))
			return reason_set(why, -EEXIST, "network %s: element %s is in %s already",
					  one->name, one->elements[i],
					  other >= 0 ? n->list[other].name : one->name);
	}
	return 0;
}

int networks_add(struct networks *n, const struct network *one, struct reason *why)
{
	int r;

	if (!inventory_name_is_valid(one->name))
		return reason_set(why, -EINVAL,
				  "network '%s': a name is of letters, digits, '-', '_' and '.'",
				  one->name);
	if (networks_find(n, one->name) >= 0)
		return reason_set(why, -EEXIST, "network %s is there twice", one->name);
	if (n->count == NETWORKS_MAX)
		return reason_set(why, -EINVAL, "network %s: there are %d already", one->name,
				  NETWORKS_MAX);
	r = check_elements(n, one, why);
	if (r == 0)
		r = check_neighbors(one, one->upstreams, one->upstream_count, why);
	if (r == 0)
		r = check_neighbors(one, one->peers, one->peer_count, why);
	if (r == 0)
		n->list[n->count++] = *one;
	return r;
}

/* What is said directly, before anything is concluded from it. */
struct direct {
	bool above[NETWORKS_MAX][NETWORKS_MAX]; /* later: over any number of networks */
	bool peer[NETWORKS_MAX][NETWORKS_MAX];
};

static int read_neighbors(const struct networks *n, unsigned at, struct direct *d,
			  struct reason *why)
{
	const struct network *one = &n->list[at];

	for (unsigned i = 0; i < one->upstream_count + one->peer_count; i++) {
		bool is_peer = i >= one->upstream_count;
		const char *name =
			is_peer ? one->peers[i - one->upstream_count] : one->upstreams[i];
		int other = networks_find(n, name);

		if (other < 0)
			return reason_set(why, -EINVAL, "network %s: there is no network %s",
					  one->name, name);
		if (is_peer)
			d->peer[at][other] = d->peer[other][at] = true;
		else
			d->above[other][at] = true;
	}
	return 0;
}

static void close_above(const struct networks *n, struct direct *d)
{
	for (unsigned via = 0; via < n->count; via++)
		for (unsigned a = 0; a < n->count; a++)
			for (unsigned b = 0; d->above[a][via] && b < n->count; b++)
				d->above[a][b] |= d->above[via][b];
}

static int check_contradictions(const struct networks *n, const struct direct *d, unsigned *ret_at,
				struct reason *why)
{
	for (unsigned a = 0; a < n->count; a++) {
		*ret_at = a;
		if (d->above[a][a])
			return reason_set(why, -EINVAL,
					  "network %s: its upstreams lead back to itself",
					  n->list[a].name);
		for (unsigned b = 0; b < n->count; b++)
			if (d->peer[a][b] && (d->above[a][b] || d->above[b][a]))
				return reason_set(why, -EINVAL,
						  "network %s: %s is a peer and a provider or "
						  "customer",
						  n->list[a].name, n->list[b].name);
	}
	return 0;
}

/* Up from each, then the same network, or a peering. */
static bool is_level(const struct networks *n, const struct direct *d, unsigned a, unsigned b)
{
	for (unsigned x = 0; x < n->count; x++)
		for (unsigned y = 0; (x == a || d->above[x][a]) && y < n->count; y++)
			if ((y == b || d->above[y][b]) && (x == y || d->peer[x][y]))
				return true;
	return false;
}

static enum network_relation conclude(const struct networks *n, const struct direct *d, unsigned a,
				      unsigned b)
{
	if (a == b)
		return NETWORK_SAME;
	if (d->above[a][b])
		return NETWORK_ABOVE;
	if (d->above[b][a])
		return NETWORK_BELOW;
	return is_level(n, d, a, b) ? NETWORK_LEVEL : NETWORK_NONE;
}

int networks_settle(struct networks *n, unsigned *ret_at, struct reason *why)
{
	struct direct d = {0};
	int r = 0;

	for (*ret_at = 0; *ret_at < n->count; (*ret_at)++) {
		r = read_neighbors(n, *ret_at, &d, why);
		if (r < 0)
			return r;
	}
	close_above(n, &d);
	r = check_contradictions(n, &d, ret_at, why);
	for (unsigned a = 0; r == 0 && a < n->count; a++)
		for (unsigned b = 0; b < n->count; b++)
			n->relations[a][b] = (uint8_t)conclude(n, &d, a, b);
	return r;
}

enum network_relation networks_relation(const struct networks *n, const char *element_a,
					const char *element_b)
{
	int a, b;

	if (!n->count)
		return NETWORK_SAME;
	a = networks_of(n, element_a);
	b = networks_of(n, element_b);
	return a < 0 || b < 0 ? NETWORK_SAME : n->relations[a][b];
}
