/* The pipeline's vocabulary: which kinds of rule there are, where each lives, and when two are the
 * same.  A rule becomes a flow in rule_encode.c, a flow becomes a rule in rule_decode.c (which
 * builds the one flow that the rule would be, and compares), a rule becomes text in rule_print.c.
 * The controller plans in rules, fe/pipeline.c keeps them. */
#include "pipeline/internal.h"

#include <string.h>

/* Priority -1: the prefix's length (longest prefix match in a table of priorities); -2: above
 * those. */
static const struct {
	const char *name;
	uint8_t table;
	int16_t priority;
	bool address, prefix;
} kinds[RULE_KIND_COUNT] = {
	[RULE_ADMIT] = {"admit", TABLE_PORT, 100, false, false},
	[RULE_LISTEN] = {"listen", TABLE_PORT, 200, false, false},
	[RULE_PEER] = {"peer", TABLE_PORT, 100, true, true},
	[RULE_PEER_MARKED] = {"peer_marked", TABLE_PORT, 110, true, true},
	[RULE_GUARD] = {"guard", TABLE_GUARD, 100, true, false},
	[RULE_STRANGER] = {"stranger", TABLE_GUARD, 50, true, true},
	[RULE_GUARD_PASS] = {"guard_pass", TABLE_GUARD, 0, false, false},
	[RULE_POLICY_PASS] = {"policy_pass", TABLE_POLICY, 0, false, false},
	[RULE_LOCAL] = {"local", TABLE_BINDING, 200, true, false},
	[RULE_TENTATIVE] = {"tentative", TABLE_BINDING, 175, true, false},
	[RULE_REDIRECTED_MISS] = {"redirected_miss", TABLE_BINDING, 150, false, false},
	[RULE_FOREIGN] = {"foreign", TABLE_BINDING, 100, true, false},
	[RULE_COVERED] = {"covered", TABLE_BINDING, 50, true, true},
	[RULE_BINDING_PASS] = {"binding_pass", TABLE_BINDING, 0, false, false},
	[RULE_EXTERNAL] = {"external", TABLE_EXTERNAL, -1, true, true},
	[RULE_ANSWER] = {"answer", TABLE_NEIGHBOR, 100, true, true},
	[RULE_MULTICAST] = {"multicast", TABLE_PORT, 150, false, false},
	[RULE_MEASURE] = {"measure", TABLE_NEIGHBOR, 260, false, false},
	[RULE_TOO_BIG] = {"too_big", TABLE_NEIGHBOR, 250, false, false},
	[RULE_SEND] = {"send", TABLE_NEIGHBOR, 240, false, false},
	[RULE_SPEAK] = {"speak", TABLE_PORT, 175, true, true},
	[RULE_ECHO] = {"echo", TABLE_BINDING, 250, true, false},
	[RULE_BESIDE] = {"beside", TABLE_BINDING, 225, true, false},
	[RULE_PROBE] = {"probe", TABLE_NEIGHBOR, 200, false, false},
	[RULE_SELF] = {"self", TABLE_NEIGHBOR, 150, true, false},
	[RULE_BESIDE_ASKED] = {"beside_asked", TABLE_NEIGHBOR, 125, true, false},
	[RULE_ADVERTISE] = {"advertise", TABLE_NEIGHBOR, 90, false, false},
	[RULE_REGISTER] = {"register", TABLE_GUARD, 150, true, true},
	[RULE_EXIT] = {"exit", TABLE_EXTERNAL, -2, true, true},
};

const char *rule_kind_name(enum rule_kind kind)
{
	return kind < RULE_KIND_COUNT ? kinds[kind].name : "unknown";
}

enum pipeline_table rule_table(enum rule_kind kind)
{
	return kinds[kind].table;
}

uint16_t rule_priority(const struct rule_key *key)
{
	int priority = kinds[key->kind].priority;

	if (priority >= 0)
		return (uint16_t)priority;
	return (uint16_t)(key->length + (priority == -2 ? PIPELINE_EXIT_PRIORITY : 0));
}

bool rule_is_for_switch(const struct rule *r)
{
	return (r->key.kind >= RULE_MULTICAST && r->key.kind <= RULE_BESIDE_ASKED) ||
	       (r->key.kind >= RULE_SPEAK && r->key.kind <= RULE_SEND) ||
	       (rule_is_way_out(r->key.kind) && r->port);
}

bool rule_is_way_out(enum rule_kind kind)
{
	return kind == RULE_EXTERNAL || kind == RULE_EXIT;
}

bool rule_kind_has_address(enum rule_kind kind)
{
	return kinds[kind].address;
}

bool rule_kind_has_prefix(enum rule_kind kind)
{
	return kinds[kind].prefix;
}

bool rule_is_gateway_mac(const struct mac *gateway, const struct mac *mac)
{
	return memcmp(gateway->bytes, mac->bytes, sizeof(mac->bytes) - 1) == 0;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key)) == 0 && a->cookie == b->cookie &&
	       a->vrf == b->vrf && a->fe == b->fe && a->port == b->port && a->vlan == b->vlan &&
	       a->next_table == b->next_table && a->silent == b->silent &&
	       a->internal == b->internal && a->unreachable == b->unreachable &&
	       address_equal(&a->gateway, &b->gateway) && mac_equal(&a->mac, &b->mac) &&
	       mac_equal(&a->gateway_mac, &b->gateway_mac) && a->idle_timeout == b->idle_timeout &&
	       a->frame_max == b->frame_max;
}

bool rule_group_equal(const struct rule_group *a, const struct rule_group *b)
{
	if (a->fe != b->fe || a->vxlan != b->vxlan || a->path_count != b->path_count ||
	    a->select != b->select || a->limited != b->limited)
		return false;
	for (unsigned i = 0; i < a->path_count; i++)
		if (a->paths[i] != b->paths[i])
			return false;
	return address_equal(&a->address, &b->address) && address_equal(&a->redirect, &b->redirect);
}
