/* The devices of nodes, and their keys (docs/registration.md).  A node may be on several devices,
 * one at a time: each has a name, a MAC and a key.  They are kept by the node's name, so that they
 * outlive a node that is taken out of a config and put back. */
#pragma once

#include "base/address.h"
#include "base/reason.h"
#include "base/table.h"
#include "controller/inventory.h"
#include "registration/sign.h"

#define NODE_DEVICES_MAX 16

struct device {
	char node[NAME_SIZE];
	char name[NAME_SIZE]; /* "": the node has one, without a name */
	struct mac mac;       /* zero: the node's; where that has none either, any */
	struct sign_key key;  /* BLAKE2B: the secret; ED25519: the public key */
};

struct devices {
	struct table by_node; /* char[NAME_SIZE] -> struct device_list */
	unsigned count;
};

void devices_init(struct devices *d, uint64_t seed);
void devices_finish(struct devices *d);
/* Adds, or replaces what has that name.  -EINVAL, -E2BIG with the reason. */
MUST_USE int devices_put(struct devices *d, const struct device *device, struct reason *why);
bool devices_remove(struct devices *d, const char *node, const char *name);
const struct device *devices_find(const struct devices *d, const char *node, const char *name);
/* Those of a node, by name; NULL: there is no 'at'-th. */
const struct device *devices_at(const struct devices *d, const char *node, unsigned at);
