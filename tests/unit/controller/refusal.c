/* The list of what was refused: bounded, fair to other ports, and honest about how often. */
#include "fake_element.h"
#include "main.h"

#include "controller/refusal.h"

#include <stdio.h>

struct found {
	unsigned entries;
	struct refusal last;
};

static void find(void *to, const struct refusal *r)
{
	struct found *f = to;

	f->entries++;
	if (strcmp(r->who, "others") != 0)
		f->last = *r;
}

static struct found list(struct world *w)
{
	struct found f = {0};

	core_refusals(w->core, find, &f);
	return f;
}

static void add_count(void *to, const char *why, uint64_t count)
{
	*(uint64_t *)to += count;
}

static uint64_t all(struct world *w)
{
	uint64_t sum = 0;

	core_refusal_counts(w->core, add_count, &sum);
	return sum;
}

static void the_shell_lists_whom_it_refused(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	core_note_refusal(w->core, "bad-token", "192.0.2.7", NULL, 0, "192.0.2.7: a bad token", 5);
	core_note_refusal(w->core, "bad-token", "192.0.2.7", NULL, 0, "192.0.2.7: again", 9);
	struct found f = list(w);

	assert_int_equal(f.entries, 1);
	assert_string_equal(f.last.why, "bad-token");
	assert_string_equal(f.last.who, "192.0.2.7");
	assert_string_equal(f.last.text, "192.0.2.7: again");
	assert_int_equal(f.last.count, 2);
	assert_int_equal(f.last.last_ms - f.last.first_ms, 4);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 1);
	world_destroy(w);
}

static void who_goes_on_is_said_again_after_a_while(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	for (int64_t ms = 0; ms <= REFUSAL_QUIET_MS; ms += 1000)
		core_note_refusal(w->core, "bad-token", "x", NULL, 0, "x", w->now_ms + ms);
	assert_int_equal(world_count_events(w, EVENT_REFUSED), 2);
	world_destroy(w);
}

static void what_a_peer_says_is_made_printable(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	core_note_refusal(w->core, "bad-token", "a\x1b[31m\n", NULL, 0, "a\x1b[31m\n", 5);
	assert_string_equal(list(w).last.who, "a?[31m?");
	assert_string_equal(list(w).last.text, "a?[31m?");
	world_destroy(w);
}

/* One port makes up names; what another port is refused is still seen. */
static void one_port_cannot_fill_the_list(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);
	char who[24];

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(who, sizeof(who), "10.10.%u.%u", i / 250, i % 250);
		core_note_refusal(w->core, "unknown-node", who, NULL, 7, who, w->now_ms);
	}
	core_note_refusal(w->core, "unknown-node", "99.0.2.1", NULL, 8, "honest", w->now_ms);
	assert_int_equal(list(w).entries, REFUSALS_EACH_MAX + 2);
	assert_string_equal(list(w).last.text, "honest");
	assert_int_equal(all(w), 100001);
	assert_in_range(world_count_events(w, EVENT_REFUSED), 1, REFUSALS_EACH_MAX + 2);
	world_destroy(w);
}

static void what_is_old_makes_room_and_stays_counted(void **state)
{
	struct world *w = world_create_bare(ADMISSION_STRICT);

	for (unsigned i = 0; i < 2 * REFUSALS_MAX; i++) {
		w->event_count = 0;
		core_note_refusal(w->core, "bad-token", "x", NULL, i, "x", w->now_ms);
	}
	assert_int_equal(list(w).entries, REFUSALS_MAX);
	assert_int_equal(all(w), 2 * REFUSALS_MAX);
	w->now_ms += 120000;
	core_note_refusal(w->core, "bad-token", "y", NULL, 1, "y", w->now_ms);
	assert_int_equal(list(w).entries, 1);
	assert_int_equal(all(w), 2 * REFUSALS_MAX + 1);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_shell_lists_whom_it_refused),
	cmocka_unit_test(who_goes_on_is_said_again_after_a_while),
	cmocka_unit_test(what_a_peer_says_is_made_printable),
	cmocka_unit_test(one_port_cannot_fill_the_list),
	cmocka_unit_test(what_is_old_makes_room_and_stays_counted),
};

RUN_QUIETLY(tests)
