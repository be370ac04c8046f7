/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Writes a packet anew for its next run, with the next destination (forward.bpf.c, lanes.bpf.c). */
#pragma once

#include "bench/src/forward.h"

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* In words that whoever reads the packet takes whole: one that was written in pieces is read only
 * when they are in the cache, which comes after all that the packet before is still waiting for. */
static __always_inline void packet_words(void *to, const void *from, __u32 size)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < size; i += 4)
		*(__u32 *)(to + i) = *(const __u32 *)(from + i);
}

/* The head and the next destination, in the sizes that there are: an IPv4 header, one in another,
 * with an IPv6 header. */
static __always_inline int packet_write(const struct forward_shape *shape, __u32 *state, void *data,
					void *end)
{
	__u32 next, at = shape->address & 127, check = (at - 6) & 127, size = shape->head_size;

	if (data + 34 > end)
		return -1;
	packet_words(data, shape->head, 4);
	*(__u16 *)(data + 4) = *(const __u16 *)(shape->head + 4);
	*(__u16 *)(data + 6) = *(const __u16 *)(shape->head + 6);
	packet_words(data + 8, shape->head + 8, 4);
	*(__u16 *)(data + 12) = *(const __u16 *)(shape->head + 12);
	packet_words(data + 14, shape->head + 14, 20);
	if (size > 34) {
		if (data + 54 > end)
			return -1;
		packet_words(data + 34, shape->head + 34, 20);
	}
	if (size > 54) {
		if (data + 74 > end)
			return -1;
		packet_words(data + 54, shape->head + 54, 20);
	}
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	next = bpf_htonl(shape->base + (__u32)(((__u64)*state * shape->count) >> 32));
	if (data + at + 4 > end)
		return -1;
	*(__u32 *)(data + at) = next;
	if (shape->sum) {
		__u32 sum = shape->sum + (next & 0xffff) + (next >> 16);

		if (data + check + 2 > end)
			return -1;
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		*(__u16 *)(data + check) = (__u16)~sum;
	}
	return 0;
}
