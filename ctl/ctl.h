/* victorctl's commands. */
#pragma once

#include "ctl/client.h"

#include <stdbool.h>

#define EXIT_USAGE 2
#define ADDRESSES_MAX 8
#define ELEMENTS_MAX 16

enum allow_kind { ALLOW_LABEL, ALLOW_PORTS, ALLOW_SITES, ALLOW_LABELS, ALLOW_KINDS };

/* The command line, read. */
struct ctl {
	struct client *client;
	bool json, all, undo, replace, secrets;
	const char *at, *mac, *vlan, *vrf, *role, *lifetime, *key_file, *directory, *days;
	const char *addresses[ADDRESSES_MAX], *elements[ELEMENTS_MAX];
	unsigned address_count, element_count;
	/* --label, --allow-port, --allow-site, --allow-label */
	const char *allow[ALLOW_KINDS][ELEMENTS_MAX];
	unsigned allow_count[ALLOW_KINDS];
	const char *arguments[4]; /* behind the command's words; a NULL ends them */
	unsigned argument_count;
};

/* Bits of the options that a command takes beside --server, --json and --help. */
enum option_bit {
	TAKES_ALL = 1,
	TAKES_AT = 2,
	TAKES_ADDRESS = 4,
	TAKES_MAC = 8,
	TAKES_ELEMENT = 16,
	TAKES_VLAN = 32,
	TAKES_VRF = 64,
	TAKES_UNDO = 128,
	TAKES_REPLACE = 256,
	TAKES_ROLE = 512,
	TAKES_LIFETIME = 1024,
	TAKES_ALLOW = 2048,
	TAKES_KEY_FILE = 4096,
	TAKES_SECRETS = 8192,
	TAKES_DIRECTORY = 16384,
	TAKES_DAYS = 32768,
	RUNS_ALONE = 65536, /* no option: it asks no controller */
};

struct command {
	const char *words;           /* "show elements" */
	const char *arguments;       /* "FE [--all]", for the usage line */
	const char *summary;         /* for the list */
	const char *help;            /* the rest of --help */
	unsigned least, most;        /* arguments */
	unsigned options;            /* enum option_bit */
	int (*run)(struct ctl *ctl); /* exit status */
};

/* Each ends with a row whose words are NULL. */
extern const struct command show_commands[];
extern const struct command change_commands[];
extern const struct command watch_commands[];
extern const struct command element_commands[];
extern const struct command backup_commands[];
extern const struct command inventory_commands[];
extern const struct command access_commands[];
extern const struct command admission_commands[];
extern const struct command device_commands[];
extern const struct command pki_commands[];

/* "victorctl: TEXT" to stderr; EXIT_FAILURE. */
int complain(const struct reason *why);
/* GET, then the list under 'key' as a table, or all of it as JSON. */
struct column;
int ctl_list(struct ctl *ctl, const char *pattern, const char *key, const struct column *columns,
	     size_t count, const char *nothing);
/* The same where the list may be long: in as many pieces as it takes. */
int ctl_list_all(struct ctl *ctl, const char *path, const char *key, const struct column *columns,
		 size_t count, const char *nothing);
/* backplane.c: two of the commands that look. */
int show_links(struct ctl *ctl);
int show_paths(struct ctl *ctl);
/* One GET; NULL after a complaint. */
struct json_object *ctl_get(struct ctl *ctl, const char *pattern);
/* As many GETs as it takes; the object has all of the list 'key', in order of id or node. */
struct json_object *ctl_get_all(struct ctl *ctl, const char *path, const char *key);
