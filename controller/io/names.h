/* Names for the ids that the core gives. */
#pragma once

#include "controller/core.h"

/* Gathered once for an answer. */
struct names {
	struct table elements; /* uint32_t -> char[NAME_SIZE] */
	struct table ports;    /* struct port_key -> char[OFP_PORT_NAME_SIZE] */
};
void names_init(struct names *n, const struct core *core);
void names_finish(struct names *n);
/* NULL where the id is not known. */
const char *names_element(const struct names *n, uint32_t fe);
const char *names_port(const struct names *n, uint32_t fe, uint32_t port);
