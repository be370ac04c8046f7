/* Watches the kernel's routes for those within covered prefixes (libmnl).
 *
 * Notifications are looked at one by one, and only one within a covered prefix makes the routes be
 * read again, as a whole, because the kernel tells not all that goes.  The reading is spread over
 * many calls. */
#include "fe/io/overlap.h"

#include "base/log.h"
#include "base/memory.h"
#include "fe/overlap.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

LOG_MODULE("overlap");

#define MESSAGE_SIZE 32768
#define COVERED_MAX 256
#define READS_AT_ONCE 4 /* of a dump: some thousand routes */
#define NEWS_AT_ONCE 64
#define REST_MS 1000        /* between two looks */
#define LOOK_AGAIN_MS 10000 /* while there is something: it may go without a word */
#define VICTORS_PROTOCOL 86

struct overlap_watch {
	struct mnl_socket *news, *dump; /* dump: NULL while nothing is read */
	struct prefix covered[COVERED_MAX];
	unsigned covered_count;
	struct overlap found[OVERLAPS_MAX], list[OVERLAPS_MAX];
	unsigned found_count, list_count;
	uint8_t family; /* that is being read */
	bool stale, failed;
	int64_t looked_ms;
	char bytes[MESSAGE_SIZE];
};

/* ---- one route ---- */

struct route {
	struct prefix prefix;
	uint32_t ifindex;
	bool gateway;
};

static int take(const struct nlattr *attribute, void *context)
{
	struct route *route = context;
	const uint8_t *bytes = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		if (size == 4)
			route->prefix.address = address_from_ipv4(bytes);
		else if (size == 16)
			route->prefix.address = address_from_ipv6(bytes);
		break;
	case RTA_OIF:
		if (size == 4)
			route->ifindex = mnl_attr_get_u32(attribute);
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
	case RTA_MULTIPATH:
	case RTA_NH_ID:
		route->gateway = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* False: a route of no interest. */
static bool read_route(const struct nlmsghdr *message, struct route *ret,
		       enum overlap_route *ret_kind)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(message);
	bool v4;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*m) ||
	    (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE))
		return false;
	v4 = m->rtm_family == AF_INET;
	if ((!v4 && m->rtm_family != AF_INET6) || m->rtm_protocol == VICTORS_PROTOCOL ||
	    (m->rtm_table != RT_TABLE_MAIN && m->rtm_table != RT_TABLE_LOCAL) ||
	    (m->rtm_type != RTN_UNICAST && m->rtm_type != RTN_LOCAL) ||
	    m->rtm_dst_len > (v4 ? 32 : 128) || m->rtm_flags & RTM_F_CLONED)
		return false;
	*ret = (struct route){.prefix.length = (uint8_t)(m->rtm_dst_len + (v4 ? 96 : 0))};
	(void)mnl_attr_parse(message, sizeof(*m), take, ret);
	*ret_kind = m->rtm_type == RTN_LOCAL ? OVERLAP_OWN
		    : ret->gateway           ? OVERLAP_ROUTED
					     : OVERLAP_CONNECTED;
	return m->rtm_dst_len > 0;
}

static bool is_in_the_way(const struct overlap_watch *w, const struct route *route,
			  enum overlap_route kind)
{
	for (unsigned i = 0; i < w->covered_count; i++)
		if (overlap_is(&w->covered[i], &route->prefix, kind))
			return true;
	return false;
}

static int look_at_news(const struct nlmsghdr *message, void *context)
{
	struct overlap_watch *w = context;
	enum overlap_route kind;
	struct route route;

	if (read_route(message, &route, &kind) && is_in_the_way(w, &route, kind))
		w->stale = true;
	return MNL_CB_OK;
}

static int look_at(const struct nlmsghdr *message, void *context)
{
	struct overlap_watch *w = context;
	enum overlap_route kind;
	struct route route;
	struct overlap *o;

	if (!read_route(message, &route, &kind) || !is_in_the_way(w, &route, kind) ||
	    w->found_count == OVERLAPS_MAX)
		return MNL_CB_OK;
	o = &w->found[w->found_count++];
	*o = (struct overlap){.prefix = route.prefix, .own = kind == OVERLAP_OWN};
	if (route.ifindex) {
		char name[IF_NAMESIZE] = "";

		if (if_indextoname(route.ifindex, name))
			memcpy(o->device, name, strnlen(name, sizeof(o->device) - 1));
	}
	return MNL_CB_OK;
}

/* ---- the look ---- */

static void read_news(struct overlap_watch *w)
{
	for (unsigned i = 0; i < NEWS_AT_ONCE; i++) {
		ssize_t size = mnl_socket_recvfrom(w->news, w->bytes, sizeof(w->bytes));

		if (size < 0 && errno == ENOBUFS)
			w->stale = true;
		else if (size < 0 && errno != EINTR)
			return;
		else if (size > 0)
			(void)mnl_cb_run(w->bytes, (size_t)size, 0, 0, look_at_news, w);
	}
}

static int ask(struct overlap_watch *w, uint8_t family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(w->bytes);
	struct rtmsg *route;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = family;
	route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = family;
	w->family = family;
	return mnl_socket_sendto(w->dump, request, request->nlmsg_len) < 0 ? -errno : 0;
}

static void end_look(struct overlap_watch *w)
{
	mnl_socket_close(w->dump);
	w->dump = NULL;
}

static void begin_look(struct overlap_watch *w, int64_t now_ms)
{
	w->stale = w->failed = false;
	w->looked_ms = now_ms;
	w->found_count = 0;
	w->dump = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->dump)
		return;
	if (mnl_socket_bind(w->dump, 0, MNL_SOCKET_AUTOPID) < 0 || ask(w, AF_INET) < 0)
		end_look(w);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct overlap));
}

static bool finish_look(struct overlap_watch *w)
{
	end_look(w);
	if (w->failed) { /* they changed meanwhile */
		w->stale = true;
		return false;
	}
	qsort(w->found, w->found_count, sizeof(w->found[0]), compare);
	memcpy(w->list, w->found, sizeof(w->list));
	w->list_count = w->found_count;
	return true;
}

/* True: it is over. */
static bool go_on(struct overlap_watch *w)
{
	for (unsigned i = 0; i < READS_AT_ONCE; i++) {
		ssize_t size = mnl_socket_recvfrom(w->dump, w->bytes, sizeof(w->bytes));
		int result;

		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		result = size < 0 ? MNL_CB_ERROR
				  : mnl_cb_run(w->bytes, (size_t)size, w->family,
					       mnl_socket_get_portid(w->dump), look_at, w);
		if (result > MNL_CB_STOP)
			continue;
		/* A kernel without IPv6 has no such routes. */
		w->failed |= result < 0 && (w->family == AF_INET || errno == EINTR);
		if (w->family == AF_INET6 || ask(w, AF_INET6) < 0)
			return true;
	}
	return false;
}

/* ---- from outside ---- */

int overlap_open(struct overlap_watch **ret)
{
	struct overlap_watch *w = memory_alloc(sizeof(*w));

	w->stale = true;
	w->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->news || mnl_socket_bind(w->news, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
					MNL_SOCKET_AUTOPID) < 0) {
		int result = -errno;

		overlap_close(w);
		return result;
	}
	*ret = w;
	return 0;
}

void overlap_close(struct overlap_watch *w)
{
	if (!w)
		return;
	if (w->news)
		mnl_socket_close(w->news);
	if (w->dump)
		mnl_socket_close(w->dump);
	free(w);
}

void overlap_cover(struct overlap_watch *w, const struct prefix *prefix, bool covered)
{
	unsigned at = 0;

	while (at < w->covered_count && !prefix_equal(&w->covered[at], prefix))
		at++;
	if (covered == (at < w->covered_count))
		return;
	if (!covered)
		w->covered[at] = w->covered[--w->covered_count];
	else if (w->covered_count < COVERED_MAX)
		w->covered[w->covered_count++] = *prefix;
	w->stale = true;
}

void overlap_stale(struct overlap_watch *w)
{
	w->stale |= w->list_count > 0 || w->found_count > 0;
}

bool overlap_update(struct overlap_watch *w, int64_t now_ms, const struct overlap **ret,
		    unsigned *ret_count)
{
	read_news(w);
	if (!w->dump) {
		if (w->list_count && now_ms - w->looked_ms >= LOOK_AGAIN_MS)
			w->stale = true;
		if (!w->stale || (w->looked_ms && now_ms - w->looked_ms < REST_MS))
			return false;
		begin_look(w, now_ms);
	}
	if (!w->dump || !go_on(w) || !finish_look(w))
		return false;
	*ret = w->list;
	*ret_count = w->list_count;
	return true;
}
