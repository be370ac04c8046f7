/* Messages with bodies of their own (OpenFlow 1.3.5, sections 7.1, 7.3, 7.4, 7.5); multipart ones
 * are in multipart.c.  Matches and actions inside are match_wire.c's and action.c's. */
#include "openflow/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ERROR_OFFENDER_MAX 256 /* at least 64 (7.4.4); whole, for any rule's flow-mod */
#define HELLO_VERSION_BITMAP 1
#define ERROR_TYPE_EXPERIMENTER 0xffff

size_t ofp_message_begin(struct buffer *b, enum ofp_type type, uint32_t xid)
{
	size_t start = b->size;

	write_u8(b, OFP_VERSION);
	write_u8(b, (uint8_t)type);
	write_u16(b, OFP_HEADER_SIZE);
	write_u32(b, xid);
	return start;
}

void ofp_message_end(struct buffer *b, size_t start)
{
	assert(b->size - start <= OFP_MESSAGE_MAX);
	write_u16_at(b, start + 2, (uint16_t)(b->size - start));
}

/* As much of borrowed data as still fits the message. */
static void write_data(struct buffer *b, size_t start, const void *data, size_t size)
{
	size_t room = OFP_MESSAGE_MAX - (b->size - start);

	buffer_add_bytes(b, data, size < room ? size : room);
}

/* What a body of fixed fields ends with: all were there, and nothing else. */
static int body_end(const struct reader *body)
{
	return body->failed || reader_left(body) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

int ofp_header_decode(struct reader *rd, struct ofp_header *ret)
{
	ret->version = read_u8(rd);
	ret->type = read_u8(rd);
	ret->size = read_u16(rd);
	ret->xid = read_u32(rd);
	if (rd->failed)
		return -EBADMSG;
	return ret->size < OFP_HEADER_SIZE ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

void ofp_empty_encode(struct buffer *b, enum ofp_type type, uint32_t xid)
{
	(void)ofp_message_begin(b, type, xid);
}

const char *ofp_type_name(uint8_t type)
{
	static const char *const names[] = {
		"HELLO",
		"ERROR",
		"ECHO_REQUEST",
		"ECHO_REPLY",
		"EXPERIMENTER",
		"FEATURES_REQUEST",
		"FEATURES_REPLY",
		"GET_CONFIG_REQUEST",
		"GET_CONFIG_REPLY",
		"SET_CONFIG",
		"PACKET_IN",
		"FLOW_REMOVED",
		"PORT_STATUS",
		"PACKET_OUT",
		"FLOW_MOD",
		"GROUP_MOD",
		"PORT_MOD",
		"TABLE_MOD",
		"MULTIPART_REQUEST",
		"MULTIPART_REPLY",
		"BARRIER_REQUEST",
		"BARRIER_REPLY",
		"QUEUE_GET_CONFIG_REQUEST",
		"QUEUE_GET_CONFIG_REPLY",
		"ROLE_REQUEST",
		"ROLE_REPLY",
		"GET_ASYNC_REQUEST",
		"GET_ASYNC_REPLY",
		"SET_ASYNC",
		"METER_MOD",
	};

	return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

void ofp_hello_encode(struct buffer *b, uint32_t xid)
{
	size_t start = ofp_message_begin(b, OFPT_HELLO, xid);

	write_u16(b, HELLO_VERSION_BITMAP);
	write_u16(b, 8);
	write_u32(b, 1u << OFP_VERSION);
	ofp_message_end(b, start);
}

int ofp_hello_decode(struct reader *body, uint8_t header_version, uint32_t *ret_versions)
{
	/* Without the bitmap, all versions up to the header's. */
	*ret_versions = header_version >= 31 ? ~1u : (2u << header_version) - 2;
	while (reader_left(body)) {
		uint16_t type = read_u16(body), size = read_u16(body);
		struct reader element;

		if (body->failed || size < 4)
			return -OFP_BAD_REQUEST_BAD_LEN;
		element = read_sub(body, size - 4u);
		if (element.failed)
			return -OFP_BAD_REQUEST_BAD_LEN;
		/* The last element's padding may be cut off: Open vSwitch takes that too. */
		read_skip(body, reader_left(body) ? (8 - size % 8u) % 8 : 0);
		if (type == HELLO_VERSION_BITMAP && size >= 8)
			*ret_versions = read_u32(&element);
	}
	return 0;
}

/* What goes into an ERROR for a result that is no OpenFlow error: a decoder's short read is a bad
 * length; anything else is "not permitted". */
static int as_openflow_error(int result)
{
	if (ofp_error_is(result))
		return result;
	return result == -EBADMSG ? -OFP_BAD_REQUEST_BAD_LEN : -OFP_BAD_REQUEST_EPERM;
}

void ofp_error_encode(struct buffer *b, uint32_t xid, const struct ofp_error *e)
{
	size_t start = ofp_message_begin(b, OFPT_ERROR, xid);
	size_t size = e->offender_size < ERROR_OFFENDER_MAX ? e->offender_size : ERROR_OFFENDER_MAX;
	int result = as_openflow_error(e->result);
	uint16_t type = ofp_error_type(result);

	write_u16(b, type == (ERROR_TYPE_EXPERIMENTER & 0x3fff) ? ERROR_TYPE_EXPERIMENTER : type);
	write_u16(b, ofp_error_code(result));
	buffer_add_bytes(b, e->offender, size);
	ofp_message_end(b, start);
}

int ofp_error_decode(struct reader *body, struct ofp_error *ret)
{
	uint16_t type = read_u16(body), code = read_u16(body);

	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	ret->result = -OFP_ERROR(type & 0x3fff, code);
	ret->offender_size = reader_left(body);
	ret->offender = read_borrow(body, ret->offender_size);
	return 0;
}

void ofp_echo_encode(struct buffer *b, enum ofp_type type, uint32_t xid, const void *payload,
		     size_t size)
{
	size_t start = ofp_message_begin(b, type, xid);

	write_data(b, start, payload, size);
	ofp_message_end(b, start);
}

void ofp_features_encode(struct buffer *b, uint32_t xid, const struct ofp_features *f)
{
	size_t start = ofp_message_begin(b, OFPT_FEATURES_REPLY, xid);

	write_u64(b, f->datapath_id);
	write_u32(b, f->buffer_count);
	write_u8(b, f->table_count);
	write_u8(b, f->auxiliary_id);
	write_zeros(b, 2);
	write_u32(b, f->capabilities);
	write_zeros(b, 4);
	ofp_message_end(b, start);
}

int ofp_features_decode(struct reader *body, struct ofp_features *ret)
{
	ret->datapath_id = read_u64(body);
	ret->buffer_count = read_u32(body);
	ret->table_count = read_u8(body);
	ret->auxiliary_id = read_u8(body);
	read_skip(body, 2);
	ret->capabilities = read_u32(body);
	read_skip(body, 4);
	return body_end(body);
}

void ofp_config_encode(struct buffer *b, enum ofp_type type, uint32_t xid,
		       const struct ofp_config *c)
{
	size_t start = ofp_message_begin(b, type, xid);

	write_u16(b, c->flags);
	write_u16(b, c->miss_send_size);
	ofp_message_end(b, start);
}

int ofp_config_decode(struct reader *body, struct ofp_config *ret)
{
	ret->flags = read_u16(body);
	ret->miss_send_size = read_u16(body);
	return body_end(body);
}

void ofp_packet_in_encode(struct buffer *b, uint32_t xid, const struct ofp_packet_in *p)
{
	size_t start = ofp_message_begin(b, OFPT_PACKET_IN, xid);

	write_u32(b, p->buffer_id);
	write_u16(b, p->total_size);
	write_u8(b, p->reason);
	write_u8(b, p->table);
	write_u64(b, p->cookie);
	ofp_match_encode(&p->match, b);
	write_zeros(b, 2);
	write_data(b, start, p->data, p->data_size);
	ofp_message_end(b, start);
}

int ofp_packet_in_decode(struct reader *body, struct ofp_packet_in *ret)
{
	int r;

	ret->buffer_id = read_u32(body);
	ret->total_size = read_u16(body);
	ret->reason = read_u8(body);
	ret->table = read_u8(body);
	ret->cookie = read_u64(body);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	r = ofp_match_decode_lenient(body, &ret->match);
	if (r)
		return r;
	read_skip(body, 2);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	ret->data_size = reader_left(body);
	ret->data = read_borrow(body, ret->data_size);
	return 0;
}

void ofp_packet_out_encode(struct buffer *b, uint32_t xid, const struct ofp_packet_out *p)
{
	size_t start = ofp_message_begin(b, OFPT_PACKET_OUT, xid), actions;

	write_u32(b, p->buffer_id);
	write_u32(b, p->in_port);
	write_zeros(b, 8);
	actions = b->size;
	ofp_actions_encode(&p->actions, b);
	write_u16_at(b, actions - 8, (uint16_t)(b->size - actions));
	write_data(b, start, p->data, p->data_size);
	ofp_message_end(b, start);
}

int ofp_packet_out_decode(struct reader *body, struct ofp_packet_out *ret)
{
	struct reader actions;
	uint16_t size;

	ret->buffer_id = read_u32(body);
	ret->in_port = read_u32(body);
	size = read_u16(body);
	read_skip(body, 6);
	actions = read_sub(body, size);
	if (actions.failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	ret->data_size = reader_left(body);
	ret->data = read_borrow(body, ret->data_size);
	return ofp_actions_decode(&actions, &ret->actions);
}

#define FLOW_MOD_FLAGS                                                                          \
	(OFPFF_SEND_FLOW_REM | OFPFF_CHECK_OVERLAP | OFPFF_RESET_COUNTS | OFPFF_NO_PKT_COUNTS | \
	 OFPFF_NO_BYT_COUNTS)

void ofp_flow_mod_encode(struct buffer *b, uint32_t xid, const struct ofp_flow_mod *f)
{
	size_t start = ofp_message_begin(b, OFPT_FLOW_MOD, xid);

	write_u64(b, f->cookie);
	write_u64(b, f->cookie_mask);
	write_u8(b, f->table);
	write_u8(b, f->command);
	write_u16(b, f->idle_timeout);
	write_u16(b, f->hard_timeout);
	write_u16(b, f->priority);
	write_u32(b, f->buffer_id);
	write_u32(b, f->out_port);
	write_u32(b, f->out_group);
	write_u16(b, f->flags);
	write_zeros(b, 2);
	ofp_match_encode(&f->match, b);
	ofp_instructions_encode(&f->instructions, b);
	ofp_message_end(b, start);
}

int ofp_flow_mod_decode(struct reader *body, struct ofp_flow_mod *ret)
{
	int r;

	ret->cookie = read_u64(body);
	ret->cookie_mask = read_u64(body);
	ret->table = read_u8(body);
	ret->command = read_u8(body);
	ret->idle_timeout = read_u16(body);
	ret->hard_timeout = read_u16(body);
	ret->priority = read_u16(body);
	ret->buffer_id = read_u32(body);
	ret->out_port = read_u32(body);
	ret->out_group = read_u32(body);
	ret->flags = read_u16(body);
	read_skip(body, 2);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	if (ret->command > OFPFC_DELETE_STRICT)
		return -OFP_FLOW_MOD_FAILED_BAD_COMMAND;
	if (ret->flags & ~FLOW_MOD_FLAGS)
		return -OFP_FLOW_MOD_FAILED_BAD_FLAGS;
	r = ofp_match_decode(body, &ret->match);
	return r ? r : ofp_instructions_decode(body, &ret->instructions);
}

void ofp_flow_removed_encode(struct buffer *b, uint32_t xid, const struct ofp_flow_removed *f)
{
	size_t start = ofp_message_begin(b, OFPT_FLOW_REMOVED, xid);

	write_u64(b, f->cookie);
	write_u16(b, f->priority);
	write_u8(b, f->reason);
	write_u8(b, f->table);
	write_u32(b, f->duration_s);
	write_u32(b, f->duration_ns);
	write_u16(b, f->idle_timeout);
	write_u16(b, f->hard_timeout);
	write_u64(b, f->packet_count);
	write_u64(b, f->byte_count);
	ofp_match_encode(&f->match, b);
	ofp_message_end(b, start);
}

int ofp_flow_removed_decode(struct reader *body, struct ofp_flow_removed *ret)
{
	int r;

	ret->cookie = read_u64(body);
	ret->priority = read_u16(body);
	ret->reason = read_u8(body);
	ret->table = read_u8(body);
	ret->duration_s = read_u32(body);
	ret->duration_ns = read_u32(body);
	ret->idle_timeout = read_u16(body);
	ret->hard_timeout = read_u16(body);
	ret->packet_count = read_u64(body);
	ret->byte_count = read_u64(body);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	r = ofp_match_decode(body, &ret->match);
	return r ? r : body_end(body);
}

void ofp_group_mod_encode(struct buffer *b, uint32_t xid, const struct ofp_group_mod *g)
{
	size_t start = ofp_message_begin(b, OFPT_GROUP_MOD, xid);

	write_u16(b, g->command);
	write_u8(b, g->type);
	write_u8(b, 0);
	write_u32(b, g->group);
	ofp_buckets_encode(g->buckets, g->bucket_count, b);
	ofp_message_end(b, start);
}

int ofp_group_mod_decode(struct reader *body, struct ofp_group_mod *ret)
{
	ret->command = read_u16(body);
	ret->type = read_u8(body);
	read_skip(body, 1);
	ret->group = read_u32(body);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	if (ret->command > OFPGC_DELETE)
		return -OFP_GROUP_MOD_FAILED_BAD_COMMAND;
	if (ret->type > OFPGT_FAST_FAILOVER)
		return -OFP_GROUP_MOD_FAILED_BAD_TYPE;
	return ofp_buckets_decode(body, ret->buckets, &ret->bucket_count);
}

void ofp_port_encode(struct buffer *b, const struct ofp_port *p)
{
	write_u32(b, p->number);
	write_zeros(b, 4);
	buffer_add_bytes(b, p->mac.bytes, sizeof(p->mac.bytes));
	write_zeros(b, 2);
	buffer_add_bytes(b, p->name, sizeof(p->name));
	write_u32(b, p->config);
	write_u32(b, p->state);
	write_u32(b, p->current_features);
	write_zeros(b, 12); /* advertised, supported, peer: not kept */
	write_u32(b, p->current_speed);
	write_u32(b, p->maximum_speed);
}

void ofp_port_decode(struct reader *rd, struct ofp_port *ret)
{
	ret->number = read_u32(rd);
	read_skip(rd, 4);
	read_bytes(rd, ret->mac.bytes, sizeof(ret->mac.bytes));
	read_skip(rd, 2);
	read_bytes(rd, ret->name, sizeof(ret->name));
	ret->name[sizeof(ret->name) - 1] = 0;
	ret->config = read_u32(rd);
	ret->state = read_u32(rd);
	ret->current_features = read_u32(rd);
	read_skip(rd, 12);
	ret->current_speed = read_u32(rd);
	ret->maximum_speed = read_u32(rd);
}

void ofp_port_status_encode(struct buffer *b, uint32_t xid, const struct ofp_port_status *p)
{
	size_t start = ofp_message_begin(b, OFPT_PORT_STATUS, xid);

	write_u8(b, p->reason);
	write_zeros(b, 7);
	ofp_port_encode(b, &p->port);
	ofp_message_end(b, start);
}

int ofp_port_status_decode(struct reader *body, struct ofp_port_status *ret)
{
	ret->reason = read_u8(body);
	read_skip(body, 7);
	ofp_port_decode(body, &ret->port);
	return body_end(body);
}

void ofp_role_encode(struct buffer *b, enum ofp_type type, uint32_t xid,
		     const struct ofp_role_message *r)
{
	size_t start = ofp_message_begin(b, type, xid);

	write_u32(b, r->role);
	write_zeros(b, 4);
	write_u64(b, r->generation_id);
	ofp_message_end(b, start);
}

int ofp_role_decode(struct reader *body, struct ofp_role_message *ret)
{
	ret->role = read_u32(body);
	read_skip(body, 4);
	ret->generation_id = read_u64(body);
	if (body->failed || reader_left(body))
		return -OFP_BAD_REQUEST_BAD_LEN;
	return ret->role > OFPCR_SLAVE ? -OFP_ROLE_REQUEST_FAILED_BAD_ROLE : 0;
}
