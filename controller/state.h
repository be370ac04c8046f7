/* What hangs from struct core: the core's own files share it, nobody else includes it.
 *
 *	core ── elements ── ports ── records        (who is where: intrusive lists)
 *	     └─ sessions    (one for each connection; an element outlives its sessions)
 *	     └─ records     (an attachment and its bookkeeping, by node id)
 */
#pragma once

#include "base/pool.h"
#include "controller/aside.h"
#include "controller/core.h"
#include "pipeline/stencil.h"

#define ELEMENT_ID_MAX 65535u
#define ECHO_INTERVAL_MS 1000u
#define ECHO_PATIENCE_MS 500 /* for its answer */
#define HANDSHAKE_TIMEOUT_MS 10000
#define REQUEST_TIMEOUT_MS 2000
#define BORDER_GRACE_MS 3000   /* a border FE without a session is still preferred this long */
#define SEGMENT_MEMBERS_MAX 16 /* FEs on one LAN */
#define SIGHTINGS_HELD_MAX 1024
#define SIGHTING_SIZE 128 /* of a frame: enough for ARP, and for ND with its options */
#define DEFAULT_VRF 0u
/* Where there are more, each is written to once for a move: a second write for its barrier costs
 * more than replies that come early. */
#define FEW_ELEMENTS 16
#define TERM_JUMP_MAX 16384 /* a term further ahead than this is a fault, not a lost store */

/* After a move, the place that the node left is asked once whether the node is still there, if it
 * was heard there this recently: see attachment.c. */
#define SECOND_LOOK_MS 1000
#define UNLOGGED_MAX 16
#define LOOKS_MAX 64 /* that wait until the moves are over */

struct attachment_record;
struct ovs; /* ovs.h */
struct signed_state;

struct port {
	uint32_t number;
	char name[OFP_PORT_NAME_SIZE];
	struct mac mac;
	bool present; /* the FE has it; false: gone, or not told yet */
	bool up;
	bool blocked;          /* nothing should leave VICTOR by it, it says */
	uint32_t segment;      /* which it joined (segment.c); 0: none */
	bool beside;           /* up there: it has the segment's nodes */
	bool silent;           /* its LISTEN rule says so */
	bool listed;           /* in the list that is just being read */
	uint8_t admitted;      /* enum port_role that its rules say; 0: it has none */
	struct port_info info; /* role 0: not told yet */
	uint32_t first;        /* of the records of nodes that are attached here */
};

struct element {
	struct core *core;
	uint32_t id;
	char name[NAME_SIZE]; /* "#3" until it says who it is */
	struct ovs *ovs;      /* it is an Open vSwitch; NULL: a victor-fe */
	struct element_info info;
	struct backplane backplane; /* its addresses are learnt from others' groups at first */
	bool met;                   /* it connected in this run */
	bool ports_known;           /* and it has listed its ports */
	bool awaited;               /* an attachment of the last run is at it */
	bool synced; /* compared with intent in this session: gets every change at once */
	bool border;
	bool without_way; /* border: it has lost its routes to the outside; others are preferred */
	bool distant;     /* border: without a session for so long that others are preferred */
	bool alive;       /* may be designated for nodes of its segments (segment.c) */
	bool cut_off;     /* it answers, but has had no link for long (gone.c) */
	bool full;        /* its table (full.c) */
	bool refused_again; /* since the last comparison began */
	bool draining;      /* for nothing new, and for nothing that another can do */
	bool avoided;       /* away for so long, or draining: others do not pass through it */
	bool unexplained;   /* it has rules that may only be removed when learning is over */
	enum element_state state;
	struct session *session;
	char peer[NAME_SIZE];
	struct table ports;  /* uint32_t number -> struct port */
	struct table groups; /* uint32_t fe -> struct rule_group: those it has */
	struct table
		spreads; /* uint32_t fe -> struct prefix: of whom it has rules for more sources */
	int64_t exit;    /* -1: no rule; 0: its own external port; else a border FE's id */
	uint32_t nearest_border;
	struct table exits; /* exit.c: unsigned, a prefix's place -> struct rule that it has */
	bool exits_changed;
	uint64_t *exit_distances; /* to it, by vertices; NULL: no list names it */
	unsigned exit_vertices;
	uint64_t sent, settled; /* change numbers: last one sent; last one behind a barrier reply */
	bool owes_barrier;      /* the last one sent has none behind it yet */
	int64_t since_ms, lost_ms; /* in this state; when the last session was lost */
	int64_t linkless_ms;       /* since when none of its links lives; 0: one does, or unwatched
				    */
	uint64_t rule_count, flow_mods_sent, packet_ins, errors;
	struct table missing;  /* struct rule_key -> bool: what it refused, being full */
	int64_t tried_ms;      /* when that was put last */
	unsigned freed;        /* rules deleted since */
	uint64_t table_full;   /* refusals */
	uint32_t unprobed;     /* the first of RECORD_UNPROBED here */
	unsigned vertex;       /* of the backplane as a graph: which one was met */
	bool links_known;      /* it can be told of links, and has listed its own */
	bool has_links;        /* it was told of one (backplane_tick) */
	struct buffer orphans; /* struct reported_link: links that nothing explains yet */
	int64_t orphans_since_ms;
	struct overlap *overlaps; /* overlap.c */
	unsigned overlap_count;
};

/* Where a record is linked, besides at its port. */
enum record_list {
	RECORD_UNLISTED,
	RECORD_TIMED,     /* something becomes of it when its deadline comes */
	RECORD_TOMBSTONE, /* it is to be buried */
	RECORD_UNPROBED,  /* it was learnt at its element, and is to be asked */
};

/* An attachment and what the machine needs beside it; there are as many as nodes.  Records have
 * numbers, from 1 on (record_at), by which they are linked. */
struct attachment_record {
	struct attachment a;
	bool detached : 1;      /* a tombstone: nowhere, but the version stays until every FE has
				 * deleted */
	bool live : 1;          /* claimed in this run, not only learnt */
	bool barred : 1;        /* detached: by a person, in this run */
	bool learnt_beside : 1; /* by the rule of an FE that is not designated for it */
	bool probed : 1, element_version_guessed : 1;
	bool at_port : 1; /* it is linked there */
	enum record_list list : 8;
	uint8_t proof;          /* enum proof: that its claim gave */
	uint16_t looked_fe;     /* the place that it left last, if that was asked; else 0 */
	uint16_t changed_fe[2]; /* FEs that were told alone... */
	uint32_t changed_at[2]; /* ...and when: change numbers' last bits, for P4a (record.c) */
	uint32_t changed_everywhere; /* all FEs */
	uint32_t looked_port;
	uint32_t aside; /* aside.h: its number + 1; 0: none */
	uint32_t port_previous, port_next;
	uint32_t list_previous, list_next;
};

/* NULL for 0, which ends a list. */
struct attachment_record *record_at(const struct core *c, uint32_t number);
/* Its node; NULL: it is not in the inventory (yet). */
const struct node *record_node(const struct core *c, const struct attachment_record *r);

struct barrier {
	uint32_t xid;
	bool synchronizes;
	uint64_t change;
};

struct barriers {
	struct barrier *list;
	unsigned first, count, capacity; /* a ring; capacity is a power of two */
};

enum session_stage {
	STAGE_HELLO,
	STAGE_FEATURES,
	STAGE_ELEMENT,
	STAGE_ROLE_QUERY,
	STAGE_ROLE,
	STAGE_PORTS,
	STAGE_LINKS,
	STAGE_GROUPS,
	STAGE_SUMMARY,     /* what it has, as sums */
	STAGE_SURVEY,      /* what it should have is being summed */
	STAGE_FLOWS_LATER, /* others are read first */
	STAGE_FLOWS,
	STAGE_COMPARE,
	STAGE_READY
};

/* A frame that an FE heard. */
struct sighting {
	uint32_t port;
	uint16_t vlan;
	bool replay;   /* kept by the FE while it had no controller */
	bool ttl_over; /* no word of its own: its TTL ran out at a switch */
	bool too_big;  /* nor this: larger than fits into a switch's tunnel */
	const uint8_t *data;
	size_t size;
};

struct held_sighting {
	struct held_sighting *next;
	int64_t at_ms;
	struct sighting sighting;
	uint8_t bytes[SIGHTING_SIZE];
};

struct request; /* element.c: core_read_rules, core_read_counters */
struct sync;    /* sync.c: what is read back */

/* gone.c: the question whether the FE's machine is still there. */
struct gone_watch {
	int64_t asked_ms;    /* it waits for an answer since; 0: it does not */
	int64_t answered_ms; /* 0: never yet */
	int64_t slowest_ms;  /* answer */
	unsigned ticks;      /* since it was asked */
	uint64_t heard;      /* messages until then */
};

struct session {
	struct core *core;
	struct session *next, **link;
	struct channel channel;
	void *handle;
	char peer[NAME_SIZE];
	struct element *element; /* NULL until it says who it is */
	uint32_t id;
	uint64_t vouched_id; /* of its certificate; 0: there is none */
	char vouched_name[NAME_SIZE];
	enum session_stage stage;
	uint32_t stage_xid;
	int64_t stage_ms;
	const char *doomed; /* why this end wants it closed */
	struct barriers barriers;
	struct sync *sync;
	bool knows_no_sums; /* it refused to say any */
	struct request *requests;
	struct gone_watch gone;
	struct held_sighting *held, **held_end;
	unsigned held_count;
};

struct core {
	struct core_config config;
	struct core_shell shell;
	uint64_t seed;
	uint16_t term;
	uint64_t sequence, revision;
	uint64_t change; /* grows by one with every change that FEs are told */
	int64_t started_ms, now_ms, second_ms;
	bool learning;           /* FEs that we know of may still be missing */
	bool rebuilding;         /* rebuild.c */
	int64_t rebuild_look_ms; /* then FEs are read again; 0: not */
	unsigned restored_count; /* attachments that the store had */
	unsigned rebuilt_count;  /* that FEs' rules told instead */
	struct inventory inventory;
	struct devices devices;
	struct signed_state *signing; /* signed.h */
	struct tunnel_wish *wishes;   /* of pairs */
	unsigned wish_count;
	struct element *by_id[ELEMENT_ID_MAX + 1];
	struct element **elements; /* sorted by id */
	unsigned element_count;
	struct table element_names; /* char[NAME_SIZE] -> struct element * */
	struct pool records; /* struct attachment_record; struct node_name has its number + 1 */
	uint32_t timed, tombstones; /* the first of RECORD_TIMED, and of RECORD_TOMBSTONE */
	struct pool asides;         /* aside.h */
	size_t asides_at;           /* where the next tick goes on */
	struct {
		struct table entries, groups, rules;
		int64_t swept_ms;
	} refusals;             /* refusal.c */
	struct table alarms;    /* alarm.c */
	unsigned claimed_count; /* admission.c */
	struct table drained;   /* char[NAME_SIZE] -> bool: elements that drain */
	struct table segments;  /* uint32_t id -> struct segment */
	struct session *sessions;
	const struct channel *receiving; /* whose bytes are being taken; NULL: nobody's */
	bool has_switches;               /* some element is an Open vSwitch */
	bool owes_barriers; /* some element does, or there is else to do after a move */
	struct {
		char node[NAME_SIZE];
		struct place place;
	} looks[LOOKS_MAX]; /* nodes, and the places that they left, which are to be asked */
	unsigned look_count;
	char unlogged[UNLOGGED_MAX][256]; /* report.c: what an event says */
	unsigned unlogged_count;
	struct buffer scratch, switch_scratch;
	struct stencils *stencils;
	struct backplane_link **links;
	unsigned link_count;
	unsigned comparing;     /* sessions, in compare.c */
	struct survey *survey;  /* NULL: nobody needs one */
	uint32_t survey_serial; /* of the last one */
	struct routes *routes;  /* topology.c; NULL: no link has a kind, all is straight */
	bool links_once;        /* there was one in this run */
	bool paths_stale;       /* something changed that they depend on */
	int64_t paths_hold_ms;  /* until then they stay, whatever changes */
	struct table neighbors; /* discovery.c */
	int64_t discovery_ms;
};

/* Copies a name so that it compares bytewise. */
void name_copy(char to[NAME_SIZE], const char *from);
/* Text of an FE's that people will read: what is not printable ASCII becomes '?'. */
void text_clean(char *text, size_t size);

/* report.c: what happened.  What is refused: refusal.h. */
struct attachment;
void report(struct core *c, enum event_kind kind, const struct attachment *a,
	    const struct element *e, uint32_t port, const char *format, ...) PRINTF_LIKE(6, 7);
/* The moves are over: what was said of them meanwhile is logged. */
void report_log(struct core *c);

/* signed.c: a prefix of the node demands signatures. */
bool signed_demanded(const struct core *c, const struct node *n);

/* stall.c: at every entry into the core, before anything is found to be late. */
void core_set_now(struct core *c, int64_t now_ms);
