/* One link's session: BFD's state machine (RFC 5880, section 6.8) and STAMP's delay.  fe/link.c has
 * the set of links, and finds whose words arrived. */
#include "fe/link.h"

#include "base/log.h"
#include "packet/stamp.h"

#include <string.h>

LOG_MODULE("link");

#define IDLE_INTERVAL_US 1000000 /* between packets while not up (RFC 5880, section 6.8.3) */
#define PROBE_US 1000000
#define TRAFFIC_CLASS 0xc0 /* network control (CS6) */
#define SOURCE_PORT 49152u /* the first that RFC 5881, section 4, allows */
#define DELAY_WEIGHT 8     /* the newest measurement is one part of eight */

static uint32_t random_next(struct links *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(l->random >> 32);
}

/* ---- sending ---- */

static void send_words(struct links *l, const struct backplane_link *link, uint16_t from,
		       uint16_t to)
{
	const struct datagram d = {
		.source = *links_own(l, &link->plane.info.remote),
		.destination = link->plane.info.remote,
		.source_port = from,
		.destination_port = to,
		.ttl = LINK_HOP_LIMIT,
		.traffic_class = TRAFFIC_CLASS,
		.data = l->words.data,
		.data_size = l->words.size,
	};
	int r;

	buffer_clear(&l->packet);
	datagram_build(&l->packet, &d);
	r = l->ops->link_transmit(l->context, link->plane.info.number, l->packet.data,
				  l->packet.size);
	if (r < 0)
		log_debug("link %u: nothing is sent: %s", link->plane.info.number, strerror(-r));
}

static uint16_t source_port(const struct backplane_link *link)
{
	return (uint16_t)(SOURCE_PORT + link->plane.info.number % (65536 - SOURCE_PORT));
}

static uint32_t wanted_tx_us(const struct backplane_link *link)
{
	uint32_t wanted = link->plane.info.interval_ms * 1000u;

	return link->state == BFD_UP || wanted > IDLE_INTERVAL_US ? wanted : IDLE_INTERVAL_US;
}

void link_send_bfd(struct links *l, struct backplane_link *link, bool final)
{
	struct bfd_packet p = {
		.state = (uint8_t)link->state,
		.diagnostic = link->diagnostic,
		.poll = link->polls && !final,
		.final = final,
		.multiplier = link->plane.info.multiplier,
		.mine = link->mine,
		.yours = link->yours,
		.desired_tx_us = wanted_tx_us(link),
		.required_rx_us = link->plane.info.interval_ms * 1000u,
	};

	buffer_clear(&l->words);
	bfd_encode(&l->words, &p);
	send_words(l, link, source_port(link),
		   link_is_logical(&link->plane.info) ? BFD_MULTIHOP_PORT : BFD_PORT);
}

/* A random 75 to 100 % of the interval, to 90 % where one lost packet is enough (section 6.8.7);
 * INT64_MAX where the other end wants none. */
static void schedule(struct links *l, struct backplane_link *link)
{
	uint64_t interval = wanted_tx_us(link);
	unsigned most = link->plane.info.multiplier == 1 ? 15 : 25;

	if (link->yours && !link->remote_rx_us) {
		link->transmit_us = 0;
		return;
	}
	if (link->yours && link->remote_rx_us > interval)
		interval = link->remote_rx_us;
	interval = interval * (75 + random_next(l) % (most + 1)) / 100;
	link->transmit_us = l->now_us + (int64_t)interval;
}

void link_send_now(struct links *l, struct backplane_link *link)
{
	link_send_bfd(l, link, false);
	schedule(l, link);
}

/* ---- the session ---- */

static void enter(struct links *l, struct backplane_link *link, enum bfd_state state,
		  enum bfd_diagnostic diagnostic)
{
	log_debug("link %u: %s -> %s", link->plane.info.number, bfd_state_name(link->state),
		  bfd_state_name(state));
	link->state = state;
	link->diagnostic = (uint8_t)diagnostic;
	if (state == BFD_UP) {
		link->grace_us = 0;
		link->polls = true; /* the interval changes (section 6.8.3) */
		link->probe_us = l->now_us;
	} else if (state == BFD_DOWN) {
		link->grace_us = 0;
		link->polls = false;
	}
	link_settle(l, link);
}

void link_reset(struct links *l, struct backplane_link *link, enum bfd_diagnostic diagnostic)
{
	link->yours = 0;
	link->remote_rx_us = link->remote_tx_us = 0;
	link->expires_us = 0;
	if (link->state != BFD_DOWN)
		enter(l, link, BFD_DOWN, diagnostic);
}

/* Starts with a discriminator that nobody can guess. */
void link_start(struct links *l, struct backplane_link *link)
{
	do
		link->mine = random_next(l);
	while (!link->mine);
	link->state = BFD_DOWN;
	link->yours = 0;
	link->expires_us = 0;
	link->delay_us = -1;
	link->probe_us = l->now_us;
	link->transmit_us = link_is_watched(link) ? l->now_us : 0;
}

/* The table of section 6.8.6, at its end. */
static void step(struct links *l, struct backplane_link *link, uint8_t remote)
{
	switch (link->state) {
	case BFD_DOWN:
		if (remote == BFD_DOWN)
			enter(l, link, BFD_INIT, (enum bfd_diagnostic)link->diagnostic);
		else if (remote == BFD_INIT)
			enter(l, link, BFD_UP, BFD_DIAGNOSTIC_NONE);
		return;
	case BFD_INIT:
		if (remote == BFD_INIT || remote == BFD_UP)
			enter(l, link, BFD_UP, BFD_DIAGNOSTIC_NONE);
		return;
	case BFD_UP:
		if (remote == BFD_DOWN)
			enter(l, link, BFD_DOWN, BFD_DIAGNOSTIC_SIGNALED);
		return;
	case BFD_ADMIN_DOWN:
		return;
	}
}

static int64_t detection_us(const struct backplane_link *link)
{
	int64_t least = link->plane.info.interval_ms * 1000ll;

	if (link->remote_tx_us > least)
		least = link->remote_tx_us;
	return least * link->remote_multiplier;
}

/* Who is at the other end, for what we send: the MAC, or where the carrier came from (RFC 5880
 * knows neither: docs/backplane.md). */
static void learn(struct links *l, struct backplane_link *link, const struct datagram_arrival *a)
{
	struct datapath_link *p = &link->plane;
	bool changed = false;

	if ((p->info.kind == LINK_ETHERNET || p->info.kind == LINK_MPLS) &&
	    !mac_is_multicast(&a->mac) && !mac_is_zero(&a->mac) &&
	    !mac_equal(&p->neighbor, &a->mac)) {
		p->neighbor = a->mac;
		changed = true;
	}
	if (p->info.kind == LINK_UDP && !p->info.remote_port && a->is_carried &&
	    (p->carrier_port != a->carrier_port || !address_equal(&p->carrier, &a->carrier))) {
		p->carrier = a->carrier;
		p->carrier_port = a->carrier_port;
		changed = true;
	}
	if (changed)
		link_write(l, link);
}

void link_hear(struct links *l, struct backplane_link *link, const struct datagram_arrival *a,
	       int64_t received_us)
{
	enum bfd_state before = link->state;
	bool first = !link->yours;
	struct bfd_packet p;

	if (!link_is_watched(link) || bfd_decode(a->datagram.data, a->datagram.data_size, &p) < 0)
		return;
	if (p.yours && p.yours != link->mine)
		return;
	/* Who does not know our discriminator does not move a session that is up (NAT). */
	if (p.yours || link->state != BFD_UP)
		learn(l, link, a);
	link->yours = p.mine;
	link->remote_multiplier = p.multiplier;
	link->remote_tx_us = p.desired_tx_us;
	link->remote_rx_us = p.required_rx_us;
	link->expires_us = received_us + detection_us(link);
	if (p.final)
		link->polls = false;
	if (p.state == BFD_ADMIN_DOWN) {
		if (link->state != BFD_DOWN)
			enter(l, link, BFD_DOWN, BFD_DIAGNOSTIC_SIGNALED);
	} else {
		step(l, link, p.state);
	}
	if (p.poll)
		link_send_bfd(l, link, true);
	/* News, or the first that asks: the other end shall not wait a second for it. */
	if (link->state != before || (first && p.state == BFD_DOWN))
		link_send_now(l, link);
}

/* ---- delay ---- */

void link_send_probe(struct links *l, struct backplane_link *link)
{
	struct stamp_request q = {.sequence = ++link->sequence_last, .sent_us = l->now_us};

	link->sequence = q.sequence;
	link->probe_us = l->now_us + PROBE_US;
	buffer_clear(&l->words);
	stamp_request_encode(&l->words, &q);
	send_words(l, link, source_port(link), STAMP_PORT);
}

void link_reflect(struct links *l, const struct backplane_link *link, const struct datagram *d,
		  int64_t received_us)
{
	struct stamp_request q;
	struct stamp_reply r;

	if (stamp_request_decode(d->data, d->data_size, &q) < 0)
		return;
	r = (struct stamp_reply){q.sequence, q.sent_us, received_us, l->now_us};
	buffer_clear(&l->words);
	stamp_reply_encode(&l->words, &r, d->ttl);
	send_words(l, link, STAMP_PORT, d->source_port);
}

void link_take_delay(struct backplane_link *link, const struct datagram *d, int64_t received_us)
{
	struct stamp_reply r;
	int64_t delay;

	if (stamp_reply_decode(d->data, d->data_size, &r) < 0 || !link->sequence ||
	    r.sequence != link->sequence)
		return;
	link->sequence = 0;
	delay = stamp_delay_us(&r, received_us);
	if (delay < 0 || delay > UINT32_MAX)
		return;
	link->delay_us = link->delay_us < 0
				 ? delay
				 : link->delay_us + (delay - link->delay_us) / DELAY_WEIGHT;
}
