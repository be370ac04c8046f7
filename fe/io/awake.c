/* libuv does not sleep while an idle handle is active; ours is while the agent waits awake. Between
 * two looks everybody of the same priority has a turn, since the controller may be beside us. */
#include "fe/io/awake.h"

#include "fe/io/clock.h"

#include <sched.h>
#include <unistd.h>

static void on_idle(uv_idle_t *idle)
{
	struct awake_watch *w = idle->data;

	if (awake_waits(&w->awake, clock_now_us()))
		(void)sched_yield();
	else
		(void)uv_idle_stop(idle);
}

static void on_before_sleep(uv_prepare_t *prepare)
{
	struct awake_watch *w = prepare->data;
	uint64_t heard = connections_heard(w->connections);

	if (heard == w->heard)
		return;
	w->heard = heard;
	awake_answered(&w->awake, clock_now_us());
	(void)uv_idle_stop(&w->idle);
}

void awake_open(struct awake_watch *w, uv_loop_t *loop, unsigned most_us,
		const struct connections *connections)
{
	awake_init(&w->awake, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? most_us : 0);
	w->connections = connections;
	(void)uv_idle_init(loop, &w->idle);
	(void)uv_prepare_init(loop, &w->before_sleep);
	w->idle.data = w->before_sleep.data = w;
	(void)uv_prepare_start(&w->before_sleep, on_before_sleep);
}

void awake_expect(struct awake_watch *w)
{
	int64_t now_us = clock_now_us();

	awake_asked(&w->awake, now_us);
	if (awake_waits(&w->awake, now_us))
		(void)uv_idle_start(&w->idle, on_idle);
}

void awake_close(struct awake_watch *w)
{
	if (!w->idle.data || uv_is_closing((uv_handle_t *)&w->idle))
		return;
	uv_close((uv_handle_t *)&w->idle, NULL);
	uv_close((uv_handle_t *)&w->before_sleep, NULL);
}
