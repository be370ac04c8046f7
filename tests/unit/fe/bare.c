/* Foreign rules that the data plane alone keeps (fe/bare.c): whatever is asked of the pipeline is
 * answered as by one that keeps all rules itself, over restarts too. */
#include "sim/memory_plane.h"

#include "fe/pipeline.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ADDRESSES 12
#define FES 3 /* 10, 11, 12 */
#define PORTS 2

struct side {
	struct memory_plane plane; /* first: the operations' context */
	struct datapath_ops ops;
	struct pipeline pipeline;
	unsigned removed;
};

/* ---- a plane that keeps bare ones ---- */

static int bare_get(void *context, uint32_t vrf, const struct address *address,
		    struct datapath_bare *ret)
{
	const struct datapath_binding *b = memory_plane_binding(context, vrf, address);

	if (!b || !b->bare)
		return -ENOENT;
	*ret = (struct datapath_bare){vrf, b->fe, *address, b->version};
	return 0;
}

static bool bare_next(void *context, uint64_t *at, struct datapath_bare *ret)
{
	struct memory_plane *plane = context;
	size_t where = (size_t)*at;
	void *value;

	while (table_next(&plane->bindings, &where, NULL, &value)) {
		const struct datapath_binding *b = value;

		*at = where;
		if (!b->bare)
			continue;
		*ret = (struct datapath_bare){b->vrf, b->fe, b->address, b->version};
		return true;
	}
	*at = where;
	return false;
}

/* ---- the two ---- */

static void on_removed(void *context, const struct pipeline_entry *entry, uint8_t reason)
{
	((struct side *)context)->removed++;
}

static void on_rule(void *context, const struct rule *rule)
{
}

static void on_foreign(void *context, uint32_t vrf, const struct address *address)
{
}

static void ports_set(struct side *s)
{
	for (uint32_t number = 1; number <= PORTS; number++) {
		const struct agent_port port = {.info = {.number = number, .role = PORT_ACCESS},
						.ifindex = number,
						.up = true};

		pipeline_port_set(&s->pipeline, &port);
	}
}

static void side_start(struct side *s)
{
	const struct pipeline_observer observer = {on_removed, on_rule, on_rule, on_foreign, s};
	size_t at = 0;
	void *value;

	pipeline_init(&s->pipeline, 1, &s->ops, &s->plane, &observer, 7, 1000);
	while (table_next(&s->plane.rules, &at, NULL, &value)) {
		const struct rule copy = *(const struct rule *)value;

		pipeline_adopt_rule(&s->pipeline, &copy, 0);
	}
	at = 0;
	while (table_next(&s->plane.groups, &at, NULL, &value))
		pipeline_adopt_group(&s->pipeline, value);
	ports_set(s);
	pipeline_adopt_done(&s->pipeline);
}

static void side_open(struct side *s, bool bare)
{
	memset(s, 0, sizeof(*s));
	memory_plane_init(&s->plane, 7);
	s->ops = memory_plane_ops;
	if (bare) {
		s->ops.bare_get = bare_get;
		s->ops.bare_next = bare_next;
	}
	side_start(s);
}

static void side_close(struct side *s)
{
	pipeline_finish(&s->pipeline);
	memory_plane_finish(&s->plane);
}

static struct address numbered(unsigned i)
{
	const uint8_t bytes[4] = {10, 10, 0, (uint8_t)(10 + i)};

	return address_from_ipv4(bytes);
}

static struct rule rule_make(enum rule_kind kind, unsigned i, unsigned what, uint64_t cookie)
{
	struct rule r = {.key = {.kind = (uint8_t)kind, .address = numbered(i)}, .cookie = cookie};

	if (kind == RULE_FOREIGN) {
		r.fe = 10 + what % FES;
		return r;
	}
	if (kind == RULE_GUARD) {
		r.key.port = 1 + i % PORTS; /* which of two counts is a matter of their order */
		r.key.mac = (struct mac){{2, 0, 0, 0, 0, (uint8_t)i}};
		return r;
	}
	r.port = 1 + what % PORTS;
	r.mac = (struct mac){{2, 0, 0, 0, 0, (uint8_t)i}};
	r.gateway_mac = (struct mac){{2, 0, 0x5e, 0, 0, 1}};
	return r;
}

static int flow_mod(struct side *s, const struct rule *rule, enum ofp_flow_mod_command command,
		    uint16_t flags)
{
	struct ofp_flow_mod mod;

	rule_to_flow_mod(rule, command, &mod);
	mod.flags |= flags;
	return pipeline_flow_mod(&s->pipeline, &mod);
}

static int group_mod(struct side *s, uint32_t fe, enum ofp_group_mod_command command)
{
	const uint8_t there[4] = {192, 0, 2, (uint8_t)fe},
		      marked[4] = {192, 0, 2, (uint8_t)(fe + 100)};
	const struct rule_group group = {.fe = fe,
					 .address = address_from_ipv4(there),
					 .redirect = address_from_ipv4(marked)};
	struct ofp_group_mod mod;

	rule_group_to_group_mod(&group, command, &mod);
	return pipeline_group_mod(&s->pipeline, &mod);
}

/* ---- what they say ---- */

struct listing {
	struct rule rules[8 * ADDRESSES];
	unsigned count;
};

static void list_one(void *to, struct pipeline_entry *entry)
{
	struct listing *l = to;

	assert_true(l->count < ARRAY_SIZE(l->rules));
	l->rules[l->count++] = entry->rule;
}

static int compare_rules(const void *a, const void *b)
{
	return memcmp(&((const struct rule *)a)->key, &((const struct rule *)b)->key,
		      sizeof(struct rule_key));
}

static void list(struct side *s, struct listing *ret)
{
	static const struct ofp_match any;
	const struct pipeline_filter all = {
		.table = OFP_TABLE_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY, .match = &any};

	ret->count = 0;
	pipeline_select(&s->pipeline, &all, list_one, ret);
	qsort(ret->rules, ret->count, sizeof(struct rule), compare_rules);
}

static void check_same(struct side *plain, struct side *bare)
{
	struct listing one, other;

	list(plain, &one);
	list(bare, &other);
	assert_int_equal(one.count, other.count);
	for (unsigned i = 0; i < one.count; i++)
		assert_true(rule_equal(&one.rules[i], &other.rules[i]));
	assert_int_equal(plain->pipeline.rules[TABLE_BINDING].count,
			 bare->pipeline.rules[TABLE_BINDING].count + bare->pipeline.bare_count);
	assert_int_equal(plain->removed, bare->removed);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct address a = numbered(i);
		const struct datapath_binding *p = memory_plane_binding(&plain->plane, 0, &a);
		const struct datapath_binding *b = memory_plane_binding(&bare->plane, 0, &a);

		assert_true(!p == !b);
		if (p)
			assert_true(p->flags == b->flags && p->fe == b->fe && p->port == b->port);
		assert_true(pipeline_is_foreign(&plain->pipeline, 0, &a) ==
			    pipeline_is_foreign(&bare->pipeline, 0, &a));
	}
	for (uint32_t fe = 10; fe < 10 + FES; fe++) {
		const struct pipeline_group *p = table_get(&plain->pipeline.groups, &fe);
		const struct pipeline_group *b = table_get(&bare->pipeline.groups, &fe);

		assert_int_equal(p ? p->reference_count : 0, b ? b->reference_count : 0);
	}
}

/* ---- */

static void a_million_like_it_cost_the_agent_nothing(void **state)
{
	struct side s;
	struct rule r = rule_make(RULE_FOREIGN, 1, 0, 77);
	const struct pipeline_entry *found;

	side_open(&s, true);
	assert_int_equal(group_mod(&s, 10, OFPGC_ADD), 0);
	assert_int_equal(flow_mod(&s, &r, OFPFC_ADD, 0), 0);
	assert_int_equal(s.pipeline.rules[TABLE_BINDING].count, 0);
	assert_int_equal(s.plane.rules.count, 0);
	found = pipeline_find(&s.pipeline, &r.key);
	assert_non_null(found);
	assert_true(rule_equal(&found->rule, &r));
	assert_int_equal(group_mod(&s, 10, OFPGC_DELETE), 0); /* goes with its group */
	assert_null(pipeline_find(&s.pipeline, &r.key));
	assert_null(memory_plane_binding(&s.plane, 0, &r.key.address));
	side_close(&s);
}

static unsigned next_random(unsigned below)
{
	static uint64_t seed = 42;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 33) % below);
}

static void change_both(struct side *a, struct side *b, unsigned step)
{
	static const enum rule_kind kinds[] = {RULE_FOREIGN, RULE_FOREIGN, RULE_LOCAL, RULE_GUARD,
					       RULE_TENTATIVE};
	const struct rule rule = rule_make(kinds[next_random(ARRAY_SIZE(kinds))],
					   next_random(ADDRESSES), next_random(6), step);
	unsigned what = next_random(100);
	uint32_t fe = 10 + next_random(FES);

	if (what < 50) {
		uint16_t flags = next_random(8) ? 0 : OFPFF_SEND_FLOW_REM;

		assert_int_equal(flow_mod(a, &rule, OFPFC_ADD, flags),
				 flow_mod(b, &rule, OFPFC_ADD, flags));
	} else if (what < 85) {
		assert_int_equal(flow_mod(a, &rule, OFPFC_DELETE_STRICT, 0),
				 flow_mod(b, &rule, OFPFC_DELETE_STRICT, 0));
	} else if (what < 90) {
		assert_int_equal(flow_mod(a, &rule, OFPFC_MODIFY_STRICT, 0),
				 flow_mod(b, &rule, OFPFC_MODIFY_STRICT, 0));
	} else if (what < 97) {
		assert_int_equal(group_mod(a, fe, OFPGC_ADD), group_mod(b, fe, OFPGC_ADD));
	} else if (what < 99) {
		assert_int_equal(group_mod(a, fe, OFPGC_DELETE), group_mod(b, fe, OFPGC_DELETE));
	} else {
		pipeline_finish(&a->pipeline);
		pipeline_finish(&b->pipeline);
		side_start(a);
		side_start(b);
	}
}

static void nobody_can_tell_the_difference(void **state)
{
	struct side plain, bare;

	side_open(&plain, false);
	side_open(&bare, true);
	for (unsigned step = 0; step < 20000; step++) {
		change_both(&plain, &bare, step);
		check_same(&plain, &bare);
	}
	side_close(&plain);
	side_close(&bare);
}

static void what_an_older_agent_kept_becomes_bare(void **state)
{
	struct rule r = rule_make(RULE_FOREIGN, 1, 0, 77);
	struct side s;

	side_open(&s, false);
	assert_int_equal(group_mod(&s, 10, OFPGC_ADD), 0);
	assert_int_equal(flow_mod(&s, &r, OFPFC_ADD, 0), 0);
	assert_int_equal(s.plane.rules.count, 1);
	pipeline_finish(&s.pipeline);
	s.ops.bare_get = bare_get;
	s.ops.bare_next = bare_next;
	side_start(&s);
	assert_int_equal(s.plane.rules.count, 0);
	assert_int_equal(s.pipeline.bare_count, 1);
	assert_true(rule_equal(&pipeline_find(&s.pipeline, &r.key)->rule, &r));
	side_close(&s);
}

static void of_two_the_data_planes_is_the_last_word(void **state)
{
	struct rule r = rule_make(RULE_FOREIGN, 1, 0, 77), older = r;
	struct side s;

	side_open(&s, true);
	assert_int_equal(group_mod(&s, 10, OFPGC_ADD), 0);
	assert_int_equal(flow_mod(&s, &r, OFPFC_ADD, 0), 0);
	older.cookie = 3; /* killed before it was forgotten */
	assert_int_equal(s.ops.rule_keep(&s.plane, &older), 0);
	pipeline_finish(&s.pipeline);
	side_start(&s);
	assert_int_equal(pipeline_find(&s.pipeline, &r.key)->rule.cookie, 77);
	assert_int_equal(s.plane.rules.count, 0);
	side_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_like_it_cost_the_agent_nothing),
		cmocka_unit_test(nobody_can_tell_the_difference),
		cmocka_unit_test(what_an_older_agent_kept_becomes_bare),
		cmocka_unit_test(of_two_the_data_planes_is_the_last_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
