/* Actions, instructions and buckets (OpenFlow 1.3.5, sections 7.2.4, 7.2.5, 7.3.4.2), and the
 * Nicira actions reg_move, reg_load and resubmit that Open vSwitch has. */
#pragma once

#include "openflow/match.h"

#define OFP_ACTIONS_MAX 24
#define OFP_BUCKETS_MAX 16

/* Reserved port numbers (OpenFlow 1.3.5, section 7.2.1). */
#define OFPP_MAX 0xffffff00u
#define OFPP_IN_PORT 0xfffffff8u
#define OFPP_TABLE 0xfffffff9u
#define OFPP_NORMAL 0xfffffffau
#define OFPP_FLOOD 0xfffffffbu
#define OFPP_ALL 0xfffffffcu
#define OFPP_CONTROLLER 0xfffffffdu
#define OFPP_LOCAL 0xfffffffeu
#define OFPP_ANY 0xffffffffu

#define OFPG_ALL 0xfffffffcu
#define OFPG_ANY 0xffffffffu

enum ofp_action_type {
	OFP_ACTION_OUTPUT,
	OFP_ACTION_GROUP,
	OFP_ACTION_SET_FIELD,
	OFP_ACTION_PUSH_VLAN,
	OFP_ACTION_POP_VLAN,
	OFP_ACTION_PUSH_MPLS,
	OFP_ACTION_POP_MPLS,
	OFP_ACTION_SET_QUEUE,
	OFP_ACTION_DEC_NW_TTL,
	OFP_ACTION_SET_NW_TTL,
	OFP_ACTION_REG_MOVE,
	OFP_ACTION_REG_LOAD,
	OFP_ACTION_RESUBMIT,     /* NXAST_RESUBMIT_TABLE */
	OFP_ACTION_CHECK_LARGER, /* NXAST_CHECK_PKT_LARGER */
};

struct ofp_action {
	enum ofp_action_type type;
	union {
		struct {
			uint32_t port;
			uint16_t max_size; /* 0xffff: the whole packet */
		} output;
		uint32_t group;
		struct ofp_match_field set_field; /* mask all ones */
		uint16_t ethertype;               /* push_vlan, push_mpls, pop_mpls */
		uint32_t queue;
		uint8_t ttl;
		struct {
			enum ofp_field source, destination;
			uint16_t source_offset, destination_offset, bit_count;
		} move;
		struct {
			enum ofp_field field;
			uint16_t offset, bit_count;
			uint64_t value;
		} load;
		struct {
			uint16_t in_port;
			uint8_t table;
		} resubmit;
		struct {
			uint16_t size;        /* of the frame, with its Ethernet header */
			enum ofp_field field; /* of whose bits one tells whether it is larger */
			uint16_t offset;
		} check;
	};
};

struct ofp_actions {
	uint8_t count;
	struct ofp_action list[OFP_ACTIONS_MAX];
};

enum ofp_instruction {
	OFP_INSTRUCTION_GOTO_TABLE = 1 << 0,
	OFP_INSTRUCTION_WRITE_METADATA = 1 << 1,
	OFP_INSTRUCTION_WRITE_ACTIONS = 1 << 2,
	OFP_INSTRUCTION_APPLY_ACTIONS = 1 << 3,
	OFP_INSTRUCTION_CLEAR_ACTIONS = 1 << 4,
	OFP_INSTRUCTION_METER = 1 << 5,
};

struct ofp_instructions {
	uint8_t present; /* bits of enum ofp_instruction; the rest is zero where absent */
	uint8_t goto_table;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	struct ofp_actions write, apply;
};

struct ofp_bucket {
	uint16_t weight;
	uint32_t watch_port, watch_group;
	struct ofp_actions actions;
};

/* Append; return the new action for further filling.  There must be room (asserted). */
struct ofp_action *ofp_actions_add(struct ofp_actions *a, enum ofp_action_type type);
void ofp_actions_add_output(struct ofp_actions *a, uint32_t port);
void ofp_actions_add_group(struct ofp_actions *a, uint32_t group);
void ofp_actions_add_set(struct ofp_actions *a, enum ofp_field field, uint64_t value);
void ofp_actions_add_set_bytes(struct ofp_actions *a, enum ofp_field field, const void *value);
void ofp_actions_add_move(struct ofp_actions *a, enum ofp_field source, unsigned source_offset,
			  enum ofp_field destination, unsigned destination_offset,
			  unsigned bit_count);
void ofp_actions_add_load(struct ofp_actions *a, enum ofp_field field, unsigned offset,
			  unsigned bit_count, uint64_t value);

bool ofp_actions_equal(const struct ofp_actions *a, const struct ofp_actions *b);
bool ofp_instructions_equal(const struct ofp_instructions *a, const struct ofp_instructions *b);

void ofp_actions_encode(const struct ofp_actions *a, struct buffer *b);
MUST_USE int ofp_actions_decode(struct reader *rd /* exactly the actions */,
				struct ofp_actions *ret);
void ofp_instructions_encode(const struct ofp_instructions *i, struct buffer *b);
MUST_USE int ofp_instructions_decode(struct reader *rd /* exactly the instructions */,
				     struct ofp_instructions *ret);
/* The standard action's number on the wire; false for an experimenter's. */
bool ofp_action_number(enum ofp_action_type type, uint16_t *ret);
/* A group's buckets, up to OFP_BUCKETS_MAX ('list' has room for those). */
void ofp_buckets_encode(const struct ofp_bucket *list, unsigned count, struct buffer *b);
MUST_USE int ofp_buckets_decode(struct reader *rd /* exactly the buckets */,
				struct ofp_bucket *list, uint8_t *ret_count);
