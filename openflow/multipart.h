/* Multipart requests and replies (OpenFlow 1.3.5, section 7.3.5).  A reply of any length is cut
 * into messages of at most OFP_MESSAGE_MAX bytes: begin, add each item, end; the writer sets the
 * REPLY_MORE flags.  A received reply is read item by item through a cursor. */
#pragma once

#include "openflow/message.h"

enum ofp_multipart_type {
	OFPMP_DESC = 0,
	OFPMP_FLOW = 1,
	OFPMP_AGGREGATE = 2,
	OFPMP_TABLE = 3,
	OFPMP_PORT_STATS = 4,
	OFPMP_QUEUE = 5,
	OFPMP_GROUP = 6,
	OFPMP_GROUP_DESC = 7,
	OFPMP_GROUP_FEATURES = 8,
	OFPMP_METER = 9,
	OFPMP_METER_CONFIG = 10,
	OFPMP_METER_FEATURES = 11,
	OFPMP_TABLE_FEATURES = 12,
	OFPMP_PORT_DESC = 13,
	OFPMP_EXPERIMENTER = 0xffff,
};

struct ofp_multipart {
	uint16_t type;
	bool more;
	struct reader body; /* borrowed */
};
MUST_USE int ofp_multipart_decode(struct reader *body, struct ofp_multipart *ret);
/* A request with an empty body: DESC, TABLE, GROUP_DESC, PORT_DESC, GROUP_FEATURES. */
void ofp_multipart_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type);

struct ofp_flow_stats_request { /* FLOW and AGGREGATE */
	uint8_t table;
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	struct ofp_match match;
};
void ofp_flow_stats_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type,
				   const struct ofp_flow_stats_request *r);
MUST_USE int ofp_flow_stats_request_decode(struct reader *body, struct ofp_flow_stats_request *ret);
/* PORT_STATS (port, OFPP_ANY for all) and GROUP (group, OFPG_ALL for all) requests. */
void ofp_id_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type,
			   uint32_t id);
MUST_USE int ofp_id_request_decode(struct reader *body, uint32_t *ret_id);

struct ofp_multipart_writer {
	struct buffer *out;
	size_t start; /* of the message that is being filled */
	uint32_t xid;
	uint16_t type;
};
/* Between begin (resume) and end (pause) nothing else may be written to 'out', and nothing be taken
 * off its front.  A long reply is paused so that others get in between and the socket drains:
 * pause closes a message (with REPLY_MORE), resume opens the next. */
void ofp_multipart_begin(struct ofp_multipart_writer *w, struct buffer *out, uint32_t xid,
			 enum ofp_multipart_type type);
void ofp_multipart_pause(struct ofp_multipart_writer *w);
void ofp_multipart_resume(struct ofp_multipart_writer *w);
void ofp_multipart_end(struct ofp_multipart_writer *w);
/* For ..._add functions: the item that began at 'item' in 'out' is complete; it moves to a message
 * of its own if it overflows the one that is being filled. */
void ofp_multipart_item_end(struct ofp_multipart_writer *w, size_t item);

struct ofp_description {
	char manufacturer[256], hardware[256], software[256], serial[32], datapath[256];
};
void ofp_description_add(struct ofp_multipart_writer *w, const struct ofp_description *d);
MUST_USE int ofp_description_decode(struct reader *body, struct ofp_description *ret);

struct ofp_flow_stats {
	uint8_t table;
	uint32_t duration_s, duration_ns;
	uint16_t priority, idle_timeout, hard_timeout, flags;
	uint64_t cookie, packet_count, byte_count;
	struct ofp_match match;
	struct ofp_instructions instructions;
};
void ofp_flow_stats_add(struct ofp_multipart_writer *w, const struct ofp_flow_stats *f);

struct ofp_aggregate_stats {
	uint64_t packet_count, byte_count;
	uint32_t flow_count;
};
void ofp_aggregate_stats_add(struct ofp_multipart_writer *w, const struct ofp_aggregate_stats *a);
MUST_USE int ofp_aggregate_stats_decode(struct reader *body, struct ofp_aggregate_stats *ret);

struct ofp_table_stats {
	uint8_t table;
	uint32_t active_count;
	uint64_t lookup_count, matched_count;
};
void ofp_table_stats_add(struct ofp_multipart_writer *w, const struct ofp_table_stats *t);

struct ofp_port_stats {
	uint32_t port, duration_s, duration_ns;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors,
		tx_errors;
};
void ofp_port_stats_add(struct ofp_multipart_writer *w, const struct ofp_port_stats *p);
void ofp_port_desc_add(struct ofp_multipart_writer *w, const struct ofp_port *p);

struct ofp_group_stats {
	uint32_t group, reference_count, duration_s, duration_ns;
	uint64_t packet_count, byte_count;
	uint8_t bucket_count;
	struct {
		uint64_t packet_count, byte_count;
	} buckets[OFP_BUCKETS_MAX];
};
void ofp_group_stats_add(struct ofp_multipart_writer *w, const struct ofp_group_stats *g);
/* A group's type and buckets; 'command' is not used. */
void ofp_group_desc_add(struct ofp_multipart_writer *w, const struct ofp_group_mod *g);

/* Table features (section 7.3.5.5): a name and limits; instructions, next tables and actions are
 * given as what the table really takes. */
struct ofp_table_features {
	uint8_t table;
	char name[32];
	uint32_t max_entries;
	uint64_t metadata_match, metadata_write;
	uint8_t instructions;   /* bits of enum ofp_instruction */
	uint8_t next_tables;    /* bit n: goto n */
	uint64_t match_fields;  /* bit n: enum ofp_field n */
	uint64_t set_fields;    /* likewise */
	uint32_t apply_actions; /* bit n: enum ofp_action_type n */
};
void ofp_table_features_add(struct ofp_multipart_writer *w, const struct ofp_table_features *t);

/* Readers of a reply's body: 1 and '*ret' set, 0 at the end, or a negative error.  After an error
 * the next call goes on behind the item that was wrong (a flow with a field that we do not know).
 */
MUST_USE int ofp_flow_stats_next(struct reader *body, struct ofp_flow_stats *ret);
MUST_USE int ofp_table_stats_next(struct reader *body, struct ofp_table_stats *ret);
MUST_USE int ofp_port_stats_next(struct reader *body, struct ofp_port_stats *ret);
MUST_USE int ofp_port_desc_next(struct reader *body, struct ofp_port *ret);
MUST_USE int ofp_group_stats_next(struct reader *body, struct ofp_group_stats *ret);
MUST_USE int ofp_group_desc_next(struct reader *body, struct ofp_group_mod *ret);
