/* The whole way of a frame from device to device, beside others' ways (bench/forward,
 * docs/forwarding.md).  A generator sends frames into one device (an XDP program run with live
 * frames), the way under test sends them on by another, behind which a sink drops and counts them.
 * All ways are there at once, so that their turns can alternate; what is no part of this program, a
 * switch or a DPDK process, is started by whoever asks for it, in a second network namespace, which
 * has those ways' devices and not the kernel's routes (Open vSwitch reads all of them, each time
 * that one changes).  That namespace is this process's file descriptor 100.
 *
 *	bench-lanes 4|6 LIMIT         an element with room for so many bindings
 *
 * Commands come by standard input, one a line, each answered by a line of JSON:
 *
 *	lane NAME victor|victor-xdp|kernel|fib|redirect|peer
 *	grow COUNT local|foreign      bindings, routes
 *	measure NAME local|external|encapsulate|decapsulate|drop SPREAD lockstep|free CORES MS [PID
 *...]
 *
 * SPREAD: random ones of so many destinations; CORES: "0", "1" or "01", a generator on each.  In
 * lockstep the way takes what comes before the generator goes on: it does so by softirq on the
 * generator's core, or because its processes (PID) have precedence there.  Free, it is on another
 * core.  Needs root: it makes a network and mount namespace of its own. */
#include "base/log.h"
#include "base/memory.h"
#include "bench/src/lanes_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int job_read(struct lanes *l, char *text, struct job *ret)
{
	char name[LANE_NAME], mode[16];
	int used = 0, more;

	*ret = (struct job){};
	if (sscanf(text, "measure %7s %15s %u %15s %2s %u%n", name, ret->which, &ret->spread, mode,
		   ret->cores, &ret->ms, &used) != 6 ||
	    strspn(ret->cores, "0123456789") != strlen(ret->cores))
		return -EINVAL;
	ret->lane = lane_find(l, name);
	ret->free = strcmp(mode, "free") == 0;
	for (text += used; ret->pid_count < LANE_PIDS; text += more)
		if (sscanf(text, "%d%n", &ret->pids[ret->pid_count], &more) != 1)
			break;
		else
			ret->pid_count++;
	return 0;
}

static void command(struct lanes *l, char *text)
{
	char name[LANE_NAME], word[16];
	uint32_t count;
	struct job job;

	if (sscanf(text, "lane %7s %15s", name, word) == 2) {
		lane_make(l, name, word);
		printf("{}\n");
	} else if (sscanf(text, "grow %u %15s", &count, word) == 2) {
		lanes_grow(l, count, strcmp(word, "local") == 0);
		printf("{}\n");
	} else {
		check(&l->forward, job_read(l, text, &job), text);
		lanes_measure(l, &job);
	}
	fflush(stdout);
}

/* The second namespace.  Returns 0 or a negative errno. */
static int away_make(void)
{
	int fd, result;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = dup3(fd, AWAY_FD, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	return result;
}

int main(int argc, char **argv)
{
	struct lanes l = {
		.forward = {.ops = datapath_operations(), .directory = "/tmp/victor-fwd-XXXXXX"}};
	struct forward *f = &l.forward;
	char line[256];

	if (argc != 3 || away_make() || unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) || !mkdtemp(f->directory)) {
		fprintf(stderr, "usage: bench-lanes 4|6 LIMIT (as root)\n");
		return 2;
	}
	log_start("bench-lanes", LOG_LEVEL_ERROR);
	signal(SIGINT, SIG_IGN); /* it ends with its input, and cleans up */
	f->is_ipv6 = strcmp(argv[1], "6") == 0;
	devices_make(f);
	element_open(f, (uint32_t)strtoul(argv[2], NULL, 0));
	l.program = lanes_bpf__open_and_load();
	check(f, l.program ? 0 : errno, "the lanes' programs");
	generators_init(&l);
	while (fgets(line, sizeof(line), stdin))
		command(&l, line);
	lanes_bpf__destroy(l.program);
	datapath_close(f->context.datapath, true);
	umount(f->directory);
	rmdir(f->directory);
	return 0;
}
