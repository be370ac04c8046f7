/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The table of bindings, shared memory between the packet path, which reads it (bpf/bindings.h),
 *and the agent, which alone writes it (fe/io/binding_table.c) with plain stores.  Three mapped
 *arrays:
 *
 *	shape     what the other two are, and the secret of the hash
 *	buckets   a cache line each: slots that name records, in the bucket that the key's hash says
 *		  or, where that is full, in one of the next ones
 *	records   in chunks of units of 32 bytes.  A foreign binding takes one unit, one with a
 *local part takes two, which are one cache line
 *
 * A slot is never moved, so a reader that races the writer misses nothing.  'overflow' of a bucket
 * is how many keys went past it: a reader goes on for as long as it is not zero.  What changes more
 * than 'state' of a record is written to a new record, which takes the old one's place in the slot
 * by one store; the old one is reused after a grace period.  A writer that dies between any two of
 * its stores leaves a table that readers are right with, and at worst units that nothing names and
 * an 'overflow' that is too large: the next one puts both right. */
#pragma once

#include <linux/types.h>

#define BINDING_SLOTS 15  /* of a bucket */
#define BINDING_LOAD 10   /* keys to a bucket, on average, at the limit */
#define BINDING_PROBES 32 /* buckets that a key may be in */
#define BINDING_UNIT 32   /* bytes */
#define BINDING_CHUNK \
	128             /* units; a further one at the end lets any of them begin a record of two */
#define BINDING_WORDS 5 /* of a key */

struct map_address_key {
	__u32 vrf;
	__u8 address[16];
};
_Static_assert(sizeof(struct map_address_key) == 20, "map_address_key has hidden padding");

/* Flags are enum datapath_binding_flag (fe/datapath.h). */
#define MAP_BINDING_LOCAL 1
#define MAP_BINDING_MARKED_ONLY 2
#define MAP_BINDING_FOREIGN 4
#define MAP_BINDING_GUARD 8
#define MAP_BINDING_BESIDE 16
#define MAP_BINDING_LEAVING 32
/* Of 'kind'. */
#define MAP_BINDING_PAIR 1 /* it has a local part */
#define MAP_BINDING_RULE 2 /* foreign: it is all that is kept of the controller's rule */
#define MAP_BINDING_NEAR 4 /* PAIR: it is where binding_guess says, and a slot names it */
struct map_binding {
	__u8 address[16];
	__u32 vrf;
	union {
		__u32 state; /* all three, in one store */
		struct {
			__u8 flags;
			__u8 kind;
			__u16 fe;
		};
	};
	union {
		__u64 version; /* RULE: its cookie */
		__u64 seen_ns; /* PAIR: CLOCK_MONOTONIC of the last packet that passed the guard; 0:
				  none */
	};
	/* The second unit: there with PAIR alone. */
	__u16 port;
	__u16 vlan;
	__u8 mac[6];
	__u8 gateway_mac[6];
	__u64 packets, bytes; /* that came into VICTOR here and were delivered here */
};
_Static_assert(sizeof(struct map_binding) == 2 * BINDING_UNIT, "map_binding has hidden padding");

struct map_bucket {
	__u32 overflow;
	__u32 slots[BINDING_SLOTS]; /* a part of the hash above 'index_bits', below it the unit's
				       number; 0: free */
};
_Static_assert(sizeof(struct map_bucket) == 64, "map_bucket is not a cache line");

struct map_chunk {
	__u8 units[BINDING_CHUNK + 1][BINDING_UNIT];
};

struct map_shape {
	__u64 keys[BINDING_WORDS + 1]; /* of the hash; random, secret */
	__u32 bucket_count;
	__u32 unit_count; /* a multiple of BINDING_CHUNK; unit 0 is nobody's */
	__u32 index_bits; /* of a slot: what a unit's number takes */
	__u32 limit;      /* of bindings */
};
_Static_assert(sizeof(struct map_shape) == 64, "map_shape has hidden padding");

/* Multilinear, and mixed: sums alone of addresses in a row are a row as well, and for some keys one
 * that fills a few buckets.  Whoever does not know the keys cannot aim at a bucket. */
static inline __attribute__((always_inline)) __u32 binding_mix(__u64 sum)
{
	sum ^= sum >> 32;
	sum *= 0x9e3779b97f4a7c15ull;
	return (__u32)(sum >> 32);
}

static inline __attribute__((always_inline)) __u32 binding_hash(const struct map_shape *shape,
								const struct map_address_key *key)
{
	const __u32 *word = (const __u32 *)key;

	return binding_mix(shape->keys[0] * word[0] + shape->keys[1] * word[1] +
			   shape->keys[2] * word[2] + shape->keys[3] * word[3] +
			   shape->keys[4] * word[4] + shape->keys[BINDING_WORDS]);
}

/* The upper bits of the hash say the bucket, the lower ones are in the slot. */
static inline __attribute__((always_inline)) __u32 binding_home(const struct map_shape *shape,
								__u32 hash)
{
	return (__u32)(((__u64)hash * shape->bucket_count) >> 32);
}

/* Where the writer puts a record of two units if it can: the beginning of a cache line.  It says so
 * in the record (NEAR): a reader that finds the key there needs no bucket.  Else what the slot says
 * is where the record is; who asked for the bucket at once has waited for both. */
static inline __attribute__((always_inline)) __u32 binding_guess(const struct map_shape *shape,
								 __u32 hash)
{
	__u32 unit = (__u32)(((__u64)(hash * 0x85ebca6bu) * shape->unit_count) >> 32);

	return unit ^ ((unit / BINDING_CHUNK + unit) & 1);
}
