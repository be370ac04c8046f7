/* "pki": a private CA for the certificates of elements, controllers and users.  It works on files
 * here, and asks no controller. */
#include "ctl/ctl.h"
#include "ctl/pki_store.h"
#include "ctl/print.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STANDARD_DIRECTORY "/etc/victor/pki"
#define DAY_S 86400
#define CA_DAYS 3650
#define CERTIFICATE_DAYS 365
#define DAYS_MAX 36500
#define CLOCK_SLACK_S 300 /* a clock that is a bit behind takes it too */
#define DATAPATH_ID_MAX 65535

static const char *directory_of(const struct ctl *ctl)
{
	return ctl->directory ? ctl->directory : STANDARD_DIRECTORY;
}

static int read_number(const char *text, const char *what, uint64_t most, uint64_t *ret,
		       struct reason *why)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || !*ret || *ret > most)
		return reason_set(why, -EINVAL, "%s '%.32s': a number from 1 to %" PRIu64, what,
				  text, most);
	return 0;
}

static int read_validity(const struct ctl *ctl, uint64_t standard_days, struct tls_validity *ret,
			 struct reason *why)
{
	uint64_t days = standard_days;
	int64_t now_s = time(NULL);
	int result = ctl->days ? read_number(ctl->days, "--days", DAYS_MAX, &days, why) : 0;

	*ret = (struct tls_validity){now_s - CLOCK_SLACK_S, now_s + (int64_t)days * DAY_S};
	return result;
}

static int init(struct ctl *ctl)
{
	const char *name = ctl->argument_count ? ctl->arguments[0] : "VICTOR CA";
	struct tls_validity validity;
	struct reason why = {""};
	struct pki p = {0};
	int result = read_validity(ctl, CA_DAYS, &validity, &why);

	if (result == 0)
		result = pki_create(directory_of(ctl), name, validity, time(NULL), &p, &why);
	if (result < 0)
		return complain(&why);
	printf("%s: a new CA. Keep ca.key here and secret: who has it is everybody.\n",
	       p.directory);
	pki_close(&p);
	return EXIT_SUCCESS;
}

static int set_name(struct tls_identity *identity, const char *name, struct reason *why)
{
	char urn[TLS_IDENTITY_SIZE];
	struct tls_identity back;

	if (strlen(name) >= TLS_NAME_SIZE)
		return reason_set(why, -EINVAL, "name '%.20s...': longer than %d characters", name,
				  TLS_NAME_SIZE - 1);
	strcpy(identity->name, name);
	tls_identity_format(identity, urn);
	if (name[0] == '.' || tls_identity_parse(urn, strlen(urn), &back) < 0)
		return reason_set(why, -EINVAL,
				  "name '%s': only letters, digits, '-', '_' and '.' (not first)",
				  name);
	return 0;
}

static int issue(struct ctl *ctl, struct tls_identity identity, struct reason *why)
{
	struct tls_wish wish = {.hosts = ctl->addresses, .host_count = ctl->address_count};
	struct pki p = {0};
	char *path = NULL;
	int result = set_name(&identity, ctl->arguments[0], why);

	wish.identity = identity;
	if (result == 0)
		result = read_validity(ctl, CERTIFICATE_DAYS, &wish.validity, why);
	if (result == 0)
		result = pki_open(directory_of(ctl), true, &p, why);
	if (result < 0)
		return complain(why);
	result = pki_issue(&p, &wish, ctl->replace, time(NULL), &path, why);
	pki_close(&p);
	if (result < 0)
		return complain(why);
	printf("%s: copy this directory to %s, as /etc/victor/tls\n", path,
	       identity.kind == TLS_USER ? "the user" : ctl->arguments[0]);
	free(path);
	return EXIT_SUCCESS;
}

static int issue_fe(struct ctl *ctl)
{
	struct tls_identity identity = {.kind = TLS_FE};
	struct reason why = {""};

	if (read_number(ctl->arguments[1], "id", DATAPATH_ID_MAX, &identity.datapath_id, &why) < 0)
		return complain(&why);
	return issue(ctl, identity, &why);
}

static int issue_controller(struct ctl *ctl)
{
	struct reason why = {""};

	return issue(ctl, (struct tls_identity){.kind = TLS_CONTROLLER}, &why);
}

static int issue_user(struct ctl *ctl)
{
	struct tls_identity identity = {.kind = TLS_USER};
	struct reason why = {""};

	if (tls_role_parse(ctl->arguments[1], &identity.role) < 0) {
		reason_set(&why, 0, "role '%s': read, operate or admin", ctl->arguments[1]);
		return complain(&why);
	}
	return issue(ctl, identity, &why);
}

static bool has_serial(const struct pki_entry *e, const void *serial)
{
	return strcasecmp(e->serial, serial) == 0;
}

static bool has_name(const struct pki_entry *e, const void *arguments)
{
	const char *const *words = arguments;

	return strcmp(pki_kind_name(e->identity.kind), words[0]) == 0 &&
	       strcmp(e->identity.name, words[1]) == 0;
}

static int revoke(struct ctl *ctl)
{
	bool by_serial = ctl->argument_count == 1;
	struct reason why = {""};
	struct pki p = {0};

	if (pki_open(directory_of(ctl), true, &p, &why) < 0)
		return complain(&why);
	int count = by_serial ? pki_revoke(&p, has_serial, ctl->arguments[0], time(NULL), &why)
			      : pki_revoke(&p, has_name, ctl->arguments, time(NULL), &why);

	if (count == 0)
		count = reason_set(&why, -ENOENT,
				   "%s%s%s: no certificate of that %s that was not revoked; see "
				   "'victorctl pki list'",
				   ctl->arguments[0], by_serial ? "" : " ",
				   by_serial ? "" : ctl->arguments[1],
				   by_serial ? "serial number" : "name");
	if (count > 0)
		printf("revoked: %d. It counts where %s/crl.pem is copied to: first the "
		       "controllers\n",
		       count, p.directory);
	pki_close(&p);
	return count < 0 ? complain(&why) : EXIT_SUCCESS;
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_day(struct json_object *to, const char *key, int64_t at_s)
{
	time_t seconds = (time_t)at_s;
	char text[32];
	struct tm day;

	gmtime_r(&seconds, &day);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &day);
	json_object_object_add(to, key, at_s ? json_object_new_string(text) : NULL);
}

static struct json_object *describe(const struct pki_entry *e, int64_t now_s)
{
	struct json_object *o = json_object_new_object();
	char id[24] = "";

	if (e->identity.kind == TLS_FE)
		snprintf(id, sizeof(id), "%" PRIu64, e->identity.datapath_id);
	add_text(o, "kind", pki_kind_name(e->identity.kind));
	add_text(o, "name", e->identity.name);
	add_text(o, "is", e->identity.kind == TLS_USER ? tls_role_name(e->identity.role) : id);
	add_text(o, "state",
		 e->revoked_s ? "revoked" : (e->expires_s < now_s ? "expired" : "good"));
	add_day(o, "expires", e->expires_s);
	add_day(o, "revoked", e->revoked_s);
	add_text(o, "serial", e->serial);
	return o;
}

static int list(struct ctl *ctl)
{
	static const struct column columns[] = {
		{"KIND", "kind"},     {"NAME", "name"},       {"ID/ROLE", "is"},
		{"STATE", "state"},   {"EXPIRES", "expires"}, {"REVOKED", "revoked"},
		{"SERIAL", "serial"},
	};
	struct json_object *rows, *all;
	struct reason why = {""};
	struct pki p = {0};

	if (pki_open(directory_of(ctl), false, &p, &why) < 0)
		return complain(&why);
	all = json_object_new_object();
	rows = json_object_new_array();
	json_object_object_add(all, "certificates", rows);
	for (unsigned i = 0; i < p.count; i++)
		json_object_array_add(rows, describe(&p.entries[i], time(NULL)));
	pki_close(&p);
	if (ctl->json)
		print_json(all);
	else
		print_table(rows, columns, sizeof(columns) / sizeof(columns[0]),
			    "No certificate was issued yet.");
	json_object_put(all);
	return EXIT_SUCCESS;
}

#define WHERE                                                                                     \
	"--directory DIR is where the CA is (default " STANDARD_DIRECTORY "); --days N says how " \
	"long it lasts.\n"

const struct command pki_commands[] = {
	{"pki init", "[NAME] [--days N] [--directory DIR]", "make a private CA here",
	 WHERE "A CA lasts ten years unless said otherwise.  One that is there is never touched.\n",
	 0, 1, TAKES_DIRECTORY | TAKES_DAYS | RUNS_ALONE, init},
	{"pki issue fe", "NAME ID [--replace] [--days N] [--directory DIR]",
	 "a certificate for an element",
	 WHERE "NAME and ID are those of its configuration.  Its files are in DIR/fe-NAME, to be\n"
	       "copied to it as /etc/victor/tls.  A year, unless said otherwise.\n",
	 2, 2, TAKES_REPLACE | TAKES_DIRECTORY | TAKES_DAYS | RUNS_ALONE, issue_fe},
	{"pki issue controller",
	 "NAME [--address HOST]... [--replace] [--days N] [--directory DIR]",
	 "a certificate for a controller",
	 WHERE "HOST: a name or address that users call its REST by.\n", 1, 1,
	 TAKES_ADDRESS | TAKES_REPLACE | TAKES_DIRECTORY | TAKES_DAYS | RUNS_ALONE,
	 issue_controller},
	{"pki issue user", "NAME read|operate|admin [--replace] [--days N] [--directory DIR]",
	 "a certificate for a person or program", WHERE, 2, 2,
	 TAKES_REPLACE | TAKES_DIRECTORY | TAKES_DAYS | RUNS_ALONE, issue_user},
	{"pki revoke", "SERIAL | fe|controller|user NAME [--directory DIR]",
	 "shut certificates out",
	 "Of a name: all its certificates.  crl.pem is signed anew; copy it to the daemons, which\n"
	 "take it over by themselves and end a revoked one's connection.\n",
	 1, 2, TAKES_DIRECTORY | RUNS_ALONE, revoke},
	{"pki list", "[--directory DIR]", "the certificates: whose, until when, revoked?", "", 0, 0,
	 TAKES_DIRECTORY | RUNS_ALONE, list},
	{0},
};
