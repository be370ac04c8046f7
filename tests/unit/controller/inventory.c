/* What an operator may declare, and the lookups. */
#include "controller/inventory.h"
#include "base/memory.h"
#include "main.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct inventory *inventory(void)
{
	struct inventory *inv = memory_alloc(sizeof(*inv));
	struct covered_prefix p = {.mobile = true};
	struct reason why;

	inventory_init(inv, 9);
	assert_int_equal(prefix_parse("10.10.0.0/16", &p.prefix), 0);
	assert_int_equal(address_parse("10.10.0.1", &p.gateway), 0);
	assert_int_equal(inventory_add_prefix(inv, &p, &why), 0);
	return inv;
}

static void finish(struct inventory *inv)
{
	inventory_finish(inv);
	free(inv);
}

static struct node_spec node(const char *id, const char *mac, const char *address)
{
	struct node_spec n = {.address_count = 1};

	snprintf(n.id, sizeof(n.id), "%s", id);
	assert_int_equal(mac_parse(mac, &n.mac), 0);
	assert_int_equal(address_parse(address, &n.addresses[0]), 0);
	return n;
}

static void refused(struct inventory *inv, struct node_spec n, int result, const char *word)
{
	struct reason why = {""};

	assert_int_equal(inventory_put_node(inv, &n, &why), result);
	assert_non_null(strstr(why.text, word));
}

static void what_a_node_may_not_be(void **state)
{
	struct inventory *inv = inventory();
	struct node_spec ok = node("a", "52:54:00:00:00:01", "10.10.0.5");
	struct node_spec twice = node("c", "52:54:00:00:00:03", "10.10.0.7");
	struct reason why;

	assert_int_equal(inventory_put_node(inv, &ok, &why), 0);
	refused(inv, node("", "52:54:00:00:00:02", "10.10.0.6"), -EINVAL, "empty");
	refused(inv, node("a b", "52:54:00:00:00:02", "10.10.0.6"), -EINVAL, "letters");
	refused(inv, node("b", "52:54:00:00:00:02", "10.11.0.6"), -EINVAL, "no covered prefix");
	refused(inv, node("b", "52:54:00:00:00:02", "10.10.0.1"), -EINVAL, "gateway");
	refused(inv, node("b", "52:54:00:00:00:02", "10.10.0.5"), -EEXIST, "node a's");
	refused(inv, node("b", "52:54:00:00:00:01", "10.10.0.6"), -EEXIST, "node a's");
	refused(inv, node("b", "53:54:00:00:00:01", "10.10.0.6"), -EINVAL, "group");
	twice.addresses[twice.address_count++] = twice.addresses[0];
	refused(inv, twice, -EINVAL, "twice");
	twice.address_count = 0;
	refused(inv, twice, -EINVAL, "addresses");
	assert_int_equal(inv->nodes.count, 1);
	finish(inv);
}

static void a_replaced_node_is_found_by_its_new_address_only(void **state)
{
	struct inventory *inv = inventory();
	struct node_spec n = node("a", "52:54:00:00:00:01", "10.10.0.5");
	struct address before = n.addresses[0];
	struct mac mac = n.mac;
	const struct node *at;
	struct reason why;

	assert_int_equal(inventory_put_node(inv, &n, &why), 0);
	n = node("a", "52:54:00:00:00:02", "10.10.0.6");
	assert_int_equal(inventory_put_node(inv, &n, &why), 0);
	at = inventory_node(inv, "a");
	assert_null(inventory_node_by_address(inv, 0, &before));
	assert_null(inventory_node_by_mac(inv, 0, &mac));
	assert_ptr_equal(inventory_node_by_address(inv, 0, &n.addresses[0]), at);
	assert_null(inventory_node_by_address(inv, 1, &n.addresses[0]));
	assert_true(inventory_remove_node(inv, "a"));
	assert_false(inventory_remove_node(inv, "a"));
	assert_null(inventory_node_by_address(inv, 0, &n.addresses[0]));
	finish(inv);
}

static void prefixes_do_not_overlap_and_have_their_gateway_inside(void **state)
{
	struct inventory *inv = inventory();
	struct covered_prefix p = {.mobile = true};
	struct reason why;

	assert_int_equal(prefix_parse("10.10.4.0/24", &p.prefix), 0);
	assert_int_equal(inventory_add_prefix(inv, &p, &why), -EEXIST);
	p.vrf = 5;
	assert_int_equal(inventory_add_prefix(inv, &p, &why), 0);
	assert_int_equal(prefix_parse("10.20.0.0/16", &p.prefix), 0);
	assert_int_equal(address_parse("10.10.0.1", &p.gateway), 0);
	assert_int_equal(inventory_add_prefix(inv, &p, &why), -EINVAL);
	p.prefix.length = 100;
	p.gateway = (struct address){{0}};
	assert_int_equal(inventory_add_prefix(inv, &p, &why), -EINVAL);
	finish(inv);
}

static void links_join_two_elements_once(void **state)
{
	struct inventory *inv = inventory();
	struct link l = {.ends = {"FE1", "FE2"}, .cost = 1};
	struct reason why;

	assert_int_equal(inventory_add_link(inv, &l, &why), 0);
	l = (struct link){.ends = {"FE2", "FE1"}, .cost = 5};
	assert_int_equal(inventory_add_link(inv, &l, &why), -EEXIST);
	l = (struct link){.ends = {"FE2", "FE2"}, .cost = 5};
	assert_int_equal(inventory_add_link(inv, &l, &why), -EINVAL);
	l = (struct link){.ends = {"FE2", "FE3"}, .cost = 0};
	assert_int_equal(inventory_add_link(inv, &l, &why), -EINVAL);
	finish(inv);
}

static void refused_prefix(struct inventory *inv, const char *prefix, uint32_t vrf, bool mobile,
			   const char *first, const char *second, const char *site)
{
	struct covered_prefix p = {.mobile = mobile, .vrf = vrf};
	struct reason why = {""};

	assert_int_equal(prefix_parse(prefix, &p.prefix), 0);
	assert_int_equal(inventory_add_prefix(inv, &p, &why), first ? -EEXIST : 0);
	if (first &&
	    (!strstr(why.text, first) || !strstr(why.text, second) || !strstr(why.text, site)))
		fail_msg("%s", why.text);
}

static void a_mobile_prefix_stays_clear_of_the_sites_own_networks(void **state)
{
	struct inventory *inv = inventory();
	struct site site = {.name = "east", .network_count = 3};
	struct reason why;

	assert_int_equal(prefix_parse("10.2.0.0/16", &site.networks[0].prefix), 0);
	assert_int_equal(prefix_parse("10.3.0.7/32", &site.networks[1].prefix), 0);
	assert_int_equal(prefix_parse("10.4.0.0/16", &site.networks[2].prefix), 0);
	site.networks[2].vrf = 7;
	site.networks[2].imported = true;
	assert_int_equal(sites_add(&inv->sites, &site, &why), 0);

	refused_prefix(inv, "10.2.9.0/24", 0, true, "10.2.9.0/24", "10.2.0.0/16", "site east");
	refused_prefix(inv, "10.3.0.0/16", 0, true, "10.3.0.0/16", "10.3.0.7/32", "site east");
	refused_prefix(inv, "10.4.0.0/16", 7, true, "10.4.0.0/16", "VRF 7 imports", "site east");
	refused_prefix(inv, "10.4.0.0/16", 0, true, NULL, NULL, NULL);
	refused_prefix(inv, "10.2.3.0/24", 0, false, NULL, NULL, NULL); /* fixed: the site's own */
	finish(inv);
}

static void an_element_is_at_one_site(void **state)
{
	struct sites sites = {NULL, 0};
	struct site a = {.name = "a", .element_count = 1, .elements = {"fe1"}};
	struct site b = {.name = "b", .element_count = 1, .elements = {"fe1"}};
	struct reason why;

	assert_int_equal(sites_add(&sites, &a, &why), 0);
	assert_int_equal(sites_add(&sites, &a, &why), -EEXIST);
	assert_int_equal(sites_add(&sites, &b, &why), -EEXIST);
	assert_non_null(strstr(why.text, "fe1"));
	strcpy(b.elements[0], "fe2");
	assert_int_equal(sites_add(&sites, &b, &why), 0);
	assert_string_equal(sites_of(&sites, "fe2")->name, "b");
	assert_null(sites_of(&sites, "fe3"));
	sites_finish(&sites);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_a_node_may_not_be),
	cmocka_unit_test(a_replaced_node_is_found_by_its_new_address_only),
	cmocka_unit_test(prefixes_do_not_overlap_and_have_their_gateway_inside),
	cmocka_unit_test(links_join_two_elements_once),
	cmocka_unit_test(a_mobile_prefix_stays_clear_of_the_sites_own_networks),
	cmocka_unit_test(an_element_is_at_one_site),
};

RUN_QUIETLY(tests)
