/* The whole way of a frame from device to device, beside others' ways (bench/forward,
 * docs/forwarding.md).  A generator sends frames into one device (an XDP program run with live
 * frames), the way under test sends them on by another, behind which a sink drops and counts them.
 * All ways are there at once, so that their turns can alternate; what is no part of this program, a
 * switch or a DPDK process, is started in this one's network namespace by whoever asks for it.
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

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 8192      /* frames from one look at the clock to the next */
#define SETTLED_US 3000 /* nothing arrived for so long: nothing is on its way */
#define SETTLE_ROUNDS 300
#define PIDS 16
#define GENERATORS 2

struct generator {
	struct lanes *lanes;
	const uint8_t *frame;
	uint64_t end_ns; /* wall clock */
	bool yields;     /* to any other process on its core */
	unsigned core;
	pthread_t thread;
	uint64_t sent, cpu_ns, misses;
	bool counts_misses; /* there are counters for that */
	int result;
};

struct job {
	const struct lane *lane;
	char which[16];
	uint32_t spread, ms;
	bool free;
	char cores[4];
	int pids[PIDS];
	unsigned pid_count;
};

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t received(const struct lanes *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LANE_CORES; i++)
		sum += ((volatile struct lane_core *)l->program->bss->core)[i].received;
	return sum;
}

/* What all threads of the processes have been on a core for. */
static uint64_t processes_ns(const struct job *job)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < job->pid_count; i++) {
		char path[320];
		const struct dirent *entry;
		DIR *directory;

		snprintf(path, sizeof(path), "/proc/%d/task", job->pids[i]);
		directory = opendir(path);
		while (directory && (entry = readdir(directory))) {
			uint64_t ns = 0;
			FILE *file;

			snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", job->pids[i],
				 entry->d_name);
			file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
			if (!file)
				continue;
			sum += fscanf(file, "%lu", &ns) == 1 ? ns : 0;
			fclose(file);
		}
		if (directory)
			closedir(directory);
	}
	return sum;
}

/* Of the last level of caches, in this thread and the softirqs in it; none: there is no such
 * counter, as in most virtual machines. */
static int misses_open(void)
{
	struct perf_event_attr counter = {.type = PERF_TYPE_HARDWARE,
					  .size = sizeof(counter),
					  .config = PERF_COUNT_HW_CACHE_MISSES};

	return (int)syscall(SYS_perf_event_open, &counter, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void misses_close(struct generator *g, int fd)
{
	g->counts_misses = fd >= 0 && read(fd, &g->misses, sizeof(g->misses)) == sizeof(g->misses);
	if (fd >= 0)
		close(fd);
}

static void *generate(void *argument)
{
	struct generator *g = argument;
	const struct sched_param none = {};
	struct xdp_md context = {.data_end = g->lanes->program->bss->shape.size};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = g->frame,
			    .data_size_in = context.data_end, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = CHUNK,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = g->yields ? 32 : 64);
	int fd = bpf_program__fd(g->lanes->program->progs.lane_generate), misses;
	uint64_t begin;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(g->core, &one);
	g->result = sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
	if (g->yields && !g->result)
		g->result = sched_setscheduler(0, SCHED_IDLE, &none) ? -errno : 0;
	misses = misses_open();
	begin = now_ns();
	do {
		g->result = g->result ? g->result : bpf_prog_test_run_opts(fd, &options);
		g->sent += CHUNK;
	} while (!g->result && wall_ns() < g->end_ns);
	g->cpu_ns = now_ns() - begin;
	misses_close(g, misses);
	return NULL;
}

static void settle(const struct lanes *l)
{
	uint64_t before, now = received(l);

	for (unsigned i = 0; i < SETTLE_ROUNDS; i++) {
		before = now;
		usleep(SETTLED_US);
		now = received(l);
		if (now == before)
			return;
	}
}

static void measure(struct lanes *l, const struct job *job)
{
	struct generator generator[GENERATORS] = {};
	uint64_t sent = 0, cpu = 0, misses = 0, begin, took, before, arrived, others;
	unsigned count = (unsigned)strlen(job->cores);
	uint8_t frame[256] = {};

	lane_frame(l, job->lane, job->which, job->spread, frame);
	before = received(l);
	others = processes_ns(job);
	begin = wall_ns();
	for (unsigned i = 0; i < count; i++) {
		struct generator *g = &generator[i];

		*g = (struct generator){.lanes = l,
					.frame = frame,
					.end_ns = begin + job->ms * UINT64_C(1000000),
					.yields = !job->free && job->pid_count,
					.core = (unsigned)(job->cores[i] - '0')};
		check(&l->forward, pthread_create(&g->thread, NULL, generate, g), "a thread");
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(generator[i].thread, NULL);
		check(&l->forward, generator[i].result, "live frames");
		sent += generator[i].sent;
		cpu += generator[i].cpu_ns;
		misses += generator[i].misses;
	}
	if (!job->free && job->pid_count)
		settle(l);
	arrived = received(l) - before;
	others = processes_ns(job) - others;
	took = wall_ns() - begin;
	settle(l);
	printf("{\"sent\": %lu, \"received\": %lu, \"generator_ns\": %lu, \"others_ns\": %lu, "
	       "\"wall_ns\": %lu",
	       sent, arrived, cpu, others, took);
	if (generator[0].counts_misses)
		printf(", \"cache_misses\": %lu", misses);
	printf("}\n");
}

/* ---- commands ---- */

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
	for (text += used; ret->pid_count < PIDS; text += more)
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
		uint64_t begin = wall_ns();

		lanes_grow(l, count, strcmp(word, "local") == 0);
		printf("{\"seconds\": %.3f}\n", (double)(wall_ns() - begin) / 1e9);
	} else {
		check(&l->forward, job_read(l, text, &job), text);
		measure(l, &job);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct lanes l = {
		.forward = {.ops = datapath_operations(), .directory = "/tmp/victor-fwd-XXXXXX"}};
	struct forward *f = &l.forward;
	char line[256];

	if (argc != 3 || unshare(CLONE_NEWNET | CLONE_NEWNS) ||
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
	/* Never again, so that no measurement meets the destinations that another left in a cache.
	 */
	for (unsigned i = 0; i < LANE_CORES; i++)
		l.program->bss->core[i].state = 88172645 + i;
	while (fgets(line, sizeof(line), stdin))
		command(&l, line);
	lanes_bpf__destroy(l.program);
	datapath_close(f->context.datapath, true);
	umount(f->directory);
	rmdir(f->directory);
	return 0;
}
