/* Links and their sessions.  fe/request.c brings the controller's words, fe/agent.c ports, frames
 * and time; what is sent goes out by datapath_ops.link_transmit. */
#include "fe/link.h"

#include "base/log.h"
#include "packet/stamp.h"

#include <errno.h>
#include <string.h>

LOG_MODULE("link");

#define GRACE_US 4000000 /* for sessions to come up again after a restart */

static const struct mac unknown_mac;

bool link_is_logical(const struct link_info *i)
{
	return i->kind == LINK_IP || i->kind == LINK_UDP;
}

void links_init(struct links *l, const struct backplane *own, const struct datapath_ops *ops,
		void *context, const struct links_observer *observer, uint64_t seed, int64_t now_us)
{
	*l = (struct links){.ops = ops,
			    .context = context,
			    .observer = *observer,
			    .random = seed | 1,
			    .now_us = now_us};
	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		l->own[i] = own->pair[i].address;
	table_init(&l->list, sizeof(uint32_t), sizeof(struct backplane_link), seed);
}

const struct address *links_own(const struct links *l, const struct address *remote)
{
	return &l->own[address_is_ipv4(remote) ? FAMILY_IPV4 : FAMILY_IPV6];
}

void links_finish(struct links *l)
{
	table_finish(&l->list);
	buffer_finish(&l->packet);
	buffer_finish(&l->words);
}

const struct backplane_link *links_find(const struct links *l, uint32_t number)
{
	return table_get(&l->list, &number);
}

void links_describe(const struct links *l, const struct backplane_link *link,
		    struct link_state *ret)
{
	*ret = (struct link_state){
		.number = link->plane.info.number,
		.up = link->plane.alive,
		.diagnostic = link->diagnostic,
		.delay_us = link->delay_us < 0 ? 0 : (uint32_t)link->delay_us,
	};
	l->ops->link_count(l->context, ret->number, &ret->packets, &ret->bytes);
}

/* ---- to the data plane ---- */

bool link_is_watched(const struct backplane_link *link)
{
	return link->plane.info.interval_ms && link->has_device && link->has_carrier;
}

static bool is_alive(const struct links *l, const struct backplane_link *link)
{
	if (!link->has_device || !link->has_carrier)
		return false;
	return !link->plane.info.interval_ms || link->state == BFD_UP || l->now_us < link->grace_us;
}

void link_write(struct links *l, const struct backplane_link *link)
{
	int r = l->ops->link_set(l->context, &link->plane);

	if (r < 0 && r != -ENOENT)
		log_warn_rl("link %u cannot be set: %s", link->plane.info.number, strerror(-r));
}

/* Liveness first of all goes where packets are. */
void link_settle(struct links *l, struct backplane_link *link)
{
	bool alive = is_alive(l, link);

	if (alive == link->plane.alive)
		return;
	link->plane.alive = alive;
	link_write(l, link);
	if (!alive)
		link->delay_us = -1;
	log_info("link %u to FE %u is %s (diagnostic %u)", link->plane.info.number,
		 link->plane.info.fe, alive ? "up" : "down", link->diagnostic);
	l->observer.changed(l->observer.context, link);
}

/* ---- what arrives ---- */

static struct backplane_link *find_logical(const struct links *l, const struct address *remote,
					   bool carried)
{
	const uint8_t kind = carried ? LINK_UDP : LINK_IP;
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	while (table_next(&l->list, &at, &key, (void **)&link))
		if (link->plane.info.kind == kind &&
		    address_equal(&link->plane.info.remote, remote))
			return link;
	return NULL;
}

/* Which link it came by: a port's own words are one hop, the others come from anywhere. */
static struct backplane_link *find_arrival(const struct links *l, uint32_t port,
					   const struct datagram_arrival *a)
{
	const struct datagram *d = &a->datagram;
	struct backplane_link *link = table_get(&l->list, &port);

	if (link && (link_is_logical(&link->plane.info) ||
		     !address_equal(&link->plane.info.remote, &d->source)))
		link = NULL;
	if (d->destination_port == BFD_PORT)
		return a->is_carried || d->ttl != LINK_HOP_LIMIT ? NULL : link;
	if (d->destination_port == BFD_MULTIHOP_PORT || !link || a->is_carried)
		return find_logical(l, &d->source, a->is_carried);
	return link;
}

void links_receive(struct links *l, const struct upcall *u)
{
	int64_t received_us = u->received_us ? u->received_us : l->now_us;
	struct datagram_arrival a;
	struct backplane_link *link;

	if (datagram_parse_frame(u->frame, u->size, LINK_UDP_PORT, &a) < 0 ||
	    !address_equal(&a.datagram.destination, links_own(l, &a.datagram.source)))
		return;
	link = find_arrival(l, u->port, &a);
	if (!link)
		return;
	if (a.datagram.destination_port == BFD_PORT ||
	    a.datagram.destination_port == BFD_MULTIHOP_PORT)
		link_hear(l, link, &a, received_us);
	else if (a.datagram.destination_port == STAMP_PORT)
		link_reflect(l, link, &a.datagram, received_us);
	else if (a.datagram.source_port == STAMP_PORT)
		link_take_delay(link, &a.datagram, received_us);
}

/* ---- what the controller and the ports say ---- */

static void take_port(struct backplane_link *link, const struct agent_port *port)
{
	if (link_is_logical(&link->plane.info)) {
		link->has_device = link->has_carrier = true;
		return;
	}
	link->has_device = port && port->info.role == PORT_BACKPLANE &&
			   port->info.link == link->plane.info.kind;
	link->has_carrier = link->has_device && port->up;
}

static int check(const struct links *l, const struct link_info *info, const struct agent_port *port)
{
	const struct address *own = links_own(l, &info->remote);

	if (address_is_zero(own) || address_is_zero(&info->remote) ||
	    address_equal(&info->remote, own))
		return -OFP_BAD_REQUEST_EPERM;
	if (!link_is_logical(info) &&
	    (!port || port->info.role != PORT_BACKPLANE || port->info.link != info->kind))
		return -OFP_BAD_REQUEST_BAD_PORT;
	if (!table_get(&l->list, &info->number) && l->list.count >= LINKS_MAX)
		return -OFP_BAD_REQUEST_EPERM;
	return 0;
}

/* The same two ends, the same way: the session goes on. */
static bool is_same_link(const struct link_info *a, const struct link_info *b)
{
	return a->fe == b->fe && a->kind == b->kind && address_equal(&a->remote, &b->remote) &&
	       a->remote_port == b->remote_port && !a->interval_ms == !b->interval_ms;
}

int links_set(struct links *l, const struct link_info *info, const struct agent_port *port)
{
	int r = check(l, info, port);
	struct backplane_link *link;
	bool created, was;

	if (r < 0)
		return r;
	link = table_put(&l->list, &info->number, &created);
	if (!created && link_info_equal(&link->plane.info, info))
		return 0;
	if (created || !is_same_link(&link->plane.info, info)) {
		*link = (struct backplane_link){.plane = {.info = *info}};
		if (link_is_logical(info))
			link->plane.carrier = info->remote;
		link->plane.carrier_port = info->remote_port;
		take_port(link, port);
		link_start(l, link);
	} else {
		link->plane.info = *info;
		link->polls = link->state == BFD_UP;
		link->transmit_us = link_is_watched(link) ? l->now_us : 0;
	}
	was = link->plane.alive;
	link->plane.alive = is_alive(l, link);
	r = l->ops->link_set(l->context, &link->plane);
	if (r < 0 && r != -ENOENT) {
		log_warn_rl("link %u cannot be set: %s", info->number, strerror(-r));
		links_delete(l, info->number);
		return -OFP_BAD_REQUEST_EPERM;
	}
	if (created || was != link->plane.alive)
		l->observer.changed(l->observer.context, link);
	return 0;
}

void links_delete(struct links *l, uint32_t number)
{
	struct backplane_link *link = table_get(&l->list, &number);

	if (!link)
		return;
	if (link_is_watched(link)) {
		link->state = BFD_ADMIN_DOWN;
		link->diagnostic = BFD_DIAGNOSTIC_ADMIN_DOWN;
		link_send_bfd(l, link, false);
	}
	(void)l->ops->link_remove(l->context, number);
	(void)table_remove(&l->list, &number);
}

void links_adopt(struct links *l, const struct datapath_link *adopted)
{
	struct backplane_link *link = table_put(&l->list, &adopted->info.number, NULL);

	*link = (struct backplane_link){.plane = *adopted};
	take_port(link, NULL);
	link_start(l, link);
	link->grace_us = adopted->alive ? l->now_us + GRACE_US : 0;
}

void links_adopt_done(struct links *l)
{
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	while (table_next(&l->list, &at, &key, (void **)&link)) {
		link->plane.alive = is_alive(l, link);
		link_write(l, link);
	}
}

bool links_are_down(const struct links *l)
{
	size_t at = 0;
	void *link;

	while (table_next(&l->list, &at, NULL, &link))
		if (((const struct backplane_link *)link)->plane.alive)
			return false;
	return l->list.count > 0;
}

void links_port(struct links *l, uint32_t number, const struct agent_port *port)
{
	struct backplane_link *link = table_get(&l->list, &number);
	bool had;

	if (!link || link_is_logical(&link->plane.info))
		return;
	had = link->has_device && link->has_carrier;
	take_port(link, port);
	if (link->has_device)
		link_write(l, link);
	if (link->has_device && link->has_carrier) {
		if (!had)
			link->transmit_us = link_is_watched(link) ? l->now_us : 0;
	} else if (had) {
		link->plane.neighbor = unknown_mac;
		link->transmit_us = 0;
		link->grace_us = 0;
		link->diagnostic = BFD_DIAGNOSTIC_PATH_DOWN;
		link_reset(l, link, BFD_DIAGNOSTIC_PATH_DOWN);
	}
	link_settle(l, link);
}

/* ---- time ---- */

static bool is_expired(const struct links *l, const struct backplane_link *link)
{
	return link->expires_us && link->expires_us <= l->now_us;
}

static bool is_anyone_expired(const struct links *l)
{
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	while (table_next(&l->list, &at, &key, (void **)&link))
		if (is_expired(l, link))
			return true;
	return false;
}

static void tick_one(struct links *l, struct backplane_link *link)
{
	if (is_expired(l, link)) {
		link_reset(l, link, BFD_DIAGNOSTIC_EXPIRED);
		if (link_is_watched(link))
			link_send_now(l, link);
	}
	if (link->grace_us && link->grace_us <= l->now_us) {
		link->grace_us = 0;
		link->diagnostic = BFD_DIAGNOSTIC_EXPIRED;
		link_settle(l, link);
	}
	if (link->transmit_us && link->transmit_us <= l->now_us && link_is_watched(link))
		link_send_now(l, link);
	if (link->plane.alive && link->probe_us <= l->now_us)
		link_send_probe(l, link);
}

void links_tick(struct links *l, int64_t now_us)
{
	struct backplane_link *link;
	const void *key;
	size_t at = 0;

	if (now_us > l->now_us)
		l->now_us = now_us;
	/* What waits in the ring may be what we miss: a busy machine is no dead link. */
	if (is_anyone_expired(l) && !l->is_draining) {
		l->is_draining = true;
		l->ops->drain_upcalls(l->context);
		l->is_draining = false;
	}
	while (table_next(&l->list, &at, &key, (void **)&link))
		tick_one(l, link);
}

static void earlier(int64_t *at, int64_t candidate)
{
	if (candidate && candidate < *at)
		*at = candidate;
}

int64_t links_next_us(const struct links *l)
{
	struct backplane_link *link;
	int64_t next = INT64_MAX;
	const void *key;
	size_t at = 0;

	while (table_next(&l->list, &at, &key, (void **)&link)) {
		earlier(&next, link->expires_us);
		earlier(&next, link->grace_us);
		earlier(&next, link->transmit_us);
		if (link->plane.alive)
			earlier(&next, link->probe_us);
	}
	return next;
}
