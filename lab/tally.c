/* The fate of each probe (tally.h).  Used by probe.c and handoff.c; uses base/ only. */
#include "lab/tally.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>

struct fate {
	int64_t sent_ns, at_ns; /* at_ns 0: it did not come */
	uint32_t copies;        /* after the first */
	bool reordered;
};

struct tally {
	struct fate *fates; /* TALLY_MAX; the pages that are not used yet take no memory */
	size_t sent;
	uint64_t next; /* after the greatest number that came */
};

struct tally *tally_create(void)
{
	struct tally *t = memory_alloc(sizeof(*t));

	t->fates = memory_alloc_array(TALLY_MAX, sizeof(struct fate));
	return t;
}

void tally_destroy(struct tally *t)
{
	if (t == NULL)
		return;
	free(t->fates);
	free(t);
}

void tally_sent(struct tally *t, int64_t sent_ns)
{
	if (t->sent < TALLY_MAX)
		t->fates[t->sent++].sent_ns = sent_ns;
}

void tally_arrived(struct tally *t, uint64_t number, int64_t at_ns)
{
	struct fate *f;

	if (number >= t->sent)
		return;
	f = &t->fates[number];
	if (f->at_ns != 0) {
		f->copies++;
		return;
	}
	f->at_ns = at_ns;
	f->reordered = number < t->next;
	if (number >= t->next)
		t->next = number + 1;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* 0 if none came. */
static int64_t median_flight(const struct tally *t)
{
	int64_t *flights = memory_alloc_array(t->sent + 1, sizeof(*flights)), found;
	size_t count = 0;

	for (size_t i = 0; i < t->sent; i++)
		if (t->fates[i].at_ns != 0)
			flights[count++] = t->fates[i].at_ns - t->fates[i].sent_ns;
	qsort(flights, count, sizeof(*flights), compare);
	found = flights[count / 2];
	free(flights);
	return found;
}

void tally_count(const struct tally *t, const int64_t *begin_ns, size_t count,
		 struct tally_counts *ret)
{
	int64_t late = median_flight(t) + TALLY_LATE_NS;
	size_t next = 0;

	for (size_t i = 0; i < t->sent; i++) {
		const struct fate *f = &t->fates[i];

		while (next < count && begin_ns[next] <= f->sent_ns)
			next++;
		if (next == 0)
			continue;
		ret[next - 1].lost += f->at_ns == 0;
		ret[next - 1].duplicated += f->copies;
		ret[next - 1].reordered += f->reordered;
		ret[next - 1].late += f->at_ns != 0 && f->at_ns - f->sent_ns > late;
	}
}
