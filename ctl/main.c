/* victorctl: VICTOR's command line.  Every command is a row of a table (show.c, change.c, watch.c);
 * this file reads the command line, finds the row and runs it.  It speaks only the northbound API
 * (client.c). */
#include "base/memory.h"
#include "ctl/credentials.h"
#include "ctl/ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const groups[] = {
	show_commands,      change_commands, element_commands, inventory_commands, device_commands,
	admission_commands, backup_commands, access_commands,  watch_commands,     pki_commands};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

/* What the command line says beside the command's own. */
struct line {
	struct ctl ctl;
	struct credentials credentials;
	bool help;
	unsigned used; /* enum option_bit */
};

static void print_usage(FILE *to)
{
	fputs("Usage: victorctl [--server SERVER] [--json] COMMAND ...\n\n", to);
	for (unsigned g = 0; g < GROUP_COUNT; g++) {
		for (const struct command *c = groups[g]; c->words; c++)
			fprintf(to, "  %-20s %s\n", c->words, c->summary);
	}
	fputs("\n"
	      "      --server S   the controller: unix:PATH, https://HOST:PORT or "
	      "http://HOST:PORT\n"
	      "                   (default VICTOR_SERVER, else " CLIENT_STANDARD_SERVER ")\n"
	      "      --token-file F       a token that says who one is (VICTOR_TOKEN_FILE)\n"
	      "      --certificate F, --key F  or a certificate (VICTOR_CERTIFICATE, VICTOR_KEY)\n"
	      "      --ca F       the CA of the controller's certificate (VICTOR_CA)\n"
	      "      --json       for programs: what the API answers\n"
	      "  -h, --help       this text; after a command, that command's\n"
	      "      --version    the version\n"
	      "\n"
	      "Names of forwarding elements may be written in upper or lower case.  Exit status: "
	      "0\n"
	      "done, 1 error, 2 wrong usage.  See victorctl(1).\n",
	      to);
}

static void print_help(const struct command *c)
{
	printf("Usage: victorctl %s%s%s\n\n%s: %s.\n%s%s", c->words, c->arguments[0] ? " " : "",
	       c->arguments, c->words, c->summary, c->help[0] ? "\n" : "", c->help);
	fputs("\nAlso --server S and --json; see victorctl --help.\n", stdout);
}

/* How many of 'words' the command's words take; 0: they do not fit. */
static unsigned match_words(const char *command, char *const *words, unsigned count)
{
	unsigned taken = 0;

	while (*command) {
		size_t size = strcspn(command, " ");

		if (taken == count || strlen(words[taken]) != size ||
		    strncmp(command, words[taken], size) != 0)
			return 0;
		taken++;
		command += size + (command[size] == ' ');
	}
	return taken;
}

static const struct command *find_command(char *const *words, unsigned count, unsigned *ret_taken)
{
	const struct command *best = NULL;

	*ret_taken = 0;
	for (unsigned g = 0; g < GROUP_COUNT; g++) {
		for (const struct command *c = groups[g]; c->words; c++) {
			unsigned taken = match_words(c->words, words, count);

			if (taken > *ret_taken) {
				best = c;
				*ret_taken = taken;
			}
		}
	}
	return best;
}

/* The commands that begin with 'word' ("show"), for who did not say which, or asks for help. */
static int list_commands(const char *word, bool help)
{
	FILE *out = help ? stdout : stderr;
	size_t size = strlen(word);
	bool any = false;

	for (unsigned g = 0; g < GROUP_COUNT; g++) {
		for (const struct command *c = groups[g]; c->words; c++) {
			if (strncmp(c->words, word, size) != 0 || c->words[size] != ' ')
				continue;
			if (!any && !help)
				fprintf(stderr, "victorctl: '%s' what?\n", word);
			any = true;
			fprintf(out, "  %-20s %s\n", c->words, c->summary);
		}
	}
	if (!any)
		fprintf(stderr, "victorctl: no command '%s'; see victorctl --help\n", word);
	return any && help ? EXIT_SUCCESS : EXIT_USAGE;
}

static int add_to(const char **list, unsigned *count, unsigned most, const char *value,
		  const char *name)
{
	if (*count == most) {
		fprintf(stderr, "victorctl: more than %u times --%s\n", most, name);
		return -1;
	}
	list[(*count)++] = value;
	return 0;
}

enum {
	OPTION_CA = 512,
	OPTION_CERTIFICATE,
	OPTION_KEY,
	OPTION_TOKEN_FILE,
	OPTION_ROLE,
	OPTION_LIFETIME,
	OPTION_DIRECTORY,
	OPTION_DAYS,
	OPTION_SERVER = 256,
	OPTION_JSON,
	OPTION_VERSION,
	OPTION_ALL,
	OPTION_AT,
	OPTION_ADDRESS,
	OPTION_MAC,
	OPTION_ELEMENT,
	OPTION_VLAN,
	OPTION_VRF,
	OPTION_UNDO,
	OPTION_REPLACE,
	OPTION_LABEL,
	OPTION_ALLOW_PORT,
	OPTION_ALLOW_SITE,
	OPTION_ALLOW_LABEL,
	OPTION_KEY_FILE,
	OPTION_SECRETS,
};

static const struct option options[] = {
	{"server", required_argument, NULL, OPTION_SERVER},
	{"ca", required_argument, NULL, OPTION_CA},
	{"certificate", required_argument, NULL, OPTION_CERTIFICATE},
	{"key", required_argument, NULL, OPTION_KEY},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"json", no_argument, NULL, OPTION_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"all", no_argument, NULL, OPTION_ALL},
	{"at", required_argument, NULL, OPTION_AT},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"mac", required_argument, NULL, OPTION_MAC},
	{"element", required_argument, NULL, OPTION_ELEMENT},
	{"vlan", required_argument, NULL, OPTION_VLAN},
	{"vrf", required_argument, NULL, OPTION_VRF},
	{"role", required_argument, NULL, OPTION_ROLE},
	{"lifetime", required_argument, NULL, OPTION_LIFETIME},
	{"directory", required_argument, NULL, OPTION_DIRECTORY},
	{"days", required_argument, NULL, OPTION_DAYS},
	{"undo", no_argument, NULL, OPTION_UNDO},
	{"replace", no_argument, NULL, OPTION_REPLACE},
	{"label", required_argument, NULL, OPTION_LABEL},
	{"allow-port", required_argument, NULL, OPTION_ALLOW_PORT},
	{"allow-site", required_argument, NULL, OPTION_ALLOW_SITE},
	{"allow-label", required_argument, NULL, OPTION_ALLOW_LABEL},
	{"key-file", required_argument, NULL, OPTION_KEY_FILE},
	{"secrets", no_argument, NULL, OPTION_SECRETS},
	{NULL, 0, NULL, 0},
};

static void take(char **to)
{
	free(*to);
	*to = memory_copy_text(optarg);
}

/* Where the controller is and who we are; false: it is another option. */
static bool read_credential(struct credentials *c, int option)
{
	switch (option) {
	case OPTION_SERVER:
		take(&c->server);
		return true;
	case OPTION_CA:
		take(&c->ca);
		return true;
	case OPTION_CERTIFICATE:
		take(&c->certificate);
		return true;
	case OPTION_KEY:
		take(&c->key);
		return true;
	case OPTION_TOKEN_FILE:
		take(&c->token_file);
		return true;
	default:
		return false;
	}
}

static int read_option(struct line *l, int option)
{
	struct ctl *ctl = &l->ctl;

	if (read_credential(&l->credentials, option))
		return 0;
	switch (option) {
	case OPTION_JSON:
		ctl->json = true;
		return 0;
	case 'h':
		l->help = true;
		return 0;
	case OPTION_ALL:
		l->used |= TAKES_ALL;
		ctl->all = true;
		return 0;
	case OPTION_AT:
		l->used |= TAKES_AT;
		ctl->at = optarg;
		return 0;
	case OPTION_ADDRESS:
		l->used |= TAKES_ADDRESS;
		return add_to(ctl->addresses, &ctl->address_count, ADDRESSES_MAX, optarg,
			      "address");
	case OPTION_MAC:
		l->used |= TAKES_MAC;
		ctl->mac = optarg;
		return 0;
	case OPTION_ELEMENT:
		l->used |= TAKES_ELEMENT;
		return add_to(ctl->elements, &ctl->element_count, ELEMENTS_MAX, optarg, "element");
	case OPTION_VLAN:
		l->used |= TAKES_VLAN;
		ctl->vlan = optarg;
		return 0;
	case OPTION_VRF:
		l->used |= TAKES_VRF;
		ctl->vrf = optarg;
		return 0;
	case OPTION_ROLE:
		l->used |= TAKES_ROLE;
		ctl->role = optarg;
		return 0;
	case OPTION_LIFETIME:
		l->used |= TAKES_LIFETIME;
		ctl->lifetime = optarg;
		return 0;
	case OPTION_DIRECTORY:
		l->used |= TAKES_DIRECTORY;
		ctl->directory = optarg;
		return 0;
	case OPTION_DAYS:
		l->used |= TAKES_DAYS;
		ctl->days = optarg;
		return 0;
	case OPTION_UNDO:
		l->used |= TAKES_UNDO;
		ctl->undo = true;
		return 0;
	case OPTION_REPLACE:
		l->used |= TAKES_REPLACE;
		ctl->replace = true;
		return 0;
	case OPTION_LABEL:
	case OPTION_ALLOW_PORT:
	case OPTION_ALLOW_SITE:
	case OPTION_ALLOW_LABEL:
		option -= OPTION_LABEL;
		l->used |= TAKES_ALLOW;
		return add_to(ctl->allow[option], &ctl->allow_count[option], ELEMENTS_MAX, optarg,
			      "label or --allow-...");
	case OPTION_KEY_FILE:
		l->used |= TAKES_KEY_FILE;
		ctl->key_file = optarg;
		return 0;
	case OPTION_SECRETS:
		l->used |= TAKES_SECRETS;
		ctl->secrets = true;
		return 0;
	default:
		fputs("Try 'victorctl --help'.\n", stderr);
		return -1;
	}
}

static int wrong_usage(const struct command *c, const char *what)
{
	fprintf(stderr, "victorctl: %s\nUsage: victorctl %s%s%s\n", what, c->words,
		c->arguments[0] ? " " : "", c->arguments);
	return EXIT_USAGE;
}

static int run_command(struct line *l, const struct command *c, char *const *arguments,
		       unsigned count)
{
	struct reason why = {""};

	if (l->help) {
		print_help(c);
		return EXIT_SUCCESS;
	}
	if (count < c->least || count > c->most)
		return wrong_usage(c,
				   count < c->least ? "something is missing" : "that is too much");
	if (l->used & ~c->options)
		return wrong_usage(c, "an option that this command does not take");
	for (unsigned i = 0; i < count; i++) {
		if (!arguments[i][0])
			return wrong_usage(c, "an empty argument");
		l->ctl.arguments[i] = arguments[i];
	}
	l->ctl.argument_count = count;
	if (c->options & RUNS_ALONE)
		return c->run(&l->ctl);
	if (credentials_complete(&l->credentials, &why) < 0 ||
	    client_open(l->credentials.server, &l->ctl.client, &why) < 0 ||
	    client_identify(l->ctl.client, &l->credentials, &why) < 0) {
		client_close(l->ctl.client);
		complain(&why);
		return EXIT_USAGE;
	}
	int status = c->run(&l->ctl);

	client_close(l->ctl.client);
	return status;
}

static int run_line(struct line *l, char *const *words, unsigned count)
{
	unsigned taken;
	const struct command *c = find_command(words, count, &taken);

	if (!count) {
		print_usage(l->help ? stdout : stderr);
		return l->help ? EXIT_SUCCESS : EXIT_USAGE;
	}
	if (!c)
		return list_commands(words[0], l->help);
	return run_command(l, c, words + taken, count - taken);
}

int main(int argc, char **argv)
{
	struct line l = {0};
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == OPTION_VERSION) {
			puts("victorctl " VICTOR_VERSION);
			status = EXIT_SUCCESS;
		} else if (read_option(&l, option) < 0) {
			status = EXIT_USAGE;
		}
	}
	if (status < 0)
		status = run_line(&l, argv + optind, (unsigned)(argc - optind));
	credentials_finish(&l.credentials);
	return status;
}
