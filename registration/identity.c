/* Lines "name: value".  No message quotes a value: it may be a key in the wrong place. */
#include "registration/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GRANT_PREFIX "victor-grant:"
#define LINE_MAX_SIZE 160

/* Cuts spaces at both ends, in place. */
static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		*--end = 0;
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static int set_name(char ret[REGISTRATION_NAME_SIZE], const char *value)
{
	if (!registration_name_is_good(value) || ret[0])
		return -EINVAL;
	snprintf(ret, REGISTRATION_NAME_SIZE, "%s", value);
	return 0;
}

static int set_key(struct sign_key *ret, const char *value, bool must_sign)
{
	if (ret->algorithm || sign_key_parse(value, ret) < 0)
		return -EINVAL;
	return ret->can_sign == must_sign ? 0 : -EINVAL;
}

static int parse_field(struct identity *id, const char *name, const char *value, unsigned number,
		       struct reason *why)
{
	if (strcmp(name, "node") == 0 || strcmp(name, "device") == 0) {
		if (set_name(name[0] == 'n' ? id->node : id->device, value) < 0)
			return reason_set(why, -EINVAL,
					  "line %u: '%s' must be there once: 1 to 63 letters, "
					  "digits, '-', '_' and '.'",
					  number, name);
		return 0;
	}
	if (strcmp(name, "key") == 0) {
		if (set_key(&id->key, value, true) < 0)
			return reason_set(why, -EINVAL,
					  "line %u: 'key' must be there once: blake2b: or "
					  "ed25519-private: and 32 bytes in Base64",
					  number);
		return 0;
	}
	if (strcmp(name, "controller") == 0) {
		if (set_key(&id->controller, value, false) < 0)
			return reason_set(why, -EINVAL,
					  "line %u: 'controller' must be there once: "
					  "ed25519-public: and 32 bytes in Base64",
					  number);
		return 0;
	}
	return reason_set(why, -EINVAL,
			  "line %u: there is only 'node', 'device', 'key' and 'controller'",
			  number);
}

static int parse_line(struct identity *id, const char *start, size_t size, unsigned number,
		      struct reason *why)
{
	char line[LINE_MAX_SIZE], *text, *colon;
	int r;

	if (size >= sizeof(line))
		return reason_set(why, -EINVAL, "line %u is too long", number);
	memcpy(line, start, size);
	line[size] = 0;
	text = trim(line);
	if (!*text || *text == '#')
		return 0;
	colon = strchr(text, ':');
	if (!colon) {
		sign_wipe(line, sizeof(line));
		return reason_set(why, -EINVAL, "line %u is not 'name: value'", number);
	}
	*colon = 0;
	r = parse_field(id, trim(text), trim(colon + 1), number, why);
	sign_wipe(line, sizeof(line));
	return r;
}

/* What is there must also fit together. */
static int check_whole(struct identity *id, struct reason *why)
{
	if (!id->node[0])
		return reason_set(why, -EINVAL, "the line 'node: NAME' is missing");
	if (!id->key.algorithm)
		return reason_set(why, -EINVAL, "the line 'key: ...' is missing");
	if (id->key.algorithm == REGISTRATION_BLAKE2B) {
		if (id->controller.algorithm)
			return reason_set(why, -EINVAL,
					  "a blake2b key is the controller's too: "
					  "the line 'controller' has no meaning");
		id->controller = id->key;
		return 0;
	}
	return 0;
}

int identity_check(const struct identity *id, struct reason *why)
{
	if (!id->controller.algorithm)
		return reason_set(why, -EINVAL,
				  "the line 'controller: ed25519-public:...' is missing: without "
				  "the controller's public key its answers cannot be checked");
	return 0;
}

int identity_parse(const char *text, struct identity *ret, struct reason *why)
{
	unsigned number = 0;
	int r = 0;

	*ret = (struct identity){0};
	while (*text && r == 0) {
		size_t size = strcspn(text, "\n");

		r = parse_line(ret, text, size, ++number, why);
		text += size + (text[size] == '\n');
	}
	if (r == 0)
		r = check_whole(ret, why);
	if (r < 0)
		identity_wipe(ret);
	return r;
}

void identity_format(const struct identity *id, char text[IDENTITY_TEXT_MAX])
{
	char key[SIGN_KEY_TEXT_SIZE], controller[SIGN_KEY_TEXT_SIZE];
	bool has_controller = id->controller.algorithm && id->key.algorithm == REGISTRATION_ED25519;

	snprintf(text, IDENTITY_TEXT_MAX,
		 "# A key for signed registrations with VICTOR.  Whoever reads it can register as "
		 "this node.\nnode: %s\n%s%s%skey: %s\n%s%s%s",
		 id->node, id->device[0] ? "device: " : "", id->device, id->device[0] ? "\n" : "",
		 sign_key_format(&id->key, key), has_controller ? "controller: " : "",
		 has_controller ? sign_key_format(&id->controller, controller) : "",
		 has_controller ? "\n" : "");
	sign_wipe(key, sizeof(key));
}

void identity_wipe(struct identity *id)
{
	sign_wipe(id, sizeof(*id));
}

int grant_to_text(const struct buffer *grant, char *text, size_t size)
{
	size_t prefix = strlen(GRANT_PREFIX);

	if (size <= prefix)
		return -EINVAL;
	memcpy(text, GRANT_PREFIX, prefix);
	return sign_base64_encode(grant->data, grant->size, text + prefix, size - prefix);
}

int grant_from_text(const char *text, struct buffer *ret)
{
	uint8_t bytes[REGISTRATION_SIZE_MAX];
	struct registration_grant g;
	size_t size;

	text += strspn(text, " \t\r\n");
	if (strncmp(text, GRANT_PREFIX, strlen(GRANT_PREFIX)) != 0)
		return -EINVAL;
	text += strlen(GRANT_PREFIX);
	if (sign_base64_decode(text, strcspn(text, " \t\r\n"), bytes, sizeof(bytes), &size) < 0)
		return -EINVAL;
	if (registration_grant_decode(bytes, size, &g) < 0)
		return -EINVAL;
	text += strcspn(text, " \t\r\n");
	if (text[strspn(text, " \t\r\n")])
		return -EINVAL;
	buffer_add_bytes(ret, bytes, size);
	return 0;
}
