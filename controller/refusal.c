/* Refusals, counted by (rule, who, where).  Any neighbour can make a thousand a second, each in
 * another name: so one rule at one port has a few entries and one more, "others", for the rest;
 * what was not seen for long makes room; and an event, with its line in the log, comes only with
 * the first of each entry and then now and then. */
#include "controller/refusal.h"

#include "base/memory.h"
#include "controller/element.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group_key {
	char why[NAME_SIZE];
	uint32_t fe, port;
};

struct refusal_key {
	struct group_key group;
	char who[NAME_SIZE];
};

struct entry {
	struct refusal refusal;
	int64_t said_ms;
};

void refusal_init(struct core *c, uint64_t seed)
{
	table_init(&c->refusals.entries, sizeof(struct refusal_key), sizeof(struct entry), seed);
	table_init(&c->refusals.groups, sizeof(struct group_key), sizeof(unsigned), seed + 1);
	table_init(&c->refusals.rules, NAME_SIZE, sizeof(uint64_t), seed + 2);
}

void refusal_finish(struct core *c)
{
	table_finish(&c->refusals.entries);
	table_finish(&c->refusals.groups);
	table_finish(&c->refusals.rules);
}

static void count_rule(struct core *c, const char why[NAME_SIZE])
{
	uint64_t *count = table_get(&c->refusals.rules, why);

	if (!count && c->refusals.rules.count < REFUSAL_RULES_MAX)
		count = table_put(&c->refusals.rules, why, NULL);
	if (count)
		++*count;
}

static void forget(struct core *c, const struct refusal_key *key)
{
	struct group_key group = key->group;
	struct refusal_key copy = *key;
	unsigned *entries = table_get(&c->refusals.groups, &group);

	if (entries && --*entries == 0)
		(void)table_remove(&c->refusals.groups, &group);
	(void)table_remove(&c->refusals.entries, &copy);
}

/* All that was not seen for so long. */
static void sweep(struct core *c, int64_t age_ms)
{
	const struct refusal_key *key;
	struct entry *entry;
	size_t at = 0;

	while (table_next(&c->refusals.entries, &at, (const void **)&key, (void **)&entry))
		if (c->now_ms - entry->refusal.last_ms > age_ms)
			forget(c, key);
}

static void make_room(struct core *c)
{
	static const int64_t ages_ms[] = {86400000, 3600000, 60000};

	if (c->refusals.swept_ms && c->now_ms - c->refusals.swept_ms < 1000)
		return;
	c->refusals.swept_ms = c->now_ms;
	for (unsigned i = 0; i < ARRAY_SIZE(ages_ms) && c->refusals.entries.count >= REFUSALS_MAX;
	     i++)
		sweep(c, ages_ms[i]);
}

/* NULL: there are so many that only the rule's count has it. */
static struct entry *obtain(struct core *c, struct refusal_key *key)
{
	struct entry *entry = table_get(&c->refusals.entries, key);
	unsigned *entries;

	if (entry)
		return entry;
	entries = table_get(&c->refusals.groups, &key->group);
	if (entries && *entries >= REFUSALS_EACH_MAX) {
		name_copy(key->who, "others");
		entry = table_get(&c->refusals.entries, key);
		if (entry)
			return entry;
	}
	if (c->refusals.entries.count >= REFUSALS_MAX)
		make_room(c);
	if (c->refusals.entries.count >= REFUSALS_MAX)
		return NULL;
	entries = table_put(&c->refusals.groups, &key->group, NULL);
	++*entries;
	entry = table_put(&c->refusals.entries, key, NULL);
	memcpy(entry->refusal.why, key->group.why, NAME_SIZE);
	memcpy(entry->refusal.who, key->who, NAME_SIZE);
	entry->refusal.fe = key->group.fe;
	entry->refusal.port = key->group.port;
	entry->refusal.first_ms = c->now_ms;
	return entry;
}

void report_refusal(struct core *c, const char *why, const char *who, const struct element *e,
		    uint32_t port, const char *text)
{
	struct refusal_key key = {.group = {.fe = e ? e->id : 0, .port = port}};
	struct entry *entry;

	name_copy(key.group.why, why);
	name_copy(key.who, who);
	text_clean(key.who, sizeof(key.who));
	count_rule(c, key.group.why);
	entry = obtain(c, &key);
	if (!entry)
		return;
	entry->refusal.count++;
	entry->refusal.last_ms = c->now_ms;
	snprintf(entry->refusal.text, sizeof(entry->refusal.text), "%s", text);
	text_clean(entry->refusal.text, sizeof(entry->refusal.text));
	if (entry->refusal.count > 1 && c->now_ms - entry->said_ms < REFUSAL_QUIET_MS)
		return;
	entry->said_ms = c->now_ms;
	report(c, EVENT_REFUSED, NULL, e, port, "%s", entry->refusal.text);
}

void core_note_refusal(struct core *c, const char *why, const char *who, const char *element,
		       uint32_t port, const char *text, int64_t now_ms)
{
	core_set_now(c, now_ms);
	report_refusal(c, why, who, element ? element_by_name(c, element) : NULL, port, text);
}

/* --- queries ------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	const struct refusal *l = &(*x)->refusal, *r = &(*y)->refusal;
	int order = strcmp(l->why, r->why);

	if (!order)
		order = strcmp(l->who, r->who);
	if (!order)
		order = l->fe < r->fe ? -1 : l->fe > r->fe;
	return order ? order : l->port < r->port ? -1 : l->port > r->port;
}

void core_refusals(const struct core *c, void (*each)(void *to, const struct refusal *), void *to)
{
	size_t at = 0, count = 0;
	void **list = memory_alloc_array(c->refusals.entries.count + 1, sizeof(void *));

	while (table_next(&c->refusals.entries, &at, NULL, &list[count]))
		count++;
	qsort(list, count, sizeof(void *), compare_entries);
	for (size_t i = 0; i < count; i++)
		each(to, &((const struct entry *)list[i])->refusal);
	free(list);
}

void core_refusal_counts(const struct core *c,
			 void (*each)(void *to, const char *why, uint64_t count), void *to)
{
	const void *why;
	uint64_t *count;
	size_t at = 0;

	while (table_next(&c->refusals.rules, &at, &why, (void **)&count))
		each(to, why, *count);
}
