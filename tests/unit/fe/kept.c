/* Announcements that are kept for a controller survive the agent. */
#include "fixture.h"

#include "fe/fair.h"
#include "fe/neighbor.h"
#include "pipeline/experimenter.h"

#include <errno.h>
#include <stdio.h>

/* The pinned copy, beside the box's data plane. */
static struct table pinned;
static struct datapath_ops operations;

static int kept_set(void *context, const struct kept_key *key, const struct kept_frame *frame)
{
	*(struct kept_frame *)table_put(&pinned, key, NULL) = *frame;
	return 0;
}

static int kept_remove(void *context, const struct kept_key *key)
{
	return table_remove(&pinned, key) ? 0 : -ENOENT;
}

/* As the shell does it: the rules and ports, then what was kept. */
static void restart(struct box *box)
{
	struct table before;
	const void *key;
	void *frame;
	size_t at = 0;

	box_restart(box);
	table_init(&before, sizeof(struct kept_key), sizeof(struct kept_frame), 1);
	while (table_next(&pinned, &at, &key, &frame))
		*(struct kept_frame *)table_put(&before, key, NULL) =
			*(const struct kept_frame *)frame;
	for (at = 0; table_next(&before, &at, &key, &frame);)
		agent_adopt_kept(box->agent, key, frame);
	table_finish(&before);
}

static int set_up(void **state)
{
	struct box *box = test_calloc(1, sizeof(*box));

	box_open(box);
	table_init(&pinned, sizeof(struct kept_key), sizeof(struct kept_frame), 1);
	operations = *box->shell.datapath;
	operations.kept_set = kept_set;
	operations.kept_remove = kept_remove;
	box->shell.datapath = &operations;
	box_restart(box);
	*state = box;
	return 0;
}

static int tear_down(void **state)
{
	box_close(*state);
	table_finish(&pinned);
	test_free(*state);
	return 0;
}

static struct controller join_prepared(struct box *box)
{
	struct controller c = controller_join(box, 1);

	controller_prepare(&c, 2);
	return c;
}

static void leave(struct box *box, struct controller *c)
{
	agent_disconnect(c->connection, box->now_ms);
}

static void expect_replay(struct controller *c, uint32_t port, uint32_t age_ms)
{
	struct message m = controller_expect(c, OFPT_ROLE_REPLY);
	enum experimenter_type type;
	struct replay replay;

	message_free(&m);
	m = controller_next(c);
	assert_int_equal(m.header.type, OFPT_EXPERIMENTER);
	assert_int_equal(experimenter_decode(&m.body, &type), 0);
	assert_int_equal(type, EXPERIMENTER_REPLAY);
	assert_int_equal(replay_decode(&m.body, &replay), 0);
	assert_int_equal(replay.port, port);
	assert_int_equal(replay.age_ms, age_ms);
	message_free(&m);
}

static void what_was_kept_is_replayed_by_the_agent_after(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);

	leave(box, &c);
	box_announce(box, 2, "10.10.0.11", 7);
	assert_int_equal(pinned.count, 1);
	box_pass(box, 700);
	restart(box);
	box_pass(box, 300);
	c = controller_join(box, 2);
	expect_replay(&c, 2, 1000);
}

static void what_the_controller_answered_is_not_pinned_any_more(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);
	struct rule local = rule_local("10.10.0.11", 2);

	local.mac = mac_of(7);
	box_announce(box, 2, "10.10.0.11", 7);
	assert_int_equal(pinned.count, 1); /* until it is answered: the connection may break */
	assert_int_equal(controller_add(&c, &local), 0);
	assert_int_equal(pinned.count, 0);
	box_announce(box, 2, "10.10.0.11", 7); /* it is bound: nothing to keep */
	assert_int_equal(pinned.count, 0);
	leave(box, &c);
}

static void what_was_refused_is_forgotten_after_a_restart_too(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);

	box_announce(box, 2, "10.10.0.11", 7);
	leave(box, &c);
	restart(box);
	assert_int_equal(pinned.count, 1);
	box_pass(box, NEIGHBOR_SENT_MS + 2000);
	assert_int_equal(pinned.count, 0);
}

/* Its rule here is from before: the node was elsewhere in between, of which nobody could tell. */
static void what_a_node_says_that_is_back_unheard_is_replayed_by_the_agent_after(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);
	struct rule local = rule_local("10.10.0.11", 2);

	local.mac = mac_of(7);
	assert_int_equal(controller_add(&c, &local), 0);
	leave(box, &c);
	box_announce(box, 2, "10.10.0.11", 7);
	assert_int_equal(pinned.count, 1);
	restart(box);
	assert_int_equal(pinned.count, 1);
	c = controller_join(box, 2);
	expect_replay(&c, 2, 0);
}

static void never_more_is_pinned_than_kept(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);
	char address[32];

	leave(box, &c);
	for (unsigned i = 0; i < NEIGHBOR_KEPT_MAX + 50; i++) {
		snprintf(address, sizeof(address), "10.10.%u.%u", 1 + i / 250, 1 + i % 250);
		box->now_ms++;
		box_announce(box, 2, address, (uint8_t)(1 + i % 200));
	}
	assert_int_equal(pinned.count, NEIGHBOR_KEPT_MAX);
	restart(box);
	assert_int_equal(pinned.count, NEIGHBOR_KEPT_MAX);
}

static void a_port_that_floods_pushes_out_its_own(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);
	char address[32];

	controller_prepare(&c, 3);
	leave(box, &c);
	box_announce(box, 2, "10.10.0.11", 7);
	for (unsigned i = 0; i < NEIGHBOR_KEPT_MAX + 50; i++) {
		snprintf(address, sizeof(address), "10.10.%u.%u", 1 + i / 250, 1 + i % 250);
		box->now_ms++;
		box_announce(box, 3, address, (uint8_t)(1 + i % 200));
	}
	assert_int_equal(pinned.count, NEIGHBOR_KEPT_MAX);
	c = controller_join(box, 2);
	expect_replay(&c, 2, NEIGHBOR_KEPT_MAX + 50); /* the oldest comes first */
}

static void while_much_waits_a_port_that_floods_is_not_in_the_way(void **state)
{
	struct box *box = *state;
	struct controller c = join_prepared(box);
	const struct channel *channel = agent_connection_channel(c.connection);
	size_t full;

	for (unsigned i = 0; i < 20000; i++)
		box_announce(box, 3, "10.10.0.66", (uint8_t)(1 + i % 200));
	full = channel->out.size;
	assert_in_range(full, FAIR_CROWDED_SIZE, FAIR_CROWDED_SIZE + 4096);
	box_announce(box, 2, "10.10.0.11", 7);
	assert_true(channel->out.size > full);
	full = channel->out.size;
	box_announce(box, 3, "10.10.0.66", 1);
	assert_int_equal(channel->out.size, full);
	controller_drain(&c);
	box_announce(box, 3, "10.10.0.66", 1);
	assert_true(channel->out.size > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_kept_is_replayed_by_the_agent_after),
		TEST(what_the_controller_answered_is_not_pinned_any_more),
		TEST(what_was_refused_is_forgotten_after_a_restart_too),
		TEST(what_a_node_says_that_is_back_unheard_is_replayed_by_the_agent_after),
		TEST(never_more_is_pinned_than_kept),
		TEST(a_port_that_floods_pushes_out_its_own),
		TEST(while_much_waits_a_port_that_floods_is_not_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
