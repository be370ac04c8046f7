/* victor-controller: builds one struct controller (config, store, core, southbound, northbound on
 * one libuv loop), runs until SIGTERM, reloads the config's nodes on SIGHUP.  The core's actions
 * arrive at the shell_* functions here and go on to the file whose business they are. */
#include "base/log.h"
#include "base/memory.h"
#include "controller/core.h"
#include "controller/io/clock.h"
#include "controller/io/config.h"
#include "controller/io/config_admission.h"
#include "controller/io/confine.h"
#include "controller/io/northbound.h"
#include "controller/io/outside.h"
#include "controller/io/registration_key.h"
#include "controller/io/southbound.h"
#include "controller/io/store.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <uv.h>

LOG_MODULE("controller");

#define CONFIG_PATH "/etc/victor/controller.yaml"
#define HOUSEKEEPING_MS 100
#define FILES_MS 1000

struct controller {
	struct config config;
	uv_loop_t loop;
	struct store *store;
	struct core *core;
	struct southbound *southbound;
	struct northbound *northbound;
	struct outside *outside;
	uv_signal_t terminate, interrupt, reload;
	uv_timer_t housekeeping;
	unsigned housekept;
	bool unconfined; /* --no-sandbox */
};

static const char usage[] =
	"Usage: victor-controller [--config FILE] [--check]\n"
	"\n"
	"The control plane of VICTOR: knows where every node is and programs the forwarding\n"
	"elements.  Runs in the foreground and logs to stderr.\n"
	"\n"
	"  -c, --config FILE  the configuration (default " CONFIG_PATH ")\n"
	"      --check        read the configuration, say what is wrong with it, and exit\n"
	"      --no-sandbox   keep capabilities and all system calls\n"
	"  -h, --help         this text\n"
	"      --version      the version\n"
	"\n"
	"SIGTERM stops it; forwarding goes on without it.  SIGHUP reads the configuration's nodes\n"
	"again.  Exit status: 0 stopped or the check is good, 1 error, 2 wrong usage.\n"
	"See victor-controller(8).\n";

/* ---- the core's shell ---- */

static void shell_flush(void *context, struct session *s)
{
	southbound_flush(s);
}

static void shell_flush_soon(void *context, struct session *s)
{
	southbound_flush_soon(s);
}

static void shell_drop(void *context, struct session *s)
{
	southbound_drop(s);
}

static bool shell_is_acknowledged(void *context, struct session *s)
{
	return southbound_is_acknowledged(s);
}

static size_t shell_unsent(void *context, const struct session *s)
{
	return southbound_unsent(s);
}

static void shell_event(void *context, const struct event *e)
{
	struct controller *c = context;

	if (c->northbound) /* else: the config's and the store's own nodes, at start; no news */
		northbound_event(c->northbound, e);
}

static void shell_keep_attachment(void *context, const struct attachment *a)
{
	struct controller *c = context;

	store_keep_attachment(c->store, a);
}

static void shell_forget_attachment(void *context, const char *node)
{
	struct controller *c = context;

	store_forget_attachment(c->store, node);
}

static void shell_keep_node(void *context, const struct node_spec *n)
{
	store_put_node(((struct controller *)context)->store, n, NULL, NULL);
}

static void shell_forget_node(void *context, const char *id)
{
	store_remove_node(((struct controller *)context)->store, id, NULL, NULL);
}

static void shell_keep_registration(void *context, const char *node, const char *device,
				    uint32_t lifetime_s)
{
	struct controller *c = context;

	store_keep_registration(c->store, node, device, lifetime_s);
}

static void shell_outside_frame(void *context, const char *element, const char *port,
				const void *frame, size_t size)
{
	outside_frame(((struct controller *)context)->outside, element, port, frame, size);
}

static void shell_outside_port(void *context, const char *element, const char *port,
			       const struct mac *mac, bool up)
{
	outside_port(((struct controller *)context)->outside, element, port, mac, up);
}

static void on_housekeeping(uv_timer_t *timer)
{
	struct controller *c = timer->data;

	store_keep_term(c->store, core_term(c->core));
	if (++c->housekept % (FILES_MS / HOUSEKEEPING_MS) == 0)
		southbound_look_at_files(c->southbound, false);
}

/* ---- start ---- */

static uint64_t random_seed(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uint64_t)clock_now_ms();
	return seed;
}

/* A node that REST put in an earlier life; the config's word for the same id counts more. */
static void restore_node(void *context, const struct node_spec *n)
{
	struct controller *c = context;
	struct reason why;

	if (config_node(&c->config, n->id)) {
		log_warn("node %s: stands in %s now; the one put by REST is forgotten", n->id,
			 c->config.path);
		store_remove_node(c->store, n->id, NULL, NULL);
		return;
	}
	if (core_put_node(c->core, n, clock_now_ms(), &why) < 0)
		log_error("node %s, put by REST, does not fit the config any more: %s", n->id,
			  why.text);
}

static void restore_attachment(void *context, const struct attachment *a)
{
	struct controller *c = context;

	core_restore_attachment(c->core, a);
}

static void restore_device(void *context, const struct device *d)
{
	struct controller *c = context;
	struct reason why;

	/* A node that stands in no config any more keeps its devices until they are removed. */
	if (core_put_device(c->core, d, clock_now_ms(), &why) < 0)
		log_warn("a device is not used: %s", why.text);
}

static void restore_registration(void *context, const char *node, const char *device,
				 uint32_t lifetime_s)
{
	core_restore_registration(((struct controller *)context)->core, node, device, lifetime_s);
}

static void restore_drain(void *context, const char *element)
{
	core_restore_drain(((struct controller *)context)->core, element);
}

static int start_core(struct controller *c, struct reason *why)
{
	const struct core_shell shell = {
		.flush = shell_flush,
		.flush_soon = shell_flush_soon,
		.unsent = shell_unsent,
		.drop = shell_drop,
		.event = shell_event,
		.keep_attachment = shell_keep_attachment,
		.forget_attachment = shell_forget_attachment,
		.outside_frame = shell_outside_frame,
		.outside_port = shell_outside_port,
		.context = c,
		.is_acknowledged = shell_is_acknowledged,
		.keep_node = shell_keep_node,
		.forget_node = shell_forget_node,
		.keep_registration = shell_keep_registration,
	};

	struct core_config config = c->config.core;
	int result = registration_key_load(&c->config, &config.registration_key, why);

	if (result < 0)
		return result;
	config.registration_epoch = sign_random();
	c->core = core_create(&config, &shell, random_seed(), store_term(c->store), clock_now_ms());
	sign_key_wipe(&config.registration_key);
	result = config_apply(&c->config, c->core, clock_now_ms(), why);
	if (result == 0)
		result = store_read_nodes(c->store, restore_node, c, why);
	if (result == 0)
		result = store_read_attachments(c->store, restore_attachment, c, why);
	if (result == 0)
		result = store_read_devices(c->store, restore_device, c, why);
	if (result == 0)
		result = store_read_registrations(c->store, restore_registration, c, why);
	if (result == 0)
		result = store_read_drains(c->store, restore_drain, c, why);
	return result;
}

static void log_warning(const struct config *config, unsigned line, const char *text)
{
	log_warn("%s:%u: %s", config->path, line, text);
}

static int start(struct controller *c, struct reason *why)
{
	int result = outside_open(&c->loop, &c->config, &c->outside, why);

	if (result == 0)
		result = c->unconfined ? 0 : confine(&c->config, why);
	if (result == 0)
		result = store_open(c->config.state, &c->loop, &c->store, why);

	if (result == 0)
		result = start_core(c, why);
	if (result == 0)
		result = southbound_open(&c->loop, c->config.southbound, c->config.southbound_count,
					 &c->config.tls, &c->southbound, why);
	if (result == 0)
		result = northbound_open(&c->loop, &c->config, c->core, c->store, &c->northbound,
					 why);
	if (result == 0) {
		outside_start(c->outside, c->core);
		result = southbound_start(c->southbound, c->core, why);
		config_check_exits(&c->config, log_warning);
	}
	return result;
}

static void stop(struct controller *c)
{
	if (c->southbound)
		southbound_close(c->southbound);
	outside_close(c->outside);
	store_close(c->store);
	core_destroy(c->core);
	if (c->northbound)
		northbound_close(c->northbound);
	uv_close((uv_handle_t *)&c->terminate, NULL);
	uv_close((uv_handle_t *)&c->interrupt, NULL);
	uv_close((uv_handle_t *)&c->reload, NULL);
	uv_close((uv_handle_t *)&c->housekeeping, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
}

/* ---- reload ---- */

static void ignore_session(void *context, struct session *s)
{
}

static void ignore_event(void *context, const struct event *e)
{
}

static void ignore_attachment(void *context, const struct attachment *a)
{
}

static void ignore_node(void *context, const char *node)
{
}

/* Whether the config is good in itself, without touching what runs. */
static int try_config(const struct config *config, struct reason *why)
{
	const struct core_shell nobody = {
		.flush = ignore_session,
		.drop = ignore_session,
		.event = ignore_event,
		.keep_attachment = ignore_attachment,
		.forget_attachment = ignore_node,
	};
	struct core *core = core_create(&config->core, &nobody, 1, 1, 0);
	int result = config_apply(config, core, 0, why);

	core_destroy(core);
	return result;
}

static bool differs_for_good(const struct config *a, const struct config *b)
{
	return memcmp(&a->core, &b->core, sizeof(a->core)) != 0 ||
	       a->network_count != b->network_count ||
	       memcmp(a->networks, b->networks, a->network_count * sizeof(*a->networks)) != 0 ||
	       a->site_count != b->site_count ||
	       memcmp(a->sites, b->sites, a->site_count * sizeof(*a->sites)) != 0 ||
	       a->element_count != b->element_count ||
	       memcmp(a->elements, b->elements, a->element_count * sizeof(*a->elements)) != 0 ||
	       a->prefix_count != b->prefix_count ||
	       memcmp(a->prefixes, b->prefixes, a->prefix_count * sizeof(*a->prefixes)) != 0 ||
	       a->southbound_count != b->southbound_count ||
	       memcmp(a->southbound, b->southbound, sizeof(a->southbound)) != 0 ||
	       a->northbound_count != b->northbound_count ||
	       memcmp(a->northbound, b->northbound, sizeof(a->northbound)) != 0 ||
	       a->local_role != b->local_role || a->anonymous_role != b->anonymous_role ||
	       memcmp(&a->tls, &b->tls, sizeof(a->tls)) != 0 || strcmp(a->state, b->state) != 0;
}

static void reload_links(struct controller *c, struct config *new)
{
	if (c->config.link_count == new->link_count &&
	    memcmp(c->config.links, new->links, new->link_count * sizeof(*new->links)) == 0)
		return;
	core_replace_links(c->core, new->links, new->link_count, clock_now_ms());
	log_info("reloaded: %u links", new->link_count);
}

static void reload_nodes(struct controller *c, const struct config *new)
{
	struct reason why;
	unsigned removed = 0, put = 0;

	for (unsigned i = 0; i < c->config.node_count; i++) {
		const char *id = c->config.nodes[i].id;

		if (!config_node(new, id) &&
		    core_remove_node(c->core, id, clock_now_ms(), &why) == 0)
			removed++;
	}
	for (unsigned i = 0; i < new->node_count; i++) {
		const struct node_spec *n = &new->nodes[i], *old = config_node(&c->config, n->id);

		if (old && memcmp(old, n, sizeof(*n)) == 0)
			continue;
		if (!old)
			store_remove_node(c->store, n->id, NULL, NULL);
		if (core_put_node(c->core, n, clock_now_ms(), &why) < 0)
			log_error("%s:%u: %s", new->path, new->node_lines[i], why.text);
		else
			put++;
	}
	log_info("reloaded: %u nodes new or changed, %u removed", put, removed);
}

static void on_reload(uv_signal_t *signal, int number)
{
	struct controller *c = signal->data;
	struct config new;
	struct reason why;

	southbound_look_at_files(c->southbound, true);
	if (config_load(c->config.path, &new, &why) < 0) {
		log_error("not reloaded: %s", why.text);
		return;
	}
	if (try_config(&new, &why) < 0) {
		log_error("not reloaded: %s", why.text);
		config_finish(&new);
		return;
	}
	if (differs_for_good(&c->config, &new))
		log_warn("%s: only nodes, links and the log level are reloaded; restart for the "
			 "rest",
			 new.path);
	log_set_level(new.log_level);
	reload_links(c, &new);
	reload_nodes(c, &new);
	/* What was not taken over stays as it was. */
	struct config old = c->config;

	c->config.nodes = new.nodes;
	c->config.node_count = new.node_count;
	c->config.node_lines = new.node_lines;
	c->config.node_index = new.node_index;
	c->config.links = new.links;
	c->config.link_count = new.link_count;
	c->config.link_lines = new.link_lines;
	new.links = old.links;
	new.link_count = old.link_count;
	new.link_lines = old.link_lines;
	new.nodes = old.nodes;
	new.node_count = old.node_count;
	new.node_lines = old.node_lines;
	new.node_index = old.node_index;
	config_finish(&new);
}

/* ---- running ---- */

static void on_stop(uv_signal_t *signal, int number)
{
	struct controller *c = signal->data;

	log_info("stopping");
	uv_stop(&c->loop);
}

static void init_handles(struct controller *c)
{
	(void)uv_signal_init(&c->loop, &c->terminate);
	(void)uv_signal_init(&c->loop, &c->interrupt);
	(void)uv_signal_init(&c->loop, &c->reload);
	(void)uv_timer_init(&c->loop, &c->housekeeping);
	c->terminate.data = c->interrupt.data = c->reload.data = c;
	c->housekeeping.data = c;
	(void)uv_signal_start(&c->terminate, on_stop, SIGTERM);
	(void)uv_signal_start(&c->interrupt, on_stop, SIGINT);
	(void)uv_signal_start(&c->reload, on_reload, SIGHUP);
	(void)uv_timer_start(&c->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
	signal(SIGPIPE, SIG_IGN);
}

/* An FE, a watcher and a REST client take a descriptor each. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct controller *c)
{
	struct reason why = {""};

	uv_loop_init(&c->loop);
	init_handles(c);
	int result = start(c, &why);

	if (result < 0) {
		fprintf(stderr, "victor-controller: %s\n", why.text);
	} else {
		log_info("%s: ready, term %u", c->config.core.name, core_term(c->core));
		uv_run(&c->loop, UV_RUN_DEFAULT);
	}
	stop(c);
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What is right here, but will not work with providers (RFC 7454, section 6.1.3). */
static void warn_of_long_prefixes(const struct config *config)
{
	for (unsigned i = 0; i < config->prefix_count; i++) {
		const struct covered_prefix *p = &config->prefixes[i];
		bool v4 = address_is_ipv4(&p->prefix.address);
		unsigned most = v4 ? IPV4_PREFIX_BASE + 24 : 48;
		char text[PREFIX_TEXT_SIZE];

		if (p->internal || p->vrf || p->prefix.length <= most)
			continue;
		prefix_format(&p->prefix, text);
		printf("%s:%u: warning: many networks drop prefixes longer than %s: %s will be "
		       "reached from there only by a shorter one around it that somebody "
		       "announces; 'announce: false' keeps it inside\n",
		       config->path, config->prefix_lines[i], v4 ? "/24" : "/48", text);
	}
}

static void print_warning(const struct config *config, unsigned line, const char *text)
{
	printf("%s:%u: warning: %s\n", config->path, line, text);
}

static int check(const struct config *config)
{
	struct reason why;

	if (try_config(config, &why) < 0) {
		fprintf(stderr, "victor-controller: %s\n", why.text);
		return EXIT_FAILURE;
	}
	warn_of_long_prefixes(config);
	config_check_exits(config, print_warning);
	printf("%s: good (%u prefixes, %u links, %u nodes)\n", config->path, config->prefix_count,
	       config->link_count, config->node_count);
	return EXIT_SUCCESS;
}

/* What a comparison of many rules took goes back to the system: the library would keep it, having
 * learnt from the first large pieces that were freed.  Two arenas: the loop's, and the threads'. */
static void tame_heap(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
	(void)mallopt(M_TRIM_THRESHOLD, 512 << 10);
	(void)mallopt(M_ARENA_MAX, 2);
}

static int load_and_run(const char *path, bool only_check, bool unconfined)
{
	struct controller *c = memory_alloc(sizeof(*c));
	struct reason why;
	int status = EXIT_FAILURE;

	c->unconfined = unconfined;
	if (config_load(path, &c->config, &why) < 0) {
		fprintf(stderr, "victor-controller: %s\n", why.text);
	} else {
		log_start("victor-controller", c->config.log_level);
		status = only_check ? check(&c->config) : run(c);
		config_finish(&c->config);
	}
	free(c);
	return status;
}

int main(int argc, char **argv)
{
	enum { OPTION_CHECK = 256, OPTION_NO_SANDBOX, OPTION_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"no-sandbox", no_argument, NULL, OPTION_NO_SANDBOX},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	const char *path = CONFIG_PATH;
	bool only_check = false, unconfined = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case OPTION_CHECK:
			only_check = true;
			break;
		case OPTION_NO_SANDBOX:
			unconfined = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case OPTION_VERSION:
			puts("victor-controller " VICTOR_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'victor-controller --help'.\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "victor-controller: '%s' is not understood; try --help\n",
			argv[optind]);
		return 2;
	}
	raise_descriptor_limit();
	tame_heap();
	return load_and_run(path, only_check, unconfined);
}
