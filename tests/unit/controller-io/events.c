/* controller/io/events: what a watcher that comes back gets. */
#include "controller/io/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct event_ring *ring, uint64_t from, uint64_t to)
{
	for (uint64_t revision = from; revision <= to; revision++) {
		struct event e = {.revision = revision};

		event_ring_add(ring, &e);
	}
}

static void nothing_new_is_nothing(void **state)
{
	struct event_ring *ring = event_ring_create(7);
	struct event list[4];
	uint64_t after = 7;
	bool lost;

	assert_int_equal(event_ring_newest(ring), 7);
	assert_int_equal(event_ring_read(ring, &after, list, 4, &lost), 0);
	assert_false(lost);
	event_ring_destroy(ring);
}

static void each_event_comes_once_and_in_order(void **state)
{
	struct event_ring *ring = event_ring_create(7);
	struct event list[4];
	uint64_t after = 7, expected = 8;
	unsigned count;
	bool lost;

	add(ring, 8, 20);
	while ((count = event_ring_read(ring, &after, list, 4, &lost)) > 0) {
		assert_false(lost);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(list[i].revision, expected++);
	}
	assert_int_equal(expected, 21);
	assert_int_equal(after, 20);
	event_ring_destroy(ring);
}

static void what_was_overwritten_is_said_to_be_lost(void **state)
{
	struct event_ring *ring = event_ring_create(0);
	struct event list[4];
	uint64_t after = 10;
	bool lost;

	add(ring, 1, EVENTS_KEPT + 10);
	assert_int_equal(event_ring_read(ring, &after, list, 4, &lost), 4);
	assert_false(lost); /* 11 is the oldest that is kept */
	assert_int_equal(list[0].revision, 11);
	after = 9;
	assert_int_equal(event_ring_read(ring, &after, list, 4, &lost), 4);
	assert_true(lost);
	assert_int_equal(list[0].revision, 11);
	event_ring_destroy(ring);
}

static void what_was_before_the_ring_is_lost(void **state)
{
	struct event_ring *ring = event_ring_create(50);
	struct event list[4];
	uint64_t after = 40;
	bool lost;

	add(ring, 51, 52);
	assert_int_equal(event_ring_read(ring, &after, list, 4, &lost), 2);
	assert_true(lost);
	event_ring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_new_is_nothing),
		cmocka_unit_test(each_event_comes_once_and_in_order),
		cmocka_unit_test(what_was_overwritten_is_said_to_be_lost),
		cmocka_unit_test(what_was_before_the_ring_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
