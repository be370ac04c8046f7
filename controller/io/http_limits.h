/* How many connections may be open, and how often an address may fail: what keeps one client from
 * taking the northbound away from the others.  A connection is a stranger until its first request
 * was allowed; strangers never take the room of those that are known, and among strangers the
 * oldest has to go (who is honest is known within milliseconds).  No clock, no sockets. */
#pragma once

#include "base/address.h"

#include <stdbool.h>

#define HTTP_STRANGERS_MAX 192           /* over TCP, in all */
#define HTTP_STRANGERS_OF_ADDRESS_MAX 24 /* of one address (IPv6: of one /64) */
#define HTTP_KNOWN_MAX 512               /* over TCP, in all */
#define HTTP_KNOWN_OF_ADDRESS_MAX 128
#define HTTP_LOCAL_MAX 128          /* over UNIX sockets */
#define HTTP_LOCAL_OF_OTHERS_MAX 96 /* of these, not by root and the controller's own user */
#define HTTP_CONNECTIONS_MAX (HTTP_STRANGERS_MAX + HTTP_KNOWN_MAX + HTTP_LOCAL_MAX)
#define HTTP_FAILURES_BURST 10 /* refused credentials at once */
#define HTTP_FAILURES_PER_SECOND 1
#define HTTP_NEWCOMERS_BURST 128 /* connections of an address that nobody is known of */
#define HTTP_NEWCOMERS_PER_SECOND 64

#define HTTP_ADDRESSES 1024

struct http_address {
	struct address key;
	unsigned strangers, known;
	int64_t failures_ms, newcomers_ms; /* when the bucket will be full again */
	int64_t used_ms;
};

struct http_limits {
	struct http_address addresses[HTTP_ADDRESSES];
	unsigned strangers, known, local, local_of_others;
};

enum http_admission {
	HTTP_ADMITTED,
	HTTP_ADMITTED_FOR_OLDEST,         /* after the oldest stranger was closed */
	HTTP_ADMITTED_FOR_OLDEST_OF_SAME, /* after that of the same address was */
	HTTP_TOO_MANY,
};

/* Where an address is counted; good until the next call that gets 'now_ms' while it has no
 * connection. */
struct http_address *http_limits_address(struct http_limits *l, const struct address *a,
					 int64_t now_ms);
/* A connection over TCP comes.  Unless HTTP_TOO_MANY it is counted as a stranger: the caller closes
 * the other one, and tells so by http_limits_leave. */
enum http_admission http_limits_enter(struct http_limits *l, struct http_address *a,
				      int64_t now_ms);
/* Its first request was allowed: false where there are too many already; then it stays what it
 * was. */
MUST_USE bool http_limits_know(struct http_limits *l, struct http_address *a);
void http_limits_leave(struct http_limits *l, struct http_address *a, bool was_known);
/* Over a UNIX socket; 'is_own': root, or the controller's own user. */
MUST_USE bool http_limits_enter_local(struct http_limits *l, bool is_own);
void http_limits_leave_local(struct http_limits *l, bool is_own);
/* Credentials were refused; false: too often, answer nothing but 429. */
MUST_USE bool http_limits_fail(struct http_address *a, int64_t now_ms);
