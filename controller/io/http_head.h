/* The head of an HTTP/1.1 request (RFC 9112), read strictly: whatever two readers could understand
 * differently is refused, not guessed (section 11.2, request smuggling).  Pure bytes.
 *
 * Refused are: lines that end in anything but CRLF, folded lines, space before a colon, a second
 * Host, Content-Length, Authorization or Origin (even where it says the same), Content-Length
 * beside Transfer-Encoding, any Transfer-Encoding, targets that are no path, "." and ".." in
 * paths, control characters, another protocol (TLS, HTTP/2). */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 16384 /* bytes of the request line, the fields and the empty line */
#define HTTP_FIELDS_MAX 64
#define HTTP_BODY_MAX 65536
#define HTTP_AUTHORIZATION_SIZE 512

struct http_head {
	char method[8];   /* "GET"; one of those that anybody answers */
	char path[512];   /* decoded, starts with '/'; UTF-8 without control characters */
	char query[1024]; /* as it came, without '?' */
	char host[256], origin[256]; /* "" where it is not there */
	char authorization[HTTP_AUTHORIZATION_SIZE];
	char last_event_id[24];
	size_t body_size;
	bool has_last_event_id;
	bool is_last;          /* the client closes, or is of HTTP/1.0 */
	bool expects_continue; /* it waits for "100 Continue" */
};

/* The head's size; 0: more bytes are needed ('scanned' is kept between the calls, 0 at first); or
 * minus the status that refuses it, with one line at '*why' (static text). */
MUST_USE int http_head_read(const char *bytes, size_t size, size_t *scanned, struct http_head *ret,
			    const char **why);
