/* OpenFlow 1.3 messages: bytes <-> structs (OpenFlow 1.3.5, section 7).  No sockets, no state.
 *
 * A decoder takes the body behind the header and returns 0, or a negative OpenFlow error to be sent
 * back; '*ret' is meaningful on 0 only.  Every bound is checked; nothing is allocated by a decoder.
 * An encoder appends one whole message, header and length included. */
#pragma once

#include "openflow/action.h"
#include "openflow/error.h"

#define OFP_VERSION 4 /* 1.3 */
#define OFP_HEADER_SIZE 8
#define OFP_MESSAGE_MAX 65535
#define OFP_NO_BUFFER 0xffffffffu
#define OFP_TABLE_ALL 0xff

enum ofp_type {
	OFPT_HELLO = 0,
	OFPT_ERROR = 1,
	OFPT_ECHO_REQUEST = 2,
	OFPT_ECHO_REPLY = 3,
	OFPT_EXPERIMENTER = 4,
	OFPT_FEATURES_REQUEST = 5,
	OFPT_FEATURES_REPLY = 6,
	OFPT_GET_CONFIG_REQUEST = 7,
	OFPT_GET_CONFIG_REPLY = 8,
	OFPT_SET_CONFIG = 9,
	OFPT_PACKET_IN = 10,
	OFPT_FLOW_REMOVED = 11,
	OFPT_PORT_STATUS = 12,
	OFPT_PACKET_OUT = 13,
	OFPT_FLOW_MOD = 14,
	OFPT_GROUP_MOD = 15,
	OFPT_PORT_MOD = 16,
	OFPT_TABLE_MOD = 17,
	OFPT_MULTIPART_REQUEST = 18,
	OFPT_MULTIPART_REPLY = 19,
	OFPT_BARRIER_REQUEST = 20,
	OFPT_BARRIER_REPLY = 21,
	OFPT_ROLE_REQUEST = 24,
	OFPT_ROLE_REPLY = 25,
	OFPT_GET_ASYNC_REQUEST = 26,
	OFPT_GET_ASYNC_REPLY = 27,
	OFPT_SET_ASYNC = 28,
	OFPT_METER_MOD = 29,
};

struct ofp_header {
	uint8_t version, type;
	uint16_t size; /* of the whole message */
	uint32_t xid;
};

/* -EBADMSG if fewer than OFP_HEADER_SIZE bytes; -OFP_BAD_REQUEST_BAD_LEN if size < 8. */
MUST_USE int ofp_header_decode(struct reader *rd, struct ofp_header *ret);
/* Messages that are a header alone: FEATURES_REQUEST, BARRIER_*, GET_CONFIG_REQUEST ... */
void ofp_empty_encode(struct buffer *b, enum ofp_type type, uint32_t xid);
/* Frames any message: begin returns where it starts, then the body is written, end sets the length
 * (at most OFP_MESSAGE_MAX, asserted). */
size_t ofp_message_begin(struct buffer *b, enum ofp_type type, uint32_t xid);
void ofp_message_end(struct buffer *b, size_t start);
const char *ofp_type_name(uint8_t type); /* "FLOW_MOD"; "unknown" */

/* HELLO with the version bitmap element (section 7.5.1).  Decode: bit n set = version n offered. */
void ofp_hello_encode(struct buffer *b, uint32_t xid);
MUST_USE int ofp_hello_decode(struct reader *body, uint8_t header_version, uint32_t *ret_versions);

/* ERROR; 'offender' is cut to 256 bytes when encoded; borrowed from the input when decoded. */
struct ofp_error {
	int result; /* -OFP_ERROR(type, code) */
	const uint8_t *offender;
	size_t offender_size;
};
void ofp_error_encode(struct buffer *b, uint32_t xid, const struct ofp_error *e);
MUST_USE int ofp_error_decode(struct reader *body, struct ofp_error *ret);

/* ECHO_*: the payload is borrowed. */
void ofp_echo_encode(struct buffer *b, enum ofp_type type, uint32_t xid, const void *payload,
		     size_t size);

struct ofp_features {
	uint64_t datapath_id;
	uint32_t buffer_count, capabilities;
	uint8_t table_count, auxiliary_id;
};
void ofp_features_encode(struct buffer *b, uint32_t xid, const struct ofp_features *f);
MUST_USE int ofp_features_decode(struct reader *body, struct ofp_features *ret);

struct ofp_config {
	uint16_t flags, miss_send_size;
};
void ofp_config_encode(struct buffer *b, enum ofp_type type, uint32_t xid,
		       const struct ofp_config *c);
MUST_USE int ofp_config_decode(struct reader *body, struct ofp_config *ret);

enum ofp_packet_in_reason { OFPR_NO_MATCH, OFPR_ACTION, OFPR_INVALID_TTL };

struct ofp_packet_in {
	uint32_t buffer_id;
	uint16_t total_size; /* of the packet on the wire, however much is here */
	uint8_t reason, table;
	uint64_t cookie;
	struct ofp_match match; /* in_port, metadata, registers */
	const uint8_t *data;    /* borrowed */
	size_t data_size;
};
void ofp_packet_in_encode(struct buffer *b, uint32_t xid, const struct ofp_packet_in *p);
MUST_USE int ofp_packet_in_decode(struct reader *body, struct ofp_packet_in *ret);

struct ofp_packet_out {
	uint32_t buffer_id, in_port;
	struct ofp_actions actions;
	const uint8_t *data; /* borrowed */
	size_t data_size;
};
void ofp_packet_out_encode(struct buffer *b, uint32_t xid, const struct ofp_packet_out *p);
MUST_USE int ofp_packet_out_decode(struct reader *body, struct ofp_packet_out *ret);

enum ofp_flow_mod_command {
	OFPFC_ADD,
	OFPFC_MODIFY,
	OFPFC_MODIFY_STRICT,
	OFPFC_DELETE,
	OFPFC_DELETE_STRICT
};
#define OFPFF_SEND_FLOW_REM 1
#define OFPFF_CHECK_OVERLAP 2
#define OFPFF_RESET_COUNTS 4
#define OFPFF_NO_PKT_COUNTS 8
#define OFPFF_NO_BYT_COUNTS 16

struct ofp_flow_mod {
	uint64_t cookie, cookie_mask;
	uint8_t table, command;
	uint16_t idle_timeout, hard_timeout; /* seconds; 0 = never */
	uint16_t priority, flags;
	uint32_t buffer_id, out_port, out_group;
	struct ofp_match match;
	struct ofp_instructions instructions;
};
void ofp_flow_mod_encode(struct buffer *b, uint32_t xid, const struct ofp_flow_mod *f);
MUST_USE int ofp_flow_mod_decode(struct reader *body, struct ofp_flow_mod *ret);

enum ofp_flow_removed_reason {
	OFPRR_IDLE_TIMEOUT,
	OFPRR_HARD_TIMEOUT,
	OFPRR_DELETE,
	OFPRR_GROUP_DELETE
};

struct ofp_flow_removed {
	uint64_t cookie, packet_count, byte_count;
	uint16_t priority, idle_timeout, hard_timeout;
	uint8_t reason, table;
	uint32_t duration_s, duration_ns;
	struct ofp_match match;
};
void ofp_flow_removed_encode(struct buffer *b, uint32_t xid, const struct ofp_flow_removed *f);
MUST_USE int ofp_flow_removed_decode(struct reader *body, struct ofp_flow_removed *ret);

enum ofp_group_mod_command { OFPGC_ADD, OFPGC_MODIFY, OFPGC_DELETE };
#define OFPGFC_SELECT_WEIGHT 1u /* of group features */
#define OFPGFC_SELECT_LIVENESS 2u
enum ofp_group_type { OFPGT_ALL, OFPGT_SELECT, OFPGT_INDIRECT, OFPGT_FAST_FAILOVER };

struct ofp_group_mod {
	uint16_t command;
	uint8_t type;
	uint32_t group;
	uint8_t bucket_count;
	struct ofp_bucket buckets[OFP_BUCKETS_MAX];
};
void ofp_group_mod_encode(struct buffer *b, uint32_t xid, const struct ofp_group_mod *g);
MUST_USE int ofp_group_mod_decode(struct reader *body, struct ofp_group_mod *ret);

#define OFPPC_PORT_DOWN 1u
#define OFPPS_LINK_DOWN 1u
#define OFPPS_BLOCKED 2u
#define OFPPS_LIVE 4u
#define OFP_PORT_NAME_SIZE 16

struct ofp_port {
	uint32_t number;
	struct mac mac;
	char name[OFP_PORT_NAME_SIZE]; /* always terminated */
	uint32_t config, state, current_features, current_speed, maximum_speed;
};
/* The bare port structure, as in PORT_STATUS and PORT_DESC; a short read fails 'rd'. */
void ofp_port_encode(struct buffer *b, const struct ofp_port *p);
void ofp_port_decode(struct reader *rd, struct ofp_port *ret);
enum ofp_port_reason { OFPPR_ADD, OFPPR_DELETE, OFPPR_MODIFY };
struct ofp_port_status {
	uint8_t reason;
	struct ofp_port port;
};
void ofp_port_status_encode(struct buffer *b, uint32_t xid, const struct ofp_port_status *p);
MUST_USE int ofp_port_status_decode(struct reader *body, struct ofp_port_status *ret);

enum ofp_role { OFPCR_NOCHANGE, OFPCR_EQUAL, OFPCR_MASTER, OFPCR_SLAVE };
struct ofp_role_message {
	uint32_t role;
	uint64_t generation_id;
};
void ofp_role_encode(struct buffer *b, enum ofp_type type, uint32_t xid,
		     const struct ofp_role_message *r);
MUST_USE int ofp_role_decode(struct reader *body, struct ofp_role_message *ret);
