/* pipeline/rule: every rule through a flow-mod and its bytes and back, and every near miss refused
 * with the error that names it. */
#include "pipeline/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct mac node = {{2, 0, 0, 0, 0, 5}}, gateway = {{2, 0, 0x5e, 0, 1, 1}};

static struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static struct rule_key key(enum rule_kind kind, const char *prefix)
{
	struct rule_key k = {.kind = (uint8_t)kind};
	struct prefix p;

	if (prefix) {
		assert_int_equal(prefix_parse(prefix, &p), 0);
		k.address = p.address;
		if (kind == RULE_STRANGER || kind == RULE_COVERED || kind == RULE_EXTERNAL ||
		    kind == RULE_EXIT || kind == RULE_ANSWER || kind == RULE_PEER ||
		    kind == RULE_PEER_MARKED || kind == RULE_SPEAK)
			k.length = p.length;
		if (kind == RULE_PEER || kind == RULE_PEER_MARKED)
			k.port = PIPELINE_TUNNEL_PORT;
	}
	return k;
}

#define VERSION 0x0010002000000007ull

/* What only Open vSwitch takes. */
static unsigned switch_examples(struct rule *list)
{
	unsigned n = 0;

	list[n++] = (struct rule){.key = key(RULE_MULTICAST, NULL)};
	list[n++] = (struct rule){.key = key(RULE_ECHO, "10.10.0.1"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ECHO, "2001:db8::1"), .mac = gateway};
	list[n] = (struct rule){.key = key(RULE_BESIDE, "10.10.0.5"), .cookie = VERSION};
	list[n].key.vrf = 4;
	list[n].key.port = 2;
	list[n++].key.mac = node;
	list[n++] = (struct rule){.key = key(RULE_PROBE, NULL)};
	list[n] = (struct rule){.key = key(RULE_PROBE, NULL)};
	list[n++].key.ethertype = LISTEN_NS;
	list[n++] = (struct rule){.key = key(RULE_MEASURE, NULL), .frame_max = 1464};
	list[n++] = (struct rule){.key = key(RULE_TOO_BIG, NULL)};
	list[n++] = (struct rule){.key = key(RULE_SEND, NULL)};
	list[n++] = (struct rule){.key = key(RULE_SELF, "10.10.0.5")};
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_SPEAK, i ? "ff02::/16" : "224.0.0.0/24")};
		list[n++].key.port = 1;
	}
	list[n] = (struct rule){.key = key(RULE_BESIDE_ASKED, "10.10.0.5")};
	list[n++].key.port = 2;
	list[n] = (struct rule){.key = key(RULE_BESIDE_ASKED, "2001:db8::5")};
	list[n++].key.port = 2;
	list[n++] = (struct rule){.key = key(RULE_EXTERNAL, "10.0.0.0/8"),
				  .port = 1,
				  .mac = node,
				  .gateway_mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_EXIT, "10.0.0.0/8"),
				  .port = 1,
				  .mac = node,
				  .gateway_mac = gateway};
	return n;
}

/* Examples of every kind: both families, tagged and not, VRF 0 and not. */
static unsigned examples(struct rule *list)
{
	unsigned n = 0;
	static const char *const prefixes[] = {"10.10.0.0/16", "0.0.0.0/0", "10.1.2.3/32",
					       "2001:db8::/32", "::/0"};
	static const uint16_t listened[] = {LISTEN_RS, LISTEN_NS, LISTEN_NA, ETHERTYPE_RARP_,
					    ETHERTYPE_ARP_};

	list[n] = (struct rule){.key = key(RULE_ADMIT, NULL), .fe = 2, .next_table = TABLE_GUARD};
	list[n++].key.port = 2;
	list[n] = (struct rule){
		.key = key(RULE_ADMIT, NULL), .fe = 2, .vrf = 7, .next_table = TABLE_BINDING};
	list[n].key.ethertype = ETHERTYPE_IPV6_;
	list[n++].key.port = 2;
	for (unsigned i = 0; i < ARRAY_SIZE(listened); i++) {
		list[n] = (struct rule){.key = key(RULE_LISTEN, NULL)};
		list[n].key.port = 2;
		list[n++].key.ethertype = listened[i];
	}
	list[n] = (struct rule){.key = key(RULE_LISTEN, NULL), .silent = true};
	list[n].key.port = 3;
	list[n++].key.ethertype = ETHERTYPE_ARP_;
	list[n++] = (struct rule){.key = key(RULE_PEER, "172.16.3.2"), .fe = 3, .vrf = 0};
	list[n++] = (struct rule){.key = key(RULE_PEER_MARKED, "172.16.3.2"), .fe = 3, .vrf = 9};
	list[n++] = (struct rule){.key = key(RULE_PEER, "fd00::3"), .fe = 3};
	list[n++] = (struct rule){.key = key(RULE_PEER, "172.16.3.16/28"), .fe = 3};
	list[n] = (struct rule){.key = key(RULE_PEER, "172.16.3.2"), .fe = 3};
	list[n++].key.port = PIPELINE_VXLAN_PORT;
	list[n] = (struct rule){.key = key(RULE_PEER_MARKED, "fd00::/112"), .fe = 3};
	list[n++].key.port = PIPELINE_VXLAN_PORT;
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_GUARD, i ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION};
		list[n].key.vrf = i * 5;
		list[n].key.vlan = (uint16_t)(i * 100);
		list[n].key.port = 4;
		list[n++].key.mac = node;
	}
	list[n++] = (struct rule){.key = key(RULE_GUARD_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_POLICY_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_BINDING_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_REDIRECTED_MISS, NULL), .cookie = 3};
	for (unsigned i = 0; i < 4; i++) {
		list[n] = (struct rule){.key = key(i & 1 ? RULE_TENTATIVE : RULE_LOCAL,
						   i & 2 ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION,
					.port = 2,
					.vlan = i & 2 ? 0 : 44,
					.mac = node,
					.gateway_mac = gateway,
					.idle_timeout = i & 1 ? 10 : 0};
		list[n++].key.vrf = i * 3;
	}
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_FOREIGN, i ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION,
					.fe = 3};
		list[n++].key.vrf = i;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
		list[n++] = (struct rule){.key = key(RULE_STRANGER, prefixes[i])};
		list[n] =
			(struct rule){.key = key(RULE_COVERED, prefixes[i]), .unreachable = i % 2};
		list[n].gateway = list[n].key.address;
		list[n].gateway.bytes[15] |= 1;
		n++;
		list[n++] = (struct rule){.key = key(RULE_EXTERNAL, prefixes[i]), .fe = i};
		list[n++] = (struct rule){
			.key = key(RULE_EXIT, prefixes[i]), .fe = i, .unreachable = i == 0};
	}
	list[n++] = (struct rule){.key = key(RULE_COVERED, "10.20.0.0/16"), .internal = true};
	list[n++] = (struct rule){.key = key(RULE_ADVERTISE, NULL)};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "2001:db8::/64"),
				  .mac = gateway,
				  .cookie = ANSWER_ADVERTISED | ANSWER_AUTONOMOUS};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "fe80::1/128"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "10.10.0.1/32"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "10.10.0.0/16"), .mac = gateway};
	return n + switch_examples(list + n);
}
#define EXAMPLES_MAX 80

static struct ofp_flow_mod through_bytes(const struct ofp_flow_mod *f)
{
	struct buffer b = {0};
	struct ofp_header header;
	struct ofp_flow_mod ret;

	ofp_flow_mod_encode(&b, 9, f);
	struct reader rd = reader_make(b.data, b.size);

	assert_int_equal(ofp_header_decode(&rd, &header), 0);
	assert_int_equal(header.size, b.size);
	assert_int_equal(ofp_flow_mod_decode(&rd, &ret), 0);
	buffer_finish(&b);
	return ret;
}

static void every_rule_survives_the_wire(void **state)
{
	struct rule list[EXAMPLES_MAX];
	unsigned count = examples(list), seen[RULE_KIND_COUNT] = {0};

	for (unsigned i = 0; i < count; i++) {
		struct ofp_flow_mod f, g;
		struct rule back;

		seen[list[i].key.kind]++;
		rule_to_flow_mod(&list[i], OFPFC_ADD, &f);
		g = through_bytes(&f);
		assert_true(ofp_match_equal(&f.match, &g.match));
		assert_int_equal(rule_from_flow_mod(&g, &back), 0);
		assert_true(rule_equal(&list[i], &back));
	}
	for (unsigned kind = 0; kind < RULE_KIND_COUNT; kind++)
		assert_true(seen[kind] > 0);
}

static void every_rule_survives_statistics(void **state)
{
	struct rule list[EXAMPLES_MAX];
	unsigned count = examples(list);

	for (unsigned i = 0; i < count; i++) {
		struct ofp_flow_stats in = {.packet_count = 5, .duration_s = 6}, out;
		struct ofp_multipart_writer w;
		struct buffer b = {0};
		struct ofp_header header;
		struct ofp_multipart reply;
		struct rule back;

		rule_to_flow_stats(&list[i], &in);
		assert_int_equal(in.packet_count, 5);
		ofp_multipart_begin(&w, &b, 1, OFPMP_FLOW);
		ofp_flow_stats_add(&w, &in);
		ofp_multipart_end(&w);
		struct reader rd = reader_make(b.data, b.size);

		assert_int_equal(ofp_header_decode(&rd, &header), 0);
		assert_int_equal(ofp_multipart_decode(&rd, &reply), 0);
		assert_int_equal(ofp_flow_stats_next(&reply.body, &out), 1);
		assert_int_equal(rule_from_flow_stats(&out, &back), 0);
		assert_true(rule_equal(&list[i], &back));
		assert_int_equal(ofp_flow_stats_next(&reply.body, &out), 0);
		buffer_finish(&b);
	}
}

static void no_two_rules_share_a_flow(void **state)
{
	struct rule list[EXAMPLES_MAX];
	unsigned count = examples(list);

	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < i; j++) {
			struct ofp_match a, b;

			rule_to_match(&list[i].key, &a);
			rule_to_match(&list[j].key, &b);
			assert_false(rule_table(list[i].key.kind) == rule_table(list[j].key.kind) &&
				     rule_priority(&list[i].key) == rule_priority(&list[j].key) &&
				     ofp_match_equal(&a, &b));
		}
	}
}

/* A flow that is right but for what 'break_it' does to it. */
static int refused(enum rule_kind kind, void (*break_it)(struct ofp_flow_mod *))
{
	struct rule list[EXAMPLES_MAX], ret;
	unsigned count = examples(list);

	for (unsigned i = count; i--;) {
		struct ofp_flow_mod f;

		if (list[i].key.kind != kind)
			continue;
		rule_to_flow_mod(&list[i], OFPFC_ADD, &f);
		break_it(&f);
		return rule_from_flow_mod(&f, &ret);
	}
	return 1;
}

static void remove_field(struct ofp_flow_mod *f, enum ofp_field field)
{
	struct ofp_match m = {0};

	for (unsigned i = 0; i < f->match.count; i++)
		if (f->match.fields[i].field != field)
			m.fields[m.count++] = f->match.fields[i];
	f->match = m;
}

static void other_table(struct ofp_flow_mod *f)
{
	f->table = TABLE_COUNT;
}
static void other_priority(struct ofp_flow_mod *f)
{
	f->priority++;
}
static void one_field_more(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_IP_DSCP, 6);
}
static void without_metadata(struct ofp_flow_mod *f)
{
	remove_field(f, OFP_FIELD_METADATA);
}
static void without_mac(struct ofp_flow_mod *f)
{
	remove_field(f, OFP_FIELD_ETH_SRC);
}
static void without_vlan(struct ofp_flow_mod *f)
{
	remove_field(f, OFP_FIELD_VLAN_VID);
}
static void wide_metadata(struct ofp_flow_mod *f)
{
	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 0, UINT64_MAX);
}
static void a_prefix_for_a_host(struct ofp_flow_mod *f)
{
	ofp_match_set_masked(&f->match, OFP_FIELD_IPV4_DST, 0x0a0a0000, 0xffffff00);
}
static void a_hole_in_the_mask(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, ETHERTYPE_IPV4_);
	remove_field(f, OFP_FIELD_IPV6_DST);
	ofp_match_set_masked(&f->match, OFP_FIELD_IPV4_DST, 0x0a000001, 0xff0000ff);
}
static void a_vrf_too_large(struct ofp_flow_mod *f)
{
	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 0x800000, PIPELINE_METADATA_VRF);
}
static void port_zero(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_REG0, 0);
}
static void ipv4_listen(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, ETHERTYPE_IPV4_);
}
static void a_multicast_guard(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_ETH_SRC, 0x010000000005);
}
static void a_mapped_ipv6_address(struct ofp_flow_mod *f)
{
	remove_field(f, OFP_FIELD_IPV4_DST);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, ETHERTYPE_IPV6_);
	struct address a = ip("10.10.0.5");

	ofp_match_set_bytes(&f->match, OFP_FIELD_IPV6_DST, a.bytes, NULL);
}
static void request_for_replies(struct ofp_flow_mod *f)
{
	ofp_match_set(&f->match, OFP_FIELD_ARP_OP, 2);
}

static void a_match_that_is_nearly_right_is_refused_by_its_name(void **state)
{
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++) {
		assert_int_equal(refused(kind, other_table), -OFP_FLOW_MOD_FAILED_BAD_TABLE_ID);
		assert_int_equal(refused(kind, other_priority), -OFP_FLOW_MOD_FAILED_EPERM);
		assert_int_equal(refused(kind, one_field_more), -OFP_BAD_MATCH_BAD_FIELD);
	}
	static const uint8_t with_vrf[] = {RULE_GUARD,     RULE_STRANGER, RULE_LOCAL,
					   RULE_TENTATIVE, RULE_FOREIGN,  RULE_COVERED,
					   RULE_EXTERNAL,  RULE_EXIT};

	for (unsigned i = 0; i < sizeof(with_vrf); i++) {
		assert_int_equal(refused(with_vrf[i], without_metadata),
				 -OFP_BAD_MATCH_BAD_WILDCARDS);
		assert_int_equal(refused(with_vrf[i], wide_metadata), -OFP_BAD_MATCH_BAD_MASK);
	}
	assert_int_equal(refused(RULE_LOCAL, a_vrf_too_large), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(refused(RULE_REDIRECTED_MISS, without_metadata),
			 -OFP_BAD_MATCH_BAD_WILDCARDS);
	assert_int_equal(refused(RULE_GUARD, without_mac), -OFP_BAD_MATCH_BAD_WILDCARDS);
	assert_int_equal(refused(RULE_GUARD, without_vlan), -OFP_BAD_MATCH_BAD_WILDCARDS);
	assert_int_equal(refused(RULE_GUARD, port_zero), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(refused(RULE_GUARD, a_multicast_guard), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(refused(RULE_LOCAL, a_prefix_for_a_host), -OFP_BAD_MATCH_BAD_MASK);
	assert_int_equal(refused(RULE_FOREIGN, a_prefix_for_a_host), -OFP_BAD_MATCH_BAD_MASK);
	assert_int_equal(refused(RULE_FOREIGN, a_mapped_ipv6_address), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(refused(RULE_COVERED, a_hole_in_the_mask),
			 -OFP_BAD_MATCH_BAD_NW_ADDR_MASK);
	assert_int_equal(refused(RULE_LISTEN, ipv4_listen), -OFP_BAD_MATCH_BAD_VALUE);
	assert_int_equal(refused(RULE_ANSWER, request_for_replies), -OFP_BAD_MATCH_BAD_VALUE);
}

static void an_external_route_has_its_length_as_priority(void **state)
{
	struct rule r = {.key = key(RULE_EXTERNAL, "10.0.0.0/8")}, back;
	struct ofp_flow_mod f;

	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	assert_int_equal(f.priority, 104);
	f.priority = 8;
	assert_int_equal(rule_from_flow_mod(&f, &back), -OFP_FLOW_MOD_FAILED_EPERM);
}

static void an_exit_is_above_all_destinations(void **state)
{
	struct rule narrow = {.key = key(RULE_EXTERNAL, "10.0.0.1/32")},
		    wide = {.key = key(RULE_EXIT, "::/0")},
		    none = {.key = key(RULE_EXIT, "10.10.0.0/16"), .unreachable = true}, back;
	struct ofp_flow_mod f;

	assert_true(rule_priority(&wide.key) > rule_priority(&narrow.key));
	rule_to_flow_mod(&none, OFPFC_ADD, &f);
	assert_int_equal(f.priority, 129 + 96 + 16);
	assert_int_equal(f.instructions.present, 0);
	assert_int_equal(rule_from_flow_mod(&f, &back), 0);
	assert_true(rule_equal(&none, &back));
	f.priority = 104;
	assert_int_equal(rule_from_flow_mod(&f, &back), -OFP_BAD_MATCH_BAD_FIELD);
	/* An EXTERNAL without actions is no way out. */
	rule_to_flow_mod(&narrow, OFPFC_ADD, &f);
	f.instructions.present = 0;
	f.instructions.apply.count = 0;
	assert_true(rule_from_flow_mod(&f, &back) < 0);
}

static void no_goto(struct ofp_flow_mod *f)
{
	f->instructions.present &= (uint8_t)~OFP_INSTRUCTION_GOTO_TABLE;
}
static void other_goto(struct ofp_flow_mod *f)
{
	f->instructions.goto_table = TABLE_EXTERNAL;
}
static void other_metadata_mask(struct ofp_flow_mod *f)
{
	f->instructions.metadata_mask = PIPELINE_METADATA_VRF;
}
static void marked_by_admission(struct ofp_flow_mod *f)
{
	f->instructions.metadata |= PIPELINE_METADATA_REDIRECTED;
}
static void a_meter(struct ofp_flow_mod *f)
{
	f->instructions.present |= OFP_INSTRUCTION_METER;
	f->instructions.meter = 1;
}
static void no_actions(struct ofp_flow_mod *f)
{
	f->instructions.apply.count = 0;
}
static void one_action_more(struct ofp_flow_mod *f)
{
	struct ofp_actions *a = &f->instructions.apply;

	a->list[a->count] = a->list[a->count - 1];
	a->count++;
}
static void one_action_less(struct ofp_flow_mod *f)
{
	f->instructions.apply.count--;
}
static void another_action(struct ofp_flow_mod *f)
{
	(void)ofp_actions_add(&f->instructions.apply, OFP_ACTION_SET_QUEUE);
}
static void the_last_first(struct ofp_flow_mod *f)
{
	struct ofp_actions *a = &f->instructions.apply;
	struct ofp_action last = a->list[a->count - 1];

	a->list[a->count - 1] = a->list[0];
	a->list[0] = last;
}
static void flood(struct ofp_flow_mod *f)
{
	struct ofp_actions *a = &f->instructions.apply;

	a->list[a->count - 1].output.port = OFPP_FLOOD;
}
static void a_cut_packet(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[0].output.max_size = 128;
}
static void no_such_group(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[0].group = 0x10000;
}
static void from_fe_zero(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[0].set_field.value[3] = 0;
}
static void to_a_multicast_mac(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[0].set_field.value[0] = 1;
}
static void reply_by_another_operation(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[2].set_field.value[1] = 1;
}
static void shifted_move(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[0].move.bit_count = 8;
}
static void another_load(struct ofp_flow_mod *f)
{
	f->instructions.apply.list[1].load.value = 1;
}

static void an_action_that_it_cannot_do_exactly_is_refused_by_its_name(void **state)
{
	assert_int_equal(refused(RULE_ADMIT, no_goto), -OFP_BAD_INSTRUCTION_UNSUP_INST);
	assert_int_equal(refused(RULE_ADMIT, other_goto), -OFP_BAD_INSTRUCTION_BAD_TABLE_ID);
	assert_int_equal(refused(RULE_GUARD, other_goto), -OFP_BAD_INSTRUCTION_BAD_TABLE_ID);
	assert_int_equal(refused(RULE_ADMIT, other_metadata_mask),
			 -OFP_BAD_INSTRUCTION_UNSUP_METADATA_MASK);
	assert_int_equal(refused(RULE_ADMIT, marked_by_admission),
			 -OFP_BAD_INSTRUCTION_UNSUP_METADATA);
	assert_int_equal(refused(RULE_PEER, marked_by_admission),
			 -OFP_BAD_INSTRUCTION_UNSUP_METADATA);
	assert_int_equal(refused(RULE_ADMIT, shifted_move), -OFP_BAD_ACTION_BAD_ARGUMENT);
	assert_int_equal(refused(RULE_ADMIT, another_load), -OFP_BAD_ACTION_BAD_ARGUMENT);
	assert_int_equal(refused(RULE_PEER, from_fe_zero), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	/* The last example is VXLAN's, its last action clears in_port. */
	assert_int_equal(refused(RULE_PEER, one_action_less), -OFP_BAD_ACTION_UNSUPPORTED_ORDER);
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++)
		assert_int_equal(refused(kind, a_meter), -OFP_BAD_INSTRUCTION_UNSUP_INST);
	assert_int_equal(refused(RULE_LOCAL, no_actions), -OFP_BAD_INSTRUCTION_UNSUP_INST);
	assert_int_equal(refused(RULE_LOCAL, one_action_more), -OFP_BAD_ACTION_TOO_MANY);
	assert_int_equal(refused(RULE_LOCAL, another_action), -OFP_BAD_ACTION_TOO_MANY);
	assert_int_equal(refused(RULE_LOCAL, one_action_less), -OFP_BAD_ACTION_UNSUPPORTED_ORDER);
	assert_int_equal(refused(RULE_LOCAL, the_last_first), -OFP_BAD_ACTION_UNSUPPORTED_ORDER);
	assert_int_equal(refused(RULE_LOCAL, flood), -OFP_BAD_ACTION_BAD_OUT_PORT);
	assert_int_equal(refused(RULE_LOCAL, to_a_multicast_mac), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	assert_int_equal(refused(RULE_STRANGER, flood), -OFP_BAD_ACTION_BAD_OUT_PORT);
	assert_int_equal(refused(RULE_STRANGER, a_cut_packet), -OFP_BAD_ACTION_BAD_ARGUMENT);
	assert_int_equal(refused(RULE_FOREIGN, no_such_group), -OFP_BAD_ACTION_BAD_OUT_GROUP);
	assert_int_equal(refused(RULE_ANSWER, reply_by_another_operation),
			 -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
}

static void what_means_the_same_is_taken(void **state)
{
	struct rule r = {.key = key(RULE_LOCAL, "10.10.0.77"),
			 .port = 2,
			 .mac = node,
			 .gateway_mac = gateway},
		    back;
	struct ofp_flow_mod f;

	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	struct ofp_action first = f.instructions.apply.list[0];

	f.instructions.apply.list[0] = f.instructions.apply.list[1];
	f.instructions.apply.list[1] = first;
	f.instructions.apply.list[2].output.max_size = 0;
	assert_int_equal(rule_from_flow_mod(&f, &back), 0);
	assert_true(rule_equal(&r, &back));

	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.instructions.write = f.instructions.apply;
	f.instructions.present = OFP_INSTRUCTION_WRITE_ACTIONS;
	assert_int_equal(rule_from_flow_mod(&f, &back), 0);
	assert_true(rule_equal(&r, &back));

	struct rule covered = {.key = key(RULE_COVERED, "10.10.0.0/16")};

	rule_to_flow_mod(&covered, OFPFC_ADD, &f);
	f.instructions.present = OFP_INSTRUCTION_APPLY_ACTIONS;
	assert_int_equal(rule_from_flow_mod(&f, &back), 0);
	assert_true(rule_equal(&covered, &back));
}

static void a_gateway_is_of_its_prefixs_family(void **state)
{
	struct rule r = {.key = key(RULE_COVERED, "10.10.0.0/16"), .gateway = ip("2001:db8::1")},
		    back;
	struct ofp_flow_mod f;

	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	assert_int_equal(rule_from_flow_mod(&f, &back), -OFP_BAD_ACTION_BAD_SET_ARGUMENT);
	r = (struct rule){.key = key(RULE_COVERED, "10.10.0.0/16"), .unreachable = true};
	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.instructions.metadata_mask |= PIPELINE_METADATA_REDIRECTED;
	assert_int_equal(rule_from_flow_mod(&f, &back), -OFP_BAD_INSTRUCTION_UNSUP_METADATA_MASK);
	rule_to_flow_mod(&r, OFPFC_ADD, &f);
	f.instructions.present |= OFP_INSTRUCTION_GOTO_TABLE;
	assert_int_equal(rule_from_flow_mod(&f, &back), -OFP_BAD_INSTRUCTION_UNSUP_INST);
}

static void a_deletion_names_the_flow_and_nothing_else(void **state)
{
	struct rule list[EXAMPLES_MAX];
	unsigned count = examples(list);

	for (unsigned i = 0; i < count; i++) {
		struct ofp_flow_mod f;
		struct rule_key k;

		rule_to_flow_mod(&list[i], OFPFC_DELETE_STRICT, &f);
		f = through_bytes(&f);
		assert_int_equal(f.instructions.present, 0);
		assert_int_equal(f.cookie_mask, 0);
		assert_int_equal(f.out_port, OFPP_ANY);
		assert_int_equal(rule_key_from_match(f.table, f.priority, &f.match, &k), 0);
		assert_memory_equal(&k, &list[i].key, sizeof(k));
	}
}

static void table_one_of_the_paper_is_printed_in_its_words(void **state)
{
	struct rule local = {.key = key(RULE_LOCAL, "10.2.3.1"), .port = 2, .mac = node};
	struct rule foreign = {.key = key(RULE_FOREIGN, "10.4.5.1"), .fe = 3};
	char flow[64], action[64];

	rule_format(&local, flow, sizeof(flow), action, sizeof(action));
	assert_string_equal(flow, "nw_dst=10.2.3.1");
	assert_string_equal(action, "mod_dl_dst:02:00:00:00:00:05,out:2");
	rule_format(&foreign, flow, sizeof(flow), action, sizeof(action));
	assert_string_equal(flow, "nw_dst=10.4.5.1");
	assert_string_equal(action, "group:3,out:0");
}

static void any_rule_is_printed_in_any_space(void **state)
{
	struct rule list[EXAMPLES_MAX];
	unsigned count = examples(list);
	char whole[128], whole_action[128];

	for (unsigned i = 0; i < count; i++) {
		rule_format(&list[i], whole, sizeof(whole), whole_action, sizeof(whole_action));
		assert_true(strlen(whole) > 0 && strlen(whole_action) > 0);
		for (size_t size = 1; size < sizeof(whole); size++) {
			char *flow = malloc(size), *action = malloc(size);

			rule_format(&list[i], flow, size, action, size);
			assert_true(strlen(flow) < size && strlen(action) < size);
			assert_memory_equal(flow, whole, strlen(flow));
			free(flow);
			free(action);
		}
	}
}

static void a_tables_features_say_what_its_rules_use(void **state)
{
	struct ofp_table_features t;

	rule_table_features(TABLE_BINDING, &t);
	assert_string_equal(t.name, "binding");
	assert_int_equal(t.next_tables, 1 << TABLE_EXTERNAL);
	assert_true(t.match_fields & 1ull << OFP_FIELD_IPV6_DST);
	assert_true(t.set_fields & 1ull << OFP_FIELD_ETH_DST);
	assert_true(t.apply_actions & 1u << OFP_ACTION_GROUP);
	assert_false(t.match_fields & 1ull << OFP_FIELD_IPV4_SRC);
	rule_table_features(TABLE_PORT, &t);
	assert_int_equal(t.next_tables,
			 1 << TABLE_GUARD | 1 << TABLE_BINDING | 1 << TABLE_NEIGHBOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_survives_the_wire),
		cmocka_unit_test(every_rule_survives_statistics),
		cmocka_unit_test(no_two_rules_share_a_flow),
		cmocka_unit_test(a_match_that_is_nearly_right_is_refused_by_its_name),
		cmocka_unit_test(an_external_route_has_its_length_as_priority),
		cmocka_unit_test(an_exit_is_above_all_destinations),
		cmocka_unit_test(an_action_that_it_cannot_do_exactly_is_refused_by_its_name),
		cmocka_unit_test(what_means_the_same_is_taken),
		cmocka_unit_test(a_gateway_is_of_its_prefixs_family),
		cmocka_unit_test(a_deletion_names_the_flow_and_nothing_else),
		cmocka_unit_test(table_one_of_the_paper_is_printed_in_its_words),
		cmocka_unit_test(any_rule_is_printed_in_any_space),
		cmocka_unit_test(a_tables_features_say_what_its_rules_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
