/* Sites: what an operator says of the places where FEs stand.  A site has networks of its own,
 * which no mobile address may be of (paper, section 3.2), and labels, by which nodes are let in.
 * Plain facts; the inventory asks. */
#pragma once

#include "base/address.h"
#include "base/reason.h"
#include "controller/network.h"
#include "controller/words.h"

#include <stdbool.h>
#include <stdint.h>

#define SITES_MAX 256
#define SITE_ELEMENTS_MAX 64
#define SITE_NETWORKS_MAX 64

struct site {
	char name[NAME_SIZE];
	struct words labels;
	unsigned element_count, network_count;
	char elements[SITE_ELEMENTS_MAX][NAME_SIZE];
	/* Its hosts', routes' and networks' prefixes, each in a VRF; 'imported': not its own, but
	 * taken into that VRF from another one. */
	struct site_network {
		uint32_t vrf;
		struct prefix prefix;
		bool imported;
	} networks[SITE_NETWORKS_MAX];
};

struct sites {
	struct site *list;
	unsigned count;
};

void sites_finish(struct sites *s);
/* Refuses a bad or known name, and an element that is at another one. */
MUST_USE int sites_add(struct sites *s, const struct site *one, struct reason *why);
const struct site *sites_of(const struct sites *s, const char *element); /* NULL: at none */
const struct site *sites_find(const struct sites *s, const char *name);
/* 0, or -EEXIST with a reason that begins with 'what' ("mobile prefix 10.10.0.0/16") and names the
 * other and its site. */
MUST_USE int sites_check(const struct sites *s, uint32_t vrf, const struct prefix *p,
			 const char *what, struct reason *why);
