/* Announcements that are kept for a controller: while there is none, and until one that was sent
 * brought a binding or was refused.  The data plane pins a copy, so that the agent after this one
 * has them too. */
#include "fe/neighbor.h"

#include "base/log.h"
#include "base/memory.h"
#include "fe/neighbor_private.h"

#include <stdlib.h>
#include <string.h>

LOG_MODULE("neighbor");

/* Beside the list here, in the data plane's pinned one: that an agent dies is no reason for its
 * node to be lost.  A copy that cannot be written is missed only then. */
static void write_through(struct neighborhood *n, const struct kept_key *key,
			  const struct kept_frame *frame)
{
	const struct datapath_ops *ops = n->pipeline->ops;

	if (ops->kept_set && ops->kept_set(n->pipeline->context, key, frame) < 0)
		log_debug("an announcement is kept by this process alone");
}

static void forget(struct neighborhood *n, const struct kept_key *key)
{
	const struct datapath_ops *ops = n->pipeline->ops;

	if (table_remove(&n->kept, key) && ops->kept_remove)
		(void)!ops->kept_remove(n->pipeline->context, key);
}

static bool is_bound(const struct neighborhood *n, const struct claim *claim)
{
	const struct pipeline_entry *local =
		pipeline_find_binding(n->pipeline, RULE_LOCAL, claim->vrf, &claim->address);

	return local && local->rule.port == claim->port && local->rule.vlan == claim->vlan &&
	       mac_equal(&local->rule.mac, &claim->mac);
}

/* How many are kept by the port numbers' last bits. */
#define PORT_CLASSES 1024u

/* The oldest of the port that has most: whoever floods pushes out its own, and no honest port's. */
static void drop_oldest(struct neighborhood *n)
{
	uint16_t counts[PORT_CLASSES] = {0}, most = 0;
	int64_t least = INT64_MAX;
	struct kept_key oldest;
	const void *key;
	void *value;

	for (size_t at = 0; table_next(&n->kept, &at, &key, &value);) {
		const struct kept_frame *frame = value;
		uint16_t count = ++counts[frame->port % PORT_CLASSES];

		if (count > most)
			most = count;
	}
	for (size_t at = 0; table_next(&n->kept, &at, &key, &value);) {
		const struct kept_frame *frame = value;

		if (counts[frame->port % PORT_CLASSES] < most || frame->heard_ms >= least)
			continue;
		least = frame->heard_ms;
		memcpy(&oldest, key, sizeof(oldest));
	}
	if (least != INT64_MAX)
		forget(n, &oldest);
}

void neighborhood_keep(struct neighborhood *n, const struct claim *claim, const void *frame,
		       size_t size, bool sent)
{
	struct kept_key key = {claim->mac, claim->vlan, claim->vrf, claim->port, claim->address};
	struct kept_frame *at;

	if (sent && (is_bound(n, claim) || n->kept.count >= NEIGHBOR_KEPT_MAX))
		return;
	if (!table_get(&n->kept, &key) && n->kept.count >= NEIGHBOR_KEPT_MAX)
		drop_oldest(n);
	at = table_put(&n->kept, &key, NULL);
	at->heard_ms = n->now_ms;
	at->sent_ms = sent ? n->now_ms : 0;
	at->port = claim->port;
	at->size = (uint16_t)(size < KEPT_DATA ? size : KEPT_DATA);
	memcpy(at->data, frame, at->size);
	write_through(n, &key, at);
}

bool neighborhood_was_said(const struct neighborhood *n, const struct claim *claim)
{
	const struct kept_key key = {claim->mac, claim->vlan, claim->vrf, claim->port,
				     claim->address};
	const struct kept_frame *at = table_get(&n->kept, &key);

	/* In doubt (the same millisecond) it was not. */
	return at && at->sent_ms > n->barrier_ms && n->now_ms - at->sent_ms < NEIGHBOR_SAID_MS;
}

void neighborhood_barrier(struct neighborhood *n)
{
	n->barrier_ms = n->now_ms;
}

void neighborhood_adopt_kept(struct neighborhood *n, const struct kept_key *key,
			     const struct kept_frame *frame)
{
	struct kept_frame *at;

	/* That its rule is here does not answer it: the node may have been elsewhere since, of
	 * which an FE without a controller is not told. */
	if (frame->size > KEPT_DATA || n->kept.count >= NEIGHBOR_KEPT_MAX) {
		if (n->pipeline->ops->kept_remove)
			(void)!n->pipeline->ops->kept_remove(n->pipeline->context, key);
		return;
	}
	at = table_put(&n->kept, key, NULL);
	*at = *frame;
	if (at->heard_ms > n->now_ms)
		at->heard_ms = n->now_ms;
	if (at->sent_ms > n->now_ms)
		at->sent_ms = n->now_ms;
}

struct kept_item {
	const struct kept_key *key;
	struct kept_frame *frame;
};

static int compare_age(const void *a, const void *b)
{
	int64_t x = ((const struct kept_item *)a)->frame->heard_ms;
	int64_t y = ((const struct kept_item *)b)->frame->heard_ms;

	return (x > y) - (x < y);
}

void neighborhood_replay(struct neighborhood *n,
			 void (*each)(void *to, const struct replay *replay), void *to)
{
	struct kept_item *list;
	size_t count = 0, at = 0;
	const void *key;
	void *value;

	if (!n->kept.count)
		return;
	list = memory_alloc_array(n->kept.count, sizeof(*list));
	while (table_next(&n->kept, &at, &key, &value))
		list[count++] = (struct kept_item){key, value};
	qsort(list, count, sizeof(*list), compare_age);
	for (size_t i = 0; i < count; i++) {
		struct kept_frame *frame = list[i].frame;
		int64_t age = n->now_ms - frame->heard_ms;
		struct replay replay = {
			.port = frame->port,
			.age_ms = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age,
			.data = frame->data,
			.data_size = frame->size,
		};

		each(to, &replay);
		frame->sent_ms = n->now_ms;
		write_through(n, list[i].key, frame);
	}
	free(list);
}

static void forget_at(struct neighborhood *n, const struct kept_key *in_table)
{
	struct kept_key copy;

	memcpy(&copy, in_table, sizeof(copy)); /* it goes with its entry */
	forget(n, &copy);
}

/* What was sent and brought no binding for so long: it was refused. */
void neighborhood_forget_sent(struct neighborhood *n)
{
	size_t at = 0;
	const void *key;
	void *value;

	if (n->now_ms - n->kept_ms < NEIGHBOR_SENT_MS / 10)
		return;
	n->kept_ms = n->now_ms;
	while (table_next(&n->kept, &at, &key, &value)) {
		const struct kept_frame *frame = value;

		if (frame->sent_ms && n->now_ms - frame->sent_ms > NEIGHBOR_SENT_MS)
			forget_at(n, key);
	}
}

/* The controller has it: nothing to say again. */
void neighborhood_forget_answered(struct neighborhood *n, const struct rule *rule)
{
	struct kept_key key = {rule->mac, rule->vlan, rule->key.vrf, rule->port, rule->key.address};

	forget(n, &key);
}
