/* Matches in memory: what the fields are, and set, get, compare, cover.  The same matches as bytes
 * are in match_wire.c.
 *
 * A match field has one form only: value bits outside the mask are zero, bits that the field does
 * not have (the upper three of a VLAN id) are no part of a partial mask, and an exact mask is all
 * ones over the field's bytes.  So equality is comparison of bytes. */
#include "openflow/match.h"

#include <assert.h>
#include <string.h>

#define FIELD_SIZE(name, class, field, size, maskable) size,
static const uint8_t field_sizes[OFP_FIELD_COUNT] = {OFP_FIELDS(FIELD_SIZE)};

/* Fields that have fewer bits than their bytes; zero: all. */
static const uint8_t narrow_bits[OFP_FIELD_COUNT] = {
	[OFP_FIELD_VLAN_VID] = 13, [OFP_FIELD_VLAN_PCP] = 3,     [OFP_FIELD_IP_DSCP] = 6,
	[OFP_FIELD_IP_ECN] = 2,    [OFP_FIELD_IPV6_FLABEL] = 20, [OFP_FIELD_MPLS_LABEL] = 20,
	[OFP_FIELD_MPLS_TC] = 3,   [OFP_FIELD_MPLS_BOS] = 1,
};

static const char *const field_names[] = {
	"in_port",
	"metadata",
	"eth_dst",
	"eth_src",
	"eth_type",
	"vlan_vid",
	"vlan_pcp",
	"ip_dscp",
	"ip_ecn",
	"ip_proto",
	"ipv4_src",
	"ipv4_dst",
	"tcp_src",
	"tcp_dst",
	"udp_src",
	"udp_dst",
	"sctp_src",
	"sctp_dst",
	"icmpv4_type",
	"icmpv4_code",
	"arp_op",
	"arp_spa",
	"arp_tpa",
	"arp_sha",
	"arp_tha",
	"ipv6_src",
	"ipv6_dst",
	"ipv6_flabel",
	"icmpv6_type",
	"icmpv6_code",
	"ipv6_nd_target",
	"ipv6_nd_sll",
	"ipv6_nd_tll",
	"mpls_label",
	"mpls_tc",
	"mpls_bos",
	"tunnel_id",
	"reg0",
	"reg1",
	"reg2",
	"reg3",
	"xxreg1",
	"tun_ipv4_src",
	"tun_ipv4_dst",
	"tun_ipv6_src",
	"tun_ipv6_dst",
	"nxm_in_port",
	"nd_reserved",
	"nd_options_type",
};
_Static_assert(ARRAY_SIZE(field_names) == OFP_FIELD_COUNT, "a field has no name");

unsigned ofp_field_size(enum ofp_field field)
{
	assert(field < OFP_FIELD_COUNT);
	return field_sizes[field];
}

unsigned ofp_field_bits(enum ofp_field field)
{
	assert(field < OFP_FIELD_COUNT);
	return narrow_bits[field] ? narrow_bits[field] : field_sizes[field] * 8u;
}

const char *ofp_field_name(enum ofp_field field)
{
	return field < OFP_FIELD_COUNT ? field_names[field] : "unknown";
}

/* The bits of byte 'i' that a field of 'size' bytes and 'bits' bits has. */
static uint8_t significant(unsigned size, unsigned bits, unsigned i)
{
	unsigned below = (size - 1 - i) * 8; /* bits in the bytes after this one */

	if (bits >= below + 8)
		return 0xff;
	if (bits <= below)
		return 0;
	return (uint8_t)(0xffu >> (8 - (bits - below)));
}

bool ofp_match_field_fits(const struct ofp_match_field *f)
{
	unsigned size = field_sizes[f->field], bits = narrow_bits[f->field];

	for (unsigned i = 0; bits && i < size; i++) {
		if (f->value[i] & ~significant(size, bits, i))
			return false;
	}
	return true;
}

bool ofp_match_field_normalize(struct ofp_match_field *f)
{
	unsigned size = ofp_field_size(f->field), bits = ofp_field_bits(f->field);
	bool exact = true, any = false;

	for (unsigned i = 0; i < size; i++) {
		uint8_t whole = significant(size, bits, i);

		f->mask[i] &= whole;
		f->value[i] &= f->mask[i];
		exact &= f->mask[i] == whole;
		any |= f->mask[i] != 0;
	}
	if (exact)
		memset(f->mask, 0xff, size);
	return any;
}

static unsigned match_find(const struct ofp_match *m, enum ofp_field field)
{
	unsigned i = 0;

	while (i < m->count && m->fields[i].field < field)
		i++;
	return i;
}

struct ofp_match_field *ofp_match_put(struct ofp_match *m, enum ofp_field field)
{
	unsigned i = m->count;

	/* Most callers add in order: look from the end. */
	while (i && m->fields[i - 1].field >= field)
		i--;
	if (i < m->count && m->fields[i].field == field)
		return &m->fields[i];
	assert(m->count < OFP_MATCH_FIELDS_MAX);
	memmove(&m->fields[i + 1], &m->fields[i], (m->count - i) * sizeof(m->fields[0]));
	m->count++;
	m->fields[i] = (struct ofp_match_field){.field = (uint8_t)field};
	return &m->fields[i];
}

static void match_remove(struct ofp_match *m, enum ofp_field field)
{
	unsigned i = match_find(m, field);

	if (i == m->count || m->fields[i].field != field)
		return;
	m->count--;
	memmove(&m->fields[i], &m->fields[i + 1], (m->count - i) * sizeof(m->fields[0]));
}

void ofp_match_set_bytes(struct ofp_match *m, enum ofp_field field, const void *value,
			 const void *mask)
{
	unsigned size = ofp_field_size(field);
	struct ofp_match_field f = {.field = (uint8_t)field};

	memcpy(f.value, value, size);
	if (mask)
		memcpy(f.mask, mask, size);
	else
		memset(f.mask, 0xff, size);
	if (ofp_match_field_normalize(&f))
		*ofp_match_put(m, field) = f;
	else
		match_remove(m, field);
}

/* The integer's low 'size' bytes in network order. */
static void integer_to_bytes(uint64_t value, unsigned size, uint8_t *ret)
{
	for (unsigned i = size; i--; value >>= 8)
		ret[i] = (uint8_t)value;
}

static uint64_t integer_from_bytes(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

void ofp_match_set_masked(struct ofp_match *m, enum ofp_field field, uint64_t value, uint64_t mask)
{
	unsigned size = ofp_field_size(field);
	uint8_t value_bytes[8], mask_bytes[8];

	assert(size <= 8);
	integer_to_bytes(value, size, value_bytes);
	integer_to_bytes(mask, size, mask_bytes);
	ofp_match_set_bytes(m, field, value_bytes, mask_bytes);
}

void ofp_match_set(struct ofp_match *m, enum ofp_field field, uint64_t value)
{
	ofp_match_set_masked(m, field, value, UINT64_MAX);
}

const struct ofp_match_field *ofp_match_get(const struct ofp_match *m, enum ofp_field field)
{
	unsigned i = match_find(m, field);

	return i < m->count && m->fields[i].field == field ? &m->fields[i] : NULL;
}

uint64_t ofp_match_value(const struct ofp_match_field *f)
{
	unsigned size = ofp_field_size(f->field);

	assert(size <= 8);
	return integer_from_bytes(f->value, size);
}

uint64_t ofp_match_mask(const struct ofp_match_field *f)
{
	unsigned size = ofp_field_size(f->field);

	assert(size <= 8);
	return integer_from_bytes(f->mask, size);
}

bool ofp_match_is_exact(const struct ofp_match_field *f)
{
	static const uint8_t ones[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return !memcmp(f->mask, ones, ofp_field_size(f->field));
}

static bool field_equal(const struct ofp_match_field *a, const struct ofp_match_field *b)
{
	unsigned size = ofp_field_size(a->field);

	return a->field == b->field && !memcmp(a->value, b->value, size) &&
	       !memcmp(a->mask, b->mask, size);
}

bool ofp_match_equal(const struct ofp_match *a, const struct ofp_match *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (!field_equal(&a->fields[i], &b->fields[i]))
			return false;
	}
	return true;
}

static bool field_covers(const struct ofp_match_field *wide, const struct ofp_match_field *narrow)
{
	unsigned size = ofp_field_size(wide->field);

	for (unsigned i = 0; i < size; i++) {
		if (wide->mask[i] & ~narrow->mask[i])
			return false;
		if ((narrow->value[i] & wide->mask[i]) != wide->value[i])
			return false;
	}
	return true;
}

bool ofp_match_covers(const struct ofp_match *wide, const struct ofp_match *narrow)
{
	for (unsigned i = 0; i < wide->count; i++) {
		const struct ofp_match_field *w = &wide->fields[i];
		const struct ofp_match_field *n = ofp_match_get(narrow, w->field);

		if (!n || !field_covers(w, n))
			return false;
	}
	return true;
}
