/* What the guard (bpf/guard.h) goes by in BPF maps: each port's share of upcalls, and the addresses
 * that nodes may not reach.  Other FEs' backplane addresses are in datapath_peer.c's maps. */
#include "fe/io/datapath_private.h"

#include <bpf/bpf.h>
#include <string.h>

#define NS_PER_S 1000000000u

_Static_assert(MAP_ROLE_ACCESS == PORT_ACCESS && MAP_ROLE_BACKPLANE == PORT_BACKPLANE,
	       "the maps' words differ");

static void share_fill(struct map_guard *g, unsigned limit, const struct datapath_share *s)
{
	if (!s->rate || !s->burst)
		return;
	g->share[limit].interval_ns = NS_PER_S / s->rate;
	g->share[limit].window_ns = (uint64_t)g->share[limit].interval_ns * (s->burst - 1);
}

static int shield_set(struct datapath *dp, const struct address *address, uint8_t length)
{
	struct map_source_key key = {.length = length};
	uint32_t value = 1;

	if (address_is_zero(address))
		return 0;
	memcpy(key.address, address->bytes, sizeof(key.address));
	return bpf_map_update_elem(map_fd(dp->skeleton->maps.shields), &key, &value, 0);
}

/* Those of the process before that are not wanted any more go last: nothing that stays is open for
 * a moment. */
static void shields_mark_old(struct datapath *dp)
{
	int fd = map_fd(dp->skeleton->maps.shields);
	struct map_source_key key, *previous = NULL;
	uint32_t old = 0;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		bpf_map_update_elem(fd, &key, &old, BPF_EXIST);
		previous = &key;
	}
}

static void shields_remove_old(struct datapath *dp)
{
	int fd = map_fd(dp->skeleton->maps.shields);
	struct map_source_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &key);
	uint32_t value;

	while (more) {
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &value) && !value)
			bpf_map_delete_elem(fd, &key);
		key = next;
	}
}

int datapath_guard_write(struct datapath *dp, const struct datapath_config *c)
{
	const struct datapath_guard *from = &c->guard;
	struct map_guard g = {.closed = from->closed};
	uint32_t zero = 0;
	int result;

	share_fill(&g, LIMIT_NEIGHBOR, &from->neighbor);
	share_fill(&g, LIMIT_STRANGER, &from->stranger);
	share_fill(&g, LIMIT_REGISTRATION, &from->registration);
	result = bpf_map_update_elem(map_fd(dp->skeleton->maps.guard), &zero, &g, 0);
	shields_mark_old(dp);
	for (unsigned i = 0; i < FAMILY_COUNT && !result; i++) {
		const struct backplane_pair *own = &c->backplane.pair[i];

		result = shield_set(dp, &own->address, 128);
		result = result ? result : shield_set(dp, &own->redirect, 128);
		if (own->spread.length)
			result = result ? result
					: shield_set(dp, &own->spread.address, own->spread.length);
	}
	for (unsigned i = 0; i < from->shield_count && !result; i++)
		result = shield_set(dp, &from->shield[i].address, from->shield[i].length);
	if (!result)
		shields_remove_old(dp);
	return result;
}

#define VERDICT_NAME(name, is_drop, text) {#name, is_drop},
static const struct {
	const char *name;
	bool is_drop;
} verdict_names[] = {DATAPLANE_VERDICTS(VERDICT_NAME)};

struct drop_count datapath_drop_count(uint32_t verdict)
{
	struct drop_count d = {.is_other = !verdict_names[verdict].is_drop};

	strncpy(d.name, verdict_names[verdict].name, sizeof(d.name) - 1);
	return d;
}

/* By port, and then by verdict, whatever the order of the map. */
void datapath_port_drops(void *context, void (*add)(void *to, const struct drop_count *), void *to)
{
	struct datapath *dp = datapath_of(context);
	struct datapath_device *device;
	const void *number;
	size_t at = 0;

	while (table_next(&dp->devices, &at, &number, (void **)&device)) {
		struct map_port_verdict key = {.number = device->port.number};

		for (key.verdict = 0; key.verdict < VERDICT_COUNT; key.verdict++) {
			struct drop_count d = datapath_drop_count(key.verdict);

			d.port = key.number;
			if (!bpf_map_lookup_elem(map_fd(dp->skeleton->maps.port_verdicts), &key,
						 &d.packets))
				add(to, &d);
		}
	}
}

/* The port is gone: its number may be another's tomorrow. */
void datapath_guard_forget(struct datapath *dp, uint32_t number)
{
	for (uint32_t i = 0; i < VERDICT_COUNT; i++) {
		struct map_port_verdict key = {number, i};

		bpf_map_delete_elem(map_fd(dp->skeleton->maps.port_verdicts), &key);
	}
}
