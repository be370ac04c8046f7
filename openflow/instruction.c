/* What holds actions: instructions of flows (OpenFlow 1.3.5, section 7.2.4) and buckets of groups
 * (section 7.3.4.2).  The actions themselves are action.c's. */
#include "openflow/action.h"
#include "openflow/error.h"

enum wire_instruction {
	WIRE_GOTO_TABLE = 1,
	WIRE_WRITE_METADATA = 2,
	WIRE_WRITE_ACTIONS = 3,
	WIRE_APPLY_ACTIONS = 4,
	WIRE_CLEAR_ACTIONS = 5,
	WIRE_METER = 6,
	WIRE_EXPERIMENTER = 0xffff,
};

bool ofp_instructions_equal(const struct ofp_instructions *a, const struct ofp_instructions *b)
{
	return a->present == b->present && a->goto_table == b->goto_table && a->meter == b->meter &&
	       a->metadata == b->metadata && a->metadata_mask == b->metadata_mask &&
	       ofp_actions_equal(&a->write, &b->write) && ofp_actions_equal(&a->apply, &b->apply);
}

static void begin(struct buffer *b, enum wire_instruction type, uint16_t size)
{
	write_u16(b, (uint16_t)type);
	write_u16(b, size);
}

static void encode_actions(enum wire_instruction type, const struct ofp_actions *a,
			   struct buffer *b)
{
	size_t start = b->size;

	begin(b, type, 8);
	write_zeros(b, 4);
	ofp_actions_encode(a, b);
	write_u16_at(b, start + 2, (uint16_t)(b->size - start));
}

/* In the order in which a switch carries them out. */
void ofp_instructions_encode(const struct ofp_instructions *i, struct buffer *b)
{
	if (i->present & OFP_INSTRUCTION_METER) {
		begin(b, WIRE_METER, 8);
		write_u32(b, i->meter);
	}
	if (i->present & OFP_INSTRUCTION_APPLY_ACTIONS)
		encode_actions(WIRE_APPLY_ACTIONS, &i->apply, b);
	if (i->present & OFP_INSTRUCTION_CLEAR_ACTIONS) {
		begin(b, WIRE_CLEAR_ACTIONS, 8);
		write_zeros(b, 4);
	}
	if (i->present & OFP_INSTRUCTION_WRITE_ACTIONS)
		encode_actions(WIRE_WRITE_ACTIONS, &i->write, b);
	if (i->present & OFP_INSTRUCTION_WRITE_METADATA) {
		begin(b, WIRE_WRITE_METADATA, 24);
		write_zeros(b, 4);
		write_u64(b, i->metadata);
		write_u64(b, i->metadata_mask);
	}
	if (i->present & OFP_INSTRUCTION_GOTO_TABLE) {
		begin(b, WIRE_GOTO_TABLE, 8);
		write_u8(b, i->goto_table);
		write_zeros(b, 3);
	}
}

static int decode_fields(struct reader *rd, uint16_t type, struct ofp_instructions *ret)
{
	switch (type) {
	case WIRE_GOTO_TABLE:
		ret->goto_table = read_u8(rd);
		read_skip(rd, 3);
		break;
	case WIRE_WRITE_METADATA:
		read_skip(rd, 4);
		ret->metadata = read_u64(rd);
		ret->metadata_mask = read_u64(rd);
		ret->metadata &= ret->metadata_mask;
		break;
	case WIRE_WRITE_ACTIONS:
		read_skip(rd, 4);
		return ofp_actions_decode(rd, &ret->write);
	case WIRE_APPLY_ACTIONS:
		read_skip(rd, 4);
		return ofp_actions_decode(rd, &ret->apply);
	case WIRE_CLEAR_ACTIONS:
		read_skip(rd, 4);
		break;
	case WIRE_METER:
		ret->meter = read_u32(rd);
		break;
	case WIRE_EXPERIMENTER:
		return -OFP_BAD_INSTRUCTION_BAD_EXPERIMENTER;
	default:
		return -OFP_BAD_INSTRUCTION_UNKNOWN_INST;
	}
	return rd->failed || reader_left(rd) ? -OFP_BAD_INSTRUCTION_BAD_LEN : 0;
}

static int decode_one(struct reader *rd, struct ofp_instructions *ret)
{
	uint16_t type = read_u16(rd), size = read_u16(rd);
	struct reader fields;
	unsigned bit = 0;

	if (rd->failed || size < 8 || size % 8)
		return -OFP_BAD_INSTRUCTION_BAD_LEN;
	fields = read_sub(rd, size - 4u);
	if (fields.failed)
		return -OFP_BAD_INSTRUCTION_BAD_LEN;
	if (type >= WIRE_GOTO_TABLE && type <= WIRE_METER)
		bit = 1u << (type - 1); /* enum ofp_instruction has the order of the wire */
	if (ret->present & bit)
		return -OFP_BAD_INSTRUCTION_UNSUP_INST; /* the set holds one of each type */
	ret->present |= (uint8_t)bit;
	return decode_fields(&fields, type, ret);
}

int ofp_instructions_decode(struct reader *rd, struct ofp_instructions *ret)
{
	ret->present = 0;
	ret->goto_table = 0;
	ret->meter = 0;
	ret->metadata = ret->metadata_mask = 0;
	ret->write.count = ret->apply.count = 0;
	while (reader_left(rd)) {
		int r = decode_one(rd, ret);

		if (r)
			return r;
	}
	return 0;
}

void ofp_buckets_encode(const struct ofp_bucket *list, unsigned count, struct buffer *b)
{
	for (unsigned i = 0; i < count; i++) {
		size_t start = b->size;

		write_u16(b, 0);
		write_u16(b, list[i].weight);
		write_u32(b, list[i].watch_port);
		write_u32(b, list[i].watch_group);
		write_zeros(b, 4);
		ofp_actions_encode(&list[i].actions, b);
		write_u16_at(b, start, (uint16_t)(b->size - start));
	}
}

static int bucket_decode(struct reader *rd, struct ofp_bucket *ret)
{
	uint16_t size = read_u16(rd);
	struct reader fields;

	if (rd->failed || size < 16 || size % 8)
		return -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
	fields = read_sub(rd, size - 2u);
	if (fields.failed)
		return -OFP_GROUP_MOD_FAILED_BAD_BUCKET;
	ret->weight = read_u16(&fields);
	ret->watch_port = read_u32(&fields);
	ret->watch_group = read_u32(&fields);
	read_skip(&fields, 4);
	return ofp_actions_decode(&fields, &ret->actions);
}

int ofp_buckets_decode(struct reader *rd, struct ofp_bucket *list, uint8_t *ret_count)
{
	*ret_count = 0;
	while (reader_left(rd)) {
		int r;

		if (*ret_count == OFP_BUCKETS_MAX)
			return -OFP_GROUP_MOD_FAILED_OUT_OF_BUCKETS;
		r = bucket_decode(rd, &list[*ret_count]);
		if (r)
			return r;
		++*ret_count;
	}
	return 0;
}
