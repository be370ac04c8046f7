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

static struct node node(const char *id, const char *mac, const char *address)
{
	struct node n = {.address_count = 1};

	snprintf(n.id, sizeof(n.id), "%s", id);
	assert_int_equal(mac_parse(mac, &n.mac), 0);
	assert_int_equal(address_parse(address, &n.addresses[0]), 0);
	return n;
}

static void refused(struct inventory *inv, struct node n, int result, const char *word)
{
	struct reason why = {""};

	assert_int_equal(inventory_put_node(inv, &n, &why), result);
	assert_non_null(strstr(why.text, word));
}

static void what_a_node_may_not_be(void **state)
{
	struct inventory *inv = inventory();
	struct node ok = node("a", "52:54:00:00:00:01", "10.10.0.5");
	struct node twice = node("c", "52:54:00:00:00:03", "10.10.0.7");
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
	struct node n = node("a", "52:54:00:00:00:01", "10.10.0.5");
	struct address before = n.addresses[0];
	struct mac mac = n.mac;
	const struct node *at;
	struct reason why;

	assert_int_equal(inventory_put_node(inv, &n, &why), 0);
	at = inventory_node(inv, "a");
	n = node("a", "52:54:00:00:00:02", "10.10.0.6");
	assert_int_equal(inventory_put_node(inv, &n, &why), 0);
	assert_ptr_equal(inventory_node(inv, "a"), at);
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_a_node_may_not_be),
	cmocka_unit_test(a_replaced_node_is_found_by_its_new_address_only),
	cmocka_unit_test(prefixes_do_not_overlap_and_have_their_gateway_inside),
	cmocka_unit_test(links_join_two_elements_once),
};

RUN_QUIETLY(tests)
