/* The examples that the tests of pipeline/rule share. */
#include "tests/unit/pipeline/examples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

const struct mac node = {{2, 0, 0, 0, 0, 5}}, gateway = {{2, 0, 0x5e, 0, 1, 1}};

struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

struct rule_key key(enum rule_kind kind, const char *prefix)
{
	struct rule_key k = {.kind = (uint8_t)kind};
	struct prefix p;

	if (prefix) {
		assert_int_equal(prefix_parse(prefix, &p), 0);
		k.address = p.address;
		if (kind == RULE_STRANGER || kind == RULE_COVERED || kind == RULE_EXTERNAL ||
		    kind == RULE_EXIT || kind == RULE_ANSWER || kind == RULE_PEER ||
		    kind == RULE_PEER_MARKED || kind == RULE_SPEAK || kind == RULE_REGISTER)
			k.length = p.length;
		if (kind == RULE_PEER || kind == RULE_PEER_MARKED)
			k.port = PIPELINE_TUNNEL_PORT;
	}
	return k;
}

/* What only Open vSwitch takes. */
static unsigned switch_examples(struct rule *list)
{
	unsigned n = 0;

	list[n++] = (struct rule){.key = key(RULE_MULTICAST, NULL)};
	list[n++] = (struct rule){.key = key(RULE_ECHO, "10.10.0.1"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ECHO, "2001:db8::1"), .mac = gateway};
	list[n] = (struct rule){.key = key(RULE_BESIDE, "10.10.0.5"), .cookie = VERSION};
	list[n].key.vrf = 4;
	list[n].key.port = 2;
	list[n++].key.mac = node;
	list[n++] = (struct rule){.key = key(RULE_PROBE, NULL)};
	list[n] = (struct rule){.key = key(RULE_PROBE, NULL)};
	list[n++].key.ethertype = LISTEN_NS;
	list[n++] = (struct rule){.key = key(RULE_MEASURE, NULL), .frame_max = 1464};
	list[n++] = (struct rule){.key = key(RULE_TOO_BIG, NULL)};
	list[n++] = (struct rule){.key = key(RULE_SEND, NULL)};
	list[n++] = (struct rule){.key = key(RULE_SELF, "10.10.0.5")};
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_SPEAK, i ? "ff02::/16" : "224.0.0.0/24")};
		list[n++].key.port = 1;
	}
	list[n] = (struct rule){.key = key(RULE_BESIDE_ASKED, "10.10.0.5")};
	list[n++].key.port = 2;
	list[n] = (struct rule){.key = key(RULE_BESIDE_ASKED, "2001:db8::5")};
	list[n++].key.port = 2;
	list[n++] = (struct rule){.key = key(RULE_EXTERNAL, "10.0.0.0/8"),
				  .port = 1,
				  .mac = node,
				  .gateway_mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_EXIT, "10.0.0.0/8"),
				  .port = 1,
				  .mac = node,
				  .gateway_mac = gateway};
	return n;
}

unsigned examples(struct rule *list)
{
	unsigned n = 0;
	static const char *const prefixes[] = {"10.10.0.0/16", "0.0.0.0/0", "10.1.2.3/32",
					       "2001:db8::/32", "::/0"};
	static const uint16_t listened[] = {LISTEN_RS, LISTEN_NS, LISTEN_NA, ETHERTYPE_RARP_,
					    ETHERTYPE_ARP_};

	list[n] = (struct rule){.key = key(RULE_ADMIT, NULL), .fe = 2, .next_table = TABLE_GUARD};
	list[n++].key.port = 2;
	list[n] = (struct rule){
		.key = key(RULE_ADMIT, NULL), .fe = 2, .vrf = 7, .next_table = TABLE_BINDING};
	list[n].key.ethertype = ETHERTYPE_IPV6_;
	list[n++].key.port = 2;
	for (unsigned i = 0; i < ARRAY_SIZE(listened); i++) {
		list[n] = (struct rule){.key = key(RULE_LISTEN, NULL)};
		list[n].key.port = 2;
		list[n++].key.ethertype = listened[i];
	}
	list[n] = (struct rule){.key = key(RULE_LISTEN, NULL), .silent = true};
	list[n].key.port = 3;
	list[n++].key.ethertype = ETHERTYPE_ARP_;
	list[n++] = (struct rule){.key = key(RULE_PEER, "172.16.3.2"), .fe = 3, .vrf = 0};
	list[n++] = (struct rule){.key = key(RULE_PEER_MARKED, "172.16.3.2"), .fe = 3, .vrf = 9};
	list[n++] = (struct rule){.key = key(RULE_PEER, "fd00::3"), .fe = 3};
	list[n++] = (struct rule){.key = key(RULE_PEER, "172.16.3.16/28"), .fe = 3};
	list[n] = (struct rule){.key = key(RULE_PEER, "172.16.3.2"), .fe = 3};
	list[n++].key.port = PIPELINE_VXLAN_PORT;
	list[n] = (struct rule){.key = key(RULE_PEER_MARKED, "fd00::/112"), .fe = 3};
	list[n++].key.port = PIPELINE_VXLAN_PORT;
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_GUARD, i ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION};
		list[n].key.vrf = i * 5;
		list[n].key.vlan = (uint16_t)(i * 100);
		list[n].key.port = 4;
		list[n++].key.mac = node;
	}
	list[n++] = (struct rule){.key = key(RULE_GUARD_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_POLICY_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_BINDING_PASS, NULL)};
	list[n++] = (struct rule){.key = key(RULE_REDIRECTED_MISS, NULL), .cookie = 3};
	for (unsigned i = 0; i < 4; i++) {
		list[n] = (struct rule){.key = key(i & 1 ? RULE_TENTATIVE : RULE_LOCAL,
						   i & 2 ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION,
					.port = 2,
					.vlan = i & 2 ? 0 : 44,
					.mac = node,
					.gateway_mac = gateway,
					.idle_timeout = i & 1 ? 10 : 0};
		list[n++].key.vrf = i * 3;
	}
	for (unsigned i = 0; i < 2; i++) {
		list[n] = (struct rule){.key = key(RULE_FOREIGN, i ? "10.10.0.5" : "2001:db8::5"),
					.cookie = VERSION,
					.fe = 3};
		list[n++].key.vrf = i;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
		list[n++] = (struct rule){.key = key(RULE_STRANGER, prefixes[i])};
		list[n] =
			(struct rule){.key = key(RULE_COVERED, prefixes[i]), .unreachable = i % 2};
		list[n].gateway = list[n].key.address;
		list[n].gateway.bytes[15] |= 1;
		n++;
		list[n++] = (struct rule){.key = key(RULE_EXTERNAL, prefixes[i]), .fe = i};
		list[n++] = (struct rule){
			.key = key(RULE_EXIT, prefixes[i]), .fe = i, .unreachable = i == 0};
	}
	list[n++] = (struct rule){.key = key(RULE_COVERED, "10.20.0.0/16"), .internal = true};
	list[n++] = (struct rule){.key = key(RULE_ADVERTISE, NULL)};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "2001:db8::/64"),
				  .mac = gateway,
				  .cookie = ANSWER_ADVERTISED | ANSWER_AUTONOMOUS};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "fe80::1/128"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "10.10.0.1/32"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_ANSWER, "10.10.0.0/16"), .mac = gateway};
	list[n++] = (struct rule){.key = key(RULE_REGISTER, "10.10.0.1/32")};
	list[n++] = (struct rule){.key = key(RULE_REGISTER, "fe80::1/128")};
	return n + switch_examples(list + n);
}
