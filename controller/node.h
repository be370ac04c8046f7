/* Nodes: as people write them (a struct node_spec: files, REST, the store), and as the inventory
 * has them, by the million (a struct node), found by id, by address and by MAC. */
#pragma once

#include "base/address.h"
#include "base/index.h"
#include "base/slab.h"
#include "controller/network.h"
#include "controller/words.h"

#include <stdbool.h>
#include <stdint.h>

#define NODE_ADDRESSES_MAX 8
#define NODE_ELEMENTS_MAX 16

/* A machine, mobile or fixed. */
struct node_spec {
	char id[NAME_SIZE];
	uint32_t vrf;
	struct mac mac; /* zero: any (the first that announces) */
	uint8_t address_count;
	struct address addresses[NODE_ADDRESSES_MAX];
	bool mobile;  /* false: only in the segment of its first attachment or of 'elements' */
	bool learned; /* made by its own announcement, not by an operator: in an open prefix it
		       * goes with its attachment, in a first-come one it stays */
	uint8_t element_count;
	char elements[NODE_ELEMENTS_MAX][NAME_SIZE]; /* where it may attach; empty: anywhere */
	struct words labels;
	/* Where else it must be, of what is not empty: at a port of such a name, at one of these
	 * sites, at a site with one of these labels. */
	struct words allow_ports, allow_sites, allow_labels;
};

/* The same in as many bytes as it takes: node_list has the lists.  It is good until the node is put
 * again or removed; its id is good until the node is removed. */
struct node {
	const char *id;
	uint32_t vrf;
	struct mac mac;
	uint8_t address_count;
	bool mobile, learned;
	bool has_lists; /* behind the addresses */
	uint8_t units;  /* its size, in SLAB_UNITs */
	struct address addresses[];
};

enum node_list {
	NODE_ELEMENTS,
	NODE_LABELS,
	NODE_ALLOW_PORTS,
	NODE_ALLOW_SITES,
	NODE_ALLOW_LABELS,
	NODE_LISTS
};

/* As text with a comma between the words (words.h); "": none. */
const char *node_list(const struct node *n, enum node_list which);
/* It may attach to the element, as far as 'elements' says. */
bool node_may_be_at(const struct node *n, const char *element);
/* Specs of equal nodes are equal bytewise. */
void node_describe(const struct node *n, struct node_spec *ret);
/* The caller frees it; its id is the original's. */
MUST_USE struct node *node_copy(const struct node *n);

/* An id, while there is a node of it, or something else that is kept of it. */
struct node_name {
	uint32_t node; /* its block; 0: there is none */
	uint32_t kept; /* whatever who keeps something wants; 0: nothing */
	char id[];
};

struct nodes {
	size_t count;
	struct slab slab;
	struct index by_id, by_address, by_mac; /* by_id: of struct node_name */
};

void nodes_init(struct nodes *all, uint64_t seed);
void nodes_finish(struct nodes *all);
/* Adds or, where the id exists, replaces; what it says was checked (inventory.c). */
void nodes_put(struct nodes *all, const struct node_spec *spec);
bool nodes_remove(struct nodes *all, const char *id);
const struct node *nodes_find(const struct nodes *all, const char *id);
const struct node *nodes_by_address(const struct nodes *all, uint32_t vrf, const struct address *a);
const struct node *nodes_by_mac(const struct nodes *all, uint32_t vrf, const struct mac *m);
/* NULL: there is none. */
struct node_name *nodes_name(const struct nodes *all, const char *id);
/* Made where there was none; to be given a 'kept', or else to be released. */
struct node_name *nodes_obtain_name(struct nodes *all, const char *id);
/* 'kept' is 0 from now on; whoever has the id has it no more, unless there is a node. */
void nodes_release_name(struct nodes *all, struct node_name *name);
/* The name whose id this is: the pointer itself, not another one's with the same text. */
const struct node_name *nodes_name_of(const char *id);
/* The node of that name; NULL: none. */
const struct node *nodes_named(const struct nodes *all, const struct node_name *name);

/* In no order that people know; begins with *at = 0; NULL at the end.  A node that is there all the
 * while is met once, whatever is put and removed meanwhile. */
const struct node *nodes_next(const struct nodes *all, uint64_t *at);
