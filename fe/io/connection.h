/* The agent's sockets: connections to controllers, made and made again, and connections by people's
 * tools (ovs-ofctl) that are accepted. */
#pragma once

#include "fe/io/config.h"

#include <uv.h>

struct connections;

/* Binds the listeners of the config; a negative errno with the reason where one cannot be opened.
 */
MUST_USE int connections_open(uv_loop_t *loop, const struct config *config,
			      struct connections **ret, struct reason *why);
/* From now on tools are accepted, and controllers are called, for this agent. */
MUST_USE int connections_start(struct connections *all, struct agent *agent, struct reason *why);
/* How often somebody at the other end has said something, since the start. */
uint64_t connections_heard(const struct connections *all);
/* Takes changed TLS files over; a controller that is revoked since then is dropped, others stay. To
 * be called about every second.  Accepts NULL. */
void connections_look_at_files(struct connections *all, bool even_if_the_same);
/* Closes everything; the agent is not told (it goes too).  Memory goes once the loop has run the
 * closings.  Accepts NULL. */
void connections_close(struct connections *all);

/* For the agent's shell. */
void connection_flush(struct agent_connection *session);
void connection_drop(struct agent_connection *session);
