/* fe-load's parts: elements that speak raw OpenFlow to a controller, and nodes that are a number
 * each.  Nothing is decoded on the way that measures: messages are told apart by a few bytes, and
 * what is sent is a template with an address put in. */
#pragma once

#include "base/wire.h"
#include "pipeline/summary.h"

#include <netinet/in.h>
#include <stdint.h>

#define LOAD_ELEMENTS_MAX 10000
#define LOAD_PORT 2 /* an access port; the next number is another one */

/* Node i: 10.0.0.0 + LOAD_FIRST_ADDRESS + i, with a MAC that follows from the address. */
#define LOAD_FIRST_ADDRESS 1024u

struct load_node {
	uint64_t local_cookie, foreign_cookie; /* what elements were told last */
	uint16_t element;                      /* its place in the list; where it speaks */
	uint8_t port;
	bool speaks;
};

struct load_element {
	struct load *load;
	unsigned index;
	uint32_t id;
	int fd; /* -1: none */
	bool connecting, lost, reads_back, complete;
	bool writable_wanted; /* as epoll was told */
	int64_t again_ns;
	struct buffer in, out;
	size_t out_at;    /* so much of 'out' is sent */
	int64_t readback; /* the next node whose rules are reported; -1: no readback */
	uint32_t readback_xid;
	struct summary_scheme scheme; /* of the readback: the nodes that are in marked buckets */
	struct summary_marks *marks;  /* NULL: all nodes */
	uint64_t told, settled;       /* epochs: a flow-mod came; and its barrier was answered */
};

struct load {
	struct sockaddr_in controller;
	struct load_element *elements;
	unsigned count, complete;
	struct load_node *nodes;
	unsigned node_count;
	int epoll;
	uint64_t epoch;
	unsigned settled; /* elements that answered a barrier behind a flow-mod of this epoch */
	int64_t settled_ns, admitted_ns; /* when the last did; when the last node was admitted */
	uint64_t admitted;               /* nodes: ADDs of their guard */
	uint64_t flow_mods, barriers, bytes_in, losses, refused;
	uint64_t changes; /* of what elements have of nodes */
	struct load_sums *sums;
};

int64_t load_now_ns(void);

/* template.c: bytes of one node. */
void load_template_init(void);
void load_put_announcement(struct buffer *b, unsigned node, unsigned port, bool asked);
/* The node's rules at that element, as flow statistics. */
void load_put_rules(struct buffer *b, const struct load *l, unsigned element, unsigned node);
/* The node's rules: at its own element, and at the others. */
void load_rules(const struct load *l, unsigned node, struct rule *ret_local, struct rule *ret_guard,
		struct rule *ret_foreign);
struct address load_address(unsigned node);
/* The node's number that a flow-mod of table 3, or an ARP request in a packet-out, is about; -1:
 * none of ours.  'message' begins with the OpenFlow header. */
int64_t load_node_of_flow_mod(const struct load *l, const uint8_t *message, size_t size);
int64_t load_node_of_probe(const struct load *l, const uint8_t *message, size_t size);

/* summary.c: what an element says that it has; a new one has nothing. */
void load_put_summary(struct load_element *e, uint32_t xid, const struct summary_scheme *scheme);
void load_forget_sums(struct load *l);

/* element.c */
void load_element_init(struct load *l, unsigned index);
void load_element_finish(struct load_element *e);
void load_element_connect(struct load_element *e);
void load_element_serve(struct load_element *e, uint32_t events);
void load_element_flush(struct load_element *e);
