/* See http_head.h.  http_head_read finds the end of the head and refuses at once what can be no
 * HTTP; then each line is cut and read in order, and each refusal goes to one place. */
#include "controller/io/http_head.h"

#include <string.h>
#include <strings.h>

struct line {
	const char *at, *end;
};

struct reading {
	struct http_head *head;
	const char **why;
	bool has_host, has_length, has_coding, has_authorization, has_origin;
	bool is_old; /* HTTP/1.0 */
};

static int refuse(const struct reading *r, int status, const char *why)
{
	*r->why = why;
	return -status;
}

static int malformed(const struct reading *r)
{
	return refuse(r, 400, "the request is not as RFC 9112 has it");
}

static size_t line_size(const struct line *l)
{
	return (size_t)(l->end - l->at);
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Copies the line's rest; false where there is no room. */
static bool copy(const struct line *l, char *ret, size_t room)
{
	size_t size = line_size(l);

	if (size >= room)
		return false;
	memcpy(ret, l->at, size);
	ret[size] = '\0';
	return true;
}

static bool is_word(const struct line *l, const char *word)
{
	return line_size(l) == strlen(word) && strncasecmp(l->at, word, line_size(l)) == 0;
}

/* ---- the request line ---- */

static int read_method(const struct reading *r, struct line *l)
{
	static const char *const known[] = {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"};
	struct line word = {l->at, l->at};

	while (word.end < l->end && is_token(*word.end))
		word.end++;
	if (word.end == word.at || word.end == l->end || *word.end != ' ')
		return malformed(r);
	l->at = word.end + 1;
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i]) == line_size(&word) &&
		    memcmp(known[i], word.at, line_size(&word)) == 0) {
			strcpy(r->head->method, known[i]);
			return 0;
		}
	}
	return refuse(r, 405, "use GET, PUT, POST or DELETE");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether the text is UTF-8 (RFC 3629) without control characters. */
static bool is_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		unsigned more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
		unsigned least = more == 3 ? 0x10000 : more == 2 ? 0x800 : more ? 0x80 : 0;
		unsigned value = more ? *at & (0x3fu >> more) : *at;

		if (is_control((char)*at) || (more && *at < 0xc2) || *at > 0xf4)
			return false;
		for (at++; more; more--, at++) {
			if ((*at & 0xc0) != 0x80)
				return false;
			value = value << 6 | (*at & 0x3f);
		}
		if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
			return false;
	}
	return true;
}

static bool has_dots(const char *path)
{
	for (const char *at = path; (at = strchr(at, '/')); at++) {
		size_t size = strcspn(at + 1, "/");

		if ((size == 1 || size == 2) && strspn(at + 1, ".") >= size)
			return true;
	}
	return false;
}

static int read_path(const struct reading *r, const struct line *l)
{
	char *to = r->head->path, *end = to + sizeof(r->head->path) - 1;

	for (const char *at = l->at; at < l->end; at++) {
		char c = *at;

		if (c == '%') {
			int high = l->end - at > 2 ? hex_digit(at[1]) : -1;
			int low = l->end - at > 2 ? hex_digit(at[2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return refuse(r, 400, "the path has an escape that is none");
			c = (char)(high << 4 | low);
			at += 2;
		}
		if (to == end)
			return refuse(r, 414, "the path or the query is too long");
		*to++ = c;
	}
	*to = '\0';
	if (!is_text(r->head->path) || has_dots(r->head->path))
		return refuse(r, 400, "the path is no path of this server");
	return 0;
}

static int read_target(const struct reading *r, struct line *l)
{
	struct line target = {l->at, l->at}, path, query;

	while (target.end < l->end && *target.end != ' ') {
		if ((unsigned char)*target.end >= 0x7f || is_control(*target.end) ||
		    strchr("\"#<>\\^`{|}", *target.end))
			return malformed(r);
		target.end++;
	}
	l->at = target.end;
	if (target.at == target.end || *target.at != '/')
		return refuse(r, 400, "the request's target must be a path");
	path = query = target;
	path.end = target.at;
	while (path.end < target.end && *path.end != '?')
		path.end++;
	query.at = path.end + (path.end < target.end);
	if (!copy(&query, r->head->query, sizeof(r->head->query)))
		return refuse(r, 414, "the path or the query is too long");
	return read_path(r, &path);
}

static int read_version(struct reading *r, const struct line *l)
{
	if (line_size(l) != 9 || memcmp(l->at, " HTTP/", 6) != 0 || l->at[7] != '.')
		return malformed(r);
	if (l->at[6] != '1' || (l->at[8] != '0' && l->at[8] != '1'))
		return refuse(r, 505, "this server speaks HTTP/1.1");
	r->is_old = l->at[8] == '0';
	r->head->is_last = r->is_old;
	return 0;
}

static int read_request_line(struct reading *r, struct line l)
{
	int result = read_method(r, &l);

	result = result ? result : read_target(r, &l);
	return result ? result : read_version(r, &l);
}

/* ---- the fields ---- */

static int read_length(struct reading *r, const struct line *value)
{
	size_t length = 0;

	if (r->has_length || value->at == value->end || line_size(value) > 18)
		return refuse(r, 400, "the body needs one plain Content-Length");
	r->has_length = true;
	for (const char *at = value->at; at < value->end; at++) {
		if (*at < '0' || *at > '9')
			return refuse(r, 400, "the body needs one plain Content-Length");
		length = length * 10 + (size_t)(*at - '0');
	}
	r->head->body_size = length;
	return 0;
}

/* One that may be there once. */
static int read_once(const struct reading *r, const struct line *value, bool *seen, char *ret,
		     size_t room)
{
	if (*seen)
		return refuse(r, 400, "a field that may be there once is there twice");
	*seen = true;
	return copy(value, ret, room) ? 0 : refuse(r, 431, "a field is too long");
}

static void read_connection(const struct reading *r, const struct line *value)
{
	struct line word = {value->at, value->at};

	while (word.at < value->end) {
		while (word.at < value->end && strchr(" \t,", *word.at))
			word.at++;
		for (word.end = word.at; word.end < value->end && !strchr(" \t,", *word.end);)
			word.end++;
		r->head->is_last |= is_word(&word, "close");
		word.at = word.end;
	}
}

static int read_known(struct reading *r, const struct line *name, const struct line *value)
{
	struct http_head *h = r->head;

	if (is_word(name, "host"))
		return read_once(r, value, &r->has_host, h->host, sizeof(h->host));
	if (is_word(name, "origin"))
		return read_once(r, value, &r->has_origin, h->origin, sizeof(h->origin));
	if (is_word(name, "authorization"))
		return read_once(r, value, &r->has_authorization, h->authorization,
				 sizeof(h->authorization));
	if (is_word(name, "last-event-id"))
		return read_once(r, value, &h->has_last_event_id, h->last_event_id,
				 sizeof(h->last_event_id));
	if (is_word(name, "content-length"))
		return read_length(r, value);
	if (is_word(name, "transfer-encoding"))
		r->has_coding = true;
	if (is_word(name, "connection"))
		read_connection(r, value);
	if (is_word(name, "expect")) {
		if (!is_word(value, "100-continue"))
			return refuse(r, 417, "only 100-continue may be expected");
		h->expects_continue = true;
	}
	return 0;
}

static int read_field(struct reading *r, const struct line *l)
{
	struct line name = {l->at, l->at}, value;

	while (name.end < l->end && is_token(*name.end))
		name.end++;
	if (name.end == name.at || name.end == l->end || *name.end != ':')
		return malformed(r); /* also a folded line, and space before the colon */
	value = (struct line){name.end + 1, l->end};
	while (value.at < value.end && (*value.at == ' ' || *value.at == '\t'))
		value.at++;
	while (value.at < value.end && (value.end[-1] == ' ' || value.end[-1] == '\t'))
		value.end--;
	return read_known(r, &name, &value);
}

/* What concerns the body, once all fields are known. */
static int settle(const struct reading *r)
{
	if (!r->has_host && !r->is_old)
		return refuse(r, 400, "Host is missing");
	if (r->has_coding)
		return r->has_length ? refuse(r, 400, "Content-Length beside Transfer-Encoding")
				     : refuse(r, 411, "the body needs a plain Content-Length");
	if (r->head->body_size > HTTP_BODY_MAX)
		return refuse(r, 413, "the body is larger than 65536 bytes");
	return 0;
}

/* ---- lines ---- */

/* The next line without its CRLF; the caller has checked that there are no others. */
static struct line next_line(const char **at, const char *end)
{
	struct line l = {*at, memchr(*at, '\r', (size_t)(end - *at))};

	*at = l.end + 2;
	return l;
}

static int read_lines(struct reading *r, const char *at, const char *end)
{
	int result = read_request_line(r, next_line(&at, end));

	for (unsigned count = 0; result == 0; count++) {
		struct line l = next_line(&at, end);

		if (l.at == l.end)
			return settle(r);
		if (count == HTTP_FIELDS_MAX)
			return refuse(r, 431, "there are more than 64 fields");
		result = read_field(r, &l);
	}
	return result;
}

/* Whether the bytes from '*scanned' on can be part of a head; '*ret_end' is behind the empty line,
 * or NULL. */
static bool scan(const char *bytes, size_t size, size_t *scanned, const char **ret_end)
{
	size_t i = *scanned;

	*ret_end = NULL;
	for (; i < size; i++) {
		if (bytes[i] == '\r') {
			if (i + 1 == size)
				break; /* its second half may come yet */
			if (bytes[i + 1] != '\n' || i == 0)
				return false;
			bool is_empty = i >= 2 && bytes[i - 1] == '\n';

			i++;
			if (is_empty) {
				*ret_end = bytes + i + 1;
				break;
			}
		} else if (is_control(bytes[i]) && bytes[i] != '\t') {
			return false;
		}
	}
	*scanned = i;
	return true;
}

int http_head_read(const char *bytes, size_t size, size_t *scanned, struct http_head *ret,
		   const char **why)
{
	struct reading r = {.head = ret, .why = why};
	const char *end;
	size_t most = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;

	memset(ret, 0, sizeof(*ret));
	if (!scan(bytes, most, scanned, &end))
		return bytes[0] == 0x16 ? refuse(&r, 400, "this endpoint has no TLS: use http://")
					: malformed(&r);
	if (!end)
		return size < HTTP_HEAD_MAX
			       ? 0
			       : refuse(&r, 431, "the request's head is larger than 16384 bytes");
	int result = read_lines(&r, bytes, end);

	return result < 0 ? result : (int)(end - bytes);
}
