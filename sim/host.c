/* Nodes, and those who pretend to be one.  A host talks about once a second, announces itself when
 * it arrives somewhere, and answers the FE's probes; an impostor claims its address from elsewhere.
 */
#include "sim/world.h"

#include "packet/neighbor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TALK_US 1000000
#define ARRIVE_LEAST_US 500
#define ARRIVED_US 500000 /* a probe's time, and a few messages' */
#define REVERT_US 200000
#define PREPARE_TIMEOUT_US 31000000

static void note_one(struct world *w, uint32_t place, void *to)
{
	struct host *h = to;

	h->was_at[place / 8] |= (uint8_t)(1u << place % 8);
}

static void note_place(struct world *w, struct host *h, uint32_t place)
{
	lan_each(w, place, note_one, h);
}

const struct host *host_of(const struct world *w, const struct address *address)
{
	const uint8_t *b = address->bytes + 12;
	uint32_t index = (uint32_t)b[1] << 8 | b[2];
	bool ours = address_is_ipv4(address) ? b[0] == 10 : address->bytes[0] == 0xfd;

	return ours && b[3] == 5 && index < w->options.hosts ? &w->hosts[index] : NULL;
}

bool host_is_heard_by(const struct world *w, const struct host *h, uint32_t element)
{
	return place_element(h->place) == element ||
	       lan_joins(w, h->place, element * WORLD_PORTS + WORLD_PORTS - 1);
}

void host_disturb(struct host *h, int64_t until_us)
{
	if (until_us > h->disturbed_us)
		h->disturbed_us = until_us;
}

void host_await_revert(const struct world *w, struct host *h)
{
	h->reverts_us = w->now_us + PREPARE_TIMEOUT_US;
	host_disturb(h, h->reverts_us);
}

void host_disturb_until_talk(struct world *w, uint32_t element, uint32_t port)
{
	for (uint32_t i = 0; i < w->options.hosts; i++) {
		struct host *h = &w->hosts[i];

		if (!host_is_heard_by(w, h, element) || (port && place_port(h->place) != port))
			continue;
		if (port || !plane_guards(&w->elements[element].plane, &h->address,
					  place_port(h->place), &h->mac))
			host_disturb(h, h->talks_us);
	}
}

void host_init(struct world *w, uint32_t index)
{
	struct host *h = &w->hosts[index];
	uint64_t r = random_of(w->options.seed, 2, index);
	const uint8_t bytes[4] = {10, (uint8_t)(index >> 8), (uint8_t)index, 5};

	snprintf(h->id, sizeof(h->id), "vm%u", index);
	h->mac = signer_mac(index, 0);
	h->address = address_from_ipv4(bytes);
	if (world_has(w, WORLD_DUAL)) {
		h->second = (struct address){.bytes = {0xfd}};
		memcpy(h->second.bytes + 13, bytes + 1, 3);
	}
	h->place = (uint32_t)(r % ((uint64_t)w->options.elements * WORLD_PORTS));
	h->was_at = calloc(w->options.elements * WORLD_PORTS / 8 + 1, 1);
	if (!h->was_at)
		abort();
	note_place(w, h, h->place);
	world_at(w, (int64_t)(r >> 32) % TALK_US + 2000000, HAPPENS_HOST_ARRIVE, index, UINT32_MAX);
	world_at(w, (int64_t)(r >> 32) % TALK_US + 3000000, HAPPENS_HOST_TALK, index, 0);
}

static bool port_is_up(const struct world *w, uint32_t place)
{
	return w->elements[place_element(place)].port_up[place_port(place)];
}

static void upcall_at(struct world *w, uint32_t place, uint8_t reason, const struct buffer *frame)
{
	if (port_is_up(w, place))
		sim_element_upcall(w, place_element(place), reason, place_port(place), frame->data,
				   frame->size);
}

/* A broadcast is heard by all that are there ... */
static void hear_announcement(struct world *w, uint32_t place, void *to)
{
	upcall_at(w, place, UPCALL_NEIGHBOR, to);
}

/* ... a packet to the gateway by one FE of the LAN, if none has a guard for the sender. */
static void hear_packet(struct world *w, uint32_t place, void *to)
{
	uint32_t port = place_port(place);
	const struct datapath_port *p =
		table_get(&w->elements[place_element(place)].plane.memory.ports, &port);

	if (p && !p->silent)
		upcall_at(w, place, UPCALL_STRANGER, to);
}

struct guarded {
	const struct host *host;
	bool somewhere;
};

static void look_for_guard(struct world *w, uint32_t place, void *to)
{
	struct guarded *g = to;

	g->somewhere |= plane_guards(&w->elements[place_element(place)].plane, &g->host->address,
				     place_port(place), &g->host->mac);
}

void host_announce(struct world *w, uint32_t index, uint32_t place, const struct mac *mac,
		   bool as_request)
{
	struct buffer frame = {0};

	w->hosts[index].forgotten_us = 0;
	neighbor_build_announcement(&frame, 0, mac,
				    w->now_us % 2 && world_has(w, WORLD_DUAL)
					    ? &w->hosts[index].second
					    : &w->hosts[index].address);
	lan_each(w, place, hear_announcement, &frame);
	buffer_finish(&frame);
}

/* A packet of its own, to the gateway: whoever has no guard for it, tells the controller. */
static void talk_at(struct world *w, uint32_t index, uint32_t place)
{
	struct host *h = &w->hosts[index];
	struct guarded guarded = {.host = h};
	struct buffer frame = {0};

	h->forgotten_us = 0;
	lan_each(w, place, look_for_guard, &guarded);
	if (guarded.somewhere)
		return;
	buffer_add_bytes(&frame, w->core_config.gateway_mac.bytes, 6);
	buffer_add_bytes(&frame, h->mac.bytes, 6);
	write_u16(&frame, ETHERTYPE_IPV4_);
	write_u16(&frame, 0x4500);
	write_u16(&frame, 28);
	write_zeros(&frame, 4);
	write_u16(&frame, 64 << 8 | 17);
	write_u16(&frame, 0);
	buffer_add_bytes(&frame, address_ipv4(&h->address), 4);
	write_u32(&frame, 0xc0000201);
	write_zeros(&frame, 26);
	lan_each(w, place, hear_packet, &frame);
	buffer_finish(&frame);
}

void host_talk(struct world *w, uint32_t index)
{
	struct host *h = &w->hosts[index];
	/* What a controller was asking when it died, it hears again with the next word. */
	int64_t pause = index % 2 || world_has(w, WORLD_ASKED) ? TALK_US : QUIET_TALK_US;

	h->talks_us = w->now_us + pause;
	if (!lan_is_heard(w, h->place))
		host_disturb(h, h->talks_us); /* nobody heard it */
	world_at(w, pause, HAPPENS_HOST_TALK, index, 0);
	talk_at(w, index, h->place);
	if (w->now_us < h->clone_until_us)
		talk_at(w, index, h->clone_place);
}

void host_arrive(struct world *w, uint32_t index, uint32_t stimulus)
{
	struct host *h = &w->hosts[index];
	const struct stimulus *s = stimulus == UINT32_MAX ? NULL : &w->script[stimulus];

	if (!s) {
		control_put_host(w, index);
	} else {
		h->place = s->where;
		note_place(w, h, h->place);
	}
	h->arrived_us = w->now_us;
	host_disturb(h, w->now_us);
	if (!lan_is_heard(w, h->place) || (s && s->kind == STIMULUS_MOVE_MUTE))
		host_disturb(h, h->talks_us);
	if (world_has(w, WORLD_SIGNED))
		signer_arrive(w, index, s);
	if (!s || s->kind != STIMULUS_MOVE_MUTE)
		host_announce(w, index, h->place, &h->mac, true);
	world_at(w, ARRIVED_US, HAPPENS_HOST_CHECK, index, 0);
}

/* ---- probes ---- */

/* Who is asked: the host itself, or its clone. */
static bool is_there(const struct world *w, const struct host *h, uint32_t place)
{
	return (lan_joins(w, h->place, place) && port_is_up(w, place)) ||
	       (w->now_us < h->clone_until_us && lan_joins(w, h->clone_place, place));
}

void host_hear(struct world *w, uint32_t element, uint32_t port, const void *frame, size_t size)
{
	uint32_t place = element * WORLD_PORTS + port - 1;
	struct neighbor n;

	for (uint32_t i = 0; world_has(w, WORLD_SIGNED) && i < w->options.hosts; i++)
		if (lan_joins(w, w->hosts[i].place, place) && signer_hear(w, i, frame, size))
			return;
	if (neighbor_parse(frame, size, &n) < 0 || n.kind != NEIGHBOR_ARP_REQUEST)
		return;
	for (uint32_t i = 0; i < w->options.hosts; i++)
		if (address_equal(&w->hosts[i].address, &n.target) &&
		    is_there(w, &w->hosts[i], place))
			world_at(w, 150, HAPPENS_HOST_ANSWER, i, place);
}

/* An ARP reply to the gateway (RFC 826). */
static void answer(struct world *w, uint32_t index, uint32_t place)
{
	struct host *h = &w->hosts[index];
	const struct mac *gateway = &w->core_config.gateway_mac;
	struct buffer frame = {0};

	h->forgotten_us = 0;
	buffer_add_bytes(&frame, gateway->bytes, 6);
	buffer_add_bytes(&frame, h->mac.bytes, 6);
	write_u16(&frame, ETHERTYPE_ARP_);
	write_u16(&frame, 1);
	write_u16(&frame, ETHERTYPE_IPV4_);
	write_u16(&frame, 0x0604);
	write_u16(&frame, 2);
	buffer_add_bytes(&frame, h->mac.bytes, 6);
	buffer_add_bytes(&frame, address_ipv4(&h->address), 4);
	buffer_add_bytes(&frame, gateway->bytes, 6);
	write_u32(&frame, 0x0afffffe);
	write_zeros(&frame, 18);
	upcall_at(w, place, UPCALL_NEIGHBOR, &frame);
	buffer_finish(&frame);
}

void host_answer(struct world *w, uint32_t index, uint32_t place)
{
	if (is_there(w, &w->hosts[index], place))
		answer(w, index, place);
}

/* ---- what is done to hosts ---- */

static void prepare(struct world *w, const struct stimulus *s, uint32_t stimulus)
{
	struct host *h = &w->hosts[s->who];
	char element[NAME_SIZE], port[NAME_SIZE];
	struct reason why;

	snprintf(element, sizeof(element), "fe%u", place_element(s->where) + 1);
	snprintf(port, sizeof(port), "port%u", place_port(s->where));
	host_await_revert(w, h);
	note_place(w, h, s->where); /* the operator says so */
	h->forgotten_us = 0;
	if (!w->core ||
	    core_prepare_move(w->core, h->id, element, port, 0, world_core_ms(w), &why) < 0)
		return;
	if (s->ms % 3 == 0)
		world_at(w, ARRIVE_LEAST_US + s->ms * INT64_C(1000), HAPPENS_HOST_ARRIVE, s->who,
			 stimulus);
	else if (s->ms % 3 == 1)
		world_at(w, REVERT_US, HAPPENS_HOST_REVERT, s->who, 0);
}

void host_revert(struct world *w, uint32_t index)
{
	struct host *h = &w->hosts[index];
	struct reason why;

	if (w->core)
		(void)!core_revert_move(w->core, h->id, world_core_ms(w), &why);
}

static void forge(struct world *w, const struct stimulus *s)
{
	struct mac mac = {{2, 0xbad & 0xff, 0, 0, (uint8_t)s->who, 1}};

	if (world_has(w, WORLD_SIGNED))
		signer_replay(w, s->who, s->where, s->ms);
	host_announce(w, s->who, s->where, &mac, false);
}

/* Somebody else with the same MAC and address: both count until one is gone. */
static void clone(struct world *w, const struct stimulus *s)
{
	struct host *h = &w->hosts[s->who];

	h->clone_place = s->where;
	h->clone_until_us = w->now_us + s->ms * INT64_C(1000);
	/* Whoever has no key binds nothing; else who is damped takes its time to be believed. */
	if (!world_has(w, WORLD_SIGNED)) {
		host_disturb(h, h->clone_until_us + INT64_C(180000000));
		note_place(w, h, s->where);
	}
	host_announce(w, s->who, s->where, &h->mac, true);
}

void host_do(struct world *w, uint32_t stimulus)
{
	const struct stimulus *s = &w->script[stimulus];
	struct host *h = &w->hosts[s->who];

	switch ((enum stimulus_kind)s->kind) {
	case STIMULUS_MOVE:
	case STIMULUS_MOVE_MUTE:
		/* Sometimes the last thing it says here is heard after the first one there. */
		if (s->ms % 4 == 0)
			host_announce(w, s->who, h->place, &h->mac, true);
		host_disturb(h, w->now_us + s->ms * INT64_C(1000));
		world_at(w, ARRIVE_LEAST_US + s->ms * INT64_C(1000), HAPPENS_HOST_ARRIVE, s->who,
			 stimulus);
		return;
	case STIMULUS_PREPARE:
		prepare(w, s, stimulus);
		return;
	case STIMULUS_ANNOUNCE:
		host_announce(w, s->who, h->place, &h->mac, true);
		return;
	case STIMULUS_FORGE:
		forge(w, s);
		return;
	case STIMULUS_CLONE:
		clone(w, s);
		return;
	case STIMULUS_REMOVE:
		control_remove_host(w, s->who);
		world_at(w, s->ms * INT64_C(1000), HAPPENS_HOST_RETURN, s->who, 0);
		return;
	case STIMULUS_RESTORE:
		control_put_host(w, s->who);
		return;
	case STIMULUS_CRASH_FE:
	case STIMULUS_CRASH_CORE:
	case STIMULUS_LOSE_STORE:
	case STIMULUS_CUT:
	case STIMULUS_PORT_DOWN:
	case STIMULUS_CLOCK:
	case STIMULUS_LINK_DOWN:
	case STIMULUS_DRAIN:
	case STIMULUS_KIND_COUNT:
		return;
	}
}
