/* controller/io/doorkeeper: who has to leave. */
#include "controller/io/doorkeeper.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct stranger *come(struct doorkeeper *d, struct stranger *s, uint32_t from,
			     int64_t now_ms)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(from)}};
	struct stranger *out =
		doorkeeper_admit(d, s, (const struct sockaddr *)(const void *)&address, now_ms);

	if (out)
		doorkeeper_release(d, out);
	return out;
}

static void who_floods_turns_away_himself(void **state)
{
	struct stranger *flood = calloc(4 * STRANGERS_MAX, sizeof(*flood)), honest[3] = {0};
	struct doorkeeper d = {0};

	unsigned gone = 0;

	for (unsigned i = 0; i < 4 * STRANGERS_MAX; i++) {
		struct stranger *out = come(&d, &flood[i], 0x0a000001, i);

		if (i >= STRANGERS_MAX)
			assert_ptr_equal(out, &flood[gone++]);
		if (i == 2000 || i == 2500 || i == 3000)
			assert_ptr_equal(come(&d, &honest[i / 500 - 4], 0x0b000000 + i, i),
					 &flood[gone++]);
	}
	assert_true(honest[0].is_here && honest[1].is_here && honest[2].is_here);
	assert_int_equal(d.count, STRANGERS_MAX);
	free(flood);
}

static void a_stranger_has_his_time_and_no_more(void **state)
{
	struct stranger a = {0}, b = {0};
	struct doorkeeper d = {0};

	assert_null(come(&d, &a, 1, 100));
	assert_null(come(&d, &b, 1, 200));
	assert_null(doorkeeper_overdue(&d, 100 + STRANGER_MS));
	assert_ptr_equal(doorkeeper_overdue(&d, 101 + STRANGER_MS), &a);
	doorkeeper_release(&d, &a);
	doorkeeper_release(&d, &a);
	assert_null(doorkeeper_overdue(&d, 101 + STRANGER_MS));
	doorkeeper_release(&d, &b);
	assert_int_equal(d.count, 0);
	assert_null(d.first);
	assert_null(d.last);
}

static void handshakes_have_their_share_of_each_window(void **state)
{
	struct doorkeeper d = {0};

	assert_true(doorkeeper_has_time(&d, 1000));
	doorkeeper_spend(&d, HANDSHAKE_SHARE_US);
	assert_false(doorkeeper_has_time(&d, 1000 + HANDSHAKE_WINDOW_MS - 1));
	assert_true(doorkeeper_has_time(&d, 1000 + HANDSHAKE_WINDOW_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_floods_turns_away_himself),
		cmocka_unit_test(a_stranger_has_his_time_and_no_more),
		cmocka_unit_test(handshakes_have_their_share_of_each_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
