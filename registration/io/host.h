/* What the kernel knows of the interface that leads to the FE: carrier, MAC, addresses, default
 * gateways; and that some of it changed.  Linux's rtnetlink(7), spoken here so that the program
 * links statically with nothing but libsodium. */
#pragma once

#include "base/address.h"
#include "base/compiler.h"
#include "base/reason.h"

#include <linux/if.h>
#include <stdbool.h>

#define HOST_ADDRESSES_MAX 16

struct host_view {
	unsigned index;
	char device[IFNAMSIZ];
	bool is_up;               /* by the administrator, and there is a carrier */
	unsigned carrier_changes; /* one that came back before we looked was another's, maybe */
	struct mac mac;
	unsigned address_count; /* without link-local ones */
	struct address addresses[HOST_ADDRESSES_MAX];
	unsigned gateway_count;     /* of default routes by this device; IPv4's first */
	struct address gateways[2]; /* one of each family; IPv6's may be link-local */
};

struct host {
	int ask_fd, event_fd; /* event_fd is readable when host_changed wants to be called */
	unsigned sequence;
};

MUST_USE int host_open(struct host *h, struct reason *why);
void host_close(struct host *h);
/* Takes what has come in; whether the link of that index (0: any) or its addresses, or a default
 * route, may have changed. */
bool host_changed(struct host *h, unsigned index);
/* The device of that name, or (NULL) that of the default route.  -ENODEV: there is none, and 'why'
 * says which; other errors are the kernel's. */
MUST_USE int host_look(struct host *h, const char *device, struct host_view *ret,
		       struct reason *why);
bool host_view_equal(const struct host_view *a, const struct host_view *b);
