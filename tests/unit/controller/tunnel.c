/* Which tunnel two FEs have (controller/tunnel.h): from what each can do and has, and what the
 * config wishes; alike at both ends. */
#include "controller/tunnel.h"
#include "fake_element.h"
#include "main.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>

#define BOTH (ENCAPSULATION_IPIP | ENCAPSULATION_VXLAN)

/* Two FEs and what the config says of them. */
struct pair {
	struct core *core;
	struct element a, b;
};

static void set_family(struct element *e, unsigned family, unsigned number)
{
	char text[ADDRESS_TEXT_SIZE];
	struct backplane_pair *to = &e->backplane.pair[family];

	snprintf(text, sizeof(text), family == FAMILY_IPV4 ? "172.16.%u.2" : "fd00:%u::2", number);
	to->address = an_address(text);
	snprintf(text, sizeof(text), family == FAMILY_IPV4 ? "172.16.%u.3" : "fd00:%u::3", number);
	to->redirect = an_address(text);
}

static int make(void **state)
{
	struct pair *p = memory_alloc(sizeof(*p));

	p->core = memory_alloc(sizeof(*p->core));
	p->a = (struct element){.core = p->core, .id = 1, .name = "fe1"};
	p->b = (struct element){.core = p->core, .id = 2, .name = "fe2"};
	for (unsigned family = 0; family < FAMILY_COUNT; family++) {
		set_family(&p->a, family, 1);
		set_family(&p->b, family, 2);
	}
	p->a.info.encapsulations = BOTH;
	p->b.info.encapsulations = BOTH;
	*state = p;
	return 0;
}

static int end(void **state)
{
	struct pair *p = *state;

	free(p->core->wishes);
	free(p->core);
	free(p);
	return 0;
}

static void lacks(struct element *e, unsigned family)
{
	e->backplane.pair[family] = (struct backplane_pair){0};
}

static void wish(struct pair *p, const char *a, const char *b, uint8_t encapsulation,
		 uint8_t underlay)
{
	struct tunnel_wish w = {.encapsulation = encapsulation, .underlay = underlay};
	struct reason why = {""};

	snprintf(w.ends[0], NAME_SIZE, "%s", a);
	snprintf(w.ends[1], NAME_SIZE, "%s", b);
	assert_int_equal(core_add_tunnel(p->core, &w, &why), 0);
}

/* In each direction: the other's address of that family, and its redirect. */
static void expect(const struct pair *p, unsigned family, bool vxlan)
{
	const struct element *ends[] = {&p->a, &p->b, &p->a};

	for (unsigned i = 0; i < 2; i++) {
		const struct backplane_pair *far = &ends[i + 1]->backplane.pair[family];
		struct tunnel t = {0};

		assert_true(tunnel_between(p->core, ends[i], ends[i + 1], &t));
		assert_true(address_equal(&t.address, &far->address));
		assert_true(address_equal(&t.redirect, &far->redirect));
		assert_int_equal(t.vxlan, vxlan);
	}
}

static void without_a_wish_it_is_ip_in_ip_over_ipv4(void **state)
{
	expect(*state, FAMILY_IPV4, false);
}

static void what_is_wished_for_all_is_what_each_pair_has(void **state)
{
	struct pair *p = *state;

	p->core->config.tunnel.underlay = UNDERLAY_WISH_IPV6;
	expect(p, FAMILY_IPV6, false);
	p->core->config.tunnel.encapsulation = ENCAPSULATION_VXLAN;
	expect(p, FAMILY_IPV6, true);
}

static void what_is_said_of_a_pair_is_for_it_alone_in_either_order(void **state)
{
	struct pair *p = *state;

	p->core->config.tunnel.encapsulation = ENCAPSULATION_VXLAN;
	wish(p, "fe2", "fe3", ENCAPSULATION_IPIP, UNDERLAY_WISH_IPV6);
	expect(p, FAMILY_IPV4, true);
	wish(p, "fe2", "fe1", ENCAPSULATION_IPIP, UNDERLAY_WISH_NONE);
	expect(p, FAMILY_IPV4, false);
	wish(p, "fe1", "fe2", 0, UNDERLAY_WISH_IPV6);
	expect(p, FAMILY_IPV6, false); /* what it leaves out stays */
}

static void an_end_that_has_one_family_decides(void **state)
{
	struct pair *p = *state;

	lacks(&p->a, FAMILY_IPV4);
	expect(p, FAMILY_IPV6, false);
	set_family(&p->a, FAMILY_IPV4, 1);
	lacks(&p->b, FAMILY_IPV6);
	p->core->config.tunnel.underlay = UNDERLAY_WISH_IPV6;
	expect(p, FAMILY_IPV4, false);
}

static void without_a_family_in_common_it_is_the_peers_own(void **state)
{
	struct pair *p = *state;
	struct address there, back;

	lacks(&p->a, FAMILY_IPV4);
	lacks(&p->b, FAMILY_IPV6);
	there = tunnel_address(&p->a, &p->b);
	back = tunnel_address(&p->b, &p->a);
	assert_true(address_equal(&there, &p->b.backplane.pair[FAMILY_IPV4].address));
	assert_true(address_equal(&back, &p->a.backplane.pair[FAMILY_IPV6].address));
}

static void an_end_that_has_one_encapsulation_decides(void **state)
{
	struct pair *p = *state;

	p->b.info.encapsulations = ENCAPSULATION_VXLAN; /* an Open vSwitch */
	expect(p, FAMILY_IPV4, true);
	wish(p, "fe1", "fe2", ENCAPSULATION_IPIP, 0);
	expect(p, FAMILY_IPV4, true);
	p->b.info.encapsulations = ENCAPSULATION_IPIP;
	wish(p, "fe1", "fe2", ENCAPSULATION_VXLAN, 0);
	expect(p, FAMILY_IPV4, false);
	p->b.info.encapsulations = 0; /* an earlier release did not say: as wished */
	expect(p, FAMILY_IPV4, true);
}

static void an_element_without_a_backplane_has_no_tunnel(void **state)
{
	struct pair *p = *state;
	struct tunnel t;

	assert_false(tunnel_between(p->core, &p->a, &p->a, &t));
	lacks(&p->b, FAMILY_IPV4);
	lacks(&p->b, FAMILY_IPV6);
	assert_false(tunnel_between(p->core, &p->a, &p->b, &t));
	assert_false(element_has_backplane(&p->b));
}

static void an_element_not_met_is_known_by_anothers_group(void **state)
{
	struct pair *p = *state;
	struct rule_group g = {.fe = 2,
			       .address = an_address("fd00:9::2"),
			       .redirect = an_address("fd00:9::3"),
			       .vxlan = true};

	lacks(&p->b, FAMILY_IPV4);
	lacks(&p->b, FAMILY_IPV6);
	p->b.info.encapsulations = 0;
	tunnel_learn(&p->b, &g);
	expect(p, FAMILY_IPV6, true);
	assert_true(address_equal(&p->b.backplane.pair[FAMILY_IPV6].redirect, &g.redirect));
}

static void the_rules_take_the_address_and_the_spread_marked_or_not(void **state)
{
	struct tunnel t = {.address = an_address("fd00::3"), .vxlan = true};
	struct rule rules[TUNNEL_RULES_MAX];

	assert_int_equal(tunnel_rules(3, &t, rules), 2);
	assert_int_equal(prefix_parse("fd00::7:0/112", &t.spread), 0);
	assert_int_equal(tunnel_rules(3, &t, rules), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(rules[i].key.kind, i % 2 ? RULE_PEER_MARKED : RULE_PEER);
		assert_int_equal(rules[i].key.port, PIPELINE_VXLAN_PORT);
		assert_int_equal(rules[i].key.length, i < 2 ? 128 : 112);
		assert_true(address_equal(&rules[i].key.address,
					  i < 2 ? &t.address : &t.spread.address));
		assert_int_equal(rules[i].fe, 3);
	}
	t.vxlan = false;
	assert_int_equal(tunnel_rules(3, &t, rules), 4);
	assert_int_equal(rules[0].key.port, PIPELINE_TUNNEL_PORT);
}

static void a_change_of_anything_is_a_change(void **state)
{
	const struct tunnel t = {.address = an_address("fd00::3"),
				 .redirect = an_address("fd00::103")};
	struct tunnel other = t;

	assert_true(tunnel_equal(&t, &other));
	other.vxlan = true;
	assert_false(tunnel_equal(&t, &other));
	other = t;
	other.redirect = an_address("fd00::104");
	assert_false(tunnel_equal(&t, &other));
	other = t;
	assert_int_equal(prefix_parse("fd00::7:0/112", &other.spread), 0);
	assert_false(tunnel_equal(&t, &other));
}

static void a_wish_that_names_no_pair_is_refused(void **state)
{
	struct pair *p = *state;
	struct tunnel_wish w = {.ends = {"fe1", "fe1"}};
	struct reason why = {""};

	assert_int_equal(core_add_tunnel(p->core, &w, &why), -EINVAL);
	assert_non_null(strstr(why.text, "same element"));
	snprintf(w.ends[1], NAME_SIZE, "fe/2");
	assert_int_equal(core_add_tunnel(p->core, &w, &why), -EINVAL);
	assert_non_null(strstr(why.text, "fe/2"));
	assert_int_equal(p->core->wish_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

static const struct CMUnitTest tests[] = {
	TEST(without_a_wish_it_is_ip_in_ip_over_ipv4),
	TEST(what_is_wished_for_all_is_what_each_pair_has),
	TEST(what_is_said_of_a_pair_is_for_it_alone_in_either_order),
	TEST(an_end_that_has_one_family_decides),
	TEST(without_a_family_in_common_it_is_the_peers_own),
	TEST(an_end_that_has_one_encapsulation_decides),
	TEST(an_element_without_a_backplane_has_no_tunnel),
	TEST(an_element_not_met_is_known_by_anothers_group),
	TEST(the_rules_take_the_address_and_the_spread_marked_or_not),
	TEST(a_change_of_anything_is_a_change),
	TEST(a_wish_that_names_no_pair_is_refused),
};

RUN_QUIETLY(tests)
