/* What one forwarding element costs, measured in one process with the production program, maps and
 * agent (bench/forward; docs/forwarding.md): nanoseconds a packet by BPF_PROG_RUN, bindings written
 * a second, and what a million of them need in time and memory.
 *
 *	bench-forward packet local|external|encapsulate|decapsulate|drop 4|6 COUNT ROUNDS
 *	bench-forward packet read|add|wait 4|6 COUNT ROUNDS
 *	bench-forward update 4|6 COUNT
 *	bench-forward fill 4|6 COUNT
 *
 * Prints one JSON object.  Needs root: it makes a network and mount namespace of its own. */
#include "base/log.h"
#include "base/memory.h"
#include "bench/src/forward_element.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define RUNS 200000 /* packets of one measurement */

/* ---- nanoseconds a packet ---- */

static const struct bpf_program *program_of(const struct forward *f, const char *which,
					    uint32_t *ret_ifindex)
{
	const struct victor_bpf *skeleton = f->context.datapath->skeleton;

	*ret_ifindex = f->ifindex[ACCESS];
	if (strcmp(which, "decapsulate") == 0) {
		*ret_ifindex = f->ifindex[BACKPLANE];
		return skeleton->progs.victor_backplane;
	}
	if (strcmp(which, "external") == 0) {
		*ret_ifindex = f->ifindex[EXTERNAL];
		return skeleton->progs.victor_external;
	}
	return skeleton->progs.victor_access;
}

/* One measurement; the last run's verdict is checked against what the case should come to. */
static double run(struct forward *f, int program_fd, uint32_t ifindex, const uint8_t *frame,
		  int verdict)
{
	struct __sk_buff context = {.ifindex = ifindex};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
			    .data_size_in = f->entry->bss->shape.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = RUNS);
	uint32_t zero = 0;

	check(f, bpf_map_update_elem(bpf_map__fd(f->entry->maps.target), &zero, &program_fd, 0),
	      "the tail call");
	check(f, bpf_prog_test_run_opts(bpf_program__fd(f->entry->progs.forward_entry), &options),
	      "BPF_PROG_RUN");
	if ((int)options.retval != verdict) {
		fprintf(stderr, "bench-forward: verdict %d, not %d\n", (int)options.retval,
			verdict);
		fail(f, "the program", EINVAL);
	}
	return (double)options.duration;
}

static double run_alone(struct forward *f, const uint8_t *frame)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
			    .data_size_in = f->entry->bss->shape.size, .repeat = RUNS);

	check(f, bpf_prog_test_run_opts(bpf_program__fd(f->entry->progs.forward_nothing), &options),
	      "BPF_PROG_RUN");
	return (double)options.duration;
}

/* A case that is not the element's. */
static bool is_line(const char *which)
{
	return strcmp(which, "read") == 0 || strcmp(which, "add") == 0 ||
	       strcmp(which, "wait") == 0;
}

/* What a read of a random line takes, of as many as there are bindings: the least that a program
 * can take which reads a record of each. */
static void line(struct forward *f, const char *which, int rounds)
{
	struct forward_shape *shape = &f->entry->bss->shape;
	const struct bpf_program *program = which[0] == 'r'   ? f->entry->progs.forward_read
					    : which[0] == 'a' ? f->entry->progs.forward_add
							      : f->entry->progs.forward_wait;
	uint8_t frame[256] = {};
	uint32_t size = frame_make(f, which, shape, frame);
	int fd = bpf_program__fd(program),
	    nothing = bpf_program__fd(f->entry->progs.forward_nothing);

	shape->state = 88172645;
	shape->count = shape->lines = f->count;
	printf("{\"case\": \"%s\", \"family\": %d, \"count\": %u, \"size\": %u, \"ns\": [", which,
	       f->is_ipv6 ? 6 : 4, f->count, size);
	run(f, fd, f->ifindex[ACCESS], frame, 0); /* warms up */
	for (int i = 0; i < rounds; i++) {
		double entry = run(f, nothing, f->ifindex[ACCESS], frame, 0) - run_alone(f, frame);

		printf("%s%.1f", i ? ", " : "", run(f, fd, f->ifindex[ACCESS], frame, 0) - entry);
	}
	printf("]}\n");
}

/* How many were counted under the verdict that the case should come to. */
struct counted {
	const char *name;
	uint64_t packets;
};

static void count_verdict(void *to, const struct drop_count *c)
{
	struct counted *counted = to;

	if (strcmp(c->name, counted->name) == 0)
		counted->packets = c->packets;
}

static uint64_t counted(struct forward *f, const char *name)
{
	struct counted c = {.name = name};

	datapath_verdicts(f->context.datapath, count_verdict, &c);
	return c.packets;
}

/* The entry's own nanoseconds are taken off, BPF_PROG_RUN's stay: what the program would take if it
 * were run by itself. */
static void packet(struct forward *f, const char *which, int rounds)
{
	bool drops = strcmp(which, "drop") == 0, sends = strcmp(which, "encapsulate") == 0;
	const char *name = drops ? "no_binding" : sends ? "forwarded_foreign" : "forwarded_local";
	int verdict = drops ? 2 : 7;
	struct forward_shape *shape = &f->entry->bss->shape;
	uint8_t frame[256] = {};
	uint32_t ifindex, size;
	const struct bpf_program *program = program_of(f, which, &ifindex);
	int fd = bpf_program__fd(program),
	    nothing = bpf_program__fd(f->entry->progs.forward_nothing);
	uint64_t before;

	surroundings_set(f);
	size = frame_make(f, which, shape, frame);
	if (drops)
		shape->base += 1u << 23; /* covered, and nobody's */
	else
		bindings_set(f, !sends);
	shape->state = 88172645;
	printf("{\"case\": \"%s\", \"family\": %d, \"count\": %u, \"size\": %u, \"ns\": [", which,
	       f->is_ipv6 ? 6 : 4, f->count, size);
	shape->count = f->count;
	run(f, fd, ifindex, frame, verdict); /* warms up; first packets make counters */
	before = counted(f, name);
	for (int i = 0; i < rounds; i++) {
		double entry = run(f, nothing, ifindex, frame, 0) - run_alone(f, frame);

		printf("%s%.1f", i ? ", " : "", run(f, fd, ifindex, frame, verdict) - entry);
	}
	printf("]}\n");
	if (counted(f, name) - before != (uint64_t)rounds * RUNS)
		fail(f, "not all packets came to the same", EINVAL);
}

/* ---- writing ---- */

/* What the flow-mods of one read say, decoded before the clock runs; each address is known to the
 * data plane as long before its turn as the agent knows it (fe/ahead.c). */
enum change { CHANGE_ADD, CHANGE_MOVE, CHANGE_ARRIVE, CHANGE_REMOVE };

static void change_part(struct forward *f, enum change change, const struct datapath_binding *part,
			uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct datapath_binding *b = &part[i];

		for (uint32_t ahead = i ? i + CHANNEL_AHEAD - 1 : 0;
		     ahead < i + CHANNEL_AHEAD && ahead < count; ahead++)
			f->ops->binding_expect(f, b->vrf, &part[ahead].address);
		check(f,
		      change == CHANGE_REMOVE ? f->ops->binding_remove(f, b->vrf, &b->address)
					      : f->ops->binding_set(f, b),
		      "a binding");
	}
}

/* Nanoseconds for each of all bindings. */
static double change_all(struct forward *f, enum change change)
{
	static struct datapath_binding part[4096];
	uint64_t took = 0;

	for (uint32_t from = 0; from < f->count; from += (uint32_t)ARRAY_SIZE(part)) {
		uint32_t count = f->count - from;
		uint64_t begin;

		if (count > ARRAY_SIZE(part))
			count = (uint32_t)ARRAY_SIZE(part);
		for (uint32_t i = 0; i < count; i++) {
			part[i] = binding_make(f, from + i, change == CHANGE_ARRIVE);
			part[i].fe += change == CHANGE_MOVE;
		}
		begin = now_ns();
		change_part(f, change, part, count);
		took += now_ns() - begin;
	}
	return (double)took / f->count;
}

static void update(struct forward *f)
{
	double add, move, arrive, remove;

	surroundings_set(f);
	add = change_all(f, CHANGE_ADD);
	move = change_all(f, CHANGE_MOVE);
	arrive = change_all(f, CHANGE_ARRIVE);
	remove = change_all(f, CHANGE_REMOVE);
	printf("{\"family\": %d, \"count\": %u, \"add_ns\": %.1f, \"move_ns\": %.1f, "
	       "\"arrive_ns\": %.1f, \"remove_ns\": %.1f}\n",
	       f->is_ipv6 ? 6 : 4, f->count, add, move, arrive, remove);
}

/* ---- a new element is filled ---- */

/* What the kernel says that the process's maps take; it counts BPF's own overhead. */
static uint64_t map_bytes(void)
{
	DIR *directory = opendir("/proc/self/fdinfo");
	const struct dirent *entry;
	uint64_t sum = 0;

	while (directory && (entry = readdir(directory))) {
		char path[300], line[128];
		uint64_t bytes = 0, id = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			(void)!sscanf(line, "memlock: %lu", &bytes);
			(void)!sscanf(line, "map_id: %lu", &id);
		}
		if (file)
			fclose(file);
		sum += id ? bytes : 0;
	}
	if (directory)
		closedir(directory);
	return sum;
}

static uint64_t anonymous_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	uint64_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		(void)!sscanf(line, "RssAnon: %lu", &kib);
	if (file)
		fclose(file);
	return kib * 1024;
}

static void on_flush(void *context, struct agent_connection *c)
{
	struct channel *channel = agent_connection_channel(c);

	buffer_drop_front(&channel->out, channel->out.size);
}

static void on_drop(void *context, struct agent_connection *c)
{
	fprintf(stderr, "bench-forward: the agent drops its controller\n");
	exit(1);
}

/* All that a controller says to a new element before the first binding. */
static void controller_begin(struct agent_connection *c)
{
	struct rule_group group = {.fe = FE_THERE,
				   .address = text_address("192.0.2.3"),
				   .redirect = text_address("192.0.2.103")};
	struct ofp_group_mod mod;
	struct buffer b = {};

	ofp_hello_encode(&b, 1);
	ofp_empty_encode(&b, OFPT_FEATURES_REQUEST, 2);
	rule_group_to_group_mod(&group, OFPGC_ADD, &mod);
	ofp_group_mod_encode(&b, 3, &mod);
	agent_receive(c, b.data, b.size, 2);
	buffer_finish(&b);
}

/* Flow-mods of a part, encoded before the clock runs. */
static struct buffer flow_mods(const struct forward *f, uint32_t from, uint32_t to)
{
	struct buffer b = {};

	for (uint32_t i = from; i < to; i++) {
		struct rule rule = {.key = {.kind = RULE_FOREIGN, .address = numbered(f, i)},
				    .cookie = UINT64_C(1) << 36 | i,
				    .fe = FE_THERE};
		struct ofp_flow_mod mod;

		rule_to_flow_mod(&rule, OFPFC_ADD, &mod);
		ofp_flow_mod_encode(&b, i, &mod);
	}
	ofp_empty_encode(&b, OFPT_BARRIER_REQUEST, to);
	return b;
}

/* 'least': what the maps of an element take that has room for next to no bindings. */
static void fill(struct forward *f, uint64_t least)
{
	const struct agent_shell shell = {
		.datapath = f->ops, .flush = on_flush, .drop = on_drop, .context = f};
	const struct agent_config config = {
		.name = "fe2", .id = FE_HERE, .binding_limit = f->count};
	struct agent *agent = agent_create(&config, &shell, 7, 1);
	struct agent_connection *c;
	uint64_t took = 0, memory;

	agent_adopt_done(agent, 1);
	c = agent_connect(agent, "bench", true, NULL, 1);
	controller_begin(c);
	memory = anonymous_bytes();
	for (uint32_t i = 0; i < f->count; i += 4096) {
		struct buffer b = flow_mods(f, i, f->count - i < 4096 ? f->count : i + 4096);
		uint64_t begin = now_ns();

		agent_receive(c, b.data, b.size, 3);
		took += now_ns() - begin;
		buffer_finish(&b);
	}
	if (agent_connection_channel(c)->count.errors_out)
		fail(f, "flow-mods were refused", EINVAL);
	printf("{\"family\": %d, \"count\": %u, \"seconds\": %.3f, \"agent_bytes\": %.1f, "
	       "\"map_bytes\": %.1f}\n",
	       f->is_ipv6 ? 6 : 4, f->count, (double)took / 1e9,
	       (double)(anonymous_bytes() - memory) / f->count,
	       (double)(map_bytes() - least) / f->count);
	agent_destroy(agent);
}

/* ---- */

static int usage(void)
{
	fprintf(stderr,
		"usage: bench-forward packet CASE 4|6 COUNT ROUNDS | update|fill 4|6 COUNT\n");
	return 2;
}

static void entry_open(struct forward *f, uint32_t lines)
{
	f->entry = forward_bpf__open();
	check(f, f->entry ? 0 : errno, "the entry");
	check(f, bpf_map__set_max_entries(f->entry->maps.lines, lines / FORWARD_LINES + 1),
	      "the lines");
	check(f, forward_bpf__load(f->entry), "the entry");
}

static void element(struct forward *f, int argc, char **argv)
{
	bool fills = strcmp(argv[1], "fill") == 0;
	uint64_t least;

	element_open(f, 16);
	least = map_bytes();
	datapath_close(f->context.datapath, true);
	/* A local binding takes the room of two where there are very many. */
	element_open(f, fills ? f->count : 2 * f->count + 16);
	if (argc == 6)
		packet(f, argv[2], atoi(argv[5]));
	else if (fills)
		fill(f, least);
	else
		update(f);
	datapath_close(f->context.datapath, true);
}

int main(int argc, char **argv)
{
	struct forward f = {.ops = datapath_operations(), .directory = "/tmp/victor-fwd-XXXXXX"};
	bool packets = argc == 6 && strcmp(argv[1], "packet") == 0;

	if (!packets && !(argc == 4 && (!strcmp(argv[1], "fill") || !strcmp(argv[1], "update"))))
		return usage();
	f.is_ipv6 = strcmp(argv[argc == 6 ? 3 : 2], "6") == 0;
	f.count = (uint32_t)strtoul(argv[argc == 6 ? 4 : 3], NULL, 0);
	log_start("bench-forward", LOG_LEVEL_ERROR);
	if (!f.count || unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || !mkdtemp(f.directory))
		return usage();
	devices_make(&f);
	entry_open(&f, packets && is_line(argv[2]) ? f.count : 0);
	if (packets && is_line(argv[2]))
		line(&f, argv[2], atoi(argv[5]));
	else
		element(&f, argc, argv);
	forward_bpf__destroy(f.entry);
	umount(f.directory);
	rmdir(f.directory);
	return 0;
}
