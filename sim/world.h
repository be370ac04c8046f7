/* One world: a controller, its FEs, the wires between them, hosts that move, and what goes wrong.
 * The real cores (controller/core.h, fe/agent.h) run in it; time, delays and faults come from
 * a seed and a script, so that every run can be replayed exactly (design P1).
 *
 *	main.c     seeds, scripts, shrinking        script.c   what is done to the world
 *	world.c    the clock and the events         check.c    what must hold (the invariants)
 *	element.c  an FE and its wire               control.c  the controller and its store
 *	host.c     nodes, impostors                 plane.c    an FE's data plane
 *	lan.c      LANs that several FEs share      walk.c     a packet's way
 *	link.c     the links between the FEs	signer.c   nodes that must sign
 */
#pragma once

#include "controller/core.h"
#include "fe/agent.h"
#include "sim/plane.h"
#include "sim/queue.h"
#include "sim/random.h"

#define WORLD_ELEMENTS_MAX 1024
#define QUIET_TALK_US 30000000 /* every second host says little */
#define WORLD_PORTS 4          /* access ports of each FE, numbered from 1 */
#define LAN_ELEMENTS 3         /* FEs on one LAN, each with its last access port */
#define LINK_PORT 11           /* an FE's device towards the next in the ring; and the other way: */
#define LINK_PORT_BACK 12
#define SIGNER_DEVICES 2
#define SIGNER_OVERHEARD 4
#define SIGNER_MESSAGE_MAX 1024

/* What there is in a world besides FEs and nodes with an address. */
enum world_feature {
	WORLD_LANS = 1 << 0,  /* some ports are on LANs that several FEs share */
	WORLD_LINKS = 1 << 1, /* the FEs are joined by links, in a ring */
	WORLD_DUAL = 1 << 2,  /* nodes have an IPv4 and an IPv6 address */
	WORLD_FULL = 1 << 3,  /* some FEs have small tables */
	WORLD_DRAIN = 1 << 4, /* FEs are taken out of service and into it again */
	WORLD_ALL = (1 << 5) - 1,
	/* Drawn by no seed: */
	WORLD_ASKED = 1 << 5,  /* claims on shared ports are asked about */
	WORLD_SIGNED = 1 << 6, /* nodes must sign */
};

/* What can be done to the world from outside.  'who' and 'where' mean what is said. */
enum stimulus_kind {
	STIMULUS_MOVE,       /* host 'who' to place 'where', announcing itself */
	STIMULUS_MOVE_MUTE,  /* likewise, but it does not announce itself: its data tells */
	STIMULUS_PREPARE,    /* host 'who' is about to move to 'where', which it then does or not */
	STIMULUS_ANNOUNCE,   /* host 'who' once more */
	STIMULUS_FORGE,      /* from place 'where', somebody claims host 'who's address */
	STIMULUS_CLONE,      /* likewise with its MAC too, for 'ms' */
	STIMULUS_CRASH_FE,   /* the agent of element 'who', back after 'ms' */
	STIMULUS_CRASH_CORE, /* back after 'ms'; its store loses the last 'where' attachments */
	STIMULUS_LOSE_STORE, /* the controller's database is deleted, the inventory imported */
	STIMULUS_CUT,        /* element 'who's wire breaks; where: half-open, one end learns late */
	STIMULUS_PORT_DOWN,  /* place 'where' is without carrier for 'ms' */
	STIMULUS_CLOCK,      /* the controller's clock jumps ahead by 'ms' */
	STIMULUS_REMOVE,     /* the operator removes host 'who' from the inventory for 'ms' ... */
	STIMULUS_RESTORE,    /* ... or puts it there again */
	STIMULUS_LINK_DOWN,  /* the link between element 'who' and the next, for 'ms' */
	STIMULUS_DRAIN,      /* element 'who' drains, or (where: even) does not */
	STIMULUS_KIND_COUNT
};

struct stimulus {
	int64_t at_us;
	uint8_t kind; /* enum stimulus_kind */
	uint32_t who, where, ms;
};

struct wire {
	bool open_at_core, open_at_fe;
	uint32_t epoch; /* of the connection */
	struct session *session;
	struct agent_connection *connection;
	int64_t last_to_core_us, last_to_fe_us; /* in order within a connection */
	uint64_t sent;
	int64_t cut_until_us; /* nothing gets through before */
};

struct sim_element {
	struct plane plane;
	struct agent *agent; /* NULL: crashed */
	struct agent_config config;
	struct wire wire;
	bool port_up[WORLD_PORTS + 1];
	int64_t link_up_us; /* the link to the next one: up from then on */
	bool drains;
	uint32_t starts;
	int64_t disturbed_us; /* when something last went wrong here */
};

struct signer_message {
	uint8_t bytes[SIGNER_MESSAGE_MAX];
	size_t size;
	uint32_t place; /* where it was said */
};

/* What a host runs to sign, where it must. */
struct signer {
	struct victor_register *client; /* NULL: not yet */
	unsigned device;                /* which of its own it is on */
	int64_t next_us;
	struct signer_message overheard[SIGNER_OVERHEARD];
	unsigned overheard_count;
};

struct host {
	char id[NAME_SIZE];
	struct mac mac;
	struct address address, second; /* IPv4; IPv6, or zero */
	uint32_t place;                 /* element * WORLD_PORTS + port - 1 */
	bool present;                   /* in the inventory */
	int64_t forgotten_us;           /* deregistered then, and silent since; 0: no */
	int64_t disturbed_us;
	int64_t arrived_us, talks_us; /* last, next */
	int64_t reverts_us;           /* when a move that was prepared is undone at the latest */
	int64_t clone_until_us;
	uint32_t clone_place;
	uint8_t *was_at; /* bit for each place where somebody used its MAC and address */
	struct signer signer;
};

struct world_options {
	uint64_t seed;
	uint32_t elements, hosts;
	int64_t duration_us;
	unsigned rate; /* stimuli in a simulated second */
	bool verbose;
	unsigned features;     /* enum world_feature */
	bool no_mark;          /* planted: an FE does not mark what it redirects (P4) */
	bool returns;          /* planted: a transit FE sends back by the link it came by */
	enum core_fault fault; /* planted */
};

/* The controller's store: what survives it. */
struct sim_store {
	uint16_t term;
	struct table nodes;       /* durable when acknowledged */
	struct table attachments; /* a copy that lags */
	struct table tombstones;  /* durable with the node's removal; each is until it is buried */
	struct table holders;     /* likewise: which device a node is on */
};

struct world {
	struct world_options options;
	int64_t now_us;
	struct queue queue;
	uint64_t events;
	struct sim_element *elements;
	struct host *hosts;
	struct core *core; /* NULL: crashed */
	struct core_config core_config;
	int64_t core_clock_ms; /* how far its clock jumped */
	uint32_t core_starts;
	struct sim_store store;
	int64_t core_disturbed_us, core_died_us;
	const struct stimulus *script;
	size_t script_count;
	bool quiet;              /* the script is over: everything is to heal */
	const char *broken_kind; /* the format of ... */
	char broken[256];        /* the invariant that does not hold; empty: all do */
	uint64_t moves, lost;
};

static inline int64_t world_ms(const struct world *w)
{
	return w->now_us / 1000;
}

static inline int64_t world_core_ms(const struct world *w)
{
	return w->now_us / 1000 + w->core_clock_ms;
}

static inline uint32_t place_element(uint32_t place)
{
	return place / WORLD_PORTS;
}

static inline uint32_t place_port(uint32_t place)
{
	return place % WORLD_PORTS + 1;
}

static inline bool world_has(const struct world *w, enum world_feature feature)
{
	return (w->options.features & feature) != 0;
}

/* Runs the script; 0, or -1 with w->broken.  The world can then only be finished. */
void world_init(struct world *w, const struct world_options *options, const struct stimulus *script,
		size_t count);
MUST_USE int world_run(struct world *w);
void world_finish(struct world *w);
void world_at(struct world *w, int64_t delay_us, enum happening_type type, uint32_t a, uint32_t b);
void world_break(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* element.c */
void sim_element_init(struct world *w, uint32_t index);
void sim_element_finish(struct sim_element *e);
void sim_element_start(struct world *w, uint32_t index);
void sim_element_crash(struct world *w, uint32_t index, uint32_t ms);
void sim_element_tick(struct world *w, uint32_t index);
void sim_element_set_port(struct world *w, uint32_t index, uint32_t port);
void sim_element_upcall(struct world *w, uint32_t index, uint8_t reason, uint32_t port,
			const void *frame, size_t size);
void wire_connect(struct world *w, uint32_t index);
void wire_cut(struct world *w, uint32_t index, uint32_t ms, bool half_open);
void wire_deliver_to_core(struct world *w, const struct happening *h);
void wire_deliver_to_fe(struct world *w, const struct happening *h);
void wire_close_at_core(struct world *w, uint32_t index, uint32_t epoch);
void wire_close_at_fe(struct world *w, uint32_t index, uint32_t epoch);
/* Sends what the core has for this element. */
void wire_flush_core(struct world *w, uint32_t index);

/* control.c */
void control_init(struct world *w);
void control_finish(struct world *w);
void control_start(struct world *w);
void control_crash(struct world *w, uint32_t ms, uint32_t forgets);
void control_lose_store(struct world *w);
void control_put_host(struct world *w, uint32_t host);
void control_remove_host(struct world *w, uint32_t host);
void control_drain(struct world *w, uint32_t element, bool drains);

/* lan.c */
/* 0: a port of its own. */
uint32_t lan_of(const struct world *w, uint32_t place);
/* The same port, or ports of one LAN. */
bool lan_joins(const struct world *w, uint32_t a, uint32_t b);
/* The places from which the same is heard: calls 'each' for 'place', or for each of its LAN. */
void lan_each(struct world *w, uint32_t place,
	      void (*each)(struct world *w, uint32_t place, void *to), void *to);
/* Whether every FE there would hear what is said there. */
bool lan_is_heard(struct world *w, uint32_t place);

/* link.c */
void link_declare(struct world *w);
void link_set_devices(struct world *w, uint32_t index);
void link_break(struct world *w, uint32_t index, uint32_t ms);
void link_mend(struct world *w, uint32_t index);

/* walk.c */
enum walk_end { WALK_ARRIVES, WALK_IS_LOST, WALK_LOOPS };
/* From FE to FE by the links; 'flow' says which of equal paths. */
enum walk_end walk_links(const struct world *w, uint32_t from, uint32_t to, uint32_t flow);
/* From where it enters to a node, by the links too if 'links'.  IS_LOST: nobody has it. */
enum walk_end walk_to_node(const struct world *w, uint32_t from, const struct address *address,
			   bool links, uint32_t *ret_place);

/* host.c */
/* Whose address it is, or NULL. */
const struct host *host_of(const struct world *w, const struct address *address);
/* The element has a port where the host is. */
bool host_is_heard_by(const struct world *w, const struct host *h, uint32_t element);
/* Nothing is asserted about it for a while after that. */
void host_disturb(struct host *h, int64_t until_us);
/* A move is prepared; a controller that restarts gives it its time once more. */
void host_await_revert(const struct world *w, struct host *h);
/* Only what it says next can tell where it is: those at one port, or (0) of an element whatever has
 * no binding there yet, since an agent that dies takes along what it had not delivered. */
void host_disturb_until_talk(struct world *w, uint32_t element, uint32_t port);
void host_init(struct world *w, uint32_t index);
void host_do(struct world *w, uint32_t stimulus);
void host_arrive(struct world *w, uint32_t index, uint32_t stimulus);
void host_talk(struct world *w, uint32_t index);
/* An FE sent a frame out of a port: who is there answers. */
void host_hear(struct world *w, uint32_t element, uint32_t port, const void *frame, size_t size);
void host_answer(struct world *w, uint32_t index, uint32_t place);
void host_revert(struct world *w, uint32_t index);
void host_announce(struct world *w, uint32_t index, uint32_t place, const struct mac *mac,
		   bool as_request);

/* signer.c */
void signer_start(struct world *w);
void signer_stop(struct host *h);
struct mac signer_mac(uint32_t host, unsigned device);
bool signer_has_mac(const struct world *w, const struct host *h, const struct mac *mac);
void signer_put_devices(struct world *w, uint32_t host);
/* It is at its place now; NULL: for the first time. */
void signer_arrive(struct world *w, uint32_t host, const struct stimulus *s);
void signer_step(struct world *w, uint32_t host);
/* False: the frame is not for it, or no registration. */
bool signer_hear(struct world *w, uint32_t host, const void *frame, size_t size);
/* As far as it knows. */
bool signer_is_registered(const struct host *h);
/* Somebody at 'place', or where it was heard, says again what the host said. */
void signer_replay(struct world *w, uint32_t host, uint32_t place, uint32_t which);

/* check.c */
/* An FE's entry for an address changed. */
void check_binding(struct world *w, uint32_t element, const struct address *address);
void check_version(struct world *w, uint32_t element, const struct rule *rule);
/* An FE has heard all of what it was sent at once. */
void check_whole(struct world *w, uint32_t element);
/* A link broke, and its ends know; 'calm': all else was well. */
bool check_is_calm(const struct world *w);
void check_failover(struct world *w);
/* A while after it arrived somewhere. */
void check_arrived(struct world *w, uint32_t host);
/* From time to time. */
void check_reachable(struct world *w);
/* When all is quiet. */
void check_end(struct world *w);

/* script.c: free() what it returns. */
struct stimulus *script_make(const struct world_options *options, size_t *ret_count);
void script_print(const struct stimulus *s);
