/* Links that nobody configured: what LLDP says of provisioned devices. */
#pragma once

#include "controller/state.h"

void discovery_finish(struct core *c);
/* A frame that came in by a backplane port. */
void discovery_heard(struct element *e, const struct sighting *sighting);
/* The port came, changed or went; the FE was compared with intent. */
void discovery_port(struct element *e, const struct port *p);
void discovery_element(struct element *e);
/* At the end of learning: paths wait a moment for links that are still to be found. */
void discovery_hold(struct core *c);
void discovery_tick(struct core *c);
