/* What an operator says there is: prefixes, FEs and their links, nodes.  Durable in the store
 * (design P2); here it is plain memory with lookups. */
#pragma once

#include "base/address.h"
#include "base/reason.h"
#include "base/table.h"
#include "controller/network.h"
#include "controller/node.h"
#include "controller/site.h"
#include "pipeline/experimenter.h"

#include <stdbool.h>
#include <stdint.h>

#define PREFIXES_MAX 256
#define PREFIX_EXITS_MAX 16
#define LINKS_MAX 4096

/* Who may have an address.  STRICT: nodes of the inventory; FIRST_COME: also whoever claims it
 * first, from then on and until an operator releases it; OPEN: anybody, for labs. */
enum admission_mode { ADMISSION_STRICT, ADMISSION_OPEN, ADMISSION_FIRST_COME };
const char *admission_mode_name(enum admission_mode mode); /* "first-come" */
/* -EINVAL: no such mode. */
MUST_USE int admission_mode_parse(const char *text, enum admission_mode *ret);

/* A prefix that VICTOR covers. */
struct covered_prefix {
	uint32_t vrf;
	uint8_t mode; /* 1 + enum admission_mode; 0: as the controller's */
	struct prefix prefix;
	bool mobile;      /* its addresses may live at any FE; else only where 'elements' says */
	bool internal;    /* not announced to routers outside */
	bool unreachable; /* senders are told of an address that nobody has; else silence */
	bool signed_only; /* only a signed registration binds here (docs/registration.md) */
	bool autoconf;    /* IPv6: nodes may make addresses of it (RFC 4862) */
	struct address gateway; /* anycast: answered by every FE that serves the prefix */
	uint8_t element_count;
	char elements[NODE_ELEMENTS_MAX][NAME_SIZE]; /* empty: all */
	/* Elements or networks.  Exits: whose FEs may send its packets out of VICTOR, in order of
	 * preference; empty: every border FE.  Announcers: who tells routers outside of it; empty:
	 * as exits. */
	uint8_t exit_count, announcer_count;
	char exits[PREFIX_EXITS_MAX][NAME_SIZE], announcers[PREFIX_EXITS_MAX][NAME_SIZE];
};

#define LINK_COST_MAX 1000000u
#define LINK_PORT_SIZE 64

/* A backplane link between two FEs.  What is there twice is of ends[0] and ends[1]. */
struct link {
	char ends[2][NAME_SIZE];
	uint32_t cost; /* 1..; with by_delay what it is until the delay is measured */
	bool by_delay; /* the cost is the measured delay, in microseconds */
	uint8_t kind;  /* enum link_kind; 0: only a cost, packets go straight by the underlay */
	char ports[2][LINK_PORT_SIZE]; /* ETHERNET, MPLS, RAW: the devices */
	uint32_t bandwidth_mbps;       /* guaranteed; 0: not said */
	uint8_t label_count[2];        /* MPLS: what each end pushes, the outermost first */
	uint32_t labels[2][LINK_LABELS_MAX];
	uint32_t labels_in[2]; /* MPLS: what arrives there; 0: nothing any more */
	uint16_t interval_ms;  /* BFD; 0: off */
	uint8_t multiplier;
	struct address reach[2]; /* UDP: where that end is reached; zero: its backplane address */
	uint16_t reach_port[2];  /* UDP; 0: behind NAT, learnt from what it sends */
};

struct inventory {
	struct covered_prefix prefixes[PREFIXES_MAX];
	unsigned prefix_count;
	struct link links[LINKS_MAX];
	unsigned link_count;
	struct networks networks;
	struct sites sites;
	struct nodes nodes;
};

void inventory_init(struct inventory *inv, uint64_t seed);
void inventory_finish(struct inventory *inv);

/* Letters, digits, '-', '_', '.', not empty, and with its terminator within NAME_SIZE. */
bool inventory_name_is_valid(const char *name);

/* Refusals name what is wrong: an address in no covered prefix, in another node's use, a gateway's,
 * a MAC in use, an overlapping prefix, a mobile one that overlaps a site's network, a bad name
 * (letters, digits, '-', '_', '.'). */
MUST_USE int inventory_add_prefix(struct inventory *inv, const struct covered_prefix *p,
				  struct reason *why);
MUST_USE int inventory_add_link(struct inventory *inv, const struct link *l, struct reason *why);
/* ETHERNET, MPLS and RAW: it has a device, and a port, at either end. */
const char *link_kind_name(uint8_t kind); /* "ethernet"; "" for 0 */
bool link_has_ports(const struct link *l);
/* Adds or, where the id exists, replaces. */
MUST_USE int inventory_put_node(struct inventory *inv, const struct node_spec *n,
				struct reason *why);
bool inventory_remove_node(struct inventory *inv, const char *id);

const struct node *inventory_node(const struct inventory *inv, const char *id);
const struct node *inventory_node_by_address(const struct inventory *inv, uint32_t vrf,
					     const struct address *a);
const struct node *inventory_node_by_mac(const struct inventory *inv, uint32_t vrf,
					 const struct mac *m);
/* The longest covered prefix that holds the address; NULL: none. */
const struct covered_prefix *inventory_prefix(const struct inventory *inv, uint32_t vrf,
					      const struct address *a);
