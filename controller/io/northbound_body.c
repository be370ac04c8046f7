/* Reads request bodies with json-c, strictly: what is not understood is refused, not skipped. */
#include "controller/io/northbound_body.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define DEPTH_MAX 8
#define LIFETIME_MAX_S (100LL * 366 * 86400)

/* The object in 'body', or NULL with the reason.  The caller puts it. */
static struct json_object *parse_object(const char *body, size_t size, struct reason *why)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object = NULL;

	if (!size) {
		reason_set(why, -EINVAL, "the body is empty; a JSON object is needed");
		json_tokener_free(tokener);
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, body, (int)size);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	size_t end = json_tokener_get_parse_end(tokener);

	json_tokener_free(tokener);
	while (end < size && strchr(" \t\r\n", body[end]) && body[end])
		end++;
	if (error == json_tokener_success && end == size &&
	    json_object_is_type(object, json_type_object))
		return object;
	if (error != json_tokener_success)
		reason_set(why, -EINVAL, "the body is no JSON: %s", json_tokener_error_desc(error));
	else
		reason_set(why, -EINVAL, "the body must be one JSON object");
	json_object_put(object);
	return NULL;
}

static int read_text(const char *key, struct json_object *value, char *ret, size_t room,
		     struct reason *why)
{
	if (!json_object_is_type(value, json_type_string))
		return reason_set(why, -EINVAL, "'%.40s' must be text", key);
	size_t size = (size_t)json_object_get_string_len(value);

	if (size >= room || strlen(json_object_get_string(value)) != size)
		return reason_set(why, -EINVAL, "'%.40s' is longer than %zu characters", key,
				  room - 1);
	memcpy(ret, json_object_get_string(value), size + 1);
	return 0;
}

static int read_number(const char *key, struct json_object *value, int64_t most, int64_t *ret,
		       struct reason *why)
{
	if (!json_object_is_type(value, json_type_int))
		return reason_set(why, -EINVAL, "'%.40s' must be a number", key);
	*ret = json_object_get_int64(value);
	if (*ret < 0 || *ret > most)
		return reason_set(why, -EINVAL, "'%.40s' must be from 0 to %lld", key,
				  (long long)most);
	return 0;
}

static int read_addresses(struct json_object *value, struct node_spec *ret, struct reason *why)
{
	char text[ADDRESS_TEXT_SIZE];

	if (!json_object_is_type(value, json_type_array) ||
	    json_object_array_length(value) > NODE_ADDRESSES_MAX)
		return reason_set(why, -EINVAL, "'addresses' must be a list of 1 to %d addresses",
				  NODE_ADDRESSES_MAX);
	ret->address_count = (uint8_t)json_object_array_length(value);
	for (unsigned i = 0; i < ret->address_count; i++) {
		int result = read_text("addresses", json_object_array_get_idx(value, i), text,
				       sizeof(text), why);

		if (result < 0)
			return result;
		if (address_parse(text, &ret->addresses[i]) < 0)
			return reason_set(why, -EINVAL, "'%s' is no address", text);
	}
	return 0;
}

static int read_elements(struct json_object *value, struct node_spec *ret, struct reason *why)
{
	if (!json_object_is_type(value, json_type_array) ||
	    json_object_array_length(value) > NODE_ELEMENTS_MAX)
		return reason_set(why, -EINVAL, "'elements' must be a list of at most %d names",
				  NODE_ELEMENTS_MAX);
	ret->element_count = (uint8_t)json_object_array_length(value);
	for (unsigned i = 0; i < ret->element_count; i++) {
		int result = read_text("elements", json_object_array_get_idx(value, i),
				       ret->elements[i], NAME_SIZE, why);

		if (result < 0)
			return result;
	}
	return 0;
}

static int read_words(const char *key, struct json_object *value, enum words_kind kind,
		      struct words *ret, struct reason *why)
{
	char text[WORD_SIZE];

	if (!json_object_is_type(value, json_type_array))
		return reason_set(why, -EINVAL, "'%.40s' must be a list", key);
	*ret = (struct words){""};
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		int result = read_text(key, json_object_array_get_idx(value, i), text, sizeof(text),
				       why);

		if (result < 0)
			return result;
		result = words_add(ret, kind, text);
		if (result == -E2BIG)
			return reason_set(why, -EINVAL, "'%.40s': more than %d characters in all",
					  key, WORDS_SIZE - 1);
		if (result < 0)
			return reason_set(why, -EINVAL, "'%.40s': '%s' is %s", key, text,
					  result == -EEXIST ? "there twice" : "none");
	}
	return 0;
}

static int read_allow(struct json_object *value, struct node_spec *ret, struct reason *why)
{
	int result = 0;

	if (!json_object_is_type(value, json_type_object))
		return reason_set(why, -EINVAL, "'allow' must be an object");
	json_object_object_foreach(value, key, list)
	{
		if (result < 0)
			continue;
		if (strcmp(key, "ports") == 0)
			result = read_words(key, list, WORDS_PATTERNS, &ret->allow_ports, why);
		else if (strcmp(key, "sites") == 0)
			result = read_words(key, list, WORDS_NAMES, &ret->allow_sites, why);
		else if (strcmp(key, "labels") == 0)
			result = read_words(key, list, WORDS_LABELS, &ret->allow_labels, why);
		else
			result = reason_set(why, -EINVAL,
					    "'%.40s' is no field of 'allow'; there are ports, "
					    "sites, labels",
					    key);
	}
	return result;
}

static int read_mac(struct json_object *value, struct mac *ret, struct reason *why)
{
	char text[MAC_TEXT_SIZE];

	if (!value)
		return 0; /* null: any */
	int result = read_text("mac", value, text, sizeof(text), why);

	if (result == 0 && mac_parse(text, ret) < 0)
		return reason_set(why, -EINVAL, "'%s' is no MAC address", text);
	return result;
}

static int read_node_field(const char *key, struct json_object *value, struct node_spec *ret,
			   bool *ret_mobile_said, struct reason *why)
{
	int64_t number = 0;

	if (strcmp(key, "addresses") == 0)
		return read_addresses(value, ret, why);
	if (strcmp(key, "elements") == 0)
		return read_elements(value, ret, why);
	if (strcmp(key, "mac") == 0)
		return read_mac(value, &ret->mac, why);
	if (strcmp(key, "labels") == 0)
		return read_words(key, value, WORDS_LABELS, &ret->labels, why);
	if (strcmp(key, "allow") == 0)
		return read_allow(value, ret, why);
	if (strcmp(key, "mobile") == 0) {
		if (!json_object_is_type(value, json_type_boolean))
			return reason_set(why, -EINVAL, "'mobile' must be true or false");
		ret->mobile = json_object_get_boolean(value);
		*ret_mobile_said = true;
		return 0;
	}
	if (strcmp(key, "vrf") == 0) {
		int result = read_number(key, value, 0x7fffff, &number, why);

		if (result == 0)
			ret->vrf = (uint32_t)number;
		return result;
	}
	return reason_set(why, -EINVAL,
			  "'%.40s' is no field of a node; there are addresses, mac, mobile, "
			  "elements, labels, allow, vrf",
			  key);
}

int node_from_json(const char *id, const char *body, size_t size, struct node_spec *ret,
		   struct reason *why)
{
	bool mobile_said = false;
	int result = 0;

	memset(ret, 0, sizeof(*ret));
	if (!id[0] || strlen(id) >= sizeof(ret->id))
		return reason_set(why, -EINVAL, "a node's id has 1 to %zu characters",
				  sizeof(ret->id) - 1);
	memcpy(ret->id, id, strlen(id));
	struct json_object *object = parse_object(body, size, why);

	if (!object)
		return -EINVAL;
	json_object_object_foreach(object, key, value)
	{
		if (result == 0)
			result = read_node_field(key, value, ret, &mobile_said, why);
	}
	json_object_put(object);
	if (result == 0 && !ret->address_count)
		result = reason_set(why, -EINVAL, "'addresses' must name at least one address");
	if (!mobile_said)
		ret->mobile = !ret->element_count;
	return result;
}

static int read_key(struct json_object *value, struct sign_key *ret, struct reason *why)
{
	char text[SIGN_KEY_TEXT_SIZE];
	int result = read_text("key", value, text, sizeof(text), why);

	/* What stands there may be a secret: it is not said again. */
	if (result == 0 && (sign_key_parse(text, ret) < 0 ||
			    (ret->algorithm == REGISTRATION_ED25519 && ret->can_sign)))
		result = reason_set(why, -EINVAL,
				    "'key' must be 'blake2b:' or 'ed25519-public:' and 32 bytes in "
				    "Base64 (never a private key)");
	sign_wipe(text, sizeof(text));
	return result;
}

static int read_device(struct json_object *object, struct device *ret, struct reason *why)
{
	int result = 0;

	if (!json_object_is_type(object, json_type_object))
		return reason_set(why, -EINVAL, "'devices' must be a list of objects");
	json_object_object_foreach(object, key, value)
	{
		if (result < 0)
			break;
		if (strcmp(key, "name") == 0)
			result = read_text(key, value, ret->name, sizeof(ret->name), why);
		else if (strcmp(key, "mac") == 0)
			result = read_mac(value, &ret->mac, why);
		else if (strcmp(key, "key") == 0 && !value)
			; /* null: as it is */
		else if (strcmp(key, "key") == 0)
			result = read_key(value, &ret->key, why);
		else
			result = reason_set(why, -EINVAL,
					    "'%.40s' is no field of a device; there are name, mac, "
					    "key",
					    key);
	}
	return result;
}

static int read_devices(const char *node, struct json_object *list,
			struct device ret[NODE_DEVICES_MAX], unsigned *ret_count,
			struct reason *why)
{
	int result = 0;

	*ret_count = 0;
	if (!json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) > NODE_DEVICES_MAX)
		return reason_set(why, -EINVAL, "'devices' must be a list of at most %d",
				  NODE_DEVICES_MAX);
	for (unsigned i = 0; i < json_object_array_length(list) && result == 0; i++) {
		struct device *d = &ret[(*ret_count)++];

		memset(d, 0, sizeof(*d));
		strcpy(d->node, node);
		result = read_device(json_object_array_get_idx(list, i), d, why);
		for (unsigned k = 0; k < i && result == 0; k++)
			if (strcmp(ret[k].name, d->name) == 0)
				result = reason_set(why, -EINVAL, "device '%s' is there twice",
						    d->name);
	}
	return result;
}

int devices_from_json(const char *node, const char *body, size_t size,
		      struct device ret[NODE_DEVICES_MAX], unsigned *ret_count, struct reason *why)
{
	struct json_object *object = parse_object(body, size, why), *list;
	int result;

	*ret_count = 0;
	if (!object)
		return -EINVAL;
	if (json_object_object_length(object) != 1 ||
	    !json_object_object_get_ex(object, "devices", &list))
		result = reason_set(why, -EINVAL, "the body must be {\"devices\": [...]}");
	else
		result = read_devices(node, list, ret, ret_count, why);
	json_object_put(object);
	return result;
}

static int read_move_field(const char *key, struct json_object *value, struct move_request *ret,
			   struct reason *why)
{
	int64_t number = 0;

	if (strcmp(key, "element") == 0)
		return read_text(key, value, ret->element, sizeof(ret->element), why);
	if (strcmp(key, "port") == 0)
		return read_text(key, value, ret->port, sizeof(ret->port), why);
	if (strcmp(key, "vlan") == 0) {
		int result = read_number(key, value, 4094, &number, why);

		if (result == 0)
			ret->vlan = (uint16_t)number;
		return result;
	}
	return reason_set(why, -EINVAL,
			  "'%.40s' is no field of a move; there are element, port, vlan", key);
}

int move_from_json(const char *body, size_t size, struct move_request *ret, struct reason *why)
{
	int result = 0;

	memset(ret, 0, sizeof(*ret));
	struct json_object *object = parse_object(body, size, why);

	if (!object)
		return -EINVAL;
	json_object_object_foreach(object, key, value)
	{
		if (result == 0)
			result = read_move_field(key, value, ret, why);
	}
	json_object_put(object);
	if (result == 0 && (!ret->element[0] || !ret->port[0]))
		result = reason_set(why, -EINVAL, "'element' and 'port' are both needed");
	return result;
}

static int read_token_field(const char *key, struct json_object *value, struct token_request *ret,
			    struct reason *why)
{
	char role[16];

	if (strcmp(key, "name") == 0)
		return read_text(key, value, ret->name, sizeof(ret->name), why);
	if (strcmp(key, "lifetime_s") == 0)
		return read_number(key, value, LIFETIME_MAX_S, &ret->lifetime_s, why);
	if (strcmp(key, "role") != 0)
		return reason_set(
			why, -EINVAL,
			"'%.40s' is no field of a token; there are name, role, lifetime_s", key);
	int result = read_text(key, value, role, sizeof(role), why);

	if (result == 0 && role_parse(role, &ret->role) < 0)
		return reason_set(why, -EINVAL, "role '%s': write read, operate or admin", role);
	return result;
}

int token_from_json(const char *body, size_t size, struct token_request *ret, struct reason *why)
{
	int result = 0;

	memset(ret, 0, sizeof(*ret));
	struct json_object *object = parse_object(body, size, why);

	if (!object)
		return -EINVAL;
	json_object_object_foreach(object, key, value)
	{
		if (result == 0)
			result = read_token_field(key, value, ret, why);
	}
	json_object_put(object);
	return result;
}
