/* Three dumps (routes, links, addresses) of one view; small enough to be done again at every
 * change.  Routes are filtered by the kernel to the main table's, where it can. */
#include "registration/io/host.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 65536
#define DUMP_TRIES 5 /* the kernel says when a dump was overtaken by a change */

static int open_netlink(uint32_t groups)
{
	struct sockaddr_nl me = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&me, sizeof(me)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

int host_open(struct host *h, struct reason *why)
{
	const int yes = 1;

	*h = (struct host){-1, -1, 0};
	h->event_fd = open_netlink(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				   RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
	h->ask_fd = open_netlink(0);
	if (h->event_fd < 0 || h->ask_fd < 0) {
		int r = h->event_fd < 0 ? h->event_fd : h->ask_fd;

		host_close(h);
		return reason_set(why, r, "the kernel's network cannot be watched: %s",
				  strerror(-r));
	}
	/* An older kernel sends all tables; on_route passes over the others. */
	(void)setsockopt(h->ask_fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
	return 0;
}

void host_close(struct host *h)
{
	if (h->ask_fd >= 0)
		close(h->ask_fd);
	if (h->event_fd >= 0)
		close(h->event_fd);
	*h = (struct host){-1, -1, 0};
}

/* A hypervisor has many other interfaces, a router many other routes. */
static bool matters(struct nlmsghdr *m, unsigned index)
{
	struct ifinfomsg *link = NLMSG_DATA(m);
	struct ifaddrmsg *address = NLMSG_DATA(m);
	struct rtmsg *route = NLMSG_DATA(m);

	switch (m->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return !index || (unsigned)link->ifi_index == index;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return !index || address->ifa_index == index;
	default:
		return route->rtm_dst_len == 0;
	}
}

bool host_changed(struct host *h, unsigned index)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
	bool changed = false;

	for (;;) {
		ssize_t size = recv(h->event_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		unsigned left = (unsigned)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == ENOBUFS) {
			changed = true; /* too many to be told */
			continue;
		}
		if (size < 0)
			return changed;
		for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, left);
		     m = NLMSG_NEXT(m, left))
			changed = changed || matters(m, index);
	}
}

/* The attributes of a message, by number; later ones of a number win. */
static void attributes(struct rtattr *a, unsigned size, struct rtattr *ret[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ret[i] = NULL;
	for (; RTA_OK(a, size); a = RTA_NEXT(a, size))
		if (a->rta_type < count)
			ret[a->rta_type] = a;
}

static unsigned attribute_u32(struct rtattr *a)
{
	unsigned value = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

static bool attribute_address(struct rtattr *a, int family, struct address *ret)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (!a || RTA_PAYLOAD(a) < size)
		return false;
	*ret = family == AF_INET ? address_from_ipv4(RTA_DATA(a)) : address_from_ipv6(RTA_DATA(a));
	return true;
}

/* What a walk over the dumps is about. */
struct look {
	struct host_view *view;
	const char *device; /* NULL: the default route's */
	struct {
		unsigned index, metric;
		struct address gateway;
		bool is_there;
	} routes[2]; /* IPv4's, IPv6's */
	bool is_found;
};

static void on_link(struct look *l, struct nlmsghdr *m)
{
	struct ifinfomsg *info = NLMSG_DATA(m);
	struct rtattr *a[IFLA_CARRIER_CHANGES + 1];
	struct host_view *v = l->view;
	const char *name;

	attributes(IFLA_RTA(info), (unsigned)IFLA_PAYLOAD(m), a, ARRAY_SIZE(a));
	if (!a[IFLA_IFNAME])
		return;
	name = RTA_DATA(a[IFLA_IFNAME]);
	if (l->device ? strcmp(name, l->device) != 0 : (unsigned)info->ifi_index != v->index)
		return;
	l->is_found = true;
	v->index = (unsigned)info->ifi_index;
	snprintf(v->device, sizeof(v->device), "%s", name);
	v->is_up = info->ifi_flags & IFF_UP && info->ifi_flags & IFF_LOWER_UP;
	v->carrier_changes = attribute_u32(a[IFLA_CARRIER_CHANGES]);
	if (a[IFLA_ADDRESS] && RTA_PAYLOAD(a[IFLA_ADDRESS]) == 6)
		memcpy(v->mac.bytes, RTA_DATA(a[IFLA_ADDRESS]), 6);
}

static bool is_link_local(const struct address *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static void on_address(struct look *l, struct nlmsghdr *m)
{
	struct ifaddrmsg *info = NLMSG_DATA(m);
	struct rtattr *a[IFA_LOCAL + 1];
	struct host_view *v = l->view;
	struct address address;

	attributes(IFA_RTA(info), (unsigned)IFA_PAYLOAD(m), a, ARRAY_SIZE(a));
	if (info->ifa_index != v->index || v->address_count == HOST_ADDRESSES_MAX)
		return;
	/* IFA_ADDRESS is the other end's on a point-to-point device. */
	if (!attribute_address(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], info->ifa_family,
			       &address) ||
	    is_link_local(&address))
		return;
	v->addresses[v->address_count++] = address;
}

/* The gateway of one next hop: RTA_GATEWAY, or of the other family in RTA_VIA. */
static bool next_hop_gateway(struct rtattr *const a[], int family, struct address *ret)
{
	const struct rtvia *via;

	if (attribute_address(a[RTA_GATEWAY], family, ret))
		return true;
	if (!a[RTA_VIA] || RTA_PAYLOAD(a[RTA_VIA]) < sizeof(*via) + 16)
		return false;
	via = RTA_DATA(a[RTA_VIA]);
	if (via->rtvia_family != AF_INET6)
		return false;
	*ret = address_from_ipv6(via->rtvia_addr);
	return true;
}

static void consider(struct look *l, int family, struct rtattr *const a[], unsigned index,
		     unsigned metric)
{
	unsigned i = family == AF_INET ? 0 : 1;
	struct address gateway;

	if (!next_hop_gateway(a, family, &gateway) || (l->device && index != l->view->index) ||
	    (l->routes[i].is_there && l->routes[i].metric <= metric))
		return;
	l->routes[i].is_there = true;
	l->routes[i].index = index;
	l->routes[i].metric = metric;
	l->routes[i].gateway = gateway;
}

static void on_route(struct look *l, struct nlmsghdr *m)
{
	struct rtmsg *info = NLMSG_DATA(m);
	struct rtattr *a[RTA_TABLE + 1], *hop_attributes[RTA_VIA + 1];
	struct rtnexthop *hop;
	unsigned metric;
	int left;

	if (info->rtm_dst_len || info->rtm_type != RTN_UNICAST || info->rtm_flags & RTNH_F_DEAD)
		return;
	attributes(RTM_RTA(info), (unsigned)RTM_PAYLOAD(m), a, ARRAY_SIZE(a));
	if ((a[RTA_TABLE] ? attribute_u32(a[RTA_TABLE]) : info->rtm_table) != RT_TABLE_MAIN)
		return;
	metric = attribute_u32(a[RTA_PRIORITY]);
	if (!a[RTA_MULTIPATH]) {
		consider(l, info->rtm_family, a, attribute_u32(a[RTA_OIF]), metric);
		return;
	}
	hop = RTA_DATA(a[RTA_MULTIPATH]);
	left = (int)RTA_PAYLOAD(a[RTA_MULTIPATH]);
	while (left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) &&
	       hop->rtnh_len <= left) {
		attributes(RTNH_DATA(hop), hop->rtnh_len - (unsigned)sizeof(*hop), hop_attributes,
			   ARRAY_SIZE(hop_attributes));
		if (!(hop->rtnh_flags & RTNH_F_DEAD))
			consider(l, info->rtm_family, hop_attributes, (unsigned)hop->rtnh_ifindex,
				 metric);
		left -= (int)NLMSG_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static int ask(struct host *h, uint16_t type, int family, uint8_t table)
{
	struct {
		struct nlmsghdr header;
		union {
			struct ifinfomsg link;
			struct ifaddrmsg address;
			struct rtmsg route;
		} body;
	} q = {.header = {.nlmsg_type = type,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = ++h->sequence}};
	size_t size = type == RTM_GETLINK   ? sizeof(q.body.link)
		      : type == RTM_GETADDR ? sizeof(q.body.address)
					    : sizeof(q.body.route);

	q.header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	if (type == RTM_GETROUTE) {
		q.body.route.rtm_family = (uint8_t)family;
		q.body.route.rtm_table = table;
	}
	return send(h->ask_fd, &q, q.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

typedef void (*on_message)(struct look *l, struct nlmsghdr *m);

/* One datagram's messages: 1 when the dump is over, -EAGAIN if it is to be done again. */
static int take_datagram(struct host *h, char *buffer, unsigned left, on_message f, struct look *l)
{
	bool is_overtaken = false;

	for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_seq != h->sequence)
			continue; /* of a dump that was given up */
		if (m->nlmsg_flags & NLM_F_DUMP_INTR)
			is_overtaken = true;
		if (m->nlmsg_type == NLMSG_DONE)
			return is_overtaken ? -EAGAIN : 1;
		if (m->nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr *e = NLMSG_DATA(m);

			return e->error ? e->error : 1;
		}
		f(l, m);
	}
	return is_overtaken ? -EAGAIN : 0;
}

static int dump(struct host *h, uint16_t type, int family, on_message f, struct look *l)
{
	_Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
	int r = ask(h, type, family, RT_TABLE_MAIN);

	while (r == 0) {
		ssize_t size = recv(h->ask_fd, buffer, sizeof(buffer), 0);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		r = take_datagram(h, buffer, (unsigned)size, f, l);
	}
	return r < 0 ? r : 0;
}

static void keep_gateways(struct look *l)
{
	for (unsigned i = 0; i < 2; i++)
		if (l->routes[i].is_there && l->routes[i].index == l->view->index)
			l->view->gateways[l->view->gateway_count++] = l->routes[i].gateway;
}

/* The device first, if it is named, then its routes; else the routes tell the device. */
static int look_once(struct host *h, struct look *l)
{
	int r = 0;

	if (l->device)
		r = dump(h, RTM_GETLINK, AF_UNSPEC, on_link, l);
	if (r == 0)
		r = dump(h, RTM_GETROUTE, AF_INET, on_route, l);
	if (r == 0)
		r = dump(h, RTM_GETROUTE, AF_INET6, on_route, l);
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT || r == -ENOENT)
		r = 0; /* no IPv6 in this kernel */
	if (r == 0 && !l->device) {
		l->view->index = l->routes[l->routes[0].is_there ? 0 : 1].index;
		if (l->view->index)
			r = dump(h, RTM_GETLINK, AF_UNSPEC, on_link, l);
	}
	if (r == 0 && l->is_found)
		r = dump(h, RTM_GETADDR, AF_UNSPEC, on_address, l);
	keep_gateways(l);
	return r;
}

int host_look(struct host *h, const char *device, struct host_view *ret, struct reason *why)
{
	for (unsigned i = 0; i < DUMP_TRIES; i++) {
		struct look l = {.view = ret, .device = device};
		int r;

		*ret = (struct host_view){0};
		r = look_once(h, &l);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return reason_set(why, r, "the kernel does not tell of its network: %s",
					  strerror(-r));
		if (!l.is_found)
			return device ? reason_set(why, -ENODEV, "there is no interface '%s'",
						   device)
				      : reason_set(why, -ENODEV,
						   "there is no default route: name the interface "
						   "by --interface, and the gateway by --gateway");
		return 0;
	}
	return reason_set(why, -EAGAIN, "the network changes faster than it can be looked at");
}

bool host_view_equal(const struct host_view *a, const struct host_view *b)
{
	return a->index == b->index && a->is_up == b->is_up &&
	       a->carrier_changes == b->carrier_changes && mac_equal(&a->mac, &b->mac) &&
	       a->address_count == b->address_count && a->gateway_count == b->gateway_count &&
	       memcmp(a->addresses, b->addresses, sizeof(a->addresses)) == 0 &&
	       memcmp(a->gateways, b->gateways, sizeof(a->gateways)) == 0;
}
