/* What became of each numbered probe of one way, so that a handoff can be told what it cost in
 * packets.  Times are nanoseconds of one clock.  Pure: probe.c fills it, handoff.c asks.
 *
 * A probe counts for the last period that had begun when it was sent:
 *   lost        it never came;
 *   duplicated  copies of it that came after the first;
 *   reordered   it came when one with a greater number had come already (RFC 4737, section 3.3);
 *   late        it took over 1 ms longer than this way's median probe. */
#pragma once

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

#define TALLY_LATE_NS 1000000LL
#define TALLY_MAX (1u << 22) /* probes of a way; later ones are not counted */

struct tally_counts {
	unsigned lost, duplicated, reordered, late;
};

struct tally;

struct tally *tally_create(void);
void tally_destroy(struct tally *t);

/* Numbers ascend from 0, one a call: the number of the probe that is sent now is the count of the
 * calls before. */
void tally_sent(struct tally *t, int64_t sent_ns);
/* A number that was not sent yet is ignored. */
void tally_arrived(struct tally *t, uint64_t number, int64_t at_ns);

/* Adds to ret[i] what became of the probes sent from begin_ns[i] on, until begin_ns[i + 1]; begins
 * ascend. */
void tally_count(const struct tally *t, const int64_t *begin_ns, size_t count,
		 struct tally_counts *ret);
