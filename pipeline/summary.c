/* See pipeline/summary.h. */
#include "pipeline/summary.h"

#include "pipeline/experimenter_private.h"

#include <string.h>

#define BUCKET_SIZE 12 /* on the wire */

bool summary_covers(enum rule_kind kind)
{
	return kind == RULE_LOCAL || kind == RULE_FOREIGN || kind == RULE_GUARD;
}

static void put_u16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, value >> 16);
	put_u16(at + 2, value);
}

unsigned summary_bucket_of(const struct summary_scheme *s, uint32_t vrf,
			   const struct address *address)
{
	uint8_t bytes[20];

	put_u32(bytes, vrf);
	memcpy(bytes + 4, address->bytes, 16);
	return (unsigned)(siphash(s->key, bytes, sizeof(bytes)) >> (64 - s->bits));
}

/* What is hashed, in the order of southbound.md: a FOREIGN ends behind its FE. */
enum { AT_VLAN = 2, AT_VRF = 4, AT_ADDRESS = 8, AT_COOKIE = 24, AT_PORT = 32, AT_MAC = 36 };
enum { SIZE_FOREIGN = AT_MAC, AT_GATEWAY = AT_MAC + 6, SIZE_ALL = AT_GATEWAY + 6 };

uint64_t summary_hash(const struct summary_scheme *s, const struct rule *rule)
{
	uint8_t bytes[SIZE_ALL] = {rule->key.kind};

	put_u32(bytes + AT_VRF, rule->key.vrf);
	memcpy(bytes + AT_ADDRESS, rule->key.address.bytes, 16);
	put_u32(bytes + AT_COOKIE, (uint32_t)(rule->cookie >> 32));
	put_u32(bytes + AT_COOKIE + 4, (uint32_t)rule->cookie);
	if (rule->key.kind == RULE_FOREIGN) {
		put_u32(bytes + AT_PORT, rule->fe);
		return siphash(s->key, bytes, SIZE_FOREIGN);
	}
	if (rule->key.kind == RULE_GUARD) {
		put_u16(bytes + AT_VLAN, rule->key.vlan);
		put_u32(bytes + AT_PORT, rule->key.port);
		memcpy(bytes + AT_MAC, rule->key.mac.bytes, 6);
	} else {
		put_u16(bytes + AT_VLAN, rule->vlan);
		put_u32(bytes + AT_PORT, rule->port);
		memcpy(bytes + AT_MAC, rule->mac.bytes, 6);
		memcpy(bytes + AT_GATEWAY, rule->gateway_mac.bytes, 6);
	}
	return siphash(s->key, bytes, SIZE_ALL);
}

void summary_add(const struct summary_scheme *s, struct summary_bucket *buckets,
		 const struct rule *rule)
{
	struct summary_bucket *b =
		&buckets[summary_bucket_of(s, rule->key.vrf, &rule->key.address)];

	b->sum += summary_hash(s, rule);
	b->count++;
}

static void write_scheme(struct buffer *b, const struct summary_scheme *s)
{
	write_u8(b, s->bits);
	write_zeros(b, 7);
	buffer_add_bytes(b, s->key, sizeof(s->key));
}

static int read_bits(struct reader *body, uint8_t *ret)
{
	*ret = read_u8(body);
	read_skip(body, 7);
	return body->failed || *ret < SUMMARY_BITS_MIN || *ret > SUMMARY_BITS_MAX
		       ? -OFP_BAD_REQUEST_BAD_LEN
		       : 0;
}

static int read_scheme(struct reader *body, struct summary_scheme *ret)
{
	int r = read_bits(body, &ret->bits);

	read_bytes(body, ret->key, sizeof(ret->key));
	return r;
}

void summary_request_encode(struct buffer *b, uint32_t xid, const struct summary_scheme *s)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_SUMMARY_REQUEST);

	write_scheme(b, s);
	experimenter_end(b, start);
}

int summary_request_decode(struct reader *body, struct summary_scheme *ret)
{
	int r = read_scheme(body, ret);

	return r < 0 ? r : experimenter_finish(body);
}

void summary_reply_encode(struct buffer *b, uint32_t xid, uint8_t bits,
			  const struct summary_bucket *buckets)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_SUMMARY_REPLY);

	write_u8(b, bits);
	write_zeros(b, 7);
	for (unsigned i = 0; i < 1u << bits; i++) {
		write_u64(b, buckets[i].sum);
		write_u32(b, buckets[i].count);
	}
	experimenter_end(b, start);
}

int summary_reply_decode(struct reader *body, uint8_t bits, struct summary_bucket *ret)
{
	uint8_t said;
	int r = read_bits(body, &said);

	if (r < 0 || said != bits || reader_left(body) != (size_t)BUCKET_SIZE << bits)
		return -OFP_BAD_REQUEST_BAD_LEN;
	for (unsigned i = 0; i < 1u << bits; i++) {
		ret[i].sum = read_u64(body);
		ret[i].count = read_u32(body);
	}
	return experimenter_finish(body);
}

void summary_rules_encode(struct buffer *b, uint32_t xid, const struct summary_scheme *s,
			  const struct summary_marks *marks)
{
	size_t start = experimenter_begin(b, xid, EXPERIMENTER_SUMMARY_RULES);

	write_scheme(b, s);
	buffer_add_bytes(b, marks->bytes, summary_bucket_count(s) / 8);
	experimenter_end(b, start);
}

int summary_rules_decode(struct reader *body, struct summary_scheme *ret,
			 struct summary_marks *ret_marks)
{
	int r = read_scheme(body, ret);

	if (r < 0)
		return r;
	read_bytes(body, ret_marks->bytes, summary_bucket_count(ret) / 8);
	return experimenter_finish(body);
}
