/* What a handoff is told to have cost in probes. */
#include "lab/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS 1000000LL

/* Probes 1 ms apart from 1 ms on, so that probe n is sent at (n + 1) ms; flights are 100 us. */
static struct tally *sent(unsigned count)
{
	struct tally *t = tally_create();

	for (unsigned i = 0; i < count; i++)
		tally_sent(t, (i + 1) * MS);
	return t;
}

static void comes(struct tally *t, unsigned number)
{
	tally_arrived(t, number, (number + 1) * MS + MS / 10);
}

static void what_does_not_come_is_lost_by_the_move_before_it(void **state)
{
	const int64_t begins[] = {3 * MS, 7 * MS};
	struct tally_counts counts[2] = {{0}};
	struct tally *t = sent(10);

	for (unsigned i = 0; i < 10; i++)
		if (i != 0 && i != 2 && i != 3 && i != 8)
			comes(t, i);
	tally_count(t, begins, 2, counts);
	assert_int_equal(counts[0].lost, 2);
	assert_int_equal(counts[1].lost, 1);
	assert_int_equal(counts[0].late + counts[0].reordered + counts[0].duplicated, 0);
	tally_destroy(t);
}

static void a_copy_is_a_duplicate_and_not_reordered(void **state)
{
	const int64_t begin = MS;
	struct tally_counts counts = {0};
	struct tally *t = sent(3);

	comes(t, 0);
	comes(t, 1);
	comes(t, 0);
	comes(t, 2);
	comes(t, 2);
	tally_count(t, &begin, 1, &counts);
	assert_int_equal(counts.duplicated, 2);
	assert_int_equal(counts.reordered, 0);
	tally_destroy(t);
}

static void one_that_is_overtaken_is_reordered_and_over_1_ms_more_is_late(void **state)
{
	const int64_t begin = MS;
	struct tally_counts counts = {0};
	struct tally *t = sent(6);

	for (unsigned i = 1; i < 6; i++)
		comes(t, i);
	tally_arrived(t, 0, 8 * MS);
	tally_count(t, &begin, 1, &counts);
	assert_int_equal(counts.reordered, 1);
	assert_int_equal(counts.late, 1);
	assert_int_equal(counts.lost, 0);
	tally_destroy(t);
}

static void numbers_that_were_never_sent_are_nobodys(void **state)
{
	const int64_t begin = MS;
	struct tally_counts counts = {0};
	struct tally *t = sent(1);

	tally_arrived(t, 1, 2 * MS);
	tally_arrived(t, UINT64_MAX, 2 * MS);
	comes(t, 0);
	tally_count(t, &begin, 1, &counts);
	assert_int_equal(counts.reordered, 0);
	tally_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_come_is_lost_by_the_move_before_it),
		cmocka_unit_test(a_copy_is_a_duplicate_and_not_reordered),
		cmocka_unit_test(one_that_is_overtaken_is_reordered_and_over_1_ms_more_is_late),
		cmocka_unit_test(numbers_that_were_never_sent_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
