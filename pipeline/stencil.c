/* Where a field stands in a message is found by encoding two rules that differ in it alone. */
#include "pipeline/stencil.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_MOD_XID 4
#define FLOW_MOD_COOKIE 8

enum field { FIELD_VRF, FIELD_ADDRESS, FIELD_PORT, FIELD_VLAN, FIELD_MAC, FIELD_GATEWAY, FIELD_FE };
#define FIELD_COUNT (FIELD_FE + 1)

struct stencil {
	struct buffer bytes;
	uint16_t at[FIELD_COUNT]; /* 0: it is not there */
};

enum shape { SHAPE_GUARD, SHAPE_LOCAL, SHAPE_FOREIGN };
#define SHAPE_COUNT (SHAPE_FOREIGN + 1)

struct stencils {
	struct stencil of[SHAPE_COUNT][2 /* IPv6 */][2 /* deletes */];
};

static const enum rule_kind kinds[SHAPE_COUNT] = {RULE_GUARD, RULE_LOCAL, RULE_FOREIGN};

/* VLAN ids have 12 bits, and the highest byte of what stands for one has other bits, too. */
static uint16_t sample_vlan(uint8_t byte)
{
	return (uint16_t)(byte << 4 | 1);
}

static void set_field(struct rule *r, enum field field, uint8_t byte)
{
	uint32_t number = byte * 0x01010101u;

	switch (field) {
	case FIELD_VRF:
		r->key.vrf = number & PIPELINE_METADATA_VRF;
		return;
	case FIELD_ADDRESS: /* an IPv4 one stays one */
		memset(r->key.address.bytes + (address_is_ipv4(&r->key.address) ? 12 : 0), byte,
		       address_is_ipv4(&r->key.address) ? 4 : 16);
		return;
	case FIELD_PORT:
		*(r->key.kind == RULE_GUARD ? &r->key.port : &r->port) = number;
		return;
	case FIELD_VLAN: /* of LOCAL: one that has a VLAN has another shape */
		if (r->key.kind == RULE_GUARD)
			r->key.vlan = sample_vlan(byte);
		return;
	case FIELD_MAC:
		memset(r->key.kind == RULE_GUARD ? &r->key.mac : &r->mac, byte, sizeof(r->mac));
		return;
	case FIELD_GATEWAY:
		memset(&r->gateway_mac, byte, sizeof(r->gateway_mac));
		return;
	case FIELD_FE:
		r->fe = number;
		return;
	}
}

static void encode(const struct rule *r, enum ofp_flow_mod_command command, uint32_t xid,
		   struct buffer *b)
{
	struct ofp_flow_mod mod;

	rule_to_flow_mod(r, command, &mod);
	ofp_flow_mod_encode(b, xid, &mod);
}

static uint16_t find_difference(const struct buffer *a, const struct buffer *b)
{
	assert(a->size == b->size);
	for (size_t i = 0; i < a->size; i++)
		if (a->data[i] != b->data[i])
			return (uint16_t)i;
	return 0;
}

static void make(struct stencil *s, enum rule_kind kind, bool ipv6, bool deletes)
{
	static const uint8_t ipv4[4] = {0x11, 0x11, 0x11, 0x11};
	enum ofp_flow_mod_command command = deletes ? OFPFC_DELETE_STRICT : OFPFC_ADD;
	struct rule sample = {.key = {.kind = (uint8_t)kind}};

	if (!ipv6)
		sample.key.address = address_from_ipv4(ipv4);
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		set_field(&sample, (enum field)i, 0x11);
	encode(&sample, command, 0, &s->bytes);
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		struct rule other = sample;
		struct buffer bytes = {0};

		set_field(&other, (enum field)i, 0x22);
		encode(&other, command, 0, &bytes);
		s->at[i] = find_difference(&s->bytes, &bytes);
		buffer_finish(&bytes);
	}
}

struct stencils *stencils_create(void)
{
	struct stencils *s = memory_alloc(sizeof(*s));

	for (unsigned shape = 0; shape < SHAPE_COUNT; shape++)
		for (unsigned i = 0; i < 4; i++)
			make(&s->of[shape][i & 1][i >> 1], kinds[shape], i & 1, i >> 1);
	return s;
}

void stencils_destroy(struct stencils *s)
{
	if (!s)
		return;
	for (unsigned shape = 0; shape < SHAPE_COUNT; shape++)
		for (unsigned i = 0; i < 4; i++)
			buffer_finish(&s->of[shape][i & 1][i >> 1].bytes);
	free(s);
}

static const struct stencil *find(const struct stencils *s, const struct rule *r,
				  enum ofp_flow_mod_command command)
{
	bool deletes = command == OFPFC_DELETE_STRICT, ipv6 = !address_is_ipv4(&r->key.address);

	if (!deletes && (command != OFPFC_ADD || r->idle_timeout))
		return NULL;
	for (unsigned shape = 0; shape < SHAPE_COUNT; shape++)
		if (r->key.kind == kinds[shape])
			return kinds[shape] == RULE_LOCAL && r->vlan ? NULL
								     : &s->of[shape][ipv6][deletes];
	return NULL;
}

static void put_number(uint8_t *message, uint16_t at, uint32_t value, unsigned size)
{
	for (unsigned i = 0; at && i < size; i++)
		message[at + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static void put_bytes(uint8_t *message, uint16_t at, const uint8_t *bytes, size_t size)
{
	if (at)
		memcpy(message + at, bytes, size);
}

static void put_cookie(uint8_t *message, uint64_t cookie)
{
	put_number(message, FLOW_MOD_COOKIE, (uint32_t)(cookie >> 32), 4);
	put_number(message, FLOW_MOD_COOKIE + 4, (uint32_t)cookie, 4);
}

void stencils_flow_mod(const struct stencils *s, const struct rule *r,
		       enum ofp_flow_mod_command command, uint32_t xid, struct buffer *b)
{
	const struct stencil *it = find(s, r, command);
	bool guard = r->key.kind == RULE_GUARD, ipv4 = address_is_ipv4(&r->key.address);
	uint8_t *message;

	if (!it) {
		encode(r, command, xid, b);
		return;
	}
	message = buffer_add(b, it->bytes.size);
	memcpy(message, it->bytes.data, it->bytes.size);
	put_number(message, FLOW_MOD_XID, xid, 4);
	if (command == OFPFC_ADD)
		put_cookie(message, r->cookie);
	put_number(message, it->at[FIELD_VRF], r->key.vrf, 3);
	put_bytes(message, it->at[FIELD_ADDRESS], r->key.address.bytes + (ipv4 ? 12 : 0),
		  ipv4 ? 4 : 16);
	put_number(message, it->at[FIELD_PORT], guard ? r->key.port : r->port, 4);
	put_number(message, it->at[FIELD_VLAN], r->key.vlan ? OFP_VLAN_PRESENT | r->key.vlan : 0,
		   2);
	put_bytes(message, it->at[FIELD_MAC], guard ? r->key.mac.bytes : r->mac.bytes, 6);
	put_bytes(message, it->at[FIELD_GATEWAY], r->gateway_mac.bytes, 6);
	put_number(message, it->at[FIELD_FE], r->fe, 4);
}
