/* Actions: in memory and as bytes (OpenFlow 1.3.5, section 7.2.5), with the Nicira actions
 * that Open vSwitch and victor-fe share.  Fields in them are match_wire.c's; what holds actions
 * (instructions, buckets) is in instruction.c.
 *
 * The decoder says what a list is, not whether a switch can do it: ports, groups and which field
 * may be set where are the pipeline's to judge. */
#include "openflow/action.h"
#include "openflow/error.h"

#include <assert.h>
#include <string.h>

#define NICIRA 0x00002320u
#define WIRE_EXPERIMENTER 0xffff

enum {
	NXAST_REG_MOVE = 6,
	NXAST_REG_LOAD = 7,
	NXAST_RESUBMIT_TABLE = 14,
	NXAST_CHECK_PKT_LARGER = 49
};

/* By enum ofp_action_type: the type on the wire and the size there (0: by the field's). */
static const struct {
	uint16_t type, size, subtype;
} wire[] = {
	[OFP_ACTION_OUTPUT] = {0, 16, 0},
	[OFP_ACTION_GROUP] = {22, 8, 0},
	[OFP_ACTION_SET_FIELD] = {25, 0, 0},
	[OFP_ACTION_PUSH_VLAN] = {17, 8, 0},
	[OFP_ACTION_POP_VLAN] = {18, 8, 0},
	[OFP_ACTION_PUSH_MPLS] = {19, 8, 0},
	[OFP_ACTION_POP_MPLS] = {20, 8, 0},
	[OFP_ACTION_SET_QUEUE] = {21, 8, 0},
	[OFP_ACTION_DEC_NW_TTL] = {24, 8, 0},
	[OFP_ACTION_SET_NW_TTL] = {23, 8, 0},
	[OFP_ACTION_REG_MOVE] = {WIRE_EXPERIMENTER, 24, NXAST_REG_MOVE},
	[OFP_ACTION_REG_LOAD] = {WIRE_EXPERIMENTER, 24, NXAST_REG_LOAD},
	[OFP_ACTION_RESUBMIT] = {WIRE_EXPERIMENTER, 16, NXAST_RESUBMIT_TABLE},
	[OFP_ACTION_CHECK_LARGER] = {WIRE_EXPERIMENTER, 24, NXAST_CHECK_PKT_LARGER},
};

struct ofp_action *ofp_actions_add(struct ofp_actions *a, enum ofp_action_type type)
{
	assert(a->count < OFP_ACTIONS_MAX);
	a->list[a->count] = (struct ofp_action){.type = type};
	return &a->list[a->count++];
}

void ofp_actions_add_output(struct ofp_actions *a, uint32_t port)
{
	struct ofp_action *action = ofp_actions_add(a, OFP_ACTION_OUTPUT);

	action->output.port = port;
	action->output.max_size = 0xffff;
}

void ofp_actions_add_group(struct ofp_actions *a, uint32_t group)
{
	ofp_actions_add(a, OFP_ACTION_GROUP)->group = group;
}

void ofp_actions_add_set_bytes(struct ofp_actions *a, enum ofp_field field, const void *value)
{
	struct ofp_match_field *f = &ofp_actions_add(a, OFP_ACTION_SET_FIELD)->set_field;

	f->field = (uint8_t)field;
	memcpy(f->value, value, ofp_field_size(field));
	memset(f->mask, 0xff, ofp_field_size(field));
	assert(ofp_match_field_fits(f));
}

void ofp_actions_add_set(struct ofp_actions *a, enum ofp_field field, uint64_t value)
{
	unsigned size = ofp_field_size(field);
	uint8_t bytes[8];

	assert(size <= sizeof(bytes));
	for (unsigned i = size; i--; value >>= 8)
		bytes[i] = (uint8_t)value;
	ofp_actions_add_set_bytes(a, field, bytes);
}

void ofp_actions_add_move(struct ofp_actions *a, enum ofp_field source, unsigned source_offset,
			  enum ofp_field destination, unsigned destination_offset,
			  unsigned bit_count)
{
	struct ofp_action *action = ofp_actions_add(a, OFP_ACTION_REG_MOVE);

	action->move.source = source;
	action->move.destination = destination;
	action->move.source_offset = (uint16_t)source_offset;
	action->move.destination_offset = (uint16_t)destination_offset;
	action->move.bit_count = (uint16_t)bit_count;
}

void ofp_actions_add_load(struct ofp_actions *a, enum ofp_field field, unsigned offset,
			  unsigned bit_count, uint64_t value)
{
	struct ofp_action *action = ofp_actions_add(a, OFP_ACTION_REG_LOAD);

	action->load.field = field;
	action->load.offset = (uint16_t)offset;
	action->load.bit_count = (uint16_t)bit_count;
	action->load.value = value;
}

static bool set_field_equal(const struct ofp_match_field *a, const struct ofp_match_field *b)
{
	return a->field == b->field && !memcmp(a->value, b->value, ofp_field_size(a->field));
}

static bool action_equal(const struct ofp_action *a, const struct ofp_action *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case OFP_ACTION_OUTPUT:
		return a->output.port == b->output.port && a->output.max_size == b->output.max_size;
	case OFP_ACTION_GROUP:
		return a->group == b->group;
	case OFP_ACTION_SET_FIELD:
		return set_field_equal(&a->set_field, &b->set_field);
	case OFP_ACTION_PUSH_VLAN:
	case OFP_ACTION_PUSH_MPLS:
	case OFP_ACTION_POP_MPLS:
		return a->ethertype == b->ethertype;
	case OFP_ACTION_SET_QUEUE:
		return a->queue == b->queue;
	case OFP_ACTION_SET_NW_TTL:
		return a->ttl == b->ttl;
	case OFP_ACTION_REG_MOVE:
		return a->move.source == b->move.source &&
		       a->move.destination == b->move.destination &&
		       a->move.source_offset == b->move.source_offset &&
		       a->move.destination_offset == b->move.destination_offset &&
		       a->move.bit_count == b->move.bit_count;
	case OFP_ACTION_REG_LOAD:
		return a->load.field == b->load.field && a->load.offset == b->load.offset &&
		       a->load.bit_count == b->load.bit_count && a->load.value == b->load.value;
	case OFP_ACTION_CHECK_LARGER:
		return a->check.size == b->check.size && a->check.field == b->check.field &&
		       a->check.offset == b->check.offset;
	case OFP_ACTION_RESUBMIT:
		return a->resubmit.in_port == b->resubmit.in_port &&
		       a->resubmit.table == b->resubmit.table;
	case OFP_ACTION_POP_VLAN:
	case OFP_ACTION_DEC_NW_TTL:
		return true;
	}
	return false;
}

bool ofp_actions_equal(const struct ofp_actions *a, const struct ofp_actions *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (!action_equal(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

static void encode_move(const struct ofp_action *a, struct buffer *b)
{
	write_u16(b, a->move.bit_count);
	write_u16(b, a->move.source_offset);
	write_u16(b, a->move.destination_offset);
	write_u32(b, ofp_field_header(a->move.source));
	write_u32(b, ofp_field_header(a->move.destination));
}

static void encode_load(const struct ofp_action *a, struct buffer *b)
{
	assert(a->load.bit_count);
	write_u16(b, (uint16_t)(a->load.offset << 6 | (a->load.bit_count - 1)));
	write_u32(b, ofp_field_header(a->load.field));
	write_u64(b, a->load.value);
}

static void encode_fields(const struct ofp_action *a, struct buffer *b)
{
	switch (a->type) {
	case OFP_ACTION_OUTPUT:
		write_u32(b, a->output.port);
		write_u16(b, a->output.max_size);
		return;
	case OFP_ACTION_GROUP:
		write_u32(b, a->group);
		return;
	case OFP_ACTION_SET_FIELD:
		ofp_oxm_encode(&a->set_field, b);
		return;
	case OFP_ACTION_PUSH_VLAN:
	case OFP_ACTION_PUSH_MPLS:
	case OFP_ACTION_POP_MPLS:
		write_u16(b, a->ethertype);
		return;
	case OFP_ACTION_SET_QUEUE:
		write_u32(b, a->queue);
		return;
	case OFP_ACTION_SET_NW_TTL:
		write_u8(b, a->ttl);
		return;
	case OFP_ACTION_REG_MOVE:
		encode_move(a, b);
		return;
	case OFP_ACTION_REG_LOAD:
		encode_load(a, b);
		return;
	case OFP_ACTION_CHECK_LARGER:
		write_u16(b, a->check.size);
		write_u16(b, a->check.offset);
		write_u32(b, ofp_field_header(a->check.field));
		return;
	case OFP_ACTION_RESUBMIT:
		write_u16(b, a->resubmit.in_port);
		write_u8(b, a->resubmit.table);
		return;
	case OFP_ACTION_POP_VLAN:
	case OFP_ACTION_DEC_NW_TTL:
		return;
	}
}

static void action_encode(const struct ofp_action *a, struct buffer *b)
{
	size_t start = b->size;

	write_u16(b, wire[a->type].type);
	write_u16(b, wire[a->type].size);
	if (wire[a->type].subtype) {
		write_u32(b, NICIRA);
		write_u16(b, wire[a->type].subtype);
	}
	encode_fields(a, b);
	write_pad8(b, start);
	write_u16_at(b, start + 2, (uint16_t)(b->size - start));
}

bool ofp_action_number(enum ofp_action_type type, uint16_t *ret)
{
	if ((unsigned)type >= ARRAY_SIZE(wire) || wire[type].subtype)
		return false;
	*ret = wire[type].type;
	return true;
}

void ofp_actions_encode(const struct ofp_actions *a, struct buffer *b)
{
	for (unsigned i = 0; i < a->count; i++)
		action_encode(&a->list[i], b);
}

/* An error about a match field, said of an action. */
static int as_set_error(int result)
{
	switch (result) {
	case -OFP_BAD_MATCH_BAD_FIELD:
		return -OFP_BAD_ACTION_BAD_SET_TYPE;
	case -OFP_BAD_MATCH_BAD_LEN:
		return -OFP_BAD_ACTION_BAD_SET_LEN;
	default:
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	}
}

static int decode_set_field(struct reader *rd, struct ofp_match_field *ret)
{
	int r = ofp_oxm_decode(rd, ret);

	if (r)
		return as_set_error(r);
	if (!ofp_match_is_exact(ret))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	return reader_left(rd) < 8 ? 0 : -OFP_BAD_ACTION_BAD_LEN;
}

static bool in_field(enum ofp_field field, unsigned offset, unsigned bit_count)
{
	return bit_count && offset + bit_count <= ofp_field_bits(field);
}

static int decode_move(struct reader *rd, struct ofp_action *ret)
{
	uint32_t source, destination;

	ret->move.bit_count = read_u16(rd);
	ret->move.source_offset = read_u16(rd);
	ret->move.destination_offset = read_u16(rd);
	source = read_u32(rd);
	destination = read_u32(rd);
	if (ofp_field_from_header(source, &ret->move.source) ||
	    ofp_field_from_header(destination, &ret->move.destination))
		return -OFP_BAD_ACTION_BAD_SET_TYPE;
	if (!in_field(ret->move.source, ret->move.source_offset, ret->move.bit_count) ||
	    !in_field(ret->move.destination, ret->move.destination_offset, ret->move.bit_count))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	return 0;
}

static int decode_load(struct reader *rd, struct ofp_action *ret)
{
	uint16_t bits = read_u16(rd);

	if (ofp_field_from_header(read_u32(rd), &ret->load.field))
		return -OFP_BAD_ACTION_BAD_SET_TYPE;
	ret->load.offset = bits >> 6;
	ret->load.bit_count = (uint16_t)((bits & 0x3f) + 1);
	ret->load.value = read_u64(rd);
	if (!in_field(ret->load.field, ret->load.offset, ret->load.bit_count))
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	if (ret->load.bit_count < 64 && ret->load.value >> ret->load.bit_count)
		return -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
	return 0;
}

static int decode_check(struct reader *rd, struct ofp_action *ret)
{
	ret->check.size = read_u16(rd);
	ret->check.offset = read_u16(rd);
	if (ofp_field_from_header(read_u32(rd), &ret->check.field))
		return -OFP_BAD_ACTION_BAD_SET_TYPE;
	return in_field(ret->check.field, ret->check.offset, 1) ? 0
								: -OFP_BAD_ACTION_BAD_SET_ARGUMENT;
}

/* 'rd' has all of the type's size. */
static int decode_fields(struct reader *rd, struct ofp_action *ret)
{
	switch (ret->type) {
	case OFP_ACTION_OUTPUT:
		ret->output.port = read_u32(rd);
		ret->output.max_size = read_u16(rd);
		return ret->output.port == OFPP_ANY ? -OFP_BAD_ACTION_BAD_OUT_PORT : 0;
	case OFP_ACTION_GROUP:
		ret->group = read_u32(rd);
		return 0;
	case OFP_ACTION_SET_FIELD:
		return decode_set_field(rd, &ret->set_field);
	case OFP_ACTION_PUSH_VLAN:
	case OFP_ACTION_PUSH_MPLS:
	case OFP_ACTION_POP_MPLS:
		ret->ethertype = read_u16(rd);
		return 0;
	case OFP_ACTION_SET_QUEUE:
		ret->queue = read_u32(rd);
		return 0;
	case OFP_ACTION_SET_NW_TTL:
		ret->ttl = read_u8(rd);
		return 0;
	case OFP_ACTION_REG_MOVE:
		return decode_move(rd, ret);
	case OFP_ACTION_REG_LOAD:
		return decode_load(rd, ret);
	case OFP_ACTION_CHECK_LARGER:
		return decode_check(rd, ret);
	case OFP_ACTION_RESUBMIT:
		ret->resubmit.in_port = read_u16(rd);
		ret->resubmit.table = read_u8(rd);
		return 0;
	case OFP_ACTION_POP_VLAN:
	case OFP_ACTION_DEC_NW_TTL:
		return 0;
	}
	return -OFP_BAD_ACTION_BAD_TYPE;
}

/* Which action it is; for an experimenter's, 'rd' is stepped to behind the subtype. */
static int decode_type(struct reader *rd, uint16_t type, enum ofp_action_type *ret)
{
	uint16_t subtype = 0;

	if (type == WIRE_EXPERIMENTER) {
		if (read_u32(rd) != NICIRA)
			return -OFP_BAD_ACTION_BAD_EXPERIMENTER;
		subtype = read_u16(rd);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(wire); i++) {
		if (wire[i].type == type && wire[i].subtype == subtype) {
			*ret = (enum ofp_action_type)i;
			return 0;
		}
	}
	return subtype ? -OFP_BAD_ACTION_BAD_EXP_TYPE : -OFP_BAD_ACTION_BAD_TYPE;
}

static int action_decode(struct reader *rd, struct ofp_action *ret)
{
	uint16_t type = read_u16(rd), size = read_u16(rd);
	struct reader fields;
	int r;

	if (rd->failed || size < 8 || size % 8)
		return -OFP_BAD_ACTION_BAD_LEN;
	fields = read_sub(rd, size - 4u);
	if (fields.failed)
		return -OFP_BAD_ACTION_BAD_LEN;
	r = decode_type(&fields, type, &ret->type);
	if (r)
		return r;
	if (wire[ret->type].size && wire[ret->type].size != size)
		return -OFP_BAD_ACTION_BAD_LEN;
	r = decode_fields(&fields, ret);
	return r ? r : fields.failed ? -OFP_BAD_ACTION_BAD_LEN : 0;
}

int ofp_actions_decode(struct reader *rd, struct ofp_actions *ret)
{
	ret->count = 0;
	while (reader_left(rd)) {
		int r;

		if (ret->count == OFP_ACTIONS_MAX)
			return -OFP_BAD_ACTION_TOO_MANY;
		r = action_decode(rd, &ret->list[ret->count]);
		if (r)
			return r;
		ret->count++;
	}
	return 0;
}
