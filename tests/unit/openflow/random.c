/* Random but valid: each match starts from one of a few consistent sets of prerequisites. */
#include "random.h"

#include <string.h>

uint32_t random_next(struct random *r)
{
	r->state = r->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(r->state >> 33);
}

static unsigned below(struct random *r, unsigned count)
{
	return random_next(r) % count;
}

static void random_bytes(struct random *r, uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_next(r);
}

static void set_random(struct random *r, struct ofp_match *m, enum ofp_field field, bool maskable)
{
	uint8_t value[16], mask[16];

	random_bytes(r, value, 16);
	random_bytes(r, mask, 16);
	if (m->count < OFP_MATCH_FIELDS_MAX)
		ofp_match_set_bytes(m, field, value, maskable && below(r, 2) ? mask : NULL);
}

static void set_ports(struct random *r, struct ofp_match *m, uint8_t protocol, enum ofp_field first,
		      bool maskable)
{
	ofp_match_set(m, OFP_FIELD_IP_PROTO, protocol);
	set_random(r, m, first, maskable);
	set_random(r, m, first + 1, maskable);
}

static void random_ip(struct random *r, struct ofp_match *m, bool v6)
{
	ofp_match_set(m, OFP_FIELD_ETH_TYPE, v6 ? 0x86dd : 0x0800);
	set_random(r, m, v6 ? OFP_FIELD_IPV6_SRC : OFP_FIELD_IPV4_SRC, true);
	set_random(r, m, v6 ? OFP_FIELD_IPV6_DST : OFP_FIELD_IPV4_DST, true);
	if (below(r, 2))
		set_random(r, m, OFP_FIELD_IP_DSCP, false);
	switch (below(r, 5)) {
	case 0:
		set_ports(r, m, 6, OFP_FIELD_TCP_SRC, true);
		break;
	case 1:
		set_ports(r, m, 17, OFP_FIELD_UDP_SRC, true);
		break;
	case 2:
		set_ports(r, m, 132, OFP_FIELD_SCTP_SRC, true);
		break;
	case 3:
		if (v6)
			set_ports(r, m, 58, OFP_FIELD_ICMPV6_TYPE, false);
		else
			set_ports(r, m, 1, OFP_FIELD_ICMPV4_TYPE, false);
		break;
	default:
		break;
	}
}

static void random_payload(struct random *r, struct ofp_match *m)
{
	switch (below(r, 5)) {
	case 0:
	case 1:
		random_ip(r, m, false);
		return;
	case 2:
		random_ip(r, m, true);
		return;
	case 3:
		ofp_match_set(m, OFP_FIELD_ETH_TYPE, 0x0806);
		for (unsigned f = OFP_FIELD_ARP_OP; f <= OFP_FIELD_ARP_THA; f++)
			set_random(r, m, f, f != OFP_FIELD_ARP_OP);
		return;
	default:
		ofp_match_set(m, OFP_FIELD_ETH_TYPE, 0x8847);
		set_random(r, m, OFP_FIELD_MPLS_LABEL, false);
		set_random(r, m, OFP_FIELD_MPLS_BOS, false);
	}
}

void random_match(struct random *r, struct ofp_match *ret)
{
	static const enum ofp_field plain[] = {
		OFP_FIELD_METADATA,     OFP_FIELD_ETH_DST,      OFP_FIELD_ETH_SRC,
		OFP_FIELD_TUNNEL_ID,    OFP_FIELD_REG0,         OFP_FIELD_REG3,
		OFP_FIELD_TUN_IPV4_SRC, OFP_FIELD_TUN_IPV6_DST,
	};

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = below(r, 5); i--;)
		set_random(r, ret, plain[below(r, ARRAY_SIZE(plain))], true);
	if (below(r, 2))
		set_random(r, ret, OFP_FIELD_IN_PORT, false);
	if (below(r, 3) == 0) {
		ofp_match_set(ret, OFP_FIELD_VLAN_VID, OFP_VLAN_PRESENT | below(r, 4096));
		set_random(r, ret, OFP_FIELD_VLAN_PCP, false);
	}
	if (below(r, 4))
		random_payload(r, ret);
}

static void random_set_field(struct random *r, struct ofp_actions *a)
{
	struct ofp_match m = {0};

	set_random(r, &m, below(r, OFP_FIELD_NXM_IN_PORT), false);
	if (m.fields[0].field == OFP_FIELD_VLAN_VID)
		m.fields[0].value[0] |= 0x10;
	ofp_actions_add_set_bytes(a, m.fields[0].field, m.fields[0].value);
}

static void random_load(struct random *r, struct ofp_actions *a)
{
	enum ofp_field field = below(r, OFP_FIELD_COUNT);
	unsigned bits = ofp_field_bits(field), offset = below(r, bits), count;

	count = 1 + below(r, bits - offset < 64 ? bits - offset : 64);
	ofp_actions_add_load(a, field, offset, count,
			     (uint64_t)random_next(r) & ((UINT64_C(1) << (count % 64)) - 1));
}

static void random_move(struct random *r, struct ofp_actions *a)
{
	enum ofp_field source = below(r, OFP_FIELD_COUNT), destination = below(r, OFP_FIELD_COUNT);
	unsigned from = below(r, ofp_field_bits(source)),
		 to = below(r, ofp_field_bits(destination));
	unsigned count = ofp_field_bits(source) - from;

	if (count > ofp_field_bits(destination) - to)
		count = ofp_field_bits(destination) - to;
	ofp_actions_add_move(a, source, from, destination, to, 1 + below(r, count));
}

static void random_action(struct random *r, struct ofp_actions *a, enum ofp_action_type type)
{
	switch (type) {
	case OFP_ACTION_OUTPUT:
		ofp_actions_add_output(a, random_next(r) & 0x7fffffff);
		return;
	case OFP_ACTION_SET_FIELD:
		random_set_field(r, a);
		return;
	case OFP_ACTION_REG_LOAD:
		random_load(r, a);
		return;
	case OFP_ACTION_REG_MOVE:
		random_move(r, a);
		return;
	case OFP_ACTION_CHECK_LARGER: {
		struct ofp_action *check = ofp_actions_add(a, type);

		check->check.size = (uint16_t)random_next(r);
		check->check.field = OFP_FIELD_REG3;
		check->check.offset = (uint16_t)below(r, 32);
		return;
	}
	case OFP_ACTION_RESUBMIT:
		ofp_actions_add(a, type)->resubmit.table = (uint8_t)random_next(r);
		return;
	case OFP_ACTION_GROUP:
	case OFP_ACTION_SET_QUEUE:
		ofp_actions_add(a, type)->group = random_next(r);
		return;
	case OFP_ACTION_SET_NW_TTL:
		ofp_actions_add(a, type)->ttl = (uint8_t)random_next(r);
		return;
	case OFP_ACTION_PUSH_VLAN:
	case OFP_ACTION_PUSH_MPLS:
	case OFP_ACTION_POP_MPLS:
		ofp_actions_add(a, type)->ethertype = (uint16_t)random_next(r);
		return;
	case OFP_ACTION_POP_VLAN:
	case OFP_ACTION_DEC_NW_TTL:
		ofp_actions_add(a, type);
		return;
	}
}

void random_actions(struct random *r, struct ofp_actions *ret)
{
	ret->count = 0;
	for (unsigned i = below(r, OFP_ACTIONS_MAX + 1); i--;)
		random_action(r, ret, below(r, OFP_ACTION_CHECK_LARGER + 1));
}

void random_instructions(struct random *r, struct ofp_instructions *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->present = (uint8_t)below(r, 64);
	if (ret->present & OFP_INSTRUCTION_GOTO_TABLE)
		ret->goto_table = (uint8_t)random_next(r);
	if (ret->present & OFP_INSTRUCTION_METER)
		ret->meter = random_next(r);
	if (ret->present & OFP_INSTRUCTION_WRITE_METADATA) {
		ret->metadata_mask = (uint64_t)random_next(r) << 32 | random_next(r);
		ret->metadata = random_next(r) & ret->metadata_mask;
	}
	if (ret->present & OFP_INSTRUCTION_APPLY_ACTIONS)
		random_actions(r, &ret->apply);
	if (ret->present & OFP_INSTRUCTION_WRITE_ACTIONS)
		random_actions(r, &ret->write);
}
