/* LLDP frames.  A TLV is 7 bits of type and 9 of length; chassis, port and time to live come first,
 * in this order, and a TLV of type 0 ends the list (IEEE 802.1AB-2016, clause 8).  What is ours is
 * in an organisationally specific TLV whose OUI is locally administered; chassis and port are there
 * for other people's tools. */
#include "packet/lldp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ETHERTYPE_LLDP 0x88cc
#define TLV_END 0
#define TLV_CHASSIS 1
#define TLV_PORT 2
#define TLV_TTL 3
#define TLV_ORGANISATION 127
#define SUBTYPE_LOCAL 7 /* of chassis and port: locally assigned */
#define OURS_LINK 1
#define OURS_SIZE (4 + 4 + 4 + 8)

static const uint8_t destination[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e};
static const uint8_t our_oui[3] = {0x56, 0x43, 0x54};

static void write_tlv(struct buffer *b, unsigned type, size_t size)
{
	write_u16(b, (uint16_t)(type << 9 | size));
}

static void write_local(struct buffer *b, unsigned type, const char *text)
{
	size_t size = strlen(text);

	write_tlv(b, type, 1 + size);
	write_u8(b, SUBTYPE_LOCAL);
	buffer_add_bytes(b, text, size);
}

void lldp_build(struct buffer *b, const struct lldp *l)
{
	char port[12];
	size_t start = b->size;

	snprintf(port, sizeof(port), "%u", l->port);
	buffer_add_bytes(b, destination, sizeof(destination));
	write_u8(b, 0x02); /* a locally administered source: this FE's */
	buffer_add_bytes(b, our_oui, sizeof(our_oui));
	write_u16(b, (uint16_t)l->fe);
	write_u16(b, ETHERTYPE_LLDP);
	write_local(b, TLV_CHASSIS, l->name);
	write_local(b, TLV_PORT, port);
	write_tlv(b, TLV_TTL, 2);
	write_u16(b, l->ttl_s);
	write_tlv(b, TLV_ORGANISATION, OURS_SIZE);
	buffer_add_bytes(b, our_oui, sizeof(our_oui));
	write_u8(b, OURS_LINK);
	write_u32(b, l->fe);
	write_u32(b, l->port);
	write_u64(b, l->proof);
	write_tlv(b, TLV_END, 0);
	if (b->size - start < 60)
		write_zeros(b, 60 - (b->size - start));
}

/* One TLV: its value as a cursor of its own. */
static struct reader read_tlv(struct reader *rd, unsigned *ret_type)
{
	uint16_t head = read_u16(rd);

	*ret_type = head >> 9;
	return read_sub(rd, head & 0x1ff);
}

static bool read_ours(struct reader *value, struct lldp *ret)
{
	uint8_t oui[3];

	read_bytes(value, oui, sizeof(oui));
	if (memcmp(oui, our_oui, sizeof(oui)) != 0 || read_u8(value) != OURS_LINK)
		return false;
	ret->fe = read_u32(value);
	ret->port = read_u32(value);
	ret->proof = read_u64(value);
	return !value->failed && reader_left(value) == 0;
}

static void read_name(struct reader *value, char name[LLDP_NAME_SIZE])
{
	size_t size;

	read_skip(value, 1); /* its subtype */
	size = reader_left(value) < LLDP_NAME_SIZE ? reader_left(value) : LLDP_NAME_SIZE - 1;
	memset(name, 0, LLDP_NAME_SIZE);
	read_bytes(value, name, size);
}

/* The three that must be there, in their order. */
static int read_head(struct reader *rd, struct lldp *ret)
{
	unsigned types[3];
	struct reader chassis = read_tlv(rd, &types[0]);
	struct reader port = read_tlv(rd, &types[1]);
	struct reader ttl = read_tlv(rd, &types[2]);

	if (rd->failed || types[0] != TLV_CHASSIS || types[1] != TLV_PORT || types[2] != TLV_TTL ||
	    reader_left(&chassis) < 2 || reader_left(&port) < 2)
		return -EBADMSG;
	read_name(&chassis, ret->name);
	ret->ttl_s = read_u16(&ttl);
	return ttl.failed ? -EBADMSG : 0;
}

int lldp_parse(const void *frame, size_t size, struct lldp *ret)
{
	struct reader rd = reader_make(frame, size);
	bool found = false;

	*ret = (struct lldp){0};
	read_skip(&rd, 12);
	if (read_u16(&rd) != ETHERTYPE_LLDP || read_head(&rd, ret) < 0)
		return -EBADMSG;
	while (reader_left(&rd)) {
		unsigned type;
		struct reader value = read_tlv(&rd, &type);

		if (rd.failed)
			return -EBADMSG;
		if (type == TLV_END)
			break;
		if (type == TLV_ORGANISATION && !found)
			found = read_ours(&value, ret);
	}
	return found ? 0 : -ENOENT;
}
