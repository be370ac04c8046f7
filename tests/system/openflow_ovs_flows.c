/* The flows that openflow_ovs.c programs and reads back, each with its own cookie. */
#include "tests/system/openflow_ovs_flows.h"

struct ofp_flow_mod flows[FLOWS_MAX];
unsigned flow_count;

static struct ofp_flow_mod *flow(uint8_t table, uint16_t priority)
{
	struct ofp_flow_mod *f = &flows[flow_count++];

	f->table = table;
	f->priority = priority;
	f->command = OFPFC_ADD;
	f->cookie = UINT64_C(0x0010001000000000) + flow_count;
	f->buffer_id = OFP_NO_BUFFER;
	f->out_port = OFPP_ANY;
	f->out_group = OFPG_ANY;
	return f;
}

static void goto_table(struct ofp_flow_mod *f, uint8_t table)
{
	f->instructions.present |= OFP_INSTRUCTION_GOTO_TABLE;
	f->instructions.goto_table = table;
}

static void metadata(struct ofp_flow_mod *f, uint64_t value, uint64_t mask)
{
	f->instructions.present |= OFP_INSTRUCTION_WRITE_METADATA;
	f->instructions.metadata = value;
	f->instructions.metadata_mask = mask;
}

static struct ofp_actions *apply(struct ofp_flow_mod *f)
{
	f->instructions.present |= OFP_INSTRUCTION_APPLY_ACTIONS;
	return &f->instructions.apply;
}

static const uint8_t ipv6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
static const uint8_t ipv6_net[16] = {0x20, 1, 0xd, 0xb8};
static const uint8_t ipv6_mask[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void make_port_flows(void)
{
	struct ofp_flow_mod *f = flow(0, 100);

	ofp_match_set(&f->match, OFP_FIELD_IN_PORT, 1);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_actions_add_load(apply(f), OFP_FIELD_REG0, 0, 32, 1);
	ofp_actions_add_load(apply(f), OFP_FIELD_REG1, 0, 32, 2);
	ofp_actions_add_load(apply(f), OFP_FIELD_NXM_IN_PORT, 0, 16, 0);
	ofp_actions_add_set(apply(f), OFP_FIELD_TUNNEL_ID, 9);
	ofp_actions_add(apply(f), OFP_ACTION_DEC_NW_TTL);
	metadata(f, 9, 0xffffff);
	goto_table(f, 1);

	f = flow(0, 200);
	ofp_match_set(&f->match, OFP_FIELD_IN_PORT, 1);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0806);
	ofp_actions_add_output(apply(f), OFPP_CONTROLLER);
	goto_table(f, 5);

	f = flow(0, 110);
	ofp_match_set(&f->match, OFP_FIELD_IN_PORT, 2);
	ofp_match_set(&f->match, OFP_FIELD_TUN_IPV4_SRC, 0x0a000001);
	ofp_match_set_masked(&f->match, OFP_FIELD_TUNNEL_ID, 1 << 23, 1 << 23);
	ofp_actions_add_move(apply(f), OFP_FIELD_IN_PORT, 0, OFP_FIELD_REG0, 0, 32);
	ofp_actions_add_load(apply(f), OFP_FIELD_TUNNEL_ID, 23, 1, 1);
	metadata(f, 1 << 24, 0x1ffffff);
	goto_table(f, 3);

	f = flow(0, 120);
	ofp_match_set_bytes(&f->match, OFP_FIELD_TUN_IPV6_SRC, ipv6, NULL);
	goto_table(f, 3);
}

static void make_guard_flows(void)
{
	struct ofp_flow_mod *f = flow(1, 100);

	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 9, 0xffffff);
	ofp_match_set(&f->match, OFP_FIELD_REG0, 1);
	ofp_match_set(&f->match, OFP_FIELD_VLAN_VID, 0);
	ofp_match_set(&f->match, OFP_FIELD_ETH_SRC, 0x020000000001);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&f->match, OFP_FIELD_IPV4_SRC, 0x0a020301);
	goto_table(f, 2);

	f = flow(1, 101);
	ofp_match_set(&f->match, OFP_FIELD_VLAN_VID, OFP_VLAN_PRESENT | 7);
	ofp_match_set(&f->match, OFP_FIELD_VLAN_PCP, 3);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x86dd);
	ofp_match_set_bytes(&f->match, OFP_FIELD_IPV6_SRC, ipv6, ipv6_mask);
	ofp_actions_add(apply(f), OFP_ACTION_POP_VLAN);
	goto_table(f, 2);

	f = flow(1, 102);
	ofp_match_set_masked(&f->match, OFP_FIELD_VLAN_VID, OFP_VLAN_PRESENT, OFP_VLAN_PRESENT);
	goto_table(f, 2);

	f = flow(1, 50);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set_masked(&f->match, OFP_FIELD_IPV4_SRC, 0x0a0a0000, 0xffff0000);
	ofp_actions_add_output(apply(f), OFPP_CONTROLLER);

	f = flow(2, 10);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&f->match, OFP_FIELD_IP_PROTO, 6);
	ofp_match_set(&f->match, OFP_FIELD_IP_DSCP, 10);
	ofp_match_set(&f->match, OFP_FIELD_TCP_DST, 443);
	goto_table(f, 3);
}

static void make_binding_flows(void)
{
	struct ofp_flow_mod *f = flow(3, 200);

	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 9, 0xffffff);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&f->match, OFP_FIELD_IPV4_DST, 0x0a020301);
	ofp_actions_add_set(apply(f), OFP_FIELD_ETH_DST, 0x020000000001);
	ofp_actions_add_set(apply(f), OFP_FIELD_ETH_SRC, 0x020000000100);
	ofp_actions_add(apply(f), OFP_ACTION_PUSH_VLAN)->ethertype = 0x8100;
	ofp_actions_add_set(apply(f), OFP_FIELD_VLAN_VID, OFP_VLAN_PRESENT | 7);
	ofp_actions_add_output(apply(f), 2);

	f = flow(3, 175);
	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 0x1000009, 0x1ffffff);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x86dd);
	ofp_match_set_bytes(&f->match, OFP_FIELD_IPV6_DST, ipv6, NULL);
	ofp_actions_add_set(apply(f), OFP_FIELD_ETH_DST, 0x020000000001);
	ofp_actions_add_output(apply(f), 1);
	f->idle_timeout = 600;
	f->flags = OFPFF_SEND_FLOW_REM;

	f = flow(3, 150);
	ofp_match_set_masked(&f->match, OFP_FIELD_METADATA, 1 << 24, 1 << 24);

	f = flow(3, 100);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set(&f->match, OFP_FIELD_IPV4_DST, 0x0a040501);
	ofp_actions_add_group(apply(f), 3);

	f = flow(3, 0);
	goto_table(f, 4);

	f = flow(4, 24);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0800);
	ofp_match_set_masked(&f->match, OFP_FIELD_IPV4_DST, 0xc0a80100, 0xffffff00);
	ofp_actions_add_output(apply(f), OFPP_NORMAL);
}

static void make_neighbor_flows(void)
{
	struct ofp_flow_mod *f = flow(5, 100);
	struct ofp_actions *a = apply(f);
	struct ofp_action *again;

	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x0806);
	ofp_match_set(&f->match, OFP_FIELD_ARP_OP, 1);
	ofp_match_set_masked(&f->match, OFP_FIELD_ARP_TPA, 0x0a0a0000, 0xffff0000);
	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_ETH_DST, 0, 48);
	ofp_actions_add_set(a, OFP_FIELD_ETH_SRC, 0x020000000100);
	ofp_actions_add_load(a, OFP_FIELD_ARP_OP, 0, 16, 2);
	ofp_actions_add_move(a, OFP_FIELD_ARP_SHA, 0, OFP_FIELD_ARP_THA, 0, 48);
	ofp_actions_add_set(a, OFP_FIELD_ARP_SHA, 0x020000000100);
	ofp_actions_add_move(a, OFP_FIELD_ARP_TPA, 0, OFP_FIELD_REG2, 0, 32);
	ofp_actions_add_move(a, OFP_FIELD_ARP_SPA, 0, OFP_FIELD_ARP_TPA, 0, 32);
	ofp_actions_add_move(a, OFP_FIELD_REG2, 0, OFP_FIELD_ARP_SPA, 0, 32);
	ofp_actions_add_output(a, OFPP_IN_PORT);

	f = flow(5, 90);
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x86dd);
	ofp_match_set(&f->match, OFP_FIELD_IP_PROTO, 58);
	ofp_match_set(&f->match, OFP_FIELD_ICMPV6_TYPE, 135);
	ofp_match_set(&f->match, OFP_FIELD_ICMPV6_CODE, 0);
	ofp_match_set_bytes(&f->match, OFP_FIELD_IPV6_ND_TARGET, ipv6, NULL);
	again = ofp_actions_add(apply(f), OFP_ACTION_RESUBMIT);
	again->resubmit.in_port = 0xfff8;
	again->resubmit.table = 6;
}

static void match_nd(struct ofp_flow_mod *f, uint8_t type)
{
	ofp_match_set(&f->match, OFP_FIELD_ETH_TYPE, 0x86dd);
	ofp_match_set(&f->match, OFP_FIELD_IP_PROTO, 58);
	ofp_match_set(&f->match, OFP_FIELD_ICMPV6_TYPE, type);
}

/* LISTEN, ANSWER and ADVERTISE of neighbour discovery, as pipeline/rule_encode.c makes them. */
static void make_nd_flows(void)
{
	struct ofp_flow_mod *f = flow(0, 200);
	struct ofp_action *again;
	struct ofp_actions *a;

	match_nd(f, 135);
	ofp_match_set(&f->match, OFP_FIELD_IN_PORT, 1);
	ofp_actions_add_output(apply(f), OFPP_CONTROLLER);
	goto_table(f, 5);

	f = flow(5, 100);
	a = apply(f);
	match_nd(f, 135);
	ofp_match_set_bytes(&f->match, OFP_FIELD_IPV6_ND_TARGET, ipv6_net, ipv6_mask);
	ofp_actions_add_move(a, OFP_FIELD_ETH_SRC, 0, OFP_FIELD_ETH_DST, 0, 48);
	ofp_actions_add_set(a, OFP_FIELD_ETH_SRC, 0x020000000100);
	ofp_actions_add_move(a, OFP_FIELD_IPV6_SRC, 0, OFP_FIELD_IPV6_DST, 0, 128);
	ofp_actions_add_move(a, OFP_FIELD_IPV6_ND_TARGET, 0, OFP_FIELD_IPV6_SRC, 0, 128);
	ofp_actions_add_set(a, OFP_FIELD_ICMPV6_TYPE, 136);
	ofp_actions_add_set(a, OFP_FIELD_ND_RESERVED, 0x60000000);
	ofp_actions_add_set(a, OFP_FIELD_ND_OPTIONS_TYPE, 2);
	again = ofp_actions_add(a, OFP_ACTION_RESUBMIT);
	again->resubmit.in_port = 0xfff8;
	again->resubmit.table = 5;

	f = flow(5, 90);
	match_nd(f, 136);
	ofp_actions_add_move(apply(f), OFP_FIELD_ETH_SRC, 0, OFP_FIELD_IPV6_ND_TLL, 0, 48);
	ofp_actions_add_output(apply(f), OFPP_IN_PORT);
}

void make_flows(void)
{
	make_port_flows();
	make_guard_flows();
	make_binding_flows();
	make_neighbor_flows();
	make_nd_flows();
}
