/* An Open vSwitch bridge as a forwarding element: what the controller has to know and to do because
 * the switch is told flows and nothing else.  Hangs from struct element; NULL there: a victor-fe.
 */
#pragma once

#include "controller/declared.h"
#include "controller/state.h"
#include "packet/icmp_error.h"

/* What the routing daemon that speaks at an external port knows, and what it was told. */
struct ovs_outside {
	struct outside_route *routes;
	unsigned count;
	bool told, up;
	struct mac mac;
};

struct ovs_next_hop {
	struct mac mac; /* zero: not known */
	int64_t asked_ms;
};

/* A port whose nodes are told of the router. */
struct ovs_routed {
	int64_t told_ms, next_ms;
	unsigned told; /* how often, up to the number of quick ones */
};

/* A node that went to another element, announced where it was. */
struct departure {
	uint32_t vrf, port; /* port 0: nothing is left to be said */
	struct address address;
	int64_t since_ms;
	unsigned sent;
};
#define OVS_DEPARTURES_MAX 64 /* the oldest makes room */

struct ovs {
	struct declared_element declared;
	struct ovs_next_hop next_hops[DECLARED_PORTS_MAX][FAMILY_COUNT]; /* of external ports */
	int way_out[FAMILY_COUNT]; /* the declared port that all goes to; -1: it has none */
	struct ovs_outside outside[DECLARED_PORTS_MAX];
	struct table adopted; /* struct rule_key -> struct rule: external rules of the last run */
	int64_t adopted_until_ms;
	bool has_adopted;
	struct table exits;   /* struct rule_key -> struct rule: its external rules */
	struct table routers; /* uint32_t port -> struct ovs_routed */
	uint64_t random;
	int64_t routers_ms;
	/* Barriers: 'waiting' was replied to at 'waiting_ms', 'last' is the latest that was. */
	uint64_t waiting, last;
	int64_t waiting_ms;
	struct departure departures[OVS_DEPARTURES_MAX];
	unsigned departure_next;
	uint32_t idle_xid; /* of the statistics that are being read; 0: none */
	int64_t idle_ms;   /* when they were asked for */
	bool idle_asking;  /* somebody is silent */
	struct {
		int64_t second_ms;
		unsigned answers;
	} icmp[ICMP_ERROR_COUNT]; /* by kind: what was answered within a second */
	uint64_t too_big;         /* packets that went up for that */
	size_t greeted;           /* so many peers */
	int64_t greeted_ms;
};

/* Makes the element (core_add_element). */
int ovs_declare(struct core *c, const struct declared_element *d, struct reason *why);
void ovs_destroy(struct ovs *o);
/* What a victor-fe says in its ELEMENT message. */
void ovs_describe(const struct element *e, struct element_info *ret);
/* What fits into its tunnel to any other FE, in bytes of IP. */
uint32_t ovs_tunnel_mtu(const struct element *e);
/* A NULL-terminated list, for people. */
const char *const *ovs_cannot(void);

/* What the declaration says of a port, or NULL. */
const struct declared_port *ovs_declared_port(const struct element *e, const struct port *p);
/* Fills in what a victor-fe says in its PORT message. */
void ovs_describe_port(struct element *e, struct port *p);

/* A packet-in.  True: it was the switch's own affair, no node's. */
bool ovs_heard(struct element *e, const struct sighting *s);
/* A barrier's reply says that the switch's classifier has the change; packets may be classified the
 * old way for some milliseconds more, and packet-ins may still be under way. */
void ovs_barrier(struct element *e, uint64_t change);
bool ovs_has_replied(const struct element *e, uint64_t change);
void ovs_tick(struct element *e);

/* Asks for the packets whose TTL ran out as well. */
void ovs_subscribe(struct buffer *b, uint32_t xid);

/* ovs_idle.c: nodes that send nothing and answer nothing. */
void ovs_idle_tick(struct element *e);
int ovs_idle_flows(struct element *e, struct ofp_multipart *m);

/* ovs_speak.c: what the controller says in the switch's place. */
void ovs_departed(struct element *e, const struct node *n, const struct place *left);
void ovs_speak(struct element *e);
/* A packet that goes no further: the gateway tells its sender. */
void ovs_goes_no_further(struct element *e, const struct sighting *s);

/* ovs_exit.c: the rules of what leaves by its external ports.  While a next hop's MAC is not known,
 * there is none towards it. */
void ovs_exit_rules(const struct element *e, void (*emit)(void *to, const struct rule *), void *to);
/* Deletes what is there of them: another FE is the way out now, or none. */
void ovs_exit_withdraw(struct element *e);
/* Such a rule is there already (after a restart). */
void ovs_exit_adopt(struct element *e, const struct rule *rule);
/* Somebody on the LAN of the declared port says where it is. */
void ovs_exit_heard(struct element *e, const struct declared_port *d, const struct sighting *s);
/* Whether it knows a way out for the family: a next hop, or routes. */
bool ovs_exit_leads_out(const struct element *e, unsigned family);
void ovs_exit_tick(struct element *e);
/* Brings its external rules up to date. */
void ovs_exit_refresh(struct element *e);

/* ovs_outside.c: the routing daemon that speaks for it. */
void ovs_outside_heard(struct element *e, const struct declared_port *d, const struct sighting *s);
void ovs_outside_tick(struct element *e);

/* ovs_router.c: router advertisements. */
void ovs_router_heard(struct element *e, const struct sighting *s);
/* An IPv6 node is on that port now: it is told soon. */
void ovs_router_arrived(struct element *e, uint32_t port);
void ovs_router_tick(struct element *e);

/* The name of the drop that a rule's packets are, or NULL: one of the data plane's verdicts. */
const char *ovs_drop_reason(const struct rule *rule);

/* ovs_rules.c: what an FE that is told flows alone is told beside what a victor-fe is. */
#define OVS_PORT_RULES_MAX 14
#define OVS_NODE_RULES_MAX 4 /* of one address */
unsigned ovs_port_rules(const struct element *e, const struct port *p,
			struct rule rules[OVS_PORT_RULES_MAX]);
unsigned ovs_node_rules(const struct core *c, const struct node *n, const struct address *a,
			const struct place *place, bool local,
			struct rule rules[OVS_NODE_RULES_MAX]);
void ovs_constant_rules(const struct element *e, void (*emit)(void *to, const struct rule *),
			void *to);
/* The gateway of a prefix that the FE serves. */
void ovs_gateway_rules(const struct core *c, const struct covered_prefix *p,
		       void (*emit)(void *to, const struct rule *), void *to);
