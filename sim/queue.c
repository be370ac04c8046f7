/* A binary heap. */
#include "sim/queue.h"

#include "base/memory.h"

#include <stdlib.h>

static bool is_earlier(const struct happening *a, const struct happening *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct happening *a, struct happening *b)
{
	struct happening t = *a;

	*a = *b;
	*b = t;
}

void queue_put(struct queue *q, const struct happening *h)
{
	size_t at = q->count;

	if (q->count == q->capacity) {
		q->capacity = q->capacity ? 2 * q->capacity : 256;
		q->heap = memory_resize(q->heap, q->capacity * sizeof(*q->heap));
	}
	q->heap[at] = *h;
	q->heap[at].order = q->order++;
	q->count++;
	while (at && is_earlier(&q->heap[at], &q->heap[(at - 1) / 2])) {
		swap(&q->heap[at], &q->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

bool queue_take(struct queue *q, struct happening *ret)
{
	size_t at = 0;

	if (!q->count)
		return false;
	*ret = q->heap[0];
	q->heap[0] = q->heap[--q->count];
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < q->count; child++)
			if (is_earlier(&q->heap[child], &q->heap[least]))
				least = child;
		if (least == at)
			return true;
		swap(&q->heap[at], &q->heap[least]);
		at = least;
	}
}

void queue_finish(struct queue *q)
{
	for (size_t i = 0; i < q->count; i++)
		free(q->heap[i].bytes);
	free(q->heap);
	*q = (struct queue){0};
}
