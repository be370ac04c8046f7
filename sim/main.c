/* victor-sim: the real cores in a world of faults, from seeds.  A seed that breaks an invariant is
 * printed, and its script is shortened to what is needed for that (delta debugging). */
#include "sim/world.h"

#include "base/log.h"
#include "base/memory.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct task {
	struct world_options options;
	uint64_t first_seed, events;
	bool chosen; /* the features; else each seed has some */
	bool shrink;
};

static const char *const faults[] = {
	[FAULT_NO_BARRIER] = "no-barrier",     [FAULT_RESTAMP] = "restamp",
	[FAULT_NO_TOMBSTONE] = "no-tombstone", [FAULT_ALL_DESIGNATED] = "all-designated",
	[FAULT_UNSIGNED] = "unsigned",         [FAULT_REPLAYED] = "replayed",
};

static const struct {
	const char *name;
	unsigned features;
} worlds[] = {
	{"plain", 0},         {"lans", WORLD_LANS},   {"links", WORLD_LINKS},
	{"dual", WORLD_DUAL}, {"full", WORLD_FULL},   {"drain", WORLD_DRAIN},
	{"all", WORLD_ALL},   {"asked", WORLD_ASKED}, {"signed", WORLD_SIGNED},
};

static int usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: victor-sim [OPTION]...\n"
		"Runs the controller's and the FEs' cores in a simulated world of moves and "
		"faults.\n\n"
		"  --seed N        begin with this seed (1)\n"
		"  --events N      go on from seed to seed until so many events were simulated\n"
		"                  (0: this seed only)\n"
		"  --elements N    forwarding elements (8)\n"
		"  --hosts N       (12)\n"
		"  --seconds N     of simulated time for each seed (120)\n"
		"  --rate N        things done to the world in a second of a burst (20)\n"
		"  --world WORLD   plain, lans, links, dual, full, drain, or all of them; asked "
		"or\n"
		"                  signed beside; may be given more than once (by default each\n"
		"                  seed draws some of 'all')\n"
		"  --plant FAULT   no-mark, no-barrier, restamp, no-tombstone, all-designated,\n"
		"                  returns; in signed worlds unsigned, replayed: must be found\n"
		"  --no-shrink     print the whole script of a failure\n"
		"  --verbose       print what happens\n");
	return status;
}

static int run(const struct world_options *o, const struct stimulus *script, size_t count,
	       struct world *ret)
{
	world_init(ret, o, script, count);
	return world_run(ret);
}

/* Whether the same still breaks without script[from .. from + size). */
static bool breaks_without(const struct world_options *o, const char *kind, struct stimulus *script,
			   size_t *count, size_t from, size_t size)
{
	struct stimulus *rest = memory_alloc_array(*count + 1, sizeof(*rest));
	size_t left = *count - size;
	struct world w;
	bool broken;

	memcpy(rest, script, from * sizeof(*rest));
	memcpy(rest + from, script + from + size, (left - from) * sizeof(*rest));
	broken = run(o, rest, left, &w) < 0 && w.broken_kind == kind;
	world_finish(&w);
	if (broken) {
		memcpy(script, rest, left * sizeof(*rest));
		*count = left;
	}
	free(rest);
	return broken;
}

static void shrink(const struct world_options *o, const char *kind, struct stimulus *script,
		   size_t *count)
{
	for (size_t size = *count / 2; size; size /= 2)
		for (size_t at = 0; at + size <= *count;)
			if (!breaks_without(o, kind, script, count, at, size))
				at += size;
}

static void explain(const struct task *t, const struct world_options *o, const struct world *broken,
		    struct stimulus *script, size_t count)
{
	struct world_options again = *o;
	size_t whole = count;
	struct world w;

	printf("BROKEN with seed %llu", (unsigned long long)o->seed);
	for (unsigned i = 0; i < ARRAY_SIZE(worlds); i++)
		if (worlds[i].features != WORLD_ALL && worlds[i].features & o->features)
			printf(" %s", worlds[i].name);
	printf(" after %.3f s: %s\n", (double)broken->now_us / 1e6, broken->broken);
	fflush(stdout);
	if (t->shrink) {
		shrink(o, broken->broken_kind, script, &count);
		printf("%zu of %zu events of the script are enough:\n", count, whole);
	}
	again.verbose = true;
	(void)!run(&again, script, count, &w);
	printf("%12.6f  BROKEN %s\n", (double)w.now_us / 1e6, w.broken);
	w.options.verbose = false;
	world_finish(&w);
}

static int simulate(const struct task *t)
{
	struct world_options o = t->options;
	uint64_t events = 0, moves = 0, seeds = 0;
	int result = 0;

	for (o.seed = t->first_seed; !seeds || events < t->events; o.seed++) {
		size_t count;
		struct stimulus *script = script_make(&o, &count);

		if (!t->chosen)
			o.features = (unsigned)random_of(o.seed, 0xfea, 0) & WORLD_ALL;
		struct world w;

		result = run(&o, script, count, &w);
		events += w.events;
		moves += w.moves;
		seeds++;
		if (result < 0)
			explain(t, &o, &w, script, count);
		world_finish(&w);
		free(script);
		if (result < 0)
			break;
	}
	printf("%llu events, %llu moves, %llu seeds: %s\n", (unsigned long long)events,
	       (unsigned long long)moves, (unsigned long long)seeds,
	       result < 0 ? "an invariant broke" : "all invariants held");
	return result < 0 ? 1 : 0;
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	return end != text && !*end && *ret >= least && *ret <= most;
}

enum {
	OPTION_SEED = 256,
	OPTION_EVENTS,
	OPTION_ELEMENTS,
	OPTION_HOSTS,
	OPTION_SECONDS,
	OPTION_RATE,
	OPTION_WORLD,
	OPTION_PLANT,
	OPTION_NO_SHRINK,
	OPTION_VERBOSE,
	OPTION_HELP
};

static bool read_world(struct task *t, const char *text)
{
	for (unsigned i = 0; i < ARRAY_SIZE(worlds); i++)
		if (strcmp(worlds[i].name, text) == 0) {
			t->options.features |= worlds[i].features;
			t->chosen = true;
			return true;
		}
	return false;
}

static bool read_plant(struct task *t, const char *text)
{
	if (strcmp(text, "returns") == 0) {
		t->options.returns = true;
		return true;
	}
	if (strcmp(text, "no-mark") == 0) {
		t->options.no_mark = true;
		return true;
	}
	for (unsigned i = FAULT_NONE + 1; i < ARRAY_SIZE(faults); i++)
		if (strcmp(faults[i], text) == 0) {
			t->options.fault = (enum core_fault)i;
			return true;
		}
	return false;
}

static bool read_option(struct task *t, int option, const char *text)
{
	struct world_options *o = &t->options;
	uint64_t n = 0;

	switch (option) {
	case OPTION_SEED:
		return number(text, 0, UINT64_MAX, &t->first_seed);
	case OPTION_EVENTS:
		return number(text, 0, UINT64_MAX, &t->events);
	case OPTION_ELEMENTS:
		if (!number(text, 2, WORLD_ELEMENTS_MAX, &n))
			return false;
		o->elements = (uint32_t)n;
		return true;
	case OPTION_HOSTS:
		if (!number(text, 1, 65536, &n))
			return false;
		o->hosts = (uint32_t)n;
		return true;
	case OPTION_SECONDS:
		if (!number(text, 10, 1000000, &n))
			return false;
		o->duration_us = (int64_t)n * 1000000;
		return true;
	case OPTION_RATE:
		if (!number(text, 1, 100000, &n))
			return false;
		o->rate = (unsigned)n;
		return true;
	case OPTION_WORLD:
		return read_world(t, text);
	case OPTION_PLANT:
		return read_plant(t, text);
	case OPTION_NO_SHRINK:
		t->shrink = false;
		return true;
	case OPTION_VERBOSE:
		o->verbose = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, OPTION_SEED},
		{"events", required_argument, NULL, OPTION_EVENTS},
		{"elements", required_argument, NULL, OPTION_ELEMENTS},
		{"hosts", required_argument, NULL, OPTION_HOSTS},
		{"seconds", required_argument, NULL, OPTION_SECONDS},
		{"rate", required_argument, NULL, OPTION_RATE},
		{"world", required_argument, NULL, OPTION_WORLD},
		{"plant", required_argument, NULL, OPTION_PLANT},
		{"no-shrink", no_argument, NULL, OPTION_NO_SHRINK},
		{"verbose", no_argument, NULL, OPTION_VERBOSE},
		{"help", no_argument, NULL, OPTION_HELP},
		{0},
	};
	struct task t = {
		.options = {.elements = 8, .hosts = 12, .duration_us = 120000000, .rate = 20},
		.first_seed = 1,
		.shrink = true};
	int option;

	log_start("victor-sim", LOG_LEVEL_ERROR);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == OPTION_HELP)
			return usage(0);
		if (!read_option(&t, option, optarg)) {
			if (option != '?')
				fprintf(stderr, "victor-sim: '%s' cannot be used there\n", optarg);
			return usage(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "victor-sim: '%s' is not understood\n", argv[optind]);
		return usage(2);
	}
	return simulate(&t);
}
