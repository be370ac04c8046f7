/* fe/summary: an FE says sums of what it has, however long that takes, and the rules in question.
 */
#include "fixture.h"

#include "pipeline/summary.h"

#include <stdlib.h>

#define MANY 40000

static const struct summary_scheme scheme = {.bits = 4, .key = "sixteen bytes..."};

static void ask(struct controller *c, uint32_t xid)
{
	struct buffer b = {0};

	summary_request_encode(&b, xid, &scheme);
	controller_send(c, &b);
}

static void read_sums(struct message *m, uint32_t xid, struct summary_bucket ret[16])
{
	enum experimenter_type type;

	assert_int_equal(m->header.xid, xid);
	assert_int_equal(experimenter_decode(&m->body, &type), 0);
	assert_int_equal(type, EXPERIMENTER_SUMMARY_REPLY);
	assert_int_equal(summary_reply_decode(&m->body, scheme.bits, ret), 0);
	message_free(m);
}

static void assert_sums(const struct summary_bucket *has, const struct summary_bucket *wanted)
{
	for (unsigned i = 0; i < summary_bucket_count(&scheme); i++) {
		assert_int_equal(has[i].sum, wanted[i].sum);
		assert_int_equal(has[i].count, wanted[i].count);
	}
}

/* Three nodes, of which one is here. */
static struct controller three_nodes(struct box *box, struct summary_bucket wanted[16])
{
	struct rule rules[] = {rule_local("10.10.0.5", 2), rule_guard("10.10.0.5", 2),
			       rule_foreign("10.10.0.6", 3), rule_foreign("10.10.0.7", 3)};
	struct controller c;

	box_open(box);
	c = controller_join(box, 1);
	controller_prepare(&c, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		rules[i].cookie = 100 + i;
		assert_int_equal(controller_add(&c, &rules[i]), 0);
		summary_add(&scheme, wanted, &rules[i]);
	}
	controller_drain(&c);
	return c;
}

static void sums_are_of_nodes_rules_alone(void **state)
{
	struct summary_bucket wanted[16] = {0}, has[16];
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = three_nodes(box, wanted);
	struct message m;

	ask(&c, 50);
	m = controller_expect(&c, OFPT_EXPERIMENTER);
	read_sums(&m, 50, has);
	assert_sums(has, wanted);
	assert_false(agent_is_busy(box->agent));
	box_close(box);
	free(box);
}

static void add_many(struct controller *c, struct summary_bucket wanted[16])
{
	struct buffer b = {0};

	for (uint32_t i = 0; i < MANY; i++) {
		struct rule rule = rule_foreign("10.10.0.0", 3);
		struct ofp_flow_mod mod;

		rule.key.address.bytes[14] = (uint8_t)(i >> 8);
		rule.key.address.bytes[15] = (uint8_t)i;
		rule.cookie = 1000 + i;
		rule_to_flow_mod(&rule, OFPFC_ADD, &mod);
		ofp_flow_mod_encode(&b, 1, &mod);
		summary_add(&scheme, wanted, &rule);
	}
	controller_send(c, &b);
	assert_int_equal(controller_result(c), 0);
}

static struct controller many_nodes(struct box *box, struct summary_bucket wanted[16])
{
	struct controller c;

	box_open(box);
	box->plane.binding_limit = MANY + 16;
	c = controller_join(box, 1);
	controller_prepare(&c, 2);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	add_many(&c, wanted);
	controller_drain(&c);
	return c;
}

static void many_rules_are_summed_in_slices(void **state)
{
	struct summary_bucket wanted[16] = {0}, has[16];
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = many_nodes(box, wanted);
	unsigned slices = 0;
	struct message m;

	ask(&c, 50);
	assert_false(controller_has(&c, OFPT_EXPERIMENTER));
	for (; agent_is_busy(box->agent); slices++)
		agent_work(box->agent);
	assert_in_range(slices, 3, 10);
	m = controller_expect(&c, OFPT_EXPERIMENTER);
	read_sums(&m, 50, has);
	assert_sums(has, wanted);
	box_close(box);
	free(box);
}

static void time_alone_brings_them_to_an_end(void **state)
{
	struct summary_bucket wanted[16] = {0}, has[16];
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = many_nodes(box, wanted);
	struct message m;

	ask(&c, 50);
	box_pass(box, 100);
	m = controller_expect(&c, OFPT_EXPERIMENTER);
	read_sums(&m, 50, has);
	assert_sums(has, wanted);
	box_close(box);
	free(box);
}

/* The sums are of what was there when they were asked for, and their reply comes first. */
static void a_flow_mod_waits_for_the_sums_that_were_asked_for_before(void **state)
{
	struct summary_bucket wanted[16] = {0}, has[16];
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = many_nodes(box, wanted);
	struct rule gone = rule_foreign("10.10.0.0", 3);
	struct message m;

	ask(&c, 50);
	assert_true(agent_is_busy(box->agent));
	assert_int_equal(controller_remove(&c, &gone), 0);
	assert_false(agent_is_busy(box->agent));
	ask(&c, 51);
	ask(&c, 52);
	m = controller_expect(&c, OFPT_EXPERIMENTER);
	read_sums(&m, 51, has);
	gone.cookie = 1000;
	wanted[summary_bucket_of(&scheme, 0, &gone.key.address)].sum -=
		summary_hash(&scheme, &gone);
	wanted[summary_bucket_of(&scheme, 0, &gone.key.address)].count--;
	assert_sums(has, wanted);
	box_close(box);
	free(box);
}

static void who_asked_and_left_is_forgotten(void **state)
{
	struct summary_bucket wanted[16] = {0};
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = many_nodes(box, wanted);

	ask(&c, 50);
	assert_true(agent_is_busy(box->agent));
	agent_disconnect(c.connection, box->now_ms);
	assert_false(agent_is_busy(box->agent));
	box_pass(box, 100);
	box_close(box);
	free(box);
}

struct told {
	unsigned bindings, guards, others;
	bool fifth, sixth, seventh;
};

static void read_rules(struct controller *c, const struct summary_marks *marks, struct told *ret)
{
	struct buffer b = {0};
	struct ofp_multipart part;
	struct ofp_flow_stats flow;
	struct rule rule;
	struct message m;

	*ret = (struct told){0};
	summary_rules_encode(&b, 60, &scheme, marks);
	controller_send(c, &b);
	m = controller_expect(c, OFPT_MULTIPART_REPLY);
	assert_int_equal(m.header.xid, 60);
	assert_int_equal(ofp_multipart_decode(&m.body, &part), 0);
	assert_int_equal(part.type, OFPMP_FLOW);
	assert_false(part.more);
	while (ofp_flow_stats_next(&part.body, &flow) == 1) {
		assert_int_equal(rule_from_flow_stats(&flow, &rule), 0);
		ret->guards += rule.key.kind == RULE_GUARD;
		ret->bindings += rule.key.kind == RULE_LOCAL || rule.key.kind == RULE_FOREIGN;
		ret->others += !summary_covers((enum rule_kind)rule.key.kind);
		ret->fifth |= rule.key.address.bytes[15] == 5;
		ret->sixth |= rule.key.address.bytes[15] == 6;
		ret->seventh |= rule.key.address.bytes[15] == 7;
	}
	message_free(&m);
}

static void what_is_in_question_is_told_and_what_is_no_nodes(void **state)
{
	struct summary_bucket wanted[16] = {0};
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = three_nodes(box, wanted);
	struct summary_marks marks = {0};
	struct address fifth = ip("10.10.0.5");
	struct told told;

	read_rules(&c, &marks, &told);
	assert_int_equal(told.bindings + told.guards, 0);
	assert_in_range(told.others, 5, 20);
	summary_mark(&marks, summary_bucket_of(&scheme, 0, &fifth));
	read_rules(&c, &marks, &told);
	assert_true(told.fifth);
	assert_int_equal(told.guards, 1);
	assert_in_range(told.bindings, 1, 3);
	memset(&marks, 0xff, sizeof(marks));
	read_rules(&c, &marks, &told);
	assert_int_equal(told.bindings, 3);
	assert_true(told.fifth && told.sixth && told.seventh);
	box_close(box);
	free(box);
}

static void a_question_that_is_none_is_refused(void **state)
{
	struct summary_bucket wanted[16] = {0};
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = three_nodes(box, wanted);
	struct summary_scheme bad = {.bits = 40};
	struct buffer b = {0};

	summary_request_encode(&b, 50, &bad);
	controller_send(&c, &b);
	assert_int_equal(controller_result(&c), -OFP_BAD_REQUEST_BAD_LEN);
	bad.bits = SUMMARY_BITS_MAX;
	summary_request_encode(&b, 50, &bad);
	write_u8(&b, 1);
	write_u16_at(&b, 2, (uint16_t)b.size);
	controller_send(&c, &b);
	assert_int_equal(controller_result(&c), -OFP_BAD_REQUEST_BAD_LEN);
	assert_false(agent_is_busy(box->agent));
	box_close(box);
	free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_of_nodes_rules_alone),
		cmocka_unit_test(many_rules_are_summed_in_slices),
		cmocka_unit_test(time_alone_brings_them_to_an_end),
		cmocka_unit_test(a_flow_mod_waits_for_the_sums_that_were_asked_for_before),
		cmocka_unit_test(who_asked_and_left_is_forgotten),
		cmocka_unit_test(what_is_in_question_is_told_and_what_is_no_nodes),
		cmocka_unit_test(a_question_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
