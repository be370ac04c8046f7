/* ctl/stream: events from bytes in any cut. */
#include "ctl/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct heard {
	unsigned count;
	char text[512];
};

static void hear(void *to, const struct stream_event *e)
{
	struct heard *h = to;
	size_t used = strlen(h->text);

	h->count++;
	snprintf(h->text + used, sizeof(h->text) - used, "[%s|%s|%s]", e->id, e->kind, e->data);
}

static const char two_events[] = ": hello\n\n"
				 "id: 7\nevent: moved\ndata: {\"a\":1}\n\n"
				 ":\n\n"
				 "event:lost\r\ndata: x\r\ndata: y\r\n\r\n"
				 "id: 8\n\n";

static void events_are_the_same_in_every_cut(void **state)
{
	for (size_t cut = 0; cut < sizeof(two_events); cut++) {
		struct stream s = {0};
		struct heard h = {0};

		stream_feed(&s, two_events, cut, hear, &h);
		stream_feed(&s, two_events + cut, sizeof(two_events) - 1 - cut, hear, &h);
		assert_int_equal(h.count, 2);
		assert_string_equal(h.text, "[7|moved|{\"a\":1}][|lost|x\ny]");
		stream_finish(&s);
	}
}

static void an_endless_event_is_refused(void **state)
{
	struct stream s = {0};
	struct heard h = {0};
	char line[1024];

	memset(line, 'x', sizeof(line));
	for (unsigned i = 0; i < 2 * STREAM_EVENT_MAX / sizeof(line); i++)
		stream_feed(&s, line, sizeof(line), hear, &h);
	assert_true(s.failed);
	assert_true(s.line.size <= STREAM_EVENT_MAX + 1);
	stream_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_the_same_in_every_cut),
		cmocka_unit_test(an_endless_event_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
