/* Multipart framing and requests (OpenFlow 1.3.5, section 7.3.5): one request, a reply in as many
 * messages as it takes.  The items in replies are multipart_reply.c's and table_features.c's. */
#include "openflow/multipart.h"

#include <assert.h>
#include <string.h>

#define MULTIPART_HEADER_SIZE (OFP_HEADER_SIZE + 8)
#define FLAG_MORE 1

static size_t begin(struct buffer *b, enum ofp_type message, uint32_t xid, uint16_t type)
{
	size_t start = ofp_message_begin(b, message, xid);

	write_u16(b, type);
	write_zeros(b, 6);
	return start;
}

int ofp_multipart_decode(struct reader *body, struct ofp_multipart *ret)
{
	ret->type = read_u16(body);
	ret->more = read_u16(body) & FLAG_MORE;
	read_skip(body, 4);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	ret->body = read_sub(body, reader_left(body));
	return 0;
}

void ofp_multipart_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type)
{
	size_t start = begin(b, OFPT_MULTIPART_REQUEST, xid, (uint16_t)type);

	ofp_message_end(b, start);
}

void ofp_flow_stats_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type,
				   const struct ofp_flow_stats_request *r)
{
	size_t start = begin(b, OFPT_MULTIPART_REQUEST, xid, (uint16_t)type);

	write_u8(b, r->table);
	write_zeros(b, 3);
	write_u32(b, r->out_port);
	write_u32(b, r->out_group);
	write_zeros(b, 4);
	write_u64(b, r->cookie);
	write_u64(b, r->cookie_mask);
	ofp_match_encode(&r->match, b);
	ofp_message_end(b, start);
}

int ofp_flow_stats_request_decode(struct reader *body, struct ofp_flow_stats_request *ret)
{
	int r;

	ret->table = read_u8(body);
	read_skip(body, 3);
	ret->out_port = read_u32(body);
	ret->out_group = read_u32(body);
	read_skip(body, 4);
	ret->cookie = read_u64(body);
	ret->cookie_mask = read_u64(body);
	if (body->failed)
		return -OFP_BAD_REQUEST_BAD_LEN;
	r = ofp_match_decode(body, &ret->match);
	if (r)
		return r;
	return reader_left(body) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

void ofp_id_request_encode(struct buffer *b, uint32_t xid, enum ofp_multipart_type type,
			   uint32_t id)
{
	size_t start = begin(b, OFPT_MULTIPART_REQUEST, xid, (uint16_t)type);

	write_u32(b, id);
	write_zeros(b, 4);
	ofp_message_end(b, start);
}

int ofp_id_request_decode(struct reader *body, uint32_t *ret_id)
{
	*ret_id = read_u32(body);
	read_skip(body, 4);
	return body->failed || reader_left(body) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

void ofp_multipart_begin(struct ofp_multipart_writer *w, struct buffer *out, uint32_t xid,
			 enum ofp_multipart_type type)
{
	w->out = out;
	w->xid = xid;
	w->type = (uint16_t)type;
	w->start = begin(out, OFPT_MULTIPART_REPLY, xid, w->type);
}

void ofp_multipart_end(struct ofp_multipart_writer *w)
{
	ofp_message_end(w->out, w->start);
}

void ofp_multipart_pause(struct ofp_multipart_writer *w)
{
	write_u16_at(w->out, w->start + OFP_HEADER_SIZE + 2, FLAG_MORE);
	ofp_message_end(w->out, w->start);
}

void ofp_multipart_resume(struct ofp_multipart_writer *w)
{
	w->start = begin(w->out, OFPT_MULTIPART_REPLY, w->xid, w->type);
}

void ofp_multipart_item_end(struct ofp_multipart_writer *w, size_t item)
{
	struct buffer *b = w->out;
	size_t size = b->size - item;

	if (b->size - w->start <= OFP_MESSAGE_MAX)
		return;
	/* The item does not fit any more: a header goes in before it, and it opens the next
	 * message. */
	assert(size <= OFP_MESSAGE_MAX - MULTIPART_HEADER_SIZE);
	(void)buffer_add(b, MULTIPART_HEADER_SIZE);
	memmove(b->data + item + MULTIPART_HEADER_SIZE, b->data + item, size);
	memcpy(b->data + item, b->data + w->start, MULTIPART_HEADER_SIZE);
	write_u16_at(b, w->start + OFP_HEADER_SIZE + 2, FLAG_MORE);
	write_u16_at(b, w->start + 2, (uint16_t)(item - w->start));
	w->start = item;
}
