/* VICTOR's experimenter messages: what an FE tells the controller that OpenFlow has no word for
 * (design section 4).  Carried in OFPT_EXPERIMENTER (OpenFlow 1.3.5, section 7.5.4) with the
 * experimenter id VICTOR_EXPERIMENTER; docs/southbound.md has the byte diagrams.
 *
 * All integers are big-endian on the wire.  Decoders bound every count and string, and return 0 or
 * -OFP_BAD_REQUEST_BAD_LEN / _BAD_EXP_TYPE. */
#pragma once

#include "base/address.h"
#include "openflow/message.h"
#include "pipeline/version.h"

#define VICTOR_EXPERIMENTER 0xff564354u
#define ELEMENT_NAME_SIZE 64 /* with its terminating zero */
#define PORT_IDENTITY_SIZE 64
#define COUNTERS_PER_MESSAGE 1024
#define DROP_NAME_SIZE 32

enum experimenter_type {
	EXPERIMENTER_ELEMENT = 1, /* FE -> CC, first after FEATURES_REPLY */
	EXPERIMENTER_PORT = 2,    /* FE -> CC, before each PORT_STATUS add/modify */
	EXPERIMENTER_REPLAY = 3,  /* FE -> CC: an announcement kept while there was no CC */
	EXPERIMENTER_SILENT = 4,  /* FE -> CC: a node answers no probes any more */
	EXPERIMENTER_COUNTERS_REQUEST = 5, /* CC -> FE */
	EXPERIMENTER_COUNTERS_REPLY = 6,   /* FE -> CC, in as many messages as it takes */
	EXPERIMENTER_DROPS_REQUEST = 7,
	EXPERIMENTER_DROPS_REPLY = 8,
	EXPERIMENTER_LINK_SET = 9,            /* CC -> FE: one backplane link, new or changed */
	EXPERIMENTER_LINK_DELETE = 10,        /* CC -> FE */
	EXPERIMENTER_LINK_STATE = 11,         /* FE -> CC: a link went up or down */
	EXPERIMENTER_LINKS_REQUEST = 12,      /* CC -> FE */
	EXPERIMENTER_LINKS_REPLY = 13,        /* FE -> CC, in as many messages as it takes */
	EXPERIMENTER_PORT_DROPS_REQUEST = 14, /* CC -> FE */
	EXPERIMENTER_PORT_DROPS_REPLY = 15,   /* FE -> CC, in as many messages as it takes */
	EXPERIMENTER_OVERLAPS = 16,           /* FE -> CC: routes in the way, all of them */
	EXPERIMENTER_SUMMARY_REQUEST = 17,    /* CC -> FE; summary.h has these three */
	EXPERIMENTER_SUMMARY_REPLY = 18,      /* FE -> CC */
	EXPERIMENTER_SUMMARY_RULES = 19,      /* CC -> FE */
	EXPERIMENTER_TYPE_END
};

enum encapsulation { ENCAPSULATION_IPIP = 1, ENCAPSULATION_VXLAN = 2 }; /* bits */

/* An FE's pair of backplane addresses in each family; zero: it has none of that family.  Outer
 * sources are spread over 'spread' (length 0: only 'address' is a source). */
enum underlay_family { FAMILY_IPV4, FAMILY_IPV6, FAMILY_COUNT };
enum diffserv_mode { DIFFSERV_MODE_PIPE, DIFFSERV_MODE_UNIFORM, DIFFSERV_MODE_FIXED };
struct backplane {
	struct backplane_pair {
		struct address address, redirect;
		struct prefix spread;
	} pair[FAMILY_COUNT];
	uint8_t diffserv; /* enum diffserv_mode; the FE's own business, as is the next */
	uint8_t dscp;
};

/* Who an FE is. */
struct element_info {
	char name[ELEMENT_NAME_SIZE];
	char software[ELEMENT_NAME_SIZE]; /* "victor-fe 0.1.0" */
	struct backplane backplane;
	uint16_t backplane_mtu;
	uint8_t encapsulations;
	uint32_t binding_limit;
};

enum port_role { PORT_ACCESS = 1, PORT_BACKPLANE = 2, PORT_EXTERNAL = 3 };

/* What a port is for.  'identity' is whose port the host attests it to be; empty: shared. */
struct port_info {
	uint32_t number;
	uint8_t role; /* enum port_role */
	bool trunk;   /* VLAN tags are kept apart */
	uint16_t mtu;
	uint32_t segment; /* access LAN id; 0: this port's own */
	uint8_t link; /* backplane: what its link is made of (enum link_kind: ETHERNET, MPLS, RAW);
		       * 0: the routed underlay, or no backplane port */
	char identity[PORT_IDENTITY_SIZE];
};

struct replay {
	uint32_t port;
	uint32_t age_ms;
	const uint8_t *data; /* the frame, borrowed */
	size_t data_size;
};

struct silent {
	uint32_t vrf;
	struct address address;
	uint32_t port;
	uint16_t vlan;
	uint64_t cookie; /* of the local binding that went silent */
	uint32_t idle_ms;
};

struct counter {
	uint32_t ingress_fe; /* where the packets entered VICTOR */
	uint32_t vrf;
	struct address address; /* the node's address they went to */
	uint64_t packets, bytes;
};

struct drop_count {
	char name[DROP_NAME_SIZE]; /* the last byte is zero, and on the wire it is the next one */
	bool is_other;             /* no drop: something else that the FE did, and counts */
	uint64_t packets;
	uint32_t port; /* 0: of the whole FE; only PORT_DROPS has another */
};
#define PORT_DROPS_PER_MESSAGE 1024

/* What a backplane link is made of: how an outer packet gets from this FE to the next one (paper,
 * section 2.2.1).  The numbers are the wire's. */
enum link_kind {
	LINK_ETHERNET = 1, /* a provisioned layer-2 device: behind the neighbour's MAC */
	LINK_MPLS = 2,     /* the same behind a provider's label stack (RFC 3032) */
	LINK_RAW = 3,      /* a device without Ethernet header: tun, WireGuard */
	LINK_IP = 4,       /* the routed underlay; in transit behind one more IP (RFC 2003) */
	LINK_UDP = 5       /* always behind IP and UDP (GUE variant 1), to cross NAT */
};
#define LINK_LABELS_MAX 4
#define LINKS_PER_MESSAGE 256
#define LINK_UDP_PORT 6080

/* One end of a link, as the controller tells it to the FE there.  IP and UDP links have the number
 * PIPELINE_LINK_PORT(fe), the others that of their port. */
struct link_info {
	uint32_t number;
	uint32_t fe;           /* who is at the other end */
	uint8_t kind;          /* enum link_kind */
	uint8_t multiplier;    /* BFD (RFC 5880): missed packets until it is down */
	uint16_t interval_ms;  /* BFD; 0: nobody watches, it counts as up */
	struct address remote; /* the other FE's backplane address */
	uint16_t remote_port;  /* UDP; 0: learnt from what arrives (it is behind NAT) */
	uint16_t mtu;          /* of what the link carries; 0: its device's, or the route's */
	uint8_t label_count;   /* MPLS: pushed, the outermost first */
	uint32_t labels[LINK_LABELS_MAX];
	uint32_t label_in; /* MPLS: on top of what arrives; 0: the provider popped it */
};

struct link_state {
	uint32_t number;
	bool up;
	uint8_t diagnostic;      /* RFC 5880, section 4.1: why it went down */
	uint32_t delay_us;       /* one way; 0: not measured */
	uint64_t packets, bytes; /* sent */
};

/* A route of the FE's machine within a prefix that VICTOR covers, and that is not VICTOR's. */
#define OVERLAPS_MAX 64
#define OVERLAP_DEVICE_SIZE 16
struct overlap {
	struct prefix prefix;
	bool own; /* an address of the machine itself */
	char device[OVERLAP_DEVICE_SIZE];
};
/* All that there are, or the first so many. */
void overlaps_encode(struct buffer *b, uint32_t xid, const struct overlap *list, unsigned count);
MUST_USE int overlaps_decode(struct reader *body, struct overlap list[OVERLAPS_MAX],
			     unsigned *ret_count);

void element_info_encode(struct buffer *b, uint32_t xid, const struct element_info *e);
void port_info_encode(struct buffer *b, uint32_t xid, const struct port_info *p);
void replay_encode(struct buffer *b, uint32_t xid, const struct replay *r);
void silent_encode(struct buffer *b, uint32_t xid, const struct silent *s);
void counters_request_encode(struct buffer *b, uint32_t xid);
/* 'more': another reply with the same xid follows.  At most COUNTERS_PER_MESSAGE. */
void counters_reply_encode(struct buffer *b, uint32_t xid, const struct counter *list,
			   unsigned count, bool more);
void drops_request_encode(struct buffer *b, uint32_t xid);
void link_set_encode(struct buffer *b, uint32_t xid, const struct link_info *l);
void link_delete_encode(struct buffer *b, uint32_t xid, uint32_t number);
void link_state_encode(struct buffer *b, uint32_t xid, const struct link_state *s);
void links_request_encode(struct buffer *b, uint32_t xid);
/* At most LINKS_PER_MESSAGE of each; infos[i] and states[i] are of one link. */
void links_reply_encode(struct buffer *b, uint32_t xid, const struct link_info *infos,
			const struct link_state *states, unsigned count, bool more);
void drops_reply_encode(struct buffer *b, uint32_t xid, const struct drop_count *list,
			unsigned count);

/* 'more' as in counters_reply_encode; at most PORT_DROPS_PER_MESSAGE. */
void port_drops_request_encode(struct buffer *b, uint32_t xid);
void port_drops_reply_encode(struct buffer *b, uint32_t xid, const struct drop_count *list,
			     unsigned count, bool more);

/* Reads the experimenter id and type; -OFP_BAD_REQUEST_BAD_EXPERIMENTER for another's. */
MUST_USE int experimenter_decode(struct reader *body, enum experimenter_type *ret);
/* Then the rest by its type. */
MUST_USE int element_info_decode(struct reader *body, struct element_info *ret);
MUST_USE int port_info_decode(struct reader *body, struct port_info *ret);
MUST_USE int replay_decode(struct reader *body, struct replay *ret);
MUST_USE int silent_decode(struct reader *body, struct silent *ret);
MUST_USE int counters_reply_begin(struct reader *body, bool *ret_more);
MUST_USE int counters_next(struct reader *body, struct counter *ret); /* 1, 0 at the end, <0 */
MUST_USE int drops_next(struct reader *body, struct drop_count *ret); /* 1, 0 at the end, <0 */
MUST_USE int port_drops_reply_begin(struct reader *body, bool *ret_more);
MUST_USE int port_drops_next(struct reader *body, struct drop_count *ret); /* likewise */
MUST_USE int link_set_decode(struct reader *body, struct link_info *ret);
MUST_USE int link_delete_decode(struct reader *body, uint32_t *ret_number);
MUST_USE int link_state_decode(struct reader *body, struct link_state *ret);
MUST_USE int links_reply_begin(struct reader *body, bool *ret_more);
MUST_USE int links_next(struct reader *body, struct link_info *ret_info,
			struct link_state *ret_state); /* 1, 0 at the end, <0 */
bool link_info_equal(const struct link_info *a, const struct link_info *b);
