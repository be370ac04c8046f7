/* victor-fe: puts the agent's core between its data plane (datapath.c), the interfaces (port.c),
 * the controllers (connection.c) and the routing daemon beside it (announce.c), on one libuv loop.
 *
 * The start, in this order, so that a refusal leaves everything as it was: the config, the
 * interfaces, the listening sockets, the data plane (new, or pinned and forwarding: adopted), the
 * agent with what is pinned and the ports, then the controllers.  A stop leaves the data plane
 * forwarding. */
#include "base/log.h"
#include "base/memory.h"
#include "fe/health.h"
#include "fe/io/awake.h"
#include "fe/io/clock.h"
#include "fe/io/config.h"
#include "fe/io/connection.h"
#include "fe/io/datapath.h"
#include "fe/io/overlap.h"
#include "fe/io/port.h"
#include "fe/io/routes.h"
#include "shell/announce.h"
#include "shell/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <unistd.h>
#include <uv.h>

LOG_MODULE("main");

#define TICK_MS 50
#define FILES_MS 1000
#define EXIT_USAGE 2

struct fe {
	struct datapath_context datapath; /* first: the context of datapath_ops */
	struct datapath_ops ops;          /* the data plane's, but we hear of covered prefixes */
	const struct datapath_ops *below;
	struct config config;
	uv_loop_t loop;
	uv_poll_t upcalls, news, route_news;
	uv_timer_t tick, link_tick;
	uv_prepare_t before_sleep; /* sets link_tick to what the agent wants next */
	uv_idle_t busy;            /* active: the agent has work that waits for nothing */
	uv_signal_t terminate, interrupt, reload;
	unsigned ticks;
	struct agent *agent;
	struct ports *ports;
	struct connections *connections;
	struct awake_watch awake;
	bool wrote; /* something to a connection, since it was last cleared */
	struct announcer *announcer;
	struct health health;
	struct routes *routes;
	struct overlap_watch *overlaps;
	bool unconfined; /* --no-sandbox */
};

enum action { ACTION_RUN, ACTION_CHECK, ACTION_REMOVE };

struct options {
	const char *config;
	enum action action;
	bool verbose, unconfined;
};

/* ---- the agent's shell ---- */

static void on_flush(void *context, struct agent_connection *connection)
{
	((struct fe *)context)->wrote = true;
	connection_flush(connection);
}

static void on_drop(void *context, struct agent_connection *connection)
{
	connection_drop(connection);
}

static int on_prefix_set(void *context, const struct datapath_prefix *prefix)
{
	struct fe *fe = context;

	if (prefix->kind == DATAPATH_COVERED && prefix->vrf == 0)
		announcer_set(fe->announcer, &prefix->prefix, !prefix->internal);
	if (prefix->kind == DATAPATH_COVERED && prefix->vrf == 0)
		overlap_cover(fe->overlaps, &prefix->prefix, true);
	return fe->below->prefix_set(context, prefix);
}

static int on_prefix_remove(void *context, uint8_t kind, uint32_t vrf, const struct prefix *prefix)
{
	struct fe *fe = context;

	if (kind == DATAPATH_COVERED && vrf == 0)
		announcer_set(fe->announcer, prefix, false);
	if (kind == DATAPATH_COVERED && vrf == 0)
		overlap_cover(fe->overlaps, prefix, false);
	return fe->below->prefix_remove(context, kind, vrf, prefix);
}

static void on_upcall(void *to, const struct upcall *u)
{
	struct fe *fe = to;

	struct upcall timed = *u;

	timed.now_us = clock_now_us();
	fe->wrote = false;
	agent_upcall(fe->agent, &timed, timed.now_us / 1000);
	if (fe->wrote && u->reason != UPCALL_CONTROL)
		awake_expect(&fe->awake);
}

static void on_adopted_rule(void *to, const struct rule *rule)
{
	agent_adopt_rule(((struct fe *)to)->agent, rule);
}

static void on_adopted_link(void *to, const struct datapath_link *link)
{
	agent_adopt_link(((struct fe *)to)->agent, link);
}

static void on_adopted_kept(void *to, const struct kept_key *key, const struct kept_frame *frame)
{
	agent_adopt_kept(((struct fe *)to)->agent, key, frame);
}

static void on_adopted_group(void *to, const struct rule_group *group)
{
	agent_adopt_group(((struct fe *)to)->agent, group);
}

/* ---- the loop ---- */

static void on_upcalls(uv_poll_t *poll, int status, int events)
{
	struct fe *fe = poll->data;

	(void)datapath_poll_upcalls(fe->datapath.datapath);
}

/* The underlay's device, or provisioned ones. */
static bool has_backplane(const struct fe *fe)
{
	for (unsigned i = 0; i < fe->config.match_count; i++)
		if (fe->config.matches[i].info.role == PORT_BACKPLANE)
			return true;
	return false;
}

/* Clients' traffic is invited only where it can come in and go on. */
static void update_announcements(struct fe *fe)
{
	const struct health_signs signs = {
		.has_way_in = ports_are_up(fe->ports, PORT_EXTERNAL),
		.has_way_on = (!has_backplane(fe) || ports_are_up(fe->ports, PORT_BACKPLANE)) &&
			      !agent_is_cut_off(fe->agent),
		.complete = agent_is_complete(fe->agent),
	};

	announcer_update(fe->announcer, health_update(&fe->health, &signs, clock_now_ms()));
}

/* What leaves VICTOR leaves here only while the kernel knows where to. */
static void update_way_out(struct fe *fe)
{
	int64_t now_ms = clock_now_ms();
	bool lacked_daemon = routes_lack_daemon(fe->routes);

	ports_block_external(fe->ports, !routes_update(fe->routes, now_ms), now_ms);
	if (routes_lack_daemon(fe->routes) && !lacked_daemon)
		announcer_clean_main(fe->announcer);
}

/* What this machine routes itself must not be where nodes may live. */
static void update_overlaps(struct fe *fe)
{
	const struct overlap *list;
	unsigned count;

	if (overlap_update(fe->overlaps, clock_now_ms(), &list, &count))
		agent_set_overlaps(fe->agent, list, count);
}

static void on_route_news(uv_poll_t *poll, int status, int events)
{
	struct fe *fe = poll->data;

	routes_read(fe->routes);
	update_way_out(fe);
}

static void on_news(uv_poll_t *poll, int status, int events)
{
	struct fe *fe = poll->data;

	ports_read(fe->ports, clock_now_ms());
	update_announcements(fe);
	routes_stale(fe->routes);
	overlap_stale(fe->overlaps);
	update_way_out(fe);
}

static void on_tick(uv_timer_t *timer)
{
	struct fe *fe = timer->data;

	agent_tick(fe->agent, clock_now_ms());
	update_announcements(fe);
	update_way_out(fe);
	update_overlaps(fe);
	if (++fe->ticks % (FILES_MS / TICK_MS) == 0)
		connections_look_at_files(fe->connections, false);
}

static void on_reload(uv_signal_t *signal, int number)
{
	struct fe *fe = signal->data;

	connections_look_at_files(fe->connections, true);
}

static void on_link_tick(uv_timer_t *timer)
{
	struct fe *fe = timer->data;

	agent_tick_links(fe->agent, clock_now_us());
}

static void on_busy(uv_idle_t *idle)
{
	struct fe *fe = idle->data;

	agent_work(fe->agent);
}

/* The links' timers are as fine as a loop's timer is: a millisecond. */
static void on_before_sleep(uv_prepare_t *prepare)
{
	struct fe *fe = prepare->data;
	int64_t next_us = agent_next_us(fe->agent), wait_us = next_us - clock_now_us();

	if (agent_is_busy(fe->agent))
		(void)uv_idle_start(&fe->busy, on_busy);
	else
		(void)uv_idle_stop(&fe->busy);
	if (next_us == INT64_MAX) {
		(void)uv_timer_stop(&fe->link_tick);
		return;
	}
	uv_update_time(&fe->loop);
	(void)uv_timer_start(&fe->link_tick, on_link_tick,
			     wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0, 0);
}

static void close_handle(uv_handle_t *handle)
{
	if (handle->data && !uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop(struct fe *fe)
{
	close_handle((uv_handle_t *)&fe->upcalls);
	close_handle((uv_handle_t *)&fe->news);
	close_handle((uv_handle_t *)&fe->route_news);
	close_handle((uv_handle_t *)&fe->tick);
	close_handle((uv_handle_t *)&fe->link_tick);
	close_handle((uv_handle_t *)&fe->before_sleep);
	close_handle((uv_handle_t *)&fe->busy);
	close_handle((uv_handle_t *)&fe->terminate);
	close_handle((uv_handle_t *)&fe->interrupt);
	close_handle((uv_handle_t *)&fe->reload);
	awake_close(&fe->awake);
	connections_close(fe->connections);
	fe->connections = NULL;
}

static void on_signal(uv_signal_t *signal, int number)
{
	log_info("signal %d: stopping; the data plane forwards on", number);
	stop(signal->data);
}

static int watch(struct fe *fe, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	int result = uv_poll_init(&fe->loop, poll, fd);

	if (result < 0)
		return result;
	poll->data = fe;
	return uv_poll_start(poll, UV_READABLE, callback);
}

static int watch_signal(struct fe *fe, uv_signal_t *signal, int number, uv_signal_cb callback)
{
	int result = uv_signal_init(&fe->loop, signal);

	if (result < 0)
		return result;
	signal->data = fe;
	return uv_signal_start(signal, callback, number);
}

static int start_loop(struct fe *fe, struct reason *why)
{
	int result = watch(fe, &fe->upcalls, datapath_fd(fe->datapath.datapath), on_upcalls);

	result = result ? result : watch(fe, &fe->news, ports_fd(fe->ports), on_news);
	result = result ? result : watch(fe, &fe->route_news, routes_fd(fe->routes), on_route_news);
	result = result ? result : watch_signal(fe, &fe->terminate, SIGTERM, on_signal);
	result = result ? result : watch_signal(fe, &fe->interrupt, SIGINT, on_signal);
	result = result ? result : watch_signal(fe, &fe->reload, SIGHUP, on_reload);
	if (result == 0) {
		(void)uv_timer_init(&fe->loop, &fe->link_tick);
		(void)uv_prepare_init(&fe->loop, &fe->before_sleep);
		(void)uv_idle_init(&fe->loop, &fe->busy);
		fe->link_tick.data = fe->before_sleep.data = fe->busy.data = fe;
		awake_open(&fe->awake, &fe->loop, fe->config.awake_us, fe->connections);
		(void)uv_prepare_start(&fe->before_sleep, on_before_sleep);
		(void)uv_timer_init(&fe->loop, &fe->tick);
		fe->tick.data = fe;
		result = uv_timer_start(&fe->tick, on_tick, TICK_MS, TICK_MS);
	}
	return result < 0 ? reason_set(why, result, "the event loop: %s", uv_strerror(result)) : 0;
}

/* ---- start ---- */

static uint64_t make_seed(void)
{
	uint64_t seed = 0;

	/* 8 bytes are given whole, and at once on a machine that has booted. */
	(void)!getrandom(&seed, sizeof(seed), 0);
	return seed;
}

static struct datapath_config datapath_settings(const struct config *c)
{
	return (struct datapath_config){
		.fe = c->agent.id,
		.backplane = c->agent.backplane,
		.binding_limit = c->agent.binding_limit,
		.seed = make_seed(),
		.pin_directory = c->state,
		.guard = c->guard,
		.xdp = c->xdp,
	};
}

static int open_datapath(struct fe *fe, struct reason *why)
{
	const struct datapath_config d = datapath_settings(&fe->config);

	return datapath_open(&d, &fe->datapath.datapath, why);
}

static void start_agent(struct fe *fe)
{
	struct datapath *dp = fe->datapath.datapath;
	struct agent_shell shell = {
		.datapath = &fe->ops, .flush = on_flush, .drop = on_drop, .context = fe};

	fe->below = datapath_operations();
	fe->ops = *fe->below;
	fe->ops.prefix_set = on_prefix_set;
	fe->ops.prefix_remove = on_prefix_remove;
	fe->agent = agent_create(&fe->config.agent, &shell, make_seed(), clock_now_ms());
	datapath_set_upcall(dp, on_upcall, fe);
	datapath_adopt(dp, on_adopted_rule, on_adopted_group, fe);
	datapath_adopt_links(dp, on_adopted_link, fe);
	ports_start(fe->ports, fe->agent, clock_now_ms());
	update_way_out(fe);
	agent_adopt_done(fe->agent, clock_now_ms());
	datapath_adopt_kept(dp, on_adopted_kept, fe);
	datapath_adopt_done(dp);
	health_init(&fe->health, fe->config.patience_ms, announcer_has_adopted(fe->announcer),
		    clock_now_ms());
	announcer_adopt_done(fe->announcer);
	log_info("element %s, id %u, %s", fe->config.agent.name, fe->config.agent.id,
		 datapath_adopted(dp) ? "with the data plane that was there" : "new data plane");
}

/* What is daily work: maps, programs on new ports, links, neighbours and routes, frames. */
static int confine(const struct fe *fe, struct reason *why)
{
	const struct sandbox s = {
		.capabilities = CAPABILITY(CAP_BPF) | CAPABILITY(CAP_PERFMON) |
				CAPABILITY(CAP_NET_ADMIN) | CAPABILITY(CAP_NET_RAW),
		.uses_bpf = true,
	};

	return fe->unconfined ? 0 : sandbox_enter(&s, why);
}

static int start(struct fe *fe, struct reason *why)
{
	int result = datapath_check_privileges(why);

	if (result == 0)
		result = ports_open(&fe->config, &fe->ports, why);
	if (result == 0)
		result = ports_check_backplane(fe->ports, &fe->config.agent.backplane_mtu, why);
	if (result == 0)
		result = connections_open(&fe->loop, &fe->config, &fe->connections, why);
	if (result == 0) {
		result = announcer_open(&fe->announcer);
		if (result == 0)
			result = routes_open(&fe->config, fe->ports, &fe->routes);
		if (result == 0)
			result = overlap_open(&fe->overlaps);
		if (result < 0)
			reason_set(why, result, "the kernel's routes cannot be read: %s",
				   strerror(-result));
	}
	if (result == 0)
		result = open_datapath(fe, why);
	if (result == 0)
		result = confine(fe, why);
	if (result < 0)
		return result;
	start_agent(fe);
	result = start_loop(fe, why);
	return result < 0 ? result : connections_start(fe->connections, fe->agent, why);
}

static int run(struct fe *fe, struct reason *why)
{
	int result = uv_loop_init(&fe->loop);

	if (result < 0)
		return reason_set(why, result, "the event loop: %s", uv_strerror(result));
	(void)signal(SIGPIPE, SIG_IGN);
	result = start(fe, why);
	if (result < 0)
		stop(fe);
	(void)uv_run(&fe->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&fe->loop);
	agent_destroy(fe->agent);
	datapath_close(fe->datapath.datapath, false);
	routes_close(fe->routes);
	overlap_close(fe->overlaps);
	ports_close(fe->ports);
	announcer_close(fe->announcer);
	return result;
}

/* ---- removal ---- */

static int remove_all(struct fe *fe, struct reason *why)
{
	const char *state = fe->config.state;
	char *kept = memory_format("%s.ports", state);
	const struct datapath_config d = datapath_settings(&fe->config);
	int result = datapath_remove(&d, why);

	if (result == 0) {
		(void)unlink(kept);
		/* Where the bpffs was mounted by an administrator, or is in use, it stays. */
		if (umount2(state, UMOUNT_NOFOLLOW) == 0)
			(void)rmdir(state);
		if (announcer_open(&fe->announcer) == 0)
			announcer_withdraw_all(fe->announcer);
		announcer_close(fe->announcer);
		log_info("element %s: nothing is attached and pinned any more",
			 fe->config.agent.name);
	}
	free(kept);
	return result;
}

/* ---- the command line ---- */

static const char help[] =
	"Usage: victor-fe --config FILE [OPTION]...\n"
	"Runs a VICTOR forwarding element: an OpenFlow 1.3 switch with an eBPF data plane.\n"
	"\n"
	"  -c, --config FILE  the configuration, in YAML (docs/configuration-fe.md)\n"
	"      --check        read and check the configuration, and exit\n"
	"      --remove       detach the data plane from all ports, unpin it, and exit\n"
	"      --no-sandbox   keep capabilities and all system calls\n"
	"  -v, --verbose      log everything, the kernel's words about BPF too\n"
	"  -h, --help         show this, and exit\n"
	"  -V, --version      show the version, and exit\n"
	"\n"
	"SIGTERM ends the agent and leaves the data plane forwarding; the next start adopts it.\n"
	"SIGHUP reads the TLS files again.\n"
	"Exit status: 0, 1 for an error (one line says what to do), 2 for wrong usage.\n";

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option list[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"remove", no_argument, NULL, 'r'},       {"no-sandbox", no_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},      {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:vhV", list, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->action = ACTION_CHECK;
			break;
		case 'r':
			ret->action = ACTION_REMOVE;
			break;
		case 'n':
			ret->unconfined = true;
			break;
		case 'v':
			ret->verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("victor-fe " VICTOR_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'victor-fe --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (!ret->config || optind < argc) {
		fprintf(stderr, "victor-fe: %s; try 'victor-fe --help'\n",
			optind < argc ? "there is an argument too many"
				      : "--config FILE is missing");
		return EXIT_USAGE;
	}
	return -1;
}

static int act(struct fe *fe, enum action action, struct reason *why)
{
	switch (action) {
	case ACTION_CHECK:
		printf("%s: good\n", fe->config.path);
		return 0;
	case ACTION_REMOVE:
		return remove_all(fe, why);
	case ACTION_RUN:
		return run(fe, why);
	}
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct options options = {.action = ACTION_RUN};
	struct fe *fe = memory_alloc(sizeof(*fe));
	struct reason why = {""};
	int status = read_options(argc, argv, &options);

	if (status >= 0) {
		free(fe);
		return status;
	}
	log_start("victor-fe", LOG_LEVEL_INFO);
	int result = config_load(options.config, &fe->config, &why);

	if (result == 0) {
		fe->unconfined = options.unconfined;
		log_set_level(options.verbose ? LOG_LEVEL_DEBUG : fe->config.log_level);
		result = act(fe, options.action, &why);
	}
	if (result < 0)
		fprintf(stderr, "victor-fe: %s\n", why.text);
	config_finish(&fe->config);
	free(fe);
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
