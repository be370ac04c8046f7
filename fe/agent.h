/* The FE agent's core: an OpenFlow 1.3 switch as a state machine.  Events in (bytes from a
 * controller, packets punted by the data plane, ports that come and go, time), actions out (data
 * plane entries, bytes for a controller).  No socket, file, thread or clock (design P1). */
#pragma once

#include "base/table.h"
#include "fe/datapath.h"
#include "openflow/channel.h"

struct agent;
struct agent_connection;

struct agent_config {
	char name[ELEMENT_NAME_SIZE];
	uint32_t id; /* 1..65535: datapath id, group id at other FEs */
	struct backplane backplane;
	uint16_t backplane_mtu;
	uint32_t binding_limit;
	unsigned idle_probe_ms;   /* a local node silent this long is probed; default 30000 */
	unsigned idle_give_up_ms; /* and after this long of unanswered probes reported; 3000 */
	unsigned tentative_ms;    /* how long a tentative binding lives; 10000 */
	unsigned hold_ms;         /* how long packets are kept in a handoff (fe/hold.h); 0: never */
};

struct agent_shell {
	const struct datapath_ops *datapath;
	/* There are bytes in the connection's channel.out: write them now. */
	void (*flush)(void *context, struct agent_connection *connection);
	/* The core wants this connection closed and uses it no more: the shell writes out what is
	 * left, closes, and calls agent_disconnect, now or later. */
	void (*drop)(void *context, struct agent_connection *connection);
	/* Goes to all of the above and to the datapath's functions.  'flush' and the datapath's
	 * functions call nothing here but agent_upcall (drain_upcalls does). */
	void *context;
};

/* A port as the kernel has it. */
struct agent_port {
	struct port_info info; /* number, role, mtu, identity ... */
	uint32_t ifindex;
	char name[OFP_PORT_NAME_SIZE];
	struct mac mac;
	bool up;
	bool blocked;
	/* external: nothing should leave by it (fe/way_out.h) */ /* carrier and
								     administratively */
};

enum upcall_reason {
	UPCALL_NEIGHBOR = 1, /* ARP and the like; LLDP on a backplane port */
	UPCALL_STRANGER = 2,
	UPCALL_HELD = 32, /* for a port that holds (fe/hold.h): decapsulated, its hop taken */
	UPCALL_REGISTRATION = 16, /* a UDP datagram for the registration's port of a gateway */
	UPCALL_CONTROL =
		8 /* a link's own words: BFD, STAMP.  'port' is 0 on a device that is none */
};

struct upcall {
	uint8_t reason; /* enum upcall_reason */
	uint32_t port;
	uint16_t vlan;
	const uint8_t *frame; /* borrowed; its VLAN tag is taken out */
	size_t size;          /* what is here */
	size_t wire_size;     /* what it was */
	int64_t received_us;  /* CONTROL: when the data plane had it; 0: not known */
	int64_t now_us;       /* CONTROL: the agent's time, more exactly; 0: not known */
};

struct agent *agent_create(const struct agent_config *config, const struct agent_shell *shell,
			   uint64_t seed, int64_t now_ms);
void agent_destroy(struct agent *a);

/* Adoption: what the pinned list holds, and the ports that are there now (agent_port_set), before
 * anything else; then done, which sets every data plane entry that follows (the shell writes only
 * what differs) and forgets what is no rule.  A fresh start is an adoption of nothing: 'done' is
 * called either way. */
void agent_adopt_rule(struct agent *a, const struct rule *rule);
void agent_adopt_group(struct agent *a, const struct rule_group *group);
void agent_adopt_link(struct agent *a, const struct datapath_link *link);
void agent_adopt_done(struct agent *a, int64_t now_ms);
/* After done: an announcement that the agent before kept. */
void agent_adopt_kept(struct agent *a, const struct kept_key *key, const struct kept_frame *frame);

/* A connection: to a controller (it gets packet-ins, port status, experimenter messages), or a
 * local one for inspection (ovs-ofctl), which gets none unless it asks by SET_CONFIG.  'handle' is
 * the shell's.  The HELLO is queued in the channel's 'out' and flushed. */
struct agent_connection *agent_connect(struct agent *a, const char *peer, bool is_controller,
				       void *handle, int64_t now_ms);
/* The shell sent a controller away that could not prove to be one. */
void agent_count_refused_controller(struct agent *a);
void agent_receive(struct agent_connection *c, const uint8_t *bytes, size_t size, int64_t now_ms);
void agent_disconnect(struct agent_connection *c, int64_t now_ms);
struct channel *agent_connection_channel(struct agent_connection *c);
void *agent_connection_handle(struct agent_connection *c);

/* New or changed; gone. */
void agent_port_set(struct agent *a, const struct agent_port *port, int64_t now_ms);
void agent_port_remove(struct agent *a, uint32_t number, int64_t now_ms);
/* This machine's routes within covered prefixes, all of them, in an order that stays. */
void agent_set_overlaps(struct agent *a, const struct overlap *list, unsigned count);
void agent_upcall(struct agent *a, const struct upcall *u, int64_t now_ms);
/* Whether there is work that waits for nothing: call agent_work soon, between other events. */
bool agent_is_busy(const struct agent *a);
void agent_work(struct agent *a);
/* At least every 100 ms. */
void agent_tick(struct agent *a, int64_t now_ms);
/* The links' own time, the same clock in microseconds: when to call agent_tick_links next (which
 * may be sooner after any other call; INT64_MAX: never). */
int64_t agent_next_us(const struct agent *a);
void agent_tick_links(struct agent *a, int64_t now_us);

/* A controller that is MASTER or EQUAL and has shown that it listens: its features request was
 * answered, and it sent a role request, SET_CONFIG, a modification, a barrier or a packet-out. */
bool agent_has_controller(const struct agent *a);
/* A controller that is MASTER and has sent a barrier since it is: the first one ends what it has to
 * say about our tables (docs/southbound.md), so that they are complete. */
bool agent_is_complete(const struct agent *a);
/* Whether it was given backplane links, and none of them is alive. */
bool agent_is_cut_off(const struct agent *a);
