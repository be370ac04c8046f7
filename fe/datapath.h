/* What the FE's data plane can be told and asked.  The agent's core decides in these words; the
 * shell (fe/io/datapath.c) puts them into BPF maps, the simulator into plain memory.  One entry for
 * each address carries all that the packet path needs, so that an update is one atomic replacement.
 *
 * Every call is synchronous and done when it returns.  Setting is an upsert.  Returns 0 or -errno:
 * -ENOSPC where the map is full, -ENOENT where the port is not known. */
#pragma once

#include "base/address.h"
#include "pipeline/experimenter.h"
#include "pipeline/rule.h"

enum datapath_binding_flag {
	BINDING_LOCAL = 1 << 0, /* the node is on one of our ports */
	BINDING_MARKED_ONLY =
		1 << 1,           /* the local part is for REDIRECTED packets only (tentative) */
	BINDING_FOREIGN = 1 << 2, /* the node is at another FE */
	BINDING_GUARD = 1 << 3,   /* packets from this address may come in by port, vlan, mac */
	BINDING_BESIDE = 1 << 4,  /* local, on a LAN where another FE is designated for the node */
	BINDING_LEAVING = 1 << 5, /* beside since a moment ago: what it still sends here is taken */
};

/* All that one (VRF, address) may have: a tentative local part and a foreign one can coexist
 * (design P4): a marked packet uses the local part, any other the foreign one. */
struct datapath_binding {
	uint32_t vrf;
	struct address address;
	uint8_t flags;
	uint16_t vlan;          /* local: 0 = untagged */
	uint32_t port;          /* local: OpenFlow port number */
	struct mac mac;         /* local: the node's */
	struct mac gateway_mac; /* local: becomes the source */
	uint32_t fe;            /* foreign: the group */
	bool bare;              /* foreign alone: the rule is kept here and nowhere else ... */
	uint64_t version;       /* ... with this cookie */
};

/* A foreign binding that was set as bare. */
struct datapath_bare {
	uint32_t vrf, fe;
	struct address address;
	uint64_t version;
};

struct datapath_port {
	uint32_t number;
	uint32_t ifindex;
	uint8_t role; /* enum port_role */
	bool trunk;
	bool admitted;  /* RULE_ADMIT is there: packets are looked at; else dropped (access) or
			 * passed to the kernel (external, backplane) */
	bool admitted6; /* likewise, for IPv6 */
	uint8_t link;   /* of a provisioned backplane device: enum link_kind; 0: none */
	bool shared;    /* its LAN may have other FEs (bpf/segment.h) */
	bool silent;    /* shared: another one is the LAN's gateway */
	uint8_t listen; /* RULE_LISTEN: DATAPATH_LISTEN_* bits */
	uint16_t mtu;   /* of the device; 0: unknown */
	uint32_t vrf;
};
#define DATAPATH_LISTEN_ARP 1
#define DATAPATH_LISTEN_RARP 2
#define DATAPATH_LISTEN_LLDP 4
#define DATAPATH_LISTEN_RS 8
#define DATAPATH_LISTEN_NS 16 /* also: they are answered, as ARP is with LISTEN_ARP */
#define DATAPATH_LISTEN_NA 32

/* Another FE: where to tunnel to, and whose tunnel packets to take. */
struct datapath_peer {
	uint32_t fe;
	bool send;       /* there is a group: encapsulate towards it */
	bool vxlan;      /* in VXLAN; else IP-in-IP */
	uint8_t receive; /* RULE_PEER and RULE_PEER_MARKED: decapsulate what it sends; bits of enum
			  * encapsulation */
	struct address address, redirect; /* outer destination, unmarked and marked */
	uint32_t vrf;
	bool select;        /* flows share the paths that live; else the first of those is taken */
	uint8_t path_count; /* 0: straight, by the underlay's routes */
	uint32_t paths[GROUP_PATHS_MAX]; /* numbers of links; one that is not there is dead */
};

/* A backplane link as packets need it, and as a restarted agent finds it again. */
struct datapath_link {
	struct link_info info;
	bool alive;
	struct mac neighbor;    /* ETHERNET, MPLS; zero: not learnt yet, to all then */
	struct address carrier; /* UDP: where packets are sent; IP: the other FE */
	uint16_t carrier_port;  /* UDP; 0: not learnt yet */
};

/* More outer sources of a peer's, which spreads its flows over them. */
struct datapath_source {
	struct prefix prefix;
	uint32_t fe;
	uint32_t vrf;
	uint8_t receive; /* bits of enum encapsulation */
};

enum datapath_prefix_kind {
	DATAPATH_COVERED,  /* no binding: drop no_binding */
	DATAPATH_EXTERNAL, /* kernel FIB (fe 0) or towards a border FE */
	DATAPATH_STRANGER, /* unguarded source in here: upcall (rate limited), drop */
	DATAPATH_ANSWER,   /* ARP requests and NS for a target in here are answered with 'mac' */
	DATAPATH_EXIT,     /* by source, before EXTERNAL: as that, or drop no_exit */
	DATAPATH_REGISTER, /* what nodes send there to UDP port 6654 goes up, before the guard */
};

/* An ANSWER whose prefix is a host prefix is a gateway address: it also answers ICMP echo. */
struct datapath_prefix {
	uint8_t kind; /* enum datapath_prefix_kind */
	uint32_t vrf;
	struct prefix prefix;
	uint32_t fe;      /* EXTERNAL, EXIT */
	struct mac mac;   /* ANSWER */
	bool unreachable; /* COVERED: ICMP "host unreachable" instead of silence; EXIT: drop */
	bool internal;    /* COVERED: not announced to routers outside */
	struct address gateway; /* COVERED: whom ICMP errors come from; zero: none */
};

/* An announcement that is kept for a controller (fe/neighbor.h): whose, and the frame. */
#define KEPT_DATA 128 /* bytes of each */
struct kept_key {
	struct mac mac;
	uint16_t vlan;
	uint32_t vrf, port;
	struct address address;
};
_Static_assert(sizeof(struct kept_key) == 32, "kept_key has hidden padding");
struct kept_frame {
	int64_t heard_ms;
	int64_t sent_ms; /* 0: not yet */
	uint32_t port;
	uint16_t size;
	uint8_t data[KEPT_DATA];
	uint8_t pad[2];
};
_Static_assert(sizeof(struct kept_frame) == 152, "kept_frame has hidden padding");

/* A whole Ethernet frame that was kept for a while (fe/hold.h). */
struct datapath_frame {
	bool own; /* a node here sent it by 'port', with this tag; else it is for a node of 'vrf' */
	uint16_t vlan; /* own */
	uint32_t port; /* own */
	uint32_t vrf;  /* not own */
	const void *data;
	size_t size;
};

struct datapath_ops {
	int (*port_set)(void *context, const struct datapath_port *port);
	int (*port_remove)(void *context, uint32_t number);
	int (*binding_set)(void *context, const struct datapath_binding *binding);
	int (*binding_remove)(void *context, uint32_t vrf, const struct address *address);
	/* A hint: bindings of that address are about to be asked for or written, behind some
	 * others' that were said before it.  NULL: it is of no use. */
	void (*binding_expect)(void *context, uint32_t vrf, const struct address *address);
	/* Bare bindings read back: one, or -ENOENT; the next one of all, '*at' 0 at first, of which
	 * what was returned may be changed or removed meanwhile.  Both NULL: none is ever set. */
	int (*bare_get)(void *context, uint32_t vrf, const struct address *address,
			struct datapath_bare *ret);
	bool (*bare_next)(void *context, uint64_t *at, struct datapath_bare *ret);
	int (*peer_set)(void *context, const struct datapath_peer *peer);
	int (*peer_remove)(void *context, uint32_t fe);
	int (*source_set)(void *context, const struct datapath_source *source);
	int (*source_remove)(void *context, const struct prefix *prefix);
	int (*prefix_set)(void *context, const struct datapath_prefix *prefix);
	int (*prefix_remove)(void *context, uint8_t kind, uint32_t vrf,
			     const struct prefix *prefix);

	/* The durable list of rules and groups that a restarted agent adopts: pinned, written
	 * beside the entries above, which can all be derived from it. */
	int (*rule_keep)(void *context, const struct rule *rule);
	int (*rule_forget)(void *context, const struct rule_key *key);
	int (*group_keep)(void *context, const struct rule_group *group);
	int (*group_forget)(void *context, uint32_t fe);

	/* Likewise the announcements that are kept for a controller.  Both NULL: they are not. */
	int (*kept_set)(void *context, const struct kept_key *key, const struct kept_frame *frame);
	int (*kept_remove)(void *context, const struct kept_key *key);

	/* A link: its liveness with the rest, in one write, and the pinned list's entry.  -ENOENT
	 * where it is a port's and there is no such port. */
	int (*link_set)(void *context, const struct datapath_link *link);
	int (*link_remove)(void *context, uint32_t number);
	/* Sends an IP packet to the other end of a link that was set. */
	int (*link_transmit)(void *context, uint32_t number, const void *packet, size_t size);
	/* What packets it was given. */
	void (*link_count)(void *context, uint32_t number, uint64_t *ret_packets,
			   uint64_t *ret_bytes);

	/* Milliseconds since a packet last came in from this guarded local address; -1: never. */
	int64_t (*binding_idle_ms)(void *context, uint32_t vrf, const struct address *address);
	/* Cumulative counters; each calls 'add' once an item.  'drops' has what is no drop, too. */
	void (*counters)(void *context, void (*add)(void *to, const struct counter *), void *to);
	void (*drops)(void *context, void (*add)(void *to, const struct drop_count *), void *to);
	/* Those of single access ports: the guard's refusals, and upcalls.  NULL: not kept. */
	void (*port_drops)(void *context, void (*add)(void *to, const struct drop_count *),
			   void *to);
	/* Sum over ingress FEs for one local address. */
	void (*binding_count)(void *context, uint32_t vrf, const struct address *address,
			      uint64_t *ret_packets, uint64_t *ret_bytes);
	/* Kernel's counters of the port's device. */
	int (*port_stats)(void *context, uint32_t number, struct ofp_port_stats *ret);

	/* Sends a frame out of a port. */
	int (*transmit)(void *context, uint32_t port, const void *frame, size_t size);
	/* What is for a port goes up as UPCALL_HELD, or no more; port_set ends it, too, and so does
	 * the data plane where nobody reads upcalls.  resume: the frame goes on by what the tables
	 * say now, like one that comes in now.  Both NULL: nothing is ever held. */
	int (*port_hold)(void *context, uint32_t number, bool holds);
	int (*resume)(void *context, const struct datapath_frame *frame);
	/* Delivers all upcalls that are queued now to the agent, before a barrier is answered
	 * (design P4a). */
	void (*drain_upcalls)(void *context);
};
