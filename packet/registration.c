/* The one layout of signed registration, and the grant's.  Every kind has a row that says which
 * fields it has; encoder and decoder both ask it, so that they cannot differ. */
#include "packet/registration.h"

#include <errno.h>
#include <string.h>

#define MAGIC 0x56524547u       /* "VREG" */
#define GRANT_MAGIC 0x56474e54u /* "VGNT" */
#define FIXED_SIZE 72
#define GRANT_FIXED_SIZE 40
#define FLAG_UNSOLICITED 0x01

enum field {
	FIELD_EPOCH = 1 << 0,
	FIELD_PLACE = 1 << 1,
	FIELD_CLAIM = 1 << 2, /* the MAC, addresses */
	FIELD_LIFETIME = 1 << 3,
	FIELD_CLOCK = 1 << 4, /* now_s, the element's name */
	FIELD_RESULT = 1 << 5,
	FIELD_GRANT = 1 << 6,
	FIELD_FLAGS = 1 << 7,
};

static const unsigned fields[] = {
	[REGISTRATION_SOLICIT] = 0,
	[REGISTRATION_ADVERTISE] = FIELD_EPOCH | FIELD_PLACE | FIELD_CLOCK | FIELD_FLAGS,
	[REGISTRATION_REGISTER] =
		FIELD_EPOCH | FIELD_PLACE | FIELD_CLAIM | FIELD_LIFETIME | FIELD_GRANT,
	[REGISTRATION_RENEW] = FIELD_EPOCH | FIELD_PLACE | FIELD_CLAIM | FIELD_LIFETIME,
	[REGISTRATION_DEREGISTER] = FIELD_EPOCH | FIELD_PLACE | FIELD_CLAIM,
	[REGISTRATION_REPLY] =
		FIELD_EPOCH | FIELD_PLACE | FIELD_LIFETIME | FIELD_CLOCK | FIELD_RESULT,
};

size_t registration_signature_size(uint8_t algorithm)
{
	return algorithm == REGISTRATION_BLAKE2B ? 32 : algorithm == REGISTRATION_ED25519 ? 64 : 0;
}

const char *registration_kind_name(uint8_t kind)
{
	static const char *const names[] = {"?",     "SOLICIT",    "ADVERTISE", "REGISTER",
					    "RENEW", "DEREGISTER", "REPLY"};

	return names[kind < ARRAY_SIZE(names) ? kind : 0];
}

const char *registration_reason_text(uint8_t reason)
{
	switch (reason) {
#define X(name, number, text) \
	case number:          \
		return text;
		REGISTRATION_REASONS(X)
#undef X
	default:
		return "a reason that this version does not know";
	}
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

bool registration_name_is_good(const char *name)
{
	size_t size = strnlen(name, REGISTRATION_NAME_SIZE);

	for (size_t i = 0; i < size; i++)
		if (!is_name_byte(name[i]))
			return false;
	return size > 0 && size < REGISTRATION_NAME_SIZE;
}

static bool name_is_good_or_empty(const char *name)
{
	return !name[0] || registration_name_is_good(name);
}

static bool text_is_good(const char *text)
{
	size_t size = strnlen(text, REGISTRATION_TEXT_SIZE);

	for (size_t i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return size < REGISTRATION_TEXT_SIZE;
}

bool registration_place_equal(const struct registration_place *a,
			      const struct registration_place *b)
{
	return a->element == b->element && a->port == b->port && a->vlan == b->vlan;
}

void registration_sort_addresses(struct address *addresses, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned j = i; j > 0; j--) {
			struct address moved = addresses[j];

			if (address_compare(&addresses[j - 1], &moved) <= 0)
				break;
			addresses[j] = addresses[j - 1];
			addresses[j - 1] = moved;
		}
}

bool registration_address_is_good(const struct address *a)
{
	bool is_group = address_is_ipv4(a) ? address_ipv4(a)[0] >= 224 : a->bytes[0] == 0xff;

	return !is_group && !address_is_zero(a);
}

static bool addresses_are_good(const struct registration *r)
{
	if (r->address_count > REGISTRATION_ADDRESSES_MAX)
		return false;
	for (unsigned i = 0; i < r->address_count; i++) {
		if (!registration_address_is_good(&r->addresses[i]))
			return false;
		if (i && address_compare(&r->addresses[i - 1], &r->addresses[i]) >= 0)
			return false;
	}
	return true;
}

static bool mac_is_good(const struct mac *mac)
{
	return !mac_is_zero(mac) && !mac_is_multicast(mac);
}

static bool place_is_good(const struct registration_place *p)
{
	return p->port && p->vlan < 4095;
}

static bool lifetime_is_good(const struct registration *r)
{
	uint32_t lifetime = r->lifetime_s;

	if (r->kind == REGISTRATION_REPLY && !lifetime)
		return true;
	return lifetime >= REGISTRATION_LIFETIME_LEAST_S &&
	       lifetime <= REGISTRATION_LIFETIME_MOST_S;
}

/* An unsigned REPLY is a hint to a person: it has nothing that a program could act upon. */
static bool result_is_good(const struct registration *r)
{
	static const struct registration_place nowhere = {0};

	if (r->result < REGISTRATION_DONE || r->result > REGISTRATION_CHALLENGE ||
	    !text_is_good(r->text) || (r->result != REGISTRATION_DONE && r->lifetime_s))
		return false;
	if (r->algorithm != REGISTRATION_UNSIGNED)
		return place_is_good(&r->place);
	return r->result == REGISTRATION_REFUSED && !r->now_s && !r->highest &&
	       registration_place_equal(&r->place, &nowhere);
}

/* Of the fields that a kind has, whether their values may be; the decoder has refused those that it
 * has not. */
static bool values_are_good(const struct registration *r)
{
	unsigned has = fields[r->kind];
	bool is_unsigned_reply =
		r->kind == REGISTRATION_REPLY && r->algorithm == REGISTRATION_UNSIGNED;

	if (!registration_name_is_good(r->node) || !name_is_good_or_empty(r->device) ||
	    !name_is_good_or_empty(r->element_name))
		return false;
	if (!r->sequence != r->is_unsolicited)
		return false;
	if (has & FIELD_EPOCH && !r->epoch != is_unsigned_reply)
		return false;
	if (has & FIELD_RESULT && !result_is_good(r))
		return false;
	if (has & FIELD_PLACE && !(has & FIELD_RESULT) && !place_is_good(&r->place))
		return false;
	if (has & FIELD_CLAIM && (!mac_is_good(&r->mac) || !addresses_are_good(r)))
		return false;
	return !(has & FIELD_LIFETIME) || lifetime_is_good(r);
}

/* Whether what a kind does not have is absent. */
static bool absent_is_zero(const struct registration *r)
{
	static const struct registration_place nowhere = {0};
	unsigned has = fields[r->kind];

	return (has & FIELD_EPOCH || !r->epoch) &&
	       (has & FIELD_PLACE || registration_place_equal(&r->place, &nowhere)) &&
	       (has & FIELD_CLAIM || (mac_is_zero(&r->mac) && !r->address_count)) &&
	       (has & FIELD_LIFETIME || !r->lifetime_s) &&
	       (has & FIELD_CLOCK || (!r->now_s && !r->element_name[0])) &&
	       (has & FIELD_RESULT || (!r->result && !r->reason && !r->highest && !r->text[0])) &&
	       (has & FIELD_GRANT || !r->grant_size) && (has & FIELD_FLAGS || !r->is_unsolicited);
}

static bool algorithm_is_good(const struct registration *r)
{
	return registration_signature_size(r->algorithm) ||
	       (r->algorithm == REGISTRATION_UNSIGNED && r->kind == REGISTRATION_REPLY);
}

static bool kind_is_good(uint8_t kind)
{
	return kind >= REGISTRATION_SOLICIT && kind <= REGISTRATION_REPLY;
}

static void write_text(struct buffer *b, const char *text)
{
	buffer_add_bytes(b, text, strlen(text));
}

static bool is_good(const struct registration *r)
{
	return kind_is_good(r->kind) && algorithm_is_good(r) && absent_is_zero(r) &&
	       values_are_good(r);
}

static size_t size_before_signature(const struct registration *r)
{
	return FIXED_SIZE + strlen(r->node) + strlen(r->device) + strlen(r->element_name) +
	       strlen(r->text) + (size_t)16 * r->address_count + r->grant_size;
}

int registration_encode(struct buffer *b, const struct registration *r)
{
	struct registration_grant grant;
	size_t size;

	if (!is_good(r))
		return -EINVAL;
	if (r->grant_size && registration_grant_decode(r->grant, r->grant_size, &grant) < 0)
		return -EINVAL;
	size = size_before_signature(r) + registration_signature_size(r->algorithm);
	write_u32(b, MAGIC);
	write_u8(b, REGISTRATION_VERSION);
	write_u8(b, r->kind);
	write_u16(b, (uint16_t)size);
	write_u8(b, r->algorithm);
	write_u8(b, r->is_unsolicited ? FLAG_UNSOLICITED : 0);
	write_u16(b, r->place.vlan);
	write_u32(b, r->place.port);
	write_u64(b, r->place.element);
	write_u64(b, r->epoch);
	write_u64(b, r->sequence);
	buffer_add_bytes(b, r->mac.bytes, 6);
	write_u8(b, r->result);
	write_u8(b, r->reason);
	write_u32(b, r->lifetime_s);
	write_u32(b, r->now_s);
	write_u64(b, r->highest);
	write_u8(b, (uint8_t)strlen(r->node));
	write_u8(b, (uint8_t)strlen(r->device));
	write_u8(b, (uint8_t)strlen(r->element_name));
	write_u8(b, (uint8_t)strlen(r->text));
	write_u8(b, r->address_count);
	write_u8(b, 0);
	write_u16(b, (uint16_t)r->grant_size);
	write_text(b, r->node);
	write_text(b, r->device);
	write_text(b, r->element_name);
	write_text(b, r->text);
	for (unsigned i = 0; i < r->address_count; i++)
		buffer_add_bytes(b, r->addresses[i].bytes, 16);
	buffer_add_bytes(b, r->grant, r->grant_size);
	return 0;
}

/* Text of a length that was read before; what does not fit, or has a zero in it, fails the reader.
 */
static void read_text(struct reader *rd, uint8_t length, char *ret, size_t size)
{
	const uint8_t *bytes = read_borrow(rd, length);

	ret[0] = 0;
	if (!bytes || length >= size || (length && memchr(bytes, 0, length))) {
		rd->failed = true;
		return;
	}
	memcpy(ret, bytes, length);
	ret[length] = 0;
}

/* What both formats begin with: magic, version.  0 or what registration_decode says. */
static int check_start(struct reader *rd, uint32_t magic)
{
	if (read_u32(rd) != magic)
		return -EPROTO;
	return read_u8(rd) == REGISTRATION_VERSION ? 0 : -EPROTONOSUPPORT;
}

struct lengths {
	uint8_t node, device, element_name, text;
	uint16_t grant;
};

static int read_fixed(struct reader *rd, size_t size, struct registration *ret,
		      struct lengths *lengths)
{
	uint8_t flags, zero;
	int r = check_start(rd, MAGIC);

	if (r < 0)
		return r;
	ret->kind = read_u8(rd);
	if (!kind_is_good(ret->kind))
		return -EOPNOTSUPP;
	if (read_u16(rd) != size || size > REGISTRATION_SIZE_MAX)
		return -EMSGSIZE;
	ret->algorithm = read_u8(rd);
	if (!algorithm_is_good(ret))
		return -EPROTOTYPE;
	flags = read_u8(rd);
	ret->is_unsolicited = flags & FLAG_UNSOLICITED;
	ret->place.vlan = read_u16(rd);
	ret->place.port = read_u32(rd);
	ret->place.element = read_u64(rd);
	ret->epoch = read_u64(rd);
	ret->sequence = read_u64(rd);
	read_bytes(rd, ret->mac.bytes, 6);
	ret->result = read_u8(rd);
	ret->reason = read_u8(rd);
	ret->lifetime_s = read_u32(rd);
	ret->now_s = read_u32(rd);
	ret->highest = read_u64(rd);
	lengths->node = read_u8(rd);
	lengths->device = read_u8(rd);
	lengths->element_name = read_u8(rd);
	lengths->text = read_u8(rd);
	ret->address_count = read_u8(rd);
	zero = read_u8(rd);
	lengths->grant = read_u16(rd);
	if (flags & ~FLAG_UNSOLICITED || zero || ret->address_count > REGISTRATION_ADDRESSES_MAX)
		return -EBADMSG;
	return 0;
}

static int read_rest(struct reader *rd, const struct lengths *lengths, struct registration *ret)
{
	struct registration_grant grant;

	read_text(rd, lengths->node, ret->node, sizeof(ret->node));
	read_text(rd, lengths->device, ret->device, sizeof(ret->device));
	read_text(rd, lengths->element_name, ret->element_name, sizeof(ret->element_name));
	read_text(rd, lengths->text, ret->text, sizeof(ret->text));
	for (unsigned i = 0; i < ret->address_count; i++)
		read_bytes(rd, ret->addresses[i].bytes, 16);
	ret->grant_size = lengths->grant;
	ret->grant = lengths->grant ? read_borrow(rd, lengths->grant) : NULL;
	ret->signed_size = (size_t)(rd->at - ret->signed_bytes);
	ret->signature = read_borrow(rd, registration_signature_size(ret->algorithm));
	if (rd->failed)
		return -EBADMSG;
	if (reader_left(rd))
		return -EMSGSIZE;
	if (!absent_is_zero(ret) || !values_are_good(ret))
		return -EBADMSG;
	if (ret->grant && registration_grant_decode(ret->grant, ret->grant_size, &grant) < 0)
		return -EBADMSG;
	return 0;
}

int registration_decode(const void *bytes, size_t size, struct registration *ret)
{
	struct reader rd = reader_make(bytes, size);
	struct lengths lengths;
	int r;

	*ret = (struct registration){.signed_bytes = bytes};
	if (size < FIXED_SIZE)
		return -EPROTO;
	r = read_fixed(&rd, size, ret, &lengths);
	return r < 0 ? r : read_rest(&rd, &lengths, ret);
}

static bool grant_is_good(const struct registration_grant *g)
{
	return registration_signature_size(g->algorithm) && g->epoch && g->serial &&
	       mac_is_good(&g->to_mac) && registration_name_is_good(g->node) &&
	       name_is_good_or_empty(g->from_device) && name_is_good_or_empty(g->to_device) &&
	       strcmp(g->from_device, g->to_device) != 0;
}

int registration_grant_encode(struct buffer *b, const struct registration_grant *g)
{
	size_t size;

	if (!grant_is_good(g))
		return -EINVAL;
	size = GRANT_FIXED_SIZE + strlen(g->node) + strlen(g->from_device) + strlen(g->to_device) +
	       registration_signature_size(g->algorithm);
	write_u32(b, GRANT_MAGIC);
	write_u8(b, REGISTRATION_VERSION);
	write_u8(b, g->algorithm);
	write_u16(b, (uint16_t)size);
	write_u64(b, g->epoch);
	write_u64(b, g->serial);
	write_u32(b, g->expires_s);
	buffer_add_bytes(b, g->to_mac.bytes, 6);
	write_u16(b, 0);
	write_u8(b, (uint8_t)strlen(g->node));
	write_u8(b, (uint8_t)strlen(g->from_device));
	write_u8(b, (uint8_t)strlen(g->to_device));
	write_u8(b, 0);
	write_text(b, g->node);
	write_text(b, g->from_device);
	write_text(b, g->to_device);
	return 0;
}

int registration_grant_decode(const void *bytes, size_t size, struct registration_grant *ret)
{
	struct reader rd = reader_make(bytes, size);
	uint8_t node_size, from_size, to_size;
	bool is_zero;
	int r;

	*ret = (struct registration_grant){.signed_bytes = bytes};
	if (size < GRANT_FIXED_SIZE)
		return -EPROTO;
	r = check_start(&rd, GRANT_MAGIC);
	if (r < 0)
		return r;
	ret->algorithm = read_u8(&rd);
	if (!registration_signature_size(ret->algorithm))
		return -EPROTOTYPE;
	if (read_u16(&rd) != size)
		return -EMSGSIZE;
	ret->epoch = read_u64(&rd);
	ret->serial = read_u64(&rd);
	ret->expires_s = read_u32(&rd);
	read_bytes(&rd, ret->to_mac.bytes, 6);
	is_zero = read_u16(&rd) == 0;
	node_size = read_u8(&rd);
	from_size = read_u8(&rd);
	to_size = read_u8(&rd);
	is_zero = read_u8(&rd) == 0 && is_zero;
	read_text(&rd, node_size, ret->node, sizeof(ret->node));
	read_text(&rd, from_size, ret->from_device, sizeof(ret->from_device));
	read_text(&rd, to_size, ret->to_device, sizeof(ret->to_device));
	ret->signed_size = (size_t)(rd.at - ret->signed_bytes);
	ret->signature = read_borrow(&rd, registration_signature_size(ret->algorithm));
	if (rd.failed || !is_zero)
		return -EBADMSG;
	if (reader_left(&rd))
		return -EMSGSIZE;
	return grant_is_good(ret) ? 0 : -EBADMSG;
}
