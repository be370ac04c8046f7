/* Interfaces to ports: rtnetlink by libmnl.  A socket that hears of changes is opened first, then
 * all interfaces are read by another, so that nothing is missed between; where the kernel says that
 * it dropped notifications, all are read again.  port_name.c knows names and numbers.
 *
 * An access port that is administratively down stays so: it is told as a port that is down. */
#include "fe/io/port.h"

#include "base/log.h"
#include "base/memory.h"
#include "fe/io/datapath.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

LOG_MODULE("port");

#define MESSAGE_SIZE 32768
#define RECEIVE_BUFFER (8 << 20)

_Static_assert(OFP_PORT_NAME_SIZE == IFNAMSIZ, "a port's name is an interface's");

/* An interface as the kernel says it is. */
struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	struct mac mac;
	uint32_t mtu;
	uint16_t type; /* ARPHRD_* */
	bool up, loopback;
};

struct ports {
	const struct config *config;
	struct agent *agent; /* NULL: not started */
	struct mnl_socket *news;
	struct table links; /* ifindex -> struct port */
	struct port_numbers numbers;
	int64_t now_ms;
	bool blocked; /* nothing should leave by the external ports */
};

struct port {
	struct link link;
	const struct port_match *match; /* NULL: not ours */
	uint32_t number;                /* 0: the agent does not have it */
};

/* ---- netlink ---- */

static int take_attribute(const struct nlattr *attribute, void *context)
{
	const struct nlattr **list = context;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= IFLA_MTU || type == IFLA_OPERSTATE)
		list[type] = attribute;
	return MNL_CB_OK;
}

/* Whether it is a message about an interface, and not about a bridge's port. */
static bool read_link(const struct nlmsghdr *message, struct link *ret)
{
	const struct nlattr *list[IFLA_OPERSTATE + 1] = {NULL};
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ifi_family != AF_UNSPEC)
		return false;
	(void)mnl_attr_parse(message, sizeof(*info), take_attribute, list);
	if (!list[IFLA_IFNAME] || mnl_attr_validate(list[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0)
		return false;
	*ret = (struct link){
		.ifindex = (uint32_t)info->ifi_index,
		.type = info->ifi_type,
		.up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_LOWER_UP),
		.loopback = info->ifi_flags & IFF_LOOPBACK,
	};
	snprintf(ret->name, sizeof(ret->name), "%s", mnl_attr_get_str(list[IFLA_IFNAME]));
	if (list[IFLA_ADDRESS] &&
	    mnl_attr_get_payload_len(list[IFLA_ADDRESS]) == sizeof(ret->mac.bytes))
		memcpy(ret->mac.bytes, mnl_attr_get_payload(list[IFLA_ADDRESS]),
		       sizeof(ret->mac.bytes));
	if (list[IFLA_MTU] && mnl_attr_validate(list[IFLA_MTU], MNL_TYPE_U32) == 0)
		ret->mtu = mnl_attr_get_u32(list[IFLA_MTU]);
	return true;
}

/* Asks for all of a kind (RTM_GETLINK, RTM_GETADDR) and gives each to 'each'. */
static int read_all(uint16_t kind, uint8_t family, mnl_cb_t each, void *context)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char *bytes = memory_alloc(MESSAGE_SIZE);
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	unsigned sequence = (unsigned)time(NULL);
	ssize_t size;
	int result = MNL_CB_ERROR;

	request->nlmsg_type = kind;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = sequence;
	struct rtgenmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));

	body->rtgen_family = family;
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0) {
		unsigned own = mnl_socket_get_portid(socket);

		do {
			size = mnl_socket_recvfrom(socket, bytes, MESSAGE_SIZE);
			result = size < 0 ? MNL_CB_ERROR
					  : mnl_cb_run(bytes, (size_t)size, sequence, own, each,
						       context);
		} while (result > MNL_CB_STOP);
	}
	result = result < 0 ? -errno : 0;
	if (socket)
		mnl_socket_close(socket);
	free(bytes);
	return result;
}

/* ---- to the agent ---- */

static void tell(struct ports *p, const struct port *port)
{
	struct agent_port a = {
		.info = port->match->info,
		.ifindex = port->link.ifindex,
		.mac = port->link.mac,
		.up = port->link.up,
		.blocked = p->blocked && port->match->info.role == PORT_EXTERNAL,
	};

	a.info.number = port->number;
	a.info.mtu = (uint16_t)(port->link.mtu < UINT16_MAX ? port->link.mtu : UINT16_MAX);
	memcpy(a.name, port->link.name, sizeof(a.name));
	agent_port_set(p->agent, &a, p->now_ms);
}

static const char *role_name(uint8_t role)
{
	return role == PORT_ACCESS ? "access" : role == PORT_EXTERNAL ? "external" : "backplane";
}

static void add_port(struct ports *p, struct port *port)
{
	bool raw = port->match->info.link == LINK_RAW;

	if ((port->link.type == ARPHRD_ETHER) == raw) {
		log_warn("%s: %s, so no port", port->link.name,
			 raw ? "it has Ethernet headers, a raw link has none"
			     : "no Ethernet interface");
		return;
	}
	port->number = port_numbers_take(&p->numbers, port->match, port->link.name);
	if (!port->number) {
		log_warn_rl("%s: no port number is free", port->link.name);
		return;
	}
	log_info("%s: %s port %u, %s", port->link.name, role_name(port->match->info.role),
		 port->number, port->link.up ? "up" : "down");
	tell(p, port);
}

static void remove_port(struct ports *p, struct port *port)
{
	if (!port->number)
		return;
	log_info("%s: port %u is gone", port->link.name, port->number);
	port_numbers_release(&p->numbers, port->link.name);
	agent_port_remove(p->agent, port->number, p->now_ms);
	port->number = 0;
}

static bool link_equal(const struct link *a, const struct link *b)
{
	return a->ifindex == b->ifindex && strcmp(a->name, b->name) == 0 &&
	       mac_equal(&a->mac, &b->mac) && a->mtu == b->mtu && a->type == b->type &&
	       a->up == b->up && a->loopback == b->loopback;
}

/* The data plane's own device, this element's or another's: the prefix and an id. */
static bool is_data_planes(const struct link *link)
{
	size_t size = strlen(DATAPATH_DEVICE_PREFIX);

	return strncmp(link->name, DATAPATH_DEVICE_PREFIX, size) == 0 &&
	       link->name[size + strspn(link->name + size, "0123456789")] == '\0';
}

static void note_link(struct ports *p, const struct link *link)
{
	struct port *port = table_put(&p->links, &link->ifindex, NULL);
	bool renamed = strcmp(port->link.name, link->name) != 0;
	bool changed = !link_equal(&port->link, link);

	if (renamed && p->agent)
		remove_port(p, port);
	if (renamed || !port->match)
		port->match = link->loopback || is_data_planes(link)
				      ? NULL
				      : port_match_find(p->config->matches, p->config->match_count,
							link->name);
	port->link = *link;
	if (!p->agent || !port->match || !changed)
		return;
	if (port->number)
		tell(p, port);
	else if (renamed)
		add_port(p, port);
}

static void forget_link(struct ports *p, uint32_t ifindex)
{
	struct port *port = table_get(&p->links, &ifindex);

	if (!port)
		return;
	if (p->agent)
		remove_port(p, port);
	(void)table_remove(&p->links, &ifindex);
}

/* ---- all interfaces ---- */

static int collect_link(const struct nlmsghdr *message, void *context)
{
	struct table *links = context;
	struct link link;

	if (message->nlmsg_type == RTM_NEWLINK && read_link(message, &link))
		*(struct link *)table_put(links, &link.ifindex, NULL) = link;
	return MNL_CB_OK;
}

/* Those that are gone or renamed first: their names may be another's by now. */
static void sweep(struct ports *p, const struct table *links)
{
	const uint32_t *ifindex;
	struct port *port;
	size_t at = 0;

	while (table_next(&p->links, &at, (const void **)&ifindex, (void **)&port)) {
		const struct link *link = table_get(links, ifindex);

		if (!link || strcmp(link->name, port->link.name) != 0)
			forget_link(p, *ifindex);
	}
}

static int read_links(struct ports *p)
{
	struct table links;
	const void *ifindex;
	struct link *link;
	size_t at = 0;

	table_init(&links, sizeof(uint32_t), sizeof(struct link), 0);
	int result = read_all(RTM_GETLINK, AF_UNSPEC, collect_link, &links);

	if (result == 0) {
		sweep(p, &links);
		while (table_next(&links, &at, &ifindex, (void **)&link))
			note_link(p, link);
	}
	table_finish(&links);
	return result;
}

/* ---- the backplane ---- */

struct wanted_address {
	uint32_t ifindex;
	const struct address *address;
	bool found;
};

/* An IPv6 address has no IFA_LOCAL where it has no peer. */
static int compare_address(const struct nlattr *attribute, void *context)
{
	struct wanted_address *wanted = context;
	bool is_ipv4 = address_is_ipv4(wanted->address);
	const uint8_t *bytes = is_ipv4 ? address_ipv4(wanted->address) : wanted->address->bytes;
	size_t size = is_ipv4 ? 4 : 16;
	int type = mnl_attr_get_type(attribute);

	if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !is_ipv4)) &&
	    mnl_attr_get_payload_len(attribute) == size &&
	    memcmp(mnl_attr_get_payload(attribute), bytes, size) == 0)
		wanted->found = true;
	return MNL_CB_OK;
}

static int look_for_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct wanted_address *wanted = context;

	if (message->nlmsg_type == RTM_NEWADDR &&
	    (!wanted->ifindex || info->ifa_index == wanted->ifindex))
		(void)mnl_attr_parse(message, sizeof(*info), compare_address, wanted);
	return MNL_CB_OK;
}

static int check_address(const struct ports *p, const struct link *link,
			 const struct address *address, struct reason *why)
{
	struct wanted_address wanted = {.ifindex = link->ifindex, .address = address};
	char text[ADDRESS_TEXT_SIZE];
	int result;

	if (address_is_zero(address))
		return 0;
	result = read_all(RTM_GETADDR, address_is_ipv4(address) ? AF_INET : AF_INET6,
			  look_for_address, &wanted);

	if (result < 0)
		return reason_set(why, result, "the addresses of %s cannot be read: %s", link->name,
				  strerror(-result));
	if (wanted.found)
		return 0;
	address_format(address, text);
	return reason_set(why, -EADDRNOTAVAIL,
			  "%s:%u: backplane: %s does not have the address %s; add it (ip address "
			  "add %s dev %s), or correct the config",
			  p->config->path, p->config->backplane_line, link->name, text, text,
			  link->name);
}

static const struct link *find_link(const struct ports *p, const char *name)
{
	const void *ifindex;
	struct port *port;
	size_t at = 0;

	while (table_next(&p->links, &at, &ifindex, (void **)&port)) {
		if (strcmp(port->link.name, name) == 0)
			return &port->link;
	}
	return NULL;
}

static int refuse_device(const struct ports *p, struct reason *why)
{
	char names[REASON_SIZE / 2] = "";
	size_t used = 0, at = 0;
	const void *ifindex;
	struct port *port;

	while (table_next(&p->links, &at, &ifindex, (void **)&port) &&
	       used + IFNAMSIZ + 8 < sizeof(names))
		used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
					 port->link.name);
	return reason_set(
		why, -ENODEV, "%s:%u: backplane: there is no interface '%s' here; there are:%s",
		p->config->path, p->config->backplane_line, p->config->backplane_device, names);
}

/* Without an underlay's device any interface may have the addresses, such as lo. */
static int check_anywhere(const struct ports *p, struct reason *why)
{
	static const struct link any = {.name = "lo"};
	int result = 0;

	for (unsigned i = 0; i < FAMILY_COUNT && result == 0; i++) {
		const struct backplane_pair *pair = &p->config->agent.backplane.pair[i];

		result = check_address(p, &any, &pair->address, why);
		if (result == 0)
			result = check_address(p, &any, &pair->redirect, why);
	}
	return result;
}

int ports_check_backplane(struct ports *p, uint16_t *ret_mtu, struct reason *why)
{
	const struct config *c = p->config;

	*ret_mtu = 0;
	if (!c->backplane_device[0])
		return check_anywhere(p, why);
	const struct link *link = find_link(p, c->backplane_device);

	if (!link)
		return refuse_device(p, why);
	if (link->type != ARPHRD_ETHER)
		return reason_set(why, -EINVAL, "%s:%u: backplane: %s is no Ethernet interface",
				  c->path, c->backplane_line, link->name);
	for (unsigned i = 0; i < FAMILY_COUNT; i++) {
		const struct backplane_pair *pair = &c->agent.backplane.pair[i];
		int result = check_address(p, link, &pair->address, why);

		if (result == 0)
			result = check_address(p, link, &pair->redirect, why);
		if (result < 0)
			return result;
	}
	if (!link->up)
		log_warn("%s: the backplane is down", link->name);
	*ret_mtu = (uint16_t)(link->mtu < UINT16_MAX ? link->mtu : UINT16_MAX);
	return 0;
}

/* ---- all ---- */

static int listen_for_news(struct ports *p)
{
	int size = RECEIVE_BUFFER;

	p->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!p->news || mnl_socket_bind(p->news, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Needs privileges; without it, more dumps are needed. */
	(void)setsockopt(mnl_socket_get_fd(p->news), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size));
	return 0;
}

int ports_open(const struct config *config, struct ports **ret, struct reason *why)
{
	struct ports *p = memory_alloc(sizeof(*p));

	p->config = config;
	table_init(&p->links, sizeof(uint32_t), sizeof(struct port), 0);
	port_numbers_init(&p->numbers, config->matches, config->match_count);
	int result = listen_for_news(p);

	if (result == 0)
		result = read_links(p);
	if (result < 0) {
		ports_close(p);
		return reason_set(why, result, "the interfaces cannot be read: %s",
				  strerror(-result));
	}
	*ret = p;
	return 0;
}

void ports_close(struct ports *p)
{
	if (!p)
		return;
	if (p->news)
		mnl_socket_close(p->news);
	port_numbers_finish(&p->numbers);
	table_finish(&p->links);
	free(p);
}

static void tell_what_is_not_there(const struct ports *p)
{
	for (unsigned i = 0; i < p->config->match_count; i++) {
		const char *name = p->config->matches[i].pattern;

		if (port_pattern_is_name(name) && !find_link(p, name))
			log_info("%s: not there yet; it becomes a port when it appears", name);
	}
}

static int compare_ports(const void *a, const void *b)
{
	const struct port *const *x = a, *const *y = b;

	return ((*x)->link.ifindex > (*y)->link.ifindex) -
	       ((*x)->link.ifindex < (*y)->link.ifindex);
}

/* In the interfaces' order, so that the first start numbers them as a person would. */
static void add_ports(struct ports *p)
{
	struct port **list = memory_alloc_array(p->links.count + 1, sizeof(struct port *));
	size_t count = 0, at = 0;
	const void *ifindex;
	struct port *port;

	while (table_next(&p->links, &at, &ifindex, (void **)&port)) {
		if (port->match)
			list[count++] = port;
	}
	qsort(list, count, sizeof(struct port *), compare_ports);
	for (size_t i = 0; i < count; i++)
		add_port(p, list[i]);
	free(list);
}

void ports_start(struct ports *p, struct agent *agent, int64_t now_ms)
{
	char *kept = memory_format("%s.ports", p->config->state);
	int result = port_numbers_open(&p->numbers, kept);

	if (result < 0)
		log_warn("%s: %s; port numbers may change at a restart", kept, strerror(-result));
	free(kept);
	p->agent = agent;
	p->now_ms = now_ms;
	add_ports(p);
	tell_what_is_not_there(p);
}

int ports_fd(const struct ports *p)
{
	return mnl_socket_get_fd(p->news);
}

static int hear(const struct nlmsghdr *message, void *context)
{
	struct ports *p = context;
	struct link link;

	if (!read_link(message, &link))
		return MNL_CB_OK;
	if (message->nlmsg_type == RTM_NEWLINK)
		note_link(p, &link);
	else if (message->nlmsg_type == RTM_DELLINK)
		forget_link(p, link.ifindex);
	return MNL_CB_OK;
}

void ports_read(struct ports *p, int64_t now_ms)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);
	bool lost = false;

	p->now_ms = now_ms;
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(p->news, bytes, MESSAGE_SIZE);

		if (size > 0)
			(void)mnl_cb_run(bytes, (size_t)size, 0, 0, hear, p);
		else if (size < 0 && (errno == ENOBUFS || errno == ENOSPC))
			lost = true;
		else if (size == 0 || errno != EINTR)
			break;
	}
	free(bytes);
	if (lost && read_links(p) < 0)
		log_warn_rl("the interfaces cannot be read; some port may be out of date");
}

bool ports_are_up(const struct ports *p, enum port_role role)
{
	const void *ifindex;
	struct port *port;
	size_t at = 0;

	while (table_next(&p->links, &at, &ifindex, (void **)&port)) {
		if (port->number && port->match->info.role == role && port->link.up)
			return true;
	}
	return false;
}

bool ports_have(const struct ports *p, enum port_role role)
{
	const void *ifindex;
	struct port *port;
	size_t at = 0;

	while (table_next(&p->links, &at, &ifindex, (void **)&port)) {
		if (port->number && port->match->info.role == role)
			return true;
	}
	return false;
}

bool ports_are_external(const struct ports *p, uint32_t ifindex)
{
	const struct port *port = table_get(&p->links, &ifindex);

	return port && port->number && port->match->info.role == PORT_EXTERNAL;
}

void ports_block_external(struct ports *p, bool blocked, int64_t now_ms)
{
	const void *ifindex;
	struct port *port;
	size_t at = 0;

	if (blocked == p->blocked)
		return;
	p->blocked = blocked;
	p->now_ms = now_ms;
	while (table_next(&p->links, &at, &ifindex, (void **)&port)) {
		if (port->number && port->match->info.role == PORT_EXTERNAL)
			tell(p, port);
	}
}
