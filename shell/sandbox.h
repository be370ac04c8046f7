/* What a daemon gives up once it has opened what it needs, so that whoever takes it over has
 * little: capabilities(7), all system calls but those of its daily work (seccomp(2)), new
 * privileges by execve (no_new_privs), being traced and dumping core (keys are in memory). */
#pragma once

#include "base/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY(number) (UINT64_C(1) << (number)) /* of linux/capability.h */

struct sandbox {
	uint64_t capabilities; /* what stays, of what there is */
	bool uses_bpf;         /* bpf(2) and packet sockets stay too */
};

/* For the calling thread and those that it starts: so before there are others.  0, or a negative
 * errno with the reason.  A capability that cannot be taken from the bounding set (we have no
 * CAP_SETPCAP) is not there to be gained either: no_new_privs. */
MUST_USE int sandbox_enter(const struct sandbox *s, struct reason *why);
