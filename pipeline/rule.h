/* The pipeline's vocabulary: every flow shape that VICTOR uses, said once (design section 4).
 *
 * The controller plans in rules and encodes them as flow-mods; victor-fe decodes flow-mods into
 * rules and refuses, with the right OpenFlow error, a flow that is no rule; both turn flow
 * statistics back into rules.  One rule is one flow, and the mapping is a bijection.
 *
 * Registers: metadata bits 0-23 are the VRF, bit 24 says "arrived REDIRECTED"; reg0 is the port a
 * packet came in by (in_port itself is cleared, so that it may leave by the same port); reg1 is the
 * ingress FE.  tun_id (a VNI) bits 0-22 are the VRF, bit 23 is the REDIRECTED mark of a packet that
 * leaves by the tunnel port; in IP-in-IP the mark is the outer destination: the peer's second
 * backplane address. */
#pragma once

#include "base/address.h"
#include "openflow/message.h"
#include "openflow/multipart.h"
#include "pipeline/version.h"

enum pipeline_table {
	TABLE_PORT = 0,
	TABLE_GUARD = 1,
	TABLE_POLICY = 2,
	TABLE_BINDING = 3,
	TABLE_EXTERNAL = 4,
	TABLE_NEIGHBOR = 5,
	TABLE_COUNT
};

#define PIPELINE_METADATA_VRF 0xffffffull
#define PIPELINE_METADATA_REDIRECTED (1ull << 24)
/* What a COVERED flow writes, for nobody to read but the FE: senders to an address that nobody has
 * are told; the prefix is not to be announced. */
#define PIPELINE_METADATA_UNREACHABLE (1ull << 25)
#define PIPELINE_METADATA_INTERNAL (1ull << 26)
#define PIPELINE_TUNNEL_VRF 0x7fffffull
#define PIPELINE_TUNNEL_REDIRECTED (1ull << 23)
#define PIPELINE_TUNNEL_PORT 65000u /* the logical port of all IP-in-IP tunnels */
#define PIPELINE_VXLAN_PORT 65001u  /* and of all VXLAN tunnels */
/* The logical port of the IP or UDP link to that FE: only a group's paths name it. */
#define PIPELINE_LINK_PORT(fe) (0x100000u + (fe))

#define PIPELINE_VRF_MAX PIPELINE_TUNNEL_VRF
#define PIPELINE_PORT_MAX 0xfeffu /* what NXM's in_port of 16 bits can say */
#define PIPELINE_FE_MAX 0xffffu

#define ETHERTYPE_ARP_ 0x0806
#define ETHERTYPE_RARP_ 0x8035
#define ETHERTYPE_IPV4_ 0x0800
#define ETHERTYPE_IPV6_ 0x86dd
#define ETHERTYPE_LLDP_ 0x88cc

/* What stands for an ethertype in a LISTEN of neighbour discovery: the icmpv6_type. */
#define LISTEN_RS 133
#define LISTEN_NS 135
#define LISTEN_NA 136
#define PROTOCOL_ICMPV6_ 58
#define PROTOCOL_UDP_ 17
#define PIPELINE_REGISTRATION_PORT 6654 /* UDP; packet/registration.h has it, too */

/* Cookie of an ANSWER for an IPv6 prefix: nodes are told of the prefix; and may make addresses of
 * it (RFC 4862). */
#define ANSWER_ADVERTISED 1u
#define ANSWER_AUTONOMOUS 2u

/* Cookie of a COVERED: only a signed registration binds there, so an FE makes no tentative binding
 * of what it hears. */
#define COVERED_SIGNED 1u

/* kind: table, priority, match -> action */
enum rule_kind {
	/* 0, 100: in_port, eth_type (IPv4; IPv6 where the key says so) -> reg0 := in_port,
	 * in_port := 0, reg1 := this FE, metadata := vrf, tun_id := vrf, dec_ttl, goto 1 (access)
	 * or 3 (external).  (OpenFlow has no dec_ttl without the eth_type.) */
	RULE_ADMIT,
	/* 0, 200: in_port, eth_type (ARP, RARP; LLDP on backplane ports), or IPv6 and icmpv6_type
	 * (RS, NS, NA) -> controller; ARP and NS also goto 5, unless
	 * 'silent' */
	RULE_LISTEN,
	/* 0, 100: in_port = tunnel, tun_src in prefix, tun_id 0/REDIRECTED -> reg1 := peer's FE,
	 * metadata := vrf (from the rule), tun_id := vrf | REDIRECTED, goto 3.  VXLAN says the VRF
	 * itself: there metadata := tun_id's VRF, tun_id |= REDIRECTED; and in_port := 0, as in
	 * ADMIT, or Open vSwitch would not send on by the tunnel port what it came in by. */
	RULE_PEER,
	/* 0, 110: likewise, tun_id REDIRECTED/REDIRECTED -> metadata := vrf | REDIRECTED, goto 3 */
	RULE_PEER_MARKED,
	/* 1, 100: metadata vrf, reg0 = port, vlan, eth_src, ip src -> goto 2 */
	RULE_GUARD,
	/* 1, 50: metadata vrf, ip src in prefix -> controller (then dropped) */
	RULE_STRANGER,
	/* 1, 0: any -> goto 2 */
	RULE_GUARD_PASS,
	/* 2, 0: any -> goto 3 */
	RULE_POLICY_PASS,
	/* 3, 200: metadata vrf, ip dst -> eth_dst := mac, eth_src := gateway's, [vlan], output port
	 */
	RULE_LOCAL,
	/* 3, 175: as RULE_LOCAL, for metadata REDIRECTED only: a tentative binding (P4) */
	RULE_TENTATIVE,
	/* 3, 150: metadata REDIRECTED -> drop (redirected_miss) */
	RULE_REDIRECTED_MISS,
	/* 3, 100: metadata vrf, ip dst -> group(FE) */
	RULE_FOREIGN,
	/* 3, 50: metadata vrf, ip dst in prefix -> [ip src := gateway], [metadata := UNREACHABLE |
	 * INTERNAL], drop (no_binding). The gateway is whom ICMP errors about packets from or to
	 * the prefix come from. */
	RULE_COVERED,
	/* 3, 0: any -> goto 4 */
	RULE_BINDING_PASS,
	/* 4, prefix length (0-128): metadata vrf, ip dst in prefix -> output NORMAL, or group(FE),
	 * or (for an element without a kernel's routes) eth_dst := mac, eth_src := gateway_mac,
	 * output port */
	RULE_EXTERNAL,
	/* 5, 100: metadata not used; arp_op 1, arp_tpa in prefix (icmpv6_type 135, nd_target in
	 * prefix) -> answered with 'mac' out of in_port. Table 5 sees only requests by one node for
	 * another that is not on the same port and VLAN: probes (sender 0.0.0.0, ::),
	 * announcements (sender = target) and requests for a neighbour on the same segment never
	 * reach it.  (That is victor-fe's; it is in the table's description.)  The cookie of an
	 * IPv6 prefix says what router advertisements say of it (ANSWER_*). */
	RULE_ANSWER,

	/* What victor-fe does by itself and Open vSwitch has to be told; victor-fe refuses these
	 * (rule_is_for_switch).
	 * 0, 150: a group's Ethernet destination -> drop */
	RULE_MULTICAST,
	/* 3, 250: metadata vrf, ICMP echo request, ip dst -> the request turned into its reply by
	 * 'mac', back out of the port in reg0 */
	RULE_ECHO,
	/* 3, 225: metadata vrf, reg0 = port, eth_dst, ip dst -> drop: the node gets the frame from
	 * its own LAN */
	RULE_BESIDE,
	/* 5, 200: arp_spa 0.0.0.0 (icmpv6_type 135, ipv6_src ::) -> drop: an address probe (RFC
	 * 5227; duplicate address detection) is not answered */
	RULE_PROBE,
	/* 5, 150: arp_spa and arp_tpa -> drop: nor is an announcement */
	RULE_SELF,
	/* 5, 125: in_port, arp_tpa (icmpv6_type 135, nd_target) -> drop: nor a request for a
	 * neighbour on the same port */
	RULE_BESIDE_ASKED,
	/* 5, 90: icmpv6_type 136 -> nd_tll := eth_src, IN_PORT: the rest of an ANSWER to an NS,
	 * which Open vSwitch lets nobody write before the type says that there is an nd_tll */
	RULE_ADVERTISE,

	/* 4, 129 + prefix length (129-257): metadata vrf, ip src in prefix -> as EXTERNAL, or
	 * nothing: what a prefix's nodes send out leaves VICTOR by the FEs that may emit it, before
	 * EXTERNAL is asked.  None of these is there: drop (no_exit). */
	RULE_EXIT,
	/* Open vSwitch alone, too.  0, 175: in_port, ip dst in prefix -> controller: for the
	 * routing daemon that speaks for the FE outside */
	RULE_SPEAK,
	/* 5, 260: reg3 = MEASURE (from a limited group) -> reg3 := SEND, with LARGER where the
	 * frame is larger than frame_max; table 5 once more.  (No bucket could do it: its actions
	 * are a set, without check_pkt_larger.) */
	RULE_MEASURE,
	/* 5, 250: reg3 = SEND | LARGER -> controller: who sent it is to be told */
	RULE_TOO_BIG,
	/* 5, 240: reg3 = SEND -> output the VXLAN port */
	RULE_SEND,

	/* 1, 150: metadata vrf, UDP, ip dst in prefix (a gateway), udp_dst 6654 -> controller: a
	 * signed registration (packet/registration.h), which comes before the guard because it is
	 * what a node says that has no binding yet.  Table 1 is that of access ports. */
	RULE_REGISTER,
	RULE_KIND_COUNT
};

/* The sources of a prefix are above all destinations (EXTERNAL). */
#define PIPELINE_EXIT_PRIORITY 129u

/* What identifies a rule.  Only the fields that its kind uses are set, the rest is zero, so that
 * keys compare and hash bytewise. */
struct rule_key {
	uint8_t kind;           /* enum rule_kind */
	uint8_t length;         /* prefix length in 128 bits, where 'address' is a prefix */
	uint16_t ethertype;     /* LISTEN, or the icmpv6_type (LISTEN_RS...) instead; ADMIT: 0 is
				 * IPv4, else ETHERTYPE_IPV6_; PROBE: 0 is ARP, else LISTEN_NS;
				 * zero otherwise */
	uint32_t vrf;           /* STRANGER, GUARD, LOCAL, TENTATIVE, FOREIGN, COVERED, EXTERNAL,
				 * ECHO, BESIDE, EXIT, REGISTER */
	uint32_t port;          /* ADMIT, LISTEN, GUARD, BESIDE, BESIDE_ASKED, SPEAK; PEER*: of
				 * the tunnels */
	uint16_t vlan;          /* GUARD: 0 = untagged, else the VLAN id */
	struct mac mac;         /* GUARD: the source; BESIDE: the destination */
	struct address address; /* a host address or a prefix; PEER*: of tun_src */
};
_Static_assert(sizeof(struct rule_key) == 36, "rule_key has hidden padding");

struct rule {
	struct rule_key key;
	uint64_t cookie; /* a version for GUARD, LOCAL, TENTATIVE, FOREIGN; else any */
	/* What it does; the fields that its kind uses. */
	uint32_t vrf;           /* ADMIT, PEER, PEER_MARKED: the VRF given; VXLAN: 0 */
	uint32_t fe;            /* FOREIGN, EXTERNAL, EXIT (0: NORMAL): the group; ADMIT, PEER*:
				 * reg1 */
	uint32_t port;          /* LOCAL, TENTATIVE; EXTERNAL, EXIT (0: NORMAL or a group) */
	uint16_t vlan;          /* LOCAL, TENTATIVE */
	uint8_t next_table;     /* ADMIT: TABLE_GUARD or TABLE_BINDING */
	bool silent;            /* LISTEN to ARP: another FE on this LAN is its gateway */
	bool internal;          /* COVERED: not announced to routers outside */
	struct mac mac;         /* LOCAL, TENTATIVE: the node's; EXTERNAL, EXIT: the next hop's;
				 * ANSWER, ECHO: the answer's */
	struct mac gateway_mac; /* LOCAL, TENTATIVE, EXTERNAL, EXIT: the source */
	uint16_t idle_timeout;  /* seconds; TENTATIVE only */
	uint16_t frame_max;     /* MEASURE: bytes that fit, with the Ethernet header */
	bool unreachable;       /* COVERED; EXIT: there is no FE that may emit it */
	struct address gateway; /* COVERED: zero: none */
};

#define GROUP_PATHS_MAX 4
/* In reg3, of a packet that a limited group sent to table 5. */
#define PIPELINE_LARGER 1u
#define PIPELINE_SEND 2u
#define PIPELINE_MEASURE 4u

/* "towards FE": one group for each FE (P3).  Bucket: tun_ipv4_dst (or v6) := address,
 * [reg2 (IPv6: xxreg1) := redirect], [reg3 := link], output the pair's tunnel port.  'redirect' is
 * the peer's second backplane address, where IP-in-IP sends marked packets (element_info of that
 * FE), of the same family; zero: the peer has none, and a packet that would have to be marked is
 * dropped.  VXLAN has the mark in its VNI.
 *
 * Without paths it is an indirect group of one bucket, and packets go straight by the underlay's
 * routes.  With paths each is a bucket that watches its link: of a fast-failover group the first
 * live one is taken, a select group shares flows over those that live. */
struct rule_group {
	uint32_t fe; /* the group id is the FE id */
	struct address address, redirect;
	bool vxlan;
	bool select;
	uint8_t path_count;
	/* Open vSwitch alone, VXLAN without paths: the bucket ends with reg3 := MEASURE and table 5
	 * instead of the output. */
	bool limited;
	uint32_t paths[GROUP_PATHS_MAX]; /* numbers of links (pipeline/experimenter.h) */
};

/* The gateway has 256 MACs: those that differ from 'gateway' in the last byte only.  'gateway'
 * itself is what it says on every port; on a LAN that several FEs share a node is told one of the
 * others, so that its packets go to the FE that is designated for it (docs/southbound.md). */
bool rule_is_gateway_mac(const struct mac *gateway, const struct mac *mac);

const char *rule_kind_name(enum rule_kind kind);
enum pipeline_table rule_table(enum rule_kind kind);
uint16_t rule_priority(const struct rule_key *key);
/* Whether it is one that Open vSwitch takes and victor-fe does not. */
bool rule_is_for_switch(const struct rule *r);
/* EXTERNAL and EXIT: the way out of VICTOR, by destination and by source. */
bool rule_is_way_out(enum rule_kind kind);
bool rule_equal(const struct rule *a, const struct rule *b); /* cookies too */

/* ADD (which replaces action and cookie) and DELETE_STRICT of the flow that the rule is. */
void rule_to_flow_mod(const struct rule *r, enum ofp_flow_mod_command command,
		      struct ofp_flow_mod *ret);
/* 0, or the OpenFlow error that refuses a flow which is no rule: bad table, a field or mask that
 * the table does not have, a missing prerequisite, an action it cannot do exactly. */
MUST_USE int rule_from_flow_mod(const struct ofp_flow_mod *f, struct rule *ret);
/* The key alone, as a strict DELETE or MODIFY names a flow; errors as above. */
MUST_USE int rule_key_from_match(uint8_t table, uint16_t priority, const struct ofp_match *match,
				 struct rule_key *ret);
/* Statistics of the flow (counts and durations stay as they are in 'ret'), and back. */
void rule_to_flow_stats(const struct rule *r, struct ofp_flow_stats *ret);
MUST_USE int rule_from_flow_stats(const struct ofp_flow_stats *f, struct rule *ret);
/* The match of a rule alone (its priority is rule_priority): for non-strict DELETE by
 * ofp_match_covers. */
void rule_to_match(const struct rule_key *key, struct ofp_match *ret);

void rule_group_to_group_mod(const struct rule_group *g, enum ofp_group_mod_command command,
			     struct ofp_group_mod *ret);
MUST_USE int rule_group_from_group_mod(const struct ofp_group_mod *m, struct rule_group *ret);
bool rule_group_equal(const struct rule_group *a, const struct rule_group *b);

/* As victorctl prints a flow, in the words of the paper's Table 1:
 * flow "nw_dst=10.2.3.1", action "mod_dl_dst:00:00:..,out:2"; "nw_dst=10.4.5.1", "group:3,out:0".
 * Any kind is printable. */
void rule_format(const struct rule *r, char *flow, size_t flow_size, char *action,
		 size_t action_size);
/* Features of each table, for OFPMP_TABLE_FEATURES. */
void rule_table_features(enum pipeline_table table, struct ofp_table_features *ret);
