/* One message through its decoder and its encoder, by type. */
#include "reencode.h"

#include "openflow/message.h"
#include "openflow/multipart.h"

/* X(message type, struct, decode, encode): types whose struct is the whole body. */
#define SIMPLE(X)                                                                                \
	X(OFPT_FEATURES_REPLY, ofp_features, ofp_features_decode, ofp_features_encode)           \
	X(OFPT_PACKET_IN, ofp_packet_in, ofp_packet_in_decode, ofp_packet_in_encode)             \
	X(OFPT_PACKET_OUT, ofp_packet_out, ofp_packet_out_decode, ofp_packet_out_encode)         \
	X(OFPT_FLOW_MOD, ofp_flow_mod, ofp_flow_mod_decode, ofp_flow_mod_encode)                 \
	X(OFPT_FLOW_REMOVED, ofp_flow_removed, ofp_flow_removed_decode, ofp_flow_removed_encode) \
	X(OFPT_GROUP_MOD, ofp_group_mod, ofp_group_mod_decode, ofp_group_mod_encode)             \
	X(OFPT_PORT_STATUS, ofp_port_status, ofp_port_status_decode, ofp_port_status_encode)     \
	X(OFPT_ERROR, ofp_error, ofp_error_decode, ofp_error_encode)

#define SIMPLE_CASE(type, name, decode, encode)  \
	case type: {                             \
		struct name s;                   \
		int result = decode(body, &s);   \
                                                 \
		if (!result)                     \
			encode(out, h->xid, &s); \
		return result;                   \
	}

/* X(multipart type, struct, next, add) */
#define ITEMS(X)                                                                     \
	X(OFPMP_FLOW, ofp_flow_stats, ofp_flow_stats_next, ofp_flow_stats_add)       \
	X(OFPMP_TABLE, ofp_table_stats, ofp_table_stats_next, ofp_table_stats_add)   \
	X(OFPMP_PORT_STATS, ofp_port_stats, ofp_port_stats_next, ofp_port_stats_add) \
	X(OFPMP_PORT_DESC, ofp_port, ofp_port_desc_next, ofp_port_desc_add)          \
	X(OFPMP_GROUP, ofp_group_stats, ofp_group_stats_next, ofp_group_stats_add)   \
	X(OFPMP_GROUP_DESC, ofp_group_mod, ofp_group_desc_next, ofp_group_desc_add)

#define ITEM_CASE(type, name, next, add)              \
	case type: {                                  \
		struct name s;                        \
		int result;                           \
                                                      \
		while ((result = next(body, &s)) > 0) \
			add(w, &s);                   \
		return result;                        \
	}

static int reencode_items(uint16_t type, struct reader *body, struct ofp_multipart_writer *w)
{
	struct ofp_description description;
	struct ofp_aggregate_stats aggregate;
	int r;

	switch (type) {
		ITEMS(ITEM_CASE)
	case OFPMP_DESC:
		r = ofp_description_decode(body, &description);
		if (!r)
			ofp_description_add(w, &description);
		return r;
	case OFPMP_AGGREGATE:
		r = ofp_aggregate_stats_decode(body, &aggregate);
		if (!r)
			ofp_aggregate_stats_add(w, &aggregate);
		return r;
	default:
		return 1;
	}
}

static int reencode_reply(const struct ofp_header *h, struct reader *body, struct buffer *out)
{
	struct ofp_multipart_writer w;
	struct ofp_multipart m;
	int r = ofp_multipart_decode(body, &m);

	if (r)
		return r;
	ofp_multipart_begin(&w, out, h->xid, m.type);
	r = reencode_items(m.type, &m.body, &w);
	if (m.more)
		ofp_multipart_pause(&w);
	else
		ofp_multipart_end(&w);
	return r;
}

static int reencode_request(const struct ofp_header *h, struct reader *body, struct buffer *out)
{
	struct ofp_flow_stats_request flow;
	struct ofp_multipart m;
	uint32_t id;
	int r = ofp_multipart_decode(body, &m);

	if (r)
		return r;
	switch (m.type) {
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		r = ofp_flow_stats_request_decode(&m.body, &flow);
		if (!r)
			ofp_flow_stats_request_encode(out, h->xid, m.type, &flow);
		return r;
	case OFPMP_PORT_STATS:
	case OFPMP_GROUP:
		r = ofp_id_request_decode(&m.body, &id);
		if (!r)
			ofp_id_request_encode(out, h->xid, m.type, id);
		return r;
	default:
		ofp_multipart_request_encode(out, h->xid, m.type);
		return 0;
	}
}

static int reencode_typed(const struct ofp_header *h, struct reader *body, struct buffer *out)
{
	struct ofp_config config;
	struct ofp_role_message role;
	uint32_t versions;
	int r;

	switch (h->type) {
	case OFPT_GET_CONFIG_REPLY:
	case OFPT_SET_CONFIG:
		r = ofp_config_decode(body, &config);
		if (!r)
			ofp_config_encode(out, h->type, h->xid, &config);
		return r;
	case OFPT_ROLE_REQUEST:
	case OFPT_ROLE_REPLY:
		r = ofp_role_decode(body, &role);
		if (!r)
			ofp_role_encode(out, h->type, h->xid, &role);
		return r;
	case OFPT_HELLO:
		r = ofp_hello_decode(body, h->version, &versions);
		if (!r && versions == 1u << OFP_VERSION)
			ofp_hello_encode(out, h->xid);
		return r;
	case OFPT_ECHO_REQUEST:
	case OFPT_ECHO_REPLY:
		ofp_echo_encode(out, h->type, h->xid, body->at, reader_left(body));
		return 0;
	case OFPT_FEATURES_REQUEST:
	case OFPT_GET_CONFIG_REQUEST:
	case OFPT_BARRIER_REQUEST:
	case OFPT_BARRIER_REPLY:
		ofp_empty_encode(out, h->type, h->xid);
		return 0;
	case OFPT_MULTIPART_REQUEST:
		return reencode_request(h, body, out);
	case OFPT_MULTIPART_REPLY:
		return reencode_reply(h, body, out);
	default:
		return 1;
	}
}

int reencode(const uint8_t *bytes, size_t size, struct buffer *out)
{
	struct reader rd = reader_make(bytes, size), all = rd, *body = &rd;
	struct ofp_header header, *h = &header;
	int r = ofp_header_decode(&rd, h);

	if (r)
		return r;
	if (h->size > reader_left(&all))
		return -OFP_BAD_REQUEST_BAD_LEN;
	rd.end = bytes + h->size;
	switch (h->type) {
		SIMPLE(SIMPLE_CASE)
	default:
		return reencode_typed(h, body, out);
	}
}
