/* Routes of the elements' own within a mobile prefix: alarms, and nodes that are refused. */
#include "fake_element.h"
#include "main.h"

#include <errno.h>
#include <stdio.h>

static void says(struct world *w, uint32_t fe, const char *prefix, bool own)
{
	struct overlap o = {.own = own, .device = "eth1"};
	struct fake *f = fake_of(w, fe);

	if (prefix)
		assert_int_equal(prefix_parse(prefix, &o.prefix), 0);
	overlaps_encode(&f->channel.out, 0, &o, prefix ? 1 : 0);
	world_run(w);
}

struct found {
	unsigned count;
	char text[256];
};

static void find_alarm(void *to, const struct alarm *a)
{
	struct found *f = to;

	f->count++;
	snprintf(f->text, sizeof(f->text), "%s", a->text);
}

static struct found alarms(struct world *w)
{
	struct found f = {0};

	core_alarms(w->core, find_alarm, &f);
	return f;
}

static int put(struct world *w, const char *id, const char *address, struct reason *why)
{
	struct node_spec n = {.mobile = true, .address_count = 1};

	snprintf(n.id, sizeof(n.id), "%s", id);
	n.addresses[0] = an_address(address);
	return core_put_node(w->core, &n, w->now_ms, why);
}

static void a_route_within_a_mobile_prefix_is_an_alarm_while_it_is_there(void **state)
{
	struct world *w = world_create();
	struct found f;

	says(w, 2, "10.10.5.0/24", false);
	f = alarms(w);
	assert_int_equal(f.count, 1);
	assert_non_null(strstr(f.text, "FE2"));
	assert_non_null(strstr(f.text, "10.10.5.0/24"));
	assert_non_null(strstr(f.text, "10.10.0.0/16"));
	assert_non_null(strstr(f.text, "eth1"));
	assert_int_equal(world_count_events(w, EVENT_ALARM), 1);
	says(w, 2, "10.10.5.0/24", false);
	assert_int_equal(world_count_events(w, EVENT_ALARM), 1);
	says(w, 2, NULL, false);
	assert_int_equal(alarms(w).count, 0);
	assert_int_equal(world_count_events(w, EVENT_ALARM_OVER), 1);
	world_destroy(w);
}

static void what_is_nobodys_business_is_no_alarm(void **state)
{
	struct world *w = world_create();

	says(w, 2, "192.168.0.0/16", false);
	says(w, 3, "10.10.0.1/32", true); /* the gateway's address */
	assert_int_equal(alarms(w).count, 0);
	world_destroy(w);
}

static void a_node_whose_address_is_routed_elsewhere_is_refused_and_both_are_named(void **state)
{
	struct world *w = world_create();
	struct reason why = {""};

	says(w, 2, "10.10.5.0/24", false);
	assert_int_equal(put(w, "new", "10.10.5.9", &why), -EEXIST);
	assert_non_null(strstr(why.text, "10.10.5.9"));
	assert_non_null(strstr(why.text, "10.10.5.0/24"));
	assert_non_null(strstr(why.text, "FE2"));
	assert_int_equal(put(w, "new", "10.10.6.9", &why), 0);
	says(w, 2, NULL, false);
	assert_int_equal(put(w, "newer", "10.10.5.9", &why), 0);
	world_destroy(w);
}

static void a_node_that_is_there_stays_and_one_that_comes_is_refused(void **state)
{
	struct world *w = world_with_vm1_at(2, 2);

	says(w, 3, "10.10.0.0/24", false);
	fake_announces(w, 2, 2, VM1, IP1);
	fake_announces(w, 2, 3, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	assert_bound(w, IP1, 2, 2);
	assert_bound(w, "10.10.0.12", 0, 0);
	assert_non_null(strstr(world_last_event(w, EVENT_REFUSED)->text, "alarms"));
	says(w, 3, NULL, false);
	fake_announces(w, 2, 3, "52:54:00:00:00:12", "10.10.0.12");
	world_run(w);
	assert_bound(w, "10.10.0.12", 2, 3);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_route_within_a_mobile_prefix_is_an_alarm_while_it_is_there),
	cmocka_unit_test(what_is_nobodys_business_is_no_alarm),
	cmocka_unit_test(a_node_whose_address_is_routed_elsewhere_is_refused_and_both_are_named),
	cmocka_unit_test(a_node_that_is_there_stays_and_one_that_comes_is_refused),
};

RUN_QUIETLY(tests)
