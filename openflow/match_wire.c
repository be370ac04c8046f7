/* Matches as bytes: OXM and NXM TLVs (OpenFlow 1.3.5, section 7.2.3.2), both classes' names for one
 * field, prerequisites.  What a match is in memory is in match.c.
 *
 * The order of enum ofp_field is the order on the wire; it puts each prerequisite before what
 * depends on it, which Open vSwitch insists on.  Our decoder takes any order. */
#include "openflow/error.h"
#include "openflow/match.h"

#include <string.h>

enum oxm_class {
	CLASS_NXM_0 = 0x0000,
	CLASS_NXM_1 = 0x0001,
	CLASS_ERICSSON = 0x1000,
	CLASS_BASIC = 0x8000
};

#define HEADER(class, field, size) ((uint32_t)(class) << 16 | (field) << 9 | (size))
#define HEADER_HAS_MASK 0x100u

#define FIELD_HEADER(name, class, field, size, maskable) HEADER(class, field, size),
static const uint32_t field_headers[OFP_FIELD_COUNT] = {OFP_FIELDS(FIELD_HEADER)};

#define FIELD_MASKABLE(name, class, field, size, maskable) maskable,
static const bool field_maskable[OFP_FIELD_COUNT] = {OFP_FIELDS(FIELD_MASKABLE)};

/* X(name, class, field): second names of fields that have one.  Open vSwitch 3.1 writes these in
 * reg_move and reg_load, whatever the version; we write the first name, which it reads. */
#define FIELD_ALIASES(X)                   \
	X(ETH_DST, CLASS_NXM_0, 1)         \
	X(ETH_SRC, CLASS_NXM_0, 2)         \
	X(ETH_TYPE, CLASS_NXM_0, 3)        \
	X(IP_PROTO, CLASS_NXM_0, 6)        \
	X(IPV4_SRC, CLASS_NXM_0, 7)        \
	X(IPV4_DST, CLASS_NXM_0, 8)        \
	X(TCP_SRC, CLASS_NXM_0, 9)         \
	X(TCP_DST, CLASS_NXM_0, 10)        \
	X(UDP_SRC, CLASS_NXM_0, 11)        \
	X(UDP_DST, CLASS_NXM_0, 12)        \
	X(ICMPV4_TYPE, CLASS_NXM_0, 13)    \
	X(ICMPV4_CODE, CLASS_NXM_0, 14)    \
	X(ARP_OP, CLASS_NXM_0, 15)         \
	X(ARP_SPA, CLASS_NXM_0, 16)        \
	X(ARP_TPA, CLASS_NXM_0, 17)        \
	X(TUNNEL_ID, CLASS_NXM_1, 16)      \
	X(ARP_SHA, CLASS_NXM_1, 17)        \
	X(ARP_THA, CLASS_NXM_1, 18)        \
	X(IPV6_SRC, CLASS_NXM_1, 19)       \
	X(IPV6_DST, CLASS_NXM_1, 20)       \
	X(ICMPV6_TYPE, CLASS_NXM_1, 21)    \
	X(ICMPV6_CODE, CLASS_NXM_1, 22)    \
	X(IPV6_ND_TARGET, CLASS_NXM_1, 23) \
	X(IPV6_ND_SLL, CLASS_NXM_1, 24)    \
	X(IPV6_ND_TLL, CLASS_NXM_1, 25)    \
	X(IPV6_FLABEL, CLASS_NXM_1, 27)    \
	X(IP_ECN, CLASS_NXM_1, 28)

/* enum ofp_field plus one, by class (see class_row) and field number; zero: not known. */
#define CLASS_ROW(class) ((class) == CLASS_BASIC ? 2 : (class) == CLASS_ERICSSON ? 3 : (class))
#define FIELD_BY_NUMBER(name, class, field, size, maskable) \
	[CLASS_ROW(class)][field] = OFP_FIELD_##name + 1,
#define ALIAS_BY_NUMBER(name, class, field) [CLASS_ROW(class)][field] = OFP_FIELD_##name + 1,
static const uint8_t fields_by_number[4][128] = {OFP_FIELDS(FIELD_BY_NUMBER)
							 FIELD_ALIASES(ALIAS_BY_NUMBER)};

/* What must be known of a packet before a field means anything (section 7.2.3.8).  ARP covers RARP
 * too, as in Open vSwitch. */
enum prerequisite {
	HAVE_TAG = 1 << 0,
	HAVE_IP = 1 << 1,
	HAVE_IPV4 = 1 << 2,
	HAVE_IPV6 = 1 << 3,
	HAVE_ARP = 1 << 4,
	HAVE_MPLS = 1 << 5,
	HAVE_TCP = 1 << 6,
	HAVE_UDP = 1 << 7,
	HAVE_SCTP = 1 << 8,
	HAVE_ICMPV4 = 1 << 9,
	HAVE_ICMPV6 = 1 << 10,
	HAVE_ND = 1 << 11,
	HAVE_ND_SOLICIT = 1 << 12,
	HAVE_ND_ADVERT = 1 << 13,
};

static const uint16_t field_needs[OFP_FIELD_COUNT] = {
	[OFP_FIELD_VLAN_PCP] = HAVE_TAG,
	[OFP_FIELD_IP_DSCP] = HAVE_IP,
	[OFP_FIELD_IP_ECN] = HAVE_IP,
	[OFP_FIELD_IP_PROTO] = HAVE_IP,
	[OFP_FIELD_IPV4_SRC] = HAVE_IPV4,
	[OFP_FIELD_IPV4_DST] = HAVE_IPV4,
	[OFP_FIELD_TCP_SRC] = HAVE_TCP,
	[OFP_FIELD_TCP_DST] = HAVE_TCP,
	[OFP_FIELD_UDP_SRC] = HAVE_UDP,
	[OFP_FIELD_UDP_DST] = HAVE_UDP,
	[OFP_FIELD_SCTP_SRC] = HAVE_SCTP,
	[OFP_FIELD_SCTP_DST] = HAVE_SCTP,
	[OFP_FIELD_ICMPV4_TYPE] = HAVE_IPV4 | HAVE_ICMPV4,
	[OFP_FIELD_ICMPV4_CODE] = HAVE_IPV4 | HAVE_ICMPV4,
	[OFP_FIELD_ARP_OP] = HAVE_ARP,
	[OFP_FIELD_ARP_SPA] = HAVE_ARP,
	[OFP_FIELD_ARP_TPA] = HAVE_ARP,
	[OFP_FIELD_ARP_SHA] = HAVE_ARP,
	[OFP_FIELD_ARP_THA] = HAVE_ARP,
	[OFP_FIELD_IPV6_SRC] = HAVE_IPV6,
	[OFP_FIELD_IPV6_DST] = HAVE_IPV6,
	[OFP_FIELD_IPV6_FLABEL] = HAVE_IPV6,
	[OFP_FIELD_ICMPV6_TYPE] = HAVE_IPV6 | HAVE_ICMPV6,
	[OFP_FIELD_ICMPV6_CODE] = HAVE_IPV6 | HAVE_ICMPV6,
	[OFP_FIELD_IPV6_ND_TARGET] = HAVE_ND,
	[OFP_FIELD_IPV6_ND_SLL] = HAVE_ND_SOLICIT,
	[OFP_FIELD_IPV6_ND_TLL] = HAVE_ND_ADVERT,
	[OFP_FIELD_ND_RESERVED] = HAVE_ND,
	[OFP_FIELD_ND_OPTIONS_TYPE] = HAVE_ND,
	[OFP_FIELD_MPLS_LABEL] = HAVE_MPLS,
	[OFP_FIELD_MPLS_TC] = HAVE_MPLS,
	[OFP_FIELD_MPLS_BOS] = HAVE_MPLS,
};

uint32_t ofp_field_header(enum ofp_field field)
{
	return field_headers[field];
}

/* Class and number alone; the size is the caller's to check. */
static int field_from_number(uint32_t header, enum ofp_field *ret)
{
	uint32_t class = header >> 16;
	uint8_t found;

	if (class != CLASS_NXM_0 && class != CLASS_NXM_1 && class != CLASS_ERICSSON &&
	    class != CLASS_BASIC)
		return -OFP_BAD_MATCH_BAD_FIELD;
	found = fields_by_number[CLASS_ROW(class)][header >> 9 & 0x7f];
	if (!found)
		return -OFP_BAD_MATCH_BAD_FIELD;
	*ret = (enum ofp_field)(found - 1);
	return 0;
}

int ofp_field_from_header(uint32_t header, enum ofp_field *ret)
{
	enum ofp_field field;
	int r = field_from_number(header, &field);

	if (r)
		return r;
	if (header & HEADER_HAS_MASK)
		return -OFP_BAD_MATCH_BAD_MASK;
	if ((header & 0xff) != ofp_field_size(field))
		return -OFP_BAD_MATCH_BAD_LEN;
	*ret = field;
	return 0;
}

/* Returns where the next TLV goes; there is room for OXM_SIZE_MAX bytes. */
#define OXM_SIZE_MAX (4 + 2 * 16)

static uint8_t *oxm_put(const struct ofp_match_field *f, uint8_t *at)
{
	unsigned size = ofp_field_size(f->field);
	uint32_t header = field_headers[f->field];
	bool masked = !ofp_match_is_exact(f);

	if (masked)
		header = (header | HEADER_HAS_MASK) + size;
	at[0] = (uint8_t)(header >> 24);
	at[1] = (uint8_t)(header >> 16);
	at[2] = (uint8_t)(header >> 8);
	at[3] = (uint8_t)header;
	memcpy(at + 4, f->value, size);
	if (masked)
		memcpy(at + 4 + size, f->mask, size);
	return at + 4 + (masked ? 2 * size : size);
}

void ofp_oxm_encode(const struct ofp_match_field *f, struct buffer *b)
{
	uint8_t *at = buffer_add(b, OXM_SIZE_MAX);

	b->size = (size_t)(oxm_put(f, at) - b->data);
}

void ofp_match_encode(const struct ofp_match *m, struct buffer *b)
{
	size_t start = b->size, size;
	uint8_t *at = buffer_add(b, 4 + (size_t)m->count * OXM_SIZE_MAX) + 4;

	for (unsigned i = 0; i < m->count; i++)
		at = oxm_put(&m->fields[i], at);
	b->size = (size_t)(at - b->data);
	size = b->size - start;
	b->data[start] = 0;
	b->data[start + 1] = 1; /* OFPMT_OXM */
	write_u16_at(b, start + 2, (uint16_t)size);
	write_pad8(b, start);
}

static int check_vlan(const struct ofp_match_field *f)
{
	/* A VLAN id without the bit that says a tag is there: only zero, "untagged". */
	if (ofp_match_is_exact(f) && !(f->value[0] & OFP_VLAN_PRESENT >> 8) &&
	    (f->value[0] | f->value[1]))
		return -OFP_BAD_MATCH_BAD_VALUE;
	return 0;
}

static int check_mask(struct ofp_match_field *f, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		if (f->value[i] & ~f->mask[i])
			return -OFP_BAD_MATCH_BAD_WILDCARDS;
	}
	if (ofp_match_field_normalize(f) && !field_maskable[f->field] && !ofp_match_is_exact(f))
		return -OFP_BAD_MATCH_BAD_MASK;
	return 0;
}

/* The value and mask behind a header whose field is known. */
static int oxm_decode_payload(struct reader *rd, bool masked, struct ofp_match_field *ret)
{
	unsigned size = ofp_field_size(ret->field);
	int r = 0;

	if (reader_left(rd) != (masked ? 2 * size : size))
		return -OFP_BAD_MATCH_BAD_LEN;
	read_bytes(rd, ret->value, size);
	if (masked)
		read_bytes(rd, ret->mask, size);
	else
		memset(ret->mask, 0xff, size);
	if (!ofp_match_field_fits(ret))
		return -OFP_BAD_MATCH_BAD_VALUE;
	if (masked)
		r = check_mask(ret, size);
	if (!r && ret->field == OFP_FIELD_VLAN_VID)
		r = check_vlan(ret);
	return r;
}

int ofp_oxm_decode(struct reader *rd, struct ofp_match_field *ret)
{
	uint32_t header = read_u32(rd);
	struct reader payload = read_sub(rd, header & 0xff);
	enum ofp_field field;
	int r;

	if (payload.failed)
		return -OFP_BAD_MATCH_BAD_LEN;
	r = field_from_number(header, &field);
	if (r)
		return r;
	*ret = (struct ofp_match_field){.field = (uint8_t)field};
	return oxm_decode_payload(&payload, header & HEADER_HAS_MASK, ret);
}

static unsigned have_from_ethertype(uint64_t ethertype)
{
	switch (ethertype) {
	case 0x0800:
		return HAVE_IP | HAVE_IPV4;
	case 0x86dd:
		return HAVE_IP | HAVE_IPV6;
	case 0x0806:
	case 0x8035:
		return HAVE_ARP;
	case 0x8847:
	case 0x8848:
		return HAVE_MPLS;
	default:
		return 0;
	}
}

static unsigned have_from_protocol(uint64_t protocol)
{
	switch (protocol) {
	case 1:
		return HAVE_ICMPV4;
	case 6:
		return HAVE_TCP;
	case 17:
		return HAVE_UDP;
	case 58:
		return HAVE_ICMPV6;
	case 132:
		return HAVE_SCTP;
	default:
		return 0;
	}
}

static unsigned have_from_icmpv6(uint64_t type)
{
	if (type == 135)
		return HAVE_ND | HAVE_ND_SOLICIT;
	return type == 136 ? HAVE_ND | HAVE_ND_ADVERT : 0;
}

/* Fields are sorted: whatever a field needs came before it. */
static int check_prerequisites(const struct ofp_match *m)
{
	unsigned have = 0;

	for (unsigned i = 0; i < m->count; i++) {
		const struct ofp_match_field *f = &m->fields[i];

		if (field_needs[f->field] & ~have)
			return -OFP_BAD_MATCH_BAD_PREREQ;
		if (f->field == OFP_FIELD_ETH_TYPE)
			have |= have_from_ethertype(ofp_match_value(f));
		else if (f->field == OFP_FIELD_VLAN_VID)
			have |= f->value[0] & OFP_VLAN_PRESENT >> 8 ? HAVE_TAG : 0;
		else if (f->field == OFP_FIELD_IP_PROTO)
			have |= have_from_protocol(ofp_match_value(f));
		else if (f->field == OFP_FIELD_ICMPV6_TYPE)
			have |= have_from_icmpv6(ofp_match_value(f));
	}
	return 0;
}

static int match_decode_fields(struct reader *rd, bool strict, struct ofp_match *ret)
{
	uint64_t seen = 0;

	_Static_assert(OFP_FIELD_COUNT <= 64, "seen is too narrow");
	while (reader_left(rd)) {
		struct ofp_match_field f;
		int r = ofp_oxm_decode(rd, &f);

		if (r == -OFP_BAD_MATCH_BAD_FIELD && !strict)
			continue;
		if (r)
			return r;
		if (seen >> f.field & 1)
			return -OFP_BAD_MATCH_DUP_FIELD;
		seen |= UINT64_C(1) << f.field;
		if (!memcmp(f.mask, (const uint8_t[16]){0}, sizeof(f.mask)))
			continue; /* a wildcard */
		if (ret->count == OFP_MATCH_FIELDS_MAX)
			return -OFP_BAD_MATCH_BAD_LEN;
		*ofp_match_put(ret, f.field) = f;
	}
	return strict ? check_prerequisites(ret) : 0;
}

static int match_decode(struct reader *rd, bool strict, struct ofp_match *ret)
{
	uint16_t type = read_u16(rd), size = read_u16(rd);
	struct reader fields;

	ret->count = 0;
	if (rd->failed)
		return -OFP_BAD_MATCH_BAD_LEN;
	if (type != 1)
		return -OFP_BAD_MATCH_BAD_TYPE;
	if (size < 4)
		return -OFP_BAD_MATCH_BAD_LEN;
	fields = read_sub(rd, size - 4u);
	read_skip(rd, (8 - size % 8u) % 8);
	if (rd->failed)
		return -OFP_BAD_MATCH_BAD_LEN;
	return match_decode_fields(&fields, strict, ret);
}

int ofp_match_decode(struct reader *rd, struct ofp_match *ret)
{
	return match_decode(rd, true, ret);
}

int ofp_match_decode_lenient(struct reader *rd, struct ofp_match *ret)
{
	return match_decode(rd, false, ret);
}
