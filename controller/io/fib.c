/* Reads routes and neighbours whole, after any change: a daemon's thousands of routes come in a
 * burst, and what the burst said one by one is of no use.  Everything comes from the kernel, so
 * lengths are libmnl's to check, and addresses are checked for their size. */
#include "controller/io/fib.h"

#include "base/memory.h"
#include "base/table.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 32768
#define EVENT_BUFFER (1 << 20)
#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct fib {
	struct mnl_socket *requests, *events;
	unsigned sequence;
	uint32_t ifindex;
	struct table neighbors; /* struct address -> struct mac: of the last reading */
};

/* ---- sockets ---- */

static int run(struct fib *f, struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);
	unsigned own = mnl_socket_get_portid(f->requests);
	int result = MNL_CB_ERROR;
	ssize_t size;

	request->nlmsg_seq = ++f->sequence;
	if (mnl_socket_sendto(f->requests, request, request->nlmsg_len) >= 0) {
		do {
			size = mnl_socket_recvfrom(f->requests, bytes, MESSAGE_SIZE);
			result = size < 0 ? MNL_CB_ERROR
					  : mnl_cb_run(bytes, (size_t)size, f->sequence, own, each,
						       context);
		} while (result > MNL_CB_STOP);
	}
	result = result < 0 ? -errno : 0;
	free(bytes);
	return result;
}

static int keep_index(const struct nlmsghdr *message, void *context)
{
	struct fib *f = context;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	f->ifindex = (uint32_t)link->ifi_index;
	return MNL_CB_OK;
}

static int find_device(struct fib *f, const char *device)
{
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	(void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, device);
	return run(f, request, keep_index, f);
}

static int open_sockets(struct fib *f)
{
	unsigned groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	int size = EVENT_BUFFER;

	f->requests = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	f->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!f->requests || !f->events || mnl_socket_bind(f->requests, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_bind(f->events, groups, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	(void)setsockopt(mnl_socket_get_fd(f->events), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

int fib_open(const char *device, struct fib **ret)
{
	struct fib *f = memory_alloc(sizeof(*f));
	int result = open_sockets(f);

	table_init(&f->neighbors, sizeof(struct address), sizeof(struct mac), 0);
	if (result == 0)
		result = find_device(f, device);
	if (result < 0)
		fib_close(f);
	else
		*ret = f;
	return result;
}

void fib_close(struct fib *f)
{
	if (!f)
		return;
	if (f->requests)
		mnl_socket_close(f->requests);
	if (f->events)
		mnl_socket_close(f->events);
	table_finish(&f->neighbors);
	free(f);
}

int fib_descriptor(const struct fib *f)
{
	return mnl_socket_get_fd(f->events);
}

bool fib_changed(struct fib *f)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);
	bool changed = false;
	ssize_t size;

	do {
		size = mnl_socket_recvfrom(f->events, bytes, MESSAGE_SIZE);
		/* Too much at once (ENOBUFS) is a change as well. */
		changed |= size >= 0 || errno == ENOBUFS;
	} while (size >= 0 || errno == ENOBUFS || errno == EINTR);
	free(bytes);
	return changed;
}

/* ---- the device ---- */

static int add_address(struct fib *f, const struct fib_address *a)
{
	bool v4 = address_is_ipv4(&a->address);
	const uint8_t *bytes = v4 ? address_ipv4(&a->address) : a->address.bytes;
	size_t size = v4 ? 4 : 16;
	char message[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(message);

	request->nlmsg_type = RTM_NEWADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(request, sizeof(*address));

	address->ifa_family = v4 ? AF_INET : AF_INET6;
	address->ifa_prefixlen = (uint8_t)(a->length - (v4 ? IPV4_PREFIX_BASE : 0));
	/* It is the FE's: the flows would answer our own question. */
	address->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	address->ifa_index = f->ifindex;
	mnl_attr_put(request, IFA_LOCAL, size, bytes);
	mnl_attr_put(request, IFA_ADDRESS, size, bytes);
	return run(f, request, NULL, NULL);
}

static int set_link(struct fib *f, const struct mac *mac)
{
	char message[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(message);

	request->nlmsg_type = RTM_NEWLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));

	link->ifi_index = (int)f->ifindex;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
	return run(f, request, NULL, NULL);
}

int fib_set_device(struct fib *f, const struct mac *mac, const struct fib_address *list,
		   unsigned count)
{
	int result = set_link(f, mac);

	for (unsigned i = 0; i < count && result == 0; i++)
		result = add_address(f, &list[i]);
	return result;
}

/* ---- reading ---- */

static bool read_address(const struct nlattr *a, struct address *ret)
{
	const uint8_t *bytes = mnl_attr_get_payload(a);
	uint16_t size = mnl_attr_get_payload_len(a);

	if (size == 4)
		*ret = address_from_ipv4(bytes);
	else if (size == 16)
		*ret = address_from_ipv6(bytes);
	return size == 4 || size == 16;
}

/* RFC 8950: an IPv4 route by an IPv6 next hop. */
static void read_via(const struct nlattr *a, struct address *ret)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	const uint8_t *bytes = via->rtvia_addr;
	size_t size = mnl_attr_get_payload_len(a);

	if (size == sizeof(*via) + 16)
		*ret = address_from_ipv6(bytes);
	else if (size == sizeof(*via) + 4)
		*ret = address_from_ipv4(bytes);
}

struct neighbor_reading {
	struct address address;
	struct mac mac;
	bool known;
};

static int read_neighbor(const struct nlattr *a, void *context)
{
	struct neighbor_reading *n = context;

	if (mnl_attr_get_type(a) == NDA_DST)
		n->known = read_address(a, &n->address);
	if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == 6)
		memcpy(n->mac.bytes, mnl_attr_get_payload(a), 6);
	return MNL_CB_OK;
}

static int keep_neighbor(const struct nlmsghdr *message, void *context)
{
	struct fib *f = context;
	const struct ndmsg *neighbor = mnl_nlmsg_get_payload(message);
	struct neighbor_reading n = {0};

	if (message->nlmsg_type != RTM_NEWNEIGH || neighbor->ndm_ifindex != (int)f->ifindex ||
	    !(neighbor->ndm_state & USABLE))
		return MNL_CB_OK;
	(void)mnl_attr_parse(message, sizeof(*neighbor), read_neighbor, &n);
	if (n.known && !mac_is_zero(&n.mac) && !mac_is_multicast(&n.mac))
		*(struct mac *)table_put(&f->neighbors, &n.address, NULL) = n.mac;
	return MNL_CB_OK;
}

struct route_reading {
	struct fib *f;
	struct buffer *to;
	struct fib_route route;
	bool ours;
};

static int read_hop(const struct nlattr *a, void *context)
{
	struct address *ret = context;

	if (mnl_attr_get_type(a) == RTA_GATEWAY)
		(void)read_address(a, ret);
	if (mnl_attr_get_type(a) == RTA_VIA)
		read_via(a, ret);
	return MNL_CB_OK;
}

/* Of several next hops the first that leaves by the device. */
static void read_hops(const struct nlattr *a, struct route_reading *r)
{
	const uint8_t *at = mnl_attr_get_payload(a);
	size_t left = mnl_attr_get_payload_len(a), size;
	struct rtnexthop hop;

	while (!r->ours && left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		r->ours = hop.rtnh_ifindex == (int)r->f->ifindex;
		if (r->ours)
			(void)mnl_attr_parse_payload(at + sizeof(hop), hop.rtnh_len - sizeof(hop),
						     read_hop, &r->route.next_hop);
		size = RTNH_ALIGN((size_t)hop.rtnh_len);
		if (size > left)
			return;
		at += size;
		left -= size;
	}
}

static int read_route(const struct nlattr *a, void *context)
{
	struct route_reading *r = context;

	switch (mnl_attr_get_type(a)) {
	case RTA_DST:
		(void)read_address(a, &r->route.prefix.address);
		return MNL_CB_OK;
	case RTA_OIF:
		if (mnl_attr_get_payload_len(a) == 4)
			r->ours |= mnl_attr_get_u32(a) == r->f->ifindex;
		return MNL_CB_OK;
	case RTA_MULTIPATH:
		read_hops(a, r);
		return MNL_CB_OK;
	default:
		return read_hop(a, &r->route.next_hop);
	}
}

static int keep_route(const struct nlmsghdr *message, void *context)
{
	struct route_reading *r = context;
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	static const uint8_t any[4];

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST ||
	    route->rtm_table != RT_TABLE_MAIN || route->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return MNL_CB_OK;
	r->ours = false;
	r->route = (struct fib_route){.prefix.length = route->rtm_dst_len};
	if (route->rtm_family == AF_INET) {
		r->route.prefix.address = address_from_ipv4(any);
		r->route.prefix.length = (uint8_t)(route->rtm_dst_len + IPV4_PREFIX_BASE);
	}
	(void)mnl_attr_parse(message, sizeof(*route), read_route, r);
	if (r->ours && !address_is_zero(&r->route.next_hop))
		buffer_add_bytes(r->to, &r->route, sizeof(r->route));
	return MNL_CB_OK;
}

static int dump(struct fib *f, uint16_t type, uint8_t family, mnl_cb_t each, void *context)
{
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* struct ndmsg begins with the family as well, and is as long. */
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	_Static_assert(sizeof(struct rtmsg) == sizeof(struct ndmsg), "one header for both");
	route->rtm_family = family;
	return run(f, request, each, context);
}

static void add_neighbors(const struct fib *f, struct buffer *ret)
{
	size_t at = 0;
	const void *key;
	void *mac;

	while (table_next(&f->neighbors, &at, &key, &mac)) {
		struct fib_route one = {.prefix.length = 128, .is_neighbor = true};

		memcpy(&one.next_hop, key, sizeof(one.next_hop));
		one.prefix.address = one.next_hop;
		one.mac = *(const struct mac *)mac;
		if (one.next_hop.bytes[0] != 0xfe && one.next_hop.bytes[0] != 0xff)
			buffer_add_bytes(ret, &one, sizeof(one));
	}
}

int fib_read(struct fib *f, struct buffer *ret)
{
	struct route_reading reading = {.f = f, .to = ret};
	size_t first = ret->size;
	int result;

	table_clear(&f->neighbors);
	result = dump(f, RTM_GETNEIGH, AF_INET, keep_neighbor, f);
	if (result == 0)
		result = dump(f, RTM_GETROUTE, AF_INET, keep_route, &reading);
	/* A kernel without IPv6 has none. */
	if (result == 0) {
		(void)dump(f, RTM_GETNEIGH, AF_INET6, keep_neighbor, f);
		(void)dump(f, RTM_GETROUTE, AF_INET6, keep_route, &reading);
	}
	for (size_t at = first; at < ret->size; at += sizeof(struct fib_route)) {
		struct fib_route one;
		const struct mac *mac;

		memcpy(&one, ret->data + at, sizeof(one));
		mac = table_get(&f->neighbors, &one.next_hop);
		if (mac)
			one.mac = *mac;
		memcpy(ret->data + at, &one, sizeof(one));
	}
	add_neighbors(f, ret);
	return result;
}

void fib_ask(struct fib *f, const struct address *next_hop)
{
	bool v4 = address_is_ipv4(next_hop);
	char message[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(message);

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	struct ndmsg *neighbor = mnl_nlmsg_put_extra_header(request, sizeof(*neighbor));

	neighbor->ndm_family = v4 ? AF_INET : AF_INET6;
	neighbor->ndm_ifindex = (int)f->ifindex;
	neighbor->ndm_flags = NTF_USE;
	if (v4)
		mnl_attr_put(request, NDA_DST, 4, address_ipv4(next_hop));
	else
		mnl_attr_put(request, NDA_DST, 16, next_hop->bytes);
	(void)run(f, request, NULL, NULL);
}
