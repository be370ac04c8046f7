/* Things of a network namespace for a tool that stays outside: each is opened there and used from
 * here.  For single-threaded use: the calling thread enters the namespace and comes back. */
#pragma once

#include "base/compiler.h"

#include <stdint.h>

struct netns {
	int here, there; /* file descriptors of namespaces */
};

/* 'path' such as "/run/netns/NAME".  0 or -errno; close it when the sockets are made. */
MUST_USE int netns_open(struct netns *n, const char *path);
void netns_close(struct netns *n);

/* socket(2) there: a descriptor, or -errno. */
MUST_USE int netns_socket(struct netns *n, int family, int type, int protocol);
/* Index of a device there; 0 if there is none. */
MUST_USE unsigned netns_device(struct netns *n, const char *name);
