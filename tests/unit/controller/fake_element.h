/* A small world around the core, without sockets: a controller, and FEs that speak real OpenFlow
 * through openflow/channel and keep rules as victor-fe would.  Time moves only when told.  Bytes
 * wait in both directions until world_run, and longer where a link is said to be slow. */
#pragma once

#include "controller/core.h"
#include "packet/neighbor.h"
#include "pipeline/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FAKES_MAX 8
#define FAKE_PORTS_MAX 8
#define EVENTS_MAX 512
#define LOG_MAX 4096
#define VM1 "52:54:00:00:00:11"
#define IP1 "10.10.0.11"

/* What the controller did to an FE, in the order in which it reached the wire. */
struct world_log {
	uint32_t fe;
	enum {
		LOG_PUT,
		LOG_DELETE,
		LOG_GROUP,
		LOG_BARRIER,
		LOG_PACKET_OUT,
		LOG_LINK_SET,
		LOG_LINK_DELETE
	} what;
	struct rule rule;
	uint32_t port; /* PACKET_OUT */
};

struct fake_link {
	struct link_info info;
	struct link_state state;
};

struct fake_port {
	uint32_t number;
	uint8_t role, link;
	bool up, blocked;
	uint32_t segment;
	const char *identity;
	struct mac answers; /* a node there answers probes; zero: silence */
};

struct fake {
	struct world *world;
	uint32_t id;
	const char *name;
	bool is_switch;     /* an Open vSwitch: says nothing of VICTOR, and is told nothing of it */
	bool ttl_over;      /* its packet-ins say that a TTL ran out */
	bool too_big;       /* or come from table 5: too big for a tunnel */
	uint64_t packets;   /* what its flows have counted */
	unsigned ip_frames; /* it was to send */
	struct address backplane;
	struct fake_port ports[FAKE_PORTS_MAX];
	unsigned port_count;
	uint64_t generation;

	struct table rules, groups, links; /* links: number -> struct fake_link */
	struct session *session;           /* NULL: not connected */
	struct channel channel;
	struct buffer kept; /* replays: sent when a controller is MASTER */
	bool has_master;
	struct buffer inbox; /* from the controller, not read yet */
	bool deaf;           /* the controller's bytes do not arrive (yet) */
	bool mute;           /* its own do not */
	bool slow;           /* it does not reply to barriers until fake_replies */
	struct buffer owed;  /* those replies */
	bool dropped;
	unsigned flow_mods, group_mods, link_mods, errors;
	bool knows_no_links; /* an FE of another kind */
	bool says_sums;      /* not as an older FE, which refuses to */
	bool sums_wait;      /* it says them when fake_says_sums */
	bool sums_lie;       /* of as many rules as can be said, of which it then tells none */
	struct summary_scheme asked_sums;
	uint32_t sums_xid;
	unsigned rules_told; /* in answers to whoever asked for rules */
	int refuse;          /* flow-mods are answered by this error */
};

struct world {
	struct core *core;
	struct core_config config;
	int64_t now_ms;
	bool holds_barriers; /* those that are owed wait for the next tick, or for the test */
	struct fake fakes[FAKES_MAX];
	unsigned fake_count;
	struct event events[EVENTS_MAX];
	unsigned event_count;
	struct world_log log[LOG_MAX];
	unsigned log_count;
	struct declared_element switches[FAKES_MAX];
	unsigned switch_count;
	bool routing; /* a daemon speaks at the switches' external ports; before they are declared
		       */
	struct attachment kept[256];
	char kept_ids[256][NAME_SIZE];
	unsigned kept_count;
	struct node_spec claimed[128]; /* that came first */
	unsigned claimed_count;
	bool acknowledges; /* the FEs' kernels take what is sent, also where the FE is deaf */
	/* Who has this MAC answers probes there, besides a port's 'answers'. */
	bool (*answers)(struct world *w, uint32_t fe, uint32_t port, const struct mac *mac);
	/* A frame that the controller has sent out of a backplane port; default: nothing. */
	void (*sent)(struct world *w, uint32_t fe, uint32_t port, const uint8_t *frame,
		     size_t size);
	/* An IPv4 frame that it has sent out of any other port; default: nothing. */
	void (*answered)(struct world *w, uint32_t fe, uint32_t port, const uint8_t *frame,
			 size_t size);
	bool signs; /* from the next world_restart on the prefix demands signatures */
	struct {
		char node[NAME_SIZE], device[NAME_SIZE];
		uint32_t lifetime_s;
	} registered; /* what the store has of it: of one node */
};

/* A strict controller that covers 10.10.0.0/16 (mobile, gateway 10.10.0.1), with FE1 - FE2 - FE3 in
 * a row, FE1 having the external port (port 9) and all having access ports 2 and 3.  Nodes vm1
 * (10.10.0.11, 52:54:00:00:00:11) and vm2 (.12, :12).  All are connected and synchronized. */
struct world *world_create(void);
/* As above, and vm1 is there, has been for a while, and nothing is logged yet. */
struct world *world_with_vm1_at(uint32_t fe, uint32_t port);
void world_destroy(struct world *w);
/* As above, but nothing is connected and there are no nodes. */
struct world *world_create_bare(enum admission_mode admission);
/* This FE is a switch, declared with its ports; before any is connected. */
void world_declare_switch(struct world *w, uint32_t fe);
void world_connect(struct world *w, struct fake *f);
void world_disconnect(struct world *w, struct fake *f);
/* The controller dies and another starts: with what 'kept' has if 'store', else with nothing. */
void world_restart(struct world *w, uint16_t term, bool store);
/* As the inventory has it. */
struct node_spec world_node(const struct world *w, const char *id);
void world_add_node(struct world *w, const char *id, const char *mac, const char *address);
/* One of many nodes: "n7", 52:54:00:00:01:07, 10.10.1.7; 'i' is 1 to 255. */
struct numbered_node {
	char id[16], mac[32], address[32];
};
struct numbered_node numbered_node(unsigned i);
void world_add_numbered(struct world *w, unsigned i);
/* Delivers until nothing moves any more. */
void world_run(struct world *w);
/* Lets time pass in steps of 10 ms. */
void world_wait(struct world *w, unsigned ms);
void world_forget_log(struct world *w);
unsigned world_flow_mods(const struct world *w);
unsigned world_count_events(const struct world *w, enum event_kind kind);
const struct event *world_last_event(const struct world *w, enum event_kind kind);

struct fake *fake_of(struct world *w, uint32_t fe);
struct fake_port *fake_port(struct world *w, uint32_t fe, uint32_t port);
void fake_port_up(struct world *w, uint32_t fe, uint32_t port, bool up);
void fake_port_gone(struct world *w, uint32_t fe, uint32_t port);
/* For fake_link.c, fake_world.c and fake_element.c. */
extern const struct channel_ops fake_ops;
struct world_log *fake_note(struct fake *f);
void fake_tell_rule(struct fake *f, struct ofp_multipart_writer *w, const struct rule *rule);
int fake_sums(struct fake *f, uint32_t xid, enum experimenter_type type, struct reader *body);
int fake_experimenter(struct fake *f, uint32_t xid, struct reader *body);
/* The FE's word on a link that it was told of. */
void fake_link_state(struct world *w, uint32_t fe, uint32_t number, bool up);
struct fake_link *fake_link(struct world *w, uint32_t fe, uint32_t number); /* NULL: none */
const struct rule_group *fake_group(struct world *w, uint32_t fe, uint32_t towards);
/* The sums that it was asked for and waited with. */
void fake_says_sums(struct world *w, uint32_t fe);
/* What it owes, and from now on at once. */
void fake_replies(struct world *w, uint32_t fe);
/* A frame that came in by a port. */
void fake_frame(struct world *w, uint32_t fe, uint32_t port, const struct buffer *frame);
void fake_announces(struct world *w, uint32_t fe, uint32_t port, const char *mac,
		    const char *address);
void fake_announces_numbered(struct world *w, uint32_t fe, unsigned i); /* at port 2 */
void fake_rarp(struct world *w, uint32_t fe, uint32_t port, const char *mac);
void fake_probe(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address);
void fake_data(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address);
void fake_replay(struct world *w, uint32_t fe, uint32_t port, const char *mac, const char *address);
void fake_silent(struct world *w, uint32_t fe, const char *node);
/* The rule that the FE has now. */
const struct rule *fake_rule(struct world *w, uint32_t fe, enum rule_kind kind,
			     const char *address);

struct address an_address(const char *text);
struct mac a_mac(const char *text);
/* Asserts where the node is. */
void assert_at(struct world *w, const char *node, uint32_t fe, uint32_t port,
	       enum attachment_state state);
/* Asserts that every FE has exactly what the attachment says. */
void assert_bound(struct world *w, const char *address, uint32_t fe, uint32_t port);
/* Asserts that nodes first to end - 1 are at the FE's port 2. */
void assert_numbered_at(struct world *w, uint32_t fe, unsigned first, unsigned end);
