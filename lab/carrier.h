/* When exactly a device loses its carrier.  Taking a veth down first waits for the kernel's readers
 * (RCU, a tenth of a millisecond or several) and drops the carrier after that, so the beginning of
 * the call says nothing.  A thread reads the kernel's count of carrier losses over and over, for
 * the length of the call only. */
#pragma once

#include "base/compiler.h"
#include "lab/netns.h"

#include <stdint.h>

struct carrier;

/* Watches devices of the namespace, which are then told by their position.  0 or -errno. */
MUST_USE int carrier_create(struct netns *n, const char *const *devices, unsigned count,
			    struct carrier **ret);
void carrier_destroy(struct carrier *c);

/* Watches one device from now on; returns once the watching has begun. */
void carrier_watch(struct carrier *c, unsigned device);
/* The beginning of the last look that still found the carrier up, in nanoseconds of
 * CLOCK_MONOTONIC: never later than the loss.  0 if there was no loss within 'timeout_ns' of
 * carrier_watch(). */
MUST_USE int64_t carrier_loss(struct carrier *c, int64_t timeout_ns);
