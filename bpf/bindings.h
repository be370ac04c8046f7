/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* How a packet finds its binding (include/victor/bindings.h). */
#pragma once

#include "bpf/maps.h"

static __always_inline struct map_binding *binding_at(__u32 unit)
{
	__u32 chunk = unit / BINDING_CHUNK;
	struct map_chunk *c = bpf_map_lookup_elem(&binding_records, &chunk);

	return c ? (struct map_binding *)c->units[unit % BINDING_CHUNK] : NULL;
}

static __always_inline int binding_is_of(__u32 unit, const struct map_address_key *key)
{
	const struct map_binding *b = binding_at(unit);
	const __u32 *is = (const __u32 *)b, *asked = (const __u32 *)key->address;

	return b && !((is[0] ^ asked[0]) | (is[1] ^ asked[1]) | (is[2] ^ asked[2]) |
		      (is[3] ^ asked[3]) | (b->vrf ^ key->vrf));
}

/* Bucket by bucket: where what the first one has is another's, or it was full.  A function of its
 * own: the verifier reads it once. */
__noinline __u32 binding_search(const struct map_address_key *key, __u32 home, __u32 mark,
				__u32 bits)
{
	if (!key)
		return 0;
	for (__u32 i = 0; i < BINDING_PROBES; i++) {
		struct map_bucket *bucket = bpf_map_lookup_elem(&binding_buckets, &home);

		if (!bucket)
			return 0;
		for (__u32 n = 0; n < BINDING_SLOTS; n++) {
			__u32 slot = *(volatile __u32 *)&bucket->slots[n];

			if (slot && !((slot ^ mark) >> (bits & 31)) &&
			    binding_is_of(slot & ((1u << (bits & 31)) - 1), key))
				return slot & ((1u << (bits & 31)) - 1);
		}
		if (!*(volatile __u32 *)&bucket->overflow)
			return 0;
		home++;
	}
	return 0;
}

/* Where a key may be: both lines are on their way from memory while the packet is still read. */
struct binding_aim {
	struct map_binding *guess;
	struct map_bucket *bucket;
	__u32 home, mark, bits;
};

/* Whether there is such memory. */
static __always_inline int binding_aim_at(const struct map_shape *shape, __u32 hash,
					  struct binding_aim *aim)
{
	__u32 unit = binding_guess(shape, hash);

	/* Else the two operations on it are mixed, and Linux 6.1 sees no bound. */
	asm volatile("" : "+r"(unit));
	aim->guess = binding_at(unit);
	if (!aim->guess)
		return 0;
	(void)*(volatile __u8 *)&aim->guess->kind;
	aim->home = binding_home(shape, hash);
	aim->bits = shape->index_bits & 31;
	aim->mark = hash << aim->bits;
	aim->bucket = bpf_map_lookup_elem(&binding_buckets, &aim->home);
	if (!aim->bucket)
		return 0;
	(void)*(volatile __u32 *)&aim->bucket->overflow;
	return 1;
}

/* The record's number; 0: there is none.  Inline where packets pass: a return costs as much as a
 * bucket does. */
static __always_inline __u32 binding_find_aimed(const struct binding_aim *aim,
						const struct map_address_key *key)
{
	__u32 range = 1u << (aim->bits & 31), slot;

#pragma clang loop unroll(full)
	for (int i = 0; i < BINDING_SLOTS; i++) {
		slot = *(volatile __u32 *)&aim->bucket->slots[i] ^ aim->mark;
		/* A free slot looks like a record 0, which is nobody's. */
		if (slot < range)
			goto found;
	}
	if (!*(volatile __u32 *)&aim->bucket->overflow)
		return 0;
	return binding_search(key, aim->home, aim->mark, aim->bits);
found:
	if (slot && binding_is_of(slot, key))
		return slot;
	return binding_search(key, aim->home, aim->mark, aim->bits);
}

/* So that the line is on its way from memory while the bucket is. */
static __always_inline void binding_ask(__u32 unit)
{
	const struct map_binding *b;

	/* Else the operations on it are mixed, and Linux 6.1 sees no bound. */
	asm volatile("" : "+r"(unit));
	b = binding_at(unit);
	if (b)
		(void)*(const volatile __u8 *)&b->kind;
}

/* Likewise, where nothing is known yet; 'local': it may well be a record of two units.  (The same
 * by the function above takes more of the stack than Linux 6.1 has left.) */
static __always_inline __u32 binding_find_inline(const struct map_address_key *key, int local)
{
	__u32 zero = 0, hash, home, bits, mark, range, slot;
	const struct map_shape *shape = bpf_map_lookup_elem(&binding_shape, &zero);
	struct map_bucket *bucket;

	if (!shape)
		return 0;
	hash = binding_hash(shape, key);
	if (local)
		binding_ask(binding_guess(shape, hash));
	home = binding_home(shape, hash);
	bits = shape->index_bits & 31;
	mark = hash << bits;
	range = 1u << bits;
	bucket = bpf_map_lookup_elem(&binding_buckets, &home);
	if (!bucket)
		return 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < BINDING_SLOTS; i++) {
		slot = *(volatile __u32 *)&bucket->slots[i] ^ mark;
		/* A free slot looks like a record 0, which is nobody's. */
		if (slot < range)
			goto found;
	}
	if (!*(volatile __u32 *)&bucket->overflow)
		return 0;
	return binding_search(key, home, mark, bits);
found:
	if (slot && binding_is_of(slot, key))
		return slot;
	return binding_search(key, home, mark, bits);
}

__noinline __u32 binding_find(const struct map_address_key *key)
{
	return key ? binding_find_inline(key, 1) : 0;
}
