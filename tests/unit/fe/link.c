/* Two FEs' ends of a link, joined by a wire in plain memory whose loss and delay the test sets, in
 * time that the test turns. */
#include "fe/link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLIGHT_MAX 64
#define DEVICE_LINK 7u

struct flight {
	int64_t at_us;
	uint32_t number;
	size_t size;
	uint8_t frame[256];
};

struct end {
	struct links links;
	struct wire *wire;
	struct end *other;
	struct datapath_link plane; /* as last set */
	unsigned changes, sent, writes;
	bool removed, no_port;
	struct flight flights[FLIGHT_MAX]; /* on the way to this end */
	unsigned flight_count;
};

struct wire {
	struct end ends[2];
	int64_t now_us, delay_us;
	bool cut[2];        /* towards that end */
	struct address nat; /* who carries what goes to end 1; zero: nobody */
	uint16_t nat_port;
	uint8_t ttl;
};

static struct address ip(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static int on_set(void *context, const struct datapath_link *link)
{
	struct end *e = context;

	e->plane = *link;
	e->writes++;
	return e->no_port ? -ENOENT : 0;
}

static int on_remove(void *context, uint32_t number)
{
	((struct end *)context)->removed = true;
	return 0;
}

/* As the other's data plane would hand it up. */
static int on_transmit(void *context, uint32_t number, const void *packet, size_t size)
{
	struct end *e = context, *to = e->other;
	struct wire *w = e->wire;
	struct buffer b = {0};
	struct flight *f;

	e->sent++;
	if (w->cut[to == &w->ends[1]])
		return 0;
	write_zeros(&b, 11);
	write_u8(&b, e == &w->ends[0] ? 0xa0 : 0xa1);
	b.data[6] = 2; /* the source MAC is 02:...:a0 or a1 */
	write_u16(&b, 0x0800);
	if (w->nat_port) {
		bool inward = to == &w->ends[1];
		struct datagram d = {.source = inward ? w->nat : e->links.own[FAMILY_IPV4],
				     .destination = to->links.own[FAMILY_IPV4],
				     .source_port = inward ? w->nat_port : LINK_UDP_PORT,
				     .destination_port = LINK_UDP_PORT,
				     .ttl = 60,
				     .data = packet,
				     .data_size = size};

		datagram_build(&b, &d);
	} else {
		buffer_add_bytes(&b, packet, size);
	}
	assert_true(to->flight_count < FLIGHT_MAX && b.size <= sizeof(f->frame));
	f = &to->flights[to->flight_count++];
	*f = (struct flight){w->now_us + w->delay_us, number, b.size, {0}};
	memcpy(f->frame, b.data, b.size);
	buffer_finish(&b);
	return 0;
}

static void on_count(void *context, uint32_t number, uint64_t *packets, uint64_t *bytes)
{
	*packets = 5;
	*bytes = 500;
}

static void on_drain(void *context)
{
}

static void on_change(void *context, const struct backplane_link *link)
{
	((struct end *)context)->changes++;
}

static const struct datapath_ops operations = {.link_set = on_set,
					       .link_remove = on_remove,
					       .link_transmit = on_transmit,
					       .link_count = on_count,
					       .drain_upcalls = on_drain};

static void deliver(struct end *e, int64_t now_us)
{
	for (unsigned i = 0; i < e->flight_count;) {
		struct flight f = e->flights[i];
		struct upcall u = {.reason = UPCALL_CONTROL,
				   .port = f.number < 0x100000 ? f.number : 1,
				   .frame = f.frame,
				   .size = f.size,
				   .received_us = now_us};

		if (f.at_us > now_us) {
			i++;
			continue;
		}
		memmove(&e->flights[i], &e->flights[i + 1], (--e->flight_count - i) * sizeof(f));
		e->links.now_us = now_us;
		links_receive(&e->links, &u);
	}
}

static void pass(struct wire *w, int64_t ms)
{
	for (int64_t end = w->now_us + ms * 1000; w->now_us < end;) {
		w->now_us += 500;
		for (unsigned i = 0; i < 2; i++) {
			deliver(&w->ends[i], w->now_us);
			if (links_next_us(&w->ends[i].links) <= w->now_us)
				links_tick(&w->ends[i].links, w->now_us);
		}
	}
}

static const struct agent_port port = {
	.info = {.number = DEVICE_LINK, .role = PORT_BACKPLANE, .link = LINK_ETHERNET}, .up = true};

static struct link_info info_of(const struct wire *w, unsigned end, uint8_t kind)
{
	uint32_t other = end ? 1 : 2;

	return (struct link_info){
		.number = kind >= LINK_IP ? PIPELINE_LINK_PORT(other) : DEVICE_LINK,
		.fe = other,
		.kind = kind,
		.multiplier = 3,
		.interval_ms = 50,
		.remote = w->ends[!end].links.own[FAMILY_IPV4],
		.remote_port = kind == LINK_UDP && end == 0 ? LINK_UDP_PORT : 0,
	};
}

static void join(struct wire *w, uint8_t kind)
{
	for (unsigned i = 0; i < 2; i++) {
		struct link_info info = info_of(w, i, kind);

		assert_int_equal(links_set(&w->ends[i].links, &info, &port), 0);
	}
}

static int setup(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->now_us = 1000000000;
	w->delay_us = 1000;
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &w->ends[i];
		const struct links_observer observer = {on_change, e};
		struct backplane own = {.pair[FAMILY_IPV4].address =
						ip(i ? "192.0.2.2" : "192.0.2.1")};

		e->wire = w;
		e->other = &w->ends[!i];
		links_init(&e->links, &own, &operations, e, &observer, 77 + i, w->now_us);
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wire *w = *state;

	links_finish(&w->ends[0].links);
	links_finish(&w->ends[1].links);
	free(w);
	return 0;
}

static bool both_up(const struct wire *w)
{
	return w->ends[0].plane.alive && w->ends[1].plane.alive;
}

/* ---- up and down ---- */

static void a_session_comes_up_within_two_seconds(void **state)
{
	struct wire *w = *state;

	assert_false(links_are_down(&w->ends[0].links)); /* there are none */
	join(w, LINK_ETHERNET);
	assert_false(both_up(w));
	assert_true(links_are_down(&w->ends[0].links));
	pass(w, 2000);
	assert_true(both_up(w));
	assert_false(links_are_down(&w->ends[0].links));
	assert_int_equal(w->ends[0].changes, 2); /* it is there, it is up */
	assert_int_equal(w->ends[0].plane.neighbor.bytes[5], 0xa1);
	assert_int_equal(w->ends[1].plane.neighbor.bytes[5], 0xa0);
}

static void packets_go_at_the_interval_with_jitter(void **state)
{
	struct wire *w = *state;
	unsigned before;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	before = w->ends[0].sent;
	pass(w, 10000);
	/* 10 s of packets every 37.5 to 50 ms, and ten probes and ten answers */
	assert_in_range(w->ends[0].sent - before, 200 + 18, 267 + 24);
	assert_true(both_up(w));
}

static void silence_of_three_intervals_is_the_end(void **state)
{
	struct wire *w = *state;
	int64_t cut_us;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	w->cut[1] = true;
	cut_us = w->now_us;
	while (w->ends[1].plane.alive)
		pass(w, 1);
	assert_in_range(w->now_us - cut_us, 100000, 152000);
	/* The other hears from its end that it is down. */
	while (w->ends[0].plane.alive)
		pass(w, 1);
	assert_in_range(w->now_us - cut_us, 100000, 160000);
	assert_int_equal(links_find(&w->ends[1].links, DEVICE_LINK)->diagnostic,
			 BFD_DIAGNOSTIC_EXPIRED);
	assert_int_equal(links_find(&w->ends[0].links, DEVICE_LINK)->diagnostic,
			 BFD_DIAGNOSTIC_SIGNALED);
	pass(w, 5000);
	assert_false(w->ends[0].plane.alive); /* one direction is not enough */
	w->cut[1] = false;
	pass(w, 2500);
	assert_true(both_up(w));
}

static void a_lost_packet_or_two_change_nothing(void **state)
{
	struct wire *w = *state;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	for (unsigned i = 0; i < 20; i++) {
		w->cut[0] = w->cut[1] = true;
		pass(w, 45);
		w->cut[0] = w->cut[1] = false;
		pass(w, 100);
	}
	assert_int_equal(w->ends[0].changes, 2);
	assert_int_equal(w->ends[1].changes, 2);
}

static void the_slower_of_two_sets_the_pace(void **state)
{
	struct wire *w = *state;
	struct link_info slow = info_of(w, 0, LINK_IP), fast = info_of(w, 1, LINK_IP);
	unsigned before;

	slow.interval_ms = 200;
	assert_int_equal(links_set(&w->ends[0].links, &slow, NULL), 0);
	assert_int_equal(links_set(&w->ends[1].links, &fast, NULL), 0);
	pass(w, 2500);
	assert_true(both_up(w));
	before = w->ends[1].sent;
	pass(w, 10000);
	assert_in_range(w->ends[1].sent - before, 50 + 18, 67 + 24); /* it need not hear more */
	w->cut[0] = w->cut[1] = true;
	pass(w, 390);
	assert_true(w->ends[1].plane.alive);
	pass(w, 300);
	assert_false(w->ends[1].plane.alive || w->ends[0].plane.alive);
}

static void a_device_without_carrier_is_down_at_once(void **state)
{
	struct wire *w = *state;
	struct agent_port down = port;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	down.up = false;
	links_port(&w->ends[0].links, DEVICE_LINK, &down);
	assert_false(w->ends[0].plane.alive);
	assert_int_equal(links_find(&w->ends[0].links, DEVICE_LINK)->diagnostic,
			 BFD_DIAGNOSTIC_PATH_DOWN);
	pass(w, 500);
	links_port(&w->ends[0].links, DEVICE_LINK, &port);
	pass(w, 2000);
	assert_true(both_up(w));
	w->ends[0].no_port = true;
	links_port(&w->ends[0].links, DEVICE_LINK, NULL);
	assert_int_equal(w->ends[0].changes, 5);
}

static void a_link_that_nobody_watches_is_up(void **state)
{
	struct wire *w = *state;
	struct link_info info = info_of(w, 0, LINK_ETHERNET);
	struct agent_port down = port;

	info.interval_ms = 0;
	assert_int_equal(links_set(&w->ends[0].links, &info, &port), 0);
	assert_true(w->ends[0].plane.alive);
	down.up = false;
	links_port(&w->ends[0].links, DEVICE_LINK, &down);
	assert_false(w->ends[0].plane.alive);
}

static void who_takes_a_link_away_tells_the_other_end(void **state)
{
	struct wire *w = *state;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	links_delete(&w->ends[0].links, DEVICE_LINK);
	assert_true(w->ends[0].removed);
	pass(w, 5);
	assert_false(w->ends[1].plane.alive);
	links_delete(&w->ends[0].links, DEVICE_LINK); /* there is none: nothing */
}

static void an_end_that_starts_anew_is_heard(void **state)
{
	struct wire *w = *state;
	struct datapath_link kept;

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	kept = w->ends[0].plane;
	table_clear(&w->ends[0].links.list);
	links_adopt(&w->ends[0].links, &kept);
	links_port(&w->ends[0].links, DEVICE_LINK, &port);
	links_adopt_done(&w->ends[0].links);
	assert_true(w->ends[0].plane.alive); /* packets go on as before */
	pass(w, 3500);
	assert_true(both_up(w));
	pass(w, 3000); /* and what was lent is not missed */
	assert_true(both_up(w));
	/* But an adopted link whose other end is gone is given up. */
	kept = w->ends[0].plane;
	w->cut[0] = w->cut[1] = true;
	table_clear(&w->ends[0].links.list);
	links_adopt(&w->ends[0].links, &kept);
	links_port(&w->ends[0].links, DEVICE_LINK, &port);
	links_adopt_done(&w->ends[0].links);
	pass(w, 4500);
	assert_false(w->ends[0].plane.alive);
}

/* ---- forgeries ---- */

static void send_forged(struct wire *w, struct end *to, const char *from, uint8_t ttl,
			const struct bfd_packet *p)
{
	struct buffer words = {0}, b = {0};
	struct datagram d = {.source = ip(from),
			     .destination = to->links.own[FAMILY_IPV4],
			     .source_port = 50000,
			     .destination_port = BFD_PORT,
			     .ttl = ttl};
	struct upcall u = {.reason = UPCALL_CONTROL, .port = DEVICE_LINK};

	bfd_encode(&words, p);
	d.data = words.data;
	d.data_size = words.size;
	write_zeros(&b, 11);
	write_u8(&b, 0x66);
	write_u16(&b, 0x0800);
	datagram_build(&b, &d);
	u.frame = b.data;
	u.size = b.size;
	links_receive(&to->links, &u);
	buffer_finish(&b);
	buffer_finish(&words);
}

static void strangers_do_not_bring_a_session_down(void **state)
{
	struct bfd_packet p = {
		.state = BFD_DOWN, .multiplier = 3, .mine = 9, .desired_tx_us = 50000};
	struct wire *w = *state;
	struct end *e = &w->ends[0];

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	send_forged(w, e, "192.0.2.66", 255, &p); /* not the FE that is there */
	send_forged(w, e, "192.0.2.2", 254, &p);  /* through a router */
	p.yours = 12345;                          /* a guess */
	send_forged(w, e, "192.0.2.2", 255, &p);
	assert_true(e->plane.alive);
	assert_int_equal(e->plane.neighbor.bytes[5], 0xa1);
	p.yours = 0; /* a neighbour on the very wire may (RFC 5880 has no word against it) */
	send_forged(w, e, "192.0.2.2", 255, &p);
	assert_false(e->plane.alive);
}

/* ---- NAT ---- */

static void who_is_behind_a_nat_is_answered_where_it_came_from(void **state)
{
	struct wire *w = *state;
	struct address nat = ip("203.0.113.1"), moved = ip("203.0.113.77");

	w->nat = nat;
	w->nat_port = 40001;
	join(w, LINK_UDP);
	pass(w, 2500);
	assert_true(both_up(w));
	assert_int_equal(w->ends[0].plane.carrier_port, LINK_UDP_PORT);
	assert_int_equal(w->ends[1].plane.carrier_port, 40001);
	assert_true(address_equal(&w->ends[1].plane.carrier, &nat));
	/* The NAT forgot, and made another mapping: the session goes on over it. */
	w->nat = moved;
	w->nat_port = 51234;
	pass(w, 100);
	assert_int_equal(w->ends[1].plane.carrier_port, 51234);
	assert_true(address_equal(&w->ends[1].plane.carrier, &moved));
	assert_int_equal(w->ends[1].changes, 2);
}

/* ---- delay ---- */

static void delay_is_measured_each_second_and_smoothed(void **state)
{
	struct wire *w = *state;
	struct link_state s;

	w->delay_us = 5000;
	join(w, LINK_IP);
	pass(w, 3000);
	links_describe(&w->ends[0].links, links_find(&w->ends[0].links, PIPELINE_LINK_PORT(2)), &s);
	assert_true(s.up);
	assert_int_equal(s.packets, 5);
	assert_in_range(s.delay_us, 5000, 5600);
	w->delay_us = 13000;
	pass(w, 1500);
	links_describe(&w->ends[0].links, links_find(&w->ends[0].links, PIPELINE_LINK_PORT(2)), &s);
	assert_in_range(s.delay_us, 5800, 8000); /* not at once */
	pass(w, 60000);
	links_describe(&w->ends[0].links, links_find(&w->ends[0].links, PIPELINE_LINK_PORT(2)), &s);
	assert_in_range(s.delay_us, 12500, 13600);
}

/* ---- what the controller says ---- */

static void a_link_that_cannot_be_is_refused(void **state)
{
	struct wire *w = *state;
	struct links *l = &w->ends[0].links;
	struct link_info info = info_of(w, 0, LINK_ETHERNET);
	struct agent_port access = port;

	assert_int_equal(links_set(l, &info, NULL), -OFP_BAD_REQUEST_BAD_PORT);
	access.info.role = PORT_ACCESS;
	assert_int_equal(links_set(l, &info, &access), -OFP_BAD_REQUEST_BAD_PORT);
	info.remote = ip("2001:db8::1");
	assert_int_equal(links_set(l, &info, &port), -OFP_BAD_REQUEST_EPERM);
	info.remote = l->own[FAMILY_IPV4];
	assert_int_equal(links_set(l, &info, &port), -OFP_BAD_REQUEST_EPERM);
	assert_int_equal(l->list.count, 0);
}

static void a_new_interval_keeps_the_session_and_a_new_end_does_not(void **state)
{
	struct wire *w = *state;
	struct link_info info = info_of(w, 0, LINK_ETHERNET);

	join(w, LINK_ETHERNET);
	pass(w, 2000);
	info.interval_ms = 100;
	assert_int_equal(links_set(&w->ends[0].links, &info, &port), 0);
	assert_true(w->ends[0].plane.alive);
	pass(w, 2000);
	assert_true(both_up(w));
	assert_int_equal(w->ends[1].changes, 2);
	info.fe = 9;
	info.remote = ip("192.0.2.9");
	assert_int_equal(links_set(&w->ends[0].links, &info, &port), 0);
	assert_false(w->ends[0].plane.alive);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_comes_up_within_two_seconds),
		TEST(packets_go_at_the_interval_with_jitter),
		TEST(silence_of_three_intervals_is_the_end),
		TEST(a_lost_packet_or_two_change_nothing),
		TEST(the_slower_of_two_sets_the_pace),
		TEST(a_device_without_carrier_is_down_at_once),
		TEST(a_link_that_nobody_watches_is_up),
		TEST(who_takes_a_link_away_tells_the_other_end),
		TEST(an_end_that_starts_anew_is_heard),
		TEST(strangers_do_not_bring_a_session_down),
		TEST(who_is_behind_a_nat_is_answered_where_it_came_from),
		TEST(delay_is_measured_each_second_and_smoothed),
		TEST(a_link_that_cannot_be_is_refused),
		TEST(a_new_interval_keeps_the_session_and_a_new_end_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
