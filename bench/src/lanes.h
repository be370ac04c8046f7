/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What each core of a lane's generator and sink keeps (lanes.bpf.c), a cache line to itself. */
#pragma once

#include <linux/types.h>

#define LANE_CORES 64 /* a power of two; cores beyond share */

struct lane_core {
	__u64 received; /* by the sink */
	__u64 sent;     /* by the generator */
	__u32 state;    /* of the generator; not zero */
	__u32 unused[11];
};
