/* What the data plane hands up: announcements and what strangers send become packet-ins and claims,
 * a link's own words are the links', and what a handoff would lose is kept.
 *
 * Nothing here waits: an upcall becomes a packet-in and is flushed before this returns (P5). */
#include "fe/internal.h"

#define FRAME_MAX 9216
#define STRANGER_SIZE 128 /* of a data packet, for the controller */

/* The frame as it was on the wire, its tag put back. */
static void rebuild_frame(struct buffer *b, const struct upcall *u)
{
	size_t size = u->size < FRAME_MAX ? u->size : FRAME_MAX;

	buffer_clear(b);
	if (!u->vlan || size < 12) {
		buffer_add_bytes(b, u->frame, size);
		return;
	}
	buffer_add_bytes(b, u->frame, 12);
	write_u16(b, 0x8100);
	write_u16(b, u->vlan);
	buffer_add_bytes(b, u->frame + 12, size - 12);
}

/* As the key of its LISTEN has it. */
static uint16_t listen_type(const struct upcall *u)
{
	uint16_t ethertype = ETHERTYPE_ARP_;

	if (u->size >= 14)
		ethertype = (uint16_t)(u->frame[12] << 8 | u->frame[13]);
	return ethertype == ETHERTYPE_IPV6_ && nd_is(u->frame, u->size) ? u->frame[54] : ethertype;
}

static uint64_t listen_cookie(const struct agent *a, const struct upcall *u)
{
	struct rule_key key = {.kind = RULE_LISTEN, .port = u->port, .ethertype = listen_type(u)};
	const struct pipeline_entry *entry = pipeline_find(&a->pipeline, &key);

	return entry ? entry->rule.cookie : 0;
}

static void make_packet_in(struct agent *a, const struct upcall *u, struct ofp_packet_in *ret)
{
	uint32_t vrf = 0;

	rebuild_frame(&a->frame, u);
	*ret = (struct ofp_packet_in){
		.buffer_id = OFP_NO_BUFFER,
		.total_size = (uint16_t)(u->wire_size < UINT16_MAX ? u->wire_size : UINT16_MAX),
		.reason = OFPR_ACTION,
		.table = u->reason == UPCALL_NEIGHBOR ? TABLE_PORT : TABLE_GUARD,
		.cookie = u->reason == UPCALL_NEIGHBOR ? listen_cookie(a, u) : 0,
		.data = a->frame.data,
		.data_size = a->frame.size,
	};
	if (ret->total_size < ret->data_size)
		ret->total_size = (uint16_t)ret->data_size;
	ofp_match_set(&ret->match, OFP_FIELD_IN_PORT, u->port);
	if (u->vlan)
		ofp_match_set(&ret->match, OFP_FIELD_VLAN_VID,
			      OFP_VLAN_PRESENT | (u->vlan & 0xfff));
	if (pipeline_port_vrf(&a->pipeline, u->port, &vrf) == 0)
		ofp_match_set(&ret->match, OFP_FIELD_METADATA, vrf);
}

/* Whether a controller has it. */
static bool send_up(struct agent *a, const struct upcall *u)
{
	struct ofp_packet_in packet;
	bool sent = false;

	make_packet_in(a, u, &packet);
	for (struct agent_connection *c = a->connections; c; c = c->next) {
		if (!connection_listens(c) || c->channel.out.size > CONNECTION_STUFFED_SIZE ||
		    !fair_admits(&c->fair, c->channel.out.size, u->port, &a->packet_ins_crowded))
			continue;
		ofp_packet_in_encode(&c->channel.out, 0, &packet);
		c->channel.count.messages_out++;
		agent_write(c);
		sent |= c->is_controller;
	}
	return sent;
}

/* What may be an announcement. */
static void hear(struct agent *a, const struct upcall *u)
{
	bool sent = send_up(a, u); /* before all else: this is the start of a move */
	struct claim claim;

	router_heard(&a->router, u);
	if (!neighborhood_read_claim(&a->neighborhood, u, &claim))
		return;
	neighborhood_keep(&a->neighborhood, &claim, a->frame.data, a->frame.size, sent);
	neighborhood_heard(&a->neighborhood, &claim);
}

static void hear_stranger(struct agent *a, const struct upcall *u)
{
	struct upcall head = *u;
	struct claim claim;
	bool claims = neighborhood_read_claim(&a->neighborhood, u, &claim);

	if (head.size > STRANGER_SIZE)
		head.size = STRANGER_SIZE;
	if (!claims || !neighborhood_was_said(&a->neighborhood, &claim))
		hear(a, &head);
	if (claims)
		hold_stranger(&a->hold, u, &claim);
}

void agent_upcall(struct agent *a, const struct upcall *u, int64_t now_ms)
{
	agent_set_now(a, now_ms);
	if (u->reason == UPCALL_CONTROL) {
		if (a->links.now_us < u->now_us)
			a->links.now_us = u->now_us;
		links_receive(&a->links, u);
	} else if (u->reason == UPCALL_HELD) {
		hold_packet(&a->hold, u);
	} else if (!pipeline_port(&a->pipeline, u->port)) {
		return;
	} else if (u->reason == UPCALL_STRANGER) {
		hear_stranger(a, u);
	} else if (u->reason != UPCALL_REGISTRATION) {
		hear(a, u);
	} else if (registration_is_whole(a, u)) {
		(void)send_up(a, u);
	}
}
