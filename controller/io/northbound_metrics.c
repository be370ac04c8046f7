/* Prometheus' text exposition, written by hand: HELP, TYPE, then samples. */
#include "controller/io/northbound_metrics.h"

#include "base/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(struct buffer *out, const char *format, ...) PRINTF_LIKE(2, 3);

static void print(struct buffer *out, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int size = vsnprintf(text, sizeof(text), format, args);

	va_end(args);
	if (size > 0)
		buffer_add_bytes(out, text,
				 (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

static void begin(struct buffer *out, const char *name, const char *type, const char *help)
{
	print(out, "# HELP victor_%s %s\n# TYPE victor_%s %s\n", name, help, name, type);
}

static void one(struct buffer *out, const char *name, const char *type, uint64_t value,
		const char *help)
{
	begin(out, name, type, help);
	print(out, "victor_%s %" PRIu64 "\n", name, value);
}

/* A label's value: what would end it is escaped. */
static const char *escape(const char *text, char ret[2 * NAME_SIZE + 1])
{
	size_t used = 0;

	for (; *text && used < 2 * NAME_SIZE - 1; text++) {
		if (*text == '"' || *text == '\\' || *text == '\n')
			ret[used++] = '\\';
		ret[used++] = *text == '\n' ? 'n' : *text;
	}
	ret[used] = '\0';
	return ret;
}

static void sample(struct buffer *out, const char *name, const char *label, const char *value,
		   uint64_t number)
{
	char escaped[2 * NAME_SIZE + 1];

	print(out, "victor_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, escape(value, escaped),
	      number);
}

struct element_list {
	struct element_view *items;
	unsigned count, room;
};

static void collect_element(void *to, const struct element_view *e)
{
	struct element_list *list = to;

	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->items = memory_resize(list->items, list->room * sizeof(*list->items));
	}
	list->items[list->count++] = *e;
}

static void write_elements(struct buffer *out, const struct core *core)
{
	struct element_list list = {0};
	unsigned states[ELEMENT_ONLINE + 1] = {0};

	core_elements(core, collect_element, &list);
	for (unsigned i = 0; i < list.count; i++)
		states[list.items[i].state]++;
	begin(out, "elements", "gauge", "Forwarding elements by state.");
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
		sample(out, "elements", "state", element_state_name((enum element_state)i),
		       states[i]);
	begin(out, "flow_mods_total", "counter", "Flow-mods sent to each forwarding element.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "flow_mods_total", "element", list.items[i].name,
		       list.items[i].flow_mods_sent);
	begin(out, "packet_ins_total", "counter", "Packet-ins from each forwarding element.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "packet_ins_total", "element", list.items[i].name,
		       list.items[i].packet_ins);
	begin(out, "element_errors_total", "counter", "Errors on each element's connection.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "element_errors_total", "element", list.items[i].name,
		       list.items[i].errors);
	begin(out, "rules", "gauge", "Rules that each forwarding element holds.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "rules", "element", list.items[i].name, list.items[i].rule_count);
	begin(out, "element_draining", "gauge", "Whether each forwarding element drains.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "element_draining", "element", list.items[i].name,
		       list.items[i].draining);
	begin(out, "element_full", "gauge", "Whether each forwarding element's table is full.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "element_full", "element", list.items[i].name, list.items[i].full);
	begin(out, "table_full_total", "counter", "Rules refused because the table was full.");
	for (unsigned i = 0; i < list.count; i++)
		sample(out, "table_full_total", "element", list.items[i].name,
		       list.items[i].table_full);
	free(list.items);
}

static void count_attachment(void *to, const struct attachment *a)
{
	unsigned *states = to;

	states[a->state]++;
}

static void write_attachments(struct buffer *out, const struct core *core)
{
	unsigned states[ATTACHMENT_PROVISIONAL + 1] = {0};
	size_t at = 0;

	(void)core_attachments_page(core, &at, UINT_MAX, count_attachment, states);
	begin(out, "attachments", "gauge", "Attachments by state.");
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
		sample(out, "attachments", "state", attachment_state_name((enum attachment_state)i),
		       states[i]);
}

static void sample_refusal(void *to, const char *why, uint64_t count)
{
	sample(to, "refusals_total", "why", why, count);
}

static void write_refusals(struct buffer *out, const struct core *core)
{
	begin(out, "refusals_total", "counter", "What was refused, by the rule.");
	core_refusal_counts(core, sample_refusal, out);
}

static void sample_alarm(void *to, const struct alarm *a)
{
	struct buffer *out = to;
	char who[2 * NAME_SIZE + 1];

	print(out, "victor_alarm{kind=\"%s\",who=\"%s\",element_id=\"%u\"} 1\n", a->kind,
	      escape(a->who, who), a->fe);
}

static void write_alarms(struct buffer *out, const struct core *core)
{
	begin(out, "alarm", "gauge", "What is wrong and lasts.");
	core_alarms(core, sample_alarm, out);
}

struct link_list {
	struct buffer *out;
	const char *name;
	enum { LINK_UP_METRIC, LINK_DELAY_METRIC, LINK_BYTES_METRIC } what;
};

static void link_sample(const struct link_list *list, const struct link_view *l, unsigned end,
			uint64_t number)
{
	char from[2 * NAME_SIZE + 1], to[2 * NAME_SIZE + 1], port[2 * NAME_SIZE + 1];

	print(list->out, "victor_%s{from=\"%s\",to=\"%s\",port=\"%s\"} %" PRIu64 "\n", list->name,
	      escape(l->names[end], from), escape(l->names[!end], to), escape(l->ports[end], port),
	      number);
}

static void sample_link(void *to, const struct link_view *l)
{
	const struct link_list *list = to;

	if (list->what == LINK_UP_METRIC)
		link_sample(list, l, 0, l->up);
	else if (list->what == LINK_DELAY_METRIC && l->delay_us)
		link_sample(list, l, 0, l->delay_us);
	for (unsigned end = 0; end < 2 && list->what == LINK_BYTES_METRIC && l->kind; end++)
		link_sample(list, l, end, l->bytes[end]);
}

static void write_links(struct buffer *out, const struct core *core)
{
	struct link_list list = {out, "link_up", LINK_UP_METRIC};

	begin(out, list.name, "gauge", "Whether each backplane link is up.");
	core_links(core, sample_link, &list);
	list = (struct link_list){out, "link_delay_microseconds", LINK_DELAY_METRIC};
	begin(out, list.name, "gauge", "One-way delay of each link, smoothed.");
	core_links(core, sample_link, &list);
	list = (struct link_list){out, "link_sent_bytes_total", LINK_BYTES_METRIC};
	begin(out, list.name, "counter", "Bytes that each end of a link sent over it.");
	core_links(core, sample_link, &list);
}

static void write_events(struct buffer *out, const struct metrics *m)
{
	begin(out, "events_total", "counter", "Events by kind.");
	for (unsigned i = 0; i < EVENT_KINDS; i++)
		sample(out, "events_total", "kind", event_kind_name((enum event_kind)i),
		       m->events[i]);
	one(out, "moves_total", "counter", m->events[EVENT_MOVED], "Moves of nodes.");
}

static void write_registrations(struct buffer *out, const struct core *core)
{
	struct registration_counts n = core_registration_counts(core);
	const char *name = "registrations_total", *label = "result";

	begin(out, name, "counter", "Signed registrations by what became of them.");
	sample(out, name, label, "registered", n.registered);
	sample(out, name, label, "renewed", n.renewed);
	sample(out, name, label, "deregistered", n.deregistered);
	sample(out, name, label, "expired", n.expired);
	sample(out, name, label, "refused", n.refused);
}

void metrics_write(struct buffer *out, const struct core *core, const struct metrics *m,
		   int64_t now_ms)
{
	begin(out, "build_info", "gauge", "What this is.");
	print(out, "victor_build_info{version=\"%s\"} 1\n", VICTOR_VERSION);
	one(out, "uptime_seconds", "gauge", (uint64_t)(now_ms - m->started_ms) / 1000,
	    "Seconds since the controller started.");
	one(out, "term", "gauge", core_term(core), "The controller's term.");
	one(out, "revision", "counter", core_revision(core), "Revision of the last event.");
	one(out, "nodes", "gauge", core_inventory(core)->nodes.count, "Nodes in the inventory.");
	one(out, "requests_total", "counter", m->requests, "REST requests.");
	begin(out, "northbound_refused_total", "counter",
	      "Connections and requests that the northbound refused, by cause.");
	for (unsigned i = 0; i < HTTP_CAUSE_COUNT; i++)
		sample(out, "northbound_refused_total", "cause",
		       http_cause_name((enum http_cause)i), m->refused[i]);
	one(out, "audit_lost_total", "counter", m->audit_lost,
	    "Changes that the audit log did not take.");
	write_elements(out, core);
	write_links(out, core);
	write_attachments(out, core);
	write_refusals(out, core);
	write_alarms(out, core);
	write_events(out, m);
	write_registrations(out, core);
}
