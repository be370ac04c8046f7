/* Randomness by name instead of by order: a value depends on the seed and on what it is for, so
 * that leaving out one event of a run does not change the delays of all the others (sim/shrink.c).
 */
#pragma once

#include <stdint.h>

/* SplitMix64's finaliser. */
static inline uint64_t random_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static inline uint64_t random_of(uint64_t seed, uint64_t what, uint64_t which)
{
	return random_mix(random_mix(seed ^ random_mix(what)) ^ which);
}

/* A stream, for who draws one after the other. */
struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return random_mix(r->state);
}

/* 0 to limit - 1. */
static inline uint32_t random_below(struct random *r, uint32_t limit)
{
	return (uint32_t)(random_next(r) % limit);
}
