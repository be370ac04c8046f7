/* Watches the way out: main's routes by rtnetlink (libmnl), the daemons by their pid files.
 *
 * Notifications only say that something changed, however many there are: what holds then is looked
 * up, by a dump that ends as soon as it has told enough.  The kernel begins it with the default
 * routes, so that takes no longer with a full table of an Internet router. */
#include "fe/io/routes.h"

#include "base/log.h"
#include "base/memory.h"
#include "fe/way_out.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

LOG_MODULE("routes");

#define MESSAGE_SIZE 32768
#define READ_MAX 256       /* notifications at a time, so that others have their turn */
#define LOOK_AGAIN_MS 1000 /* without a notification */

struct daemon {
	const char *pid_file;
	int pidfd; /* -1: it does not run */
};

struct routes {
	const struct config *config;
	const struct ports *ports;
	struct mnl_socket *news;
	struct way_out way_out;
	struct way_out_signs signs;
	struct daemon daemons[CONFIG_DAEMONS_MAX];
	int64_t looked_ms;
	bool stale, told;
};

/* ---- the kernel's routes ---- */

struct look {
	const struct ports *ports;
	enum way_out_routes found;
	bool past_defaults;
};

struct hop {
	uint32_t ifindex;
	bool gateway, object;
	bool at_zero; /* its destination begins with 32 zeros: IPv4's default may follow */
};

static void note(struct look *look, const struct rtmsg *route, bool leads)
{
	enum way_out_routes what = route->rtm_dst_len ? WAY_OUT_SOME : WAY_OUT_DEFAULT;

	if (leads && what > look->found)
		look->found = what;
}

static bool is_external(const struct look *look, uint32_t ifindex)
{
	return ports_are_external(look->ports, ifindex);
}

static int take_hop(const struct nlattr *attribute, void *context)
{
	struct hop *hop = context;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		hop->at_zero = mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) &&
			       mnl_attr_get_u32(attribute) == 0;
		break;
	case RTA_OIF:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			hop->ifindex = mnl_attr_get_u32(attribute);
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
		hop->gateway = true;
		break;
	case RTA_NH_ID:
		hop->object = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool is_dead(unsigned flags)
{
	return flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
}

struct paths {
	const struct look *look;
	bool lead;
};

static int take_multipath(const struct nlattr *attribute, void *context)
{
	struct paths *paths = context;

	if (mnl_attr_get_type(attribute) != RTA_MULTIPATH)
		return MNL_CB_OK;
	struct rtnexthop *next = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);

	while (size >= sizeof(*next) && RTNH_OK(next, (int)size)) {
		paths->lead |= !is_dead(next->rtnh_flags) &&
			       is_external(paths->look, (uint32_t)next->rtnh_ifindex);
		size -= RTNH_ALIGN(next->rtnh_len);
		next = RTNH_NEXT(next);
	}
	return MNL_CB_OK;
}

static bool leads_out(const struct look *look, const struct nlmsghdr *message,
		      const struct rtmsg *route, const struct hop *hop)
{
	struct paths paths = {.look = look};

	if (hop->ifindex)
		return (hop->gateway || route->rtm_dst_len == 0) && !is_dead(route->rtm_flags) &&
		       is_external(look, hop->ifindex);
	(void)mnl_attr_parse(message, sizeof(*route), take_multipath, &paths);
	/* A next hop object whose insides the kernel was told not to show may lead anywhere. */
	return paths.lead || hop->object;
}

static bool refuses(const struct rtmsg *route)
{
	return route->rtm_type == RTN_UNREACHABLE || route->rtm_type == RTN_BLACKHOLE ||
	       route->rtm_type == RTN_PROHIBIT;
}

static bool is_enough(const struct look *look)
{
	return look->found == WAY_OUT_DEFAULT ||
	       (look->found == WAY_OUT_SOME && look->past_defaults);
}

static int look_at(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct look *look = context;
	struct hop hop = {0};

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) ||
	    message->nlmsg_type != RTM_NEWROUTE || route->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	(void)mnl_attr_parse(message, sizeof(*route), take_hop, &hop);
	look->past_defaults |= route->rtm_dst_len && !hop.at_zero;
	if (route->rtm_type == RTN_UNICAST)
		note(look, route, leads_out(look, message, route, &hop));
	/* IPv6's kernel has one of its own that nobody put there. */
	else if (refuses(route) && !route->rtm_dst_len && !look->found &&
		 route->rtm_protocol != RTPROT_KERNEL)
		look->found = WAY_OUT_REFUSED;
	return is_enough(look) ? MNL_CB_STOP : MNL_CB_OK;
}

static int dump(struct mnl_socket *socket, uint8_t family, struct look *look)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	int on = 1, result;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));

	route->rtm_family = family;
	route->rtm_table = RT_TABLE_MAIN;
	/* The kernel sends this table alone then. */
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	result = mnl_socket_sendto(socket, request, request->nlmsg_len) < 0 ? MNL_CB_ERROR : 1;
	while (result > MNL_CB_STOP) {
		ssize_t size = mnl_socket_recvfrom(socket, bytes, MESSAGE_SIZE);

		result = size < 0 ? MNL_CB_ERROR
				  : mnl_cb_run(bytes, (size_t)size, 1,
					       mnl_socket_get_portid(socket), look_at, look);
	}
	free(bytes);
	return result < 0 ? -errno : 0;
}

/* A socket for each dump: closing it ends one that is not read to its end. */
static int look_up(const struct routes *r, uint8_t family, struct look *look)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int result;

	*look = (struct look){.ports = r->ports};
	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		result = -errno;
	else
		result = dump(socket, family, look);
	mnl_socket_close(socket);
	return result;
}

static void look_at_routes(struct routes *r)
{
	static const uint8_t families[WAY_OUT_FAMILIES] = {AF_INET, AF_INET6};
	struct look look;

	r->stale = false;
	for (unsigned i = 0; i < WAY_OUT_FAMILIES; i++) {
		int result = look_up(r, families[i], &look);

		if (result == -EINTR) /* they changed meanwhile: at the next turn */
			r->stale = true;
		/* A kernel without IPv6 has no such routes. */
		else if (result < 0 && families[i] == AF_INET)
			log_warn_rl("the routes cannot be read; the way out may be out of date");
		else
			r->signs.routes[i] = look.found;
	}
}

/* ---- the daemons ---- */

static int open_daemon(const char *pid_file)
{
	FILE *file = fopen(pid_file, "re");
	char text[32] = "";
	long pid = 0;

	if (file) {
		if (fgets(text, sizeof(text), file))
			pid = strtol(text, NULL, 10);
		(void)fclose(file);
	}
	return pid > 0 && pid <= INT32_MAX ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

static bool has_ended(int pidfd)
{
	struct pollfd poll_end = {.fd = pidfd, .events = POLLIN};

	return poll(&poll_end, 1, 0) != 0;
}

static void look_at_daemons(struct routes *r, bool again)
{
	r->signs.daemon_gone = false;
	for (unsigned i = 0; i < r->config->daemon_count; i++) {
		struct daemon *d = &r->daemons[i];

		if (d->pidfd >= 0 && has_ended(d->pidfd)) {
			(void)close(d->pidfd);
			d->pidfd = -1;
		}
		if (d->pidfd < 0 && again)
			d->pidfd = open_daemon(d->pid_file);
		r->signs.daemon_gone |= d->pidfd < 0;
	}
}

/* ---- from outside ---- */

int routes_open(const struct config *config, const struct ports *ports, struct routes **ret)
{
	struct routes *r = memory_alloc(sizeof(*r));

	*r = (struct routes){.config = config, .ports = ports, .stale = true};
	way_out_init(&r->way_out);
	for (unsigned i = 0; i < config->daemon_count; i++)
		r->daemons[i] = (struct daemon){.pid_file = config->daemons[i], .pidfd = -1};
	r->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!r->news || mnl_socket_bind(r->news, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
					MNL_SOCKET_AUTOPID) < 0) {
		int result = -errno;

		routes_close(r);
		return result;
	}
	*ret = r;
	return 0;
}

void routes_close(struct routes *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->config->daemon_count; i++)
		if (r->daemons[i].pidfd >= 0)
			(void)close(r->daemons[i].pidfd);
	if (r->news)
		mnl_socket_close(r->news);
	free(r);
}

int routes_fd(const struct routes *r)
{
	return mnl_socket_get_fd(r->news);
}

void routes_read(struct routes *r)
{
	char *bytes = memory_alloc(MESSAGE_SIZE);

	for (unsigned i = 0; i < READ_MAX; i++) {
		if (mnl_socket_recvfrom(r->news, bytes, MESSAGE_SIZE) >= 0 || errno == ENOBUFS)
			r->stale = true;
		else if (errno != EINTR)
			break;
	}
	free(bytes);
}

void routes_stale(struct routes *r)
{
	r->stale = true;
}

bool routes_update(struct routes *r, int64_t now_ms)
{
	bool again = now_ms - r->looked_ms >= LOOK_AGAIN_MS || !r->told, was = r->way_out.usable;

	if (!ports_have(r->ports, PORT_EXTERNAL))
		return true;
	if (r->stale || again)
		look_at_routes(r);
	look_at_daemons(r, again);
	if (again)
		r->looked_ms = now_ms;
	if (way_out_update(&r->way_out, &r->signs, now_ms) != was || !r->told)
		log_info("%s", r->way_out.usable ? "there is a way out"
			       : r->signs.daemon_gone
				       ? "no way out: a routing daemon does not run"
				       : "no way out: the routes by external ports are gone");
	r->told = true;
	return r->way_out.usable;
}

bool routes_lack_daemon(const struct routes *r)
{
	return r->signs.daemon_gone;
}
