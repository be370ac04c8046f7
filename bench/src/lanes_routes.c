/* A million host routes in seconds: many requests a message, and an answer only to those that the
 * kernel refuses. */
#include "bench/src/lanes_internal.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 128

struct request {
	struct nlmsghdr header;
	struct rtmsg route;
	uint8_t attributes[56];
};

static void attribute_put(struct request *r, uint16_t type, const void *data, uint16_t size)
{
	struct rtattr a = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
	uint8_t *at = (uint8_t *)r + r->header.nlmsg_len;

	memcpy(at, &a, sizeof(a));
	memcpy(at + sizeof(a), data, size);
	r->header.nlmsg_len += RTA_ALIGN(a.rta_len);
}

static struct request request_make(const struct forward *f, uint32_t number,
				   const struct address *via, uint32_t ifindex)
{
	const struct address to = numbered(f, number);
	uint16_t size = f->is_ipv6 ? 16 : 4;
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			   .nlmsg_type = RTM_NEWROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL},
		.route = {.rtm_family = f->is_ipv6 ? AF_INET6 : AF_INET,
			  .rtm_dst_len = (uint8_t)(size * 8),
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = RTPROT_STATIC,
			  .rtm_scope = RT_SCOPE_UNIVERSE,
			  .rtm_type = RTN_UNICAST},
	};

	attribute_put(&r, RTA_DST, to.bytes + 16 - size, size);
	attribute_put(&r, RTA_GATEWAY, via->bytes + 16 - size, size);
	attribute_put(&r, RTA_OIF, &ifindex, sizeof(ifindex));
	return r;
}

/* The first refusal that there is, or 0; a route that is there already is none. */
static int refusal(int fd)
{
	union {
		struct nlmsghdr header;
		char bytes[1024];
	} answer;
	struct nlmsgerr error;

	if (recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) < (ssize_t)sizeof(answer.header) ||
	    answer.header.nlmsg_type != NLMSG_ERROR)
		return 0;
	memcpy(&error, NLMSG_DATA(&answer.header), sizeof(error));
	return error.error == -EEXIST ? 0 : error.error;
}

int routes_add(const struct forward *f, uint32_t from, uint32_t to, const char *via,
	       uint32_t ifindex)
{
	const struct address by = text_address(via);
	struct request batch[BATCH];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), result = 0;

	if (fd < 0)
		return -errno;
	while (from < to && !result) {
		size_t size = 0;

		for (unsigned i = 0; i < BATCH && from < to; i++) {
			const struct request r = request_make(f, from++, &by, ifindex);

			memcpy((uint8_t *)batch + size, &r, r.header.nlmsg_len);
			size += NLMSG_ALIGN(r.header.nlmsg_len);
		}
		if (send(fd, batch, size, 0) < 0)
			result = -errno;
		else
			result = refusal(fd);
	}
	close(fd);
	return result;
}
