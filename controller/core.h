/* The controller's core: the control plane as a state machine (design P1).  Events in: bytes from
 * FEs, requests from the northbound, time.  Actions out: bytes for FEs, records for the store,
 * events for watchers.  No socket, file, thread or clock.
 *
 * All calls come from one thread.  Pointers returned by queries are good until the next call that
 * is not a query. */
#pragma once

#include "controller/attachment.h"
#include "controller/declared.h"
#include "controller/device.h"
#include "controller/inventory.h"
#include "openflow/channel.h"
#include "pipeline/experimenter.h"
#include "pipeline/rule.h"

/* A claim on a port that nobody attests proves nothing: MAC and IP can be copied.  ASK: the place
 * where the node is is asked first, and must be silent; TRUST: the claim is believed, as the paper
 * does. */
enum shared_ports { SHARED_PORTS_TRUST, SHARED_PORTS_ASK };

/* How packets shall go between two FEs, where both can. */
enum underlay_wish { UNDERLAY_WISH_NONE, UNDERLAY_WISH_IPV4, UNDERLAY_WISH_IPV6 };
struct tunnel_wish {
	char ends[2][NAME_SIZE];
	uint8_t encapsulation; /* enum encapsulation; 0: not said */
	uint8_t underlay;      /* enum underlay_wish */
};

/* Faults that the simulator plants in the core, to see that it finds them; never set otherwise. */
enum core_fault {
	FAULT_NONE,
	FAULT_NO_BARRIER,     /* an ambiguous claim is believed at once (design P4a) */
	FAULT_RESTAMP,        /* what is learnt from tables gets a version of our own (P2) */
	FAULT_NO_TOMBSTONE,   /* a deregistration is forgotten at once (P2) */
	FAULT_ALL_DESIGNATED, /* every FE of a segment speaks for its nodes */
	FAULT_UNSIGNED,       /* what is heard unsigned binds where a signature is demanded */
	FAULT_REPLAYED,       /* what was signed once is believed for ever */
};

struct core_config {
	char name[NAME_SIZE];
	enum admission_mode admission; /* of prefixes that say nothing else */
	enum shared_ports shared_ports;
	unsigned flapping_claims;    /* so many ambiguous claims ... */
	unsigned flapping_window_ms; /* ... within this damp a node; 5 in 180000 */
	struct mac gateway_mac;      /* the anycast gateway's, the same on every FE */
	uint16_t shard;
	struct tunnel_wish tunnel;   /* of all pairs that none of their own is told for */
	unsigned port_grace_ms;      /* a node whose port went down is kept this long; 2000 */
	unsigned prepare_timeout_ms; /* a tentative move reverts after this; 30000 */
	unsigned probe_timeout_ms;   /* an ambiguous claim's probe; 300 */
	unsigned element_grace_ms;   /* an FE whose session is lost keeps its nodes on segments that
				      * it shares this long; 1000 */
	bool discovery;              /* links between provisioned devices are found by LLDP */
	uint32_t discovery_cost;     /* what such a link costs; 10 */
	unsigned learn_timeout_ms;   /* after a start, wait this long for known FEs before deleting
				      * what no attachment explains; 5000 */
	unsigned rebuild_timeout_ms; /* with a new store: how long flows for nodes that are not in
				      * the inventory stay; 0: not at all */
	/* Signed registrations (docs/registration.md): random, another at each start, not 0; the
	 * key of answers to nodes with Ed25519 keys (it may be none); the longest lifetime that is
	 * given, 3600. */
	uint64_t registration_epoch;
	struct sign_key registration_key;
	uint32_t registration_lifetime_s;
	unsigned slice; /* nodes or rules of an FE that are compared before others have their turn;
			 * 512 */
	enum core_fault fault;
};

enum event_kind {
	EVENT_ELEMENT_UP,
	EVENT_ELEMENT_DOWN,
	EVENT_PORT_UP,
	EVENT_PORT_DOWN,
	EVENT_PORT_GONE,
	EVENT_NODE_ADDED,
	EVENT_NODE_REMOVED,
	EVENT_ATTACHED,
	EVENT_MOVED,
	EVENT_PREPARED,
	EVENT_REVERTED,
	EVENT_DETACHED,
	EVENT_REFUSED,
	EVENT_AMBIGUOUS,
	EVENT_SYNCHRONIZED,
	EVENT_REDESIGNATED, /* another FE of its segment serves the node: it did not move itself */
	EVENT_TABLE_FULL,   /* an FE's table is full, or has room again */
	EVENT_WAY_OUT,      /* a border FE lost its routes to the outside, or has them again */
	EVENT_DRAINING,     /* an FE drains, or is in service again */
	EVENT_LINK_UP,
	EVENT_LINK_DOWN,
	EVENT_ALARM, /* something is wrong and lasts: core_alarms */
	EVENT_ALARM_OVER,
	EVENT_KIND_COUNT
};

/* Something that happened; 'text' is one line for people, the other fields are for programs. */
struct event {
	uint64_t revision; /* grows by one; northbound's Last-Event-ID */
	enum event_kind kind;
	int64_t at_ms; /* core time */
	char node[NAME_SIZE], element[NAME_SIZE];
	uint32_t port;
	uint64_t version;
	char text[256];
};
const char *event_kind_name(enum event_kind kind); /* "moved" */

struct core;
struct session; /* one FE's connection */

/* None of these may change the core.  The core logs each event itself. */
struct core_shell {
	/* There are bytes in session_channel(s)->out: write them now (design P5). */
	void (*flush)(void *context, struct session *s);
	/* Close this connection; the core does not use it any more, and 's' is freed after this:
	 * write what is left in 'out' (a last ERROR) now, and do not call core_session_close. */
	void (*drop)(void *context, struct session *s);
	void (*event)(void *context, const struct event *e);
	/* For the store, beside the way of a move: never waited for. */
	void (*keep_attachment)(void *context, const struct attachment *a);
	void (*forget_attachment)(void *context, const char *node);
	void *context;
	/* Whether the kernel at the other end has acknowledged all that was written; NULL: nobody
	 * knows, and it is taken for no. */
	bool (*is_acknowledged)(void *context, struct session *s);
	/* Of an element's external port that a routing daemon speaks for (declared.h); NULL: there
	 * is no such daemon anywhere.  A frame for the daemon; the port's MAC, and whether the FE
	 * has all its rules and the port is up. */
	void (*outside_frame)(void *context, const char *element, const char *port,
			      const void *frame, size_t size);
	void (*outside_port)(void *context, const char *element, const char *port,
			     const struct mac *mac, bool up);
	/* As flush, but more that is to be written may come of what has arrived already: write it
	 * when all of that has been handed over.  NULL: flush is called. */
	void (*flush_soon)(void *context, struct session *s);
	/* For the store, never waited for: a node that has its address because it came first, and
	 * that it has been released; NULL: nobody keeps them. */
	void (*keep_node)(void *context, const struct node_spec *n);
	void (*forget_node)(void *context, const char *id);
	/* Which device has registered the node, for the store likewise; NULL: none any more. */
	void (*keep_registration)(void *context, const char *node, const char *device,
				  uint32_t lifetime_s);
	/* Bytes of what was written that the FE's connection has not taken yet.  NULL: nobody
	 * knows, and nobody calls core_compare: whatever is to be sent is sent at once. */
	size_t (*unsent)(void *context, const struct session *s);
};

/* 'term' is higher than any this controller used before (the store counts it); it is raised above
 * what FEs' cookies and roles say. */
struct core *core_create(const struct core_config *config, const struct core_shell *shell,
			 uint64_t seed, uint16_t term, int64_t now_ms);
void core_destroy(struct core *c);
uint16_t core_term(const struct core *c); /* may have grown: keep it in the store */

/* At start, before any session: from the config and the store. */
MUST_USE int core_add_prefix(struct core *c, const struct covered_prefix *p, struct reason *why);
/* Sites come before prefixes. */
MUST_USE int core_add_site(struct core *c, const struct site *s, struct reason *why);
/* Networks come before all else; settle, when all are in, refuses those that contradict each other:
 * the one at '*ret_at'. */
MUST_USE int core_add_network(struct core *c, const struct network *n, struct reason *why);
MUST_USE int core_settle_networks(struct core *c, unsigned *ret_at, struct reason *why);
/* An FE that cannot say itself what it is (Open vSwitch). */
MUST_USE int core_add_element(struct core *c, const struct declared_element *d, struct reason *why);
MUST_USE int core_add_link(struct core *c, const struct link *l, struct reason *why);
/* The config was read again: links that are not in the list go, others come or change. */
void core_replace_links(struct core *c, const struct link *list, unsigned count, int64_t now_ms);
MUST_USE int core_add_tunnel(struct core *c, const struct tunnel_wish *w, struct reason *why);
/* Where a routing daemon would send what leaves VICTOR by an element's external port: all of it.  A
 * route whose next hop's MAC is zero is not told to the element yet. */
struct outside_route {
	struct prefix prefix;
	struct mac mac;
	bool is_neighbor; /* somebody on the LAN: no way out */
};
#define OUTSIDE_ROUTES_MAX 16384
void core_set_routes(struct core *c, const char *element, const char *port,
		     const struct outside_route *list, unsigned count, int64_t now_ms);
/* Whether the element may announce the prefix to routers outside now. */
bool core_announces(const struct core *c, const char *element, const struct prefix *prefix);
/* The daemon sends a frame. */
void core_send_outside(struct core *c, const char *element, const char *port, const void *frame,
		       size_t size, int64_t now_ms);
void core_restore_attachment(struct core *c, const struct attachment *a);
/* After the attachments. */
void core_restore_registration(struct core *c, const char *node, const char *device,
			       uint32_t lifetime_s);
void core_restore_drain(struct core *c, const char *element);

/* Southbound. */
/* Our HELLO is in session_channel(s)->out after open: write it.  close frees 's'. */
struct session *core_session_open(struct core *c, const char *peer, void *handle, int64_t now_ms);
/* The connection is proven to be this element's: with another datapath id or name it is dropped. */
void core_session_vouch(struct session *s, uint64_t datapath_id, const char *name);
void core_session_receive(struct session *s, const uint8_t *bytes, size_t size, int64_t now_ms);
void core_session_close(struct session *s, const char *reason, int64_t now_ms);
struct channel *session_channel(struct session *s);
void *session_handle(const struct session *s);
/* In a move elements are sent their flow-mods at once, and the barrier behind them here, when the
 * move is over: one for all that was sent meanwhile, and a barrier's reply is work that would delay
 * other elements' flow-mods.  The place that a node left is asked then, too.  Within a few ms of a
 * call that left some owed; core_tick does it too. */
bool core_owes_barriers(const struct core *c);
void core_send_barriers(struct core *c);
/* Where very many elements are told, a second write to each costs more than replies that come
 * early.  Of a session whose bytes were put off (flush_soon), when they are about to be written:
 * true: the barrier was added, and all is flushed. */
bool core_end_with_barrier(struct session *s);
/* An FE that has come back is compared with what it should have in slices of less than a
 * millisecond: one for each FE that takes more.  False: nothing could be done, until an FE has
 * taken more of what was written. */
bool core_is_comparing(const struct core *c);
bool core_compare(struct core *c);
/* At least every 50 ms. */
void core_tick(struct core *c, int64_t now_ms);

/* Northbound: changes.  Also at start for the nodes of the config and the store.
 * put: 0, or -EINVAL/-EEXIST with the reason.  remove: -ENOENT. */
MUST_USE int core_put_node(struct core *c, const struct node_spec *n, int64_t now_ms,
			   struct reason *why);
MUST_USE int core_remove_node(struct core *c, const char *id, int64_t now_ms, struct reason *why);
/* A device of a node, whose key signs its registrations: added, or replaced.  -ENOENT: there is no
 * such node; -EINVAL, -E2BIG.  remove: -ENOENT; what it has registered ends. */
MUST_USE int core_put_device(struct core *c, const struct device *d, int64_t now_ms,
			     struct reason *why);
MUST_USE int core_remove_device(struct core *c, const char *node, const char *name, int64_t now_ms,
				struct reason *why);
/* A tentative move (P4b): traffic goes to (element, port name) at once; confirmed by the node's own
 * announcement there or by core_confirm_move; undone by core_revert_move or the timeout.
 * -ENOENT: no such node, element or port; -EBUSY: another move is under way; -EPERM: it may not
 * attach there; -EEXIST: it is there already; -EINVAL: its MAC is not known yet.  The same prepare
 * again lengthens the time.  confirm, revert: -ENOENT where no move is under way (any more). */
MUST_USE int core_prepare_move(struct core *c, const char *node, const char *element,
			       const char *port, uint16_t vlan, int64_t now_ms, struct reason *why);
MUST_USE int core_confirm_move(struct core *c, const char *node, int64_t now_ms,
			       struct reason *why);
MUST_USE int core_revert_move(struct core *c, const char *node, int64_t now_ms, struct reason *why);
/* It has its addresses because it came first. */
bool core_is_claimed(const struct core *c, const struct node *n);
/* An address of a first-come prefix, or the node that came first: it, with all its addresses, is
 * forgotten, and whoever comes next has them; its id is in 'ret_id'.  -ENOENT; -EEXIST: it is of
 * the inventory. */
MUST_USE int core_release(struct core *c, const char *who, int64_t now_ms, char ret_id[NAME_SIZE],
			  struct reason *why);
/* Forget where the node is (until it announces itself again). */
MUST_USE int core_detach_node(struct core *c, const char *node, int64_t now_ms, struct reason *why);

/* Takes an element out of service, or into it again: drain.c.  -ENOENT. */
MUST_USE int core_drain(struct core *c, const char *element, bool drains, int64_t now_ms,
			struct reason *why);

/* Northbound: queries. */
struct port_view {
	uint32_t number;
	char name[OFP_PORT_NAME_SIZE];
	struct port_info info;
	bool up;
};

enum element_state { ELEMENT_OFFLINE, ELEMENT_CONNECTING, ELEMENT_SYNCHRONIZING, ELEMENT_ONLINE };

struct element_view {
	uint32_t id;
	char name[NAME_SIZE], software[NAME_SIZE], peer[NAME_SIZE];
	enum element_state state;
	const char *kind;          /* "victor-fe" or "ovs" */
	const char *const *cannot; /* what it cannot do, for people; ends with NULL */
	struct backplane backplane;
	uint16_t backplane_mtu;
	char encapsulations[2][NAME_SIZE]; /* "ipip", "vxlan" */
	unsigned encapsulation_count;
	bool border;  /* it has an external port that is up */
	bool way_out; /* and routes by which packets leave */
	int64_t since_ms;
	unsigned port_count, rule_count;
	uint64_t flow_mods_sent, packet_ins, errors;
	bool draining, full; /* full: its table; it refused 'missing' rules that it should have */
	unsigned binding_limit; /* addresses that it can hold */
	unsigned missing;
	uint64_t table_full; /* rules refused so far */
};
const char *element_state_name(enum element_state state);

const struct inventory *core_inventory(const struct core *c);
const struct core_config *core_get_config(const struct core *c);
uint64_t core_revision(const struct core *c);
/* Each calls 'each' for every item, in order of id or name. */
void core_elements(const struct core *c, void (*each)(void *to, const struct element_view *),
		   void *to);
int core_element_by_name(const struct core *c, const char *name, struct element_view *ret);
void core_ports(const struct core *c, uint32_t fe, void (*each)(void *to, const struct port_view *),
		void *to);
void core_nodes(const struct core *c, void (*each)(void *to, const struct node *), void *to);
void core_attachments(const struct core *c, void (*each)(void *to, const struct attachment *),
		      void *to);
/* So many of them at most, in no order, from '*at' on, which begins as 0 and is then where to go
 * on. False: these were the last.  What is there from the first piece to the last is met once. */
bool core_nodes_page(const struct core *c, size_t *at, unsigned count,
		     void (*each)(void *to, const struct node *), void *to);
bool core_attachments_page(const struct core *c, size_t *at, unsigned count,
			   void (*each)(void *to, const struct attachment *), void *to);
const struct devices *core_devices(const struct core *c);
/* By which device the node is registered; false: by none. */
struct registration_view {
	char device[NAME_SIZE];
	bool known;     /* false: bound before this start, and the store did not know by which */
	bool confirmed; /* since this start */
	uint32_t left_s;
};
bool core_registration(const struct core *c, const char *node, struct registration_view *ret);
/* Since the start. */
struct registration_counts {
	uint64_t solicited, registered, renewed, deregistered, expired, refused, pushed;
};
struct registration_counts core_registration_counts(const struct core *c);
const struct attachment *core_attachment(const struct core *c, const char *node);
/* Its element refused its rules, being full: it is not reachable there. */
bool core_is_missing(const struct core *c, const struct attachment *a);

/* How far an element's drain is. */
struct drain_view {
	bool draining;
	bool border;    /* it has an external port; while it drains it announces nothing there */
	bool is_empty;  /* it drains, nothing is left, and every FE has acknowledged that */
	unsigned nodes; /* that are attached there; while it drains, only it can serve them */
	unsigned exits; /* elements that send out of VICTOR by it */
};
/* -ENOENT.  'each' (or NULL) is called for what is attached there. */
MUST_USE int core_drain_view(const struct core *c, const char *element, struct drain_view *ret,
			     void (*each)(void *to, const struct attachment *stays), void *to);

/* What is there twice is of the two ends. */
struct link_view {
	uint32_t fe[2];
	char names[2][NAME_SIZE];
	uint8_t kind; /* enum link_kind; 0: only a cost */
	char ports[2][LINK_PORT_SIZE];
	uint32_t cost;
	bool by_delay, discovered;
	bool up;                       /* without a kind: both ends are online */
	bool reported[2], end_up[2];   /* what the FE there says, where it says something */
	const char *why_down[2];       /* "" */
	uint32_t delay_us;             /* one way; 0: not measured */
	uint32_t bandwidth_mbps;       /* guaranteed; 0: not said */
	uint64_t bits_per_second[2];   /* sent from there */
	uint64_t packets[2], bytes[2]; /* sent from there since the FE has the link */
	bool tunnelled;                /* both ends are known; then: */
	bool vxlan, ipv6;
};
void core_links(const struct core *c, void (*each)(void *to, const struct link_view *), void *to);

/* The ways that packets of 'from' for nodes at 'to' take over the backplane. */
enum path_kind { PATH_STRAIGHT, PATH_FIRST, PATH_EQUAL, PATH_SECOND };
#define PATH_LENGTH_MAX 64
struct path_view {
	enum path_kind kind;
	uint64_t cost;  /* STRAIGHT: 0 */
	unsigned count; /* of FEs, both ends included */
	uint32_t fe[PATH_LENGTH_MAX];
};
const char *path_kind_name(enum path_kind kind); /* "straight", "first", "equal", "second" */
/* One for each first link: the best path over it, by what the FEs' groups say.  Nothing where one
 * of them is not known or has no backplane address. */
void core_paths(const struct core *c, uint32_t from, uint32_t to,
		void (*each)(void *each_to, const struct path_view *), void *each_to);

/* By whom an element sends a prefix's packets out of VICTOR: only of prefixes that have a list. */
struct exit_view {
	const struct covered_prefix *prefix;
	const char *element;
	const char *exit; /* it may be the element itself; NULL: none, they are dropped */
	bool announced;   /* the element tells routers outside of the prefix */
};
void core_exits(const struct core *c, void (*each)(void *to, const struct exit_view *), void *to);

/* What was refused, by (rule, who, where): the latest few thousand. */
struct refusal {
	char why[NAME_SIZE]; /* the rule: "unknown-node", "wrong-mac", "not-allowed-here" ... */
	char who[NAME_SIZE]; /* address, MAC, user or peer; "others": too many to list */
	char text[256];      /* what the last one was, for people */
	uint32_t fe, port;   /* 0: not at an FE, not at a port */
	uint64_t count;
	int64_t first_ms, last_ms;
};
void core_refusals(const struct core *c, void (*each)(void *to, const struct refusal *), void *to);
/* By rule, since start: these only grow. */
void core_refusal_counts(const struct core *c,
			 void (*each)(void *to, const char *why, uint64_t count), void *to);
/* The shell refused somebody: he is listed with the others.  'why' is a word of the program's own,
 * never what a peer said; 'who' and 'text' may be in any bytes; 'element' may be NULL. */
void core_note_refusal(struct core *c, const char *why, const char *who, const char *element,
		       uint32_t port, const char *text, int64_t now_ms);

/* What is wrong and lasts. */
struct alarm {
	char kind[NAME_SIZE]; /* "flapping", "overlap" */
	char who[NAME_SIZE];  /* a node, a prefix */
	char text[256];
	uint32_t fe, port; /* 0: not at an FE, not at a port */
	int64_t since_ms;
};
void core_alarms(const struct core *c, void (*each)(void *to, const struct alarm *), void *to);

/* From the live FE: the core asks, the answer comes later through 'done' (also on error or after 2
 * s: result < 0), from within another core call.  The list is borrowed. */
MUST_USE int core_read_rules(struct core *c, const char *element, int64_t now_ms,
			     void (*done)(void *to, int result, const struct ofp_flow_stats *list,
					  const struct rule *rules, size_t count),
			     void *to, struct reason *why);
MUST_USE int core_read_counters(struct core *c, const char *element, int64_t now_ms,
				void (*done)(void *to, int result, const struct counter *list,
					     size_t count, const struct drop_count *drops,
					     size_t drop_count),
				void *to, struct reason *why);

/* A packet's way through the tables, from the controller's intent (victorctl trace). */
struct trace_step {
	char element[NAME_SIZE];
	uint8_t table; /* enum pipeline_table */
	char flow[128], action[128], reason[160];
};
#define TRACE_STEPS_MAX 32
/* 'source' may be an address of a node or of an outside client; 'element' is where it enters
 * (NULL: where the source is attached, or the first border FE).  Returns the number of steps; the
 * last one's reason says the verdict ("delivered to port 2", "dropped: no binding"). */
MUST_USE int core_trace(const struct core *c, uint32_t vrf, const struct address *source,
			const struct address *destination, const char *element,
			struct trace_step steps[TRACE_STEPS_MAX], struct reason *why);
