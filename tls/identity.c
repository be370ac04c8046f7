/* The URNs, read by hand: what a stranger's certificate says is compared byte for byte, so that no
 * two spellings are one identity. */
#include "tls/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 16

struct text {
	const char *at, *end;
};

static const char *const role_names[TLS_ROLE_COUNT] = {
	[TLS_ROLE_READ] = "read", [TLS_ROLE_OPERATE] = "operate", [TLS_ROLE_ADMIN] = "admin"};

static bool take(struct text *t, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
		return false;
	t->at += size;
	return true;
}

static bool take_id(struct text *t, uint64_t *ret)
{
	uint64_t id = 0;

	if (t->end - t->at < ID_DIGITS)
		return false;
	for (unsigned i = 0; i < ID_DIGITS; i++) {
		char c = *t->at++;

		if (c >= '0' && c <= '9')
			id = id << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			id = id << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = id;
	return id != 0;
}

static bool take_role(struct text *t, enum tls_role *ret)
{
	for (unsigned i = 0; i < TLS_ROLE_COUNT; i++) {
		if (take(t, role_names[i])) {
			*ret = (enum tls_role)i;
			return true;
		}
	}
	return false;
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

/* The rest. */
static bool take_name(struct text *t, char ret[TLS_NAME_SIZE])
{
	size_t size = (size_t)(t->end - t->at);

	if (size == 0 || size >= TLS_NAME_SIZE)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!is_name_character(t->at[i]))
			return false;
	}
	memcpy(ret, t->at, size);
	ret[size] = '\0';
	return true;
}

int tls_identity_parse(const void *text, size_t size, struct tls_identity *ret)
{
	struct text t = {text, (const char *)text + size};
	struct tls_identity identity = {0};
	bool good = size > 0 && take(&t, "urn:victor:");

	if (good && take(&t, "fe:")) {
		identity.kind = TLS_FE;
		good = take_id(&t, &identity.datapath_id) && take(&t, ":");
	} else if (good && take(&t, "controller:")) {
		identity.kind = TLS_CONTROLLER;
	} else if (good && take(&t, "user:")) {
		identity.kind = TLS_USER;
		good = take_role(&t, &identity.role) && take(&t, ":");
	} else {
		good = false;
	}
	if (!good || !take_name(&t, identity.name))
		return -EINVAL;
	*ret = identity;
	return 0;
}

void tls_identity_format(const struct tls_identity *identity, char ret[TLS_IDENTITY_SIZE])
{
	const char *name = identity->name;

	switch (identity->kind) {
	case TLS_FE:
		snprintf(ret, TLS_IDENTITY_SIZE, "urn:victor:fe:%016" PRIx64 ":%s",
			 identity->datapath_id, name);
		return;
	case TLS_CONTROLLER:
		snprintf(ret, TLS_IDENTITY_SIZE, "urn:victor:controller:%s", name);
		return;
	case TLS_USER:
		snprintf(ret, TLS_IDENTITY_SIZE, "urn:victor:user:%s:%s",
			 tls_role_name(identity->role), name);
		return;
	}
	ret[0] = '\0';
}

const char *tls_role_name(enum tls_role role)
{
	return role_names[role];
}

int tls_role_parse(const char *text, enum tls_role *ret)
{
	for (unsigned i = 0; i < TLS_ROLE_COUNT; i++) {
		if (strcmp(text, role_names[i]) == 0) {
			*ret = (enum tls_role)i;
			return 0;
		}
	}
	return -EINVAL;
}
