/* Copies of what was signed are worth nothing. */
#include "registration/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define EPOCH 0x5c0f5c0f5c0f5c0f

static enum registration_reason accept(struct registration_window *w, uint64_t epoch,
				       uint64_t sequence)
{
	struct registration r = {
		.kind = REGISTRATION_REGISTER, .epoch = epoch, .sequence = sequence};

	return registration_window_accept(w, EPOCH, &r);
}

static void a_message_counts_once(void **state)
{
	struct registration_window w = {0};

	assert_int_equal(accept(&w, EPOCH, 10), REGISTRATION_REASON_NONE);
	assert_int_equal(accept(&w, EPOCH, 10), REGISTRATION_REASON_STALE_SEQUENCE);
	assert_int_equal(accept(&w, EPOCH, 11), REGISTRATION_REASON_NONE);
	assert_int_equal(accept(&w, EPOCH, 10), REGISTRATION_REASON_STALE_SEQUENCE);
}

static void a_message_that_was_overtaken_never_counts(void **state)
{
	struct registration_window w = {0};

	assert_int_equal(accept(&w, EPOCH, 1000), REGISTRATION_REASON_NONE);
	for (uint64_t sequence = 0; sequence <= 1000; sequence++)
		assert_int_equal(accept(&w, EPOCH, sequence), REGISTRATION_REASON_STALE_SEQUENCE);
	assert_int_equal(w.sequence, 1000);
}

static void nothing_recorded_before_a_restart_counts_after_it(void **state)
{
	struct registration_window w = {0};

	assert_int_equal(accept(&w, EPOCH - 1, 10), REGISTRATION_REASON_STALE_EPOCH);
	assert_int_equal(accept(&w, EPOCH ^ 1ull << 63, UINT64_MAX),
			 REGISTRATION_REASON_STALE_EPOCH);
	assert_int_equal(w.sequence, 0);
	assert_int_equal(accept(&w, EPOCH, 1), REGISTRATION_REASON_NONE);
}

static void the_last_sequence_is_a_sequence(void **state)
{
	struct registration_window w = {0};

	assert_int_equal(accept(&w, EPOCH, UINT64_MAX), REGISTRATION_REASON_NONE);
	assert_int_equal(accept(&w, EPOCH, UINT64_MAX), REGISTRATION_REASON_STALE_SEQUENCE);
	assert_int_equal(accept(&w, EPOCH, 1), REGISTRATION_REASON_STALE_SEQUENCE);
}

static void a_grant_is_good_once_and_for_its_time(void **state)
{
	struct registration_window w = {0};
	struct registration_grant g = {.epoch = EPOCH, .serial = 5, .expires_s = 100}, older = g;

	older.serial = 4;
	assert_int_equal(registration_window_look(&w, EPOCH, 100, &g), REGISTRATION_REASON_NONE);
	assert_int_equal(registration_window_look(&w, EPOCH, 101, &g),
			 REGISTRATION_REASON_EXPIRED_GRANT);
	assert_int_equal(registration_window_look(&w, EPOCH + 1, 1, &g),
			 REGISTRATION_REASON_EXPIRED_GRANT);
	assert_int_equal(registration_window_look(&w, EPOCH, 100, &g), REGISTRATION_REASON_NONE);
	registration_window_spend(&w, &g);
	assert_int_equal(registration_window_look(&w, EPOCH, 100, &g),
			 REGISTRATION_REASON_SPENT_GRANT);
	assert_int_equal(registration_window_look(&w, EPOCH, 100, &older),
			 REGISTRATION_REASON_SPENT_GRANT);
	registration_window_spend(&w, &older);
	assert_int_equal(w.serial, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_counts_once),
		cmocka_unit_test(a_message_that_was_overtaken_never_counts),
		cmocka_unit_test(nothing_recorded_before_a_restart_counts_after_it),
		cmocka_unit_test(the_last_sequence_is_a_sequence),
		cmocka_unit_test(a_grant_is_good_once_and_for_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
