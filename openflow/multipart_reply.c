/* The items of multipart replies, written and read (OpenFlow 1.3.5, sections 7.3.5.1 to 7.3.5.10).
 * The framing around them is multipart.c's.
 *
 * Readers step over the whole item before they look into it, so that one which we cannot make sense
 * of is one error, and the next call goes on behind it. */
#include "openflow/multipart.h"

#include <string.h>

#define DESCRIPTION_SIZE 1056
#define FLOW_STATS_SIZE 48
#define TABLE_STATS_SIZE 24
#define PORT_SIZE 64
#define PORT_STATS_SIZE 112
#define GROUP_STATS_SIZE 40
#define GROUP_DESC_SIZE 8

/* Text in a fixed field, with a zero at its end. */
static void write_text(struct buffer *b, const char *text, size_t size)
{
	size_t length = strnlen(text, size - 1);

	buffer_add_bytes(b, text, length);
	write_zeros(b, size - length);
}

static void read_text(struct reader *rd, char *ret, size_t size)
{
	read_bytes(rd, ret, size);
	ret[size - 1] = 0;
}

void ofp_description_add(struct ofp_multipart_writer *w, const struct ofp_description *d)
{
	size_t item = w->out->size;

	write_text(w->out, d->manufacturer, sizeof(d->manufacturer));
	write_text(w->out, d->hardware, sizeof(d->hardware));
	write_text(w->out, d->software, sizeof(d->software));
	write_text(w->out, d->serial, sizeof(d->serial));
	write_text(w->out, d->datapath, sizeof(d->datapath));
	ofp_multipart_item_end(w, item);
}

int ofp_description_decode(struct reader *body, struct ofp_description *ret)
{
	if (reader_left(body) != DESCRIPTION_SIZE)
		return -OFP_BAD_REQUEST_BAD_LEN;
	read_text(body, ret->manufacturer, sizeof(ret->manufacturer));
	read_text(body, ret->hardware, sizeof(ret->hardware));
	read_text(body, ret->software, sizeof(ret->software));
	read_text(body, ret->serial, sizeof(ret->serial));
	read_text(body, ret->datapath, sizeof(ret->datapath));
	return 0;
}

/* The next item of 'size' bytes: 1, 0 at the end, or an error. */
static int next_fixed(struct reader *body, size_t size, struct reader *ret)
{
	if (!reader_left(body))
		return 0;
	*ret = read_sub(body, size);
	return ret->failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}

/* The same for an item that starts with its own size; 'ret' begins behind that. */
static int next_sized(struct reader *body, size_t least, struct reader *ret)
{
	uint16_t size;

	if (!reader_left(body))
		return 0;
	size = read_u16(body);
	*ret = read_sub(body, size < least ? SIZE_MAX : size - 2u);
	return ret->failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}

void ofp_flow_stats_add(struct ofp_multipart_writer *w, const struct ofp_flow_stats *f)
{
	struct buffer *b = w->out;
	size_t item = b->size;

	write_u16(b, 0);
	write_u8(b, f->table);
	write_u8(b, 0);
	write_u32(b, f->duration_s);
	write_u32(b, f->duration_ns);
	write_u16(b, f->priority);
	write_u16(b, f->idle_timeout);
	write_u16(b, f->hard_timeout);
	write_u16(b, f->flags);
	write_zeros(b, 4);
	write_u64(b, f->cookie);
	write_u64(b, f->packet_count);
	write_u64(b, f->byte_count);
	ofp_match_encode(&f->match, b);
	ofp_instructions_encode(&f->instructions, b);
	write_u16_at(b, item, (uint16_t)(b->size - item));
	ofp_multipart_item_end(w, item);
}

int ofp_flow_stats_next(struct reader *body, struct ofp_flow_stats *ret)
{
	struct reader item;
	int r = next_sized(body, FLOW_STATS_SIZE + 8, &item);

	if (r <= 0)
		return r;
	ret->table = read_u8(&item);
	read_skip(&item, 1);
	ret->duration_s = read_u32(&item);
	ret->duration_ns = read_u32(&item);
	ret->priority = read_u16(&item);
	ret->idle_timeout = read_u16(&item);
	ret->hard_timeout = read_u16(&item);
	ret->flags = read_u16(&item);
	read_skip(&item, 4);
	ret->cookie = read_u64(&item);
	ret->packet_count = read_u64(&item);
	ret->byte_count = read_u64(&item);
	r = ofp_match_decode(&item, &ret->match);
	if (!r)
		r = ofp_instructions_decode(&item, &ret->instructions);
	return r ? r : 1;
}

void ofp_aggregate_stats_add(struct ofp_multipart_writer *w, const struct ofp_aggregate_stats *a)
{
	size_t item = w->out->size;

	write_u64(w->out, a->packet_count);
	write_u64(w->out, a->byte_count);
	write_u32(w->out, a->flow_count);
	write_zeros(w->out, 4);
	ofp_multipart_item_end(w, item);
}

int ofp_aggregate_stats_decode(struct reader *body, struct ofp_aggregate_stats *ret)
{
	ret->packet_count = read_u64(body);
	ret->byte_count = read_u64(body);
	ret->flow_count = read_u32(body);
	read_skip(body, 4);
	return body->failed || reader_left(body) ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

void ofp_table_stats_add(struct ofp_multipart_writer *w, const struct ofp_table_stats *t)
{
	size_t item = w->out->size;

	write_u8(w->out, t->table);
	write_zeros(w->out, 3);
	write_u32(w->out, t->active_count);
	write_u64(w->out, t->lookup_count);
	write_u64(w->out, t->matched_count);
	ofp_multipart_item_end(w, item);
}

int ofp_table_stats_next(struct reader *body, struct ofp_table_stats *ret)
{
	struct reader item;
	int r = next_fixed(body, TABLE_STATS_SIZE, &item);

	if (r <= 0)
		return r;
	ret->table = read_u8(&item);
	read_skip(&item, 3);
	ret->active_count = read_u32(&item);
	ret->lookup_count = read_u64(&item);
	ret->matched_count = read_u64(&item);
	return 1;
}

void ofp_port_stats_add(struct ofp_multipart_writer *w, const struct ofp_port_stats *p)
{
	struct buffer *b = w->out;
	size_t item = b->size;

	write_u32(b, p->port);
	write_zeros(b, 4);
	write_u64(b, p->rx_packets);
	write_u64(b, p->tx_packets);
	write_u64(b, p->rx_bytes);
	write_u64(b, p->tx_bytes);
	write_u64(b, p->rx_dropped);
	write_u64(b, p->tx_dropped);
	write_u64(b, p->rx_errors);
	write_u64(b, p->tx_errors);
	write_zeros(b, 32); /* frame, overrun and CRC errors, collisions: not kept */
	write_u32(b, p->duration_s);
	write_u32(b, p->duration_ns);
	ofp_multipart_item_end(w, item);
}

int ofp_port_stats_next(struct reader *body, struct ofp_port_stats *ret)
{
	struct reader item;
	int r = next_fixed(body, PORT_STATS_SIZE, &item);

	if (r <= 0)
		return r;
	ret->port = read_u32(&item);
	read_skip(&item, 4);
	ret->rx_packets = read_u64(&item);
	ret->tx_packets = read_u64(&item);
	ret->rx_bytes = read_u64(&item);
	ret->tx_bytes = read_u64(&item);
	ret->rx_dropped = read_u64(&item);
	ret->tx_dropped = read_u64(&item);
	ret->rx_errors = read_u64(&item);
	ret->tx_errors = read_u64(&item);
	read_skip(&item, 32);
	ret->duration_s = read_u32(&item);
	ret->duration_ns = read_u32(&item);
	return 1;
}

void ofp_port_desc_add(struct ofp_multipart_writer *w, const struct ofp_port *p)
{
	size_t item = w->out->size;

	ofp_port_encode(w->out, p);
	ofp_multipart_item_end(w, item);
}

int ofp_port_desc_next(struct reader *body, struct ofp_port *ret)
{
	struct reader item;
	int r = next_fixed(body, PORT_SIZE, &item);

	if (r > 0)
		ofp_port_decode(&item, ret);
	return r;
}

void ofp_group_stats_add(struct ofp_multipart_writer *w, const struct ofp_group_stats *g)
{
	struct buffer *b = w->out;
	size_t item = b->size;

	write_u16(b, (uint16_t)(GROUP_STATS_SIZE + g->bucket_count * 16));
	write_zeros(b, 2);
	write_u32(b, g->group);
	write_u32(b, g->reference_count);
	write_zeros(b, 4);
	write_u64(b, g->packet_count);
	write_u64(b, g->byte_count);
	write_u32(b, g->duration_s);
	write_u32(b, g->duration_ns);
	for (unsigned i = 0; i < g->bucket_count; i++) {
		write_u64(b, g->buckets[i].packet_count);
		write_u64(b, g->buckets[i].byte_count);
	}
	ofp_multipart_item_end(w, item);
}

int ofp_group_stats_next(struct reader *body, struct ofp_group_stats *ret)
{
	struct reader item;
	int r = next_sized(body, GROUP_STATS_SIZE, &item);

	if (r <= 0)
		return r;
	read_skip(&item, 2);
	ret->group = read_u32(&item);
	ret->reference_count = read_u32(&item);
	read_skip(&item, 4);
	ret->packet_count = read_u64(&item);
	ret->byte_count = read_u64(&item);
	ret->duration_s = read_u32(&item);
	ret->duration_ns = read_u32(&item);
	ret->bucket_count = 0;
	while (reader_left(&item)) {
		if (ret->bucket_count == OFP_BUCKETS_MAX)
			return -OFP_GROUP_MOD_FAILED_OUT_OF_BUCKETS;
		ret->buckets[ret->bucket_count].packet_count = read_u64(&item);
		ret->buckets[ret->bucket_count++].byte_count = read_u64(&item);
	}
	return item.failed ? -OFP_BAD_REQUEST_BAD_LEN : 1;
}

void ofp_group_desc_add(struct ofp_multipart_writer *w, const struct ofp_group_mod *g)
{
	struct buffer *b = w->out;
	size_t item = b->size;

	write_u16(b, 0);
	write_u8(b, g->type);
	write_u8(b, 0);
	write_u32(b, g->group);
	ofp_buckets_encode(g->buckets, g->bucket_count, b);
	write_u16_at(b, item, (uint16_t)(b->size - item));
	ofp_multipart_item_end(w, item);
}

int ofp_group_desc_next(struct reader *body, struct ofp_group_mod *ret)
{
	struct reader item;
	int r = next_sized(body, GROUP_DESC_SIZE, &item);

	if (r <= 0)
		return r;
	ret->command = OFPGC_ADD;
	ret->type = read_u8(&item);
	read_skip(&item, 1);
	ret->group = read_u32(&item);
	if (ret->type > OFPGT_FAST_FAILOVER)
		return -OFP_GROUP_MOD_FAILED_BAD_TYPE;
	r = ofp_buckets_decode(&item, ret->buckets, &ret->bucket_count);
	return r ? r : 1;
}
