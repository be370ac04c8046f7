/* Two taps, one in each of two network namespaces, and frames carried between them with their
 * offloads (virtio-net headers): to the data plane the one looks like a virtual machine's tap.
 *
 *	bpf-relay NAMESPACE_FILE TAP NAMESPACE_FILE TAP
 *
 * For test_trial.py.  Says "ready", ends with its stdin. */
#include "base/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MAX 70000

static NORETURN void fail(const char *what)
{
	fprintf(stderr, "bpf-relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int tap_open(const char *namespace, const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int ns = open(namespace, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		fail(namespace);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/net/tun");
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, TUNSETIFF, &request) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN))
		fail(name);
	return fd;
}

static void carry(int from, int to)
{
	static uint8_t frame[FRAME_MAX];

	for (unsigned i = 0; i < 64; i++) {
		ssize_t size = read(from, frame, sizeof(frame));

		if (size <= 0)
			return;
		(void)!write(to, frame, (size_t)size);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[3] = {{0, POLLIN, 0}};

	if (argc != 5)
		return 2;
	fds[1] = (struct pollfd){tap_open(argv[1], argv[2]), POLLIN, 0};
	fds[2] = (struct pollfd){tap_open(argv[3], argv[4]), POLLIN, 0};
	puts("ready");
	fflush(stdout);
	while (poll(fds, 3, -1) > 0 && !fds[0].revents) {
		if (fds[1].revents)
			carry(fds[1].fd, fds[2].fd);
		if (fds[2].revents)
			carry(fds[2].fd, fds[1].fd);
	}
	return 0;
}
