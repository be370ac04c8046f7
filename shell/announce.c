/* Covered prefixes as kernel routes (rtnetlink by libmnl).  victor-fe's main.c hears of them as the
 * agent gives them to the data plane, and says when they may be announced: while an external port
 * is up; the controller announces for an Open vSwitch, in the network namespace of the daemon that
 * speaks for it.
 *
 * The routes are in a table of their own: in the main one they would attract what this machine
 * itself sends, and fail its reverse path filter. */
#include "shell/announce.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("announce");

#define MESSAGE_SIZE 32768
#define METRIC 4278

struct route {
	bool covered;   /* it should be there */
	bool installed; /* it is */
};

struct announcer {
	struct mnl_socket *socket;
	struct table routes; /* struct prefix -> struct route */
	unsigned sequence;
	bool active, adopting, changed;
};

static int run(struct announcer *a, struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);
	unsigned own = mnl_socket_get_portid(a->socket);
	int result = MNL_CB_ERROR;
	ssize_t size;

	request->nlmsg_seq = ++a->sequence;
	if (mnl_socket_sendto(a->socket, request, request->nlmsg_len) >= 0) {
		do {
			size = mnl_socket_recvfrom(a->socket, bytes, MESSAGE_SIZE);
			result = size < 0 ? MNL_CB_ERROR
					  : mnl_cb_run(bytes, (size_t)size, a->sequence, own, each,
						       context);
		} while (result > MNL_CB_STOP);
	}
	result = result < 0 ? -errno : 0;
	free(bytes);
	return result;
}

/* Of ours in table 86, to add or remove; or what FRR left in main, to remove. */
static int change_route(struct announcer *a, const struct prefix *prefix, bool add, bool main)
{
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	bool is_ipv4 = address_is_ipv4(&prefix->address) && prefix->length >= IPV4_PREFIX_BASE;

	request->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (add)
		request->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	route->rtm_family = is_ipv4 ? AF_INET : AF_INET6;
	route->rtm_dst_len =
		(uint8_t)(is_ipv4 ? prefix->length - IPV4_PREFIX_BASE : prefix->length);
	route->rtm_table = main ? RT_TABLE_MAIN : ANNOUNCE_TABLE;
	route->rtm_protocol = main ? RTPROT_ZEBRA : ANNOUNCE_PROTOCOL;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNREACHABLE;
	if (is_ipv4)
		mnl_attr_put(request, RTA_DST, 4, address_ipv4(&prefix->address));
	else
		mnl_attr_put(request, RTA_DST, 16, prefix->address.bytes);
	if (!main)
		mnl_attr_put_u32(request, RTA_PRIORITY, METRIC);
	return run(a, request, NULL, NULL);
}

/* ---- adoption ---- */

static int take_destination(const struct nlattr *attribute, void *context)
{
	struct prefix *ret = context;
	const uint8_t *bytes = mnl_attr_get_payload(attribute);
	uint16_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == RTA_DST && size == 4)
		ret->address = address_from_ipv4(bytes);
	else if (mnl_attr_get_type(attribute) == RTA_DST && size == 16)
		ret->address = address_from_ipv6(bytes);
	return MNL_CB_OK;
}

static int adopt_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct announcer *a = context;
	struct prefix prefix = {.length = route->rtm_dst_len};

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_protocol != ANNOUNCE_PROTOCOL ||
	    route->rtm_table != ANNOUNCE_TABLE)
		return MNL_CB_OK;
	if (route->rtm_family == AF_INET) {
		static const uint8_t any[4];

		prefix.address = address_from_ipv4(any);
		prefix.length = (uint8_t)(prefix.length + IPV4_PREFIX_BASE);
	}
	(void)mnl_attr_parse(message, sizeof(*route), take_destination, &prefix);
	((struct route *)table_put(&a->routes, &prefix, NULL))->installed = true;
	return MNL_CB_OK;
}

static int adopt(struct announcer *a, uint8_t family)
{
	char bytes[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	route->rtm_family = family;
	return run(a, request, adopt_route, a);
}

int announcer_open(struct announcer **ret)
{
	struct announcer *a = memory_alloc(sizeof(*a));
	int result;

	table_init(&a->routes, sizeof(struct prefix), sizeof(struct route), 0);
	a->adopting = true;
	a->changed = true;
	a->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!a->socket || mnl_socket_bind(a->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		result = -errno;
	else
		result = adopt(a, AF_INET);
	/* A kernel without IPv6 has no such routes. */
	if (result == 0)
		(void)adopt(a, AF_INET6);
	if (result < 0)
		announcer_close(a);
	else
		*ret = a;
	return result;
}

void announcer_close(struct announcer *a)
{
	if (!a)
		return;
	if (a->socket)
		mnl_socket_close(a->socket);
	table_finish(&a->routes);
	free(a);
}

/* ---- changes ---- */

void announcer_set(struct announcer *a, const struct prefix *prefix, bool covered)
{
	struct route *route =
		covered ? table_put(&a->routes, prefix, NULL) : table_get(&a->routes, prefix);

	if (!route)
		return;
	route->covered = covered;
	a->changed = true;
}

bool announcer_has_adopted(const struct announcer *a)
{
	size_t at = 0;
	void *route;

	while (table_next(&a->routes, &at, NULL, &route))
		if (((const struct route *)route)->installed)
			return true;
	return false;
}

static void update_route(struct announcer *a, const struct prefix *prefix, struct route *route)
{
	bool wanted = route->covered && a->active;
	char text[PREFIX_TEXT_SIZE];

	if (wanted == route->installed)
		return;
	int result = change_route(a, prefix, wanted, false);

	prefix_format(prefix, text);
	/* ESRCH: somebody has removed it already. */
	if (result < 0 && result != -ESRCH)
		log_warn_rl("route to %s: cannot be %s: %s", text, wanted ? "added" : "removed",
			    strerror(-result));
	else
		log_info("%s %s", text, wanted ? "announced" : "withdrawn");
	route->installed = wanted;
}

void announcer_update(struct announcer *a, bool active)
{
	const struct prefix *prefix;
	struct route *route;
	size_t at = 0;

	if (a->adopting || (!a->changed && active == a->active))
		return;
	a->active = active;
	a->changed = false;
	while (table_next(&a->routes, &at, (const void **)&prefix, (void **)&route)) {
		update_route(a, prefix, route);
		if (!route->covered)
			(void)table_remove(&a->routes, prefix);
	}
}

void announcer_adopt_done(struct announcer *a)
{
	a->adopting = false;
}

void announcer_withdraw_all(struct announcer *a)
{
	a->adopting = false;
	a->changed = true;
	announcer_update(a, false);
}

void announcer_clean_main(struct announcer *a)
{
	const struct prefix *prefix;
	struct route *route;
	size_t at = 0;

	while (table_next(&a->routes, &at, (const void **)&prefix, (void **)&route))
		if (change_route(a, prefix, false, true) == 0)
			log_info("removed what a routing daemon left in the main table");
}
