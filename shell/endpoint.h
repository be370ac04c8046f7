/* Where a daemon listens or connects to: "tcp:HOST:PORT" (a numeric address or "localhost"; IPv6 in
 * brackets), "tls:HOST:PORT" for the same with TLS (tls/context.h), or "unix:PATH". */
#pragma once

#include "base/compiler.h"
#include "base/reason.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ENDPOINT_TEXT_SIZE 128

struct endpoint {
	char text[ENDPOINT_TEXT_SIZE]; /* as it was written, for messages */
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_storage storage;
	} address;
	socklen_t address_size;
	bool is_unix;
	bool is_tls;
	bool is_private; /* a UNIX socket or a loopback address */
};

/* -EINVAL with the reason for what is none of these forms. */
MUST_USE int endpoint_parse(const char *text, struct endpoint *ret, struct reason *why);
/* A listening, non-blocking descriptor, or a negative errno with a reason that says what to do.  A
 * UNIX socket left behind by a dead process is replaced, a live one is not. */
MUST_USE int endpoint_listen(const struct endpoint *e, struct reason *why);
/* Removes the UNIX socket's name; nothing for TCP. */
void endpoint_unlink(const struct endpoint *e);
