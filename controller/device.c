/* Devices, in a short sorted list for each node: see controller/device.h.  Secrets are wiped when
 * they go. */
#include "controller/device.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct device_list {
	unsigned count;
	struct device *list; /* sorted by name */
};

static void node_key(char key[NAME_SIZE], const char *node)
{
	memset(key, 0, NAME_SIZE);
	memcpy(key, node, strnlen(node, NAME_SIZE - 1));
}

static struct device_list *list_of(const struct devices *d, const char *node)
{
	char key[NAME_SIZE];

	node_key(key, node);
	return table_get(&d->by_node, key);
}

static void list_finish(struct device_list *l)
{
	if (l->list)
		sign_wipe(l->list, l->count * sizeof(*l->list));
	free(l->list);
}

void devices_init(struct devices *d, uint64_t seed)
{
	table_init(&d->by_node, NAME_SIZE, sizeof(struct device_list), seed);
	d->count = 0;
}

void devices_finish(struct devices *d)
{
	size_t at = 0;
	struct device_list *l;

	while (table_next(&d->by_node, &at, NULL, (void **)&l))
		list_finish(l);
	table_finish(&d->by_node);
}

/* Where it is, or would be. */
static unsigned place_of(const struct device_list *l, const char *name, bool *ret_found)
{
	unsigned at = 0;

	while (at < l->count && strcmp(l->list[at].name, name) < 0)
		at++;
	*ret_found = at < l->count && strcmp(l->list[at].name, name) == 0;
	return at;
}

static int check(const struct device *device, struct reason *why)
{
	if (device->name[0] && !registration_name_is_good(device->name))
		return reason_set(why, -EINVAL,
				  "node %s: a device's name is of letters, digits, '-', '_', '.', "
				  "at most 63",
				  device->node);
	if (mac_is_multicast(&device->mac))
		return reason_set(why, -EINVAL, "node %s: device '%s': its MAC is a group's",
				  device->node, device->name);
	if (device->key.algorithm != REGISTRATION_BLAKE2B &&
	    device->key.algorithm != REGISTRATION_ED25519)
		return reason_set(why, -EINVAL, "node %s: device '%s': it has no key", device->node,
				  device->name);
	return 0;
}

int devices_put(struct devices *d, const struct device *device, struct reason *why)
{
	int r = check(device, why);
	struct device_list *l;
	struct device *longer;
	char key[NAME_SIZE];
	unsigned at;
	bool found;

	if (r < 0)
		return r;
	node_key(key, device->node);
	l = table_put(&d->by_node, key, NULL);
	at = place_of(l, device->name, &found);
	if (found) {
		l->list[at] = *device;
		return 0;
	}
	if (l->count == NODE_DEVICES_MAX)
		return reason_set(why, -E2BIG, "node %s: it has %d devices already", device->node,
				  NODE_DEVICES_MAX);
	longer = memory_alloc_array(l->count + 1, sizeof(*longer));
	if (at)
		memcpy(longer, l->list, at * sizeof(*longer));
	longer[at] = *device;
	if (at < l->count)
		memcpy(longer + at + 1, l->list + at, (l->count - at) * sizeof(*longer));
	list_finish(l);
	l->list = longer;
	l->count++;
	d->count++;
	return 0;
}

bool devices_remove(struct devices *d, const char *node, const char *name)
{
	struct device_list *l = list_of(d, node);
	char key[NAME_SIZE];
	unsigned at;
	bool found;

	if (!l)
		return false;
	at = place_of(l, name, &found);
	if (!found)
		return false;
	l->count--;
	d->count--;
	memmove(l->list + at, l->list + at + 1, (l->count - at) * sizeof(*l->list));
	sign_wipe(l->list + l->count, sizeof(*l->list));
	if (l->count)
		return true;
	free(l->list);
	node_key(key, node);
	(void)table_remove(&d->by_node, key);
	return true;
}

const struct device *devices_find(const struct devices *d, const char *node, const char *name)
{
	const struct device_list *l = list_of(d, node);
	unsigned at;
	bool found;

	if (!l)
		return NULL;
	at = place_of(l, name, &found);
	return found ? &l->list[at] : NULL;
}

const struct device *devices_at(const struct devices *d, const char *node, unsigned at)
{
	const struct device_list *l = list_of(d, node);

	return l && at < l->count ? &l->list[at] : NULL;
}
