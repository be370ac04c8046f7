/* See credentials.h. */
#include "ctl/credentials.h"

#include "base/memory.h"
#include "ctl/client.h"
#include "shell/config_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_TEXT_MAX 1024

struct yaml_settings {
	char *server, *ca, *certificate, *key, *token_file;
};

#define TEXT(key)                                                              \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
			       struct yaml_settings, key, 1, PATH_TEXT_MAX)

static const cyaml_schema_field_t fields[] = {
	TEXT(server), TEXT(ca), TEXT(certificate), TEXT(key), TEXT(token_file), CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_settings, fields),
};

static void fill(char **to, const char *value)
{
	if (!*to && value && value[0])
		*to = memory_copy_text(value);
}

static void fill_from_environment(struct credentials *c)
{
	fill(&c->server, getenv("VICTOR_SERVER"));
	fill(&c->ca, getenv("VICTOR_CA"));
	fill(&c->certificate, getenv("VICTOR_CERTIFICATE"));
	fill(&c->key, getenv("VICTOR_KEY"));
	fill(&c->token_file, getenv("VICTOR_TOKEN_FILE"));
}

static int fill_from_file(struct credentials *c, const char *path, struct reason *why)
{
	char *text = NULL;
	size_t size = 0;
	void *data = NULL;
	int result = config_file_read(path, &text, &size, why);

	if (result < 0)
		return result;
	result = config_file_parse(path, text, size, &schema, &data, why);
	free(text);
	if (result < 0 || !data)
		return result;
	const struct yaml_settings *s = data;

	fill(&c->server, s->server);
	fill(&c->ca, s->ca);
	fill(&c->certificate, s->certificate);
	fill(&c->key, s->key);
	fill(&c->token_file, s->token_file);
	config_file_free(&schema, data);
	return 0;
}

static int fill_from_files(struct credentials *c, struct reason *why)
{
	const char *named = getenv("VICTOR_CONFIG"), *home = getenv("HOME");
	char *own = memory_format("%s/.config/victor/victorctl.yaml", home ? home : "");
	const char *const paths[] = {own, "/etc/victor/victorctl.yaml"};
	int result = 0;

	if (named && named[0]) {
		result = fill_from_file(c, named, why);
	} else {
		for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
			if (access(paths[i], R_OK) == 0) {
				result = fill_from_file(c, paths[i], why);
				break;
			}
		}
	}
	free(own);
	return result;
}

/* What shows who we are is ours alone. */
static int check_private(const char *path, struct reason *why)
{
	struct stat file;

	if (stat(path, &file) < 0)
		return reason_set(why, -errno, "%s: %s", path, strerror(errno));
	if (file.st_mode & 077)
		return reason_set(why, -EPERM, "%s: others may read it; chmod 600 %s", path, path);
	return 0;
}

char *credentials_token(const char *path, const char *text, size_t size, struct reason *why)
{
	const char *newline = size ? memchr(text, '\n', size) : NULL, *at = text;
	const char *end = newline ? newline : text + size;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	for (const char *c = at; c < end; c++) {
		if (*c <= ' ' || *c >= 0x7f) {
			reason_set(why, -EINVAL, "%s: the first line is no token", path);
			return NULL;
		}
	}
	if (at == end || end - at > TOKEN_TEXT_MAX) {
		reason_set(why, -EINVAL,
			   "%s: there is no token in the first line; 'victorctl token create' "
			   "prints one",
			   path);
		return NULL;
	}
	char *token = memory_alloc((size_t)(end - at) + 1);

	memcpy(token, at, (size_t)(end - at));
	return token;
}

static int read_token(struct credentials *c, struct reason *why)
{
	char *text = NULL;
	size_t size = 0;
	int result = check_private(c->token_file, why);

	if (result == 0)
		result = config_file_read(c->token_file, &text, &size, why);
	if (result < 0)
		return result;
	c->token = credentials_token(c->token_file, text, size, why);
	free(text);
	return c->token ? 0 : -EINVAL;
}

int credentials_complete(struct credentials *c, struct reason *why)
{
	int result;

	fill_from_environment(c);
	result = fill_from_files(c, why);
	fill(&c->server, CLIENT_STANDARD_SERVER);
	if (result == 0 && !c->certificate != !c->key)
		result = reason_set(why, -EINVAL,
				    "a certificate needs its key, and a key its "
				    "certificate: --certificate FILE --key FILE");
	if (result == 0 && c->key)
		result = check_private(c->key, why);
	if (result == 0 && c->token_file)
		result = read_token(c, why);
	return result;
}

void credentials_finish(struct credentials *c)
{
	if (c->token)
		explicit_bzero(c->token, strlen(c->token));
	free(c->server);
	free(c->ca);
	free(c->certificate);
	free(c->key);
	free(c->token_file);
	free(c->token);
	memset(c, 0, sizeof(*c));
}
