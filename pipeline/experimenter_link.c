/* The experimenter messages about backplane links as bytes: pipeline/experimenter.c has the others,
 * and the framing that they share (pipeline/experimenter_private.h). */
#include "pipeline/experimenter.h"
#include "pipeline/experimenter_private.h"
#include "pipeline/rule.h"

#include <string.h>

#define LINK_LABEL_MAX 0xfffffu /* 20 bits (RFC 3032) */
#define LINK_ITEM_SIZE (64 + 32)

static void write_info(struct buffer *b, const struct link_info *l)
{
	write_u32(b, l->number);
	write_u32(b, l->fe);
	write_u8(b, l->kind);
	write_u8(b, l->multiplier);
	write_u16(b, l->interval_ms);
	buffer_add_bytes(b, l->remote.bytes, 16);
	write_u16(b, l->remote_port);
	write_u16(b, l->mtu);
	write_u8(b, l->label_count);
	write_zeros(b, 7);
	for (unsigned i = 0; i < LINK_LABELS_MAX; i++)
		write_u32(b, l->labels[i]);
	write_u32(b, l->label_in);
	write_zeros(b, 4);
}

static bool is_logical(const struct link_info *l)
{
	return l->kind == LINK_IP || l->kind == LINK_UDP;
}

/* 0, or -1: a number, kind, count or label that there cannot be. */
static int check_info(const struct link_info *l)
{
	if (l->kind < LINK_ETHERNET || l->kind > LINK_UDP || !l->fe || l->fe > PIPELINE_FE_MAX)
		return -1;
	if (is_logical(l) ? l->number != PIPELINE_LINK_PORT(l->fe)
			  : !l->number || l->number > PIPELINE_PORT_MAX)
		return -1;
	if (l->interval_ms && !l->multiplier)
		return -1;
	if (l->label_count > LINK_LABELS_MAX || (l->label_count && l->kind != LINK_MPLS) ||
	    l->label_in > LINK_LABEL_MAX)
		return -1;
	for (unsigned i = 0; i < LINK_LABELS_MAX; i++)
		if (i < l->label_count ? l->labels[i] > LINK_LABEL_MAX : l->labels[i] != 0)
			return -1;
	return 0;
}

static int read_info(struct reader *rd, struct link_info *ret)
{
	ret->number = read_u32(rd);
	ret->fe = read_u32(rd);
	ret->kind = read_u8(rd);
	ret->multiplier = read_u8(rd);
	ret->interval_ms = read_u16(rd);
	read_bytes(rd, ret->remote.bytes, 16);
	ret->remote_port = read_u16(rd);
	ret->mtu = read_u16(rd);
	ret->label_count = read_u8(rd);
	read_skip(rd, 7);
	for (unsigned i = 0; i < LINK_LABELS_MAX; i++)
		ret->labels[i] = read_u32(rd);
	ret->label_in = read_u32(rd);
	read_skip(rd, 4);
	return rd->failed || check_info(ret) < 0 ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

static void write_state(struct buffer *b, const struct link_state *s)
{
	write_u32(b, s->number);
	write_u8(b, s->up);
	write_u8(b, s->diagnostic);
	write_zeros(b, 2);
	write_u32(b, s->delay_us);
	write_zeros(b, 4);
	write_u64(b, s->packets);
	write_u64(b, s->bytes);
}

static int read_state(struct reader *rd, struct link_state *ret)
{
	uint8_t up;

	ret->number = read_u32(rd);
	up = read_u8(rd);
	ret->up = up;
	ret->diagnostic = read_u8(rd);
	read_skip(rd, 2);
	ret->delay_us = read_u32(rd);
	read_skip(rd, 4);
	ret->packets = read_u64(rd);
	ret->bytes = read_u64(rd);
	return rd->failed || up > 1 ? -OFP_BAD_REQUEST_BAD_LEN : 0;
}

void link_set_encode(struct buffer *b, uint32_t xid, const struct link_info *l)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_LINK_SET);

	write_info(b, l);
	experimenter_end(b, start);
}

int link_set_decode(struct reader *body, struct link_info *ret)
{
	int r = read_info(body, ret);

	return r < 0 ? r : experimenter_finish(body);
}

void link_delete_encode(struct buffer *b, uint32_t xid, uint32_t number)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_LINK_DELETE);

	write_u32(b, number);
	write_zeros(b, 4);
	experimenter_end(b, start);
}

int link_delete_decode(struct reader *body, uint32_t *ret_number)
{
	*ret_number = read_u32(body);
	read_skip(body, 4);
	return experimenter_finish(body);
}

void link_state_encode(struct buffer *b, uint32_t xid, const struct link_state *s)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_LINK_STATE);

	write_state(b, s);
	experimenter_end(b, start);
}

int link_state_decode(struct reader *body, struct link_state *ret)
{
	int r = read_state(body, ret);

	return r < 0 ? r : experimenter_finish(body);
}

void links_request_encode(struct buffer *b, uint32_t xid)
{
	experimenter_end(b, experimenter_begin(b, xid, EXPERIMENTER_LINKS_REQUEST));
}

void links_reply_encode(struct buffer *b, uint32_t xid, const struct link_info *infos,
			const struct link_state *states, unsigned count, bool more)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_LINKS_REPLY);

	write_u8(b, more);
	write_zeros(b, 7);
	for (unsigned i = 0; i < count; i++) {
		write_info(b, &infos[i]);
		write_state(b, &states[i]);
	}
	experimenter_end(b, start);
}

int links_reply_begin(struct reader *body, bool *ret_more)
{
	uint8_t more = read_u8(body);

	read_skip(body, 7);
	*ret_more = more;
	return body->failed || more > 1 || reader_left(body) % LINK_ITEM_SIZE
		       ? -OFP_BAD_REQUEST_BAD_LEN
		       : 0;
}

int links_next(struct reader *body, struct link_info *ret_info, struct link_state *ret_state)
{
	int r;

	if (!reader_left(body))
		return 0;
	r = read_info(body, ret_info);
	if (r == 0)
		r = read_state(body, ret_state);
	if (r == 0 && ret_info->number != ret_state->number)
		r = -OFP_BAD_REQUEST_BAD_LEN;
	return r < 0 ? r : 1;
}

bool link_info_equal(const struct link_info *a, const struct link_info *b)
{
	return a->number == b->number && a->fe == b->fe && a->kind == b->kind &&
	       a->multiplier == b->multiplier && a->interval_ms == b->interval_ms &&
	       address_equal(&a->remote, &b->remote) && a->remote_port == b->remote_port &&
	       a->mtu == b->mtu && a->label_count == b->label_count &&
	       memcmp(a->labels, b->labels, sizeof(a->labels)) == 0 && a->label_in == b->label_in;
}
