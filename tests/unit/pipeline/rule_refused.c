/* pipeline/rule: every near miss of a rule is refused with the error that names it. */
#include "tests/unit/pipeline/examples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_match_that_is_nearly_right_is_refused_by_its_name),
		cmocka_unit_test(an_action_that_it_cannot_do_exactly_is_refused_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
