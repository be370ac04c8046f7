/* What is done to the world: drawn from the seed in bursts with calm between, so that both the
 * middle of things and their healing are seen. */
#include "sim/world.h"

#include "base/memory.h"

#include <stdio.h>

#define FIRST_US 6000000
#define BURST_US 4000000
#define CALM_US 12000000

/* Of a thousand. */
static const struct {
	const char *name;
	unsigned share;
} kinds[STIMULUS_KIND_COUNT] = {
	[STIMULUS_MOVE] = {"move", 510},           [STIMULUS_MOVE_MUTE] = {"move-mute", 60},
	[STIMULUS_PREPARE] = {"prepare", 60},      [STIMULUS_ANNOUNCE] = {"announce", 80},
	[STIMULUS_FORGE] = {"forge", 60},          [STIMULUS_CLONE] = {"clone", 4},
	[STIMULUS_CRASH_FE] = {"crash-fe", 40},    [STIMULUS_CRASH_CORE] = {"crash-core", 12},
	[STIMULUS_LOSE_STORE] = {"lose-store", 4}, [STIMULUS_CUT] = {"cut", 50},
	[STIMULUS_PORT_DOWN] = {"port-down", 30},  [STIMULUS_CLOCK] = {"clock", 10},
	[STIMULUS_REMOVE] = {"remove", 15},        [STIMULUS_RESTORE] = {"restore", 15},
	[STIMULUS_LINK_DOWN] = {"link-down", 40},  [STIMULUS_DRAIN] = {"drain", 10},
};

static uint8_t draw_kind(struct random *r)
{
	uint32_t at = random_below(r, 1000);

	for (unsigned kind = 0; kind < STIMULUS_KIND_COUNT; kind++) {
		if (at < kinds[kind].share)
			return (uint8_t)kind;
		at -= kinds[kind].share;
	}
	return STIMULUS_MOVE;
}

static bool concerns_element(uint8_t kind)
{
	return kind == STIMULUS_CRASH_FE || kind == STIMULUS_CUT || kind == STIMULUS_LINK_DOWN ||
	       kind == STIMULUS_DRAIN;
}

static struct stimulus draw(struct random *r, const struct world_options *o, int64_t at_us)
{
	struct stimulus s = {.at_us = at_us, .kind = draw_kind(r)};

	s.who = random_below(r, concerns_element(s.kind) ? o->elements : o->hosts);
	s.where = random_below(r, o->elements * WORLD_PORTS);
	s.ms = random_below(r, random_below(r, 4) ? 60 : 1500);
	if (s.kind == STIMULUS_CUT || s.kind == STIMULUS_CRASH_CORE)
		s.where = random_below(r, 3);
	if (s.kind == STIMULUS_CLOCK)
		s.ms = random_below(r, 60000);
	return s;
}

struct stimulus *script_make(const struct world_options *options, size_t *ret_count)
{
	struct random r = {random_mix(options->seed)};
	struct stimulus *list = NULL;
	size_t count = 0, capacity = 0;
	int64_t at = FIRST_US, step = 1000000 / (options->rate ? options->rate : 1);

	while (at < options->duration_us) {
		if (count == capacity) {
			capacity = capacity ? 2 * capacity : 256;
			list = memory_resize(list, capacity * sizeof(*list));
		}
		list[count++] = draw(&r, options, at);
		at += random_below(&r, (uint32_t)(2 * step) + 1);
		if (at % (BURST_US + CALM_US) > BURST_US)
			at += CALM_US + BURST_US - at % (BURST_US + CALM_US);
	}
	*ret_count = count;
	return list;
}

void script_print(const struct stimulus *s)
{
	printf("%12.6f  %-10s who %u where %u ms %u\n", (double)s->at_us / 1e6, kinds[s->kind].name,
	       s->who, s->where, s->ms);
}
