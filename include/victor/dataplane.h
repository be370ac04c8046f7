/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What is in the maps that the packet path (bpf/) and user space (fe/io/datapath*.c) share: keys,
 * values, and the verdicts with their names.  Fixed-width fields, visible padding.  A change of any
 * struct here raises DATAPLANE_LAYOUT and needs a step in fe/io/datapath_pins.c, which says what
 * becomes of the entries that the older release left; so do the agent's own in fe/datapath.h.  A
 * new map needs nothing, and verdicts are only added at the end.
 *
 * Byte order: addresses are in network order, all integers are the host's. */
#pragma once

#include "include/victor/bindings.h"

#include <linux/if_ether.h>
#include <linux/types.h>

#define DATAPLANE_MAGIC 0x56494354u /* "VICT" */
/* Only tests of upgrades say DATAPLANE_TRIAL: bytes more here and there, and a layout of their own.
 */
#ifdef DATAPLANE_TRIAL
#define DATAPLANE_LAYOUT 6
#else
#define DATAPLANE_LAYOUT 5
#define DATAPLANE_TRIAL 0
#endif
#define DATAPLANE_PORT_LIMIT 65000 /* OpenFlow port numbers are below this */
#define DATAPLANE_PEER_LIMIT 65536
#define DATAPLANE_PREFIX_LIMIT 65536
#define DATAPLANE_PATHS 4             /* of a group */
#define DATAPLANE_BINDING_LIMIT 65536 /* the default; like the next two set when maps are made */
#define DATAPLANE_COUNTER_LIMIT 65536
#define DATAPLANE_RULE_LIMIT 262144
#define DATAPLANE_KEPT_LIMIT 4096
#define DATAPLANE_UPCALL_RING (1 << 20)
#define DATAPLANE_UPCALL_DATA 512
#define DATAPLANE_STRANGER_DATA 128
#define DATAPLANE_LONG_DATA 1152 /* a signed registration with its headers */
#define DATAPLANE_HELD_DATA 2032 /* a packet that may be sent on later */

/* name, is it a drop, what it means.  The order is the layout's: add at the end. */
#define DATAPLANE_VERDICTS(_)                                                                   \
	_(not_admitted, 1, "came in by an access port that is not admitted yet")                \
	_(bad_packet, 1, "its headers are cut short or contradict each other")                  \
	_(guard_stranger, 1, "its source may be a node's, but has no binding here")             \
	_(guard_source, 1, "its source address may not come in by this port")                   \
	_(no_binding, 1, "its destination is covered, but nobody has it")                       \
	_(redirected_miss, 1, "it was redirected to here, but its destination is not here")     \
	_(unknown_peer, 1, "it was tunnelled by someone who is no peer")                        \
	_(no_peer, 1, "its destination's FE has no group")                                      \
	_(no_underlay, 1, "the kernel has no route to the peer")                                \
	_(no_route, 1, "it would leave VICTOR, but there is no route")                          \
	_(external_loop, 1, "a peer sent it here to leave VICTOR, but this is no border FE")    \
	_(ttl_expired, 1, "its TTL ran out")                                                    \
	_(mtu_exceeded, 1, "it is larger than the next link's MTU")                             \
	_(port_gone, 1, "its destination's port is not there")                                  \
	_(rewrite_failed, 1, "the kernel refused to change it (memory, nested tunnel offload)") \
	_(ecn_mismatch, 1, "the tunnel saw congestion, but it cannot carry that (RFC 6040)")    \
	_(forwarded_local, 0, "delivered to a node here")                                       \
	_(forwarded_foreign, 0, "tunnelled to the FE where its destination is")                 \
	_(redirected, 0, "came by the backplane for a node that moved on: sent after it")       \
	_(forwarded_external, 0, "left VICTOR by the kernel's routes")                          \
	_(passed_up, 0, "left VICTOR up this machine's own stack")                              \
	_(answered_arp, 0, "ARP request answered")                                              \
	_(answered_echo, 0, "ping of the gateway answered")                                     \
	_(sent_too_big, 0, "ICMP 'fragmentation needed' or 'packet too big' sent")              \
	_(punted, 0, "handed to the agent")                                                     \
	_(punt_limited, 0, "not handed to the agent: its port has had its share")               \
	_(punt_lost, 0, "not handed to the agent: the ring is full")                            \
	_(inner_refused, 1, "it reached the element's own device by another way than ours")     \
	_(inner_bypassed, 0, "sent in pieces: nothing returns from the element's own device")   \
	_(wrong_encapsulation, 1, "not the kind of tunnel agreed with that peer")               \
	_(sent_time_exceeded, 0, "ICMP 'time exceeded' sent")                                   \
	_(sent_unreachable, 0, "ICMP 'destination unreachable' sent")                           \
	_(guard_neighbor, 1, "its neighbour discovery speaks for another MAC than its own")     \
	_(answered_nd, 0, "neighbour solicitation answered")                                    \
	_(path_mtu_lowered, 0, "the underlay said what fits on the way to a peer")              \
	_(path_mtu_refused, 0, "the underlay said what fits, but not of our packets")           \
	_(no_path, 1, "there is no way to its FE: no link, or none that carries it")            \
	_(transit_ttl_expired, 1, "on its way to another FE its outer TTL ran out")             \
	_(unknown_carrier, 1, "came in a carrier that no link's other end sent")                \
	_(forwarded_transit, 0, "another FE's: sent on to it")                                  \
	_(greeted, 0, "a switch's first frame through the tunnel, which carries nothing")       \
	_(no_exit, 1, "no FE that may send its source's prefix out of VICTOR is there")         \
	_(registration_taken, 0, "a signed registration handed to the agent")                   \
	_(registration_bad, 1, "sent to the registration's port, but no datagram of its size")  \
	_(guard_tag, 1, "its VLAN tag, or a second one, does not belong on that port")          \
	_(guard_kind, 1, "no frame that nodes send: MPLS, LLDP, what bridges say")              \
	_(guard_gateway, 1, "its ARP or neighbour discovery speaks for the gateway")            \
	_(guard_claim, 1, "its ARP or neighbour discovery speaks for a node elsewhere")         \
	_(guard_router, 1, "a router's word (advertisement, redirect) by who is none")          \
	_(guard_dhcp, 1, "a DHCP server's word by who is none")                                 \
	_(guard_header, 1, "source routing, or headers that hide what it is")                   \
	_(guard_underlay, 1, "it would reach the underlay, an element or a controller")         \
	_(guard_host, 1, "it would reach this machine, which is closed to nodes")               \
	_(guard_outside, 1, "it came from outside with the source address of a node")           \
	_(punt_crowded, 0, "not handed to the agent, which is behind: its port sent others")    \
	_(port_uncounted, 0, "not counted for its port too: that list is full")                 \
	_(held, 0, "its port has lost its carrier: kept until its node is somewhere else")

#define DATAPLANE_VERDICT_ENUM(name, is_drop, text) VERDICT_##name,
enum dataplane_verdict { DATAPLANE_VERDICTS(DATAPLANE_VERDICT_ENUM) VERDICT_COUNT };

/* The pinned header: what the pins are and whose. */
struct map_header {
	__u32 magic;
	__u32 layout;
	__u32 fe;
	__u32 rule_sizes; /* of rule_key, rule and rule_group, one byte each */
	__u64 program_hash;
	__u64 seed;
};
_Static_assert(sizeof(struct map_header) == 32, "map_header has hidden padding");

enum map_family { UNDERLAY_IPV4, UNDERLAY_IPV6, UNDERLAY_COUNT };
struct map_underlay {
	__u8 address[16]; /* zero: none */
	__u8 redirect[16];
	/* Sources of outer packets are spread by flow over this prefix, whose last four bytes are
	 * what varies; mask 0: there is one source, 'address'. */
	__u8 spread[16];
	__be32 spread_mask; /* the bits of the last four bytes that vary */
};
_Static_assert(sizeof(struct map_underlay) == 52, "map_underlay has hidden padding");

/* What the outer header's DSCP is (RFC 2983): the inner one's copy; that, and copied back at the
 * other end; or always the same. */
enum map_diffserv { DIFFSERV_PIPE, DIFFSERV_UNIFORM, DIFFSERV_FIXED };

struct map_config {
	__u32 fe;
	__u32 backplane_ifindex; /* 0: no backplane */
	__u32 backplane_mtu;     /* 0: what the kernel's route says */
	__u32 device_mtu;        /* of the backplane's device; 0: unknown */
	/* This FE's pairs of backplane addresses; zero: it has none of that family. */
	struct map_underlay underlay[UNDERLAY_COUNT];
	__u32 inner_ifindex;    /* the device of the long way (bpf/inner.h); 0: there is none */
	__u32 inner_token[2];   /* what its packets carry; secret */
	__u8 inner_address[16]; /* where they are sent */
	__u8 inner_mac[6];      /* the device's */
	__u8 diffserv;          /* enum map_diffserv */
	__u8 dscp;              /* FIXED: 0 to 63 */
};
_Static_assert(sizeof(struct map_config) == 52 + 2 * sizeof(struct map_underlay),
	       "map_config has hidden padding");
#define DATAPLANE_TRAILS 256 /* of the map that keeps to the order (bpf/inner.h) */

#define MAP_PORT_TRUNK 1
#define MAP_PORT_ADMITTED 2
#define MAP_PORT_PROMISCUOUS 4 /* we made it so */
/* enum datapath_listen (fe/datapath.h) */
#define MAP_LISTEN_RS 8
#define MAP_LISTEN_NS 16
#define MAP_LISTEN_NA 32
#define MAP_PORT_SHARED 8     /* other FEs are on this LAN too */
#define MAP_PORT_SILENT 16    /* SHARED: another one is the LAN's gateway */
#define MAP_PORT_ADMITTED6 32 /* IPv6 too */
#define MAP_ROLE_ACCESS 1     /* enum port_role (pipeline/experimenter.h) */
#define MAP_ROLE_BACKPLANE 2
#define MAP_ROLE_EXTERNAL 3
struct map_port { /* by ifindex */
	__u8 trial[DATAPLANE_TRIAL];
	__u32 number;
	__u32 vrf;
	__u8 role;
	__u8 flags;
	__u8 listen;
	__u8 kind; /* of a provisioned backplane device: enum map_link_kind; 0: the underlay */
};
_Static_assert(sizeof(struct map_port) == 12 + DATAPLANE_TRIAL, "map_port has hidden padding");

/* What the short way (bpf/fast.h) asks of a port, by the lower bits of its ifindex: the element of
 * another port, or of none, is no harm but that packets go the long way. */
#define DATAPLANE_FAST_PORTS 1024
struct map_fast_port {
	__u32 ifindex; /* 0: none */
	__u32 number;
	__u32 vrf;
	__u8 role, flags; /* as in struct map_port */
	__u8 xdp;         /* frames may come in and go out at XDP */
	__u8 pad;
	__u8 mac[6]; /* the device's */
	__u8 pad2[2];
};
_Static_assert(sizeof(struct map_fast_port) == 24, "map_fast_port has hidden padding");

#define MAP_OUTPUT_HOLD 0x80000000u
struct map_output {    /* by port number */
	__u32 ifindex; /* 0: no such port; with HOLD: packets for it go to the agent (bpf/hold.h) */
	__u32 mtu;     /* 0: unknown */
};

/* When the next one is due, in ns (a token bucket as a virtual schedule, GCRA). */
enum map_limit {
	LIMIT_NEIGHBOR,
	LIMIT_STRANGER,
	LIMIT_ICMP,
	LIMIT_TOO_BIG,
	LIMIT_CONTROL,
	LIMIT_COUNT
};
struct map_limits { /* by ifindex */
	__u64 due_ns[LIMIT_COUNT];
};
/* Links speak on backplane ports only; on access ports it is the share of registrations. */
#define LIMIT_REGISTRATION LIMIT_CONTROL

/* What the operator says of access ports. */
struct map_guard {
	struct {
		__u64 window_ns;   /* interval * (burst - 1) */
		__u32 interval_ns; /* 0: the standard share */
		__u32 pad;
	} share[LIMIT_COUNT];
	__u32 closed; /* nodes do not reach this machine */
	__u32 pad;
};
_Static_assert(sizeof(struct map_guard) == 8 + 16 * LIMIT_COUNT, "map_guard has hidden padding");

/* CLOCK_MONOTONIC, as it was when a packet first saw that tick. */
struct map_clock {
	__u64 tick; /* jiffies */
	__u64 now_ns;
};

/* How often a port's frames met a verdict: of the guard, and of punts. */
struct map_port_verdict {
	__u32 number; /* the port's */
	__u32 verdict;
};
#define DATAPLANE_PORT_VERDICTS 65536 /* further ones are in the total only */
#define DATAPLANE_SHIELD_LIMIT 4096

#define MAP_PEER_SEND 1
#define MAP_PEER_RECEIVE 2
struct map_peer { /* by FE id */
	__u32 flags;
	__u32 vrf;
	__u8 address[16], redirect[16]; /* outer destination, unmarked and marked; zero: none */
	__u8 vxlan;                     /* 0: IP-in-IP */
	__u8 path_count;                /* 0: straight, by the kernel's routes */
	__u8 select;                    /* flows are shared by the paths; else the first live one */
	__u8 pad;
	__u32 mtu;                    /* of outer packets, learnt on the way; 0: nothing learnt */
	__u32 mtu_until_s;            /* until then; CLOCK_MONOTONIC */
	__u32 paths[DATAPLANE_PATHS]; /* numbers of links */
	__u8 trial[DATAPLANE_TRIAL];
};
_Static_assert(sizeof(struct map_peer) == 68 + DATAPLANE_TRIAL, "map_peer has hidden padding");

/* By outer source: a host's address, else the longest prefix. */
#define MAP_TAKES_IPIP 1
#define MAP_TAKES_VXLAN 2
struct map_peer_source {
	__u32 fe;
	__u32 vrf;   /* of IP-in-IP; VXLAN says its own */
	__u32 takes; /* bits: in which encapsulations it may send */
};
struct map_source_key {
	__u32 length;
	__u8 address[16];
};
_Static_assert(sizeof(struct map_source_key) == 20, "map_source_key has hidden padding");

/* A backplane link, by its number.  Whether it lives is in the same element: one write moves all
 * flows to their next path. */
enum map_link_kind { /* enum link_kind (pipeline/experimenter.h) */
		     MAP_LINK_ETHERNET = 1,
		     MAP_LINK_MPLS,
		     MAP_LINK_RAW,
		     MAP_LINK_IP,
		     MAP_LINK_UDP
};
#define DATAPLANE_LINK_LIMIT 8192
#define DATAPLANE_LABELS 4
#define DATAPLANE_LINK_PORT 0x100000u /* the number of the IP or UDP link to FE k is this + k */
struct map_link {
	__u32 fe;      /* at the other end */
	__u32 ifindex; /* 0: by the kernel's routes */
	__u32 mtu;     /* of outer packets; 0: unknown */
	__u8 kind;
	__u8 alive;
	__u8 label_count;
	__u8 pad;
	__u8 mac[6], neighbor[6];        /* of a device with Ethernet: its own, the other end's */
	__be32 labels[DATAPLANE_LABELS]; /* as they are on the wire, the outermost first */
	__u32 label_in;                  /* MPLS: on top of what arrives; 0: none */
	__u8 remote[16];                 /* the other FE's backplane address */
	__u8 carrier[16];                /* IP, UDP: where the carrier goes */
	__be16 carrier_port;             /* UDP; 0: nobody knows yet */
	__u8 pad2[2];
};
_Static_assert(sizeof(struct map_link) == 84, "map_link has hidden padding");

/* What the underlay said fits on the way of an IP or UDP link, carriers included. */
struct map_link_mtu {
	__u32 mtu;
	__u32 until_s; /* CLOCK_MONOTONIC */
};

/* Where the carriers of a UDP link come from. */
struct map_carrier_key {
	__u8 address[16];
	__be16 port;
	__u8 pad[2];
};
_Static_assert(sizeof(struct map_carrier_key) == 20, "map_carrier_key has hidden padding");

/* Whether packets come out of the long way's device again. */
struct map_inner_health {
	__u64 waiting_ns; /* since then for the first that has not; 0: for none */
	__u64 tried_ns;   /* when one was last sent to see */
};

struct map_prefix_key {
	__u32 length; /* MAP_PREFIX_BASE + the prefix's length */
	__u32 kind;   /* enum datapath_prefix_kind */
	__u32 vrf;
	__u8 address[16];
};
#define MAP_PREFIX_BASE 64
_Static_assert(sizeof(struct map_prefix_key) == 28, "map_prefix_key has hidden padding");

#define MAP_PREFIX_HOST 1
#define MAP_PREFIX_UNREACHABLE 2 /* COVERED: senders are told that nobody has the address */
#define MAP_PREFIX_NO_EXIT 4     /* EXIT: no FE that may emit the prefix's packets is there */
struct map_prefix {
	__u32 fe;    /* EXTERNAL, EXIT */
	__u8 mac[6]; /* ANSWER */
	__u8 flags;
	__u8 pad;
	__u8 gateway[16]; /* COVERED: whom ICMP errors come from; zero: there is none */
};
_Static_assert(sizeof(struct map_prefix) == 28, "map_prefix has hidden padding");

struct map_counter_key {
	__u32 ingress_fe;
	__u32 vrf;
	__u8 address[16];
};
struct map_counter {
	__u64 packets, bytes;
};

struct map_upcall {
	__u32 port;
	__u16 vlan;
	__u8 reason; /* enum upcall_reason (fe/agent.h) */
	__u8 pad;
	__u32 size, wire_size;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u8 data[DATAPLANE_UPCALL_DATA];
};
_Static_assert(sizeof(struct map_upcall) == 24 + DATAPLANE_UPCALL_DATA, "hidden padding");
/* The same with more room, for the few that need it. */
struct map_upcall_long {
	struct map_upcall head;
	__u8 more[DATAPLANE_LONG_DATA - DATAPLANE_UPCALL_DATA];
};
struct map_upcall_held {
	struct map_upcall head;
	__u8 more[DATAPLANE_HELD_DATA - DATAPLANE_UPCALL_DATA];
};

enum inner_what {
	INNER_NODE,    /* a node's packet, out of its tunnel */
	INNER_MARKED,  /* the same, and it was marked */
	INNER_TRANSIT, /* with its outer header, on its way to the FE 'fe'; 'detail': the link it
			  came by */
	INNER_TOO_BIG, /* as before, but too large; 'detail': what would go on */
	INNER_READY,   /* INNER_NODE whose way is in the header: nothing is looked up again */
	INNER_HELD,    /* INNER_NODE, by the agent, which kept it for a while */
	INNER_AGAIN, /* by the agent: as if it came in by the device 'ifindex' once more; 'detail':
			the VLAN */
};

/* In front of a packet on the element's own device (bpf/inner.h): Ethernet for the kernel, the rest
 * is for victor_inner, by victor_backplane or by the agent. */
struct inner_header {
	struct ethhdr eth;
	__u32 token[2];
	__u32 fe;      /* the peer it came from; INNER_READY: the VLAN */
	__u32 detail;  /* INNER_NODE: the VRF; INNER_READY: the device it goes out by */
	__u8 tos;      /* that the packet leaves with */
	__u8 what;     /* enum inner_what */
	__u8 mac[6];   /* it was sent to; INNER_READY: first the TOS that it has */
	__u32 ifindex; /* of the device that it came in by, whatever kind of backplane that is */
} __attribute__((packed));
