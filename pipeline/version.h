/* The version of an attachment, as it travels in flow cookies (design P2, section 4):
 * shard 12 bits | term 16 bits | sequence 36 bits.  All ones is reserved by OpenFlow; zero means
 * "no version": rules that belong to no node. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERSION_SEQUENCE_MAX ((1ULL << 36) - 1)

struct version { /* as small as its cookie: there are two in each of a million attachments */
	uint64_t shard : 12;
	uint64_t term : 16;
	uint64_t sequence : 36;
};
_Static_assert(sizeof(struct version) == 8, "a version is as large as its cookie");

static inline uint64_t version_to_cookie(struct version v)
{
	return (uint64_t)v.shard << 52 | (uint64_t)v.term << 36 | v.sequence;
}

static inline struct version version_from_cookie(uint64_t cookie)
{
	return (struct version){.shard = (uint16_t)(cookie >> 52) & 0xfffu,
				.term = cookie >> 36 & UINT16_MAX,
				.sequence = cookie & VERSION_SEQUENCE_MAX};
}

/* Within one shard: whether a is later than b.  A later term beats any sequence. */
static inline bool version_is_later(struct version a, struct version b)
{
	return a.term != b.term ? a.term > b.term : a.sequence > b.sequence;
}

static inline bool version_is_set(struct version v)
{
	return v.term || v.sequence;
}
