/* pipeline/rule: every rule through a flow-mod and its bytes and back. */
#include "tests/unit/pipeline/examples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
		cmocka_unit_test(an_external_route_has_its_length_as_priority),
		cmocka_unit_test(an_exit_is_above_all_destinations),
		cmocka_unit_test(what_means_the_same_is_taken),
		cmocka_unit_test(a_gateway_is_of_its_prefixs_family),
		cmocka_unit_test(a_deletion_names_the_flow_and_nothing_else),
		cmocka_unit_test(table_one_of_the_paper_is_printed_in_its_words),
		cmocka_unit_test(any_rule_is_printed_in_any_space),
		cmocka_unit_test(a_tables_features_say_what_its_rules_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
