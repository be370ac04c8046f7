/* Rules for Open vSwitch.  victor-fe answers ARP by one rule for a whole prefix, because it knows
 * by itself which requests are not its to answer, and it leaves alone what a neighbour gets from
 * its own LAN; a switch must be told each of these as a flow:
 *
 * - table 0: frames to a group's MAC go nowhere; what is for a routing daemon that speaks for the
 * FE goes up
 * - table 3: an echo request to the gateway is turned round; a frame that was sent to a node's own
 *   MAC on the node's own port is not sent there a second time
 * - table 5: answers for the gateway and for each node, apart from probes, announcements, and
 *   requests on the node's own port; neighbour solicitations likewise
 * - table 5, too: what goes into a tunnel is measured; the controller answers what is too big */
#include "controller/ovs.h"

#include "controller/element.h"
#include "packet/nd.h"

#define ETHERNET_HEADER 14

static struct rule answer_rule(const struct address *a, const struct mac *mac)
{
	return (struct rule){.key = {.kind = RULE_ANSWER, .length = 128, .address = *a},
			     .mac = *mac};
}

static struct rule echo_rule(uint32_t vrf, const struct address *a, const struct mac *mac)
{
	return (struct rule){.key = {.kind = RULE_ECHO, .vrf = vrf, .address = *a}, .mac = *mac};
}

static unsigned listen_outside(const struct port *p, const struct declared_way *way, bool v4,
			       struct rule *rules)
{
	static const uint16_t v6_listened[] = {LISTEN_NS, LISTEN_NA};
	unsigned count = 0;

	for (unsigned i = 0; i < (v4 ? 1 : ARRAY_SIZE(v6_listened)); i++)
		rules[count++] =
			(struct rule){.key = {.kind = RULE_LISTEN,
					      .ethertype = v4 ? ETHERTYPE_ARP_ : v6_listened[i],
					      .port = p->number}};
	rules[count++] = answer_rule(&way->address, &p->mac);
	rules[count++] = echo_rule(DEFAULT_VRF, &way->address, &p->mac);
	return count;
}

/* What is for the routing daemon that speaks for the FE: to its own addresses there, and to the
 * groups of the LAN. */
static unsigned speak_rules(const struct port *p, const struct declared_port *d, struct rule *rules)
{
	static const struct prefix groups[FAMILY_COUNT] = {
		[FAMILY_IPV4] = {{{[10] = 0xff, 0xff, 224}}, IPV4_PREFIX_BASE + 24},
		[FAMILY_IPV6] = {{{0xff, 2}}, 16},
	};
	const struct address local = nd_link_local(&p->mac);
	struct prefix to[2 * FAMILY_COUNT + 1];
	unsigned count = 0;

	for (unsigned family = 0; family < FAMILY_COUNT; family++) {
		if (address_is_zero(&d->ways[family].address))
			continue;
		to[count++] = (struct prefix){d->ways[family].address, 128};
		to[count++] = groups[family];
		if (family == FAMILY_IPV6)
			to[count++] = (struct prefix){local, 128};
	}
	for (unsigned i = 0; i < count; i++)
		rules[i] = (struct rule){.key = {.kind = RULE_SPEAK,
						 .length = to[i].length,
						 .port = p->number,
						 .address = to[i].address}};
	return count;
}

unsigned ovs_port_rules(const struct element *e, const struct port *p,
			struct rule rules[OVS_PORT_RULES_MAX])
{
	const struct declared_port *d = ovs_declared_port(e, p);
	unsigned count = 0;

	if (!d || d->role != PORT_EXTERNAL)
		return 0;
	/* The next hop's answers, and its questions for the FE's own address. */
	for (unsigned family = 0; family < FAMILY_COUNT; family++)
		if (!address_is_zero(&d->ways[family].address))
			count += listen_outside(p, &d->ways[family], family == FAMILY_IPV4,
						rules + count);
	if (d->routing.device[0])
		count += speak_rules(p, d, rules + count);
	return count;
}

unsigned ovs_node_rules(const struct core *c, const struct node *n, const struct address *a,
			const struct place *place, bool local,
			struct rule rules[OVS_NODE_RULES_MAX])
{
	unsigned count = 0;

	if (local)
		rules[count++] = (struct rule){.key = {.kind = RULE_BESIDE,
						       .vrf = n->vrf,
						       .port = place->port,
						       .mac = place->mac,
						       .address = *a}};
	rules[count++] = answer_rule(a, &c->config.gateway_mac);
	if (address_is_ipv4(a))
		rules[count++] = (struct rule){.key = {.kind = RULE_SELF, .address = *a}};
	if (local)
		rules[count++] = (struct rule){
			.key = {.kind = RULE_BESIDE_ASKED, .port = place->port, .address = *a}};
	return count;
}

void ovs_constant_rules(const struct element *e, void (*emit)(void *to, const struct rule *),
			void *to)
{
	static const struct rule_key constants[] = {
		{.kind = RULE_MULTICAST},
		{.kind = RULE_PROBE},
		{.kind = RULE_PROBE, .ethertype = LISTEN_NS},
		{.kind = RULE_MEASURE},
		{.kind = RULE_TOO_BIG},
		{.kind = RULE_SEND},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(constants); i++) {
		struct rule rule = {.key = constants[i]};

		if (rule.key.kind == RULE_MEASURE)
			rule.frame_max = (uint16_t)(ovs_tunnel_mtu(e) + ETHERNET_HEADER);
		emit(to, &rule);
	}
}

void ovs_gateway_rules(const struct core *c, const struct covered_prefix *p,
		       void (*emit)(void *to, const struct rule *), void *to)
{
	struct rule answer, echo;

	if (address_is_zero(&p->gateway))
		return;
	answer = answer_rule(&p->gateway, &c->config.gateway_mac);
	echo = echo_rule(p->vrf, &p->gateway, &c->config.gateway_mac);
	emit(to, &answer);
	emit(to, &echo);
}

const char *ovs_drop_reason(const struct rule *rule)
{
	switch ((int)rule->key.kind) {
	case RULE_COVERED:
		return "no_binding";
	case RULE_REDIRECTED_MISS:
		return "redirected_miss";
	case RULE_TOO_BIG:
		return "mtu_exceeded";
	case RULE_STRANGER:
		return "guard_stranger";
	case RULE_EXIT:
		return rule->unreachable ? "no_exit" : NULL;
	default:
		return NULL;
	}
}
