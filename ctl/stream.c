/* Cuts an event stream into lines and lines into events. */
#include "ctl/stream.h"

#include <string.h>

void stream_finish(struct stream *s)
{
	buffer_finish(&s->line);
	buffer_finish(&s->id);
	buffer_finish(&s->kind);
	buffer_finish(&s->data);
}

static const char *text_of(struct buffer *b)
{
	if (!b->size || b->data[b->size - 1])
		write_u8(b, 0);
	return (const char *)b->data;
}

static void set(struct buffer *b, const char *text)
{
	buffer_clear(b);
	buffer_add_bytes(b, text, strlen(text));
}

static void dispatch(struct stream *s, void (*each)(void *to, const struct stream_event *e),
		     void *to)
{
	if (s->data.size) {
		struct stream_event e = {.id = text_of(&s->id),
					 .kind = text_of(&s->kind),
					 .data = text_of(&s->data)};

		each(to, &e);
	}
	buffer_clear(&s->id);
	buffer_clear(&s->kind);
	buffer_clear(&s->data);
}

static void read_field(struct stream *s, char *line)
{
	char *value = strchr(line, ':');

	if (value)
		*value++ = '\0';
	else
		value = line + strlen(line);
	if (*value == ' ')
		value++;
	if (strcmp(line, "id") == 0)
		set(&s->id, value);
	else if (strcmp(line, "event") == 0)
		set(&s->kind, value);
	else if (strcmp(line, "data") == 0) {
		if (s->data.size)
			write_u8(&s->data, '\n');
		buffer_add_bytes(&s->data, value, strlen(value));
	}
}

void stream_feed(struct stream *s, const char *bytes, size_t size,
		 void (*each)(void *to, const struct stream_event *e), void *to)
{
	for (size_t i = 0; i < size && !s->failed; i++) {
		if (bytes[i] == '\r')
			continue;
		if (bytes[i] != '\n') {
			write_u8(&s->line, (uint8_t)bytes[i]);
			s->failed = s->line.size + s->data.size > STREAM_EVENT_MAX;
			continue;
		}
		if (!s->line.size) {
			dispatch(s, each, to);
			continue;
		}
		write_u8(&s->line, 0);
		if (s->line.data[0] != ':')
			read_field(s, (char *)s->line.data);
		buffer_clear(&s->line);
	}
}
