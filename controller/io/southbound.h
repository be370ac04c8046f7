/* The controller's sockets towards the FEs. */
#pragma once

#include "controller/core.h"
#include "shell/endpoint.h"
#include "tls/context.h"

#include <uv.h>

struct southbound;

/* Listens at each endpoint; a negative errno with the reason where one cannot be opened.  'files'
 * are those of the "tls:" endpoints, NULL where there is none. */
MUST_USE int southbound_open(uv_loop_t *loop, const struct endpoint *endpoints, unsigned count,
			     const struct tls_files *files, struct southbound **ret,
			     struct reason *why);
/* Takes changed TLS files over; who is revoked since then is dropped, everybody else stays.  To be
 * called about every second. */
void southbound_look_at_files(struct southbound *sb, bool even_if_the_same);
/* Connections are accepted from now on, and talk to this core, which gets its ticks too. */
MUST_USE int southbound_start(struct southbound *sb, struct core *core, struct reason *why);
/* Closes everything; the core is not told (it goes too).  Memory goes once the loop has run the
 * closings. */
void southbound_close(struct southbound *sb);

/* For the core's shell. */
void southbound_flush(struct session *s);
void southbound_flush_soon(struct session *s);
void southbound_drop(struct session *s);
bool southbound_is_acknowledged(struct session *s);
size_t southbound_unsent(const struct session *s);
