/* Moves a station between access points by rtnetlink.  Used by handoff.c; the same in Python, for
 * all but this measurement, is dock.py. */
#include "lab/air.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Port flags are nested in IFLA_PROTINFO. */
struct flags_message {
	struct nlmsghdr header;
	struct ifinfomsg info;
	struct nlattr nest;
	struct {
		struct nlattr attribute;
		uint8_t value, pad[3];
	} flags[5];
};

struct link_message {
	struct nlmsghdr header;
	struct ifinfomsg info;
};

int air_open(struct air *a, struct netns *n, const char *const names[2])
{
	a->sequence = 0;
	for (unsigned i = 0; i < 2; i++) {
		a->port[i] = netns_device(n, names[i]);
		if (a->port[i] == 0)
			return -ENODEV;
	}
	a->fd = netns_socket(n, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	return a->fd < 0 ? a->fd : 0;
}

void air_close(struct air *a)
{
	close(a->fd);
}

static void fill_header(struct nlmsghdr *header, uint16_t type, size_t size, uint32_t sequence)
{
	header->nlmsg_len = (uint32_t)size;
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = sequence;
}

static struct link_message link_message(struct air *a, unsigned port, bool up)
{
	struct link_message m = {
		.info = {.ifi_family = AF_UNSPEC,
			 .ifi_index = (int)port,
			 .ifi_flags = up ? IFF_UP : 0,
			 .ifi_change = IFF_UP},
	};

	fill_header(&m.header, RTM_NEWLINK, sizeof(m), ++a->sequence);
	return m;
}

/* An inactive port takes in nothing (locked, with no address learnt) and nothing is flooded to it.
 */
static struct flags_message flags_message(struct air *a, unsigned port, bool active)
{
	static const uint16_t kinds[] = {IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD,
					 IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_BCAST_FLOOD,
					 IFLA_BRPORT_LOCKED};
	const uint8_t values[] = {0, active, active, active, !active};
	struct flags_message m = {
		.info = {.ifi_family = AF_BRIDGE, .ifi_index = (int)port},
		.nest = {.nla_len = sizeof(m.nest) + sizeof(m.flags),
			 .nla_type = IFLA_PROTINFO | NLA_F_NESTED},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		m.flags[i].attribute.nla_type = kinds[i];
		m.flags[i].attribute.nla_len = sizeof(struct nlattr) + 1;
		m.flags[i].value = values[i];
	}
	fill_header(&m.header, RTM_SETLINK, sizeof(m), ++a->sequence);
	return m;
}

/* Reads one answer for each message: 0, or the first refusal. */
static int read_answers(struct air *a, unsigned count)
{
	int result = 0;

	while (count > 0) {
		union {
			struct nlmsghdr header;
			char bytes[4096];
		} buffer;
		ssize_t got = recv(a->fd, &buffer, sizeof(buffer), 0);
		size_t left;

		if (got < 0)
			return -errno;
		left = (size_t)got;
		for (struct nlmsghdr *h = &buffer.header; NLMSG_OK(h, left) && count > 0;
		     h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *answer = NLMSG_DATA(h);

			if (h->nlmsg_type == NLMSG_ERROR && result == 0)
				result = answer->error;
			count--;
		}
	}
	return result;
}

int air_move(struct air *a, unsigned from, unsigned to)
{
	struct {
		struct flags_message lock, open;
	} m = {.lock = flags_message(a, a->port[from], false),
	       .open = flags_message(a, a->port[to], true)};

	if (send(a->fd, &m, sizeof(m), 0) < 0)
		return -errno;
	return read_answers(a, 2);
}

int air_set_carrier(struct air *a, unsigned which, bool up)
{
	struct link_message m = link_message(a, a->port[which], up);

	if (send(a->fd, &m, sizeof(m), 0) < 0)
		return -errno;
	return read_answers(a, 1);
}
