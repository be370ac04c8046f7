/* The OpenFlow extensible match (OpenFlow 1.3.5, section 7.2.3): a set of fields, each with a
 * value and a mask, and the NXM tunnel and register fields that Open vSwitch has. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

/* X(name, class, field, size in bytes, maskable).  Class 0x8000 is OpenFlow basic, 0x0001 is
 * NXM_1 (Open vSwitch), 0x0000 is NXM_0, 0x1000 is Open vSwitch's ERICOXM. */
#define OFP_FIELDS(X)                           \
	X(IN_PORT, 0x8000, 0, 4, false)         \
	X(METADATA, 0x8000, 2, 8, true)         \
	X(ETH_DST, 0x8000, 3, 6, true)          \
	X(ETH_SRC, 0x8000, 4, 6, true)          \
	X(ETH_TYPE, 0x8000, 5, 2, false)        \
	X(VLAN_VID, 0x8000, 6, 2, true)         \
	X(VLAN_PCP, 0x8000, 7, 1, false)        \
	X(IP_DSCP, 0x8000, 8, 1, false)         \
	X(IP_ECN, 0x8000, 9, 1, false)          \
	X(IP_PROTO, 0x8000, 10, 1, false)       \
	X(IPV4_SRC, 0x8000, 11, 4, true)        \
	X(IPV4_DST, 0x8000, 12, 4, true)        \
	X(TCP_SRC, 0x8000, 13, 2, true)         \
	X(TCP_DST, 0x8000, 14, 2, true)         \
	X(UDP_SRC, 0x8000, 15, 2, true)         \
	X(UDP_DST, 0x8000, 16, 2, true)         \
	X(SCTP_SRC, 0x8000, 17, 2, true)        \
	X(SCTP_DST, 0x8000, 18, 2, true)        \
	X(ICMPV4_TYPE, 0x8000, 19, 1, false)    \
	X(ICMPV4_CODE, 0x8000, 20, 1, false)    \
	X(ARP_OP, 0x8000, 21, 2, false)         \
	X(ARP_SPA, 0x8000, 22, 4, true)         \
	X(ARP_TPA, 0x8000, 23, 4, true)         \
	X(ARP_SHA, 0x8000, 24, 6, true)         \
	X(ARP_THA, 0x8000, 25, 6, true)         \
	X(IPV6_SRC, 0x8000, 26, 16, true)       \
	X(IPV6_DST, 0x8000, 27, 16, true)       \
	X(IPV6_FLABEL, 0x8000, 28, 4, true)     \
	X(ICMPV6_TYPE, 0x8000, 29, 1, false)    \
	X(ICMPV6_CODE, 0x8000, 30, 1, false)    \
	X(IPV6_ND_TARGET, 0x8000, 31, 16, true) \
	X(IPV6_ND_SLL, 0x8000, 32, 6, true)     \
	X(IPV6_ND_TLL, 0x8000, 33, 6, true)     \
	X(MPLS_LABEL, 0x8000, 34, 4, false)     \
	X(MPLS_TC, 0x8000, 35, 1, false)        \
	X(MPLS_BOS, 0x8000, 36, 1, false)       \
	X(TUNNEL_ID, 0x8000, 38, 8, true)       \
	X(REG0, 0x0001, 0, 4, true)             \
	X(REG1, 0x0001, 1, 4, true)             \
	X(REG2, 0x0001, 2, 4, true)             \
	X(REG3, 0x0001, 3, 4, true)             \
	X(XXREG1, 0x0001, 112, 16, true)        \
	X(TUN_IPV4_SRC, 0x0001, 31, 4, true)    \
	X(TUN_IPV4_DST, 0x0001, 32, 4, true)    \
	X(TUN_IPV6_SRC, 0x0001, 109, 16, true)  \
	X(TUN_IPV6_DST, 0x0001, 110, 16, true)  \
	X(NXM_IN_PORT, 0x0000, 0, 2, false)     \
	X(ND_RESERVED, 0x1000, 1, 4, false)     \
	X(ND_OPTIONS_TYPE, 0x1000, 2, 1, false)

#define OFP_FIELD_ENUM(name, class, field, size, maskable) OFP_FIELD_##name,
enum ofp_field { OFP_FIELDS(OFP_FIELD_ENUM) OFP_FIELD_COUNT };

#define OFP_VLAN_PRESENT 0x1000 /* VLAN_VID: a tag is there; 0 alone means untagged */
#define OFP_MATCH_FIELDS_MAX 24

/* Value and mask in network order in the first bytes; bits outside the mask are zero. */
struct ofp_match_field {
	uint8_t field; /* enum ofp_field */
	uint8_t value[16], mask[16];
};

/* Fields sorted by 'field', no two alike.  Equal matches are equal struct by struct. */
struct ofp_match {
	uint8_t count;
	struct ofp_match_field fields[OFP_MATCH_FIELDS_MAX];
};

unsigned ofp_field_size(enum ofp_field field);
unsigned ofp_field_bits(enum ofp_field field); /* 13 of vlan_vid's two bytes, 20 of mpls_label's */
const char *ofp_field_name(enum ofp_field field); /* "ipv4_dst" */

/* Add or replace a field.  The integer forms serve fields of up to 8 bytes; the mask covers the
 * whole field in the exact forms.  The assertion that there is room is the caller's to keep. */
void ofp_match_set(struct ofp_match *m, enum ofp_field field, uint64_t value);
void ofp_match_set_masked(struct ofp_match *m, enum ofp_field field, uint64_t value, uint64_t mask);
void ofp_match_set_bytes(struct ofp_match *m, enum ofp_field field, const void *value,
			 const void *mask /* NULL: exact */);

/* NULL where the field is not matched on. */
const struct ofp_match_field *ofp_match_get(const struct ofp_match *m, enum ofp_field field);
/* The value (mask) of a field of up to 8 bytes as an integer. */
uint64_t ofp_match_value(const struct ofp_match_field *f);
uint64_t ofp_match_mask(const struct ofp_match_field *f);
bool ofp_match_is_exact(const struct ofp_match_field *f);
bool ofp_match_equal(const struct ofp_match *a, const struct ofp_match *b);
/* Whether every packet that 'narrow' matches, 'wide' matches too: non-strict DELETE and MODIFY,
 * and flow statistics requests (OpenFlow 1.3.5, section 6.4). */
bool ofp_match_covers(const struct ofp_match *wide, const struct ofp_match *narrow);

/* For this folder's codecs.  The slot of 'field', made (zeroed) where there was none; whether the
 * value has no bits that the field lacks; one form for each mask (see match.c): returns whether
 * anything is left to match on. */
struct ofp_match_field *ofp_match_put(struct ofp_match *m, enum ofp_field field);
bool ofp_match_field_fits(const struct ofp_match_field *f);
bool ofp_match_field_normalize(struct ofp_match_field *f);

/* struct ofp_match of the wire with its padding.  Decode returns 0, or -OFP_BAD_MATCH_*: unknown
 * field, duplicate, bad mask, missing prerequisite, too many fields. */
void ofp_match_encode(const struct ofp_match *m, struct buffer *b);
MUST_USE int ofp_match_decode(struct reader *rd, struct ofp_match *ret);
/* The same for a PACKET_IN, which describes a packet instead of selecting some: fields that we do
 * not know are left out, prerequisites are not asked for. */
MUST_USE int ofp_match_decode_lenient(struct reader *rd, struct ofp_match *ret);
/* One OXM/NXM header and payload, as in set_field. */
void ofp_oxm_encode(const struct ofp_match_field *f, struct buffer *b);
MUST_USE int ofp_oxm_decode(struct reader *rd, struct ofp_match_field *ret);
/* The 32-bit OXM header without a mask, as reg_move and reg_load name a field; and back. */
uint32_t ofp_field_header(enum ofp_field field);
MUST_USE int ofp_field_from_header(uint32_t header, enum ofp_field *ret);
