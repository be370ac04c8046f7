/* Sockets and device indexes from another network namespace.  Used by handoff.c and air.c. */
#include "lab/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int netns_open(struct netns *n, const char *path)
{
	n->here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (n->here < 0)
		return -errno;
	n->there = open(path, O_RDONLY | O_CLOEXEC);
	if (n->there < 0) {
		int r = -errno;

		close(n->here);
		return r;
	}
	return 0;
}

void netns_close(struct netns *n)
{
	close(n->here);
	close(n->there);
}

static int enter(int namespace)
{
	return setns(namespace, CLONE_NEWNET) < 0 ? -errno : 0;
}

static void leave(struct netns *n)
{
	/* Nothing sensible can be done from the wrong namespace. */
	if (enter(n->here) < 0)
		abort();
}

int netns_socket(struct netns *n, int family, int type, int protocol)
{
	int r = enter(n->there), fd;

	if (r < 0)
		return r;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	leave(n);
	return fd;
}

unsigned netns_device(struct netns *n, const char *name)
{
	unsigned index;

	if (enter(n->there) < 0)
		return 0;
	index = if_nametoindex(name);
	leave(n);
	return index;
}
