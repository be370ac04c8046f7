/* pipeline/summary: sums tell what a rule says and nothing else; the messages there and back, cut
 * at every length, and hostile ones. */
#include "pipeline/summary.h"
#include "tests/unit/pipeline/open_message.h"

#include <stdlib.h>
#include <string.h>

static const struct summary_scheme scheme = {.bits = 4, .key = "sixteen bytes..."};

static struct rule a_rule(enum rule_kind kind)
{
	struct rule rule = {.key = {.kind = (uint8_t)kind, .vrf = 7}, .cookie = 0x1122334455667788};

	rule.key.address = address_from_ipv4((uint8_t[]){10, 10, 0, 11});
	if (kind == RULE_GUARD) {
		rule.key.port = 2;
		rule.key.vlan = 5;
		rule.key.mac = (struct mac){{2, 0, 0, 0, 0, 1}};
	} else if (kind == RULE_LOCAL) {
		rule.port = 2;
		rule.vlan = 5;
		rule.mac = (struct mac){{2, 0, 0, 0, 0, 1}};
		rule.gateway_mac = (struct mac){{2, 0, 0, 0, 0, 2}};
	} else {
		rule.fe = 3;
	}
	return rule;
}

static void nodes_rules_are_in_the_sums_and_others_are_not(void **state)
{
	for (unsigned kind = 0; kind < RULE_KIND_COUNT; kind++)
		assert_int_equal(summary_covers((enum rule_kind)kind),
				 kind == RULE_LOCAL || kind == RULE_FOREIGN || kind == RULE_GUARD);
}

static void assert_differs(const struct rule *rule, const struct rule *other)
{
	assert_int_not_equal(summary_hash(&scheme, rule), summary_hash(&scheme, other));
}

static void whatever_a_rule_says_is_in_its_hash(void **state)
{
	static const enum rule_kind kinds[] = {RULE_LOCAL, RULE_FOREIGN, RULE_GUARD};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct rule rule = a_rule(kinds[i]);
		struct rule other = rule;

		assert_int_equal(summary_hash(&scheme, &rule), summary_hash(&scheme, &other));
		other.cookie++;
		assert_differs(&rule, &other);
		other = rule;
		other.key.vrf++;
		assert_differs(&rule, &other);
		other = rule;
		other.key.address.bytes[15]++;
		assert_differs(&rule, &other);
		other = a_rule(kinds[(i + 1) % 3]);
		assert_differs(&rule, &other);
	}
}

static void what_only_one_kind_says_is_in_its_hash(void **state)
{
	const struct rule local = a_rule(RULE_LOCAL), foreign = a_rule(RULE_FOREIGN),
			  guard = a_rule(RULE_GUARD);
	struct rule other = foreign;

	other.fe++;
	assert_differs(&foreign, &other);
	other = local;
	other.port++;
	assert_differs(&local, &other);
	other = local;
	other.vlan++;
	assert_differs(&local, &other);
	other = local;
	other.mac.bytes[5]++;
	assert_differs(&local, &other);
	other = local;
	other.gateway_mac.bytes[5]++;
	assert_differs(&local, &other);
	other = guard;
	other.key.port++;
	assert_differs(&guard, &other);
	other = guard;
	other.key.vlan++;
	assert_differs(&guard, &other);
	other = guard;
	other.key.mac.bytes[5]++;
	assert_differs(&guard, &other);
}

static void another_key_makes_another_hash_and_other_buckets(void **state)
{
	struct summary_scheme other = scheme;
	struct rule rule = a_rule(RULE_FOREIGN);
	unsigned moved = 0;

	other.key[0]++;
	assert_int_not_equal(summary_hash(&scheme, &rule), summary_hash(&other, &rule));
	for (unsigned i = 0; i < 256; i++) {
		rule.key.address.bytes[15] = (uint8_t)i;
		moved += summary_bucket_of(&scheme, 7, &rule.key.address) !=
			 summary_bucket_of(&other, 7, &rule.key.address);
	}
	assert_in_range(moved, 200, 256);
}

static void all_rules_of_an_address_are_in_one_bucket_in_any_order(void **state)
{
	const struct rule local = a_rule(RULE_LOCAL), guard = a_rule(RULE_GUARD);
	struct summary_bucket one[16] = {0}, other[16] = {0};
	unsigned used = 0;

	summary_add(&scheme, one, &local);
	summary_add(&scheme, one, &guard);
	summary_add(&scheme, other, &guard);
	summary_add(&scheme, other, &local);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(one[i].sum, other[i].sum);
		assert_int_equal(one[i].count, other[i].count);
		used += one[i].count != 0;
	}
	assert_int_equal(used, 1);
}

static void sums_are_asked_for_and_told(void **state)
{
	struct summary_bucket in[16], out[16];
	struct summary_scheme asked;
	struct buffer b = {0};

	for (unsigned i = 0; i < 16; i++)
		in[i] = (struct summary_bucket){0x0102030405060708u * i, i << 20};
	summary_request_encode(&b, 77, &scheme);
	struct reader rd = open_message(&b, EXPERIMENTER_SUMMARY_REQUEST), whole = rd;

	assert_int_equal(summary_request_decode(&rd, &asked), 0);
	assert_memory_equal(&asked, &scheme, sizeof(scheme));
	for (size_t size = 0; size < reader_left(&whole); size++) {
		rd = reader_make(whole.at, size);
		assert_int_equal(summary_request_decode(&rd, &asked), -OFP_BAD_REQUEST_BAD_LEN);
	}
	buffer_clear(&b);
	summary_reply_encode(&b, 77, 4, in);
	whole = rd = open_message(&b, EXPERIMENTER_SUMMARY_REPLY);
	assert_int_equal(summary_reply_decode(&rd, 4, out), 0);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(out[i].sum, in[i].sum);
		assert_int_equal(out[i].count, in[i].count);
	}
	for (size_t size = 0; size < reader_left(&whole); size++) {
		rd = reader_make(whole.at, size);
		assert_int_equal(summary_reply_decode(&rd, 4, out), -OFP_BAD_REQUEST_BAD_LEN);
	}
	buffer_finish(&b);
}

static void the_rules_of_marked_buckets_are_asked_for(void **state)
{
	struct summary_marks in = {0}, out = {0};
	struct summary_scheme asked;
	struct buffer b = {0};

	summary_mark(&in, 3);
	summary_mark(&in, 15);
	summary_rules_encode(&b, 77, &scheme, &in);
	struct reader rd = open_message(&b, EXPERIMENTER_SUMMARY_RULES), whole = rd;

	assert_int_equal(summary_rules_decode(&rd, &asked, &out), 0);
	assert_memory_equal(&asked, &scheme, sizeof(scheme));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(summary_is_marked(&out, i), i == 3 || i == 15);
	for (size_t size = 0; size < reader_left(&whole); size++) {
		rd = reader_make(whole.at, size);
		assert_int_equal(summary_rules_decode(&rd, &asked, &out), -OFP_BAD_REQUEST_BAD_LEN);
	}
	buffer_finish(&b);
}

static void the_largest_reply_is_one_message(void **state)
{
	struct summary_bucket *all = calloc(SUMMARY_BUCKETS_MAX, sizeof(*all));
	struct buffer b = {0};

	summary_reply_encode(&b, 77, SUMMARY_BITS_MAX, all);
	struct reader rd = open_message(&b, EXPERIMENTER_SUMMARY_REPLY);

	assert_int_equal(summary_reply_decode(&rd, SUMMARY_BITS_MAX, all), 0);
	buffer_finish(&b);
	free(all);
}

/* A number of buckets that would be too many, or is another than was asked for. */
static void hostile_numbers_of_buckets_are_refused(void **state)
{
	uint8_t bytes[24 + 512 + 8] = {0};
	struct summary_bucket buckets[16];
	struct summary_scheme asked;
	struct summary_marks marks;
	struct reader rd;

	for (unsigned bits = 0; bits < 256; bits++) {
		if (bits >= SUMMARY_BITS_MIN && bits <= SUMMARY_BITS_MAX)
			continue;
		bytes[0] = (uint8_t)bits;
		rd = reader_make(bytes, 24);
		assert_int_equal(summary_request_decode(&rd, &asked), -OFP_BAD_REQUEST_BAD_LEN);
		rd = reader_make(bytes, sizeof(bytes));
		assert_int_equal(summary_rules_decode(&rd, &asked, &marks),
				 -OFP_BAD_REQUEST_BAD_LEN);
		rd = reader_make(bytes, sizeof(bytes));
		assert_int_equal(summary_reply_decode(&rd, 4, buckets), -OFP_BAD_REQUEST_BAD_LEN);
	}
	bytes[0] = 5;
	rd = reader_make(bytes, 8 + 12 * 32);
	assert_int_equal(summary_reply_decode(&rd, 4, buckets), -OFP_BAD_REQUEST_BAD_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_rules_are_in_the_sums_and_others_are_not),
		cmocka_unit_test(whatever_a_rule_says_is_in_its_hash),
		cmocka_unit_test(what_only_one_kind_says_is_in_its_hash),
		cmocka_unit_test(another_key_makes_another_hash_and_other_buckets),
		cmocka_unit_test(all_rules_of_an_address_are_in_one_bucket_in_any_order),
		cmocka_unit_test(sums_are_asked_for_and_told),
		cmocka_unit_test(the_rules_of_marked_buckets_are_asked_for),
		cmocka_unit_test(the_largest_reply_is_one_message),
		cmocka_unit_test(hostile_numbers_of_buckets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
