/* Rules as flows: the one OpenFlow form of each (docs/southbound.md shows them as
 * ovs-ofctl prints them).  rule_decode.c calls these too, to compare what it was given. */
#include "pipeline/internal.h"

#include <string.h>

#define METADATA_ALL (PIPELINE_METADATA_VRF | PIPELINE_METADATA_REDIRECTED)
#define IPV4_ANY_LENGTH IPV4_PREFIX_BASE
#define ARP_REPLY 2
#define IP_PROTOCOL_ICMP 1
#define ICMP_ECHO_REQUEST 8
#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ECHO_TTL 64
#define NA_ROUTER 0x80000000u /* a gateway that is none is forgotten (RFC 4861, section 7.2.5) */
#define NA_SOLICITED_OVERRIDE 0x60000000u
#define ND_OPTION_TARGET 2
#define TUNNEL_VRF_BITS 23 /* of the tunnel id, from its lowest; the next one is the mark */

enum ofp_field rule_address_field(const struct rule_key *key)
{
	bool v4 = address_is_ipv4(&key->address);

	switch ((enum rule_kind)key->kind) {
	case RULE_PEER:
	case RULE_PEER_MARKED:
		return v4 ? OFP_FIELD_TUN_IPV4_SRC : OFP_FIELD_TUN_IPV6_SRC;
	case RULE_GUARD:
	case RULE_STRANGER:
	case RULE_EXIT:
		return v4 ? OFP_FIELD_IPV4_SRC : OFP_FIELD_IPV6_SRC;
	case RULE_LOCAL:
	case RULE_TENTATIVE:
	case RULE_FOREIGN:
	case RULE_COVERED:
	case RULE_EXTERNAL:
	case RULE_ECHO:
	case RULE_BESIDE:
	case RULE_SPEAK:
	case RULE_REGISTER:
		return v4 ? OFP_FIELD_IPV4_DST : OFP_FIELD_IPV6_DST;
	case RULE_ANSWER:
	case RULE_BESIDE_ASKED:
		return v4 ? OFP_FIELD_ARP_TPA : OFP_FIELD_IPV6_ND_TARGET;
	case RULE_SELF:
		return OFP_FIELD_ARP_TPA;
	case RULE_MEASURE:
	case RULE_TOO_BIG:
	case RULE_SEND:
	case RULE_MULTICAST:
	case RULE_PROBE:
	case RULE_ADMIT:
	case RULE_LISTEN:
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_REDIRECTED_MISS:
	case RULE_BINDING_PASS:
	case RULE_ADVERTISE:
	case RULE_KIND_COUNT:
		break;
	}
	return OFP_FIELD_COUNT;
}

static void match_address(struct ofp_match *m, const struct rule_key *key)
{
	unsigned length = rule_kind_has_prefix(key->kind) ? key->length : 128;
	uint8_t mask[16];
	size_t skip = address_is_ipv4(&key->address) ? 12 : 0;

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = length > i * 8 ? length - i * 8 : 0;

		mask[i] = (uint8_t)(0xff00u >> (keep < 8 ? keep : 8));
	}
	ofp_match_set_bytes(m, rule_address_field(key), key->address.bytes + skip, mask + skip);
}

static void match_ip(struct ofp_match *m, const struct rule_key *key)
{
	ofp_match_set(m, OFP_FIELD_ETH_TYPE,
		      address_is_ipv4(&key->address) ? ETHERTYPE_IPV4_ : ETHERTYPE_IPV6_);
	match_address(m, key);
}

static void match_vrf(struct ofp_match *m, uint32_t vrf)
{
	ofp_match_set_masked(m, OFP_FIELD_METADATA, vrf, PIPELINE_METADATA_VRF);
}

static void match_peer(struct ofp_match *m, const struct rule_key *key)
{
	uint64_t mark = key->kind == RULE_PEER_MARKED ? PIPELINE_TUNNEL_REDIRECTED : 0;

	ofp_match_set(m, OFP_FIELD_IN_PORT, key->port);
	ofp_match_set_masked(m, OFP_FIELD_TUNNEL_ID, mark, PIPELINE_TUNNEL_REDIRECTED);
	match_address(m, key);
}

static void match_guard(struct ofp_match *m, const struct rule_key *key)
{
	match_vrf(m, key->vrf);
	ofp_match_set(m, OFP_FIELD_REG0, key->port);
	ofp_match_set(m, OFP_FIELD_VLAN_VID, key->vlan ? OFP_VLAN_PRESENT | key->vlan : 0);
	ofp_match_set_bytes(m, OFP_FIELD_ETH_SRC, key->mac.bytes, NULL);
	match_ip(m, key);
}

static void match_echo(struct ofp_match *m, const struct rule_key *key)
{
	match_vrf(m, key->vrf);
	match_ip(m, key);
	if (address_is_ipv4(&key->address)) {
		ofp_match_set(m, OFP_FIELD_IP_PROTO, IP_PROTOCOL_ICMP);
		ofp_match_set(m, OFP_FIELD_ICMPV4_TYPE, ICMP_ECHO_REQUEST);
		return;
	}
	ofp_match_set(m, OFP_FIELD_IP_PROTO, PROTOCOL_ICMPV6_);
	ofp_match_set(m, OFP_FIELD_ICMPV6_TYPE, ICMPV6_ECHO_REQUEST);
}

static void match_register(struct ofp_match *m, const struct rule_key *key)
{
	match_vrf(m, key->vrf);
	match_ip(m, key);
	ofp_match_set(m, OFP_FIELD_IP_PROTO, PROTOCOL_UDP_);
	ofp_match_set(m, OFP_FIELD_UDP_DST, PIPELINE_REGISTRATION_PORT);
}

static void match_beside(struct ofp_match *m, const struct rule_key *key)
{
	match_vrf(m, key->vrf);
	ofp_match_set(m, OFP_FIELD_REG0, key->port);
	ofp_match_set_bytes(m, OFP_FIELD_ETH_DST, key->mac.bytes, NULL);
	match_ip(m, key);
}

static void match_multicast(struct ofp_match *m)
{
	static const uint8_t group_bit[6] = {1};

	ofp_match_set_bytes(m, OFP_FIELD_ETH_DST, group_bit, group_bit);
}

static void match_nd(struct ofp_match *m, uint8_t type)
{
	ofp_match_set(m, OFP_FIELD_ETH_TYPE, ETHERTYPE_IPV6_);
	ofp_match_set(m, OFP_FIELD_IP_PROTO, PROTOCOL_ICMPV6_);
	ofp_match_set(m, OFP_FIELD_ICMPV6_TYPE, type);
}

/* What is not answered of ARP and neighbour solicitations. */
static void match_unanswered(struct ofp_match *m, const struct rule_key *key)
{
	static const uint8_t none[16];
	bool v6 = key->kind == RULE_PROBE ? key->ethertype == LISTEN_NS
					  : !address_is_ipv4(&key->address);

	if (v6)
		match_nd(m, LISTEN_NS);
	else
		ofp_match_set(m, OFP_FIELD_ETH_TYPE, ETHERTYPE_ARP_);
	if (key->kind == RULE_PROBE)
		ofp_match_set_bytes(m, v6 ? OFP_FIELD_IPV6_SRC : OFP_FIELD_ARP_SPA, none, NULL);
	if (key->kind == RULE_SELF)
		ofp_match_set_bytes(m, OFP_FIELD_ARP_SPA, address_ipv4(&key->address), NULL);
	if (key->kind == RULE_BESIDE_ASKED)
		ofp_match_set(m, OFP_FIELD_IN_PORT, key->port);
	if (key->kind != RULE_PROBE)
		match_address(m, key);
}

static void match_answer(struct ofp_match *m, const struct rule_key *key)
{
	if (address_is_ipv4(&key->address)) {
		ofp_match_set(m, OFP_FIELD_ETH_TYPE, ETHERTYPE_ARP_);
		ofp_match_set(m, OFP_FIELD_ARP_OP, 1);
	} else {
		match_nd(m, LISTEN_NS);
	}
	match_address(m, key);
}

/* What may be answered. */
static bool is_asking(uint16_t ethertype)
{
	return ethertype == ETHERTYPE_ARP_ || ethertype == LISTEN_NS;
}

static bool is_nd(uint16_t ethertype)
{
	return ethertype == LISTEN_RS || ethertype == LISTEN_NS || ethertype == LISTEN_NA;
}

void rule_to_match(const struct rule_key *key, struct ofp_match *ret)
{
	ret->count = 0;
	switch ((enum rule_kind)key->kind) {
	case RULE_ADMIT:
		ofp_match_set(ret, OFP_FIELD_IN_PORT, key->port);
		ofp_match_set(ret, OFP_FIELD_ETH_TYPE,
			      key->ethertype ? key->ethertype : ETHERTYPE_IPV4_);
		return;
	case RULE_LISTEN:
		ofp_match_set(ret, OFP_FIELD_IN_PORT, key->port);
		if (is_nd(key->ethertype))
			match_nd(ret, (uint8_t)key->ethertype);
		else
			ofp_match_set(ret, OFP_FIELD_ETH_TYPE, key->ethertype);
		return;
	case RULE_PEER:
	case RULE_PEER_MARKED:
		match_peer(ret, key);
		return;
	case RULE_GUARD:
		match_guard(ret, key);
		return;
	case RULE_STRANGER:
	case RULE_LOCAL:
	case RULE_FOREIGN:
	case RULE_COVERED:
	case RULE_EXTERNAL:
	case RULE_EXIT:
		match_vrf(ret, key->vrf);
		match_ip(ret, key);
		return;
	case RULE_TENTATIVE:
		ofp_match_set_masked(ret, OFP_FIELD_METADATA,
				     key->vrf | PIPELINE_METADATA_REDIRECTED, METADATA_ALL);
		match_ip(ret, key);
		return;
	case RULE_REDIRECTED_MISS:
		ofp_match_set_masked(ret, OFP_FIELD_METADATA, PIPELINE_METADATA_REDIRECTED,
				     PIPELINE_METADATA_REDIRECTED);
		return;
	case RULE_ANSWER:
		match_answer(ret, key);
		return;
	case RULE_ADVERTISE:
		match_nd(ret, LISTEN_NA);
		return;
	case RULE_MULTICAST:
		match_multicast(ret);
		return;
	case RULE_MEASURE:
		ofp_match_set(ret, OFP_FIELD_REG3, PIPELINE_MEASURE);
		return;
	case RULE_TOO_BIG:
		ofp_match_set(ret, OFP_FIELD_REG3, PIPELINE_SEND | PIPELINE_LARGER);
		return;
	case RULE_SEND:
		ofp_match_set(ret, OFP_FIELD_REG3, PIPELINE_SEND);
		return;
	case RULE_SPEAK:
		ofp_match_set(ret, OFP_FIELD_IN_PORT, key->port);
		match_ip(ret, key);
		return;
	case RULE_ECHO:
		match_echo(ret, key);
		return;
	case RULE_REGISTER:
		match_register(ret, key);
		return;
	case RULE_BESIDE:
		match_beside(ret, key);
		return;
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
		match_unanswered(ret, key);
		return;
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_BINDING_PASS:
	case RULE_KIND_COUNT:
		return;
	}
}

static struct ofp_actions *apply(struct ofp_instructions *i)
{
	i->present |= OFP_INSTRUCTION_APPLY_ACTIONS;
	return &i->apply;
}

static void go_to(struct ofp_instructions *i, uint8_t table)
{
	i->present |= OFP_INSTRUCTION_GOTO_TABLE;
	i->goto_table = table;
}

static void write_metadata(struct ofp_instructions *i, uint64_t value)
{
	i->present |= OFP_INSTRUCTION_WRITE_METADATA;
	i->metadata = value;
	i->metadata_mask = METADATA_ALL;
}

static void send_up(struct ofp_instructions *i)
{
	ofp_actions_add_output(apply(i), OFPP_CONTROLLER);
}

static void admit(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);

	ofp_actions_add_move(a, OFP_FIELD_NXM_IN_PORT, 0, OFP_FIELD_REG0, 0, 16);
	ofp_actions_add_load(a, OFP_FIELD_NXM_IN_PORT, 0, 16, 0);
	ofp_actions_add_set(a, OFP_FIELD_REG1, r->fe);
	ofp_actions_add_set(a, OFP_FIELD_TUNNEL_ID, r->vrf);
	(void)ofp_actions_add(a, OFP_ACTION_DEC_NW_TTL);
	write_metadata(i, r->vrf);
	go_to(i, r->next_table);
}

static void take_from_peer(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);
	uint64_t mark = r->key.kind == RULE_PEER_MARKED ? PIPELINE_METADATA_REDIRECTED : 0;

	ofp_actions_add_set(a, OFP_FIELD_REG1, r->fe);
	go_to(i, TABLE_BINDING);
	if (r->key.port != PIPELINE_VXLAN_PORT) {
		ofp_actions_add_set(a, OFP_FIELD_TUNNEL_ID, r->vrf | PIPELINE_TUNNEL_REDIRECTED);
		write_metadata(i, r->vrf | mark);
		return;
	}
	ofp_actions_add_move(a, OFP_FIELD_TUNNEL_ID, 0, OFP_FIELD_METADATA, 0, TUNNEL_VRF_BITS);
	ofp_actions_add_load(a, OFP_FIELD_TUNNEL_ID, TUNNEL_VRF_BITS, 1, 1);
	ofp_actions_add_load(a, OFP_FIELD_NXM_IN_PORT, 0, 16, 0);
	write_metadata(i, mark);
	i->metadata_mask = PIPELINE_METADATA_REDIRECTED;
}

static void deliver(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);

	ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_DST, r->mac.bytes);
	ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_SRC, r->gateway_mac.bytes);
	if (r->vlan) {
		ofp_actions_add(a, OFP_ACTION_PUSH_VLAN)->ethertype = 0x8100;
		ofp_actions_add_set(a, OFP_FIELD_VLAN_VID, OFP_VLAN_PRESENT | r->vlan);
	}
	ofp_actions_add_output(a, r->port);
}

/* The request turned into its answer in place, reg2 holding the address that is asked for. */
static void answer(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);

	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_ETH_DST, 0, 48);
	ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_SRC, r->mac.bytes);
	ofp_actions_add_set(a, OFP_FIELD_ARP_OP, ARP_REPLY);
	ofp_actions_add_move(a, OFP_FIELD_ARP_SHA, 0, OFP_FIELD_ARP_THA, 0, 48);
	ofp_actions_add_set_bytes(a, OFP_FIELD_ARP_SHA, r->mac.bytes);
	ofp_actions_add_move(a, OFP_FIELD_ARP_TPA, 0, OFP_FIELD_REG2, 0, 32);
	ofp_actions_add_move(a, OFP_FIELD_ARP_SPA, 0, OFP_FIELD_ARP_TPA, 0, 32);
	ofp_actions_add_move(a, OFP_FIELD_REG2, 0, OFP_FIELD_ARP_SPA, 0, 32);
	ofp_actions_add_output(a, OFPP_IN_PORT);
}

/* in_port was cleared; reg0 remembers it, reg2 (xxreg1) holds the address that is asked. */
static void echo(const struct rule *r, struct ofp_instructions *i)
{
	bool v4 = address_is_ipv4(&r->key.address);
	enum ofp_field source = v4 ? OFP_FIELD_IPV4_SRC : OFP_FIELD_IPV6_SRC;
	enum ofp_field destination = v4 ? OFP_FIELD_IPV4_DST : OFP_FIELD_IPV6_DST;
	enum ofp_field scratch = v4 ? OFP_FIELD_REG2 : OFP_FIELD_XXREG1;
	unsigned bits = v4 ? 32 : 128;
	struct ofp_actions *a = apply(i);

	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_ETH_DST, 0, 48);
	ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_SRC, r->mac.bytes);
	ofp_actions_add_move(a, destination, 0, scratch, 0, bits);
	ofp_actions_add_move(a, source, 0, destination, 0, bits);
	ofp_actions_add_move(a, scratch, 0, source, 0, bits);
	ofp_actions_add_set(a, v4 ? OFP_FIELD_ICMPV4_TYPE : OFP_FIELD_ICMPV6_TYPE,
			    v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
	ofp_actions_add(a, OFP_ACTION_SET_NW_TTL)->ttl = ECHO_TTL;
	ofp_actions_add_move(a, OFP_FIELD_REG0, 0, OFP_FIELD_NXM_IN_PORT, 0, 16);
	ofp_actions_add_output(a, OFPP_IN_PORT);
}

static void leave(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a;

	if (r->unreachable)
		return;
	a = apply(i);
	if (r->fe) {
		ofp_actions_add_group(a, r->fe);
		return;
	}
	if (r->port) {
		ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_DST, r->mac.bytes);
		ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_SRC, r->gateway_mac.bytes);
	}
	ofp_actions_add_output(a, r->port ? r->port : OFPP_NORMAL);
}

void rule_add_resubmit(struct ofp_actions *a)
{
	struct ofp_action *again = ofp_actions_add(a, OFP_ACTION_RESUBMIT);

	again->resubmit.in_port = (uint16_t)OFPP_IN_PORT;
	again->resubmit.table = TABLE_NEIGHBOR;
}

/* Likewise, as far as one flow can; ADVERTISE does the rest. */
static void answer_nd(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);

	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_ETH_DST, 0, 48);
	ofp_actions_add_set_bytes(a, OFP_FIELD_ETH_SRC, r->mac.bytes);
	ofp_actions_add_move(a, OFP_FIELD_IPV6_SRC, 0, OFP_FIELD_IPV6_DST, 0, 128);
	ofp_actions_add_move(a, OFP_FIELD_IPV6_ND_TARGET, 0, OFP_FIELD_IPV6_SRC, 0, 128);
	ofp_actions_add_set(a, OFP_FIELD_ICMPV6_TYPE, LISTEN_NA);
	ofp_actions_add_set(a, OFP_FIELD_ND_RESERVED,
			    NA_SOLICITED_OVERRIDE | (r->key.length == 128 ? NA_ROUTER : 0));
	ofp_actions_add_set(a, OFP_FIELD_ND_OPTIONS_TYPE, ND_OPTION_TARGET);
	rule_add_resubmit(a);
}

static void measure(const struct rule *r, struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);
	struct ofp_action *check;

	ofp_actions_add_set(a, OFP_FIELD_REG3, PIPELINE_SEND);
	check = ofp_actions_add(a, OFP_ACTION_CHECK_LARGER);
	check->check.size = r->frame_max;
	check->check.field = OFP_FIELD_REG3;
	check->check.offset = 0; /* PIPELINE_LARGER */
	rule_add_resubmit(a);
}

static void advertise(struct ofp_instructions *i)
{
	struct ofp_actions *a = apply(i);

	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_IPV6_ND_TLL, 0, 48);
	ofp_actions_add_output(a, OFPP_IN_PORT);
}

/* A drop, whatever the instructions say: they are victor-fe's to read. */
static void cover(const struct rule *r, struct ofp_instructions *i)
{
	bool v4 = address_is_ipv4(&r->gateway);
	uint64_t marks = 0;

	if (!address_is_zero(&r->gateway))
		ofp_actions_add_set_bytes(apply(i), v4 ? OFP_FIELD_IPV4_SRC : OFP_FIELD_IPV6_SRC,
					  r->gateway.bytes + (v4 ? 12 : 0));
	if (r->unreachable)
		marks |= PIPELINE_METADATA_UNREACHABLE;
	if (r->internal)
		marks |= PIPELINE_METADATA_INTERNAL;
	if (!marks)
		return;
	i->present |= OFP_INSTRUCTION_WRITE_METADATA;
	i->metadata = marks;
	i->metadata_mask = marks;
}

void rule_to_instructions(const struct rule *r, struct ofp_instructions *ret)
{
	*ret = (struct ofp_instructions){0};
	switch ((enum rule_kind)r->key.kind) {
	case RULE_ADMIT:
		admit(r, ret);
		return;
	case RULE_LISTEN:
		send_up(ret);
		if (is_asking(r->key.ethertype) && !r->silent)
			go_to(ret, TABLE_NEIGHBOR);
		return;
	case RULE_PEER:
	case RULE_PEER_MARKED:
		take_from_peer(r, ret);
		return;
	case RULE_GUARD:
	case RULE_GUARD_PASS:
		go_to(ret, TABLE_POLICY);
		return;
	case RULE_STRANGER:
	case RULE_SPEAK:
	case RULE_TOO_BIG:
	case RULE_REGISTER:
		send_up(ret);
		return;
	case RULE_MEASURE:
		measure(r, ret);
		return;
	case RULE_SEND:
		ofp_actions_add_output(apply(ret), PIPELINE_VXLAN_PORT);
		return;
	case RULE_POLICY_PASS:
		go_to(ret, TABLE_BINDING);
		return;
	case RULE_LOCAL:
	case RULE_TENTATIVE:
		deliver(r, ret);
		return;
	case RULE_FOREIGN:
		ofp_actions_add_group(apply(ret), r->fe);
		return;
	case RULE_BINDING_PASS:
		go_to(ret, TABLE_EXTERNAL);
		return;
	case RULE_EXTERNAL:
	case RULE_EXIT:
		leave(r, ret);
		return;
	case RULE_ANSWER:
		if (address_is_ipv4(&r->key.address))
			answer(r, ret);
		else
			answer_nd(r, ret);
		return;
	case RULE_ADVERTISE:
		advertise(ret);
		return;
	case RULE_ECHO:
		echo(r, ret);
		return;
	case RULE_COVERED:
		cover(r, ret);
		return;
	case RULE_MULTICAST:
	case RULE_BESIDE:
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
	case RULE_REDIRECTED_MISS:
	case RULE_KIND_COUNT:
		return;
	}
}

void rule_to_flow_mod(const struct rule *r, enum ofp_flow_mod_command command,
		      struct ofp_flow_mod *ret)
{
	bool deletes = command == OFPFC_DELETE || command == OFPFC_DELETE_STRICT;

	*ret = (struct ofp_flow_mod){
		.cookie = deletes ? 0 : r->cookie,
		.table = (uint8_t)rule_table(r->key.kind),
		.command = (uint8_t)command,
		.idle_timeout = deletes ? 0 : r->idle_timeout,
		.priority = rule_priority(&r->key),
		.buffer_id = OFP_NO_BUFFER,
		.out_port = OFPP_ANY,
		.out_group = OFPG_ANY,
	};
	rule_to_match(&r->key, &ret->match);
	if (!deletes)
		rule_to_instructions(r, &ret->instructions);
}

void rule_to_flow_stats(const struct rule *r, struct ofp_flow_stats *ret)
{
	ret->table = (uint8_t)rule_table(r->key.kind);
	ret->priority = rule_priority(&r->key);
	ret->idle_timeout = r->idle_timeout;
	ret->cookie = r->cookie;
	rule_to_match(&r->key, &ret->match);
	rule_to_instructions(r, &ret->instructions);
}
