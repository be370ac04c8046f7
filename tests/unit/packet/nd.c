/* packet/nd, and what packet/neighbor makes of it: neighbour discovery that must be believed, and
 * what RFC 4861 says must be discarded. */
#include "packet/nd.h"
#include "packet/neighbor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct mac gateway = {{2, 0, 0x5e, 0, 0x53, 1}}, node = {{2, 0, 0, 0, 0, 5}};

/* DAD's NS of 02:00:00:00:00:05 for 2001:db8:10::5, with the nonce that Linux adds (RFC 7527). */
static const uint8_t detection[] = {
	0x33, 0x33, 0xff, 0,    0, 5, 2,  0, 0,    0, 0,   5,    0x86, 0xdd, 0x60, 0, 0, 0,
	0,    32,   58,   255,  0, 0, 0,  0, 0,    0, 0,   0,    0,    0,    0,    0, 0, 0,
	0,    0,    0xff, 2,    0, 0, 0,  0, 0,    0, 0,   0,    0,    1,    0xff, 0, 0, 5,
	135,  0,    0x00, 0x00, 0, 0, 0,  0, 0x20, 1, 0xd, 0xb8, 0,    0x10, 0,    0, 0, 0,
	0,    0,    0,    0,    0, 5, 14, 1, 1,    2, 3,   4,    5,    6};
#define HOP_LIMIT 21
#define SOURCE 22
#define DESTINATION 38
#define MESSAGE 54
#define TARGET 62
#define OPTION 78

static struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static bool is(const struct address *a, const char *text)
{
	struct address b = ip(text);

	return address_equal(a, &b);
}

/* The right checksum put into a frame without a tag. */
static void seal(uint8_t *frame, size_t size)
{
	uint32_t sum = (uint32_t)(size - MESSAGE) + 58;

	frame[18] = (uint8_t)((size - MESSAGE) >> 8);
	frame[19] = (uint8_t)(size - MESSAGE);
	frame[MESSAGE + 2] = frame[MESSAGE + 3] = 0;
	for (size_t i = SOURCE; i < size; i++)
		sum += i % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	frame[MESSAGE + 2] = (uint8_t)(~sum >> 8);
	frame[MESSAGE + 3] = (uint8_t)~sum;
}

static int parse_sealed(uint8_t *frame, size_t size, struct nd *ret)
{
	seal(frame, size);
	return nd_parse(frame, size, ret);
}

static void start(uint8_t frame[sizeof(detection)])
{
	memcpy(frame, detection, sizeof(detection));
	seal(frame, sizeof(detection));
}

/* The node's NS for its neighbour 2001:db8:10::9, with its MAC. */
static void start_solicitation(uint8_t frame[sizeof(detection)])
{
	struct address from = ip("2001:db8:10::5"), to = ip("ff02::1:ff00:9");

	start(frame);
	memcpy(frame + SOURCE, from.bytes, 16);
	memcpy(frame + DESTINATION, to.bytes, 16);
	frame[TARGET + 15] = 9;
	memcpy(frame + OPTION, (uint8_t[]){1, 1, 2, 0, 0, 0, 0, 5}, 8);
	seal(frame, sizeof(detection));
}

static void duplicate_address_detection_claims_its_target(void **state)
{
	uint8_t frame[sizeof(detection)];
	struct neighbor n;
	struct nd nd;

	start(frame);
	assert_true(nd_is(frame, sizeof(frame)));
	assert_int_equal(nd_parse(frame, sizeof(frame), &nd), 0);
	assert_int_equal(nd.type, ND_SOLICITATION);
	assert_false(nd.has_link_layer);
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), 0);
	assert_int_equal(n.kind, NEIGHBOR_DETECTION);
	assert_true(is(&n.sender, "2001:db8:10::5"));
	assert_true(mac_equal(&n.sender_mac, &node));
	assert_true(neighbor_claims_address(&n));
	assert_false(n.elicited);
}

static void a_solicitation_claims_its_source_unless_that_is_link_local(void **state)
{
	uint8_t frame[sizeof(detection)];
	struct address local = ip("fe80::5");
	struct neighbor n;

	start_solicitation(frame);
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), 0);
	assert_int_equal(n.kind, NEIGHBOR_SOLICITATION);
	assert_true(is(&n.sender, "2001:db8:10::5") && is(&n.target, "2001:db8:10::9"));
	assert_true(neighbor_claims_address(&n));
	memcpy(frame + SOURCE, local.bytes, 16);
	seal(frame, sizeof(frame));
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), 0);
	assert_false(neighbor_claims_address(&n));
}

static void an_advertisement_claims_its_target(void **state)
{
	struct address five = ip("2001:db8:10::5");
	struct buffer b = {0};
	struct neighbor n;
	struct nd nd;

	neighbor_build_announcement(&b, 7, &node, &five);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_true(nd.override && !nd.solicited && !nd.is_router && nd.has_link_layer);
	assert_true(is(&nd.source, "fe80::ff:fe00:5") && is(&nd.destination, "ff02::1"));
	assert_int_equal(nd.ethernet_destination.bytes[0], 0x33);
	assert_int_equal(neighbor_parse(b.data, b.size, &n), 0);
	assert_int_equal(n.kind, NEIGHBOR_ADVERTISEMENT);
	assert_int_equal(n.vlan, 7);
	assert_true(is(&n.sender, "2001:db8:10::5") && !n.elicited);
	buffer_finish(&b);
}

static void a_probe_asks_one_node_from_the_gateways_link_local_address(void **state)
{
	struct address five = ip("2001:db8:10::5"), unused = ip("10.0.0.1");
	struct buffer b = {0};
	struct nd nd;

	neighbor_build_probe(&b, 0, &gateway, &unused, &node, &five);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_int_equal(nd.type, ND_SOLICITATION);
	assert_true(is(&nd.source, "fe80::5eff:fe00:5301"));
	assert_true(address_equal(&nd.destination, &five) && address_equal(&nd.target, &five));
	assert_true(mac_equal(&nd.ethernet_destination, &node));
	assert_true(mac_equal(&nd.link_layer, &gateway));
	buffer_finish(&b);
}

static void a_router_advertisement_is_parsed_as_it_was_built(void **state)
{
	struct nd_router router = {.hop_limit = 64,
				   .lifetime_s = 1800,
				   .mtu = 1480,
				   .other = true,
				   .prefix_count = 2,
				   .prefixes = {{.on_link = true,
						 .autonomous = true,
						 .valid_s = 86400,
						 .preferred_s = 14400},
						{.on_link = true, .valid_s = 0xffffffff}}};
	struct nd_host to = {node, ip("fe80::5")};
	struct buffer b = {0};
	struct nd nd;

	assert_int_equal(prefix_parse("2001:db8:10::/64", &router.prefixes[0].prefix), 0);
	assert_int_equal(prefix_parse("2001:db8:20::/48", &router.prefixes[1].prefix), 0);
	nd_build_router_advertisement(&b, 7, &gateway, &router, NULL);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_int_equal(nd.type, ND_ROUTER_ADVERTISEMENT);
	assert_true(is(&nd.source, "fe80::5eff:fe00:5301") && is(&nd.destination, "ff02::1"));
	assert_true(mac_equal(&nd.link_layer, &gateway));
	assert_memory_equal(&nd.router, &router, sizeof(router));
	buffer_clear(&b);
	nd_build_router_advertisement(&b, 0, &gateway, &router, &to);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_true(mac_equal(&nd.ethernet_destination, &node) && is(&nd.destination, "fe80::5"));
	buffer_finish(&b);
}

static void a_router_that_shares_load_names_no_mac(void **state)
{
	struct nd_router router = {.lifetime_s = 1800, .shares_load = true};
	struct buffer b = {0};
	struct nd nd;

	nd_build_router_advertisement(&b, 0, &gateway, &router, NULL);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_false(nd.has_link_layer);
	assert_int_equal(nd.router.lifetime_s, 1800);
	buffer_finish(&b);
}

static void the_gateway_is_announced_to_one_node_with_its_mac_and_to_all_without(void **state)
{
	const struct address address = ip("2001:db8:10::1");
	struct mac sent = gateway;
	struct buffer b = {0};
	struct nd nd;

	sent.bytes[5] = 77;
	nd_build_gateway(&b, 9, &sent, &gateway, &address, &node);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_int_equal(nd.vlan, 9);
	assert_true(mac_equal(&nd.ethernet_source, &sent));
	assert_true(mac_equal(&nd.ethernet_destination, &node));
	assert_true(is(&nd.source, "fe80::5eff:fe00:5301") && is(&nd.destination, "ff02::1"));
	assert_true(is(&nd.target, "2001:db8:10::1") && mac_equal(&nd.link_layer, &sent));
	assert_true(nd.is_router && nd.override && !nd.solicited);
	buffer_clear(&b);
	nd_build_gateway(&b, 0, &sent, &gateway, &address, NULL);
	assert_int_equal(nd_parse(b.data, b.size, &nd), 0);
	assert_true(nd.is_router && !nd.override && !nd.solicited && !nd.has_link_layer);
	buffer_finish(&b);
}

static void a_short_frame_is_refused_at_every_length(void **state)
{
	uint8_t frame[sizeof(detection)];
	struct nd nd;

	start(frame);
	for (size_t size = 0; size < sizeof(frame); size++)
		assert_int_equal(nd_parse(frame, size, &nd), -EBADMSG);
}

/* Breaks one thing at a time; the checksum is right again but where it is what is broken. */
static void what_the_rfc_says_to_discard_is_discarded(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} breaks[] = {
		{HOP_LIMIT, 254},    {MESSAGE, 137}, {MESSAGE + 1, 1}, {OPTION + 1, 0},
		{OPTION + 1, 2},     {TARGET, 0xff}, {20, 17},         {14, 0x50},
		{DESTINATION, 0x20}, {6, 3},
	};
	uint8_t frame[sizeof(detection)];
	struct nd nd;

	for (unsigned i = 0; i < ARRAY_SIZE(breaks); i++) {
		start(frame);
		frame[breaks[i].at] = breaks[i].value;
		assert_int_equal(parse_sealed(frame, sizeof(frame), &nd), -EBADMSG);
	}
	start(frame);
	frame[MESSAGE + 2] ^= 1;
	assert_int_equal(nd_parse(frame, sizeof(frame), &nd), -EBADMSG);
	start(frame); /* nobody yet, and names its MAC */
	memcpy(frame + OPTION, (uint8_t[]){1, 1, 2, 0, 0, 0, 0, 5}, 8);
	assert_int_equal(parse_sealed(frame, sizeof(frame), &nd), -EBADMSG);
	start(frame); /* a target that would be taken for IPv4 */
	memcpy(frame + TARGET, (uint8_t[]){[10] = 0xff, [11] = 0xff, 10, 10, 0, 5}, 16);
	assert_int_equal(parse_sealed(frame, sizeof(frame), &nd), -EBADMSG);
}

static void a_body_that_names_another_mac_claims_nothing(void **state)
{
	uint8_t frame[sizeof(detection)];
	struct neighbor n;
	struct nd nd;

	start_solicitation(frame);
	frame[OPTION + 7] = 6;
	assert_int_equal(parse_sealed(frame, sizeof(frame), &nd), 0);
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
}

static void a_router_advertisement_of_a_node_claims_nothing(void **state)
{
	struct nd_router router = {.lifetime_s = 1800};
	struct buffer b = {0};
	struct neighbor n;

	nd_build_router_advertisement(&b, 0, &node, &router, NULL);
	assert_int_equal(neighbor_parse(b.data, b.size, &n), -EBADMSG);
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicate_address_detection_claims_its_target),
		cmocka_unit_test(a_solicitation_claims_its_source_unless_that_is_link_local),
		cmocka_unit_test(an_advertisement_claims_its_target),
		cmocka_unit_test(a_probe_asks_one_node_from_the_gateways_link_local_address),
		cmocka_unit_test(a_router_advertisement_is_parsed_as_it_was_built),
		cmocka_unit_test(a_router_that_shares_load_names_no_mac),
		cmocka_unit_test(
			the_gateway_is_announced_to_one_node_with_its_mac_and_to_all_without),
		cmocka_unit_test(a_short_frame_is_refused_at_every_length),
		cmocka_unit_test(what_the_rfc_says_to_discard_is_discarded),
		cmocka_unit_test(a_body_that_names_another_mac_claims_nothing),
		cmocka_unit_test(a_router_advertisement_of_a_node_claims_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
