/* An agent in a box for the tests of fe/: a data plane in plain memory, controllers that are
 * scripted, and a clock that the test turns. */
#pragma once

#include "sim/memory_plane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct sent_frame {
	uint32_t port;
	size_t size;
	uint8_t data[256];
};

#define SENT_MAX 16384

/* A frame that was kept and went on (fe/hold.h). */
struct resumed_frame {
	struct datapath_frame frame; /* its data is below */
	uint8_t data[256];
};

#define RESUMED_MAX 64

struct box {
	struct memory_plane plane; /* first: the operations' context */
	struct agent *agent;
	struct agent_shell shell;
	struct agent_config config;
	int64_t now_ms;

	struct datapath_ops operations;
	int64_t idle_ms;  /* what every binding says; -1: never */
	uint64_t packets; /* likewise */
	unsigned frame_count;
	struct sent_frame frames[SENT_MAX];
	bool holds[16]; /* by port number, which is less where a test holds ports */
	unsigned resumed_count;
	struct resumed_frame resumed[RESUMED_MAX];
	/* What is waiting in the ring when a barrier comes. */
	bool upcall_waits;
	struct upcall waiting;
	unsigned flushes, drops;
};

/* A connection's other end. */
struct controller {
	struct box *box;
	struct agent_connection *connection;
};

/* A message that the FE sent; 'body' is good until the next call. */
struct message {
	struct ofp_header header;
	struct reader body;
	struct buffer bytes;
};

void box_open(struct box *box);
void box_close(struct box *box);
/* The agent dies; another one starts on what is pinned, with the same ports if 'ports'. */
void box_restart(struct box *box);
void box_add_port(struct box *box, uint32_t number, enum port_role role);
void box_pass(struct box *box, int64_t ms);
const struct datapath_binding *box_binding(struct box *box, const char *address);

struct controller controller_connect(struct box *box, bool is_controller);
/* HELLO, features, role MASTER with this generation; then everything sent so far is dropped. */
struct controller controller_join(struct box *box, uint64_t generation);
void controller_send(struct controller *c, struct buffer *b); /* and frees it */
/* The next message from the FE; asserts that there is one. */
struct message controller_next(struct controller *c);
/* Skips to the next message of that type; asserts that there is one. */
struct message controller_expect(struct controller *c, enum ofp_type type);
bool controller_has(struct controller *c, enum ofp_type type);
void controller_drain(struct controller *c);
void message_free(struct message *m);

/* Sends, and returns the OpenFlow error that came back, or 0. */
int controller_add(struct controller *c, const struct rule *rule);
int controller_remove(struct controller *c, const struct rule *rule);
int controller_flow_mod(struct controller *c, const struct ofp_flow_mod *f);
int controller_group_mod(struct controller *c, const struct ofp_group_mod *m);
int controller_add_group(struct controller *c, uint32_t fe, enum ofp_group_mod_command command);
int controller_result(struct controller *c); /* by a barrier */

struct address ip(const char *text);
struct mac mac_of(uint8_t last);
extern const struct mac gateway_mac;
struct rule rule_local(const char *address, uint32_t port);
struct rule rule_guard(const char *address, uint32_t port);
struct rule rule_foreign(const char *address, uint32_t fe);
struct rule rule_prefix(enum rule_kind kind, const char *prefix);
struct rule rule_admit(uint32_t port);
struct rule rule_listen(uint32_t port, uint16_t ethertype);
/* ADMIT and LISTEN on the port; COVERED, STRANGER and ANSWER for 10.10.0.0/16 with gateway .1. */
void controller_prepare(struct controller *c, uint32_t port);

/* A gratuitous ARP of the node 'last' for the address, by a port. */
void box_announce(struct box *box, uint32_t port, const char *address, uint8_t last);
size_t build_announcement(uint8_t *frame, const char *address, uint8_t last);
