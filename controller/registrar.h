/* Who is it, and may they?  From a frame that an FE heard to a claim. */
#pragma once

#include "controller/state.h"

void registrar_sighting(struct core *c, struct element *e, const struct sighting *s);
/* Whether the node may attach there; if not, 'why' has the name of the rule. */
bool registrar_may_attach(const struct core *c, const struct node *n, const struct element *e,
			  const struct port *p, const char **why);
