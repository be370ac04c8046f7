/* packet/neighbor: what a frame claims, and what must not be taken for a claim. */
#include "packet/neighbor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A gratuitous ARP by 02:00:00:00:00:05 for 10.10.0.5, untagged. */
static const uint8_t announcement[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0,  0, 0, 0,
				       5,    0x08, 0x06, 0,    1,    0x08, 0,  6,  4, 0, 1,
				       2,    0,    0,    0,    0,    5,    10, 10, 0, 5, 0,
				       0,    0,    0,    0,    0,    10,   10, 0,  5};
#define OPERATION 21
#define SENDER 28
#define TARGET 38

static struct neighbor parse(const uint8_t *frame, size_t size)
{
	struct neighbor n;

	assert_int_equal(neighbor_parse(frame, size, &n), 0);
	return n;
}

static struct address v4(uint8_t d)
{
	return address_from_ipv4((uint8_t[]){10, 10, 0, d});
}

static void the_kinds_of_arp_are_told_apart(void **state)
{
	uint8_t frame[sizeof(announcement)];

	memcpy(frame, announcement, sizeof(frame));
	struct neighbor n = parse(frame, sizeof(frame));

	assert_int_equal(n.kind, NEIGHBOR_ARP_ANNOUNCEMENT);
	assert_int_equal(n.vlan, 0);
	assert_int_equal(n.sender_mac.bytes[5], 5);
	struct address five = v4(5);

	assert_true(address_equal(&n.sender, &five));
	frame[OPERATION] = 2;
	assert_int_equal(parse(frame, sizeof(frame)).kind, NEIGHBOR_ARP_ANNOUNCEMENT);
	frame[TARGET + 3] = 1;
	assert_int_equal(parse(frame, sizeof(frame)).kind, NEIGHBOR_ARP_REPLY);
	frame[OPERATION] = 1;
	assert_int_equal(parse(frame, sizeof(frame)).kind, NEIGHBOR_ARP_REQUEST);
}

static void a_probe_claims_nothing(void **state)
{
	uint8_t frame[sizeof(announcement)];

	memcpy(frame, announcement, sizeof(frame));
	memset(frame + SENDER, 0, 4);
	assert_int_equal(parse(frame, sizeof(frame)).kind, NEIGHBOR_ARP_PROBE);
	memset(frame + TARGET, 0, 4); /* 0.0.0.0 = 0.0.0.0 is no announcement */
	assert_int_equal(parse(frame, sizeof(frame)).kind, NEIGHBOR_ARP_PROBE);
}

static void a_rarp_has_a_mac_and_no_address(void **state)
{
	uint8_t frame[sizeof(announcement)];
	struct neighbor n;

	memcpy(frame, announcement, sizeof(frame));
	frame[12] = 0x80;
	frame[13] = 0x35;
	frame[OPERATION] = 3;
	n = parse(frame, sizeof(frame));
	assert_int_equal(n.kind, NEIGHBOR_RARP);
	assert_true(address_is_zero(&n.sender) && address_is_zero(&n.target));
	assert_int_equal(n.sender_mac.bytes[5], 5);
	frame[OPERATION] = 1; /* an ARP operation in a RARP frame */
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
}

static void a_tagged_frame_gives_its_vlan(void **state)
{
	uint8_t frame[sizeof(announcement) + 4];

	memcpy(frame, announcement, 12);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, 0xa0, 7}, 4); /* priority 5 */
	memcpy(frame + 16, announcement + 12, sizeof(announcement) - 12);
	assert_int_equal(parse(frame, sizeof(frame)).vlan, 7);
}

static void a_short_frame_is_refused_at_every_length(void **state)
{
	struct neighbor n;

	for (size_t size = 0; size < sizeof(announcement) - 1; size++)
		assert_int_equal(neighbor_parse(announcement, size, &n), -EBADMSG);
}

static void what_is_not_ethernet_and_ipv4_is_refused(void **state)
{
	static const unsigned offsets[] = {12, 14, 16, 18, 19, 20};

	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint8_t frame[sizeof(announcement)];
		struct neighbor n;

		memcpy(frame, announcement, sizeof(frame));
		frame[offsets[i]] ^= 0x40;
		assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
	}
}

static void a_sender_that_no_one_can_be_is_refused(void **state)
{
	uint8_t frame[sizeof(announcement)];
	struct neighbor n;

	memcpy(frame, announcement, sizeof(frame));
	frame[6] = frame[22] = 3; /* multicast */
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
	memset(frame + 6, 0, 6);
	memset(frame + 22, 0, 6);
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
	memcpy(frame, announcement, sizeof(frame));
	frame[11] = 6; /* Ethernet says another than ARP */
	assert_int_equal(neighbor_parse(frame, sizeof(frame), &n), -EBADMSG);
}

static void what_is_built_is_parsed_as_meant(void **state)
{
	struct mac gateway = {{2, 0, 0x5e, 0, 1, 1}}, node = {{2, 0, 0, 0, 0, 5}};
	struct address one = v4(1), five = v4(5);
	struct buffer b = {0};
	struct neighbor n;

	neighbor_build_announcement(&b, 7, &gateway, &five);
	assert_int_equal(b.size, NEIGHBOR_FRAME_SIZE);
	n = parse(b.data, b.size);
	assert_int_equal(n.kind, NEIGHBOR_ARP_ANNOUNCEMENT);
	assert_int_equal(n.vlan, 7);
	assert_true(mac_equal(&n.sender_mac, &gateway) && address_equal(&n.sender, &five));
	assert_true(mac_is_multicast(&n.ethernet_destination));

	buffer_clear(&b);
	neighbor_build_probe(&b, 0, &gateway, &one, &node, &five);
	n = parse(b.data, b.size);
	assert_int_equal(n.kind, NEIGHBOR_ARP_REQUEST);
	assert_true(mac_equal(&n.ethernet_destination, &node));
	assert_true(mac_equal(&n.sender_mac, &gateway) && address_equal(&n.sender, &one));
	assert_true(address_equal(&n.target, &five));
	buffer_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kinds_of_arp_are_told_apart),
		cmocka_unit_test(a_probe_claims_nothing),
		cmocka_unit_test(a_rarp_has_a_mac_and_no_address),
		cmocka_unit_test(a_tagged_frame_gives_its_vlan),
		cmocka_unit_test(a_short_frame_is_refused_at_every_length),
		cmocka_unit_test(what_is_not_ethernet_and_ipv4_is_refused),
		cmocka_unit_test(a_sender_that_no_one_can_be_is_refused),
		cmocka_unit_test(what_is_built_is_parsed_as_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
