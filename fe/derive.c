/* Rules -> data plane entries (fe/datapath.h).  Each entry is built anew from all the rules that it
 * depends on, so it never matters in which order they came; fe/pipeline.c calls this after every
 * change. */
#include "fe/pipeline.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

LOG_MODULE("pipeline");

static const struct agent_port *present_port(const struct pipeline *p, uint32_t number)
{
	const struct pipeline_port *port = table_get(&p->ports, &number);

	return port && port->present ? &port->port : NULL;
}

static bool has_listen(const struct pipeline *p, uint32_t number, uint16_t ethertype)
{
	struct rule_key key = {.kind = RULE_LISTEN, .port = number, .ethertype = ethertype};

	return pipeline_find(p, &key) != NULL;
}

static const struct {
	uint16_t ethertype;
	uint8_t bit;
} listened[] = {{ETHERTYPE_ARP_, DATAPATH_LISTEN_ARP},   {ETHERTYPE_RARP_, DATAPATH_LISTEN_RARP},
		{ETHERTYPE_LLDP_, DATAPATH_LISTEN_LLDP}, {LISTEN_RS, DATAPATH_LISTEN_RS},
		{LISTEN_NS, DATAPATH_LISTEN_NS},         {LISTEN_NA, DATAPATH_LISTEN_NA}};

int pipeline_derive_port(struct pipeline *p, uint32_t number)
{
	const struct agent_port *port = present_port(p, number);
	struct rule_key key = {.kind = RULE_ADMIT, .port = number};
	const struct pipeline_entry *admit = pipeline_find(p, &key), *admit6;
	struct datapath_port out;

	if (!port)
		return 0;
	key.ethertype = ETHERTYPE_IPV6_;
	admit6 = pipeline_find(p, &key);
	out = (struct datapath_port){
		.number = number,
		.ifindex = port->ifindex,
		.role = port->info.role,
		.trunk = port->info.trunk,
		.link = port->info.link,
		.admitted = admit != NULL,
		.shared = port->info.segment != 0,
		.silent = pipeline_is_silent(p, number),
		/* A port is in one VRF. */
		.admitted6 = admit6 && (!admit || admit->rule.vrf == admit6->rule.vrf),
		.mtu = port->info.mtu,
		.vrf = admit    ? admit->rule.vrf
		       : admit6 ? admit6->rule.vrf
				: 0,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(listened); i++)
		if (has_listen(p, number, listened[i].ethertype))
			out.listen |= listened[i].bit;
	return p->ops->port_set(p->context, &out);
}

/* Whose these outer sources are: an FE's in the encapsulations for which both its rules are there
 * and agree. */
static void find_source(const struct pipeline *p, struct datapath_source *source)
{
	static const uint32_t ports[] = {PIPELINE_TUNNEL_PORT, PIPELINE_VXLAN_PORT};
	static const uint8_t bits[] = {ENCAPSULATION_IPIP, ENCAPSULATION_VXLAN};

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		struct rule_key key = {.kind = RULE_PEER,
				       .length = source->prefix.length,
				       .port = ports[i],
				       .address = source->prefix.address};
		const struct pipeline_entry *plain = pipeline_find(p, &key), *marked;

		key.kind = RULE_PEER_MARKED;
		marked = pipeline_find(p, &key);
		if (!plain || !marked || plain->rule.fe != marked->rule.fe ||
		    plain->rule.vrf != marked->rule.vrf ||
		    (source->receive && source->fe != plain->rule.fe))
			continue;
		if (!source->receive)
			source->vrf = plain->rule.vrf;
		source->fe = plain->rule.fe;
		source->receive |= bits[i];
	}
}

/* Sources beside a peer's one address: each prefix stands for itself. */
static int derive_source(struct pipeline *p, const struct rule_key *key)
{
	struct datapath_source out = {.prefix = {key->address, key->length}};
	int r;

	find_source(p, &out);
	if (out.receive)
		return p->ops->source_set(p->context, &out);
	r = p->ops->source_remove(p->context, &out.prefix);
	return r == -ENOENT ? 0 : r;
}

/* A peer may send when both its rules are there, for the address that we send to: an FE has one
 * address, and while a renumbering is half done it is nobody's. */
int pipeline_derive_peer(struct pipeline *p, uint32_t fe)
{
	const struct pipeline_group *g = table_get(&p->groups, &fe);
	struct datapath_peer out = {.fe = fe};
	struct datapath_source source = {.prefix.length = 128};
	int r;

	if (g) {
		out.send = g->present;
		out.address = g->present ? g->group.address : g->source;
		out.redirect = g->group.redirect;
		out.vxlan = g->group.vxlan;
		out.select = g->group.select;
		out.path_count = g->group.path_count;
		memcpy(out.paths, g->group.paths, sizeof(out.paths));
		source.prefix.address = out.address;
		find_source(p, &source);
		out.receive = source.fe == fe ? source.receive : 0;
		out.vrf = out.receive ? source.vrf : 0;
	}
	if (out.send || out.receive)
		return p->ops->peer_set(p->context, &out);
	r = p->ops->peer_remove(p->context, fe);
	return r == -ENOENT ? 0 : r;
}

static bool same_place(const struct rule *local, const struct rule_key *guard)
{
	return local->port == guard->port && local->vlan == guard->vlan &&
	       mac_equal(&local->mac, &guard->mac);
}

/* A guard goes with the local part; where there is none, the guard's own place is kept. */
static void derive_guard(const struct pipeline *p, const struct pipeline_address *at,
			 const struct rule *local, struct datapath_binding *out)
{
	const struct pipeline_guard *guard = table_get(&p->guards, at);

	if (!guard)
		return;
	if (local) {
		struct rule_key key = guard->last;

		if (!same_place(local, &key)) {
			key.port = local->port;
			key.vlan = local->vlan;
			key.mac = local->mac;
		}
		if (pipeline_find(p, &key))
			out->flags |= BINDING_GUARD;
	} else if (present_port(p, guard->last.port)) {
		out->flags |= BINDING_GUARD;
		out->port = guard->last.port;
		out->vlan = guard->last.vlan;
		out->mac = guard->last.mac;
	}
}

/* The controller gives a node that another FE of the LAN is designated for our own port's MAC. */
static uint8_t beside_flags(const struct pipeline *p, const struct rule *local)
{
	if (local->key.kind != RULE_LOCAL || !pipeline_is_beside(p, local))
		return 0;
	return table_get(&p->leaving, &local->key) ? BINDING_BESIDE | BINDING_LEAVING
						   : BINDING_BESIDE;
}

static int derive_binding(struct pipeline *p, uint32_t vrf, const struct address *address)
{
	const struct pipeline_address at = {vrf, *address};
	const struct pipeline_entry *local = pipeline_find_binding(p, RULE_LOCAL, vrf, address);
	const struct pipeline_entry *foreign = pipeline_find_binding(p, RULE_FOREIGN, vrf, address);
	struct datapath_binding out = {.vrf = vrf, .address = *address};
	int r;

	if (local) {
		out.flags = BINDING_LOCAL;
	} else {
		local = pipeline_find_binding(p, RULE_TENTATIVE, vrf, address);
		out.flags = BINDING_LOCAL | BINDING_MARKED_ONLY;
	}
	if (!local || !present_port(p, local->rule.port)) {
		local = NULL;
		out.flags = 0;
	} else {
		out.port = local->rule.port;
		out.vlan = local->rule.vlan;
		out.mac = local->rule.mac;
		out.gateway_mac = local->rule.gateway_mac;
		out.flags |= beside_flags(p, &local->rule);
	}
	if (foreign) {
		out.flags |= BINDING_FOREIGN;
		out.fe = foreign->rule.fe;
	}
	derive_guard(p, &at, local ? &local->rule : NULL, &out);
	if (out.flags)
		return p->ops->binding_set(p->context, &out);
	r = p->ops->binding_remove(p->context, vrf, address);
	return r == -ENOENT ? 0 : r;
}

static uint8_t prefix_kind(enum rule_kind kind)
{
	if (kind == RULE_STRANGER)
		return DATAPATH_STRANGER;
	if (kind == RULE_COVERED)
		return DATAPATH_COVERED;
	if (kind == RULE_EXIT)
		return DATAPATH_EXIT;
	if (kind == RULE_REGISTER)
		return DATAPATH_REGISTER;
	return kind == RULE_EXTERNAL ? DATAPATH_EXTERNAL : DATAPATH_ANSWER;
}

static int derive_prefix(struct pipeline *p, const struct rule_key *key)
{
	const struct pipeline_entry *entry = pipeline_find(p, key);
	struct datapath_prefix out = {
		.kind = prefix_kind(key->kind),
		.vrf = key->vrf,
		.prefix = {key->address, key->length},
	};
	int r;

	if (entry) {
		out.fe = entry->rule.fe;
		out.mac = entry->rule.mac;
		out.internal = entry->rule.internal;
		out.unreachable = entry->rule.unreachable;
		out.gateway = entry->rule.gateway;
		return p->ops->prefix_set(p->context, &out);
	}
	r = p->ops->prefix_remove(p->context, out.kind, out.vrf, &out.prefix);
	return r == -ENOENT ? 0 : r;
}

int pipeline_derive(struct pipeline *p, const struct rule *rule)
{
	const struct rule_key *key = &rule->key;

	switch ((enum rule_kind)key->kind) {
	case RULE_ADMIT:
	case RULE_LISTEN:
		return pipeline_derive_port(p, key->port);
	case RULE_PEER:
	case RULE_PEER_MARKED:
		return key->length == 128 ? pipeline_derive_peer(p, rule->fe)
					  : derive_source(p, key);
	case RULE_GUARD:
	case RULE_LOCAL:
	case RULE_TENTATIVE:
	case RULE_FOREIGN:
		return derive_binding(p, key->vrf, &key->address);
	case RULE_STRANGER:
	case RULE_COVERED:
	case RULE_EXTERNAL:
	case RULE_EXIT:
	case RULE_ANSWER:
	case RULE_REGISTER:
		return derive_prefix(p, key);
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_BINDING_PASS:
	case RULE_MULTICAST: /* none of these gets here: pipeline_modify refuses them */
	case RULE_ECHO:
	case RULE_BESIDE:
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
	case RULE_SPEAK:
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_ADVERTISE:
	case RULE_KIND_COUNT:
		return 0;
	}
	return 0;
}

static void warn(int r, const char *what)
{
	if (r < 0)
		log_warn_rl("%s cannot be restored: %s", what, strerror(-r));
}

void pipeline_derive_all(struct pipeline *p)
{
	size_t at = 0;
	const void *key;
	void *value;

	while (table_next(&p->ports, &at, &key, &value))
		warn(pipeline_derive_port(p, *(const uint32_t *)key), "a port");
	at = 0;
	while (table_next(&p->groups, &at, &key, &value))
		warn(pipeline_derive_peer(p, *(const uint32_t *)key), "a peer");
	at = 0;
	while (table_next(&p->rules[TABLE_PORT], &at, &key, &value))
		if (((const struct rule_key *)key)->kind == RULE_PEER &&
		    ((const struct rule_key *)key)->length < 128)
			warn(derive_source(p, key), "a peer's sources");
	for (unsigned table = TABLE_GUARD; table < TABLE_COUNT; table++) {
		at = 0;
		while (table_next(&p->rules[table], &at, NULL, &value)) {
			const struct pipeline_entry *entry = value;

			warn(pipeline_derive(p, &entry->rule),
			     rule_kind_name(entry->rule.key.kind));
		}
	}
}
