/* Alarms, by (kind, who, FE): a table and two events. */
#include "controller/alarm.h"

#include "base/memory.h"
#include "controller/element.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct alarm_key {
	char kind[NAME_SIZE], who[NAME_SIZE];
	uint32_t fe;
};

static void make_key(struct alarm_key *key, const char *kind, const char *who,
		     const struct element *e)
{
	*key = (struct alarm_key){.fe = e ? e->id : 0};
	name_copy(key->kind, kind);
	name_copy(key->who, who);
	text_clean(key->who, sizeof(key->who));
}

void alarm_init(struct core *c, uint64_t seed)
{
	table_init(&c->alarms, sizeof(struct alarm_key), sizeof(struct alarm), seed);
}

void alarm_finish(struct core *c)
{
	table_finish(&c->alarms);
}

void alarm_raise(struct core *c, const char *kind, const char *who, const struct element *e,
		 uint32_t port, const char *format, ...)
{
	struct alarm_key key;
	struct alarm *alarm;
	bool created;
	va_list arguments;

	make_key(&key, kind, who, e);
	if (c->alarms.count >= ALARMS_MAX && !table_get(&c->alarms, &key))
		return;
	alarm = table_put(&c->alarms, &key, &created);
	va_start(arguments, format);
	vsnprintf(alarm->text, sizeof(alarm->text), format, arguments);
	va_end(arguments);
	text_clean(alarm->text, sizeof(alarm->text));
	if (!created)
		return;
	memcpy(alarm->kind, key.kind, sizeof(alarm->kind));
	memcpy(alarm->who, key.who, sizeof(alarm->who));
	alarm->fe = key.fe;
	alarm->port = port;
	alarm->since_ms = c->now_ms;
	report(c, EVENT_ALARM, NULL, e, port, "%s", alarm->text);
}

void alarm_clear(struct core *c, const char *kind, const char *who, const struct element *e)
{
	struct alarm_key key;

	make_key(&key, kind, who, e);
	if (table_remove(&c->alarms, &key))
		report(c, EVENT_ALARM_OVER, NULL, e, 0, "%s: %s: over", key.who, key.kind);
}

static int compare_alarms(const void *a, const void *b)
{
	const struct alarm *const *x = a, *const *y = b;
	int order = strcmp((*x)->kind, (*y)->kind);

	if (!order)
		order = strcmp((*x)->who, (*y)->who);
	return order ? order : ((*x)->fe > (*y)->fe) - ((*x)->fe < (*y)->fe);
}

void core_alarms(const struct core *c, void (*each)(void *to, const struct alarm *), void *to)
{
	void **list = memory_alloc_array(c->alarms.count + 1, sizeof(void *));
	size_t at = 0, count = 0;

	while (table_next(&c->alarms, &at, NULL, &list[count]))
		count++;
	qsort(list, count, sizeof(void *), compare_alarms);
	for (size_t i = 0; i < count; i++)
		each(to, list[i]);
	free(list);
}
