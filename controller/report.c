/* What happened, for people and programs: events with a revision.  refusal.c has what was refused.
 */
#include "controller/state.h"

#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

LOG_MODULE("core");

static const char *const event_kind_names[] = {
	[EVENT_ELEMENT_UP] = "element-up",
	[EVENT_ELEMENT_DOWN] = "element-down",
	[EVENT_PORT_UP] = "port-up",
	[EVENT_PORT_DOWN] = "port-down",
	[EVENT_PORT_GONE] = "port-gone",
	[EVENT_NODE_ADDED] = "node-added",
	[EVENT_NODE_REMOVED] = "node-removed",
	[EVENT_ATTACHED] = "attached",
	[EVENT_MOVED] = "moved",
	[EVENT_PREPARED] = "prepared",
	[EVENT_REVERTED] = "reverted",
	[EVENT_DETACHED] = "detached",
	[EVENT_REFUSED] = "refused",
	[EVENT_AMBIGUOUS] = "ambiguous",
	[EVENT_SYNCHRONIZED] = "synchronized",
	[EVENT_REDESIGNATED] = "redesignated",
	[EVENT_TABLE_FULL] = "table-full",
	[EVENT_WAY_OUT] = "way-out",
	[EVENT_DRAINING] = "draining",
	[EVENT_LINK_UP] = "link-up",
	[EVENT_LINK_DOWN] = "link-down",
	[EVENT_ALARM] = "alarm",
	[EVENT_ALARM_OVER] = "alarm-over",
};

const char *event_kind_name(enum event_kind kind)
{
	return kind < ARRAY_SIZE(event_kind_names) ? event_kind_names[kind] : "unknown";
}

static const char *const path_kind_names[] = {
	[PATH_STRAIGHT] = "straight",
	[PATH_FIRST] = "first",
	[PATH_EQUAL] = "equal",
	[PATH_SECOND] = "second",
};

const char *path_kind_name(enum path_kind kind)
{
	return kind < ARRAY_SIZE(path_kind_names) ? path_kind_names[kind] : "unknown";
}

void name_copy(char to[NAME_SIZE], const char *from)
{
	size_t size = strnlen(from, NAME_SIZE - 1);

	memset(to, 0, NAME_SIZE);
	memcpy(to, from, size);
}

void text_clean(char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i]; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
}

static void log_event(const struct event *e)
{
	switch (e->kind) {
	case EVENT_REFUSED:
	case EVENT_AMBIGUOUS:
	case EVENT_TABLE_FULL:
	case EVENT_WAY_OUT:
	case EVENT_DRAINING:
	case EVENT_ALARM:
	case EVENT_ALARM_OVER:
		log_warn_rl("%s", e->text);
		return;
	case EVENT_ELEMENT_UP:
	case EVENT_ELEMENT_DOWN:
	case EVENT_SYNCHRONIZED:
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
		log_info_rl("%s", e->text);
		return;
	case EVENT_PORT_UP:
	case EVENT_PORT_DOWN:
	case EVENT_PORT_GONE:
	case EVENT_NODE_ADDED:
	case EVENT_NODE_REMOVED:
	case EVENT_REDESIGNATED:
		log_debug("%s", e->text);
		return;
	case EVENT_ATTACHED:
	case EVENT_MOVED:
	case EVENT_PREPARED:
	case EVENT_REVERTED:
	case EVENT_DETACHED:
		log_info_rl("%s", e->text);
		return;
	case EVENT_KIND_COUNT:
		return;
	}
}

/* The kernel takes as long for a line as for an element's flow-mods: elements go first. */
static bool log_later(struct core *c, const struct event *e)
{
	if (e->kind != EVENT_MOVED || c->unlogged_count == UNLOGGED_MAX)
		return false;
	memcpy(c->unlogged[c->unlogged_count++], e->text, sizeof(e->text));
	c->owes_barriers = true;
	return true;
}

void report_log(struct core *c)
{
	for (unsigned i = 0; i < c->unlogged_count; i++)
		log_info_rl("%s", c->unlogged[i]);
	c->unlogged_count = 0;
}

void report(struct core *c, enum event_kind kind, const struct attachment *a,
	    const struct element *e, uint32_t port, const char *format, ...)
{
	struct event event = {
		.revision = ++c->revision, .kind = kind, .at_ms = c->now_ms, .port = port};
	va_list arguments;

	if (a) {
		name_copy(event.node, a->node);
		event.version = version_to_cookie(a->version);
	}
	if (e)
		name_copy(event.element, e->name);
	va_start(arguments, format);
	text_format_list(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	if (!log_later(c, &event)) {
		report_log(c);
		log_event(&event);
	}
	c->shell.event(c->shell.context, &event);
}
