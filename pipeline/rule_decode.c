/* Flows as rules.  A flow is a rule only if it is, field by field and action by action,
 * what rule_encode.c makes of that rule: so the parameters are read out first, the one right flow
 * is built from them, and any difference is named by the OpenFlow error that fits best.
 *
 * What means the same is taken as the same, nothing else: write_actions where no table follows;
 * the MACs of a local binding in either order; an empty action list for none; a max_len on ports
 * that ignore it.  A match without metadata is not taken for VRF 0: it would match every VRF. */
#include "pipeline/internal.h"

#include <string.h>

#define METADATA_ALL (PIPELINE_METADATA_VRF | PIPELINE_METADATA_REDIRECTED)

static bool is_tunnel_port(uint64_t number)
{
	return number == PIPELINE_TUNNEL_PORT || number == PIPELINE_VXLAN_PORT;
}

/* Table and priority say which kind it is; in table 0, the port too. */
static int kind_of(uint8_t table, uint16_t priority, const struct ofp_match *m)
{
	const struct ofp_match_field *in_port = ofp_match_get(m, OFP_FIELD_IN_PORT);
	bool tunnel = in_port && is_tunnel_port(ofp_match_value(in_port));

	if (table >= TABLE_COUNT)
		return -OFP_FLOW_MOD_FAILED_BAD_TABLE_ID;
	if (table == TABLE_PORT && priority == 100)
		return tunnel ? RULE_PEER : RULE_ADMIT;
	if (table == TABLE_EXTERNAL)
		return priority < PIPELINE_EXIT_PRIORITY ? RULE_EXTERNAL : RULE_EXIT;
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++) {
		struct rule_key key = {.kind = (uint8_t)kind};

		if (rule_table(kind) == table && rule_priority(&key) == priority)
			return kind;
	}
	return -OFP_FLOW_MOD_FAILED_EPERM;
}

/* Whether the first 'ret' bits of the mask, and no others, are set. */
static int mask_length(const uint8_t *mask, unsigned size, unsigned *ret)
{
	unsigned length = 0;

	while (length < size * 8 && mask[length / 8] & 0x80 >> length % 8)
		length++;
	for (unsigned bit = length; bit < size * 8; bit++) {
		if (mask[bit / 8] & 0x80 >> bit % 8)
			return -OFP_BAD_MATCH_BAD_NW_ADDR_MASK;
	}
	*ret = length;
	return 0;
}

/* Bits of the address beyond the mask are zero already (ofp_match is normalised). */
static int read_address(const struct ofp_match *m, struct rule_key *key)
{
	static const uint8_t zeros[16];
	const struct ofp_match_field *type = ofp_match_get(m, OFP_FIELD_ETH_TYPE), *f;
	bool peer = key->kind == RULE_PEER || key->kind == RULE_PEER_MARKED;
	bool v6 = peer ? ofp_match_get(m, OFP_FIELD_TUN_IPV6_SRC) != NULL
		       : type && ofp_match_value(type) == ETHERTYPE_IPV6_;
	unsigned length = 0;
	int r;

	/* The field depends on the family, which the key's address says. */
	key->address = v6 ? address_from_ipv6(zeros) : address_from_ipv4(zeros);
	f = ofp_match_get(m, rule_address_field(key));
	if (f) {
		r = mask_length(f->mask, v6 ? 16 : 4, &length);
		if (r < 0)
			return r;
		key->address = v6 ? address_from_ipv6(f->value) : address_from_ipv4(f->value);
		if (v6 && address_is_ipv4(&key->address))
			return -OFP_BAD_MATCH_BAD_VALUE;
	}
	if (rule_kind_has_prefix(key->kind))
		key->length = (uint8_t)(length + (v6 ? 0 : IPV4_PREFIX_BASE));
	return 0;
}

static uint64_t value_or_zero(const struct ofp_match *m, enum ofp_field field)
{
	const struct ofp_match_field *f = ofp_match_get(m, field);

	return f ? ofp_match_value(f) : 0;
}

static void read_scalars(const struct ofp_match *m, struct rule_key *key)
{
	switch ((enum rule_kind)key->kind) {
	case RULE_ADMIT:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_IN_PORT);
		if (value_or_zero(m, OFP_FIELD_ETH_TYPE) == ETHERTYPE_IPV6_)
			key->ethertype = ETHERTYPE_IPV6_;
		return;
	case RULE_LISTEN:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_IN_PORT);
		key->ethertype = (uint16_t)value_or_zero(m, OFP_FIELD_ETH_TYPE);
		if (key->ethertype == ETHERTYPE_IPV6_)
			key->ethertype = (uint16_t)value_or_zero(m, OFP_FIELD_ICMPV6_TYPE);
		return;
	case RULE_GUARD:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_REG0);
		key->vlan = (uint16_t)(value_or_zero(m, OFP_FIELD_VLAN_VID) & 0xfff);
		if (ofp_match_get(m, OFP_FIELD_ETH_SRC))
			memcpy(key->mac.bytes, ofp_match_get(m, OFP_FIELD_ETH_SRC)->value, 6);
		break;
	case RULE_BESIDE:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_REG0);
		if (ofp_match_get(m, OFP_FIELD_ETH_DST))
			memcpy(key->mac.bytes, ofp_match_get(m, OFP_FIELD_ETH_DST)->value, 6);
		break;
	case RULE_BESIDE_ASKED:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_IN_PORT);
		return;
	case RULE_ECHO:
	case RULE_REGISTER:
	case RULE_STRANGER:
	case RULE_LOCAL:
	case RULE_TENTATIVE:
	case RULE_FOREIGN:
	case RULE_COVERED:
	case RULE_EXTERNAL:
	case RULE_EXIT:
		break;
	case RULE_PEER:
	case RULE_PEER_MARKED:
	case RULE_SPEAK:
		key->port = (uint32_t)value_or_zero(m, OFP_FIELD_IN_PORT);
		return;
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_BINDING_PASS:
	case RULE_ANSWER:
	case RULE_MULTICAST:
	case RULE_SELF:
	case RULE_ADVERTISE:
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_KIND_COUNT:
		return;
	case RULE_PROBE:
		if (value_or_zero(m, OFP_FIELD_ETH_TYPE) == ETHERTYPE_IPV6_)
			key->ethertype = LISTEN_NS;
		return;
	}
	key->vrf = (uint32_t)(value_or_zero(m, OFP_FIELD_METADATA) & PIPELINE_METADATA_VRF);
}

static bool listens_for(uint16_t ethertype)
{
	switch (ethertype) {
	case ETHERTYPE_ARP_:
	case ETHERTYPE_RARP_:
	case ETHERTYPE_LLDP_:
	case LISTEN_RS:
	case LISTEN_NS:
	case LISTEN_NA:
		return true;
	default:
		return false;
	}
}

static bool is_device_port(uint32_t number)
{
	return number && number <= PIPELINE_PORT_MAX && !is_tunnel_port(number);
}

static int check_key(const struct rule_key *key)
{
	bool on_port = key->kind == RULE_ADMIT || key->kind == RULE_LISTEN ||
		       key->kind == RULE_GUARD || key->kind == RULE_BESIDE ||
		       key->kind == RULE_BESIDE_ASKED || key->kind == RULE_SPEAK;
	bool has_mac = key->kind == RULE_GUARD || key->kind == RULE_BESIDE;

	if (on_port && !is_device_port(key->port))
		return -OFP_BAD_MATCH_BAD_VALUE;
	if ((key->kind == RULE_PEER || key->kind == RULE_PEER_MARKED) && !is_tunnel_port(key->port))
		return -OFP_BAD_MATCH_BAD_VALUE;
	if (key->vrf > PIPELINE_VRF_MAX)
		return -OFP_BAD_MATCH_BAD_VALUE;
	if (key->kind == RULE_LISTEN && !listens_for(key->ethertype))
		return -OFP_BAD_MATCH_BAD_VALUE;
	if (has_mac && (mac_is_multicast(&key->mac) || mac_is_zero(&key->mac)))
		return -OFP_BAD_MATCH_BAD_VALUE;
	return 0;
}

/* Names the first difference between the match that was given and the one it had to be. */
static int compare_match(const struct ofp_match *given, const struct ofp_match *right)
{
	for (unsigned i = 0; i < given->count; i++) {
		if (!ofp_match_get(right, given->fields[i].field))
			return -OFP_BAD_MATCH_BAD_FIELD;
	}
	for (unsigned i = 0; i < right->count; i++) {
		const struct ofp_match_field *r = &right->fields[i];
		const struct ofp_match_field *g = ofp_match_get(given, r->field);
		unsigned size = ofp_field_size(r->field);

		if (!g)
			return -OFP_BAD_MATCH_BAD_WILDCARDS;
		if (memcmp(g->mask, r->mask, size) != 0)
			return -OFP_BAD_MATCH_BAD_MASK;
		if (memcmp(g->value, r->value, size) != 0)
			return -OFP_BAD_MATCH_BAD_VALUE;
	}
	return 0;
}

int rule_key_from_match(uint8_t table, uint16_t priority, const struct ofp_match *match,
			struct rule_key *ret)
{
	struct ofp_match right;
	int r = kind_of(table, priority, match);

	if (r < 0)
		return r;

	struct rule_key key = {.kind = (uint8_t)r};

	read_scalars(match, &key);
	if (rule_kind_has_address(key.kind)) {
		r = read_address(match, &key);
		if (r < 0)
			return r;
	}
	rule_to_match(&key, &right);
	r = compare_match(match, &right);
	if (r == 0)
		r = check_key(&key);
	if (r == 0 && rule_priority(&key) != priority)
		r = -OFP_FLOW_MOD_FAILED_EPERM;
	if (r == 0)
		*ret = key;
	return r;
}

/* What the actions say, read without regard to order; compare_actions sees to that. */
static void read_set(const struct ofp_match_field *f, struct rule *ret)
{
	uint64_t number = ofp_field_size(f->field) <= 8 ? ofp_match_value(f) : 0;

	switch ((int)f->field) {
	case OFP_FIELD_ETH_DST:
		memcpy(ret->mac.bytes, f->value, 6);
		return;
	case OFP_FIELD_ETH_SRC: /* the gateway's MAC; in an answer, the answer */
		if (ret->key.kind == RULE_ANSWER || ret->key.kind == RULE_ECHO)
			memcpy(ret->mac.bytes, f->value, 6);
		else
			memcpy(ret->gateway_mac.bytes, f->value, 6);
		return;
	case OFP_FIELD_VLAN_VID:
		ret->vlan = (uint16_t)(number & 0xfff);
		return;
	case OFP_FIELD_REG1:
		ret->fe = (uint32_t)number;
		return;
	case OFP_FIELD_IPV4_SRC:
		ret->gateway = address_from_ipv4(f->value);
		return;
	case OFP_FIELD_IPV6_SRC:
		ret->gateway = address_from_ipv6(f->value);
		return;
	default:
		return;
	}
}

static void read_actions(const struct ofp_actions *a, struct rule *ret)
{
	bool local = ret->key.kind == RULE_LOCAL || ret->key.kind == RULE_TENTATIVE;
	bool external = rule_is_way_out(ret->key.kind);
	bool group = ret->key.kind == RULE_FOREIGN || external;

	for (unsigned i = 0; i < a->count; i++) {
		const struct ofp_action *one = &a->list[i];

		if (one->type == OFP_ACTION_SET_FIELD)
			read_set(&one->set_field, ret);
		else if (one->type == OFP_ACTION_OUTPUT &&
			 (local || (external && one->output.port != OFPP_NORMAL)))
			ret->port = one->output.port;
		else if (one->type == OFP_ACTION_GROUP && group)
			ret->fe = one->group;
		else if (one->type == OFP_ACTION_CHECK_LARGER)
			ret->frame_max = one->check.size;
	}
	/* What a kind does not use must be zero, or two equal flows were unequal rules. */
	if (!local && !ret->port)
		ret->gateway_mac = (struct mac){0};
	if (!local && !ret->port && ret->key.kind != RULE_ANSWER && ret->key.kind != RULE_ECHO)
		ret->mac = (struct mac){0};
	if (!local)
		ret->vlan = 0;
	if (ret->key.kind != RULE_COVERED)
		ret->gateway = (struct address){0};
}

static bool gives_vrf(enum rule_kind kind)
{
	return kind == RULE_ADMIT || kind == RULE_PEER || kind == RULE_PEER_MARKED;
}

static int check_rule(const struct rule *r)
{
	bool local = r->key.kind == RULE_LOCAL || r->key.kind == RULE_TENTATIVE ||
		     (rule_is_way_out(r->key.kind) && r->port);

	if (gives_vrf(r->key.kind) && (!r->fe || r->fe > PIPELINE_FE_MAX))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	if (gives_vrf(r->key.kind) && r->vrf > PIPELINE_VRF_MAX)
		return -OFP_BAD_INSTRUCTION_UNSUP_METADATA;
	if (r->key.kind == RULE_ADMIT && r->next_table != TABLE_GUARD &&
	    r->next_table != TABLE_BINDING)
		return -OFP_BAD_INSTRUCTION_BAD_TABLE_ID;
	if (local && !is_device_port(r->port))
		return -OFP_BAD_ACTION_BAD_OUT_PORT;
	if (local && (mac_is_zero(&r->mac) || mac_is_multicast(&r->mac)))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	if (!address_is_zero(&r->gateway) &&
	    address_is_ipv4(&r->gateway) != address_is_ipv4(&r->key.address))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	if ((r->key.kind == RULE_FOREIGN && !r->fe) ||
	    (!gives_vrf(r->key.kind) && r->fe > PIPELINE_FE_MAX))
		return -OFP_BAD_ACTION_BAD_OUT_GROUP;
	return 0;
}

static bool same_move(const struct ofp_action *a, const struct ofp_action *b)
{
	return a->move.source == b->move.source && a->move.destination == b->move.destination &&
	       a->move.source_offset == b->move.source_offset &&
	       a->move.destination_offset == b->move.destination_offset &&
	       a->move.bit_count == b->move.bit_count;
}

/* 0, or what is wrong with the argument of 'a', whose type is right. */
static int compare_argument(const struct ofp_action *a, const struct ofp_action *right)
{
	bool same = true;

	switch (a->type) {
	case OFP_ACTION_OUTPUT:
		if (a->output.port != right->output.port)
			return -OFP_BAD_ACTION_BAD_OUT_PORT;
		same = a->output.port != OFPP_CONTROLLER ||
		       a->output.max_size == right->output.max_size;
		break;
	case OFP_ACTION_GROUP:
		return a->group == right->group ? 0 : -OFP_BAD_ACTION_BAD_OUT_GROUP;
	case OFP_ACTION_SET_FIELD:
		if (a->set_field.field != right->set_field.field)
			return -OFP_BAD_ACTION_BAD_SET_TYPE;
		return memcmp(a->set_field.value, right->set_field.value,
			      ofp_field_size(a->set_field.field)) == 0
			       ? 0
			       : -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	case OFP_ACTION_PUSH_VLAN:
		same = a->ethertype == right->ethertype;
		break;
	case OFP_ACTION_REG_MOVE:
		same = same_move(a, right);
		break;
	case OFP_ACTION_REG_LOAD:
		same = a->load.field == right->load.field && a->load.offset == right->load.offset &&
		       a->load.bit_count == right->load.bit_count &&
		       a->load.value == right->load.value;
		break;
	case OFP_ACTION_CHECK_LARGER:
		same = a->check.size == right->check.size && a->check.field == right->check.field &&
		       a->check.offset == right->check.offset;
		break;
	case OFP_ACTION_RESUBMIT:
		same = a->resubmit.in_port == right->resubmit.in_port &&
		       a->resubmit.table == right->resubmit.table;
		break;
	case OFP_ACTION_DEC_NW_TTL:
		break;
	case OFP_ACTION_SET_NW_TTL:
		same = a->ttl == right->ttl;
		break;
	case OFP_ACTION_POP_VLAN:
	case OFP_ACTION_PUSH_MPLS:
	case OFP_ACTION_POP_MPLS:
	case OFP_ACTION_SET_QUEUE:
		return -OFP_BAD_ACTION_BAD_TYPE; /* no rule has it */
	}
	return same ? 0 : -OFP_BAD_ACTION_BAD_ARGUMENT;
}

static bool has_type(const struct ofp_actions *a, enum ofp_action_type type)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (a->list[i].type == type)
			return true;
	}
	return false;
}

int rule_compare_actions(const struct ofp_actions *given, const struct ofp_actions *right)
{
	for (unsigned i = 0; i < given->count && i < right->count; i++) {
		int r;

		if (!has_type(right, given->list[i].type))
			return -OFP_BAD_ACTION_BAD_TYPE;
		if (given->list[i].type != right->list[i].type)
			return -OFP_BAD_ACTION_UNSUPPORTED_ORDER;
		r = compare_argument(&given->list[i], &right->list[i]);
		if (r < 0)
			return r;
	}
	if (given->count > right->count)
		return -OFP_BAD_ACTION_TOO_MANY;
	return given->count < right->count ? -OFP_BAD_ACTION_UNSUPPORTED_ORDER : 0;
}

static int compare_instructions(const struct ofp_instructions *given,
				const struct ofp_instructions *right)
{
	if (given->present & ~right->present || right->present & ~given->present)
		return -OFP_BAD_INSTRUCTION_UNSUP_INST;
	if (right->present & OFP_INSTRUCTION_GOTO_TABLE && given->goto_table != right->goto_table)
		return -OFP_BAD_INSTRUCTION_BAD_TABLE_ID;
	if (right->present & OFP_INSTRUCTION_WRITE_METADATA) {
		if (given->metadata_mask != right->metadata_mask)
			return -OFP_BAD_INSTRUCTION_UNSUP_METADATA_MASK;
		if (given->metadata != right->metadata)
			return -OFP_BAD_INSTRUCTION_UNSUP_METADATA;
	}
	return rule_compare_actions(&given->apply, &right->apply);
}

/* The same instructions in the form that rule_encode.c writes. */
static void normalize(struct ofp_instructions *i, enum rule_kind kind)
{
	bool ends_here = !(i->present & OFP_INSTRUCTION_GOTO_TABLE);

	if (!i->apply.count)
		i->present &= (uint8_t)~OFP_INSTRUCTION_APPLY_ACTIONS;
	if (!i->write.count)
		i->present &= (uint8_t)~OFP_INSTRUCTION_WRITE_ACTIONS;
	if (ends_here && i->present == OFP_INSTRUCTION_WRITE_ACTIONS) {
		i->apply = i->write;
		i->present = OFP_INSTRUCTION_APPLY_ACTIONS;
	}
	if ((kind == RULE_LOCAL || kind == RULE_TENTATIVE || rule_is_way_out(kind)) &&
	    i->apply.count >= 2 && i->apply.list[0].type == OFP_ACTION_SET_FIELD &&
	    i->apply.list[1].type == OFP_ACTION_SET_FIELD &&
	    i->apply.list[0].set_field.field == OFP_FIELD_ETH_SRC &&
	    i->apply.list[1].set_field.field == OFP_FIELD_ETH_DST) {
		struct ofp_action first = i->apply.list[0];

		i->apply.list[0] = i->apply.list[1];
		i->apply.list[1] = first;
	}
}

static int read_flow(uint8_t table, uint16_t priority, uint64_t cookie, uint16_t idle_timeout,
		     const struct ofp_match *match, const struct ofp_instructions *instructions,
		     struct rule *ret)
{
	struct rule rule = {.cookie = cookie};
	struct ofp_instructions given = *instructions, right;
	int r = rule_key_from_match(table, priority, match, &rule.key);

	if (r < 0)
		return r;
	normalize(&given, rule.key.kind);
	read_actions(&given.apply, &rule);
	if (gives_vrf(rule.key.kind))
		rule.vrf = (uint32_t)(given.metadata & PIPELINE_METADATA_VRF);
	if (rule.key.kind == RULE_ADMIT)
		rule.next_table = given.goto_table;
	if (rule.key.kind == RULE_LISTEN &&
	    (rule.key.ethertype == ETHERTYPE_ARP_ || rule.key.ethertype == LISTEN_NS))
		rule.silent = !(given.present & OFP_INSTRUCTION_GOTO_TABLE);
	if (rule.key.kind == RULE_COVERED && given.present & OFP_INSTRUCTION_WRITE_METADATA) {
		rule.unreachable = given.metadata & PIPELINE_METADATA_UNREACHABLE;
		rule.internal = given.metadata & PIPELINE_METADATA_INTERNAL;
	}
	if (rule.key.kind == RULE_EXIT)
		rule.unreachable = !given.apply.count;
	if (rule.key.kind == RULE_TENTATIVE)
		rule.idle_timeout = idle_timeout;
	rule_to_instructions(&rule, &right);
	r = compare_instructions(&given, &right);
	if (r == 0)
		r = check_rule(&rule);
	if (r == 0)
		*ret = rule;
	return r;
}

int rule_from_flow_mod(const struct ofp_flow_mod *f, struct rule *ret)
{
	return read_flow(f->table, f->priority, f->cookie, f->idle_timeout, &f->match,
			 &f->instructions, ret);
}

int rule_from_flow_stats(const struct ofp_flow_stats *f, struct rule *ret)
{
	return read_flow(f->table, f->priority, f->cookie, f->idle_timeout, &f->match,
			 &f->instructions, ret);
}
