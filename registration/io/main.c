/* victor-register: registers the machine it runs on with VICTOR, by signed messages to the element
 * beside it (docs/registration.md).  Needs no privileges. */
#include "base/log.h"
#include "registration/identity.h"
#include "registration/io/agent.h"
#include "registration/io/file.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

LOG_MODULE("register");

#define KEY_FILE "/etc/victor/register.key"
#define TIMEOUT_MS 5000
#define GRANT_VALID_S 60
#define GRANT_FILE_MAX 1024

enum status { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_REFUSED = 3 };

struct options {
	const char *key_file, *device, *gateway, *mac, *grant_file, *node, *name, *algorithm,
		*controller, *to, *timeout, *lifetime, *valid;
	const char *addresses[VICTOR_REGISTER_ADDRESSES_MAX];
	unsigned address_count;
	bool leaves, is_verbose;
};

static const char usage_text[] =
	"victor-register " VICTOR_VERSION ": signed registration with VICTOR\n"
	"\n"
	"  victor-register keygen --node NAME [--device NAME] [--algorithm ed25519|blake2b]\n"
	"                         [--controller ed25519-public:...] [--key FILE]\n"
	"  victor-register show   [--key FILE]           what it says, without secrets\n"
	"  victor-register export [--key FILE]           what the controller must have of it\n"
	"  victor-register run    [--key FILE] [--grant FILE] [--deregister]\n"
	"  victor-register once   [--key FILE] [--grant FILE]\n"
	"  victor-register deregister [--key FILE]\n"
	"  victor-register grant  [--key FILE] --to DEVICE --mac MAC [--valid SECONDS]\n"
	"\n"
	"  -k, --key FILE         the key (" KEY_FILE ")\n"
	"  -i, --interface NAME   towards the element; else that of the default route\n"
	"  -g, --gateway ADDRESS  of the element; else the default route's. Needs --interface\n"
	"  -a, --address ADDRESS  to register; may be repeated. None: all that the inventory has\n"
	"  -m, --mac MAC          of the node, where it is not the interface's; of --to's device\n"
	"  -l, --lifetime SECONDS to ask for: 5 to 86400 (300)\n"
	"  -t, --timeout SECONDS  of once, deregister and grant (5)\n"
	"  -v, --verbose\n";

static int usage(const char *what)
{
	if (what)
		fprintf(stderr, "victor-register: %s (--help shows how)\n", what);
	else
		fputs(usage_text, stdout);
	return what ? STATUS_USAGE : STATUS_OK;
}

static int fail(const char *text)
{
	fprintf(stderr, "victor-register: %s\n", text);
	return STATUS_FAILED;
}

/* Core dumps and other processes of this user must not show the key. */
static void protect_memory(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool parse_seconds(const char *text, uint32_t least, uint32_t most, uint32_t *ret)
{
	char *end;
	unsigned long value;

	if (!text)
		return true;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || end == text || text[0] == '-' || value < least || value > most)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int read_identity(const struct options *o, char text[IDENTITY_TEXT_MAX])
{
	struct reason why;

	if (file_read_secret(o->key_file, text, IDENTITY_TEXT_MAX, &why) < 0)
		return fail(why.text);
	return STATUS_OK;
}

static int keygen(const struct options *o)
{
	bool is_shared = o->algorithm && strcmp(o->algorithm, "blake2b") == 0;
	struct identity id = {0};
	char text[IDENTITY_TEXT_MAX];
	struct reason why;
	int r;

	if (!o->node || !registration_name_is_good(o->node))
		return usage("keygen needs --node: 1 to 63 letters, digits, '-', '_' and '.'");
	if (o->name && !registration_name_is_good(o->name))
		return usage("--device: 1 to 63 letters, digits, '-', '_' and '.'");
	if (o->algorithm && !is_shared && strcmp(o->algorithm, "ed25519") != 0)
		return usage("--algorithm is ed25519 or blake2b");
	if (o->controller && (is_shared || sign_key_parse(o->controller, &id.controller) < 0 ||
			      id.controller.can_sign))
		return usage("--controller is 'ed25519-public:' and 32 bytes in Base64, and only "
			     "with --algorithm ed25519");
	snprintf(id.node, sizeof(id.node), "%s", o->node);
	snprintf(id.device, sizeof(id.device), "%s", o->name ? o->name : "");
	r = sign_key_generate(is_shared ? REGISTRATION_BLAKE2B : REGISTRATION_ED25519, &id.key);
	if (r == 0) {
		identity_format(&id, text);
		r = file_write_secret(o->key_file, text, &why);
		sign_wipe(text, sizeof(text));
	} else {
		reason_set(&why, r, "no key could be made");
	}
	if (r == 0 && !is_shared) {
		struct sign_key public = sign_key_other(&id.key);

		puts(sign_key_format(&public, text));
	}
	identity_wipe(&id);
	if (r < 0)
		return fail(why.text);
	if (is_shared)
		fprintf(stderr,
			"The controller needs the secret of %s ('victor-register export'): "
			"bring it there unseen.\n",
			o->key_file);
	else if (!o->controller)
		fprintf(stderr,
			"Add to %s the line 'controller: ed25519-public:...' with the "
			"controller's public key.\n",
			o->key_file);
	return STATUS_OK;
}

static int parse_identity(const struct options *o, struct identity *ret)
{
	char text[IDENTITY_TEXT_MAX];
	struct reason why;
	int r = read_identity(o, text);

	if (r)
		return r;
	r = identity_parse(text, ret, &why);
	sign_wipe(text, sizeof(text));
	if (r == 0)
		return STATUS_OK;
	fprintf(stderr, "victor-register: %s: %s\n", o->key_file, why.text);
	return STATUS_FAILED;
}

/* What the controller must have.  Of a shared secret that is the secret: not onto a screen. */
static int export(const struct options *o)
{
	char key[SIGN_KEY_TEXT_SIZE];
	struct identity id;
	struct sign_key other;
	int r = parse_identity(o, &id);

	if (r)
		return r;
	if (id.key.algorithm == REGISTRATION_BLAKE2B && isatty(STDOUT_FILENO)) {
		identity_wipe(&id);
		return fail("the controller needs the secret itself, which is not shown on a "
			    "terminal: send the output to where it is needed");
	}
	other = sign_key_other(&id.key);
	puts(sign_key_format(&other, key));
	(void)fflush(stdout);
	sign_wipe(key, sizeof(key));
	sign_key_wipe(&other);
	identity_wipe(&id);
	return STATUS_OK;
}

static int show(const struct options *o)
{
	char key[SIGN_KEY_TEXT_SIZE] = "";
	struct identity id;
	int r = parse_identity(o, &id);

	if (r)
		return r;
	printf("node: %s\n", id.node);
	if (id.device[0])
		printf("device: %s\n", id.device);
	if (id.key.algorithm == REGISTRATION_ED25519) {
		struct sign_key public = sign_key_other(&id.key);

		printf("key: %s\n", sign_key_format(&public, key));
		if (id.controller.algorithm)
			printf("controller: %s\n", sign_key_format(&id.controller, key));
	} else {
		printf("key: blake2b, secret: in %s alone\n", o->key_file);
	}
	identity_wipe(&id);
	return STATUS_OK;
}

/* What all that speak have in common; a usage error's text, or NULL. */
static const char *fill(const struct options *o, struct agent_config *c)
{
	c->device = o->device;
	if (o->gateway) {
		c->has_gateway = true;
		if (!o->device || address_parse(o->gateway, &c->gateway) < 0)
			return "--gateway is an address, and needs --interface";
	}
	for (unsigned i = 0; i < o->address_count; i++)
		if (address_parse(o->addresses[i], &c->addresses[i]) < 0 ||
		    !registration_address_is_good(&c->addresses[i]))
			return "--address is the address of a host";
	c->address_count = o->address_count;
	if (!parse_seconds(o->lifetime, REGISTRATION_LIFETIME_LEAST_S, REGISTRATION_LIFETIME_MOST_S,
			   &c->lifetime_s))
		return "--lifetime is 5 to 86400 seconds";
	return NULL;
}

static const char *fill_mac(const struct options *o, struct agent_config *c)
{
	if (!o->mac)
		return NULL;
	c->has_mac = true;
	if (mac_parse(o->mac, &c->mac) < 0 || mac_is_zero(&c->mac) || mac_is_multicast(&c->mac))
		return "--mac is the MAC of a host";
	return NULL;
}

/* Reads the files and opens all; the texts' secrets are wiped again. */
static int open_agent(const struct options *o, struct agent_config *c, struct agent *a)
{
	char identity[IDENTITY_TEXT_MAX], grant[GRANT_FILE_MAX];
	struct reason why = {0};
	int r = read_identity(o, identity);

	if (r)
		return r;
	if (o->grant_file && file_read(o->grant_file, grant, sizeof(grant), &why) < 0) {
		sign_wipe(identity, sizeof(identity));
		return fail(why.text);
	}
	c->identity = identity;
	c->grant = o->grant_file ? grant : NULL;
	r = agent_open(a, c, &why);
	sign_wipe(identity, sizeof(identity));
	c->identity = c->grant = NULL;
	if (r < 0) {
		fprintf(stderr, "victor-register: %s: %s\n", o->key_file, why.text);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

/* Until the state is one of these (bits), or the time is over; the state it is in then. */
static enum victor_register_state wait_for(struct agent *a, unsigned states, int64_t until_ms)
{
	const struct victor_register_status *s = victor_register_status(a->r);

	/* IDLE until the first step has looked at the interface. */
	do
		(void)agent_step(a, -1, until_ms);
	while (!(states & 1u << s->state) && agent_now_ms() < until_ms);
	return s->state;
}

static int explain(const struct agent *a)
{
	struct reason why = {0};

	agent_explain(a, &why);
	fprintf(stderr, "victor-register: %s\n", why.text);
	return victor_register_status(a->r)->state == VICTOR_REGISTER_REFUSED ? STATUS_REFUSED
									      : STATUS_FAILED;
}

static int speak_once(const struct options *o, struct agent *a, int64_t until_ms)
{
	const struct victor_register_status *s = victor_register_status(a->r);

	if (wait_for(a, 1u << VICTOR_REGISTER_REGISTERED | 1u << VICTOR_REGISTER_REFUSED,
		     until_ms) != VICTOR_REGISTER_REGISTERED)
		return explain(a);
	printf("registered at %s, port %u, for %u s\n",
	       s->element_name[0] ? s->element_name : "an element", s->port, s->lifetime_s);
	return STATUS_OK;
}

static int speak_deregister(const struct options *o, struct agent *a, int64_t until_ms)
{
	const struct victor_register_status *s = victor_register_status(a->r);

	if (wait_for(a, 1u << VICTOR_REGISTER_PLACED, until_ms) != VICTOR_REGISTER_PLACED)
		return explain(a);
	victor_register_leave(a->r, agent_now_ms());
	(void)wait_for(a, 1u << VICTOR_REGISTER_IDLE, until_ms);
	if (s->unanswered)
		return explain(a);
	if (s->reason && s->reason != REGISTRATION_REASON_NOT_REGISTERED) {
		fprintf(stderr, "victor-register: refused: %s\n", s->text);
		return STATUS_REFUSED;
	}
	puts("deregistered");
	return STATUS_OK;
}

static int speak_grant(const struct options *o, struct agent *a, int64_t until_ms)
{
	uint32_t valid_s = GRANT_VALID_S;
	char text[VICTOR_REGISTER_GRANT_SIZE];
	struct mac to;

	if (!o->to || !o->mac || mac_parse(o->mac, &to) < 0)
		return usage("grant needs --to DEVICE and --mac, the MAC of that device");
	if (!parse_seconds(o->valid, 1, 86400, &valid_s))
		return usage("--valid is 1 to 86400 seconds");
	if (wait_for(a, 1u << VICTOR_REGISTER_PLACED, until_ms) != VICTOR_REGISTER_PLACED)
		return explain(a);
	if (victor_register_grant(a->r, o->to, to.bytes, valid_s, agent_now_ms(), text) < 0)
		return usage("--to is the name of another device than this, --mac that of a host");
	puts(text);
	return STATUS_OK;
}

/* The three that speak for a moment, from any port. */
static int speak(const struct options *o, bool ask_only,
		 int (*f)(const struct options *, struct agent *, int64_t))
{
	struct agent_config c = {
		.takes_any_port = true, .is_quiet = !o->is_verbose, .ask_only = ask_only};
	uint32_t timeout_s = TIMEOUT_MS / 1000;
	const char *wrong = fill(o, &c);
	struct agent a;
	int status;

	if (!wrong && f != speak_grant)
		wrong = fill_mac(o, &c);
	if (!wrong && !parse_seconds(o->timeout, 1, 3600, &timeout_s))
		wrong = "--timeout is 1 to 3600 seconds";
	if (wrong)
		return usage(wrong);
	status = open_agent(o, &c, &a);
	if (status)
		return status;
	status = f(o, &a, agent_now_ms() + (int64_t)timeout_s * 1000);
	agent_close(&a);
	return status;
}

static int once(const struct options *o)
{
	return speak(o, false, speak_once);
}

static int deregister(const struct options *o)
{
	return speak(o, true, speak_deregister);
}

static int grant(const struct options *o)
{
	return speak(o, true, speak_grant);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until a signal that ends it; SIGHUP registers again. */
static void serve(struct agent *a, int signal_fd)
{
	struct signalfd_siginfo info;

	for (;;) {
		if (!agent_step(a, signal_fd, VICTOR_REGISTER_NEVER))
			continue;
		if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		if (info.ssi_signo != SIGHUP)
			return;
		victor_register_again(a->r, agent_now_ms());
	}
}

static int run(const struct options *o)
{
	struct agent_config c = {0};
	const char *wrong = fill(o, &c);
	int signal_fd, status;
	struct agent a;

	if (!wrong)
		wrong = fill_mac(o, &c);
	if (wrong)
		return usage(wrong);
	c.takes_any_port = c.has_mac; /* what is not asked for goes to the guest, not to us */
	signal_fd = open_signals();
	if (signal_fd < 0)
		return fail("signals cannot be waited for");
	status = open_agent(o, &c, &a);
	if (status == STATUS_OK) {
		serve(&a, signal_fd);
		if (o->leaves) {
			victor_register_leave(a.r, agent_now_ms());
			(void)wait_for(&a, 1u << VICTOR_REGISTER_IDLE, agent_now_ms() + TIMEOUT_MS);
		}
		agent_close(&a);
	}
	close(signal_fd);
	return status;
}

static const struct {
	const char *name;
	int (*run)(const struct options *o);
} commands[] = {
	{"keygen", keygen}, {"show", show}, {"export", export},
	{"run", run},       {"once", once}, {"deregister", deregister},
	{"grant", grant},
};

/* Options with a value, and where it goes. */
static const struct {
	const char *name;
	char letter; /* 0: none */
	size_t offset;
} values[] = {
	{"key", 'k', offsetof(struct options, key_file)},
	{"interface", 'i', offsetof(struct options, device)},
	{"gateway", 'g', offsetof(struct options, gateway)},
	{"mac", 'm', offsetof(struct options, mac)},
	{"lifetime", 'l', offsetof(struct options, lifetime)},
	{"timeout", 't', offsetof(struct options, timeout)},
	{"grant", 0, offsetof(struct options, grant_file)},
	{"node", 0, offsetof(struct options, node)},
	{"device", 0, offsetof(struct options, name)},
	{"algorithm", 0, offsetof(struct options, algorithm)},
	{"controller", 0, offsetof(struct options, controller)},
	{"to", 0, offsetof(struct options, to)},
	{"valid", 0, offsetof(struct options, valid)},
};

#define OPTION_FIRST 256 /* getopt's number of values[0]; above all letters */
#define OPTION_DEREGISTER 255
#define OPTION_COUNT (ARRAY_SIZE(values) + 6)

static void fill_long_options(struct option ret[OPTION_COUNT])
{
	static const struct option rest[] = {{"address", required_argument, NULL, 'a'},
					     {"deregister", no_argument, NULL, OPTION_DEREGISTER},
					     {"verbose", no_argument, NULL, 'v'},
					     {"help", no_argument, NULL, 'h'},
					     {"version", no_argument, NULL, 'V'},
					     {0}};

	_Static_assert(ARRAY_SIZE(rest) == 6, "OPTION_COUNT");
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		ret[i] = (struct option){values[i].name, required_argument, NULL,
					 OPTION_FIRST + (int)i};
	memcpy(ret + ARRAY_SIZE(values), rest, sizeof(rest));
}

/* Returns false, and says it, where an option is wrong. */
static bool take_option(struct options *o, int c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		if (c == OPTION_FIRST + (int)i || (values[i].letter && c == values[i].letter)) {
			memcpy((char *)o + values[i].offset, &optarg, sizeof(optarg));
			return true;
		}
	if (c == OPTION_DEREGISTER)
		o->leaves = true;
	else if (c == 'v')
		o->is_verbose = true;
	else if (c != 'a')
		return false; /* getopt has said it */
	else if (o->address_count < VICTOR_REGISTER_ADDRESSES_MAX)
		o->addresses[o->address_count++] = optarg;
	else
		return usage("at most eight --address") == STATUS_OK;
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {.key_file = KEY_FILE};
	struct option long_options[OPTION_COUNT];
	int c;

	protect_memory();
	if (sign_start() < 0)
		return fail("there are no random numbers to be had");
	fill_long_options(long_options);
	while ((c = getopt_long(argc, argv, "k:i:g:a:m:l:t:vhV", long_options, NULL)) != -1) {
		if (c == 'h')
			return usage(NULL);
		if (c == 'V') {
			puts("victor-register " VICTOR_VERSION);
			return STATUS_OK;
		}
		if (!take_option(&o, c))
			return STATUS_USAGE;
	}
	log_start("victor-register", o.is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (argc - optind != 1)
		return usage("one command is needed");
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&o);
	return usage("there is no such command");
}
