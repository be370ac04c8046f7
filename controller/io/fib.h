/* The kernel's routes and neighbours on one device, as a routing daemon fills them (rtnetlink by
 * libmnl): what an Open vSwitch is told to send by.  In the network namespace of the thread that
 * opens it. */
#pragma once

#include "base/address.h"
#include "base/wire.h"

struct fib;

/* 0 or -errno. */
MUST_USE int fib_open(const char *device, struct fib **ret);
void fib_close(struct fib *f); /* accepts NULL */

/* The device has this MAC and these addresses (and lengths in 128 bits), and is up.  An address
 * that is there already is none to complain of.  0 or -errno. */
struct fib_address {
	struct address address;
	uint8_t length;
};
MUST_USE int fib_set_device(struct fib *f, const struct mac *mac, const struct fib_address *list,
			    unsigned count);

/* Readable when something changed.  fib_changed reads all that is waiting: whether it may concern
 * the device. */
int fib_descriptor(const struct fib *f);
bool fib_changed(struct fib *f);

/* Every unicast route of the main table that leaves by the device (of several next hops the first
 * that does), and every neighbour there whose MAC is known, as a host's route.  A route without a
 * gateway is left out: its neighbours stand for it.  Appends struct fib_route to 'ret'; 0 or
 * -errno.
 */
struct fib_route {
	struct prefix prefix;
	struct address next_hop;
	struct mac mac; /* zero: not known */
	bool is_neighbor;
};
MUST_USE int fib_read(struct fib *f, struct buffer *ret);
/* Has the kernel find out where a next hop is, or whether it is still there. */
void fib_ask(struct fib *f, const struct address *next_hop);
