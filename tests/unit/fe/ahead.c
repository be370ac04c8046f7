/* What the agent says of flow-mods before their turn (fe/ahead.c): the address and VRF that they
 * turn out to have, of whatever says nothing of a binding nothing, and any bytes do no harm. */
#include "fixture.h"

#include <stdlib.h>

#define EXPECTED_MAX 64

static struct expected {
	uint32_t vrf;
	struct address address;
} expected[EXPECTED_MAX];
static unsigned expected_count;

static void on_expect(void *context, uint32_t vrf, const struct address *address)
{
	assert_true(expected_count < EXPECTED_MAX);
	expected[expected_count++] = (struct expected){vrf, *address};
}

static struct controller open_box(struct box *box)
{
	struct controller c;

	box_open(box);
	box->operations.binding_expect = on_expect;
	box_add_port(box, 1, PORT_ACCESS);
	c = controller_join(box, 1);
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	expected_count = 0;
	return c;
}

static void add_flow_mod(struct buffer *b, const struct rule *r, enum ofp_flow_mod_command command)
{
	struct ofp_flow_mod f;

	rule_to_flow_mod(r, command, &f);
	ofp_flow_mod_encode(b, 1, &f);
}

static void the_bindings_of_a_read_are_expected_before_their_turn(void **state)
{
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = open_box(box);
	struct rule rules[] = {rule_foreign("10.10.0.1", 3), rule_foreign("2001:db8::7", 3),
			       rule_foreign("10.10.0.2", 3), rule_local("10.10.0.3", 1)};
	struct buffer b = {};

	rules[2].key.vrf = 0x123456;
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		add_flow_mod(&b, &rules[i], OFPFC_ADD);
	add_flow_mod(&b, &rules[0], OFPFC_DELETE_STRICT);
	controller_send(&c, &b);
	assert_int_equal(controller_result(&c), 0);
	assert_int_equal(expected_count, 5);
	for (unsigned i = 0; i < expected_count; i++) {
		const struct rule_key *key = &rules[i % ARRAY_SIZE(rules)].key;

		assert_int_equal(expected[i].vrf, key->vrf);
		assert_true(address_equal(&expected[i].address, &key->address));
	}
	assert_null(box_binding(box, "10.10.0.1"));
	assert_non_null(box_binding(box, "2001:db8::7"));
	box_close(box);
	free(box);
}

static void what_is_no_binding_is_not_expected(void **state)
{
	struct box *box = calloc(1, sizeof(*box));
	struct controller c = open_box(box);
	const struct rule rules[] = {rule_admit(1), rule_listen(1, 0x0806),
				     rule_guard("10.10.0.3", 1)};
	struct buffer b = {};

	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		add_flow_mod(&b, &rules[i], OFPFC_ADD);
	ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, 7);
	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 8);
	controller_send(&c, &b);
	assert_int_equal(expected_count, 0);
	box_close(box);
	free(box);
}

/* Every cut and every wrong byte of a flow-mod, as the first of two messages of a read. */
static void broken_flow_mods_are_no_harm(void **state)
{
	struct box *box = calloc(1, sizeof(*box));
	const struct rule rule = rule_foreign("2001:db8::7", 3);
	struct buffer whole = {};

	open_box(box);
	add_flow_mod(&whole, &rule, OFPFC_ADD);
	for (size_t i = 4; i < whole.size; i++) {
		for (unsigned wrong = 0; wrong < 3; wrong++) {
			struct controller c = controller_connect(box, true);
			struct buffer b = {};

			ofp_hello_encode(&b, 1);
			buffer_add_bytes(&b, whole.data, wrong ? whole.size : i & ~7u);
			if (!wrong && b.size < 24)
				write_zeros(&b, 24 - b.size);
			write_u16_at(&b, 18, (uint16_t)(b.size - 16));
			if (wrong)
				b.data[16 + i] ^= wrong == 1 ? 0xff : 0x01;
			ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, 7);
			expected_count = 0;
			controller_send(&c, &b);
			assert_true(expected_count <= 1);
			agent_disconnect(c.connection, box->now_ms);
		}
	}
	buffer_finish(&whole);
	box_close(box);
	free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bindings_of_a_read_are_expected_before_their_turn),
		cmocka_unit_test(what_is_no_binding_is_not_expected),
		cmocka_unit_test(broken_flow_mods_are_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
