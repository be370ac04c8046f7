/* When an agent waits awake for an answer, and when it rather sleeps: awake.h, with a clock of our
 * own. */
#include "fe/awake.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MOST_US 400

/* Asks and is answered so much later, looking all the time; how long it was awake. */
static unsigned ask(struct awake *w, int64_t *now_us, unsigned answer_us)
{
	unsigned awake_us = 0;

	awake_asked(w, *now_us);
	for (unsigned i = 0; i < answer_us; i++)
		awake_us += awake_waits(w, *now_us + i);
	*now_us += answer_us;
	awake_answered(w, *now_us);
	assert_false(awake_waits(w, *now_us));
	*now_us += AWAKE_PERIOD_US;
	return awake_us;
}

static void it_waits_awake_until_the_answer_comes(void **state)
{
	struct awake w;
	int64_t now_us = 1000000;

	awake_init(&w, MOST_US);
	assert_false(awake_waits(&w, now_us));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(&w, &now_us, 230), 230);
}

static void it_waits_no_longer_than_it_may(void **state)
{
	struct awake w;
	int64_t now_us = 0;

	awake_init(&w, MOST_US);
	assert_int_equal(ask(&w, &now_us, MOST_US + 100), MOST_US);
}

static void who_may_not_never_waits_awake(void **state)
{
	struct awake w;
	int64_t now_us = 1;

	awake_init(&w, 0);
	assert_int_equal(ask(&w, &now_us, 50), 0);
}

static void after_each_wait_in_vain_it_waits_half_as_long_and_at_last_not_at_all(void **state)
{
	static const unsigned expected[] = {400, 200, 100, 50, 25, 0, 0};
	struct awake w;
	int64_t now_us = 0;

	awake_init(&w, MOST_US);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(ask(&w, &now_us, 20000), expected[i]);
}

static void an_answer_that_would_have_been_in_time_makes_it_wait_again(void **state)
{
	struct awake w;
	int64_t now_us = 0;

	awake_init(&w, MOST_US);
	for (unsigned i = 0; i < 10; i++)
		(void)ask(&w, &now_us, 20000);
	assert_int_equal(ask(&w, &now_us, 300), 0);
	assert_int_equal(ask(&w, &now_us, 300), 300);
}

static void an_answer_that_is_still_to_come_is_waited_for_once(void **state)
{
	struct awake w;

	awake_init(&w, MOST_US);
	awake_asked(&w, 0);
	awake_asked(&w, 350);
	assert_true(awake_waits(&w, 399));
	assert_false(awake_waits(&w, 400));
	awake_asked(&w, 2000); /* the first is answered no more */
	assert_true(awake_waits(&w, 2001));
}

static void it_is_awake_for_a_tenth_of_the_time_at_most(void **state)
{
	struct awake w;
	unsigned awake_us = 0;

	awake_init(&w, MOST_US);
	for (int64_t now_us = AWAKE_PERIOD_US; now_us < 6 * AWAKE_PERIOD_US; now_us++) {
		if (now_us % 200 == 0)
			awake_answered(&w, now_us);
		awake_asked(&w, now_us);
		awake_us += awake_waits(&w, now_us);
	}
	assert_in_range(awake_us, 4 * AWAKE_SHARE_US, 5 * AWAKE_SHARE_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_awake_until_the_answer_comes),
		cmocka_unit_test(it_waits_no_longer_than_it_may),
		cmocka_unit_test(who_may_not_never_waits_awake),
		cmocka_unit_test(
			after_each_wait_in_vain_it_waits_half_as_long_and_at_last_not_at_all),
		cmocka_unit_test(an_answer_that_would_have_been_in_time_makes_it_wait_again),
		cmocka_unit_test(an_answer_that_is_still_to_come_is_waited_for_once),
		cmocka_unit_test(it_is_awake_for_a_tenth_of_the_time_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
