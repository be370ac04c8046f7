/* TABLE_FEATURES replies (OpenFlow 1.3.5, section 7.3.5.5): what a table takes, as property lists.
 * Written only; nothing of ours reads them.
 *
 * Each property comes in one form for hits and one for table misses; ours are alike, and the form
 * for misses is left out then.  Write-actions are never taken: their lists are empty. */
#include "openflow/multipart.h"

enum property {
	PROPERTY_INSTRUCTIONS = 0,
	PROPERTY_NEXT_TABLES = 2,
	PROPERTY_WRITE_ACTIONS = 4,
	PROPERTY_APPLY_ACTIONS = 6,
	PROPERTY_MATCH = 8,
	PROPERTY_WILDCARDS = 10,
	PROPERTY_WRITE_SETFIELD = 12,
	PROPERTY_APPLY_SETFIELD = 14,
};

static size_t property_begin(struct buffer *b, enum property type)
{
	size_t start = b->size;

	write_u16(b, (uint16_t)type);
	write_u16(b, 0);
	return start;
}

/* The length does not count the padding. */
static void property_end(struct buffer *b, size_t start)
{
	write_u16_at(b, start + 2, (uint16_t)(b->size - start));
	write_pad8(b, start);
}

static void add_instructions(struct buffer *b, unsigned present)
{
	size_t start = property_begin(b, PROPERTY_INSTRUCTIONS);

	for (unsigned i = 0; i < 8; i++) {
		if (present >> i & 1) {
			write_u16(b, (uint16_t)(i + 1)); /* the order of the wire */
			write_u16(b, 4);
		}
	}
	property_end(b, start);
}

static void add_next_tables(struct buffer *b, unsigned tables)
{
	size_t start = property_begin(b, PROPERTY_NEXT_TABLES);

	for (unsigned i = 0; i < 8; i++) {
		if (tables >> i & 1)
			write_u8(b, (uint8_t)i);
	}
	property_end(b, start);
}

static void add_actions(struct buffer *b, enum property type, uint32_t actions)
{
	size_t start = property_begin(b, type);

	for (unsigned i = 0; i < 32; i++) {
		uint16_t number;

		/* Experimenters' actions have no form here that Open vSwitch reads. */
		if (!(actions >> i & 1) || !ofp_action_number((enum ofp_action_type)i, &number))
			continue;
		write_u16(b, number);
		write_u16(b, 4);
	}
	property_end(b, start);
}

static void add_fields(struct buffer *b, enum property type, uint64_t fields)
{
	size_t start = property_begin(b, type);

	for (unsigned i = 0; i < OFP_FIELD_COUNT; i++) {
		if (fields >> i & 1)
			write_u32(b, ofp_field_header((enum ofp_field)i));
	}
	property_end(b, start);
}

void ofp_table_features_add(struct ofp_multipart_writer *w, const struct ofp_table_features *t)
{
	struct buffer *b = w->out;
	size_t item = b->size;

	write_u16(b, 0);
	write_u8(b, t->table);
	write_zeros(b, 5);
	buffer_add_bytes(b, t->name, sizeof(t->name));
	write_u64(b, t->metadata_match);
	write_u64(b, t->metadata_write);
	write_u32(b, 0);
	write_u32(b, t->max_entries);
	add_instructions(b, t->instructions);
	add_next_tables(b, t->next_tables);
	add_actions(b, PROPERTY_WRITE_ACTIONS, 0);
	add_actions(b, PROPERTY_APPLY_ACTIONS, t->apply_actions);
	add_fields(b, PROPERTY_MATCH, t->match_fields);
	add_fields(b, PROPERTY_WILDCARDS, t->match_fields);
	add_fields(b, PROPERTY_WRITE_SETFIELD, 0);
	add_fields(b, PROPERTY_APPLY_SETFIELD, t->set_fields);
	write_u16_at(b, item, (uint16_t)(b->size - item));
	ofp_multipart_item_end(w, item);
}
