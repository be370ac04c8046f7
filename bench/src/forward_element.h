/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The element that is measured, its bindings, and the frames that are sent to it. */
#pragma once

#include "bench/src/forward.h"
#include "fe/io/datapath_private.h"

#include <forward.skel.h>

enum port_number { ACCESS = 1, ACCESS2 = 2, BACKPLANE = 3, EXTERNAL = 4 };
#define FE_HERE 2
#define FE_THERE 3

struct forward {
	struct datapath_context context; /* first: see fe/io/datapath.h */
	const struct datapath_ops *ops;
	struct forward_bpf *entry;
	char directory[32];
	bool is_ipv6;
	bool xdp; /* the element's short way runs at XDP too */
	uint32_t count;
	uint32_t ifindex[5];
	struct mac mac[5];
};

/* The device of each port; "-peer" is the other end. */
extern const char *const devices[];
extern const struct mac gateway, sender;

NORETURN void fail(struct forward *f, const char *what, int result);
void check(struct forward *f, int result, const char *what);
void shell(struct forward *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* CPU time of this thread. */
uint64_t now_ns(void);
struct address text_address(const char *text);
/* Binding number i: 10.0.0.0 or 2001:db8:: and i. */
struct address numbered(const struct forward *f, uint32_t i);

void devices_make(struct forward *f);
void element_open(struct forward *f, uint32_t limit);
void surroundings_set(struct forward *f);
/* From now on its short way runs at XDP too, or at tc alone. */
void element_xdp(struct forward *f, bool on);
struct datapath_binding binding_make(const struct forward *f, uint32_t i, bool local);
void bindings_set(struct forward *f, bool local);
/* The case's frame, and its size; 'shape' says where its destination is and what a run changes. */
uint32_t frame_make(const struct forward *f, const char *which, struct forward_shape *shape,
		    uint8_t *frame);
