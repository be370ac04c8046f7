/* GET /v1/events: events as server-sent events (WHATWG HTML, section 9.2).  Runs on the HTTP thread
 * and touches only the event ring. */
#include "base/memory.h"
#include "controller/io/northbound_private.h"
#include "controller/io/northbound_views.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_PIECE 32

static void write_event(struct buffer *out, const struct event *e)
{
	struct json_object *o = view_event(e);
	char *text =
		memory_format("id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)e->revision,
			      event_kind_name(e->kind),
			      json_object_to_json_string_ext(
				      o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	buffer_add_bytes(out, text, strlen(text));
	free(text);
}

static void write_lost(struct buffer *out, uint64_t after)
{
	char *text =
		memory_format("event: lost\ndata: {\"after\":%llu}\n\n", (unsigned long long)after);

	buffer_add_bytes(out, text, strlen(text));
	free(text);
}

void northbound_stream(void *northbound, uint64_t *after, struct buffer *out)
{
	struct northbound *nb = northbound;
	uint64_t newest = event_ring_newest(nb->events), asked = *after;
	struct event *list = memory_alloc_array(EVENTS_PER_PIECE, sizeof(*list));
	bool lost, restarted = asked != UINT64_MAX && asked > newest;

	if (asked == UINT64_MAX) {
		static const char hello[] = ": from now on\n\n";

		*after = newest;
		buffer_add_bytes(out, hello, sizeof(hello) - 1);
	} else if (restarted) { /* it watched before our start: it gets all since then */
		*after = 0;
	}
	unsigned count = event_ring_read(nb->events, after, list, EVENTS_PER_PIECE, &lost);

	if (restarted && !count)
		*after = newest;
	if (lost || restarted)
		write_lost(out, asked);
	for (unsigned i = 0; i < count; i++)
		write_event(out, &list[i]);
	free(list);
}
