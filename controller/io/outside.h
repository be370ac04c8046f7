/* The routing daemons that speak for Open vSwitches (docs/open-vswitch.md): for each external port
 * with 'routing' a tap device that stands for it, the covered prefixes in routing table 86 beside
 * it, for the daemon to announce (shell/announce.h), and its routes, for the switch to send by. */
#pragma once

#include "base/reason.h"
#include "controller/io/config.h"

#include <uv.h>

struct outside;

/* Makes the devices and reads what there is.  The core must be there before (outside_start); frames
 * and ports that come earlier are dropped.  0 or a negative errno with the reason. */
MUST_USE int outside_open(uv_loop_t *loop, const struct config *config, struct outside **ret,
			  struct reason *why);
void outside_start(struct outside *o, struct core *core);
/* The devices and what was announced stay: a new controller takes them over, as it does the
 * switches.  Accepts NULL. */
void outside_close(struct outside *o);

/* From the core (struct core_shell); 'o' may be NULL. */
void outside_frame(struct outside *o, const char *element, const char *port, const void *frame,
		   size_t size);
void outside_port(struct outside *o, const char *element, const char *port, const struct mac *mac,
		  bool up);
