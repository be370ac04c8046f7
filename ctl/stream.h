/* Server-sent events (WHATWG HTML, section 9.2) from bytes in any cut. */
#pragma once

#include "base/wire.h"
#include "ctl/client.h"

#define STREAM_EVENT_MAX 65536

/* Zero-initialise; free with stream_finish. */
struct stream {
	struct buffer line, id, kind, data;
	bool failed; /* an event larger than STREAM_EVENT_MAX */
};

void stream_finish(struct stream *s);
/* Calls 'each' for every whole event that has data. */
void stream_feed(struct stream *s, const char *bytes, size_t size,
		 void (*each)(void *to, const struct stream_event *e), void *to);
