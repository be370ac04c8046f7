/* The clock: takes one event after the other until the script is over and all has had time to heal.
 */
#include "sim/world.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMPARED_IN_A_TICK 8 /* slices */
#define AGENT_TICK_US 100000
#define CORE_TICK_US 50000
#define WATCH_US 500000
#define HEAL_US 75000000

void world_at(struct world *w, int64_t delay_us, enum happening_type type, uint32_t a, uint32_t b)
{
	struct happening h = {.at_us = w->now_us + delay_us, .type = type, .a = a, .b = b};

	queue_put(&w->queue, &h);
}

void world_break(struct world *w, const char *format, ...)
{
	va_list arguments;

	if (w->broken[0])
		return;
	w->broken_kind = format;
	va_start(arguments, format);
	vsnprintf(w->broken, sizeof(w->broken), format, arguments);
	va_end(arguments);
}

void world_init(struct world *w, const struct world_options *options, const struct stimulus *script,
		size_t count)
{
	*w = (struct world){
		.options = *options, .now_us = 1000000, .script = script, .script_count = count};
	w->elements = memory_alloc_array(options->elements, sizeof(*w->elements));
	w->hosts = memory_alloc_array(options->hosts, sizeof(*w->hosts));
	signer_start(w);
	control_init(w);
	control_start(w);
	for (uint32_t i = 0; i < options->elements; i++) {
		sim_element_init(w, i);
		sim_element_start(w, i);
		world_at(w, AGENT_TICK_US + i * 100, HAPPENS_AGENT_TICK, i, 0);
	}
	for (uint32_t i = 0; i < options->hosts; i++)
		host_init(w, i);
	for (size_t i = 0; i < count; i++)
		world_at(w, script[i].at_us - w->now_us, HAPPENS_STIMULUS, (uint32_t)i, 0);
	world_at(w, CORE_TICK_US, HAPPENS_CORE_TICK, 0, 0);
	world_at(w, WATCH_US, HAPPENS_WATCH, 0, 0);
}

void world_finish(struct world *w)
{
	control_finish(w);
	for (uint32_t i = 0; i < w->options.elements; i++)
		sim_element_finish(&w->elements[i]);
	for (uint32_t i = 0; i < w->options.hosts; i++) {
		signer_stop(&w->hosts[i]);
		free(w->hosts[i].was_at);
	}
	free(w->elements);
	free(w->hosts);
	queue_finish(&w->queue);
}

static void port_down(struct world *w, const struct stimulus *s)
{
	uint32_t index = place_element(s->where), port = place_port(s->where);
	struct sim_element *e = &w->elements[index];

	e->port_up[port] = false;
	host_disturb_until_talk(w, index, port);
	sim_element_set_port(w, index, port);
	world_at(w, s->ms * INT64_C(1000), HAPPENS_PORT_UP, index, port);
	e->disturbed_us = w->now_us + s->ms * INT64_C(1000);
}

static void do_stimulus(struct world *w, uint32_t index)
{
	const struct stimulus *s = &w->script[index];

	if (w->options.verbose)
		script_print(s);
	switch ((enum stimulus_kind)s->kind) {
	case STIMULUS_CRASH_FE:
		sim_element_crash(w, s->who, s->ms);
		return;
	case STIMULUS_CRASH_CORE:
		control_crash(w, s->ms, s->where);
		return;
	case STIMULUS_LOSE_STORE:
		control_lose_store(w);
		return;
	case STIMULUS_CUT:
		wire_cut(w, s->who, s->ms, s->where == 0);
		return;
	case STIMULUS_PORT_DOWN:
		port_down(w, s);
		return;
	case STIMULUS_CLOCK:
		w->core_clock_ms += s->ms;
		w->core_disturbed_us = w->now_us;
		return;
	case STIMULUS_LINK_DOWN:
		link_break(w, s->who, s->ms);
		return;
	case STIMULUS_DRAIN:
		if (world_has(w, WORLD_DRAIN))
			control_drain(w, s->who, s->where % 2);
		return;
	case STIMULUS_MOVE:
	case STIMULUS_MOVE_MUTE:
	case STIMULUS_PREPARE:
	case STIMULUS_ANNOUNCE:
	case STIMULUS_FORGE:
	case STIMULUS_CLONE:
	case STIMULUS_REMOVE:
	case STIMULUS_RESTORE:
	case STIMULUS_KIND_COUNT:
		host_do(w, index);
		return;
	}
}

static void tick(struct world *w, const struct happening *h)
{
	if (h->type == HAPPENS_AGENT_TICK) {
		sim_element_tick(w, h->a);
		world_at(w, AGENT_TICK_US, HAPPENS_AGENT_TICK, h->a, 0);
		return;
	}
	if (h->type == HAPPENS_CORE_TICK) {
		if (w->core)
			core_tick(w->core, world_core_ms(w));
		for (unsigned i = 0; w->core && i < COMPARED_IN_A_TICK; i++)
			(void)core_compare(w->core);
		world_at(w, CORE_TICK_US, HAPPENS_CORE_TICK, 0, 0);
		return;
	}
	check_reachable(w);
	world_at(w, WATCH_US, HAPPENS_WATCH, 0, 0);
}

static void take(struct world *w, const struct happening *h)
{
	switch (h->type) {
	case HAPPENS_STIMULUS:
		do_stimulus(w, h->a);
		return;
	case HAPPENS_AGENT_TICK:
	case HAPPENS_CORE_TICK:
	case HAPPENS_WATCH:
		tick(w, h);
		return;
	case HAPPENS_DELIVER_TO_CORE:
		wire_deliver_to_core(w, h);
		return;
	case HAPPENS_DELIVER_TO_FE:
		wire_deliver_to_fe(w, h);
		return;
	case HAPPENS_CLOSE_AT_CORE:
		wire_close_at_core(w, h->a, h->b);
		return;
	case HAPPENS_CLOSE_AT_FE:
		wire_close_at_fe(w, h->a, h->b);
		return;
	case HAPPENS_CONNECT:
		wire_connect(w, h->a);
		return;
	case HAPPENS_AGENT_START:
		sim_element_start(w, h->a);
		return;
	case HAPPENS_CORE_START:
		control_start(w);
		return;
	case HAPPENS_PORT_UP:
		w->elements[h->a].port_up[h->b] = true;
		sim_element_set_port(w, h->a, h->b);
		return;
	case HAPPENS_LINK_UP:
		link_mend(w, h->a);
		return;
	case HAPPENS_HOST_TALK:
		host_talk(w, h->a);
		return;
	case HAPPENS_HOST_ARRIVE:
		host_arrive(w, h->a, h->b);
		return;
	case HAPPENS_HOST_ANSWER:
		host_answer(w, h->a, h->b);
		return;
	case HAPPENS_HOST_RETURN:
		control_put_host(w, h->a);
		return;
	case HAPPENS_HOST_CHECK:
		check_arrived(w, h->a);
		return;
	case HAPPENS_HOST_SIGN:
		signer_step(w, h->a);
		return;
	case HAPPENS_HOST_REVERT:
		host_revert(w, h->a);
		return;
	}
}

int world_run(struct world *w)
{
	int64_t end = w->options.duration_us + HEAL_US;
	struct happening h;

	while (!w->broken[0] && queue_take(&w->queue, &h)) {
		if (h.at_us > end) {
			free(h.bytes);
			break;
		}
		w->now_us = h.at_us;
		w->events++;
		take(w, &h);
		free(h.bytes);
	}
	if (!w->broken[0])
		check_end(w);
	return w->broken[0] ? -1 : 0;
}
