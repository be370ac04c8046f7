/* What is written when: a change that came alone at once, changes that came together together. */
#include "fake_element.h"
#include "main.h"

#include "controller/state.h"

static unsigned now, soon;
static void (*flush)(void *context, struct session *s);

static void count_now(void *context, struct session *s)
{
	now++;
	flush(context, s);
}

/* What waits stays in the channel until the test takes it. */
static void count_soon(void *context, struct session *s)
{
	soon++;
}

static struct world *watched_world(void)
{
	struct world *w = world_with_vm1_at(2, 2);

	now = soon = 0;
	flush = w->core->shell.flush;
	w->core->shell.flush = count_now;
	w->core->shell.flush_soon = count_soon;
	w->holds_barriers = true;
	return w;
}

static void write_all(struct world *w)
{
	for (unsigned i = 0; i < w->fake_count; i++)
		if (w->fakes[i].session)
			flush(NULL, w->fakes[i].session);
}

static void a_move_that_comes_alone_is_written_at_once_everywhere(void **state)
{
	struct world *w = watched_world();

	fake_announces(w, 3, 3, VM1, IP1);
	world_run(w);
	assert_in_range(now, 3, 5); /* what they answered may bring more */
	assert_int_equal(soon, 0);
	assert_at(w, "vm1", 3, 3, ATTACHMENT_ACTIVE);
	write_all(w);
	world_run(w);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static void moves_that_come_together_are_written_together(void **state)
{
	struct world *w = watched_world();

	fake_announces(w, 3, 3, VM1, IP1);
	fake_announces(w, 3, 3, "52:54:00:00:00:12", "10.10.0.12");
	fake_announces(w, 3, 2, "52:54:00:00:00:12", "10.10.0.12");
	w->fakes[0].deaf = w->fakes[1].deaf = w->fakes[2].deaf = true;
	world_run(w);
	assert_int_equal(soon, 2 + 1 + 2 + 1 + 0); /* the first two changes, wherever they go */
	assert_in_range(now, 1, 3);                /* the last one */
	w->fakes[0].deaf = w->fakes[1].deaf = w->fakes[2].deaf = false;
	write_all(w);
	world_run(w);
	assert_bound(w, IP1, 3, 3);
	world_destroy(w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_move_that_comes_alone_is_written_at_once_everywhere),
	cmocka_unit_test(moves_that_come_together_are_written_together),
};

RUN_QUIETLY(tests)
