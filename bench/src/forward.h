/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What the packet is that a program is run with: forward.c and lanes.c tell their programs. */
#pragma once

#include <linux/types.h>

#define FORWARD_HEAD 80 /* Ethernet, an outer IPv4 header and an inner IPv6 one are 74 */

#define FORWARD_LINES 64 /* in one element of the map that forward_read reads */

struct forward_shape {
	__u32 size;        /* of the frame as it comes in */
	__u32 head_size;   /* bytes that a run may have changed: 34, 54 or 74 */
	__u32 address;     /* where the last four bytes of the destination are */
	__u32 base, count; /* they are base + 0 to count - 1 */
	__u32 state;       /* of the generator; not zero */
	__u32 sum;         /* of the IPv4 header but for that and the check; 0: none is made */
	__u32 lines;       /* in all of that map */
	__u32 out_ifindex, through_ifindex; /* lanes: the generator's device, the sink's */
	__u8 head[FORWARD_HEAD];
};
