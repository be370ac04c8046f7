/* Rules in words for people, after the paper's Table 1, and what each table takes, for
 * OFPMP_TABLE_FEATURES. */
#include "pipeline/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text that is cut at its end, pieces parted by commas. */
struct text {
	char *at;
	size_t left;
	bool started;
};

static void add(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct text *t, const char *format, ...)
{
	va_list arguments;
	int size;

	if (t->started && t->left > 1) {
		*t->at++ = ',';
		t->left--;
	}
	t->started = true;
	va_start(arguments, format);
	size = vsnprintf(t->at, t->left, format, arguments);
	va_end(arguments);
	if (size < 0 || !t->left)
		return;

	size_t moved = (size_t)size < t->left ? (size_t)size : t->left - 1;

	t->at += moved;
	t->left -= moved;
}

static struct text text_start(char *at, size_t size)
{
	if (size)
		*at = '\0';
	return (struct text){at, size, false};
}

static void add_address(struct text *t, const struct rule_key *key, const char *v4, const char *v6)
{
	struct prefix p = {key->address, key->length};
	char buffer[PREFIX_TEXT_SIZE];
	bool host = !rule_kind_has_prefix(key->kind) || key->length == 128;

	add(t, "%s=%s", address_is_ipv4(&key->address) ? v4 : v6,
	    host ? address_format(&key->address, buffer) : prefix_format(&p, buffer));
}

static void add_mac(struct text *t, const char *name, const struct mac *m)
{
	char buffer[MAC_TEXT_SIZE];

	add(t, "%s%s", name, mac_format(m, buffer));
}

static void format_guard(struct text *t, const struct rule_key *key)
{
	add(t, "in_port=%" PRIu32, key->port);
	if (key->vlan)
		add(t, "dl_vlan=%u", key->vlan);
	add_mac(t, "dl_src=", &key->mac);
	add_address(t, key, "nw_src", "ipv6_src");
}

static const char *listen_name(uint16_t ethertype)
{
	switch (ethertype) {
	case ETHERTYPE_ARP_:
		return "arp";
	case ETHERTYPE_LLDP_:
		return "lldp";
	case LISTEN_RS:
		return "icmp6,icmpv6_type=133";
	case LISTEN_NS:
		return "icmp6,icmpv6_type=135";
	case LISTEN_NA:
		return "icmp6,icmpv6_type=136";
	default:
		return "rarp";
	}
}

static void format_peer(struct text *t, const struct rule_key *key)
{
	if (key->port == PIPELINE_VXLAN_PORT)
		add(t, "vxlan");
	add_address(t, key, "tun_src", "tun_ipv6_src");
}

static void format_flow(struct text *t, const struct rule_key *key)
{
	if (key->vrf)
		add(t, "vrf=%" PRIu32, key->vrf);
	switch ((enum rule_kind)key->kind) {
	case RULE_ADMIT:
		add(t, "in_port=%" PRIu32 ",%s", key->port, key->ethertype ? "ipv6" : "ip");
		return;
	case RULE_LISTEN:
		add(t, "in_port=%" PRIu32 ",%s", key->port, listen_name(key->ethertype));
		return;
	case RULE_PEER_MARKED:
		add(t, "redirected");
		format_peer(t, key);
		return;
	case RULE_PEER:
		format_peer(t, key);
		return;
	case RULE_GUARD:
		format_guard(t, key);
		return;
	case RULE_STRANGER:
	case RULE_EXIT:
		add_address(t, key, "nw_src", "ipv6_src");
		return;
	case RULE_TENTATIVE:
		add(t, "redirected");
		add_address(t, key, "nw_dst", "ipv6_dst");
		return;
	case RULE_LOCAL:
	case RULE_FOREIGN:
	case RULE_COVERED:
	case RULE_EXTERNAL:
		add_address(t, key, "nw_dst", "ipv6_dst");
		return;
	case RULE_REDIRECTED_MISS:
		add(t, "redirected");
		return;
	case RULE_ANSWER:
		add_address(t, key, "arp_tpa", "nd_target");
		return;
	case RULE_MULTICAST:
		add(t, "multicast");
		return;
	case RULE_MEASURE:
		add(t, "into a tunnel");
		return;
	case RULE_TOO_BIG:
		add(t, "too big for a tunnel");
		return;
	case RULE_SEND:
		add(t, "fits into a tunnel");
		return;
	case RULE_SPEAK:
		add(t, "in_port=%" PRIu32, key->port);
		add_address(t, key, "nw_dst", "ipv6_dst");
		return;
	case RULE_ECHO:
		add(t, address_is_ipv4(&key->address) ? "icmp_type=8" : "icmpv6_type=128");
		add_address(t, key, "nw_dst", "ipv6_dst");
		return;
	case RULE_REGISTER:
		add_address(t, key, "nw_dst", "ipv6_dst");
		add(t, "udp_dst=%u", PIPELINE_REGISTRATION_PORT);
		return;
	case RULE_BESIDE:
		add(t, "in_port=%" PRIu32, key->port);
		add_mac(t, "dl_dst=", &key->mac);
		add_address(t, key, "nw_dst", "ipv6_dst");
		return;
	case RULE_PROBE:
		add(t, key->ethertype ? "icmp6,icmpv6_type=135,ipv6_src=::" : "arp_spa=0.0.0.0");
		return;
	case RULE_SELF:
		add_address(t, key, "arp_spa=arp_tpa", "nd_target");
		return;
	case RULE_BESIDE_ASKED:
		add(t, "in_port=%" PRIu32, key->port);
		add_address(t, key, "arp_tpa", "nd_target");
		return;
	case RULE_ADVERTISE:
		add(t, "icmp6,icmpv6_type=136");
		return;
	case RULE_GUARD_PASS:
	case RULE_POLICY_PASS:
	case RULE_BINDING_PASS:
	case RULE_KIND_COUNT:
		add(t, "any");
		return;
	}
}

static void add_next_hop(struct text *t, const struct rule *r)
{
	add_mac(t, "mod_dl_dst:", &r->mac);
	add(t, "out:%" PRIu32, r->port);
}

static void format_action(struct text *t, const struct rule *r)
{
	switch ((enum rule_kind)r->key.kind) {
	case RULE_ADMIT:
		add(t, "vrf:%" PRIu32 ",dec_ttl,goto:%u", r->vrf, r->next_table);
		return;
	case RULE_LISTEN:
		add(t, (r->key.ethertype == ETHERTYPE_ARP_ || r->key.ethertype == LISTEN_NS) &&
				       !r->silent
			       ? "controller,goto:5"
			       : "controller");
		return;
	case RULE_PEER:
	case RULE_PEER_MARKED:
		add(t, "from:%" PRIu32 ",vrf:%" PRIu32 ",goto:3", r->fe, r->vrf);
		return;
	case RULE_GUARD:
	case RULE_GUARD_PASS:
		add(t, "goto:2");
		return;
	case RULE_STRANGER:
	case RULE_SPEAK:
	case RULE_TOO_BIG:
	case RULE_REGISTER:
		add(t, "controller");
		return;
	case RULE_POLICY_PASS:
		add(t, "goto:3");
		return;
	case RULE_LOCAL:
	case RULE_TENTATIVE:
		add_mac(t, "mod_dl_dst:", &r->mac);
		if (r->vlan)
			add(t, "vlan:%u", r->vlan);
		add(t, "out:%" PRIu32, r->port);
		return;
	case RULE_FOREIGN:
		add(t, "group:%" PRIu32 ",out:0", r->fe);
		return;
	case RULE_REDIRECTED_MISS:
		add(t, "drop:redirected_miss");
		return;
	case RULE_COVERED:
		add(t, "%sdrop:no_binding%s", r->internal ? "internal," : "",
		    r->unreachable ? ",tell:unreachable" : "");
		return;
	case RULE_BINDING_PASS:
		add(t, "goto:4");
		return;
	case RULE_EXTERNAL:
	case RULE_EXIT:
		if (r->unreachable)
			add(t, "drop:no_exit");
		else if (r->fe)
			add(t, "group:%" PRIu32 ",out:0", r->fe);
		else if (r->port)
			add_next_hop(t, r);
		else
			add(t, "kernel");
		return;
	case RULE_ANSWER:
	case RULE_ECHO:
		add_mac(t, "answer:", &r->mac);
		return;
	case RULE_MEASURE:
		add(t, "check_pkt_larger:%u,resubmit:5", r->frame_max);
		return;
	case RULE_SEND:
		add(t, "out:%u", PIPELINE_VXLAN_PORT);
		return;
	case RULE_MULTICAST:
		add(t, "drop");
		return;
	case RULE_BESIDE:
		add(t, "drop:beside");
		return;
	case RULE_PROBE:
	case RULE_SELF:
	case RULE_BESIDE_ASKED:
		add(t, "no answer");
		return;
	case RULE_ADVERTISE:
		add(t, "nd_tll:eth_src,out:in_port");
		return;
	case RULE_KIND_COUNT:
		return;
	}
}

void rule_format(const struct rule *r, char *flow, size_t flow_size, char *action,
		 size_t action_size)
{
	struct text t = text_start(flow, flow_size);

	format_flow(&t, &r->key);
	t = text_start(action, action_size);
	format_action(&t, r);
}

static const char *const table_names[TABLE_COUNT] = {
	[TABLE_PORT] = "port",       [TABLE_GUARD] = "guard",       [TABLE_POLICY] = "policy",
	[TABLE_BINDING] = "binding", [TABLE_EXTERNAL] = "external", [TABLE_NEIGHBOR] = "neighbor",
};

/* Adds what one flow uses to what its table is said to take. */
static void add_features(const struct rule *r, struct ofp_table_features *t)
{
	struct ofp_match m;
	struct ofp_instructions i;

	rule_to_match(&r->key, &m);
	for (unsigned n = 0; n < m.count; n++)
		t->match_fields |= 1ull << m.fields[n].field;
	rule_to_instructions(r, &i);
	t->instructions |= i.present;
	if (i.present & OFP_INSTRUCTION_GOTO_TABLE)
		t->next_tables |= (uint8_t)(1u << i.goto_table);
	if (i.present & OFP_INSTRUCTION_WRITE_METADATA)
		t->metadata_write |= i.metadata_mask;
	for (unsigned n = 0; n < i.apply.count; n++) {
		t->apply_actions |= 1u << i.apply.list[n].type;
		if (i.apply.list[n].type == OFP_ACTION_SET_FIELD)
			t->set_fields |= 1ull << i.apply.list[n].set_field.field;
	}
}

/* Example rules of each kind, both families and both variants, say what the table takes. */
void rule_table_features(enum pipeline_table table, struct ofp_table_features *ret)
{
	static const uint8_t one[16] = {1, [15] = 1};
	static const uint16_t listened[] = {ETHERTYPE_RARP_, ETHERTYPE_ARP_, LISTEN_NS};
	_Static_assert(OFP_FIELD_COUNT <= 64, "fields fit the features' bitmaps");

	*ret = (struct ofp_table_features){.table = (uint8_t)table};
	snprintf(ret->name, sizeof(ret->name), "%s", table_names[table]);
	for (int kind = 0; kind < RULE_KIND_COUNT; kind++) {
		for (unsigned variant = 0; rule_table(kind) == table && variant < 3; variant++) {
			struct rule r = {.key = {.kind = (uint8_t)kind, .length = 128, .port = 1},
					 .port = rule_is_way_out(kind) ? 0 : 1,
					 .fe = variant,
					 .vlan = (uint16_t)variant,
					 .internal = variant,
					 .next_table = variant ? TABLE_GUARD : TABLE_BINDING};

			r.key.address = variant ? address_from_ipv6(one) : address_from_ipv4(one);
			if (kind == RULE_PEER || kind == RULE_PEER_MARKED)
				r.key.port = variant ? PIPELINE_VXLAN_PORT : PIPELINE_TUNNEL_PORT;
			if (kind == RULE_LISTEN)
				r.key.ethertype = listened[variant];
			r.unreachable = kind == RULE_COVERED;
			if (kind == RULE_COVERED)
				r.gateway = r.key.address;
			if (!rule_is_for_switch(&r))
				add_features(&r, ret);
		}
	}
	if (table != TABLE_PORT && table != TABLE_POLICY && table != TABLE_NEIGHBOR)
		ret->metadata_match = PIPELINE_METADATA_VRF;
	if (table == TABLE_BINDING)
		ret->metadata_match |= PIPELINE_METADATA_REDIRECTED;
}
