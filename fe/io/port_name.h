/* Which interface is which port: name patterns, and numbers that a name keeps.  No I/O but the file
 * that remembers the numbers over a restart. */
#pragma once

#include "base/table.h"
#include "pipeline/experimenter.h"

#define PORT_PATTERN_SIZE 64
#define PORT_NUMBER_MAX 64998u       /* DATAPLANE_PORT_LIMIT is above */
#define PORT_NUMBER_BACKPLANE 64999u /* where the config gives it no other */

struct port_match {
	char pattern[PORT_PATTERN_SIZE]; /* a name, or a pattern as of glob(7) */
	/* info.number: 0 = the lowest that is free; mtu is the device's. */
	struct port_info info;
	unsigned line; /* in the config */
};

bool port_pattern_is_name(const char *pattern);
/* The first match that names the interface, or else the first whose pattern fits; NULL: not ours.
 */
const struct port_match *port_match_find(const struct port_match *matches, unsigned count,
					 const char *name);

/* Numbers given to names. */
struct port_numbers {
	struct table by_name; /* interface name, zero padded -> struct port_number */
	uint8_t used[PORT_NUMBER_MAX / 8 + 2]; /* given or reserved: a bit each */
	uint32_t lowest;                       /* none below is free */
	uint64_t next_order;
	int file; /* -1: they are not kept */
};

/* Reserves the numbers that 'matches' say. */
void port_numbers_init(struct port_numbers *n, const struct port_match *matches, unsigned count);
void port_numbers_finish(struct port_numbers *n);
/* Reads what an earlier run kept at 'path' and keeps there from now on.  What is broken in the file
 * or contradicts the reserved numbers is left out.  Returns 0 or -errno. */
MUST_USE int port_numbers_open(struct port_numbers *n, const char *path);
/* The name's number, from now on in use: its match's, the one it had, the lowest free, or where
 * none is free that of the name that is gone longest.  0: all are in use. */
uint32_t port_numbers_take(struct port_numbers *n, const struct port_match *match,
			   const char *name);
/* The interface is gone: its number stays its name's while others are free. */
void port_numbers_release(struct port_numbers *n, const char *name);
