/* The northbound from its users' side: requests and their JSON answers, and the event stream. */
#pragma once

#include "base/compiler.h"
#include "base/reason.h"

#include <stddef.h>

#define CLIENT_STANDARD_SERVER "unix:/run/victor/controller.sock"

struct buffer;
struct client;
struct credentials;
struct json_object;

/* 'server' is "unix:PATH", "https://HOST:PORT" or "http://HOST:PORT".  -EINVAL with the reason for
 * what is none. */
MUST_USE int client_open(const char *server, struct client **ret, struct reason *why);
/* What shows who we are; 'credentials' is borrowed as long as the client lives.  -EINVAL for a
 * token that would go over a network in the clear. */
MUST_USE int client_identify(struct client *c, const struct credentials *credentials,
			     struct reason *why);
void client_close(struct client *c);

/* One request; 'body' may be NULL.  0 and '*ret' (the caller puts it; NULL where the answer has no
 * body), or negative with a reason to print: -ENOTCONN where nobody answers, -EPROTO where the
 * answer is not understood, -EREMOTEIO where the controller refused (the reason is its own). */
MUST_USE int client_request(struct client *c, const char *method, const char *path,
			    const char *body, struct json_object **ret, struct reason *why);
/* GETs what is no JSON; the caller finishes '*ret'.  As client_request. */
MUST_USE int client_download(struct client *c, const char *path, struct buffer *ret,
			     struct reason *why);
/* A path from a pattern with '{}' for each of 'arguments', escaped; the caller frees it. */
MUST_USE char *client_path(const char *pattern, const char *const *arguments);

/* One event of the stream; texts are borrowed. */
struct stream_event {
	const char *id, *kind, *data; /* "" where the event has none */
};
/* Follows the stream until it ends, from after the event 'last_id' ("" for new ones only), and
 * calls 'each'.  As client_request; 0 where the server ended it. */
MUST_USE int client_follow(struct client *c, const char *path, const char *last_id,
			   void (*each)(void *to, const struct stream_event *e), void *to,
			   struct reason *why);
