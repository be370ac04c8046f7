/* See sim/plane.h. */
#include "sim/plane.h"

#include "sim/world.h"

static int binding_set(void *context, const struct datapath_binding *binding)
{
	struct plane *p = context;
	int r = memory_plane_ops.binding_set(context, binding);

	if (r == 0)
		check_binding(p->world, p->element, &binding->address);
	return r;
}

static int rule_keep(void *context, const struct rule *rule)
{
	struct plane *p = context;
	int r = memory_plane_ops.rule_keep(context, rule);

	if (r == 0)
		check_version(p->world, p->element, rule);
	return r;
}

/* Hosts talk all the time, unless they are gone: then their FE probes them. */
static int64_t binding_idle_ms(void *context, uint32_t vrf, const struct address *address)
{
	const struct plane *p = context;
	const struct host *h = host_of(p->world, address);

	return h && host_is_heard_by(p->world, h, p->element) ? 0 : 60000;
}

static int transmit(void *context, uint32_t port, const void *frame, size_t size)
{
	struct plane *p = context;

	host_hear(p->world, p->element, port, frame, size);
	return 0;
}

void plane_init(struct plane *p, struct world *w, uint32_t element, uint64_t seed)
{
	*p = (struct plane){.world = w, .element = element, .operations = memory_plane_ops};
	memory_plane_init(&p->memory, seed);
	p->operations.binding_set = binding_set;
	p->operations.rule_keep = rule_keep;
	p->operations.binding_idle_ms = binding_idle_ms;
	p->operations.transmit = transmit;
	table_init(&p->versions, sizeof(struct memory_plane_key), sizeof(uint64_t), seed);
}

void plane_finish(struct plane *p)
{
	memory_plane_finish(&p->memory);
	table_finish(&p->versions);
}

/* ---- what becomes of a packet (bpf/access.h, bpf/backplane.h) ---- */

const struct datapath_binding *plane_binding(const struct plane *p, const struct address *address)
{
	return memory_plane_binding(&p->memory, 0, address);
}

enum plane_fate plane_look_up(const struct plane *p, const struct address *address, bool marked,
			      uint32_t *ret_port, uint32_t *ret_fe)
{
	const struct datapath_binding *b = plane_binding(p, address);
	const struct datapath_peer *peer;

	if (!b)
		return FATE_NOWHERE;
	if (b->flags & BINDING_LOCAL && (marked || !(b->flags & BINDING_MARKED_ONLY))) {
		*ret_port = b->port;
		return FATE_LOCAL;
	}
	if (marked || !(b->flags & BINDING_FOREIGN))
		return FATE_NOWHERE;
	peer = table_get(&p->memory.peers, &b->fe);
	if (!peer || !peer->send)
		return FATE_NOWHERE;
	*ret_fe = b->fe;
	return FATE_FOREIGN;
}

void plane_forget_versions(struct plane *p)
{
	size_t at = 0;
	const void *key;

	while (table_next(&p->versions, &at, &key, NULL)) {
		const struct memory_plane_key *k = key;
		struct rule_key rule = {.kind = RULE_FOREIGN, .vrf = k->vrf, .address = k->address};
		bool known = table_get(&p->memory.rules, &rule) != NULL;

		rule.kind = RULE_LOCAL;
		if (!known && !table_get(&p->memory.rules, &rule))
			table_remove(&p->versions, key);
	}
}

bool plane_guards(const struct plane *p, const struct address *address, uint32_t port,
		  const struct mac *mac)
{
	const struct datapath_binding *b = plane_binding(p, address);

	return b && b->flags & BINDING_GUARD && b->port == port && !b->vlan &&
	       mac_equal(&b->mac, mac);
}
