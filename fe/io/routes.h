/* The kernel's routes by which packets leave VICTOR, and the routing daemons that put them there:
 * whether this FE still has a way out (fe/way_out.h). */
#pragma once

#include "base/reason.h"
#include "fe/io/config.h"
#include "fe/io/port.h"

#include <stdbool.h>
#include <stdint.h>

struct routes;

/* Listens for changes.  'config' and 'ports' are borrowed.  Returns 0 or -errno. */
MUST_USE int routes_open(const struct config *config, const struct ports *ports,
			 struct routes **ret);
/* Accepts NULL. */
void routes_close(struct routes *r);

int routes_fd(const struct routes *r);
/* To be called when the fd can be read. */
void routes_read(struct routes *r);
/* The interfaces may be others: the kernel takes routes away with them without a word. */
void routes_stale(struct routes *r);
/* Whether packets may leave here.  To be called often: looks at the routes only when something may
 * have changed, and now and then. */
bool routes_update(struct routes *r, int64_t now_ms);
/* Whether a routing daemon that should run does not. */
bool routes_lack_daemon(const struct routes *r);
