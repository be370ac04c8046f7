/* One measurement of a way (lanes_internal.h): generators run from before it begins until after it
 * has ended, each on its core, and what has come about is read twice in between.
 *
 * A generator is one call of BPF_PROG_RUN, which a signal ends: each beginning of a call, and each
 * end, may wait for RCU grace periods, milliseconds without a frame, for the kernel makes its
 * dispatcher of XDP programs anew for a program that is in no other use.  (Thus it is in use on the
 * device "held" too, and the other end of a measurement is not the end of a call.) */
#include "bench/src/lanes_internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ENDLESS 0x7fffffff /* frames; it is ended by a signal */
#define BATCH 64
#define BATCH_SHARED 32 /* where a process reads them by a socket (docs/forwarding.md) */
#define GENERATOR_PRIORITY 1
#define STEP_US 1000
#define START_STEPS 60000 /* a process may leave nothing for long */
#define WARM_PART 8       /* of a measurement's time goes by before it */
#define SETTLED_US 3000   /* nothing arrived for so long: nothing is on its way */
#define SETTLE_ROUNDS 300

struct generator {
	struct lanes *lanes;
	const uint8_t *frame;
	unsigned core;
	bool yields;   /* to any other process on its core */
	bool precedes; /* all others */
	pthread_t thread;
	int misses; /* a counter of the thread's, or negative */
	int result;
	atomic_bool runs, ended;
};

/* What there has been until now. */
struct reading {
	uint64_t wall_ns, generator_ns, others_ns, sent, received, misses;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {};

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t received(const struct lanes *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LANE_CORES; i++)
		sum += ((volatile struct lane_core *)l->program->bss->core)[i].received;
	return sum;
}

static uint64_t sent_by(const struct generator *g)
{
	return ((volatile struct lane_core *)g->lanes->program->bss->core)[g->core].sent;
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

static uint64_t misses_of(const struct generator *g)
{
	uint64_t count = 0;

	return g->misses >= 0 && read(g->misses, &count, sizeof(count)) == sizeof(count) ? count
											 : 0;
}

/* ---- generators ---- */

static int settle_on_core(const struct generator *g)
{
	const struct sched_param none = {}, precedence = {.sched_priority = GENERATOR_PRIORITY};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(g->core, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return -errno;
	if (g->yields)
		return sched_setscheduler(0, SCHED_IDLE, &none) ? -errno : 0;
	if (g->precedes)
		return sched_setscheduler(0, SCHED_FIFO, &precedence) ? -errno : 0;
	return 0;
}

/* Whatever else the machine does has to wait for the moment of a measurement, but for this thread,
 * which ends it and so has precedence over the generators.  False: it may not. */
static bool precede(bool on)
{
	const struct sched_param none = {}, own = {.sched_priority = GENERATOR_PRIORITY + 1};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, on ? &own : &none) == 0;
}

static void *generate(void *argument)
{
	struct generator *g = argument;
	struct xdp_md context = {.data_end = g->lanes->program->bss->shape.size};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = g->frame,
			    .data_size_in = context.data_end, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = ENDLESS,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = g->yields ? BATCH_SHARED : BATCH);
	int fd = bpf_program__fd(g->lanes->program->progs.lane_generate);

	g->result = settle_on_core(g);
	g->misses = misses_open();
	atomic_store(&g->runs, true);
	if (!g->result)
		g->result = bpf_prog_test_run_opts(fd, &options);
	atomic_store(&g->ended, true);
	return NULL;
}

static void end_call(int signal_number)
{
}

void generators_init(struct lanes *l)
{
	const struct sigaction action = {.sa_handler = end_call};

	check(&l->forward, sigaction(SIGUSR1, &action, NULL) ? errno : 0, "a signal");
	shell(&l->forward, "ip link add held type veth peer name held-peer");
	check(&l->forward,
	      bpf_xdp_attach((int)if_nametoindex("held"),
			     bpf_program__fd(l->program->progs.lane_generate), XDP_FLAGS_DRV_MODE,
			     NULL),
	      "held");
	/* Never again, so that no measurement meets the destinations that another left in a cache.
	 */
	for (unsigned i = 0; i < LANE_CORES; i++)
		l->program->bss->core[i].state = 88172645 + i;
}

/* Returns when frames come from it. */
static void generator_start(struct generator *g)
{
	struct forward *f = &g->lanes->forward;
	uint64_t before = sent_by(g);

	check(f, pthread_create(&g->thread, NULL, generate, g), "a thread");
	for (unsigned i = 0; sent_by(g) == before; i++) {
		check(f, atomic_load(&g->ended) ? g->result : 0, "live frames");
		check(f, i == START_STEPS ? ETIMEDOUT : 0, "live frames");
		usleep(STEP_US);
	}
}

/* It may not have come to its call yet when it gets a first signal. */
static void generator_stop(struct generator *g)
{
	while (!atomic_load(&g->ended)) {
		pthread_kill(g->thread, SIGUSR1);
		usleep(STEP_US);
	}
	pthread_join(g->thread, NULL);
	if (g->misses >= 0)
		close(g->misses);
	check(&g->lanes->forward, g->result == -EINTR ? 0 : g->result, "live frames");
}

/* ---- measurements ---- */

static struct reading read_all(struct lanes *l, const struct job *job,
			       const struct generator *generator, unsigned count)
{
	struct reading r = {};

	for (unsigned i = 0; i < count; i++) {
		clockid_t clock;

		check(&l->forward, pthread_getcpuclockid(generator[i].thread, &clock),
		      "a thread's clock");
		r.generator_ns += clock_ns(clock);
		r.sent += sent_by(&generator[i]);
		r.misses += misses_of(&generator[i]);
	}
	r.others_ns = processes_ns(job);
	r.received = received(l);
	r.wall_ns = clock_ns(CLOCK_MONOTONIC);
	return r;
}

/* Until what is on its way has arrived. */
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

void lanes_measure(struct lanes *l, const struct job *job)
{
	struct generator generator[GENERATORS];
	unsigned count = (unsigned)strlen(job->cores);
	struct reading from, to;
	uint8_t frame[256] = {};
	bool precedes;

	lane_frame(l, job->lane, job->which, job->spread, frame);
	precedes = precede(true);
	for (unsigned i = 0; i < count; i++) {
		generator[i] = (struct generator){.lanes = l,
						  .frame = frame,
						  .core = (unsigned)(job->cores[i] - '0'),
						  .yields = !job->free && job->pid_count,
						  .precedes = precedes,
						  .misses = -1};
		generator_start(&generator[i]);
	}
	usleep(job->ms * 1000 / WARM_PART);
	from = read_all(l, job, generator, count);
	usleep(job->ms * 1000);
	to = read_all(l, job, generator, count);
	for (unsigned i = 0; i < count; i++)
		generator_stop(&generator[i]);
	precede(false);
	settle(l);
	printf("{\"sent\": %lu, \"received\": %lu, \"generator_ns\": %lu, \"others_ns\": %lu, "
	       "\"wall_ns\": %lu, \"cores\": %u",
	       to.sent - from.sent, to.received - from.received,
	       to.generator_ns - from.generator_ns, to.others_ns - from.others_ns,
	       to.wall_ns - from.wall_ns, count);
	if (generator[0].misses >= 0)
		printf(", \"cache_misses\": %lu", to.misses - from.misses);
	printf("}\n");
}
