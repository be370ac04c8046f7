/* What the FE does about its IPv6 nodes: claims, announcements, probes (fe/neighbor), and router
 * advertisements (fe/router). */
#include "fixture.h"

#include "fe/router.h"
#include "packet/neighbor.h"

#define NODE "2001:db8:10::5"
#define ROUTER "fe80::5eff:fe00:5301"

static struct box box;
static struct controller c;

static void add(struct rule rule)
{
	assert_int_equal(controller_add(&c, &rule), 0);
}

static struct rule admit6(uint32_t port)
{
	struct rule r = rule_admit(port);

	r.key.ethertype = ETHERTYPE_IPV6_;
	return r;
}

static struct rule answer(const char *prefix, uint64_t cookie)
{
	struct rule r = rule_prefix(RULE_ANSWER, prefix);

	r.cookie = cookie;
	return r;
}

static int open_box(void **state)
{
	static const uint16_t listened[] = {LISTEN_RS, LISTEN_NS, LISTEN_NA};

	box_open(&box);
	c = controller_join(&box, 1);
	for (uint32_t port = 2; port <= 3; port++) {
		add(admit6(port));
		for (unsigned i = 0; i < ARRAY_SIZE(listened); i++)
			add(rule_listen(port, listened[i]));
	}
	add(rule_prefix(RULE_COVERED, "2001:db8:10::/64"));
	add(rule_prefix(RULE_STRANGER, "2001:db8:10::/64"));
	add(answer("2001:db8:10::/64", ANSWER_ADVERTISED | ANSWER_AUTONOMOUS));
	add(answer("2001:db8:10::1", 0));
	add(answer(ROUTER, 0));
	assert_int_equal(controller_add_group(&c, 3, OFPGC_ADD), 0);
	controller_drain(&c);
	return 0;
}

static int close_box(void **state)
{
	box_close(&box);
	return 0;
}

static void hear(uint32_t port, uint16_t vlan, const struct buffer *b)
{
	struct upcall u = {UPCALL_NEIGHBOR, port, vlan, b->data, b->size, b->size};

	agent_upcall(box.agent, &u, box.now_ms);
}

static void announce(uint32_t port, const char *address)
{
	struct mac mac = mac_of(5);
	struct address a = ip(address);
	struct buffer b = {0};

	neighbor_build_announcement(&b, 0, &mac, &a);
	hear(port, 0, &b);
	buffer_finish(&b);
}

/* The frames sent from 'at' on that are of this type and left by this port; the last in 'ret'. */
static unsigned sent(unsigned at, uint32_t port, uint8_t type, struct nd *ret)
{
	unsigned count = 0;

	for (; at < box.frame_count; at++) {
		struct nd n;

		if (box.frames[at].port != port ||
		    nd_parse(box.frames[at].data, box.frames[at].size, &n) < 0 || n.type != type)
			continue;
		*ret = n;
		count++;
	}
	return count;
}

/* ---- claims ---- */

static void an_advertisement_makes_a_tentative_binding(void **state)
{
	const struct datapath_binding *b;

	announce(2, NODE);
	b = box_binding(&box, NODE);
	assert_non_null(b);
	assert_int_equal(b->flags, BINDING_LOCAL | BINDING_MARKED_ONLY);
	assert_int_equal(b->port, 2);
	assert_true(mac_equal(&b->gateway_mac, &gateway_mac));
}

static void a_link_local_address_claims_nothing(void **state)
{
	struct ofp_packet_in p;
	struct message m;

	announce(2, "fe80::ff:fe00:5");
	assert_null(box_binding(&box, "fe80::ff:fe00:5"));
	m = controller_expect(&c, OFPT_PACKET_IN); /* it is told all the same */
	assert_int_equal(ofp_packet_in_decode(&m.body, &p), 0);
	assert_int_equal(p.cookie, 99);
	message_free(&m);
}

static void a_departed_node_is_announced_by_an_advertisement_of_the_gateway(void **state)
{
	struct rule local = rule_local(NODE, 2);
	unsigned before;
	struct nd n;

	add(local);
	before = box.frame_count;
	add(rule_foreign(NODE, 3));
	assert_int_equal(controller_remove(&c, &local), 0);
	assert_int_equal(sent(before, 2, ND_ADVERTISEMENT, &n), 1);
	assert_true(mac_equal(&n.link_layer, &gateway_mac) && n.override);
	assert_true(address_equal(&n.target, &local.key.address));
	box_pass(&box, 3500);
	assert_int_equal(sent(before, 2, ND_ADVERTISEMENT, &n), 3);
}

static void a_silent_node_is_probed_by_a_solicitation(void **state)
{
	struct address router = ip(ROUTER);
	unsigned before;
	struct nd n;

	add(rule_local(NODE, 2));
	before = box.frame_count;
	box.idle_ms = -1;
	box_pass(&box, 32000);
	assert_true(sent(before, 2, ND_SOLICITATION, &n) >= 1);
	assert_true(address_equal(&n.source, &router));
	assert_true(n.ethernet_destination.bytes[5] == 5);
}

/* ---- router advertisements ---- */

static void solicit(uint32_t port, uint16_t vlan, const char *from)
{
	struct mac mac = mac_of(5);
	struct address a = ip(from);
	struct buffer b = {0};
	uint32_t sum = 8 + 58;

	nd_build_probe(&b, 0, &mac, &gateway_mac, &a);
	b.size = 62;
	memcpy(b.data + 22, a.bytes, 16);
	b.data[19] = 8;
	b.data[54] = ND_ROUTER_SOLICITATION;
	memset(b.data + 56, 0, 6);
	for (size_t i = 22; i < b.size; i++)
		sum += i % 2 ? b.data[i] : (uint32_t)b.data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	b.data[56] = (uint8_t)(~sum >> 8);
	b.data[57] = (uint8_t)~sum;
	hear(port, vlan, &b);
	buffer_finish(&b);
}

static void a_solicitation_gets_gateway_prefix_and_mtu_at_once(void **state)
{
	struct address router = ip(ROUTER), asked = ip("fe80::ff:fe00:5");
	struct prefix wanted;
	unsigned before;
	struct nd n;

	box_pass(&box, 1000);
	before = box.frame_count;
	solicit(2, 0, "fe80::ff:fe00:5");
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_true(address_equal(&n.source, &router) && address_equal(&n.destination, &asked));
	assert_int_equal(n.ethernet_destination.bytes[5], 5);
	assert_true(mac_equal(&n.link_layer, &gateway_mac));
	assert_int_equal(n.router.lifetime_s, ROUTER_LIFETIME_S);
	assert_int_equal(n.router.prefix_count, 1); /* neither the gateways nor IPv4 */
	assert_int_equal(prefix_parse("2001:db8:10::/64", &wanted), 0);
	assert_true(prefix_equal(&n.router.prefixes[0].prefix, &wanted));
	assert_true(n.router.prefixes[0].on_link && n.router.prefixes[0].autonomous);
	assert_int_equal(n.router.mtu, 1500);
	assert_int_equal(sent(before, 3, ND_ROUTER_ADVERTISEMENT, &n), 0);
}

static void expect_mtu(const char *peer, bool vxlan, uint32_t mtu)
{
	struct rule_group g = {.fe = 3, .address = ip(peer), .redirect = ip(peer), .vxlan = vxlan};
	struct ofp_group_mod m;
	unsigned before;
	struct nd n;

	g.redirect.bytes[15]++;
	rule_group_to_group_mod(&g, OFPGC_MODIFY, &m);
	assert_int_equal(controller_group_mod(&c, &m), 0);
	before = box.frame_count;
	solicit(2, 0, "fe80::ff:fe00:5");
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_int_equal(n.router.mtu, mtu);
}

static void start_with_backplane(uint16_t mtu)
{
	box.config.backplane_mtu = mtu;
	box_restart(&box);
	c = controller_join(&box, 1);
	controller_drain(&c);
	box_pass(&box, 1000);
}

static void the_mtu_told_fits_into_the_tunnel_that_has_the_longest_headers(void **state)
{
	start_with_backplane(1500);
	expect_mtu("172.16.3.2", false, 1480);
	expect_mtu("fd00::3", false, 1460);
	expect_mtu("172.16.3.2", true, 1450);
	expect_mtu("fd00::3", true, 1430);
	start_with_backplane(1600); /* the port has less */
	expect_mtu("fd00::3", true, 1500);
	start_with_backplane(1300); /* nodes cannot have less (RFC 8200, 5) */
	expect_mtu("fd00::3", true, 1280);
}

static void who_has_no_address_yet_is_told_with_all_and_not_too_often(void **state)
{
	struct address all = ip("ff02::1");
	unsigned before;
	struct nd n;

	box_pass(&box, 4000); /* the first of the port's own was at the start */
	before = box.frame_count;
	for (unsigned i = 0; i < 5; i++)
		solicit(2, 0, "::");
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_true(address_equal(&n.destination, &all));
	box_pass(&box, ROUTER_SPACING_MS + 300);
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 2);
	solicit(2, 7, "::");
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 3);
	assert_int_equal(n.vlan, 7);
}

static void every_access_port_is_told_now_and_then(void **state)
{
	struct nd n;
	unsigned count;

	box_pass(&box, 500);
	assert_int_equal(sent(0, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_int_equal(sent(0, 3, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_int_equal(sent(0, 1, ND_ROUTER_ADVERTISEMENT, &n), 0); /* an external one */
	box_pass(&box, 3 * ROUTER_INITIAL_INTERVAL_MS);
	count = sent(0, 2, ND_ROUTER_ADVERTISEMENT, &n);
	assert_int_equal(count, 3);
	for (unsigned i = 0; i < 61; i++)
		box_pass(&box, 10000);
	assert_true(sent(0, 2, ND_ROUTER_ADVERTISEMENT, &n) > count);
}

static void a_node_that_binds_has_its_segment_told(void **state)
{
	struct rule local = rule_local(NODE, 2);
	unsigned before;
	struct nd n;

	box_pass(&box, 4000);
	before = box.frame_count;
	local.vlan = 9;
	add(local);
	box_pass(&box, 300);
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_int_equal(n.vlan, 9);
}

static void no_prefix_is_advertised_without_being_marked(void **state)
{
	unsigned before;
	struct nd n;

	box_pass(&box, 1000);
	before = box.frame_count;
	add(answer("2001:db8:10::/64", 0));
	solicit(2, 0, "fe80::ff:fe00:5");
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 0);
}

static void a_restarted_agent_advertises_from_its_rules_alone(void **state)
{
	unsigned before = box.frame_count;
	struct nd n;

	box_restart(&box);
	box_pass(&box, 500);
	assert_int_equal(sent(before, 2, ND_ROUTER_ADVERTISEMENT, &n), 1);
	assert_int_equal(n.router.prefix_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_advertisement_makes_a_tentative_binding),
		TEST(a_link_local_address_claims_nothing),
		TEST(a_departed_node_is_announced_by_an_advertisement_of_the_gateway),
		TEST(a_silent_node_is_probed_by_a_solicitation),
		TEST(a_solicitation_gets_gateway_prefix_and_mtu_at_once),
		TEST(the_mtu_told_fits_into_the_tunnel_that_has_the_longest_headers),
		TEST(who_has_no_address_yet_is_told_with_all_and_not_too_often),
		TEST(every_access_port_is_told_now_and_then),
		TEST(a_node_that_binds_has_its_segment_told),
		TEST(no_prefix_is_advertised_without_being_marked),
		TEST(a_restarted_agent_advertises_from_its_rules_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
