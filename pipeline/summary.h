/* What an FE has of nodes' rules, in few bytes: so that a controller that comes back with what it
 * knew need not have a million rules read to it that are right.
 *
 * LOCAL, FOREIGN and GUARD rules are in buckets by a keyed hash of their VRF and address; a bucket
 * says how many they are, and the sum (modulo 2^64) of a keyed hash of all that each says, its
 * cookie included.  The controller has the same of what should be there.  Where the two differ it
 * has the rules themselves told, and all that are no node's.  The key is new for each comparison
 * and the controller's: who does not know it cannot make two sums meet.
 *
 * An FE that says what is not so only keeps itself from being corrected. */
#pragma once

#include "base/siphash.h"
#include "pipeline/experimenter.h"
#include "pipeline/rule.h"

#define SUMMARY_BITS_MIN 3 /* a byte of marks */
#define SUMMARY_BITS_MAX 12
#define SUMMARY_BUCKETS_MAX (1u << SUMMARY_BITS_MAX)
#define SUMMARY_MARKS_MAX (SUMMARY_BUCKETS_MAX / 8)

struct summary_scheme {
	uint8_t bits; /* there are 2^bits buckets; BITS_MIN to BITS_MAX */
	uint8_t key[SIPHASH_KEY_SIZE];
};

struct summary_bucket {
	uint64_t sum;
	uint32_t count;
};

/* One bit for each bucket: bucket i is bit i % 8, from the least significant, of byte i / 8. */
struct summary_marks {
	uint8_t bytes[SUMMARY_MARKS_MAX];
};

static inline unsigned summary_bucket_count(const struct summary_scheme *s)
{
	return 1u << s->bits;
}

static inline bool summary_is_marked(const struct summary_marks *m, unsigned bucket)
{
	return m->bytes[bucket / 8] >> bucket % 8 & 1;
}

static inline void summary_mark(struct summary_marks *m, unsigned bucket)
{
	m->bytes[bucket / 8] |= (uint8_t)(1u << bucket % 8);
}

/* Whether rules of that kind are in the sums. */
bool summary_covers(enum rule_kind kind);
unsigned summary_bucket_of(const struct summary_scheme *s, uint32_t vrf,
			   const struct address *address);
/* Of a rule whose kind is covered. */
uint64_t summary_hash(const struct summary_scheme *s, const struct rule *rule);
void summary_add(const struct summary_scheme *s, struct summary_bucket *buckets,
		 const struct rule *rule);

/* The messages (docs/southbound.md).  A decoder takes a scheme or a number of buckets that is out
 * of range for -OFP_BAD_REQUEST_BAD_LEN. */
void summary_request_encode(struct buffer *b, uint32_t xid, const struct summary_scheme *s);
MUST_USE int summary_request_decode(struct reader *body, struct summary_scheme *ret);
/* 2^bits buckets. */
void summary_reply_encode(struct buffer *b, uint32_t xid, uint8_t bits,
			  const struct summary_bucket *buckets);
/* As many buckets as 'bits', which was asked for, says; another number of them is an error. */
MUST_USE int summary_reply_decode(struct reader *body, uint8_t bits, struct summary_bucket *ret);
/* The rules of the buckets that are marked, and all rules that are in none.  The answer is that to
 * an OFPMP_FLOW request, with this message's xid. */
void summary_rules_encode(struct buffer *b, uint32_t xid, const struct summary_scheme *s,
			  const struct summary_marks *marks);
MUST_USE int summary_rules_decode(struct reader *body, struct summary_scheme *ret,
				  struct summary_marks *ret_marks);
